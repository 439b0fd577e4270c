//! Words that begin with `-` and are the names of files: a pattern of the shell's may have put them there, to be taken for flags.

use crate::args::Command;
use crate::error::CommandError;
use crate::output::clean;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The commands that take artifacts, by every name.
const COMMANDS: [&str; 6] = [
    "custody", "history", "inspect", "overview", "sign", "verify",
];

/// Whether a command takes artifacts.
pub(super) fn takes_artifacts(command: &Command) -> bool {
    COMMANDS.contains(&command.name())
}

/// Whether words that are not a command line are meant for a command that takes artifacts.
pub(super) fn may_take_artifacts(words: &[OsString]) -> bool {
    words
        .iter()
        .any(|word| COMMANDS.iter().any(|name| word == name))
}

/// Refuses a word that begins with `-` and is the name of a file in the working folder. Those behind `--` are artifacts.
///
/// # Errors
///
/// There is one; how the file is written, and how flags end.
pub(super) fn check(words: impl IntoIterator<Item = OsString>) -> Result<(), CommandError> {
    let is_file = |word: &OsStr| {
        word.as_encoded_bytes().starts_with(b"-") && Path::new(word).symlink_metadata().is_ok()
    };
    for word in words {
        if is_file(&word) {
            return Err(error(&clean(&word.to_string_lossy())));
        }
        if word == "--" {
            break;
        }
    }
    Ok(())
}

fn error(word: &str) -> CommandError {
    CommandError::input(format!(
        "`{word}` is a file here, and is written like a flag"
    ))
    .because("a pattern such as `*` may have named it, and it would be taken for the flag")
    .hint(format!(
        "for the file write `./{word}`, and `./*` for all files"
    ))
    .hint("or put `--` before the artifacts: what stands behind it is never a flag")
}
