//! Many artifacts in one run: which ones, several at once, and what the run amounts to.

use crate::app::SourceInUse;
use crate::args::Artifacts;
use crate::error::{CommandError, Failure, why};
use crate::host::HostSettings;
use sigtool_sdk::ErrorCode;
use sigtool_sdk::source::{Resolve, ResolveArgs};
use sigtool_sdk::types::Artifact;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

/// The largest `--from-file` list: half a million long paths. A wrong file must not fill the memory.
const MAX_LIST: u64 = 64 * 1024 * 1024;

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
    _spool: Option<tempfile::NamedTempFile>,
}

impl Expanded {
    /// Whether flags for one artifact make sense.
    pub(crate) fn is_single(&self) -> bool {
        self.items.len() == 1
    }

    fn miss(&mut self, shown: &str, error: CommandError) {
        self.items.push(Err(Missed {
            shown: shown.to_owned(),
            error,
        }));
    }

    /// The artifacts that are there.
    pub(crate) fn found(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().flatten()
    }
}

/// Finds out which artifacts are meant, in the order they were named. `verb` is what is done with them: `sign`.
pub(crate) fn expand(
    verb: &str,
    asked: &Artifacts,
    source: &SourceInUse,
    settings: &HostSettings,
) -> Result<Expanded, CommandError> {
    if asked.artifacts.is_empty() && asked.from_file.is_none() {
        return Err(CommandError::input("no artifact is given")
            .hint(format!("name files: sigtool {verb} app-1.2.0.tgz")));
    }
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
        return Err(nothing_in(verb, asked));
    }
    drop_repeated(&mut expanded);
    drop_signatures(&mut expanded);
    Ok(expanded)
}

fn nothing_in(verb: &str, asked: &Artifacts) -> CommandError {
    match &asked.from_file {
        Some(list) if asked.artifacts.is_empty() => {
            CommandError::input(format!("the list `{}` names no artifact", list.display()))
        }
        _ => CommandError::input(format!(
            "there is nothing to {verb} in `{}`",
            asked.artifacts.join("`, `")
        ))
        .because("of a folder's files, signatures, hidden files and symbolic links are skipped"),
    }
}

/// Each artifact once: two threads that sign one file would each take the other for another signer.
fn drop_repeated(expanded: &mut Expanded) {
    let before = expanded.items.len();
    let mut seen = BTreeSet::new();
    expanded.items.retain(|item| match item {
        Ok(item) if before > 1 => seen.insert(place(&item.reference)),
        _ => true,
    });
    let dropped = before - expanded.items.len();
    if dropped > 0 {
        expanded.notes.push(if dropped == 1 {
            "1 artifact is named more than once".to_owned()
        } else {
            format!("{dropped} artifacts are named more than once")
        });
    }
}

/// The file that a path names, whatever is written before its name. Not through a link: its signatures lie beside the link.
fn place(reference: &str) -> PathBuf {
    let path = Path::new(reference);
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// What `dist/*` of a shell names too: the signatures of an earlier run, beside their artifacts.
fn drop_signatures(expanded: &mut Expanded) {
    let named: BTreeSet<String> = expanded.found().map(|i| i.reference.clone()).collect();
    let before = expanded.items.len();
    expanded.items.retain(|item| match item {
        Ok(item) => !artifacts_of(&item.reference).any(|artifact| named.contains(artifact)),
        Err(_) => true,
    });
    let dropped = before - expanded.items.len();
    if dropped > 0 {
        expanded.notes.push(if dropped == 1 {
            "1 signature is skipped: its artifact is named too".to_owned()
        } else {
            format!("{dropped} signatures are skipped: their artifacts are named too")
        });
    }
}

/// The artifacts that a file of this name may be a signature of: `app.tgz` for `app.tgz.sig` and `app.tgz.0123abcd.sig`.
fn artifacts_of(name: &str) -> impl Iterator<Item = &str> {
    let stem = SIGNATURE_ENDINGS
        .iter()
        .find_map(|ending| name.strip_suffix(ending));
    let is_hint = |hint: &str| hint.len() == 8 && hint.bytes().all(|b| b.is_ascii_hexdigit());
    let shorter = stem
        .and_then(|stem| stem.rsplit_once('.'))
        .filter(|(_, hint)| is_hint(hint))
        .map(|(shorter, _)| shorter);
    stem.into_iter().chain(shorter)
}

const SIGNATURE_ENDINGS: [&str; 2] = [".sigstore.json", ".sig"];

fn add(
    word: &str,
    asked: &Artifacts,
    source: &SourceInUse,
    settings: &HostSettings,
    expanded: &mut Expanded,
) -> Result<(), CommandError> {
    if word == "-" {
        let (item, spool) = standard_input(settings)?;
        expanded.items.push(Ok(item));
        expanded._spool = Some(spool);
        return Ok(());
    }
    if let Some(error) = unclear(word) {
        expanded.miss(word, error);
        return Ok(());
    }
    let explicit = word.strip_prefix("file:");
    let path = Path::new(explicit.unwrap_or(word));
    if exists(path) {
        return add_path(path, word, asked, source, expanded);
    }
    if explicit.is_none() && word.contains(['*', '?', '[']) {
        return add_glob(word, asked, source, expanded);
    }
    if !source.serves_files() {
        return add_path(path, word, asked, source, expanded);
    }
    // Told here, so that nobody types a password for nothing.
    let mut error = CommandError::input(format!("there is no file `{}`", path.display()));
    error.code = Some(ErrorCode::NotFound);
    if explicit.is_none() && looks_like_image(word) {
        error = error.because("it may be an image, and this version serves files only");
    }
    expanded.miss(word, error);
    Ok(())
}

/// Why a word cannot be taken for a file.
fn unclear(word: &str) -> Option<CommandError> {
    let literal = exists(Path::new(word));
    if let Some(image) = word.strip_prefix("oci:") {
        return Some(if literal {
            CommandError::input(format!(
                "`{word}` can be the file of that name, or the image `{image}`"
            ))
            .hint(format!("for the file write `file:{word}`"))
            .hint("images are not served by this version")
        } else {
            CommandError::input(format!(
                "`{word}` is an image, and this version serves files only"
            ))
        });
    }
    let file = word.strip_prefix("file:").unwrap_or(word);
    if file.is_empty() {
        return Some(CommandError::input("an artifact has an empty name"));
    }
    (literal && file != word && exists(Path::new(file))).then(|| {
        CommandError::input(format!(
            "`{word}` can be the file of that name, or the file `{file}`"
        ))
        .hint(format!("write `./{word}` or `./{file}`"))
    })
}

/// Whether something is there, be it a link to nothing.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Whether a word that names no file is written as images are: with a registry's host, a tag, or a digest.
fn looks_like_image(word: &str) -> bool {
    let has_host = word.split_once('/').is_some_and(|(host, _)| {
        !host.starts_with('.') && (host.contains(['.', ':']) || host == "localhost")
    });
    let name = word.rsplit('/').next().unwrap_or(word);
    let has_tag = name
        .split_once(':')
        .is_some_and(|(name, tag)| !name.is_empty() && !tag.is_empty());
    !word.starts_with('/') && (has_host || has_tag || word.contains("@sha256:"))
}

fn add_glob(
    pattern: &str,
    asked: &Artifacts,
    source: &SourceInUse,
    expanded: &mut Expanded,
) -> Result<(), CommandError> {
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let paths = match glob::glob_with(pattern, options) {
        Ok(paths) => paths,
        Err(error) => {
            let error = CommandError::input(format!(
                "there is no file `{pattern}`, and it is no pattern: {}",
                error.msg
            ));
            expanded.miss(pattern, error);
            return Ok(());
        }
    };
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
        let error = CommandError::input(format!("no artifact matches `{pattern}`"));
        expanded.miss(pattern, error);
    }
    Ok(())
}

fn is_signature(path: &Path) -> bool {
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    SIGNATURE_ENDINGS
        .iter()
        .any(|ending| name.ends_with(ending))
}

fn add_path(
    path: &Path,
    shown: &str,
    asked: &Artifacts,
    source: &SourceInUse,
    expanded: &mut Expanded,
) -> Result<(), CommandError> {
    let reference = std::path::absolute(path)
        .map_err(|e| CommandError::input(format!("`{shown}` is no path")).because(e))?;
    let Some(reference) = reference.to_str() else {
        let error = CommandError::input(format!("`{}` is not UTF-8", path.display()))
            .hint("rename the file");
        expanded.miss(shown, error);
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
    source: &SourceInUse,
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
        let listed = source.handle.call::<Resolve>(&args).map_err(|error| {
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
        CommandError::could_not_tell("cannot keep standard input in a temporary file")
            .because(why(&e))
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
        Box::new(std::fs::File::open(list).map_err(|e| failed(&why(&e)))?)
    };
    let mut bytes = Vec::new();
    from.take(MAX_LIST + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| failed(&why(&e)))?;
    if bytes.len() as u64 > MAX_LIST {
        return Err(failed(&"it is larger than 64 MiB, which no list is"));
    }
    let mut words = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = std::str::from_utf8(line)
            .map_err(|_| failed(&format!("line {} is not UTF-8", index + 1)))?;
        let line = line.trim_end_matches('\r');
        if !line.trim().is_empty() {
            words.push(line.to_owned());
        }
    }
    Ok(words)
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
            let folder = match path.parent() {
                _ if is_folder(path) => path,
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => continue,
            };
            if !folder.is_dir() {
                let folder = folder.to_string_lossy();
                let folder = folder.trim_end_matches('/');
                return Err(CommandError::input(format!(
                    "`{flag} {shown}`: there is no folder `{folder}`"
                ))
                .hint(format!("make it: mkdir -p {folder}")));
            }
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

/// Whether a path is meant to be a folder, as its writing says.
fn is_folder(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// Where `--bundle` or `--signature` puts the file of one artifact.
pub(crate) fn destination(path: &Path, item: &Item, suffix: &str) -> PathBuf {
    if !is_folder(path) {
        return path.to_owned();
    }
    let name = Path::new(&item.reference).file_name();
    let name = match name {
        Some(name) if !item.from_stdin => name.to_string_lossy().into_owned(),
        _ => STDIN.to_owned(),
    };
    path.join(format!("{name}{suffix}"))
}

/// What standard input is called where an artifact has a name.
pub(crate) const STDIN: &str = "stdin";

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
///
/// `is_failure` tells a result that is no success. With `fail_fast` nothing is begun after the first failure; what had begun
/// before is finished and reported.
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
                while !stop.load(Ordering::Relaxed) {
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

    #[test]
    fn an_image_is_known_by_its_host_its_tag_or_its_digest() {
        for image in [
            "ghcr.io/acme/app",
            "localhost/app",
            "localhost:5000/app",
            "app:1.2",
            "acme/app:1.2",
            "app@sha256:00",
        ] {
            assert!(looks_like_image(image), "{image}");
        }
        for file in [
            "app",
            "app.tgz",
            "dist/app.tgz",
            "./dist/app:1.2/x",
            "/tmp/a:b",
            ":b",
        ] {
            assert!(!looks_like_image(file), "{file}");
        }
    }

    #[test]
    fn a_signature_is_known_by_the_name_of_its_artifact() {
        let of = |name: &'static str| artifacts_of(name).collect::<Vec<_>>();
        assert_eq!(of("/d/a.tgz.sig"), ["/d/a.tgz"]);
        assert_eq!(of("/d/a.0123abcd.sigstore.json"), ["/d/a.0123abcd", "/d/a"]);
        assert!(of("/d/a.json").is_empty());
    }
}
