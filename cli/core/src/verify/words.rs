//! Reasons in words.

use super::reason::Reason;
use crate::trust::NamedKey;
use std::fmt;

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSignature => f.write_str("no signature found beside the artifact"),
            Self::NoSignatureHere => f.write_str(
                "no signature found, neither beside the image nor in the local store; the machine that signed it may keep one",
            ),
            Self::NotEnoughSigners {
                required,
                signed,
                missing,
            } => {
                write!(
                    f,
                    "{required} distinct signers are required, {} found",
                    signed.len()
                )?;
                if !signed.is_empty() {
                    write!(f, ": {}", List(signed))?;
                }
                write!(f, "; no signature by {}", List(missing))
            }
            Self::PlaceFailed { place, error } => write!(f, "could not look {place}: {error}"),
            Self::TooManySignatures { limit } => write!(
                f,
                "there are more than {limit} signatures; only the first {limit} were looked at"
            ),
            of_a_signature => of_a_signature.of_what_it_is(f),
        }
    }
}

impl Reason {
    /// Of a signature, whatever its key and whatever it signs.
    fn of_what_it_is(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CertificateSigned { signature } => write!(
                f,
                "`{signature}` is signed with a certificate; the policy lists keys, and this version verifies keys only"
            ),
            Self::Malformed { signature, what } => {
                write!(f, "`{signature}` is malformed: {what}")
            }
            Self::NotASignature { signature, claims } => write!(
                f,
                "`{signature}` is signed, but is not a signature of the artifact: it claims `{claims}`"
            ),
            Self::OtherAnnotation {
                signature,
                key,
                annotation,
                wanted,
                found,
            } => {
                write!(
                    f,
                    "`{signature}` is signed by the key {key}, but not with the annotation `{annotation}={wanted}`: "
                )?;
                match found {
                    Some(found) => write!(f, "it says `{annotation}={found}`"),
                    None => write!(f, "it has no `{annotation}`"),
                }
            }
            Self::PayloadUnreadable { signature, error } => write!(
                f,
                "`{signature}` could not be checked: the artifact's bytes, which such a key signs, could not be read: {error}"
            ),
            Self::UnknownFormat { signature } => {
                write!(
                    f,
                    "`{signature}` is in a format that this version does not read"
                )
            }
            of_its_key => of_its_key.of_who_made_it(f),
        }
    }

    /// Of a signature, and of the key that made it.
    fn of_who_made_it(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSignature { signature, key } => write!(
                f,
                "`{signature}` names the key {key} and this artifact, but that key did not make it: it is damaged or forged"
            ),
            Self::DoesNotVerify { signature, trusted } => write!(
                f,
                "`{signature}` does not verify with {}: another key made it, or the artifact has changed since; such a signature does not say which",
                List(trusted)
            ),
            Self::WrongKey {
                signature,
                unverified_key_hint: Some(hint),
                trusted,
            } => write!(
                f,
                "`{signature}` is signed by another key (key hint {hint}); trusted: {}",
                List(trusted)
            ),
            Self::WrongKey {
                signature, trusted, ..
            } => write!(
                f,
                "`{signature}` is not signed by {}; it does not name its key",
                List(trusted)
            ),
            of_its_digest => of_its_digest.of_what_it_signs(f),
        }
    }

    /// Of a signature, its key and the digest that the key signed.
    fn of_what_it_signs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChangedArtifact {
                signature,
                key,
                signed,
                found,
            } => write!(
                f,
                "the artifact has changed: in `{signature}` the key {key} signed {signed}, the artifact is {found}"
            ),
            Self::OtherArtifact {
                signature,
                key,
                unverified_signed,
                found,
            } => write!(
                f,
                "`{signature}` says that the key {key} signed {unverified_signed}; the artifact is {found}"
            ),
            Self::WrongDigest {
                signature,
                key,
                declared,
                found,
            } => write!(
                f,
                "`{signature}` is a good signature of the artifact by the key {key}, but says the digest {declared}; the artifact is {found}"
            ),
            // Said above.
            Self::BadSignature { .. }
            | Self::CertificateSigned { .. }
            | Self::DoesNotVerify { .. }
            | Self::Malformed { .. }
            | Self::NoSignature
            | Self::NoSignatureHere
            | Self::NotASignature { .. }
            | Self::NotEnoughSigners { .. }
            | Self::OtherAnnotation { .. }
            | Self::PayloadUnreadable { .. }
            | Self::PlaceFailed { .. }
            | Self::TooManySignatures { .. }
            | Self::UnknownFormat { .. }
            | Self::WrongKey { .. } => Ok(()),
        }
    }
}

/// Keys, separated by commas.
struct List<'a>(&'a [NamedKey]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, key) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            key.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyHint;

    #[test]
    fn who_has_signed_and_who_has_not_is_listed_by_name_and_hint() {
        let named = |name: &&str| NamedKey {
            name: (*name).to_owned(),
            key_hint: KeyHint::for_tests("h"),
        };
        let told = |signed: &[&str], missing: &[&str]| {
            let reason = Reason::NotEnoughSigners {
                required: 3,
                signed: signed.iter().map(named).collect(),
                missing: missing.iter().map(named).collect(),
            };
            reason.to_string()
        };
        assert_eq!(
            told(&["a", "b"], &["c"]),
            "3 distinct signers are required, 2 found: `a` (key hint h), `b` (key hint h); no signature by `c` (key hint h)"
        );
        assert_eq!(
            told(&[], &["a"]),
            "3 distinct signers are required, 0 found; no signature by `a` (key hint h)"
        );
    }
}
