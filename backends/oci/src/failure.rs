//! Errors, as users read them: what was found, and whose move it is.

use sigtool_sdk::{Error, ErrorCode};
use sigtool_sdk_http::Response;
use std::fmt;

/// How many of a registry's own errors are quoted.
const MAX_QUOTED: usize = 3;

/// The user asked for what cannot be done.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidRequest, message)
}

/// What was read is not what it should be.
pub(crate) fn integrity(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::Integrity, message)
}

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

/// An error with what could not be done in front.
pub(crate) fn under(mut error: Error, what: &str) -> Error {
    if error.message != what {
        let own = std::mem::replace(&mut error.message, what.to_owned());
        error.causes.insert(0, own);
    }
    error
}

/// A text that somebody else chose as it stands in messages: between backticks, not long, with what a terminal would obey escaped.
pub(crate) fn shown(text: &str) -> impl fmt::Display {
    /// The longest that is shown, in characters: a pinned reference fits.
    const MAX_SHOWN: usize = 400;
    let mut out = String::with_capacity(text.len().min(MAX_SHOWN) + 2);
    out.push('`');
    for (index, c) in text.chars().enumerate() {
        if index == MAX_SHOWN {
            out.push('…');
            break;
        }
        if is_treacherous(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('`');
    out
}

/// Control characters (terminal escapes, line ends), and the invisible ones that reorder or hide the text around them.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
