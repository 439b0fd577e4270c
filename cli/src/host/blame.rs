//! Whose move it is when a backend failed.

use crate::error::CommandError;
use sigtool_sdk::types::BackendId;
use sigtool_sdk::{Error, ErrorCode};

/// A backend's error. What a person can mend is said in the backend's own words; a failure of the machinery names its part.
pub(crate) fn failed(id: &BackendId, operation: &str, mut error: Error) -> CommandError {
    error.hints.extend(whose_move(id, &error));
    match blame(id, operation, &error) {
        None => {
            let message = std::mem::take(&mut error.message);
            let mut shown = CommandError::from_backend(message, error);
            shown.causes.remove(0);
            shown
        }
        Some(blame) if is_for_people(error.code) => {
            let message = std::mem::take(&mut error.message);
            let mut shown = CommandError::from_backend(message, error);
            shown.causes[0] = blame;
            shown
        }
        Some(blame) => CommandError::from_backend(blame, error),
    }
}

/// Which backend failed in which operation, where a person should know: always of a third-party backend, and of sigtool's own
/// if the machinery failed.
pub(crate) fn blame(id: &BackendId, operation: &str, error: &Error) -> Option<String> {
    (!id.is_first_party() || !is_for_people(error.code))
        .then(|| format!("the backend `{id}` failed in `{operation}`"))
}

/// What to do about a bug, where nobody has said it.
pub(crate) fn whose_move(id: &BackendId, error: &Error) -> Option<String> {
    let is_bug = matches!(error.code, ErrorCode::Internal | ErrorCode::Panic);
    let hint = match id.is_first_party() {
        true => "this is a bug in sigtool: please report it",
        false => "this is for the backend's author to mend",
    };
    (is_bug && error.hints.is_empty()).then(|| hint.to_owned())
}

/// Whether an error is about something that a person gave: a password, a path, a setting.
fn is_for_people(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::AccessDenied
            | ErrorCode::AlreadyExists
            | ErrorCode::AuthRequired
            | ErrorCode::Cancelled
            | ErrorCode::Declined
            | ErrorCode::Integrity
            | ErrorCode::InvalidConfig
            | ErrorCode::InvalidRequest
            | ErrorCode::NotFound
    )
}
