//! Text from files and archives that nobody vouches for, made fit to be shown.

use std::fmt;
use std::path::Path;

/// The longest name or version that is believed, in characters. Kubernetes allows 253, Maven sets no bound.
const MAX_CHARACTERS: usize = 256;

/// Makes a name or a version of a text found in an artifact: one line, without anything that a terminal would obey.
///
/// `None` if nothing is left.
pub(crate) fn clean(text: &str) -> Option<String> {
    let shown: String = text
        .chars()
        .filter(|c| !is_treacherous(*c))
        .take(MAX_CHARACTERS)
        .collect();
    let trimmed = shown.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

/// A path as it stands in messages: between backticks, with what a terminal would obey escaped.
pub(crate) fn shown(path: impl AsRef<Path>) -> impl fmt::Display {
    let path = path.as_ref().to_string_lossy();
    let mut text = String::with_capacity(path.len() + 2);
    text.push('`');
    for c in path.chars() {
        if is_treacherous(c) {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text.push('`');
    text
}

/// Control characters (terminal escapes, line ends), and the invisible ones that reorder or hide the text around them.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n\u{9b}c").as_deref(), Some("a[2Jbc"));
        assert_eq!(clean("x\u{202e}gpj").as_deref(), Some("xgpj"));
        assert_eq!(clean(" \u{1b}\u{200b}\n"), None);
        assert_eq!(clean(&"é".repeat(5000)).unwrap().chars().count(), 256);
    }

    #[test]
    fn a_path_in_a_message_shows_its_escapes() {
        assert_eq!(shown("/tmp/a\u{1b}[2J").to_string(), r"`/tmp/a\u{1b}[2J`");
        assert_eq!(shown("/tmp/née").to_string(), "`/tmp/née`");
    }
}
