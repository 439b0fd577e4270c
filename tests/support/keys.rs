//! Keys that never change, so that what sigtool says of them never changes either. Test keys: they protect nothing.

use crate::{Sandbox, tests_folder};

/// A private key, plain, in a file of the tests, and the name that tests give it.
const KEYS: [(&str, &str); 3] = [
    ("a", "test-key-p256-pkcs8.pem"),
    ("b", "test-key-p384-sec1.pem"),
    ("ed", "test-key-ed25519-pkcs8.pem"),
];

/// Puts `NAME.key` and `NAME.pub` into the working directory, for each of `a` (ECDSA P-256), `b` (ECDSA P-384) and `ed` (Ed25519).
///
/// # Panics
///
/// sigtool cannot make a public key of one.
pub fn put(sandbox: &Sandbox) {
    let folder = tests_folder().join("../backends/cosign-key/tests-data");
    for (name, file) in KEYS {
        let pem = std::fs::read(folder.join(file)).expect("a key of the tests");
        let key = sandbox.write(&format!("{name}.key"), pem);
        crate::sandbox::set_mode(&key, 0o600);
        sandbox
            .sigtool()
            .args(["key", "export-public", "--output", &format!("{name}.pub")])
            .arg(key)
            .assert()
            .success();
    }
}

/// The profile `default`, which signs with `a` and trusts `a`.
///
/// # Panics
///
/// The sandbox cannot be written to.
pub fn put_with_profile(sandbox: &Sandbox) {
    put(sandbox);
    let work = sandbox.work().display().to_string();
    sandbox.write_config(&PROFILE.replace("WORK", &work));
}

const PROFILE: &str = r#"[profile.default]
signer = { backend = "cosign-key", key = "WORK/a.key" }

[profile.default.verify]
keys = ["WORK/a.pub"]
"#;
