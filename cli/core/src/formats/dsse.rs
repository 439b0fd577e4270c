//! [DSSE] envelopes: a payload, what sort of payload it is, and a signature over both.
//!
//! [DSSE]: https://github.com/secure-systems-lab/dsse/blob/master/envelope.md

use serde::Deserialize;
use serde::de::IgnoredAny;

/// An envelope with its one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The media type of the payload.
    pub payload_type: String,
    /// The bytes inside.
    pub payload: Vec<u8>,
    /// The raw signature, over [`Envelope::to_signed`].
    pub signature: Vec<u8>,
}

impl Envelope {
    /// The exact bytes that are signed: DSSE's pre-authentication encoding.
    #[must_use]
    pub fn to_signed(&self) -> Vec<u8> {
        let (kind, payload) = (&self.payload_type, &self.payload);
        let mut signed = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
        signed.extend_from_slice(payload);
        signed
    }
}

/// What is wrong with a signature that [is an envelope](is_envelope).
pub(crate) const ENVELOPE: &str = "it is an attestation (a DSSE envelope), no signature of a file";

/// Whether bytes are a DSSE envelope: `cosign attest-blob` writes one where a signature belongs.
pub(crate) fn is_envelope(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(rename = "payloadType")]
        _payload_type: IgnoredAny,
    }
    bytes.first() == Some(&b'{') && serde_json::from_slice::<Envelope>(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of DSSE's `protocol.md`.
    #[test]
    fn type_and_payload_are_signed_with_their_lengths() {
        let envelope = Envelope {
            payload_type: "http://example.com/HelloWorld".to_owned(),
            payload: b"hello world".to_vec(),
            signature: Vec::new(),
        };
        assert_eq!(
            envelope.to_signed(),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
