//! Writing the user's file: `config set`, `profile use`, `backend pin` and `init`. Comments and order are kept.

use crate::config::check::check;
use crate::config::file::read_file;
use crate::config::layer::name_the_choice;
use crate::config::mask::looks_secret;
use crate::config::origin::{Layer, Origin, SourceFile, shorten};
use crate::config::profile::Manifests;
use crate::config::profile::setting_value;
use crate::config::value::{Data, Node, dotted, parse_file, split};
use crate::error::{CommandError, Failure, why};
use sigtool_sdk::NewFile;
use sigtool_sdk::manifest::{Kind, SettingType};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

/// The user's file while it is changed. Nothing is written before [`save`](Self::save).
pub(crate) struct Edit {
    path: PathBuf,
    home: Option<PathBuf>,
    before: String,
    document: DocumentMut,
}

impl Edit {
    /// Reads the file; one that is not there yet is empty.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not TOML: then the user repairs it first.
    pub(crate) fn open(path: &Path, home: Option<&Path>) -> Result<Self, CommandError> {
        let before = match read_file(path, home, Layer::User)? {
            Some(file) => {
                let file = Arc::new(file);
                parse_file(&file)?;
                file.text.clone()
            }
            None => String::new(),
        };
        let document = before.parse().map_err(|_| {
            CommandError::could_not_tell(format!("{} is not valid TOML", shorten(path, home)))
        })?;
        Ok(Self {
            path: path.to_owned(),
            home: home.map(Path::to_owned),
            before,
            document,
        })
    }

    /// Sets a dotted key to a value: TOML, or a bare word that stands for a string.
    ///
    /// # Errors
    ///
    /// There is no such setting, the value is of the wrong type, or a secret itself; the value is then not repeated.
    pub(crate) fn set(
        &mut self,
        key: &str,
        value: &str,
        manifests: Manifests<'_>,
    ) -> Result<(), CommandError> {
        let mut path = split(key).ok_or_else(|| {
            CommandError::input(format!("`{key}` is not a setting"))
                .hint("a key is written with dots, as in profile.prod.attach")
        })?;
        let parsed: Value = value.trim().parse().unwrap_or_else(|_| Value::from(value));
        if path == ["profile"] && parsed.is_str() {
            path = vec!["default_profile".to_owned()];
        }
        let undo = self.document.clone();
        let result = self
            .put(&path, parsed)
            .and_then(|()| self.check(&path, manifests));
        if result.is_err() {
            self.document = undo;
        }
        result
    }

    /// Makes a profile the one to use.
    ///
    /// # Errors
    ///
    /// The file already has something else under that key.
    pub(crate) fn use_profile(&mut self, name: &str) -> Result<(), CommandError> {
        // In a file without profiles either spelling may stand; the file keeps its own.
        let key = match self.document.get("profile") {
            Some(item) if item.is_str() => "profile",
            _ => "default_profile",
        };
        self.put(&[key], Value::from(name))
    }

    /// Records a third-party backend: its file, absolute, and the digest of it. Its other settings stay.
    ///
    /// # Errors
    ///
    /// The path is not UTF-8, or the file has something else under that key.
    pub(crate) fn pin(&mut self, id: &str, file: &Path, sha256: &str) -> Result<(), CommandError> {
        let file = file.to_str().ok_or_else(|| {
            CommandError::input(format!("the path {} is not UTF-8", file.display()))
                .hint("move the backend to a path that a configuration file can hold")
        })?;
        self.put(&["backend", id, "path"], Value::from(file))?;
        self.put(&["backend", id, "sha256"], Value::from(sha256))
    }

    /// Puts a value under a key, unchecked; what `init` builds its profile with.
    ///
    /// # Errors
    ///
    /// Something on the way is not a table.
    pub(crate) fn put(
        &mut self,
        path: &[impl AsRef<str>],
        value: Value,
    ) -> Result<(), CommandError> {
        let Some((last, tables)) = path.split_last() else {
            return Ok(());
        };
        let mut table: &mut dyn TableLike = self.document.as_table_mut();
        for (depth, key) in tables.iter().enumerate() {
            let item = table
                .entry(key.as_ref())
                .or_insert_with(|| new_table(depth, tables.len()));
            if !item.is_table_like() {
                let taken = dotted(&path[..=depth]);
                return Err(CommandError::could_not_tell(format!(
                    "`{taken}` in {} is {}, not a table",
                    shorten(&self.path, self.home.as_deref()),
                    item.type_name()
                ))
                .hint(if taken == "profile" {
                    "rename it to `default_profile`: TOML cannot hold both".to_owned()
                } else {
                    format!("remove `{taken}` there first")
                }));
            }
            let Some(next) = item.as_table_like_mut() else {
                return Ok(());
            };
            table = next;
        }
        replace(table, last.as_ref(), value);
        Ok(())
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file, if anything changed: beside it and renamed, so that nobody sees half of it. Returns whether it did.
    ///
    /// A new file can be read by its owner alone, and so can new folders; an old one keeps its mode.
    ///
    /// # Errors
    ///
    /// The folder cannot be made or written.
    pub(crate) fn save(&mut self) -> Result<bool, CommandError> {
        let mut text = self.document.to_string();
        if text == self.before {
            return Ok(false);
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let shown = shorten(&self.path, self.home.as_deref());
        write(&self.path, &text).map_err(|e| {
            CommandError::could_not_tell(format!("cannot write {shown}")).because(why(&e))
        })?;
        self.before = text;
        Ok(true)
    }

    /// What is wrong with the value at `path` that was just put there.
    fn check(&self, path: &[String], manifests: Manifests<'_>) -> Result<(), CommandError> {
        let known = problems(&self.tree(&self.before)?);
        let after = self.tree(&self.document.to_string())?;
        secret_or_type(&after, path, self.home.as_deref(), manifests).map_err(as_input)?;
        match problems(&after)
            .into_iter()
            .find(|p| known.iter().all(|k| k.message != p.message))
        {
            Some(problem) => Err(as_input(problem)),
            None => Ok(()),
        }
    }

    fn tree(&self, text: &str) -> Result<Node, CommandError> {
        let file = SourceFile::new(
            self.path.clone(),
            self.home.as_deref(),
            text.to_owned(),
            Layer::User,
        );
        let mut tree = parse_file(&Arc::new(file)).map_err(as_input)?;
        name_the_choice(&mut tree).map_err(as_input)?;
        Ok(tree)
    }
}

fn problems(tree: &Node) -> Vec<CommandError> {
    check(tree)
}

/// What came from the command line is an input; and the line of a file that is not written is not shown.
fn as_input(mut error: CommandError) -> CommandError {
    error.failure = Failure::Input;
    error.snippet = None;
    error
}

/// Checks a setting of a backend: by its manifest if there is one, else only that its name is not a secret's.
fn secret_or_type(
    tree: &Node,
    path: &[String],
    home: Option<&Path>,
    manifests: Manifests<'_>,
) -> Result<(), CommandError> {
    let [top, name, kind, setting, ..] = path else {
        return match tree.find(path) {
            Some(node) => tables_of(node, path)
                .into_iter()
                .try_for_each(|path| secret_or_type(tree, &path, home, manifests)),
            None => Ok(()),
        };
    };
    let Some(kind) = Kind::ALL.into_iter().find(|k| k.as_str() == kind) else {
        return Ok(());
    };
    let Some(node) = tree.find(&path[..4]) else {
        return Ok(());
    };
    if top != "profile" || setting == "backend" {
        return Ok(());
    }
    let manifest = tree
        .find(&["profile", name, kind.as_str(), "backend"])
        .and_then(|n| n.string("").ok())
        .and_then(|id| manifests(id).ok().flatten());
    let key = dotted(&path[..4]);
    match manifest.as_ref().and_then(|m| m.config.get(&kind)) {
        Some(schema) => match schema.get(setting) {
            Some(known) => setting_value(node, &key, known.kind, home).map(drop),
            None => {
                let error = Origin::BuiltIn.error(format!("there is no setting `{key}`"), "");
                let keys = || schema.keys().map(String::as_str);
                Err(match crate::suggest::closest(setting, keys()) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.hint(format!(
                        "known here: {}",
                        keys().collect::<Vec<_>>().join(", ")
                    )),
                })
            }
        },
        None if looks_secret(setting) => {
            setting_value(node, &key, SettingType::Secret, home).map(drop)
        }
        None => Ok(()),
    }
}

/// The keys below a table that was set whole, one level down.
fn tables_of(node: &Node, path: &[String]) -> Vec<Vec<String>> {
    match &node.data {
        Data::Table(table) => table
            .keys()
            .map(|key| path.iter().chain([key]).cloned().collect())
            .collect(),
        _ => Vec::new(),
    }
}

/// `[profile.prod]` has no line of its own for `[profile]`.
fn new_table(depth: usize, tables: usize) -> Item {
    let mut table = Table::new();
    table.set_implicit(depth + 1 < tables);
    Item::Table(table)
}

/// Puts the value in the place of the old one, with the old one's comment.
fn replace(table: &mut dyn TableLike, key: &str, mut value: Value) {
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        Some(Item::Table(old)) if matches!(value, Value::InlineTable(_)) => {
            let Value::InlineTable(inline) = value else {
                return;
            };
            old.clear();
            for (key, value) in inline {
                old.insert(&key, Item::Value(value));
            }
        }
        Some(item) => *item = Item::Value(value),
        None => {
            table.insert(key, Item::Value(value));
        }
    }
}

/// Writes a file in one step. A link is followed, so that it stays one.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().unwrap_or(Path::new("/"));
    make_folders(folder)?;
    let new = NewFile::write(folder, text.as_bytes(), 0o600)?;
    if let Ok(old) = std::fs::metadata(&target) {
        new.file().set_permissions(old.permissions())?;
    }
    new.replace(&target)?;
    // The rename itself; a folder that cannot be synced is no reason to fail, since the file is written.
    if let Ok(folder) = std::fs::File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn make_folders(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}
