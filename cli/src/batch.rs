//! Many artifacts in one run: several at once, and what the run amounts to.

use crate::error::{CommandError, Failure};
use crate::expand::Rest;
use crate::interrupt;
use crate::sources::SourceOf;
use sigtool_sdk::types::Artifact;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex, PoisonError};

/// Enough to hide the way to a registry, and few enough not to be throttled by it.
const JOBS_WITH_IMAGES: usize = 8;

/// One artifact that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// As the user named it, or as it was found in a folder.
    pub(crate) shown: String,
    /// For the source: the path that a file has whichever way it is written, or an image without `oci:`.
    pub(crate) reference: String,
    /// The source that serves it.
    pub(crate) source: SourceOf,
    /// It came from standard input and lies in a temporary file.
    pub(crate) from_stdin: bool,
}

impl Item {
    /// Names the artifact as the user did: the temporary file that standard input was kept in is nobody's business.
    pub(crate) fn name_in(&self, artifact: &mut Artifact) {
        if self.from_stdin {
            artifact.reference = self.shown.clone();
            artifact.path = None;
        }
    }
}

/// A word that names no artifact.
#[derive(Clone, Debug)]
pub(crate) struct Missed {
    /// As the user wrote it.
    pub(crate) shown: String,
    pub(crate) error: CommandError,
}

/// What was asked for, and what lives as long as the run.
pub(crate) struct Expanded<'a> {
    /// All, or the first of many.
    pub(crate) items: Vec<Result<Item, Missed>>,
    /// Remarks: what was named and is not worked on, what a folder held that was skipped.
    pub(crate) notes: Vec<String>,
    /// The bytes of standard input; removed when this is dropped.
    pub(crate) _spool: Option<tempfile::NamedTempFile>,
    /// The others, if there are more.
    pub(crate) rest: Option<Rest<'a>>,
}

impl Expanded<'_> {
    /// Whether flags for one artifact make sense.
    pub(crate) fn is_single(&self) -> bool {
        self.items.len() == 1 && self.rest.is_none()
    }

    /// How many there are, if that is known.
    pub(crate) fn count(&self) -> Option<usize> {
        self.rest.is_none().then_some(self.items.len())
    }

    /// How many are worked on at once. With files the processor is busy, with images one waits for the network.
    pub(crate) fn jobs(&self, asked: Option<NonZeroUsize>) -> usize {
        if self.is_single() {
            return 1;
        }
        let images = self.has(SourceOf::Images);
        asked.map_or_else(
            || {
                let cores = std::thread::available_parallelism().map_or(2, usize::from);
                cores.max(if images { JOBS_WITH_IMAGES } else { 1 })
            },
            usize::from,
        )
    }

    /// The artifacts that are there.
    pub(crate) fn found(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().flatten()
    }

    /// Whether one of them comes from this source.
    pub(crate) fn has(&self, source: SourceOf) -> bool {
        self.found().any(|item| item.source == source)
    }

    /// Whether one of them may turn out to be an image.
    pub(crate) fn may_have_images(&self) -> bool {
        self.has(SourceOf::Images) || self.rest.as_ref().is_some_and(Rest::has_words)
    }
}

/// Where `--bundle` and `--signature` say that signatures are.
pub(crate) struct Places<'a> {
    pub(crate) bundle: Option<&'a Path>,
    pub(crate) signature: Option<&'a Path>,
}

impl<'a> Places<'a> {
    /// Each that was given: its flag, its value, and how its files end in a folder.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static str, &'a Path, &'static str)> {
        let bundle = self.bundle.map(|path| ("--bundle", path, ".sigstore.json"));
        let signature = self.signature.map(|path| ("--signature", path, ".sig"));
        bundle.into_iter().chain(signature)
    }

    /// Requires a place of its own for each artifact, in a folder that is there.
    pub(crate) fn check(&self, expanded: &Expanded<'_>) -> Result<(), CommandError> {
        for (flag, path, suffix) in self.given() {
            let shown = path.display();
            if !is_folder(path) && !expanded.is_single() {
                return Err(CommandError::input(format!(
                    "`{flag} {shown}` names one file, and there are {} artifacts",
                    expanded.items.len()
                ))
                .hint(format!("name a folder: {flag} {shown}/")));
            }
            check_folder(flag, path)?;
            let mut taken = BTreeMap::new();
            for item in expanded.found() {
                let place = destination(path, item, suffix);
                if let Some(other) = taken.insert(place.clone(), &item.shown) {
                    return Err(CommandError::input(format!(
                        "`{other}` and `{}` have one name, so that `{}` would be the signature of both",
                        item.shown,
                        place.display()
                    ))
                    .hint("name them in two runs, with a folder each"));
                }
            }
        }
        Ok(())
    }
}

/// Requires the folder that a file is to be written into.
pub(crate) fn check_folder(flag: &str, path: &Path) -> Result<(), CommandError> {
    let folder = match path.parent() {
        _ if is_folder(path) => path,
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => return Ok(()),
    };
    if folder.is_dir() {
        return Ok(());
    }
    let folder = folder.to_string_lossy();
    let folder = folder.trim_end_matches('/');
    Err(CommandError::input(format!(
        "`{flag} {}`: there is no folder `{folder}`",
        path.display()
    ))
    .hint(format!("make it: mkdir -p {folder}")))
}

/// Whether a path is meant to be a folder, as its writing says.
pub(crate) fn is_folder(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Where `--bundle` or `--signature` puts the file of one artifact.
pub(crate) fn destination(path: &Path, item: &Item, suffix: &str) -> PathBuf {
    if !is_folder(path) {
        return path.to_owned();
    }
    let name = Path::new(&item.reference).file_name();
    let name = match name {
        Some(_) if item.source == SourceOf::Images => image_name(&item.reference),
        Some(name) if !item.from_stdin => name.to_string_lossy().into_owned(),
        _ => STDIN.to_owned(),
    };
    path.join(format!("{name}{suffix}"))
}

/// What a file of an image is called: `app-1.2`. What stands between its name and its tag is no good in names of files.
pub(crate) fn image_name(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    let tagged = last.split_once('@').map(|(name, _)| name);
    let name = tagged.filter(|name| name.contains(':')).unwrap_or(last);
    name.replace([':', '@'], "-")
}

/// What standard input is called where an artifact has a name.
pub(crate) const STDIN: &str = "stdin";

/// What a run over many artifacts amounts to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) done: usize,
    pub(crate) failed: Vec<(String, Failure)>,
    pub(crate) not_tried: usize,
    /// There are others that were not even looked for.
    pub(crate) more: bool,
    /// Ctrl-C has kept it from being done to the end.
    pub(crate) interrupted: bool,
}

impl Tally {
    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        self.done + self.failed.len() + self.not_tried
    }

    /// The exit code, by the order 70, 1, 130, 3, 2: the gravest thing that can be said of any artifact.
    pub(crate) fn exit_code(&self) -> u8 {
        [
            Failure::Bug,
            Failure::Refused,
            Failure::Cancelled,
            Failure::CouldNotTell,
            Failure::Input,
        ]
        .into_iter()
        .find(|kind| {
            let is_cancelled = self.interrupted && *kind == Failure::Cancelled;
            is_cancelled || self.failed.iter().any(|(_, failure)| failure == kind)
        })
        .map_or(0, Failure::exit_code)
    }
}

/// Works on all items, `jobs` at once, and reports each in the order in which they were named.
///
/// `is_failure` tells a result that is no success. With `fail_fast` nothing is begun after the first failure, and in any case after one
/// that ends the run; what had begun before is finished and reported. Ctrl-C does the same, and what had begun is cancelled. After
/// `items` come those that `more` gives, one at a time. Nobody gets further ahead of the reports than [`AHEAD`], or results would pile
/// up behind one that takes long.
pub(crate) fn run<'a, T: Send>(
    items: &'a [Result<Item, Missed>],
    more: Option<&'a mut (dyn FnMut() -> Option<Result<Item, Missed>> + Send + 'a)>,
    jobs: usize,
    fail_fast: bool,
    work: impl Fn(&Item) -> Result<T, CommandError> + Sync,
    is_failure: impl Fn(&T) -> bool + Sync,
    mut report: impl FnMut(&str, Result<T, CommandError>) -> Option<Failure>,
) -> Tally {
    let is_single = items.len() == 1 && more.is_none();
    let (supply, stop) = (Supply::new(items, more), AtomicBool::new(false));
    let stops = |result: &Result<T, CommandError>| match result {
        Ok(done) => fail_fast && is_failure(done),
        Err(error) => fail_fast || error.ends_run || error.failure == Failure::Cancelled,
    };
    let mut tally = Tally::default();
    let (sender, results) = channel();
    let work_on = |sender: Sender<_>| {
        while !stop.load(Ordering::Relaxed) && !interrupt::requested() {
            let Some((index, item)) = supply.next() else {
                return;
            };
            let (shown, result) = match item.as_ref() {
                Ok(item) => (item.shown.clone(), work(item)),
                Err(missed) => (missed.shown.clone(), Err(missed.error.clone())),
            };
            if stops(&result) {
                stop.store(true, Ordering::Relaxed);
            }
            if sender.send((index, shown, result)).is_err() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        if is_single {
            // A thread of its own would cost more than many a signature.
            work_on(sender);
        } else {
            for _ in 0..jobs.clamp(1, items.len().max(1)) {
                let (sender, work_on) = (sender.clone(), &work_on);
                scope.spawn(move || work_on(sender));
            }
            drop(sender);
        }
        // What was begun is a beginning of the list without gaps, so that everything early gets its turn.
        let mut early = BTreeMap::new();
        let mut expected = 0;
        for (index, shown, result) in results {
            early.insert(index, (shown, result));
            while let Some((shown, result)) = early.remove(&expected) {
                expected += 1;
                match report(&shown, result) {
                    None => tally.done += 1,
                    Some(failure) => tally.failed.push((shown, failure)),
                }
            }
            supply.reported(expected);
        }
    });
    let (count, is_all) = supply.count();
    tally.not_tried = count - tally.done - tally.failed.len();
    tally.more = !is_all;
    let cancelled = |(_, failure): &(String, Failure)| *failure == Failure::Cancelled;
    tally.interrupted = interrupt::requested()
        && (tally.not_tried > 0 || tally.more || tally.failed.iter().any(cancelled));
    tally
}

/// How far the work may be ahead of the reports.
const AHEAD: usize = 1024;

/// Gives each item to one thread.
struct Supply<'a> {
    items: &'a [Result<Item, Missed>],
    state: Mutex<Supplied<'a>>,
    /// Something was reported.
    progress: Condvar,
}

struct Supplied<'a> {
    /// None if there was never more.
    more: Option<&'a mut (dyn FnMut() -> Option<Result<Item, Missed>> + Send + 'a)>,
    next: usize,
    reported: usize,
}

impl<'a> Supply<'a> {
    fn new(
        items: &'a [Result<Item, Missed>],
        more: Option<&'a mut (dyn FnMut() -> Option<Result<Item, Missed>> + Send + 'a)>,
    ) -> Self {
        Self {
            items,
            state: Mutex::new(Supplied {
                more,
                next: 0,
                reported: 0,
            }),
            progress: Condvar::new(),
        }
    }

    fn next(&self) -> Option<(usize, Cow<'a, Result<Item, Missed>>)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.next >= state.reported + AHEAD {
            let woken = self.progress.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        let item = match self.items.get(state.next) {
            Some(item) => Cow::Borrowed(item),
            None => Cow::Owned((state.more.as_mut()?)()?),
        };
        state.next += 1;
        Some((state.next - 1, item))
    }

    fn reported(&self, count: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.reported = count;
        drop(state);
        self.progress.notify_all();
    }

    /// How many there are; those that nobody has got are counted, unless nobody wants to wait for that.
    fn count(self) -> (usize, bool) {
        let mut state = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let mut count = state.next.max(self.items.len());
        while let Some(more) = &mut state.more {
            if interrupt::requested() {
                return (count, false);
            }
            if more().is_none() {
                break;
            }
            count += 1;
        }
        (count, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn items(count: usize) -> Vec<Result<Item, Missed>> {
        (0..count)
            .map(|i| {
                Ok(Item {
                    shown: i.to_string(),
                    reference: String::new(),
                    source: SourceOf::Files,
                    from_stdin: false,
                })
            })
            .collect()
    }

    #[test]
    fn reports_come_in_the_order_of_the_command_line() {
        let mut seen = Vec::new();
        let tally = run(
            &items(50),
            None,
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
    fn what_is_found_on_the_way_comes_after_the_first_and_never_far_ahead_of_the_reports() {
        let mut found = (0..5 * AHEAD).map(|i| items(1).pop().map(|item| (i, item)));
        let given = AtomicUsize::new(0);
        let mut more = || {
            given.fetch_add(1, Ordering::Relaxed);
            let (i, item) = found.next()??;
            item.ok().map(|item| {
                Ok(Item {
                    shown: (10 + i).to_string(),
                    ..item
                })
            })
        };
        let mut expected = 0;
        let tally = run(
            &items(10),
            Some(&mut more),
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
        assert_eq!((tally.done, tally.not_tried), (10 + 5 * AHEAD, 0));
    }

    #[test]
    fn the_gravest_failure_decides_the_exit_code() {
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
            &items(10),
            None,
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
            &items(10),
            None,
            1,
            true,
            |item| Ok(item.shown != "3"),
            |valid| !valid,
            |_, result| (!result.unwrap()).then_some(Failure::Refused),
        );
        assert_eq!((tally.done, tally.failed.len(), tally.not_tried), (3, 1, 6));
    }
}
