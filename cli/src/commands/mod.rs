//! The commands. Each reads what was asked, calls the core, and reports what happened.

use crate::app::App;
use crate::args::Command;
use crate::error::CommandError;
use crate::output::clean;
use crate::report::fail;
use std::collections::BTreeMap;

mod backend;
mod config;
pub(crate) mod history;
mod init;
mod inspect;
pub(crate) mod key;
pub(crate) mod overview;
mod profile;
mod sign;
mod verify;

/// The exit code of a command that got as far as reporting.
pub(crate) type Outcome = Result<u8, CommandError>;

/// Runs a built-in command. What it fails with is reported here.
pub(crate) fn run(app: &App, command: &Command) -> u8 {
    dispatch(app, command).unwrap_or_else(|error| fail(&app.ui, &error, command.lists()))
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
