//! From the words of the command line to artifacts: globs, folders, lists, standard input, images and what is in them.

use crate::args::Artifacts;
use crate::batch::{Expanded, Item};
use crate::error::{CommandError, why};
use crate::host::HostSettings;
use crate::interrupt::{self, Patient};
use crate::output::clean;
use crate::sources::{SourceOf, Sources};
use crate::words::{self, Meant, Unclear};
use sigtool_sdk::source::{Resolve, ResolveArgs};
use sigtool_sdk::types::{Artifact, DigestAlgorithm};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// The largest `--from-file` list: half a million long paths. A wrong file must not fill the memory.
const MAX_LIST: u64 = 64 * 1024 * 1024;

/// Finds out which artifacts are meant, in the order they were named. `verb` is what is done with them: `sign`.
pub(crate) fn expand(
    verb: &str,
    asked: &Artifacts,
    sources: &Sources<'_>,
) -> Result<Expanded, CommandError> {
    if asked.artifacts.is_empty() && asked.from_file.is_none() {
        return Err(CommandError::input("no artifact is given").hint(format!(
            "name files or images: sigtool {verb} app-1.2.0.tgz ghcr.io/acme/app:1.2"
        )));
    }
    let mut expanded = Expanded::default();
    for word in &asked.artifacts {
        add(word, asked, sources, &mut expanded)?;
    }
    if let Some(list) = &asked.from_file {
        for word in read_list(list, sources.settings())? {
            add(&word, asked, sources, &mut expanded)?;
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
        Ok(item) if before > 1 => seen.insert(place(item)),
        _ => true,
    });
    note_dropped(
        expanded,
        before,
        "1 artifact is named more than once",
        "artifacts are named more than once",
    );
}

/// Says how many items have gone since there were `before`.
fn note_dropped(expanded: &mut Expanded, before: usize, one: &str, many: &str) {
    let note = match before - expanded.items.len() {
        0 => return,
        1 => one.to_owned(),
        dropped => format!("{dropped} {many}"),
    };
    expanded.notes.push(note);
}

/// What an item names, however it is written. A path not through a link: its signatures lie beside the link.
fn place(item: &Item) -> PathBuf {
    let path = Path::new(&item.reference);
    if item.source != SourceOf::Files {
        // By its digest an image is the same with any tag.
        let Some((name, digest)) = item.reference.split_once('@') else {
            return path.to_owned();
        };
        let tag = name.rfind(':').filter(|at| !name[*at..].contains('/'));
        return PathBuf::from(format!("{}@{digest}", &name[..tag.unwrap_or(name.len())]));
    }
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// What `dist/*` of a shell names too: the signatures of an earlier run, beside their artifacts.
fn drop_signatures(expanded: &mut Expanded) {
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
    note_dropped(
        expanded,
        before,
        "1 signature is skipped: its artifact is named too",
        "signatures are skipped: their artifacts are named too",
    );
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
    expanded: &mut Expanded,
) -> Result<(), CommandError> {
    interrupt::check()?;
    if word == "-" {
        let (item, spool) = standard_input(sources)?;
        expanded.items.push(Ok(item));
        expanded.spool = Some(spool);
        return Ok(());
    }
    if sources.are_for(word) {
        return add_foreign(word, sources, expanded);
    }
    match words::meaning(word) {
        Ok(Meant::File(path)) => add_path(Path::new(path), word, asked, sources, expanded),
        Ok(Meant::Pattern(pattern)) => add_glob(pattern, asked, sources, expanded),
        Ok(Meant::Image(image)) => add_image(image, word, asked, sources, expanded),
        // Another's source may know better what there is.
        Ok(Meant::Missing(path)) | Err(Unclear::Missing(path, _))
            if !sources.files()?.serves_files() =>
        {
            add_path(Path::new(path), word, asked, sources, expanded)
        }
        // Told here, so that nobody types a password for nothing.
        Ok(Meant::Missing(path)) => {
            expanded.miss(word, words::missing(path));
            Ok(())
        }
        Err(Unclear::Missing(_, error) | Unclear::Both(error)) => {
            expanded.miss(word, error);
            Ok(())
        }
    }
}

/// A word that begins with a scheme of the profile's own source, which gets it as it is written.
fn add_foreign(
    word: &str,
    sources: &Sources<'_>,
    expanded: &mut Expanded,
) -> Result<(), CommandError> {
    sources.files()?;
    expanded.items.push(Ok(Item {
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
    expanded: &mut Expanded,
) -> Result<(), CommandError> {
    // A setting of images that is wrong does not lose the files beside them.
    let source = match sources.get(SourceOf::Images) {
        Ok(source) => source,
        Err(error) => {
            expanded.miss(word, error);
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
        expanded.items.push(Ok(item(word, image.to_owned())));
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
            expanded.miss(word, source.failed(message, error));
            return Ok(());
        }
    };
    // From here on by digest: a tag that moves meanwhile changes nothing.
    let whole = resolved
        .artifact
        .map(|artifact| item(word, pinned(artifact)));
    expanded.items.extend(whole.map(Ok));
    for child in resolved.children {
        expanded.items.push(Ok(item(&child.clone(), child)));
    }
    expanded.notes.extend(resolved.notes);
    Ok(())
}

/// A reference by digest that keeps the tag, which names the version and files of signatures.
fn pinned(artifact: Artifact) -> String {
    match (artifact.reference.split_once('@'), artifact.version) {
        (Some((repository, digest)), Some(tag)) => format!("{repository}:{tag}@{digest}"),
        _ => artifact.reference,
    }
}

fn add_glob(
    pattern: &str,
    asked: &Artifacts,
    sources: &Sources<'_>,
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
        interrupt::check()?;
        let path = path.map_err(|e| CommandError::could_not_tell(e.to_string()))?;
        // What `dist/*` is meant to match: the artifacts, not the signatures that lie beside them, nor the folders.
        if is_signature(&path) || (path.is_dir() && !asked.recursive) {
            continue;
        }
        found = true;
        let shown = path.display().to_string();
        add_path(&path, &shown, asked, sources, expanded)?;
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
    sources: &Sources<'_>,
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
        return add_folder(path, reference, sources, expanded);
    }
    sources.files()?;
    expanded.items.push(Ok(Item {
        shown: shown.to_owned(),
        reference: reference.to_owned(),
        source: SourceOf::Files,
        from_stdin: false,
    }));
    Ok(())
}

fn add_folder(
    path: &Path,
    reference: &str,
    sources: &Sources<'_>,
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
        let listed = sources
            .files()?
            .handle
            .call::<Resolve>(&args)
            .map_err(|error| {
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
                source: SourceOf::Files,
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
fn standard_input(sources: &Sources<'_>) -> Result<(Item, tempfile::NamedTempFile), CommandError> {
    sources.files()?;
    if sources.settings().stdin_taken.swap(true, Ordering::Relaxed) {
        return Err(CommandError::input("standard input can be given only once"));
    }
    let failed = |e: std::io::Error| {
        interrupt::check().err().unwrap_or_else(|| {
            CommandError::could_not_tell("cannot keep standard input in a temporary file")
                .because(why(&e))
        })
    };
    let mut spool = tempfile::Builder::new()
        .prefix("sigtool-stdin-")
        .tempfile()
        .map_err(failed)?;
    std::io::copy(&mut Patient(std::io::stdin()), spool.as_file_mut()).map_err(failed)?;
    let item = Item {
        shown: "-".to_owned(),
        reference: spool.path().display().to_string(),
        source: SourceOf::Files,
        from_stdin: true,
    };
    Ok((item, spool))
}

fn read_list(list: &Path, settings: &HostSettings) -> Result<Vec<String>, CommandError> {
    let failed = |e: &dyn std::fmt::Display| {
        interrupt::check().err().unwrap_or_else(|| {
            CommandError::input(format!("cannot read the list `{}`", list.display())).because(e)
        })
    };
    let from: Box<dyn std::io::Read> = if list == Path::new("-") {
        if settings.stdin_taken.swap(true, Ordering::Relaxed) {
            return Err(CommandError::input("standard input can be given only once"));
        }
        Box::new(Patient(std::io::stdin()))
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
