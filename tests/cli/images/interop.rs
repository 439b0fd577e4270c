//! cosign and sigtool accept each other's signatures of images, in registries with and without the referrers API: every way a key may be
//! kept, every algorithm, both forms.
//!
//! A matrix goes through all its cells before it fails, so that one run shows which are broken. What cosign cannot do is in
//! [`EXCLUDED`], each with its reason, and a test holds that reason to be still true. No cell is left out elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sigtool_tests::images::{INDEX, MANIFEST};
use sigtool_tests::peers::{Cosign, ImageForm, Matrix, Said, Version, need, openssl_key};
use sigtool_tests::registry::Registry;
use sigtool_tests::{Sandbox, tests_folder};
use std::fs;

/// The password of every key here that has one. That of the keys in `data` too.
const PASSWORD: &str = "hello";

/// The algorithms that are tried once. P-256, P-384 and RSA with 2048 bits are those of the keys of the matrix.
const OTHER_ALGORITHMS: [&str; 4] = ["ecdsa-p521", "ed25519", "rsa-3072", "rsa-4096"];

/// What says that an artifact is a bundle, and what a bundle says that signs.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";
const ATTESTATION: &str = "https://cosign.sigstore.dev/attestation/v1";

/// What a cosign cannot do with bundles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inability {
    /// It does not look at a bundle's annotations, and finds every one that it is asked for.
    DemandAnnotations,
    /// Where there is a bundle, it looks at no `.sig`, whatever it is told.
    SeeSig,
    /// It drops the annotations that it is to sign in a bundle.
    SignAnnotations,
}

use Inability::{DemandAnnotations, SeeSig, SignAnnotations};

/// The cells that cannot be: version 2 writes and reads bundles of images, and does not quite finish it.
const EXCLUDED: [(Version, Inability); 3] = [
    (Version::V2, DemandAnnotations),
    (Version::V2, SeeSig),
    (Version::V2, SignAnnotations),
];

macro_rules! on_each_registry {
    ($($test:ident),* $(,)?) => {
        /// Without the referrers API.
        mod docker_registry {
            $(#[test] fn $test() { super::on(super::Registry::docker, super::$test); })*
        }

        mod olareg {
            $(#[test] fn $test() { super::on(|| super::Registry::olareg(&[]), super::$test); })*
        }

        mod ferro {
            $(#[test] fn $test() { super::on(super::Registry::ferro, super::$test); })*
        }
    };
}

on_each_registry! {
    a_signature_beside_an_attestation_counts_and_an_attestation_alone_is_not_one,
    a_signature_copied_to_another_image_is_refused_with_the_reason,
    an_image_signed_in_both_forms_is_valid_by_either,
    annotations_that_were_signed_verify_and_others_are_refused,
    cosign_accepts_what_we_sign,
    two_signers_are_valid_each_and_together,
    we_accept_what_cosign_signs,
    what_one_signs_recursively_the_other_verifies_one_by_one,
}

/// A private key `NAME.key` of who signs, its public half in `NAME.pub`, also for who verifies.
#[derive(Clone, Debug)]
struct Key {
    name: String,
    password: &'static str,
}

impl Key {
    fn private(&self) -> String {
        format!("{}.key", self.name)
    }

    fn public(&self) -> String {
        format!("{}.pub", self.name)
    }
}

/// An image in a repository of its own.
#[derive(Clone, Debug)]
struct Image {
    repository: String,
    digest: String,
    by_tag: String,
    by_digest: String,
}

impl Image {
    /// The tag of cosign's own signatures.
    fn sig_tag(&self) -> String {
        format!("{}.sig", self.digest.replace(':', "-"))
    }
}

/// A registry, both versions of cosign, a machine that signs, and another one that has public keys and nothing else.
struct Stage {
    registry: Registry,
    cosigns: [Cosign; 2],
    here: Sandbox,
    there: Sandbox,
}

/// Runs a test on a registry, unless something that it needs is missing.
fn on(registry: impl Fn() -> Option<Registry>, test: fn(&Stage)) {
    if need("openssl").is_none() {
        return;
    }
    let Some(cosigns) = Cosign::both() else {
        return;
    };
    let Some(registry) = registry() else { return };
    let [here, there] = [0, 1].map(|_| Sandbox::new(env!("CARGO_BIN_EXE_sigtool")));
    test(&Stage {
        registry,
        cosigns,
        here,
        there,
    });
}

// ---- the matrix ----------------------------------------------------------------------------------------------------------

fn cosign_accepts_what_we_sign(stage: &Stage) {
    let keys = [
        stage.plain("ecdsa-p256"),
        stage.container("n32768"),
        stage.generated(),
        stage.imported("rsa-2048"),
        stage.imported("ecdsa-p384"),
    ];
    let mut matrix = Matrix::default();
    for key in &keys {
        stage.we_sign_and_cosign_verifies(key, &mut matrix);
    }
    matrix.end(keys.len() * 2 * 2);
}

fn we_accept_what_cosign_signs(stage: &Stage) {
    let keys = [
        stage.encrypted("ecdsa-p256"),
        stage.container("n32768"),
        stage.generated(),
        stage.imported("rsa-2048"),
        stage.imported("ecdsa-p384"),
    ];
    let mut matrix = Matrix::default();
    for key in &keys {
        stage.cosign_signs_and_we_verify(key, &mut matrix);
    }
    matrix.end(keys.len() * 2 * 2 * 2);
}

#[test]
fn cosign_accepts_what_we_sign_by_every_other_algorithm() {
    on(Registry::docker, |stage| {
        let mut matrix = Matrix::default();
        for algorithm in OTHER_ALGORITHMS {
            stage.we_sign_and_cosign_verifies(&stage.plain(algorithm), &mut matrix);
        }
        matrix.end(OTHER_ALGORITHMS.len() * 2 * 2);
    });
}

#[test]
fn we_accept_what_cosign_signs_by_every_other_algorithm() {
    on(Registry::docker, |stage| {
        let mut matrix = Matrix::default();
        for algorithm in OTHER_ALGORITHMS {
            stage.cosign_signs_and_we_verify(&stage.imported(algorithm), &mut matrix);
        }
        matrix.end(OTHER_ALGORITHMS.len() * 2 * 2 * 2);
    });
}

impl Stage {
    /// A cell for each form and each version.
    fn we_sign_and_cosign_verifies(&self, key: &Key, matrix: &mut Matrix) {
        for form in ImageForm::ALL {
            let cell = format!("{} {form:?}", key.name);
            let image = self.image(&cell);
            self.we_sign(key, form, &image, &[]);
            for cosign in &self.cosigns {
                let said = self.cosign_verifies(cosign, key, form, &image, &[]);
                matrix.valid(&format!("{cell} {}", cosign.version), &said);
            }
        }
    }

    /// Two cells for each form and each version: named by digest and by tag.
    fn cosign_signs_and_we_verify(&self, key: &Key, matrix: &mut Matrix) {
        for (cosign, form) in self.signers() {
            let cell = format!("{} {form:?} {}", key.name, cosign.version);
            let image = self.image(&cell);
            self.cosign_signs(cosign, key, form, &image, &[]);
            for reference in [&image.by_digest, &image.by_tag] {
                let said = self.we_verify(&[key], reference, &[]);
                matrix.valid(&cell, &said);
            }
        }
    }
}

fn what_one_signs_recursively_the_other_verifies_one_by_one(stage: &Stage) {
    let key = stage.generated();
    let mut matrix = Matrix::default();
    for form in ImageForm::ALL {
        let [index, all @ ..] = &stage.index(&format!("ours {form:?}"))[..] else {
            unreachable!("an index and its images");
        };
        stage.we_sign(&key, form, index, &["--recursive"]);
        for image in [index].into_iter().chain(all) {
            for cosign in &stage.cosigns {
                let cell = format!("{form:?} {} {}", cosign.version, image.by_digest);
                let said = stage.cosign_verifies(cosign, &key, form, image, &[]);
                matrix.valid(&cell, &said);
            }
        }
    }
    for (cosign, form) in stage.signers() {
        let cell = format!("{} {form:?}", cosign.version);
        let images = stage.index(&cell);
        stage.cosign_signs(cosign, &key, form, &images[0], &["--recursive"]);
        for image in &images {
            let said = stage.we_verify(&[&key], &image.by_digest, &[]);
            matrix.valid(&format!("{cell} {}", image.by_digest), &said);
        }
        let said = stage.we_verify(&[&key], &images[0].by_tag, &["--recursive"]);
        matrix.valid(&format!("{cell} recursively"), &said);
        let valid = said.text.matches("valid ").count();
        assert_eq!(valid, images.len(), "{cell}: {said}");
    }
    matrix.end(2 * 3 * 2 + 4 * (3 + 1));
}

fn annotations_that_were_signed_verify_and_others_are_refused(stage: &Stage) {
    let key = stage.generated();
    let signed = ["-a", "env=prod", "-a", "team=web"];
    let demands = [
        (&["-a", "team=web"][..], true),
        (&["-a", "env=prod", "-a", "team=web"], true),
        (&["-a", "env=dev"], false),
        (&["-a", "env=prod", "-a", "owner=me"], false),
    ];
    let (mut matrix, mut cells) = (Matrix::default(), 0);
    for form in ImageForm::ALL {
        let image = stage.image(&format!("ours {form:?}"));
        stage.we_sign(&key, form, &image, &signed);
        for (cosign, (demand, was_signed)) in pairs(&stage.cosigns, &demands) {
            if form == ImageForm::Bundle && is_excluded(cosign, DemandAnnotations) {
                continue;
            }
            let cell = format!("ours {form:?} {} {demand:?}", cosign.version);
            let said = stage.cosign_verifies(cosign, &key, form, &image, demand);
            cells += 1;
            match was_signed {
                true => matrix.valid(&cell, &said),
                false => matrix.refused(&cell, &said, "missing or incorrect annotation"),
            }
        }
    }
    for (cosign, form) in stage.signers() {
        if form == ImageForm::Bundle && is_excluded(cosign, SignAnnotations) {
            continue;
        }
        let image = stage.image(&format!("{} {form:?}", cosign.version));
        stage.cosign_signs(cosign, &key, form, &image, &signed);
        for (demand, was_signed) in demands {
            let cell = format!("{} {form:?} {demand:?}", cosign.version);
            let said = stage.we_verify(&[&key], &image.by_tag, demand);
            cells += 1;
            match was_signed {
                true => matrix.valid(&cell, &said),
                false => matrix.refused(&cell, &said, "but not with the annotation"),
            }
        }
    }
    assert_eq!(cells, 12 + 12, "of 16 each, the bundles of one version");
    matrix.end(cells);
}

fn two_signers_are_valid_each_and_together(stage: &Stage) {
    let (theirs, ours) = (stage.generated(), stage.plain("ecdsa-p384"));
    let stranger = stage.plain("ed25519");
    let mut matrix = Matrix::default();
    for (cosign, form) in stage.signers() {
        for we_are_first in [true, false] {
            let cell = format!("{} {form:?} {we_are_first}", cosign.version);
            let image = stage.image(&cell);
            let we_sign = || stage.we_sign(&ours, form, &image, &[]);
            if we_are_first {
                we_sign();
            }
            stage.cosign_signs(cosign, &theirs, form, &image, &[]);
            if !we_are_first {
                we_sign();
            }
            for key in [&ours, &theirs] {
                let said = stage.we_verify(&[key], &image.by_tag, &[]);
                matrix.valid(&format!("{cell} {}", key.name), &said);
                let said = stage.cosign_verifies(cosign, key, form, &image, &[]);
                matrix.valid(&format!("{cell} {} by cosign", key.name), &said);
            }
            let all = ["--require", "all"];
            let said = stage.we_verify(&[&ours, &theirs], &image.by_tag, &all);
            matrix.valid(&format!("{cell} together"), &said);
            let said = stage.we_verify(&[&ours, &theirs, &stranger], &image.by_tag, &all);
            matrix.refused(&cell, &said, "3 distinct signers are required, 2 found");
        }
    }
    matrix.end(4 * 2 * (2 * 2 + 2));
}

fn a_signature_beside_an_attestation_counts_and_an_attestation_alone_is_not_one(stage: &Stage) {
    let key = stage.generated();
    stage.here.write("custom.json", r#"{"tested": true}"#);
    stage.here.write("spdxjson.json", SBOM);
    let mut matrix = Matrix::default();
    for (cosign, form) in stage.signers() {
        for kind in ["custom", "spdxjson"] {
            let cell = format!("{} {form:?} {kind}", cosign.version);
            let image = stage.image(&cell);
            stage.cosign_attests(cosign, &key, form, kind, &image);
            let said = stage.we_verify(&[&key], &image.by_tag, &[]);
            matrix.refused(&cell, &said, "no signature found");
            assert_eq!(said.code, Some(1), "{cell}: {said}");

            stage.we_sign(&key, form, &image, &[]);
            let said = stage.we_verify(&[&key], &image.by_tag, &[]);
            matrix.valid(&format!("{cell} and signed"), &said);
            let said = stage.cosign_verifies(cosign, &key, form, &image, &[]);
            matrix.valid(&format!("{cell} and signed, by cosign"), &said);
            let (public, reference) = (key.public(), &image.by_digest);
            let said = cosign.verify_attestation(&stage.here, &public, form, kind, reference, &[]);
            matrix.valid(&format!("{cell} is still attested"), &said);
        }
    }
    matrix.end(4 * 2 * 4);
}

fn an_image_signed_in_both_forms_is_valid_by_either(stage: &Stage) {
    let key = stage.generated();
    let mut matrix = Matrix::default();
    for cosign in &stage.cosigns {
        let image = stage.image(&cosign.version.to_string());
        for form in ImageForm::ALL {
            stage.cosign_signs(cosign, &key, form, &image, &[]);
        }
        let said = stage.we_verify(&[&key], &image.by_tag, &[]);
        matrix.valid(&cosign.version.to_string(), &said);
        // Each by itself: taken out of the registry, and named.
        for (flag, ending) in [("--bundle", "json"), ("--signature", "sig")] {
            let file = &format!("{}.{ending}", cosign.version);
            let cell = format!("{} {flag}", cosign.version);
            let inspect = ["inspect", &image.by_tag, flag, file];
            sigtool(&stage.there, "", &inspect).expect_success(&cell);
            let said = stage.we_verify(&[&key], &image.by_tag, &[flag, file]);
            matrix.valid(&cell, &said);
        }
    }
    let image = stage.image("ours");
    let both = ["--attach", "--signature-format=both"];
    stage.we_sign_as(&key, &image, &both);
    for (cosign, form) in stage.signers() {
        if form == ImageForm::Sig && is_excluded(cosign, SeeSig) {
            continue;
        }
        let said = stage.cosign_verifies(cosign, &key, form, &image, &[]);
        matrix.valid(&format!("ours {} {form:?}", cosign.version), &said);
    }
    matrix.end(2 * 3 + 3);
}

fn a_signature_copied_to_another_image_is_refused_with_the_reason(stage: &Stage) {
    let key = stage.generated();
    let public = key.public();
    for form in ImageForm::ALL {
        for by in ["us", "cosign"] {
            let image = stage.image(&format!("{by} {form:?}"));
            match by {
                "us" => stage.we_sign(&key, form, &image, &[]),
                _ => stage.cosign_signs(&stage.cosigns[0], &key, form, &image, &[]),
            }
            let other = stage.another_image(&image);
            match form {
                ImageForm::Bundle => stage.copy_bundle(&image, &other, None),
                ImageForm::Sig => stage.copy_sig(&image, &other),
            }
            let reason = stage.refusal(&public, &other);
            let case = format!("{by} {form:?}: {reason}");
            assert_eq!(reason["code"], "changed-artifact", "{case}");
            assert_eq!(reason["signed"], image.digest, "{case}");
            assert_eq!(reason["found"], other.digest, "{case}");
            for cosign in &stage.cosigns {
                let said = stage.cosign_verifies(cosign, &key, form, &other, &[]);
                assert!(!said.is_success(), "{} {case}: {said}", cosign.version);
            }
        }
    }
    // An attestation of this very image, in a list that says it is a signature.
    stage.here.write("custom.json", r#"{"tested": true}"#);
    for cosign in &stage.cosigns {
        let image = stage.image(&format!("{} attested", cosign.version));
        stage.cosign_attests(cosign, &key, ImageForm::Bundle, "custom", &image);
        stage.copy_bundle(&image, &image, Some(SIGN));
        let reason = stage.refusal(&public, &image);
        assert_eq!(reason["code"], "not-a-signature", "{reason}");
        assert_eq!(reason["claims"], ATTESTATION, "{reason}");
    }
}

// ---- files ---------------------------------------------------------------------------------------------------------------

#[test]
fn a_signature_in_a_file_is_what_lies_in_the_registry() {
    on(Registry::docker, |stage| {
        let key = stage.plain("ecdsa-p256");
        let image = stage.image("files");
        let files = ["--attach", "--bundle=out.json", "--signature=out.sig"];
        stage.we_sign_as(&key, &image, &files);
        let read = |name| fs::read(stage.here.work().join(name)).unwrap();

        let [entry] = &stage.referrers(&image)[..] else {
            panic!("one bundle");
        };
        let manifest = stage.manifest(&image, entry["digest"].as_str().unwrap());
        assert_eq!(manifest["artifactType"], BUNDLE);
        let bundle = read("out.json");
        assert_eq!(stage.only_layer(&image, &manifest), bundle);
        let bundle: Value = serde_json::from_slice(&bundle).unwrap();
        assert_eq!(bundle["mediaType"], BUNDLE);
        let statement = decoded(&bundle["dsseEnvelope"]["payload"]);
        let statement: Value = serde_json::from_slice(&statement).unwrap();
        let hex = image.digest.strip_prefix("sha256:").unwrap();
        assert_eq!(statement["predicateType"], SIGN);
        assert_eq!(statement["subject"][0]["digest"]["sha256"], hex);

        let manifest = stage.manifest(&image, &image.sig_tag());
        let line: Value = serde_json::from_slice(&read("out.sig")).unwrap();
        let annotations = &manifest["layers"][0]["annotations"];
        assert_eq!(
            annotations["dev.cosignproject.cosign/signature"],
            line["Base64Signature"]
        );
        let payload = decoded(&line["Payload"]);
        assert_eq!(stage.only_layer(&image, &manifest), payload);
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        let signed = &payload["critical"]["image"]["docker-manifest-digest"];
        assert_eq!(*signed, image.digest);
        // cosign prints the same line. Of a bundle, version 3 would print that instead.
        let [_, cosign] = &stage.cosigns;
        let download = ["download", "signature", &image.by_digest];
        let said = cosign.run(&stage.here, "", download);
        let theirs = said.text.lines().find(|line| line.starts_with('{'));
        let theirs: Value = serde_json::from_str(theirs.expect("a line of JSON")).unwrap();
        assert_eq!(theirs, line);
    });
}

#[test]
fn a_signature_in_a_file_is_split_for_cosign_and_comes_from_it() {
    on(Registry::docker, |stage| {
        let key = stage.generated();
        let (image, other) = (stage.image("image"), stage.image("other"));
        stage.we_sign_as(&key, &image, &["--signature=out.sig"]);
        let line = fs::read(stage.here.work().join("out.sig")).unwrap();
        let line: Value = serde_json::from_slice(&line).unwrap();
        let signature = line["Base64Signature"].as_str().unwrap();
        stage.here.write("out.b64", signature);
        stage.here.write("out.payload", decoded(&line["Payload"]));
        for cosign in &stage.cosigns {
            let split = ["--signature=out.b64", "--payload=out.payload"];
            let verify = |image| stage.cosign_verifies(cosign, &key, ImageForm::Sig, image, &split);
            verify(&image).expect_success("the image");
            assert!(!verify(&other).is_success(), "{}", cosign.version);
        }
        // Cut out of ours, and as cosign writes it.
        stage.there.write("ours.b64", signature);
        stage.we_verify_named(&key, "--signature=ours.b64", &image, &other);
        for cosign in &stage.cosigns {
            let file = format!("{}.b64", cosign.version);
            let (output, form) = (format!("--output-signature={file}"), ImageForm::Sig);
            stage.cosign_signs(cosign, &key, form, &image, &["--upload=false", &output]);
            stage.hand_over(&file);
            stage.we_verify_named(&key, &format!("--signature={file}"), &image, &other);
        }
        // Only version 3 writes a bundle into a file.
        let bundle = ["--upload=false", "--bundle=theirs.json"];
        let [cosign, _] = &stage.cosigns;
        stage.cosign_signs(cosign, &key, ImageForm::Bundle, &image, &bundle);
        stage.hand_over("theirs.json");
        stage.we_verify_named(&key, "--bundle=theirs.json", &image, &other);
    });
}

#[test]
fn what_cosign_downloads_is_valid_in_a_file() {
    on(Registry::docker, |stage| {
        let key = stage.generated();
        let (image, other) = (stage.image("image"), stage.image("other"));
        stage.we_sign(&key, ImageForm::Sig, &image, &[]);
        for cosign in &stage.cosigns {
            let download = ["download", "signature", &image.by_digest];
            let said = cosign.run(&stage.here, "", download);
            let line = said.text.lines().find(|line| line.starts_with('{'));
            stage.there.write("downloaded.sig", line.expect("JSON"));
            stage.we_verify_named(&key, "--signature=downloaded.sig", &image, &other);
        }
    });
}

// ---- what is left out ----------------------------------------------------------------------------------------------------

#[test]
fn what_is_left_out_is_left_out_because_cosign_cannot_do_it() {
    on(Registry::docker, |stage| {
        let key = stage.generated();
        let annotation = ["-a", "env=prod"];
        let (bundle, sig) = (ImageForm::Bundle, ImageForm::Sig);
        for cosign in &stage.cosigns {
            let image = stage.image(&format!("{} a", cosign.version));
            stage.cosign_signs(cosign, &key, bundle, &image, &annotation);
            let drops = !stage
                .we_verify(&[&key], &image.by_tag, &annotation)
                .is_success();
            let image = stage.image(&format!("{} b", cosign.version));
            stage.we_sign(&key, bundle, &image, &[]);
            let said = stage.cosign_verifies(cosign, &key, bundle, &image, &annotation);
            let ignores = said.is_success();
            stage.we_sign(&key, sig, &image, &[]);
            let said = stage.cosign_verifies(cosign, &key, sig, &image, &[]);
            let overlooks = !said.is_success();
            for (inability, is_so) in [
                (DemandAnnotations, ignores),
                (SeeSig, overlooks),
                (SignAnnotations, drops),
            ] {
                let excluded = is_excluded(cosign, inability);
                assert_eq!(is_so, excluded, "{} {inability:?}", cosign.version);
            }
        }
    });
}

fn is_excluded(cosign: &Cosign, inability: Inability) -> bool {
    EXCLUDED.contains(&(cosign.version, inability))
}

// ---- keys ----------------------------------------------------------------------------------------------------------------

impl Stage {
    /// As sigtool keeps it.
    fn encrypted(&self, algorithm: &str) -> Key {
        let key = Key {
            name: format!("encrypted-{algorithm}"),
            password: PASSWORD,
        };
        let prefix = ["--output-key-prefix", &key.name];
        let generate = ["key", "generate", "--algorithm", algorithm];
        let generate = [&generate[..], &prefix].concat();
        sigtool(&self.here, PASSWORD, &generate).expect_success(&key.name);
        self.hand_over(&key.public());
        key
    }

    /// As OpenSSL writes it: PKCS#8 without a password.
    fn plain(&self, algorithm: &str) -> Key {
        let key = Key {
            name: format!("plain-{algorithm}"),
            password: "",
        };
        openssl_key(&self.here.work().join(key.private()), algorithm);
        self.export(&key);
        key
    }

    /// A plain key, taken over by cosign.
    fn imported(&self, algorithm: &str) -> Key {
        let plain = self.plain(algorithm).private();
        let key = Key {
            name: format!("imported-{algorithm}"),
            password: PASSWORD,
        };
        let [cosign, _] = &self.cosigns;
        let imported = cosign.import(&self.here, PASSWORD, &plain, &key.name);
        imported.expect_success(&key.name);
        self.hand_over(&key.public());
        key
    }

    /// Made by cosign, ECDSA P-256, in a container with today's cost.
    fn generated(&self) -> Key {
        let key = Key {
            name: "generated".to_owned(),
            password: PASSWORD,
        };
        let [cosign, _] = &self.cosigns;
        let generated = cosign.generate(&self.here, PASSWORD, &key.name);
        generated.expect_success(&key.name);
        let pem = fs::read_to_string(self.here.work().join(key.private())).unwrap();
        let lines = pem.lines().filter(|line| !line.starts_with("---"));
        let container = STANDARD.decode(lines.collect::<String>()).unwrap();
        let container: Value = serde_json::from_slice(&container).unwrap();
        assert_eq!(container["kdf"]["params"]["N"], 65536, "today's cost");
        self.hand_over(&key.public());
        key
    }

    /// In a container whose password costs less to try than in those written today.
    fn container(&self, cost: &str) -> Key {
        let file = format!("cli/data/test-key-p256-{cost}-password-hello.key");
        let key = Key {
            name: cost.to_owned(),
            password: PASSWORD,
        };
        let text = fs::read(tests_folder().join(file)).unwrap();
        self.here.write(&key.private(), text);
        self.export(&key);
        key
    }

    fn export(&self, key: &Key) {
        let (private, public) = (key.private(), key.public());
        let export = ["key", "export-public", &private, "--output", &public];
        sigtool(&self.here, key.password, &export).expect_success(&key.name);
        self.hand_over(&public);
    }

    /// Copies a file to the other machine.
    fn hand_over(&self, file: &str) {
        let bytes = fs::read(self.here.work().join(file)).unwrap();
        self.there.write(file, bytes);
    }
}

// ---- images --------------------------------------------------------------------------------------------------------------

impl Stage {
    /// A new image in a repository of this name.
    fn image(&self, name: &str) -> Image {
        let repository = name.replace(' ', "-").to_lowercase();
        let digest = self.registry.push_image(&repository, "v1", name);
        self.named(&repository, "v1", &digest)
    }

    /// Another image in the same repository.
    fn another_image(&self, image: &Image) -> Image {
        let (repository, tag) = (&image.repository, "v2");
        let digest = self.registry.push_image(repository, tag, "another");
        self.named(repository, tag, &digest)
    }

    /// An index, and its two images.
    fn index(&self, name: &str) -> Vec<Image> {
        let repository = name.replace(' ', "-").to_lowercase();
        let (index, children) = self.registry.push_index(&repository, "all", &[1, 2]);
        [index]
            .iter()
            .chain(&children)
            .map(|digest| self.named(&repository, "all", digest))
            .collect()
    }

    fn named(&self, repository: &str, tag: &str, digest: &str) -> Image {
        let place = format!("{}/{repository}", self.registry.host());
        Image {
            repository: repository.to_owned(),
            digest: digest.to_owned(),
            by_tag: format!("{place}:{tag}"),
            by_digest: format!("{place}@{digest}"),
        }
    }

    fn referrers(&self, image: &Image) -> Vec<Value> {
        self.registry.referrers(&image.repository, &image.digest)
    }

    fn manifest(&self, image: &Image, reference: &str) -> Value {
        let manifest = self.registry.manifest(&image.repository, reference);
        manifest.expect("a manifest")
    }

    fn only_layer(&self, image: &Image, manifest: &Value) -> Vec<u8> {
        assert_eq!(manifest["layers"].as_array().map(Vec::len), Some(1));
        let digest = manifest["layers"][0]["digest"].as_str().unwrap();
        self.registry.blob(&image.repository, digest).unwrap()
    }

    /// Puts one image's `.sig` where another's is looked for.
    fn copy_sig(&self, from: &Image, to: &Image) {
        let manifest = self.manifest(from, &from.sig_tag()).to_string();
        let (repository, tag) = (&to.repository, to.sig_tag());
        self.registry
            .push_manifest(repository, &tag, MANIFEST, &manifest);
    }

    /// Lists one image's only bundle as another's, with what it says to be changed if it is told.
    fn copy_bundle(&self, from: &Image, to: &Image, predicate_type: Option<&str>) {
        let [entry] = &self.referrers(from)[..] else {
            panic!("one bundle");
        };
        let mut manifest = self.manifest(from, entry["digest"].as_str().unwrap());
        let path = format!("/v2/{}/manifests/{}", to.repository, to.digest);
        let size = self.registry.get(&path, MANIFEST).body.len();
        let subject = json!({ "mediaType": MANIFEST, "digest": to.digest, "size": size });
        manifest["subject"] = subject;
        if let Some(predicate_type) = predicate_type {
            manifest["annotations"][PREDICATE_TYPE] = predicate_type.into();
        }
        let text = manifest.to_string();
        let digest = sigtool_tests::images::digest(text.as_bytes());
        let repository = &to.repository;
        self.registry
            .push_manifest(repository, &digest, MANIFEST, &text);
        let listed = self.referrers(to);
        if listed.iter().any(|entry| entry["digest"] == *digest) {
            return;
        }
        let mut entry = entry.clone();
        entry["digest"] = digest.into();
        entry["size"] = text.len().into();
        entry["annotations"] = manifest["annotations"].clone();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
        let (tag, index) = (to.digest.replace(':', "-"), index.to_string());
        self.registry.push_manifest(repository, &tag, INDEX, &index);
    }
}

fn decoded(base64: &Value) -> Vec<u8> {
    STANDARD.decode(base64.as_str().unwrap()).unwrap()
}

/// The least that is an SBOM.
const SBOM: &str = r#"{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"app","documentNamespace":"https://example.com/app","creationInfo":{"created":"2026-01-01T00:00:00Z","creators":["Tool: tests"]},"packages":[]}"#;

// ---- programs ------------------------------------------------------------------------------------------------------------

impl Stage {
    /// Each version in each form.
    fn signers(&self) -> impl Iterator<Item = (&Cosign, ImageForm)> {
        pairs(&self.cosigns, &ImageForm::ALL)
    }

    fn we_sign(&self, key: &Key, form: ImageForm, image: &Image, more: &[&str]) {
        let format = match form {
            ImageForm::Bundle => "--signature-format=bundle",
            ImageForm::Sig => "--signature-format=cosign",
        };
        self.we_sign_as(key, image, &[&["--attach", format], more].concat());
    }

    fn we_sign_as(&self, key: &Key, image: &Image, flags: &[&str]) {
        let private = key.private();
        let sign = ["sign", "--key", &private, &image.by_tag];
        let said = sigtool(&self.here, key.password, &[&sign[..], flags].concat());
        said.expect_success(&format!("{} {flags:?}", key.name));
    }

    fn we_verify(&self, keys: &[&Key], reference: &str, more: &[&str]) -> Said {
        let keys: Vec<String> = keys
            .iter()
            .map(|k| format!("--key={}", k.public()))
            .collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let verify = [&["verify", reference][..], &keys, more].concat();
        let said = sigtool(&self.there, "", &verify);
        Said::only_with(said, &format!("valid {reference}"))
    }

    /// A signature in a file of the other machine is that of this image and of no other.
    fn we_verify_named(&self, key: &Key, named: &str, image: &Image, other: &Image) {
        let said = self.we_verify(&[key], &image.by_tag, &[named]);
        said.expect_success(named);
        let said = self.we_verify(&[key], &other.by_tag, &[named]);
        assert_eq!(said.code, Some(1), "{named}: {said}");
    }

    /// Why an image is refused: the one reason.
    fn refusal(&self, public: &str, image: &Image) -> Value {
        let verify = ["verify", "--format=json", "--key", public, &image.by_tag];
        let output = self.there.sigtool().args(verify).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report[0]["status"], "refused", "{report}");
        let reasons = report[0]["verification"]["reasons"].take();
        assert_eq!(reasons.as_array().map(Vec::len), Some(1), "{reasons}");
        reasons[0].clone()
    }

    fn cosign_signs(
        &self,
        cosign: &Cosign,
        key: &Key,
        form: ImageForm,
        image: &Image,
        more: &[&str],
    ) {
        let private = key.private();
        let signer = (private.as_str(), key.password);
        let said = cosign.sign_image(&self.here, signer, form, &image.by_digest, more);
        said.expect_success(&format!("{} {form:?} {}", cosign.version, key.name));
    }

    fn cosign_attests(
        &self,
        cosign: &Cosign,
        key: &Key,
        form: ImageForm,
        kind: &str,
        image: &Image,
    ) {
        let (private, file) = (key.private(), format!("{kind}.json"));
        let (signer, predicate) = ((private.as_str(), key.password), (kind, file.as_str()));
        let said = cosign.attest_image(&self.here, signer, form, predicate, &image.by_digest, &[]);
        said.expect_success(&format!("{} {form:?} {kind}", cosign.version));
    }

    fn cosign_verifies(
        &self,
        cosign: &Cosign,
        key: &Key,
        form: ImageForm,
        image: &Image,
        more: &[&str],
    ) -> Said {
        cosign.verify_image(&self.here, &key.public(), form, &image.by_digest, more)
    }
}

/// Runs sigtool with this password.
fn sigtool(sandbox: &Sandbox, password: &str, arguments: &[&str]) -> Said {
    let command = sandbox.sigtool().env("SIGTOOL_PASSWORD", password);
    command.args(arguments).output().unwrap().into()
}

fn pairs<'a, A, B: Copy>(a: &'a [A], b: &'a [B]) -> impl Iterator<Item = (&'a A, B)> {
    a.iter().flat_map(move |a| b.iter().map(move |b| (a, *b)))
}
