//! What a file contains: a bundle, a detached signature, a key, certificates. Nothing is verified, no secret is shown.

mod bundle;
mod certificate;
mod key;
mod payload;
mod words;

pub use bundle::{BundleFacts, EnvelopeFacts, SubjectFacts};
pub use certificate::CertificateFacts;
pub use key::{ContainerFacts, PrivateKeyFacts, PublicKeyFacts};
pub use payload::SignedPayloadFacts;
pub use words::Section;

use crate::bundle::Bundle;
use crate::json::is_object;
use crate::key::pem_blocks;
use crate::limits::{MAX_BUNDLE, MAX_CERTIFICATES, MAX_KEY_FILE};
use crate::signature::{Malformed, SignatureFile, decode_detached, is_raw};
use crate::text::{printable, printable_label};
use serde::Serialize;
use x509_cert::der::asn1::{AnyRef, UintRef};
use x509_cert::der::{Decode as _, Reader as _};

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

/// What a raw signature tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignatureFacts {
    /// Its length in bytes.
    pub length: usize,
    /// What it looks like: `ECDSA (DER)`. The bytes do not say more.
    pub looks_like: &'static str,
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
/// It is nothing that signing knows, or broken.
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
            // The bytes of a raw signature may begin like DER, and be none; its Base64 may begin with the digit that DER begins with.
            Err(_) if AnyRef::from_der(content).is_err() && holds_raw(content) => {}
            read => return read,
        }
    }
    let signature = decode_detached(content).map_err(|_| {
        "it is no bundle, no signature, no key and no certificate that is known here".to_owned()
    })?;
    if !is_raw(&signature) {
        // Many a text is valid Base64.
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
        tag if tag.ends_with("PRIVATE KEY") => key::private(blocks.remove(0)),
        tag => Err(format!(
            "it is a PEM block `{}`, which is not known here",
            printable_label(tag)
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
        .ok_or_else(|| "it is DER, but no key, certificate or signature".to_owned())
}

impl SignatureFacts {
    fn of(signature: &[u8]) -> Self {
        Self {
            length: signature.len(),
            looks_like: match signature.len() {
                _ if is_ecdsa(signature) => "ECDSA (DER)",
                64 => "Ed25519",
                256 => "RSA 2048",
                384 => "RSA 3072",
                512 => "RSA 4096",
                _ => "nothing known",
            },
        }
    }
}

/// Two numbers in a sequence, and short: an RSA public key is two numbers as well, but longer than any ECDSA signature.
fn is_ecdsa(content: &[u8]) -> bool {
    const LONGEST_OF_P521: usize = 139;
    let Ok(sequence) = AnyRef::from_der(content) else {
        return false;
    };
    content.len() <= LONGEST_OF_P521
        && sequence
            .sequence(|reader| {
                reader.decode::<UintRef<'_>>()?;
                reader.decode::<UintRef<'_>>()
            })
            .is_ok()
}

#[cfg(test)]
mod tests;
