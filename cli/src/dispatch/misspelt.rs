//! What is said of words that are not a command line.

use super::{cosign, dashes};
use crate::args::Cli;
use crate::dispatch::environment::environment;
use crate::error::CommandError;
use crate::output::{Color, Format, Ui, clean, lost};
use crate::pasted;
use crate::report::{Failed, fail};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser as _, ValueEnum as _};
use std::collections::BTreeMap;
use std::ffi::OsString;

/// Prints what clap found wrong; for a flag of cosign's, how we spell it. Programs get it as what any command fails with.
pub(crate) fn misspelt(arguments: &[OsString], error: &clap::Error) -> u8 {
    let format = asked(arguments).unwrap_or_else(|| format(&environment()));
    let ui = Ui::new(format, Color::Auto, false, 0);
    if let Err(error) = pasted::refuse(arguments) {
        return fail(&ui, &error, false);
    }
    if dashes::may_take_artifacts(arguments)
        && let Err(error) = dashes::check(std::env::args_os().skip(1))
    {
        return fail(&ui, &error, false);
    }
    if error.kind() == ErrorKind::InvalidUtf8
        && let Some(word) = arguments.iter().find(|word| word.to_str().is_none())
    {
        let error = CommandError::not_utf8(word.as_ref());
        return fail(&ui, &error, false);
    }
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg)
        && let Some(ours) = cosign::flag(typed.split(['=', ' ']).next().unwrap_or(typed))
    {
        let error =
            CommandError::input(format!("`{}` is a flag of cosign's", clean(typed))).hint(ours);
        return fail(&ui, &error, false);
    }
    let again;
    let error = match clap_in_one_line(arguments) {
        Some(cleaned) => {
            again = cleaned;
            &again
        }
        None => error,
    };
    let printed = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            if let Err(error) = printed {
                lost::lose(&error);
            }
            0
        }
        _ => {
            let error = said_by_clap(error);
            ui.failure(&Failed::of(&error), false);
            error.failure.exit_code()
        }
    }
}

/// What clap finds wrong with words that hold line ends, or anything else that steers a terminal: it shows words as they are, so
/// it gets them without. `None` if there are no such words.
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

/// The format that the words ask for, if they are not a command line.
pub(crate) fn asked(arguments: &[OsString]) -> Option<Format> {
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
pub(crate) fn format(environment: &BTreeMap<String, String>) -> Format {
    let format = environment.get("SIGTOOL_FORMAT");
    format
        .and_then(|format| Format::from_str(format, false).ok())
        .unwrap_or_default()
}
