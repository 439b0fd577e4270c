//! Signing an image again: one's own signature is replaced, and nobody else's is lost, whoever signs at the same time.

use serde_json::{Value, json};
use sigtool_tests::images::{INDEX, MANIFEST};
use sigtool_tests::peers::{Cosign, ImageForm};
use sigtool_tests::processes::wait_for;
use sigtool_tests::proxy::{Fault, FaultProxy, Matcher};
use sigtool_tests::registry::Registry;
use sigtool_tests::{Sandbox, keys};
use std::process::{Child, Stdio};

/// How often two processes sign one image at the same time, for each kind of list. They start anew for each image, and so reach
/// the registry at the same moment. Without a lock, olareg then lists only one of two in 4 of 200 tries.
const TRIES: usize = 200;

/// How many of these are signed again, in one call.
const BATCH: usize = 20;

/// What else may refer to an image.
const FOREIGN: &str = "application/vnd.example.notes";

/// A registry, and whether it removes what it is asked to remove.
struct Kind {
    name: &'static str,
    registry: Registry,
    removes: bool,
}

/// Each kind of registry; none if one is missing.
fn kinds() -> Option<Vec<Kind>> {
    let kind = |name, registry, removes| Kind {
        name,
        registry,
        removes,
    };
    Some(vec![
        kind("docker-registry", Registry::docker()?, true),
        kind("olareg", Registry::olareg(&["--api-delete"])?, true),
        kind("olareg that keeps all", Registry::olareg(&[])?, false),
        kind("ferro", Registry::ferro()?, true),
    ])
}

/// An image in a registry, and what is listed beside it.
struct Image<'a> {
    registry: &'a Registry,
    repository: String,
    digest: String,
}

impl<'a> Image<'a> {
    /// A new one in a repository of this name. Names that differ make images that differ.
    fn new(registry: &'a Registry, name: &str) -> Self {
        let repository = name.replace(' ', "-").to_lowercase();
        let digest = registry.push_image(&repository, "v1", name);
        Self {
            registry,
            repository,
            digest,
        }
    }

    fn by_tag(&self) -> String {
        format!("{}/{}:v1", self.registry.host(), self.repository)
    }

    fn by_digest(&self) -> String {
        format!(
            "{}/{}@{}",
            self.registry.host(),
            self.repository,
            self.digest
        )
    }

    /// The tag of the fallback index, or of cosign's own signatures.
    fn tag(&self, form: ImageForm) -> String {
        let tag = self.digest.replace(':', "-");
        match form {
            ImageForm::Bundle => tag,
            ImageForm::Sig => format!("{tag}.sig"),
        }
    }

    /// What the list in this form has: entries, or layers.
    fn listed(&self, form: ImageForm) -> Vec<Value> {
        match form {
            ImageForm::Bundle => self.registry.referrers(&self.repository, &self.digest),
            ImageForm::Sig => {
                let manifest = self.registry.manifest(&self.repository, &self.tag(form));
                let layers = manifest.map(|mut manifest| manifest["layers"].take());
                layers.map_or_else(Vec::new, |layers| layers.as_array().unwrap().clone())
            }
        }
    }

    /// The document with the list, as it is in the registry.
    fn text(&self, form: ImageForm) -> String {
        let path = format!("/v2/{}/manifests/{}", self.repository, self.tag(form));
        let answer = self.registry.get(&path, &format!("{MANIFEST}, {INDEX}"));
        assert_eq!(answer.status, 200, "{path}");
        String::from_utf8(answer.body).unwrap()
    }

    fn replace_text(&self, form: ImageForm, media_type: &str, text: &str) {
        let (repository, tag) = (&self.repository, self.tag(form));
        self.registry
            .push_manifest(repository, &tag, media_type, text);
    }
}

fn machine() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    keys::put(&sandbox);
    sandbox
}

/// What `sign` said of one image, by a key and in a form: stdout, then stderr.
fn sign(
    machine: &Sandbox,
    key: &str,
    form: ImageForm,
    image: &Image,
    more: &[&str],
) -> (String, String) {
    let key = format!("{key}.key");
    let by_tag = image.by_tag();
    let output = machine
        .sigtool()
        .args(["sign", "--attach", format(form), "--key", &key, &by_tag])
        .args(more)
        .output()
        .unwrap();
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|s| String::from_utf8_lossy(s));
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    (stdout.into_owned(), stderr.into_owned())
}

fn format(form: ImageForm) -> &'static str {
    match form {
        ImageForm::Bundle => "--signature-format=bundle",
        ImageForm::Sig => "--signature-format=cosign",
    }
}

/// Another machine finds the signatures of all of these keys.
#[track_caller]
fn verify(keys: &[&str], references: &[String]) {
    let machine = machine();
    let mut command = machine.sigtool().args(["verify", "--require", "all"]);
    for key in keys {
        command = command.args(["--key", &format!("{key}.pub")]);
    }
    command.args(references).assert().code(0);
}

#[test]
fn signing_again_replaces_ones_own_signature_and_keeps_those_of_others() {
    let Some(kinds) = kinds() else { return };
    let (first, second) = (machine(), machine());
    for kind in &kinds {
        for form in ImageForm::ALL {
            let case = format!("{} {form:?}", kind.name);
            let image = Image::new(&kind.registry, &case);
            sign(&first, "b", form, &image, &[]);
            let others = image.listed(form);
            sign(&first, "a", form, &image, &[]);
            let own: Vec<Value> = image.listed(form);
            let own: Vec<&Value> = own.iter().filter(|e| !others.contains(e)).collect();
            assert_eq!((others.len(), own.len()), (1, 1), "{case}");

            // From a machine that has never seen the image.
            let (said, remarked) = sign(&second, "a", form, &image, &[]);
            assert!(said.starts_with("signed again "), "{case}: {said}");
            let now = image.listed(form);
            assert!(now.contains(&others[0]), "{case}: {now:?}");
            if kind.removes || form == ImageForm::Sig {
                assert_eq!(remarked, "", "{case}");
                assert_eq!(now.len(), 2, "{case}: {now:?}");
                assert!(!now.contains(own[0]), "{case}: {now:?}");
            } else {
                let older = own[0]["digest"].as_str().unwrap();
                assert!(remarked.starts_with("note: "), "{case}: {remarked}");
                assert!(remarked.contains(older), "{case}: {remarked}");
                assert!(remarked.contains("stays beside the new one"), "{remarked}");
                assert_eq!(now.len(), 3, "{case}: {now:?}");
            }
            verify(&["a", "b"], &[image.by_tag()]);
        }
    }
}

#[test]
fn two_tags_of_one_image_in_one_call_leave_one_signature() {
    let Some(kinds) = kinds() else { return };
    let machine = machine();
    for kind in kinds.iter().filter(|kind| kind.removes) {
        for form in ImageForm::ALL {
            let case = format!("{} {form:?}", kind.name);
            let image = Image::new(&kind.registry, &case);
            let tags: Vec<String> = (0..6).map(|n| format!("t{n}")).collect();
            for tag in &tags {
                kind.registry.push_image(&image.repository, tag, &case);
            }
            let names = tags
                .iter()
                .map(|tag| format!("{}/{}:{tag}", kind.registry.host(), image.repository));
            let sign = machine.sigtool().args([
                "sign",
                "--attach",
                format(form),
                "--key",
                "a.key",
                "--jobs=6",
            ]);
            sign.args(names).assert().success();
            let listed = image.listed(form);
            assert_eq!(listed.len(), 1, "{case}: {listed:?}");
        }
    }
}

#[test]
fn append_keeps_ones_own_signatures_too_until_one_signs_without_it() {
    let Some(kinds) = kinds() else { return };
    let machine = machine();
    for kind in kinds.iter().filter(|kind| kind.removes) {
        for form in ImageForm::ALL {
            let case = format!("{} {form:?}", kind.name);
            let image = Image::new(&kind.registry, &case);
            sign(&machine, "b", form, &image, &[]);
            let mut before = image.listed(form);
            for count in 2..5 {
                let (said, _) = sign(
                    &machine,
                    "ed",
                    form,
                    &image,
                    &["--append", "-a", &format!("n={count}")],
                );
                assert!(said.starts_with("signed 127.0.0.1"), "{case}: {said}");
                let now = image.listed(form);
                assert_eq!(now.len(), count, "{case}: {now:?}");
                assert!(before.iter().all(|e| now.contains(e)), "{case}: {now:?}");
                before = now;
            }
            verify(&["b", "ed"], &[image.by_tag()]);
            let (said, _) = sign(&machine, "ed", form, &image, &[]);
            assert!(said.starts_with("signed again "), "{case}: {said}");
            assert_eq!(image.listed(form).len(), 2, "{case}");
            verify(&["b", "ed"], &[image.by_tag()]);
        }
    }
}

#[test]
fn a_signature_that_is_the_same_as_before_is_not_taken_for_an_older_one_and_removed() {
    // Ed25519 signs one payload in one way, so that the new signature may be the old one.
    let Some(kinds) = kinds() else { return };
    let machine = machine();
    for kind in kinds.iter().filter(|kind| kind.removes) {
        for form in ImageForm::ALL {
            let case = format!("{} {form:?}", kind.name);
            let image = Image::new(&kind.registry, &case);
            for _ in 0..3 {
                sign(&machine, "ed", form, &image, &[]);
                verify(&["ed"], &[image.by_tag()]);
            }
            // ferro lists a manifest as often as it was pushed.
            let mut listed = image.listed(form);
            listed.dedup();
            assert_eq!(listed.len(), 1, "{case}: {listed:?}");
        }
    }
}

#[test]
fn a_signature_by_cosign_is_replaced_by_the_same_key_and_kept_by_another() {
    let (Some(kinds), Some(cosigns)) = (kinds(), Cosign::both()) else {
        return;
    };
    let machine = machine();
    let plain = ["--key", "b.key", "--output-key-prefix", "b2"];
    let import = machine.sigtool().args(["key", "import"]).args(plain);
    import.env("SIGTOOL_NEW_PASSWORD", "").assert().success();
    for kind in kinds.iter().filter(|kind| kind.removes) {
        for cosign in &cosigns {
            for form in ImageForm::ALL {
                let case = format!("{} {} {form:?}", kind.name, cosign.version);
                let image = Image::new(&kind.registry, &case);
                let key = ("b2.key", "");
                let said = cosign.sign_image(&machine, key, form, &image.by_digest(), &[]);
                said.expect_success(&case);
                let theirs = image.listed(form);

                let (said, _) = sign(&machine, "a", form, &image, &[]);
                assert!(said.starts_with("signed 127.0.0.1"), "{case}: {said}");
                let both = image.listed(form);
                assert_eq!(both.len(), 2, "{case}: {both:?}");
                assert!(both.contains(&theirs[0]), "{case}: {both:?}");

                let (said, _) = sign(&machine, "b", form, &image, &[]);
                assert!(said.starts_with("signed again "), "{case}: {said}");
                let now = image.listed(form);
                assert_eq!(now.len(), 2, "{case}: {now:?}");
                assert!(!now.contains(&theirs[0]), "{case}: {now:?}");
                verify(&["a", "b"], &[image.by_tag()]);
            }
        }
    }
}

#[test]
fn an_attestation_by_the_same_key_is_not_a_signature_and_is_kept() {
    let (Some(kinds), Some(cosigns)) = (kinds(), Cosign::both()) else {
        return;
    };
    let machine = machine();
    let generated = cosigns[0].generate(&machine, "hello", "c");
    generated.expect_success("a key");
    machine.write("predicate.json", r#"{"tested": true}"#);
    for kind in kinds.iter().filter(|kind| kind.removes) {
        for cosign in &cosigns {
            let case = format!("{} {}", kind.name, cosign.version);
            let image = Image::new(&kind.registry, &case);
            let (key, form) = (("c.key", "hello"), ImageForm::Bundle);
            let predicate = ("custom", "predicate.json");
            let reference = image.by_digest();
            let said = cosign.attest_image(&machine, key, form, predicate, &reference, &[]);
            said.expect_success(&case);
            let attestation = image.listed(form);
            for _ in 0..2 {
                let by_tag = image.by_tag();
                let sign = ["sign", "--attach", "--key", "c.key", &by_tag];
                let command = machine.sigtool().env("SIGTOOL_PASSWORD", "hello");
                command.args(sign).assert().code(0);
            }
            let now = image.listed(form);
            assert_eq!(now.len(), 2, "{case}: {now:?}");
            assert!(now.contains(&attestation[0]), "{case}: {now:?}");
        }
    }
}

// ---- what is not ours ----------------------------------------------------------------------------------------------------

#[test]
fn what_others_list_in_the_fallback_index_stays_byte_for_byte() {
    let Some(registry) = Registry::docker() else {
        return;
    };
    let (image, form) = (Image::new(&registry, "app"), ImageForm::Bundle);
    let empty = registry.push_blob("app", b"{}");
    let config =
        json!({ "mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2 });
    let foreign = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": FOREIGN,
        "config": config, "layers": [config],
        "subject": { "mediaType": MANIFEST, "digest": image.digest, "size": 1 },
    });
    let foreign = foreign.to_string();
    let digest = sigtool_tests::images::digest(foreign.as_bytes());
    registry.push_manifest("app", &digest, MANIFEST, &foreign);
    // In no order that a program would choose.
    let entry = format!(
        r#"{{"size":{},"x-entry":{{"z":true,"a":null}},"mediaType":"{MANIFEST}","digest":"{digest}","artifactType":"{FOREIGN}","annotations":{{"b":"ü","a":"1"}}}}"#,
        foreign.len()
    );
    let index = format!(
        r#"{{"x-index":{{"b":[1,2.5,18446744073709551615],"a":"x"}},"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{entry}],"annotations":{{"d":"4","c":"3"}}}}"#
    );
    image.replace_text(form, INDEX, &index);
    let machine = machine();
    for (key, count) in [("a", 2), ("b", 3), ("a", 3)] {
        sign(&machine, key, form, &image, &[]);
        assert_eq!(image.listed(form).len(), count);
        let text = image.text(form);
        assert!(text.contains(&entry), "{text}");
        let now: Value = serde_json::from_str(&text).unwrap();
        let before: Value = serde_json::from_str(&index).unwrap();
        for field in ["x-index", "annotations"] {
            assert_eq!(now[field], before[field], "{text}");
        }
    }
    verify(&["a", "b"], &[image.by_tag()]);
}

#[test]
fn what_others_put_into_the_sig_manifest_stays_byte_for_byte() {
    let Some(registry) = Registry::docker() else {
        return;
    };
    let (image, form) = (Image::new(&registry, "app"), ImageForm::Sig);
    let machine = machine();
    sign(&machine, "b", form, &image, &[]);
    // Another signer's signature with more than we know of, and a layer that is not one.
    let signed = image.listed(form).remove(0);
    let signature = &signed["annotations"]["dev.cosignproject.cosign/signature"];
    let notes = registry.push_blob("app", b"notes");
    let layers = [
        format!(
            r#"{{"size":{},"x-layer":[{{"z":1,"a":2}}],"mediaType":{},"annotations":{{"dev.sigstore.cosign/chain":"","org.example/z":"ü","dev.cosignproject.cosign/signature":{signature},"org.example/a":"1"}},"digest":{}}}"#,
            signed["size"], signed["mediaType"], signed["digest"]
        ),
        format!(r#"{{"size":5,"mediaType":"{FOREIGN}","urls":[],"digest":"{notes}"}}"#),
    ];
    let before: Value = serde_json::from_str(&image.text(form)).unwrap();
    let manifest = format!(
        r#"{{"x-manifest":{{"b":1,"a":2}},"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{}],"annotations":{{"d":"4","c":"3"}}}}"#,
        before["config"],
        layers.join(",")
    );
    image.replace_text(form, MANIFEST, &manifest);
    for (key, count) in [("a", 3), ("ed", 4), ("a", 4)] {
        sign(&machine, key, form, &image, &[]);
        assert_eq!(image.listed(form).len(), count);
        let text = image.text(form);
        for layer in &layers {
            assert!(text.contains(layer), "{text}");
        }
        let now: Value = serde_json::from_str(&text).unwrap();
        let before: Value = serde_json::from_str(&manifest).unwrap();
        for field in ["x-manifest", "annotations"] {
            assert_eq!(now[field], before[field], "{text}");
        }
    }
    verify(&["a", "b", "ed"], &[image.by_tag()]);
}

// ---- at the same time ----------------------------------------------------------------------------------------------------

#[test]
fn two_processes_at_once_lose_no_bundle_where_a_tag_lists_them() {
    lose_nothing(Registry::docker(), ImageForm::Bundle);
}

#[test]
fn two_processes_at_once_lose_no_bundle_where_the_registry_lists_them() {
    lose_nothing(Registry::olareg(&["--api-delete"]), ImageForm::Bundle);
}

#[test]
fn two_processes_at_once_lose_no_signature_of_cosigns_form() {
    lose_nothing(Registry::docker(), ImageForm::Sig);
}

/// Two processes of one machine, each with a key of its own, sign the same images.
fn lose_nothing(registry: Option<Registry>, form: ImageForm) {
    let Some(registry) = registry else { return };
    let machine = machine();
    let images: Vec<Image> = (0..TRIES)
        .map(|n| Image::new(&registry, &format!("app{n}")))
        .collect();
    for image in &images {
        sign_at_once(&machine, form, std::slice::from_ref(image));
    }
    // And once more, so that both also replace at the same time.
    sign_at_once(&machine, form, &images[..BATCH]);
    for image in &images {
        let listed = image.listed(form);
        assert_eq!(listed.len(), 2, "{}: {listed:?}", image.repository);
    }
    let references: Vec<String> = images.iter().map(Image::by_tag).collect();
    verify(&["a", "b"], &references);
}

fn sign_at_once(machine: &Sandbox, form: ImageForm, images: &[Image]) {
    let start = |key: &str, references: Vec<String>| -> Child {
        let mut command = machine.process();
        command
            .args(["sign", "--quiet", "--attach", "--jobs=4", format(form)])
            .args(["--key", key])
            .args(references)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let references: Vec<String> = images.iter().map(Image::by_tag).collect();
    let both = [
        start("a.key", references.clone()),
        start("b.key", references),
    ];
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
}

#[test]
fn a_tag_that_moves_meanwhile_changes_nothing() {
    let Some(registry) = Registry::docker() else {
        return;
    };
    for (form, more) in [
        (ImageForm::Bundle, &[][..]),
        (ImageForm::Sig, &[]),
        (ImageForm::Bundle, &["--recursive"]),
    ] {
        let name = format!("{form:?}{}", more.concat());
        let image = Image::new(&registry, &name);
        let proxy = FaultProxy::before(&registry);
        // All that is sent waits until the tag has moved.
        let upload = Matcher::new("POST", "/blobs/uploads/");
        proxy.fault(upload, Fault::Held);
        let reference = format!("{}/{}:v1", proxy.host(), image.repository);
        let machine = machine();
        let mut signing = machine.process();
        signing
            .args(["sign", "--attach", format(form), "--key=a.key"])
            .args(more)
            .arg(reference)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let signing = signing.spawn().unwrap();
        wait_for("something to be sent", || (proxy.held() > 0).then_some(()));
        let newer = registry.push_image(&image.repository, "v1", "newer");
        proxy.mend();
        let output = signing.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");

        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(&image.digest), "{said}");
        assert_eq!(image.listed(form).len(), 1, "{said}");
        let newer = Image {
            digest: newer,
            ..image
        };
        assert!(newer.listed(form).is_empty(), "{said}");
        machine
            .sigtool()
            .args(["verify", "--key=a.pub", &newer.by_tag()])
            .assert()
            .code(1);
        assert!(proxy.count("POST", "/blobs/uploads/") > 0, "{said}");
    }
}
