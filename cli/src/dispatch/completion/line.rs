//! The line that is being typed: its words as the shell hands them over, and as sigtool would get them.

use std::ffi::OsString;

/// Where Bash splits words besides at blanks: `env:KEY` comes as three.
const BREAKS: [char; 3] = [':', '=', '@'];

/// The words up to the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The words before the last one, the program's name included.
    pub(super) before: Vec<OsString>,
    /// What there is of the last one.
    pub(super) last: String,
    /// What stands before the part of the last word that the shell replaces.
    pub(super) kept: String,
    /// The quote in which the last word stands and which is not closed yet.
    pub(super) quote: Option<char>,
}

impl Line {
    /// Words as they would reach the program.
    pub(super) fn plain(mut words: Vec<OsString>) -> Self {
        let last = words.pop().unwrap_or_default();
        Self {
            before: words,
            last: last.to_string_lossy().into_owned(),
            kept: String::new(),
            quote: None,
        }
    }

    /// Words as they were typed, with their quotes.
    pub(super) fn typed(words: Vec<OsString>) -> Self {
        let mut line = Self::plain(words);
        for word in &mut line.before {
            *word = unquoted(&word.to_string_lossy()).0.into();
        }
        (line.last, line.quote) = unquoted(&line.last);
        line
    }

    /// Words as they were typed, split where Bash splits them.
    pub(super) fn split(words: Vec<OsString>) -> Self {
        let mut whole: Vec<String> = Vec::new();
        let mut kept = String::new();
        let mut open = false;
        for word in words {
            let word = word.to_string_lossy().into_owned();
            let is_break = !word.is_empty() && word.chars().all(|c| BREAKS.contains(&c));
            match whole.last_mut().filter(|_| open || is_break) {
                Some(before) => {
                    kept = format!("{before}{}", if is_break { word.as_str() } else { "" });
                    before.push_str(&word);
                }
                None => {
                    kept = String::new();
                    whole.push(word);
                }
            }
            open = is_break;
        }
        let line = Self::typed(whole.into_iter().map(OsString::from).collect());
        let kept = unquoted(&kept).0;
        Self { kept, ..line }
    }
}

/// A word without its quotes, and the quote that is still open.
fn unquoted(word: &str) -> (String, Option<char>) {
    let mut text = String::with_capacity(word.len());
    let mut quote = None;
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None | Some('"'), '\\') => text.extend(chars.next()),
            _ => text.push(c),
        }
    }
    (text, quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(words: &[&str]) -> (Vec<String>, String, String) {
        let line = Line::split(words.iter().map(OsString::from).collect());
        let before = line.before.iter().map(|w| w.to_string_lossy().into_owned());
        (before.collect(), line.last, line.kept)
    }

    #[track_caller]
    fn splits(words: &[&str], before: &[&str], last: &str, kept: &str) {
        let (words, word, left) = split(words);
        assert_eq!(words, before);
        assert_eq!((word.as_str(), left.as_str()), (last, kept));
    }

    #[test]
    fn what_bash_takes_apart_is_one_word_again() {
        splits(&["sigtool", "ve"], &["sigtool"], "ve", "");
        splits(
            &["sigtool", "--profile", "=", "pr"],
            &["sigtool"],
            "--profile=pr",
            "--profile=",
        );
        splits(
            &["sigtool", "--profile", "="],
            &["sigtool"],
            "--profile=",
            "--profile=",
        );
        splits(
            &["sigtool", "sign", "--key", "env", ":", "K"],
            &["sigtool", "sign", "--key"],
            "env:K",
            "env:",
        );
        splits(
            &["s", "localhost", ":", "5000/app", ":", "1"],
            &["s"],
            "localhost:5000/app:1",
            "localhost:5000/app:",
        );
        splits(
            &["s", "a", "@", "sha256", ":"],
            &["s"],
            "a@sha256:",
            "a@sha256:",
        );
        splits(
            &["s", "-p", "=", "x", "sign", ""],
            &["s", "-p=x", "sign"],
            "",
            "",
        );
    }

    #[test]
    fn quotes_are_taken_off() {
        assert_eq!(unquoted("my\\ file"), ("my file".to_owned(), None));
        assert_eq!(unquoted("\"my fi"), ("my fi".to_owned(), Some('"')));
        assert_eq!(unquoted("'a\\b'c"), ("a\\bc".to_owned(), None));
    }
}
