//! Ed25519 ([RFC 8032], pure), over payloads of any size in constant memory.
//!
//! Ed25519 hashes its payload twice: first with a secret prefix, which gives the nonce, then with the nonce's point, which
//! gives the challenge. A payload that is another one the second time would give a signature that, beside a good one with
//! the same nonce, *reveals the private key*. So each pass is also digested, and must be what the caller says it is;
//! otherwise the number that would complete the signature is never computed.
//!
//! [RFC 8032]: https://www.rfc-editor.org/rfc/rfc8032#section-5.1.6

use aws_lc_rs::digest::{Context, SHA256, SHA384, SHA512};
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign_byupdate};
use ed25519_dalek::{Signature, SignatureError, SigningKey, Verifier as _};
use sha2::digest::consts::U64;
use sha2::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};
use sigtool_sdk::file::{Links, RegularFile};
use sigtool_sdk::signer::Payload;
use sigtool_sdk::types::{Digest, DigestAlgorithm};
use sigtool_sdk::{Call, Error, ErrorCode, Result};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

/// How much is read at once, in bytes. Smaller ones are slower; larger ones are not faster.
const CHUNK: usize = 128 * 1024;

/// Signs the payload, which must be what `digest` says.
pub(crate) fn sign(
    call: &Call,
    key: &SigningKey,
    digest: &Digest,
    payload: Option<&Payload>,
) -> Result<Vec<u8>> {
    let signature = match payload {
        Some(Payload::Bytes(bytes)) => sign_bytes(key, digest, bytes)?,
        Some(Payload::Path(path)) => sign_file(call, key, digest, path)?,
        None => {
            return Err(Error::new(
                ErrorCode::InvalidRequest,
                "an Ed25519 key signs the payload itself, and only its digest was given",
            ));
        }
    };
    Ok(signature.to_vec())
}

fn sign_bytes(key: &SigningKey, expected: &Digest, bytes: &[u8]) -> Result<Signature> {
    use ed25519_dalek::Signer as _;
    let mut digest = context(expected.algorithm());
    digest.update(bytes);
    if digest.finish().as_ref() != expected.as_bytes() {
        return Err(Error::new(
            ErrorCode::Integrity,
            "the payload is not what its digest says",
        ));
    }
    let signature = key.sign(bytes);
    key.verifying_key()
        .verify(bytes, &signature)
        .map_err(|_| bad_signature())?;
    Ok(signature)
}

/// Reads the file twice, as Ed25519 has to. That the signature is good is not checked by a third reading here: the host reads the
/// file once more and verifies as a stranger would, and uses nothing that it has not verified.
fn sign_file(call: &Call, key: &SigningKey, expected: &Digest, path: &Path) -> Result<Signature> {
    let file = RefCell::new(PayloadFile::open(call, expected, path)?);
    // The library knows only its own error, so ours waits here.
    let failure = RefCell::new(None);
    let signature = raw_sign_byupdate::<Sha512, _>(
        &ExpandedSecretKey::from(key.as_bytes()),
        |hash| {
            file.borrow_mut()
                .pass(|chunk| hash.update(chunk))
                .map_err(|error| {
                    *failure.borrow_mut() = Some(error);
                    SignatureError::new()
                })
        },
        &key.verifying_key(),
    );
    signature.map_err(|_| failure.take().unwrap_or_else(bad_signature))
}

/// SHA-512 (FIPS 180-4) of aws-lc in the shape that `ed25519-dalek` asks for. On x86-64 it takes a twelfth less time than that of
/// the crate `sha2`.
struct Sha512(Context);

impl Default for Sha512 {
    fn default() -> Self {
        Self(Context::new(&SHA512))
    }
}

impl HashMarker for Sha512 {}

impl Update for Sha512 {
    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

impl OutputSizeUser for Sha512 {
    type OutputSize = U64;
}

impl FixedOutput for Sha512 {
    fn finalize_into(self, out: &mut Output<Self>) {
        out.copy_from_slice(self.0.finish().as_ref());
    }
}

/// A payload in a file, opened once: a file that is put in its place meanwhile is not read.
struct PayloadFile<'a> {
    call: &'a Call<'a>,
    expected: &'a Digest,
    path: &'a Path,
    file: File,
    buffer: Vec<u8>,
}

impl<'a> PayloadFile<'a> {
    fn open(call: &'a Call<'a>, expected: &'a Digest, path: &'a Path) -> Result<Self> {
        let open = RegularFile::open(path, Links::Followed);
        let file = open.map_err(|e| {
            let code = match e.kind() {
                io::ErrorKind::NotFound => ErrorCode::NotFound,
                io::ErrorKind::PermissionDenied => ErrorCode::AccessDenied,
                _ => ErrorCode::InvalidRequest,
            };
            Error::new(code, format!("cannot read `{}`", path.display())).because(e)
        })?;
        Ok(Self {
            call,
            expected,
            path,
            file: file.into_file(),
            buffer: vec![0; CHUNK],
        })
    }

    /// Reads it from its start to its end, and checks its digest.
    fn pass(&mut self, mut each: impl FnMut(&[u8])) -> Result<()> {
        let mut digest = context(self.expected.algorithm());
        self.file.rewind().map_err(|e| self.unreadable(&e))?;
        loop {
            self.call.check()?;
            let length = match self.file.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(self.unreadable(&e)),
            };
            digest.update(&self.buffer[..length]);
            each(&self.buffer[..length]);
        }
        if digest.finish().as_ref() == self.expected.as_bytes() {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::Integrity,
            format!(
                "`{}` changed while it was being signed",
                self.path.display()
            ),
        )
        .hint("sign it again when nothing writes to it any more"))
    }

    fn unreadable(&self, error: &io::Error) -> Error {
        Error::new(
            ErrorCode::Unavailable,
            format!("cannot read `{}`", self.path.display()),
        )
        .because(error)
    }
}

fn context(algorithm: DigestAlgorithm) -> Context {
    Context::new(match algorithm {
        DigestAlgorithm::Sha256 => &SHA256,
        DigestAlgorithm::Sha384 => &SHA384,
        DigestAlgorithm::Sha512 => &SHA512,
    })
}

fn bad_signature() -> Error {
    Error::new(
        ErrorCode::Internal,
        "the Ed25519 signature that was just made is not valid",
    )
    .hint("the memory or the processor of this machine may be faulty")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeHost, sha256};
    use std::io::Write as _;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    #[test]
    fn a_file_and_the_same_bytes_give_the_same_signature() {
        let host = FakeHost::default();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payload");
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK * 2 + 5] {
            let bytes = vec![3; length];
            std::fs::write(&path, &bytes).unwrap();
            let digest = sha256(&bytes);
            let of_file = sign_file(&host.call(), &key(), &digest, &path).unwrap();
            assert_eq!(of_file, sign_bytes(&key(), &digest, &bytes).unwrap());
        }
    }

    #[test]
    fn a_file_is_read_twice_and_no_more() {
        let host = FakeHost::default();
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes = vec![3; 2 * CHUNK];
        std::fs::write(file.path(), &bytes).unwrap();
        sign_file(&host.call(), &key(), &sha256(&bytes), file.path()).unwrap();
        // It is looked before each chunk, and before the end is seen.
        assert_eq!(host.looks(), 2 * 3);
    }

    #[test]
    fn a_payload_that_is_not_what_the_digest_says_is_not_signed() {
        let host = FakeHost::default();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"another").unwrap();
        for payload in [
            Payload::Bytes(b"another".to_vec().into()),
            Payload::Path(file.path().into()),
        ] {
            let error = sign(&host.call(), &key(), &sha256(b"payload"), Some(&payload));
            assert_eq!(error.unwrap_err().code, ErrorCode::Integrity);
        }
    }

    #[test]
    fn a_file_that_changes_between_the_passes_is_not_signed() {
        let host = FakeHost::default();
        let file = tempfile::NamedTempFile::new().unwrap();
        let (call, digest) = (host.call(), sha256(b"before"));
        std::fs::write(file.path(), b"before").unwrap();
        let mut payload = PayloadFile::open(&call, &digest, file.path()).unwrap();
        payload.pass(|_| ()).unwrap();
        std::fs::write(file.path(), b"behind").unwrap();
        let error = payload.pass(|_| ()).unwrap_err();
        assert_eq!(error.code, ErrorCode::Integrity);
    }

    #[test]
    fn a_file_put_in_its_place_is_not_read() {
        let host = FakeHost::default();
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&path, b"before").unwrap();
        std::fs::write(&other, b"behind").unwrap();
        let (call, digest) = (host.call(), sha256(b"before"));
        let mut payload = PayloadFile::open(&call, &digest, &path).unwrap();
        std::fs::rename(&other, &path).unwrap();
        payload.pass(|_| ()).unwrap();
    }

    #[test]
    fn a_folder_and_an_endless_device_are_not_signed() {
        let host = FakeHost::default();
        for path in ["/", "/dev/zero"] {
            let payload = Payload::Path(path.into());
            let error = sign(&host.call(), &key(), &sha256(b""), Some(&payload)).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{path}");
        }
    }

    #[test]
    fn a_digest_alone_is_not_enough() {
        let host = FakeHost::default();
        let error = sign(&host.call(), &key(), &sha256(b""), None).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
    }

    #[test]
    fn a_cancelled_call_ends() {
        let host = FakeHost::cancelled();
        let file = tempfile::NamedTempFile::new().unwrap();
        let payload = Payload::Path(file.path().into());
        let error = sign(&host.call(), &key(), &sha256(b""), Some(&payload)).unwrap_err();
        assert_eq!(error.code, ErrorCode::Cancelled);
    }
}
