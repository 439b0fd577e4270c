//! The configuration: files, variables and flags in layers, profiles, and the policy above all of them.
//!
//! Lowest to highest: built in, `/etc/sigtool/config.toml`, the user's file, the project's `.sigtool.toml`, a closed list of
//! variables, `--config`, flags. Every value knows where it came from. [`merge`] says how the layers are laid together,
//! [`trust`] what a project may not set, [`policy`] what nobody may.

use crate::config::settings::Choice as _;
use crate::error::CommandError;
use edit::Edit;
use explain::Explained;
use network::Network;
use origin::Origin;
use policy::Ceiling;
use profile::Reading;
use settings::Grant;
use sigtool_sdk::text::typed;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use value::{Located, Node, absolute};

mod check;
pub(crate) mod edit;
pub(crate) mod environment;
pub(crate) mod explain;
mod file;
mod inputs;
mod key_text;
pub(crate) mod layer;
pub(crate) mod mask;
mod merge;
pub(crate) mod network;
pub(crate) mod origin;
pub(crate) mod policy;
pub(crate) mod profile;
mod project;
pub(crate) mod schema;
pub(crate) mod secret;
pub(crate) mod settings;
mod trust;
pub(crate) mod value;
pub(crate) mod verify;

#[cfg(test)]
mod tests;

pub(crate) use inputs::{FileState, Inputs, LookedAt};
pub(crate) use key_text::{KeyText, PolicyKey, SchemeAndName};
pub(crate) use profile::Manifests;
pub(crate) use profile::{BackendTable, Profile, SettingValue};
pub(crate) use secret::SecretReference;
pub(crate) use settings::{Color, Format, Formats, Isolation};

/// What the configuration says of a backend, by its id.
#[derive(Clone, Debug)]
pub(crate) struct BackendEntry {
    /// The shared library or executable, absolute.
    pub(crate) path: Option<PathBuf>,
    /// The digest of that file, lowercase.
    pub(crate) sha256: Option<String>,
    /// Not below what the policy demands.
    pub(crate) isolation: Option<Isolation>,
    /// What it is lent beyond what each backend gets.
    pub(crate) grants: Vec<Grant>,
    pub(crate) origin: Origin,
}

/// A profile as a list shows it.
#[derive(Clone, Debug)]
pub(crate) struct ProfileName {
    pub(crate) name: String,
    /// Where it is defined; of several files, the highest.
    pub(crate) origin: Origin,
    pub(crate) inherits: Option<String>,
}

/// A project's choice of a profile, which is followed where something is signed and nowhere else.
#[derive(Clone, Debug)]
pub(crate) struct ProjectsChoice {
    pub(crate) choice: Located<String>,
    /// The user's own profile behind it: itself, or the one that it is made of.
    pub(crate) of_user: Option<String>,
}

/// The configuration.
pub(crate) struct Config {
    tree: Node,
    /// The same without what a project's file says of profiles.
    of_user: Node,
    ceiling: Ceiling,
    aliases: BTreeMap<String, Located<Vec<String>>>,
    backends: BTreeMap<String, BackendEntry>,
    files: Vec<LookedAt>,
    user_file: Option<PathBuf>,
    home: Option<PathBuf>,
    warnings: Vec<String>,
    problems: Vec<CommandError>,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// The first problem. [`check`](Self::check) has them all.
    pub(crate) fn load(inputs: &Inputs) -> Result<Self, CommandError> {
        let mut config = Self::load_with_problems(inputs);
        if config.problems.is_empty() {
            return Ok(config);
        }
        let more = config.problems.len() - 1;
        let first = config.problems.swap_remove(0);
        Err(match more {
            0 => first,
            1 => first.hint("see also the other problem: `sigtool config check`"),
            _ => first.hint(format!(
                "see all {} problems: `sigtool config check`",
                more + 1
            )),
        })
    }

    /// Reads the configuration as far as it can be read: for `config check`, `config path`, and what repairs it.
    pub(crate) fn load_with_problems(inputs: &Inputs) -> Self {
        let mut layers = layer::read(inputs);
        let ceiling = policy::read(inputs, &mut layers);
        let mut config = Self {
            aliases: aliases(&layers.tree),
            backends: BTreeMap::new(),
            tree: layers.tree,
            of_user: layers.of_user,
            ceiling,
            files: layers.files,
            user_file: layers.user_file,
            home: inputs.home.clone(),
            warnings: layers.warnings,
            problems: layers.problems,
        };
        in_order(&mut config.problems);
        config.backends = config.read_backends();
        config
    }

    /// What the user should know, although everything works.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The profile to sign with: that of the flag, else the configured one, else `default` if there is one, else what is built in. A
    /// project's file may choose it, and how it signs.
    ///
    /// # Errors
    ///
    /// There is no such profile, or the first problem that it has.
    pub(crate) fn profile(
        &self,
        name: Option<&str>,
        manifests: Manifests<'_>,
    ) -> Result<Profile, CommandError> {
        self.read_profile(&self.tree, self.profile_chosen(name), manifests)
            .map_err(|mut problems| problems.swap_remove(0))
    }

    /// The profile of everything but signing: as if the project's file said nothing of profiles.
    ///
    /// # Errors
    ///
    /// As [`profile`](Self::profile), and the profile that is named may be the project's own.
    pub(crate) fn profile_of_user(
        &self,
        name: Option<&str>,
        manifests: Manifests<'_>,
    ) -> Result<Profile, CommandError> {
        let chosen = chosen(&self.of_user, name);
        if let Some(name) = &chosen {
            self.of_project_only(name)?;
        }
        self.read_profile(&self.of_user, chosen, manifests)
            .map_err(|mut problems| problems.swap_remove(0))
    }

    /// Which profile is chosen for everything but signing.
    pub(crate) fn choice_of_user(&self) -> Option<Located<String>> {
        chosen(&self.of_user, None)
    }

    /// The project's choice of a profile, where another one holds for everything but signing.
    pub(crate) fn choice_of_project(&self, flag: Option<&str>) -> Option<ProjectsChoice> {
        let choice = self.profile_chosen(flag)?;
        let own = chosen(&self.of_user, flag);
        let is_other = own.is_none_or(|own| own.value != choice.value);
        (is_other && choice.origin.is_of_project()).then(|| ProjectsChoice {
            of_user: self.profile_behind(&choice.value),
            choice,
        })
    }

    /// The profiles of the project's own that a profile is made of, each with what it inherits from.
    pub(crate) fn inherited_by_project(&self, profile: &str) -> Vec<(String, Located<String>)> {
        let name = Located::built_in(profile.to_owned());
        let chain = profile::chain(&self.tree, &name).unwrap_or_default();
        let of_project = chain.into_iter().filter_map(|(name, table)| {
            let parent = table.child("inherits")?;
            let is_its = parent.origin.is_of_project();
            let text = parent.string("inherits").ok().filter(|_| is_its)?;
            Some((name, Located::new(text.to_owned(), &parent.origin)))
        });
        of_project.collect()
    }

    /// The error for a profile that only the project's file has.
    fn of_project_only(&self, name: &Located<String>) -> Result<(), CommandError> {
        let path = ["profile", &name.value];
        let (None, Some(table)) = (self.of_user.find(&path), self.tree.find(&path)) else {
            return Ok(());
        };
        let message = format!("there is no profile `{}` of yours", name.value);
        let error = match &name.origin {
            Origin::Flag(_) => CommandError::input(message),
            origin => origin.error(message, ""),
        };
        let error = error.because(format!(
            "the project's file makes one ({}), and that counts for `sign` only",
            table.named
        ));
        Err(match self.profile_behind(&name.value) {
            Some(own) => error.hint(format!(
                "name the one of yours that is meant: `--profile {own}`?"
            )),
            None => error,
        })
    }

    /// The first profile of the user's that a profile is made of.
    fn profile_behind(&self, profile: &str) -> Option<String> {
        let chain = profile::chain(&self.tree, &Located::built_in(profile.to_owned())).ok()?;
        let mut names = chain.into_iter().map(|(name, _)| name);
        names.find(|name| self.of_user.find(&["profile", name]).is_some())
    }

    /// Every profile, by name.
    pub(crate) fn profile_names(&self) -> Vec<ProfileName> {
        self.profiles()
            .map(|(name, node)| ProfileName {
                name: name.clone(),
                origin: node.origin.clone(),
                inherits: node
                    .child("inherits")
                    .and_then(|n| n.string("inherits").ok())
                    .map(str::to_owned),
            })
            .collect()
    }

    /// Which profile is chosen, and by what; `None` if none is and there is none called `default`.
    pub(crate) fn profile_chosen(&self, flag: Option<&str>) -> Option<Located<String>> {
        let found = chosen(&self.tree, flag)?;
        match chosen(&self.of_user, flag) {
            // What the project's file adds to a profile does not make it the one that chose it.
            Some(own) if own.value == found.value => Some(own),
            _ => Some(found),
        }
    }

    /// The aliases, each a list of words.
    pub(crate) fn aliases(&self) -> &BTreeMap<String, Located<Vec<String>>> {
        &self.aliases
    }

    /// The backends that the configuration declares, by id.
    pub(crate) fn backends(&self) -> &BTreeMap<String, BackendEntry> {
        &self.backends
    }

    /// What nothing overrides.
    pub(crate) fn policy(&self) -> &Ceiling {
        &self.ceiling
    }

    /// The way to the network.
    pub(crate) fn network(&self) -> Network {
        let node = self.tree.child("network");
        node.and_then(|node| Network::read(node, self.home.as_deref()).ok())
            .unwrap_or_default()
    }

    /// Whether no network connection may be opened.
    pub(crate) fn offline(&self) -> bool {
        self.tree
            .setting("offline", Node::boolean)
            .is_some_and(|offline| offline.value)
    }

    /// The form of results.
    pub(crate) fn format(&self) -> Option<Format> {
        Some(self.tree.setting("format", Format::read)?.value)
    }

    /// When output is coloured.
    pub(crate) fn color(&self) -> Option<Color> {
        Some(self.tree.setting("color", Color::read)?.value)
    }

    /// How long to wait for a backend.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        Some(self.tree.setting("timeout", settings::duration)?.value)
    }

    /// How many artifacts are worked on at once.
    pub(crate) fn jobs(&self) -> Option<NonZeroUsize> {
        Some(self.tree.setting("jobs", settings::jobs)?.value)
    }

    /// Whether commands that are not built in may run, and who says so; the policy can forbid it.
    pub(crate) fn external_commands(&self) -> Located<bool> {
        if let Some(forbidden) = &self.ceiling.external_commands
            && !forbidden.value
        {
            return forbidden.clone();
        }
        self.tree
            .find(&["commands", "external"])
            .and_then(|n| Some(Located::new(n.boolean("").ok()?, &n.origin)))
            .unwrap_or(Located::built_in(true))
    }

    /// Where the values at a key and below come from; everything without a key. Empty if nothing is set there.
    pub(crate) fn explain(&self, key: Option<&str>) -> Vec<Explained> {
        explain::explain(&self.tree, key)
    }

    /// Every problem, of files and of all profiles.
    pub(crate) fn check(&self, manifests: Manifests<'_>) -> Vec<CommandError> {
        let mut problems = self.problems.clone();
        for (name, node) in self.profiles() {
            let name = Located::new(name.clone(), &node.named);
            problems.extend(
                self.read_profile(&self.tree, Some(name), manifests)
                    .err()
                    .into_iter()
                    .flatten(),
            );
        }
        if let Some(chosen) = self.profile_chosen(None) {
            problems.extend(profile::resolve(&self.tree, &chosen).err());
        }
        problems.extend(
            self.backends
                .iter()
                .filter_map(|(id, entry)| entry.unrecorded(id)),
        );
        // What a profile inherits is told once, and what a layer's own check said already is not said again.
        let mut told = BTreeSet::new();
        problems.retain(|p| told.insert(identity(p)));
        in_order(&mut problems);
        problems
    }

    /// The files that were looked for, in the order of the layers, the policy last.
    pub(crate) fn paths(&self) -> &[LookedAt] {
        &self.files
    }

    /// The file that `config set`, `profile use` and `backend pin` write.
    pub(crate) fn user_file(&self) -> Option<&Path> {
        self.user_file.as_deref()
    }

    /// Makes a profile the one to use. Returns the file.
    ///
    /// # Errors
    ///
    /// There is no such profile, or the user's file cannot be written.
    pub(crate) fn use_profile(&self, name: &str) -> Result<PathBuf, CommandError> {
        let origin = Origin::Flag("profile use".to_owned());
        profile::resolve(&self.tree, &Located::new(name.to_owned(), &origin))?;
        self.edit_user_file(|edit| edit.use_profile(name))
    }

    /// Records a third-party backend. Returns the file.
    ///
    /// # Errors
    ///
    /// As [`Edit::pin`] and [`Edit::save`].
    pub(crate) fn pin_backend(
        &self,
        id: &str,
        path: &Path,
        sha256: &str,
    ) -> Result<PathBuf, CommandError> {
        self.edit_user_file(|edit| edit.pin(id, path, sha256))
    }

    /// The user's file, to be changed.
    ///
    /// # Errors
    ///
    /// There is none without a home folder, or it cannot be read.
    pub(crate) fn edit(&self) -> Result<Edit, CommandError> {
        let file = self.user_file().ok_or_else(|| {
            CommandError::could_not_tell("there is no place for your configuration")
                .because("neither HOME nor XDG_CONFIG_HOME is set")
                .hint("name a file by the variable SIGTOOL_CONFIG")
        })?;
        Edit::open(file, self.home.as_deref())
    }

    fn edit_user_file(
        &self,
        change: impl FnOnce(&mut Edit) -> Result<(), CommandError>,
    ) -> Result<PathBuf, CommandError> {
        let mut edit = self.edit()?;
        change(&mut edit)?;
        edit.save()?;
        Ok(edit.path().to_owned())
    }

    fn profiles(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.tree
            .child("profile")
            .into_iter()
            .flat_map(Node::entries)
    }

    fn read_profile(
        &self,
        tree: &Node,
        name: Option<Located<String>>,
        manifests: Manifests<'_>,
    ) -> Result<Profile, Vec<CommandError>> {
        let resolved = match &name {
            Some(name) => profile::resolve(tree, name).map_err(|e| vec![e])?,
            None => profile::built_in(&tree.base),
        };
        Reading {
            manifests,
            declared: self.backends.keys().map(String::as_str).collect(),
            ceiling: &self.ceiling,
            home: self.home.as_deref(),
        }
        .profile(&resolved, name)
    }

    fn read_backends(&mut self) -> BTreeMap<String, BackendEntry> {
        let mut backends = BTreeMap::new();
        for (id, node) in self
            .tree
            .child("backend")
            .into_iter()
            .flat_map(Node::entries)
        {
            let mut entry = BackendEntry::read(node, self.home.as_deref());
            if let Some(least) = &self.ceiling.isolation
                && least.value == Isolation::Process
                && entry.isolation == Some(Isolation::InProcess)
            {
                self.warnings.push(format!(
                    "the backend `{id}` runs in a process of its own: {} demands it, against {}",
                    least.origin, entry.origin
                ));
                entry.isolation = Some(Isolation::Process);
            }
            backends.insert(id.clone(), entry);
        }
        backends
    }
}

/// The profile that a tree chooses, and what chose it.
fn chosen(tree: &Node, flag: Option<&str>) -> Option<Located<String>> {
    if let Some(name) = flag {
        let origin = Origin::Flag("--profile".to_owned());
        return Some(Located::new(name.to_owned(), &origin));
    }
    tree.setting("default_profile", |node, key| {
        node.string(key).map(str::to_owned)
    })
    .or_else(|| {
        let default = tree.find(&["profile", "default"])?;
        Some(Located::new("default".to_owned(), &default.named))
    })
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config").finish_non_exhaustive()
    }
}

impl BackendEntry {
    fn read(node: &Node, home: Option<&Path>) -> Self {
        let text = |key: &str| {
            let node = node.child(key)?;
            Some((node, node.string(key).ok()?))
        };
        Self {
            path: text("path").map(|(node, text)| absolute(&node.base, home, text)),
            sha256: text("sha256").map(|(_, text)| text.to_owned()),
            isolation: node
                .child("isolation")
                .and_then(|node| Isolation::read(node, "").ok()),
            grants: node
                .child("grants")
                .and_then(|node| node.array("").ok())
                .into_iter()
                .flatten()
                .filter_map(|node| Grant::read(node, "").ok())
                .collect(),
            origin: node.origin.clone(),
        }
    }

    /// The problem of a file without a recorded digest: it would not be loaded.
    fn unrecorded(&self, id: &str) -> Option<CommandError> {
        let path = self.path.as_ref()?;
        if self.sha256.is_some() {
            return None;
        }
        Some(
            self.origin
                .error(
                    format!("no `sha256` is recorded for the backend `{id}`, so it is not loaded"),
                    "`sha256` is missing",
                )
                .hint(format!(
                    "record it with `sigtool backend pin {}`",
                    typed(path)
                )),
        )
    }
}

fn aliases(tree: &Node) -> BTreeMap<String, Located<Vec<String>>> {
    tree.child("alias")
        .into_iter()
        .flat_map(Node::entries)
        .filter_map(|(name, node)| {
            let words = schema::alias(node, name).ok()?;
            Some((name.clone(), Located::new(words, &node.origin)))
        })
        .collect()
}

/// The problems of a file in the order of its lines; files stay in the order in which they were told first.
fn in_order(problems: &mut [CommandError]) {
    let path = |p: &CommandError| p.snippet.as_ref().map(|s| s.path.clone());
    let mut files: Vec<Option<PathBuf>> = Vec::new();
    for problem in problems.iter() {
        let path = path(problem);
        if !files.contains(&path) {
            files.push(path);
        }
    }
    problems.sort_by_key(|p| {
        let file = files.iter().position(|known| *known == path(p));
        (file, p.snippet.as_ref().map(|s| s.line()))
    });
}

/// What tells two problems apart: the place if there is one, and the label there; else the message.
fn identity(problem: &CommandError) -> (String, usize, String) {
    match &problem.snippet {
        Some(s) => (s.path.display().to_string(), s.span.start, s.label.clone()),
        None => (String::new(), 0, problem.message.clone()),
    }
}
