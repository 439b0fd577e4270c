//! The words of the command line, where they may be more than anyone types: `sigtool sign *` in a folder of 100,000 files.
//!
//! Each word would be copied several times on its way to a command. Of a long row of words that can be nothing but artifacts most stay
//! where the system keeps them, and a mark among the arguments says which.

use crate::pasted;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStringExt as _;
use std::str::FromStr;

/// How many words of a row are given on: more than any command takes but `sign` and `verify`, whose flags take one word each.
const FIRST: usize = 1000;

/// Where Linux shows the words, each with a zero behind it (proc_pid_cmdline(5)). Elsewhere all are given on.
const WORDS: &str = "/proc/self/cmdline";

/// No word of a command line has a zero in it, so none can be taken for a mark.
const MARK: char = '\0';

/// The words, with a mark in place of those that are left out.
pub(crate) fn shortened() -> Vec<OsString> {
    let shortened = File::open(WORDS).and_then(|file| shorten(BufReader::new(file)));
    match shortened {
        Ok(words) if is_shortened(&words) => words,
        // What the system shows may begin with a loader that was called by name.
        _ => whole(),
    }
}

/// All words.
pub(crate) fn whole() -> Vec<OsString> {
    std::env::args_os().collect()
}

/// Whether words were left out.
pub(crate) fn is_shortened(words: &[OsString]) -> bool {
    words
        .iter()
        .any(|word| word.as_encoded_bytes().first() == Some(&(MARK as u8)))
}

fn shorten(words: impl io::BufRead) -> io::Result<Vec<OsString>> {
    let mut given = Vec::new();
    let mut left_out = LeftOut::default();
    let (mut offset, mut row) = (0, 0);
    for word in words.split(0) {
        let word = word?;
        let start = offset;
        offset += word.len() as u64 + 1;
        row = if may_be_an_artifact(&word) {
            row + 1
        } else {
            0
        };
        if row > FIRST && !is_private_key(&word) {
            if left_out.count == 0 {
                left_out.offset = start;
            }
            left_out.count += 1;
            continue;
        }
        given.extend(std::mem::take(&mut left_out).mark());
        given.push(OsString::from_vec(word));
    }
    given.extend(left_out.mark());
    Ok(given)
}

/// In a row of words: not a flag.
fn may_be_an_artifact(word: &[u8]) -> bool {
    std::str::from_utf8(word).is_ok_and(|word| !word.starts_with('-'))
}

/// What the command line is refused for must be seen by who refuses it.
fn is_private_key(word: &[u8]) -> bool {
    std::str::from_utf8(word).is_ok_and(pasted::is_private_key)
}

/// Words that were left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// In bytes, within [`WORDS`].
    offset: u64,
    count: usize,
}

impl LeftOut {
    /// What stands in their place, if it is not a word.
    pub(crate) fn at(word: &str) -> Option<Self> {
        let (offset, count) = word.strip_prefix(MARK)?.split_once(' ')?;
        Some(Self {
            offset: u64::from_str(offset).ok()?,
            count: usize::from_str(count).ok()?,
        })
    }

    /// The words, read as they are needed.
    pub(crate) fn words(
        &self,
    ) -> io::Result<impl Iterator<Item = io::Result<String>> + Send + use<>> {
        let mut file = File::open(WORDS)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let words = BufReader::new(file).split(0).take(self.count);
        Ok(words.map(|word| {
            let word = String::from_utf8(word?);
            word.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
        }))
    }

    fn mark(self) -> Option<OsString> {
        let Self { offset, count } = self;
        (count > 0).then(|| format!("{MARK}{offset} {count}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortened(words: &[&str]) -> Vec<String> {
        let line: String = words.iter().map(|word| format!("{word}\0")).collect();
        let words = shorten(line.as_bytes()).unwrap();
        words
            .into_iter()
            .map(|w| w.into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_usual_command_line_is_given_on_as_it_is() {
        let words = ["sigtool", "sign", "--key", "k.pem", "a.tgz", "--", "-b", ""];
        assert_eq!(shortened(&words), words);
        assert!(!is_shortened(&words.map(OsString::from)));
        assert_eq!(LeftOut::at("a.tgz"), None);
    }

    #[test]
    fn of_a_long_row_the_first_are_given_on_and_flags_begin_another() {
        let names: Vec<String> = (0..2 * FIRST).map(|i| format!("f{i:04}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let words = [
            &["sigtool", "sign"],
            &names[..],
            &["-q"],
            &names[..],
            &["--x"],
        ]
        .concat();
        let found = shortened(&words);
        let first = FIRST - 2;
        assert_eq!(found[..2 + first], words[..2 + first]);
        let left_out = LeftOut::at(&found[FIRST]).unwrap();
        let offset = "sigtool sign ".len() + first * "f0000 ".len();
        let count = names.len() - first;
        assert_eq!((left_out.offset, left_out.count), (offset as u64, count));
        assert_eq!(found[FIRST + 1], "-q");
        assert_eq!(found[FIRST + 2..][..FIRST], names[..FIRST]);
        assert_eq!(LeftOut::at(&found[2 * FIRST + 2]).unwrap().count, FIRST);
        assert_eq!(found[2 * FIRST + 3..], ["--x"]);
        let found: Vec<OsString> = found.iter().map(OsString::from).collect();
        assert!(is_shortened(&found));
    }

    #[test]
    fn what_the_command_line_is_refused_for_is_given_on() {
        let key = "-----BEGIN PRIVATE KEY-----";
        let mut words = vec!["f"; 2 * FIRST];
        words.push("MC4CAQAwBQYDK2VwBCIEIE8OMTv5T1Vp/hftC9GZ4t4zyd5PRxGh2nPIyvu2Z/E5");
        words.push(key);
        let found = shortened(&words);
        assert_eq!(found[FIRST + 1..], words[2 * FIRST..]);
    }
}
