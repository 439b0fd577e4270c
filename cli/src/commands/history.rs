//! `sigtool history`: the entries of the ledger, the newest first; with `--verify`, whether its chain is whole.

use super::Outcome;
use crate::app::App;
use crate::args::History;
use crate::custody::{names, open_to_read, place, signers, unreadable};
use crate::error::{CommandError, Failure};
use crate::output::Text;
use serde::Serialize;
use serde::ser::{Error as _, Serializer};
use serde_json::value::RawValue;
use sigtool_core::ledger::{
    Action, Attempt, Entry, Event, EventArtifact, EventSigner, Execution, Finding, Head, Ledger,
    LedgerError, Proof, Query, Recorded,
};
use sigtool_core::sign::Place;
use sigtool_sdk::types::ArtifactKind;
use std::ops::ControlFlow;
use std::path::Path;

pub(super) fn run(app: &App, args: &History) -> Outcome {
    if args.verify {
        return prove(app, args.head.as_ref());
    }
    let Some(ledger) = open_to_read(app)? else {
        app.ui
            .note("nothing has been signed or verified here yet, or never with a history");
        app.ui.end_items();
        return Ok(0);
    };
    let query = Query {
        artifacts: args.artifact.as_deref().map(names).transpose()?,
        since: args.since.clone(),
        signer: args.signer.as_deref().map(|word| signers(app, word)),
        limit: args.limit,
    };
    let mut shown = 0_usize;
    ledger
        .entries(&query, |recorded| {
            let gap = (shown > 0).then(String::new);
            let lines = gap.into_iter().chain(text(app, &recorded));
            app.ui.item(Text::lines(lines), &Row(&recorded));
            shown += 1;
            ControlFlow::Continue(())
        })
        .map_err(unreadable)?;
    let head = ledger.head().map_err(unreadable)?;
    app.ui.end_items();
    if shown == 0 && args.limit != Some(0) {
        app.ui.note("no entry is about that");
    }
    app.ui
        .say(&format!("{shown} of {}, head {head}", entries(&head)));
    Ok(0)
}

/// An entry as it was hashed, and its hash: whoever removes the hash again has the bytes that it is of.
struct Row<'a>(&'a Recorded);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Recorded { body, head, .. } = self.0;
        let fields = body.trim_end().strip_suffix('}').unwrap_or(body);
        // A line stays a line, whoever has written into the ledger: in JSON a line break is never part of a text.
        let fields = fields.replace(['\n', '\r'], " ");
        let text = format!("{fields},\"hash\":\"{}\"}}", head.hash);
        RawValue::from_string(text)
            .map_err(S::Error::custom)?
            .serialize(serializer)
    }
}

/// An entry of the ledger, exactly as it was hashed, and after it its hash.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "what `Row` writes, told as a type")]
pub(super) struct HashedEntry {
    #[serde(flatten)]
    entry: Entry,
    /// The SHA-256 of the entry without this field, as it stands in the line.
    hash: sigtool_sdk::types::Digest,
}

/// What proving the chain gave.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Report<'a> {
    /// Whether nothing is wrong.
    status: Status,
    /// The chain's head.
    head: &'a Head,
    /// What is wrong.
    findings: Vec<FindingRow<'a>>,
    /// How much more is wrong with entries.
    #[serde(skip_serializing_if = "is_zero")]
    more: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "what serde calls it with"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
enum Status {
    Broken,
    Whole,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
struct FindingRow<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    /// The same in words.
    message: String,
}

fn prove(app: &App, anchor: Option<&Head>) -> Outcome {
    let proof = match Ledger::open_to_read(&place(app)?) {
        Ok(Some(ledger)) => ledger.prove(anchor).map_err(unreadable)?,
        Ok(None) => Proof::of_nothing(anchor),
        Err(LedgerError::Broken(finding)) => Proof::of(finding),
        Err(LedgerError::Gone(head)) => Proof::of_nothing(Some(&head)),
        Err(error) => return Err(unreadable(error)),
    };
    let findings = &proof.findings;
    let report = Report {
        status: if findings.is_empty() {
            Status::Whole
        } else {
            Status::Broken
        },
        head: &proof.head,
        findings: findings
            .iter()
            .map(|finding| FindingRow {
                finding,
                message: finding.to_string(),
            })
            .collect(),
        more: proof.more,
    };
    if findings.is_empty() {
        let text = format!("whole: {}, head {}", entries(&proof.head), proof.head);
        app.ui.result(&text, &report);
        return Ok(0);
    }
    let mut error = CommandError::new(Failure::Refused, "the ledger is broken");
    for finding in findings {
        error = error.because(finding);
    }
    if proof.more > 0 {
        error = error.because(format!("{} more of that kind", proof.more));
    }
    app.ui.error(
        &error.hint(
            "what it says is no longer proof: compare it with a copy that was kept elsewhere",
        ),
    );
    if app.ui.is_machine() {
        app.ui.result("", &report);
    }
    Ok(Failure::Refused.exit_code())
}

fn entries(head: &Head) -> String {
    match head.count {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    }
}

/// An entry for people: what, who, where to, where.
fn text(app: &App, recorded: &Recorded) -> Vec<String> {
    let Entry {
        number,
        time,
        event,
        ..
    } = &recorded.entry;
    let mut lines = vec![format!(
        "{number}  {}  {} {}",
        moment(time),
        what(event),
        artifact(&event.artifact)
    )];
    for signer in &event.signers {
        lines.push(format!("by {}", self::signer(app, signer)));
    }
    for signature in &event.signatures {
        let again = if signature.replaced {
            ", in place of an earlier one"
        } else {
            ""
        };
        let location = match signature.place {
            Place::Store => signature.location.clone(),
            _ => app.short(Path::new(&signature.location)),
        };
        lines.push(format!(
            "{} in {location}{again}",
            signature.format.as_str()
        ));
    }
    lines.extend(
        event
            .reasons
            .iter()
            .map(|reason| format!("because {}", app.relative(reason))),
    );
    lines.extend(where_it_ran(&event.execution, event.profile.as_deref()));
    let below = lines.iter_mut().skip(1);
    below.for_each(|line| line.insert_str(0, "    "));
    lines
}

/// `2026-11-25 22:28:44Z`.
pub(super) fn moment(time: &str) -> String {
    let time = time.split_once('.').map_or(time, |(time, _)| time);
    format!("{}Z", time.trim_end_matches('Z').replace('T', " "))
}

fn what(event: &Event) -> &'static str {
    match (event.action, event.result) {
        (Action::Sign, Attempt::Done) => "signed",
        (Action::Sign, _) => "failed to sign",
        (Action::Attach, Attempt::Done) => "attached to",
        (Action::Attach, _) => "failed to attach to",
        (Action::Verify, Attempt::Valid) => "verified, valid:",
        (Action::Verify, Attempt::Refused) => "verified, refused:",
        (Action::Verify, _) => "could not tell about",
        (Action::Other, _) => "did something that a later version knows to",
    }
}

/// `shop 1.10.0 (helm-chart, sha256:…)`.
pub(super) fn artifact(artifact: &EventArtifact) -> String {
    let name = artifact.name.as_ref().unwrap_or(&artifact.reference);
    let mut text = match (&artifact.version, artifact.kind) {
        (Some(version), Some(ArtifactKind::ContainerImage)) => format!("{name}:{version}"),
        (Some(version), _) => format!("{name} {version}"),
        (None, _) => name.clone(),
    };
    let kind = artifact.kind.filter(|kind| *kind != ArtifactKind::Unknown);
    let facts = kind.map(|kind| kind.to_string()).into_iter();
    let facts: Vec<String> = facts.chain(artifact.digest.clone()).collect();
    if !facts.is_empty() {
        text += &format!(" ({})", facts.join(", "));
    }
    text
}

/// `release.key (ecdsa-p256, key hint …)`.
pub(super) fn signer(app: &App, signer: &EventSigner) -> String {
    let key = format!("{}, key hint {}", signer.algorithm, signer.key_hint);
    match &signer.name {
        Some(name) if Path::new(name).is_absolute() => {
            format!("{} ({key})", app.short(Path::new(name)))
        }
        Some(name) => format!("{name} ({key})"),
        None => format!("a key ({key})"),
    }
}

/// Where it ran, in a line or two.
fn where_it_ran(execution: &Execution, profile: Option<&str>) -> Vec<String> {
    let Execution {
        system,
        url,
        project,
        pipeline,
        run,
        stage,
        step,
        trigger,
        triggered_by,
        host,
        user,
    } = execution;
    let mut words = Vec::new();
    words.extend(system.as_ref().map(|system| format!("in {system}")));
    for (name, value) in [
        ("project", project),
        ("pipeline", pipeline),
        ("run", run),
        ("stage", stage),
        ("step", step),
        ("trigger", trigger),
        ("triggered by", triggered_by),
    ] {
        words.extend(value.as_ref().map(|value| format!("{name} {value}")));
    }
    if let (Some(user), Some(host)) = (user, host) {
        words.push(format!("by {user} on {host}"));
    }
    words.extend(profile.map(|profile| format!("profile {profile}")));
    let line = (!words.is_empty()).then(|| words.join(", "));
    line.into_iter().chain(url.clone()).collect()
}
