//! The environment variables that sigtool reads: a closed list. Others that begin with `SIGTOOL_` get a warning.

use super::schema::{TOP, Text};
use crate::config::origin::Origin;
use crate::config::value::{Data, Node};
use crate::error::CommandError;
use crate::suggest::closest;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What the names of all of them begin with.
const PREFIX: &str = "SIGTOOL_";

/// A file that is read in place of the user's.
pub(crate) const CONFIG: &str = "SIGTOOL_CONFIG";

/// The variables that are not settings, each with what it is for.
const OTHERS: [(&str, &str); 6] = [
    (
        CONFIG,
        "a configuration file, read in place of your own one",
    ),
    (
        "SIGTOOL_NEW_PASSWORD",
        "the password that a private key gets when it is made or its password is changed; empty for none",
    ),
    (
        "SIGTOOL_PASSWORD",
        "the password of the private key, where the profile names no other place for it",
    ),
    (
        "SIGTOOL_REGISTRY",
        "the registry that SIGTOOL_REGISTRY_USERNAME and SIGTOOL_REGISTRY_PASSWORD are for, as in ghcr.io",
    ),
    (
        "SIGTOOL_REGISTRY_PASSWORD",
        "the password or token for that registry",
    ),
    (
        "SIGTOOL_REGISTRY_USERNAME",
        "the user name for that registry",
    ),
];

/// Every variable and what it is for, in alphabetical order.
pub(crate) fn variables() -> BTreeMap<&'static str, &'static str> {
    let of_settings = TOP.iter().filter_map(|setting| setting.variable);
    let of_settings = of_settings.map(|variable| (variable.name, variable.summary));
    of_settings.chain(OTHERS).collect()
}

/// The settings that the environment makes, one tree each, and every value that cannot be read.
///
/// A variable that is empty counts as not set.
pub(crate) fn layer(
    environment: &BTreeMap<String, String>,
    base: &Arc<Path>,
) -> (Vec<Node>, Vec<CommandError>) {
    let mut trees = Vec::new();
    let mut problems = Vec::new();
    for setting in TOP {
        let Some(variable) = setting.variable else {
            continue;
        };
        let Some(text) = environment.get(variable.name) else {
            continue;
        };
        if text.is_empty() {
            continue;
        }
        let origin = Origin::Variable(variable.name);
        match read(text, variable.text) {
            Ok(data) => trees.push(Node::at(&[setting.key], Node::new(data, origin, base))),
            Err(expected) => {
                problems.push(origin.error(format!("expected {expected}, found `{text}`"), ""));
            }
        }
    }
    (trees, problems)
}

fn read(text: &str, reads: Text) -> Result<Data, &'static str> {
    match reads {
        Text::Boolean => match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(Data::Boolean(true)),
            "0" | "false" | "no" | "off" => Ok(Data::Boolean(false)),
            _ => Err("1, true, 0 or false"),
        },
        Text::Integer => text
            .parse()
            .map(Data::Integer)
            .map_err(|_| "a whole number"),
        Text::Plain => Ok(Data::String(text.to_owned())),
    }
}

/// A warning for each variable that sigtool does not know.
pub(crate) fn warnings(environment: &BTreeMap<String, String>) -> Vec<String> {
    let known = variables();
    environment
        .keys()
        .filter(|name| name.starts_with(PREFIX) && !known.contains_key(name.as_str()))
        // A test build has switches of its own.
        .filter(|name| !(cfg!(debug_assertions) && name.starts_with("SIGTOOL_TEST_")))
        // Without what all have in common, or all would look alike.
        .map(|name| {
            match closest(
                name.trim_start_matches(PREFIX),
                known.keys().map(|n| &n[PREFIX.len()..]),
            ) {
                Some(near) => {
                    let near = format!("{PREFIX}{near}");
                    format!(
                        "the variable {name} is unknown and ignored: did you mean {near} ({})?",
                        known.get(near.as_str()).copied().unwrap_or_default()
                    )
                }
                None => format!("the variable {name} is unknown and ignored"),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn an_unknown_variable_is_a_warning_that_knows_the_right_one() {
        let found = warnings(&environment(&[
            ("SIGTOOL_PROFIEL", "a"),
            ("SIGTOOL_PASSWORD", "hunter2"),
            ("SIGTOOL_WHATEVER_ELSE", "hunter2"),
        ]));
        assert_eq!(
            found,
            [
                "the variable SIGTOOL_PROFIEL is unknown and ignored: did you mean SIGTOOL_PROFILE \
                 (the profile to use when --profile is not given)?",
                "the variable SIGTOOL_WHATEVER_ELSE is unknown and ignored",
            ]
        );
    }

    #[test]
    fn a_value_that_cannot_be_read_names_its_variable() {
        let base: Arc<Path> = Path::new("/").into();
        let (trees, problems) = layer(
            &environment(&[("SIGTOOL_OFFLINE", "maybe"), ("SIGTOOL_JOBS", "")]),
            &base,
        );
        assert!(trees.is_empty());
        assert_eq!(
            problems[0].message,
            "SIGTOOL_OFFLINE: expected 1, true, 0 or false, found `maybe`"
        );
    }

    #[test]
    fn the_password_is_not_a_setting() {
        let base: Arc<Path> = Path::new("/").into();
        let (trees, problems) = layer(&environment(&[("SIGTOOL_PASSWORD", "hunter2")]), &base);
        assert!(trees.is_empty() && problems.is_empty());
    }
}
