//! cosign's own signature of an image, in one file.

use super::Bytes;
use crate::json::{self, JsonError, Shape};
use serde::{Deserialize, Serialize};

/// A simple-signing payload and the signature over it, in the JSON that `cosign download signature` prints.
///
/// What a registry keeps as a layer of the `.sig` tag crosses the seam in this form, and is written to files in it. See cosign's
/// `SignedPayload` in `pkg/cosign/fetch.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignedPayload {
    /// The raw signature, over `payload`.
    pub base64_signature: Bytes,
    /// The exact bytes that are signed.
    pub payload: Bytes,
    /// The certificate of the key that signed, if one vouches for it.
    #[serde(default)]
    pub cert: Option<PayloadCertificate>,
    /// The certificates that vouch for that one, its issuer first.
    #[serde(default)]
    pub chain: Option<Vec<PayloadCertificate>>,
    /// What a transparency log recorded, in cosign's words.
    #[serde(default)]
    pub bundle: Option<serde_json::Value>,
    /// A signed timestamp, in cosign's words.
    #[serde(default, rename = "RFC3161Timestamp")]
    pub timestamp: Option<serde_json::Value>,
}

/// A certificate, as Go prints one; of all its fields this one says everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PayloadCertificate {
    /// DER.
    pub raw: Bytes,
}

/// What is printed. A later version may print more, which is not what was signed.
const SHAPE: Shape = Shape::Open(&[
    ("Base64Signature", Shape::Free),
    ("Payload", Shape::Free),
    ("Cert", CERTIFICATE),
    ("Chain", Shape::List(&CERTIFICATE)),
    ("Bundle", Shape::Free),
    ("RFC3161Timestamp", Shape::Free),
]);

const CERTIFICATE: Shape = Shape::Open(&[("Raw", Shape::Free)]);

impl SignedPayload {
    /// Reads what [`SignedPayload`] writes, and cosign prints.
    ///
    /// # Errors
    ///
    /// It is something else, or is read differently by others.
    pub fn decode(text: &[u8]) -> Result<Self, JsonError> {
        json::decode(text, SHAPE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cosign_prints_is_read_and_what_we_write_has_its_fields() {
        let printed = r#"{"Base64Signature":"MAYCAQECAQI=","Payload":"e30=","Cert":{"Raw":"MAA=","Version":3},"Chain":null,"Bundle":{"Payload":{"logIndex":1}},"RFC3161Timestamp":null}"#;
        let read = SignedPayload::decode(printed.as_bytes()).unwrap();
        assert_eq!(&*read.payload, b"{}");
        assert_eq!(&*read.cert.unwrap().raw, b"\x30\x00");
        assert!(read.chain.is_none() && read.bundle.is_some());

        let plain = SignedPayload {
            base64_signature: b"\x30\x06\x02\x01\x01\x02\x01\x02".as_slice().into(),
            payload: b"{}".as_slice().into(),
            ..SignedPayload::default()
        };
        assert_eq!(
            serde_json::to_string(&plain).unwrap(),
            r#"{"Base64Signature":"MAYCAQECAQI=","Payload":"e30=","Cert":null,"Chain":null,"Bundle":null,"RFC3161Timestamp":null}"#
        );
    }
}
