//! `sigtool verify`: valid, refused, or could not tell. Never without a policy.

use super::Outcome;
use crate::app::{App, working_folder};
use crate::args::Verify;
use crate::batch::{self, Item};
use crate::config::KeyText;
use crate::config::profile::VerifySettings;
use crate::config::settings::Require as Wanted;
use crate::error::{CommandError, Failure};
use crate::output::clean;
use serde::Serialize;
use sigtool_core::key::parse_public_key;
use sigtool_core::policy::{Require, TrustedKey};
use sigtool_core::verify::CheckedSignature;
use sigtool_core::{GivenSignature, Policy, Verification, Verified, verify_artifact};
use sigtool_sdk::connection::Handle;
use sigtool_sdk::types::Artifact;
use std::io::Read as _;
use std::path::Path;

/// The largest public key or signature that is read from a file of the user's.
const MAX_FILE: u64 = 16 * 1024 * 1024;

pub(super) fn run(app: &App, args: &Verify) -> Outcome {
    let policies = policies(app, args)?;
    let source = app.files()?;
    let expanded = batch::expand(&args.artifacts, &source, &app.settings)?;
    for note in &expanded.notes {
        app.ui.note(&clean(note));
    }
    let single = expanded.is_single();
    let tally = batch::run(
        &expanded.items,
        app.jobs()?,
        args.artifacts.fail_fast,
        |item| verify(args, &policies, &source, item, single),
        |shown, result| report(app, shown, result),
    );
    app.ui.end_items();
    if expanded.items.len() > 1 {
        app.ui.say(&super::summary_text("valid", &tally));
    }
    Ok(tally.exit_code())
}

/// What must hold: the policy of the command line or of the profile, and the one that this system demands of everyone.
fn policies(app: &App, args: &Verify) -> Result<Vec<Policy>, CommandError> {
    let asked = asked_policy(app, args)?;
    let mut policies = vec![asked];
    if let Some(demanded) = &app.config.policy().verify {
        policies.push(policy_of(app, demanded, None)?);
    }
    Ok(policies)
}

fn asked_policy(app: &App, args: &Verify) -> Result<Policy, CommandError> {
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
            .map_err(|e| CommandError::input("this is no policy").because(e));
    }
    let profile = app.profile()?;
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
        .map(|key| trusted_key(app, &key.value))
        .collect::<Result<_, _>>()?;
    let configured = match settings.require.value {
        Wanted::All => Require::All,
        Wanted::Any => Require::Any,
        Wanted::Number(number) => Require::Count(number.get()),
    };
    Policy::new(keys, require.unwrap_or(configured)).map_err(|e| {
        let message = "the policy of the configuration is none";
        settings.require.origin.error(format!("{message}: {e}"), "")
    })
}

/// A public key by its reference: a file, or a variable that holds it.
fn trusted_key(app: &App, key: &KeyText) -> Result<TrustedKey, CommandError> {
    let cannot = || CommandError::input(format!("cannot use the key `{}`", clean(&key.text)));
    let text = match (key.path(), key.scheme()) {
        (Some(path), _) => read(&path).map_err(|e| cannot().because(e))?,
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
    Ok(TrustedKey {
        key: public_key,
        name: key.text.clone(),
    })
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn verify(
    args: &Verify,
    policies: &[Policy],
    source: &Handle,
    item: &Item,
    single: bool,
) -> Result<Verified, CommandError> {
    let given = given(args, item, single)?;
    let cannot = || format!("cannot verify `{}`", clean(&item.shown));
    if item.from_stdin && given.is_empty() {
        return Err(CommandError::input(cannot())
            .because("standard input has no signatures beside it")
            .hint("name one: --bundle FILE, or --signature FILE"));
    }
    let mut verified: Option<Verified> = None;
    for policy in policies {
        let this = verify_artifact(source, &item.reference, &given, policy)
            .map_err(|error| CommandError::from_backend(cannot(), error))?;
        // The first that is not met is the answer; what all of them find is told by the first.
        let met = matches!(this.verification, Verification::Valid { .. });
        if verified.is_none() || !met {
            verified = Some(this);
        }
        if !met {
            break;
        }
    }
    verified.ok_or_else(|| CommandError::bug("there was no policy"))
}

fn given(args: &Verify, item: &Item, single: bool) -> Result<Vec<GivenSignature>, CommandError> {
    let mut given = Vec::new();
    for (flag, path, suffix) in [
        ("--bundle", &args.bundle, ".sigstore.json"),
        ("--signature", &args.signature, ".sig"),
    ] {
        let Some(path) = path else { continue };
        let path = batch::destination(flag, path, item, suffix, single)?;
        let content = read(&path).map_err(|e| {
            CommandError::input(format!("cannot read the signature `{}`", path.display()))
                .because(e)
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
struct Row<'a> {
    artifact: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<&'a Artifact>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verification: Option<&'a Verification>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    checked: &'a [CheckedSignature],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<super::ErrorRow<'a>>,
}

fn report(app: &App, shown: &str, result: Result<Verified, CommandError>) -> Option<Failure> {
    let name = clean(shown);
    let verified = match result {
        Ok(verified) => verified,
        Err(error) => {
            app.ui.error(&error);
            if app.ui.is_machine() {
                let row = Row {
                    artifact: shown,
                    status: "failed",
                    resolved: None,
                    verification: None,
                    checked: &[],
                    notes: &[],
                    error: Some(super::ErrorRow::of(&error)),
                };
                app.ui.item("", &row);
            }
            return Some(error.failure);
        }
    };
    for note in &verified.notes {
        app.ui.note(&format!("{name}: {}", clean(note)));
    }
    let (status, failure, reasons) = match &verified.verification {
        Verification::Valid { .. } => ("valid", None, &[][..]),
        Verification::Refused { reasons } => ("refused", Some(Failure::Refused), &reasons[..]),
        Verification::Inconclusive { reasons } => {
            ("could-not-tell", Some(Failure::CouldNotTell), &reasons[..])
        }
    };
    let row = Row {
        artifact: shown,
        status,
        resolved: Some(&verified.artifact),
        verification: Some(&verified.verification),
        checked: &verified.checked,
        notes: &verified.notes,
        error: None,
    };
    if let Some(failure) = failure {
        let message = match failure {
            Failure::Refused => format!("refused `{name}`"),
            _ => format!("could not tell whether `{name}` is signed as the policy demands"),
        };
        let error = reasons
            .iter()
            .fold(CommandError::new(failure, message), |error, reason| {
                error.because(clean(&reason.to_string()))
            });
        app.ui.error(&error);
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
                clean(&signer.name),
                signer.algorithm,
                signer.key_hint
            )
        })
        .collect();
    let what = super::sign::describe(&verified.artifact);
    app.ui.item(
        &format!("valid {name} ({what}), signed by {}", by.join(" and ")),
        &row,
    );
    None
}
