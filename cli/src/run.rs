//! From the words on the command line to a command: built-in, alias, or external.

use crate::app::App;
use crate::args::{Cli, Command};
use crate::command_line;
use crate::commands;
use crate::completion;
use crate::config::layer::Layer;
use crate::config::origin::Origin;
use crate::config::value::Located;
use crate::cosign;
use crate::error::{CommandError, Failure};
use crate::external;
use crate::manual;
use crate::output::{Color, Format, Ui, clean};
use crate::pasted;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser as _, ValueEnum as _};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::Path;

/// How deep aliases may stand for each other: many times what anyone writes.
const MAX_ALIASES: usize = 32;

/// Runs the command line, and gives the exit code.
pub(crate) fn run(mut arguments: Vec<OsString>) -> u8 {
    let mut parsed = Cli::try_parse_from(&arguments);
    // Only these two take more words than fit, and know that some are left out.
    let takes_many = |cli: &Cli| matches!(cli.command, Some(Command::Sign(_) | Command::Verify(_)));
    if command_line::is_shortened(&arguments) && !parsed.as_ref().is_ok_and(takes_many) {
        arguments = command_line::whole();
        parsed = Cli::try_parse_from(&arguments);
    }
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return misspelt(&arguments, &error),
    };
    let environment = environment();
    // For what goes wrong before the configuration is there to say how it is written.
    let words_of_no_command = match cli.command {
        Some(Command::External(_)) => asked(&arguments),
        _ => None,
    };
    let format = cli.global.format.or(words_of_no_command);
    let plain = Ui::new(
        format.unwrap_or_else(|| self::format(&environment)),
        cli.global.color.unwrap_or_default(),
        cli.global.quiet,
        cli.global.verbose,
    );
    let in_array = cli.list || cli.command.as_ref().is_some_and(Command::lists);
    dispatch(&plain, &arguments, cli, environment)
        .unwrap_or_else(|error| commands::fail(&plain, &error, in_array))
}

fn dispatch(
    plain: &Ui,
    arguments: &[OsString],
    cli: Cli,
    environment: BTreeMap<String, String>,
) -> Result<u8, CommandError> {
    let path = environment.get("PATH").cloned();
    let path = path.as_deref().map(OsStr::new);
    let Some(command) = cli.command else {
        if cli.list {
            return list(&App::start(cli.global, environment)?, path);
        }
        let help = Cli::command().render_help();
        let _ = write!(anstream::stderr(), "{}", help.ansi());
        let format = cli.global.format.unwrap_or_else(|| format(&environment));
        let ui = Ui::new(format, Color::Auto, false, 0);
        let error = CommandError::input("which command?").hint("see all commands: sigtool --list");
        ui.failure(&commands::Failed::of(&error), false);
        return Ok(error.failure.exit_code());
    };
    // Neither needs a configuration that is right.
    match command {
        Command::Completions(args) => return Ok(completion::print(plain, args.shell)),
        Command::Help { command } => {
            pasted::refuse(arguments)?;
            return manual::help(plain, &command, cli.global, environment);
        }
        _ => {}
    }
    let Command::External(words) = command else {
        pasted::refuse(arguments)?;
        let start = match command {
            Command::Config(_) => App::start_to_mend,
            _ => App::start,
        };
        let app = start(cli.global, environment)?;
        if let Some(alias) = app.config.aliases().get(command.name()) {
            app.ui.warn(&shadowed(command.name(), alias));
        }
        return Ok(commands::run(&app, &command));
    };
    let app = App::start(cli.global.clone(), environment.clone())?;
    let name = words[0].to_string_lossy().into_owned();
    if let Some(expanded) = expand_alias(&app, &name, &words[1..])? {
        let arguments = with_globals(arguments, &words, expanded);
        app.ui
            .trace(&format!("alias `{name}`: {}", show(&arguments[1..])));
        let cli = match Cli::try_parse_from(&arguments) {
            Ok(cli) => cli,
            Err(error) => return Ok(misspelt(&arguments, &error)),
        };
        return match cli.command {
            Some(Command::External(words)) => run_external(&app, path, &words),
            _ => dispatch(plain, &arguments, cli, environment),
        };
    }
    run_external(&app, path, &words)
}

/// What an alias stands for, its own aliases included. `None` if there is no such alias.
pub(crate) fn expand_alias(
    app: &App,
    name: &str,
    rest: &[OsString],
) -> Result<Option<Vec<OsString>>, CommandError> {
    let aliases = app.config.aliases();
    let Some(alias) = aliases.get(name) else {
        return Ok(None);
    };
    let mut seen = vec![name.to_owned()];
    let mut words: Vec<String> = alias.value.clone();
    while let Some(next) = words.first().and_then(|word| aliases.get(word)) {
        let word = words.remove(0);
        if is_built_in(&word) {
            words.insert(0, word);
            break;
        }
        let around = seen.contains(&word);
        seen.push(word);
        if around || seen.len() > MAX_ALIASES {
            return Err(alias
                .origin
                .error(
                    format!(
                        "the alias `{name}` goes round in circles: {}",
                        seen.join(" → ")
                    ),
                    "",
                )
                .hint("change one of these aliases, so that it stands for a command"));
        }
        words.splice(0..0, next.value.iter().cloned());
    }
    let words = words.into_iter().map(OsString::from);
    Ok(Some(words.chain(rest.iter().cloned()).collect()))
}

/// What is wrong with an alias of a built-in command's name.
pub(crate) fn shadowed(name: &str, alias: &Located<Vec<String>>) -> String {
    format!(
        "the alias `{name}` is never used, since sigtool has a command of that name: {}",
        alias.origin
    )
}

/// Whether sigtool itself has a command of this name.
pub(crate) fn is_built_in(name: &str) -> bool {
    Cli::command().get_subcommands().any(|command| {
        command.get_name() == name || command.get_all_aliases().any(|alias| alias == name)
    })
}

/// The flags before the alias stay, and what it stands for takes its place.
pub(crate) fn with_globals(
    arguments: &[OsString],
    words: &[OsString],
    expanded: Vec<OsString>,
) -> Vec<OsString> {
    let before = arguments.len() - words.len();
    arguments[..before]
        .iter()
        .cloned()
        .chain(expanded)
        .collect()
}

pub(crate) fn run_external(
    app: &App,
    path: Option<&OsStr>,
    words: &[OsString],
) -> Result<u8, CommandError> {
    let name = words[0].to_string_lossy().into_owned();
    let allowed = app.config.external_commands();
    let found = external::find(&name, path);
    match found {
        Some(file) if allowed.value => Err(external::run(&file, &words[1..], &app.global)),
        Some(file) => Err(switched_off(&file, &allowed)),
        None => Err(no_such_command(app, &name, path, [])),
    }
}

/// The error for an external command where the configuration or the policy wants none.
fn switched_off(file: &Path, allowed: &Located<bool>) -> CommandError {
    let error = CommandError::could_not_tell(format!(
        "the external command `{}` is not run",
        file.display()
    ))
    .because(format!("external commands are off: {}", allowed.origin));
    match &allowed.origin {
        Origin::File { file, .. } if file.layer == Layer::Policy => {
            error.hint("ask the administrator of this machine, who keeps that file")
        }
        Origin::File { .. } => {
            error.hint("if you mean it: sigtool config set commands.external true")
        }
        _ => error,
    }
}

/// The error for a word that is not a command; what else it may have been meant for is suggested too.
pub(crate) fn no_such_command(
    app: &App,
    name: &str,
    path: Option<&OsStr>,
    others: impl IntoIterator<Item = &'static str>,
) -> CommandError {
    let shown = clean(name);
    let error = CommandError::input(format!("no such command: `{shown}`"));
    if let Some(ours) = cosign::command(name) {
        return error.hint(format!("cosign's `{shown}` is here: {ours}"));
    }
    let command = Cli::command();
    let mut names: Vec<String> = command
        .get_subcommands()
        .map(|c| c.get_name().to_owned())
        // Too near to too many words, and no harm done if it is missed.
        .filter(|name| name != "help")
        .collect();
    names.extend(app.config.aliases().keys().cloned());
    if app.config.external_commands().value {
        names.extend(external::all(path).into_keys());
    }
    names.extend(others.into_iter().map(str::to_owned));
    let error = match crate::suggest::closest(name, names.iter().map(String::as_str)) {
        Some(close) => error.hint(format!("did you mean `{close}`?")),
        None => error,
    };
    error.hint("see all commands: sigtool --list")
}

/// A command.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Row {
    /// One of sigtool's own.
    BuiltIn {
        /// Its name.
        name: String,
        /// What it does, in a line.
        summary: String,
    },
    /// An alias of the user's.
    Alias {
        /// Its name.
        name: String,
        /// The words in whose place it stands.
        stands_for: Vec<String>,
        /// Where it is set, as people are told.
        origin: String,
    },
    /// A program `sigtool-<name>` on `PATH`.
    External {
        /// Its name.
        name: String,
        /// The program.
        path: String,
    },
}

/// `sigtool --list`: every command, with what it is.
fn list(app: &App, path: Option<&OsStr>) -> Result<u8, CommandError> {
    let mut rows = Vec::new();
    for command in Cli::command().get_subcommands() {
        let summary = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        rows.push(Row::BuiltIn {
            name: command.get_name().to_owned(),
            summary,
        });
    }
    for (name, alias) in app.config.aliases() {
        if is_built_in(name) {
            continue;
        }
        rows.push(Row::Alias {
            name: name.clone(),
            stands_for: alias.value.clone(),
            origin: alias.origin.to_string(),
        });
    }
    if app.config.external_commands().value {
        for (name, path) in external::all(path) {
            // What is shadowed by a built-in command or an alias would never run.
            if !is_built_in(&name) && !app.config.aliases().contains_key(&name) {
                let path = path.to_string_lossy().into_owned();
                rows.push(Row::External { name, path });
            }
        }
    }
    for row in &rows {
        let text = match row {
            Row::BuiltIn { name, summary } => format!("{name:12} {summary}"),
            Row::Alias {
                name,
                stands_for,
                origin,
            } => {
                format!("{:12} alias: {} ({origin})", name, stands_for.join(" "))
            }
            Row::External { name, path } => {
                format!("{:12} {}", name, path)
            }
        };
        app.ui.item(&text, row);
    }
    app.ui.end_items();
    Ok(0)
}

/// Prints what clap found wrong; for a flag of cosign's, how we spell it. Programs get it as what any command fails with.
pub(crate) fn misspelt(arguments: &[OsString], error: &clap::Error) -> u8 {
    let format = asked(arguments).unwrap_or_else(|| format(&environment()));
    let ui = Ui::new(format, Color::Auto, false, 0);
    if let Err(error) = pasted::refuse(arguments) {
        return commands::fail(&ui, &error, false);
    }
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg)
        && let Some(ours) = cosign::flag(typed.split(['=', ' ']).next().unwrap_or(typed))
    {
        let error =
            CommandError::input(format!("`{}` is a flag of cosign's", clean(typed))).hint(ours);
        return commands::fail(&ui, &error, false);
    }
    let again;
    let error = match clap_in_one_line(arguments) {
        Some(cleaned) => {
            again = cleaned;
            &again
        }
        None => error,
    };
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => 0,
        _ => {
            let error = said_by_clap(error);
            ui.failure(&commands::Failed::of(&error), false);
            error.failure.exit_code()
        }
    }
}

/// What clap finds wrong with words that hold line ends or what else steers a terminal: it shows them as they are, so that it gets
/// them without. `None` if there are none such.
fn clap_in_one_line(arguments: &[OsString]) -> Option<clap::Error> {
    let shown: Vec<String> = arguments
        .iter()
        .map(|w| clean(&w.to_string_lossy()))
        .collect();
    let is_same = shown
        .iter()
        .zip(arguments)
        .all(|(shown, word)| word == shown.as_str());
    if is_same {
        return None;
    }
    Cli::try_parse_from(shown).err()
}

/// What clap found wrong, without the usage below it.
fn said_by_clap(error: &clap::Error) -> CommandError {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return CommandError::input("which command?").hint("see all of them with `--help`");
    }
    let text = error.to_string();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = text.split("\n\n");
    let message = parts.next().unwrap_or_default();
    let message = words(message.strip_prefix("error:").unwrap_or(message));
    parts
        .flat_map(str::lines)
        .filter_map(|line| line.trim().strip_prefix("tip:"))
        .fold(CommandError::input(message), |error, tip| {
            error.hint(words(tip))
        })
}

/// The format that the words ask for, if they are no command line.
fn asked(arguments: &[OsString]) -> Option<Format> {
    let words: Vec<&str> = arguments
        .iter()
        .skip(1)
        .filter_map(|w| w.to_str())
        .collect();
    let words = words.split(|word| *word == "--").next()?;
    let of_two = words.windows(2).filter(|two| two[0] == "--format");
    let format = of_two.map(|two| two[1]).next_back();
    let of_one = || words.iter().rev().find_map(|w| w.strip_prefix("--format="));
    Format::from_str(format.or_else(of_one)?, false).ok()
}

/// The format that the environment asks for.
fn format(environment: &BTreeMap<String, String>) -> Format {
    let format = environment.get("SIGTOOL_FORMAT");
    format
        .and_then(|format| Format::from_str(format, false).ok())
        .unwrap_or_default()
}

/// The variables that are text; others cannot be meant for us.
pub(crate) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
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
