//! Walks a folder for artifacts, in the order of their whole paths, a page at a time.
//!
//! Signatures, hidden files and folders, symbolic links and all that is not a regular file are skipped; all but the signatures are
//! counted for a remark. Each folder on the way from the top to the present one is held as a list of names, nothing else.

use crate::failure::{invalid, reading};
use crate::names::is_signature;
use sigtool_sdk::source::Resolved;
use sigtool_sdk::text::quoted_path;
use sigtool_sdk::{Call, Result};
use std::cmp::Ordering;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// How many artifacts a reply names.
const PAGE: usize = 1000;

/// How many walks wait for their next page. One that is forgotten is begun again, where the page before ended.
const WAITING: usize = 8;

/// Walks that wait for their next page.
#[derive(Debug, Default)]
pub(crate) struct Walks {
    waiting: Mutex<Vec<Walk>>,
}

impl Walks {
    /// A page of the artifacts in a folder and those below it: the first one, or the one after the path `after`.
    ///
    /// # Errors
    ///
    /// A folder cannot be read. What vanishes meanwhile is not an error.
    pub(crate) fn page(&self, call: &Call, top: &str, after: Option<&str>) -> Result<Resolved> {
        let mut walk = match after {
            None => Walk::begin(top)?,
            Some(after) => match self.take(top, after) {
                Some(walk) => walk,
                None => Walk::resume(call, top, after)?,
            },
        };
        let mut reply = Resolved::default();
        // One more than a page, so that the last page is known to be that.
        while reply.children.len() < PAGE {
            match walk.next(call)? {
                Some(path) => reply.children.push(path),
                None => break,
            }
        }
        match walk.peek(call)? {
            true => {
                reply.next_page = reply.children.last().cloned();
                walk.after = reply.next_page.clone().unwrap_or_default();
                self.keep(walk);
            }
            false => reply.notes = walk.skipped.notes(top),
        }
        Ok(reply)
    }

    fn take(&self, top: &str, after: &str) -> Option<Walk> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let place = waiting
            .iter()
            .position(|walk| walk.top == top && walk.after == after)?;
        Some(waiting.remove(place))
    }

    fn keep(&self, walk: Walk) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING {
            waiting.remove(0);
        }
        waiting.push(walk);
    }
}

/// A walk under way.
#[derive(Debug)]
struct Walk {
    top: String,
    /// The last path that was given out.
    after: String,
    /// The folders from the top to the present one, each with what is still to be done in it, last first.
    folders: Vec<Folder>,
    /// The next path, if it is known already.
    ahead: Option<String>,
    skipped: Skipped,
}

#[derive(Debug)]
struct Folder {
    path: String,
    names: Names,
}

/// The names in a folder, in one piece: many times smaller than each by itself.
#[derive(Debug, Default)]
struct Names {
    text: String,
    entries: Vec<Entry>,
}

/// A name, by where it stands. No file system has longer ones than this can say.
#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    length: u16,
    is_folder: bool,
}

impl Names {
    fn push(&mut self, name: &str, is_folder: bool) -> io::Result<()> {
        let too_many = |_| io::Error::other("it holds more names than can be sorted");
        let entry = Entry {
            start: self.text.len().try_into().map_err(too_many)?,
            length: name.len().try_into().map_err(too_many)?,
            is_folder,
        };
        self.text.push_str(name);
        self.entries.push(entry);
        Ok(())
    }

    fn name(&self, entry: Entry) -> &str {
        let start = entry.start as usize;
        &self.text[start..start + usize::from(entry.length)]
    }

    /// Last first, as [`pop`](Self::pop) wants them.
    fn sort(&mut self) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_unstable_by(|a, b| self.cmp_in_path(*b, *a));
        entries.shrink_to_fit();
        self.text.shrink_to_fit();
        self.entries = entries;
    }

    fn pop(&mut self) -> Option<(&str, bool)> {
        let entry = self.entries.pop()?;
        Some((self.name(entry), entry.is_folder))
    }

    /// The order of whole paths: a folder's name counts with the `/` behind it, so `a-b` comes before `a/c`.
    fn cmp_in_path(&self, a: Entry, b: Entry) -> Ordering {
        let bytes = |entry: Entry| {
            let end = entry.is_folder.then_some(b'/');
            self.name(entry).bytes().chain(end)
        };
        let shared = usize::from(a.length.min(b.length));
        // Nearly always the names differ before either ends.
        let [first, second] = [a, b].map(|entry| &self.name(entry).as_bytes()[..shared]);
        match first.cmp(second) {
            Ordering::Equal => bytes(a).cmp(bytes(b)),
            differ => differ,
        }
    }
}

impl Walk {
    fn begin(top: &str) -> Result<Self> {
        let mut walk = Self {
            top: top.to_owned(),
            after: String::new(),
            folders: Vec::new(),
            ahead: None,
            skipped: Skipped::default(),
        };
        // `/` itself ends with the separator already.
        walk.enter(top.trim_end_matches('/').to_owned())?;
        Ok(walk)
    }

    /// A walk that goes on behind a path. What was skipped before it is counted again.
    fn resume(call: &Call, top: &str, after: &str) -> Result<Self> {
        let inside = after
            .strip_prefix(top.trim_end_matches('/'))
            .is_some_and(|rest| rest.starts_with('/'));
        if !inside {
            return Err(invalid(format!(
                "{} is not a page of {}",
                quoted_path(after),
                quoted_path(top)
            )));
        }
        let mut walk = Self::begin(top)?;
        while let Some((path, is_folder)) = walk.step(call)? {
            // Of the folders before it only those that hold it are entered.
            if is_folder {
                let path = path + "/";
                if after.starts_with(&path) || path.as_str() > after {
                    walk.enter(path.trim_end_matches('/').to_owned())?;
                }
            } else if path.as_str() > after {
                walk.ahead = Some(path);
                break;
            }
        }
        Ok(walk)
    }

    /// The next artifact.
    fn next(&mut self, call: &Call) -> Result<Option<String>> {
        if let Some(path) = self.ahead.take() {
            return Ok(Some(path));
        }
        while let Some((path, is_folder)) = self.step(call)? {
            if !is_folder {
                return Ok(Some(path));
            }
            self.enter(path)?;
        }
        Ok(None)
    }

    /// Whether there is another artifact.
    fn peek(&mut self, call: &Call) -> Result<bool> {
        self.ahead = self.next(call)?;
        Ok(self.ahead.is_some())
    }

    /// The next entry, file or folder, which is then done in its own folder.
    fn step(&mut self, call: &Call) -> Result<Option<(String, bool)>> {
        call.check()?;
        while let Some(folder) = self.folders.last_mut() {
            if let Some((name, is_folder)) = folder.names.pop() {
                return Ok(Some((format!("{}/{name}", folder.path), is_folder)));
            }
            self.folders.pop();
        }
        Ok(None)
    }

    fn enter(&mut self, path: String) -> Result<()> {
        let readable = if path.is_empty() { "/" } else { &path };
        let names = match self.names(Path::new(readable)) {
            Ok(names) => names,
            // A folder that vanished holds nothing to sign; the top was there a moment ago, and is missed.
            Err(e) if e.kind() == io::ErrorKind::NotFound && !self.folders.is_empty() => {
                return Ok(());
            }
            Err(e) => return Err(reading(Path::new(readable), &e)),
        };
        self.folders.push(Folder { path, names });
        Ok(())
    }

    /// What is to be looked at in a folder, last first.
    fn names(&mut self, folder: &Path) -> io::Result<Names> {
        let mut names = Names::default();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            let Ok(name) = entry.file_name().into_string() else {
                self.skipped.not_text += 1;
                continue;
            };
            if name.starts_with('.') {
                self.skipped.hidden += 1;
            } else if kind.is_symlink() {
                self.skipped.links += 1;
            } else if !kind.is_dir() && !kind.is_file() {
                self.skipped.special += 1;
            } else if kind.is_dir() || !is_signature(&name) {
                names.push(&name, kind.is_dir())?;
            }
        }
        names.sort();
        Ok(names)
    }
}

/// How much of each kind was skipped.
#[derive(Debug, Default)]
struct Skipped {
    hidden: u64,
    links: u64,
    special: u64,
    not_text: u64,
}

impl Skipped {
    fn notes(&self, top: &str) -> Vec<String> {
        [
            (
                self.hidden,
                "hidden file or folder",
                "hidden files and folders",
            ),
            (self.links, "symbolic link", "symbolic links"),
            (
                self.special,
                "pipe, socket or device",
                "pipes, sockets and devices",
            ),
            (
                self.not_text,
                "file or folder whose name is not UTF-8",
                "files and folders whose names are not UTF-8",
            ),
        ]
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| {
            let what = if count == 1 { one } else { many };
            format!("skipped {count} {what} in {}", quoted_path(top))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_call;
    use std::fs;
    use tempfile::TempDir;

    fn tree(files: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        folder
    }

    fn top(folder: &TempDir) -> &str {
        folder.path().to_str().unwrap()
    }

    /// All pages; with `forget` each one is asked of a source that has not seen the others.
    fn all(top: &str, forget: bool) -> (Vec<String>, Vec<String>, usize) {
        let mut walks = Walks::default();
        let (mut children, mut notes, mut pages, mut after) = (Vec::new(), Vec::new(), 0, None);
        loop {
            let reply = with_call(|call| walks.page(call, top, after.as_deref())).unwrap();
            assert!(reply.artifact.is_none() && reply.children.len() <= PAGE);
            children.extend(reply.children);
            notes.extend(reply.notes);
            pages += 1;
            after = reply.next_page;
            if after.is_none() {
                break;
            }
            if forget {
                walks = Walks::default();
            }
        }
        let strip = |path: String| path.strip_prefix(&format!("{top}/")).unwrap().to_owned();
        (children.into_iter().map(strip).collect(), notes, pages)
    }

    #[test]
    fn a_folder_gives_its_artifacts_and_theirs_only() {
        let folder = tree(&[
            "b/app.jar",
            "b/app.jar.sigstore.json",
            "b/app.jar.0a1b2c3d.sig",
            "a.tgz",
            "a.tgz.sig",
            ".hidden",
            ".git/config",
            "b/.env",
            "c/d/e.yaml",
        ]);
        std::os::unix::fs::symlink("a.tgz", folder.path().join("link.tgz")).unwrap();
        std::os::unix::fs::symlink(".", folder.path().join("b/circle")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("s")).unwrap();
        let (children, notes, pages) = all(top(&folder), false);
        assert_eq!(children, ["a.tgz", "b/app.jar", "c/d/e.yaml"]);
        assert_eq!(pages, 1);
        let begins = |start: &str| notes.iter().any(|note| note.starts_with(start));
        assert!(
            begins("skipped 3 hidden files and folders in `"),
            "{notes:?}"
        );
        assert!(begins("skipped 2 symbolic links in"), "{notes:?}");
        assert!(begins("skipped 1 pipe, socket or device in"), "{notes:?}");
        assert_eq!(notes.len(), 3);
    }

    #[test]
    fn the_order_is_that_of_whole_paths() {
        let files = ["a-b", "a/c", "a.d", "a/b/c", "a0", "é", "a/b-", "A"];
        let folder = tree(&files);
        let mut expected = files.map(str::to_owned);
        expected.sort();
        assert_eq!(all(top(&folder), false).0, expected);
    }

    #[test]
    fn pages_go_on_where_the_one_before_ended_even_for_a_source_that_forgot() {
        let names: Vec<String> = (0..2500)
            .map(|i| format!("{}{}/file{i}", if i % 3 == 0 { "x-" } else { "x/" }, i % 7))
            .collect();
        let folder = tree(&names.iter().map(String::as_str).collect::<Vec<_>>());
        fs::write(folder.path().join(".hidden"), "").unwrap();
        let mut expected = names;
        expected.sort();
        for forget in [false, true] {
            let (children, notes, pages) = all(top(&folder), forget);
            assert_eq!(children, expected);
            assert_eq!(pages, 3);
            assert_eq!(notes.len(), 1, "{notes:?}");
        }
    }

    #[test]
    fn exactly_one_page_has_no_next_one() {
        let names: Vec<String> = (0..PAGE).map(|i| format!("f{i}")).collect();
        let folder = tree(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(all(top(&folder), false).2, 1);
        assert_eq!(all(top(&tree(&[])), false), (vec![], vec![], 1));
    }

    #[test]
    fn a_page_of_another_folder_is_refused() {
        let folder = tree(&["a"]);
        for after in ["/etc/passwd", "", &format!("{}x/a", top(&folder))] {
            let reply = with_call(|call| Walks::default().page(call, top(&folder), Some(after)));
            assert!(reply.is_err(), "{after}");
        }
    }

    #[test]
    fn names_that_are_not_text_are_counted() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tree(&["a"]);
        let name = std::ffi::OsStr::from_bytes(b"\xff.jar");
        if fs::write(folder.path().join(name), "").is_err() {
            return; // This file system takes text only.
        }
        let (children, notes, _) = all(top(&folder), false);
        assert_eq!(children, ["a"]);
        assert!(notes[0].contains("not UTF-8"), "{notes:?}");
    }

    #[test]
    fn a_deep_folder_does_not_use_up_the_stack() {
        let folder = tempfile::tempdir().unwrap();
        let mut path = folder.path().to_owned();
        for _ in 0..1500 {
            path.push("d");
        }
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("app.jar"), "").unwrap();
        assert_eq!(all(top(&folder), false).0.len(), 1);
    }
}
