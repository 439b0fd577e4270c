//! The tree of located values: every scalar, array and table knows where it came from.

use crate::config::mask::{self, HIDDEN, hides};
use crate::config::origin::{Origin, SourceFile};
use crate::error::{CommandError, Snippet};
use crate::pasted::is_private_key;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

impl<T> Located<T> {
    pub(crate) fn new(value: T, origin: &Origin) -> Self {
        Self {
            value,
            origin: origin.clone(),
        }
    }

    pub(crate) fn built_in(value: T) -> Self {
        Self {
            value,
            origin: Origin::BuiltIn,
        }
    }
}

/// One value of the configuration.
///
/// No `Debug`: a tree that has not been checked may hold a secret.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) data: Data,
    /// Where the value stands.
    pub(crate) origin: Origin,
    /// Where its key stands; of an item of an array, the item.
    pub(crate) named: Origin,
    /// The folder that a relative path resolves against.
    pub(crate) base: Arc<Path>,
    /// The profile that it is inherited from, in a resolved profile.
    pub(crate) inherited: Option<Arc<str>>,
    /// What it took the place of, the latest last.
    pub(crate) overrode: Vec<Overrode>,
}

/// What a value is.
#[derive(Clone)]
pub(crate) enum Data {
    Array(Vec<Node>),
    Boolean(bool),
    Datetime(String),
    Float(f64),
    Integer(i64),
    String(String),
    Table(BTreeMap<String, Node>),
}

/// A value that was replaced by a higher layer or by the profile that inherits it.
#[derive(Clone, Debug)]
pub(crate) struct Overrode {
    /// Its key below the value that replaced it; empty if it had the same.
    pub(crate) key: String,
    /// As it would be written in TOML, secrets hidden.
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

impl Data {
    /// What a user calls it, with its article.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Array(_) => "an array",
            Self::Boolean(_) => "true or false",
            Self::Datetime(_) => "a date",
            Self::Float(_) => "a fraction",
            Self::Integer(_) => "a whole number",
            Self::String(_) => "a string",
            Self::Table(_) => "a table",
        }
    }
}

impl Node {
    pub(crate) fn new(data: Data, origin: Origin, base: &Arc<Path>) -> Self {
        Self {
            data,
            named: origin.clone(),
            origin,
            base: Arc::clone(base),
            inherited: None,
            overrode: Vec::new(),
        }
    }

    pub(crate) fn empty_table(origin: Origin, base: &Arc<Path>) -> Self {
        Self::new(Data::Table(BTreeMap::new()), origin, base)
    }

    /// A tree with one value, at a dotted key.
    pub(crate) fn at(path: &[impl AsRef<str>], leaf: Self) -> Self {
        path.iter().rev().fold(leaf, |node, key| {
            let mut table = Self::empty_table(node.origin.clone(), &node.base);
            table.insert(key.as_ref(), node);
            table
        })
    }

    /// The table's entries; of anything else, none.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&String, &Self)> {
        self.as_table().into_iter().flatten()
    }

    pub(crate) fn as_table(&self) -> Option<&BTreeMap<String, Self>> {
        match &self.data {
            Data::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The value under a key of a table.
    pub(crate) fn child(&self, key: &str) -> Option<&Self> {
        self.as_table()?.get(key)
    }

    /// The setting under a key of a table. A wrong one is among the problems that are told, and counts as absent.
    pub(crate) fn setting<'a, T>(
        &'a self,
        key: &str,
        read: impl Fn(&'a Self, &str) -> Result<T, CommandError>,
    ) -> Option<Located<T>> {
        let node = self.child(key)?;
        Some(Located::new(read(node, key).ok()?, &node.origin))
    }

    /// The value under a dotted key.
    pub(crate) fn find(&self, path: &[impl AsRef<str>]) -> Option<&Self> {
        path.iter()
            .try_fold(self, |node, key| node.child(key.as_ref()))
    }

    /// The node at a path, to be changed.
    pub(crate) fn find_mut(&mut self, path: &[&str]) -> Option<&mut Self> {
        path.iter()
            .try_fold(self, |node, key| match &mut node.data {
                Data::Table(table) => table.get_mut(*key),
                _ => None,
            })
    }

    pub(crate) fn insert(&mut self, key: &str, node: Self) {
        if let Data::Table(table) = &mut self.data {
            table.insert(key.to_owned(), node);
        }
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Self> {
        match &mut self.data {
            Data::Table(table) => table.remove(key),
            _ => None,
        }
    }

    /// The error for a value of the wrong type. Never has the value.
    pub(crate) fn wrong_type(&self, key: &str, expected: &str) -> CommandError {
        self.origin.error(
            format!(
                "`{key}` takes {expected}, this is {}",
                self.data.type_name()
            ),
            &format!("expected {expected}"),
        )
    }

    pub(crate) fn string(&self, key: &str) -> Result<&str, CommandError> {
        match &self.data {
            Data::String(text) => Ok(text),
            _ => Err(self.wrong_type(key, "a string")),
        }
    }

    pub(crate) fn boolean(&self, key: &str) -> Result<bool, CommandError> {
        match self.data {
            Data::Boolean(value) => Ok(value),
            _ => Err(self.wrong_type(key, "true or false")),
        }
    }

    pub(crate) fn integer(&self, key: &str) -> Result<i64, CommandError> {
        match self.data {
            Data::Integer(value) => Ok(value),
            _ => Err(self.wrong_type(key, "a whole number")),
        }
    }

    pub(crate) fn array(&self, key: &str) -> Result<&[Self], CommandError> {
        match &self.data {
            Data::Array(items) => Ok(items),
            _ => Err(self.wrong_type(key, "a list")),
        }
    }

    pub(crate) fn table(&self, key: &str) -> Result<&BTreeMap<String, Self>, CommandError> {
        self.as_table()
            .ok_or_else(|| self.wrong_type(key, "a table"))
    }

    pub(crate) fn strings(&self, key: &str) -> Result<Vec<Located<String>>, CommandError> {
        let Data::Array(items) = &self.data else {
            return Err(self.wrong_type(key, "a list of strings"));
        };
        items
            .iter()
            .map(|item| Ok(Located::new(item.string(key)?.to_owned(), &item.origin)))
            .collect()
    }

    /// As JSON, for settings whose content is a backend's own business.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.data {
            Data::Array(items) => items.iter().map(Self::to_json).collect(),
            Data::Boolean(value) => (*value).into(),
            Data::Datetime(text) | Data::String(text) => text.as_str().into(),
            Data::Float(value) => (*value).into(),
            Data::Integer(value) => (*value).into(),
            Data::Table(table) => table
                .iter()
                .map(|(key, node)| (key.clone(), node.to_json()))
                .collect(),
        }
    }

    /// Every value that has nothing below it, with its dotted key, in order.
    pub(crate) fn leaves(&self, path: &[String]) -> Vec<(Vec<String>, &Self)> {
        match &self.data {
            Data::Table(table) if !table.is_empty() => table
                .iter()
                .flat_map(|(key, node)| {
                    let mut path = path.to_vec();
                    path.push(key.clone());
                    node.leaves(&path)
                })
                .collect(),
            _ => vec![(path.to_vec(), self)],
        }
    }

    /// The value as TOML would have it, with what may be a secret hidden. `path` is its dotted key.
    pub(crate) fn shown(&self, path: &[String]) -> String {
        match &self.data {
            Data::Table(table) if table.is_empty() => "{}".to_owned(),
            Data::Table(table) => {
                let inside: Vec<String> = table
                    .iter()
                    .map(|(key, node)| {
                        let mut path = path.to_vec();
                        path.push(key.clone());
                        format!("{} = {}", spell(key), node.shown(&path))
                    })
                    .collect();
                format!("{{ {} }}", inside.join(", "))
            }
            _ if hides(path.iter().map(String::as_str)) => HIDDEN.to_owned(),
            data if is_below_secret(path) && !is_reference(path, data) => HIDDEN.to_owned(),
            Data::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| item.shown(path)).collect();
                format!("[{}]", items.join(", "))
            }
            Data::Boolean(value) => value.to_string(),
            Data::Datetime(text) => text.clone(),
            Data::Float(value) => toml::Value::Float(*value).to_string(),
            Data::Integer(value) => value.to_string(),
            Data::String(text) if is_private_key(text) => HIDDEN.to_owned(),
            Data::String(text) => toml_edit::Value::from(text.as_str()).to_string(),
        }
    }
}

/// Whether a value is what a reference to a secret has: what else stands there may be the secret.
fn is_reference(path: &[String], data: &Data) -> bool {
    let kind = path.last().map(String::as_str);
    match data {
        Data::String(text) => kind != Some("env") || mask::is_variable_name(text),
        _ => false,
    }
}

fn is_below_secret(path: &[String]) -> bool {
    let above = path.split_last().map_or(path, |(_, above)| above);
    hides(above.iter().map(String::as_str).chain([""]))
}

/// The dotted key, quoted where TOML wants quotes.
pub(crate) fn dotted(path: &[impl AsRef<str>]) -> String {
    let keys: Vec<String> = path.iter().map(|key| spell(key.as_ref())).collect();
    keys.join(".")
}

/// The key below another one.
pub(crate) fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        spell(key)
    } else {
        format!("{path}.{}", spell(key))
    }
}

fn spell(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        toml_edit::Value::from(key).to_string()
    }
}

/// The keys of a dotted key; `None` if it is not one.
pub(crate) fn split(key: &str) -> Option<Vec<String>> {
    let keys = toml_edit::Key::parse(key).ok()?;
    Some(keys.iter().map(|key| key.get().to_owned()).collect())
}

/// The absolute path that a text means: `~/` is the home folder, anything relative is below `base`.
pub(crate) fn absolute(base: &Path, home: Option<&Path>, text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => base.join(text.strip_prefix("./").unwrap_or(text)),
    }
}

/// Parses a file.
///
/// # Errors
///
/// It is not TOML: shown with its line, where nothing stands that may be a secret.
pub(crate) fn parse_file(file: &Arc<SourceFile>) -> Result<Node, CommandError> {
    let table = DeTable::parse(&file.text).map_err(|e| not_toml(file, &e))?;
    let base: Arc<Path> = file.folder().into();
    let reader = Reader {
        place: &|span| file.at(span),
        base: &base,
    };
    let mut root = Node::empty_table(file.at(0..0), &base);
    root.data = reader.table(table.get_ref())?;
    Ok(root)
}

/// Parses the value of `--config KEY=VALUE`: TOML, or a bare word that stands for a string.
///
/// # Errors
///
/// A number that nothing can hold.
pub(crate) fn parse_value(
    text: &str,
    origin: &Origin,
    base: &Arc<Path>,
) -> Result<Node, CommandError> {
    match DeValue::parse(text.trim()) {
        Ok(value) => Reader {
            place: &|_| origin.clone(),
            base,
        }
        .node(&value, origin.clone()),
        Err(_) => Ok(Node::new(
            Data::String(text.to_owned()),
            origin.clone(),
            base,
        )),
    }
}

/// The value of a flag.
pub(crate) fn from_value(value: &toml::Value, origin: &Origin, base: &Arc<Path>) -> Node {
    let data = match value {
        toml::Value::Array(items) => Data::Array(
            items
                .iter()
                .map(|item| from_value(item, origin, base))
                .collect(),
        ),
        toml::Value::Boolean(value) => Data::Boolean(*value),
        toml::Value::Datetime(value) => Data::Datetime(value.to_string()),
        toml::Value::Float(value) => Data::Float(*value),
        toml::Value::Integer(value) => Data::Integer(*value),
        toml::Value::String(text) => Data::String(text.clone()),
        toml::Value::Table(table) => Data::Table(
            table
                .iter()
                .map(|(key, value)| (key.clone(), from_value(value, origin, base)))
                .collect(),
        ),
    };
    Node::new(data, origin.clone(), base)
}

fn not_toml(file: &SourceFile, error: &toml::de::Error) -> CommandError {
    let span = error.span().unwrap_or(0..0);
    let both = file.text.get(span.clone()) == Some("profile");
    let (text, span) = mask::mask(&file.text, &span, None, true);
    let report = CommandError::new(file.failure(), format!("{} is not valid TOML", file.shown))
        .because(error.message())
        .snippet(Snippet {
            path: PathBuf::from(&file.shown),
            text,
            span,
            label: String::new(),
        });
    if both {
        report.hint(
            "TOML cannot hold `profile = \"NAME\"` and `[profile.NAME]` in one file: \
             write `default_profile = \"NAME\"`",
        )
    } else {
        report
    }
}

/// Makes located values of parsed ones.
struct Reader<'a> {
    place: &'a dyn Fn(Range<usize>) -> Origin,
    base: &'a Arc<Path>,
}

impl Reader<'_> {
    fn node(&self, value: &Spanned<DeValue<'_>>, named: Origin) -> Result<Node, CommandError> {
        let origin = (self.place)(value.span());
        let data = match value.get_ref() {
            DeValue::Array(items) => Data::Array(
                items
                    .iter()
                    .map(|item| self.node(item, (self.place)(item.span())))
                    .collect::<Result<_, _>>()?,
            ),
            DeValue::Boolean(value) => Data::Boolean(*value),
            DeValue::Datetime(value) => Data::Datetime(value.to_string()),
            DeValue::Float(value) => Data::Float(
                value
                    .as_str()
                    .parse()
                    .map_err(|_| origin.error("this number is out of range", ""))?,
            ),
            DeValue::Integer(value) => Data::Integer(
                i64::from_str_radix(value.as_str(), value.radix())
                    .map_err(|_| origin.error("this number is out of range", ""))?,
            ),
            DeValue::String(text) => Data::String(text.clone().into_owned()),
            DeValue::Table(table) => self.table(table)?,
        };
        let mut node = Node::new(data, origin, self.base);
        node.named = named;
        Ok(node)
    }

    fn table(&self, table: &DeTable<'_>) -> Result<Data, CommandError> {
        let entries = table
            .iter()
            .map(|(key, value)| {
                let node = self.node(value, (self.place)(key.span()))?;
                Ok((key.get_ref().clone().into_owned(), node))
            })
            .collect::<Result<_, CommandError>>()?;
        Ok(Data::Table(entries))
    }
}

/// One field of a profile; a wrong one is noted and counts as absent.
pub(crate) fn field<'a, T>(
    node: &'a Node,
    path: &str,
    key: &str,
    problems: &mut Vec<CommandError>,
    read: impl Fn(&'a Node, &str) -> Result<T, CommandError>,
) -> Option<Located<T>> {
    let node = node.child(key)?;
    match read(node, &below(path, key)) {
        Ok(value) => Some(Located::new(value, &node.origin)),
        Err(error) => {
            problems.push(error);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::origin::Layer;
    use crate::error::Failure;

    fn file(text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile::new(
            "/etc/sigtool/config.toml".into(),
            None,
            text.into(),
            Layer::System,
        ))
    }

    fn refused(text: &str) -> CommandError {
        match parse_file(&file(text)) {
            Ok(_) => panic!("{text} was accepted"),
            Err(e) => e,
        }
    }

    #[test]
    fn every_value_knows_its_line() {
        let tree = parse_file(&file("jobs = 2\n[profile.a]\nattach = true\n"))
            .ok()
            .unwrap();
        let attach = tree.find(&["profile", "a", "attach"]).unwrap();
        assert_eq!(attach.origin.to_string(), "/etc/sigtool/config.toml:3");
        let error = attach.wrong_type("attach", "a string");
        let snippet = error.snippet.unwrap();
        assert_eq!(&snippet.text[snippet.span], "true");
        assert_eq!(error.failure, Failure::CouldNotTell);
    }

    #[test]
    fn a_file_that_is_not_toml_is_shown_without_its_secrets() {
        let error = refused("[profile.a.signer]\npassword = \"hunter2\n");
        assert_eq!(error.message, "/etc/sigtool/config.toml is not valid TOML");
        assert!(!error.snippet.unwrap().text.contains("hunter2"));
    }

    #[test]
    fn the_choice_of_a_profile_beside_profiles_is_told_its_spelling() {
        let error = refused("profile = \"a\"\n[profile.a]\nattach = true\n");
        assert!(
            error.hints[0].contains("`default_profile = \"NAME\"`"),
            "{:?}",
            error.hints
        );
    }

    #[test]
    fn keys_are_quoted_where_toml_wants_quotes() {
        assert_eq!(
            dotted(&["backend", "dev.acme.hsm", "path"]),
            "backend.\"dev.acme.hsm\".path"
        );
        assert_eq!(
            split("backend.\"dev.acme.hsm\".path").unwrap()[1],
            "dev.acme.hsm"
        );
        assert!(split("a..b").is_none());
    }

    #[test]
    fn a_bare_word_is_a_string_and_the_rest_is_toml() {
        let base: Arc<Path> = Path::new("/").into();
        let shown = |text: &str| {
            parse_value(text, &Origin::BuiltIn, &base)
                .ok()
                .unwrap()
                .shown(&["a".to_owned()])
        };
        assert_eq!(shown("json"), "\"json\"");
        assert_eq!(shown("env://X"), "\"env://X\"");
        assert_eq!(shown("[1, true]"), "[1, true]");
        assert_eq!(shown("{ env = \"X\" }"), "{ env = \"X\" }");
        // Not a second setting smuggled in after a line end.
        let smuggled = parse_value("1\nb = 2", &Origin::BuiltIn, &base)
            .ok()
            .unwrap();
        assert_eq!(smuggled.string("a").ok(), Some("1\nb = 2"));
    }
}
