//! The environment of this run.

use std::collections::BTreeMap;

/// The variables that are text; of the others only a secret can be meant for us, which the host looks up for itself.
pub(crate) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
