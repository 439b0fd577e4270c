//! Keys: private ones as they are stored, up to the password, and public ones.

#[allow(dead_code)]
#[path = "../../../backends/cosign-key/src/container.rs"]
mod container;
#[allow(dead_code)]
#[path = "../../../backends/cosign-key/src/ed25519.rs"]
mod ed25519;
#[allow(dead_code)]
#[path = "../../../backends/cosign-key/src/failure.rs"]
mod failure;
#[allow(dead_code)]
#[path = "../../../backends/cosign-key/src/files.rs"]
mod files;
#[allow(dead_code)]
#[path = "../../../backends/cosign-key/src/formats.rs"]
mod formats;
#[allow(dead_code)]
#[path = "../../../backends/cosign-key/src/pbes2.rs"]
mod pbes2;
#[allow(dead_code)]
#[path = "../../../backends/cosign-key/src/pem.rs"]
mod pem;
#[allow(dead_code)]
#[path = "../../../backends/cosign-key/src/private_key.rs"]
mod private_key;

use crate::bundle::inspected;
use formats::StoredKey;
use private_key::PrivateKey;
use sigtool_core::key::{check, parse_public_key, to_pem};

/// A key: what is written again is the same, and the public half of a private key is one that verifies.
pub(crate) fn key(bytes: &[u8]) {
    inspected(bytes);
    if let Ok(key) = parse_public_key(bytes) {
        assert_eq!(check(&key), Ok(()));
        assert_eq!(parse_public_key(to_pem(&key).as_bytes()), Ok(key));
    }
    // One under a password has been checked by now, and would take a quarter of a second.
    if let Ok(StoredKey::Plain(key)) = formats::parse(bytes) {
        let stored = key.to_pkcs8().expect("what was read can be written");
        let again = PrivateKey::from_pkcs8(&stored).expect("what we write we read");
        let public = key.public_key().expect("a public half");
        assert_eq!(again.public_key().as_ref(), Ok(&public));
        assert_eq!(check(&public), Ok(()));
    }
}
