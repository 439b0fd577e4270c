//! Walks a folder for artifacts, in the order of their whole paths, a page at a time.
//!
//! Hidden files and folders, symbolic links, what is not a regular file, names that are not text, and signatures of nothing that is
//! there are left out, and each is told before the artifacts of its folder. Signatures of what is there are passed over. Each folder
//! on the way from the top to the present one is held as a list of names, nothing else.

use crate::failure::{invalid, reading};
use crate::names::{is_signature, signed};
use sigtool_sdk::source::{LeftOut, Resolved, WhyLeftOut};
use sigtool_sdk::text::{escaped_path, quoted_path};
use sigtool_sdk::{Call, Result};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt;
use std::fs::FileType;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// How many files a reply names.
const PAGE: usize = 1000;

/// How many walks wait for their next page. One that is forgotten is begun again, where the page before ended.
const WAITING: usize = 8;

/// Walks that wait for their next page.
#[derive(Debug, Default)]
pub(crate) struct Walks {
    waiting: Mutex<Vec<Walk>>,
}

impl Walks {
    /// A page of the artifacts in a folder and those below it, and of what is left out: the first one, or the one after `page`.
    ///
    /// # Errors
    ///
    /// A folder cannot be read. What vanishes meanwhile is not an error.
    pub(crate) fn page(&self, call: &Call, top: &str, page: Option<&str>) -> Result<Resolved> {
        let mut walk = match page {
            None => Walk::begin(top)?,
            Some(page) => match self.take(top, page) {
                Some(walk) => walk,
                None => Walk::resume(call, top, page)?,
            },
        };
        let mut reply = Resolved::default();
        while reply.children.len() + reply.left_out.len() < PAGE {
            match walk.next(call)? {
                Some(Found::Artifact(path)) => {
                    walk.given = Given {
                        after: path.clone(),
                        left_out: 0,
                    };
                    reply.children.push(path);
                }
                Some(Found::LeftOut(left_out)) => {
                    walk.given.left_out += 1;
                    reply.left_out.push(left_out);
                }
                None => return Ok(reply),
            }
        }
        // One more than a page, so that the last page is known to be that.
        walk.ahead = walk.next(call)?;
        if walk.ahead.is_some() {
            reply.next_page = Some(walk.given.to_string());
            self.keep(walk);
        }
        Ok(reply)
    }

    fn take(&self, top: &str, page: &str) -> Option<Walk> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let place = waiting
            .iter()
            .position(|walk| walk.top == top && walk.given.to_string() == page)?;
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
    given: Given,
    /// The folders from the top to the present one, each with what is still to be done in it, last first.
    folders: Vec<Folder>,
    /// What is left out of the present folder, and has not been given.
    left_out: VecDeque<(String, WhyLeftOut)>,
    /// What comes next, if it is known already.
    ahead: Option<Found>,
}

/// What a walk finds.
#[derive(Debug)]
enum Found {
    Artifact(String),
    LeftOut(LeftOut),
}

/// How far a walk has come: the last artifact that was given out, and how many were left out since. Written as `PATH`, a NUL and the
/// number, it is the name of the next page.
#[derive(Debug)]
struct Given {
    /// The top with a `/` before the first artifact.
    after: String,
    left_out: usize,
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\0{}", self.after, self.left_out)
    }
}

impl Given {
    fn parse(page: &str) -> Option<Self> {
        let (after, left_out) = page.split_once('\0')?;
        Some(Self {
            after: after.to_owned(),
            left_out: left_out.parse().ok()?,
        })
    }
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

    /// Whether there is a file of this name. They are sorted.
    fn has_file(&self, name: &str) -> bool {
        // The order of whole paths, last first; a file's name has no `/` behind it.
        let found = self.entries.binary_search_by(|entry| {
            let end = entry.is_folder.then_some(b'/');
            name.bytes().cmp(self.name(*entry).bytes().chain(end))
        });
        found.is_ok()
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
        // `/` itself ends with the separator already.
        let folder = top.trim_end_matches('/');
        let mut walk = Self {
            top: top.to_owned(),
            given: Given {
                after: format!("{folder}/"),
                left_out: 0,
            },
            folders: Vec::new(),
            left_out: VecDeque::new(),
            ahead: None,
        };
        walk.enter(folder.to_owned())?;
        Ok(walk)
    }

    /// A walk that goes on behind a page.
    fn resume(call: &Call, top: &str, page: &str) -> Result<Self> {
        let mut walk = Self::begin(top)?;
        let given = Given::parse(page).filter(|given| given.after.starts_with(&walk.given.after));
        let Some(given) = given else {
            let (page, top) = (quoted_path(page), quoted_path(top));
            return Err(invalid(format!("{page} is not a page of {top}")));
        };
        if given.after != walk.given.after {
            walk.go_behind(call, &given.after)?;
        }
        for _ in 0..given.left_out {
            match walk.next(call)? {
                Some(Found::LeftOut(_)) => {}
                // There are fewer now.
                other => {
                    walk.ahead = other;
                    break;
                }
            }
        }
        walk.given = given;
        Ok(walk)
    }

    /// Passes over all up to an artifact. Of the folders before it only those that hold it are entered, and what is left out of them
    /// was given before it.
    fn go_behind(&mut self, call: &Call, after: &str) -> Result<()> {
        self.left_out.clear();
        while let Some((path, is_folder)) = self.step(call)? {
            if is_folder && after.starts_with(&(path.clone() + "/")) {
                self.enter(path)?;
                self.left_out.clear();
            } else if is_folder && (path.clone() + "/").as_str() > after {
                return self.enter(path);
            } else if !is_folder && path.as_str() > after {
                self.ahead = Some(Found::Artifact(path));
                return Ok(());
            }
        }
        Ok(())
    }

    /// What comes next.
    fn next(&mut self, call: &Call) -> Result<Option<Found>> {
        if let Some(found) = self.ahead.take() {
            return Ok(Some(found));
        }
        loop {
            if let (Some((name, why)), Some(folder)) =
                (self.left_out.pop_front(), self.folders.last())
            {
                let reference = format!("{}/{name}", folder.path);
                return Ok(Some(Found::LeftOut(LeftOut { reference, why })));
            }
            match self.step(call)? {
                Some((path, true)) => self.enter(path)?,
                Some((path, false)) => return Ok(Some(Found::Artifact(path))),
                None => return Ok(None),
            }
        }
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
        let (names, left_out) = match look_into(Path::new(readable)) {
            Ok(found) => found,
            // A folder that vanished holds nothing to sign; the top was there a moment ago, and is missed.
            Err(e) if e.kind() == io::ErrorKind::NotFound && !self.folders.is_empty() => {
                return Ok(());
            }
            Err(e) => return Err(reading(Path::new(readable), &e)),
        };
        self.folders.push(Folder { path, names });
        self.left_out = left_out.into();
        Ok(())
    }
}

/// A name with the reason why it is left out.
type Named = (String, WhyLeftOut);

/// What is to be looked at in a folder, and what is left out, in the order of names.
fn look_into(folder: &Path) -> io::Result<(Names, Vec<Named>)> {
    let (mut names, mut left_out, mut signatures) = (Names::default(), Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        let name = match entry.file_name().into_string() {
            Ok(name) => name,
            Err(name) => {
                left_out.push((escaped_path(Path::new(&name)), WhyLeftOut::NotText));
                continue;
            }
        };
        if let Some(why) = why_left_out(&name, kind) {
            left_out.push((name, why));
        } else if kind.is_file() && is_signature(&name) {
            signatures.push(name);
        } else {
            names.push(&name, kind.is_dir())?;
        }
    }
    names.sort();
    left_out.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let stray: Vec<Named> = signatures
        .into_iter()
        .filter_map(|name| stray(&name, &names, &left_out).map(|why| (name, why)))
        .collect();
    left_out.extend(stray);
    left_out.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok((names, left_out))
}

fn why_left_out(name: &str, kind: FileType) -> Option<WhyLeftOut> {
    if name.starts_with('.') {
        Some(WhyLeftOut::Hidden)
    } else if kind.is_symlink() {
        Some(WhyLeftOut::Link)
    } else if !kind.is_dir() && !kind.is_file() {
        Some(WhyLeftOut::Special)
    } else {
        None
    }
}

/// Why a signature is told: nothing that is looked at has the name that it signs.
fn stray(name: &str, names: &Names, left_out: &[Named]) -> Option<WhyLeftOut> {
    let is_left_out = |name: &str| left_out.binary_search_by(|(known, _)| known.as_str().cmp(name));
    if signed(name).any(|artifact| names.has_file(artifact)) {
        None
    } else if signed(name).any(|artifact| is_left_out(artifact).is_ok()) {
        Some(WhyLeftOut::SignatureOfLeftOut)
    } else {
        Some(WhyLeftOut::Signature)
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
    fn all(top: &str, forget: bool) -> (Vec<String>, Vec<(String, WhyLeftOut)>, usize) {
        let mut walks = Walks::default();
        let (mut children, mut left_out, mut pages, mut after) = (Vec::new(), Vec::new(), 0, None);
        loop {
            let reply = with_call(|call| walks.page(call, top, after.as_deref())).unwrap();
            assert!(reply.artifact.is_none() && reply.notes.is_empty());
            assert!(reply.children.len() + reply.left_out.len() <= PAGE);
            children.extend(reply.children);
            left_out.extend(reply.left_out);
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
        let left_out = left_out
            .into_iter()
            .map(|left| (strip(left.reference), left.why));
        let left_out = left_out.collect();
        (children.into_iter().map(strip).collect(), left_out, pages)
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
            "c/install.sh.sig",
            "c/d.sig",
            "link.tgz.sig",
        ]);
        std::os::unix::fs::symlink("a.tgz", folder.path().join("link.tgz")).unwrap();
        std::os::unix::fs::symlink(".", folder.path().join("b/circle")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("s")).unwrap();
        let (children, left_out, pages) = all(top(&folder), false);
        assert_eq!(children, ["a.tgz", "b/app.jar", "c/d/e.yaml"]);
        assert_eq!(pages, 1);
        let left_out: Vec<_> = left_out.iter().map(|(name, why)| (&**name, *why)).collect();
        let expected = [
            (".git", WhyLeftOut::Hidden),
            (".hidden", WhyLeftOut::Hidden),
            ("link.tgz", WhyLeftOut::Link),
            ("link.tgz.sig", WhyLeftOut::SignatureOfLeftOut),
            ("s", WhyLeftOut::Special),
            ("b/.env", WhyLeftOut::Hidden),
            ("b/circle", WhyLeftOut::Link),
            ("c/d.sig", WhyLeftOut::Signature),
            ("c/install.sh.sig", WhyLeftOut::Signature),
        ];
        assert_eq!(left_out, expected);
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
        for i in 0..1200 {
            fs::write(folder.path().join(format!("x/3/.{i}")), "").unwrap();
            fs::write(folder.path().join(format!("x-1/stray{i}.sig")), "").unwrap();
        }
        fs::create_dir_all(folder.path().join("x/30")).unwrap();
        fs::write(folder.path().join("x/30/.hidden"), "").unwrap();
        let mut expected = names;
        expected.sort();
        let (_, left_out, _) = all(top(&folder), false);
        assert_eq!(left_out.len(), 2401);
        for forget in [false, true] {
            let found = all(top(&folder), forget);
            assert_eq!(found, (expected.clone(), left_out.clone(), 5), "{forget}");
        }
    }

    #[test]
    fn exactly_one_page_has_no_next_one() {
        let names: Vec<String> = (0..PAGE).map(|i| format!("f{i}")).collect();
        let folder = tree(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(all(top(&folder), false).2, 1);
        assert_eq!(all(top(&tree(&[])), false), (vec![], vec![], 1));
        fs::write(folder.path().join(".hidden"), "").unwrap();
        assert_eq!(all(top(&folder), true).1.len(), 1);
    }

    #[test]
    fn a_page_of_another_folder_is_refused() {
        let folder = tree(&["a"]);
        let beside = format!("{}x/a\u{0}0", top(&folder));
        for after in ["/etc/passwd", "/etc/passwd\u{0}0", "", &beside] {
            let reply = with_call(|call| Walks::default().page(call, top(&folder), Some(after)));
            assert!(reply.is_err(), "{after}");
        }
    }

    #[test]
    fn names_that_are_not_text_are_told() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tree(&["a"]);
        let name = std::ffi::OsStr::from_bytes(b"\xff.jar");
        if fs::write(folder.path().join(name), "").is_err() {
            return; // This file system takes text only.
        }
        let (children, left_out, _) = all(top(&folder), false);
        assert_eq!(children, ["a"]);
        assert_eq!(left_out, [(r"\xFF.jar".to_owned(), WhyLeftOut::NotText)]);
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
