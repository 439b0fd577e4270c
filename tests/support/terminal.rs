//! A terminal with someone at it, for what is asked only there.

use crate::Sandbox;
use crate::peers::Said;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the program asks, and what is typed then.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    question: &'a str,
    typed: Option<&'a str>,
    hidden: bool,
}

/// A password is typed: the terminal is not to show it.
#[must_use]
pub fn password<'a>(question: &'a str, typed: &'a str) -> Answer<'a> {
    Answer {
        question,
        typed: Some(typed),
        hidden: true,
    }
}

/// A line is typed that everyone may see.
#[must_use]
pub fn line<'a>(question: &'a str, typed: &'a str) -> Answer<'a> {
    Answer {
        question,
        typed: Some(typed),
        hidden: false,
    }
}

/// Part of a password is typed, then Control-Z: `typed` ends with it.
#[must_use]
pub fn stop<'a>(question: &'a str, typed: &'a str) -> Answer<'a> {
    password(question, typed)
}

/// Nothing is typed, and the input is closed (Ctrl-D).
#[must_use]
pub fn nothing(question: &str) -> Answer<'_> {
    Answer {
        question,
        typed: None,
        hidden: true,
    }
}

/// Runs sigtool on a terminal, and gives what the terminal showed: both streams, and what was typed where it was not hidden.
///
/// # Panics
///
/// A question was never asked.
pub fn run(
    sandbox: &Sandbox,
    python: &Path,
    answers: &[Answer<'_>],
    environment: &[(&str, &str)],
    arguments: &[&str],
) -> Said {
    let program = sandbox.process();
    let words: Vec<_> = arguments.iter().map(OsStr::new).collect();
    let words = [&[program.get_program()], &words[..]].concat();
    on_terminal(sandbox, python, answers, environment, &words)
}

/// Runs a line in a shell on a terminal, in which `sigtool` is the program.
///
/// # Panics
///
/// A question was never asked.
pub fn run_in_shell(
    sandbox: &Sandbox,
    python: &Path,
    shell: &Path,
    answers: &[Answer<'_>],
    line: &str,
) -> Said {
    let line = format!(
        "sigtool() {{ \"{}\" \"$@\"; }}; {line}",
        sandbox.program().display()
    );
    let words = [shell.as_os_str(), OsStr::new("-c"), OsStr::new(&line)];
    on_terminal(sandbox, python, answers, &[], &words)
}

fn on_terminal(
    sandbox: &Sandbox,
    python: &Path,
    answers: &[Answer<'_>],
    environment: &[(&str, &str)],
    words: &[&OsStr],
) -> Said {
    let sigtool = sandbox.process();
    let answers: Vec<_> = answers
        .iter()
        .map(|a| (a.question, a.typed, a.hidden))
        .collect();
    let variables = sigtool.get_envs().filter_map(|(k, v)| Some((k, v?)));
    let variables = variables.filter(|(name, _)| *name != crate::sandbox::NO_TERMINAL);
    let said: Said = Command::new(python)
        .arg(crate::tests_folder().join("support/terminal.py"))
        .arg(serde_json::to_string(&answers).expect("texts"))
        .args(words)
        .env_clear()
        .envs(variables)
        .envs(environment.iter().copied())
        .current_dir(sandbox.work())
        .stdin(Stdio::null())
        .output()
        .expect("a program that is there")
        .into();
    assert!(!said.text.contains("never asked"), "{said}");
    said
}
