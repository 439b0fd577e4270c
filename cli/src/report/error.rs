//! What is said of a command that failed.

use crate::error::{CommandError, Failure};
use crate::output::Ui;

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
    /// That this is not a result.
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

/// An error in a report for machines.
#[derive(serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Error"))]
pub(crate) struct ErrorRow<'a> {
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
    pub(crate) fn of(error: &'a CommandError) -> Self {
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
pub(crate) fn lossy(path: &std::path::Path) -> String {
    sigtool_sdk::text::escaped_path(path)
}
