//! The ledger and the local store of this user, opened.

use crate::app::App;
use crate::error::{CommandError, Failure};
use sigtool_core::Store;
use sigtool_core::ledger::{Ledger, LedgerError};
use std::path::PathBuf;

/// Why there is no ledger to write to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Closed {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("there is no HOME, so there is no place for it")]
    NoHome,
}

/// Where the ledger of this user is, to be read.
///
/// # Errors
///
/// Nobody knows. That is not to say that there is none.
pub(crate) fn place(app: &App) -> Result<PathBuf, CommandError> {
    app.folders.ledger().ok_or_else(|| {
        CommandError::could_not_tell("cannot read the ledger")
            .because(Closed::NoHome)
            .hint("set HOME, or XDG_STATE_HOME to the folder that `sigtool` is in")
    })
}

pub(crate) fn open(app: &App) -> Result<Ledger, Closed> {
    let path = app.folders.ledger().ok_or(Closed::NoHome)?;
    Ok(Ledger::open(&path)?)
}

pub(crate) fn not_writable(closed: Closed) -> CommandError {
    let error = CommandError::could_not_tell("nothing is signed: the ledger cannot be written")
        .because(&closed);
    let error = match closed {
        Closed::Ledger(LedgerError::State(cause)) if cause.is_damaged() => error.hint(RESTART),
        Closed::Ledger(cause) if is_broken(&cause) => error.hint(SEE_ALL).hint(RESTART),
        _ => error,
    };
    error.hint("to sign without an entry in the history, add `--no-history`")
}

/// The ledger of this user, if there is one yet.
pub(crate) fn open_to_read(app: &App) -> Result<Option<Ledger>, CommandError> {
    Ledger::open_to_read(&place(app)?).map_err(unreadable)
}

/// The error for a ledger that is there and cannot be read, or whose entries are no longer what they were.
pub(crate) fn unreadable(error: LedgerError) -> CommandError {
    match error {
        LedgerError::Broken(finding) => CommandError::new(Failure::Refused, "the ledger is broken")
            .because(finding)
            .hint(SEE_ALL),
        error if is_broken(&error) => CommandError::new(Failure::Refused, "the ledger is broken")
            .because(error)
            .hint(SEE_ALL),
        error => CommandError::could_not_tell("cannot read the ledger").because(error),
    }
}

const RESTART: &str = "begin a new one, which keeps this one as evidence: sigtool history restart";

const SEE_ALL: &str = "see all that is wrong with it: sigtool history --verify";

/// Whether somebody has tampered with it.
fn is_broken(error: &LedgerError) -> bool {
    use LedgerError::{Broken, Entry, Gone, Head, State, Whole};
    match error {
        Broken(_) | Gone(_) | Head { .. } => true,
        Whole | Entry { .. } | State(_) => false,
    }
}

/// The local store, if there is one yet; or why it cannot be read.
pub(crate) fn store(app: &App) -> Result<Option<Store>, sigtool_sdk::Error> {
    match app.folders.store() {
        Some(path) => Ok(Store::open_to_read(&path)?),
        None => Ok(None),
    }
}
