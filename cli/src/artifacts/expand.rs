//! From the words of the command line to artifacts: globs, folders, lists, standard input, images and what is in them.

use super::item::{Found, Item, Missed, SourceOf};
use super::left_out::{LeftOut, Strays, has_artifact, reason};
use super::list::List;
use super::meaning::{self, Meant, Unclear};
use super::pattern::Matches;
use super::repeated::{Named, is_signature};
use super::sources::Sources;
use crate::args::Artifacts;
use crate::error::{CommandError, why};
use crate::interrupt::{self, Patient};
use crate::output::clean;
use crate::typed;
use sigtool_sdk::source::{self, Resolve, ResolveArgs, WhyLeftOut};
use sigtool_sdk::text::{escaped_path, quoted, quoted_path};
use sigtool_sdk::types::{Artifact, DigestAlgorithm, ImageRef};
use sigtool_sdk::{Error, ErrorCode};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// How many artifacts are found before the first is worked on, so that what is wrong with a usual run is told at once. Those of a
/// large run are found while others are worked on, or a list of all of them would fill the memory.
const FIRST: usize = 1000;

/// Enough to hide the way to a registry, and few enough not to be throttled by it.
const JOBS_WITH_IMAGES: usize = 8;

/// The artifacts that are meant, in the order in which they were named. They are found as they are asked for.
pub(crate) struct Items<'a> {
    asked: &'a Artifacts,
    sources: &'a Sources<'a>,
    /// Where signatures without an artifact are put, for a command that tries them; else they are left out.
    strays: Option<&'a Strays>,
    /// The words that have not been looked at.
    words: std::slice::Iter<'a, Box<OsStr>>,
    list: Option<List<'a>>,
    /// What is to be looked into before the next word.
    pending: Pending,
    named: Named,
    /// Whether nothing is left to look into.
    is_all: bool,
}

/// What has been found and not been given, and what is to be looked into before the next word.
#[derive(Default)]
struct Pending {
    items: VecDeque<Result<Item, Missed>>,
    notes: Vec<String>,
    /// The bytes of standard input; removed when this is dropped.
    spool: Option<tempfile::NamedTempFile>,
    pattern: Option<Pattern>,
    folder: Option<Folder>,
    left_out: Vec<LeftOut>,
    /// What is looked into.
    found: Found,
}

impl Pending {
    fn found(&mut self, item: Item) {
        let found = self.found;
        self.items.push_back(Ok(Item { found, ..item }));
    }

    /// Something in a folder that its source does not give as an artifact.
    fn leave_out(&mut self, shown: String, path: &str, why: WhyLeftOut, strays: Option<&Strays>) {
        match why {
            WhyLeftOut::NotText => {
                let error = CommandError::not_text(&quoted(&shown), &quoted(&shown));
                self.miss(&shown, error);
            }
            WhyLeftOut::Signature => self.stray(shown, path.as_ref(), strays),
            _ => self.left_out.push(LeftOut {
                shown,
                why: reason(why),
            }),
        }
    }

    /// A file that is named like a signature, where there is no artifact of that name.
    fn stray(&mut self, shown: String, path: &Path, strays: Option<&Strays>) {
        match strays {
            Some(strays) => strays.add(shown, path.to_owned()),
            None => self.left_out.push(LeftOut {
                shown,
                why: reason(WhyLeftOut::Signature),
            }),
        }
    }

    fn miss(&mut self, shown: &str, error: CommandError) {
        self.items.push_back(Err(Missed {
            shown: typed::without_login(shown).unwrap_or_else(|| shown.to_owned()),
            error,
        }));
    }
}

/// A pattern whose matches are looked into one by one.
struct Pattern {
    word: String,
    matches: Matches,
    found: bool,
}

/// A folder that is read page by page.
struct Folder {
    path: PathBuf,
    reference: String,
    page: Option<String>,
}

impl<'a> Items<'a> {
    /// Finds the first thousand, so that what is wrong with a usual run is told before anything is worked on; with `all` every one, for
    /// flags that need to know them. `verb` is what is done with them: `sign`.
    ///
    /// # Errors
    ///
    /// Nothing is named, or nothing is found in what is named; or it cannot be looked into.
    pub(crate) fn find(
        verb: &str,
        asked: &'a Artifacts,
        sources: &'a Sources<'a>,
        strays: Option<&'a Strays>,
        all: bool,
    ) -> Result<Self, CommandError> {
        if asked.artifacts.is_empty() && asked.from_file.is_none() {
            return Err(CommandError::input("no artifact is given").hint(format!(
                "name files or images: sigtool {verb} app-1.2.0.tgz ghcr.io/acme/app:1.2"
            )));
        }
        let mut items = Self {
            asked,
            sources,
            strays,
            words: asked.artifacts.iter(),
            list: None,
            pending: Pending::default(),
            named: Named::new(!is_one_folder(asked), asked.artifacts.len()),
            is_all: false,
        };
        items.look_ahead(if all { usize::MAX } else { FIRST })?;
        if items.pending.items.is_empty() && strays.is_none_or(Strays::is_empty) {
            return Err(nothing_in(verb, asked, &items.pending.left_out));
        }
        items.named.first(&mut items.pending.items);
        Ok(items)
    }

    fn look_ahead(&mut self, count: usize) -> Result<(), CommandError> {
        while !self.is_all && self.pending.items.len() < count {
            self.is_all = !self.step()?;
        }
        Ok(())
    }

    /// Whether flags for one artifact make sense.
    pub(crate) fn is_single(&self) -> bool {
        self.known_count() == Some(1)
    }

    /// How many there are, if that is known.
    pub(crate) fn known_count(&self) -> Option<usize> {
        self.size_hint().1
    }

    /// Those of the artifacts found so far that are there, and that have not been given.
    pub(crate) fn ahead(&self) -> impl Iterator<Item = &Item> {
        self.pending.items.iter().flatten()
    }

    /// Whether one of them comes from this source.
    pub(crate) fn has(&self, source: SourceOf) -> bool {
        self.ahead().any(|item| item.source() == source)
    }

    /// Whether one of them may turn out to be an image.
    pub(crate) fn may_have_images(&self) -> bool {
        let words = self.words.len() > 0 || self.asked.from_file.is_some();
        self.has(SourceOf::Images) || !self.is_all && words
    }

    /// How many are worked on at once. With files the processor is busy, with images one waits for the network.
    pub(crate) fn jobs(&self, asked: Option<NonZeroUsize>) -> usize {
        let jobs = asked.map_or_else(
            || {
                let cores = std::thread::available_parallelism().map_or(2, usize::from);
                match self.has(SourceOf::Images) {
                    true => cores.max(JOBS_WITH_IMAGES),
                    false => cores,
                }
            },
            usize::from,
        );
        jobs.clamp(1, self.pending.items.len().max(1))
    }

    /// The remarks since the last time: what was named and is not worked on, what a folder held that was skipped.
    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        let mut notes = std::mem::take(&mut self.pending.notes);
        notes.extend(self.named.take_notes());
        notes
    }

    /// What was found since the last time and is not looked at.
    pub(crate) fn take_left_out(&mut self) -> Vec<LeftOut> {
        std::mem::take(&mut self.pending.left_out)
    }

    /// How the user named what the next step looks into.
    fn what_is_next(&self) -> String {
        let Pending {
            folder, pattern, ..
        } = &self.pending;
        if let Some(folder) = folder {
            return escaped_path(&folder.path);
        }
        if let Some(pattern) = pattern {
            return pattern.word.clone();
        }
        let list = || self.asked.from_file.as_ref();
        match self.words.as_slice().first() {
            Some(word) => escaped_path(word.as_ref().as_ref()),
            None => list().map_or_else(String::new, |list| list.display().to_string()),
        }
    }

    /// Looks into the next thing. Tells whether there was one.
    fn step(&mut self) -> Result<bool, CommandError> {
        if interrupt::is_over() {
            return Err(interrupt::error());
        }
        let (asked, sources, strays) = (self.asked, self.sources, self.strays);
        let pending = &mut self.pending;
        pending.found = Found::InFolder;
        if let Some(folder) = pending.folder.take() {
            add_page(folder, sources, strays, pending)?;
        } else if let Some(pattern) = pending.pattern.take() {
            add_match(pattern, asked, sources, strays, pending)?;
        } else if let Some(word) = self.words.next() {
            pending.found = Found::ByName;
            add(word, asked, sources, pending)?;
        } else if let Some(word) = self.line()? {
            self.pending.found = Found::InList;
            add(&word, asked, sources, &mut self.pending)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The next line of the list that names something.
    fn line(&mut self) -> Result<Option<OsString>, CommandError> {
        let Some(path) = &self.asked.from_file else {
            return Ok(None);
        };
        let list = match &mut self.list {
            Some(list) => list,
            list => list.insert(List::open(path, self.sources.settings(), self.sources.ui())),
        };
        list.next().transpose()
    }
}

impl Iterator for Items<'_> {
    type Item = Result<Item, Missed>;

    /// The next artifact. What fails is an artifact that was missed.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.pending.items.pop_front() {
                return Some(item);
            }
            if self.is_all {
                return None;
            }
            let shown = self.what_is_next();
            match self.step() {
                Ok(is_more) => self.is_all = !is_more,
                // The run ends, and says so itself.
                Err(_) if interrupt::is_over() => return None,
                Err(error) => return Some(Err(Missed { shown, error })),
            }
            self.pending.items.retain(|item| self.named.is_wanted(item));
        }
    }

    /// At most what has been found, once nothing is left to look into.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let found = self.pending.items.len();
        (found, self.is_all.then_some(found))
    }
}

/// Whether all comes from one folder, which names nothing twice.
fn is_one_folder(asked: &Artifacts) -> bool {
    let words = asked.artifacts.as_slice();
    asked.from_file.is_none() && matches!(words, [word] if Path::new(&**word).is_dir())
}

fn nothing_in(verb: &str, asked: &Artifacts, left_out: &[LeftOut]) -> CommandError {
    const SHOWN: usize = 3;
    if let Some(list) = &asked.from_file
        && asked.artifacts.is_empty()
    {
        let message = format!("the list `{}` names no artifact", list.display());
        return CommandError::input(message);
    }
    let words = first_words(&asked.artifacts);
    let mut error = CommandError::input(format!("there is nothing to {verb} in {words}"));
    for LeftOut { shown, why } in left_out.iter().take(SHOWN) {
        error = error.because(format!("{} is not looked at: {why}", quoted(shown)));
    }
    match left_out.len().saturating_sub(SHOWN) {
        0 => error,
        more => error.because(format!("nor are {more} others")),
    }
}

/// What was named, or the first of it.
fn first_words(words: &[Box<OsStr>]) -> String {
    const SHOWN: usize = 3;
    let shown = words.iter().take(SHOWN).map(|word| quoted_path(&**word));
    let shown = shown.collect::<Vec<_>>().join(", ");
    let more = if words.len() > SHOWN {
        " and others"
    } else {
        ""
    };
    shown + more
}

fn add(
    word: &OsStr,
    asked: &Artifacts,
    sources: &Sources<'_>,
    pending: &mut Pending,
) -> Result<(), CommandError> {
    interrupt::check()?;
    if word == "-" {
        let (item, spool) = standard_input(sources)?;
        pending.found(item);
        pending.spool = Some(spool);
        return Ok(());
    }
    let Some(word) = word.to_str() else {
        // Only a file can have such a name.
        return add_path(
            Path::new(word),
            &escaped_path(word.as_ref()),
            asked,
            sources,
            pending,
        );
    };
    if sources.are_for(word) {
        if let Err(error) = typed::refuse_login(word) {
            pending.miss(word, error);
            return Ok(());
        }
        return add_foreign(word, sources, pending);
    }
    match meaning::meaning(word) {
        Ok(Meant::File(path)) => add_path(Path::new(path), word, asked, sources, pending),
        Ok(Meant::Pattern(pattern)) => {
            add_glob(pattern, asked, pending);
            Ok(())
        }
        Ok(Meant::Image(image)) => add_image(image, word, asked, sources, pending),
        // Another's source may know better what there is.
        Ok(Meant::Missing(path)) | Err(Unclear::Missing(path, _))
            if !sources.files()?.serves_files() =>
        {
            add_path(Path::new(path), word, asked, sources, pending)
        }
        // Told here, so that nobody types a password for nothing.
        Ok(Meant::Missing(path)) => {
            pending.miss(word, meaning::missing(path));
            Ok(())
        }
        Err(Unclear::Missing(_, error) | Unclear::Wrong(error)) => {
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
    pending.found(Item::file(word, word));
    Ok(())
}

fn add_image(
    image: ImageRef,
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
    if !asked.recursive {
        pending.found(Item::image(word, image));
        return Ok(());
    }
    let args = ResolveArgs {
        reference: image.to_string(),
        digests: vec![DigestAlgorithm::Sha256],
        recursive: true,
        ..ResolveArgs::default()
    };
    let listed = |error| source.failed(format!("cannot list `{}`", clean(word)), error);
    let resolved = match source.handle.call::<Resolve>(&args) {
        Ok(resolved) => resolved,
        Err(error) => {
            pending.miss(word, listed(error));
            return Ok(());
        }
    };
    // From here on by digest: a tag that moves meanwhile changes nothing.
    let whole = resolved.artifact.map(|artifact| (word, pinned(artifact)));
    let children = resolved.children.iter();
    let children = children.map(|child| (child.as_str(), image_of(child)));
    for (shown, image) in whole.into_iter().chain(children) {
        match image {
            Ok(image) => pending.found(Item::image(shown, image)),
            Err(error) => pending.miss(shown, listed(error)),
        }
    }
    pending.notes.extend(resolved.notes);
    Ok(())
}

/// The image that the source names, by its digest. It keeps the tag, which names the version and files of signatures.
fn pinned(artifact: Artifact) -> sigtool_sdk::Result<ImageRef> {
    let image = image_of(&artifact.reference)?;
    Ok(match image.clone().with_tag(artifact.version.as_deref()) {
        Ok(tagged) if image.digest().is_some() => tagged,
        _ => image,
    })
}

/// An image as the source names it.
fn image_of(reference: &str) -> sigtool_sdk::Result<ImageRef> {
    reference.parse().map_err(|e| {
        let message = format!(
            "the source gave {}, which is not an image",
            quoted(reference)
        );
        Error::new(ErrorCode::Internal, message).because(e)
    })
}

fn add_glob(pattern: &str, asked: &Artifacts, pending: &mut Pending) {
    match Matches::of(pattern, asked.recursive) {
        Ok(matches) => {
            pending.pattern = Some(Pattern {
                word: pattern.to_owned(),
                matches,
                found: false,
            });
        }
        Err(error) => {
            let error = CommandError::input(format!(
                "there is no file `{pattern}`, and it is not a pattern: {}",
                error.msg
            ));
            pending.miss(pattern, error);
        }
    }
}

/// The next match of a pattern; what follows it stays pending.
fn add_match(
    mut pattern: Pattern,
    asked: &Artifacts,
    sources: &Sources<'_>,
    strays: Option<&Strays>,
    pending: &mut Pending,
) -> Result<(), CommandError> {
    let path = match pattern.matches.next() {
        Some(Ok(path)) => path,
        Some(Err(error)) => {
            pending.miss(&pattern.word, error);
            pattern.found = true;
            pending.pattern = Some(pattern);
            return Ok(());
        }
        None if pattern.found => return Ok(()),
        None => {
            let error = CommandError::input(format!("no artifact matches `{}`", pattern.word));
            pending.miss(&pattern.word, error);
            return Ok(());
        }
    };
    // What `dist/*` is meant to match: the artifacts, not the signatures that lie beside them, nor the folders.
    let is_meant = asked.recursive || !path.is_dir();
    let is_signature = path.is_file() && is_signature(&path);
    if is_meant && !(is_signature && has_artifact(&path)) {
        pattern.found = true;
        let shown = escaped_path(&path);
        if is_signature {
            let place = meaning::file_reference(&path).unwrap_or(path);
            pending.stray(shown, &place, strays);
        } else {
            add_path(&path, &shown, asked, sources, pending)?;
        }
    }
    pending.pattern = Some(pattern);
    Ok(())
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
        false => meaning::file_reference(path),
    };
    let reference = reference.map_err(|e| {
        CommandError::input(format!("{} is not a path", quoted_path(path))).because(why(&e))
    })?;
    let Some(reference) = reference.to_str() else {
        // As it was written, if that tells it.
        let at_fault = if path.to_str().is_none() {
            path
        } else {
            &reference
        };
        pending.miss(shown, CommandError::not_utf8(at_fault));
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
    pending.found(Item::file(shown, reference));
    Ok(())
}

/// The next page of a folder; what follows it stays pending.
fn add_page(
    folder: Folder,
    sources: &Sources<'_>,
    strays: Option<&Strays>,
    pending: &mut Pending,
) -> Result<(), CommandError> {
    let Folder {
        path,
        reference,
        page,
    } = folder;
    let args = ResolveArgs {
        reference: reference.clone(),
        recursive: true,
        page,
        ..ResolveArgs::default()
    };
    let listed = sources.files()?.handle.call::<Resolve>(&args);
    let listed = listed.map_err(|error| {
        CommandError::from_backend(format!("cannot list `{}`", path.display()), error)
    })?;
    let shown = |child: &str| {
        Path::new(child)
            .strip_prefix(&reference)
            .map_or_else(|_| child.to_owned(), |rest| escaped_path(&path.join(rest)))
    };
    for source::LeftOut { reference, why } in listed.left_out {
        pending.leave_out(shown(&reference), &reference, why, strays);
    }
    for child in listed.children {
        pending.found(Item::file(shown(&child), child));
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
    sources.settings().take_stdin()?;
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
    let mut input = Patient::telling(io::stdin(), || {
        sources
            .ui()
            .note("waiting for the artifact on standard input");
    });
    io::copy(&mut input, spool.as_file_mut()).map_err(failed)?;
    let item = Item {
        from_stdin: true,
        ..Item::file("-", spool.path())
    };
    Ok((item, spool))
}
