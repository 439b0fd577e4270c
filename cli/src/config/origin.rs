//! Where a value came from: what `config explain` prints, and what errors point at.

use crate::config::mask;
use crate::error::{CommandError, Failure, Snippet};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration file that was read.
pub(crate) struct SourceFile {
    /// Its absolute path.
    pub(crate) path: PathBuf,
    /// The path as the user would write it: `~/…` where that is shorter.
    pub(crate) shown: String,
    /// Its whole text. May hold what should not be there: show it only through [`Origin::error`].
    pub(crate) text: String,
    /// Which layer it is.
    pub(crate) layer: Layer,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
}

impl SourceFile {
    pub(crate) fn new(path: PathBuf, home: Option<&Path>, text: String, layer: Layer) -> Self {
        let lines = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            shown: shorten(&path, home),
            path,
            text,
            layer,
            lines,
        }
    }

    /// The folder that relative paths of the file resolve against.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// The origin of what stands at these bytes.
    pub(crate) fn at(self: &Arc<Self>, span: Range<usize>) -> Origin {
        let line = self.lines.partition_point(|start| *start <= span.start);
        Origin::File {
            file: Arc::clone(self),
            line,
            span,
        }
    }

    /// A file that was named on the command line is an input; any other is configuration.
    pub(crate) fn failure(&self) -> Failure {
        match self.layer {
            Layer::Override => Failure::Input,
            _ => Failure::CouldNotTell,
        }
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the text: a password may stand in it.
        write!(f, "SourceFile({})", self.shown)
    }
}

/// The path with `~` for the home folder.
pub(crate) fn shorten(path: &Path, home: Option<&Path>) -> String {
    home.and_then(|home| path.strip_prefix(home).ok())
        .map_or_else(
            || path.display().to_string(),
            |rest| format!("~/{}", rest.display()),
        )
}

/// Where a value came from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// Nobody set it.
    BuiltIn,
    /// It stands in a file.
    File {
        file: Arc<SourceFile>,
        /// The line, from 1.
        line: usize,
        /// The bytes of the value.
        span: Range<usize>,
    },
    /// An environment variable, by its name.
    Variable(&'static str),
    /// A flag, as far as it may be shown: `--offline`, `--config jobs`.
    Flag(String),
}

impl Origin {
    /// Whether a project's file says so, which may be of a clone.
    pub(crate) fn is_of_project(&self) -> bool {
        matches!(self, Self::File { file, .. } if file.layer == Layer::Project)
    }

    /// Whether the command line says so, or a file that it names.
    pub(crate) fn is_of_command_line(&self) -> bool {
        match self {
            Self::File { file, .. } => file.layer == Layer::Override,
            Self::Flag(_) => true,
            Self::BuiltIn | Self::Variable(_) => false,
        }
    }

    /// An error about the value that came from here. Of a file it shows the line, with everything hidden that may be a secret.
    pub(crate) fn error(&self, message: impl Into<String>, label: &str) -> CommandError {
        self.report(message.into(), label, None)
    }

    /// As [`error`](Self::error), with the value hidden: it may be a secret itself.
    pub(crate) fn error_hiding_value(
        &self,
        message: impl Into<String>,
        label: &str,
    ) -> CommandError {
        self.report(message.into(), label, self.span())
    }

    /// An error about a key, with its value hidden: it may be meant for a setting that is a secret.
    pub(crate) fn error_hiding(
        &self,
        value: &Self,
        message: impl Into<String>,
        label: &str,
    ) -> CommandError {
        let key = self.span().unwrap_or_default();
        // The "value" of a table with a header of its own is that header, with the key inside.
        let apart = |value: &Range<usize>| value.start >= key.end || value.end <= key.start;
        self.report(message.into(), label, value.span().filter(apart))
    }

    /// An error about what the value names, a file for instance: it shows where the value stands, and the configuration is at
    /// fault, unless it came from the command line.
    pub(crate) fn blame(&self, mut error: CommandError) -> CommandError {
        let place = self.error("", "");
        error.failure = place.failure;
        if place.snippet.is_none() {
            error.causes.push(format!("set at {self}"));
        }
        error.snippet = place.snippet;
        error
    }

    fn span(&self) -> Option<Range<usize>> {
        match self {
            Self::File { span, .. } => Some(span.clone()),
            _ => None,
        }
    }

    fn report(&self, message: String, label: &str, hidden: Option<Range<usize>>) -> CommandError {
        match self {
            Self::BuiltIn => CommandError::could_not_tell(message),
            Self::File { file, span, .. } => {
                let (text, span) = mask::mask(&file.text, span, hidden, false);
                CommandError::new(file.failure(), message).snippet(Snippet {
                    path: PathBuf::from(&file.shown),
                    text,
                    span,
                    label: label.to_owned(),
                })
            }
            Self::Variable(name) => CommandError::could_not_tell(format!("{name}: {message}")),
            Self::Flag(flag) => CommandError::input(format!("{flag}: {message}")),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File { file, line, .. } => write!(f, "{}:{line}", file.shown),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// The layers that are files, lowest first. Between the project's and `--config` come the variables, above it the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Layer {
    /// `/etc/sigtool/config.toml`.
    System,
    /// The user's file, or the one that `SIGTOOL_CONFIG` names.
    User,
    /// The nearest `.sigtool.toml`.
    Project,
    /// `--config FILE`.
    #[serde(rename = "--config")]
    Override,
    /// `/etc/sigtool/policy.toml`, which is above all of them.
    Policy,
}

impl Layer {
    /// The name in `config path`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Override => "--config",
            Self::Policy => "policy",
            Self::Project => "project",
            Self::System => "system",
            Self::User => "user",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_reads_as_file_and_line() {
        let file = Arc::new(SourceFile::new(
            "/home/ann/.config/sigtool/config.toml".into(),
            Some(Path::new("/home/ann")),
            "a = 1\nü = 2\n".into(),
            Layer::User,
        ));
        assert_eq!(file.at(0..1).to_string(), "~/.config/sigtool/config.toml:1");
        let origin = file.at(11..12);
        assert_eq!(origin.to_string(), "~/.config/sigtool/config.toml:2");
    }

    #[test]
    fn what_came_from_the_command_line_is_an_input_and_the_rest_is_configuration() {
        let flag = Origin::Flag("--config jobs".into()).error("no", "");
        assert_eq!(flag.failure, Failure::Input);
        let variable = Origin::Variable("SIGTOOL_JOBS").error("no", "");
        assert_eq!(variable.failure, Failure::CouldNotTell);
        assert_eq!(variable.message, "SIGTOOL_JOBS: no");
    }
}
