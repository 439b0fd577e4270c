//! The files that a pattern means. Each folder is read once, whatever number of ways lead through the pattern to it.
//!
//! As in a shell, `*` and `**` match no name that begins with a dot, and `**` follows no link, so that links in a circle have an end. A
//! link that a part of the pattern names by itself is followed.

use crate::error::{CommandError, why};
use glob::{MatchOptions, Pattern as Name, PatternError};
use sigtool_sdk::text::quoted_path;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// How one part of a pattern matches one name.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// A part of a pattern, between two `/`.
enum Part {
    /// `**`: any number of folders.
    Depth,
    /// A name as it is.
    Plain(String),
    /// A name with `*`, `?` or `[…]`.
    Name(Name),
}

/// What a pattern matches, in the order of names, found as it is asked for.
pub(super) struct Matches {
    parts: Vec<Part>,
    /// What is to be looked at, last first.
    ahead: Vec<Ahead>,
    /// The pattern ends with `/`.
    folders_only: bool,
    /// Whether a folder that is matched is walked by somebody else.
    whole_folders: bool,
}

/// A path that is there, and the parts of the pattern that what is below it may have to match next: the number of all of them where
/// it is matched itself.
struct Ahead {
    path: PathBuf,
    next: Vec<usize>,
}

impl Matches {
    /// Looks at nothing yet. With `whole_folders` a folder that is matched stands for all that is in it.
    ///
    /// # Errors
    ///
    /// It is not a pattern.
    pub(super) fn of(pattern: &str, whole_folders: bool) -> Result<Self, PatternError> {
        let is_plain = |part: &&str| !part.contains(['*', '?', '[']);
        let folders_only = pattern.ends_with('/');
        let mut rest: Vec<&str> = pattern.trim_end_matches('/').split('/').collect();
        let plain = rest.iter().take_while(|part| is_plain(part)).count();
        // Shown as it was written: `./dist` stays that.
        let base: PathBuf = match rest.drain(..plain).collect::<Vec<_>>().join("/") {
            root if root.is_empty() && plain > 0 => "/".into(),
            base => base.into(),
        };
        let parts = rest.into_iter().filter(|part| !part.is_empty());
        let parts = parts.map(|part| match part {
            "**" => Ok(Part::Depth),
            plain if is_plain(&plain) => Ok(Part::Plain(plain.to_owned())),
            name => Name::new(name).map(Part::Name),
        });
        let mut matches = Self {
            parts: parts.collect::<Result<_, _>>()?,
            ahead: Vec::new(),
            folders_only,
            whole_folders,
        };
        let next = matches.closed(vec![0]);
        matches.ahead.push(Ahead { path: base, next });
        Ok(matches)
    }

    /// The same, with those that `**` may stand for nothing before.
    fn closed(&self, mut next: Vec<usize>) -> Vec<usize> {
        let mut i = 0;
        while i < next.len() {
            if matches!(self.parts.get(next[i]), Some(Part::Depth)) {
                next.push(next[i] + 1);
            }
            i += 1;
        }
        next.sort_unstable();
        next.dedup();
        next
    }

    /// What may have to match below an entry of a folder, or that it is matched itself. Empty if it is of no interest.
    fn after(&self, next: &[usize], name: &OsStr, is_followed: bool) -> Vec<usize> {
        let text = name.to_string_lossy();
        let is_hidden = text.starts_with('.');
        let matched = next.iter().filter_map(|&part| match self.parts.get(part)? {
            Part::Depth => (!is_hidden && is_followed).then_some(part),
            Part::Plain(plain) => (name == plain.as_str()).then_some(part + 1),
            Part::Name(pattern) => pattern.matches_with(&text, OPTIONS).then_some(part + 1),
        });
        self.closed(matched.collect())
    }

    /// Puts what is in a folder ahead.
    fn enter(&mut self, folder: &Path, next: &[usize]) -> io::Result<()> {
        let mut below = Vec::new();
        let plain = |part: &usize| match self.parts.get(*part) {
            Some(Part::Plain(name)) => Some(name),
            _ => None,
        };
        if next.iter().all(|part| plain(part).is_some()) {
            // No listing is needed, nor the right to have one; `..` stands in none.
            below.extend(next.iter().filter_map(plain).map(OsString::from));
            below.retain(|name| folder.join(name).symlink_metadata().is_ok());
        } else {
            let readable = match folder.as_os_str().is_empty() {
                true => Path::new("."),
                false => folder,
            };
            for entry in std::fs::read_dir(readable)? {
                below.push(entry?.file_name());
            }
        }
        below.sort_unstable();
        below.dedup();
        for name in below.into_iter().rev() {
            let path = folder.join(&name);
            let is_link_to_folder = path.is_symlink() && path.is_dir();
            let next = self.after(next, &name, !is_link_to_folder);
            if !next.is_empty() {
                self.ahead.push(Ahead { path, next });
            }
        }
        Ok(())
    }
}

impl Iterator for Matches {
    type Item = Result<PathBuf, CommandError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(Ahead { path, mut next }) = self.ahead.pop() {
            let is_match = next.pop_if(|part| *part == self.parts.len()).is_some();
            let is_folder = path.as_os_str().is_empty() || path.is_dir();
            let is_whole = is_match && is_folder && self.whole_folders;
            if is_folder && !is_whole && !next.is_empty() {
                match self.enter(&path, &next) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => {
                        let message = format!("cannot look into {}", quoted_path(&path));
                        return Some(Err(CommandError::could_not_tell(message).because(why(&e))));
                    }
                    _ => {}
                }
            }
            if is_match && (is_folder || !self.folders_only) {
                return Some(Ok(path));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    fn found(top: &Path, pattern: &str) -> Vec<String> {
        let pattern = format!("{}/{pattern}", top.display());
        let matches = Matches::of(&pattern, false).unwrap();
        let relative = |path: PathBuf| path.strip_prefix(top).unwrap().display().to_string();
        matches.map(|path| relative(path.unwrap())).collect()
    }

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        folder
    }

    #[test]
    fn a_pattern_means_what_it_means_in_a_shell() {
        let tree = tree(&[
            "a.js",
            "b/a.js",
            "b/c/d.js",
            "b/c/d.txt",
            ".h/a.js",
            "b/.i.js",
        ]);
        let found = |pattern| found(tree.path(), pattern);
        assert_eq!(found("*.js"), ["a.js"]);
        assert_eq!(found("*/*.js"), ["b/a.js"]);
        assert_eq!(found("**/*.js"), ["a.js", "b/a.js", "b/c/d.js"]);
        assert_eq!(found("**/c/**/*.js"), ["b/c/d.js"]);
        assert_eq!(found("**/**/d.*"), ["b/c/d.js", "b/c/d.txt"]);
        assert_eq!(
            found("b/**"),
            ["b", "b/a.js", "b/c", "b/c/d.js", "b/c/d.txt"]
        );
        assert_eq!(found("*/"), ["b"]);
        assert_eq!(found("b/*/../[ab].js"), ["b/c/../a.js"]);
        assert_eq!(found(".*/a.js"), [".h/a.js"]);
        assert_eq!(found("x/*").len() + found("a.js/*").len(), 0);
        for wrong in ["a**", "[", "***"] {
            assert!(Matches::of(wrong, false).is_err(), "{wrong}");
        }
    }

    #[test]
    fn links_in_a_circle_have_an_end() {
        let files = ["a/i.js", "b/i.js", "c/i.js"];
        let tree = tree(&files);
        for from in ["a", "b", "c"] {
            let modules = tree.path().join(from).join("node_modules");
            fs::create_dir(&modules).unwrap();
            for to in ["a", "b", "c"] {
                symlink(format!("../../{to}"), modules.join(to)).unwrap();
            }
            symlink(".", tree.path().join(from).join("self")).unwrap();
        }
        assert_eq!(found(tree.path(), "**/*.js"), files);
        // What is named by a part of its own is followed, as often as there are parts.
        assert_eq!(found(tree.path(), "a/s*/*.js"), ["a/self/i.js"]);
        assert_eq!(found(tree.path(), "a/**/self/**/*.js"), ["a/self/i.js"]);
    }

    #[test]
    fn a_name_that_is_not_text_is_matched_too() {
        let tree = tree(&["a.txt"]);
        let name = OsStr::from_bytes(b"caf\xe9.txt");
        if fs::write(tree.path().join(name), "").is_err() {
            return; // This file system takes text only.
        }
        assert_eq!(found(tree.path(), "*.txt").len(), 2);
        assert_eq!(found(tree.path(), "caf?.txt").len(), 1);
        assert_eq!(found(tree.path(), "a*"), ["a.txt"]);
    }

    #[test]
    fn a_pattern_relative_to_the_working_folder_keeps_its_spelling() {
        let all = |pattern| {
            Matches::of(pattern, false)
                .unwrap()
                .flatten()
                .collect::<Vec<_>>()
        };
        assert!(all("src/m*.rs").contains(&"src/main.rs".into()));
        assert!(all("./src/m*.rs").contains(&"./src/main.rs".into()));
        assert!(all("Cargo.tom?").contains(&"Cargo.toml".into()));
    }
}
