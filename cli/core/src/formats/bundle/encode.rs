//! Writing bundles: v0.3, with the fields and the order of cosign's own, byte for byte but for its whitespace (which Go's
//! `protojson` varies from build to build on purpose).

use crate::formats::dsse::Envelope;
use crate::key::KeyHint;
use serde::Serialize;
use sigtool_sdk::types::{Bytes, Digest, DigestAlgorithm, PublicKey};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BundleText<'a> {
    media_type: &'static str,
    verification_material: Material,
    #[serde(flatten)]
    content: ContentText<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum ContentText<'a> {
    DsseEnvelope(EnvelopeText<'a>),
    MessageSignature(MessageSignature<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeText<'a> {
    payload: Bytes,
    payload_type: &'a str,
    signatures: [EnvelopeSignature; 1],
}

#[derive(Serialize)]
struct EnvelopeSignature {
    sig: Bytes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: PublicKeyIdentifier,
}

#[derive(Serialize)]
struct PublicKeyIdentifier {
    hint: KeyHint,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageSignature<'a> {
    message_digest: MessageDigest,
    signature: &'a Bytes,
}

#[derive(Serialize)]
struct MessageDigest {
    algorithm: &'static str,
    digest: Bytes,
}

/// A v0.3 bundle of a signature over an artifact by a key pair.
///
/// The key itself is not in it, only its hint: those who verify bring the key.
#[must_use]
pub fn encode_message_signature(key: &PublicKey, digest: &Digest, signature: &Bytes) -> Vec<u8> {
    encode(
        key,
        ContentText::MessageSignature(MessageSignature {
            message_digest: MessageDigest {
                algorithm: match digest.algorithm() {
                    DigestAlgorithm::Sha256 => "SHA2_256",
                    DigestAlgorithm::Sha384 => "SHA2_384",
                    DigestAlgorithm::Sha512 => "SHA2_512",
                },
                digest: digest.as_bytes().into(),
            },
            signature,
        }),
    )
}

/// A v0.3 bundle of a statement that a key pair signed.
#[must_use]
pub fn encode_envelope(key: &PublicKey, envelope: &Envelope) -> Vec<u8> {
    encode(
        key,
        ContentText::DsseEnvelope(EnvelopeText {
            payload: envelope.payload.as_slice().into(),
            payload_type: &envelope.payload_type,
            signatures: [EnvelopeSignature {
                sig: envelope.signature.as_slice().into(),
            }],
        }),
    )
}

fn encode(key: &PublicKey, content: ContentText<'_>) -> Vec<u8> {
    let bundle = BundleText {
        media_type: "application/vnd.dev.sigstore.bundle.v0.3+json",
        verification_material: Material {
            public_key: PublicKeyIdentifier {
                hint: KeyHint::of(key),
            },
        },
        content,
    };
    serde_json::to_vec(&bundle)
        .unwrap_or_else(|e| unreachable!("texts and bytes always encode: {e}"))
}
