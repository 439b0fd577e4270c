//! The settings: none yet, and a key that is written all the same is an error.

use serde::Deserialize;

/// The settings of a profile's `source` table for this backend.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {}
