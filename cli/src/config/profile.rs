//! Profiles: what they inherit, and what they say once a backend's manifest has been asked.

use crate::config::key_text::KeyText;
use crate::config::merge::merge_at;
use crate::config::origin::Origin;
use crate::config::policy::Ceiling;
use crate::config::schema::{FIRST_PARTY, PROFILE};
use crate::config::secret::SecretReference;
use crate::config::settings::{Choice as _, Formats, repository};
use crate::config::value::{Data, Located, Node, absolute, below, field};
use crate::config::verify::{VerifySettings, Whose};
use crate::error::CommandError;
use crate::suggest::closest;
use sigtool_sdk::manifest::{Kind, Manifest, SettingType};
use sigtool_sdk::types::{BackendId, Repository};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How to get the manifest of a backend that a profile names: `None` if there is no such backend, an error if it cannot be used.
pub(crate) type Manifests<'a> = &'a dyn Fn(&str) -> Result<Option<Manifest>, CommandError>;

/// A profile, everything inherited laid together.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// Its name; none if there is no profile at all and only what is built in holds.
    pub(crate) name: Option<Located<String>>,
    pub(crate) signature_format: Located<Formats>,
    /// Whether a signature is pushed beside its image.
    pub(crate) attach: Located<bool>,
    /// Where the signatures of images lie, if not beside them.
    pub(crate) attach_to: Option<Located<Repository>>,
    /// What is signed along with the digest.
    pub(crate) annotations: BTreeMap<String, Located<String>>,
    pub(crate) log: Log,
    pub(crate) signer: Option<BackendTable>,
    pub(crate) identity: Option<BackendTable>,
    pub(crate) secret: Option<BackendTable>,
    pub(crate) source: Option<BackendTable>,
    pub(crate) timestamp: Option<BackendTable>,
    pub(crate) trust: Option<BackendTable>,
    /// Which signatures are accepted; none if nothing is listed.
    pub(crate) verify: Option<VerifySettings>,
}

impl Default for Profile {
    /// What holds without any profile.
    fn default() -> Self {
        Self {
            name: None,
            signature_format: Located::built_in(Formats::Bundle),
            attach: Located::built_in(false),
            attach_to: None,
            annotations: BTreeMap::new(),
            log: Log::Off,
            signer: None,
            identity: None,
            secret: None,
            source: None,
            timestamp: None,
            trust: None,
            verify: None,
        }
    }
}

/// The transparency log of a profile.
#[derive(Clone, Debug)]
pub(crate) enum Log {
    Off,
    On(BackendTable),
}

impl Profile {
    /// A table that asks for something which no command does yet. Signing without it would be less than the profile says.
    pub(crate) fn unserved(&self) -> Option<&BackendTable> {
        let log = match &self.log {
            Log::On(table) => Some(table),
            Log::Off => None,
        };
        log.or(self.timestamp.as_ref()).or(self.trust.as_ref())
    }
}

/// The settings of one kind of backend.
#[derive(Clone, Debug)]
pub(crate) struct BackendTable {
    pub(crate) kind: Kind,
    /// The id.
    pub(crate) backend: Located<BackendId>,
    /// All but `backend`, checked against the manifest.
    pub(crate) settings: BTreeMap<String, Located<SettingValue>>,
    /// Where the table stands.
    pub(crate) origin: Origin,
}

impl BackendTable {
    /// The key that it names, if its settings have one called `key`.
    pub(crate) fn key_text(&self) -> Option<&KeyText> {
        match &self.settings.get("key")?.value {
            SettingValue::Key(key) => Some(key),
            _ => None,
        }
    }
}

/// The value of a backend's setting.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SettingValue {
    Boolean(bool),
    Integer(i64),
    Key(KeyText),
    /// Absolute.
    Path(PathBuf),
    Secret(SecretReference),
    String(String),
    Strings(Vec<String>),
    Table(serde_json::Value),
}

/// The table of a profile with everything that it inherits, and with what is built in below.
///
/// # Errors
///
/// There is no such profile, or one inherits from itself; with the chain.
pub(crate) fn resolve(tree: &Node, name: &Located<String>) -> Result<Node, CommandError> {
    let chain = chain(tree, name)?;
    let path = |name: &str| vec!["profile".to_owned(), name.to_owned()];
    let mut resolved = built_in(&tree.base);
    for (index, (ancestor, table)) in chain.iter().enumerate().rev() {
        let mut table = Node::clone(table);
        if index > 0 {
            mark(&mut table, &Arc::from(ancestor.as_str()));
            table.remove("inherits");
        }
        merge_at(&mut resolved, table, &mut path(&name.value));
    }
    Ok(resolved)
}

/// What a profile says that says nothing.
pub(crate) fn built_in(base: &Arc<Path>) -> Node {
    let mut table = Node::empty_table(Origin::BuiltIn, base);
    for setting in PROFILE {
        if let Some(default) = setting.default {
            let node = Node::new(default.data(), Origin::BuiltIn, base);
            table.insert(setting.key, node);
        }
    }
    table
}

/// The profile and all that it inherits from, itself first.
pub(super) fn chain<'a>(
    tree: &'a Node,
    name: &Located<String>,
) -> Result<Vec<(String, &'a Node)>, CommandError> {
    let mut chain: Vec<(String, &Node)> = Vec::new();
    let mut next = name.clone();
    loop {
        let Some(table) = tree.find(&["profile", &next.value]) else {
            return Err(unknown(
                tree,
                &next,
                chain.last().map(|(name, _)| name.as_str()),
            ));
        };
        chain.push((next.value.clone(), table));
        let Some(parent) = table.child("inherits") else {
            return Ok(chain);
        };
        let key = format!("profile.{}.inherits", next.value);
        next = Located::new(parent.string(&key)?.to_owned(), &parent.origin);
        if chain.iter().any(|(name, _)| *name == next.value) {
            let names: Vec<&str> = chain
                .iter()
                .map(|(name, _)| name.as_str())
                .chain([next.value.as_str()])
                .collect();
            return Err(next
                .origin
                .error(
                    format!("the profile `{}` inherits from itself", next.value),
                    "closes the circle",
                )
                .because(names.join(" → "))
                .hint("remove one `inherits` of that chain"));
        }
    }
}

/// The error for a name that no profile has.
fn unknown(tree: &Node, name: &Located<String>, child: Option<&str>) -> CommandError {
    let message = match child {
        Some(child) => format!(
            "there is no profile `{}`, which `{child}` inherits from",
            name.value
        ),
        None => format!("there is no profile `{}`", name.value),
    };
    let error = match &name.origin {
        // Named where the user looks at it.
        Origin::Flag(flag) if !flag.starts_with("--config") => CommandError::input(message),
        origin => origin.error(message, "unknown"),
    };
    let names: Vec<&str> = tree
        .child("profile")
        .into_iter()
        .flat_map(Node::entries)
        .map(|(name, _)| name.as_str())
        .collect();
    if let Some(near) = closest(&name.value, names.iter().copied()) {
        error.hint(format!("did you mean `{near}`?"))
    } else if names.is_empty() {
        error.hint("there are no profiles yet: make one with `sigtool init`")
    } else {
        error.hint(format!("the profiles: {}", names.join(", ")))
    }
}

fn mark(node: &mut Node, ancestor: &Arc<str>) {
    node.inherited = Some(Arc::clone(ancestor));
    if let Data::Table(table) = &mut node.data {
        table.values_mut().for_each(|node| mark(node, ancestor));
    }
}

/// What is needed to read a resolved profile.
pub(crate) struct Reading<'a> {
    pub(crate) manifests: Manifests<'a>,
    /// The ids of the backends that the configuration declares.
    pub(crate) declared: Vec<&'a str>,
    pub(crate) ceiling: &'a Ceiling,
    pub(crate) home: Option<&'a Path>,
}

impl Reading<'_> {
    /// Reads a resolved profile.
    ///
    /// # Errors
    ///
    /// Every problem.
    pub(crate) fn profile(
        &self,
        node: &Node,
        name: Option<Located<String>>,
    ) -> Result<Profile, Vec<CommandError>> {
        let mut problems = Vec::new();
        let path = match &name {
            Some(name) => below("profile", &name.value),
            None => "profile".to_owned(),
        };
        let profile = Profile {
            signature_format: field(node, &path, "signature_format", &mut problems, |n, key| {
                Formats::read(n, key)
            })
            .unwrap_or(Located::built_in(Formats::Bundle)),
            attach: field(node, &path, "attach", &mut problems, Node::boolean)
                .unwrap_or(Located::built_in(false)),
            attach_to: field(node, &path, "attach_to", &mut problems, repository),
            annotations: annotations(node, &path, &mut problems),
            log: self.log(node, &path, &mut problems),
            signer: self.kind(node, &path, Kind::Signer, &mut problems),
            identity: self.kind(node, &path, Kind::Identity, &mut problems),
            secret: self.kind(node, &path, Kind::Secret, &mut problems),
            source: self.kind(node, &path, Kind::Source, &mut problems),
            timestamp: self.kind(node, &path, Kind::Timestamp, &mut problems),
            trust: self.kind(node, &path, Kind::Trust, &mut problems),
            verify: field(node, &path, "verify", &mut problems, |node, key| {
                VerifySettings::read(node, key, self.home, Whose::Profile)
            })
            .and_then(|verify| verify.value),
            name,
        };
        if problems.is_empty() {
            Ok(profile)
        } else {
            Err(problems)
        }
    }

    fn log(&self, node: &Node, path: &str, problems: &mut Vec<CommandError>) -> Log {
        match node.child("log") {
            Some(log) if matches!(&log.data, Data::String(text) if text == "off") => Log::Off,
            _ => self
                .kind(node, path, Kind::Log, problems)
                .map_or(Log::Off, Log::On),
        }
    }

    /// The table of one kind.
    fn kind(
        &self,
        node: &Node,
        path: &str,
        kind: Kind,
        problems: &mut Vec<CommandError>,
    ) -> Option<BackendTable> {
        let node = node.child(kind.as_str())?;
        let path = below(path, kind.as_str());
        match self.backend(node, &path, kind) {
            Ok((backend, manifest)) => {
                let schema = manifest.config.get(&kind).cloned().unwrap_or_default();
                let table = Table {
                    node,
                    path: &path,
                    id: &backend.value,
                    home: self.home,
                };
                let settings = table.settings(&schema, problems);
                Some(BackendTable {
                    kind,
                    backend,
                    settings,
                    origin: node.origin.clone(),
                })
            }
            Err(error) => {
                problems.push(error);
                None
            }
        }
    }

    /// The backend that a table names, which must be there, be allowed and serve the kind.
    fn backend(
        &self,
        node: &Node,
        path: &str,
        kind: Kind,
    ) -> Result<(Located<BackendId>, Manifest), CommandError> {
        node.table(path)?;
        let Some(named) = node.child("backend") else {
            return Err(node
                .origin
                .error(format!("`{path}` names no backend"), "`backend` is missing")
                .hint(format!("backends for it: {}", self.serving(kind))));
        };
        let id = named.string(&below(path, "backend"))?;
        self.ceiling.check_backend(id)?;
        let Some(manifest) = (self.manifests)(id)? else {
            return Err(self.unknown(named, id, kind));
        };
        if !manifest.kinds.contains(&kind) {
            let kinds: Vec<&str> = manifest.kinds.iter().map(|k| k.as_str()).collect();
            return Err(named
                .origin
                .error(
                    format!("the backend `{id}` cannot be a {kind}"),
                    &format!("serves {}", kinds.join(", ")),
                )
                .hint(format!("backends for it: {}", self.serving(kind))));
        }
        let id = Located::new(manifest.id.clone(), &named.origin);
        Ok((id, manifest))
    }

    fn unknown(&self, named: &Node, id: &str, kind: Kind) -> CommandError {
        let error = named
            .origin
            .error(format!("there is no backend `{id}`"), "not found");
        let known = self.known();
        if let Some(near) = closest(id, known.iter().map(|m| m.id.as_str())) {
            return error.hint(format!("did you mean `{near}`?"));
        }
        let error = if FIRST_PARTY.contains(&id) {
            error.hint("it belongs to sigtool and is not installed beside this one")
        } else if id.parse::<BackendId>().is_ok_and(|id| !id.is_first_party()) {
            error.hint("record a third-party backend with `sigtool backend pin PATH`")
        } else {
            error
        };
        error.hint(format!("backends for {kind}: {}", self.serving(kind)))
    }

    /// Every backend that a profile could name.
    fn known(&self) -> Vec<Manifest> {
        let mut ids: Vec<&str> = FIRST_PARTY
            .into_iter()
            .chain(self.declared.iter().copied())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter()
            .filter_map(|id| (self.manifests)(id).ok().flatten())
            .collect()
    }

    fn serving(&self, kind: Kind) -> String {
        let ids: Vec<String> = self
            .known()
            .into_iter()
            .filter(|m| m.kinds.contains(&kind))
            .map(|m| m.id.into())
            .collect();
        if ids.is_empty() {
            "none is installed".to_owned()
        } else {
            ids.join(", ")
        }
    }
}

/// One backend's table, while its settings are read.
pub(crate) struct Table<'a> {
    node: &'a Node,
    path: &'a str,
    id: &'a str,
    home: Option<&'a Path>,
}

type Schema = BTreeMap<String, sigtool_sdk::manifest::Setting>;

impl Table<'_> {
    fn settings(
        &self,
        schema: &Schema,
        problems: &mut Vec<CommandError>,
    ) -> BTreeMap<String, Located<SettingValue>> {
        let mut settings = BTreeMap::new();
        for (key, node) in self.node.entries().filter(|(key, _)| *key != "backend") {
            let value = match schema.get(key) {
                Some(setting) => {
                    setting_value(node, &below(self.path, key), setting.kind, self.home)
                }
                None => Err(self.unknown(key, node, schema)),
            };
            match value {
                Ok(value) => {
                    settings.insert(key.clone(), Located::new(value, &node.origin));
                }
                Err(error) => problems.push(error),
            }
        }
        for (key, setting) in schema {
            if setting.required && self.node.child(key).is_none() {
                problems.push(self.missing(key, setting));
            }
        }
        settings
    }

    fn unknown(&self, key: &str, node: &Node, schema: &Schema) -> CommandError {
        let error = node.named.error_hiding(
            &node.origin,
            format!("the backend `{}` has no setting `{key}`", self.id),
            "unknown",
        );
        let keys = || schema.keys().map(String::as_str);
        if let Some(near) = closest(key, keys()) {
            error.hint(format!("did you mean `{near}`?"))
        } else if schema.is_empty() {
            error.hint("it has no settings at all there")
        } else {
            error.hint(format!("it has: {}", keys().collect::<Vec<_>>().join(", ")))
        }
    }

    fn missing(&self, key: &str, setting: &sigtool_sdk::manifest::Setting) -> CommandError {
        let error = self.node.origin.error(
            format!(
                "`{}` lacks `{key}`, which the backend `{}` needs",
                self.path, self.id
            ),
            &format!("`{key}` is missing"),
        );
        if setting.summary.is_empty() {
            error.hint(format!("it takes {}", setting.kind))
        } else {
            error.hint(format!("it takes {}: {}", setting.kind, setting.summary))
        }
    }
}

/// Reads a backend's setting as its manifest says.
pub(crate) fn setting_value(
    node: &Node,
    key: &str,
    kind: SettingType,
    home: Option<&Path>,
) -> Result<SettingValue, CommandError> {
    Ok(match kind {
        SettingType::Boolean => SettingValue::Boolean(node.boolean(key)?),
        SettingType::Integer => SettingValue::Integer(node.integer(key)?),
        SettingType::Key => SettingValue::Key(KeyText::read(node, key, home)?),
        SettingType::Path => SettingValue::Path(absolute(&node.base, home, non_empty(node, key)?)),
        SettingType::Secret => SettingValue::Secret(SecretReference::read(node, key, home)?),
        SettingType::String => SettingValue::String(node.string(key)?.to_owned()),
        SettingType::Strings => {
            let strings = node.strings(key)?;
            SettingValue::Strings(strings.into_iter().map(|s| s.value).collect())
        }
        SettingType::Table => {
            node.table(key)?;
            SettingValue::Table(node.to_json())
        }
    })
}

fn non_empty<'a>(node: &'a Node, key: &str) -> Result<&'a str, CommandError> {
    match node.string(key)? {
        "" => Err(node
            .origin
            .error(format!("`{key}` is empty"), "a path belongs here")),
        text => Ok(text),
    }
}

fn annotations(
    node: &Node,
    path: &str,
    problems: &mut Vec<CommandError>,
) -> BTreeMap<String, Located<String>> {
    let path = below(path, "annotations");
    let mut annotations = BTreeMap::new();
    for (key, node) in node
        .child("annotations")
        .into_iter()
        .flat_map(Node::entries)
    {
        match node.string(&below(&path, key)) {
            Ok(text) => {
                annotations.insert(key.clone(), Located::new(text.to_owned(), &node.origin));
            }
            Err(error) => problems.push(error),
        }
    }
    annotations
}
