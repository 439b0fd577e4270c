//! Files that hold signatures: bundles, cosign's detached `.sig` (the Base64 of the raw signature), and for images cosign's
//! payload with the signature over it.

use super::bundle::Bundle;
use super::dsse::{ENVELOPE, is_envelope};
use super::malformed::{Malformed, WHOLE};
use crate::limits::{MAX_BUNDLE, MAX_DETACHED};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sigtool_sdk::json::{self, JsonError, Shape};
use sigtool_sdk::types::SignedPayload;

/// What a file of signatures holds; told apart by its content, never by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureFile {
    /// A bundle of any version.
    Bundle(Box<Bundle>),
    /// A raw signature, without a word on who made it or of what.
    Detached(Vec<u8>),
    /// A payload and the signature over it: cosign's own signature of an image.
    SignedPayload(Box<SignedPayload>),
}

impl SignatureFile {
    /// Reads either kind.
    ///
    /// # Errors
    ///
    /// What is wrong, and where in the file.
    pub fn decode(content: &[u8]) -> Result<Self, Malformed> {
        if is_object(content) {
            if let Some(signed) = decode_signed_payload(content)? {
                return Ok(Self::SignedPayload(Box::new(signed)));
            }
            Bundle::decode(content).map(|bundle| Self::Bundle(Box::new(bundle)))
        } else {
            decode_detached(content).map(Self::Detached)
        }
    }

    /// The raw signature.
    pub(crate) fn raw(&self) -> &[u8] {
        match self {
            Self::Bundle(bundle) => bundle.content.signature(),
            Self::Detached(raw) => raw,
            Self::SignedPayload(signed) => &signed.base64_signature,
        }
    }
}

/// Whether a file is meant to be a JSON object. The bytes of a raw signature may begin like one, but are not UTF-8 then.
pub(crate) fn is_object(content: &[u8]) -> bool {
    content.trim_ascii_start().first() == Some(&b'{') && std::str::from_utf8(content).is_ok()
}

/// Reads a detached signature: Base64 with or without line ends (RFC 4648 section 3.3, as Go reads it), or the raw bytes.
///
/// # Errors
///
/// It is empty, too long, a key instead, or neither Base64 nor a signature's bytes.
pub fn decode_detached(content: &[u8]) -> Result<Vec<u8>, Malformed> {
    let malformed = |what: &str| Malformed::new(WHOLE, what);
    if content.len() > MAX_DETACHED {
        return Err(malformed(&format!(
            "it has {} bytes, a detached signature at most {MAX_DETACHED}",
            content.len()
        )));
    }
    if content.starts_with(b"-----BEGIN ") {
        return Err(malformed("it is PEM: a key or a certificate, no signature"));
    }
    let text: Vec<u8> = content
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\r' | b'\n'))
        .collect();
    match STANDARD.decode(&text) {
        Ok(signature) if signature.is_empty() => Err(malformed("it is empty")),
        Ok(signature) if is_envelope(&signature) => Err(Malformed::new(WHOLE, ENVELOPE)),
        Ok(signature) => Ok(signature),
        Err(_) if is_raw(content) => Ok(content.to_vec()),
        Err(_) => Err(malformed(
            "it is neither JSON nor the Base64 of a signature",
        )),
    }
}

/// Reads what `cosign download signature` prints for one signature; none if it is another JSON object.
fn decode_signed_payload(content: &[u8]) -> Result<Option<SignedPayload>, Malformed> {
    let malformed = |e: JsonError| Malformed::new(WHOLE, e.to_string());
    // Cheap, and no bundle holds this key.
    let names_it = content
        .windows(SIGNED_PAYLOAD.len())
        .any(|w| w == SIGNED_PAYLOAD.as_bytes());
    if !names_it || content.len() > MAX_BUNDLE {
        return Ok(None);
    }
    let value = json::parse(content, Shape::Free).map_err(malformed)?;
    if value.get(SIGNED_PAYLOAD).is_none() {
        return Ok(None);
    }
    let signed = SignedPayload::decode(content).map_err(malformed)?;
    if signed.base64_signature.is_empty() {
        return Err(Malformed::new(WHOLE, "the signature is empty"));
    }
    Ok(Some(signed))
}

/// The key of the JSON object that only a payload with its signature has.
const SIGNED_PAYLOAD: &str = "Base64Signature";

/// Writes a detached signature as cosign does into a file: Base64, no line end.
#[must_use]
pub fn encode_detached(signature: &[u8]) -> Vec<u8> {
    STANDARD.encode(signature).into_bytes()
}

/// Whether bytes can be a raw signature: the DER of ECDSA, or the length of Ed25519 or RSA.
pub(crate) fn is_raw(content: &[u8]) -> bool {
    use x509_cert::der::Decode as _;
    use x509_cert::der::asn1::AnyRef;
    matches!(content.len(), 64 | 256 | 384 | 512)
        || content.first() == Some(&0x30) && AnyRef::from_der(content).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detached_signature_comes_back() {
        let signature = b"\x30\x06\x02\x01\x01\x02\x01\x02".to_vec();
        let text = encode_detached(&signature);
        assert_eq!(text, b"MAYCAQECAQI=");
        let line = [text.as_slice(), b"\r\n"].concat();
        let broken = [&text[..5], b"\n", &text[5..]].concat();
        for spelling in [&text, &line, &broken, &signature] {
            assert_eq!(
                SignatureFile::decode(spelling),
                Ok(SignatureFile::Detached(signature.clone()))
            );
        }
    }

    #[test]
    fn the_longest_signature_is_read() {
        let longest = [b'A'; MAX_DETACHED];
        assert!(SignatureFile::decode(&longest).is_ok());
        let mut signed = br#"{"Base64Signature":"AQID","Payload":"e30="}"#.to_vec();
        signed.resize(MAX_BUNDLE, b' ');
        assert!(matches!(
            SignatureFile::decode(&signed),
            Ok(SignatureFile::SignedPayload(_))
        ));
        signed.push(b' ');
        let error = SignatureFile::decode(&signed).unwrap_err();
        assert!(error.what.contains("at most"), "{error}");
    }

    #[test]
    fn an_object_without_the_key_of_a_signed_payload_is_read_as_a_bundle() {
        let error = SignatureFile::decode(br#"{"mediaType":1,"#).unwrap_err();
        assert_eq!(error.at, "the JSON");
    }

    #[test]
    fn what_is_not_a_signature_is_said() {
        for (content, what) in [
            (b"".as_slice(), "empty"),
            (b"\n", "empty"),
            (b"not base64!", "neither"),
            // cosign reads line ends, and nothing else that is blank.
            (b"MAYC AQECAQI=", "neither"),
            (b"MAYCAQECAQI= ", "neither"),
            (b"\tMAYCAQECAQI=\n", "neither"),
            // DER, but not a sequence.
            (b"\x04\x01\xff", "neither"),
            (b"\x30\x02\xff", "neither"),
            (b"-----BEGIN PUBLIC KEY-----\n", "PEM"),
            (b"eyJwYXlsb2FkVHlwZSI6IngifQ==", "attestation"),
            (&[b'A'; MAX_DETACHED + 4], "at most"),
        ] {
            let error = SignatureFile::decode(content).unwrap_err();
            assert!(error.what.contains(what), "{error}");
        }
    }
}
