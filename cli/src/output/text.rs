//! Words and layout for people.

use crate::error::{CommandError, Failure};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
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
        let _ = writeln!(text, "  caused by: {}", clean(cause));
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
    let path = place.path.display().to_string();
    let end = place.text.len();
    let span = place.span.start.min(end)..place.span.end.min(end);
    let annotation = AnnotationKind::Primary.span(span);
    let annotation = if place.label.is_empty() {
        annotation
    } else {
        annotation.label(&place.label)
    };
    // Without a title: that has been written already, in our own words.
    let group = Group::with_level(Level::ERROR).element(
        Snippet::source(&place.text)
            .path(&path)
            .annotation(annotation),
    );
    format!("{}\n", Renderer::styled().render(&[group]))
}

/// Text from somewhere else, without control characters: a file name must not steer the terminal.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// The same in one line: what somebody has named must not look like a line of ours.
pub(crate) fn one_line(text: &str) -> String {
    clean(text).replace('\n', "\u{fffd}")
}

/// `1 artifact`, `2 artifacts`.
pub(crate) fn plural(count: usize, word: &str) -> String {
    if count == 1 {
        format!("1 {word}")
    } else {
        format!("{count} {word}s")
    }
}
