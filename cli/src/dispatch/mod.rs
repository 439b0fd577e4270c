//! From the words on the command line to a command: built-in, alias, or external.

pub(crate) mod completion;
mod cosign;
mod dashes;
mod environment;
mod external;
pub(crate) mod help;
pub(crate) mod list;
pub(crate) mod misspelt;

use crate::alias::{expand_alias, shadowed, with_globals};
use crate::app::App;
use crate::args::{Cli, Command};
use crate::error::{CommandError, Failure};
use crate::output::{Color, Format, Ui, clean};
use crate::report::{Failed, fail};
use crate::{commands, pasted};
use clap::{CommandFactory as _, Parser as _};
use environment::environment;
use external::run_external;
use misspelt::{asked, misspelt};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;

/// What was typed: the words that the system keeps, or those that an alias stands for. They may be a hundred thousand, so that they are
/// copied where they are needed only.
#[derive(Clone, Copy)]
struct Typed<'a>(Option<&'a [OsString]>);

impl<'a> Typed<'a> {
    fn words(self) -> Cow<'a, [OsString]> {
        match self.0 {
            Some(words) => Cow::Borrowed(words),
            None => Cow::Owned(std::env::args_os().collect()),
        }
    }
}

/// Runs the command line, and gives the exit code.
pub(crate) fn run() -> u8 {
    let typed = Typed(None);
    let cli = match Cli::try_parse_from(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return misspelt(&typed.words(), &error),
    };
    let environment = environment();
    // For what goes wrong before the configuration is there to say how it is written.
    let words_of_no_command = match cli.command {
        Some(Command::External(_)) => asked(&typed.words()),
        _ => None,
    };
    let format = cli.global.format.or(words_of_no_command);
    let plain = Ui::new(
        format.unwrap_or_else(|| misspelt::format(&environment)),
        cli.global.color.unwrap_or_default(),
        cli.global.quiet,
        cli.global.verbose,
    );
    let in_array = cli.list || cli.command.as_ref().is_some_and(Command::lists);
    dispatch(&plain, typed, cli, environment).unwrap_or_else(|error| fail(&plain, &error, in_array))
}

fn dispatch(
    plain: &Ui,
    typed: Typed<'_>,
    cli: Cli,
    environment: BTreeMap<String, String>,
) -> Result<u8, CommandError> {
    let Some(command) = cli.command else {
        if cli.list {
            let path = environment.get("PATH").cloned();
            let app = App::start(cli.global, environment)?;
            return list::list(&app, path.as_deref().map(OsStr::new));
        }
        return Ok(no_command(
            cli.global
                .format
                .unwrap_or_else(|| misspelt::format(&environment)),
        ));
    };
    match command {
        // Neither needs a configuration that is right.
        Command::Completions(args) => Ok(completion::print(plain, args.shell)),
        Command::Help { command } => {
            pasted::refuse(&typed.words())?;
            help::help(plain, &command, cli.global, environment)
        }
        Command::External(words) => {
            let app = App::start(cli.global, environment.clone())?;
            not_built_in(plain, &typed.words(), &words, &app, environment)
        }
        command => {
            pasted::refuse(&typed.words())?;
            if dashes::takes_artifacts(&command) {
                // Those of an alias are the user's own.
                dashes::check(std::env::args_os().skip(1))?;
            }
            let start = match command {
                Command::Config(_) => App::start_to_mend,
                _ => App::start,
            };
            let app = start(cli.global, environment)?;
            if let Some(alias) = app.config.aliases().get(command.name()) {
                app.ui.warn(&shadowed(command.name(), alias));
            }
            Ok(commands::run(&app, &command))
        }
    }
}

/// The help, and an error behind it.
fn no_command(format: Format) -> u8 {
    let help = Cli::command().render_help();
    let _ = write!(anstream::stderr(), "{}", help.ansi());
    let ui = Ui::new(format, Color::Auto, false, 0);
    let error = CommandError::input("which command?").hint("see all commands: sigtool --list");
    ui.failure(&Failed::of(&error), false);
    error.failure.exit_code()
}

/// Runs an alias or an external command.
fn not_built_in(
    plain: &Ui,
    arguments: &[OsString],
    words: &[OsString],
    app: &App,
    environment: BTreeMap<String, String>,
) -> Result<u8, CommandError> {
    let path = environment.get("PATH").cloned();
    let path = path.as_deref().map(OsStr::new);
    let name = words[0].to_string_lossy().into_owned();
    let expanded = match expand_alias(app, &name, &words[1..])? {
        Some(expanded) if !is_taken(app, &name, path) => expanded,
        _ => return run_external(app, path, words),
    };
    let by_project = expanded.by_project;
    let arguments = with_globals(arguments, words, expanded.words);
    let shown = show(&arguments[1..]);
    match by_project {
        // A clone gave the word its meaning, and its user may think of another.
        Some(origin) => app.ui.warn(&format!(
            "`{}` runs `sigtool {shown}`, because the project's file says so ({origin})",
            clean(&name)
        )),
        None => app.ui.trace(&format!("alias `{name}`: {shown}")),
    }
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return Ok(misspelt(&arguments, &error)),
    };
    match cli.command {
        Some(Command::External(words)) => run_external(app, path, &words),
        _ => dispatch(plain, Typed(Some(&arguments)), cli, environment),
    }
}

/// Whether the user has a command of that name already, which a project's alias must not stand in front of.
fn is_taken(app: &App, name: &str, path: Option<&OsStr>) -> bool {
    let alias = app.config.aliases().get(name);
    alias.is_some_and(|alias| alias.origin.is_of_project()) && external::find(name, path).is_some()
}

fn show(words: &[OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    clean(&words.join(" "))
}

/// A panic is a bug of ours, and says so, with exit code 70.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.payload_as_str().unwrap_or("without a message");
        let place = info
            .location()
            .map(|l| format!(" at {}:{}", l.file(), l.line()))
            .unwrap_or_default();
        let _ = writeln!(
            std::io::stderr(),
            "bug: sigtool panicked: {}{place}\n  hint: please report it with the command that you ran",
            clean(text)
        );
        std::process::exit(i32::from(Failure::Bug.exit_code()));
    }));
}
