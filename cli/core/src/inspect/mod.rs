//! What a file contains: a bundle, a detached signature, a key, certificates. Nothing is verified, no secret is shown.

mod bundle;
mod certificate;
mod key;
mod payload;
mod signature;

pub use bundle::{BundleFacts, EnvelopeFacts, SubjectFacts};
pub use certificate::CertificateFacts;
pub use key::{ContainerFacts, PrivateKeyFacts, PublicKeyFacts};
pub use payload::SignedPayloadFacts;
pub use signature::SignatureFacts;

use crate::formats::bundle::Bundle;
use crate::formats::malformed::Malformed;
use crate::formats::signature_file::{SignatureFile, decode_detached, is_object, is_raw};
use crate::key::pem_blocks;
use crate::limits::{MAX_BUNDLE, MAX_CERTIFICATES, MAX_KEY_FILE};
use crate::text::printable;
use key::Private;
use serde::Serialize;
use signature::is_ecdsa;
use sigtool_sdk::pem::{is_private_key_label, shown_label};
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::AnyRef;

/// What a file contains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Inspection {
    /// The file's name, as the user wrote it.
    pub name: String,
    /// What is in it.
    #[serde(flatten)]
    pub content: Inspected,
}

/// What is in a file. Everything in a bundle and in a certificate is what a stranger says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Inspected {
    /// A bundle of any version.
    Bundle(Box<BundleFacts>),
    /// One or more X.509 certificates.
    Certificates {
        /// In the file's order.
        unverified_certificates: Vec<CertificateFacts>,
    },
    /// A raw signature.
    DetachedSignature(SignatureFacts),
    /// A private key under a password.
    EncryptedPrivateKey(ContainerFacts),
    /// A private key, lying open.
    PrivateKey(PrivateKeyFacts),
    /// A public key.
    PublicKey(PublicKeyFacts),
    /// cosign's own signature of an image, with its payload.
    SignedPayload(Box<SignedPayloadFacts>),
}

impl From<Private> for Inspected {
    fn from(key: Private) -> Self {
        match key {
            Private::Locked(facts) => Self::EncryptedPrivateKey(facts),
            Private::Open(facts) => Self::PrivateKey(facts),
        }
    }
}

/// Why a file cannot be inspected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` cannot be inspected: {what}")]
pub struct InspectError {
    /// The file's name.
    pub name: String,
    /// What is wrong with it, or what it is not.
    pub what: String,
}

/// Says what a file contains; told by its content, not by its name.
///
/// # Errors
///
/// It is nothing that signing knows of, or it is broken.
pub fn inspect(content: &[u8], name: &str) -> Result<Inspection, InspectError> {
    let name = printable(name);
    match read(content) {
        Ok(content) => Ok(Inspection { name, content }),
        Err(what) => Err(InspectError { name, what }),
    }
}

fn read(content: &[u8]) -> Result<Inspected, String> {
    if content.len() > MAX_BUNDLE {
        return Err(format!(
            "it has {} bytes; bundles, keys and certificates have at most {MAX_BUNDLE}",
            content.len()
        ));
    }
    if is_object(content) {
        if let Ok(SignatureFile::SignedPayload(signed)) = SignatureFile::decode(content) {
            let facts = SignedPayloadFacts::of(&signed);
            return Ok(Inspected::SignedPayload(Box::new(facts)));
        }
        let bundle = Bundle::decode(content).map_err(|e: Malformed| e.to_string())?;
        return Ok(Inspected::Bundle(Box::new(BundleFacts::of(&bundle))));
    }
    let head = &content[..content.len().min(MAX_KEY_FILE)];
    if head.windows(11).any(|w| w == b"-----BEGIN ") {
        return pem(content);
    }
    if content.first() == Some(&0x30) && !is_ecdsa(content) {
        match der(content) {
            // The bytes of a raw signature may begin like DER and not be DER; its Base64 may begin with the digit that DER begins with.
            Err(_) if AnyRef::from_der(content).is_err() && holds_raw(content) => {}
            read => return read,
        }
    }
    let signature = decode_detached(content).map_err(|_| {
        "it is not a bundle, a signature, a key or a certificate that is known here".to_owned()
    })?;
    if !is_raw(&signature) {
        // Many texts are valid Base64.
        return Err(format!(
            "it is the Base64 of {}, and no signature looks like that",
            bytes(signature.len())
        ));
    }
    Ok(Inspected::DetachedSignature(SignatureFacts::of(&signature)))
}

/// Whether it is a raw signature, as it is or as Base64.
fn holds_raw(content: &[u8]) -> bool {
    decode_detached(content).is_ok_and(|signature| is_raw(&signature))
}

fn bytes(count: usize) -> String {
    match count {
        1 => "1 byte".to_owned(),
        count => format!("{count} bytes"),
    }
}

fn pem(content: &[u8]) -> Result<Inspected, String> {
    if content.len() > MAX_KEY_FILE {
        return Err(format!(
            "it has {} bytes; key and certificate files have at most {MAX_KEY_FILE}",
            content.len()
        ));
    }
    let mut blocks = pem_blocks(content)?;
    blocks.retain(|b| b.tag() != "EC PARAMETERS");
    if blocks.is_empty() {
        return Err("it begins like PEM, but no PEM block in it is whole".to_owned());
    }
    if blocks.iter().all(|b| b.tag() == "CERTIFICATE") {
        return certificates(&blocks);
    }
    let [block] = blocks.as_slice() else {
        return Err(format!(
            "it holds {} PEM blocks of different kinds; inspect them one by one",
            blocks.len()
        ));
    };
    match block.tag() {
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {
            let key = crate::key::parse_public_key(content).map_err(|e| e.to_string())?;
            Ok(Inspected::PublicKey(PublicKeyFacts::of(&key)))
        }
        tag if is_private_key_label(tag) => key::private(blocks.remove(0)).map(Inspected::from),
        tag => Err(format!(
            "it is a PEM block `{}`, which is not known here",
            shown_label(tag)
        )),
    }
}

fn certificates(blocks: &[pem::Pem]) -> Result<Inspected, String> {
    if blocks.len() > MAX_CERTIFICATES {
        return Err(format!(
            "it holds {} certificates; at most {MAX_CERTIFICATES}",
            blocks.len()
        ));
    }
    let unverified_certificates = blocks
        .iter()
        .map(|b| CertificateFacts::of(b.contents()))
        .collect::<Result<_, _>>()?;
    Ok(Inspected::Certificates {
        unverified_certificates,
    })
}

fn der(content: &[u8]) -> Result<Inspected, String> {
    if let Ok(key) = crate::key::parse_public_key(content) {
        return Ok(Inspected::PublicKey(PublicKeyFacts::of(&key)));
    }
    if let Ok(facts) = CertificateFacts::of(content) {
        return Ok(Inspected::Certificates {
            unverified_certificates: vec![facts],
        });
    }
    key::private_der(content)
        .map(Inspected::from)
        .ok_or_else(|| "it is DER, but no key, certificate or signature".to_owned())
}

#[cfg(test)]
mod tests;
