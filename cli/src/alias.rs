//! Aliases: a word of the user's that stands for several.

use crate::app::App;
use crate::args::Cli;
use crate::config::origin::Origin;
use crate::config::value::Located;
use crate::error::CommandError;
use clap::CommandFactory as _;
use std::ffi::OsString;

/// How deep aliases may stand for each other: many times what anyone writes.
const MAX_ALIASES: usize = 32;

/// What an alias stands for.
pub(crate) struct Expanded {
    /// The words, and those behind the alias.
    pub(crate) words: Vec<OsString>,
    /// Where the project's file says so, if it has a part in it.
    pub(crate) by_project: Option<Origin>,
}

/// What an alias stands for, its own aliases included. `None` if there is no such alias.
pub(crate) fn expand_alias(
    app: &App,
    name: &str,
    rest: &[OsString],
) -> Result<Option<Expanded>, CommandError> {
    let aliases = app.config.aliases();
    let Some(alias) = aliases.get(name) else {
        return Ok(None);
    };
    let mut seen = vec![name.to_owned()];
    let mut words: Vec<String> = alias.value.clone();
    let of_project = |alias: &Located<_>| {
        let origin = Some(&alias.origin).filter(|origin| origin.is_of_project());
        origin.cloned()
    };
    let mut by_project = of_project(alias);
    while let Some(next) = words.first().and_then(|word| aliases.get(word)) {
        let word = words.remove(0);
        if is_built_in(&word) {
            words.insert(0, word);
            break;
        }
        let around = seen.contains(&word);
        seen.push(word);
        if around || seen.len() > MAX_ALIASES {
            return Err(alias
                .origin
                .error(
                    format!(
                        "the alias `{name}` goes round in circles: {}",
                        seen.join(" → ")
                    ),
                    "",
                )
                .hint("change one of these aliases, so that it stands for a command"));
        }
        by_project = by_project.or(of_project(next));
        words.splice(0..0, next.value.iter().cloned());
    }
    let words = words.into_iter().map(OsString::from);
    Ok(Some(Expanded {
        words: words.chain(rest.iter().cloned()).collect(),
        by_project,
    }))
}

/// What is wrong with an alias of a built-in command's name.
pub(crate) fn shadowed(name: &str, alias: &Located<Vec<String>>) -> String {
    format!(
        "the alias `{name}` is never used, since sigtool has a command of that name: {}",
        alias.origin
    )
}

/// Whether sigtool itself has a command of this name.
pub(crate) fn is_built_in(name: &str) -> bool {
    Cli::command().get_subcommands().any(|command| {
        command.get_name() == name || command.get_all_aliases().any(|alias| alias == name)
    })
}

/// The flags before the alias stay, and what it stands for takes its place.
pub(crate) fn with_globals(
    arguments: &[OsString],
    words: &[OsString],
    expanded: Vec<OsString>,
) -> Vec<OsString> {
    let before = arguments.len() - words.len();
    arguments[..before]
        .iter()
        .cloned()
        .chain(expanded)
        .collect()
}
