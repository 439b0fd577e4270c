//! What a command failed with: a kind that decides the exit code, a message, its causes, and hints.

use sigtool_core::ledger::Head;
pub(crate) use sigtool_sdk::file::why;
use sigtool_sdk::text::quoted_path;
use sigtool_sdk::{Error, ErrorCode};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The exit code of a command that got as far as reporting.
pub(crate) type Outcome = Result<u8, CommandError>;

/// The kinds of failures. Each is an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Failure {
    /// The signature or the policy says no.
    Refused,
    /// The command line or an input is wrong.
    Input,
    /// A backend, the network or the configuration failed, so that nothing can be said.
    CouldNotTell,
    /// Ctrl-C, or a person who said no.
    Cancelled,
    /// Whoever read the results has left.
    OutputClosed,
    /// A bug in sigtool.
    Bug,
}

/// An exit code, and what it says.
pub(crate) struct ExitCode {
    /// The failure; none for what went well.
    pub(crate) failure: Option<Failure>,
    pub(crate) code: u8,
    /// What it says, in a few words.
    pub(crate) short: &'static str,
    /// The same in a sentence, for the manual.
    #[cfg_attr(not(test), expect(dead_code, reason = "pages are made by tests"))]
    pub(crate) long: &'static str,
}

/// Every exit code, the most serious first: of several artifacts it decides.
pub(crate) const EXIT_CODES: [ExitCode; 7] = [
    ExitCode {
        failure: Some(Failure::Bug),
        code: 70,
        short: "a bug in sigtool",
        long: "a bug in sigtool",
    },
    ExitCode {
        failure: Some(Failure::Refused),
        code: 1,
        short: "refused",
        long: "refused: the signature or the policy says no",
    },
    ExitCode {
        failure: Some(Failure::Cancelled),
        code: 130,
        short: "interrupted",
        long: "you said no, or pressed Control-C",
    },
    ExitCode {
        failure: Some(Failure::OutputClosed),
        code: 141,
        short: "output closed",
        long: "the reader of the output has left, as at the end of a pipe to head: nothing more was begun",
    },
    ExitCode {
        failure: Some(Failure::CouldNotTell),
        code: 3,
        short: "could not tell",
        long: "could not tell: a backend, a file or the configuration failed",
    },
    ExitCode {
        failure: Some(Failure::Input),
        code: 2,
        short: "wrong command line or input",
        long: "the command line or an input is wrong",
    },
    ExitCode {
        failure: None,
        code: 0,
        short: "done or valid",
        long: "done, or valid",
    },
];

impl Failure {
    /// The exit code.
    pub(crate) fn exit_code(self) -> u8 {
        let row = EXIT_CODES.iter().find(|row| row.failure == Some(self));
        row.map_or(u8::MAX, |row| row.code)
    }

    /// The failure of an exit code; none for what went well.
    pub(crate) fn of_exit_code(code: u8) -> Option<Self> {
        let row = EXIT_CODES.iter().find(|row| row.code == code);
        row.and_then(|row| row.failure)
    }

    /// The most serious of several.
    pub(crate) fn most_serious(failures: impl IntoIterator<Item = Self>) -> Option<Self> {
        let place = |failure: &Self| {
            EXIT_CODES
                .iter()
                .position(|row| row.failure == Some(*failure))
        };
        failures.into_iter().min_by_key(place)
    }
}

/// A place in a file of the user's, shown under the error.
#[derive(Clone, Debug)]
pub(crate) struct Snippet {
    /// The file, as the user would name it.
    pub(crate) path: PathBuf,
    /// Its whole text.
    pub(crate) text: String,
    /// The bytes meant.
    pub(crate) span: Range<usize>,
    /// What is wrong there, in a few words; may be empty.
    pub(crate) label: String,
}

impl Snippet {
    /// The line that the bytes begin in, from 1.
    pub(crate) fn line(&self) -> usize {
        let before = &self.text.as_bytes()[..self.span.start.min(self.text.len())];
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }
}

/// An error, ready to be shown.
#[derive(Clone, Debug)]
pub(crate) struct CommandError {
    pub(crate) failure: Failure,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hints: Vec<String>,
    pub(crate) snippet: Option<Box<Snippet>>,
    /// The seam's code, where a backend failed.
    pub(crate) code: Option<ErrorCode>,
    /// It is no use beginning anything else.
    pub(crate) ends_run: bool,
    /// The ledger's head with this failure in it, if it was entered.
    pub(crate) head: Option<Box<Head>>,
}

impl CommandError {
    pub(crate) fn new(failure: Failure, message: impl Into<String>) -> Self {
        Self {
            failure,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            snippet: None,
            code: None,
            ends_run: false,
            head: None,
        }
    }

    /// The command line or an input is wrong: exit 2.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(Failure::Input, message)
    }

    /// The configuration or a backend failed: exit 3.
    pub(crate) fn could_not_tell(message: impl Into<String>) -> Self {
        Self::new(Failure::CouldNotTell, message)
    }

    /// A bug in sigtool: exit 70.
    pub(crate) fn bug(message: impl Into<String>) -> Self {
        Self::new(Failure::Bug, message)
            .hint("this is a bug in sigtool: please report it with the command and this message")
    }

    /// A path that is not UTF-8 where only text can go: into messages to backends, and into reports.
    pub(crate) fn not_utf8(path: &Path) -> Self {
        let is_text = |path: &&Path| path.to_str().is_some();
        // The shortest part of it that is at fault: a folder above may be.
        let culprit = path.ancestors().take_while(|part| !is_text(part)).last();
        Self::not_text(&quoted_path(path), &quoted_path(culprit.unwrap_or(path)))
    }

    /// The same of a path that is shown already.
    pub(crate) fn not_text(shown: &str, culprit: &str) -> Self {
        Self::input(format!("{shown} is not UTF-8"))
            .because("a backend and a report get it as text")
            .hint(format!("rename {culprit}"))
    }

    pub(crate) fn because(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Where it was entered.
    pub(crate) fn entered(mut self, head: Option<Head>) -> Self {
        self.head = head.map(Box::new);
        self
    }

    pub(crate) fn snippet(mut self, snippet: Snippet) -> Self {
        self.snippet = Some(Box::new(snippet));
        self
    }

    /// An error of a backend or of the seam, under a message that says what was being done.
    pub(crate) fn from_backend(message: impl Into<String>, error: Error) -> Self {
        let failure = match error.code {
            ErrorCode::AlreadyExists | ErrorCode::InvalidRequest | ErrorCode::NotFound => {
                Failure::Input
            }
            ErrorCode::Cancelled => Failure::Cancelled,
            _ => Failure::CouldNotTell,
        };
        Self {
            failure,
            message: message.into(),
            causes: std::iter::once(error.message).chain(error.causes).collect(),
            hints: error.hints,
            snippet: None,
            code: Some(error.code),
            ends_run: false,
            head: None,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CommandError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_serious_failure_comes_first_and_each_has_its_code() {
        let failures = [
            (Failure::Bug, 70),
            (Failure::Refused, 1),
            (Failure::Cancelled, 130),
            (Failure::OutputClosed, 141),
            (Failure::CouldNotTell, 3),
            (Failure::Input, 2),
        ];
        assert_eq!(failures.len() + 1, EXIT_CODES.len());
        for (at, (failure, code)) in failures.into_iter().enumerate() {
            assert_eq!(failure.exit_code(), code);
            assert_eq!(Failure::of_exit_code(code), Some(failure));
            let rest = failures[at..].iter().rev().map(|(failure, _)| *failure);
            assert_eq!(Failure::most_serious(rest), Some(failure));
        }
        assert_eq!(Failure::most_serious([]), None);
    }
}
