//! Many artifacts in one run: several at once, and what the run amounts to.

use crate::error::{CommandError, Failure};
use crate::interrupt;
use crate::sources::SourceOf;
use sigtool_sdk::types::Artifact;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

/// One artifact that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// As the user named it, or as it was found in a folder.
    pub(crate) shown: String,
    /// For the source: an absolute path, or an image without `oci:`.
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
#[derive(Default)]
pub(crate) struct Expanded {
    pub(crate) items: Vec<Result<Item, Missed>>,
    /// Remarks: what was named and is not worked on, what a folder held that was skipped.
    pub(crate) notes: Vec<String>,
    /// The bytes of standard input; removed when this is dropped.
    pub(crate) spool: Option<tempfile::NamedTempFile>,
}

impl Expanded {
    /// Whether flags for one artifact make sense.
    pub(crate) fn is_single(&self) -> bool {
        self.items.len() == 1
    }

    pub(crate) fn miss(&mut self, shown: &str, error: CommandError) {
        self.items.push(Err(Missed {
            shown: shown.to_owned(),
            error,
        }));
    }

    /// The artifacts that are there.
    pub(crate) fn found(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().flatten()
    }

    /// Whether one of them comes from this source.
    pub(crate) fn has(&self, source: SourceOf) -> bool {
        self.found().any(|item| item.source == source)
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
    pub(crate) fn check(&self, expanded: &Expanded) -> Result<(), CommandError> {
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
    /// Ctrl-C has kept it from being done to the end.
    pub(crate) interrupted: bool,
}

impl Tally {
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
/// `is_failure` tells a result that is no success. With `fail_fast` nothing is begun after the first failure; what had begun
/// before is finished and reported. Ctrl-C does the same, and what had begun is cancelled.
pub(crate) fn run<T: Send>(
    items: &[Result<Item, Missed>],
    jobs: usize,
    fail_fast: bool,
    work: impl Fn(&Item) -> Result<T, CommandError> + Sync,
    is_failure: impl Fn(&T) -> bool + Sync,
    mut report: impl FnMut(&str, Result<T, CommandError>) -> Option<Failure>,
) -> Tally {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let stops = |result: &Result<T, CommandError>| match result {
        Ok(done) => fail_fast && is_failure(done),
        Err(error) => fail_fast || error.failure == Failure::Cancelled,
    };
    let mut tally = Tally::default();
    let (sender, results) = channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, items.len().max(1)) {
            let (sender, next, stop, work, stops) = (sender.clone(), &next, &stop, &work, &stops);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) && !interrupt::requested() {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    let result = match item {
                        Ok(item) => work(item),
                        Err(missed) => Err(missed.error.clone()),
                    };
                    if stops(&result) {
                        stop.store(true, Ordering::Relaxed);
                    }
                    if sender.send((index, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        // What was begun is a beginning of the list without gaps, so that everything early gets its turn.
        let mut early = BTreeMap::new();
        let mut expected = 0;
        for (index, result) in results {
            early.insert(index, result);
            while let Some(result) = early.remove(&expected) {
                let shown = match &items[expected] {
                    Ok(item) => &item.shown,
                    Err(missed) => &missed.shown,
                };
                expected += 1;
                match report(shown, result) {
                    None => tally.done += 1,
                    Some(failure) => tally.failed.push((shown.clone(), failure)),
                }
            }
        }
    });
    tally.not_tried = items.len() - tally.done - tally.failed.len();
    let cancelled = |(_, failure): &(String, Failure)| *failure == Failure::Cancelled;
    tally.interrupted =
        interrupt::requested() && (tally.not_tried > 0 || tally.failed.iter().any(cancelled));
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

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
            1,
            true,
            |item| Ok(item.shown != "3"),
            |valid| !valid,
            |_, result| (!result.unwrap()).then_some(Failure::Refused),
        );
        assert_eq!((tally.done, tally.failed.len(), tally.not_tried), (3, 1, 6));
    }
}
