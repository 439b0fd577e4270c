//! The bundle that cosign wrote for files before Sigstore bundles: `{"base64Signature", "cert", "rekorBundle"}`.

use super::content::{Bundle, BundleFormat, Content, UnverifiedLogEntry, UnverifiedSigner};
use crate::formats::dsse::{ENVELOPE, is_envelope};
use crate::formats::malformed::Malformed;
use crate::key::{self, KeyHint, pem_blocks};
use crate::limits::MAX_CERTIFICATES;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sigtool_sdk::json::Shape;

/// What cosign writes (`LocalSignedPayload` in its `pkg/cosign/fetch.go`).
pub(super) const SHAPE: Shape = Shape::Closed(&[
    ("base64Signature", Shape::Free),
    ("cert", Shape::Free),
    (
        "rekorBundle",
        Shape::Closed(&[
            ("SignedEntryTimestamp", Shape::Free),
            (
                "Payload",
                Shape::Closed(&[
                    ("body", Shape::Free),
                    ("integratedTime", Shape::Free),
                    ("logIndex", Shape::Free),
                    ("logID", Shape::Free),
                ]),
            ),
        ]),
    ),
]);

/// Reads a cosign bundle from its JSON object, which has the [`SHAPE`].
pub(super) fn decode(fields: &Map<String, Value>) -> Result<Bundle, Malformed> {
    let signature = STANDARD
        .decode(text(fields, "base64Signature")?)
        .map_err(|e| Malformed::new("base64Signature", format!("not Base64: {e}")))?;
    if signature.is_empty() {
        return Err(Malformed::new("base64Signature", "the signature is empty"));
    }
    if is_envelope(&signature) {
        return Err(Malformed::new("base64Signature", ENVELOPE));
    }
    Ok(Bundle {
        format: BundleFormat::Cosign,
        unverified_signer: signer(text(fields, "cert")?)?,
        content: Content::Message {
            unverified_digest: None,
            signature,
        },
        unverified_log_entries: log_entry(fields.get("rekorBundle"))?.into_iter().collect(),
        timestamps: Vec::new(),
    })
}

/// A text; absent and `null` count as empty.
fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> Result<&'a str, Malformed> {
    match fields.get(key) {
        Some(Value::String(text)) => Ok(text),
        None | Some(Value::Null) => Ok(""),
        Some(_) => Err(Malformed::new(key, "a text was expected")),
    }
}

/// `cert` holds the Base64 of PEM, or PEM: of a certificate or of the public key.
fn signer(cert: &str) -> Result<UnverifiedSigner, Malformed> {
    let malformed = |what: String| Malformed::new("cert", what);
    if cert.is_empty() {
        return Ok(UnverifiedSigner::PublicKey {
            hint: None,
            key: None,
        });
    }
    let pem = if cert.contains("-----BEGIN ") {
        cert.as_bytes().to_vec()
    } else {
        STANDARD
            .decode(cert)
            .map_err(|e| malformed(format!("neither PEM nor Base64: {e}")))?
    };
    let blocks = pem_blocks(&pem).map_err(malformed)?;
    if blocks.first().is_some_and(|b| b.tag() == "CERTIFICATE") && blocks.len() <= MAX_CERTIFICATES
    {
        return Ok(UnverifiedSigner::Certificate(
            blocks.into_iter().map(pem::Pem::into_contents).collect(),
        ));
    }
    let key = key::parse_public_key(&pem).map_err(|e| malformed(e.to_string()))?;
    Ok(UnverifiedSigner::PublicKey {
        hint: Some(KeyHint::of(&key).to_string()),
        key: Some(key),
    })
}

fn log_entry(rekor: Option<&Value>) -> Result<Option<UnverifiedLogEntry>, Malformed> {
    let payload = match rekor {
        None | Some(Value::Null) => return Ok(None),
        Some(bundle) => &bundle["Payload"],
    };
    let index = payload["logIndex"]
        .as_u64()
        .ok_or_else(|| Malformed::new("rekorBundle.Payload.logIndex", "a number was expected"))?;
    Ok(Some(UnverifiedLogEntry {
        index,
        kind: None,
        integrated_time: payload["integratedTime"].as_i64(),
    }))
}
