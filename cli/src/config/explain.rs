//! What `config explain` shows: each value, where it came from, and what it took the place of.

use crate::config::profile::resolve;
use crate::config::value::{Located, Node, Overrode, dotted, split};

/// One value.
#[derive(Clone, Debug)]
pub(crate) struct Explained {
    /// Its dotted key, as `config set` takes it.
    pub(crate) key: String,
    /// As TOML would have it; what may be a secret is `…`.
    pub(crate) value: String,
    pub(crate) origin: super::origin::Origin,
    /// The profile that it is inherited from.
    pub(crate) inherited: Option<String>,
    /// What it took the place of, the latest last. An empty key is the same key.
    pub(crate) overrode: Vec<Overrode>,
}

/// Explains a key and all below it, or everything. A profile is shown with what it inherits. Empty if nothing is set there.
pub(super) fn explain(tree: &Node, key: Option<&str>) -> Vec<Explained> {
    let Some(key) = key else {
        return rows(tree, &[]);
    };
    let Some(path) = split(key) else {
        return Vec::new();
    };
    if path == ["profile"] {
        let choice = ["default_profile".to_owned()];
        let mut found = below(tree, &choice);
        found.extend(below(tree, &path));
        return found;
    }
    if path[0] == "profile"
        && let Some(defined) = tree.find(&path[..2])
        && let name = Located::new(path[1].clone(), &defined.named)
        && let Ok(resolved) = resolve(tree, &name)
    {
        return resolved
            .find(&path[2..])
            .map(|node| rows(node, &path))
            .unwrap_or_default();
    }
    below(tree, &path)
}

fn below(tree: &Node, path: &[String]) -> Vec<Explained> {
    tree.find(path)
        .map(|node| rows(node, path))
        .unwrap_or_default()
}

/// A row for each value below, and for each table that took the place of something whole.
fn rows(node: &Node, path: &[String]) -> Vec<Explained> {
    let mut found = Vec::new();
    collect(node, &mut path.to_vec(), &mut found);
    found
}

fn collect(node: &Node, path: &mut Vec<String>, found: &mut Vec<Explained>) {
    let is_leaf = node.as_table().is_none_or(|table| table.is_empty());
    if (is_leaf && !path.is_empty()) || !node.overrode.is_empty() {
        found.push(Explained {
            key: dotted(path),
            value: node.shown(path),
            origin: node.origin.clone(),
            inherited: node.inherited.as_deref().map(str::to_owned),
            overrode: node.overrode.clone(),
        });
    }
    for (key, child) in node.entries() {
        path.push(key.clone());
        collect(child, path, found);
        path.pop();
    }
}
