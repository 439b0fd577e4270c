//! Texts of strangers, made fit to be shown.

use crate::limits::MAX_SHOWN;
use sigtool_sdk::text::is_treacherous;

/// The text without anything that moves a terminal's cursor or turns its writing around, and not endless.
pub(crate) fn printable(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(MAX_SHOWN)
        .map(|c| if is_treacherous(c) { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// A PEM label, if it is written as labels are (RFC 7468 section 3): in a broken file a part of a key may stand there.
pub(crate) fn printable_label(label: &str) -> String {
    let as_labels_are = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || " #-".contains(c);
    if label.chars().all(as_labels_are) {
        printable(label)
    } else {
        "…".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_cannot_move_the_cursor() {
        assert_eq!(
            printable("a\u{1b}[2Jb\nc\u{202e}d"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d"
        );
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(
            printable(&"é".repeat(10_000)).chars().count(),
            MAX_SHOWN + 1
        );
    }
}
