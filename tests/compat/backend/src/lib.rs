//! Signs with an Ed25519 key in a file, as DER. Written for the SDK that is kept beside it, and not changed when the SDK changes.

use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signer as _, SigningKey};
use sigtool_sdk::signer::{Payload, PublicKeyArgs, PublicKeyReply, SignArgs, Signer};
use sigtool_sdk::types::{KeyAlgorithm, PublicKey, Signed, Verifier};
use sigtool_sdk::{Backend, Call, Error, ErrorCode, Result, configuration};
use std::path::PathBuf;

sigtool_sdk::export_backend!(Kept);

struct Kept;

impl Backend for Kept {
    fn open_signer(&self, _: &Call, settings: serde_json::Value) -> Result<Box<dyn Signer>> {
        Ok(Box::new(configuration::<FileSigner>(settings)?))
    }
}

#[derive(serde::Deserialize)]
struct FileSigner {
    key: PathBuf,
}

impl Signer for FileSigner {
    fn public_key(&self, _: &Call, _: PublicKeyArgs) -> Result<PublicKeyReply> {
        Ok(PublicKeyReply {
            public_key: public(&self.key()?)?,
            digest: None,
            protection: Some("plain".to_owned()),
        })
    }

    fn sign(&self, _: &Call, args: SignArgs) -> Result<Signed> {
        let key = self.key()?;
        let payload = match args.payload {
            Some(Payload::Bytes(bytes)) => bytes.to_vec(),
            Some(Payload::Path(path)) => std::fs::read(path).map_err(failed)?,
            None => return Err(failed("an Ed25519 key signs the payload itself")),
        };
        Ok(Signed {
            signature: key.sign(&payload).to_bytes().as_slice().into(),
            algorithm: KeyAlgorithm::Ed25519,
            verifier: Verifier::PublicKey(public(&key)?),
            key_id: None,
            key_version: None,
        })
    }
}

impl FileSigner {
    fn key(&self) -> Result<SigningKey> {
        let der = std::fs::read(&self.key).map_err(failed)?;
        SigningKey::from_pkcs8_der(&der).map_err(failed)
    }
}

fn public(key: &SigningKey) -> Result<PublicKey> {
    let der = key.verifying_key().to_public_key_der().map_err(failed)?;
    Ok(PublicKey {
        algorithm: KeyAlgorithm::Ed25519,
        spki: der.as_bytes().into(),
    })
}

fn failed(cause: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::Internal, "cannot sign").because(cause)
}
