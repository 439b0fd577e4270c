//! Sigstore bundles v0.1 to v0.3. The one module that names the types of `sigstore-types`, which break often.
//!
//! Each of those types reads one part; which parts there may be is checked here, since they take the first of two alternatives.

use super::content::{Bundle, BundleFormat, Content, UnverifiedLogEntry, UnverifiedSigner};
use crate::formats::dsse::Envelope;
use crate::formats::malformed::Malformed;
use crate::limits::{MAX_CERTIFICATES, MAX_LOG_ENTRIES, MAX_TIMESTAMPS};
use crate::text::printable;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sigstore_types::{
    DsseEnvelope, HashAlgorithm, MediaType, MessageSignature, VerificationMaterial,
    VerificationMaterialContent,
};
use sigtool_sdk::json::Shape;
use sigtool_sdk::types::{Digest, DigestAlgorithm};

/// What must be there exactly once, as alternatives.
const SIGNERS: [&str; 3] = ["publicKey", "certificate", "x509CertificateChain"];
const CONTENTS: [&str; 2] = ["messageSignature", "dsseEnvelope"];

/// Every field of v0.1 to v0.3 (`sigstore_bundle.proto`, and those that it imports).
pub(super) const SHAPE: Shape = Shape::Closed(&[
    ("mediaType", Shape::Free),
    ("verificationMaterial", MATERIAL),
    (
        "messageSignature",
        Shape::Closed(&[
            (
                "messageDigest",
                Shape::Closed(&[("algorithm", Shape::Free), ("digest", Shape::Free)]),
            ),
            ("signature", Shape::Free),
        ]),
    ),
    (
        "dsseEnvelope",
        Shape::Closed(&[
            ("payload", Shape::Free),
            ("payloadType", Shape::Free),
            (
                "signatures",
                Shape::List(&Shape::Closed(&[
                    ("sig", Shape::Free),
                    ("keyid", Shape::Free),
                ])),
            ),
        ]),
    ),
]);

const MATERIAL: Shape = Shape::Closed(&[
    ("publicKey", Shape::Closed(&[("hint", Shape::Free)])),
    ("certificate", CERTIFICATE),
    (
        "x509CertificateChain",
        Shape::Closed(&[("certificates", Shape::List(&CERTIFICATE))]),
    ),
    ("tlogEntries", Shape::List(&LOG_ENTRY)),
    (
        "timestampVerificationData",
        Shape::Closed(&[(
            "rfc3161Timestamps",
            Shape::List(&Shape::Closed(&[("signedTimestamp", Shape::Free)])),
        )]),
    ),
]);

const CERTIFICATE: Shape = Shape::Closed(&[("rawBytes", Shape::Free)]);

const LOG_ENTRY: Shape = Shape::Closed(&[
    ("logIndex", Shape::Free),
    ("logId", Shape::Closed(&[("keyId", Shape::Free)])),
    (
        "kindVersion",
        Shape::Closed(&[("kind", Shape::Free), ("version", Shape::Free)]),
    ),
    ("integratedTime", Shape::Free),
    (
        "inclusionPromise",
        Shape::Closed(&[("signedEntryTimestamp", Shape::Free)]),
    ),
    (
        "inclusionProof",
        Shape::Closed(&[
            ("logIndex", Shape::Free),
            ("rootHash", Shape::Free),
            ("treeSize", Shape::Free),
            ("hashes", Shape::Free),
            ("checkpoint", Shape::Closed(&[("envelope", Shape::Free)])),
        ]),
    ),
    ("canonicalizedBody", Shape::Free),
]);

/// Reads a Sigstore bundle from its JSON object, which has the [`SHAPE`].
pub(super) fn decode(fields: &Map<String, Value>) -> Result<Bundle, Malformed> {
    let mut fields = without_nulls(fields.clone());
    let format = format(&fields)?;
    let content = content(&mut fields)?;
    let Some(Value::Object(material)) = fields.remove("verificationMaterial") else {
        return Err(Malformed::new(
            "verificationMaterial",
            "an object was expected",
        ));
    };
    let kind = exactly_one("verificationMaterial", &material, &SIGNERS)?;
    if format == BundleFormat::V0_3 && kind == "x509CertificateChain" {
        return Err(Malformed::new(
            "verificationMaterial",
            "`x509CertificateChain` is not allowed in v0.3; `certificate` is",
        ));
    }
    let material: VerificationMaterial = part("verificationMaterial", Value::Object(material))?;
    Ok(Bundle {
        format,
        content,
        unverified_log_entries: log_entries(format, &material)?,
        timestamps: timestamps(&material)?,
        unverified_signer: signer(material.content)?,
    })
}

/// In the JSON of protocol buffers, `null` is the same as absent.
fn without_nulls(fields: Map<String, Value>) -> Map<String, Value> {
    fn clean(value: Value) -> Value {
        match value {
            Value::Object(fields) => Value::Object(without_nulls(fields)),
            Value::Array(values) => Value::Array(values.into_iter().map(clean).collect()),
            other => other,
        }
    }
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key, clean(value)))
        .collect()
}

fn format(fields: &Map<String, Value>) -> Result<BundleFormat, Malformed> {
    let Some(Value::String(media_type)) = fields.get("mediaType") else {
        return Err(Malformed::new("mediaType", "a text was expected"));
    };
    match media_type.parse() {
        Ok(MediaType::Bundle0_1) => Ok(BundleFormat::V0_1),
        Ok(MediaType::Bundle0_2) => Ok(BundleFormat::V0_2),
        Ok(MediaType::Bundle0_3) => Ok(BundleFormat::V0_3),
        _ => Err(Malformed::new(
            "mediaType",
            format!("`{media_type}` is not a version that is known here; v0.1, v0.2 and v0.3 are"),
        )),
    }
}

fn content(fields: &mut Map<String, Value>) -> Result<Content, Malformed> {
    let kind = exactly_one("the bundle", fields, &CONTENTS)?;
    let mut value = fields.remove(kind).unwrap_or_default();
    let content = if kind == "dsseEnvelope" {
        let envelope: DsseEnvelope = part(kind, value)?;
        Content::Envelope(Envelope {
            payload_type: envelope.payload_type,
            payload: envelope.payload.into_bytes(),
            signature: envelope.signature.sig.into_bytes(),
        })
    } else {
        drop_empty_digest(&mut value);
        check_algorithm(&value)?;
        let message: MessageSignature = part(kind, value)?;
        Content::Message {
            unverified_digest: message.message_digest.map(digest).transpose()?,
            signature: message.signature.into_bytes(),
        }
    };
    match &content {
        Content::Envelope(Envelope { signature, .. }) | Content::Message { signature, .. }
            if signature.is_empty() =>
        {
            Err(Malformed::new(kind, "the signature is empty"))
        }
        _ => Ok(content),
    }
}

/// cosign v3 writes `"messageDigest":{}` with Ed25519 keys: an algorithm and a digest at their defaults, that is, absent.
fn drop_empty_digest(message: &mut Value) {
    if let Some(fields) = message.as_object_mut()
        && fields
            .get("messageDigest")
            .and_then(Value::as_object)
            .is_some_and(Map::is_empty)
    {
        fields.remove("messageDigest");
    }
}

const DIGEST: &str = "messageSignature.messageDigest";

/// `sigstore-types` reads the names of other formats too.
fn check_algorithm(message: &Value) -> Result<(), Malformed> {
    match message.pointer("/messageDigest/algorithm") {
        Some(Value::String(name))
            if !matches!(name.as_str(), "SHA2_256" | "SHA2_384" | "SHA2_512") =>
        {
            Err(Malformed::new(
                DIGEST,
                format!("the algorithm `{name}`; SHA2_256, SHA2_384 or SHA2_512 was expected"),
            ))
        }
        _ => Ok(()),
    }
}

fn digest(declared: sigstore_types::MessageDigest) -> Result<Digest, Malformed> {
    let algorithm = match declared.algorithm {
        HashAlgorithm::Sha2256 => DigestAlgorithm::Sha256,
        HashAlgorithm::Sha2384 => DigestAlgorithm::Sha384,
        HashAlgorithm::Sha2512 => DigestAlgorithm::Sha512,
        _ => {
            return Err(Malformed::new(
                DIGEST,
                "a digest algorithm that is not known",
            ));
        }
    };
    Digest::new(algorithm, declared.digest.into_bytes())
        .map_err(|e| Malformed::new(DIGEST, e.to_string()))
}

fn signer(content: VerificationMaterialContent) -> Result<UnverifiedSigner, Malformed> {
    let certificates = match content {
        VerificationMaterialContent::PublicKey(key) => {
            return Ok(UnverifiedSigner::PublicKey {
                hint: Some(printable(&key.hint)).filter(|hint| !hint.is_empty()),
                key: None,
            });
        }
        VerificationMaterialContent::Certificate(certificate) => vec![certificate.raw_bytes],
        VerificationMaterialContent::X509CertificateChain { certificates } => {
            certificates.into_iter().map(|c| c.raw_bytes).collect()
        }
        _ => {
            return Err(Malformed::new(
                "verificationMaterial",
                "a signer of an unknown kind",
            ));
        }
    };
    if certificates.is_empty() || certificates.len() > MAX_CERTIFICATES {
        return Err(Malformed::new(
            "verificationMaterial",
            format!(
                "{} certificates; 1 to {MAX_CERTIFICATES} were expected",
                certificates.len()
            ),
        ));
    }
    Ok(UnverifiedSigner::Certificate(
        certificates.into_iter().map(|c| c.into_bytes()).collect(),
    ))
}

/// v0.1 wants a promise of the log if there are entries, later versions a proof (as sigstore-go `validate`).
fn log_entries(
    format: BundleFormat,
    material: &VerificationMaterial,
) -> Result<Vec<UnverifiedLogEntry>, Malformed> {
    const AT: &str = "verificationMaterial.tlogEntries";
    let entries = &material.tlog_entries;
    if entries.len() > MAX_LOG_ENTRIES {
        return Err(Malformed::new(
            AT,
            format!("{} entries; at most {MAX_LOG_ENTRIES}", entries.len()),
        ));
    }
    let has_evidence = entries.iter().any(|entry| match format {
        BundleFormat::V0_1 => entry.inclusion_promise.is_some(),
        _ => entry.inclusion_proof.is_some(),
    });
    if !entries.is_empty() && !has_evidence {
        let missing = match format {
            BundleFormat::V0_1 => "the inclusion promise that v0.1 demands is missing",
            _ => "the inclusion proof that v0.2 and later demand is missing",
        };
        return Err(Malformed::new(AT, missing));
    }
    Ok(entries
        .iter()
        .map(|entry| UnverifiedLogEntry {
            index: entry.log_index.get(),
            kind: Some(format!(
                "{} {}",
                entry.kind_version.kind(),
                entry.kind_version.version()
            )),
            integrated_time: entry.integrated_time.map(|time| time.as_second()),
        })
        .collect())
}

fn timestamps(material: &VerificationMaterial) -> Result<Vec<Vec<u8>>, Malformed> {
    let timestamps = &material.timestamp_verification_data.rfc3161_timestamps;
    if timestamps.len() > MAX_TIMESTAMPS {
        return Err(Malformed::new(
            "verificationMaterial.timestampVerificationData",
            format!("{} timestamps; at most {MAX_TIMESTAMPS}", timestamps.len()),
        ));
    }
    Ok(timestamps
        .iter()
        .map(|t| t.signed_timestamp.as_bytes().to_vec())
        .collect())
}

fn exactly_one(
    at: &str,
    fields: &Map<String, Value>,
    alternatives: &[&'static str],
) -> Result<&'static str, Malformed> {
    let mut found = alternatives.iter().filter(|a| fields.contains_key(**a));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(two)) => Err(Malformed::new(at, format!("both `{one}` and `{two}`"))),
        (None, _) => Err(Malformed::new(
            at,
            format!("one of `{}` was expected", alternatives.join("`, `")),
        )),
    }
}

fn part<T: DeserializeOwned>(at: &str, value: Value) -> Result<T, Malformed> {
    serde_json::from_value(value).map_err(|e| Malformed::new(at, e.to_string()))
}
