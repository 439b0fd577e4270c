//! What verifying found: valid, refused, or inconclusive, and why. Refused and inconclusive are never merged.

use super::reason::Reason;
use crate::key::KeyHint;
use crate::trust::TrustedKey;
use serde::Serialize;
use sigtool_sdk::types::KeyAlgorithm;

/// What verifying found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Verification {
    /// Could not tell: a place failed, and what the others hold is not enough.
    Inconclusive {
        /// Why; what failed first.
        reasons: Vec<Reason>,
    },
    /// The policy says no, and every place has been asked.
    Refused {
        /// Why, one for each signature that did not count, or one that says what is missing.
        reasons: Vec<Reason>,
    },
    /// The policy is met.
    Valid {
        /// The distinct signers, in the policy's order.
        signers: Vec<Signer>,
    },
}

/// A trusted signer whose signature verifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Signer {
    /// How the policy names the key.
    pub name: String,
    /// The hint of the key.
    pub key_hint: KeyHint,
    /// The algorithm of the key.
    pub algorithm: KeyAlgorithm,
    /// Where its signatures are.
    pub signatures: Vec<String>,
}

impl Signer {
    /// Who is trusted by this key, and has made signatures at these places.
    pub(super) fn of(trusted: &TrustedKey, signatures: Vec<String>) -> Self {
        let named = trusted.named();
        Self {
            name: named.name.clone(),
            key_hint: named.key_hint.clone(),
            algorithm: trusted.key().algorithm,
            signatures,
        }
    }
}
