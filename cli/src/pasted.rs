//! Finds private keys that were pasted where their name belongs, so that no message repeats them.

use crate::error::CommandError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sigtool_sdk::pem::holds_private_key;
use std::ffi::OsString;

/// The shortest private key in DER: Ed25519 in PKCS#8 (RFC 8410).
const SHORTEST: usize = 48;

/// Refuses a command line that has a private key in it.
///
/// # Errors
///
/// It has one. The message does not show it.
pub(crate) fn refuse(arguments: &[OsString]) -> Result<(), CommandError> {
    if !arguments
        .iter()
        .any(|a| a.to_str().is_some_and(is_private_key))
    {
        return Ok(());
    }
    Err(
        CommandError::input("the command line holds a private key, and takes only the name of one")
            .hint("name its file, or put it in a variable: --key env:VARIABLE")
            .hint("others may have seen it in the list of processes or in a log: use another key"),
    )
}

/// Whether a text is a private key: PEM, or the Base64 in it. Before it may stand a flag or a scheme.
pub(crate) fn is_private_key(argument: &str) -> bool {
    if holds_private_key(argument) {
        return true;
    }
    let value = match argument.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => value,
        _ => argument,
    };
    let value = value.rsplit_once(':').map_or(value, |(_, rest)| rest);
    let base64: String = value.trim_start_matches('/').split_whitespace().collect();
    STANDARD
        .decode(base64)
        .is_ok_and(|der| is_whole_sequence(&der))
}

/// Whether bytes are one DER sequence (X.690, 8.1), as every key is.
fn is_whole_sequence(der: &[u8]) -> bool {
    let length = match *der {
        [0x30, short @ ..=0x7f, ..] => 2 + usize::from(short),
        [0x30, 0x81, length, ..] => 3 + usize::from(length),
        [0x30, 0x82, high, low, ..] => 4 + usize::from(u16::from_be_bytes([high, low])),
        _ => return false,
    };
    der.len() >= SHORTEST && der.len() == length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ed25519, made for this test.
    const KEY: &str = "MC4CAQAwBQYDK2VwBCIEIE8OMTv5T1Vp/hftC9GZ4t4zyd5PRxGh2nPIyvu2Z/E5";

    #[test]
    fn a_key_is_known_wherever_it_stands() {
        for argument in [
            KEY.to_owned(),
            format!("--key={KEY}"),
            format!("env:{KEY}"),
            format!("env://{KEY}"),
            format!("--key=env:{KEY}\n"),
            format!("-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----"),
        ] {
            assert!(is_private_key(&argument), "{argument}");
        }
    }

    #[test]
    fn names_and_public_texts_are_not_keys() {
        for argument in [
            "release.key",
            "env:RELEASE_KEY",
            "--key=release.key",
            "MakefilesAndOtherThings/WithoutAnyDotInTheirNames/ThatAreQuiteLong",
            "-----BEGIN PUBLIC KEY-----",
            "",
        ] {
            assert!(!is_private_key(argument), "{argument}");
        }
    }
}
