//! Images: signed by a statement about their digest, kept in the local store, attached on request.

use super::*;
use crate::fake::{TestKey, World};
use crate::formats::bundle::encode_envelope;
use crate::formats::simple_signing::{SimpleSigning, encode_payload, encode_signed_payload};
use crate::formats::statement::signing_statement;
use crate::trust::{Policy, Require};
use crate::verify::GivenSignature;
use crate::verify::{Reason, Verification};
use serde_json::json;
use sigtool_sdk::types::{Digest, DigestAlgorithm, KeyAlgorithm, SignatureFormat};

const BOTH: [SignatureFormat; 2] = [SignatureFormat::Bundle, SignatureFormat::Cosign];

fn world(algorithm: KeyAlgorithm) -> World {
    World::new(TestKey::generate(algorithm))
}

fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
    pairs.iter().map(owned).collect()
}

fn request(world: &World, attach: bool) -> SigningRequest {
    SigningRequest {
        reference: world.image(),
        formats: BOTH.to_vec(),
        destination: Destination {
            attach,
            ..Destination::default()
        },
        ..SigningRequest::default()
    }
}

fn sign(world: &World, store: Option<&Store>, request: SigningRequest) -> SignedArtifact {
    let signer = OpenSigner::open(world.signer()).unwrap();
    sign_artifact(&world.source(), &signer, store, request).unwrap()
}

fn policy(world: &World) -> Policy {
    let trusted = TrustedKey::new("k.pub".to_owned(), world.key().public_key());
    Policy::new(vec![trusted], Require::Any).unwrap()
}

fn refusal(verification: Verification) -> Reason {
    match verification {
        Verification::Refused { mut reasons } => reasons.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_algorithm_signs_an_image_in_both_formats_and_verifies() {
    for algorithm in KeyAlgorithm::ALL {
        let world = world(algorithm);
        let signed = sign(&world, None, request(&world, true));
        assert_eq!(signed.stored.len(), 2, "{algorithm}");
        assert_eq!(world.files(), ["app.sig", "app.sigstore.json"]);
        for format in ["app.sig", "app.sigstore.json"] {
            let content = std::fs::read(world.folder.path().join(format)).unwrap();
            let given = [GivenSignature {
                label: format.to_owned(),
                content,
            }];
            let verified = world.verify_image(&given, None, &policy(&world));
            assert!(
                matches!(verified.verification, Verification::Valid { .. }),
                "{algorithm} {format}: {:?}",
                verified.verification
            );
        }
    }
}

#[test]
fn without_attaching_the_signature_lies_in_the_store_and_is_found_there() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let elsewhere = tempfile::tempdir().unwrap();
    let store = Store::open(&elsewhere.path().join("signatures.db")).unwrap();
    let none = world.verify_image(&[], Some(&store), &policy(&world));
    assert_eq!(refusal(none.verification), Reason::NoSignatureHere);
    let signed = sign(&world, Some(&store), request(&world, false));
    assert!(world.files().is_empty());
    let places: Vec<Place> = signed.stored.iter().map(|s| s.location.place()).collect();
    assert_eq!(places, [Place::Store, Place::Store]);
    let again = sign(&world, Some(&store), request(&world, false));
    assert!(again.stored.iter().all(|s| s.replaced));

    let verified = world.verify_image(&[], Some(&store), &policy(&world));
    let Verification::Valid { signers } = verified.verification else {
        panic!("{verified:?}");
    };
    assert_eq!(signers[0].signatures.len(), 2);
    world.write("another image\n");
    let other = world.verify_image(&[], Some(&store), &policy(&world));
    assert_eq!(refusal(other.verification), Reason::NoSignatureHere);
}

#[test]
fn a_good_signature_ends_the_search() {
    let world = world(KeyAlgorithm::EcdsaP256);
    sign(&world, None, request(&world, true));
    let verified = world.verify_image(&[], None, &policy(&world));
    assert_eq!(verified.checked.len(), 1, "the bundle is enough");
    assert_eq!(
        verified.checked[0].format.as_deref(),
        Some("Sigstore bundle v0.3")
    );
}

#[test]
fn what_is_attached_and_kept_in_the_store_is_looked_at_once() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let elsewhere = tempfile::tempdir().unwrap();
    let store = Store::open(&elsewhere.path().join("signatures.db")).unwrap();
    sign(&world, Some(&store), request(&world, true));
    // With a second key that has not signed every place is asked.
    let keys = [
        world.key().public_key(),
        TestKey::generate(KeyAlgorithm::Ed25519).public_key(),
    ];
    let keys = keys.map(|key| TrustedKey::new("k.pub".to_owned(), key));
    let both = Policy::new(keys.to_vec(), Require::All).unwrap();
    let verified = world.verify_image(&[], Some(&store), &both);
    let looked_at: Vec<&String> = verified.checked.iter().map(|c| &c.location).collect();
    assert_eq!(looked_at.len(), 2, "{looked_at:?}");
    let algorithms: Vec<_> = verified
        .artifact
        .digests
        .iter()
        .map(Digest::algorithm)
        .collect();
    assert_eq!(algorithms, [DigestAlgorithm::Sha256], "what it is known by");
}

#[test]
fn signing_again_replaces_ones_own_and_keeps_those_of_others() {
    let world = world(KeyAlgorithm::EcdsaP256);
    sign(&world, None, request(&world, true));
    let first = policy(&world);
    world.set_key(TestKey::generate(KeyAlgorithm::EcdsaP256));
    sign(&world, None, request(&world, true));
    assert_eq!(world.files().len(), 4);
    let again = sign(&world, None, request(&world, true));
    assert_eq!(world.files().len(), 4);
    assert!(again.stored.iter().all(|s| s.replaced));
    for policy in [first, policy(&world)] {
        let verified = world.verify_image(&[], None, &policy);
        assert!(matches!(verified.verification, Verification::Valid { .. }));
    }
}

#[test]
fn an_annotation_that_is_demanded_must_have_been_signed() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let annotated = SigningRequest {
        annotations: annotations(&[("env", "prod"), ("team", "a<b")]),
        ..request(&world, true)
    };
    sign(&world, None, annotated);
    let demand = |pairs: &[(&str, &str)]| policy(&world).with_annotations(annotations(pairs));
    for pairs in [&[("env", "prod")][..], &[("env", "prod"), ("team", "a<b")]] {
        let verified = world.verify_image(&[], None, &demand(pairs));
        assert!(
            matches!(verified.verification, Verification::Valid { .. }),
            "{pairs:?}"
        );
    }
    for (pairs, found) in [(("env", "dev"), Some("prod")), (("none", "x"), None)] {
        let verified = world.verify_image(&[], None, &demand(&[pairs]));
        assert_eq!(verified.checked.len(), 2, "both formats are asked");
        let Reason::OtherAnnotation { found: said, .. } = refusal(verified.verification) else {
            panic!("not refused for the annotation");
        };
        assert_eq!(said.as_deref(), found);
    }
}

/// A bundle of a statement with these subjects, by the world's key.
fn stating(world: &World, subjects: serde_json::Value) -> GivenSignature {
    let none = Digest::new(DigestAlgorithm::Sha256, vec![0; 32]).unwrap();
    let mut envelope = signing_statement("", &none, &BTreeMap::new());
    let mut statement: serde_json::Value = serde_json::from_slice(&envelope.payload).unwrap();
    statement["subject"] = subjects;
    envelope.payload = statement.to_string().into_bytes();
    envelope.signature = world.key().sign(&envelope.to_signed());
    GivenSignature {
        label: "s".to_owned(),
        content: encode_envelope(&world.key().public_key(), &envelope),
    }
}

/// What cosign refuses too: it knows images by SHA-256, and annotations as texts.
#[test]
fn a_statement_about_an_image_names_it_by_sha_256_once_and_its_annotations_are_texts() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let bytes = std::fs::read(world.path()).unwrap();
    let hex = |algorithm| crate::key::digest_of(algorithm, &bytes).to_hex();
    let (sha256, sha512) = (hex(DigestAlgorithm::Sha256), hex(DigestAlgorithm::Sha512));
    let of = |annotations: serde_json::Value| json!({"digest": {"sha256": sha256}, "annotations": annotations});
    let demand = policy(&world).with_annotations(annotations(&[("n", "1")]));
    let free = policy(&world);
    for (subjects, policy, is_valid) in [
        (json!([of(json!({"n": "1"}))]), &demand, true),
        (json!([of(json!({"n": 1}))]), &demand, false),
        (json!([of(json!({"n": true}))]), &demand, false),
        (json!([of(json!({"n": 1}))]), &free, true),
        (json!([of(json!({})), of(json!({}))]), &free, true),
        (
            json!([of(json!({"n": "1"})), of(json!({"n": "2"}))]),
            &demand,
            false,
        ),
        (
            json!([of(json!({"n": "2"})), of(json!({"n": "1"}))]),
            &free,
            false,
        ),
        (
            json!([{"digest": {"sha256": sha256, "sha512": sha512}}]),
            &free,
            true,
        ),
        (json!([{"digest": {"sha512": sha512}}]), &free, false),
    ] {
        let given = [stating(&world, subjects.clone())];
        let verified = world.verify_image(&given, None, policy);
        let valid = matches!(verified.verification, Verification::Valid { .. });
        assert_eq!(valid, is_valid, "{subjects}: {:?}", verified.verification);
    }
}

#[test]
fn a_payload_that_names_an_image_by_another_digest_than_sha_256_is_not_its_signature() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let bytes = std::fs::read(world.path()).unwrap();
    for algorithm in DigestAlgorithm::ALL {
        let digest = crate::key::digest_of(algorithm, &bytes);
        let payload = encode_payload("r", &digest, &BTreeMap::new());
        let signature = world.key().sign(&payload);
        let given = [GivenSignature {
            label: "s".to_owned(),
            content: encode_signed_payload(payload, &signature),
        }];
        let verified = world.verify_image(&given, None, &policy(&world));
        let valid = matches!(verified.verification, Verification::Valid { .. });
        assert_eq!(valid, algorithm == DigestAlgorithm::Sha256, "{algorithm}");
    }
}

#[test]
fn a_signature_of_another_image_is_not_a_signature_of_this_one() {
    let world = world(KeyAlgorithm::EcdsaP256);
    sign(&world, None, request(&world, true));
    world.write("a later image\n");
    let verified = world.verify_image(&[], None, &policy(&world));
    assert_eq!(verified.checked.len(), 2);
    for checked in &verified.checked {
        assert!(
            matches!(checked.reason, Some(Reason::ChangedArtifact { .. })),
            "{:?}",
            checked.reason
        );
    }
}

#[test]
fn what_signs_a_file_is_not_a_signature_of_an_image_and_the_other_way_round() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let file = SigningRequest {
        reference: world.reference(),
        formats: BOTH.to_vec(),
        ..SigningRequest::default()
    };
    sign(&world, None, file);
    let verified = world.verify_image(&[], None, &policy(&world));
    assert_eq!(verified.checked.len(), 2);
    assert!(matches!(
        verified.verification,
        Verification::Refused { .. }
    ));

    sign(&world, None, request(&world, true));
    let content = std::fs::read(world.beside(".sig")).unwrap();
    let given = [GivenSignature {
        label: "s".to_owned(),
        content,
    }];
    let verified = world.verify_given(&given, &policy(&world)).unwrap();
    assert!(matches!(
        refusal(verified.verification),
        Reason::NotASignature { .. }
    ));
}

#[test]
fn a_bare_signature_is_taken_with_the_payload_that_cosign_makes() {
    let world = world(KeyAlgorithm::EcdsaP256);
    sign(&world, None, request(&world, true));
    let file = std::fs::read(world.beside(".sig")).unwrap();
    let signed: sigtool_sdk::types::SignedPayload = serde_json::from_slice(&file).unwrap();
    let payload = SimpleSigning::decode(&signed.payload).unwrap();
    assert_eq!(payload.docker_reference, world.image());
    let given = [GivenSignature {
        label: "s.sig".to_owned(),
        content: signed.base64_signature.to_base64().into_bytes(),
    }];
    let verified = world.verify_image(&given, None, &policy(&world));
    assert!(matches!(verified.verification, Verification::Valid { .. }));
    world.write("another\n");
    let verified = world.verify_image(&given, None, &policy(&world));
    assert!(matches!(
        refusal(verified.verification),
        Reason::DoesNotVerify { .. }
    ));
}

#[test]
fn a_store_that_fails_stops_only_what_goes_nowhere_else() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("signatures.db");
    let store = Store::open(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("DROP TABLE signature").unwrap();
    let signer = OpenSigner::open(world.signer()).unwrap();
    let alone = sign_artifact(
        &world.source(),
        &signer,
        Some(&store),
        request(&world, false),
    );
    assert!(matches!(alone, Err(SignError::Store(_))));
    let attached = sign(&world, Some(&store), request(&world, true));
    assert_eq!(attached.stored.len(), 2);
    assert!(attached.notes[0].starts_with("not kept in the local store"));
    // Verifying says that it could not look there, if nothing else is good.
    let stranger = TrustedKey::new(
        "stranger".to_owned(),
        TestKey::generate(KeyAlgorithm::EcdsaP256).public_key(),
    );
    let policy = Policy::new(vec![stranger], Require::Any).unwrap();
    let verified = world.verify_image(&[], Some(&store), &policy);
    assert!(matches!(
        verified.verification,
        Verification::Inconclusive { .. }
    ));
}
