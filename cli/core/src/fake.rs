//! For tests: real keys, a signer that can be told to lie, and a folder as a source, behind the seam.

use crate::store::Store;
use crate::trust::Policy;
use crate::verify::{GivenSignature, Verified, VerifyingRequest, verify_artifact};
use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
};
use sigtool_sdk::connection::{Connection, Handle};
use sigtool_sdk::host::{
    Answer, AskSecretArgs, AskedSecret, Channel, NetworkSettings, Progress, Prompt, TraceLevel,
};
use sigtool_sdk::services::{Services, answer};
use sigtool_sdk::signer::{Payload, PublicKeyArgs, PublicKeyReply, SignArgs, Signer};
use sigtool_sdk::source::{
    AttachArgs, Attached, Prefixed, ResolveArgs, Resolved, SignaturesArgs, SignaturesReply, Source,
};
use sigtool_sdk::types::{
    Artifact, ArtifactKind, CertificateChain, Digest, DigestAlgorithm, IdentityToken, KeyAlgorithm,
    PublicKey, SignatureFormat, Signed, Signs, StoredSignature, Verifier,
};
use sigtool_sdk::{Backend, Call, Error, ErrorCode, Instance, Kind, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zeroize::Zeroizing;

/// A key pair.
pub(crate) struct TestKey {
    algorithm: KeyAlgorithm,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl TestKey {
    pub(crate) fn generate(algorithm: KeyAlgorithm) -> Self {
        let ecdsa =
            |a: &'static EcdsaSigningAlgorithm| Pair::Ecdsa(EcdsaKeyPair::generate(a).unwrap());
        let rsa = |size| Pair::Rsa(RsaKeyPair::generate(size).unwrap());
        let pair = match algorithm {
            KeyAlgorithm::EcdsaP256 => ecdsa(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
            KeyAlgorithm::EcdsaP384 => ecdsa(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
            KeyAlgorithm::EcdsaP521 => ecdsa(&signature::ECDSA_P521_SHA512_ASN1_SIGNING),
            KeyAlgorithm::Ed25519 => Pair::Ed25519(Ed25519KeyPair::generate().unwrap()),
            KeyAlgorithm::Rsa2048 => rsa(KeySize::Rsa2048),
            KeyAlgorithm::Rsa3072 => rsa(KeySize::Rsa3072),
            KeyAlgorithm::Rsa4096 => rsa(KeySize::Rsa4096),
        };
        Self { algorithm, pair }
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        let der: PublicKeyX509Der<'static> = match &self.pair {
            Pair::Ecdsa(pair) => pair.public_key().as_der().unwrap(),
            Pair::Ed25519(pair) => pair.public_key().as_der().unwrap(),
            Pair::Rsa(pair) => pair.public_key().as_der().unwrap(),
        };
        PublicKey {
            algorithm: self.algorithm,
            spki: der.as_ref().into(),
        }
    }

    /// The private key, PKCS#8 DER; not for RSA.
    pub(crate) fn private_der(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Ecdsa(pair) => pair.to_pkcs8v1().unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.to_pkcs8v1().unwrap().as_ref().to_vec(),
            Pair::Rsa(_) => panic!("no test needs the private half of an RSA key"),
        }
    }

    /// Signs bytes as we do: by SHA-256, or Ed25519 pure.
    pub(crate) fn sign(&self, payload: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Ed25519(pair) => pair.sign(payload).as_ref().to_vec(),
            _ => self
                .sign_digest(&crate::key::digest_of(DigestAlgorithm::Sha256, payload))
                .unwrap(),
        }
    }

    /// Signs a digest of any algorithm; Ed25519 cannot.
    pub(crate) fn sign_digest(&self, digest: &Digest) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::Ed25519(_) => None,
            Pair::Rsa(pair) => {
                let padding: &dyn signature::RsaEncoding = match digest.algorithm() {
                    DigestAlgorithm::Sha256 => &signature::RSA_PKCS1_SHA256,
                    DigestAlgorithm::Sha384 => &signature::RSA_PKCS1_SHA384,
                    DigestAlgorithm::Sha512 => &signature::RSA_PKCS1_SHA512,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                let digest = digest::Digest::import_less_safe(
                    digest.as_bytes(),
                    crate::key::hash(digest.algorithm()),
                )
                .unwrap();
                pair.sign_digest(padding, &digest, &mut signature).unwrap();
                Some(signature)
            }
            Pair::Ecdsa(pair) => {
                let digest = self.fitted(digest);
                Some(pair.sign_digest(&digest).unwrap().as_ref().to_vec())
            }
        }
    }

    /// ECDSA signs an integer: zeros before a short digest change nothing, and of a long one the curve takes the first bits. So
    /// the library's fixed pairs of curve and digest sign every digest.
    fn fitted(&self, digest: &Digest) -> digest::Digest {
        let (of, length) = match self.algorithm {
            KeyAlgorithm::EcdsaP256 => (&digest::SHA256, 32),
            KeyAlgorithm::EcdsaP384 => (&digest::SHA384, 48),
            _ => (&digest::SHA512, 64),
        };
        let bytes = digest.as_bytes();
        let mut fitted = vec![0; length - bytes.len().min(length)];
        fitted.extend_from_slice(&bytes[..bytes.len().min(length)]);
        digest::Digest::import_less_safe(&fitted, of).unwrap()
    }
}

/// What the signer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Honest,
    SignsSomethingElse,
    ReturnsSomeoneElsesKey,
    ReturnsAnotherAlgorithm,
    ReturnsACertificate,
    ReturnsGarbage,
    Fails,
}

/// How the source answers when it is to hash the artifact's bytes after others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hashing {
    Right,
    /// As a source does that is older than the question.
    Unknown,
    ForgetsPrefix,
    OtherContent,
    OtherAlgorithm,
    OneTooMany,
    Reversed,
}

impl Hashing {
    fn answer(self, asked: &[Prefixed], content: &[u8]) -> Vec<Digest> {
        let content = match self {
            Self::OtherContent => b"another",
            _ => content,
        };
        let hashed = asked.iter().map(|asked| match self {
            Self::ForgetsPrefix => crate::key::digest_of(asked.algorithm, content),
            _ => {
                let algorithm = match self {
                    Self::OtherAlgorithm => DigestAlgorithm::Sha384,
                    _ => asked.algorithm,
                };
                crate::key::digest_of(algorithm, &[&asked.prefix, content].concat())
            }
        });
        let mut hashed: Vec<Digest> = hashed.collect();
        match self {
            Self::Unknown => hashed.clear(),
            Self::Reversed => hashed.reverse(),
            Self::OneTooMany => hashed.extend(hashed.first().cloned()),
            _ => {}
        }
        hashed
    }
}

/// A folder with one artifact, `app`, and a signer.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    shared: Arc<Shared>,
    connection: Arc<dyn Connection>,
}

struct Shared {
    key: Mutex<Arc<TestKey>>,
    other: TestKey,
    manner: Mutex<Manner>,
    /// How often the artifact's bytes were hashed, and with how many digests the last time.
    resolved: AtomicUsize,
    digests: Mutex<Vec<DigestAlgorithm>>,
    /// How many digests after a prefix were asked for the last time, and how such a question is answered.
    prefixed: AtomicUsize,
    hashing: Mutex<Hashing>,
    hides_path: Mutex<bool>,
    signatures_fail: Mutex<bool>,
}

impl World {
    pub(crate) fn new(key: TestKey) -> Self {
        let shared = Arc::new(Shared {
            key: Mutex::new(Arc::new(key)),
            other: TestKey::generate(KeyAlgorithm::EcdsaP256),
            manner: Mutex::new(Manner::Honest),
            resolved: AtomicUsize::new(0),
            digests: Mutex::default(),
            prefixed: AtomicUsize::new(0),
            hashing: Mutex::new(Hashing::Right),
            hides_path: Mutex::new(false),
            signatures_fail: Mutex::new(false),
        });
        let manifest = "manifest = 1\nid = \"fake\"\nversion = \"1.0.0\"\nsummary = \"For tests\"\nkinds = [\"signer\", \"source\"]\n";
        let instance = Instance::new(Box::new(Fake(Arc::clone(&shared))), manifest).unwrap();
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            shared,
            connection: Arc::new(InProcess(instance)),
        };
        world.write("hello\n");
        world
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("app")
    }

    pub(crate) fn reference(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, content: &str) {
        std::fs::write(self.path(), content).unwrap();
    }

    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("app{suffix}"))
    }

    /// Every file but the artifact.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| n != "app")
            .collect();
        names.sort();
        names
    }

    pub(crate) fn key(&self) -> Arc<TestKey> {
        Arc::clone(&self.shared.key.lock().unwrap())
    }

    pub(crate) fn set_key(&self, key: TestKey) {
        *self.shared.key.lock().unwrap() = Arc::new(key);
    }

    pub(crate) fn set_manner(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    pub(crate) fn hide_path(&self) {
        *self.shared.hides_path.lock().unwrap() = true;
    }

    pub(crate) fn fail_signatures(&self) {
        *self.shared.signatures_fail.lock().unwrap() = true;
    }

    pub(crate) fn times_resolved(&self) -> usize {
        self.shared.resolved.load(Ordering::Relaxed)
    }

    pub(crate) fn digests_asked(&self) -> Vec<DigestAlgorithm> {
        self.shared.digests.lock().unwrap().clone()
    }

    pub(crate) fn prefixed_asked(&self) -> usize {
        self.shared.prefixed.load(Ordering::Relaxed)
    }

    pub(crate) fn set_hashing(&self, hashing: Hashing) {
        *self.shared.hashing.lock().unwrap() = hashing;
    }

    /// The artifact as an image: its source gives a digest, no bytes, and a reference that does not move.
    pub(crate) fn image(&self) -> String {
        format!("{IMAGE}{}", self.reference())
    }

    pub(crate) fn verify(&self, policy: &Policy) -> Verified {
        self.verify_given(&[], policy).unwrap()
    }

    pub(crate) fn verify_given(
        &self,
        given: &[GivenSignature],
        policy: &Policy,
    ) -> Result<Verified> {
        self.verify_by(true, given, policy)
    }

    /// The same by a source of sigtool's own, or by another's.
    pub(crate) fn verify_by(
        &self,
        is_own: bool,
        given: &[GivenSignature],
        policy: &Policy,
    ) -> Result<Verified> {
        let request = VerifyingRequest {
            reference: &self.reference(),
            pins: false,
            is_own,
            given,
            store: Ok(None),
            policy,
        };
        verify_artifact(&self.source(), &request)
    }

    pub(crate) fn verify_image(
        &self,
        given: &[GivenSignature],
        store: Option<&Store>,
        policy: &Policy,
    ) -> Verified {
        let request = VerifyingRequest {
            reference: &self.image(),
            pins: true,
            is_own: true,
            given,
            store: Ok(store),
            policy,
        };
        verify_artifact(&self.source(), &request).unwrap()
    }

    pub(crate) fn source(&self) -> Handle {
        self.open(Kind::Source)
    }

    pub(crate) fn signer(&self) -> Handle {
        self.open(Kind::Signer)
    }

    fn open(&self, kind: Kind) -> Handle {
        Handle::open(
            Arc::clone(&self.connection),
            Arc::new(NoServices),
            kind,
            serde_json::Value::Null,
            None,
        )
        .unwrap()
    }
}

/// A backend in this process, spoken to by messages all the same.
struct InProcess(Instance);

impl Connection for InProcess {
    fn carry(
        &self,
        _: u64,
        request: &[u8],
        _: Option<Duration>,
        services: &Arc<dyn Services>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let channel = Answering(Arc::clone(services));
        Ok(Zeroizing::new(self.0.serve(&channel, request)))
    }
}

struct Answering(Arc<dyn Services>);

impl Channel for Answering {
    fn trace(&self, _: TraceLevel, _: &str) {}

    fn cancelled(&self, _: u64) -> bool {
        false
    }

    fn request(&self, _: u64, request: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        Ok(answer(&*self.0, request))
    }
}

struct NoServices;

fn no_service<T>() -> Result<T> {
    Err(Error::new(ErrorCode::Unavailable, "not in this test"))
}

impl Services for NoServices {
    fn trace(&self, _: TraceLevel, _: &str) {}
    fn progress(&self, _: Progress) {}
    fn prompt(&self, _: Prompt) -> Result<Answer> {
        no_service()
    }
    fn open_url(&self, _: &str) -> Result<()> {
        no_service()
    }
    fn now_ms(&self) -> u64 {
        0
    }
    fn env(&self, _: &str) -> Result<Option<String>> {
        no_service()
    }
    fn secret(&self, _: AskSecretArgs) -> Result<AskedSecret> {
        no_service()
    }
    fn identity_token(&self, _: &str) -> Result<IdentityToken> {
        no_service()
    }
    fn cache_get(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
    fn cache_put(&self, _: &str, _: &[u8]) {}
    fn network(&self) -> Result<NetworkSettings> {
        no_service()
    }
}

struct Fake(Arc<Shared>);

impl Backend for Fake {
    fn open_signer(&self, _: &Call, _: serde_json::Value) -> Result<Box<dyn Signer>> {
        Ok(Box::new(FakeSigner(Arc::clone(&self.0))))
    }

    fn open_source(&self, _: &Call, _: serde_json::Value) -> Result<Box<dyn Source>> {
        Ok(Box::new(FolderSource(Arc::clone(&self.0))))
    }
}

struct FakeSigner(Arc<Shared>);

impl Signer for FakeSigner {
    fn public_key(&self, _: &Call, _: PublicKeyArgs) -> Result<PublicKeyReply> {
        Ok(PublicKeyReply {
            public_key: self.0.key.lock().unwrap().public_key(),
            digest: None,
            protection: Some("plain".to_owned()),
        })
    }

    fn sign(&self, _: &Call, args: SignArgs) -> Result<Signed> {
        let key = Arc::clone(&self.0.key.lock().unwrap());
        let manner = *self.0.manner.lock().unwrap();
        if manner == Manner::Fails {
            return Err(Error::new(ErrorCode::Declined, "the person said no"));
        }
        let mut payload = match (&args.payload, key.algorithm.signs()) {
            (Some(Payload::Path(path)), Signs::Payload) => std::fs::read(path).unwrap(),
            (Some(Payload::Bytes(bytes)), Signs::Payload) => bytes.to_vec(),
            (None, Signs::Digest(_)) => Vec::new(),
            other => panic!("the host sent {other:?}"),
        };
        let mut digest = args.digest;
        if manner == Manner::SignsSomethingElse {
            digest = crate::key::digest_of(DigestAlgorithm::Sha256, b"something else");
            payload = b"something else".to_vec();
        }
        let signature = match key.sign_digest(&digest) {
            _ if manner == Manner::ReturnsGarbage => b"garbage".to_vec(),
            Some(signature) => signature,
            None => key.sign(&payload),
        };
        let verifier = match manner {
            Manner::ReturnsSomeoneElsesKey => Verifier::PublicKey(self.0.other.public_key()),
            Manner::ReturnsACertificate => Verifier::CertificateChain(CertificateChain {
                certificates: vec![],
                sct: None,
                not_after_ms: None,
                unverified_identity: None,
            }),
            _ => Verifier::PublicKey(key.public_key()),
        };
        Ok(Signed {
            signature: signature.into(),
            algorithm: match manner {
                Manner::ReturnsAnotherAlgorithm => KeyAlgorithm::Rsa4096,
                _ => key.algorithm,
            },
            verifier,
            key_id: Some("fake".to_owned()),
            key_version: None,
        })
    }
}

/// What the reference of an image begins with here.
const IMAGE: &str = "image:";

/// The file behind a reference.
fn file_of(reference: &str) -> PathBuf {
    let path = reference.strip_prefix(IMAGE).unwrap_or(reference);
    PathBuf::from(path.split_once('@').map_or(path, |(path, _)| path))
}

/// Names signatures as files are named: `app.sigstore.json`, `app.sig`, and with a hint for other signers.
struct FolderSource(Arc<Shared>);

impl Source for FolderSource {
    fn resolve(&self, _: &Call, args: ResolveArgs) -> Result<Resolved> {
        let path = file_of(&args.reference);
        let is_image = args.reference.starts_with(IMAGE);
        let content = std::fs::read(&path)
            .map_err(|e| Error::new(ErrorCode::NotFound, "no such file").because(e))?;
        self.0.resolved.fetch_add(1, Ordering::Relaxed);
        self.0.digests.lock().unwrap().clone_from(&args.digests);
        let asked = &args.prefixed;
        self.0.prefixed.store(asked.len(), Ordering::Relaxed);
        let prefixed = self.0.hashing.lock().unwrap().answer(asked, &content);
        let digests = args
            .digests
            .iter()
            .map(|a| crate::key::digest_of(*a, &content))
            .collect();
        let sha256 = crate::key::digest_of(DigestAlgorithm::Sha256, &content);
        Ok(Resolved {
            artifact: Some(Artifact {
                reference: if is_image {
                    format!("{IMAGE}{}@{sha256}", path.display())
                } else {
                    args.reference
                },
                name: "app".to_owned(),
                version: None,
                kind: if is_image {
                    ArtifactKind::ContainerImage
                } else {
                    ArtifactKind::Unknown
                },
                digests,
                size: content.len() as u64,
                media_type: None,
                path: Some(path).filter(|_| !is_image && !*self.0.hides_path.lock().unwrap()),
            }),
            prefixed,
            ..Resolved::default()
        })
    }

    fn signatures(&self, _: &Call, args: SignaturesArgs) -> Result<SignaturesReply> {
        if *self.0.signatures_fail.lock().unwrap() {
            return Err(Error::new(ErrorCode::Unavailable, "the place is away"));
        }
        let artifact = &*file_of(&args.reference);
        let mut names: Vec<PathBuf> = std::fs::read_dir(artifact.parent().unwrap())
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p != artifact)
            .collect();
        names.sort();
        // One per page, so that every test turns pages.
        let start: usize = args.page.map_or(0, |p| p.parse().unwrap());
        let signatures = names.get(start).map(|path| {
            let location = path.to_str().unwrap().to_owned();
            StoredSignature {
                id: location.clone(),
                format: match path.extension().and_then(|e| e.to_str()) {
                    Some("json") => SignatureFormat::Bundle,
                    Some("sig") => SignatureFormat::Cosign,
                    _ => SignatureFormat::Other,
                },
                location,
                content: std::fs::read(path).unwrap().into(),
            }
        });
        Ok(SignaturesReply {
            signatures: signatures.into_iter().collect(),
            next_page: (start + 1 < names.len()).then(|| (start + 1).to_string()),
            ..SignaturesReply::default()
        })
    }

    fn attach(&self, _: &Call, args: AttachArgs) -> Result<Attached> {
        let suffix = match args.format {
            SignatureFormat::Bundle => "sigstore.json",
            _ => "sig",
        };
        let file = file_of(&args.reference);
        let plain = format!("{}.{suffix}", file.display());
        let hinted = format!("{}.{}.{suffix}", file.display(), args.hint);
        let is_free = |p: &String| !Path::new(p).exists() || args.replaces.contains(p);
        let location = if is_free(&plain) { plain } else { hinted };
        assert!(is_free(&location), "{location} would be overwritten");
        for old in &args.replaces {
            std::fs::remove_file(old).unwrap();
        }
        std::fs::write(&location, &args.content.0).unwrap();
        Ok(Attached {
            id: location.clone(),
            location,
            notes: vec![],
        })
    }
}

/// A file of the state as it was with version 1 of its tables; tests of the command line have it too.
pub(crate) fn of_version_1(file: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests");
    tests.join("cli/data/state-of-version-1").join(file)
}

/// Says so where `cargo test` shows it to all: captured output would hide it.
pub(crate) fn skipped(what: &str, path: &Path) {
    use std::io::Write as _;
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: no {what} in {}",
        path.display()
    );
}
