//! What is said of an entry of the ledger.

use crate::app::App;
use crate::report::artifact::{artifact, moment, signer};
use serde::Serialize;
use serde::ser::{Error as _, Serializer};
use serde_json::value::RawValue;
use sigtool_core::ledger::{
    Action, Attempt, Entry, Event, Execution, Finding, Head, Recorded, Restarted,
};
use sigtool_core::sign::Place;
use std::path::Path;

/// An entry as it was hashed, and its hash: without the hash it is the bytes that were hashed.
pub(crate) struct Row<'a>(pub(crate) &'a Recorded);

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

/// A ledger that was begun anew.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Restart<'a> {
    /// The head of the new chain.
    pub(crate) head: &'a Head,
    /// That of the old one, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_head: Option<&'a Head>,
    /// Where the old ledger and its head are now.
    pub(crate) moved_to: Vec<String>,
    /// What was wrong with them.
    found: &'a [String],
}

impl<'a> Restart<'a> {
    pub(crate) fn of(restarted: &'a Restarted) -> Self {
        let moved_to = restarted.moved_to.iter();
        Self {
            head: &restarted.head,
            old_head: restarted.old_head.as_ref(),
            moved_to: moved_to.map(|path| path.display().to_string()).collect(),
            found: &restarted.found,
        }
    }
}

/// What proving the chain gave.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Report<'a> {
    /// Whether nothing is wrong.
    pub(crate) status: Status,
    /// The chain's head.
    pub(crate) head: &'a Head,
    /// What is wrong.
    pub(crate) findings: Vec<FindingRow<'a>>,
    /// How much more is wrong with entries.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) more: u64,
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
pub(crate) enum Status {
    Broken,
    Whole,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub(crate) struct FindingRow<'a> {
    #[serde(flatten)]
    pub(crate) finding: &'a Finding,
    /// The same in words.
    pub(crate) message: String,
}

pub(crate) fn entries(head: &Head) -> String {
    match head.count {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    }
}

/// An entry for people: what, who, where to, where.
pub(crate) fn text(app: &App, recorded: &Recorded) -> Vec<String> {
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
            .old_head
            .iter()
            .map(|head| format!("its head was {head}")),
    );
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

fn what(event: &Event) -> &'static str {
    match (event.action, event.result) {
        (Action::Restart, _) => "began a new ledger, the old one is",
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
        commit,
        git_ref,
        host,
        user,
        user_variable,
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
        ("commit", commit),
        ("ref", git_ref),
    ] {
        words.extend(value.as_ref().map(|value| format!("{name} {value}")));
    }
    if let (Some(user), Some(host)) = (user, host) {
        let variable = user_variable.as_ref();
        let variable = variable.map(|name| format!(" (`USER` says {name})"));
        words.push(format!(
            "by {user}{} on {host}",
            variable.unwrap_or_default()
        ));
    }
    words.extend(profile.map(|profile| format!("profile {profile}")));
    let line = (!words.is_empty()).then(|| words.join(", "));
    line.into_iter().chain(url.clone()).collect()
}

/// An entry of the ledger, exactly as it was hashed, and after it its hash.
#[cfg(test)]
#[derive(schemars::JsonSchema)]
#[expect(dead_code, reason = "what `Row` writes, told as a type")]
pub(crate) struct HashedEntry {
    #[serde(flatten)]
    entry: Entry,
    /// The SHA-256 of the entry without this field, as it stands in the line.
    hash: sigtool_sdk::types::Digest,
}
