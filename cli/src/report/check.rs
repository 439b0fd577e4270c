//! What is said of a check of a backend.

use serde::Serialize;

/// A promise of backends, and whether this one keeps it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Row<'a> {
    /// The promise.
    pub(crate) promise: &'a str,
    /// Whether it is kept.
    pub(crate) result: Verdict,
    /// Why it is broken, or was not tested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<&'a str>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub(crate) enum Verdict {
    Failed,
    Passed,
    Skipped,
}
