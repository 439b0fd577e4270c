//! Text of services, made fit to be shown.

use sigtool_sdk::text::is_treacherous;

/// The most that others' words may take in an error, in characters.
const MAX_SAID: usize = 300;

/// A service's own words on one line, without anything that a terminal would obey, and not long. `None` if nothing is left.
pub(crate) fn clean(said: &str) -> Option<String> {
    let words = said
        .split(|c: char| c.is_whitespace() || is_treacherous(c))
        .filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let mut text: String = line.chars().take(MAX_SAID).collect();
    if text.len() < line.len() {
        text.push('…');
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_cannot_write_to_the_terminal_or_fill_it() {
        let said = "\u{1b}[31mdenied:\r\n  no \u{202e}access\0";
        assert_eq!(clean(said).unwrap(), "[31mdenied: no access");
        assert_eq!(clean(" \n\u{7f}"), None);
        let long = clean(&"ä".repeat(301)).unwrap();
        assert_eq!(long.chars().count(), 301);
        assert!(long.ends_with("ä…"));
        assert_eq!(clean(&"ä".repeat(300)).unwrap().chars().count(), 300);
    }
}
