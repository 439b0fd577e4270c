//! What strangers put into bundles.

use super::*;
use crate::fake::TestKey;
use crate::formats::dsse::Envelope;
use crate::formats::statement::{Statement, signing_statement};
use crate::key::KeyHint;
use crate::limits::MAX_SUBJECTS;
use serde_json::{Value, json};
use sigtool_sdk::types::Digest;
use sigtool_sdk::types::KeyAlgorithm;
use std::collections::BTreeMap;

fn bundle() -> Value {
    let key = TestKey::generate(KeyAlgorithm::EcdsaP256);
    let digest = format!("sha256:{}", "0a".repeat(32)).parse().unwrap();
    let text = encode_message_signature(&key.public_key(), &digest, &vec![1, 2, 3].into());
    serde_json::from_slice(&text).unwrap()
}

fn decode(value: &Value) -> Result<Bundle, Malformed> {
    Bundle::decode(value.to_string().as_bytes())
}

#[test]
fn what_is_written_comes_back_and_has_cosigns_layout() {
    let key = TestKey::generate(KeyAlgorithm::EcdsaP256).public_key();
    let digest: Digest = format!("sha256:{}", "0a".repeat(32)).parse().unwrap();
    let text = encode_message_signature(&key, &digest, &vec![1, 2, 3].into());
    let hint = KeyHint::of(&key);
    assert_eq!(
        String::from_utf8(text.clone()).unwrap(),
        format!(
            concat!(
                r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","#,
                r#""verificationMaterial":{{"publicKey":{{"hint":"{}"}}}},"#,
                r#""messageSignature":{{"messageDigest":{{"algorithm":"SHA2_256","#,
                r#""digest":"CgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgo="}},"signature":"AQID"}}}}"#
            ),
            hint
        )
    );
    let bundle = Bundle::decode(&text).unwrap();
    assert_eq!(bundle.format, BundleFormat::V0_3);
    assert_eq!(bundle.unverified_hint(), Some(hint.as_str()));
    assert_eq!(
        bundle.content,
        Content::Message {
            unverified_digest: Some(digest),
            signature: vec![1, 2, 3]
        }
    );
}

#[test]
fn every_spelling_of_the_versions_is_read() {
    for (media_type, format) in [
        (
            "application/vnd.dev.sigstore.bundle+json;version=0.1",
            BundleFormat::V0_1,
        ),
        (
            "application/vnd.dev.sigstore.bundle+json;version=0.2",
            BundleFormat::V0_2,
        ),
        (
            "application/vnd.dev.sigstore.bundle+json;version=0.3",
            BundleFormat::V0_3,
        ),
        (
            "application/vnd.dev.sigstore.bundle.v0.3+json",
            BundleFormat::V0_3,
        ),
    ] {
        let mut bundle = bundle();
        bundle["mediaType"] = media_type.into();
        assert_eq!(decode(&bundle).unwrap().format, format);
    }
    let mut bundle = bundle();
    bundle["mediaType"] = "application/vnd.dev.sigstore.bundle.v9+json".into();
    assert_eq!(decode(&bundle).unwrap_err().at, "mediaType");
}

#[test]
fn a_key_that_stands_twice_is_refused_wherever_it_is() {
    let text = bundle().to_string();
    for (once, twice) in [
        (r#""signature":"#, r#""signature":"BAUG","signature":"#),
        (r#""hint":"#, r#""hint":"x","hint":"#),
        (r#""mediaType":"#, r#""unknown":1,"unknown":2,"mediaType":"#),
    ] {
        let forged = text.replacen(once, twice, 1);
        assert_ne!(forged, text);
        let error = Bundle::decode(forged.as_bytes()).unwrap_err();
        assert!(error.what.contains("stands twice"), "{error}");
    }
}

/// A bundle with a further field at this place.
fn with(mut bundle: Value, place: &str, name: &str) -> Value {
    bundle.pointer_mut(place).unwrap()[name] = json!({});
    bundle
}

/// SECURITY.md: "Ambiguous and oversized input is refused".
#[test]
fn an_unknown_field_and_another_spelling_of_a_known_one_are_refused_wherever_they_stand() {
    let mut full = bundle();
    full["verificationMaterial"]["tlogEntries"] = json!([{ "inclusionProof": {} }]);
    for (place, name, what) in [
        ("", "message_signature", "`messageSignature`"),
        ("", "dsse_envelope", "`dsseEnvelope`"),
        ("", "MessageSignature", "`messageSignature`"),
        ("", "x", "not known"),
        ("/verificationMaterial", "public_key", "`publicKey`"),
        ("/verificationMaterial", "Certificate", "`certificate`"),
        ("/verificationMaterial", "x", "not known"),
        ("/verificationMaterial/publicKey", "Hint", "`hint`"),
        ("/verificationMaterial/publicKey", "key", "not known"),
        (
            "/verificationMaterial/tlogEntries/0",
            "log_index",
            "`logIndex`",
        ),
        (
            "/verificationMaterial/tlogEntries/0/inclusionProof",
            "x",
            "not known",
        ),
        ("/messageSignature", "message_digest", "`messageDigest`"),
        ("/messageSignature", "messageDigesu", "not known"),
        ("/messageSignature/messageDigest", "DIGEST", "`digest`"),
    ] {
        let error = decode(&with(full.clone(), place, name)).unwrap_err();
        assert!(error.what.contains(what), "{place} {name}: {error}");
    }
    let old = json!({"base64Signature": "AQID", "rekorBundle": {"Payload": {"logIndex": 7}}});
    assert!(decode(&old).is_ok());
    for (place, name) in [
        ("", "Cert"),
        ("", "Base64Signature"),
        ("", "x"),
        ("/rekorBundle", "payload"),
        ("/rekorBundle/Payload", "logId"),
    ] {
        assert!(decode(&with(old.clone(), place, name)).is_err(), "{name}");
    }
}

#[test]
fn two_signers_or_two_contents_in_one_bundle_are_refused() {
    let mut both = bundle();
    both["verificationMaterial"]["certificate"] = json!({"rawBytes": "AA=="});
    assert_eq!(decode(&both).unwrap_err().at, "verificationMaterial");
    let mut both = bundle();
    both["dsseEnvelope"] =
        json!({"payload": "", "payloadType": "x", "signatures": [{"sig": "AA=="}]});
    assert!(decode(&both).unwrap_err().what.contains("both"));
    let mut both = bundle();
    both["base64Signature"] = "AQID".into();
    assert!(decode(&both).unwrap_err().what.contains("at once"));
    let mut null = bundle();
    null["dsseEnvelope"] = Value::Null;
    assert!(decode(&null).is_ok(), "null is the same as absent");
}

#[test]
fn broken_parts_are_named() {
    type Break = fn(&mut Value);
    let cases: [(Break, &str); 9] = [
        (
            |b| b["messageSignature"]["signature"] = "!".into(),
            "messageSignature",
        ),
        (
            |b| b["messageSignature"]["signature"] = "".into(),
            "messageSignature",
        ),
        (
            |b| b["messageSignature"]["messageDigest"]["digest"] = "AQID".into(),
            "messageSignature.messageDigest",
        ),
        (
            |b| b["messageSignature"]["messageDigest"]["algorithm"] = "MD5".into(),
            "messageSignature.messageDigest",
        ),
        // Names that other formats have for it, and cosign does not read.
        (
            |b| b["messageSignature"]["messageDigest"]["algorithm"] = "sha256".into(),
            "messageSignature.messageDigest",
        ),
        (
            |b| b["messageSignature"]["messageDigest"]["algorithm"] = "SHA-256".into(),
            "messageSignature.messageDigest",
        ),
        (
            |b| b["verificationMaterial"] = json!({}),
            "verificationMaterial",
        ),
        (
            |b| b["verificationMaterial"] = json!({"x509CertificateChain": {"certificates": []}}),
            "verificationMaterial",
        ),
        (
            |b| b["verificationMaterial"]["tlogEntries"] = json!([{"logIndex": "-1"}]),
            "verificationMaterial",
        ),
    ];
    for (break_it, at) in cases {
        let mut bundle = bundle();
        break_it(&mut bundle);
        assert_eq!(decode(&bundle).unwrap_err().at, at);
    }
}

#[test]
fn a_chain_is_read_in_v0_2_and_forbidden_in_v0_3() {
    let mut bundle = bundle();
    bundle["verificationMaterial"] =
        json!({"x509CertificateChain": {"certificates": [{"rawBytes": "AQID"}]}});
    assert!(decode(&bundle).unwrap_err().what.contains("v0.3"));
    bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2".into();
    assert_eq!(
        decode(&bundle).unwrap().unverified_signer,
        UnverifiedSigner::Certificate(vec![vec![1, 2, 3]])
    );
}

#[test]
fn the_empty_digest_of_cosign_is_none() {
    let mut bundle = bundle();
    bundle["messageSignature"]["messageDigest"] = json!({});
    assert!(matches!(
        decode(&bundle).unwrap().content,
        Content::Message {
            unverified_digest: None,
            ..
        }
    ));
}

#[test]
fn a_statement_is_about_one_artifact_at_least_and_a_bounded_number_at_most() {
    let about = |count: usize| {
        let subject = json!({"digest": {"sha256": "0a".repeat(32)}});
        let digest = format!("sha256:{}", "0a".repeat(32)).parse().unwrap();
        let mut envelope = signing_statement("app", &digest, &BTreeMap::new());
        let mut statement: Value = serde_json::from_slice(&envelope.payload).unwrap();
        statement["subject"] = vec![subject; count].into();
        envelope.payload = statement.to_string().into_bytes();
        Statement::decode(&envelope).map(|s| s.unwrap().subjects.len())
    };
    for count in [1, MAX_SUBJECTS] {
        assert_eq!(about(count), Ok(count));
    }
    for count in [0, MAX_SUBJECTS + 1] {
        let error = about(count).unwrap_err();
        assert!(error.what.contains("were expected"), "{error}");
    }
}

#[test]
fn an_annotation_that_is_a_number_is_read_as_it_is_written() {
    for number in ["7", "-0.5", "5.697708310669942e-34"] {
        let payload = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","predicateType":"x","subject":[{{"digest":{{}},"annotations":{{"n":{number}}}}}]}}"#
        );
        let envelope = Envelope {
            payload_type: "application/vnd.in-toto+json".to_owned(),
            payload: payload.into_bytes(),
            signature: vec![],
        };
        let statement = Statement::decode(&envelope).unwrap().unwrap();
        assert_eq!(statement.subjects[0].annotations["n"].to_string(), number);
    }
}

#[test]
fn an_old_cosign_bundle_names_its_key() {
    use base64::Engine as _;
    let key = TestKey::generate(KeyAlgorithm::EcdsaP256).public_key();
    let pem = crate::key::to_pem(&key);
    let b64 = base64::engine::general_purpose::STANDARD.encode(&pem);
    for cert in [pem, b64] {
        let bundle = decode(&json!({"base64Signature": "AQID", "cert": cert,
            "rekorBundle": {"Payload": {"logIndex": 7, "integratedTime": 1}}}))
        .unwrap();
        assert_eq!(bundle.format, BundleFormat::Cosign);
        assert_eq!(bundle.unverified_hint(), Some(KeyHint::of(&key).as_str()));
        assert_eq!(bundle.unverified_log_entries[0].index, 7);
    }
    let bare = decode(&json!({"base64Signature": "AQID"})).unwrap();
    assert_eq!(bare.unverified_hint(), None);
    assert_eq!(
        decode(&json!({"base64Signature": ""})).unwrap_err().at,
        "base64Signature"
    );
}

#[test]
fn other_json_is_not_a_bundle() {
    for text in ["{}", "[]", "{", r#"{"a":1}"#] {
        assert!(Bundle::decode(text.as_bytes()).is_err(), "{text}");
    }
    assert!(
        Bundle::decode(&vec![b' '; MAX_BUNDLE + 1])
            .unwrap_err()
            .what
            .contains("at most")
    );
}
