//! `sigtool config`: explain, check and change the configuration.

use super::Outcome;
use crate::app::App;
use crate::args::Config;
use crate::config::explain::Explained;
use crate::config::layer::{FileState, Layer};
use crate::error::{CommandError, Failure};
use crate::output::{Text, clean, plural};
use crate::run::{is_built_in, shadowed};
use serde::Serialize;
use std::collections::BTreeMap;

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

/// A value of the configuration, and where it comes from.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Row<'a> {
    /// Its dotted key, as `config set` takes it.
    key: &'a str,
    /// The value. What may be a secret is hidden: the text `…`.
    value: Setting,
    /// Where it is set, as people are told.
    origin: String,
    /// The profile that it is inherited from.
    #[serde(skip_serializing_if = "Option::is_none")]
    inherited_from: Option<&'a str>,
    /// What it took the place of, the latest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    overrode: Vec<Overrode<'a>>,
}

/// A value that counts no longer.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Overrode<'a> {
    /// Its dotted key.
    key: &'a str,
    /// The value.
    value: Setting,
    /// Where it is set, as people are told.
    origin: String,
}

/// A value as TOML has it.
#[derive(Serialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum Setting {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Fraction(f64),
    /// A text, a date, or what is hidden in part.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// A table.
    Table(BTreeMap<String, Self>),
}

impl Setting {
    /// From the text that `explain` shows. What is hidden in it is no TOML, and stays text.
    fn read(shown: &str) -> Self {
        #[derive(serde::Deserialize)]
        struct Document {
            value: toml::Value,
        }
        toml::from_str(&format!("value = {shown}")).map_or_else(
            |_| Self::Text(shown.to_owned()),
            |document: Document| Self::of(document.value),
        )
    }

    fn of(value: toml::Value) -> Self {
        match value {
            toml::Value::Array(list) => Self::List(list.into_iter().map(Self::of).collect()),
            toml::Value::Boolean(value) => Self::Boolean(value),
            toml::Value::Datetime(value) => Self::Text(value.to_string()),
            // JSON has no word for what is no number.
            toml::Value::Float(value) if !value.is_finite() => Self::Text(value.to_string()),
            toml::Value::Float(value) => Self::Fraction(value),
            toml::Value::Integer(value) => Self::Integer(value),
            toml::Value::String(value) => Self::Text(value),
            toml::Value::Table(table) => {
                Self::Table(table.into_iter().map(|(k, v)| (k, Self::of(v))).collect())
            }
        }
    }
}

pub(super) fn print(app: &App, rows: &[Explained]) {
    let width = rows
        .iter()
        .map(|row| row.key.len())
        .max()
        .unwrap_or(0)
        .min(48);
    for row in rows {
        let mut lines = vec![format!(
            "{:width$} = {}  # {}",
            row.key, row.value, row.origin
        )];
        if let Some(profile) = &row.inherited {
            lines[0] += &format!(", inherited from {profile}");
        }
        for old in &row.overrode {
            let key = if old.key.is_empty() {
                String::new()
            } else {
                format!("{} = ", old.key)
            };
            lines.push(format!(
                "{:width$}   overrides {key}{}  # {}",
                "", old.value, old.origin
            ));
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
                value: Setting::read(&old.value),
                origin: old.origin.to_string(),
            })
            .collect();
        app.ui.item(
            Text::lines(lines),
            &Row {
                key: &row.key,
                value: Setting::read(&row.value),
                origin: row.origin.to_string(),
                inherited_from: row.inherited.as_deref(),
                overrode,
            },
        );
    }
    app.ui.end_items();
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

/// A file that the configuration is looked for in.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct File<'a> {
    /// Whose it is: `system`, `user`, `project`, `--config` or `policy`, the highest last.
    layer: Layer,
    /// The file.
    path: String,
    /// What became of it.
    state: State,
    /// Why it was ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
enum State {
    Ignored,
    Missing,
    Read,
    Wrong,
}

fn path(app: &App) -> Outcome {
    for file in app.config.paths() {
        let (state, word, why) = match &file.state {
            FileState::Read => (State::Read, "read", None),
            FileState::Missing => (State::Missing, "missing", None),
            FileState::Wrong => (State::Wrong, "wrong", None),
            FileState::Ignored(why) => (State::Ignored, "ignored", Some(why.as_str())),
        };
        let tail = why.map(|why| format!(": {}", why)).unwrap_or_default();
        app.ui.item(
            &format!(
                "{:8} {:8} {}{tail}",
                file.layer.as_str(),
                word,
                file.path.display()
            ),
            &File {
                layer: file.layer,
                path: super::lossy(&file.path),
                state,
                why,
            },
        );
    }
    app.ui.end_items();
    Ok(0)
}

/// What became of a value that was set.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Set<'a> {
    /// Its dotted key.
    key: &'a str,
    /// Whether it was another one before.
    changed: bool,
    /// The user's file, in which it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

fn set(app: &App, key: &str, value: &str) -> Outcome {
    let mut edit = app.config.edit()?;
    edit.set(key, value, &|id| app.backends.named_manifest(id))?;
    let changed = edit.save()?;
    let file = app.config.user_file();
    let shown = file.map(|f| app.short(f)).unwrap_or_default();
    let text = if changed {
        format!("set `{}` in {}", key, shown)
    } else {
        format!("nothing changed: `{}` is that already in {}", key, shown)
    };
    let file = file.map(super::lossy);
    app.ui.result(&text, &Set { key, changed, file });
    Ok(0)
}
