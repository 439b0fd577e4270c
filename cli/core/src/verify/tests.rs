//! What a user sees when verifying: good signatures, forged ones, and places that do not answer.

use super::*;
use crate::fake::{Hashing, TestKey, World};
use crate::formats::bundle::encode_message_signature;
use crate::formats::signature_file::encode_detached;
use crate::key::KeyHint;
use crate::key::digest_of;
use crate::limits::{MAX_IN_STORE, MAX_PAGES, MAX_SIGNATURES};
use crate::store::{Entry, Store};
use crate::trust::{Require, SignerId, TrustedKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gather::Pages;
use serde_json::{Value, json};
use sigtool_sdk::ErrorCode;
use sigtool_sdk::source::MAX_PREFIXED;
use sigtool_sdk::types::{Digest, KeyAlgorithm, SignatureFormat};

const HELLO: &[u8] = b"hello\n";

fn sha256(bytes: &[u8]) -> Digest {
    digest_of(DigestAlgorithm::Sha256, bytes)
}

fn world(algorithm: KeyAlgorithm) -> World {
    World::new(TestKey::generate(algorithm))
}

/// A bundle by this key over these bytes, which declares this digest.
fn bundle(key: &TestKey, signed: &[u8], declared: &Digest) -> Vec<u8> {
    encode_message_signature(&key.public_key(), declared, &key.sign(signed).into())
}

fn edited(bundle: &[u8], edit: impl Fn(&mut Value)) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(bundle).unwrap();
    edit(&mut value);
    value.to_string().into_bytes()
}

fn envelope(key: &TestKey, statement: &Value) -> Vec<u8> {
    let payload = statement.to_string().into_bytes();
    let envelope = crate::formats::dsse::Envelope {
        payload_type: "application/vnd.in-toto+json".to_owned(),
        payload,
        signature: vec![],
    };
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": KeyHint::of(&key.public_key())}},
        "dsseEnvelope": {
            "payload": STANDARD.encode(&envelope.payload),
            "payloadType": envelope.payload_type,
            "signatures": [{"sig": STANDARD.encode(key.sign(&envelope.to_signed()))}],
        },
    })
    .to_string()
    .into_bytes()
}

fn statement(predicate_type: &str, digests: Value) -> Value {
    json!({"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "app", "digest": digests}],
        "predicateType": predicate_type, "predicate": {}})
}

fn policy(keys: &[&TestKey], require: Require) -> Policy {
    let keys = keys
        .iter()
        .enumerate()
        .map(|(i, key)| TrustedKey::new(format!("{i}.pub"), key.public_key()))
        .collect();
    Policy::new(keys, require).unwrap()
}

fn verify(world: &World, given: &[Vec<u8>], policy: &Policy) -> Verified {
    let given: Vec<GivenSignature> = given
        .iter()
        .enumerate()
        .map(|(i, content)| GivenSignature {
            label: format!("given-{i}"),
            content: content.clone(),
        })
        .collect();
    world.verify_given(&given, policy).unwrap()
}

/// The one reason for which a given signature is refused under the world's key.
fn refusal(world: &World, signature: Vec<u8>) -> Reason {
    let policy = policy(&[&world.key()], Require::Any);
    match verify(world, &[signature], &policy).verification {
        Verification::Refused { mut reasons } if reasons.len() == 1 => reasons.remove(0),
        other => panic!("{other:?}"),
    }
}

fn is_valid(world: &World, signature: Vec<u8>) -> bool {
    let policy = policy(&[&world.key()], Require::Any);
    matches!(
        verify(world, &[signature], &policy).verification,
        Verification::Valid { .. }
    )
}

#[test]
fn a_wrong_key_is_named_beside_the_trusted_ones() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519] {
        let world = world(algorithm);
        let stranger = TestKey::generate(algorithm);
        let reason = refusal(&world, bundle(&stranger, HELLO, &sha256(HELLO)));
        let Reason::WrongKey {
            unverified_key_hint,
            trusted,
            ..
        } = reason
        else {
            panic!("{reason}");
        };
        assert_eq!(
            unverified_key_hint,
            Some(KeyHint::of(&stranger.public_key()).to_string())
        );
        assert_eq!(trusted[0].name, "0.pub");
        // A stranger who puts our key's hint into a bundle gains nothing.
        let ours = KeyHint::of(&world.key().public_key()).to_string();
        let forged = edited(&bundle(&stranger, HELLO, &sha256(HELLO)), |b| {
            b["verificationMaterial"]["publicKey"]["hint"] = ours.clone().into();
        });
        assert_eq!(refusal(&world, forged).code(), "bad-signature");
    }
}

#[test]
fn the_hint_is_only_a_hint() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let good = bundle(&world.key(), HELLO, &sha256(HELLO));
    for hint in [json!("someone else"), Value::Null] {
        assert!(is_valid(
            &world,
            edited(&good, |b| b["verificationMaterial"]["publicKey"]["hint"] =
                hint.clone())
        ));
    }
}

#[test]
fn a_changed_artifact_is_proven_by_the_bundle() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let reason = refusal(&world, bundle(&world.key(), b"before", &sha256(b"before")));
    let Reason::ChangedArtifact { signed, found, .. } = &reason else {
        panic!("{reason}");
    };
    assert_eq!((signed, found), (&sha256(b"before"), &sha256(HELLO)));
    assert!(reason.to_string().contains("the artifact has changed"));
}

#[test]
fn nothing_is_proven_by_a_signature_that_only_names_a_trusted_key() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let stranger = TestKey::generate(KeyAlgorithm::EcdsaP256);
    let ours = KeyHint::of(&world.key().public_key()).to_string();
    let forged = edited(&bundle(&stranger, b"before", &sha256(b"before")), |b| {
        b["verificationMaterial"]["publicKey"]["hint"] = ours.clone().into();
    });
    assert_eq!(refusal(&world, forged).code(), "bad-signature");
}

#[test]
fn a_changed_artifact_under_a_strangers_key_is_a_wrong_key() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let stranger = TestKey::generate(KeyAlgorithm::EcdsaP256);
    let reason = refusal(&world, bundle(&stranger, b"before", &sha256(b"before")));
    assert_eq!(reason.code(), "wrong-key");
}

#[test]
fn ed25519_cannot_prove_a_change_and_says_what_the_bundle_says() {
    let world = world(KeyAlgorithm::Ed25519);
    let reason = refusal(&world, bundle(&world.key(), b"before", &sha256(b"before")));
    assert_eq!(reason.code(), "other-artifact");
}

#[test]
fn a_good_signature_with_a_wrong_digest_is_refused() {
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519] {
        let world = world(algorithm);
        let reason = refusal(&world, bundle(&world.key(), HELLO, &sha256(b"other")));
        let Reason::WrongDigest {
            declared, found, ..
        } = reason
        else {
            panic!("{reason}");
        };
        assert_eq!((declared, found), (sha256(b"other"), sha256(HELLO)));
    }
}

#[test]
fn a_damaged_signature_by_a_trusted_key_is_called_so() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let other = STANDARD.encode(world.key().sign(b"other"));
    let damaged = edited(&bundle(&world.key(), HELLO, &sha256(HELLO)), |b| {
        b["messageSignature"]["signature"] = other.clone().into();
    });
    assert_eq!(refusal(&world, damaged).code(), "bad-signature");
}

#[test]
fn a_malformed_bundle_says_what_and_where() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let good = bundle(&world.key(), HELLO, &sha256(HELLO));
    let text = String::from_utf8(good.clone()).unwrap();
    let twice = text.replacen(r#""signature":"#, r#""signature":"AAAA","signature":"#, 1);
    let reason = refusal(&world, twice.into_bytes());
    assert!(reason.to_string().contains("stands twice"), "{reason}");
    let reason = refusal(&world, good[..good.len() / 2].to_vec());
    assert_eq!(reason.code(), "malformed");
    assert!(reason.to_string().starts_with("`given-0` is malformed"));
}

#[test]
fn a_detached_signature_cannot_tell_wrong_key_from_changed_artifact() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let stranger = TestKey::generate(KeyAlgorithm::EcdsaP256);
    assert!(is_valid(&world, encode_detached(&world.key().sign(HELLO))));
    for signature in [stranger.sign(HELLO), world.key().sign(b"before")] {
        let reason = refusal(&world, encode_detached(&signature));
        assert_eq!(reason.code(), "does-not-verify");
        assert!(reason.to_string().contains("does not say which"));
    }
}

#[test]
fn a_certificate_is_refused_by_a_policy_of_keys() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let keyless = edited(&bundle(&world.key(), HELLO, &sha256(HELLO)), |b| {
        b["verificationMaterial"] = json!({"certificate": {"rawBytes": "AQID"}});
    });
    assert_eq!(refusal(&world, keyless).code(), "certificate-signed");
}

#[test]
fn a_statement_of_a_signature_counts_and_other_claims_do_not() {
    for algorithm in KeyAlgorithm::ALL {
        let world = world(algorithm);
        let digest = sha256(HELLO).to_hex();
        let signs = "https://sigstore.dev/cosign/sign/v1";
        let good = statement(signs, json!({"sha256": digest}));
        assert!(
            is_valid(&world, envelope(&world.key(), &good)),
            "{algorithm}"
        );
    }
    let world = world(KeyAlgorithm::EcdsaP256);
    let digest = sha256(HELLO).to_hex();
    let signs = "https://sigstore.dev/cosign/sign/v1";
    let good = statement(signs, json!({"sha256": digest}));
    let mut old = good.clone();
    old["_type"] = "https://in-toto.io/Statement/v0.1".into();
    assert!(is_valid(&world, envelope(&world.key(), &old)));

    let claim = statement("https://slsa.dev/provenance/v1", json!({"sha256": digest}));
    let reason = refusal(&world, envelope(&world.key(), &claim));
    assert!(matches!(&reason, Reason::NotASignature { claims, .. } if claims.contains("slsa")));

    let other = statement(signs, json!({"sha256": sha256(b"x").to_hex()}));
    assert_eq!(
        refusal(&world, envelope(&world.key(), &other)).code(),
        "changed-artifact"
    );
    let contradictory = statement(signs, json!({"sha256": digest, "sha512": "00".repeat(64)}));
    assert_eq!(
        refusal(&world, envelope(&world.key(), &contradictory)).code(),
        "changed-artifact"
    );
    let unknown = statement(signs, json!({"sha1": "00"}));
    assert_eq!(
        refusal(&world, envelope(&world.key(), &unknown)).code(),
        "malformed"
    );
    let stranger = TestKey::generate(KeyAlgorithm::EcdsaP256);
    assert_eq!(
        refusal(&world, envelope(&stranger, &good)).code(),
        "wrong-key"
    );
    let mut grafted: Value = serde_json::from_slice(&envelope(&world.key(), &other)).unwrap();
    grafted["dsseEnvelope"]["payload"] = STANDARD.encode(good.to_string()).into();
    assert_eq!(
        refusal(&world, grafted.to_string().into_bytes()).code(),
        "bad-signature"
    );
}

#[test]
fn one_pass_serves_the_digests_of_all_signatures() {
    let world = world(KeyAlgorithm::EcdsaP384);
    let key = world.key();
    let sha384 = digest_of(DigestAlgorithm::Sha384, HELLO);
    let by_sha384 = encode_message_signature(
        &key.public_key(),
        &sha384,
        &key.sign_digest(&sha384).unwrap().into(),
    );
    let detached384 = encode_detached(&key.sign_digest(&sha384).unwrap());
    let given = [bundle(&key, HELLO, &sha256(HELLO)), by_sha384, detached384];
    let verified = verify(&world, &given, &policy(&[&key], Require::Any));
    let Verification::Valid { signers } = &verified.verification else {
        panic!("{verified:?}");
    };
    assert_eq!(signers[0].signatures, ["given-0", "given-1", "given-2"]);
    assert_eq!(world.times_resolved(), 1);
    assert_eq!(
        world.digests_asked(),
        [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384]
    );
}

#[test]
fn a_signature_is_asked_for_the_digest_that_it_is_over() {
    let world = world(KeyAlgorithm::EcdsaP384);
    let key = world.key();
    let sha384 = digest_of(DigestAlgorithm::Sha384, HELLO);
    let signature = key.sign_digest(&sha384).unwrap();
    assert!(is_valid(&world, encode_detached(&signature)));
    let bundle = encode_message_signature(&key.public_key(), &sha384, &signature.into());
    let empty = edited(&bundle, |b| {
        b["messageSignature"]["messageDigest"] = json!({});
    });
    let missing = edited(&bundle, |b| {
        b["messageSignature"]
            .as_object_mut()
            .unwrap()
            .remove("messageDigest");
    });
    for without_digest in [empty, missing] {
        let reason = refusal(&world, without_digest);
        assert!(
            reason.to_string().contains("no `messageDigest`"),
            "{reason}"
        );
    }
    let sha512 = digest_of(DigestAlgorithm::Sha512, HELLO).to_hex();
    let by_sha512 = statement(
        crate::formats::statement::SIGNATURE_PREDICATE,
        json!({"sha512": sha512}),
    );
    assert!(is_valid(&world, envelope(&key, &by_sha512)));
}

/// DSSE: a `keyid` is a hint that nobody has signed, and decides nothing. cosign refuses one that it would not have written.
#[test]
fn the_key_id_of_an_envelope_decides_nothing() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let digest = json!({"sha256": sha256(HELLO).to_hex()});
    let signed = statement(crate::formats::statement::SIGNATURE_PREDICATE, digest);
    let with_id = edited(&envelope(&world.key(), &signed), |b| {
        b["dsseEnvelope"]["signatures"][0]["keyid"] = "another".into();
    });
    assert!(is_valid(&world, with_id));
}

/// cosign wants the key in its old bundle to be the trusted one.
#[test]
fn an_old_bundle_with_another_key_than_the_one_that_signed_is_refused() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let key = world.key();
    let other = TestKey::generate(KeyAlgorithm::EcdsaP256);
    let with = |named: &TestKey| {
        let cert = STANDARD.encode(crate::key::to_pem(&named.public_key()));
        let signature = STANDARD.encode(key.sign(HELLO));
        json!({"base64Signature": signature, "cert": cert})
            .to_string()
            .into_bytes()
    };
    assert!(is_valid(&world, with(&key)));
    assert_eq!(refusal(&world, with(&other)).code(), "wrong-key");
}

#[test]
fn distinct_signers_are_counted_not_signatures() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let (a, b) = (world.key(), TestKey::generate(KeyAlgorithm::Ed25519));
    let by = |key: &TestKey| bundle(key, HELLO, &sha256(HELLO));
    let twice = [by(&a), by(&a)];
    let both = [by(&a), by(&b)];
    for require in [Require::All, Require::Count(2)] {
        let policy = policy(&[&a, &b], require);
        let verified = verify(&world, &twice, &policy);
        let Verification::Refused { reasons } = verified.verification else {
            panic!("{verified:?}");
        };
        let Reason::NotEnoughSigners {
            required,
            signed,
            missing,
        } = &reasons[0]
        else {
            panic!("{reasons:?}");
        };
        assert_eq!((*required, signed.len(), missing.len()), (2, 1, 1));
        assert_eq!(missing[0].name, "1.pub");
        assert!(matches!(
            verify(&world, &both, &policy).verification,
            Verification::Valid { .. }
        ));
    }
}

#[test]
fn no_signature_is_refused_only_if_every_place_answered() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let policy = policy(&[&world.key()], Require::Any);
    assert_eq!(
        verify(&world, &[], &policy).verification,
        Verification::Refused {
            reasons: vec![Reason::NoSignature]
        }
    );
    world.fail_signatures();
    let Verification::Inconclusive { reasons } = verify(&world, &[], &policy).verification else {
        panic!("refused");
    };
    assert_eq!(reasons[0].code(), "place-failed");
}

#[test]
fn a_format_of_the_future_leaves_the_question_open() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let policy = policy(&[&world.key()], Require::Any);
    std::fs::write(world.beside(".future"), "?").unwrap();
    assert!(matches!(
        verify(&world, &[], &policy).verification,
        Verification::Inconclusive { .. }
    ));
    // One good signature settles it, with a note.
    std::fs::write(
        world.beside(".sigstore.json"),
        bundle(&world.key(), HELLO, &sha256(HELLO)),
    )
    .unwrap();
    let verified = verify(&world, &[], &policy);
    assert!(matches!(verified.verification, Verification::Valid { .. }));
    assert!(verified.notes[0].contains("does not read"));
}

#[test]
fn a_good_signature_beside_bad_ones_is_valid_with_notes() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let stranger = TestKey::generate(KeyAlgorithm::EcdsaP256);
    let given = [
        bundle(&stranger, HELLO, &sha256(HELLO)),
        b"{}".to_vec(),
        bundle(&world.key(), HELLO, &sha256(HELLO)),
    ];
    let verified = verify(&world, &given, &policy(&[&world.key()], Require::Any));
    assert!(matches!(verified.verification, Verification::Valid { .. }));
    assert_eq!(verified.notes.len(), 2);
    assert_eq!(verified.checked.len(), 3);
    assert!(verified.checked[2].signer.is_some() && verified.checked[2].reason.is_none());
}

#[test]
fn unreadable_bytes_leave_the_question_open_for_ed25519() {
    let world = world(KeyAlgorithm::Ed25519);
    world.hide_path();
    world.set_hashing(Hashing::Unknown);
    let given = [bundle(&world.key(), HELLO, &sha256(HELLO))];
    let verified = verify(&world, &given, &policy(&[&world.key()], Require::Any));
    let Verification::Inconclusive { reasons } = verified.verification else {
        panic!("{verified:?}");
    };
    assert_eq!(reasons[0].code(), "payload-unreadable");
}

#[test]
fn ed25519_is_verified_from_the_one_pass_of_the_source() {
    let world = world(KeyAlgorithm::Ed25519);
    let key = world.key();
    let policy = policy(
        &[&TestKey::generate(KeyAlgorithm::Ed25519), &key],
        Require::Any,
    );
    // Nothing can be read here.
    world.hide_path();
    for good in [
        bundle(&key, HELLO, &sha256(HELLO)),
        encode_detached(&key.sign(HELLO)),
    ] {
        let verified = verify(&world, &[good], &policy);
        let Verification::Valid { signers } = &verified.verification else {
            panic!("{verified:?}");
        };
        assert_eq!(signers[0].name, "1.pub");
        // The signature by each of the two keys.
        assert_eq!(world.prefixed_asked(), 2);
    }
    assert_eq!(world.times_resolved(), 2);
    // All that is compared with a reading is compared without.
    let declares_another = bundle(&key, HELLO, &sha256(b"another"));
    assert_eq!(refusal(&world, declares_another).code(), "wrong-digest");
    let of_another = encode_detached(&key.sign(b"another"));
    assert_eq!(refusal(&world, of_another).code(), "does-not-verify");
    let damaged = edited(&bundle(&key, HELLO, &sha256(HELLO)), |b| {
        let mut signature = key.sign(HELLO);
        signature[40] ^= 1;
        b["messageSignature"]["signature"] = STANDARD.encode(signature).into();
    });
    assert_eq!(refusal(&world, damaged).code(), "bad-signature");
}

#[test]
fn a_source_that_hashes_wrongly_makes_no_signature_good() {
    let world = world(KeyAlgorithm::Ed25519);
    let policy = policy(&[&world.key()], Require::Any);
    let given = [bundle(&world.key(), HELLO, &sha256(HELLO))];
    for wrong in [Hashing::ForgetsPrefix, Hashing::OtherContent] {
        world.set_hashing(wrong);
        let verified = verify(&world, &given, &policy);
        assert!(
            matches!(verified.verification, Verification::Refused { .. }),
            "{wrong:?}: {verified:?}"
        );
    }
    for wrong in [Hashing::OneTooMany, Hashing::OtherAlgorithm] {
        world.set_hashing(wrong);
        let given = GivenSignature {
            label: "given".to_owned(),
            content: given[0].clone(),
        };
        let error = world.verify_given(&[given], &policy).unwrap_err();
        assert_eq!(error.code, ErrorCode::Internal, "{wrong:?}");
    }
}

#[test]
fn anothers_source_is_not_believed_about_what_ed25519_signs() {
    let world = world(KeyAlgorithm::Ed25519);
    let policy = policy(&[&world.key()], Require::Any);
    let given = [GivenSignature {
        label: "given".to_owned(),
        content: bundle(&world.key(), HELLO, &sha256(HELLO)),
    }];
    let verdict = || {
        let verified = world.verify_by(false, &given, &policy).unwrap();
        verified.verification
    };
    assert!(matches!(verdict(), Verification::Valid { .. }));
    assert_eq!(world.prefixed_asked(), 0);
    // The file that was named is read, whether its source tells of it or not.
    world.hide_path();
    assert!(matches!(verdict(), Verification::Valid { .. }));
}

#[test]
fn an_answer_for_one_signature_is_not_taken_for_another() {
    let world = world(KeyAlgorithm::Ed25519);
    let policy = policy(&[&world.key()], Require::Any);
    world.set_hashing(Hashing::Reversed);
    let given = [HELLO, b"another"].map(|bytes| encode_detached(&world.key().sign(bytes)));
    let verified = verify(&world, &given, &policy);
    assert!(
        matches!(verified.verification, Verification::Refused { .. }),
        "{verified:?}"
    );
}

#[test]
fn without_the_hashes_of_the_source_the_bytes_are_read() {
    let world = world(KeyAlgorithm::Ed25519);
    let key = world.key();
    let policy = policy(&[&key], Require::Any);
    // More signatures than a source is asked to hash for: each of other bytes, so that each is another, and a good one.
    let others = (0..MAX_PREFIXED).map(|i| encode_detached(&key.sign(i.to_string().as_bytes())));
    let mut given: Vec<Vec<u8>> = others.collect();
    given.push(encode_detached(&key.sign(HELLO)));
    let is_valid = |given: &[Vec<u8>]| {
        let verified = verify(&world, given, &policy);
        matches!(verified.verification, Verification::Valid { .. })
    };
    assert!(is_valid(&given));
    assert_eq!(world.prefixed_asked(), 0);
    assert!(is_valid(&given[1..]));
    assert_eq!(world.prefixed_asked(), MAX_PREFIXED);
    world.set_hashing(Hashing::Unknown);
    assert!(is_valid(&given[1..]));
    world.write("changed");
    assert!(!is_valid(&given[1..]));
}

/// Checks signatures for which the source hashed nothing, so that the bytes are read.
fn check_alone(
    policy: &Policy,
    artifact: &Artifact,
    candidates: &[Candidate],
) -> Result<Vec<Outcome>> {
    let challenges = Challenges::default();
    check::check(
        policy.keys(),
        policy.annotations(),
        artifact,
        &challenges,
        candidates,
    )
}

#[test]
fn a_file_that_fails_between_the_passes_leaves_the_question_open() {
    let world = world(KeyAlgorithm::Ed25519);
    let keys = policy(&[&world.key()], Require::Any);
    let (mut artifact, _) = resolve(
        &world.source(),
        &world.reference(),
        &[DigestAlgorithm::Sha256],
    )
    .unwrap();
    let candidates = [Candidate::read(
        "s",
        &bundle(&world.key(), HELLO, &sha256(HELLO)),
    )];
    // A folder can be opened, and not be read.
    for path in [world.folder.path().to_owned(), world.beside(".missing")] {
        artifact.path = Some(path);
        let outcomes = check_alone(&keys, &artifact, &candidates).unwrap();
        assert_eq!(outcomes[0].reason().unwrap().code(), "payload-unreadable");
    }
}

#[test]
fn a_file_that_changes_between_the_passes_is_an_error() {
    let world = world(KeyAlgorithm::Ed25519);
    let (mut artifact, _) = resolve(
        &world.source(),
        &world.reference(),
        &[DigestAlgorithm::Sha256],
    )
    .unwrap();
    let candidates = [Candidate::read(
        "s",
        &bundle(&world.key(), b"hello!", &sha256(HELLO)),
    )];
    let keys = policy(&[&world.key()], Require::Any);
    world.write("hello!");
    let error = check_alone(&keys, &artifact, &candidates).unwrap_err();
    assert_eq!(error.code, ErrorCode::Integrity);
    artifact.size = 3;
    let error = check_alone(&keys, &artifact, &candidates).unwrap_err();
    assert_eq!(error.code, ErrorCode::Integrity, "it grew");
    // What a certificate signed is not checked, so no bytes are read for it.
    let keyless = edited(&bundle(&world.key(), HELLO, &sha256(HELLO)), |b| {
        b["verificationMaterial"] = json!({"certificate": {"rawBytes": "AQID"}});
    });
    let candidates = [Candidate::read("s", &keyless)];
    assert!(check_alone(&keys, &artifact, &candidates).is_ok());
}

#[test]
fn a_missing_artifact_is_an_error_not_a_verdict() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let policy = policy(&[&world.key()], Require::Any);
    std::fs::remove_file(world.path()).unwrap();
    let error = world.verify_given(&[], &policy).unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
}

#[test]
fn more_signatures_than_are_looked_at_leave_the_question_open() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let stranger = TestKey::generate(KeyAlgorithm::EcdsaP256);
    let given = vec![bundle(&stranger, HELLO, &sha256(HELLO)); MAX_SIGNATURES + 1];
    let verified = verify(&world, &given, &policy(&[&world.key()], Require::Any));
    let Verification::Inconclusive { reasons } = verified.verification else {
        panic!("{verified:?}");
    };
    assert_eq!(reasons[0].code(), "too-many-signatures");
}

#[test]
fn a_list_that_is_too_long_is_cut_and_said_to_be() {
    // One signature per page, asked for by somebody who wants only bundles.
    let found = |ending: &str, count: usize| {
        let world = world(KeyAlgorithm::EcdsaP256);
        for i in 0..count {
            std::fs::write(world.beside(&format!(".{i}.{ending}")), "{}").unwrap();
        }
        let wanted = [SignatureFormat::Bundle];
        let listed = Pages::new(&world.source(), &world.reference(), None, &wanted).all();
        (listed.found.len(), listed.failures.len())
    };
    assert_eq!(found("json", MAX_SIGNATURES), (MAX_SIGNATURES, 0));
    assert_eq!(found("json", MAX_SIGNATURES + 1), (MAX_SIGNATURES, 1));
    assert_eq!(found("sig", MAX_PAGES), (0, 0));
    assert_eq!(found("sig", MAX_PAGES + 1), (0, 1));
}

#[test]
fn a_store_with_too_many_signatures_of_an_image_is_read_as_far_as_that() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("signatures.db")).unwrap();
    let digest = sha256(HELLO);
    let entry = Entry {
        digest: &digest,
        repository: "ghcr.io/acme/app",
        format: SignatureFormat::Bundle,
        signer: &SignerId::Key(KeyHint::for_tests("h")),
        content: b"{}",
    };
    let found = || {
        let listed = gather::list_in_store(&Ok(Some(&store)), &digest);
        (listed.found.len(), listed.failures.len())
    };
    for _ in 0..MAX_IN_STORE {
        store.put(&entry, true).unwrap();
    }
    assert_eq!(found(), (MAX_IN_STORE, 0));
    store.put(&entry, true).unwrap();
    assert_eq!(found(), (MAX_IN_STORE, 1));
}

#[test]
fn reasons_are_data_with_codes() {
    let world = world(KeyAlgorithm::EcdsaP256);
    let policy = policy(&[&world.key()], Require::Any);
    let verified = verify(&world, &[b"{}".to_vec()], &policy);
    let json = serde_json::to_value(&verified).unwrap();
    assert_eq!(json["verification"]["verdict"], "refused");
    assert_eq!(json["verification"]["reasons"][0]["code"], "malformed");
    assert_eq!(json["verification"]["reasons"][0]["signature"], "given-0");
}

/// The managed-key cases of sigstore-conformance, where they are at hand.
#[test]
fn the_conformance_cases_with_managed_keys_come_out_right() {
    let cases = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/vectors/conformance");
    if !cases.is_dir() {
        // The vectors are not part of this repository.
        crate::fake::skipped("sigstore-conformance vectors", &cases);
        return;
    }
    let world = world(KeyAlgorithm::EcdsaP256);
    std::fs::copy(cases.join("a.txt"), world.path()).unwrap();
    let mut seen = 0;
    for case in std::fs::read_dir(cases.join("bundle-verify")).unwrap() {
        let case = case.unwrap().path();
        let Ok(pem) = std::fs::read(case.join("key.pub")) else {
            continue;
        };
        seen += 1;
        let should_fail = case.to_str().unwrap().ends_with("_fail");
        let valid = crate::key::parse_public_key(&pem).is_ok_and(|key| {
            let trusted = TrustedKey::new("key.pub".to_owned(), key);
            let policy = Policy::new(vec![trusted], Require::Any).unwrap();
            let given = std::fs::read(case.join("bundle.sigstore.json")).unwrap();
            let verified = verify(&world, &[given], &policy);
            matches!(verified.verification, Verification::Valid { .. })
        });
        assert_eq!(valid, !should_fail, "{}", case.display());
    }
    assert_eq!(seen, 3);
}
