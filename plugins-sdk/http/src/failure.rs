//! Why there is no answer, as users read it: what was found, and whose move it is.

use sigtool_sdk::{Error, ErrorCode};
use std::fmt;

/// What kept an answer from coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The host has cancelled the call.
    Cancelled,
    /// There is no connection: no address is known, it is refused, or a proxy stands in the way.
    Connect,
    /// The connection ended before the answer was complete, or what came is not HTTP.
    Cut,
    /// `https:` was asked for, and the other side does not speak TLS.
    NotTls,
    /// `--offline` is set.
    Offline,
    /// The service redirects to where this client does not follow.
    Redirect,
    /// It took too long, or the call's deadline has passed.
    Timeout,
    /// The other side speaks TLS, but one side does not accept the other's certificate or abilities.
    Tls,
    /// The answer is longer than the request allows.
    TooLarge,
}

impl FailureKind {
    /// What the host should do about it.
    fn code(self) -> ErrorCode {
        match self {
            Self::Cancelled => ErrorCode::Cancelled,
            Self::Connect | Self::Cut | Self::NotTls | Self::Offline | Self::Tls => {
                ErrorCode::Unavailable
            }
            Self::Redirect => ErrorCode::Other,
            Self::Timeout => ErrorCode::Timeout,
            Self::TooLarge => ErrorCode::Integrity,
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What kept it from coming.
    pub kind: FailureKind,
    /// Whether the same request may succeed a moment later.
    pub(crate) passing: bool,
    error: Box<Error>,
}

impl Failure {
    /// A failure with the code of its kind.
    pub(crate) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self::from_error(kind, Error::new(kind.code(), message))
    }

    /// A failure that is told by this error.
    pub(crate) fn from_error(kind: FailureKind, error: Error) -> Self {
        Self {
            kind,
            passing: false,
            error: Box::new(error),
        }
    }

    /// What [`sigtool_sdk::Call::check`] found.
    pub(crate) fn stopped(error: Error) -> Self {
        let kind = match error.code {
            ErrorCode::Timeout => FailureKind::Timeout,
            _ => FailureKind::Cancelled,
        };
        Self::from_error(kind, error)
    }

    /// The same request may succeed a moment later.
    pub(crate) fn passing(mut self) -> Self {
        self.passing = true;
        self
    }

    /// Adds a cause.
    pub(crate) fn because(mut self, cause: impl fmt::Display) -> Self {
        *self.error = self.error.because(cause);
        self
    }

    /// Adds a hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        *self.error = self.error.hint(hint);
        self
    }

    /// As an error whose message is what could not be done; why follows as its cause, and the hints stay.
    #[must_use]
    pub fn into_error(self, message: impl Into<String>) -> Error {
        let mut error = *self.error;
        let own = std::mem::replace(&mut error.message, message.into());
        error.causes.insert(0, own);
        error
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        *failure.error
    }
}
