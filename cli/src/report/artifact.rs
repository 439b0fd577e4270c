//! What is said of an artifact, a signer and a moment.

use crate::app::App;
use crate::artifacts::destination::STDIN;
use sigtool_core::ledger::{EventArtifact, EventSigner};
use sigtool_sdk::types::{Artifact, ArtifactKind, DigestAlgorithm};
use std::path::Path;

/// ` (helm-chart app 1.2.0)`; nothing if that says no more than the path does.
pub(crate) fn describe(shown: &str, artifact: &Artifact) -> String {
    if artifact.kind == ArtifactKind::ContainerImage {
        // Its name is what was typed; what it stands for is the digest.
        let digest = artifact.digest(DigestAlgorithm::Sha256);
        let digest = digest
            .map(ToString::to_string)
            .filter(|d| !shown.contains(d));
        return digest.map_or_else(String::new, |digest| format!(" ({digest})"));
    }
    let said = shown == "-" && artifact.name == STDIN
        || Path::new(shown)
            .file_name()
            .is_some_and(|name| name == artifact.name.as_str());
    let kind = match artifact.kind {
        ArtifactKind::Unknown => None,
        kind => Some(kind.to_string()),
    };
    let version = artifact.version.clone();
    if said && kind.is_none() && version.is_none() {
        return String::new();
    }
    let words: Vec<String> = kind
        .into_iter()
        .chain([artifact.name.clone()])
        .chain(version)
        .collect();
    format!(" ({})", words.join(" "))
}

/// `2026-11-25 22:28:44Z`.
pub(super) fn moment(time: &str) -> String {
    let time = time.split_once('.').map_or(time, |(time, _)| time);
    format!("{}Z", time.trim_end_matches('Z').replace('T', " "))
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
pub(crate) fn signer(app: &App, signer: &EventSigner) -> String {
    let key = format!("{}, key hint {}", signer.algorithm, signer.key_hint);
    match &signer.name {
        Some(name) if Path::new(name).is_absolute() => {
            format!("{} ({key})", app.short(Path::new(name)))
        }
        Some(name) => format!("{name} ({key})"),
        None => format!("a key ({key})"),
    }
}
