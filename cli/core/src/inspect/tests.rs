//! What a user sees of each kind of file.

use super::*;
use crate::fake::TestKey;
use crate::formats::bundle::encode_message_signature;
use crate::formats::signature_file::encode_detached;
use crate::key::{KeyHint, digest_of, to_pem};
use sigtool_sdk::types::{DigestAlgorithm, KeyAlgorithm};

/// What a program sees.
fn facts(content: &[u8]) -> serde_json::Value {
    serde_json::to_value(inspect(content, "file").unwrap()).unwrap()
}

fn pem_of(tag: &str, contents: &[u8]) -> Vec<u8> {
    pem::encode(&pem::Pem::new(tag, contents)).into_bytes()
}

#[test]
fn a_bundle_is_shown_as_unverified() {
    let key = TestKey::generate(KeyAlgorithm::EcdsaP256);
    let digest = digest_of(DigestAlgorithm::Sha256, b"x");
    let bundle = encode_message_signature(&key.public_key(), &digest, &key.sign(b"x").into());
    let json = facts(&bundle);
    let hint = KeyHint::of(&key.public_key());
    assert_eq!(json["unverified_key_hint"], hint.as_str());
    assert_eq!(json["signature"]["looks_like"], "ECDSA (DER)");
    assert_eq!(json["kind"], "bundle");
    assert_eq!(json["format"], "v0.3");
    assert_eq!(json["unverified_digest"], digest.to_string());
}

#[test]
fn a_bundle_cannot_move_the_cursor() {
    let bundle = br#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"\u001b[2J"}},"dsseEnvelope":{"payload":"e30=","payloadType":"\u001b]0;x\u0007","signatures":[{"sig":"AQID"}]}}"#;
    let json = facts(bundle).to_string();
    assert!(!json.contains("u001b") && !json.contains("u0007"), "{json}");
}

#[test]
fn every_signature_is_known_by_its_shape() {
    for algorithm in KeyAlgorithm::ALL {
        let signature = TestKey::generate(algorithm).sign(b"x");
        for content in [encode_detached(&signature), signature] {
            let Inspected::DetachedSignature(facts) = inspect(&content, "x").unwrap().content
            else {
                panic!("{algorithm}: not a signature");
            };
            assert_ne!(facts.looks_like, "nothing known", "{algorithm}");
        }
    }
}

#[test]
fn a_raw_signature_may_begin_like_json_or_der() {
    for first in [b'{', b' ', 0x30] {
        for length in [64, 256] {
            let mut signature = vec![0xff; length];
            signature[0] = first;
            signature[1] = b'{';
            let Inspected::DetachedSignature(facts) = inspect(&signature, "x").unwrap().content
            else {
                panic!("{first:#x}: not a signature");
            };
            assert_eq!(facts.length, length);
        }
    }
}

#[test]
fn the_base64_of_a_raw_signature_may_begin_like_der() {
    for length in [64, 256, 384, 512] {
        let text = encode_detached(&vec![0xd0; length]);
        assert_eq!(text[0], 0x30);
        let Inspected::DetachedSignature(facts) = inspect(&text, "x").unwrap().content else {
            panic!("{length}: not a signature");
        };
        assert_eq!(facts.length, length);
    }
}

#[test]
fn a_public_key_is_shown_with_its_hint() {
    let key = TestKey::generate(KeyAlgorithm::Ed25519).public_key();
    for content in [to_pem(&key).into_bytes(), key.spki.0.clone()] {
        let json = facts(&content);
        assert_eq!(json["kind"], "public-key");
        assert_eq!(json["algorithm"], "ed25519");
        assert_eq!(json["key_hint"], KeyHint::of(&key).as_str());
    }
}

#[test]
fn a_private_key_shows_its_public_half_and_nothing_else() {
    for algorithm in [
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP521,
        KeyAlgorithm::Ed25519,
    ] {
        let key = TestKey::generate(algorithm);
        let der = key.private_der();
        for content in [pem_of("PRIVATE KEY", &der), der.clone()] {
            let json = facts(&content);
            assert_eq!(json["kind"], "private-key");
            let hint = KeyHint::of(&key.public_key());
            assert_eq!(json["public_key"]["key_hint"], hint.as_str());
            let json = json.to_string();
            let secret = std::str::from_utf8(&content)
                .map_or(String::new(), |pem| pem.lines().nth(1).unwrap().to_owned());
            assert!(secret.is_empty() || !json.contains(&secret));
        }
    }
}

#[test]
fn a_locked_key_shows_how_it_is_locked() {
    let cosign = br#"{"kdf":{"name":"scrypt","params":{"N":65536,"r":8,"p":1},"salt":"c2FsdA=="},"cipher":{"name":"nacl/secretbox","nonce":"bm9uY2U="},"ciphertext":"c2VjcmV0"}"#;
    let json = facts(&pem_of("ENCRYPTED SIGSTORE PRIVATE KEY", cosign));
    assert_eq!(json["key_derivation"], "scrypt (N 65536, r 8, p 1)");
    assert_eq!(json["cipher"], "nacl/secretbox");
    assert!(!json.to_string().contains("c2VjcmV0"));

    // `openssl genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -v2 aes-256-cbc -iter 2048`
    let der = hex::decode(concat!(
        "30819b305706092a864886f70d01050d304a302906092a864886f70d01050c301c0408ca156fd6359740e8",
        "02020800300c06082a864886f70d02090500301d060960864801650304012a04100f95bccf844336fce653",
        "e44ff387fd8e0440cdb2ce6be9f7b7d184aae41ae2ec113bebcd62aad5cba6e91e2c5269c96f368bb93f1f",
        "0f6c3c2181833fe331715c982767af8ac4bd6577c1e2d390a5367be34e"
    ))
    .unwrap();
    for content in [pem_of("ENCRYPTED PRIVATE KEY", &der), der] {
        let json = facts(&content);
        let said = |field: &str| json[field].as_str().unwrap().to_owned();
        assert!(said("key_derivation").contains("PBKDF2 (2048 iterations)"));
        assert!(said("cipher").contains("AES-256-CBC"));
    }

    let traditional = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAQID\n-----END EC PRIVATE KEY-----\n";
    let json = facts(traditional.as_bytes());
    assert!(json["cipher"].as_str().unwrap().contains("AES-128-CBC"));
}

#[test]
fn a_keyless_bundle_shows_the_identity_of_its_certificate() {
    let case = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/vectors/conformance/bundle-verify/happy-path-v0.3");
    let Ok(bundle) = std::fs::read(case.join("bundle.sigstore.json")) else {
        crate::fake::skipped("sigstore-conformance vectors", &case);
        return;
    };
    let json = facts(&bundle);
    let certificate = &json["unverified_certificates"][0];
    assert_eq!(
        certificate["oidc_issuer"],
        "https://token.actions.githubusercontent.com"
    );
    let identity = certificate["names"][0].as_str().unwrap();
    assert!(identity.starts_with("https://github.com/sigstore-conformance/"));
    assert_eq!(
        certificate["authority"],
        "CN=sigstore-intermediate,O=sigstore.dev"
    );
    assert!(
        json["unverified_log_entries"][0]["index"].is_u64(),
        "{json}"
    );
}

#[test]
fn what_is_unknown_is_said_to_be() {
    for content in [
        b"".as_slice(),
        b"hello world",
        b"-----BEGIN X-----\n",
        b"\x30\x03\x02\x01\x01",
        b"{}",
    ] {
        assert!(inspect(content, "x").is_err(), "{content:?}");
    }
    let error = inspect(b"hello world", "notes.txt").unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("`notes.txt` cannot be inspected")
    );
}
