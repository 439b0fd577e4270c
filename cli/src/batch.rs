//! Many artifacts in one run: which ones, several at once, and what the run amounts to.

use crate::args::Artifacts;
use crate::error::{CommandError, Failure};
use crate::host::HostSettings;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::source::{Resolve, ResolveArgs};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

/// The most lines of a `--from-file` list, and the longest one: a wrong file must not fill the memory.
const MAX_LIST: u64 = 1024 * 1024 * 1024;

/// One artifact that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// As the user named it, or as it was found in a folder.
    pub(crate) shown: String,
    /// For the source: an absolute path.
    pub(crate) reference: String,
    /// It came from standard input and lies in a temporary file.
    pub(crate) from_stdin: bool,
}

/// What was asked for, and what lives as long as the run.
#[derive(Default)]
pub(crate) struct Expanded {
    pub(crate) items: Vec<Result<Item, CommandError>>,
    /// Remarks of the source: what a folder held that was skipped.
    pub(crate) notes: Vec<String>,
    /// The bytes of standard input; removed when this is dropped.
    _spool: Option<tempfile::NamedTempFile>,
}

impl Expanded {
    /// Whether flags for one artifact make sense.
    pub(crate) fn is_single(&self) -> bool {
        self.items.len() == 1
    }
}

/// Finds out which artifacts are meant, in the order they were named.
pub(crate) fn expand(
    asked: &Artifacts,
    source: &Handle,
    settings: &HostSettings,
) -> Result<Expanded, CommandError> {
    let mut expanded = Expanded::default();
    for word in &asked.artifacts {
        add(word, asked, source, settings, &mut expanded)?;
    }
    if let Some(list) = &asked.from_file {
        for word in read_list(list, settings)? {
            add(&word, asked, source, settings, &mut expanded)?;
        }
    }
    if expanded.items.is_empty() {
        let nothing = asked.artifacts.is_empty() && asked.from_file.is_none();
        return Err(if nothing {
            CommandError::input("no artifact is given")
                .hint("name files: sigtool sign app-1.2.0.tgz")
        } else {
            CommandError::input("there is no artifact in what was given")
        });
    }
    Ok(expanded)
}

fn add(
    word: &str,
    asked: &Artifacts,
    source: &Handle,
    settings: &HostSettings,
    expanded: &mut Expanded,
) -> Result<(), CommandError> {
    if word == "-" {
        let (item, spool) = standard_input(settings)?;
        expanded.items.push(Ok(item));
        expanded._spool = Some(spool);
        return Ok(());
    }
    if let Some(rest) = word.strip_prefix("oci:") {
        expanded.items.push(Err(CommandError::input(format!(
            "`{word}` is an image, and this version signs files only"
        ))
        .hint(format!("for a file of that name write `file:{rest}`"))));
        return Ok(());
    }
    let explicit = word.strip_prefix("file:");
    let path = Path::new(explicit.unwrap_or(word));
    let is_glob = explicit.is_none() && word.contains(['*', '?', '[']) && !path.exists();
    if is_glob {
        return add_glob(word, asked, source, expanded);
    }
    add_path(path, word, asked, source, expanded)
}

fn add_glob(
    pattern: &str,
    asked: &Artifacts,
    source: &Handle,
    expanded: &mut Expanded,
) -> Result<(), CommandError> {
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let paths = glob::glob_with(pattern, options).map_err(|e| {
        CommandError::input(format!("`{pattern}` is no pattern"))
            .because(e)
            .hint(format!(
                "for a file of that very name write `file:{pattern}`"
            ))
    })?;
    let mut found = false;
    for path in paths {
        let path = path.map_err(|e| CommandError::could_not_tell(e.to_string()))?;
        // What `dist/*` is meant to match: the artifacts, not the signatures that lie beside them, nor the folders.
        if is_signature(&path) || (path.is_dir() && !asked.recursive) {
            continue;
        }
        found = true;
        let shown = path.display().to_string();
        add_path(&path, &shown, asked, source, expanded)?;
    }
    if !found {
        expanded.items.push(Err(CommandError::input(format!(
            "no artifact matches `{pattern}`"
        ))));
    }
    Ok(())
}

fn is_signature(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    name.ends_with(".sigstore.json") || name.ends_with(".sig")
}

fn add_path(
    path: &Path,
    shown: &str,
    asked: &Artifacts,
    source: &Handle,
    expanded: &mut Expanded,
) -> Result<(), CommandError> {
    let reference = std::path::absolute(path)
        .map_err(|e| CommandError::input(format!("`{shown}` is no path")).because(e))?;
    let Some(reference) = reference.to_str() else {
        expanded.items.push(Err(CommandError::input(format!(
            "`{}` is not UTF-8: rename the file",
            path.display()
        ))));
        return Ok(());
    };
    if asked.recursive && path.is_dir() {
        return add_folder(path, reference, source, expanded);
    }
    expanded.items.push(Ok(Item {
        shown: shown.to_owned(),
        reference: reference.to_owned(),
        from_stdin: false,
    }));
    Ok(())
}

fn add_folder(
    path: &Path,
    reference: &str,
    source: &Handle,
    expanded: &mut Expanded,
) -> Result<(), CommandError> {
    let mut page = None;
    loop {
        let args = ResolveArgs {
            reference: reference.to_owned(),
            digests: Vec::new(),
            recursive: true,
            page,
        };
        let listed = source.call::<Resolve>(&args).map_err(|error| {
            CommandError::from_backend(format!("cannot list `{}`", path.display()), error)
        })?;
        for child in listed.children {
            let shown = Path::new(&child).strip_prefix(reference).map_or_else(
                |_| child.clone(),
                |rest| path.join(rest).display().to_string(),
            );
            expanded.items.push(Ok(Item {
                shown,
                reference: child,
                from_stdin: false,
            }));
        }
        expanded.notes.extend(listed.notes);
        page = listed.next_page;
        if page.is_none() {
            return Ok(());
        }
    }
}

/// Copies standard input to a file that only this user can read, so that it is hashed and signed as any other.
fn standard_input(
    settings: &HostSettings,
) -> Result<(Item, tempfile::NamedTempFile), CommandError> {
    if settings.stdin_taken.swap(true, Ordering::Relaxed) {
        return Err(CommandError::input("standard input can be given only once"));
    }
    let failed = |e: std::io::Error| {
        CommandError::could_not_tell("cannot keep standard input in a temporary file").because(e)
    };
    let mut spool = tempfile::Builder::new()
        .prefix("sigtool-stdin-")
        .tempfile()
        .map_err(failed)?;
    std::io::copy(&mut std::io::stdin().lock(), spool.as_file_mut()).map_err(failed)?;
    let item = Item {
        shown: "-".to_owned(),
        reference: spool.path().display().to_string(),
        from_stdin: true,
    };
    Ok((item, spool))
}

fn read_list(list: &Path, settings: &HostSettings) -> Result<Vec<String>, CommandError> {
    let failed = |e: &dyn std::fmt::Display| {
        CommandError::input(format!("cannot read the list `{}`", list.display())).because(e)
    };
    let from: Box<dyn std::io::Read> = if list == Path::new("-") {
        if settings.stdin_taken.swap(true, Ordering::Relaxed) {
            return Err(CommandError::input("standard input can be given only once"));
        }
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(list).map_err(|e| failed(&e))?)
    };
    let mut words = Vec::new();
    for line in BufReader::new(from.take(MAX_LIST)).lines() {
        let line = line.map_err(|e| failed(&e))?;
        let line = line.trim_end_matches('\r');
        if !line.trim().is_empty() {
            words.push(line.to_owned());
        }
    }
    Ok(words)
}

/// Where `--bundle` or `--signature` puts the file of one artifact.
pub(crate) fn destination(
    flag: &str,
    path: &Path,
    item: &Item,
    suffix: &str,
    single: bool,
) -> Result<PathBuf, CommandError> {
    let is_folder = path.as_os_str().to_string_lossy().ends_with('/');
    if is_folder {
        let name = if item.from_stdin {
            "stdin".to_owned()
        } else {
            Path::new(&item.reference).file_name().map_or_else(
                || "artifact".to_owned(),
                |n| n.to_string_lossy().into_owned(),
            )
        };
        return Ok(path.join(format!("{name}{suffix}")));
    }
    if single {
        return Ok(path.to_owned());
    }
    Err(CommandError::input(format!(
        "`{flag} {}` names one file, and there are several artifacts",
        path.display()
    ))
    .hint(format!("name a folder: {flag} {}/", path.display())))
}

/// What a run over many artifacts amounts to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) done: usize,
    pub(crate) failed: Vec<(String, Failure)>,
    pub(crate) not_tried: usize,
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
        .find(|kind| self.failed.iter().any(|(_, failure)| failure == kind))
        .map_or(0, Failure::exit_code)
    }
}

/// Works on all items, `jobs` at once, and reports each in the order in which they were named.
pub(crate) fn run<T: Send>(
    items: &[Result<Item, CommandError>],
    jobs: usize,
    fail_fast: bool,
    work: impl Fn(&Item) -> Result<T, CommandError> + Sync,
    mut report: impl FnMut(&str, Result<T, CommandError>) -> Option<Failure>,
) -> Tally {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut tally = Tally::default();
    let (sender, results) = channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, items.len().max(1)) {
            let (sender, next, stop, work) = (sender.clone(), &next, &stop, &work);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    let result = item.as_ref().map_err(Clone::clone).and_then(work);
                    if sender.send((index, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut expected = 0;
        for (index, result) in results {
            early.insert(index, result);
            while let Some(result) = early.remove(&expected) {
                let shown = items[expected]
                    .as_ref()
                    .map_or("", |item| item.shown.as_str());
                expected += 1;
                match report(shown, result) {
                    None => tally.done += 1,
                    Some(failure) => {
                        tally.failed.push((shown.to_owned(), failure));
                        if fail_fast || failure == Failure::Cancelled {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                }
            }
        }
    });
    tally.not_tried = items.len() - tally.done - tally.failed.len();
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(count: usize) -> Vec<Result<Item, CommandError>> {
        (0..count)
            .map(|i| {
                Ok(Item {
                    shown: i.to_string(),
                    reference: String::new(),
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
            |_, result| result.err().map(|e| e.failure),
        );
        assert_eq!((tally.done, tally.failed.len()), (3, 1));
        assert_eq!(tally.not_tried, 10 - 4);
    }
}
