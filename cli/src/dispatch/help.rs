//! `sigtool help`: the manual page if a person reads and there is one, else the text of `--help`.

use super::external::{self, no_such_command};
use crate::app::App;
use crate::args::{Cli, Global};
use crate::config::value::Located;
use crate::dispatch::external::run_external;
use crate::dispatch::misspelt::misspelt;
use crate::error::{CommandError, why};
use crate::output::Ui;
use crate::topics::{self, TOPICS};
use clap::{CommandFactory as _, Parser as _};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

/// Where pages are looked for.
struct Manual<'a> {
    environment: &'a BTreeMap<String, String>,
    /// The executables beside which pages may lie: `bin/sigtool` has them in `share/man`.
    executables: Vec<PathBuf>,
}

/// What an alias stands for.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Alias<'a> {
    /// Its name.
    alias: &'a str,
    /// The words in whose place it stands.
    stands_for: &'a [String],
    /// Where it is set, as people are told.
    origin: String,
}

/// Helps with a command, an alias, an external command, or a topic.
pub(crate) fn help(
    ui: &Ui,
    words: &[String],
    global: Global,
    environment: BTreeMap<String, String>,
) -> Result<u8, CommandError> {
    let manual = Manual {
        environment: &environment,
        executables: std::env::current_exe()
            .and_then(|own| own.canonicalize())
            .into_iter()
            .collect(),
    };
    let Some(name) = words.first() else {
        return Ok(text(words));
    };
    if Cli::command().find_subcommand(name).is_some() {
        if let Some(page) = built_in_page(words)?
            && ui.is_read_by_a_person()
        {
            manual.show(&page, 1)?;
        }
        return Ok(text(words));
    }
    let app = App::start(global, environment.clone())?;
    let path = environment.get("PATH").map(OsStr::new);
    let alias = app.config.aliases().get(name);
    let external = external::find(name, path);
    let topic = topics::find(name).filter(|_| external.is_none());
    if let [_, word, ..] = words
        && (alias.is_some() || topic.is_some())
    {
        return Err(nothing_below(&words[..1], word));
    }
    if let Some(alias) = alias {
        return Ok(show_alias(ui, name, alias));
    }
    if let Some(topics::Topic { page, section, .. }) = topic {
        manual.show(page, *section)?;
        return Err(no_page(page, *section));
    }
    let Some(file) = external else {
        let topics = TOPICS.iter().map(|topic| topic.name);
        return Err(no_such_command(&app, name, path, topics));
    };
    if app.config.external_commands().value && ui.is_read_by_a_person() && words.len() == 1 {
        let executables = vec![file];
        let manual = Manual {
            executables,
            ..manual
        };
        manual.show(&format!("sigtool-{name}"), 1)?;
    }
    // Refused as when it is run, if it is switched off.
    let words = words.iter().map(OsString::from);
    let words: Vec<OsString> = words.chain(["--help".into()]).collect();
    run_external(&app, path, &words)
}

/// Says what an alias stands for. Gives the exit code.
fn show_alias(ui: &Ui, name: &str, alias: &Located<Vec<String>>) -> u8 {
    let origin = alias.origin.to_string();
    let shown = format!("`{name}` stands for: {} ({origin})", alias.value.join(" "));
    let row = Alias {
        alias: name,
        stands_for: &alias.value,
        origin,
    };
    ui.result(&shown, &row);
    0
}

fn no_page(page: &str, section: u8) -> CommandError {
    CommandError::could_not_tell(format!(
        "there is no manual page {page}({section}) here, or no `man` to show it"
    ))
    .hint("./install.sh in sigtool's source folder installs the pages")
}

/// Prints the text of `--help`. Gives the exit code.
fn text(words: &[String]) -> u8 {
    let mut arguments = vec![OsString::from("sigtool")];
    arguments.extend(words.iter().map(OsString::from));
    arguments.push("--help".into());
    match Cli::try_parse_from(&arguments) {
        Ok(_) => 0,
        Err(error) => misspelt(&arguments, &error),
    }
}

/// The page of a built-in command, by the words that call it: `sigtool-key-generate`. `None` if it has no command of such a name.
fn built_in_page(words: &[String]) -> Result<Option<String>, CommandError> {
    let mut command = &Cli::command();
    let mut page = command.get_name().to_owned();
    for (count, word) in words.iter().enumerate() {
        if !command.has_subcommands() {
            return Err(nothing_below(&words[..count], word));
        }
        match command.find_subcommand(word) {
            Some(below) => command = below,
            None => return Ok(None),
        }
        // Not the word, which may be another name of the command's.
        page += &format!("-{}", command.get_name());
    }
    Ok(Some(page))
}

fn nothing_below(words: &[String], word: &str) -> CommandError {
    let words = words.join(" ");
    CommandError::input(format!("`{words}` has no command `{word}`"))
        .hint(format!("see what there is to it: sigtool help {words}"))
}

impl Manual<'_> {
    /// Becomes `man` with a page. Returns if there is no such page, or no `man`.
    fn show(&self, name: &str, section: u8) -> Result<(), CommandError> {
        let path = self.environment.get("PATH").map(OsStr::new);
        let (Some(page), Some(man)) = (self.find(name, section), external::program("man", path))
        else {
            return Ok(());
        };
        let error = std::process::Command::new(&man).arg("-l").arg(page).exec();
        let message = format!("cannot run `{}`", man.display());
        Err(CommandError::could_not_tell(message).because(why(&error)))
    }

    /// A page beside an executable, or in a folder of MANPATH.
    fn find(&self, name: &str, section: u8) -> Option<PathBuf> {
        let beside = |file: &PathBuf| Some(file.parent()?.parent()?.join("share/man"));
        let listed = self.environment.get("MANPATH").map(OsStr::new);
        let listed = listed.map(std::env::split_paths).into_iter().flatten();
        let folders = self.executables.iter().filter_map(beside);
        folders
            .chain(listed)
            .filter(|folder| folder.is_absolute())
            .flat_map(|folder| {
                let page = format!("man{section}/{name}.{section}");
                [folder.join(&page), folder.join(page + ".gz")]
            })
            .find(|page: &PathBuf| Path::is_file(page))
    }
}
