//! The rooms of a crate: which of its files name which others, read from their tokens.
//!
//! A room is a file or a folder directly in the crate's `src`. The layers are a table in ARCHITECTURE.md: rooms of one line are on one
//! floor, and a file may name what lies in its own room or on a floor below.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

/// A module, by its names below the crate: empty for the root.
type Module = Vec<String>;

/// The files of a crate, by module.
pub(super) struct Crate {
    files: BTreeMap<Module, File>,
}

#[derive(Default)]
struct File {
    /// Every path that it names, from the root of the crate.
    paths: BTreeSet<Vec<String>>,
    /// What others may name here, and where it comes from.
    re_exports: BTreeMap<String, Vec<String>>,
    /// The modules below it that only tests have.
    for_tests: Vec<Module>,
}

impl Crate {
    /// Reads files: each its name below `src`, and its text. Those that are for tests alone are left out.
    pub(super) fn read<'t>(sources: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let sources: Vec<_> = sources
            .into_iter()
            .map(|(name, text)| (module(name), text))
            .collect();
        let modules: BTreeSet<Module> = sources.iter().map(|(module, _)| module.clone()).collect();
        let files = sources.into_iter().map(|(module, text)| {
            let tokens = text.parse().unwrap_or_else(|e| panic!("{module:?}: {e}"));
            let mut reader = Reader {
                modules: &modules,
                module: &module,
                file: File::default(),
            };
            reader.read(tokens);
            let file = reader.file;
            (module, file)
        });
        let mut files: BTreeMap<Module, File> = files.collect();
        let for_tests: Vec<Module> = files
            .values()
            .flat_map(|file| file.for_tests.clone())
            .collect();
        files.retain(|module, _| !for_tests.iter().any(|tests| module.starts_with(tests)));
        Self { files }
    }

    /// The names of its rooms. The root stands above all of them.
    pub(super) fn rooms(&self) -> BTreeSet<&str> {
        let below = self.files.keys().filter_map(|module| module.first());
        below.map(String::as_str).collect()
    }

    /// The arrows against the floors: from which file to which, and what is named.
    pub(super) fn up(&self, floors: &[Vec<String>]) -> Vec<String> {
        let floor = |module: &Module| {
            let is_on = |floor: &Vec<String>| floor.iter().any(|name| Some(name) == module.first());
            floors.iter().position(is_on)
        };
        let mut found = Vec::new();
        for (from, file) in &self.files {
            for path in &file.paths {
                let Some(to) = self.origin(path) else {
                    continue;
                };
                if from.first() != to.first() && floor(&to) <= floor(from) {
                    found.push(format!("{} → {}", shown(from), path.join("::")));
                }
            }
        }
        found
    }

    /// The arrows between what lies directly in a room.
    pub(super) fn between(&self, room: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (from, file) in &self.files {
            for path in &file.paths {
                let Some(to) = self.origin(path) else {
                    continue;
                };
                if let ([a, one, ..], [b, other, ..]) = (&from[..], &to[..])
                    && (a, b) == (&room.to_owned(), &room.to_owned())
                    && one != other
                {
                    found.push(format!("{} → {}", shown(from), path.join("::")));
                }
            }
        }
        found
    }

    /// The files that name themselves by way of others.
    pub(super) fn circles(&self) -> Vec<String> {
        let arrows: BTreeMap<&Module, BTreeSet<Module>> = self
            .files
            .iter()
            .map(|(from, file)| {
                let to = file.paths.iter().filter_map(|path| self.origin(path));
                (from, to.filter(|to| to != from).collect())
            })
            .collect();
        let in_circle = |module: &&Module| {
            let mut reached = BTreeSet::new();
            let mut ahead: Vec<&Module> = arrows[*module].iter().collect();
            while let Some(next) = ahead.pop() {
                if reached.insert(next) {
                    ahead.extend(&arrows[next]);
                }
            }
            reached.contains(*module)
        };
        let found = self.files.keys().filter(in_circle);
        found.map(shown).collect()
    }

    /// The module in which a path ends, by way of what is exported again.
    fn origin(&self, path: &[String]) -> Option<Module> {
        let (module, file) = (0..=path.len())
            .rev()
            .find_map(|length| self.files.get_key_value(&path[..length]))?;
        let named = path.get(module.len());
        match named.and_then(|name| file.re_exports.get(name)) {
            Some(from) if from != path => self.origin(from),
            _ => Some(module.clone()),
        }
    }
}

/// The floors of a table, from the top: each line the names of rooms, and behind two blanks what they are for.
pub(super) fn floors(table: &str) -> Vec<Vec<String>> {
    let lines = table.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let names = line.split("  ").next().unwrap_or_default();
            names.split_whitespace().map(str::to_owned).collect()
        })
        .collect()
}

fn module(name: &str) -> Module {
    let name = name.trim_end_matches(".rs");
    let names = name.split('/').map(str::to_owned);
    let mut module: Module = names.collect();
    if matches!(
        module.last().map(String::as_str),
        Some("lib" | "main" | "mod")
    ) {
        module.pop();
    }
    module
}

fn shown(module: &Module) -> String {
    match module.is_empty() {
        true => "the root".to_owned(),
        false => module.join("::"),
    }
}

struct Reader<'m> {
    modules: &'m BTreeSet<Module>,
    module: &'m Module,
    file: File,
}

impl Reader<'_> {
    /// Finds the paths in tokens; what is there for tests only is passed over.
    fn read(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        let mut is_public = false;
        // Behind `::` or `.` a name begins no path.
        let mut goes_on = false;
        while let Some(token) = tokens.next() {
            let went_on = std::mem::take(&mut goes_on);
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    if let Some(TokenTree::Group(attribute)) =
                        tokens.next_if(|next| matches!(next, TokenTree::Group(_)))
                        && is_for_tests(attribute.stream())
                    {
                        self.skip_item(&mut tokens);
                    }
                }
                TokenTree::Punct(punct) => goes_on = matches!(punct.as_char(), ':' | '.'),
                // The `(crate)` of `pub(crate)`.
                TokenTree::Group(group)
                    if is_public && group.delimiter() == Delimiter::Parenthesis =>
                {
                    continue;
                }
                TokenTree::Group(group) => self.read(group.stream()),
                TokenTree::Ident(word) if word == "pub" => {
                    is_public = true;
                    continue;
                }
                TokenTree::Ident(word) if word == "use" => self.read_use(&mut tokens, is_public),
                TokenTree::Ident(word) if !went_on => {
                    let mut path = vec![word.to_string()];
                    while let Some(name) = next_name(&mut tokens) {
                        path.push(name);
                    }
                    self.names(&path);
                }
                TokenTree::Ident(_) | TokenTree::Literal(_) => {}
            }
            is_public = false;
        }
    }

    /// Passes over an item for tests, which may be a file of its own.
    fn skip_item(&mut self, tokens: &mut Tokens) {
        let mut words = Vec::new();
        for token in tokens.by_ref() {
            let is_body =
                matches!(&token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
            if is_body || is_punct(&token, ';') || is_punct(&token, ',') {
                break;
            }
            words.push(token.to_string());
        }
        if let [.., word, name] = words.as_slice()
            && word == "mod"
        {
            let names = self.module.iter().chain([name]);
            self.file.for_tests.push(names.cloned().collect());
        }
    }

    fn read_use(&mut self, tokens: &mut Tokens, is_public: bool) {
        let until_end: TokenStream =
            std::iter::from_fn(|| tokens.next_if(|token| !is_punct(token, ';'))).collect();
        for (path, name) in leaves(until_end, &[]) {
            self.names(&path);
            if is_public && let Some(path) = self.absolute(&path) {
                self.file.re_exports.insert(name, path);
            }
        }
    }

    fn names(&mut self, path: &[String]) {
        self.file.paths.extend(self.absolute(path));
    }

    /// A path from the root of the crate; none if it leads out of it, or names something of this file.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let above = path.iter().take_while(|name| *name == "super").count();
        let own = self.module.iter().cloned();
        match path[0].as_str() {
            "crate" => Some(path[1..].to_vec()),
            "super" => {
                let kept = own.take(self.module.len().checked_sub(above)?);
                Some(kept.chain(path[above..].iter().cloned()).collect())
            }
            "self" => Some(own.chain(path[1..].iter().cloned()).collect()),
            child => {
                let below: Module = own.clone().chain([child.to_owned()]).collect();
                let is_module = path.len() > 1 && self.modules.contains(&below);
                is_module.then(|| own.chain(path.iter().cloned()).collect())
            }
        }
    }
}

type Tokens = Peekable<proc_macro2::token_stream::IntoIter>;

fn is_punct(token: &TokenTree, punct: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == punct)
}

/// The name behind the next `::`, if that is what follows.
fn next_name(tokens: &mut Tokens) -> Option<String> {
    let mut ahead = tokens.clone();
    let colons = ahead.by_ref().take(2).all(|token| is_punct(&token, ':'));
    let Some(TokenTree::Ident(name)) = ahead.next().filter(|_| colons) else {
        return None;
    };
    *tokens = ahead;
    Some(name.to_string())
}

/// Whether an attribute lets its item be for tests only.
fn is_for_tests(attribute: TokenStream) -> bool {
    let mut words = attribute.into_iter();
    let is = |token: Option<TokenTree>, word: &str| matches!(token, Some(TokenTree::Ident(found)) if found == word);
    if !is(words.next(), "cfg") {
        return false;
    }
    let Some(TokenTree::Group(condition)) = words.next() else {
        return false;
    };
    let mut condition = condition.stream().into_iter();
    match condition.next() {
        Some(TokenTree::Ident(word)) if word == "test" => true,
        Some(TokenTree::Ident(word)) if word == "all" => match condition.next() {
            Some(TokenTree::Group(all)) => all.stream().into_iter().any(|t| is(Some(t), "test")),
            _ => false,
        },
        _ => false,
    }
}

/// The paths of a `use`, each with the name that it gets here.
fn leaves(tokens: TokenStream, before: &[String]) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    let mut path = before.to_vec();
    let mut name = None;
    let mut end = |path: &mut Vec<String>, name: &mut Option<String>| {
        if path.len() > before.len() {
            if path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let last = path.last().cloned().unwrap_or_default();
            found.push((path.clone(), name.take().unwrap_or(last)));
        }
        *path = before.to_vec();
    };
    let mut tokens = tokens.into_iter();
    let mut nested = Vec::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "as" => {
                name = tokens.next().map(|name| name.to_string());
            }
            TokenTree::Ident(word) => path.push(word.to_string()),
            TokenTree::Group(group) => {
                nested.extend(leaves(group.stream(), &path));
                path = before.to_vec();
            }
            token if is_punct(&token, ',') => end(&mut path, &mut name),
            _ => {}
        }
    }
    end(&mut path, &mut name);
    found.extend(nested);
    found
}
