//! Keeps the secrets that a backend was given out of what it says.

use base64::Engine as _;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// Shorter secrets would turn ordinary words into marks, and could be read from the gaps.
const SHORTEST: usize = 4;

/// The secrets that were handed to one backend.
#[derive(Clone, Default)]
pub(super) struct Redactor {
    secrets: Arc<Mutex<Vec<Zeroizing<String>>>>,
}

impl Redactor {
    /// Remembers a secret, and how it may be spelled.
    pub(super) fn add(&self, secret: &[u8]) {
        if secret.len() < SHORTEST {
            return;
        }
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(secret).into_owned();
        let base64 = base64::engine::general_purpose::STANDARD.encode(secret);
        // A key has lines, and a message may hold one of them.
        let lines: Vec<String> = text
            .lines()
            .filter(|line| line.len() >= 4 * SHORTEST && !line.starts_with("-----"))
            .map(str::to_owned)
            .collect();
        let spellings = [text, base64, hex::encode(secret)];
        for spelling in spellings.into_iter().chain(lines) {
            if secrets.iter().all(|known| **known != spelling) {
                secrets.push(Zeroizing::new(spelling));
            }
        }
    }

    /// The text with every secret taken out.
    pub(super) fn clean(&self, text: &str) -> String {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.as_str(), "[secret]")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_in_each_spelling() {
        let redactor = Redactor::default();
        redactor.add(b"hunter22");
        assert_eq!(
            redactor.clean("a hunter22 b aHVudGVyMjI= c 68756e7465723232"),
            "a [secret] b [secret] c [secret]"
        );
    }
}
