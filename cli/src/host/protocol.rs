//! What a child may say, checked.

use sigtool_sdk::{Error, ErrorCode, Result};
use zeroize::Zeroizing;

/// How a line is made fit to be shown.
pub(super) type Fit<'a> = &'a dyn Fn(&str) -> String;

/// The error for a backend that broke the protocol.
pub(super) fn broken(what: &str) -> Error {
    Error::new(
        ErrorCode::Internal,
        format!("the backend broke the protocol: {what}"),
    )
}

/// The same, with what it sent.
pub(super) fn garbage(what: &str, line: &[u8], fit: Fit<'_>) -> Error {
    let sent = fit(&String::from_utf8_lossy(line));
    broken(what).because(format!("it sent: {sent}"))
}

/// A library's reply, as one line that names its call; or the error that it is not one.
pub(super) fn checked(
    call: u64,
    reply: Zeroizing<Vec<u8>>,
    fit: Fit<'_>,
) -> Result<Zeroizing<Vec<u8>>> {
    #[derive(serde::Deserialize)]
    struct Named {
        id: u64,
    }
    let named: Named = serde_json::from_slice(&reply)
        .map_err(|_| garbage("what it sent is not a message", &reply, fit))?;
    // A backend that could not read a request answers with 0.
    if named.id != call && named.id != 0 {
        let what = format!("it answered call {}, and this is call {call}", named.id);
        return Err(broken(&what));
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
