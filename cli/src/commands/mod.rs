//! The commands. Each reads what was asked, calls the core, and reports what happened.

mod backend;
mod backend_check;
mod config;
mod history;
mod init;
mod inspect;
mod inspect_image;
mod key;
mod overview;
mod profile;
#[cfg(test)]
mod schema;
mod sign;
mod verify;

pub(crate) use key::known as known_keys;

use crate::app::App;
use crate::args::Command;
use crate::error::{CommandError, Failure};
use crate::interrupt::INTERRUPTED;
use crate::output::{Text, Ui, clean, plural};
use std::collections::BTreeMap;

/// The exit code of a command that got as far as reporting.
pub(crate) type Outcome = Result<u8, CommandError>;

/// Runs a built-in command. What it fails with is reported here.
pub(crate) fn run(app: &App, command: &Command) -> u8 {
    dispatch(app, command).unwrap_or_else(|error| fail(&app.ui, &error, command.lists()))
}

/// Reports that a command failed, for people and in machine formats for programs. Gives the exit code.
pub(crate) fn fail(ui: &Ui, error: &CommandError, in_array: bool) -> u8 {
    ui.error(error);
    ui.failure(&Failed::of(error), in_array);
    error.failure.exit_code()
}

/// A command that failed: in place of its result, or as the last of its results. Its exit code is the error's.
#[derive(serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Failed<'a> {
    /// That this is no result.
    status: FailedStatus,
    /// What it failed with.
    error: ErrorRow<'a>,
}

#[derive(serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
enum FailedStatus {
    Failed,
}

impl<'a> Failed<'a> {
    pub(crate) fn of(error: &'a CommandError) -> Self {
        Self {
            status: FailedStatus::Failed,
            error: ErrorRow::of(error),
        }
    }
}

fn dispatch(app: &App, command: &Command) -> Outcome {
    match command {
        Command::Backend(command) => backend::run(app, command),
        Command::Config(command) => config::run(app, command),
        Command::Init => init::run(app),
        Command::Inspect(args) => inspect::run(app, args),
        Command::History(args) => history::run(app, args),
        Command::Overview(args) => overview::run(app, args),
        Command::Key(command) => key::run(app, command),
        Command::Profile(command) => profile::run(app, command),
        Command::Sign(args) => sign::run(app, args),
        Command::Verify(args) => verify::run(app, args),
        Command::Completions(_) | Command::External(_) | Command::Help { .. } => {
            Err(CommandError::bug("a command was not resolved"))
        }
    }
}

/// An error in a report for machines.
#[derive(serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Error"))]
struct ErrorRow<'a> {
    /// What sort of failure, and so which exit code.
    kind: Failure,
    /// What could not be done.
    message: &'a str,
    /// Why, the nearest cause first.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    causes: &'a [String],
    /// What to try.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    hints: &'a [String],
    /// The code of the backend interface, where a backend failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<sigtool_sdk::ErrorCode>,
    /// The file of the user's that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The line in it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
}

impl<'a> ErrorRow<'a> {
    fn of(error: &'a CommandError) -> Self {
        Self {
            kind: error.failure,
            message: &error.message,
            causes: &error.causes,
            hints: &error.hints,
            code: error.code,
            file: error.snippet.as_ref().map(|place| lossy(&place.path)),
            line: error.snippet.as_ref().map(|place| place.line()),
        }
    }
}

/// A path for programs. JSON has no other text than Unicode.
fn lossy(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
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
fn summary(
    done: &str,
    tally: &crate::batch::Tally,
    how: impl Fn(Failure) -> Option<&'static str>,
) -> Text {
    let before = if tally.interrupted {
        "interrupted: "
    } else {
        ""
    };
    let mut lines = vec![format!("{before}{} {done}", plural(tally.done, "artifact"))];
    if !tally.failed.is_empty() {
        lines[0] += &format!(", {} failed:", tally.failed.len());
        for (artifact, failure) in &tally.failed {
            let how = match failure {
                Failure::Cancelled if tally.interrupted => Some(INTERRUPTED),
                other => how(*other),
            };
            let how = how.map_or_else(String::new, |how| format!(" ({how})"));
            lines.push(format!("  {artifact}{how}"));
        }
    }
    let at_least = if tally.more { "at least " } else { "" };
    if tally.not_tried > 0 || tally.more {
        let not_tried = plural(tally.not_tried, "artifact");
        lines.push(format!("{at_least}{not_tried} not tried"));
    }
    Text::lines(lines)
}
