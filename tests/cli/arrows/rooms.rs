//! The rooms of a crate: which of its files name which others, read from their tokens.
//!
//! A room is a file or a folder directly in the crate's `src`. The layers are a table in ARCHITECTURE.md: rooms of one line are on one
//! floor, and a file may name what lies in its own room or on a floor below.

use proc_macro2::{Delimiter, Group, Ident, Punct, Spacing, TokenStream, TokenTree};
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
    /// The modules below it that are declared, and those that are declared for tests.
    declared: Vec<Module>,
    for_tests: Vec<Module>,
    /// What is written so that its names cannot be read here.
    hidden: Vec<String>,
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
                module: module.clone(),
                is_inline: false,
                file: File::default(),
            };
            reader.read(tokens);
            let file = reader.file;
            (module, file)
        });
        let mut files: BTreeMap<Module, File> = files.collect();
        let of = |modules: fn(&File) -> &Vec<Module>| -> BTreeSet<Module> {
            files.values().flat_map(modules).cloned().collect()
        };
        let for_tests = &of(|file| &file.for_tests) - &of(|file| &file.declared);
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

    /// What is written so that its names cannot be read: nothing may be.
    pub(super) fn hidden(&self) -> Vec<String> {
        let files = self.files.iter();
        let found = files.flat_map(|(module, file)| {
            let hidden = file.hidden.iter();
            hidden.map(move |what| format!("{}: {what}", shown(module)))
        });
        found.collect()
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
    let is_root = module.len() == 1 && matches!(&*module[0], "lib" | "main");
    if is_root || module.last().is_some_and(|last| last == "mod") {
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
    /// Where the tokens stand.
    module: Module,
    /// In a module that has no file of its own.
    is_inline: bool,
    file: File,
}

impl Reader<'_> {
    /// Finds the paths in tokens; what is there for tests only is passed over.
    fn read(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        let mut is_public = false;
        let mut last = None;
        // Behind `::` or `.` a name begins no path.
        let mut goes_on = false;
        while let Some(token) = tokens.next() {
            let went_on = std::mem::take(&mut goes_on);
            let before = last.take();
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    tokens.next_if(|next| is_punct(next, '!'));
                    if let Some(TokenTree::Group(attribute)) =
                        tokens.next_if(|next| matches!(next, TokenTree::Group(_)))
                        && self.is_for_tests(attribute.stream())
                    {
                        self.skip_item(&mut tokens);
                    }
                }
                TokenTree::Punct(punct) => {
                    goes_on = goes_on_behind(before.as_ref(), &punct);
                    last = Some(punct);
                }
                TokenTree::Group(group) if is_public && is_visibility(&group) => continue,
                TokenTree::Group(group) => self.read(group.stream()),
                TokenTree::Ident(word) if word == "pub" => {
                    is_public = true;
                    continue;
                }
                TokenTree::Ident(word) if word == "use" => self.read_use(&mut tokens, is_public),
                TokenTree::Ident(word) if word == "mod" => self.read_module(&mut tokens),
                TokenTree::Ident(word) if !went_on => self.read_path(&word, &mut tokens),
                TokenTree::Ident(_) | TokenTree::Literal(_) => {}
            }
            is_public = false;
        }
    }

    fn read_path(&mut self, first: &Ident, tokens: &mut Tokens) {
        let next = tokens.peek().map(ToString::to_string).unwrap_or_default();
        match (first.to_string().as_str(), next.as_str()) {
            (word @ ("macro_rules" | "include"), "!") => self.file.hidden.push(word.to_owned()),
            ("extern", "crate") => self.file.hidden.push("extern crate".to_owned()),
            _ => {}
        }
        let mut path = vec![first.to_string()];
        while let Some(name) = next_name(tokens) {
            path.push(name);
        }
        self.names(&path);
    }

    /// A module that is declared, or that stands here in braces.
    fn read_module(&mut self, tokens: &mut Tokens) {
        let Some(name) = tokens.next() else { return };
        self.module.push(name.to_string());
        match tokens.next() {
            Some(TokenTree::Group(body)) => {
                let was_inline = std::mem::replace(&mut self.is_inline, true);
                self.read(body.stream());
                self.is_inline = was_inline;
            }
            _ => self.file.declared.push(self.module.clone()),
        }
        self.module.pop();
    }

    /// Reads what an attribute names, in its strings too. Tells whether it lets its item be for tests only.
    fn is_for_tests(&mut self, attribute: TokenStream) -> bool {
        let name = attribute.clone().into_iter().next();
        match name.map(|name| name.to_string()).as_deref() {
            Some("doc") => return false,
            Some(name @ ("path" | "macro_use" | "macro_export")) => {
                self.file.hidden.push(name.to_owned());
            }
            Some("cfg") if is_test(attribute.clone()) => return true,
            _ => {}
        }
        for text in strings(attribute.clone()) {
            // What is no code, names nothing.
            if let Ok(tokens) = text.parse() {
                self.read(tokens);
            }
        }
        self.read(attribute);
        false
    }

    /// Passes over an item for tests, which may be a file of its own.
    fn skip_item(&mut self, tokens: &mut Tokens) {
        let mut words = Vec::new();
        let mut has_file = false;
        for token in tokens.by_ref() {
            has_file = is_punct(&token, ';');
            let is_body =
                matches!(&token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
            if is_body || has_file {
                break;
            }
            words.push(token.to_string());
        }
        if !words.first().is_some_and(|word| ITEMS.contains(&&**word)) {
            self.file
                .hidden
                .push("cfg(test) on a part of an item".to_owned());
        }
        if let [.., word, name] = words.as_slice()
            && word == "mod"
            && has_file
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
            if is_public
                && !self.is_inline
                && let (Some(name), Some(path)) = (name, self.absolute(&path))
            {
                self.file.re_exports.insert(name, path);
            }
        }
    }

    fn names(&mut self, path: &[String]) {
        self.file.paths.extend(self.absolute(path));
    }

    /// A path from the root of the crate; none if it leads out of it, or names something of this file.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let mut own = self.module.clone();
        let mut rest = path;
        while let [first, names @ ..] = rest {
            match first.as_str() {
                "crate" => own.clear(),
                "super" => _ = own.pop()?,
                "self" => {}
                _ => break,
            }
            rest = names;
        }
        if rest.len() == path.len() {
            let below: Module = own.iter().chain(&path[..1]).cloned().collect();
            if path.len() == 1 || !self.modules.contains(&below) {
                return None;
            }
        }
        Some(own.into_iter().chain(rest.iter().cloned()).collect())
    }
}

/// What an item begins with.
const ITEMS: [&str; 14] = [
    "#", "async", "const", "enum", "fn", "impl", "mod", "pub", "static", "struct", "trait", "type",
    "unsafe", "use",
];

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

/// Whether a name that follows begins no path: behind the second colon of `::`, and behind one dot.
fn goes_on_behind(before: Option<&Punct>, punct: &Punct) -> bool {
    let is_joined = before.is_some_and(|before| {
        before.as_char() == punct.as_char() && before.spacing() == Spacing::Joint
    });
    match punct.as_char() {
        ':' => is_joined,
        '.' => !is_joined,
        _ => false,
    }
}

/// The `(crate)` of `pub(crate)`, and not the field of `struct S(pub (crate::X))`.
fn is_visibility(group: &Group) -> bool {
    let words: Vec<String> = group.stream().into_iter().map(|t| t.to_string()).collect();
    group.delimiter() == Delimiter::Parenthesis
        && match &words[..] {
            [word] => matches!(&**word, "crate" | "self" | "super"),
            words => words.first().is_some_and(|word| word == "in"),
        }
}

/// Whether a `cfg` demands `test`.
fn is_test(attribute: TokenStream) -> bool {
    let Some(TokenTree::Group(condition)) = attribute.into_iter().nth(1) else {
        return false;
    };
    let mut demanded = condition.stream().into_iter().peekable();
    if matches!(demanded.peek(), Some(TokenTree::Ident(word)) if word == "all") {
        demanded.next();
        let Some(TokenTree::Group(all)) = demanded.next() else {
            return false;
        };
        demanded = all.stream().into_iter().peekable();
    }
    let demanded: Vec<TokenTree> = demanded.collect();
    let mut conditions = demanded.split(|token| is_punct(token, ','));
    conditions.any(|one| matches!(one, [TokenTree::Ident(word)] if word == "test"))
}

/// The texts in tokens.
fn strings(tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => found.extend(strings(group.stream())),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                found.extend(
                    text.strip_prefix('"')
                        .and_then(|t| t.strip_suffix('"'))
                        .map(str::to_owned),
                );
            }
            _ => {}
        }
    }
    found
}

/// The paths of a `use`, each with the name that it gets here; `*` gives none.
fn leaves(tokens: TokenStream, before: &[String]) -> Vec<(Vec<String>, Option<String>)> {
    let mut found = Vec::new();
    let mut path = before.to_vec();
    let mut name = None;
    // A name that is given, or none for what is `*`.
    let mut end = |path: &mut Vec<String>, name: &mut Option<Option<String>>| {
        if path.len() > before.len() {
            if path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let given = name.take().unwrap_or_else(|| path.last().cloned());
            found.push((path.clone(), given));
        }
        *path = before.to_vec();
    };
    let mut tokens = tokens.into_iter();
    let mut nested = Vec::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "as" => {
                name = Some(tokens.next().map(|name| name.to_string()));
            }
            TokenTree::Ident(word) => path.push(word.to_string()),
            TokenTree::Group(group) => {
                nested.extend(leaves(group.stream(), &path));
                path = before.to_vec();
            }
            token if is_punct(&token, ',') => end(&mut path, &mut name),
            token if is_punct(&token, '*') => name = Some(None),
            _ => {}
        }
    }
    end(&mut path, &mut name);
    found.extend(nested);
    found
}
