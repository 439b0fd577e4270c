//! What a registry says when it refuses: the errors of the distribution specification.

use sigtool_sdk::Error;
use sigtool_sdk_http::Response;

/// How many of a registry's own errors are quoted.
const MAX_QUOTED: usize = 3;

/// What a registry says about its refusal, in the JSON of the distribution specification; anything else, such as the page of a
/// proxy, is not for users.
pub(crate) fn said(response: &Response) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(&response.body).ok()?;
    let errors = body.get("errors")?.as_array()?;
    let quoted: Vec<String> = errors
        .iter()
        .filter_map(|error| {
            let text = |name: &str| {
                let text = error.get(name)?.as_str()?.trim();
                (!text.is_empty()).then_some(text)
            };
            match (text("code"), text("message")) {
                (Some(code), Some(message)) => Some(format!("{code}: {message}")),
                (Some(one), None) | (None, Some(one)) => Some(one.to_owned()),
                (None, None) => None,
            }
        })
        .take(MAX_QUOTED)
        .collect();
    (!quoted.is_empty()).then(|| quoted.join("; "))
}

/// Whether a registry gives this code of the distribution specification as a reason.
pub(crate) fn has_code(response: &Response, code: &str) -> bool {
    let body: Option<serde_json::Value> = serde_json::from_slice(&response.body).ok();
    let errors = body.as_ref().and_then(|b| b.get("errors")?.as_array());
    errors.is_some_and(|errors| {
        errors
            .iter()
            .any(|e| e.get("code").and_then(serde_json::Value::as_str) == Some(code))
    })
}

/// A refusal, in the registry's own words where it has some.
pub(crate) fn refused(response: &Response, message: impl Into<String>) -> Error {
    response.refused(message, said(response).as_deref())
}
