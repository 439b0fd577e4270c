//! Private keys as OpenSSL and cosign write them.

use super::{PASSWORD, sandbox, set_mode, sign};
use sigtool_tests::peers::need;
use sigtool_tests::tests_folder;
use std::fs;

#[test]
fn every_private_key_that_openssl_writes_signs_directly() {
    let Some(openssl) = need("openssl") else {
        return;
    };
    let sandbox = sandbox();
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(&openssl)
            .args(arguments)
            .current_dir(sandbox.work())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    run(&[
        "ecparam",
        "-name",
        "prime256v1",
        "-genkey",
        "-noout",
        "-out",
        "sec1.pem",
    ]);
    run(&[
        "ecparam",
        "-name",
        "secp384r1",
        "-genkey",
        "-out",
        "sec1-with-parameters.pem",
    ]);
    run(&["genrsa", "-traditional", "-out", "pkcs1.pem", "2048"]);
    run(&["genpkey", "-algorithm", "ED25519", "-out", "pkcs8.pem"]);
    for (name, cipher) in [("aes128", "-aes-128-cbc"), ("aes256", "-aes-256-cbc")] {
        let (to, pass) = (format!("pkcs8-{name}.pem"), format!("pass:{PASSWORD}"));
        run(&[
            "genpkey",
            "-algorithm",
            "ED25519",
            cipher,
            "-pass",
            &pass,
            "-out",
            &to,
        ]);
    }
    run(&[
        "pkcs8",
        "-topk8",
        "-in",
        "sec1.pem",
        "-scrypt",
        "-passout",
        "pass:sesame",
        "-out",
        "pkcs8-scrypt.pem",
    ]);
    for name in [
        "sec1",
        "sec1-with-parameters",
        "pkcs1",
        "pkcs8",
        "pkcs8-aes128",
        "pkcs8-aes256",
        "pkcs8-scrypt",
    ] {
        let (private, public) = (format!("{name}.pem"), format!("{name}.pub"));
        set_mode(&sandbox.work().join(&private), 0o600);
        let signed = sign(&sandbox, &private)
            .env("SIGTOOL_PASSWORD", PASSWORD)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&signed.stderr);
        assert!(signed.status.success(), "{name}: {said}");
        let pass = format!("pass:{PASSWORD}");
        run(&[
            "pkey", "-in", &private, "-passin", &pass, "-pubout", "-out", &public,
        ]);
        sandbox
            .sigtool()
            .args(["verify", "--key", &public, "app.txt"])
            .assert()
            .success();
    }
}

#[test]
fn a_key_in_a_container_of_any_cost_that_cosign_accepts_signs() {
    let sandbox = sandbox();
    for cost in ["n32768", "n131072"] {
        let file = format!("cli/data/test-key-p256-{cost}-password-hello.key");
        let text = fs::read(tests_folder().join(file)).unwrap();
        set_mode(&sandbox.write("their.key", text), 0o600);
        sign(&sandbox, "their.key")
            .env("COSIGN_PASSWORD", "hello")
            .assert()
            .success();
    }
}
