//! What verifying found: valid, refused, or inconclusive, and why. Refused and inconclusive are never merged.

use crate::signature::Malformed;
use serde::Serialize;
use sigtool_sdk::types::{Digest, KeyAlgorithm};
use std::fmt;

/// What verifying found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Verification {
    /// Could not tell: a place failed, and what the others hold is not enough.
    Inconclusive {
        /// Why; what failed first.
        reasons: Vec<Reason>,
    },
    /// The policy says no, and every place has been asked.
    Refused {
        /// Why, one for each signature that did not count, or one that says what is missing.
        reasons: Vec<Reason>,
    },
    /// The policy is met.
    Valid {
        /// The distinct signers, in the policy's order.
        signers: Vec<Signer>,
    },
}

/// A trusted signer whose signature verifies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Signer {
    /// How the policy names the key.
    pub name: String,
    /// The hint of the key.
    pub key_hint: String,
    /// The algorithm of the key.
    pub algorithm: KeyAlgorithm,
    /// Where its signatures are.
    pub signatures: Vec<String>,
}

/// A key, as reasons name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NamedKey {
    /// How the policy names it.
    pub name: String,
    /// Its hint.
    pub key_hint: String,
}

impl fmt::Display for NamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (key hint {})", self.name, self.key_hint)
    }
}

/// Why a signature does not count, or why the policy is not met.
///
/// `signature` says where the signature is, as a user would name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Reason {
    /// It names a trusted key and the artifact's digest, and is no signature of it by that key.
    BadSignature {
        /// Where it is.
        signature: String,
        /// The trusted key that it names.
        key: NamedKey,
    },
    /// It was made with a certificate, and the policy lists keys.
    CertificateSigned {
        /// Where it is.
        signature: String,
    },
    /// Proven: a trusted key signed other bytes than these.
    ChangedArtifact {
        /// Where it is.
        signature: String,
        /// The trusted key that signed.
        key: NamedKey,
        /// What was signed.
        signed: Digest,
        /// What the artifact is now.
        found: Digest,
    },
    /// It does not verify, and says nothing of its key and its artifact, so that wrong key and changed artifact look alike.
    DoesNotVerify {
        /// Where it is.
        signature: String,
        /// The keys that were tried.
        trusted: Vec<NamedKey>,
    },
    /// It is not what its format demands.
    Malformed {
        /// Where it is.
        signature: String,
        /// Which part of it is wrong, and how.
        #[serde(flatten)]
        what: Malformed,
    },
    /// Every place was asked, and none has a signature.
    NoSignature,
    /// The same for an image, whose signature may lie in the store of another machine.
    #[serde(rename = "no-signature")]
    #[cfg_attr(feature = "schema", schemars(skip))]
    NoSignatureHere,
    /// A good envelope, but the claim in it is of another sort.
    NotASignature {
        /// Where it is.
        signature: String,
        /// The sort of claim: its predicate type, or the media type of the payload.
        claims: String,
    },
    /// Some have signed, but fewer than the policy demands.
    NotEnoughSigners {
        /// How many distinct signers the policy demands.
        required: usize,
        /// Those who have signed.
        signed: Vec<NamedKey>,
        /// Those listed who have not.
        missing: Vec<NamedKey>,
    },
    /// A trusted key signed the artifact, but without an annotation that is demanded.
    OtherAnnotation {
        /// Where it is.
        signature: String,
        /// The trusted key that signed.
        key: NamedKey,
        /// The annotation.
        annotation: String,
        /// The value that is demanded.
        wanted: String,
        /// The value that was signed, if there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        found: Option<String>,
    },
    /// It says it is for other bytes; an Ed25519 signature over them cannot be checked without them.
    OtherArtifact {
        /// Where it is.
        signature: String,
        /// The trusted key that it names.
        key: NamedKey,
        /// What it says was signed.
        unverified_signed: Digest,
        /// What the artifact is.
        found: Digest,
    },
    /// Could not tell: the artifact's bytes, which the key signs, could not be read.
    PayloadUnreadable {
        /// Where the signature is.
        signature: String,
        /// What failed.
        error: String,
    },
    /// Could not tell: a place where signatures may be did not answer.
    PlaceFailed {
        /// Which place.
        place: String,
        /// What it said.
        error: sigtool_sdk::Error,
    },
    /// Could not tell: there are more signatures than are looked at.
    TooManySignatures {
        /// How many are looked at.
        limit: usize,
    },
    /// Could not tell: a signature in a format of a later version.
    UnknownFormat {
        /// Where it is.
        signature: String,
    },
    /// Proven: a trusted key signed the artifact, but the bundle says another digest.
    WrongDigest {
        /// Where it is.
        signature: String,
        /// The trusted key that signed.
        key: NamedKey,
        /// The digest in the bundle.
        declared: Digest,
        /// The artifact's.
        found: Digest,
    },
    /// Another key than those trusted made it.
    WrongKey {
        /// Where it is.
        signature: String,
        /// The key that it names, if it names one.
        #[serde(skip_serializing_if = "Option::is_none")]
        unverified_key_hint: Option<String>,
        /// The keys that are trusted.
        trusted: Vec<NamedKey>,
    },
}

impl Reason {
    /// Whether this leaves the question open, and is no reason to refuse.
    #[must_use]
    pub fn is_inconclusive(&self) -> bool {
        matches!(
            self,
            Self::PayloadUnreadable { .. }
                | Self::PlaceFailed { .. }
                | Self::TooManySignatures { .. }
                | Self::UnknownFormat { .. }
        )
    }

    /// The name of the reason, as in JSON.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadSignature { .. } => "bad-signature",
            Self::CertificateSigned { .. } => "certificate-signed",
            Self::ChangedArtifact { .. } => "changed-artifact",
            Self::DoesNotVerify { .. } => "does-not-verify",
            Self::Malformed { .. } => "malformed",
            Self::NoSignature | Self::NoSignatureHere => "no-signature",
            Self::NotASignature { .. } => "not-a-signature",
            Self::NotEnoughSigners { .. } => "not-enough-signers",
            Self::OtherAnnotation { .. } => "other-annotation",
            Self::OtherArtifact { .. } => "other-artifact",
            Self::PayloadUnreadable { .. } => "payload-unreadable",
            Self::PlaceFailed { .. } => "place-failed",
            Self::TooManySignatures { .. } => "too-many-signatures",
            Self::UnknownFormat { .. } => "unknown-format",
            Self::WrongDigest { .. } => "wrong-digest",
            Self::WrongKey { .. } => "wrong-key",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadSignature { signature, key } => write!(
                f,
                "`{signature}` names the key {key} and this artifact, but that key did not make it: it is damaged or forged"
            ),
            Self::CertificateSigned { signature } => write!(
                f,
                "`{signature}` is signed with a certificate; the policy lists keys, and this version verifies keys only"
            ),
            Self::ChangedArtifact {
                signature,
                key,
                signed,
                found,
            } => write!(
                f,
                "the artifact has changed: in `{signature}` the key {key} signed {signed}, the artifact is {found}"
            ),
            Self::DoesNotVerify { signature, trusted } => write!(
                f,
                "`{signature}` does not verify with {}: another key made it, or the artifact has changed since; such a signature does not say which",
                List(trusted)
            ),
            Self::Malformed { signature, what } => {
                write!(f, "`{signature}` is malformed: {what}")
            }
            Self::NoSignature => f.write_str("no signature found beside the artifact"),
            Self::NoSignatureHere => f.write_str(
                "no signature found, neither beside the image nor in the local store; the machine that signed it may keep one",
            ),
            Self::NotASignature { signature, claims } => write!(
                f,
                "`{signature}` is signed, but is no signature of the artifact: it claims `{claims}`"
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
            Self::OtherArtifact {
                signature,
                key,
                unverified_signed,
                found,
            } => write!(
                f,
                "`{signature}` says that the key {key} signed {unverified_signed}; the artifact is {found}"
            ),
            Self::PayloadUnreadable { signature, error } => write!(
                f,
                "`{signature}` could not be checked: the artifact's bytes, which such a key signs, could not be read: {error}"
            ),
            Self::PlaceFailed { place, error } => write!(f, "could not look {place}: {error}"),
            Self::TooManySignatures { limit } => write!(
                f,
                "there are more than {limit} signatures; only the first {limit} were looked at"
            ),
            Self::UnknownFormat { signature } => {
                write!(
                    f,
                    "`{signature}` is in a format that this version does not read"
                )
            }
            Self::WrongDigest {
                signature,
                key,
                declared,
                found,
            } => write!(
                f,
                "`{signature}` is a good signature of the artifact by the key {key}, but says the digest {declared}; the artifact is {found}"
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

    #[test]
    fn who_has_signed_and_who_has_not_is_listed_by_name_and_hint() {
        let named = |name: &&str| NamedKey {
            name: (*name).to_owned(),
            key_hint: "h".to_owned(),
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

    #[test]
    fn the_code_in_json_is_the_code_in_rust() {
        let key = NamedKey {
            name: "k".to_owned(),
            key_hint: "h".to_owned(),
        };
        for reason in [
            Reason::NoSignature,
            Reason::BadSignature {
                signature: "s".to_owned(),
                key: key.clone(),
            },
            Reason::Malformed {
                signature: "s".to_owned(),
                what: Malformed::new("the file", "empty"),
            },
            Reason::NotEnoughSigners {
                required: 2,
                signed: vec![],
                missing: vec![key],
            },
        ] {
            let json = serde_json::to_value(&reason).unwrap();
            assert_eq!(json["code"], reason.code());
        }
    }
}
