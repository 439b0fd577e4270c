//! Having an artifact signed, in each format that is wanted.

use super::encoded::{Encoded, is_image};
use super::error::SignError;
use super::places::Plan;
use super::signer::OpenSigner;
use crate::formats::bundle::{encode_envelope, encode_message_signature};
use crate::formats::signature_file::encode_detached;
use crate::formats::simple_signing::{encode_payload, encode_signed_payload};
use crate::formats::statement::signing_statement;
use crate::reference::repository;
use sigtool_sdk::types::{Artifact, Bytes, DigestAlgorithm, SignatureFormat, Signed};
use std::collections::BTreeMap;

/// The signatures of an artifact, in every format of the plan, and what the signer said of its key.
#[derive(Default)]
pub(super) struct Made {
    pub(super) encoded: Vec<Encoded>,
    pub(super) key_id: Option<String>,
    pub(super) key_version: Option<String>,
}

impl Made {
    fn add(&mut self, format: SignatureFormat, content: Vec<u8>, signed: &Signed) {
        self.encoded.push(Encoded {
            format,
            content,
            signature: signed.signature.clone(),
        });
        self.key_id.clone_from(&signed.key_id);
        self.key_version.clone_from(&signed.key_version);
    }
}

/// One signature serves all formats of a file. Each format of an image has a payload of its own.
pub(super) fn make(
    signer: &OpenSigner,
    artifact: &Artifact,
    plan: &Plan,
    annotations: &BTreeMap<String, String>,
) -> Result<Made, SignError> {
    let mut made = Made::default();
    if is_image(artifact) {
        for format in plan.formats() {
            let (content, signed) = sign_image(signer, artifact, format, annotations)?;
            made.add(format, content, &signed);
        }
        return Ok(made);
    }
    let signed = signer.sign_bytes(artifact)?;
    for format in plan.formats() {
        let content = encode(signer, artifact, format, &signed.signature);
        made.add(format, content, &signed);
    }
    Ok(made)
}

fn sign_image(
    signer: &OpenSigner,
    artifact: &Artifact,
    format: SignatureFormat,
    annotations: &BTreeMap<String, String>,
) -> Result<(Vec<u8>, Signed), SignError> {
    let digest = artifact
        .digest(DigestAlgorithm::Sha256)
        .ok_or_else(|| SignError::NoBytes(artifact.reference.clone()))?;
    let repository = repository(&artifact.reference);
    if format == SignatureFormat::Bundle {
        let mut envelope = signing_statement(repository, digest, annotations);
        let signed = signer.sign_payload(&envelope.to_signed())?;
        envelope.signature = signed.signature.to_vec();
        return Ok((encode_envelope(signer.public_key(), &envelope), signed));
    }
    let payload = encode_payload(repository, digest, annotations);
    let signed = signer.sign_payload(&payload)?;
    Ok((encode_signed_payload(payload, &signed.signature), signed))
}

fn encode(
    signer: &OpenSigner,
    artifact: &Artifact,
    format: SignatureFormat,
    signature: &Bytes,
) -> Vec<u8> {
    match (format, artifact.digest(signer.digest())) {
        (SignatureFormat::Bundle, Some(digest)) => {
            encode_message_signature(signer.public_key(), digest, signature)
        }
        _ => encode_detached(signature),
    }
}
