//! What is said of a setting.

use crate::app::App;
use crate::config::explain::Explained;
use crate::config::origin::Layer;
use crate::output::Text;
use serde::Serialize;
use std::collections::BTreeMap;

/// A dotted key, quoted where a part needs it.
pub(crate) fn dotted(parts: &[&str]) -> String {
    crate::config::value::dotted(parts)
}

/// A value of the configuration, and where it comes from.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Row<'a> {
    /// Its dotted key, as `config set` takes it.
    key: &'a str,
    /// The value. What may be a secret is hidden: the text `…`.
    value: Setting,
    /// Where it is set, as people are told.
    pub(crate) origin: String,
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
    /// From the text that `explain` shows. What is hidden in it is not TOML, and stays text.
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
            // JSON has no word for infinity or for what is not a number.
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

pub(crate) fn print(app: &App, rows: &[Explained]) {
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

/// A file that the configuration is looked for in.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct File<'a> {
    /// Whose it is: `system`, `user`, `project`, `--config` or `policy`, the highest last.
    pub(crate) layer: Layer,
    /// The file.
    pub(crate) path: String,
    /// What became of it.
    pub(crate) state: State,
    /// Why it was ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<&'a str>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub(crate) enum State {
    Ignored,
    Missing,
    Read,
    Wrong,
}

/// What became of a value that was set.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Set<'a> {
    /// Its dotted key.
    pub(crate) key: &'a str,
    /// Whether it was another one before.
    pub(crate) changed: bool,
    /// The user's file, in which it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
}
