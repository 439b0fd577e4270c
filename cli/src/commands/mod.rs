//! The commands. Each reads what was asked, calls the core, and reports what happened.

use crate::app::App;
use crate::args::Command;
use crate::error::{CommandError, Outcome};
use crate::report::fail;

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
