//! Finds a secret in bytes, however it is spelled there.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Whether these bytes hold the secret: as it is, escaped as in JSON, in hexadecimal digits, or in Base64 at any alignment.
///
/// An empty secret is held by nothing.
#[must_use]
pub fn contains_secret(bytes: &[u8], secret: &[u8]) -> bool {
    !secret.is_empty() && spellings(secret).iter().any(|s| contains(bytes, s))
}

fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![
        secret.to_vec(),
        hex::encode(secret).into_bytes(),
        hex::encode_upper(secret).into_bytes(),
    ];
    if let Ok(text) = std::str::from_utf8(secret) {
        let quoted = serde_json::Value::from(text).to_string();
        all.push(quoted.as_bytes()[1..quoted.len() - 1].to_vec());
    }
    for before in 0..3 {
        all.extend(base64_after(before, secret));
    }
    all
}

/// The characters of the Base64 text that depend on the secret alone, if `before` bytes stand in front of it.
fn base64_after(before: usize, secret: &[u8]) -> Vec<Vec<u8>> {
    let mut padded = vec![0; before];
    padded.extend_from_slice(secret);
    let first = [0, 2, 3][before];
    [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD]
        .into_iter()
        .filter_map(|alphabet| {
            let text = alphabet.encode(&padded).into_bytes();
            // The last character of an incomplete group also depends on what follows.
            let last = text.len() - usize::from(!padded.len().is_multiple_of(3));
            // Fewer than four characters are found anywhere by chance.
            text.get(first..last)
                .filter(|t| t.len() >= 4)
                .map(<[u8]>::to_vec)
        })
        .collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn a_secret_is_found_in_every_spelling() {
        let secret = b"canary-\"7f3a";
        for before in ["", "x", "xy", "xyz"] {
            let text = STANDARD.encode([before.as_bytes(), secret, b"tail"].concat());
            assert!(contains_secret(text.as_bytes(), secret), "{before}");
        }
        assert!(contains_secret(
            b"the password canary-\"7f3a is wrong",
            secret
        ));
        assert!(contains_secret(br#"{"message":"canary-\"7f3a"}"#, secret));
        assert!(contains_secret(hex::encode(secret).as_bytes(), secret));
        assert!(!contains_secret(b"the password is wrong", secret));
        assert!(!contains_secret(b"anything", b""));
    }
}
