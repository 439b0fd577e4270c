//! External commands: `sigtool-foo` on PATH runs as `sigtool foo`. One resolver serves running and listing.

use super::cosign;
use crate::app::{App, flags};
use crate::args::{Cli, Global};
use crate::config::origin::{Layer, Origin};
use crate::config::value::Located;
use crate::error::{CommandError, why};
use crate::output::clean;
use clap::CommandFactory as _;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

const PREFIX: &str = "sigtool-";

/// Backends are executables of that prefix too; they are not commands.
const BACKEND_PREFIX: &str = "sigtool-backend-";

/// The external commands on this PATH, by name; of several of one name the first, which is the one that runs.
///
/// Empty and relative entries are skipped: the working directory must not supply commands.
pub(crate) fn all(path: Option<&OsStr>) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for folder in folders(path) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|n| !n.starts_with(BACKEND_PREFIX)) else {
                continue;
            };
            if let Some(command) = name.strip_prefix(PREFIX)
                && !command.is_empty()
                && is_executable(&entry.path())
            {
                found
                    .entry(command.to_owned())
                    .or_insert_with(|| entry.path());
            }
        }
    }
    found
}

/// The external command of this name.
pub(crate) fn find(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    let plain = !name.is_empty() && !name.contains('/') && !name.starts_with("backend-");
    if !plain {
        return None;
    }
    program(&format!("{PREFIX}{name}"), path)
}

/// A program of this name on this PATH, found as external commands are.
pub(crate) fn program(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    folders(path)
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

/// Becomes the external command. Returns only if that fails.
///
/// It finds sigtool in `SIGTOOL`, and those flags before its name that have a variable in that variable.
pub(crate) fn run(file: &Path, arguments: &[OsString], global: &Global) -> CommandError {
    let mut command = std::process::Command::new(file);
    command.args(arguments);
    if let Ok(own) = std::env::current_exe() {
        command.env("SIGTOOL", own);
    }
    for (setting, value) in flags(global) {
        if let Some(variable) = setting.variable {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            command.env(variable.name, text);
        }
    }
    let error = command.exec();
    CommandError::input(format!("cannot run `{}`", file.display())).because(why(&error))
}

fn folders(path: Option<&OsStr>) -> impl Iterator<Item = PathBuf> {
    path.map(std::env::split_paths)
        .into_iter()
        .flatten()
        .filter(|folder| folder.is_absolute())
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

pub(crate) fn run_external(
    app: &App,
    path: Option<&OsStr>,
    words: &[OsString],
) -> Result<u8, CommandError> {
    let name = words[0].to_string_lossy().into_owned();
    let allowed = app.config.external_commands();
    let found = find(&name, path);
    match found {
        Some(file) if allowed.value => Err(run(&file, &words[1..], &app.global)),
        Some(file) => Err(switched_off(&file, &allowed)),
        None => Err(no_such_command(app, &name, path, [])),
    }
}

/// The error for an external command where the configuration or the policy wants none.
fn switched_off(file: &Path, allowed: &Located<bool>) -> CommandError {
    let error = CommandError::could_not_tell(format!(
        "the external command `{}` is not run",
        file.display()
    ))
    .because(format!("external commands are off: {}", allowed.origin));
    match &allowed.origin {
        Origin::File { file, .. } if file.layer == Layer::Policy => {
            error.hint("ask the administrator of this machine, who keeps that file")
        }
        Origin::File { .. } => {
            error.hint("if you mean it: sigtool config set commands.external true")
        }
        _ => error,
    }
}

/// The error for a word that is not a command; what else it may have been meant for is suggested too.
pub(super) fn no_such_command(
    app: &App,
    name: &str,
    path: Option<&OsStr>,
    others: impl IntoIterator<Item = &'static str>,
) -> CommandError {
    let shown = clean(name);
    let error = CommandError::input(format!("no such command: `{shown}`"));
    if let Some(ours) = cosign::command(name) {
        return error.hint(format!("cosign's `{shown}` is here: {ours}"));
    }
    let command = Cli::command();
    let mut names: Vec<String> = command
        .get_subcommands()
        .map(|c| c.get_name().to_owned())
        // Too near to too many words, and no harm done if it is missed.
        .filter(|name| name != "help")
        .collect();
    names.extend(app.config.aliases().keys().cloned());
    if app.config.external_commands().value {
        names.extend(all(path).into_keys());
    }
    names.extend(others.into_iter().map(str::to_owned));
    let error = match crate::suggest::closest(name, names.iter().map(String::as_str)) {
        Some(close) => error.hint(format!("did you mean `{close}`?")),
        None => error,
    };
    error.hint("see all commands: sigtool --list")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executable(folder: &Path, name: &str) {
        let file = folder.join(name);
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn what_is_listed_is_what_runs() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        executable(a.path(), "sigtool-foo");
        executable(b.path(), "sigtool-foo");
        executable(b.path(), "sigtool-backend-x");
        std::fs::write(b.path().join("sigtool-plain"), "").unwrap();
        let path =
            std::env::join_paths([Path::new(""), Path::new("."), a.path(), b.path()]).unwrap();
        let listed = all(Some(&path));
        assert_eq!(listed.keys().collect::<Vec<_>>(), ["foo"]);
        assert_eq!(find("foo", Some(&path)).as_ref(), listed.get("foo"));
        assert_eq!(find("foo", Some(&path)).unwrap().parent(), Some(a.path()));
        assert_eq!(find("backend-x", Some(&path)), None);
        assert_eq!(find("plain", Some(&path)), None);
    }
}
