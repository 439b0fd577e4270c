//! What is found of an image's signatures, and how much of it is looked at.

use crate::conversation::Conversation;
use crate::failure::integrity;
use sigtool_sdk::types::StoredSignature;
use sigtool_sdk::{Error, ErrorCode, Result};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes of signatures one reply has; a third more in Base64, and a message has 16 MiB at most.
pub(crate) const MAX_REPLY: usize = 10 * 1024 * 1024;

/// How many signatures one part of a place has. A host that has enough after the first asks for no other.
pub(crate) const PART: usize = 64;

/// How many signatures of one place are looked at. Without a bound, whoever may push could keep a verifier busy.
pub(crate) const MAX_SIGNATURES: usize = 1000;

/// How many are downloaded at the same time.
const AT_ONCE: usize = 8;

/// The signatures of a part, and what may be some and could not be read.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) signatures: Vec<StoredSignature>,
    pub(crate) failures: Vec<Error>,
    /// Whether the place has another part behind this one.
    pub(crate) more: bool,
}

impl Found {
    /// Nothing but a failure.
    pub(crate) fn failed(error: Error) -> Self {
        Self {
            failures: vec![error],
            ..Self::default()
        }
    }

    /// Adds what the next part has.
    pub(crate) fn extend(&mut self, next: Self) {
        self.signatures.extend(next.signatures);
        self.failures.extend(next.failures);
        self.more = next.more;
    }

    /// Leaves the part of the candidates that begins at `from`. What is too much for all parts is left out, and told.
    pub(crate) fn bound<T>(
        &mut self,
        conversation: &Conversation,
        candidates: &mut Vec<T>,
        from: usize,
    ) {
        if candidates.len() > MAX_SIGNATURES {
            self.failures.push(Error::new(
                ErrorCode::Other,
                format!(
                    "`{}` has {} signatures of one image, and only {MAX_SIGNATURES} of them were looked at",
                    conversation.repository,
                    candidates.len()
                ),
            ));
            candidates.truncate(MAX_SIGNATURES);
        }
        // What is to be told of the whole place was told with its first part.
        if from > 0 {
            self.failures.clear();
        }
        candidates.drain(..from.min(candidates.len()));
        self.more = candidates.len() > PART;
        candidates.truncate(PART);
    }
}

/// Takes from the bytes that one reply may have.
///
/// # Errors
///
/// `integrity`: there are not so many left.
pub(crate) fn take(budget: &AtomicUsize, size: u64, location: &str) -> Result<()> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let taken = budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(size)
    });
    taken.map(|_| ()).map_err(|_| {
        integrity(format!("cannot read `{location}`"))
            .because("the signatures of the image are larger than 10 MiB together")
    })
}

/// Does something for each item, some at the same time, with the outcomes in the order of the items.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Vec<Result<R>> {
    if items.len() < 2 {
        return items.iter().map(work).collect();
    }
    let outcomes: Vec<Mutex<Option<Result<R>>>> = items.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..items.len().min(AT_ONCE) {
            scope.spawn(|| {
                while let Some((item, outcome)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    items.get(index).zip(outcomes.get(index))
                } {
                    let done = work(item);
                    *outcome
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(done);
                }
            });
        }
    });
    outcomes
        .into_iter()
        .map(|outcome| {
            let outcome = outcome.into_inner();
            outcome
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .unwrap_or_else(|| Err(Error::new(ErrorCode::Internal, "a thread was lost")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_in_parallel_keeps_its_order() {
        let items: Vec<u32> = (0..100).collect();
        let outcomes = in_parallel(&items, |n| Ok(n * 2));
        let doubled: Vec<u32> = outcomes.into_iter().map(Result::unwrap).collect();
        assert_eq!(doubled, items.iter().map(|n| n * 2).collect::<Vec<_>>());
    }
}
