//! Many artifacts in one run: several at once, and what the run amounts to.

use super::item::{Item, Missed};
use crate::error::{CommandError, Failure};
use crate::interrupt;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

/// What a run over many artifacts amounts to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) done: usize,
    pub(crate) failed: Vec<(String, Failure)>,
    pub(crate) not_tried: usize,
    /// What folders hold that is not looked at, and is no failure.
    pub(crate) not_looked_at: usize,
    /// There are others that were not even looked for.
    pub(crate) more: bool,
    /// Ctrl-C has kept it from being finished.
    pub(crate) interrupted: bool,
}

impl Tally {
    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        self.done + self.failed.len() + self.not_tried
    }

    /// The exit code: that of the most serious failure of any artifact.
    pub(crate) fn exit_code(&self) -> u8 {
        let failures = self.failed.iter().map(|(_, failure)| *failure);
        let interrupted = self.interrupted.then_some(Failure::Cancelled);
        Failure::most_serious(failures.chain(interrupted)).map_or(0, Failure::exit_code)
    }
}

/// How far the work may be ahead of the reports: results would pile up behind one that takes long.
const AHEAD: usize = 1024;

/// Works on all items, `jobs` at once, and reports each in the order in which they were named.
///
/// `is_failure` tells a result that is not a success. With `fail_fast` nothing is begun after the first failure, and in any case after
/// one that ends the run; what had begun before is finished and reported. Ctrl-C does the same, and what had begun is cancelled.
pub(crate) fn run<T: Send>(
    items: impl Iterator<Item = Result<Item, Missed>> + Send,
    jobs: usize,
    fail_fast: bool,
    work: impl Fn(&Item) -> Result<T, CommandError> + Sync,
    is_failure: impl Fn(&T) -> bool + Sync,
    report: impl FnMut(&str, Result<T, CommandError>) -> Option<Failure>,
) -> Tally {
    let stops = |result: &Result<T, CommandError>| match result {
        Ok(done) => fail_fast && is_failure(done),
        Err(error) => fail_fast || error.ends_run || error.failure == Failure::Cancelled,
    };
    let work = |item: Result<Item, Missed>| match item {
        Ok(item) => {
            let result = work(&item);
            (item.shown, result)
        }
        Err(missed) => (missed.shown, Err(missed.error)),
    };
    let mut reports = Reports {
        report,
        tally: Tally::default(),
    };
    let mut items = items.enumerate();
    if jobs == 1 {
        // A thread of its own would cost more than a signature often does.
        one_by_one(&mut items, work, stops, &mut reports);
    } else {
        side_by_side(&mut items, jobs, work, stops, &mut reports);
    }
    reports.finish(items)
}

fn one_by_one<T>(
    items: &mut impl Iterator<Item = Numbered>,
    work: impl Fn(Result<Item, Missed>) -> Worked<T>,
    stops: impl Fn(&Result<T, CommandError>) -> bool,
    reports: &mut Reports<impl FnMut(&str, Result<T, CommandError>) -> Option<Failure>>,
) {
    while !interrupt::is_over() {
        let Some((_, item)) = items.next() else {
            return;
        };
        let worked = work(item);
        let stop = stops(&worked.1);
        reports.add(worked);
        if stop {
            return;
        }
    }
}

fn side_by_side<T: Send>(
    items: &mut (impl Iterator<Item = Numbered> + Send),
    jobs: usize,
    work: impl Fn(Result<Item, Missed>) -> Worked<T> + Sync,
    stops: impl Fn(&Result<T, CommandError>) -> bool + Sync,
    reports: &mut Reports<impl FnMut(&str, Result<T, CommandError>) -> Option<Failure>>,
) {
    let stop = AtomicBool::new(false);
    // An item is taken for a place in this queue, and a report makes room in it.
    let (places, reported) = sync_channel(AHEAD);
    let supply = Mutex::new((items, places));
    let (sender, results) = channel();
    let work_on = |sender: Sender<_>| {
        while !stop.load(Ordering::Relaxed) && !interrupt::is_over() {
            let Some((index, item)) = next_of(&supply) else {
                return;
            };
            let worked = work(item);
            if stops(&worked.1) {
                stop.store(true, Ordering::Relaxed);
            }
            if sender.send((index, worked)).is_err() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (sender, work_on) = (sender.clone(), &work_on);
            scope.spawn(move || work_on(sender));
        }
        drop(sender);
        // What was begun is a beginning of the list without gaps, so that everything early gets its turn.
        let mut early = BTreeMap::new();
        let mut expected = 0;
        for (index, worked) in results {
            early.insert(index, worked);
            while let Some(worked) = early.remove(&expected) {
                expected += 1;
                reports.add(worked);
                let _ = reported.recv();
            }
        }
    });
}

/// An item, with its place in the list.
type Numbered = (usize, Result<Item, Missed>);

/// What became of an item, with its name.
type Worked<T> = (String, Result<T, CommandError>);

/// The next item, once there is a place for it.
fn next_of(
    supply: &Mutex<(&mut (impl Iterator<Item = Numbered> + Send), SyncSender<()>)>,
) -> Option<Numbered> {
    let mut supply = supply.lock().unwrap_or_else(PoisonError::into_inner);
    let (items, places) = &mut *supply;
    places.send(()).ok()?;
    items.next()
}

/// What was reported.
struct Reports<R> {
    report: R,
    tally: Tally,
}

impl<R> Reports<R> {
    fn add<T>(&mut self, (shown, result): Worked<T>)
    where
        R: FnMut(&str, Result<T, CommandError>) -> Option<Failure>,
    {
        match (self.report)(&shown, result) {
            None => self.tally.done += 1,
            Some(failure) => self.tally.failed.push((shown, failure)),
        }
    }

    /// Counts those that nobody has got. After Ctrl-C what has not been found is not looked for.
    fn finish(self, mut left: impl Iterator) -> Tally {
        let mut tally = self.tally;
        tally.not_tried = left.by_ref().count();
        tally.more = left.size_hint() != (0, Some(0));
        let cancelled = |(_, failure): &(String, Failure)| *failure == Failure::Cancelled;
        tally.interrupted = interrupt::requested()
            && (tally.not_tried > 0 || tally.more || tally.failed.iter().any(cancelled));
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn items(count: usize) -> impl Iterator<Item = Result<Item, Missed>> {
        (0..count).map(|i| Ok(Item::file(i.to_string(), "")))
    }

    #[test]
    fn reports_come_in_the_order_of_the_command_line() {
        let mut seen = Vec::new();
        let tally = run(
            items(50),
            8,
            false,
            |item| {
                let number: u64 = item.shown.parse().unwrap();
                std::thread::sleep(std::time::Duration::from_millis(50 - number));
                Ok(number)
            },
            |_| false,
            |_, result| {
                seen.push(result.unwrap());
                None
            },
        );
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
        assert_eq!((tally.done, tally.exit_code()), (50, 0));
    }

    #[test]
    fn nothing_is_begun_far_ahead_of_the_reports() {
        let given = AtomicUsize::new(0);
        let found = items(5 * AHEAD).inspect(|_| _ = given.fetch_add(1, Ordering::Relaxed));
        let mut expected = 0;
        let tally = run(
            found,
            4,
            false,
            |item| {
                if item.shown == "0" {
                    // The others go as far as they may meanwhile.
                    std::thread::sleep(std::time::Duration::from_millis(100));
                    assert!(given.load(Ordering::Relaxed) <= AHEAD);
                }
                Ok(item.shown.clone())
            },
            |_| false,
            |shown, result| {
                assert_eq!(
                    (shown, result.unwrap()),
                    (&*expected.to_string(), expected.to_string())
                );
                expected += 1;
                None
            },
        );
        assert_eq!((tally.done, tally.not_tried), (5 * AHEAD, 0));
    }

    #[test]
    fn the_most_serious_failure_decides_the_exit_code() {
        let tally = |kinds: &[Failure]| Tally {
            failed: kinds.iter().map(|k| (String::new(), *k)).collect(),
            ..Tally::default()
        };
        assert_eq!(
            tally(&[Failure::Input, Failure::CouldNotTell]).exit_code(),
            3
        );
        assert_eq!(
            tally(&[Failure::CouldNotTell, Failure::Refused]).exit_code(),
            1
        );
        assert_eq!(tally(&[Failure::Refused, Failure::Bug]).exit_code(), 70);
    }

    #[test]
    fn fail_fast_says_what_was_not_tried() {
        let tally = run(
            items(10),
            1,
            true,
            |item| {
                if item.shown == "3" {
                    Err(CommandError::input("no"))
                } else {
                    Ok(())
                }
            },
            |()| false,
            |_, result| result.err().map(|e| e.failure),
        );
        assert_eq!((tally.done, tally.failed.len()), (3, 1));
        assert_eq!(tally.not_tried, 10 - 4);
    }

    #[test]
    fn fail_fast_stops_after_a_refusal_too() {
        let tally = run(
            items(10),
            1,
            true,
            |item| Ok(item.shown != "3"),
            |valid| !valid,
            |_, result| (!result.unwrap()).then_some(Failure::Refused),
        );
        assert_eq!((tally.done, tally.failed.len(), tally.not_tried), (3, 1, 6));
    }
}
