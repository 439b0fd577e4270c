//! What is said of a verified artifact.

use crate::app::App;
use crate::artifacts::left_out::LeftOut;
use crate::error::{CommandError, Failure};
use crate::output::{clean, plural};
use crate::report::artifact::describe;
use serde::Serialize;
use sigtool_core::ledger::Head;
use sigtool_core::verify::CheckedSignature;
use sigtool_core::verify::Signer;
use sigtool_core::{Reason, Verification, Verified};
use sigtool_sdk::types::Artifact;

/// What verifying an artifact gave, and which policy decided it.
pub(crate) struct Judged {
    pub(crate) verified: Verified,
    pub(crate) of_machine: Option<String>,
    /// The head of the ledger once it was entered.
    pub(crate) head: Option<Head>,
}

impl Judged {
    pub(crate) fn is_valid(&self) -> bool {
        matches!(self.verified.verification, Verification::Valid { .. })
    }

    /// Whether it is refused because there is no signature at all.
    pub(crate) fn has_no_signature(&self) -> bool {
        let Verification::Refused { reasons } = &self.verified.verification else {
            return false;
        };
        *reasons == [Reason::NoSignature]
    }
}

/// A verified artifact in a report.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Row<'a> {
    /// The artifact as the command line names it.
    artifact: &'a str,
    /// The verdict, or that there is none.
    status: Status,
    /// Why a part of a folder is not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<&'a str>,
    /// Why it could not be verified at all, or must not lie where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<super::ErrorRow<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
enum Status {
    Failed,
    Inconclusive,
    NotLookedAt,
    Refused,
    Valid,
}

/// What else there is to say. Beside a good signature, those of other signers are a line and not a list: they are nobody's fault.
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

/// How many reasons are told to people. Programs get all.
const MAX_TOLD: usize = 20;

/// Every reason, what is said of several signatures alike once; of several by other keys it is said once who is trusted.
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
    let mut told: Vec<(String, usize)> = Vec::new();
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
        match told.iter_mut().find(|(known, _)| *known == text) {
            Some((_, times)) => *times += 1,
            None => told.push((text, 1)),
        }
    }
    let more: usize = told.iter().skip(MAX_TOLD).map(|(_, times)| times).sum();
    for (text, times) in told.into_iter().take(MAX_TOLD) {
        error = error.because(match times {
            1 => app.relative(&text),
            times => format!("{} ({times} times)", app.relative(&text)),
        });
    }
    if more > 0 {
        error = error.because(format!("and {more} more, which `--format json` tells"));
    }
    let Some(trusted) = trusts else { return error };
    let trusted: Vec<_> = trusted.iter().map(ToString::to_string).collect();
    error.because(format!("trusted: {}", trusted.join(", ")))
}

/// Tells what verifying an artifact gave. `said` is what has been told of the whole run. Gives what it failed with, if it did.
pub(crate) fn report(
    app: &App,
    shown: &str,
    said: &[String],
    result: Result<Judged, CommandError>,
) -> Option<Failure> {
    let judged = match result {
        Ok(judged) => judged,
        Err(error) => return Some(not_verified(app, shown, said, error)),
    };
    let (name, verified) = (clean(shown), &judged.verified);
    say_notes(app, &name, verified);
    match &verified.verification {
        Verification::Valid { signers } => {
            let by: Vec<_> = signers.iter().map(signer).collect();
            let what = describe(shown, &verified.artifact);
            app.ui.item(
                &format!("valid {name}{what}, signed by {}", by.join(" and ")),
                &Row::of(shown, Status::Valid, said, &judged),
            );
            None
        }
        Verification::Refused { reasons } => {
            let error = CommandError::new(Failure::Refused, format!("refused `{name}`"));
            let row = Row::of(shown, Status::Refused, said, &judged);
            Some(not_valid(app, error, reasons, &judged, row))
        }
        Verification::Inconclusive { reasons } => {
            let error = CommandError::could_not_tell(format!(
                "could not tell whether `{name}` is signed as the policy demands"
            ));
            let row = Row::of(shown, Status::Inconclusive, said, &judged);
            Some(not_valid(app, error, reasons, &judged, row))
        }
    }
}

/// Tells that an artifact could not be verified at all.
fn not_verified(app: &App, shown: &str, said: &[String], error: CommandError) -> Failure {
    let error = app.relative_error(error);
    app.ui.error(&error);
    if app.ui.is_machine() {
        let row = Row {
            notes: said.iter().map(String::as_str).collect(),
            ..Row::without(shown, Status::Failed, Some(&error))
        };
        app.ui.item("", &row);
    }
    error.failure
}

/// Refuses a file that is named like a signature and is none of an artifact in its folder.
pub(crate) fn refused_stray(app: &App, shown: &str, error: &CommandError) {
    app.ui.error(error);
    if app.ui.is_machine() {
        let status = match error.failure {
            Failure::Refused => Status::Refused,
            _ => Status::Inconclusive,
        };
        app.ui.item("", &Row::without(shown, status, Some(error)));
    }
}

/// Says that a part of a folder is not looked at.
pub(crate) fn not_looked_at(
    app: &App,
    line: &str,
    left_out: &LeftOut,
    error: Option<&CommandError>,
) {
    let row = Row {
        reason: Some(left_out.why),
        ..Row::without(&left_out.shown, Status::NotLookedAt, error)
    };
    app.ui.item(line, &row);
}

/// Tells that a policy is not met, or that it cannot be told.
fn not_valid(
    app: &App,
    mut error: CommandError,
    reasons: &[Reason],
    judged: &Judged,
    row: Row<'_>,
) -> Failure {
    if let Some(place) = &judged.of_machine {
        error = error.because(format!("the policy of this machine demands more: {place}"));
    }
    let not_followed = app.choice_not_followed();
    let mut row = row;
    row.notes.extend(not_followed.as_deref());
    error.hints.extend(not_followed.clone());
    let failure = error.failure;
    app.ui.error(&because(app, error, reasons));
    if app.ui.is_machine() {
        app.ui.item("", &row);
    }
    failure
}

fn signer(signer: &Signer) -> String {
    format!(
        "{} ({}, key hint {})",
        signer.name, signer.algorithm, signer.key_hint
    )
}

impl<'a> Row<'a> {
    /// Of what has no verdict.
    fn without(shown: &'a str, status: Status, error: Option<&'a CommandError>) -> Self {
        Self {
            artifact: shown,
            status,
            reason: None,
            resolved: None,
            verification: None,
            demanded_by: None,
            checked: &[],
            head: error.and_then(|error| error.head.as_deref()),
            notes: Vec::new(),
            error: error.map(super::ErrorRow::of),
        }
    }

    fn of(shown: &'a str, status: Status, said: &'a [String], judged: &'a Judged) -> Self {
        let verified = &judged.verified;
        Self {
            artifact: shown,
            status,
            reason: None,
            resolved: Some(&verified.artifact),
            verification: Some(&verified.verification),
            demanded_by: judged.of_machine.as_deref(),
            checked: &verified.checked,
            head: judged.head.as_ref(),
            notes: said
                .iter()
                .chain(&verified.notes)
                .map(String::as_str)
                .collect(),
            error: None,
        }
    }
}
