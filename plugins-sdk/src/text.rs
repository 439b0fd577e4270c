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

/// A text as it stands in messages: between backticks, not endless, with what a terminal would obey escaped.
#[must_use]
pub fn quoted(text: &str) -> String {
    let end = text.char_indices().nth(MAX_QUOTED).map(|(end, _)| end);
    match end {
        Some(end) => quote(&text[..end], "…`"),
        None => quote(text, "`"),
    }
}

/// A path as it stands in messages. All of it: nobody finds a file by a part of its path.
#[must_use]
pub fn quoted_path(path: impl AsRef<Path>) -> String {
    quote(&path.as_ref().to_string_lossy(), "`")
}

fn quote(text: &str, end: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push('`');
    for c in text.chars() {
        if is_treacherous(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown.push_str(end);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(quoted("a\u{1b}[2J\n"), r"`a\u{1b}[2J\n`");
        assert_eq!(quoted("x\u{202e}gpj"), r"`x\u{202e}gpj`");
        assert_eq!(quoted_path("/tmp/née"), "`/tmp/née`");
    }

    #[test]
    fn a_long_text_is_cut() {
        let long = quoted(&"é".repeat(5000));
        assert_eq!(long.chars().count(), MAX_QUOTED + 3);
        assert!(long.ends_with("é…`"));
    }
}
