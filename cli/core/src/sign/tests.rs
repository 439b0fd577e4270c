//! What a release engineer sees when signing, with honest signers and with lying ones.

use super::*;
use crate::fake::{Manner, TestKey, World};
use crate::formats::bundle::Bundle;
use crate::key;
use crate::trust::{Policy, Require};
use crate::verify::Verification;
use sigtool_sdk::types::{KeyAlgorithm, SignatureFormat};

const BOTH: [SignatureFormat; 2] = [SignatureFormat::Bundle, SignatureFormat::Cosign];

fn world(algorithm: KeyAlgorithm) -> World {
    World::new(TestKey::generate(algorithm))
}

fn request(world: &World, formats: &[SignatureFormat]) -> SigningRequest {
    SigningRequest {
        reference: world.reference(),
        formats: formats.to_vec(),
        is_own: true,
        ..SigningRequest::default()
    }
}

fn sign(world: &World, formats: &[SignatureFormat]) -> Result<SignedArtifact, SignError> {
    let signer = OpenSigner::open(world.signer())?;
    sign_artifact(&world.source(), &signer, None, request(world, formats))
}

fn verify(world: &World) -> Verification {
    let trusted = TrustedKey::new("k.pub".to_owned(), world.key().public_key());
    let policy = Policy::new(vec![trusted], Require::Any).unwrap();
    world.verify(&policy).verification
}

#[test]
fn a_signer_can_be_shared_by_threads() {
    fn is_sync<T: Sync + Send>() {}
    is_sync::<OpenSigner>();
}

#[test]
fn every_algorithm_signs_in_both_formats_and_verifies() {
    for algorithm in KeyAlgorithm::ALL {
        let world = world(algorithm);
        let signed = sign(&world, &BOTH).unwrap();
        assert_eq!(world.files(), ["app.sig", "app.sigstore.json"]);
        assert_eq!(signed.stored.len(), 2);
        assert!(signed.stored.iter().all(|s| !s.replaced));
        assert_eq!(signed.notes, Vec::<String>::new());
        assert_eq!(
            world.times_resolved(),
            1,
            "one pass over the bytes for all formats"
        );
        let Verification::Valid { signers } = verify(&world) else {
            panic!("{algorithm} does not verify");
        };
        assert_eq!(signers[0].signatures.len(), 2);
        let bundle =
            Bundle::decode(&std::fs::read(world.beside(".sigstore.json")).unwrap()).unwrap();
        let crate::formats::bundle::Content::Message {
            unverified_digest, ..
        } = bundle.content
        else {
            panic!("not a message signature");
        };
        assert_eq!(
            unverified_digest.unwrap().algorithm(),
            DigestAlgorithm::Sha256
        );
    }
}

#[test]
fn a_lying_signer_yields_no_signature() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519] {
        for (manner, says) in [
            (
                Manner::SignsSomethingElse,
                "a signature that its key does not verify",
            ),
            (
                Manner::ReturnsGarbage,
                "a signature that its key does not verify",
            ),
            (Manner::ReturnsSomeoneElsesKey, "another key"),
            (Manner::ReturnsAnotherAlgorithm, "an rsa-4096 signature"),
            (Manner::ReturnsACertificate, "a certificate"),
        ] {
            let world = world(algorithm);
            world.set_manner(manner);
            let error = sign(&world, &BOTH).unwrap_err();
            assert!(
                matches!(
                    error,
                    SignError::SignerMisbehaved {
                        operation: "signer.sign",
                        ..
                    }
                ),
                "{error}"
            );
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(world.files(), Vec::<String>::new());
        }
    }
}

#[test]
fn a_key_that_changes_between_announcement_and_signing_yields_no_signature() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let signer = OpenSigner::open(world.signer()).unwrap();
    world.set_key(TestKey::generate(KeyAlgorithm::EcdsaP256));
    let error = sign_artifact(&world.source(), &signer, None, request(&world, &BOTH)).unwrap_err();
    assert!(error.to_string().contains("another key"), "{error}");
    assert_eq!(world.files(), Vec::<String>::new());
}

#[test]
fn an_error_of_the_signer_keeps_its_code() {
    let world = world(KeyAlgorithm::EcdsaP256);
    world.set_manner(Manner::Fails);
    assert_eq!(sign(&world, &BOTH).unwrap_err().code(), ErrorCode::Declined);
}

#[test]
fn signing_again_replaces() {
    for algorithm in [
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::Ed25519,
    ] {
        let world = world(algorithm);
        sign(&world, &BOTH).unwrap();
        let again = sign(&world, &BOTH).unwrap();
        assert!(again.stored.iter().all(|s| s.replaced));
        assert_eq!(world.files(), ["app.sig", "app.sigstore.json"]);
    }
}

#[test]
fn signing_a_rebuilt_file_replaces_what_the_key_provably_made() {
    let world = world(KeyAlgorithm::EcdsaP256);
    sign(&world, &BOTH).unwrap();
    world.write("rebuilt\n");
    let again = sign(&world, &BOTH).unwrap();
    // The old bundle proves which bytes the old `.sig` was for.
    assert!(again.stored.iter().all(|s| s.replaced));
    assert_eq!(world.files(), ["app.sig", "app.sigstore.json"]);
    assert!(matches!(verify(&world), Verification::Valid { .. }));
}

#[test]
fn signing_a_rebuilt_file_with_ed25519_replaces_the_bundle() {
    let world = world(KeyAlgorithm::Ed25519);
    sign(&world, &[SignatureFormat::Bundle]).unwrap();
    world.write("rebuilt\n");
    assert!(sign(&world, &[SignatureFormat::Bundle]).unwrap().stored[0].replaced);
    assert_eq!(world.files(), ["app.sigstore.json"]);
}

#[test]
fn a_sig_of_unknown_origin_is_left_alone_and_the_user_is_told() {
    let world = world(KeyAlgorithm::EcdsaP256);
    sign(&world, &[SignatureFormat::Cosign]).unwrap();
    let old = std::fs::read(world.beside(".sig")).unwrap();
    world.write("rebuilt\n");
    let again = sign(&world, &[SignatureFormat::Cosign]).unwrap();
    let hinted = format!(".{}.sig", key::short_hint(&world.key().public_key()));
    let Location::Beside(location) = &again.stored[0].location else {
        panic!("{again:?}");
    };
    assert!(location.ends_with(&hinted));
    assert!(again.notes[0].contains("left alone"), "{:?}", again.notes);
    assert_eq!(std::fs::read(world.beside(".sig")).unwrap(), old);
    assert!(matches!(verify(&world), Verification::Valid { .. }));

    // The next rebuild replaces the one that carries this key's hint: nothing piles up.
    world.write("rebuilt again\n");
    assert!(sign(&world, &[SignatureFormat::Cosign]).unwrap().stored[0].replaced);
    assert_eq!(world.files().len(), 2);
    assert!(matches!(verify(&world), Verification::Valid { .. }));
}

#[test]
fn another_signers_signature_stays() {
    let world = world(KeyAlgorithm::EcdsaP256);
    sign(&world, &BOTH).unwrap();
    let first = world.key();
    let before = std::fs::read(world.beside(".sigstore.json")).unwrap();
    world.set_key(TestKey::generate(KeyAlgorithm::EcdsaP256));
    sign(&world, &BOTH).unwrap();
    sign(&world, &BOTH).unwrap();
    assert_eq!(world.files().len(), 4);
    assert_eq!(
        std::fs::read(world.beside(".sigstore.json")).unwrap(),
        before
    );
    let keys = [first.public_key(), world.key().public_key()]
        .into_iter()
        .map(|key| TrustedKey::new("k".to_owned(), key))
        .collect();
    let policy = Policy::new(keys, Require::All).unwrap();
    let verified = world.verify(&policy);
    assert!(matches!(verified.verification, Verification::Valid { .. }));
}

#[test]
fn what_is_there_and_unknown_stops_signing_before_the_key_is_used() {
    let world = world(KeyAlgorithm::EcdsaP256);
    world.fail_signatures();
    world.set_manner(Manner::Fails);
    let error = sign(&world, &BOTH).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.to_string().starts_with("source.signatures failed"));
}

#[test]
fn signatures_go_where_the_user_says() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let signer = OpenSigner::open(world.signer()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let to = |bundle: Option<&str>, signature: Option<&str>| SigningRequest {
        destination: Destination {
            attach: false,
            bundle: bundle.map(|b| out.path().join(b)),
            signature: signature.map(|s| out.path().join(s)),
            ..Destination::default()
        },
        name: Some("my-app".to_owned()),
        version: Some("1.2".to_owned()),
        ..request(&world, &[])
    };
    let signed = sign_artifact(
        &world.source(),
        &signer,
        None,
        to(Some("b.json"), Some("s.sig")),
    )
    .unwrap();
    assert_eq!(world.files(), Vec::<String>::new());
    assert_eq!(signed.artifact.name, "my-app");
    assert_eq!(signed.artifact.version.as_deref(), Some("1.2"));
    assert!(out.path().join("b.json").exists() && out.path().join("s.sig").exists());
    let again = sign_artifact(&world.source(), &signer, None, to(Some("b.json"), None)).unwrap();
    assert!(again.stored[0].replaced);
    let error =
        sign_artifact(&world.source(), &signer, None, to(Some("x"), Some("x"))).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidRequest);
    let error =
        sign_artifact(&world.source(), &signer, None, to(Some("no/b.json"), None)).unwrap_err();
    assert!(matches!(error, SignError::Write { .. }));
}

#[test]
fn a_mistyped_path_costs_no_file() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let signer = OpenSigner::open(world.signer()).unwrap();
    let precious = world.folder.path().join("key.pem");
    let pem = key::to_pem(&world.key().public_key());
    std::fs::write(&precious, &pem).unwrap();
    for (path, says) in [
        (world.path(), "the artifact itself"),
        (precious.clone(), "not a signature"),
        (world.folder.path().to_owned(), "folder"),
    ] {
        let request = SigningRequest {
            destination: Destination {
                bundle: Some(path),
                ..Destination::default()
            },
            ..request(&world, &[])
        };
        let error = sign_artifact(&world.source(), &signer, None, request).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(std::fs::read_to_string(world.path()).unwrap(), "hello\n");
    assert_eq!(std::fs::read_to_string(precious).unwrap(), pem);
}

#[test]
fn ed25519_without_bytes_is_an_error_that_says_so() {
    let world = world(KeyAlgorithm::Ed25519);
    world.hide_path();
    let error = sign(&world, &BOTH).unwrap_err();
    assert!(matches!(error, SignError::NoBytes(_)), "{error}");
}

#[test]
fn a_missing_artifact_is_not_found() {
    let world = world(KeyAlgorithm::EcdsaP256);
    std::fs::remove_file(world.path()).unwrap();
    assert_eq!(sign(&world, &BOTH).unwrap_err().code(), ErrorCode::NotFound);
}
