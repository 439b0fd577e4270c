//! Words and layout for people.

use crate::error::{CommandError, Failure};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use sigtool_sdk::text::{Instead, is_treacherous};
use std::fmt::Write as _;

/// An error as it stands on the terminal: what failed, why, where, and what to type next.
pub(super) fn error(error: &CommandError) -> String {
    let red = anstyle::AnsiColor::Red.on_default().bold();
    let cyan = anstyle::AnsiColor::Cyan.on_default().bold();
    let word = match error.failure {
        Failure::Bug => "bug",
        _ => "error",
    };
    let mut text = format!("{red}{word}{red:#}: {}\n", clean(&error.message));
    for cause in &error.causes {
        // The last words of a program may have several lines, none of which begins where ours do.
        let lines: Vec<_> = cause.split('\n').map(clean).collect();
        let _ = writeln!(text, "  caused by: {}", lines.join("\n    "));
    }
    if let Some(place) = &error.snippet {
        text.push_str(&snippet(place));
    }
    for hint in &error.hints {
        let _ = writeln!(text, "  {cyan}hint{cyan:#}: {}", clean(hint));
    }
    text
}

/// The source line under its file's name, with the bytes meant underlined.
fn snippet(place: &crate::error::Snippet) -> String {
    let path = clean(&place.path.display().to_string());
    let end = place.text.len();
    let span = place.span.start.min(end)..place.span.end.min(end);
    let annotation = AnnotationKind::Primary.span(span);
    let annotation = if place.label.is_empty() {
        annotation
    } else {
        annotation.label(clean(&place.label))
    };
    // Without a title: that has been written already, in our own words.
    let group = Group::with_level(Level::ERROR).element(
        Snippet::source(&place.text)
            .path(&path)
            .annotation(annotation),
    );
    format!("{}\n", Renderer::styled().render(&[group]))
}

/// What people read. Every line of it is one of ours: what somebody else has named neither ends a line nor begins one.
pub(crate) struct Text(String);

impl Text {
    /// Several lines.
    pub(crate) fn lines<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> Self {
        let lines = lines.into_iter().map(|line| clean(line.as_ref()));
        Self(lines.collect::<Vec<_>>().join("\n"))
    }

    /// A text in which nothing comes from outside, as it is.
    pub(crate) fn of_ours(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// One line.
impl<T: AsRef<str> + ?Sized> From<&T> for Text {
    fn from(line: &T) -> Self {
        Self(clean(line.as_ref()))
    }
}

/// Text from somewhere else, in one line and without what steers a terminal: what somebody has named must not look like a line of
/// ours, or like another name.
pub(crate) fn clean(text: &str) -> String {
    sigtool_sdk::text::clean(text, Instead::Mark, usize::MAX)
}

/// JSON that steers no terminal: what would, stands there by its number (RFC 8259, section 7), and means the same. For a terminal only:
/// a line of the ledger is hashed byte by byte.
pub(super) fn json_for_a_terminal(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        match is_treacherous(c) && c != '\n' {
            true => {
                let mut units = [0; 2];
                let units = c.encode_utf16(&mut units).iter();
                shown.extend(units.map(|unit| format!("\\u{unit:04x}")));
            }
            false => shown.push(c),
        }
    }
    shown
}

/// `1 artifact`, `2 artifacts`.
pub(crate) fn plural(count: usize, word: &str) -> String {
    if count == 1 {
        format!("1 {word}")
    } else {
        format!("{count} {word}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_steers_no_terminal_and_means_the_same() {
        let name = "a\u{9b}31m\u{202e}\u{e0001}\u{7f}é";
        let json = serde_json::to_string_pretty(&[name]).unwrap();
        let shown = json_for_a_terminal(&json);
        assert_eq!(
            shown,
            "[\n  \"a\\u009b31m\\u202e\\udb40\\udc01\\u007fé\"\n]"
        );
        let meant: Vec<String> = serde_json::from_str(&shown).unwrap();
        assert_eq!(meant, [name]);
    }

    #[test]
    fn a_name_ends_no_line_and_begins_none() {
        let forged = "a\nvalid b\u{1b}[2K\u{202e}c";
        let shown = "a\u{fffd}valid b\u{fffd}[2K\u{fffd}c";
        assert_eq!(Text::from(forged).as_str(), shown);
        assert_eq!(
            Text::lines(["1", forged]).as_str(),
            format!("1\n{shown}").as_str()
        );
    }

    #[test]
    fn no_line_of_an_error_begins_where_ours_do_but_ours() {
        let forged = "a\nerror: b";
        let text = error(&CommandError::input(forged).because(forged).hint(forged));
        let text = anstream::adapter::strip_str(&text).to_string();
        let expected =
            "error: a\u{fffd}error: b\n  caused by: a\n    error: b\n  hint: a\u{fffd}error: b\n";
        assert_eq!(text, expected);
    }
}
