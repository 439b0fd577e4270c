//! Promises of signers.

use super::probe::{Probe, Stop, Verdict, ok, refused};
use super::{KnownPayload, Promise, SignerFixture, Subject};
use crate::error::{Error, ErrorCode};
use crate::manifest::Kind;
use crate::signer::{GetPublicKey, KeyArgs, Keys, Payload, PublicKeyReply, Sign, SignArgs};
use crate::testing::{FakeHost, SecretAnswer};
use crate::types::{Digest, DigestAlgorithm, PublicKey, Signed, Signs, Verifier};
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) const PROMISES: &[Promise] = &[
    Promise {
        name: "the_public_key_is_the_same_twice",
        promise: "`signer.public_key` gives one valid key, whenever it is asked",
        kind: Some(Kind::Signer),
        check: the_public_key_is_the_same_twice,
    },
    Promise {
        name: "a_signature_verifies_with_the_announced_key",
        promise: "what `signer.sign` returns verifies with the key it returns, which is the one that `signer.public_key` announced",
        kind: Some(Kind::Signer),
        check: a_signature_verifies_with_the_announced_key,
    },
    Promise {
        name: "a_signature_is_for_one_digest_only",
        promise: "the signature of one payload does not verify for another",
        kind: Some(Kind::Signer),
        check: a_signature_is_for_one_digest_only,
    },
    Promise {
        name: "an_unknown_key_is_not_found",
        promise: "the name of a key that does not exist gets `not-found`, so that the host can try the next signer",
        kind: Some(Kind::Signer),
        check: an_unknown_key_is_not_found,
    },
    Promise {
        name: "a_digest_of_another_algorithm_is_refused",
        promise: "a digest that the key does not sign gets `invalid-request`",
        kind: Some(Kind::Signer),
        check: a_digest_of_another_algorithm_is_refused,
    },
    Promise {
        name: "a_payload_is_checked_against_its_digest",
        promise: "a key that signs payloads wants one, and refuses with `integrity` one that its digest does not fit",
        kind: Some(Kind::Signer),
        check: a_payload_is_checked_against_its_digest,
    },
    Promise {
        name: "a_declined_secret_is_told_as_declined",
        promise: "when the person will not give a secret, the call ends with `declined` and nothing else",
        kind: Some(Kind::Signer),
        check: a_declined_secret_is_told_as_declined,
    },
    Promise {
        name: "no_secret_is_said_again",
        promise: "no secret, right or wrong, is in any trace, question, error or reply",
        kind: Some(Kind::Signer),
        check: no_secret_is_said_again,
    },
    Promise {
        name: "keys_are_listed_if_the_manifest_says_so",
        promise: "`signer.keys` works with the capability `signer.keys`, and gets `unsupported` without it",
        kind: Some(Kind::Signer),
        check: keys_are_listed_if_the_manifest_says_so,
    },
];

/// An opened signer, and the key it announces.
struct Opened {
    probe: Probe,
    handle: u64,
    key: PublicKey,
    signs: Signs,
}

fn fixture<'a>(subject: &'a Subject<'_>) -> Result<&'a SignerFixture, Stop> {
    subject
        .fixture
        .signer
        .as_ref()
        .ok_or_else(|| Stop::skipped("there are no settings with which it signs"))
}

/// A host that has the fixture's secrets.
fn host(fixture: &SignerFixture) -> FakeHost {
    fixture
        .secrets
        .iter()
        .fold(FakeHost::new(), |host, (pointer, secret)| {
            host.secret(pointer.clone(), [SecretAnswer::value(secret.clone())])
        })
}

fn open(subject: &Subject<'_>) -> Result<Opened, Stop> {
    let fixture = fixture(subject)?;
    let probe = Probe::with(subject, host(fixture))?;
    let handle = ok("`open`", probe.open(Kind::Signer, &fixture.configuration))?;
    let reply = public_key(&probe, handle)?;
    Ok(Opened {
        probe,
        handle,
        signs: reply
            .digest
            .map_or_else(|| reply.public_key.algorithm.signs(), Signs::Digest),
        key: reply.public_key,
    })
}

fn public_key(probe: &Probe, handle: u64) -> Result<PublicKeyReply, Stop> {
    ok(
        "`signer.public_key`",
        probe.call::<GetPublicKey>(Some(handle), &KeyArgs::default()),
    )
}

impl Opened {
    /// The digest to ask for: a key that signs payloads gets SHA-256 to check them with.
    fn digest<'a>(&self, payload: &'a KnownPayload) -> Result<&'a Digest, Stop> {
        payload.digest(match self.signs {
            Signs::Digest(algorithm) => algorithm,
            Signs::Payload => DigestAlgorithm::Sha256,
        })
    }

    fn args(&self, payload: &KnownPayload) -> Result<SignArgs, Stop> {
        Ok(SignArgs {
            key: None,
            digest: self.digest(payload)?.clone(),
            payload: (self.signs == Signs::Payload).then(|| Payload::Bytes(payload.bytes.into())),
        })
    }

    fn call(&self, args: &SignArgs) -> Result<Signed, Error> {
        self.probe.call::<Sign>(Some(self.handle), args)
    }

    fn sign(&self, payload: &KnownPayload) -> Result<Signed, Stop> {
        ok("`signer.sign`", self.call(&self.args(payload)?))
    }
}

fn the_public_key_is_the_same_twice(subject: &Subject<'_>) -> Verdict {
    let (first, second) = (open(subject)?, open(subject)?);
    for key in [
        public_key(&first.probe, first.handle)?.public_key,
        second.key,
    ] {
        if key != first.key {
            let what = "the second `signer.public_key` with the same settings";
            return Err(Stop::differs(what, "the same key", "another"));
        }
    }
    if !is_der_sequence(&first.key.spki) {
        return Err(Stop::differs(
            "`spki` in the reply to `signer.public_key`",
            "the DER of a SubjectPublicKeyInfo (RFC 5280)",
            format!("{} bytes that are not a DER sequence", first.key.spki.len()),
        ));
    }
    Ok(())
}

/// Whether the bytes are one SEQUENCE (X.690 section 8.9) and nothing behind it.
fn is_der_sequence(der: &[u8]) -> bool {
    match *der {
        [0x30, short @ ..=0x7f, ref rest @ ..] => usize::from(short) == rest.len(),
        [0x30, 0x81, long, ref rest @ ..] => usize::from(long) == rest.len(),
        [0x30, 0x82, high, low, ref rest @ ..] => {
            usize::from(u16::from_be_bytes([high, low])) == rest.len()
        }
        _ => false,
    }
}

fn a_signature_verifies_with_the_announced_key(subject: &Subject<'_>) -> Verdict {
    let opened = open(subject)?;
    for payload in [KnownPayload::first(), KnownPayload::second()] {
        let signed = opened.sign(&payload)?;
        check_signed(subject, &opened, &payload, &signed)?;
    }
    if opened.signs == Signs::Payload {
        let payload = KnownPayload::first();
        let file = TemporaryFile::new(payload.bytes)?;
        let args = SignArgs {
            payload: Some(Payload::Path(file.0.clone())),
            ..opened.args(&payload)?
        };
        let signed = ok("`signer.sign` with a path", opened.call(&args))?;
        check_signed(subject, &opened, &payload, &signed)?;
    }
    Ok(())
}

fn check_signed(
    subject: &Subject<'_>,
    opened: &Opened,
    payload: &KnownPayload,
    signed: &Signed,
) -> Verdict {
    if signed.algorithm != opened.key.algorithm {
        return Err(Stop::differs(
            "`algorithm` in the reply to `signer.sign`",
            format!("`{}`, as announced", opened.key.algorithm),
            format!("`{}`", signed.algorithm),
        ));
    }
    if let Verifier::PublicKey(key) = &signed.verifier
        && *key != opened.key
    {
        return Err(Stop::differs(
            "the key in the reply to `signer.sign`",
            "the one that `signer.public_key` announced",
            "another",
        ));
    }
    if verifies(subject, opened, payload, signed)? {
        Ok(())
    } else {
        Err(Stop::differs(
            "the signature of `signer.sign`",
            "one that verifies with the key it comes with",
            "one that does not",
        ))
    }
}

fn verifies(
    subject: &Subject<'_>,
    opened: &Opened,
    payload: &KnownPayload,
    signed: &Signed,
) -> Result<bool, Stop> {
    let digest = opened.digest(payload)?;
    Ok((subject.verify)(
        &opened.key,
        digest,
        payload.bytes,
        &signed.signature,
    ))
}

fn a_signature_is_for_one_digest_only(subject: &Subject<'_>) -> Verdict {
    let opened = open(subject)?;
    let signed = opened.sign(&KnownPayload::first())?;
    if verifies(subject, &opened, &KnownPayload::second(), &signed)? {
        return Err(Stop::differs(
            "the signature of one payload, checked for another",
            "a refusal",
            "a valid signature",
        ));
    }
    Ok(())
}

fn an_unknown_key_is_not_found(subject: &Subject<'_>) -> Verdict {
    let opened = open(subject)?;
    let key = Some("sigtool-contract-no-such-key".to_owned());
    let asked = opened
        .probe
        .call::<GetPublicKey>(Some(opened.handle), &KeyArgs { key: key.clone() });
    refused(
        "`signer.public_key` of an unknown key",
        asked,
        &[ErrorCode::NotFound],
    )?;
    let args = SignArgs {
        key,
        ..opened.args(&KnownPayload::first())?
    };
    refused(
        "`signer.sign` with an unknown key",
        opened.call(&args),
        &[ErrorCode::NotFound],
    )
}

fn a_digest_of_another_algorithm_is_refused(subject: &Subject<'_>) -> Verdict {
    let opened = open(subject)?;
    let Signs::Digest(right) = opened.signs else {
        return Err(Stop::skipped("its key signs payloads, by no digest"));
    };
    let payload = KnownPayload::first();
    for digest in payload.digests.iter().filter(|d| d.algorithm() != right) {
        let args = SignArgs {
            key: None,
            digest: digest.clone(),
            payload: None,
        };
        let what = format!(
            "`signer.sign` of a {} digest by a key that signs {right}",
            digest.algorithm()
        );
        refused(&what, opened.call(&args), &[ErrorCode::InvalidRequest])?;
    }
    Ok(())
}

fn a_payload_is_checked_against_its_digest(subject: &Subject<'_>) -> Verdict {
    let opened = open(subject)?;
    if opened.signs != Signs::Payload {
        return Err(Stop::skipped("its key signs digests"));
    }
    let (first, second) = (KnownPayload::first(), KnownPayload::second());
    let file = TemporaryFile::new(second.bytes)?;
    let with = |payload| {
        Ok(SignArgs {
            payload,
            ..opened.args(&first)?
        })
    };
    let missing = opened.call(&with(None)?);
    refused(
        "`signer.sign` without a payload",
        missing,
        &[ErrorCode::InvalidRequest],
    )?;
    for payload in [
        Payload::Bytes(second.bytes.into()),
        Payload::Path(file.0.clone()),
    ] {
        let signed = opened.call(&with(Some(payload))?);
        let what = "`signer.sign` of a payload with the digest of another";
        refused(what, signed, &[ErrorCode::Integrity])?;
    }
    Ok(())
}

/// Opens, and does all that a run does, until the first error.
fn whole_run(subject: &Subject<'_>, probe: &Probe) -> Result<Signed, Error> {
    let signer = subject.fixture.signer.as_ref();
    let configuration = signer.map_or(json!({}), |f| f.configuration.clone());
    let handle = probe.open(Kind::Signer, &configuration)?;
    let reply = probe.call::<GetPublicKey>(Some(handle), &KeyArgs::default())?;
    let signs = reply
        .digest
        .map_or_else(|| reply.public_key.algorithm.signs(), Signs::Digest);
    let payload = KnownPayload::first();
    let algorithm = match signs {
        Signs::Digest(algorithm) => algorithm,
        Signs::Payload => DigestAlgorithm::Sha256,
    };
    let digest = payload
        .digests
        .iter()
        .find(|d| d.algorithm() == algorithm)
        .cloned()
        .ok_or_else(|| Error::new(ErrorCode::Internal, "no known digest"))?;
    let args = SignArgs {
        key: None,
        digest,
        payload: (signs == Signs::Payload).then(|| Payload::Bytes(payload.bytes.into())),
    };
    probe.call::<Sign>(Some(handle), &args)
}

fn a_declined_secret_is_told_as_declined(subject: &Subject<'_>) -> Verdict {
    let fixture = fixture(subject)?;
    let declining = fixture
        .secrets
        .keys()
        .fold(FakeHost::new(), |host, pointer| {
            host.secret(pointer.clone(), [SecretAnswer::Declined])
        });
    let probe = Probe::with(subject, declining)?;
    let result = whole_run(subject, &probe);
    if !probe.host.was_asked_for_a_secret() {
        return Err(Stop::skipped("with these settings it asks for no secret"));
    }
    refused(
        "signing while the person will not give the secret",
        result,
        &[ErrorCode::Declined],
    )
}

fn no_secret_is_said_again(subject: &Subject<'_>) -> Verdict {
    let fixture = fixture(subject)?;
    if fixture.secrets.values().all(Vec::is_empty) {
        return Err(Stop::skipped("with these settings it needs no secret"));
    }
    let wrong = b"wrong-canary-5b0d1f7e".to_vec();
    let right = Probe::with(subject, host(fixture))?;
    ok("signing with the right secret", whole_run(subject, &right))?;
    let wrong_first = fixture
        .secrets
        .iter()
        .fold(FakeHost::new(), |host, (pointer, secret)| {
            let answers = [wrong.clone(), secret.clone()].map(SecretAnswer::value);
            host.secret(pointer.clone(), answers)
        });
    let second_try = Probe::with(subject, wrong_first)?;
    // Whether it tries again is its own business.
    let _ = whole_run(subject, &second_try);
    let only_wrong = fixture
        .secrets
        .keys()
        .fold(FakeHost::new(), |host, pointer| {
            host.secret(pointer.clone(), [SecretAnswer::value(wrong.clone())])
        });
    let no_luck = Probe::with(subject, only_wrong)?;
    if whole_run(subject, &no_luck).is_ok() && no_luck.host.was_asked_for_a_secret() {
        return Err(Stop::differs(
            "signing with a wrong secret",
            "an error",
            "success",
        ));
    }
    for probe in [&right, &second_try, &no_luck] {
        probe.find_no(&wrong)?;
        for secret in fixture.secrets.values() {
            probe.find_no(secret)?;
        }
    }
    Ok(())
}

fn keys_are_listed_if_the_manifest_says_so(subject: &Subject<'_>) -> Verdict {
    let opened = open(subject)?;
    let keys = opened
        .probe
        .call::<Keys>(Some(opened.handle), &crate::message::Empty {});
    if subject.manifest.can("signer.keys") {
        ok("`signer.keys`", keys).map(|_| ())
    } else {
        refused(
            "`signer.keys` without the capability",
            keys,
            &[ErrorCode::Unsupported],
        )
    }
}

/// A file that is removed again.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(bytes: &[u8]) -> Result<Self, Stop> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sigtool-contract-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let create = || {
            use std::io::Write as _;
            std::fs::File::create_new(&path)?.write_all(bytes)
        };
        create().map_err(|e| {
            Stop::skipped(format!("the suite cannot write `{}`: {e}", path.display()))
        })?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
