//! What is signed along with an image.

use crate::error::CommandError;
use crate::output::clean;
use std::collections::BTreeMap;

/// The annotations of the command line: each key once, or one of two values would be lost.
pub(crate) fn annotations(
    given: &[(String, String)],
) -> Result<BTreeMap<String, String>, CommandError> {
    let mut annotations = BTreeMap::new();
    for (key, value) in given {
        if let Some(other) = annotations.insert(key.clone(), value.clone())
            && other != *value
        {
            let (key, value, other) = (clean(key), clean(value), clean(&other));
            return Err(CommandError::input(format!(
                "the annotation `{key}` is given twice: `{other}` and `{value}`"
            ))
            .hint("give it once"));
        }
    }
    Ok(annotations)
}
