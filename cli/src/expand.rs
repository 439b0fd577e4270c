//! From the words of the command line to artifacts: globs, folders, lists, standard input, images and what is in them.

use crate::args::Artifacts;
use crate::batch::{Expanded, Item, Missed};
use crate::command_line::LeftOut;
use crate::error::{CommandError, why};
use crate::host::HostSettings;
use crate::interrupt::{self, Patient};
use crate::output::clean;
use crate::seen::Seen;
use crate::sources::{SourceOf, Sources};
use crate::words::{self, Meant, Unclear};
use sigtool_sdk::source::{Resolve, ResolveArgs};
use sigtool_sdk::types::{Artifact, DigestAlgorithm};
use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::io::{self, BufRead, BufReader, Read as _};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// The largest `--from-file` list: half a million long paths. A wrong file must not fill the memory.
const MAX_LIST: u64 = 64 * 1024 * 1024;

/// How many artifacts are found before the first is worked on, so that what is wrong with a usual run is told at once. Those of a
/// large run are found while others are worked on, or a list of all of them would fill the memory.
const FIRST: usize = 1000;

/// Finds out which artifacts are meant, in the order they were named. `verb` is what is done with them: `sign`. With `all` every one
/// is found before this returns.
pub(crate) fn expand<'a>(
    verb: &str,
    asked: &'a Artifacts,
    sources: &'a Sources<'a>,
    all: bool,
) -> Result<Expanded<'a>, CommandError> {
    if asked.artifacts.is_empty() && asked.from_file.is_none() {
        return Err(CommandError::input("no artifact is given").hint(format!(
            "name files or images: sigtool {verb} app-1.2.0.tgz ghcr.io/acme/app:1.2"
        )));
    }
    let mut rest = Rest {
        asked,
        sources,
        word: 0,
        left_out: None,
        list: None,
        pending: Pending::default(),
        seen: None,
        dropped: (0, 0),
    };
    let mut is_more = true;
    while is_more && (all || rest.pending.items.len() < FIRST) {
        is_more = rest.step()?;
    }
    let mut expanded = Expanded {
        items: std::mem::take(&mut rest.pending.items),
        notes: std::mem::take(&mut rest.pending.notes),
        _spool: rest.pending.spool.take(),
        rest: None,
    };
    if expanded.items.is_empty() {
        return Err(nothing_in(verb, asked));
    }
    drop_repeated(&mut expanded);
    drop_signatures(&mut expanded);
    if is_more {
        rest.remember(&expanded);
        expanded.rest = Some(rest);
    }
    Ok(expanded)
}

/// What has been found, and what is to be looked into before the next word.
#[derive(Default)]
struct Pending {
    items: Vec<Result<Item, Missed>>,
    notes: Vec<String>,
    spool: Option<tempfile::NamedTempFile>,
    /// What a pattern matched.
    paths: VecDeque<PathBuf>,
    folder: Option<Folder>,
}

impl Pending {
    fn miss(&mut self, shown: &str, error: CommandError) {
        self.items.push(Err(Missed {
            shown: shown.to_owned(),
            error,
        }));
    }
}

/// A folder that is read page by page.
struct Folder {
    path: PathBuf,
    reference: String,
    page: Option<String>,
}

/// The lines of `--from-file`, read as they are needed.
struct List {
    lines: Box<dyn BufRead + Send>,
    /// How many have been read.
    count: usize,
    bytes: u64,
}

/// Words of the command line, read as they are needed.
type Words = Peekable<Box<dyn Iterator<Item = io::Result<String>> + Send>>;

/// The artifacts that are still to be found.
pub(crate) struct Rest<'a> {
    asked: &'a Artifacts,
    sources: &'a Sources<'a>,
    /// The next argument.
    word: usize,
    /// Words that one argument stands for.
    left_out: Option<Words>,
    list: Option<List>,
    pending: Pending,
    /// The places that have been found, where one artifact can be found twice.
    seen: Option<Seen>,
    /// How many artifacts were named again, and how many signatures were skipped.
    dropped: (usize, usize),
}

impl Rest<'_> {
    /// The next artifact. What fails is an artifact that was missed.
    pub(crate) fn next(&mut self) -> Option<Result<Item, Missed>> {
        loop {
            if let Some(item) = self.pending.items.pop() {
                match self.is_wanted(&item) {
                    true => return Some(item),
                    false => continue,
                }
            }
            let shown = self.what_is_next();
            match self.step() {
                Ok(true) => self.pending.items.reverse(),
                Ok(false) => return None,
                // The run ends, and says so itself.
                Err(_) if interrupt::requested() => return None,
                Err(error) => return Some(Err(Missed { shown, error })),
            }
        }
    }

    /// How the user named what the next step looks into.
    fn what_is_next(&mut self) -> String {
        let Pending { folder, paths, .. } = &self.pending;
        let path = folder.as_ref().map(|folder| &folder.path);
        if let Some(path) = path.or(paths.front()) {
            return path.display().to_string();
        }
        if let Some(Some(Ok(word))) = self.left_out.as_mut().map(Peekable::peek) {
            return word.clone();
        }
        let list = || self.asked.from_file.as_ref();
        match self.asked.artifacts.get(self.word) {
            Some(word) => word.clone(),
            None => list().map_or_else(String::new, |list| list.display().to_string()),
        }
    }

    /// Remarks on what was found by now.
    pub(crate) fn notes(&self) -> Vec<String> {
        let (repeated, signatures) = self.dropped;
        let dropped = [repeated_note(repeated), signatures_note(signatures)];
        let notes = self.pending.notes.iter().cloned();
        notes.chain(dropped.into_iter().flatten()).collect()
    }

    /// Whether words or lines are left, which may name images.
    pub(crate) fn has_words(&self) -> bool {
        let words = self.left_out.is_some() || self.word < self.asked.artifacts.len();
        words || self.asked.from_file.is_some()
    }

    /// Looks into the next thing. Tells whether there was one.
    fn step(&mut self) -> Result<bool, CommandError> {
        let (asked, sources) = (self.asked, self.sources);
        let pending = &mut self.pending;
        interrupt::check()?;
        if let Some(folder) = pending.folder.take() {
            add_page(folder, sources, pending)?;
        } else if let Some(path) = pending.paths.pop_front() {
            let shown = path.display().to_string();
            add_path(&path, &shown, asked, sources, pending)?;
        } else if let Some(word) = self.word_left_out()? {
            add(&word, asked, sources, &mut self.pending)?;
        } else if let Some(word) = asked.artifacts.get(self.word) {
            self.word += 1;
            match LeftOut::at(word) {
                None => add(word, asked, sources, &mut self.pending)?,
                Some(left_out) => {
                    let words = left_out.words().map_err(|e| unreadable(&e))?;
                    let words: Box<dyn Iterator<Item = _> + Send> = Box::new(words);
                    self.left_out = Some(words.peekable());
                }
            }
        } else if let Some(word) = self.line()? {
            add(&word, asked, sources, &mut self.pending)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The next of the words that one argument stands for.
    fn word_left_out(&mut self) -> Result<Option<String>, CommandError> {
        let word = self.left_out.as_mut().and_then(Iterator::next).transpose();
        if !matches!(word, Ok(Some(_))) {
            self.left_out = None;
        }
        word.map_err(|e| unreadable(&e))
    }

    /// The next line of the list that names something.
    fn line(&mut self) -> Result<Option<String>, CommandError> {
        let Some(path) = &self.asked.from_file else {
            return Ok(None);
        };
        let line = self.line_of(path);
        if line.is_err() {
            // What cannot be read has no further lines.
            self.list = Some(List::of(Box::new(io::empty())));
        }
        line
    }

    fn line_of(&mut self, path: &Path) -> Result<Option<String>, CommandError> {
        let list = match &mut self.list {
            Some(list) => list,
            list => list.insert(open_list(path, self.sources.settings())?),
        };
        loop {
            match list.line(path)? {
                Some(line) if line.trim().is_empty() => {}
                line => return Ok(line),
            }
        }
    }

    /// Remembers what was found, unless all comes from one folder, which names nothing twice.
    fn remember(&mut self, expanded: &Expanded<'_>) {
        if self.asked.artifacts.len() == 1 && self.asked.from_file.is_none() {
            return;
        }
        let mut seen = Seen::default();
        for item in expanded.found() {
            seen.insert(&place(item));
        }
        self.seen = Some(seen);
    }

    fn is_wanted(&mut self, item: &Result<Item, Missed>) -> bool {
        let (Some(seen), Ok(item)) = (&mut self.seen, item) else {
            return true;
        };
        let is_file = item.source == SourceOf::Files;
        let of_known = |artifact: &str| seen.contains(artifact);
        if is_file && artifacts_of(&item.reference).any(of_known) {
            self.dropped.1 += 1;
            return false;
        }
        let is_new = seen.insert(&place(item));
        self.dropped.0 += usize::from(!is_new);
        is_new
    }
}

fn nothing_in(verb: &str, asked: &Artifacts) -> CommandError {
    match &asked.from_file {
        Some(list) if asked.artifacts.is_empty() => {
            CommandError::input(format!("the list `{}` names no artifact", list.display()))
        }
        _ => CommandError::input(format!(
            "there is nothing to {verb} in {}",
            first_words(&asked.artifacts)
        ))
        .because("of a folder's files, signatures, hidden files and symbolic links are skipped"),
    }
}

/// What was named, or the first of it.
fn first_words(words: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = words.iter().take(SHOWN).map(|word| format!("`{word}`"));
    let shown = shown.collect::<Vec<_>>().join(", ");
    let more = if words.len() > SHOWN {
        " and others"
    } else {
        ""
    };
    shown + more
}

/// Each artifact once: two threads that sign one file would each take the other for another signer.
fn drop_repeated(expanded: &mut Expanded<'_>) {
    let before = expanded.items.len();
    let mut seen = BTreeSet::new();
    expanded.items.retain(|item| match item {
        Ok(item) if before > 1 => seen.insert(place(item).into_owned()),
        _ => true,
    });
    expanded
        .notes
        .extend(repeated_note(before - expanded.items.len()));
}

fn repeated_note(count: usize) -> Option<String> {
    match count {
        0 => None,
        1 => Some("1 artifact is named more than once".to_owned()),
        count => Some(format!("{count} artifacts are named more than once")),
    }
}

fn signatures_note(count: usize) -> Option<String> {
    match count {
        0 => None,
        1 => Some("1 signature is skipped: its artifact is named too".to_owned()),
        count => Some(format!(
            "{count} signatures are skipped: their artifacts are named too"
        )),
    }
}

/// What an item names, however it is written: by its digest an image is the same with any tag.
fn place(item: &Item) -> Cow<'_, str> {
    match item.reference.split_once('@') {
        Some((name, digest)) if item.source == SourceOf::Images => {
            let tag = name.rfind(':').filter(|at| !name[*at..].contains('/'));
            Cow::Owned(format!("{}@{digest}", &name[..tag.unwrap_or(name.len())]))
        }
        _ => Cow::Borrowed(&item.reference),
    }
}

/// What `dist/*` of a shell names too: the signatures of an earlier run, beside their artifacts.
fn drop_signatures(expanded: &mut Expanded<'_>) {
    let is_file = |item: &&Item| item.source == SourceOf::Files;
    let files = expanded.found().filter(is_file);
    let named: BTreeSet<String> = files.map(|item| item.reference.clone()).collect();
    let before = expanded.items.len();
    expanded.items.retain(|item| match item {
        Ok(item) if is_file(&item) => {
            !artifacts_of(&item.reference).any(|artifact| named.contains(artifact))
        }
        _ => true,
    });
    expanded
        .notes
        .extend(signatures_note(before - expanded.items.len()));
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
    sources: &Sources<'_>,
    pending: &mut Pending,
) -> Result<(), CommandError> {
    interrupt::check()?;
    if word == "-" {
        let (item, spool) = standard_input(sources)?;
        pending.items.push(Ok(item));
        pending.spool = Some(spool);
        return Ok(());
    }
    if sources.are_for(word) {
        return add_foreign(word, sources, pending);
    }
    match words::meaning(word) {
        Ok(Meant::File(path)) => add_path(Path::new(path), word, asked, sources, pending),
        Ok(Meant::Pattern(pattern)) => add_glob(pattern, asked, pending),
        Ok(Meant::Image(image)) => add_image(image, word, asked, sources, pending),
        // Another's source may know better what there is.
        Ok(Meant::Missing(path)) | Err(Unclear::Missing(path, _))
            if !sources.files()?.serves_files() =>
        {
            add_path(Path::new(path), word, asked, sources, pending)
        }
        // Told here, so that nobody types a password for nothing.
        Ok(Meant::Missing(path)) => {
            pending.miss(word, words::missing(path));
            Ok(())
        }
        Err(Unclear::Missing(_, error) | Unclear::Both(error)) => {
            pending.miss(word, error);
            Ok(())
        }
    }
}

/// A word that begins with a scheme of the profile's own source, which gets it as it is written.
fn add_foreign(
    word: &str,
    sources: &Sources<'_>,
    pending: &mut Pending,
) -> Result<(), CommandError> {
    sources.files()?;
    pending.items.push(Ok(Item {
        shown: word.to_owned(),
        reference: word.to_owned(),
        source: SourceOf::Files,
        from_stdin: false,
    }));
    Ok(())
}

fn add_image(
    image: &str,
    word: &str,
    asked: &Artifacts,
    sources: &Sources<'_>,
    pending: &mut Pending,
) -> Result<(), CommandError> {
    // A setting of images that is wrong does not lose the files beside them.
    let source = match sources.get(SourceOf::Images) {
        Ok(source) => source,
        Err(error) => {
            pending.miss(word, error);
            return Ok(());
        }
    };
    let item = |shown: &str, reference: String| Item {
        shown: shown.to_owned(),
        reference,
        source: SourceOf::Images,
        from_stdin: false,
    };
    if !asked.recursive {
        pending.items.push(Ok(item(word, image.to_owned())));
        return Ok(());
    }
    let args = ResolveArgs {
        reference: image.to_owned(),
        digests: vec![DigestAlgorithm::Sha256],
        recursive: true,
        page: None,
    };
    let resolved = match source.handle.call::<Resolve>(&args) {
        Ok(resolved) => resolved,
        Err(error) => {
            let message = format!("cannot list `{}`", clean(word));
            pending.miss(word, source.failed(message, error));
            return Ok(());
        }
    };
    // From here on by digest: a tag that moves meanwhile changes nothing.
    let whole = resolved
        .artifact
        .map(|artifact| item(word, pinned(artifact)));
    pending.items.extend(whole.map(Ok));
    for child in resolved.children {
        pending.items.push(Ok(item(&child.clone(), child)));
    }
    pending.notes.extend(resolved.notes);
    Ok(())
}

/// A reference by digest that keeps the tag, which names the version and files of signatures.
fn pinned(artifact: Artifact) -> String {
    match (artifact.reference.split_once('@'), artifact.version) {
        (Some((repository, digest)), Some(tag)) => format!("{repository}:{tag}@{digest}"),
        _ => artifact.reference,
    }
}

fn add_glob(pattern: &str, asked: &Artifacts, pending: &mut Pending) -> Result<(), CommandError> {
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
            pending.miss(pattern, error);
            return Ok(());
        }
    };
    let mut found = false;
    for path in paths {
        interrupt::check()?;
        let path = path.map_err(|e| CommandError::could_not_tell(e.to_string()))?;
        // What `dist/*` is meant to match: the artifacts, not the signatures that lie beside them, nor the folders.
        if is_signature(&path) || (path.is_dir() && !asked.recursive) {
            continue;
        }
        found = true;
        pending.paths.push_back(path);
    }
    if !found {
        let error = CommandError::input(format!("no artifact matches `{pattern}`"));
        pending.miss(pattern, error);
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
    sources: &Sources<'_>,
    pending: &mut Pending,
) -> Result<(), CommandError> {
    let is_folder = asked.recursive && path.is_dir();
    let reference = match is_folder {
        true => path.canonicalize(),
        false => words::file_reference(path),
    };
    let reference = reference
        .map_err(|e| CommandError::input(format!("`{shown}` is no path")).because(why(&e)))?;
    let Some(reference) = reference.to_str() else {
        let error = CommandError::input(format!("`{}` is not UTF-8", path.display()))
            .hint("rename the file");
        pending.miss(shown, error);
        return Ok(());
    };
    if is_folder {
        pending.folder = Some(Folder {
            path: path.to_owned(),
            reference: reference.to_owned(),
            page: None,
        });
        return Ok(());
    }
    sources.files()?;
    pending.items.push(Ok(Item {
        shown: shown.to_owned(),
        reference: reference.to_owned(),
        source: SourceOf::Files,
        from_stdin: false,
    }));
    Ok(())
}

/// The next page of a folder; what follows it stays pending.
fn add_page(
    folder: Folder,
    sources: &Sources<'_>,
    pending: &mut Pending,
) -> Result<(), CommandError> {
    let Folder {
        path,
        reference,
        page,
    } = folder;
    let args = ResolveArgs {
        reference: reference.clone(),
        digests: Vec::new(),
        recursive: true,
        page,
    };
    let listed = sources.files()?.handle.call::<Resolve>(&args);
    let listed = listed.map_err(|error| {
        CommandError::from_backend(format!("cannot list `{}`", path.display()), error)
    })?;
    for child in listed.children {
        let shown = Path::new(&child).strip_prefix(&reference).map_or_else(
            |_| child.clone(),
            |rest| path.join(rest).display().to_string(),
        );
        pending.items.push(Ok(Item {
            shown,
            reference: child,
            source: SourceOf::Files,
            from_stdin: false,
        }));
    }
    pending.notes.extend(listed.notes);
    pending.folder = listed.next_page.map(|page| Folder {
        path,
        reference,
        page: Some(page),
    });
    Ok(())
}

/// Copies standard input to a file that only this user can read, so that it is hashed and signed as any other.
fn standard_input(sources: &Sources<'_>) -> Result<(Item, tempfile::NamedTempFile), CommandError> {
    sources.files()?;
    if sources.settings().stdin_taken.swap(true, Ordering::Relaxed) {
        return Err(CommandError::input("standard input can be given only once"));
    }
    let failed = |e: io::Error| {
        interrupt::check().err().unwrap_or_else(|| {
            CommandError::could_not_tell("cannot keep standard input in a temporary file")
                .because(why(&e))
        })
    };
    let mut spool = tempfile::Builder::new()
        .prefix("sigtool-stdin-")
        .tempfile()
        .map_err(failed)?;
    io::copy(&mut Patient(io::stdin()), spool.as_file_mut()).map_err(failed)?;
    let item = Item {
        shown: "-".to_owned(),
        reference: spool.path().display().to_string(),
        source: SourceOf::Files,
        from_stdin: true,
    };
    Ok((item, spool))
}

fn open_list(list: &Path, settings: &HostSettings) -> Result<List, CommandError> {
    let lines: Box<dyn BufRead + Send> = if list == Path::new("-") {
        if settings.stdin_taken.swap(true, Ordering::Relaxed) {
            return Err(CommandError::input("standard input can be given only once"));
        }
        Box::new(BufReader::new(Patient(io::stdin())))
    } else {
        let file = std::fs::File::open(list).map_err(|e| bad_list(list, &why(&e)))?;
        Box::new(BufReader::new(file))
    };
    Ok(List::of(lines))
}

impl List {
    fn of(lines: Box<dyn BufRead + Send>) -> Self {
        Self {
            lines,
            count: 0,
            bytes: 0,
        }
    }

    /// The next line, without its end.
    fn line(&mut self, list: &Path) -> Result<Option<String>, CommandError> {
        let mut line = Vec::new();
        let left = MAX_LIST + 1 - self.bytes;
        let read = (&mut self.lines).take(left).read_until(b'\n', &mut line);
        self.bytes += read.map_err(|e| bad_list(list, &why(&e)))? as u64;
        if self.bytes > MAX_LIST {
            return Err(bad_list(
                list,
                &"it is larger than 64 MiB, which no list is",
            ));
        }
        if line.is_empty() {
            return Ok(None);
        }
        self.count += 1;
        let line = String::from_utf8(line)
            .map_err(|_| bad_list(list, &format!("line {} is not UTF-8", self.count)))?;
        Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
    }
}

fn unreadable(why: &io::Error) -> CommandError {
    CommandError::could_not_tell("cannot read the words of the command line")
        .because(why)
        .hint("name the artifacts in a list, one a line: --from-file LIST")
}

fn bad_list(list: &Path, why: &dyn std::fmt::Display) -> CommandError {
    interrupt::check().err().unwrap_or_else(|| {
        CommandError::input(format!("cannot read the list `{}`", list.display())).because(why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_known_by_the_name_of_its_artifact() {
        let of = |name: &'static str| artifacts_of(name).collect::<Vec<_>>();
        assert_eq!(of("/d/a.tgz.sig"), ["/d/a.tgz"]);
        assert_eq!(of("/d/a.0123abcd.sigstore.json"), ["/d/a.0123abcd", "/d/a"]);
        assert!(of("/d/a.json").is_empty());
    }
}
