//! Text from files and archives that nobody vouches for, made fit to be shown.

use sigtool_sdk::text::{self, Instead};

/// The longest name or version that is believed, in characters. Kubernetes allows 253, Maven sets no bound.
const MAX_CHARACTERS: usize = 256;

/// Makes a name or a version of a text found in an artifact: one line, without anything that a terminal would obey.
///
/// `None` if nothing is left.
pub(crate) fn clean(text: &str) -> Option<String> {
    let shown = text::clean(text, Instead::Nothing, MAX_CHARACTERS);
    let trimmed = shown.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n\u{9b}c").as_deref(), Some("a[2Jbc"));
        assert_eq!(clean("x\u{202e}gpj").as_deref(), Some("xgpj"));
        assert_eq!(clean(" \u{1b}\u{200b}\n"), None);
        let long = clean(&"é".repeat(5000)).unwrap();
        assert_eq!(long, "é".repeat(256) + "…");
    }
}
