//! Bundles of every version, and whatever else can be inspected.

use sigtool_core::formats::bundle::{Bundle, Content, encode_envelope, encode_message_signature};
use sigtool_core::formats::signature_file::SignatureFile;
use sigtool_core::inspect::{inspect, sections};
use sigtool_sdk::types::{KeyAlgorithm, PublicKey};

/// A bundle: what it holds is the same in a bundle of ours.
pub(crate) fn bundle(bytes: &[u8]) {
    inspected(bytes);
    let Ok(bundle) = Bundle::decode(bytes) else {
        return;
    };
    if let Ok(SignatureFile::Bundle(found)) = SignatureFile::decode(bytes) {
        assert_eq!(*found, bundle);
    }
    let key = PublicKey {
        algorithm: KeyAlgorithm::EcdsaP256,
        spki: b"named by its hint only".as_slice().into(),
    };
    let written = match &bundle.content {
        Content::Envelope(envelope) => encode_envelope(&key, envelope),
        Content::Message {
            unverified_digest: Some(digest),
            signature,
        } => encode_message_signature(&key, digest, &signature.as_slice().into()),
        Content::Message { .. } => return,
    };
    let again = Bundle::decode(&written).expect("what we write we read");
    assert_eq!(again.content, bundle.content);
}

/// Any file: what is said of it is JSON, and words.
pub(crate) fn inspected(bytes: &[u8]) {
    if let Ok(inspection) = inspect(bytes, "a file") {
        serde_json::to_string(&inspection).expect("JSON");
        assert!(!sections(&inspection).is_empty());
    }
}
