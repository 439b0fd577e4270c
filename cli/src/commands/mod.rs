//! The commands. Each reads what was asked, calls the core, and reports what happened.

mod backend;
mod backend_check;
mod config;
mod init;
mod inspect;
mod inspect_image;
mod key;
mod profile;
mod sign;
mod verify;

use crate::app::App;
use crate::args::Command;
use crate::error::{CommandError, Failure};
use crate::interrupt::INTERRUPTED;
use crate::output::{Ui, clean, plural};
use std::collections::BTreeMap;

/// The exit code of a command that got as far as reporting.
pub(crate) type Outcome = Result<u8, CommandError>;

/// Runs a built-in command. What it fails with is reported here.
pub(crate) fn run(app: &App, command: &Command) -> u8 {
    dispatch(app, command).unwrap_or_else(|error| fail(&app.ui, &error, command.lists()))
}

/// Reports that a command failed, for people and in machine formats for programs. Gives the exit code.
pub(crate) fn fail(ui: &Ui, error: &CommandError, in_array: bool) -> u8 {
    #[derive(serde::Serialize)]
    struct Failed<'a> {
        status: &'static str,
        error: ErrorRow<'a>,
    }
    let failed = Failed {
        status: "failed",
        error: ErrorRow::of(error),
    };
    ui.error(error);
    ui.failure(&failed, in_array);
    error.failure.exit_code()
}

fn dispatch(app: &App, command: &Command) -> Outcome {
    match command {
        Command::Backend(command) => backend::run(app, command),
        Command::Config(command) => config::run(app, command),
        Command::Init => init::run(app),
        Command::Inspect(args) => inspect::run(app, args),
        Command::Key(command) => key::run(app, command),
        Command::Profile(command) => profile::run(app, command),
        Command::Sign(args) => sign::run(app, args),
        Command::Verify(args) => verify::run(app, args),
        Command::External(_) => Err(CommandError::bug("an external command was not resolved")),
    }
}

/// An error in a report for machines.
#[derive(serde::Serialize)]
struct ErrorRow<'a> {
    kind: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    causes: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    hints: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// The file of the user's that is wrong, and the line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a std::path::Path>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

impl<'a> ErrorRow<'a> {
    fn of(error: &'a CommandError) -> Self {
        Self {
            kind: error.failure.as_str(),
            message: &error.message,
            causes: &error.causes,
            hints: &error.hints,
            code: error.code.map(sigtool_sdk::ErrorCode::as_str),
            file: error.snippet.as_ref().map(|place| place.path.as_path()),
            line: error.snippet.as_ref().map(|place| place.line()),
        }
    }
}

/// The annotations of the command line: each key once, or one of two values would be lost.
fn annotations(given: &[(String, String)]) -> Result<BTreeMap<String, String>, CommandError> {
    let mut annotations = BTreeMap::new();
    for (key, value) in given {
        if let Some(other) = annotations.insert(key.clone(), value.clone())
            && other != *value
        {
            let (key, value, other) = (clean(key), clean(value), clean(&other));
            return Err(CommandError::input(format!(
                "the annotation `{key}` is given twice: `{other}` and `{value}`"
            ))
            .hint("give it once"));
        }
    }
    Ok(annotations)
}

/// What became of several artifacts, and the name of each that failed, with how it failed where that says something.
fn summary_text(
    done: &str,
    tally: &crate::batch::Tally,
    how: impl Fn(Failure) -> Option<&'static str>,
) -> String {
    let before = if tally.interrupted {
        "interrupted: "
    } else {
        ""
    };
    let mut text = format!("{before}{} {done}", plural(tally.done, "artifact"));
    if !tally.failed.is_empty() {
        text += &format!(", {} failed:", tally.failed.len());
        for (artifact, failure) in &tally.failed {
            text += &format!("\n  {}", clean(artifact));
            let how = match failure {
                Failure::Cancelled if tally.interrupted => Some(INTERRUPTED),
                other => how(*other),
            };
            if let Some(how) = how {
                text += &format!(" ({how})");
            }
        }
    }
    if tally.not_tried > 0 {
        text += &format!("\n{} not tried", plural(tally.not_tried, "artifact"));
    }
    text
}
