//! `sigtool config`: explain, check and change the configuration.

use super::Outcome;
use crate::app::App;
use crate::args::Config;
use crate::config::explain::Explained;
use crate::config::layer::FileState;
use crate::error::{CommandError, Failure};
use crate::output::{clean, plural};
use crate::run::{is_built_in, shadowed};
use serde::Serialize;

pub(super) fn run(app: &App, command: &Config) -> Outcome {
    match command {
        Config::Explain { key } => explain(app, key.as_deref()),
        Config::Check => check(app),
        Config::Path => path(app),
        Config::Set { key, value } => set(app, key, value),
    }
}

/// A dotted key, quoted where a part needs it.
pub(super) fn dotted(parts: &[&str]) -> String {
    crate::config::value::dotted(parts)
}

fn explain(app: &App, key: Option<&str>) -> Outcome {
    let rows = app.config.explain(key);
    if let (Some(key), true) = (key, rows.is_empty()) {
        return Err(
            CommandError::input(format!("nothing is set at `{}`", clean(key)))
                .hint("see what is set: sigtool config explain"),
        );
    }
    print(app, &rows);
    Ok(0)
}

pub(super) fn print(app: &App, rows: &[Explained]) {
    #[derive(Serialize)]
    struct Row<'a> {
        key: &'a str,
        value: serde_json::Value,
        origin: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        inherited_from: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        overrode: Vec<Overrode<'a>>,
    }
    #[derive(Serialize)]
    struct Overrode<'a> {
        key: &'a str,
        value: serde_json::Value,
        origin: String,
    }
    let width = rows
        .iter()
        .map(|row| row.key.len())
        .max()
        .unwrap_or(0)
        .min(48);
    for row in rows {
        let mut text = format!(
            "{:width$} = {}  # {}",
            clean(&row.key),
            clean(&row.value),
            row.origin
        );
        if let Some(profile) = &row.inherited {
            text += &format!(", inherited from {}", clean(profile));
        }
        for old in &row.overrode {
            let key = if old.key.is_empty() {
                String::new()
            } else {
                format!("{} = ", clean(&old.key))
            };
            text += &format!(
                "\n{:width$}   overrides {key}{}  # {}",
                "",
                clean(&old.value),
                old.origin
            );
        }
        let overrode = row
            .overrode
            .iter()
            .map(|old| Overrode {
                key: if old.key.is_empty() {
                    &row.key
                } else {
                    &old.key
                },
                value: json(&old.value),
                origin: old.origin.to_string(),
            })
            .collect();
        app.ui.item(
            &text,
            &Row {
                key: &row.key,
                value: json(&row.value),
                origin: row.origin.to_string(),
                inherited_from: row.inherited.as_deref(),
                overrode,
            },
        );
    }
    app.ui.end_items();
}

/// A value as TOML has it, as JSON has it. What is hidden in it is no TOML, and stays text.
fn json(value: &str) -> serde_json::Value {
    #[derive(serde::Deserialize)]
    struct Document {
        value: serde_json::Value,
    }
    toml::from_str(&format!("value = {value}"))
        .map_or_else(|_| value.into(), |document: Document| document.value)
}

fn check(app: &App) -> Outcome {
    let problems = app.config.check(&|id| app.backends.named_manifest(id));
    for problem in &problems {
        app.ui.error(problem);
        if app.ui.is_machine() {
            app.ui.item("", &super::ErrorRow::of(problem));
        }
    }
    for (name, alias) in app.config.aliases() {
        if is_built_in(name) {
            app.ui.warn(&shadowed(name, alias));
        }
    }
    app.ui.end_items();
    if problems.is_empty() {
        app.ui.say("the configuration is right");
        return Ok(0);
    }
    app.ui.say(&plural(problems.len(), "problem"));
    Ok(Failure::CouldNotTell.exit_code())
}

fn path(app: &App) -> Outcome {
    #[derive(Serialize)]
    struct Row<'a> {
        layer: &'static str,
        path: &'a std::path::Path,
        state: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<&'a str>,
    }
    for file in app.config.paths() {
        let (state, why) = match &file.state {
            FileState::Read => ("read", None),
            FileState::Missing => ("missing", None),
            FileState::Wrong => ("wrong", None),
            FileState::Ignored(why) => ("ignored", Some(why.as_str())),
        };
        let tail = why
            .map(|why| format!(": {}", clean(why)))
            .unwrap_or_default();
        app.ui.item(
            &format!(
                "{:8} {:8} {}{tail}",
                file.layer.as_str(),
                state,
                clean(&file.path.display().to_string())
            ),
            &Row {
                layer: file.layer.as_str(),
                path: &file.path,
                state,
                why,
            },
        );
    }
    app.ui.end_items();
    Ok(0)
}

fn set(app: &App, key: &str, value: &str) -> Outcome {
    let mut edit = app.config.edit()?;
    edit.set(key, value, &|id| app.backends.named_manifest(id))?;
    let changed = edit.save()?;
    #[derive(Serialize)]
    struct Set<'a> {
        key: &'a str,
        changed: bool,
        file: Option<&'a std::path::Path>,
    }
    let file = app.config.user_file();
    let shown = file.map(|f| app.short(f)).unwrap_or_default();
    let text = if changed {
        format!("set `{}` in {}", clean(key), clean(&shown))
    } else {
        format!(
            "nothing changed: `{}` is that already in {}",
            clean(key),
            clean(&shown)
        )
    };
    app.ui.result(&text, &Set { key, changed, file });
    Ok(0)
}
