//! For the tests of this crate: a host that answers for the person, the keys in `tests-data`, and a stranger who verifies.

use crate::failure::KeyError;
use crate::formats::{self, StoredKey};
use crate::private_key::PrivateKey;
use aws_lc_rs::digest;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P521_SHA256_ASN1, ED25519,
    RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use sigtool_sdk::host::{
    Answer, AskSecretArgs, AskedSecret, Channel, NetworkSettings, Progress, Prompt, TraceLevel,
};
use sigtool_sdk::services::{Services, answer};
use sigtool_sdk::types::{Digest, DigestAlgorithm, IdentityToken, KeyAlgorithm, PublicKey, Secret};
use sigtool_sdk::{Call, Error, ErrorCode, Result};
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use zeroize::Zeroizing;

/// A host with an answer for each pointer and attempt, which remembers what was asked and shown.
#[derive(Default)]
pub(crate) struct FakeHost {
    secrets: HashMap<String, Vec<String>>,
    asked: Mutex<Vec<AskSecretArgs>>,
    shown: Mutex<Vec<(TraceLevel, String)>>,
    cancelled: bool,
    looks: AtomicUsize,
}

impl FakeHost {
    /// A host that gives these answers for a pointer, one after another.
    pub(crate) fn with(mut self, pointer: &str, answers: &[&str]) -> Self {
        let answers = answers.iter().map(|&a| a.to_owned()).collect();
        self.secrets.insert(pointer.to_owned(), answers);
        self
    }

    /// A host whose user has pressed Ctrl-C.
    pub(crate) fn cancelled() -> Self {
        Self {
            cancelled: true,
            ..Self::default()
        }
    }

    pub(crate) fn call(&self) -> Call<'_> {
        Call::new(self, 1, None)
    }

    /// How often it was asked whether the call is cancelled.
    pub(crate) fn looks(&self) -> usize {
        self.looks.load(Ordering::Relaxed)
    }

    /// The questions so far.
    pub(crate) fn asked(&self) -> Vec<AskSecretArgs> {
        self.asked.lock().unwrap().clone()
    }

    /// The warnings so far.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let shown = self.shown.lock().unwrap();
        let warnings = shown.iter().filter(|(level, _)| *level == TraceLevel::Warn);
        warnings.map(|(_, message)| message.clone()).collect()
    }
}

impl Channel for FakeHost {
    fn trace(&self, level: TraceLevel, message: &str) {
        self.shown.lock().unwrap().push((level, message.to_owned()));
    }

    fn cancelled(&self, _call: u64) -> bool {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.cancelled
    }

    fn request(&self, _call: u64, request: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        Ok(answer(self, request))
    }
}

impl Services for FakeHost {
    fn trace(&self, level: TraceLevel, message: &str) {
        Channel::trace(self, level, message);
    }

    fn progress(&self, _progress: Progress) {}

    fn prompt(&self, _prompt: Prompt) -> Result<Answer> {
        Err(Error::new(ErrorCode::Unavailable, "no terminal"))
    }

    fn open_url(&self, _url: &str) -> Result<()> {
        Err(Error::new(ErrorCode::Unavailable, "no browser"))
    }

    fn now_ms(&self) -> u64 {
        0
    }

    fn env(&self, _name: &str) -> Result<Option<String>> {
        Ok(None)
    }

    fn secret(&self, args: AskSecretArgs) -> Result<AskedSecret> {
        let attempt = args.attempt as usize;
        let answers = self.secrets.get(&args.pointer).cloned();
        self.asked.lock().unwrap().push(args);
        let answers = answers.unwrap_or_default();
        let value = answers
            .get(attempt)
            .ok_or_else(|| Error::new(ErrorCode::AuthRequired, "nobody can be asked"))?;
        Ok(AskedSecret {
            value: Secret::from(value.clone()),
            origin: format!("place {attempt}"),
            more: attempt + 1 < answers.len(),
        })
    }

    fn identity_token(&self, _audience: &str) -> Result<IdentityToken> {
        Err(Error::new(ErrorCode::AccessDenied, "no grant"))
    }

    fn cache_get(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }

    fn cache_put(&self, _name: &str, _value: &[u8]) {}

    fn network(&self) -> Result<NetworkSettings> {
        Err(Error::new(ErrorCode::AccessDenied, "no network"))
    }
}

/// Where a file of `tests-data` is.
pub(crate) fn path(file: &str) -> String {
    format!("{}/tests-data/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// A file of `tests-data`.
pub(crate) fn data(file: &str) -> Vec<u8> {
    std::fs::read(path(file)).unwrap()
}

/// A key of `tests-data`, unlocked with `hello` if it is locked.
pub(crate) fn open(file: &str) -> Result<PrivateKey, KeyError> {
    match formats::parse(&data(file))? {
        StoredKey::Plain(key) => Ok(key),
        StoredKey::Locked(locked) => locked.open(b"hello"),
    }
}

/// The public half of a key of `tests-data`.
pub(crate) fn public(file: &str) -> PublicKey {
    open(file).unwrap().public_key().unwrap()
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    let digest = digest::digest(&digest::SHA256, bytes);
    Digest::new(DigestAlgorithm::Sha256, digest.as_ref().to_vec()).unwrap()
}

/// Verifies as a stranger would: from the SPKI and the payload, by another road than signing took.
pub(crate) fn verify(key: &PublicKey, payload: &[u8], signature: &[u8]) -> bool {
    let algorithm: &dyn VerificationAlgorithm = match key.algorithm {
        KeyAlgorithm::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
        KeyAlgorithm::EcdsaP384 => &ECDSA_P384_SHA256_ASN1,
        KeyAlgorithm::EcdsaP521 => &ECDSA_P521_SHA256_ASN1,
        KeyAlgorithm::Ed25519 => &ED25519,
        KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 => {
            &RSA_PKCS1_2048_8192_SHA256
        }
    };
    let key = UnparsedPublicKey::new(algorithm, &key.spki.0);
    key.verify(payload, signature).is_ok()
}
