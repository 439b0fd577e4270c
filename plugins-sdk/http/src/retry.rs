//! When a request is sent again, and after how long.

use crate::failure::{Failure, FailureKind};
use crate::header::{HeaderMap, RETRY_AFTER};
use crate::message::Response;
use backon::{BackoffBuilder, ExponentialBuilder};
use sigtool_sdk::Call;
use std::time::{Duration, UNIX_EPOCH};

/// The most attempts for one request.
pub(crate) const MAX_ATTEMPTS: usize = 5;

/// The first wait, without its jitter. Each is twice as long as the one before.
pub(crate) const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The longest wait that a service may ask for; if it asks for more, the caller decides.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// The attempts for one request.
pub(crate) struct Retries {
    waits: <ExponentialBuilder as BackoffBuilder>::Backoff,
    timed_out: bool,
}

impl Retries {
    /// None was made yet.
    pub(crate) fn new(first_wait: Duration) -> Self {
        let waits = ExponentialBuilder::new()
            .with_jitter()
            .with_factor(2.0)
            .with_min_delay(first_wait)
            .with_max_times(MAX_ATTEMPTS - 1)
            .build();
        Self {
            waits,
            timed_out: false,
        }
    }

    /// How long to wait before the next attempt, after this one. `None`: this was the last.
    pub(crate) fn after(
        &mut self,
        outcome: &Result<Response, Failure>,
        remaining: Option<Duration>,
    ) -> Option<Duration> {
        let asked = match outcome {
            Ok(response) if is_passing(response) => response.retry_after.unwrap_or_default(),
            Err(failure) if failure.kind == FailureKind::Timeout => {
                if std::mem::replace(&mut self.timed_out, true) {
                    return None;
                }
                Duration::ZERO
            }
            Err(failure) if failure.passing => Duration::ZERO,
            _ => return None,
        };
        let wait = self.waits.next()?.max(asked);
        let allowed = asked <= MAX_RETRY_AFTER && remaining.is_none_or(|left| wait < left);
        allowed.then_some(wait)
    }
}

/// Whether the same request may be answered otherwise a moment later.
fn is_passing(response: &Response) -> bool {
    matches!(response.status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
}

/// How long the service asks to wait. What is neither a number of seconds nor a date is not there.
pub(crate) fn retry_after(headers: &HeaderMap, call: &Call) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let now = UNIX_EPOCH + Duration::from_millis(call.now_ms().ok()?);
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::HeaderValue;
    use crate::testing::Host;

    #[test]
    fn a_wait_is_seconds_or_a_date_or_nothing() {
        for (text, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Mon, 01 Jan 2024 00:02:00 GMT", Some(120)),
            ("Sun, 31 Dec 2023 23:59:59 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("tomorrow", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            let found = retry_after(&headers, &Host::new().call());
            assert_eq!(found, seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn waits_grow_and_are_not_the_same_for_all() {
        let waits = || -> Vec<Duration> {
            let mut retries = Retries::new(FIRST_WAIT);
            let cut = Err(Failure::new(FailureKind::Cut, "cut").passing());
            std::iter::from_fn(|| retries.after(&cut, None)).collect()
        };
        let first = waits();
        assert_eq!(first.len(), MAX_ATTEMPTS - 1);
        for (wait, least) in first.iter().zip([200, 400, 800, 1600]) {
            let least = Duration::from_millis(least);
            assert!((least..=2 * least).contains(wait), "{first:?}");
        }
        assert_ne!(first, waits());
    }
}
