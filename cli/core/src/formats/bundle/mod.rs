//! Bundles: a signature with what names its signer, in one JSON file.
//!
//! Read: [Sigstore bundles] v0.1, v0.2 and v0.3, and the older bundle of cosign. Written: v0.3. Nothing in a [`Bundle`] is
//! verified; it is what a stranger says.
//!
//! [Sigstore bundles]: https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto

mod content;
mod cosign;
mod encode;
mod sigstore;

pub use content::{Bundle, BundleFormat, Content, UnverifiedLogEntry, UnverifiedSigner};
pub use encode::{encode_envelope, encode_message_signature};

use super::malformed::Malformed;
use crate::limits::MAX_BUNDLE;
use serde_json::Value;
use sigtool_sdk::json::{self, JsonError, Shape};

impl Bundle {
    /// Reads a bundle of any format.
    ///
    /// # Errors
    ///
    /// What is wrong, and where.
    pub fn decode(content: &[u8]) -> Result<Self, Malformed> {
        if content.len() > MAX_BUNDLE {
            return Err(Malformed::new(
                "the file",
                format!(
                    "it has {} bytes, a bundle at most {MAX_BUNDLE}",
                    content.len()
                ),
            ));
        }
        let malformed = |e: JsonError| Malformed::new("the JSON", e.to_string());
        let value = json::parse(content, Shape::Free).map_err(malformed)?;
        let Value::Object(fields) = &value else {
            return Err(Malformed::new("the JSON", "an object was expected"));
        };
        let is_sigstore =
            fields.contains_key("mediaType") || fields.contains_key("verificationMaterial");
        match (is_sigstore, fields.contains_key("base64Signature")) {
            (true, false) => {
                sigstore::SHAPE.check(&value).map_err(malformed)?;
                sigstore::decode(fields)
            }
            (false, true) => {
                cosign::SHAPE.check(&value).map_err(malformed)?;
                cosign::decode(fields)
            }
            (true, true) => Err(Malformed::new(
                "the JSON",
                "it is a Sigstore bundle and a cosign bundle at once",
            )),
            (false, false) => Err(Malformed::new(
                "the JSON",
                "it has neither the `mediaType` of a Sigstore bundle nor the `base64Signature` of a cosign bundle",
            )),
        }
    }
}

#[cfg(test)]
mod tests;
