//! `sigtool verify`: valid, refused, or could not tell. Never without a policy.

use super::Outcome;
use crate::app::{App, working_folder};
use crate::args::Verify;
use crate::batch::{self, Item, Places, STDIN};
use crate::config::profile::VerifySettings;
use crate::config::settings::Require as Wanted;
use crate::config::{KeyText, Profile};
use crate::custody::Custody;
use crate::error::{CommandError, Failure, why};
use crate::expand::{Rest, expand};
use crate::interrupt::{self, INTERRUPTED};
use crate::output::{Ticker, clean, plural};
use crate::sources::{SourceOf, Sources};
use serde::Serialize;
use sigtool_core::key::parse_public_key;
use sigtool_core::ledger::Head;
use sigtool_core::trust::{Require, TrustedKey};
use sigtool_core::verify::CheckedSignature;
use sigtool_core::{
    GivenSignature, Policy, Reason, Store, Verification, Verified, VerifyingRequest,
    verify_artifact,
};
use sigtool_sdk::types::{Artifact, Digest};
use std::io::Read as _;
use std::path::Path;

/// The largest public key or signature that is read from a file of the user's.
const MAX_FILE: u64 = 16 * 1024 * 1024;

pub(super) fn run(app: &App, args: &Verify) -> Outcome {
    interrupt::watch();
    let profile = app.profile()?;
    let policies = policies(app, args, &profile)?;
    let sources = Sources::new(app, &profile);
    let needs_all =
        args.bundle.is_some() || args.signature.is_some() || !args.annotations.is_empty();
    let mut expanded = expand("verify", &args.artifacts, &sources, needs_all)?;
    let places = Places {
        bundle: args.bundle.as_deref(),
        signature: args.signature.as_deref(),
    };
    places.check(&expanded)?;
    if let Some(file) = expanded.found().find(|i| i.source == SourceOf::Files)
        && !args.annotations.is_empty()
    {
        let file = clean(&file.shown);
        return Err(CommandError::input(format!(
            "`--annotations` is for images, and `{file}` is a file"
        ))
        .because("a file's signature has no place for them")
        .hint(format!(
            "verify `{file}` by itself, without `--annotations`"
        )));
    }
    for note in &expanded.notes {
        app.ui.note(&app.relative(note));
    }
    let images = expanded.may_have_images();
    let work = Work {
        places: &places,
        demands: &policies,
        sources: &sources,
        store: if images { store(app) } else { Ok(None) },
        custody: Custody::as_it_can(app, &profile, !args.no_history),
    };
    let ticker = Ticker::new(&app.ui, "verifying", expanded.count());
    let jobs = expanded.jobs(app.jobs());
    let mut rest = expanded.rest.take();
    let is_more = rest.is_some();
    let mut more = || rest.as_mut()?.next();
    let tally = batch::run(
        &expanded.items,
        is_more.then_some(&mut more),
        jobs,
        args.artifacts.fail_fast,
        |item| work.verify_and_enter(item),
        |judged| !judged.is_valid(),
        |shown, result| {
            ticker.done();
            report(app, shown, result)
        },
    );
    drop(ticker);
    app.ui.end_items();
    for note in rest.iter().flat_map(Rest::notes) {
        app.ui.note(&app.relative(&note));
    }
    if tally.count() > 1 {
        app.ui.say(super::summary("valid", &tally, |failure| {
            Some(match failure {
                Failure::Refused => "refused",
                Failure::CouldNotTell => "could not tell",
                _ => "not checked",
            })
        }));
    }
    Ok(tally.exit_code())
}

/// What must hold: the policy of the command line or of the profile, and the one that this system demands of everyone.
fn policies(app: &App, args: &Verify, profile: &Profile) -> Result<Vec<Demand>, CommandError> {
    let annotations = super::annotations(&args.annotations)?;
    let asked = Demand {
        policy: asked_policy(app, args, profile)?.with_annotations(annotations),
        of_machine: None,
    };
    let mut demands = vec![asked];
    if let Some(demanded) = &app.config.policy().verify {
        let place = demanded.keys.first().map(|key| key.origin.to_string());
        demands.push(Demand {
            policy: policy_of(app, demanded, None)?,
            of_machine: place,
        });
    }
    Ok(demands)
}

/// A policy that must be met.
struct Demand {
    policy: Policy,
    /// Where it stands, if it is not what this run asked for, but what the machine demands of every run.
    of_machine: Option<String>,
}

/// What verifying an artifact gave, and which policy decided it.
struct Judged {
    verified: Verified,
    of_machine: Option<String>,
    /// The head of the ledger once it was entered.
    head: Option<Head>,
}

impl Judged {
    fn is_valid(&self) -> bool {
        matches!(self.verified.verification, Verification::Valid { .. })
    }
}

fn asked_policy(app: &App, args: &Verify, profile: &Profile) -> Result<Policy, CommandError> {
    let require = args
        .require
        .as_deref()
        .map(str::parse::<Require>)
        .transpose()
        .map_err(|e| CommandError::input(e.to_string()))?;
    if !args.key.is_empty() {
        let base = working_folder()?;
        let keys = args
            .key
            .iter()
            .map(|text| {
                trusted_key(
                    app,
                    &KeyText {
                        text: text.clone(),
                        base: base.clone(),
                    },
                )
            })
            .collect::<Result<_, _>>()?;
        return Policy::new(keys, require.unwrap_or_default())
            .map_err(|e| CommandError::input("this policy cannot be used").because(e));
    }
    let Some(settings) = &profile.verify else {
        let which = profile.name.as_ref().map_or_else(
            || "no profile is in use".to_owned(),
            |name| format!("the profile `{}` does not say whom it trusts", name.value),
        );
        return Err(
            CommandError::input("verifying needs a policy: whose signatures count?")
                .because(which)
                .hint("name a public key: sigtool verify --key release.pub ARTIFACT")
                .hint("or put it in a profile: [profile.NAME.verify] keys = [\"release.pub\"]"),
        );
    };
    policy_of(app, settings, require)
}

fn policy_of(
    app: &App,
    settings: &VerifySettings,
    require: Option<Require>,
) -> Result<Policy, CommandError> {
    if let Some(identity) = settings.identities.first() {
        return Err(identity.subject.origin.error(
            format!(
                "this version verifies keys only, and the policy lists the identity `{}` of {}",
                identity.subject.value, identity.issuer.value
            ),
            "an identity",
        ));
    }
    let keys = settings
        .keys
        .iter()
        .map(|key| trusted_key(app, &key.value).map_err(|error| key.origin.blame(error)))
        .collect::<Result<_, _>>()?;
    let configured = match settings.require.value {
        Wanted::All => Require::All,
        Wanted::Any => Require::Any,
        Wanted::Number(number) => Require::Count(number.get()),
    };
    Policy::new(keys, require.unwrap_or(configured)).map_err(|e| {
        let message = "this policy cannot be used";
        settings.require.origin.error(format!("{message}: {e}"), "")
    })
}

/// A public key by its reference: a file, or a variable that holds it.
fn trusted_key(app: &App, key: &KeyText) -> Result<TrustedKey, CommandError> {
    let cannot = || CommandError::input(format!("cannot use the key `{}`", clean(&key.text)));
    let text = match (key.path(), key.scheme()) {
        (Some(path), _) => read(&path).map_err(|e| cannot().because(why(&e)))?,
        (None, Some("env")) => {
            let name = key.rest();
            let value = app.settings.environment.get(name);
            value
                .ok_or_else(|| {
                    cannot().because(format!("the environment variable `{name}` is not set"))
                })?
                .clone()
                .into_bytes()
        }
        (None, scheme) => {
            return Err(cannot().because(format!(
                "public keys of the form `{}:` are not served",
                scheme.unwrap_or("")
            )));
        }
    };
    let public_key = parse_public_key(&text).map_err(|e| {
        let error = cannot().because(&e);
        match e.hint() {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })?;
    Ok(TrustedKey::new(name(app, key), public_key))
}

/// How reports call a trusted key: as it was written, or shorter.
fn name(app: &App, key: &KeyText) -> String {
    match key.path() {
        Some(path) if Path::new(&key.text).is_absolute() => app.short(&path),
        _ => key.text.clone(),
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    // Before it is opened: opening a named pipe waits for its other end.
    let facts = std::fs::metadata(path)?;
    if facts.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    if !facts.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(MAX_FILE)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The local store, if there is one yet; or why it cannot be read.
pub(super) fn store(app: &App) -> Result<Option<Store>, sigtool_sdk::Error> {
    match app.folders.store() {
        Some(path) => Ok(Store::open_to_read(&path)?),
        None => Ok(None),
    }
}

/// What verifying one artifact takes.
struct Work<'a> {
    places: &'a Places<'a>,
    demands: &'a [Demand],
    sources: &'a Sources<'a>,
    store: Result<Option<Store>, sigtool_sdk::Error>,
    custody: Custody,
}

impl Work<'_> {
    /// Verifies, and enters what was found. A ledger that cannot be written changes no verdict.
    fn verify_and_enter(&self, item: &Item) -> Result<Judged, CommandError> {
        let judged = self.verify(item);
        let entered = match &judged {
            Ok(judged) => self.custody.verified(&judged.verified),
            Err(error) => self.custody.not_verified(item, error),
        };
        match (judged, entered) {
            (Ok(judged), Ok(head)) => Ok(Judged { head, ..judged }),
            (Ok(mut judged), Err(error)) => {
                let note = format!("not entered in the history: {error}");
                judged.verified.notes.push(note);
                Ok(judged)
            }
            (Err(failed), Ok(head)) => Err(failed.entered(head)),
            (Err(failed), Err(_)) => Err(failed),
        }
    }

    fn verify(&self, item: &Item) -> Result<Judged, CommandError> {
        let given = given(self.places, item)?;
        let cannot = || format!("cannot verify `{}`", clean(&item.shown));
        if item.from_stdin && given.is_empty() {
            return Err(CommandError::input(cannot())
                .because("standard input has no signatures beside it")
                .hint("name one: --bundle FILE, or --signature FILE"));
        }
        let mut judged: Option<Judged> = None;
        let mut reference = item.reference.clone();
        let mut read: Option<Vec<Digest>> = None;
        for demand in self.demands {
            let this = self.judge(demand, item, &reference, &given, &cannot)?;
            let artifact = &this.verified.artifact;
            // Two policies are met by one artifact only if both have seen the same bytes.
            let digests = &artifact.digests;
            if read.as_ref().is_some_and(|before| !same(before, digests)) {
                return Err(CommandError::could_not_tell(cannot())
                    .because("it changed while it was read")
                    .hint("verify it again once nobody writes it"));
            }
            read = Some(digests.clone());
            reference.clone_from(&artifact.reference);
            // The first that is not met is the answer; what all of them find is told by the first.
            let met = this.is_valid();
            if judged.is_none() || !met {
                judged = Some(this);
            }
            if !met {
                break;
            }
        }
        let mut judged = judged.ok_or_else(|| CommandError::bug("there was no policy"))?;
        let could_tell = !matches!(
            judged.verified.verification,
            Verification::Inconclusive { .. }
        );
        if interrupt::requested() && !could_tell {
            return Err(CommandError::new(Failure::Cancelled, cannot()).because(INTERRUPTED));
        }
        let artifact = &mut judged.verified.artifact;
        item.name_in(artifact);
        if item.from_stdin {
            artifact.name = STDIN.to_owned();
        }
        Ok(judged)
    }

    fn judge(
        &self,
        demand: &Demand,
        item: &Item,
        reference: &str,
        given: &[GivenSignature],
        cannot: &dyn Fn() -> String,
    ) -> Result<Judged, CommandError> {
        let source = self.sources.get(item.source)?;
        let request = VerifyingRequest {
            reference,
            pins: source.pins,
            given,
            store: self
                .store
                .as_ref()
                .map(Option::as_ref)
                .map_err(Clone::clone),
            policy: &demand.policy,
        };
        let verified = verify_artifact(&source.handle, &request)
            .map_err(|error| source.failed(cannot(), error))?;
        Ok(Judged {
            verified,
            of_machine: demand.of_machine.clone(),
            head: None,
        })
    }
}

/// Whether two readings gave the same digest: SHA-256 is always among them.
fn same(before: &[Digest], now: &[Digest]) -> bool {
    before.iter().any(|digest| now.contains(digest))
}

fn given(places: &Places<'_>, item: &Item) -> Result<Vec<GivenSignature>, CommandError> {
    let mut given = Vec::new();
    for (_, path, suffix) in places.given() {
        let path = batch::destination(path, item, suffix);
        let content = read(&path).map_err(|e| {
            CommandError::input(format!("cannot read the signature `{}`", path.display()))
                .because(why(&e))
        })?;
        given.push(GivenSignature {
            label: path.display().to_string(),
            content,
        });
    }
    Ok(given)
}

/// A verified artifact in a report.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Row<'a> {
    /// The artifact as the command line names it.
    artifact: &'a str,
    /// The verdict, or that there is none.
    status: Status,
    /// What it was found to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<&'a Artifact>,
    /// The verdict, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<&'a Verification>,
    /// Where the policy stands that decided, if it is the machine's.
    #[serde(skip_serializing_if = "Option::is_none")]
    demanded_by: Option<&'a str>,
    /// Every signature that was looked at.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    checked: &'a [CheckedSignature],
    /// The ledger's head with this verification in it, be it a failed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<&'a Head>,
    /// Remarks, which decide nothing.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
    /// Why it could not be verified at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<super::ErrorRow<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
enum Status {
    Failed,
    Inconclusive,
    Refused,
    Valid,
}

/// What else is to say. Beside a good signature, those of other signers are a line and no list: they are nobody's fault.
fn say_notes(app: &App, name: &str, verified: &Verified) {
    let valid = matches!(verified.verification, Verification::Valid { .. });
    let of_others: Vec<String> = verified
        .checked
        .iter()
        .filter_map(|checked| checked.reason.as_ref())
        .filter(|reason| {
            matches!(
                reason,
                Reason::WrongKey { .. } | Reason::DoesNotVerify { .. }
            )
        })
        .map(ToString::to_string)
        .collect();
    for note in &verified.notes {
        let line = format!("{name}: {}", app.relative(note));
        if valid && of_others.contains(note) {
            app.ui.trace(&line);
        } else {
            app.ui.note(&line);
        }
    }
    if valid && !of_others.is_empty() {
        app.ui.note(&format!(
            "{name}: {} beside it {} not count: not by a key of the policy (`--verbose` lists them)",
            plural(of_others.len(), "signature"),
            if of_others.len() == 1 { "does" } else { "do" }
        ));
    }
}

/// Every reason; of several signatures by other keys it is said once who is trusted.
fn because(app: &App, mut error: CommandError, reasons: &[Reason]) -> CommandError {
    let of_others = |reason: &&Reason| {
        matches!(
            reason,
            Reason::WrongKey {
                unverified_key_hint: Some(_),
                ..
            }
        )
    };
    let several = reasons.iter().filter(of_others).count() > 1;
    let mut trusts = None;
    for reason in reasons {
        let text = match reason {
            Reason::WrongKey {
                signature,
                unverified_key_hint: Some(hint),
                trusted,
            } if several => {
                trusts = Some(trusted);
                format!("`{signature}` is signed by another key (key hint {hint})")
            }
            reason => reason.to_string(),
        };
        error = error.because(app.relative(&text));
    }
    let Some(trusted) = trusts else { return error };
    let trusted: Vec<_> = trusted.iter().map(ToString::to_string).collect();
    error.because(format!("trusted: {}", trusted.join(", ")))
}

fn report(app: &App, shown: &str, result: Result<Judged, CommandError>) -> Option<Failure> {
    let name = clean(shown);
    let judged = match result {
        Ok(judged) => judged,
        Err(error) => {
            let error = app.relative_error(error);
            app.ui.error(&error);
            if app.ui.is_machine() {
                let row = Row {
                    artifact: shown,
                    status: Status::Failed,
                    resolved: None,
                    verification: None,
                    demanded_by: None,
                    checked: &[],
                    head: error.head.as_deref(),
                    notes: &[],
                    error: Some(super::ErrorRow::of(&error)),
                };
                app.ui.item("", &row);
            }
            return Some(error.failure);
        }
    };
    let verified = &judged.verified;
    say_notes(app, &name, verified);
    let (status, failure, reasons) = match &verified.verification {
        Verification::Valid { .. } => (Status::Valid, None, &[][..]),
        Verification::Refused { reasons } => {
            (Status::Refused, Some(Failure::Refused), &reasons[..])
        }
        Verification::Inconclusive { reasons } => (
            Status::Inconclusive,
            Some(Failure::CouldNotTell),
            &reasons[..],
        ),
    };
    let row = Row {
        artifact: shown,
        status,
        resolved: Some(&verified.artifact),
        verification: Some(&verified.verification),
        demanded_by: judged.of_machine.as_deref(),
        checked: &verified.checked,
        head: judged.head.as_ref(),
        notes: &verified.notes,
        error: None,
    };
    if let Some(failure) = failure {
        let message = match failure {
            Failure::Refused => format!("refused `{name}`"),
            _ => format!("could not tell whether `{name}` is signed as the policy demands"),
        };
        let mut error = CommandError::new(failure, message);
        if let Some(place) = &judged.of_machine {
            error = error.because(format!("the policy of this machine demands more: {place}"));
        }
        app.ui.error(&because(app, error, reasons));
        if app.ui.is_machine() {
            app.ui.item("", &row);
        }
        return Some(failure);
    }
    let Verification::Valid { signers } = &verified.verification else {
        return None;
    };
    let by: Vec<_> = signers
        .iter()
        .map(|signer| {
            format!(
                "{} ({}, key hint {})",
                signer.name, signer.algorithm, signer.key_hint
            )
        })
        .collect();
    let what = super::sign::describe(shown, &verified.artifact);
    app.ui.item(
        &format!("valid {name}{what}, signed by {}", by.join(" and ")),
        &row,
    );
    None
}
