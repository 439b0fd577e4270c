//! The environment variables that sigtool reads: a closed list. Others that begin with `SIGTOOL_` get a warning.

use crate::config::origin::Origin;
use crate::config::value::{Data, Node};
use crate::error::CommandError;
use crate::suggest::closest;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// One environment variable.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    /// What it is for, in a line; for the man page.
    pub(crate) summary: &'static str,
    /// The setting that it sets, and how its text is read; none for what is no setting.
    setting: Option<(&'static str, Reads)>,
}

/// How the text of a variable becomes a value.
#[derive(Clone, Copy)]
enum Reads {
    Boolean,
    Integer,
    Text,
}

/// What the names of all of them begin with.
const PREFIX: &str = "SIGTOOL_";

/// A file that is read in place of the user's.
pub(crate) const CONFIG: &str = "SIGTOOL_CONFIG";

/// Every variable, in alphabetical order.
pub(crate) const VARIABLES: [Variable; 12] = [
    Variable {
        name: "SIGTOOL_COLOR",
        summary: "colours: auto, always or never",
        setting: Some(("color", Reads::Text)),
    },
    Variable {
        name: CONFIG,
        summary: "a configuration file, read in place of your own one",
        setting: None,
    },
    Variable {
        name: "SIGTOOL_FORMAT",
        summary: "the form of results: text, json or jsonl",
        setting: Some(("format", Reads::Text)),
    },
    Variable {
        name: "SIGTOOL_JOBS",
        summary: "how many artifacts are worked on at once",
        setting: Some(("jobs", Reads::Integer)),
    },
    Variable {
        name: "SIGTOOL_NEW_PASSWORD",
        summary: "the password that a private key gets when it is made or its password is changed",
        setting: None,
    },
    Variable {
        name: "SIGTOOL_OFFLINE",
        summary: "1 or true: open no network connection",
        setting: Some(("offline", Reads::Boolean)),
    },
    Variable {
        name: "SIGTOOL_PASSWORD",
        summary: "the password of the private key, where the profile names no other place for it",
        setting: None,
    },
    Variable {
        name: "SIGTOOL_PROFILE",
        summary: "the profile to use when --profile is not given",
        setting: Some(("default_profile", Reads::Text)),
    },
    Variable {
        name: "SIGTOOL_REGISTRY",
        summary: "the registry that SIGTOOL_REGISTRY_USERNAME and SIGTOOL_REGISTRY_PASSWORD are for, as in ghcr.io",
        setting: None,
    },
    Variable {
        name: "SIGTOOL_REGISTRY_PASSWORD",
        summary: "the password or token for that registry",
        setting: None,
    },
    Variable {
        name: "SIGTOOL_REGISTRY_USERNAME",
        summary: "the user name for that registry",
        setting: None,
    },
    Variable {
        name: "SIGTOOL_TIMEOUT",
        summary: "how long to wait for a backend, as in 30s or 2m",
        setting: Some(("timeout", Reads::Text)),
    },
];

/// The settings that the environment makes, one tree each, and every value that cannot be read.
///
/// A variable that is empty counts as not set.
pub(crate) fn layer(
    environment: &BTreeMap<String, String>,
    base: &Arc<Path>,
) -> (Vec<Node>, Vec<CommandError>) {
    let mut trees = Vec::new();
    let mut problems = Vec::new();
    for variable in &VARIABLES {
        let (Some((key, reads)), Some(text)) = (variable.setting, environment.get(variable.name))
        else {
            continue;
        };
        if text.is_empty() {
            continue;
        }
        let origin = Origin::Variable(variable.name);
        match read(text, reads) {
            Ok(data) => trees.push(Node::at(&[key], Node::new(data, origin, base))),
            Err(expected) => {
                problems.push(origin.error(format!("expected {expected}, found `{text}`"), ""));
            }
        }
    }
    (trees, problems)
}

fn read(text: &str, reads: Reads) -> Result<Data, &'static str> {
    match reads {
        Reads::Boolean => match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(Data::Boolean(true)),
            "0" | "false" | "no" | "off" => Ok(Data::Boolean(false)),
            _ => Err("1, true, 0 or false"),
        },
        Reads::Integer => text
            .parse()
            .map(Data::Integer)
            .map_err(|_| "a whole number"),
        Reads::Text => Ok(Data::String(text.to_owned())),
    }
}

/// A warning for each variable that sigtool does not know.
pub(crate) fn warnings(environment: &BTreeMap<String, String>) -> Vec<String> {
    let names = || VARIABLES.iter().map(|v| v.name);
    let summary = |name: &str| {
        VARIABLES
            .iter()
            .find(|v| v.name == name)
            .map_or("", |v| v.summary)
    };
    environment
        .keys()
        .filter(|name| name.starts_with(PREFIX) && !names().any(|n| n == *name))
        // A test build has switches of its own.
        .filter(|name| !(cfg!(debug_assertions) && name.starts_with("SIGTOOL_TEST_")))
        // Without what all have in common, or all would look alike.
        .map(|name| {
            match closest(
                name.trim_start_matches(PREFIX),
                names().map(|n| &n[PREFIX.len()..]),
            ) {
                Some(near) => {
                    let near = format!("{PREFIX}{near}");
                    format!(
                        "the variable {name} is unknown and ignored: did you mean {near} ({})?",
                        summary(&near)
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
    fn the_password_is_no_setting() {
        let base: Arc<Path> = Path::new("/").into();
        let (trees, problems) = layer(&environment(&[("SIGTOOL_PASSWORD", "hunter2")]), &base);
        assert!(trees.is_empty() && problems.is_empty());
    }

    #[test]
    fn the_list_is_in_order_and_every_setting_exists() {
        assert!(VARIABLES.is_sorted_by_key(|v| v.name));
        for variable in &VARIABLES {
            assert!(!variable.summary.is_empty());
            if let Some((key, _)) = variable.setting {
                assert!(
                    crate::config::schema::TOP.iter().any(|k| k.key == key),
                    "{key}"
                );
            }
        }
    }
}
