//! Waiting before a registry is asked again.

use sigtool_sdk::{Call, Result};
use std::time::{Duration, Instant};

/// The longest wait before looking again.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// How often it is looked whether the call was cancelled while waiting.
const POLL: Duration = Duration::from_millis(50);

/// Between one and two times the slowest answer: two machines that write at the same moment do not look at the same moment.
pub(crate) fn random_wait(slowest: Duration) -> Duration {
    let mut random = [0; 2];
    // Without a random number both wait equally long, which is still long enough for most writes.
    let _ = aws_lc_rs::rand::fill(&mut random);
    let factor = 1.0 + f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX);
    slowest.mul_f64(factor).min(MAX_WAIT)
}

/// Waits, unless the call ends.
pub(crate) fn wait(call: &Call, time: Duration) -> Result<()> {
    let end = Instant::now() + time;
    loop {
        call.check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(POLL));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_between_one_and_two_times_the_slowest_answer() {
        let slowest = Duration::from_millis(100);
        for _ in 0..100 {
            let wait = random_wait(slowest);
            assert!(wait >= slowest && wait <= slowest * 2, "{wait:?}");
        }
        assert_eq!(random_wait(Duration::from_secs(60)), MAX_WAIT);
    }
}
