//! What is wrong with what a stranger wrote, and in which part of it.

use crate::text::printable;
use serde::Serialize;
use std::fmt;

/// Why a file does not hold a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Malformed {
    /// Which part of it: `the file`, `messageSignature.messageDigest`.
    pub at: String,
    /// What is wrong there.
    pub what: String,
}

impl std::error::Error for Malformed {}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match self.at.as_str() {
            WHOLE => Ok(()),
            part => write!(f, " (in {part})"),
        }
    }
}

/// The part that is all of it.
pub(super) const WHOLE: &str = "the file";

impl Malformed {
    /// A part and what is wrong with it.
    pub(crate) fn new(at: &str, what: impl Into<String>) -> Self {
        Self {
            at: at.to_owned(),
            what: printable(&what.into()),
        }
    }
}
