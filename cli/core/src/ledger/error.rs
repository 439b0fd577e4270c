//! Why the ledger cannot be used.

use super::finding::Finding;
use super::head::{Head, ParseHeadError};
use crate::state::{Alteration, StateError};
use sigtool_sdk::{Error, ErrorCode};
use std::path::PathBuf;

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Its file, or that of the head, cannot be read or written.
    #[error(transparent)]
    State(StateError),
    /// An entry is what was entered, and cannot be read.
    #[error("entry {number} of the ledger cannot be read: a later version of sigtool made it")]
    Entry {
        /// Its number.
        number: u64,
    },
    /// The file of the head does not say what a head is.
    #[error("`{path}` is not the head of a ledger: {error}", path = path.display())]
    Head {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ParseHeadError,
    },
    /// There is a head and no ledger.
    #[error("the ledger is gone: of {} entries, as its head says, there is none", .0.count)]
    Gone(Head),
    /// The ledger is not broken, and goes on as it is.
    #[error("the ledger is whole")]
    Whole,
    /// The chain no longer has what its head says it had. Nothing is entered, or the evidence would be gone.
    #[error("the ledger is broken: {0}")]
    Broken(Finding),
}

impl From<StateError> for LedgerError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Altered { alteration, .. } => Self::Broken(match alteration {
                Alteration::NoVersion => Finding::NoVersion,
                Alteration::Table { name } => Finding::TableChanged { name },
            }),
            error => Self::State(error),
        }
    }
}

impl From<LedgerError> for Error {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::State(error) => error.into(),
            error => Self::new(ErrorCode::Integrity, error.to_string()),
        }
    }
}
