//! `sigtool --list`: every command, with what it is.

use super::external;
use crate::alias::is_built_in;
use crate::app::App;
use crate::args::Cli;
use crate::error::CommandError;
use clap::CommandFactory as _;
use serde::Serialize;
use std::ffi::OsStr;

/// A command.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Row {
    /// One of sigtool's own.
    BuiltIn {
        /// Its name.
        name: String,
        /// What it does, in a line.
        summary: String,
    },
    /// An alias of the user's.
    Alias {
        /// Its name.
        name: String,
        /// The words in whose place it stands.
        stands_for: Vec<String>,
        /// Where it is set, as people are told.
        origin: String,
    },
    /// A program `sigtool-<name>` on `PATH`.
    External {
        /// Its name.
        name: String,
        /// The program.
        path: String,
    },
}

/// `sigtool --list`: every command, with what it is.
pub(crate) fn list(app: &App, path: Option<&OsStr>) -> Result<u8, CommandError> {
    let mut rows = Vec::new();
    for command in Cli::command().get_subcommands() {
        let summary = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        rows.push(Row::BuiltIn {
            name: command.get_name().to_owned(),
            summary,
        });
    }
    for (name, alias) in app.config.aliases() {
        if is_built_in(name) {
            continue;
        }
        rows.push(Row::Alias {
            name: name.clone(),
            stands_for: alias.value.clone(),
            origin: alias.origin.to_string(),
        });
    }
    if app.config.external_commands().value {
        for (name, path) in external::all(path) {
            // What is shadowed by a built-in command or an alias would never run.
            if !is_built_in(&name) && !app.config.aliases().contains_key(&name) {
                let path = path.to_string_lossy().into_owned();
                rows.push(Row::External { name, path });
            }
        }
    }
    for row in &rows {
        let text = match row {
            Row::BuiltIn { name, summary } => format!("{name:12} {summary}"),
            Row::Alias {
                name,
                stands_for,
                origin,
            } => {
                format!("{:12} alias: {} ({origin})", name, stands_for.join(" "))
            }
            Row::External { name, path } => {
                format!("{:12} {}", name, path)
            }
        };
        app.ui.item(&text, row);
    }
    app.ui.end_items();
    Ok(0)
}
