//! Signs with an ECDSA P-256 key in a file, as DER.

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use sigtool_sdk::signer::{PublicKeyArgs, PublicKeyReply, SignArgs, Signer};
use sigtool_sdk::types::{KeyAlgorithm, PublicKey, Signed, Verifier};
use sigtool_sdk::{Backend, Call, Error, ErrorCode, Result, configuration};
use std::path::{Path, PathBuf};

sigtool_sdk::export_backend!(Example);

struct Example;

impl Backend for Example {
    fn open_signer(&self, _: &Call, settings: serde_json::Value) -> Result<Box<dyn Signer>> {
        Ok(Box::new(configuration::<FileSigner>(settings)?))
    }
}

#[derive(serde::Deserialize)]
struct FileSigner {
    key: PathBuf,
}

impl Signer for FileSigner {
    fn public_key(&self, _: &Call, args: PublicKeyArgs) -> Result<PublicKeyReply> {
        let public_key = public(&self.pair(args.key)?)?;
        Ok(PublicKeyReply {
            public_key,
            digest: None,
            protection: Some("plain".to_owned()),
        })
    }

    fn sign(&self, _: &Call, args: SignArgs) -> Result<Signed> {
        let pair = self.pair(args.key)?;
        let digest = Digest::import_less_safe(args.digest.as_bytes(), &SHA256)
            .map_err(|_| Error::new(ErrorCode::InvalidRequest, "this key signs SHA-256 digests"))?;
        Ok(Signed {
            signature: pair.sign_digest(&digest).map_err(failed)?.as_ref().into(),
            algorithm: KeyAlgorithm::EcdsaP256,
            verifier: Verifier::PublicKey(public(&pair)?),
            key_id: None,
            key_version: None,
        })
    }
}

impl FileSigner {
    /// The key, if it is the one that was asked for by name, or none was.
    fn pair(&self, asked: Option<String>) -> Result<EcdsaKeyPair> {
        if asked.is_some_and(|asked| self.key != Path::new(&asked)) {
            return Err(Error::new(
                ErrorCode::NotFound,
                "this signer has one key, and it is another",
            ));
        }
        let cannot =
            |code| Error::new(code, format!("cannot use the key `{}`", self.key.display()));
        let der = std::fs::read(&self.key).map_err(|e| cannot(ErrorCode::NotFound).because(e))?;
        EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, &der)
            .map_err(|e| cannot(ErrorCode::InvalidConfig).because(e).at("/key"))
    }
}

fn public(pair: &EcdsaKeyPair) -> Result<PublicKey> {
    let spki = pair.public_key().as_der().map_err(failed)?.as_ref().into();
    Ok(PublicKey {
        algorithm: KeyAlgorithm::EcdsaP256,
        spki,
    })
}

fn failed(cause: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::Internal, "cannot sign").because(cause)
}
