//! Asks for the password of a key until one fits. The host knows the places where passwords are; this only goes on asking.

use crate::failure::{KeyError, Subject};
use crate::formats::LockedKey;
use crate::private_key::PrivateKey;
use sigtool_sdk::host::{AskSecretArgs, TraceLevel};
use sigtool_sdk::types::Secret;
use sigtool_sdk::{Call, Error, ErrorCode, Result};

/// More places than any host has; ends one that says `more` for ever.
const MAX_ATTEMPTS: u32 = 16;

/// How a key is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    Encrypted,
    /// Anyone who has the file has the key.
    EncryptedWithEmptyPassword,
    Plain,
}

impl Protection {
    /// What a password gives.
    pub(crate) fn by(password: &Secret) -> Self {
        if password.expose().is_empty() {
            Self::EncryptedWithEmptyPassword
        } else {
            Self::Encrypted
        }
    }

    /// The word on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::EncryptedWithEmptyPassword => "encrypted-with-empty-password",
            Self::Plain => "plain",
        }
    }
}

impl From<Protection> for String {
    fn from(protection: Protection) -> Self {
        protection.as_str().to_owned()
    }
}

/// Unlocks a key with the first password at `pointer` that fits.
///
/// # Errors
///
/// - `auth-required`: none fits; says which places were tried.
/// - The host's, if the person declined or nobody could be asked.
pub(crate) fn unlock(
    call: &Call,
    pointer: &str,
    subject: &Subject,
    key: &LockedKey,
) -> Result<(PrivateKey, Protection)> {
    let mut tried: Vec<String> = Vec::new();
    for attempt in 0..MAX_ATTEMPTS {
        call.check()?;
        let answer = call.secret(&AskSecretArgs {
            pointer: pointer.to_owned(),
            label: Some(format!("password of {}", subject.name())),
            attempt,
            ..AskSecretArgs::default()
        });
        let password = match answer {
            Ok(password) => password,
            // The host only guessed so far: the news is that nobody gave a password.
            Err(e) if e.code == ErrorCode::AuthRequired && !tried.is_empty() => {
                return Err(e.because(format!("tried: {}", in_short(&tried))));
            }
            Err(e) => return Err(e),
        };
        match key.open(password.value.expose()) {
            Ok(key) => {
                let origin = &password.origin;
                call.trace(
                    TraceLevel::Debug,
                    &format!(
                        "unlocked {} with the password from {origin}",
                        subject.text()
                    ),
                );
                return Ok((key, Protection::by(&password.value)));
            }
            Err(KeyError::WrongPassword) => tried.push(password.origin),
            Err(other) => return Err(other.about(subject)),
        }
        if !password.more {
            break;
        }
    }
    Err(wrong_password(subject, &tried))
}

fn wrong_password(subject: &Subject, tried: &[String]) -> Error {
    Error::new(
        ErrorCode::AuthRequired,
        format!("wrong password for {}", subject.text()),
    )
    .because(format!("tried: {}", in_short(tried)))
    .hint(format!(
        "give the right one by {}",
        tried.last().map_or("a terminal", |place| place)
    ))
}

/// The places, each once: `an empty password, the terminal (3 times)`.
fn in_short(tried: &[String]) -> String {
    let places = tried.chunk_by(|a, b| a == b).map(|same| match same.len() {
        1 => same[0].clone(),
        times => format!("{} ({times} times)", same[0]),
    });
    places.collect::<Vec<_>>().join(", ")
}

/// The password of a key that is made.
///
/// # Errors
///
/// The host's.
pub(crate) fn new_password(call: &Call, pointer: &str, name: &str) -> Result<Secret> {
    let args = AskSecretArgs {
        pointer: pointer.to_owned(),
        label: Some(format!("new password of {name}")),
        new: true,
        ..AskSecretArgs::default()
    };
    call.secret(&args).map(|answer| answer.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{self, StoredKey};
    use crate::testing::{FakeHost, data};

    fn locked() -> LockedKey {
        // Opens in microseconds, unlike cosign's.
        match formats::parse(&data("test-key-p256-pbes2-password-hello.pem")) {
            Ok(StoredKey::Locked(key)) => key,
            other => panic!("{other:?}"),
        }
    }

    fn unlocked_by(host: &FakeHost) -> Result<(PrivateKey, Protection)> {
        unlock(&host.call(), "/password", &Subject::imported(), &locked())
    }

    #[test]
    fn the_first_password_that_fits_opens_the_key() {
        let host = FakeHost::default().with("/password", &["", "wrong", "hello", "unused"]);
        let (_, protection) = unlocked_by(&host).unwrap();
        assert_eq!(protection, Protection::Encrypted);
        let attempts: Vec<u32> = host.asked().iter().map(|a| a.attempt).collect();
        assert_eq!(attempts, [0, 1, 2]);
        assert_eq!(
            host.asked()[0].label.as_deref(),
            Some("password of the key to import")
        );
    }

    #[test]
    fn a_wrong_password_is_told_with_the_places_that_were_tried() {
        let host = FakeHost::default().with("/password", &["", "wrong"]);
        let error = unlocked_by(&host).unwrap_err();
        assert_eq!(error.code, ErrorCode::AuthRequired);
        assert_eq!(error.message, "wrong password for the key to import");
        assert_eq!(error.causes, ["tried: place 0, place 1"]);
        assert!(!error.hints.is_empty());
    }

    #[test]
    fn a_host_that_always_has_more_comes_to_an_end() {
        let host = FakeHost::default().with("/password", &["wrong"; 99]);
        assert!(unlocked_by(&host).is_err());
        assert_eq!(host.asked().len(), MAX_ATTEMPTS as usize);
    }

    #[test]
    fn without_any_password_the_host_says_why() {
        let error = unlocked_by(&FakeHost::default()).unwrap_err();
        assert_eq!(error.message, "nobody can be asked");
    }

    #[test]
    fn a_cancelled_call_asks_nothing() {
        let host = FakeHost::cancelled();
        assert_eq!(unlocked_by(&host).unwrap_err().code, ErrorCode::Cancelled);
        assert!(host.asked().is_empty());
    }
}
