//! What reads the bytes of strangers in registries, as functions that take any bytes: they may refuse them, and must neither panic nor
//! contradict themselves.
//!
//! A backend is a shared library and nothing else, so the files of `oci` that are fuzzed are compiled in here once more.

// Compiled for tests, these files would bring their own along.
#![cfg(not(test))]

#[allow(dead_code)]
#[path = "../../../backends/oci/src/failure.rs"]
mod failure;
#[allow(dead_code)]
#[path = "../../../backends/oci/src/manifest.rs"]
mod manifest;
#[allow(dead_code)]
#[path = "../../../backends/oci/src/reference.rs"]
mod reference;

use sigtool_core::signature::SignatureFile;
use sigtool_core::simple_signing::{SimpleSigning, encode_payload, encode_signed_payload};

/// A reference: what is pinned is read as the same again.
///
/// # Panics
///
/// A reference contradicts itself.
pub fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(reference) = reference::Reference::parse(text) else {
        return;
    };
    let repository = &reference.repository;
    let digest = manifest::sha256(bytes);
    let pinned = repository.pinned(&digest);
    let (again, same) =
        reference::Reference::pinned(&pinned).expect("what is pinned is a reference");
    assert_eq!((again.pinned(&same), same), (pinned, digest));
    // Nothing that changes the address of a request gets into it.
    for part in [repository.host(), repository.address(), repository.path()] {
        assert!(
            !part.contains(|c: char| c.is_whitespace() || c.is_control() || "?#@%\\".contains(c)),
            "{part:?}"
        );
    }
    assert!(!repository.path().contains(".."), "{text:?}");
}

/// A manifest or an index, and the descriptors in it: what is written again is read as the same.
///
/// # Panics
///
/// A manifest contradicts itself.
pub fn manifest(bytes: &[u8]) {
    let Ok(manifest) = manifest::Manifest::parse(bytes.to_vec(), None) else {
        return;
    };
    for list in ["manifests", "layers"] {
        for entry in manifest.list(list) {
            if let Ok(descriptor) = manifest::Descriptor::parse(entry) {
                let written = manifest::encode(entry).expect("what was read can be written");
                let value = serde_json::from_slice(&written).expect("JSON");
                let again = manifest::Descriptor::parse(&value).expect("a descriptor");
                assert_eq!(again.digest, descriptor.digest);
            }
        }
    }
    let _ = manifest.descriptor();
}

/// A payload of cosign's, and any file of signatures.
///
/// # Panics
///
/// A payload contradicts itself.
pub fn simple_signing(bytes: &[u8]) {
    let _ = SignatureFile::decode(bytes);
    let Ok(payload) = SimpleSigning::decode(bytes) else {
        return;
    };
    let written = encode_payload(
        &payload.docker_reference,
        &payload.digest,
        &payload.annotations,
    );
    let again = SimpleSigning::decode(&written).expect("what we write we read");
    assert_eq!(
        (&again.digest, &again.docker_reference, &again.annotations),
        (
            &payload.digest,
            &payload.docker_reference,
            &payload.annotations
        )
    );
    let file = encode_signed_payload(written, b"signature");
    assert!(matches!(
        SignatureFile::decode(&file),
        Ok(SignatureFile::SignedPayload(_))
    ));
}
