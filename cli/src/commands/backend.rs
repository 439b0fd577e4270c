//! `sigtool backend`: show, record and check backends. Only `check` runs any.

use super::Outcome;
use crate::app::App;
use crate::args::Backend;
use crate::error::{CommandError, Failure};
use crate::host::{Found, Isolation, Owner, read_backend};
use crate::output::Text;
use serde::Serialize;
use sigtool_sdk::{Kind, Manifest};
use std::path::Path;

pub(super) fn run(app: &App, command: &Backend) -> Outcome {
    match command {
        Backend::List => list(app),
        Backend::Show { id } => show(app, id),
        Backend::Path => path(app),
        Backend::Pin { path } => pin(app, path),
        Backend::Check {
            path,
            with,
            isolation,
        } => super::backend_check::run(app, path, with.as_deref(), *isolation),
    }
}

/// A backend.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Row<'a> {
    /// Its id.
    id: &'a str,
    /// Its version.
    version: &'a str,
    /// What it does, in a line.
    summary: &'a str,
    /// The kinds it serves.
    kinds: &'a [Kind],
    /// The schemes of references that it serves, without colon.
    schemes: &'a [String],
    /// The shared library or executable.
    path: String,
    /// Whether it is shipped with sigtool.
    first_party: bool,
    /// Where it runs.
    isolation: Isolation,
    /// The recorded SHA-256, in hexadecimal digits; of a third-party backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
}

/// A backend, and all that it declares.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Shown<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    /// Its manifest.
    manifest: &'a Manifest,
}

/// A folder that backends are looked for in.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Folder {
    /// The folder.
    path: String,
    /// Whether it is there.
    exists: bool,
    /// What is looked for in it, as people are told.
    holds: &'static str,
}

/// A backend that was recorded.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Pinned<'a> {
    /// Its id.
    id: &'a str,
    /// The shared library or executable.
    path: String,
    /// Its SHA-256, in hexadecimal digits.
    sha256: &'a str,
    /// The configuration file in which it is recorded.
    file: String,
}

impl<'a> Row<'a> {
    fn of(found: &'a Found) -> Self {
        let manifest = &found.manifest;
        Self {
            id: &manifest.id,
            version: &manifest.version,
            summary: &manifest.summary,
            kinds: &manifest.kinds,
            schemes: &manifest.schemes,
            path: super::lossy(&found.path),
            first_party: found.owner == Owner::FirstParty,
            isolation: found.isolation,
            sha256: found.sha256.as_deref(),
        }
    }
}

fn list(app: &App) -> Outcome {
    let mut worst = None;
    let ids = app.backends.ids();
    let width = ids.iter().map(String::len).max().unwrap_or(0);
    for id in &ids {
        match app.backends.find(id) {
            Ok(found) => {
                let row = Row::of(&found);
                let kinds: Vec<_> = row.kinds.iter().map(|kind| kind.as_str()).collect();
                let text = format!(
                    "{:width$}  {:8}  {:15}  {}",
                    row.id,
                    row.version,
                    kinds.join(", "),
                    row.summary
                );
                app.ui.item(&text, &row);
            }
            Err(error) => {
                app.ui.error(&error);
                if app.ui.is_machine() {
                    app.ui.item("", &super::Failed::of(&error));
                }
                worst = Some(error.failure);
            }
        }
    }
    app.ui.end_items();
    Ok(worst.map_or(0, Failure::exit_code))
}

fn show(app: &App, id: &str) -> Outcome {
    let found = app.backends.find(id)?;
    let shown = Shown {
        row: Row::of(&found),
        manifest: &found.manifest,
    };
    app.ui.result(Text::lines(describe(&found)), &shown);
    Ok(0)
}

/// What a manifest declares, for people.
fn describe(found: &Found) -> Vec<String> {
    let manifest = &found.manifest;
    let mut lines = Vec::new();
    let mut line = |label: &str, value: String| lines.push(format!("{label:13}{value}"));
    line("id", manifest.id.to_string());
    line("version", manifest.version.clone());
    line("summary", manifest.summary.clone());
    line("file", found.path.display().to_string());
    let kinds: Vec<_> = manifest.kinds.iter().map(|kind| kind.as_str()).collect();
    line("kinds", kinds.join(", "));
    if !manifest.schemes.is_empty() {
        line("schemes", manifest.schemes.join(", "));
    }
    if !manifest.capabilities.is_empty() {
        line("capabilities", manifest.capabilities.join(", "));
    }
    line(
        "runs",
        match (found.owner, found.isolation) {
            (Owner::FirstParty, _) => "in sigtool's process (it is sigtool's own)".to_owned(),
            (Owner::ThirdParty, Isolation::InProcess) => "in sigtool's process".to_owned(),
            (Owner::ThirdParty, Isolation::Process) => "in a process of its own".to_owned(),
        },
    );
    if found.owner == Owner::ThirdParty {
        let yes = |value: bool| if value { "yes" } else { "no" }.to_owned();
        line("network", yes(manifest.permissions.network));
        line("tokens", yes(manifest.permissions.identity_token));
        let variables = if manifest.environment.is_empty() {
            "none".to_owned()
        } else {
            manifest.environment.join(", ")
        };
        line("environment", variables);
        if let Some(sha256) = &found.sha256 {
            line("sha256", sha256.clone());
        }
    }
    for (kind, settings) in &manifest.config {
        for (name, setting) in settings {
            let required = if setting.required { ", required" } else { "" };
            line(
                "setting",
                format!(
                    "{kind}.{name}: {} ({}{required})",
                    setting.summary, setting.kind
                ),
            );
        }
    }
    lines
}

fn path(app: &App) -> Outcome {
    for (path, holds) in app.backends.folders() {
        let exists = path.is_dir();
        let mark = if exists { "" } else { " (not there)" };
        app.ui.item(
            &format!("{}{mark}: {holds}", path.display()),
            &Folder {
                path: super::lossy(&path),
                exists,
                holds,
            },
        );
    }
    app.ui.end_items();
    Ok(0)
}

fn pin(app: &App, path: &Path) -> Outcome {
    let mut found = read_backend(path)?;
    let sha256 = found.digest()?;
    let before = app.config.backends().get(found.manifest.id.as_str());
    if let Some(isolation) = before.and_then(|before| before.isolation)
        && !found.executable
    {
        found.isolation = isolation;
    }
    app.ui.say(Text::lines(describe(&found)));
    app.ui.say(&format!("{:13}{sha256}", "sha256"));
    if let Some(before) = before.and_then(|before| before.sha256.as_ref())
        && *before != sha256
    {
        app.ui.say(&format!("{:13}{before}", "before"));
    }
    let id = &found.manifest.id;
    if !app.confirm(&format!(
        "record the backend `{id}`, so that profiles can use it"
    ))? {
        return Err(CommandError::new(
            Failure::Cancelled,
            "nothing was recorded",
        ));
    }
    let file = app.config.pin_backend(id, &found.path, &sha256)?;
    let pinned = Pinned {
        id,
        path: super::lossy(&found.path),
        sha256: &sha256,
        file: super::lossy(&file),
    };
    app.ui
        .result(&format!("recorded `{id}` in {}", file.display()), &pinned);
    Ok(0)
}
