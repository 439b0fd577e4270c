//! Where failures become errors of the SDK, as users read them: what was found, and whose move it is.

use sigtool_sdk::{Error, ErrorCode};

/// The user asked for what cannot be done.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidRequest, message)
}

/// What was read is not what it should be.
pub(crate) fn integrity(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::Integrity, message)
}

/// Whether the registry, or its token server, does not let us.
pub(crate) fn is_denied(error: &Error) -> bool {
    matches!(
        error.code,
        ErrorCode::AuthRequired | ErrorCode::AccessDenied
    )
}

/// An error with what could not be done in front.
pub(crate) fn under(mut error: Error, what: &str) -> Error {
    if error.message != what {
        let own = std::mem::replace(&mut error.message, what.to_owned());
        error.causes.insert(0, own);
    }
    error
}
