//! `sigtool backend`: show, record and check backends. Only `check` runs any.

mod check;

use crate::app::App;
use crate::args::Backend;
use crate::error::{CommandError, Failure, Outcome};
use crate::host::{Found, Isolation, Owner, asks_for, read_backend};
use crate::output::Text;
use crate::report::backend::{Folder, Pinned, Row, Shown};
use crate::report::{Failed, lossy};
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
        } => check::run(app, path, with.as_deref(), *isolation),
    }
}

fn list(app: &App) -> Outcome {
    let mut failures = Vec::new();
    let ids = app.backends.ids();
    let width = ids.iter().map(|id| id.len()).max().unwrap_or(0);
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
                    app.ui.item("", &Failed::of(&error));
                }
                failures.push(error.failure);
            }
        }
    }
    app.ui.end_items();
    Ok(Failure::most_serious(failures).map_or(0, Failure::exit_code))
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
        for (label, what) in asks_for(manifest) {
            line(label, what);
        }
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
                path: lossy(&path),
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
        path: lossy(&found.path),
        sha256: &sha256,
        file: lossy(&file),
    };
    app.ui
        .result(&format!("recorded `{id}` in {}", file.display()), &pinned);
    Ok(0)
}
