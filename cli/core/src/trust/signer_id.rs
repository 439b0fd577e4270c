//! Who made a signature.

use crate::key::KeyHint;
use sigtool_sdk::types::PublicKey;
use std::fmt;

/// Who made a signature, as far as that tells signers apart: what one of them signs anew replaces what the same one signed before,
/// and one who signs twice counts once.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SignerId {
    /// The one who has this key.
    Key(KeyHint),
}

impl SignerId {
    /// The one who has this key.
    #[must_use]
    pub fn of_key(key: &PublicKey) -> Self {
        Self::Key(KeyHint::of(key))
    }
}

/// As the local store and the ledger write it, which must not change: what is written there is compared with it.
impl fmt::Display for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(hint) => hint.fmt(f),
        }
    }
}
