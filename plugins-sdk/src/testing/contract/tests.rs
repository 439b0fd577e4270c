//! The suite itself: a good backend passes, and each sort of bad one is found.

use super::*;
use crate::connection::Direct;
use crate::error::{Error, ErrorCode};
use crate::host::{AskSecretArgs, Call, TraceLevel};
use crate::message::Empty;
use crate::signer::{PublicKeyArgs, PublicKeyReply, SignArgs, Signer};
use crate::source::{
    AttachArgs, Attached, DetachArgs, ResolveArgs, Resolved, SignaturesArgs, SignaturesReply,
    Source,
};
use crate::types::{Artifact, ArtifactKind, KeyAlgorithm, Signed, StoredSignature, Verifier};
use crate::{Backend, Instance, configuration};
use serde::Deserialize;
use serde_json::json;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use zeroize::Zeroizing;

const MANIFEST: &str = r#"
manifest = 1
id = "toy"
version = "1.0.0"
summary = "signs with toys"
kinds = ["signer", "source"]
capabilities = ["source.attach", "source.detach"]
max_in_flight = 4
[config.signer]
key = { type = "string", required = true }
password = { type = "secret" }
"#;

const PASSWORD: &str = "canary-91c4e2";

/// How a toy is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    AnotherKey,
    AnySignature,
    DeclinedIsOther,
    ForgetsPrefix,
    KeepsReplaced,
    NoNotFound,
    SaysSecretInTrace,
    SaysSecretInError,
    TakesAnyDigest,
    TakesAnyId,
    TakesAnySettings,
    WrongDigest,
}

struct Toy(Fault);

#[derive(Deserialize)]
struct Settings {
    key: String,
    #[serde(default)]
    password: Option<crate::types::SecretReference>,
}

impl Backend for Toy {
    fn open_signer(&self, _: &Call, settings: Value) -> Result<Box<dyn Signer>> {
        let settings = match configuration::<Settings>(settings) {
            Err(_) if self.0 == Fault::TakesAnySettings => Settings {
                key: String::new(),
                password: None,
            },
            other => other?,
        };
        Ok(Box::new(ToySigner(self.0, settings)))
    }

    fn open_source(&self, _: &Call, settings: Value) -> Result<Box<dyn Source>> {
        #[derive(Deserialize)]
        struct Nothing {}
        let _: Nothing = configuration(settings)?;
        Ok(Box::new(ToySource(
            self.0,
            Mutex::default(),
            AtomicU64::new(1),
        )))
    }
}

struct ToySigner(Fault, Settings);

impl ToySigner {
    fn key(&self, name: Option<&str>) -> Result<PublicKey> {
        if name.is_some_and(|n| n != self.1.key) && self.0 != Fault::NoNotFound {
            return Err(Error::new(ErrorCode::NotFound, "no such key"));
        }
        Ok(PublicKey {
            algorithm: KeyAlgorithm::EcdsaP256,
            spki: vec![0x30, 0x01, 0x00].into(),
        })
    }

    fn unlock(&self, call: &Call) -> Result<()> {
        let Some(reference) = &self.1.password else {
            return Ok(());
        };
        let asked = call.secret(&AskSecretArgs {
            pointer: reference.secret.clone(),
            ..AskSecretArgs::default()
        });
        let secret = match asked {
            Err(e) if self.0 == Fault::DeclinedIsOther => {
                return Err(Error::new(ErrorCode::Internal, e.message));
            }
            other => other?.value,
        };
        let text = String::from_utf8_lossy(secret.expose()).into_owned();
        if self.0 == Fault::SaysSecretInTrace {
            call.trace(TraceLevel::Debug, &format!("unlocking with {text}"));
        }
        if text == PASSWORD {
            return Ok(());
        }
        let shown = if self.0 == Fault::SaysSecretInError {
            &text
        } else {
            "that"
        };
        Err(Error::new(
            ErrorCode::AuthRequired,
            format!("{shown} is not the password"),
        ))
    }
}

impl Signer for ToySigner {
    fn public_key(&self, _: &Call, args: PublicKeyArgs) -> Result<PublicKeyReply> {
        Ok(PublicKeyReply {
            public_key: self.key(args.key.as_deref())?,
            digest: None,
            protection: None,
        })
    }

    fn sign(&self, call: &Call, args: SignArgs) -> Result<Signed> {
        let mut key = self.key(args.key.as_deref())?;
        self.unlock(call)?;
        let fits = args.digest.algorithm() == DigestAlgorithm::Sha256;
        if !fits && self.0 != Fault::TakesAnyDigest {
            return Err(Error::new(ErrorCode::InvalidRequest, "not SHA-256"));
        }
        if self.0 == Fault::AnotherKey {
            key.spki = vec![0x30, 0x01, 0x01].into();
        }
        Ok(Signed {
            signature: args.digest.to_string().into_bytes().into(),
            algorithm: key.algorithm,
            verifier: Verifier::PublicKey(key),
            key_id: None,
            key_version: None,
        })
    }
}

struct ToySource(Fault, Mutex<Vec<StoredSignature>>, AtomicU64);

impl ToySource {
    fn take(&self, id: &str) -> Result<()> {
        let mut kept = self.1.lock().unwrap();
        let before = kept.len();
        kept.retain(|s| s.id != id);
        if kept.len() == before && self.0 != Fault::TakesAnyId {
            return Err(Error::new(ErrorCode::NotFound, "no such signature"));
        }
        Ok(())
    }
}

impl Source for ToySource {
    fn resolve(&self, _: &Call, args: ResolveArgs) -> Result<Resolved> {
        if args.reference != "toy:artifact" && self.0 != Fault::NoNotFound {
            return Err(Error::new(ErrorCode::NotFound, "no such artifact"));
        }
        let mut digests = artifact_digests();
        if self.0 == Fault::WrongDigest {
            digests = KnownPayload::first().digests;
        }
        digests.retain(|d| args.digests.contains(&d.algorithm()));
        let prefixed = args.prefixed.iter().map(|asked| {
            let is_plain = asked.prefix.is_empty() || self.0 == Fault::ForgetsPrefix;
            let known = match is_plain {
                true => artifact_digests(),
                false => artifact_digests_after_prefix(),
            };
            let mut known = known.into_iter();
            known.find(|d| d.algorithm() == asked.algorithm).unwrap()
        });
        Ok(Resolved {
            artifact: Some(Artifact {
                reference: args.reference,
                name: "artifact".to_owned(),
                version: None,
                kind: ArtifactKind::Unknown,
                digests,
                size: ARTIFACT.len() as u64,
                media_type: None,
                path: None,
            }),
            prefixed: prefixed.collect(),
            ..Resolved::default()
        })
    }

    fn signatures(&self, _: &Call, _: SignaturesArgs) -> Result<SignaturesReply> {
        Ok(SignaturesReply {
            signatures: self.1.lock().unwrap().clone(),
            ..SignaturesReply::default()
        })
    }

    fn attach(&self, _: &Call, args: AttachArgs) -> Result<Attached> {
        for id in &args.replaces {
            if self.0 != Fault::KeepsReplaced {
                self.take(id)?;
            }
        }
        let id = self.2.fetch_add(1, Ordering::Relaxed).to_string();
        self.1.lock().unwrap().push(StoredSignature {
            id: id.clone(),
            format: args.format,
            location: format!("toy:{id}"),
            content: args.content,
        });
        Ok(Attached {
            location: format!("toy:{id}"),
            id,
            notes: Vec::new(),
        })
    }

    fn detach(&self, _: &Call, args: DetachArgs) -> Result<Empty> {
        self.take(&args.id)?;
        Ok(Empty {})
    }
}

/// What happens to a reply on its way, given the request.
type Tamper = fn(&[u8], Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>>;

struct Tampered(Direct, Tamper);

impl Connection for Tampered {
    fn carry(
        &self,
        id: u64,
        request: &[u8],
        deadline: Option<Duration>,
        services: &Arc<dyn Services>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        (self.1)(request, self.0.carry(id, request, deadline, services)?)
    }
}

fn check(fault: Fault, tamper: Tamper) -> Report {
    let manifest = Manifest::parse(MANIFEST).unwrap();
    let connect = |services: &Arc<dyn Services>| {
        let instance = Instance::new(Box::new(Toy(fault)), MANIFEST)?;
        let direct = Direct::new(instance, Arc::clone(services));
        Ok(Arc::new(Tampered(direct, tamper)) as Arc<dyn Connection>)
    };
    run(&Subject {
        manifest: &manifest,
        connect: &connect,
        fixture: Fixture {
            signer: Some(SignerFixture {
                configuration: json!({ "key": "toy", "password": { "secret": "/password" } }),
                secrets: BTreeMap::from([("/password".to_owned(), PASSWORD.into())]),
            }),
            source: Some(SourceFixture {
                configuration: json!({}),
                reference: "toy:artifact".to_owned(),
                digests: artifact_digests(),
                missing: "toy:nothing".to_owned(),
            }),
        },
        verify: &|_, digest, _, signature| {
            fault == Fault::AnySignature || signature == digest.to_string().as_bytes()
        },
    })
}

fn broken(fault: Fault) -> Vec<&'static str> {
    names(&check(fault, |_, reply| Ok(reply)))
}

fn tampered(tamper: Tamper) -> Vec<&'static str> {
    names(&check(Fault::None, tamper))
}

fn names(report: &Report) -> Vec<&'static str> {
    report.failures().map(|o| o.name).collect()
}

fn holds(text: &[u8], part: &str) -> bool {
    String::from_utf8_lossy(text).contains(part)
}

fn replace(reply: &[u8], from: &str, to: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(
        String::from_utf8_lossy(reply)
            .replace(from, to)
            .into_bytes(),
    )
}

#[test]
fn a_good_backend_passes() {
    let report = check(Fault::None, |_, reply| Ok(reply));
    assert!(report.passed(), "{report}");
    let skipped: Vec<_> = report
        .outcomes
        .iter()
        .filter(|o| matches!(o.result, Kept::Skipped(_)))
        .map(|o| o.name)
        .collect();
    assert_eq!(skipped, ["a_payload_is_checked_against_its_digest"]);
}

#[test]
fn each_bad_backend_is_told_which_promise_it_broke() {
    for (fault, expected) in [
        (
            Fault::AnotherKey,
            "a_signature_verifies_with_the_announced_key",
        ),
        (Fault::AnySignature, "a_signature_is_for_one_digest_only"),
        (
            Fault::DeclinedIsOther,
            "a_declined_secret_is_told_as_declined",
        ),
        (Fault::ForgetsPrefix, "a_digest_after_a_prefix_is_right"),
        (
            Fault::KeepsReplaced,
            "signatures_can_be_put_replaced_and_removed",
        ),
        (Fault::NoNotFound, "an_unknown_key_is_not_found"),
        (Fault::NoNotFound, "an_unknown_reference_is_not_found"),
        (Fault::SaysSecretInTrace, "no_secret_is_said_again"),
        (Fault::SaysSecretInError, "no_secret_is_said_again"),
        (
            Fault::TakesAnyDigest,
            "a_digest_of_another_algorithm_is_refused",
        ),
        (Fault::TakesAnyId, "an_unknown_signature_is_refused"),
        (Fault::TakesAnySettings, "wrong_settings_are_told_as_such"),
        (Fault::WrongDigest, "an_artifact_has_every_digest_asked_for"),
    ] {
        let broken = broken(fault);
        assert!(broken.contains(&expected), "{fault:?}: {broken:?}");
    }
}

#[test]
fn a_backend_that_lies_about_itself_is_found() {
    let broken = tampered(|_, reply| {
        Ok(replace(
            &reply,
            "\"version\":\"1.0.0\"",
            "\"version\":\"9\"",
        ))
    });
    assert_eq!(broken, ["describe_equals_the_manifest"]);
}

#[test]
fn a_backend_whose_description_changes_is_found() {
    static TIMES: AtomicU64 = AtomicU64::new(0);
    let broken = tampered(|_, reply| {
        let version = format!("\"version\":\"{}\"", TIMES.fetch_add(1, Ordering::Relaxed));
        Ok(replace(&reply, "\"version\":\"1.0.0\"", &version))
    });
    assert!(broken.contains(&"describe_is_the_same_twice"), "{broken:?}");
}

#[test]
fn a_backend_that_answers_the_wrong_call_is_found() {
    let broken = tampered(|_, reply| {
        Ok(replace(
            &reply,
            "{\"id\":4294967296,",
            "{\"id\":4294967297,",
        ))
    });
    assert_eq!(broken, ["a_reply_names_its_request"]);
}

#[test]
fn a_backend_that_dies_of_garbage_is_found() {
    let broken = tampered(|request, reply| {
        if request == b"not JSON" {
            return Err(Error::new(ErrorCode::Unavailable, "the backend died"));
        }
        Ok(reply)
    });
    assert_eq!(broken, ["a_malformed_request_is_an_error_and_no_death"]);
}

#[test]
fn a_backend_that_takes_no_grease_is_found() {
    let broken = tampered(|request, reply| {
        if holds(request, "zz_grease") {
            let error = Error::new(ErrorCode::InvalidRequest, "unknown field");
            let id = serde_json::from_slice::<Value>(request).unwrap()["id"].clone();
            return Ok(Zeroizing::new(
                json!({ "id": id, "err": error }).to_string().into_bytes(),
            ));
        }
        Ok(reply)
    });
    assert_eq!(broken, ["unknown_fields_are_ignored"]);
}

#[test]
fn wrong_codes_are_found() {
    let unsupported = tampered(|_, reply| Ok(replace(&reply, "\"unsupported\"", "\"internal\"")));
    assert_eq!(
        unsupported,
        [
            "an_unknown_operation_is_unsupported",
            "a_kind_that_is_not_served_is_unsupported",
            "keys_are_listed_if_the_manifest_says_so",
        ]
    );
    let handles = tampered(|_, reply| Ok(replace(&reply, "\"invalid-request\"", "\"not-found\"")));
    assert!(
        handles.contains(&"a_wrong_handle_is_refused"),
        "{handles:?}"
    );
    assert!(
        handles.contains(&"a_handle_of_another_kind_is_refused"),
        "{handles:?}"
    );
}

#[test]
fn a_failure_says_whose_move_it_is() {
    let report = check(Fault::AnotherKey, |_, reply| Ok(reply));
    let text = report.to_string();
    assert!(
        text.contains(
            "FAILED   a_signature_verifies_with_the_announced_key: the key in the reply to `signer.sign`: \
             expected the one that `signer.public_key` announced, found another; \
             this is for the author of `toy` to change"
        ),
        "{text}"
    );
}

#[test]
fn a_backend_that_cannot_start_breaks_every_promise() {
    let manifest = Manifest::parse(MANIFEST).unwrap();
    let report = run(&Subject {
        manifest: &manifest,
        connect: &|_| Err(Error::new(ErrorCode::Unavailable, "it died at once")),
        fixture: Fixture::default(),
        verify: &|_, _, _, _| true,
    });
    assert!(!report.outcomes.iter().any(|o| o.result == Kept::Passed));
    assert!(report.to_string().contains("it died at once"));
}
