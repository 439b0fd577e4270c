//! Why a signature does not count, or why a policy is not met: data first, in words where it is shown.

use crate::formats::malformed::Malformed;
use crate::trust::NamedKey;
use serde::Serialize;
use sigtool_sdk::types::Digest;

/// Why a signature does not count, or why the policy is not met.
///
/// `signature` says where the signature is, as a user would name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Reason {
    /// It names a trusted key and the artifact's digest, and is not a signature of it by that key.
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
}

#[cfg(test)]
impl Reason {
    /// Its name in JSON, by which programs tell reasons apart.
    pub(crate) fn code(&self) -> String {
        let json = serde_json::to_value(self).unwrap();
        json["code"].as_str().unwrap().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_tells_reasons_apart_by_their_code() {
        let here = [Reason::NoSignature, Reason::NoSignatureHere];
        assert_eq!(here.map(|r| r.code()), ["no-signature"; 2]);
        let malformed = Reason::Malformed {
            signature: "s".to_owned(),
            what: Malformed::new("the file", "empty"),
        };
        assert_eq!(
            serde_json::to_value(malformed).unwrap(),
            serde_json::json!({ "code": "malformed", "signature": "s", "at": "the file", "what": "empty" })
        );
        let few = Reason::NotEnoughSigners {
            required: 2,
            signed: vec![],
            missing: vec![],
        };
        assert_eq!(few.code(), "not-enough-signers");
    }
}
