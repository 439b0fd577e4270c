//! How a higher layer covers a lower one, and a profile the one that it inherits.
//!
//! Tables merge; scalars and arrays replace. Whole is replaced: a table by a scalar and the other way round, a table whose
//! `backend` differs (else a setting of the old backend stays behind), and a reference to a secret by another one.

use crate::config::secret;
use crate::config::value::{Data, Node, Overrode, dotted};

/// Lays `high` over `low`.
pub(crate) fn merge(low: &mut Node, high: Node) {
    write_out_inherited_backends(low, &high);
    merge_at(low, high, &mut Vec::new());
}

/// A lower profile may set only a setting of a backend that it inherits. Where the higher layer names another backend for that
/// profile, the inherited one is written out, so that the settings are seen to belong to it and go with it.
fn write_out_inherited_backends(low: &mut Node, high: &Node) {
    let profiles = high.child("profile").into_iter().flat_map(Node::entries);
    for (profile, tables) in profiles {
        for (kind, _) in tables
            .entries()
            .filter(|(_, t)| t.child("backend").is_some())
        {
            let here = ["profile", profile.as_str(), kind.as_str()];
            let unnamed = low
                .find(&here)
                .is_some_and(|t| t.as_table().is_some() && t.child("backend").is_none());
            if let Some(backend) = inherited_backend(low, profile, kind).filter(|_| unnamed)
                && let Some(table) = low.find_mut(&here)
            {
                table.insert("backend", backend);
            }
        }
    }
}

/// The `backend` that a profile inherits for a kind.
fn inherited_backend(tree: &Node, profile: &str, kind: &str) -> Option<Node> {
    let mut seen = vec![profile.to_owned()];
    loop {
        let last = seen.last()?;
        let parent = tree.find(&["profile", last.as_str(), "inherits"])?;
        let parent = parent.string("inherits").ok()?.to_owned();
        if let Some(backend) = tree.find(&["profile", parent.as_str(), kind, "backend"]) {
            return Some(backend.clone());
        }
        // A circle is told when the profile is used.
        if seen.contains(&parent) {
            return None;
        }
        seen.push(parent);
    }
}

/// The same for two trees that stand at `path`, a dotted key.
pub(crate) fn merge_at(low: &mut Node, mut high: Node, path: &mut Vec<String>) {
    if !tables_merge(low, &high, path) {
        replace(low, high, path);
        return;
    }
    let Data::Table(entries) = std::mem::replace(&mut high.data, Data::Boolean(false)) else {
        return;
    };
    low.origin = high.origin;
    low.named = high.named;
    low.base = high.base;
    low.inherited = high.inherited;
    low.overrode.append(&mut high.overrode);
    let Data::Table(table) = &mut low.data else {
        return;
    };
    for (key, node) in entries {
        match table.get_mut(&key) {
            Some(below) => {
                path.push(key);
                merge_at(below, node, path);
                path.pop();
            }
            None => {
                table.insert(key, node);
            }
        }
    }
}

fn tables_merge(low: &Node, high: &Node, path: &[String]) -> bool {
    let (Some(low), Some(high)) = (low.as_table(), high.as_table()) else {
        return false;
    };
    if let (Some(low), Some(high)) = (low.get("backend"), high.get("backend"))
        && let (Data::String(low), Data::String(high)) = (&low.data, &high.data)
        && low != high
    {
        return false;
    }
    // profile.NAME.KIND.SETTING: what looks like a reference to a secret there, is one.
    let setting = path.len() >= 4 && path[0] == "profile";
    !(setting && secret::has_form(low.keys()) && secret::has_form(high.keys()))
}

fn replace(low: &mut Node, mut high: Node, path: &[String]) {
    let mut overrode = std::mem::take(&mut low.overrode);
    for (key, node) in low.leaves(&[]) {
        if !key.is_empty() {
            overrode.extend(node.overrode.iter().map(|older| Overrode {
                key: match older.key.as_str() {
                    "" => dotted(&key),
                    rest => format!("{}.{rest}", dotted(&key)),
                },
                ..older.clone()
            }));
        }
        let full: Vec<String> = path.iter().chain(&key).cloned().collect();
        overrode.push(Overrode {
            value: node.shown(&full),
            origin: node.origin.clone(),
            key: dotted(&key),
        });
    }
    overrode.append(&mut high.overrode);
    high.overrode = overrode;
    *low = high;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::origin::Layer;
    use crate::config::origin::SourceFile;
    use crate::config::value::parse_file;
    use std::sync::Arc;

    fn tree(name: &str, text: &str) -> Node {
        let file = SourceFile::new(format!("/{name}").into(), None, text.into(), Layer::User);
        parse_file(&Arc::new(file)).ok().unwrap()
    }

    fn merged(low: &str, high: &str) -> Node {
        let mut merged = tree("low", low);
        merge(&mut merged, tree("high", high));
        merged
    }

    fn shown(node: &Node) -> String {
        node.shown(&[])
    }

    #[test]
    fn a_setting_of_an_inherited_backend_goes_with_it() {
        let low = "[profile.base.signer]\nbackend = \"a\"\nkey = \"k\"\n[profile.prod]\ninherits = \"base\"\n[profile.prod.signer]\ncolour = \"red\"\n";
        let merged = |high: &str| {
            let mut merged = tree("low", low);
            merge(&mut merged, tree("high", high));
            merged
                .find(&["profile", "prod", "signer", "colour"])
                .is_some()
        };
        assert!(merged("[profile.prod.signer]\nbackend = \"a\"\n"));
        assert!(!merged("[profile.prod.signer]\nbackend = \"b\"\n"));
        assert!(merged("[profile.prod.signer]\nkey = \"other\"\n"));
    }

    #[test]
    fn tables_merge_while_scalars_and_arrays_replace() {
        let tree = merged(
            "jobs = 1\n[profile.a]\nattach = true\nannotations = { x = \"1\" }\nverify.keys = [\"a\", \"b\"]",
            "jobs = 2\n[profile.a]\nannotations = { y = \"2\" }\nverify.keys = [\"c\"]",
        );
        assert_eq!(
            shown(&tree),
            "{ jobs = 2, profile = { a = { annotations = { x = \"1\", y = \"2\" }, attach = true, \
             verify = { keys = [\"c\"] } } } }"
        );
    }

    #[test]
    fn another_backend_replaces_the_table_whole() {
        let tree = merged(
            "[profile.a.signer]\nbackend = \"cosign-key\"\nkey = \"stale\"",
            "[profile.a.signer]\nbackend = \"vault\"",
        );
        let signer = tree.find(&["profile", "a", "signer"]).unwrap();
        assert_eq!(shown(signer), "{ backend = \"vault\" }");
        let overrode: Vec<_> = signer
            .overrode
            .iter()
            .map(|o| format!("{} = {} ({})", o.key, o.value, o.origin))
            .collect();
        assert_eq!(
            overrode,
            [
                "backend = \"cosign-key\" (/low:2)",
                "key = \"stale\" (/low:3)"
            ]
        );
    }

    #[test]
    fn the_same_backend_keeps_the_other_settings() {
        let tree = merged(
            "[profile.a.signer]\nbackend = \"vault\"\nkey = \"k\"",
            "[profile.a.signer]\nbackend = \"vault\"\nmount = \"m\"",
        );
        assert_eq!(
            shown(tree.find(&["profile", "a", "signer"]).unwrap()),
            "{ backend = \"vault\", key = \"k\", mount = \"m\" }"
        );
    }

    #[test]
    fn off_and_a_table_replace_each_other() {
        let on = "[profile.a.log]\nbackend = \"sigstore\"\nrekor = \"x\"";
        let off = "[profile.a]\nlog = \"off\"";
        assert_eq!(
            shown(&merged(on, off)),
            "{ profile = { a = { log = \"off\" } } }"
        );
        assert_eq!(
            shown(&merged(off, on)),
            "{ profile = { a = { log = { backend = \"sigstore\", rekor = \"x\" } } } }"
        );
    }

    #[test]
    fn one_reference_to_a_secret_replaces_another() {
        let tree = merged(
            "[profile.a.signer]\npassword = { env = \"X\" }",
            "[profile.a.signer]\npassword = { prompt = \"Password\" }",
        );
        assert_eq!(
            shown(tree.find(&["profile", "a", "signer"]).unwrap()),
            "{ password = { prompt = \"Password\" } }"
        );
    }

    #[test]
    fn annotations_merge_even_if_they_are_called_like_places_of_secrets() {
        let tree = merged(
            "[profile.a]\nannotations = { env = \"prod\" }",
            "[profile.a]\nannotations = { file = \"x\" }",
        );
        assert_eq!(
            shown(tree.find(&["profile", "a", "annotations"]).unwrap()),
            "{ env = \"prod\", file = \"x\" }"
        );
    }

    #[test]
    fn what_was_replaced_is_remembered_through_three_layers() {
        let mut three = merged("jobs = 1", "jobs = 2");
        merge(&mut three, tree("top", "jobs = 3"));
        let jobs = three.child("jobs").unwrap();
        let values: Vec<_> = jobs.overrode.iter().map(|o| o.value.as_str()).collect();
        assert_eq!(values, ["1", "2"]);
        assert_eq!(jobs.origin.to_string(), "/top:1");
    }
}
