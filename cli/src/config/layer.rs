//! The layers of the configuration: where they are found, how they are read, and laid over each other.

use crate::config::check::check;
use crate::config::file::{contents, read_file};
use crate::config::inputs::{FileState, Inputs, LookedAt};
use crate::config::merge::merge;
use crate::config::origin::{Layer, Origin, SourceFile, shorten};
use crate::config::schema::{Reads, TOP};
use crate::config::value::{Data, Node, from_value, parse_file, parse_value, split};
use crate::config::{environment, project, trust};
use crate::error::CommandError;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The settings that say which profile is used, and what is in it.
const PROFILES: [&str; 2] = ["default_profile", "profile"];

/// What reading all layers gave.
pub(crate) struct Layers {
    pub(crate) tree: Node,
    /// The same without what a project's file says of profiles: whose signatures count, and where artifacts come from, is the user's.
    pub(crate) of_user: Node,
    pub(crate) files: Vec<LookedAt>,
    pub(crate) user_file: Option<PathBuf>,
    pub(crate) warnings: Vec<String>,
    /// Every problem; a layer that has one still counts, as far as it can be read.
    pub(crate) problems: Vec<CommandError>,
}

/// Reads all layers.
pub(crate) fn read(inputs: &Inputs) -> Layers {
    let base: Arc<Path> = inputs.working_dir.as_path().into();
    let mut layers = Layers {
        tree: built_in(&base),
        of_user: built_in(&base),
        files: Vec::new(),
        user_file: None,
        warnings: environment::warnings(&inputs.environment),
        problems: Vec::new(),
    };
    layers.file(
        inputs,
        &inputs.system_dir.join("config.toml"),
        Layer::System,
    );
    layers.user(inputs);
    layers.project(inputs);

    let (trees, problems) = environment::layer(&inputs.environment, &base);
    layers.problems.extend(problems);
    trees.into_iter().for_each(|tree| layers.add(tree));

    for text in &inputs.overrides {
        layers.command_line(inputs, text, &base);
    }
    for (setting, value) in &inputs.flags {
        let origin = Origin::Flag(setting.flag.unwrap_or(setting.key).to_owned());
        let value = from_value(value, &origin, &base);
        layers.add(Node::at(&[setting.key], value));
    }
    layers
}

/// What holds when nobody says anything.
fn built_in(base: &Arc<Path>) -> Node {
    let mut root = Node::empty_table(Origin::BuiltIn, base);
    for setting in TOP {
        let below = match setting.reads {
            Reads::Table(settings) => settings,
            _ => &[],
        };
        let own = setting.default.map(|default| (vec![setting.key], default));
        let below = below
            .iter()
            .filter_map(|inner| Some((vec![setting.key, inner.key], inner.default?)));
        for (path, default) in own.into_iter().chain(below) {
            let node = Node::new(default.data(), Origin::BuiltIn, base);
            merge(&mut root, Node::at(&path, node));
        }
    }
    root
}

impl Layers {
    /// Checks a tree and lays it over the others.
    fn add(&mut self, mut tree: Node) {
        if let Err(error) = name_the_choice(&mut tree) {
            self.problems.push(error);
        }
        self.problems.extend(check(&tree));
        merge(&mut self.of_user, tree.clone());
        merge(&mut self.tree, tree);
    }

    /// The same of a project's file, as far as it may speak.
    fn add_project(&mut self, mut tree: Node, user_file: Option<&str>) {
        // Named before it is judged: the choice of a profile is not a profile.
        self.problems.extend(name_the_choice(&mut tree).err());
        self.problems.extend(check(&tree));
        self.problems
            .extend(trust::sift(&mut tree, &self.tree, user_file));
        let mut of_user = tree.clone();
        PROFILES.iter().for_each(|key| _ = of_user.remove(key));
        merge(&mut self.of_user, of_user);
        merge(&mut self.tree, tree);
    }

    fn user(&mut self, inputs: &Inputs) {
        let chosen = inputs
            .environment
            .get(environment::CONFIG)
            .filter(|path| !path.is_empty());
        if let Some(path) = chosen {
            let path = inputs.working_dir.join(path);
            let there = self.file(inputs, &path, Layer::User);
            if !there {
                let shown = shorten(&path, inputs.home.as_deref());
                self.problems.push(
                    Origin::Variable(environment::CONFIG)
                        .error(format!("there is no file {shown}"), ""),
                );
            }
            self.user_file = Some(path);
        } else if let Some(path) = &inputs.user_file {
            let path = inputs.working_dir.join(path);
            self.file(inputs, &path, Layer::User);
            self.user_file = Some(path);
        }
    }

    fn project(&mut self, inputs: &Inputs) {
        let Some(path) = project::find(&inputs.working_dir, inputs.home.as_deref()) else {
            let path = inputs.working_dir.join(project::FILE);
            self.looked(Layer::Project, path, FileState::Missing);
            return;
        };
        let home = inputs.home.as_deref();
        match project::open(&path) {
            Ok(file) => {
                let file = contents(file, &path, home, Layer::Project);
                self.found(inputs, &path, Layer::Project, file);
            }
            Err(reason) => {
                let shown = shorten(&path, home);
                self.warnings.push(format!("{shown} is ignored: {reason}"));
                self.looked(Layer::Project, path, FileState::Ignored(reason));
            }
        }
    }

    /// One `--config`: `KEY=VALUE`, or a file. What has a `/` before the `=` is a file.
    fn command_line(&mut self, inputs: &Inputs, text: &str, base: &Arc<Path>) {
        match text.split_once('=') {
            Some((key, value)) if !key.contains('/') => {
                let key = key.trim();
                // The value stays out of the origin: it may be a secret.
                let origin = Origin::Flag(format!("--config {key}"));
                let Some(keys) = split(key) else {
                    self.problems.push(
                        CommandError::input("--config: what stands before `=` is not a setting")
                            .hint("write --config KEY=VALUE, as in --config format=json"),
                    );
                    return;
                };
                match parse_value(value, &origin, base) {
                    Ok(leaf) => self.add(Node::at(&keys, leaf)),
                    Err(error) => self.problems.push(error),
                }
            }
            _ => {
                let path = inputs.working_dir.join(text);
                if !self.file(inputs, &path, Layer::Override) {
                    self.problems.push(
                        CommandError::input(format!("--config: there is no file {text}"))
                            .hint("write --config FILE, or --config KEY=VALUE"),
                    );
                }
            }
        }
    }

    /// Reads a file, if it is there. Returns whether it is.
    fn file(&mut self, inputs: &Inputs, path: &Path, layer: Layer) -> bool {
        let home = inputs.home.as_deref();
        let Some(file) = read_file(path, home, layer).transpose() else {
            self.looked(layer, path.to_owned(), FileState::Missing);
            return false;
        };
        self.found(inputs, path, layer, file);
        true
    }

    /// Takes in a file that is there.
    fn found(
        &mut self,
        inputs: &Inputs,
        path: &Path,
        layer: Layer,
        file: Result<SourceFile, CommandError>,
    ) {
        let parsed = file.and_then(|file| parse_file(&Arc::new(file)));
        let tree = match parsed {
            Ok(tree) => tree,
            Err(error) => {
                self.problems.push(error);
                self.looked(layer, path.to_owned(), FileState::Wrong);
                return;
            }
        };
        let before = self.problems.len();
        if layer == Layer::Project {
            let home = inputs.home.as_deref();
            let user = self.user_file.as_deref().map(|p| shorten(p, home));
            self.add_project(tree, user.as_deref());
        } else {
            self.add(tree);
        }
        let state = if self.problems.len() == before {
            FileState::Read
        } else {
            FileState::Wrong
        };
        self.looked(layer, path.to_owned(), state);
    }

    fn looked(&mut self, layer: Layer, path: PathBuf, state: FileState) {
        self.files.push(LookedAt { layer, path, state });
    }
}

/// `profile = "NAME"` chooses a profile, `[profile.NAME]` is one: the first becomes `default_profile`.
///
/// # Errors
///
/// Both spellings in one place.
pub(crate) fn name_the_choice(tree: &mut Node) -> Result<(), CommandError> {
    if !matches!(
        tree.child("profile").map(|n| &n.data),
        Some(Data::String(_))
    ) {
        return Ok(());
    }
    let Some(choice) = tree.remove("profile") else {
        return Ok(());
    };
    if tree.child("default_profile").is_some() {
        return Err(choice.named.error(
            "`profile` and `default_profile` say the same: keep one",
            "remove this",
        ));
    }
    tree.insert("default_profile", choice);
    Ok(())
}
