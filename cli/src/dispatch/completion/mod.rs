//! Completion: the shell runs `COMPLETE=<shell> sigtool -- WORD…`, and sigtool says how the last word may go on.
//!
//! The answers come from the configuration, the names of files and the manifests of backends. No backend runs, nothing is
//! written, and what is wrong is left out without a word: a person is in the middle of typing.

mod line;
mod shell;
mod values;

use crate::args::{Cli, Shell, Takes};
use crate::output::{Text, Ui};
use clap::{Arg, CommandFactory as _};
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, SubcommandCandidates};
use clap_complete::env::{CompleteEnv, EnvCompleter as _, Shells};
use serde::Serialize;
use std::ffi::OsString;

/// The name of the program, in the registrations and on the command line.
const PROGRAM: &str = "sigtool";

/// The variable that asks for completion, by the custom of all programs with this engine.
const VARIABLE: &str = "COMPLETE";

/// Answers the shell, if it is the shell that asks. Returns whether it is.
///
/// Only `sigtool` alone and `sigtool -- …` can be its question: whatever the environment holds, `sigtool verify` verifies.
pub(crate) fn answer(arguments: &[OsString]) -> bool {
    if !matches!(arguments, [_]) && arguments.get(1).is_none_or(|word| word != "--") {
        return false;
    }
    let folder = std::env::current_dir().ok();
    CompleteEnv::with_factory(command)
        .var(VARIABLE)
        .completer(PROGRAM)
        .shells(Shells(Shell::COMPLETERS))
        .try_complete(arguments, folder.as_deref())
        // A shell that is unknown here: the variable is somebody else's.
        .unwrap_or(false)
}

/// What registers the completion in a shell.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Registration<'a> {
    /// The shell.
    shell: &'a str,
    /// What it is to run at its start.
    script: &'a str,
}

/// `sigtool completions`: prints what registers the completion in a shell.
pub(crate) fn print(ui: &Ui, shell: Shell) -> u8 {
    let script = registration(shell);
    let shell = shell.name();
    ui.result(
        Text::of_ours(script.trim_end()),
        &Registration {
            shell,
            script: &script,
        },
    );
    0
}

/// What registers the completion in a shell.
fn registration(shell: Shell) -> String {
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut text);
    let text = String::from_utf8(text).unwrap_or_default();
    format!("{}\n", text.trim())
}

/// The command line, with the commands that only this machine has, and with what each argument may be.
fn command() -> clap::Command {
    with_candidates(Cli::command()).add(SubcommandCandidates::new(values::commands))
}

fn with_candidates(command: clap::Command) -> clap::Command {
    let arguments = command.mut_args(|arg| match arg.get().copied() {
        Some(takes) => completed(arg, takes),
        None => arg,
    });
    arguments.mut_subcommands(with_candidates)
}

fn completed(arg: Arg, takes: Takes) -> Arg {
    match takes {
        Takes::Algorithm => arg.add(ArgValueCandidates::new(values::algorithms)),
        Takes::Artifact => arg.add(ArgValueCompleter::new(values::artifacts)),
        Takes::Backend => arg.add(ArgValueCandidates::new(values::backends)),
        Takes::BackendOrFile => arg.add(ArgValueCompleter::new(values::backends_and_files)),
        Takes::Command => arg.add(ArgValueCandidates::new(values::helped)),
        Takes::ConfigKey => arg.add(ArgValueCandidates::new(values::config_keys)),
        Takes::ConfigValue => arg.add(ArgValueCompleter::new(values::config_values)),
        Takes::Key => arg.add(ArgValueCompleter::new(values::keys)),
        Takes::Profile => arg.add(ArgValueCandidates::new(values::profiles)),
        Takes::PublicKey => arg.add(ArgValueCompleter::new(values::public_keys)),
        Takes::Remembered => arg.add(ArgValueCompleter::new(values::remembered)),
        Takes::Requirement => arg.add(ArgValueCandidates::new(values::requirements)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;
    use std::path::Path;

    #[test]
    fn the_registrations_that_are_kept_are_those_of_the_program() {
        for shell in Shell::value_variants() {
            let file = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../completions")
                .join(shell.file());
            crate::generated::compare(&file, &registration(*shell));
        }
    }
}
