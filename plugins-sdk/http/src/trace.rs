//! Debug output, one line an attempt.

use crate::failure::Failure;
use crate::message::{Request, Response};
use crate::text::shown;
use std::time::{Duration, Instant};

/// A duration as people say it: `30 s`, `1.5 s`, `250 ms`.
pub(crate) fn seconds(time: Duration) -> String {
    let ms = time.as_millis();
    match ms {
        0..1000 => format!("{ms} ms"),
        _ if ms.is_multiple_of(1000) => format!("{} s", ms / 1000),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// One attempt, as debug output tells it. Never a header, never a body.
pub(crate) struct Attempt {
    started: Instant,
    text: String,
}

impl Attempt {
    /// It begins.
    pub(crate) fn new(request: &Request) -> Self {
        Self {
            started: Instant::now(),
            text: format!("{} {}", request.method, shown(&request.url)),
        }
    }

    /// It was redirected.
    pub(crate) fn redirected(&mut self, from: &Response, to: &Request) {
        let status = from.status.as_u16();
        let target = shown(&to.url);
        self.text
            .push_str(&format!(" → {status} → {} {target}", to.method));
    }

    /// How long it takes already.
    pub(crate) fn took(&self) -> Duration {
        self.started.elapsed()
    }

    /// The line: what came of it, after how long, and how long is waited for the next one: `number` counts this attempt, of `max`.
    pub(crate) fn ended(
        self,
        outcome: &Result<Response, Failure>,
        wait: Option<Duration>,
        number: usize,
        max: usize,
    ) -> String {
        let what = match outcome {
            Ok(response) => response.status_text(),
            Err(failure) => failure.to_string(),
        };
        let took = seconds(self.started.elapsed());
        let mut text = format!("{} → {what}, in {took}", self.text);
        if let Some(wait) = wait {
            let wait = seconds(wait);
            let next = number + 1;
            text.push_str(&format!("; attempt {next} of {max} in {wait}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_said_as_people_say_it() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1500, "1.5 s"),
            (30_000, "30 s"),
        ] {
            assert_eq!(seconds(Duration::from_millis(ms)), text);
        }
    }
}
