//! What a child may say, checked.

use sigtool_sdk::text::words;
use sigtool_sdk::{Error, ErrorCode, Result};
use zeroize::Zeroizing;

/// How long a line of stderr or a trace may be in a message, in bytes.
const SHOWN: usize = 300;

/// The error for a backend that broke the protocol, with what it sent.
pub(super) fn garbage(what: &str, line: &[u8]) -> Error {
    let error = Error::new(
        ErrorCode::Internal,
        format!("the backend broke the protocol: {what}"),
    );
    if line.is_empty() {
        return error;
    }
    error.because(format!(
        "it sent: {}",
        shown(&String::from_utf8_lossy(line))
    ))
}

/// A library's reply, as one line that names its call; or the error that it is not one.
pub(super) fn checked(call: u64, reply: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>> {
    #[derive(serde::Deserialize)]
    struct Named {
        id: u64,
    }
    let named: Named = serde_json::from_slice(&reply)
        .map_err(|_| garbage("what it sent is not a message", &reply))?;
    // A backend that could not read a request answers with 0.
    if named.id != call && named.id != 0 {
        return Err(garbage(
            &format!("it answered call {}, and this is call {call}", named.id),
            b"",
        ));
    }
    let mut reply = reply;
    // Between JSON's words a line may end, and within a text it cannot.
    for byte in reply
        .iter_mut()
        .filter(|byte| matches!(byte, b'\n' | b'\r'))
    {
        *byte = b' ';
    }
    Ok(reply)
}

/// A text of a backend, safe to print: one line, no control characters, cut.
pub(super) fn shown(text: &str) -> String {
    words(text, SHOWN).unwrap_or_default()
}
