//! The signer of a run.

use super::error::{SIGN, SignError, misbehaved};
use crate::key::{self, KeyError, KeyHint};
use crate::trust::SignerId;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::signer::{GetPublicKey, Payload, PublicKeyArgs, PublicKeyReply, Sign, SignArgs};
use sigtool_sdk::types::{Artifact, Digest, DigestAlgorithm, PublicKey, Signed, Signs, Verifier};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A signer that has been opened, and the key it announced: asked once for a whole run, used by many threads.
#[derive(Debug)]
pub struct OpenSigner {
    handle: Handle,
    announced: PublicKeyReply,
    pub(super) turns: Turns,
}

/// Two tags of one image, signed at the same time, would each miss the other's signature: so they are signed one after the other.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<String, Arc<Mutex<()>>>>);

impl Turns {
    pub(super) fn of(&self, reference: &str) -> Arc<Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(reference.to_owned()).or_default())
    }

    /// Forgets a turn that nobody else waits for.
    pub(super) fn end(&self, reference: &str, turn: &Arc<Mutex<()>>) {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Ours, and the one in the table.
        if Arc::strong_count(turn) <= 2 {
            turns.remove(reference);
        }
    }
}

impl OpenSigner {
    /// Asks an opened signer for its key.
    ///
    /// # Errors
    ///
    /// The signer's, or that what it announces is not a key that can verify.
    pub fn open(handle: Handle) -> Result<Self, SignError> {
        const OPERATION: &str = "signer.public_key";
        let announced = handle
            .call::<GetPublicKey>(&PublicKeyArgs::default())
            .map_err(|error| SignError::Signer {
                operation: OPERATION,
                error: error.into(),
            })?;
        key::check(&announced.public_key).map_err(|error: KeyError| {
            SignError::SignerMisbehaved {
                operation: OPERATION,
                what: format!("the signer announced an unusable key: {error}"),
            }
        })?;
        Ok(Self {
            handle,
            announced,
            turns: Turns::default(),
        })
    }

    /// The key that signs.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.announced.public_key
    }

    /// Whose signatures it makes.
    #[must_use]
    pub fn id(&self) -> SignerId {
        SignerId::of_key(self.public_key())
    }

    /// How the key is kept: `encrypted`, `plain`, `hardware`, …
    #[must_use]
    pub fn protection(&self) -> Option<&str> {
        self.announced.protection.as_deref()
    }

    /// The digest that stands for the artifact: the one that the key signs, or beside an Ed25519 signature SHA-256.
    #[must_use]
    pub fn digest(&self) -> DigestAlgorithm {
        match (self.public_key().algorithm.signs(), self.announced.digest) {
            (Signs::Payload, _) => DigestAlgorithm::Sha256,
            (Signs::Digest(_), Some(own)) => own,
            (Signs::Digest(usual), None) => usual,
        }
    }

    /// Has a file signed.
    pub(super) fn sign_bytes(&self, artifact: &Artifact) -> Result<Signed, SignError> {
        let digest = artifact
            .digest(self.digest())
            .cloned()
            .ok_or_else(|| SignError::NoBytes(artifact.reference.clone()))?;
        let payload = match self.public_key().algorithm.signs() {
            Signs::Digest(_) => None,
            Signs::Payload => match &artifact.path {
                Some(path) => Some(Payload::Path(path.clone())),
                None => return Err(SignError::NoBytes(artifact.reference.clone())),
            },
        };
        self.sign(digest, payload)
    }

    /// Has a payload signed that was made here.
    pub(super) fn sign_payload(&self, payload: &[u8]) -> Result<Signed, SignError> {
        let algorithm = self.digest();
        let digest = aws_lc_rs::digest::digest(key::hash(algorithm), payload);
        let digest = Digest::new(algorithm, digest.as_ref().to_vec())
            .map_err(|e| misbehaved(e.to_string()))?;
        let payload = match self.public_key().algorithm.signs() {
            Signs::Digest(_) => None,
            Signs::Payload => Some(Payload::Bytes(payload.into())),
        };
        self.sign(digest, payload)
    }

    /// Requires the answer to be what was announced. The signature itself is not verified yet.
    fn sign(&self, digest: Digest, payload: Option<Payload>) -> Result<Signed, SignError> {
        let signed = self
            .handle
            .call::<Sign>(&SignArgs {
                key: None,
                digest,
                payload,
            })
            .map_err(|error| SignError::Signer {
                operation: SIGN,
                error: error.into(),
            })?;
        match &signed.verifier {
            Verifier::PublicKey(key) if key != self.public_key() => Err(misbehaved(format!(
                "the signer returned another key ({}) than it announced ({})",
                KeyHint::of(key),
                KeyHint::of(self.public_key())
            ))),
            Verifier::CertificateChain(_) => Err(misbehaved(
                "the signer announced a key and returned a certificate".to_owned(),
            )),
            Verifier::PublicKey(key) if key.algorithm != signed.algorithm => {
                Err(misbehaved(format!(
                    "the signer returned an {} signature for an {} key",
                    signed.algorithm, key.algorithm
                )))
            }
            Verifier::PublicKey(_) => Ok(signed),
        }
    }
}
