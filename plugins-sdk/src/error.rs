//! The errors that cross the seam. Each code is an instruction to the host.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What went wrong, as the host should treat it.
///
/// | code | what the host does |
/// |---|---|
/// | `access-denied` | stops; the person lacks a permission at the service |
/// | `already-exists` | stops; says how to replace what is there, where that can be done |
/// | `auth-required` | stops; shows how to log in |
/// | `cancelled` | stops the run, as after Ctrl-C |
/// | `declined` | stops; the person said no |
/// | `integrity` | stops; what was read is not what it should be |
/// | `internal` | stops; a bug of the backend, says so |
/// | `invalid-config` | stops; points at `field` in the configuration, with its origin |
/// | `invalid-request` | stops; what the user asked for cannot be done |
/// | `not-found` | tries the next place; none left: stops |
/// | `panic` | as `internal`, and never uses that instance again |
/// | `throttled` | waits `retry_after_ms`, tries again while the deadline allows |
/// | `timeout` | stops; could not tell |
/// | `unavailable` | stops; could not tell, a retry may work |
/// | `unsupported` | tries the next backend that could; none left: stops |
/// | `other` | stops; also for every code invented later |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ErrorCode {
    /// The service knows who asks, and refuses.
    AccessDenied,
    /// The name is taken: what was to be made is there already, and was left alone.
    AlreadyExists,
    /// The service does not know who asks.
    AuthRequired,
    /// The host cancelled the call.
    Cancelled,
    /// The person answered a question with no.
    Declined,
    /// Bytes are not what they should be: a wrong digest, a file that changed meanwhile, a broken signature.
    Integrity,
    /// A bug in the backend.
    Internal,
    /// The configuration is wrong; `field` says where.
    InvalidConfig,
    /// The request is wrong: an artifact that is a folder, a key that cannot sign.
    InvalidRequest,
    /// No such key, artifact or secret.
    NotFound,
    /// The backend panicked.
    Panic,
    /// Too many requests; `retry_after_ms` says when to come back.
    Throttled,
    /// It took too long.
    Timeout,
    /// Could not reach a device or a service. A retry may work.
    Unavailable,
    /// The backend does not do this.
    Unsupported,
    /// Anything else, codes of later versions included.
    #[serde(other)]
    Other,
}

impl ErrorCode {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access-denied",
            Self::AlreadyExists => "already-exists",
            Self::AuthRequired => "auth-required",
            Self::Cancelled => "cancelled",
            Self::Declined => "declined",
            Self::Integrity => "integrity",
            Self::Internal => "internal",
            Self::InvalidConfig => "invalid-config",
            Self::InvalidRequest => "invalid-request",
            Self::NotFound => "not-found",
            Self::Panic => "panic",
            Self::Throttled => "throttled",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Unsupported => "unsupported",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An error that a backend returns, or that the host answers a backend's request with.
///
/// `message` names the thing that failed, in lower case and without a full stop; a hint is something one can do or paste.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Error {
    /// What the host should do.
    pub code: ErrorCode,
    /// What failed, for the user.
    pub message: String,
    /// Why, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What the user can do next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// With `invalid-config`: a JSON pointer to the setting, for example `/key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// With `throttled`: how long to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Error {
    /// An error with a code and a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            field: None,
            retry_after_ms: None,
        }
    }

    /// The operation is not one of this backend's.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(
            ErrorCode::Unsupported,
            format!("this backend has no `{what}`"),
        )
    }

    /// Adds a cause behind those it has.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds a hint behind those it has.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says which setting is wrong, by a JSON pointer.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// What backends and host services return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_the_future_is_other() {
        let error: Error =
            serde_json::from_str(r#"{"code":"out-of-ink","message":"m","new":1}"#).unwrap();
        assert_eq!(error.code, ErrorCode::Other);
    }
}
