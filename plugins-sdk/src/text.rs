//! Texts that somebody else chose (a path, a registry's words, a name in an archive), made fit to be shown.

use std::path::Path;

/// The longest that [`quoted`] shows, in characters: a pinned reference to an image fits, and most paths do.
const MAX_QUOTED: usize = 400;

/// Control characters (terminal escapes, line ends), and the invisible ones that reorder or hide the text around them (Unicode TR 9,
/// the zero-width ones, the tags).
#[must_use]
pub fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What stands in place of a character that [is treacherous](is_treacherous).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// Its code, as `\u{1b}`: where it must be seen which one it was.
    Escape,
    /// The replacement character `U+FFFD`: where it must be seen that there was one.
    Mark,
    /// Nothing: where the text is a name that others have to find again.
    Nothing,
}

/// A text of a stranger's, on one line, without anything that a terminal would obey, and at most `max` characters of it. A text
/// that is cut ends with `…`.
///
/// Every text that enters from outside goes through here once, where it enters.
#[must_use]
pub fn clean(text: &str, instead: Instead, max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max));
    let mut rest = text.chars();
    let mut left = max;
    for c in rest.by_ref() {
        if instead == Instead::Nothing && is_treacherous(c) {
            continue;
        }
        if left == 0 {
            shown.push('…');
            break;
        }
        left -= 1;
        match instead {
            Instead::Escape if is_treacherous(c) => shown.extend(c.escape_default()),
            Instead::Mark if is_treacherous(c) => shown.push('\u{fffd}'),
            _ => shown.push(c),
        }
    }
    shown
}

/// The words of a service or a backend: white space of any kind is one space. `None` if nothing is left.
#[must_use]
pub fn words(said: &str, max: usize) -> Option<String> {
    let words = said
        .split(|c: char| c.is_whitespace() || is_treacherous(c))
        .filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then(|| clean(&line, Instead::Mark, max))
}

/// A text as it stands in messages: between backticks, not endless, with what a terminal would obey escaped.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("`{}`", clean(text, Instead::Escape, MAX_QUOTED))
}

/// A path as it stands in messages. All of it: nobody finds a file by a part of its path.
#[must_use]
pub fn quoted_path(path: impl AsRef<Path>) -> String {
    let path = escaped_path(path.as_ref());
    format!("`{}`", clean(&path, Instead::Escape, usize::MAX))
}

/// A path, or another word, as one types it in a shell, for a command that a message proposes: a name must not become a command of its
/// own.
#[must_use]
pub fn typed(path: impl AsRef<Path>) -> String {
    let path = path.as_ref().to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@,=".contains(c);
    let typed = match !path.is_empty() && path.chars().all(is_plain) {
        true => path.into_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    };
    match typed.trim_start_matches('\'').starts_with('-') {
        true => format!("./{typed}"),
        false => typed,
    }
}

/// A path as text. What of it is not UTF-8 stands there as `\xE9`, as `printf` takes it, so that one name is told from another.
#[must_use]
pub fn escaped_path(path: &Path) -> String {
    let mut text = String::new();
    for part in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(part.valid());
        for byte in part.invalid() {
            text.push_str(&format!(r"\x{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_typed_is_one_word_of_a_shell() {
        for (path, shell) in [
            ("dist/app-1.2+b.tgz", "dist/app-1.2+b.tgz"),
            ("née.txt", "née.txt"),
            ("b;touch PWNED #", "'b;touch PWNED #'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
            ("~", "'~'"),
            ("-rf", "./-rf"),
            ("-r f", "./'-r f'"),
            ("", "''"),
        ] {
            assert_eq!(typed(path), shell);
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(quoted("a\u{1b}[2J\n"), r"`a\u{1b}[2J\n`");
        assert_eq!(quoted("x\u{202e}gpj"), r"`x\u{202e}gpj`");
        assert_eq!(quoted_path("/tmp/née"), "`/tmp/née`");
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_not_text_are_told_from_one_another() {
        use std::os::unix::ffi::OsStrExt as _;
        let path = |bytes| Path::new(std::ffi::OsStr::from_bytes(bytes));
        assert_eq!(quoted_path(path(b"caf\xe9\n")), r"`caf\xE9\n`");
        assert_eq!(escaped_path(path(b"n\xc3\xa9e\xff\xc3")), r"née\xFF\xC3");
    }

    #[test]
    fn a_long_text_is_cut() {
        let long = quoted(&"é".repeat(5000));
        assert_eq!(long.chars().count(), MAX_QUOTED + 3);
        assert!(long.ends_with("é…`"));
    }

    #[test]
    fn a_text_of_exactly_the_bound_is_whole_and_one_character_more_is_cut() {
        for instead in [Instead::Escape, Instead::Mark, Instead::Nothing] {
            assert_eq!(clean("ééé", instead, 3), "ééé");
            assert_eq!(clean("éééé", instead, 3), "ééé…");
            assert_eq!(clean("", instead, 0), "");
        }
        assert_eq!(clean("aaa\u{200b}\n", Instead::Nothing, 3), "aaa");
    }

    #[test]
    fn what_a_terminal_would_obey_is_replaced_as_it_is_asked_for() {
        let forged = "a\u{1b}[2Jb\nc\u{202e}d";
        for (instead, shown) in [
            (Instead::Escape, r"a\u{1b}[2Jb\nc\u{202e}d"),
            (Instead::Mark, "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d"),
            (Instead::Nothing, "a[2Jbcd"),
        ] {
            assert_eq!(clean(forged, instead, 100), shown);
        }
    }

    #[test]
    fn a_service_cannot_write_to_the_terminal_or_fill_it() {
        let said = "\u{1b}[31mdenied:\r\n  no \u{202e}access\0";
        assert_eq!(words(said, 300).unwrap(), "[31mdenied: no access");
        assert_eq!(words(" \n\u{7f}", 300), None);
        assert_eq!(words("no access", 2).unwrap(), "no…");
    }
}
