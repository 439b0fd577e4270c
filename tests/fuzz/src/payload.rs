//! What is signed for an image, and detached signatures.

use crate::bundle::inspected;
use serde_json::Value;
use sigtool_core::formats::dsse::Envelope;
use sigtool_core::formats::signature_file::{SignatureFile, encode_detached};
use sigtool_core::formats::simple_signing::{SimpleSigning, encode_payload, encode_signed_payload};
use sigtool_core::formats::statement::{Statement, signing_statement};
use sigtool_core::limits::MAX_DETACHED;
use sigtool_sdk::types::{Digest, DigestAlgorithm};
use std::collections::BTreeMap;

/// A statement in an envelope, or a detached signature: what is written again is the same.
pub(crate) fn payload(bytes: &[u8]) {
    inspected(bytes);
    if let Ok(SignatureFile::Detached(signature)) = SignatureFile::decode(bytes) {
        let written = encode_detached(&signature);
        if written.len() <= MAX_DETACHED {
            let again = SignatureFile::decode(&written);
            assert_eq!(again, Ok(SignatureFile::Detached(signature)));
        }
    }
    let none = Digest::new(DigestAlgorithm::Sha256, vec![0; 32]).expect("a digest");
    let envelope = Envelope {
        payload: bytes.to_vec(),
        ..signing_statement("", &none, &BTreeMap::new())
    };
    assert!(envelope.to_signed().ends_with(bytes));
    let Ok(Some(statement)) = Statement::decode(&envelope) else {
        return;
    };
    for subject in statement.subjects {
        let annotations = texts(&subject.annotations);
        let name = subject.name.clone().unwrap_or_default();
        for digest in &subject.digests {
            let written = signing_statement(&name, digest, &annotations);
            let again = Statement::decode(&written).expect("what we write we read");
            let again = again.expect("a statement").subjects.remove(0);
            assert_eq!(again.name, Some(name.clone()));
            assert_eq!(again.digests, std::slice::from_ref(digest));
            assert_eq!(texts(&again.annotations), annotations);
        }
    }
}

/// The annotations that we would write: texts.
fn texts(annotations: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
    let texts = annotations.iter();
    texts
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// A payload of cosign's, and any file of signatures.
pub(crate) fn simple_signing(bytes: &[u8]) {
    let _ = SignatureFile::decode(bytes);
    let Ok(payload) = SimpleSigning::decode(bytes) else {
        return;
    };
    let annotations = texts(&payload.annotations);
    let written = encode_payload(&payload.docker_reference, &payload.digest, &annotations);
    let again = SimpleSigning::decode(&written).expect("what we write we read");
    assert_eq!(
        (&again.digest, &again.docker_reference),
        (&payload.digest, &payload.docker_reference)
    );
    assert_eq!(texts(&again.annotations), annotations);
    let file = encode_signed_payload(written, b"signature");
    assert!(matches!(
        SignatureFile::decode(&file),
        Ok(SignatureFile::SignedPayload(_))
    ));
}
