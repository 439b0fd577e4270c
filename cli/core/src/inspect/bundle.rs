//! What a bundle says.

use super::certificate::CertificateFacts;
use super::key::PublicKeyFacts;
use super::signature::SignatureFacts;
use crate::formats::bundle::{Bundle, BundleFormat, Content, UnverifiedLogEntry, UnverifiedSigner};
use crate::formats::dsse::Envelope;
use crate::formats::statement::{Statement, printable_annotation};
use crate::text::printable;
use serde::Serialize;
use serde_json::Value;
use sigtool_sdk::types::Digest;
use std::collections::BTreeMap;

/// What a bundle says. Nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BundleFacts {
    /// Its format.
    pub format: BundleFormat,
    /// The hint that names the signer's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unverified_key_hint: Option<String>,
    /// The key, which cosign's older bundles hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unverified_public_key: Option<PublicKeyFacts>,
    /// The signer's certificates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unverified_certificates: Vec<CertificateFacts>,
    /// The artifact's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unverified_digest: Option<Digest>,
    /// The envelope, if the signature is over one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unverified_envelope: Option<EnvelopeFacts>,
    /// The signature.
    pub signature: SignatureFacts,
    /// Entries of a transparency log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unverified_log_entries: Vec<UnverifiedLogEntry>,
    /// How many signed timestamps there are.
    pub timestamps: usize,
}

/// What an envelope says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EnvelopeFacts {
    /// The media type of the payload.
    pub payload_type: String,
    /// The length of the payload in bytes.
    pub payload_length: usize,
    /// What sort of claim its statement is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<String>,
    /// The artifacts that its statement is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<SubjectFacts>,
    /// Why the statement cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub malformed: Option<String>,
}

/// An artifact that a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SubjectFacts {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its digests by the algorithms that we know.
    pub digests: Vec<Digest>,
    /// What was signed along with the digest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl BundleFacts {
    pub(super) fn of(bundle: &Bundle) -> Self {
        let (public_key, certificates) = match &bundle.unverified_signer {
            UnverifiedSigner::PublicKey { key, .. } => (key.as_ref(), Vec::new()),
            UnverifiedSigner::Certificate(certificates) => (
                None,
                certificates
                    .iter()
                    .map(|der| {
                        CertificateFacts::of(der).unwrap_or_else(CertificateFacts::unreadable)
                    })
                    .collect(),
            ),
        };
        let (digest, envelope, signature) = match &bundle.content {
            Content::Message {
                unverified_digest,
                signature,
            } => (unverified_digest.clone(), None, signature),
            Content::Envelope(envelope) => {
                (None, Some(EnvelopeFacts::of(envelope)), &envelope.signature)
            }
        };
        Self {
            format: bundle.format,
            unverified_key_hint: bundle.unverified_hint().map(printable),
            unverified_public_key: public_key.map(PublicKeyFacts::of),
            unverified_certificates: certificates,
            unverified_digest: digest,
            unverified_envelope: envelope,
            signature: SignatureFacts::of(signature),
            unverified_log_entries: bundle.unverified_log_entries.clone(),
            timestamps: bundle.timestamps.len(),
        }
    }
}

impl EnvelopeFacts {
    fn of(envelope: &Envelope) -> Self {
        let (statement, malformed) = match Statement::decode(envelope) {
            Ok(statement) => (statement, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let subjects = statement.iter().flat_map(|s| &s.subjects);
        Self {
            payload_type: printable(&envelope.payload_type),
            payload_length: envelope.payload.len(),
            predicate_type: statement.as_ref().map(|s| printable(&s.predicate_type)),
            subjects: subjects
                .map(|subject| SubjectFacts {
                    name: subject.name.as_deref().map(printable),
                    digests: subject.digests.clone(),
                    annotations: printable_annotations(&subject.annotations),
                })
                .collect(),
            malformed,
        }
    }
}

/// Annotations as they may be shown.
pub(super) fn printable_annotations(
    annotations: &BTreeMap<String, Value>,
) -> BTreeMap<String, String> {
    annotations
        .iter()
        .map(|(key, value)| (printable(key), printable_annotation(value)))
        .collect()
}
