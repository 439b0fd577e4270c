//! The words that can stand in a place: names that the configuration gives, keys, backends, commands, artifacts, files.

use crate::alias::{expand_alias, with_globals};
use crate::app::App;
use crate::app::folders::working_folder;
use crate::app::keys::known as known_keys;
use crate::args::{Cli, Command, Global};
use crate::config::PolicyKey;
use crate::config::schema;
use crate::config::value::dotted;
use crate::dispatch::completion::line::Line;
use crate::dispatch::environment::environment;
use crate::dispatch::external;
use crate::topics::TOPICS;
use clap::{CommandFactory as _, FromArgMatches as _, Parser as _};
use clap_complete::engine::{
    CompletionCandidate, PathCompleter, ValueCompleter as _, complete as engine,
};
use sigtool_core::Ledger;
use sigtool_sdk::types::KeyAlgorithm;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::OnceLock;

/// How many names of artifacts are offered: more than anybody reads.
const MOST_ARTIFACTS: usize = 50;

type Candidates = Vec<CompletionCandidate>;

/// What a key in a variable is written with.
const VARIABLE: &str = "env:";

/// The run that the candidates are taken from. The engine calls them without a context, so it is kept here.
static APP: OnceLock<Option<App>> = OnceLock::new();

/// How the last word may go on.
pub(super) fn complete(
    command: &mut clap::Command,
    line: &Line,
    folder: Option<&Path>,
) -> Candidates {
    let environment = environment();
    // Without HOME the engine would ask the name service what `~` is.
    let homeless = environment.get("HOME").is_none_or(String::is_empty);
    if homeless && line.last.contains('~') {
        return Vec::new();
    }
    let path = environment.get("PATH").cloned();
    let global = global(&line.before);
    let app =
        APP.get_or_init(|| global.and_then(|global| App::start_silently(global, environment)));
    let mut words = line.before.clone();
    if let (Some(app), Some(typed)) = (app, outside(&words)) {
        match expand_alias(app, &typed[0].to_string_lossy(), &typed[1..]) {
            Ok(Some(expanded)) => words = with_globals(&words, &typed, expanded.words),
            Ok(None) => {}
            Err(_) => return Vec::new(),
        }
    }
    if let Some(typed) = outside(&words) {
        let name = typed[0].to_string_lossy();
        let runs = app
            .as_ref()
            .is_some_and(|app| app.config.external_commands().value)
            && external::find(&name, path.as_deref().map(OsStr::new)).is_some();
        return if runs { files(&line.last) } else { Vec::new() };
    }
    if let Some(above) = asked_of_help(&words).filter(|above| !above.is_empty())
        && !line.last.starts_with('-')
    {
        return commands_below(&above, &line.last);
    }
    let index = words.len();
    words.push(line.last.clone().into());
    let mut all = engine(command, words, index, folder).unwrap_or_default();
    // Where nothing is typed yet, flags would bury what is more likely meant.
    let is_flag = |c: &CompletionCandidate| c.get_value().as_encoded_bytes().starts_with(b"-");
    if line.last.is_empty() && !all.iter().all(is_flag) {
        all.retain(|candidate| !is_flag(candidate));
    }
    all
}

/// The words from a command on that is not built in.
fn outside(words: &[OsString]) -> Option<Vec<OsString>> {
    match Cli::try_parse_from(words).ok()?.command? {
        Command::External(words) => Some(words),
        _ => None,
    }
}

/// The flags that every command has, as far as they have been typed.
fn global(words: &[OsString]) -> Option<Global> {
    let mut command = Cli::command().ignore_errors(true);
    let matches = command.try_get_matches_from_mut(words).ok();
    matches
        .and_then(|matches| Global::from_arg_matches(&matches).ok())
        .or_else(|| Some(Cli::try_parse_from(["sigtool"]).ok()?.global))
}

fn app() -> Option<&'static App> {
    APP.get()?.as_ref()
}

fn plain(values: impl IntoIterator<Item = impl Into<OsString>>) -> Candidates {
    values.into_iter().map(CompletionCandidate::new).collect()
}

fn beginning(values: impl IntoIterator<Item = String>, typed: &str) -> Candidates {
    plain(values.into_iter().filter(|value| value.starts_with(typed)))
}

fn files(typed: &str) -> Candidates {
    PathCompleter::file().complete(OsStr::new(typed))
}

/// The names of profiles.
pub(super) fn profiles() -> Candidates {
    let names = app().map(|app| app.config.profile_names());
    let names = names.into_iter().flatten();
    names
        .map(|profile| {
            let help = profile.inherits.map(|base| format!("inherits {base}"));
            CompletionCandidate::new(profile.name).help(help.map(Into::into))
        })
        .collect()
}

/// Keys to sign with: those of the profiles and of `init`, variables, and files.
pub(super) fn keys(typed: &OsStr) -> Candidates {
    let typed = typed.to_string_lossy();
    let known = app().map(|app| known_keys(app, &shown)).unwrap_or_default();
    with_files(variables(&typed).chain(known.into_keys()), &typed)
}

/// Keys in variables, once somebody types that it is one.
fn variables(typed: &str) -> impl Iterator<Item = String> {
    let names = typed
        .starts_with(VARIABLE)
        .then(|| environment().into_keys());
    let names = names.into_iter().flatten();
    // What begins with `_` is the shell's own.
    names
        .filter(|name| !name.starts_with('_'))
        .map(|name| format!("{VARIABLE}{name}"))
}

/// Keys to verify with: those that the profiles trust, and files.
pub(super) fn public_keys(typed: &OsStr) -> Candidates {
    let typed = typed.to_string_lossy();
    let mut known = BTreeSet::new();
    if let Some(app) = app() {
        for profile in app.config.profile_names() {
            let profile = app
                .config
                .profile(Some(&profile.name), &|id| app.backends.named_manifest(id));
            let verify = profile.ok().and_then(|profile| profile.verify);
            for key in verify.into_iter().flat_map(|verify| verify.keys) {
                if let PolicyKey::Reference(key) = key.value {
                    known.insert(key.path().map_or(key.text, |path| shown(&path)));
                }
            }
        }
    }
    with_files(variables(&typed).chain(known), &typed)
}

/// What is known and begins like this, and the files that do.
fn with_files(known: impl IntoIterator<Item = String>, typed: &str) -> Candidates {
    let mut all = beginning(known, typed);
    let files = files(typed).into_iter();
    let new: Vec<_> = files
        .filter(|file| {
            all.iter()
                .all(|known| known.get_value() != file.get_value())
        })
        .collect();
    all.extend(new);
    all
}

/// A path that works when it is typed: below the working directory, or absolute.
fn shown(path: &Path) -> String {
    let folder = working_folder().ok();
    let below = folder.and_then(|folder| path.strip_prefix(folder).ok());
    below.unwrap_or(path).display().to_string()
}

/// Images that are known here, and files.
pub(super) fn artifacts(typed: &OsStr) -> Candidates {
    let typed = typed.to_string_lossy();
    let known = known_artifacts(&typed).into_iter();
    // A path is a file already, and a chart's name does not name its file.
    with_files(
        known.filter(|name| name.find('/').is_some_and(|at| at > 0)),
        &typed,
    )
}

/// All artifacts that are known here, by whatever the ledger finds them by, and files.
pub(super) fn remembered(typed: &OsStr) -> Candidates {
    let typed = typed.to_string_lossy();
    with_files(known_artifacts(&typed), &typed)
}

/// The artifacts that this machine knows from earlier runs, whose names begin like this.
fn known_artifacts(typed: &str) -> Vec<String> {
    let path = app().and_then(|app| app.folders.ledger());
    let ledger = path.and_then(|path| Ledger::open_to_read(&path).ok().flatten());
    let names = ledger.and_then(|ledger| ledger.names(typed, MOST_ARTIFACTS).ok());
    names.unwrap_or_default()
}

/// The ids of backends.
pub(super) fn backends() -> Candidates {
    plain(ids())
}

fn ids() -> impl Iterator<Item = String> {
    let ids = app().map(|app| app.backends.ids());
    ids.into_iter().flatten().map(String::from)
}

/// The ids of backends, and files.
pub(super) fn backends_and_files(typed: &OsStr) -> Candidates {
    with_files(ids(), &typed.to_string_lossy())
}

/// The keys of settings: those that are set, and those that a profile that is there may have.
pub(super) fn config_keys() -> Candidates {
    plain(setting_keys())
}

/// `KEY=` for each setting, and files: what `--config` takes.
pub(super) fn config_values(typed: &OsStr) -> Candidates {
    let keys = setting_keys().into_iter().map(|key| format!("{key}="));
    with_files(keys, &typed.to_string_lossy())
}

fn setting_keys() -> BTreeSet<String> {
    let mut keys: BTreeSet<String> = schema::TOP.iter().map(|k| k.key.to_owned()).collect();
    for (table, known) in [("commands", schema::COMMANDS), ("network", schema::NETWORK)] {
        keys.extend(known.iter().map(|k| dotted(&[table, k.key])));
    }
    if let Some(app) = app() {
        keys.extend(app.config.explain(None).into_iter().map(|row| row.key));
        for profile in app.config.profile_names() {
            let name = profile.name.as_str();
            keys.insert(dotted(&["profile", name]));
            let known = schema::PROFILE.iter();
            keys.extend(known.map(|k| dotted(&["profile", name, k.key])));
        }
    }
    keys
}

/// The values of `--require`, but for numbers.
pub(super) fn requirements() -> Candidates {
    plain(["any", "all"])
}

/// The algorithms of keys.
pub(super) fn algorithms() -> Candidates {
    plain(KeyAlgorithm::ALL.map(|algorithm| algorithm.to_string()))
}

/// Aliases, and the external commands that would run.
pub(super) fn commands() -> Candidates {
    let Some(app) = app() else {
        return Vec::new();
    };
    let (command, aliases) = (Cli::command(), app.config.aliases());
    let is_built_in = |name: &String| command.find_subcommand(name).is_some();
    let mut all: Candidates = aliases
        .iter()
        .filter(|(name, _)| !is_built_in(name))
        .map(|(name, alias)| {
            let help = format!("alias: {}", alias.value.join(" "));
            CompletionCandidate::new(name).help(Some(help.into()))
        })
        .collect();
    if app.config.external_commands().value {
        let path = app.settings.environment.get("PATH");
        for (name, file) in external::all(path.map(OsStr::new)) {
            if !is_built_in(&name) && !aliases.contains_key(&name) {
                let help = file.display().to_string();
                all.push(CompletionCandidate::new(name).help(Some(help.into())));
            }
        }
    }
    all
}

/// Everything that `help` knows: of commands below another one, see [`complete`].
pub(super) fn helped() -> Candidates {
    let command = Cli::command();
    let built_in = command.get_subcommands().map(candidate);
    let mut all: Candidates = built_in.chain(commands()).collect();
    for topic in TOPICS {
        if all.iter().all(|known| known.get_value() != topic.name) {
            let about = Some(topic.about.into());
            all.push(CompletionCandidate::new(topic.name).help(about));
        }
    }
    all
}

fn candidate(command: &clap::Command) -> CompletionCandidate {
    CompletionCandidate::new(command.get_name()).help(command.get_about().cloned())
}

/// The words after `help`.
fn asked_of_help(words: &[OsString]) -> Option<Vec<String>> {
    match Cli::try_parse_from(words).ok()?.command? {
        Command::Help { command } => Some(command),
        _ => None,
    }
}

/// What a command has below it that begins like this.
fn commands_below(above: &[String], typed: &str) -> Candidates {
    let mut command = &Cli::command();
    for word in above {
        match command.find_subcommand(word) {
            Some(below) => command = below,
            None => return Vec::new(),
        }
    }
    let below = command.get_subcommands();
    below
        .filter(|command| command.get_name().starts_with(typed))
        .map(candidate)
        .collect()
}
