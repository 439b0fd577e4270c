//! cosign and sigtool accept each other's signatures of files: every algorithm, every way a key may be kept, every form.
//!
//! A matrix goes through all its cells before it fails, so that one run shows which are broken. The cells that cannot be are
//! in [`EXCLUDED`], each with its reason, and a test holds that reason to be still true. No cell is left out elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sigtool_tests::peers::{Cosign, Form, Matrix, Said, Version, need, openssl_key};
use sigtool_tests::{Sandbox, tests_folder};
use std::fs;
use std::path::Path;

/// The password of every key here that has one. That of the keys in `data` too.
const PASSWORD: &str = "hello";

/// What cosign itself cannot do: its version, the algorithm, and what it says instead. In every form.
///
/// Two more things are in no matrix, since neither side writes them without a transparency log: Ed25519ph, and the old bundle
/// written by sigtool, which writes a Sigstore bundle in its place.
const EXCLUDED: [(Version, &str, &str); 1] = [(
    Version::V2,
    "ed25519",
    // `sign-blob` asks for the hash of the key, which has none. It does verify Ed25519.
    "panic: crypto: requested hash function #0 is unavailable",
)];

macro_rules! for_each_algorithm {
    ($($module:ident = $algorithm:literal),*) => {
        $(mod $module {
            #[test]
            fn cosign_accepts_what_we_sign() {
                super::cosign_accepts_what_we_sign($algorithm);
            }

            #[test]
            fn we_accept_what_cosign_signs() {
                super::we_accept_what_cosign_signs($algorithm);
            }
        })*
    };
}

for_each_algorithm! {
    ecdsa_p256 = "ecdsa-p256",
    ecdsa_p384 = "ecdsa-p384",
    ecdsa_p521 = "ecdsa-p521",
    ed25519 = "ed25519",
    rsa_2048 = "rsa-2048",
    rsa_3072 = "rsa-3072",
    rsa_4096 = "rsa-4096"
}

/// A private key `NAME.key` in the sandbox, its public half in `NAME.pub`.
struct Key {
    name: &'static str,
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

fn cosign_accepts_what_we_sign(algorithm: &str) {
    let Some(cosigns) = cosigns() else { return };
    let sandbox = sandbox();
    let mut keys = vec![
        encrypted(&sandbox, algorithm),
        encrypted_with_nothing(&sandbox, algorithm),
        plain(&sandbox, algorithm),
    ];
    keys.extend(cosigns.iter().map(|c| imported(&sandbox, c)));
    if algorithm == "ecdsa-p256" {
        keys.extend(cosigns.iter().map(|c| generated(&sandbox, c)));
        keys.extend(["n32768", "n131072"].map(|cost| container(&sandbox, cost)));
    }
    let mut matrix = Matrix::default();
    for key in &keys {
        let file = format!("{}.txt", key.name);
        sandbox.write(&file, format!("signed with {}\n", key.name));
        sigtool(
            &sandbox,
            key.password,
            &[
                "sign",
                "--key",
                &key.private(),
                "--signature-format=both",
                &file,
            ],
        )
        .expect_success(key.name);
        for cosign in &cosigns {
            for (form, signature) in [
                (Form::Bundle, format!("{file}.sigstore.json")),
                (Form::Detached, format!("{file}.sig")),
            ] {
                let said = cosign.verify(&sandbox, &key.public(), form, &signature, &file);
                let said = Said::only_with(said, "Verified OK");
                matrix.valid(&format!("{} {form:?} {}", key.name, cosign.version), &said);
            }
        }
    }
    matrix.end(keys.len() * 2 * 2);
}

fn we_accept_what_cosign_signs(algorithm: &str) {
    let Some(cosigns) = cosigns() else { return };
    let sandbox = sandbox();
    // Only cosign's import reads it; nothing is signed with it as it is.
    plain(&sandbox, algorithm);
    let ours = [
        encrypted(&sandbox, algorithm),
        encrypted_with_nothing(&sandbox, algorithm),
    ];
    let (mut matrix, mut expected) = (Matrix::default(), 0);
    for cosign in &cosigns {
        if is_excluded(cosign, algorithm) {
            continue;
        }
        let mut theirs = vec![imported(&sandbox, cosign)];
        if algorithm == "ecdsa-p256" {
            theirs.push(generated(&sandbox, cosign));
            theirs.extend(["n32768", "n131072"].map(|cost| container(&sandbox, cost)));
        }
        // Every form by the first key; the others differ in how they are kept, which the form does not see.
        for (index, key) in ours.iter().chain(&theirs).enumerate() {
            let forms = if index == 0 {
                &Form::ALL[..]
            } else {
                &[Form::Bundle]
            };
            for form in forms {
                cosign_signs_and_we_verify(&sandbox, cosign, key, *form, &mut matrix);
                expected += 2;
            }
        }
    }
    assert!(expected >= 10, "both versions cannot be excluded");
    matrix.end(expected);
}

/// Two cells: the signature named by a flag, and found by sigtool itself.
fn cosign_signs_and_we_verify(
    sandbox: &Sandbox,
    cosign: &Cosign,
    key: &Key,
    form: Form,
    matrix: &mut Matrix,
) {
    let cell = format!("{} {form:?} {}", key.name, cosign.version);
    let file = format!("{}.txt", cell.replace(' ', "-"));
    sandbox.write(&file, format!("signed by {cell}\n"));
    let (beside, flag) = match form {
        Form::Bundle | Form::OldBundle => (format!("{file}.sigstore.json"), "--bundle"),
        Form::Detached => (format!("{file}.sig"), "--signature"),
    };
    let private = key.private();
    let signed = cosign.sign(
        sandbox,
        (&private, key.password),
        form,
        &file,
        "elsewhere.out",
    );
    signed.expect_success(&cell);

    let public = key.public();
    let verify = ["verify", "--key", &public, &file];
    let named = [&verify[..], &[flag, "elsewhere.out"]].concat();
    let valid = format!("valid {file}");
    let said = Said::only_with(sigtool(sandbox, "", &named), &valid);
    matrix.valid(&format!("{cell} named"), &said);

    let work = sandbox.work();
    fs::rename(work.join("elsewhere.out"), work.join(beside)).unwrap();
    let said = Said::only_with(sigtool(sandbox, "", &verify), &valid);
    matrix.valid(&format!("{cell} found"), &said);
}

#[test]
fn what_is_left_out_is_left_out_because_cosign_cannot_do_it() {
    let Some(cosigns) = cosigns() else { return };
    let sandbox = sandbox();
    sandbox.write("file.txt", "nobody signs this\n");
    for (version, algorithm, why) in EXCLUDED {
        let cosign = cosigns.iter().find(|c| c.version == version).unwrap();
        let key = encrypted(&sandbox, algorithm);
        for form in Form::ALL {
            let private = key.private();
            let said = cosign.sign(
                &sandbox,
                (&private, key.password),
                form,
                "file.txt",
                "file.out",
            );
            assert!(
                !said.is_success() && said.text.contains(why),
                "{version} {algorithm} {form:?} can be in the matrix: {said}"
            );
        }
    }
}

#[test]
fn cosign_refuses_our_signature_of_another_file() {
    let Some(cosigns) = cosigns() else { return };
    let sandbox = sandbox();
    for algorithm in ["ecdsa-p256", "ed25519", "rsa-2048"] {
        let key = encrypted(&sandbox, algorithm);
        sandbox.write("file.txt", "this was signed\n");
        sandbox.write("other.txt", "this was not\n");
        let private = key.private();
        let (bundle, detached) = (format!("{algorithm}.json"), format!("{algorithm}.sig"));
        let sign = [
            "sign",
            "--key",
            &private,
            "--signature-format=both",
            "--bundle",
            &bundle,
            "--signature",
            &detached,
            "file.txt",
        ];
        sigtool(&sandbox, key.password, &sign).expect_success(algorithm);
        for cosign in &cosigns {
            for (form, signature) in [(Form::Bundle, &bundle), (Form::Detached, &detached)] {
                let verify = |file| cosign.verify(&sandbox, &key.public(), form, signature, file);
                verify("file.txt").expect_success(algorithm);
                let said = verify("other.txt");
                assert!(
                    !said.is_success() && !said.text.contains("Verified OK"),
                    "{} {algorithm} {form:?} accepts a signature of another file: {said}",
                    cosign.version
                );
            }
        }
    }
}

#[test]
fn we_refuse_cosigns_signature_of_another_file_or_by_another_key_and_say_which() {
    let Some(cosigns) = cosigns() else { return };
    let sandbox = sandbox();
    let key = encrypted(&sandbox, "ecdsa-p256");
    let other = plain(&sandbox, "ecdsa-p256");
    sandbox.write("file.txt", "this was signed\n");
    sandbox.write("other.txt", "this was not\n");
    for cosign in &cosigns {
        // What a detached signature cannot say, nobody can: then both are possible, and the code says no more.
        for (form, flag, other_file, other_key) in [
            (Form::Bundle, "--bundle", "changed-artifact", "wrong-key"),
            (
                Form::Detached,
                "--signature",
                "does-not-verify",
                "does-not-verify",
            ),
        ] {
            let private = key.private();
            let signed = cosign.sign(
                &sandbox,
                (&private, key.password),
                form,
                "file.txt",
                "file.out",
            );
            signed.expect_success("signing");
            for (public, file, code) in [
                (key.public(), "other.txt", other_file),
                (other.public(), "file.txt", other_key),
            ] {
                let verify = [
                    "verify",
                    "--format=json",
                    "--key",
                    &public,
                    flag,
                    "file.out",
                    file,
                ];
                let output = sandbox.sigtool().args(verify).output().unwrap();
                assert_eq!(output.status.code(), Some(1), "{verify:?}");
                let report: Value = serde_json::from_slice(&output.stdout).unwrap();
                let reasons = &report[0]["verification"]["reasons"];
                let case = format!("{} {form:?} {public} {file}: {report}", cosign.version);
                assert_eq!(report[0]["status"], "refused", "{case}");
                assert_eq!(reasons.as_array().map(Vec::len), Some(1), "{case}");
                assert_eq!(reasons[0]["code"], code, "{case}");
            }
        }
    }
}

#[test]
fn an_attestation_of_cosign_is_refused_as_not_a_signature() {
    let Some(cosigns) = cosigns() else { return };
    let sandbox = sandbox();
    let key = encrypted(&sandbox, "ecdsa-p256");
    sandbox.write("file.txt", "this is attested, not signed\n");
    sandbox.write("predicate.json", r#"{"tested":true}"#);
    for cosign in &cosigns {
        for (form, expected) in [
            (
                "true",
                "`file.out` is signed, but is not a signature of the artifact: \
                 it claims `https://cosign.sigstore.dev/attestation/v1`",
            ),
            (
                "false",
                "`file.out` is malformed: it is an attestation (a DSSE envelope), no signature of a file (in base64Signature)",
            ),
        ] {
            let (private, form) = (key.private(), format!("--new-bundle-format={form}"));
            let mut attest = vec!["attest-blob", "--yes", "--tlog-upload=false", &form];
            if cosign.version == Version::V3 {
                attest.push("--use-signing-config=false");
            }
            attest.extend(["--key", &private, "--bundle", "file.out"]);
            attest.extend(["--predicate", "predicate.json", "--type=custom", "file.txt"]);
            cosign
                .run(&sandbox, key.password, attest)
                .expect_success("attesting");
            let public = key.public();
            let verify = ["verify", "--key", &public, "--bundle=file.out", "file.txt"];
            let said = sigtool(&sandbox, "", &verify);
            assert_eq!(said.code, Some(1), "{said}");
            assert!(
                said.text.contains(expected),
                "{} {form}: {said}",
                cosign.version
            );
        }
    }
}

#[test]
fn an_artifact_that_cosign_signed_in_both_forms_is_valid_by_either() {
    let Some(cosigns) = cosigns() else { return };
    let sandbox = sandbox();
    let key = encrypted(&sandbox, "ecdsa-p256");
    for cosign in &cosigns {
        let file = format!("{}.txt", cosign.version);
        sandbox.write(&file, "signed twice\n");
        for (form, ending) in [(Form::Bundle, "sigstore.json"), (Form::Detached, "sig")] {
            let private = key.private();
            let to = format!("{file}.{ending}");
            let signed = cosign.sign(&sandbox, (&private, key.password), form, &file, &to);
            signed.expect_success("signing");
        }
        let public = key.public();
        let verify = ["verify", "--format=json", "--key", &public, &file];
        let output = sandbox.sigtool().args(verify).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report[0]["status"], "valid", "{report}");
        let signatures = &report[0]["verification"]["signers"][0]["signatures"];
        assert_eq!(signatures.as_array().map(Vec::len), Some(2), "{report}");
    }
}

#[test]
fn a_file_that_cosign_signed_is_signed_again_by_us_in_its_place() {
    let Some(cosigns) = cosigns() else { return };
    let sandbox = sandbox();
    let key = encrypted(&sandbox, "ecdsa-p256");
    let (private, public) = (key.private(), key.public());
    for cosign in &cosigns {
        let file = format!("{}.txt", cosign.version);
        sandbox.write(&file, "signed by cosign, then by sigtool, with one key\n");
        let to = format!("{file}.sigstore.json");
        cosign
            .sign(&sandbox, (&private, key.password), Form::Bundle, &file, &to)
            .expect_success("signing");
        let said = sigtool(&sandbox, key.password, &["sign", "--key", &private, &file]);
        let said = Said::only_with(said, "signed again");
        said.expect_success("signing again");
        cosign
            .verify(&sandbox, &public, Form::Bundle, &to, &file)
            .expect_success("verifying");
        let signatures = fs::read_dir(sandbox.work())
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
            .filter(|name| name.starts_with(&file) && *name != file);
        assert_eq!(signatures.collect::<Vec<_>>(), [to]);
    }
}

#[test]
fn cosign_prints_the_public_key_of_a_key_that_we_made() {
    let Some(cosigns) = cosigns() else { return };
    let sandbox = sandbox();
    for key in [
        encrypted(&sandbox, "ecdsa-p256"),
        encrypted_with_nothing(&sandbox, "ed25519"),
    ] {
        let ours = fs::read_to_string(sandbox.work().join(key.public())).unwrap();
        for cosign in &cosigns {
            let private = key.private();
            let said = cosign.run(&sandbox, key.password, ["public-key", "--key", &private]);
            assert_eq!(said.text, ours, "{} {}", cosign.version, key.name);
        }
    }
}

// ---- keys ----------------------------------------------------------------------------------------------------------------

fn encrypted(sandbox: &Sandbox, algorithm: &str) -> Key {
    generate(sandbox, "encrypted", PASSWORD, algorithm)
}

fn encrypted_with_nothing(sandbox: &Sandbox, algorithm: &str) -> Key {
    generate(sandbox, "empty-password", "", algorithm)
}

fn generate(sandbox: &Sandbox, name: &'static str, password: &'static str, algorithm: &str) -> Key {
    let generate = [
        "key",
        "generate",
        "--overwrite",
        "--algorithm",
        algorithm,
        "--output-key-prefix",
        name,
    ];
    sigtool(sandbox, password, &generate).expect_success(name);
    Key { name, password }
}

/// As OpenSSL writes it: PKCS#8 without a password.
fn plain(sandbox: &Sandbox, algorithm: &str) -> Key {
    let key = Key {
        name: "plain",
        password: "",
    };
    openssl_key(&sandbox.work().join(key.private()), algorithm);
    export(sandbox, &key);
    key
}

/// The plain key, taken over by cosign.
fn imported(sandbox: &Sandbox, cosign: &Cosign) -> Key {
    let name = match cosign.version {
        Version::V2 => "imported-by-cosign-v2",
        Version::V3 => "imported-by-cosign-v3",
    };
    cosign
        .import(sandbox, PASSWORD, "plain.key", name)
        .expect_success(name);
    Key {
        name,
        password: PASSWORD,
    }
}

/// Made by cosign.
fn generated(sandbox: &Sandbox, cosign: &Cosign) -> Key {
    let name = match cosign.version {
        Version::V2 => "generated-by-cosign-v2",
        Version::V3 => "generated-by-cosign-v3",
    };
    cosign
        .generate(sandbox, PASSWORD, name)
        .expect_success(name);
    Key {
        name,
        password: PASSWORD,
    }
}

/// In a container whose password costs less or more to try than in those written today.
fn container(sandbox: &Sandbox, cost: &'static str) -> Key {
    let file = format!("cli/data/test-key-p256-{cost}-password-hello.key");
    let key = Key {
        name: cost,
        password: PASSWORD,
    };
    let text = fs::read(tests_folder().join(file)).unwrap();
    sandbox.write(&key.private(), text);
    export(sandbox, &key);
    key
}

fn export(sandbox: &Sandbox, key: &Key) {
    let (private, public) = (key.private(), key.public());
    let export = ["key", "export-public", &private, "--output", &public];
    sigtool(sandbox, key.password, &export).expect_success(key.name);
}

/// What somebody could hand us, and cosign refuses. sigtool-verifying(7) says what is read all the same.
#[test]
fn what_cosign_refuses_is_refused() {
    let Some(cosign) = Cosign::find(Version::V3) else {
        return;
    };
    let Some(openssl) = need("openssl") else {
        return;
    };
    let sandbox = sandbox();
    sigtool_tests::keys::put(&sandbox);
    sandbox.write("app.txt", "an app\n");
    let sign = [
        "sign",
        "--key",
        "a.key",
        "--signature-format=both",
        "app.txt",
    ];
    sigtool(&sandbox, "", &sign).expect_success("sign");
    let by = |digest: &str| {
        let arguments = ["dgst", digest, "-sign", "a.key", "app.txt"];
        let mut command = std::process::Command::new(&openssl);
        let output = command.args(arguments).current_dir(sandbox.work()).output();
        STANDARD.encode(output.unwrap().stdout)
    };
    let read = |name: &str| fs::read_to_string(sandbox.work().join(name)).unwrap();
    let (bundle, detached) = (read("app.txt.sigstore.json"), read("app.txt.sig"));
    let bundle: Value = serde_json::from_str(&bundle).unwrap();
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut bundle = bundle.clone();
        edit(&mut bundle);
        bundle.to_string()
    };
    let message = |edit: &dyn Fn(&mut Value)| edited(&|b| edit(&mut b["messageSignature"]));
    let other = STANDARD.encode(read("b.pub"));
    let cases = [
        (
            "a missing digest",
            Form::Bundle,
            message(&|m| m["messageDigest"] = Value::Null),
        ),
        (
            "an empty digest",
            Form::Bundle,
            message(&|m| m["messageDigest"] = json!({})),
        ),
        (
            "another name of the algorithm",
            Form::Bundle,
            message(&|m| m["messageDigest"]["algorithm"] = "sha256".into()),
        ),
        (
            "SHA-384 by P-256",
            Form::Bundle,
            message(&|m| {
                m["messageDigest"] =
                    json!({"algorithm": "SHA2_384", "digest": sha384(&sandbox, &openssl)});
                m["signature"] = by("-sha384").into();
            }),
        ),
        (
            "an unknown field",
            Form::Bundle,
            edited(&|b| b["more"] = json!({})),
        ),
        (
            "another spelling",
            Form::Bundle,
            edited(&|b| b["message_signature"] = b["messageSignature"].clone()),
        ),
        ("SHA-512 by P-256", Form::Detached, by("-sha512")),
        ("a blank at the end", Form::Detached, format!("{detached} ")),
        (
            "a blank within",
            Form::Detached,
            detached.replacen("", " ", 3).trim().to_owned(),
        ),
        (
            "another key in it",
            Form::OldBundle,
            json!({"base64Signature": detached, "cert": other}).to_string(),
        ),
    ];
    let count = cases.len();
    let mut matrix = Matrix::default();
    for (case, form, content) in cases {
        sandbox.write("given", content);
        let said = cosign.verify(&sandbox, "a.pub", form, "given", "app.txt");
        matrix.refused(&format!("cosign: {case}"), &said, "");
        let flag = if form == Form::Detached {
            "--signature"
        } else {
            "--bundle"
        };
        let verify = ["verify", "--key", "a.pub", flag, "given", "app.txt"];
        let said = sigtool(&sandbox, "", &verify);
        matrix.cell(case, &said, said.code == Some(1));
    }
    matrix.end(count * 2);
}

/// A key has one spelling: neither cosign nor we read another.
#[test]
fn a_public_key_that_cosign_does_not_read_is_not_read() {
    let Some(cosign) = Cosign::find(Version::V3) else {
        return;
    };
    let Some(openssl) = need("openssl") else {
        return;
    };
    let sandbox = sandbox();
    sigtool_tests::keys::put(&sandbox);
    sandbox.write("app.txt", "an app\n");
    sigtool(&sandbox, "", &["sign", "--key", "a.key", "app.txt"]).expect_success("sign");
    for form in ["compressed", "hybrid"] {
        let mut command = std::process::Command::new(&openssl);
        command.args([
            "ec",
            "-pubin",
            "-in",
            "a.pub",
            "-conv_form",
            form,
            "-out",
            "other.pub",
        ]);
        assert!(
            command
                .current_dir(sandbox.work())
                .status()
                .unwrap()
                .success()
        );
        let bundle = "app.txt.sigstore.json";
        let theirs = cosign.verify(&sandbox, "other.pub", Form::Bundle, bundle, "app.txt");
        assert!(!theirs.is_success(), "{theirs}");
        let ours = sigtool(&sandbox, "", &["verify", "--key", "other.pub", "app.txt"]);
        assert_eq!(ours.code, Some(2), "{ours}");
        assert!(ours.text.contains("-conv_form uncompressed"), "{ours}");
    }
}

/// SHA-384 of the file, in Base64.
fn sha384(sandbox: &Sandbox, openssl: &Path) -> String {
    let mut command = std::process::Command::new(openssl);
    let command = command.args(["dgst", "-sha384", "-binary", "app.txt"]);
    STANDARD.encode(command.current_dir(sandbox.work()).output().unwrap().stdout)
}

// ---- programs ------------------------------------------------------------------------------------------------------------

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_sigtool"))
}

/// Both versions; none if one of them or OpenSSL is missing.
fn cosigns() -> Option<[Cosign; 2]> {
    need("openssl")?;
    Cosign::both()
}

/// Runs sigtool with the password where cosign looks for it too.
fn sigtool(sandbox: &Sandbox, password: &str, arguments: &[&str]) -> Said {
    let command = sandbox.sigtool().env("COSIGN_PASSWORD", password);
    command.args(arguments).output().unwrap().into()
}

fn is_excluded(cosign: &Cosign, algorithm: &str) -> bool {
    EXCLUDED
        .iter()
        .any(|(version, excluded, _)| *version == cosign.version && *excluded == algorithm)
}
