//! What a word on the command line names: a file, files by a pattern, or an image.
//!
//! `file:` and `oci:` say which. Without them what is there is a file, and what is written as images are is an image. A word that
//! could be either is an error that shows both spellings: a file that somebody else has named must not lead to an image.

use crate::error::CommandError;
use crate::typed;
use sigtool_sdk::ErrorCode;
use sigtool_sdk::text::quoted;
use sigtool_sdk::types::ImageRef;
use sigtool_sdk::types::reference::{is_surely_image, looks_like_image};
use std::io;
use std::path::{Component, Path, PathBuf};

/// What a word names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meant<'w> {
    /// A file that is there.
    File(&'w str),
    /// An image.
    Image(ImageRef),
    /// A file that is not there.
    Missing(&'w str),
    /// Files by a pattern.
    Pattern(&'w str),
}

/// Why a word cannot be taken for one thing.
#[derive(Clone, Debug)]
pub(crate) enum Unclear<'w> {
    /// It is not a file, and may be an image.
    Missing(&'w str, CommandError),
    /// It can be two things, or neither.
    Wrong(CommandError),
}

/// Endings that files have and repositories do not.
const FILE_ENDINGS: [&str; 12] = [
    ".7z", ".gz", ".jar", ".json", ".tar", ".tgz", ".txt", ".war", ".xz", ".yaml", ".yml", ".zip",
];

/// Finds out what a word names.
///
/// # Errors
///
/// It could be either.
pub(crate) fn meaning(word: &str) -> Result<Meant<'_>, Unclear<'_>> {
    if let Some(image) = word.strip_prefix("oci:") {
        typed::refuse_login(word).map_err(Unclear::Wrong)?;
        return explicit_image(word, image);
    }
    if let Some(path) = word.strip_prefix("file:") {
        return explicit_file(word, path);
    }
    if word.is_empty() {
        return Err(Unclear::Wrong(empty()));
    }
    if !exists(word) {
        typed::refuse_login(word).map_err(Unclear::Wrong)?;
    }
    let may_be_image = !word.ends_with('/')
        && (is_surely_image(word) || looks_like_image(word) && !looks_like_file(word));
    if exists(word) {
        return if may_be_image {
            Err(Unclear::Wrong(either(
                word,
                &format!("the image `{word}`"),
                word,
            )))
        } else {
            Ok(Meant::File(word))
        };
    }
    if may_be_image && (is_surely_image(word) || !begins_in_a_folder(word)) {
        return image_of(word);
    }
    if word.contains(['*', '?', '[']) {
        return Ok(Meant::Pattern(word));
    }
    if word.starts_with(['/', '.']) || looks_like_file(word) && !looks_like_image(word) {
        return Ok(Meant::Missing(word));
    }
    let error = missing(word).hint(format!(
        "if the image of that name is meant, write `oci:{word}`"
    ));
    Err(Unclear::Missing(word, error))
}

fn looks_like_file(word: &str) -> bool {
    FILE_ENDINGS.iter().any(|ending| word.ends_with(ending))
}

/// Whether what would be an image's host is a folder here: then the rest is a mistyped path, and not a host to be asked.
fn begins_in_a_folder(word: &str) -> bool {
    word.split_once('/')
        .is_some_and(|(folder, _)| Path::new(folder).is_dir())
}

fn explicit_image<'w>(word: &str, image: &'w str) -> Result<Meant<'w>, Unclear<'w>> {
    let image = image.strip_prefix("//").unwrap_or(image);
    if image.is_empty() {
        return Err(Unclear::Wrong(empty()));
    }
    if exists(word) {
        let spelling = format!("//{image}");
        let error = either(word, &format!("the image `{image}`"), &spelling);
        return Err(Unclear::Wrong(error));
    }
    image_of(image)
}

fn image_of<'w>(text: &str) -> Result<Meant<'w>, Unclear<'w>> {
    let image = text.parse::<ImageRef>().map_err(|why| {
        let message = format!("{} is not a reference to an image", quoted(text));
        let mut error = CommandError::input(message).because(&why);
        error.hints.extend(why.hint());
        Unclear::Wrong(error)
    });
    image.map(Meant::Image)
}

fn explicit_file<'w>(word: &'w str, path: &'w str) -> Result<Meant<'w>, Unclear<'w>> {
    if path.is_empty() {
        return Err(Unclear::Wrong(empty()));
    }
    match (exists(path), exists(word)) {
        (true, true) => Err(Unclear::Wrong(
            CommandError::input(format!(
                "`{word}` can be the file of that name, or the file `{path}`"
            ))
            .hint(format!("write `./{word}` or `./{path}`")),
        )),
        (true, false) => Ok(Meant::File(path)),
        (false, true) => Ok(Meant::File(word)),
        (false, false) => Ok(Meant::Missing(path)),
    }
}

/// The one path that stands for a file, however it is written: that of its folder without links, and its own name. A link that is
/// the file itself stays one: its signatures lie beside the link. Where there is no such folder, the words alone tell.
pub(crate) fn file_reference(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return path.canonicalize().or_else(|_| Ok(without_dots(&path)));
    };
    Ok(folder
        .canonicalize()
        .unwrap_or_else(|_| without_dots(folder))
        .join(name))
}

fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => _ = plain.pop(),
            other => plain.push(other),
        }
    }
    plain
}

/// The error for a word that is a file's name and an image's too. `image` is how the image is spelled behind `oci:`.
fn either(word: &str, what: &str, image: &str) -> CommandError {
    CommandError::input(format!("`{word}` can be the file of that name, or {what}"))
        .hint(format!("for the file write `file:{word}`"))
        .hint(format!("for the image write `oci:{image}`"))
}

/// The error for a file that is not there.
pub(crate) fn missing(path: &str) -> CommandError {
    let mut error = CommandError::input(format!("there is no file `{path}`"));
    error.code = Some(ErrorCode::NotFound);
    error
}

fn empty() -> CommandError {
    CommandError::input("an artifact has an empty name")
}

/// Whether something is there, be it a link to nothing.
fn exists(path: &str) -> bool {
    Path::new(path).symlink_metadata().is_ok()
}

/// Whether a path is meant to be a folder, as its writing says.
pub(crate) fn is_folder(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_folder_is_gone_the_words_alone_tell_its_files() {
        let of = |path: &str| file_reference(Path::new(path)).unwrap();
        assert_eq!(of("/nowhere/../gone/./x"), Path::new("/gone/x"));
        assert_eq!(of("/../../nowhere/x"), Path::new("/nowhere/x"));
        assert_eq!(of("/nowhere/x/.."), Path::new("/nowhere"));
        assert_eq!(of("/"), Path::new("/"));
        assert!(file_reference(Path::new("")).is_err());
    }

    #[test]
    fn a_word_that_could_be_either_shows_both_spellings() {
        let Err(Unclear::Missing(_, error)) = meaning("no-such-thing") else {
            panic!("a bare word is neither");
        };
        assert_eq!(error.message, "there is no file `no-such-thing`");
        assert!(error.hints[0].contains("`oci:no-such-thing`"));
        // A mistyped path in a folder with a dot is not a host to be asked.
        let Err(Unclear::Missing(..)) = meaning("dist.old/app.tgz") else {
            panic!("it has a file's ending");
        };
        assert_eq!(
            meaning("dist/app.tgz").ok(),
            Some(Meant::Missing("dist/app.tgz"))
        );
        assert_eq!(
            meaning("ghcr.io/acme/app").ok(),
            Some(Meant::Image("ghcr.io/acme/app".parse().unwrap()))
        );
        assert_eq!(
            meaning("ghcr.io/a.tgz:1").ok(),
            Some(Meant::Image("ghcr.io/a.tgz:1".parse().unwrap()))
        );
        assert_eq!(
            meaning("oci:alpine").ok(),
            Some(Meant::Image("alpine".parse().unwrap()))
        );
        assert_eq!(
            meaning("oci://a.b/c").ok(),
            Some(Meant::Image("a.b/c".parse().unwrap()))
        );
        assert_eq!(
            meaning("[::1]:5000/app").ok(),
            Some(Meant::Image("[::1]:5000/app".parse().unwrap()))
        );
        assert_eq!(meaning("[ab].txt").ok(), Some(Meant::Pattern("[ab].txt")));
        assert_eq!(meaning("[ab].dd/x").ok(), Some(Meant::Pattern("[ab].dd/x")));
        assert!(matches!(
            meaning("ghcr.io/acme/"),
            Err(Unclear::Missing(..))
        ));
        assert!(matches!(meaning("acme/app"), Err(Unclear::Missing(..))));
        assert_eq!(meaning("*.tgz").ok(), Some(Meant::Pattern("*.tgz")));
        for empty in ["", "oci:", "oci://", "file:"] {
            assert!(matches!(meaning(empty), Err(Unclear::Wrong(_))), "{empty}");
        }
    }
}
