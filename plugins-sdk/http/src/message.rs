//! What is sent, and what comes back.

use crate::header::{HeaderMap, HeaderName, HeaderValue};
use crate::text::{authority, clean, shown};
use crate::{Method, StatusCode, Url};
use sigtool_sdk::redact::{Secrets, Words};
use sigtool_sdk::{Error, ErrorCode};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The longest body that is read unless the request says otherwise, in bytes. Manifests and tokens are far shorter.
const MAX_BODY: usize = 4 << 20;

/// One request. Its `Debug` shows no header and no body.
#[derive(Clone)]
pub struct Request {
    /// What is done.
    pub method: Method,
    /// To what: `http:` or `https:`. A user and password in it are sent as basic authentication.
    pub url: Url,
    /// The headers. Their credentials stay with the host, the port and the scheme of `url`, also after a redirect:
    /// `Authorization`, `Cookie`, and all values that are marked as sensitive.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The longest body that is read, in bytes.
    pub max_body: usize,
    /// Whether it may be sent again after a failure: it is idempotent.
    pub retry: bool,
}

impl Request {
    /// A request without headers and without a body, which may be sent again, and whose answer may have 4 MiB.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Vec::new(),
            max_body: MAX_BODY,
            retry: true,
        }
    }

    /// With this header, in place of one of the same name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With an answer that may have this many bytes.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sent once and never again, whatever happens: it is not idempotent.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.retry = false;
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("url", &format_args!("{}", shown(&self.url)))
            .field("max_body", &self.max_body)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// An answer, whatever its status.
#[derive(Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body, as it was sent: nothing is decompressed.
    pub body: Vec<u8>,
    /// Who answered, after redirects.
    pub url: Url,
    /// How long the service asks to wait before the next request (`Retry-After`).
    pub retry_after: Option<Duration>,
    /// What was sent to services, and is not to be quoted from their answers.
    pub(crate) sent: Arc<Secrets>,
}

impl Response {
    /// An error for a status that is not a success: its code follows from the status, `message` says what failed, and the cause is
    /// who answered what, with the service's own words (`said`) if there are any.
    #[must_use]
    pub fn refused(&self, message: impl Into<String>, said: Option<&str>) -> Error {
        let code = code(self.status);
        let mut cause = format!("`{}` answered {}", authority(&self.url), self.status_text());
        if let Some(said) = said
            .map(|said| self.sent.clean(said, Words::Others, &|_| Vec::new()))
            .and_then(|said| clean(&said))
        {
            cause.push_str(": ");
            cause.push_str(&said);
        }
        let mut error = Error::new(code, message).because(cause);
        if let Some(wait) = self.retry_after
            && matches!(code, ErrorCode::Throttled | ErrorCode::Unavailable)
        {
            if code == ErrorCode::Throttled {
                error.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            }
            let seconds = wait.as_secs().max(1);
            error = error.hint(format!("try again in {seconds} s, as the service asks"));
        }
        error
    }

    /// `404 Not Found`; a number without a name stands alone.
    pub(crate) fn status_text(&self) -> String {
        match self.status.canonical_reason() {
            Some(reason) => format!("{} {reason}", self.status.as_u16()),
            None => self.status.as_u16().to_string(),
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("url", &format_args!("{}", shown(&self.url)))
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}

/// What a status means to the host.
fn code(status: StatusCode) -> ErrorCode {
    match status.as_u16() {
        400 => ErrorCode::InvalidRequest,
        401 => ErrorCode::AuthRequired,
        403 => ErrorCode::AccessDenied,
        404 => ErrorCode::NotFound,
        408 | 429 => ErrorCode::Throttled,
        500..=599 => ErrorCode::Unavailable,
        _ => ErrorCode::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, retry_after: Option<u64>) -> Response {
        Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            url: Url::parse("https://user:s3cr3t@app.example:5000/v2/?s3cr3t").unwrap(),
            retry_after: retry_after.map(Duration::from_secs),
            sent: Arc::default(),
        }
    }

    #[test]
    fn a_refusal_says_who_answered_what_and_in_which_words() {
        let error = response(403, None).refused("cannot read `app`", Some("denied:\nno access"));
        assert_eq!(error.message, "cannot read `app`");
        assert_eq!(
            error.causes,
            ["`app.example:5000` answered 403 Forbidden: denied: no access"]
        );
        let error = response(299, None).refused("m", Some("\n"));
        assert_eq!(error.causes, ["`app.example:5000` answered 299"]);
    }

    /// SECURITY.md: "before it is cut".
    #[test]
    fn what_was_sent_is_not_quoted_from_an_answer() {
        let answer = response(403, None);
        answer.sent.add(b"s3cret");
        answer.sent.add(b"ann:a-long-password");
        for before in 270..300 {
            let said = format!(
                "{} ann:a-long-password s3cret {}",
                "x".repeat(before),
                "y".repeat(99)
            );
            let cause = answer.refused("m", Some(&said)).causes.remove(0);
            assert!(!cause.contains("ann") && !cause.contains("s3c"), "{cause}");
        }
    }

    #[test]
    fn each_status_has_its_code() {
        for (status, code) in [
            (400, ErrorCode::InvalidRequest),
            (401, ErrorCode::AuthRequired),
            (403, ErrorCode::AccessDenied),
            (404, ErrorCode::NotFound),
            (408, ErrorCode::Throttled),
            (418, ErrorCode::Other),
            (429, ErrorCode::Throttled),
            (500, ErrorCode::Unavailable),
            (599, ErrorCode::Unavailable),
        ] {
            assert_eq!(
                response(status, None).refused("m", None).code,
                code,
                "{status}"
            );
        }
    }

    #[test]
    fn who_waits_depends_on_the_code() {
        let hint = ["try again in 60 s, as the service asks"];
        let throttled = response(429, Some(60)).refused("m", None);
        assert_eq!(throttled.retry_after_ms, Some(60_000), "the host may wait");
        assert_eq!(throttled.hints, hint, "and may not want to");
        let unavailable = response(503, Some(60)).refused("m", None);
        assert_eq!(unavailable.retry_after_ms, None);
        assert_eq!(unavailable.hints, hint);
    }
}
