//! What is said of an image and its signatures, none of which is verified.

use crate::app::App;
use crate::output::{Text, plural};
use crate::report::artifact::describe;
use crate::report::inspection::text;
use crate::report::lossy;
use serde::Serialize;
use sigtool_core::inspect::{Inspected, Inspection};
use sigtool_core::verify::find::Found;
use sigtool_sdk::types::{Artifact, SignatureFormat};
use std::path::PathBuf;

/// The signatures of an image. Nothing of them is verified.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Report<'a> {
    /// The image as the command line names it.
    artifact: &'a str,
    /// What it was found to be.
    resolved: &'a Artifact,
    /// Its signatures, in the registry and in the local store.
    signatures: Vec<Row<'a>>,
    /// Why there may be more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<String>,
    /// The files that were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    written: Vec<String>,
}

/// A signature of the image.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Signature"))]
struct Row<'a> {
    /// How it is written.
    format: SignatureFormat,
    /// Where it lies.
    location: &'a str,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum Content<'a> {
    /// What it contains.
    Inspection(&'a Inspected),
    /// Why it cannot be read.
    Malformed(String),
}

pub(crate) fn report(app: &App, shown: &str, found: &Found, written: &[PathBuf]) {
    let inspected: Vec<Result<Inspection, String>> = found
        .signatures
        .iter()
        .map(|s| {
            let inspected = sigtool_core::inspect(&s.stored.content, &s.stored.location);
            inspected.map_err(|e| e.what)
        })
        .collect();
    let rows = found.signatures.iter().map(|s| &s.stored).zip(&inspected);
    let report = Report {
        artifact: shown,
        resolved: &found.artifact,
        signatures: rows
            .clone()
            .map(|(stored, inspected)| Row {
                format: stored.format,
                location: &stored.location,
                content: match inspected {
                    Ok(inspection) => Content::Inspection(&inspection.content),
                    Err(what) => Content::Malformed(what.clone()),
                },
            })
            .collect(),
        failures: found.failures.iter().map(ToString::to_string).collect(),
        written: written.iter().map(|path| lossy(path)).collect(),
    };
    let mut lines = vec![format!(
        "{shown}{}: {}",
        describe(shown, &found.artifact),
        plural(found.signatures.len(), "signature")
    )];
    for (stored, inspected) in rows {
        lines.push(String::new());
        lines.push(stored.location.clone());
        match inspected {
            Ok(inspection) => lines.extend(text(inspection)),
            Err(what) => lines.push(format!("malformed: {what}")),
        }
    }
    if !written.is_empty() {
        lines.push(String::new());
    }
    lines.extend(
        written
            .iter()
            .map(|path| format!("written to {}", app.short(path))),
    );
    app.ui.result(Text::lines(lines), &report);
}
