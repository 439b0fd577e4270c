//! What cosign's own signature of an image says.

use super::bundle::printable_annotations;
use super::certificate::CertificateFacts;
use super::signature::SignatureFacts;
use crate::formats::simple_signing::SimpleSigning;
use crate::text::printable;
use serde::Serialize;
use sigtool_sdk::types::{Digest, SignedPayload};
use std::collections::BTreeMap;

/// What a payload with its signature says. Nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignedPayloadFacts {
    /// The image's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unverified_digest: Option<Digest>,
    /// The repository that it was signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unverified_docker_reference: Option<String>,
    /// What was signed along with the digest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unverified_annotations: BTreeMap<String, String>,
    /// Why the payload cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub malformed: Option<String>,
    /// The signer's certificate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unverified_certificates: Vec<CertificateFacts>,
    /// The signature.
    pub signature: SignatureFacts,
}

impl SignedPayloadFacts {
    pub(super) fn of(signed: &SignedPayload) -> Self {
        let (payload, malformed) = match SimpleSigning::decode(&signed.payload) {
            Ok(payload) => (Some(payload), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let certificates = signed.cert.iter().chain(signed.chain.iter().flatten());
        Self {
            unverified_digest: payload.as_ref().map(|p| p.digest.clone()),
            unverified_docker_reference: payload.as_ref().map(|p| printable(&p.docker_reference)),
            unverified_annotations: payload
                .map(|p| printable_annotations(&p.annotations))
                .unwrap_or_default(),
            malformed,
            unverified_certificates: certificates
                .map(|c| CertificateFacts::of(&c.raw).unwrap_or_else(CertificateFacts::unreadable))
                .collect(),
            signature: SignatureFacts::of(&signed.base64_signature),
        }
    }
}
