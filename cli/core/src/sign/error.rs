//! Why there is no signature.

use super::request::Stored;
use crate::state::StateError;
use sigtool_sdk::types::Artifact;
use sigtool_sdk::{Error, ErrorCode};
use std::path::PathBuf;

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The artifact cannot be had.
    #[error("{0}")]
    Artifact(Box<Error>),
    /// The signature cannot go where it should.
    #[error("{0}")]
    Destination(String),
    /// The key signs bytes, and the source has none to read.
    #[error(
        "an Ed25519 key signs the bytes themselves, and the source gives only a digest of `{0}`"
    )]
    NoBytes(String),
    /// It is the very text that a signature of another kind is over, and would be signed as that.
    #[error("these are the bytes that sign {0}: signed as a file, they would make it signed")]
    OtherKind(&'static str),
    /// It is a private key, come upon among other artifacts.
    #[error("it is a private key")]
    PrivateKey,
    /// The source failed where signatures are kept.
    #[error("{operation} failed: {error}")]
    Source {
        /// The operation: `source.signatures`, `source.attach`.
        operation: &'static str,
        /// What it said.
        error: Box<Error>,
    },
    /// The signer failed.
    #[error("{operation} failed: {error}")]
    Signer {
        /// The operation: `signer.public_key`, `signer.sign`.
        operation: &'static str,
        /// What it said.
        error: Box<Error>,
    },
    /// The signer did something other than it was asked; nothing was written.
    #[error("{operation}: {what}")]
    SignerMisbehaved {
        /// The operation: `signer.public_key`, `signer.sign`.
        operation: &'static str,
        /// What it did.
        what: String,
    },
    /// The image's signature can be kept nowhere.
    #[error("{0}")]
    Store(#[from] StateError),
    /// Where the signature should go is something that is not replaced unasked.
    #[error("`{path}` is there and {what}", path = path.display())]
    Taken {
        /// The file.
        path: PathBuf,
        /// What it is or holds.
        what: &'static str,
    },
    /// Something failed after a part had been written.
    #[error("{error}")]
    Partly {
        /// The artifact.
        artifact: Box<Artifact>,
        /// What was written before.
        stored: Vec<Stored>,
        /// What failed then.
        error: Box<Self>,
    },
    /// A file cannot be written.
    #[error("cannot write `{path}`: {error}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl SignError {
    /// What the host should do, in the terms of the seam.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Artifact(error) | Self::Source { error, .. } | Self::Signer { error, .. } => {
                error.code
            }
            Self::Destination(_)
            | Self::NoBytes(_)
            | Self::OtherKind(_)
            | Self::PrivateKey
            | Self::Taken { .. } => ErrorCode::InvalidRequest,
            Self::Partly { error, .. } => error.code(),
            Self::Store(_) => ErrorCode::Unavailable,
            Self::SignerMisbehaved { .. } => ErrorCode::Integrity,
            Self::Write { error, .. } => match error.kind() {
                std::io::ErrorKind::PermissionDenied => ErrorCode::AccessDenied,
                std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidInput => {
                    ErrorCode::InvalidRequest
                }
                _ => ErrorCode::Other,
            },
        }
    }
}

/// The operation that makes a signature.
pub(super) const SIGN: &str = "signer.sign";

/// What a signer did that it was not asked for.
pub(super) fn misbehaved(what: String) -> SignError {
    SignError::SignerMisbehaved {
        operation: SIGN,
        what,
    }
}
