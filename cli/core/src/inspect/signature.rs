//! What a raw signature tells.

use serde::Serialize;
use x509_cert::der::asn1::{AnyRef, UintRef};
use x509_cert::der::{Decode as _, Reader as _};

/// What a raw signature tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignatureFacts {
    /// Its length in bytes.
    pub length: usize,
    /// What it looks like: `ECDSA (DER)`. The bytes do not say more.
    pub looks_like: &'static str,
}

impl SignatureFacts {
    pub(super) fn of(signature: &[u8]) -> Self {
        Self {
            length: signature.len(),
            looks_like: match signature.len() {
                _ if is_ecdsa(signature) => "ECDSA (DER)",
                64 => "Ed25519",
                256 => "RSA 2048",
                384 => "RSA 3072",
                512 => "RSA 4096",
                _ => "nothing known",
            },
        }
    }
}

/// Two numbers in a sequence, and short: an RSA public key is two numbers as well, but longer than any ECDSA signature.
pub(super) fn is_ecdsa(content: &[u8]) -> bool {
    const LONGEST_OF_P521: usize = 139;
    let Ok(sequence) = AnyRef::from_der(content) else {
        return false;
    };
    content.len() <= LONGEST_OF_P521
        && sequence
            .sequence(|reader| {
                reader.decode::<UintRef<'_>>()?;
                reader.decode::<UintRef<'_>>()
            })
            .is_ok()
}
