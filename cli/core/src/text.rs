//! Texts of strangers, made fit to be shown.

use crate::limits::MAX_SHOWN;
use sigtool_sdk::text::{Instead, clean};

/// The text without anything that moves a terminal's cursor or turns its writing around, and not endless.
pub(crate) fn printable(text: &str) -> String {
    clean(text, Instead::Mark, MAX_SHOWN)
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
