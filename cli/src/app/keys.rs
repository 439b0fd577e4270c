//! The keys that are known here, and those that are read from files.

use crate::app::App;
use crate::app::opening::FILE_KEYS;
use crate::config::value::Located;
use crate::config::{KeyText, PolicyKey};
use crate::error::CommandError;
use crate::host::{Opening, SecretSource};
use crate::output::clean;
use crate::place::{self, PlaceError};
use serde_json::json;
use sigtool_core::key::parse_public_key;
use sigtool_core::trust::TrustedKey;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::file::{Links, ReadError, read_regular};
use sigtool_sdk::signer::{Generate, GenerateArgs, KeyMade};
use sigtool_sdk::types::KeyAlgorithm;
use sigtool_sdk::types::Secret;
use sigtool_sdk::{ErrorCode, Kind};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use zeroize::Zeroizing;

/// The largest private key that is read: many times an RSA-4096 PEM.
const MAX_KEY: u64 = 64 * 1024;

pub(crate) fn read_key(path: &Path) -> Result<Secret, CommandError> {
    let unreadable = |e: &dyn std::fmt::Display| {
        CommandError::input(format!("cannot read the key `{}`", path.display())).because(e)
    };
    let mut bytes = read_regular(path, MAX_KEY).map_err(|e| unreadable(&e))?;
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}

/// The keys that profiles name, and those in the folder of `init`, each with its profiles. None is unlocked.
pub(crate) fn known(app: &App, shown: &dyn Fn(&Path) -> String) -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in app.config.profile_names() {
        let name = name.name;
        let profile = app
            .config
            .profile(Some(&name), &|id| app.backends.named_manifest(id));
        if let Ok(profile) = profile
            && let Some(signer) = &profile.signer
            && let Some(key) = signer.key_text()
        {
            let shown = key
                .path()
                .map_or_else(|| key.text.clone(), |path| shown(&path));
            keys.entry(shown).or_default().push(name);
        }
    }
    if let Some(folder) = app.folders.keys()
        && let Ok(entries) = std::fs::read_dir(folder)
    {
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|e| e == "key") {
                keys.entry(shown(&path)).or_default();
            }
        }
    }
    keys
}

/// The largest public key or signature that is read from a file of the user's.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// A public key that the command line names. It is used whoever could change it; gives what is to be told of that.
pub(crate) fn named_key(
    app: &App,
    key: &KeyText,
) -> Result<(TrustedKey, Option<String>), CommandError> {
    let judged = key
        .path()
        .map(|path| place::open(&path, Links::Followed, None));
    let told = match judged {
        Some(Err(error @ (PlaceError::Owner { .. } | PlaceError::Writable { .. }))) => {
            Some(format!(
                "`{}` is trusted because you name it, though others can change it: {error}",
                clean(&key.text)
            ))
        }
        _ => None,
    };
    let text = text_of(app, key, |path| read_regular(path, MAX_FILE))?;
    Ok((parsed(name(app, key), &text)?, told))
}

/// A public key that a policy lists. Nobody but its owners may be able to change it.
pub(crate) fn listed_key(app: &App, key: &Located<PolicyKey>) -> Result<TrustedKey, CommandError> {
    let reference = match &key.value {
        PolicyKey::Reference(reference) => reference,
        PolicyKey::Text(text) => return parsed(key.origin.to_string(), text.as_bytes()),
    };
    let untrusted = |error: PlaceError| {
        let shown = cannot(&reference.text).because(&error);
        error.hint().into_iter().fold(shown, CommandError::hint)
    };
    let mut refused = None;
    let text = text_of(app, reference, |path| {
        match place::open(path, Links::Followed, None) {
            Ok(file) => file.read(MAX_FILE),
            Err(PlaceError::Missing(_)) => read_regular(path, MAX_FILE),
            Err(error) => {
                refused = Some(untrusted(error));
                Err(ReadError::Io(io::ErrorKind::PermissionDenied.into()))
            }
        }
    });
    match refused {
        Some(error) => Err(error),
        None => parsed(name(app, reference), &text?),
    }
}

fn cannot(key: &str) -> CommandError {
    CommandError::input(format!("cannot use the key `{}`", clean(key)))
}

/// The text of a public key by its reference: a file, or a variable that holds it.
fn text_of(
    app: &App,
    key: &KeyText,
    read: impl FnOnce(&Path) -> Result<Zeroizing<Vec<u8>>, ReadError>,
) -> Result<Vec<u8>, CommandError> {
    let cannot = || cannot(&key.text);
    match (key.path(), key.scheme()) {
        (Some(path), _) => {
            let mut bytes = read(&path).map_err(|e| cannot().because(e))?;
            Ok(std::mem::take(&mut *bytes))
        }
        (None, Some("env")) => {
            let name = key.rest();
            let value = app.settings.named_variable(name);
            Ok(value.map_err(|e| cannot().because(e))?.clone().into_bytes())
        }
        (None, scheme) => Err(cannot().because(format!(
            "public keys of the form `{}:` are not served",
            scheme.unwrap_or("")
        ))),
    }
}

fn parsed(name: String, text: &[u8]) -> Result<TrustedKey, CommandError> {
    let public_key = parse_public_key(text).map_err(|e| {
        let error = cannot(&name).because(&e);
        e.hint().into_iter().fold(error, CommandError::hint)
    })?;
    Ok(TrustedKey::new(name, public_key))
}

/// How reports call a trusted key: as it was written, or shorter.
pub(crate) fn name(app: &App, key: &KeyText) -> String {
    match key.path() {
        Some(path) if Path::new(&key.text).is_absolute() => app.short(&path),
        _ => key.text.clone(),
    }
}

/// Opens the signer of key files without a key: it will be told which in the call.
pub(crate) fn key_files(
    app: &App,
    secrets: BTreeMap<String, SecretSource>,
) -> Result<Handle, CommandError> {
    app.backends.open(&Opening {
        configuration: json!({ "new_password": { "secret": "/new_password" } }),
        secrets,
        ..Opening::plain(FILE_KEYS, Kind::Signer)
    })
}

/// Makes a key pair in files. `secrets` says where its password comes from, if not from where passwords usually do.
pub(crate) fn generate(
    app: &App,
    secrets: BTreeMap<String, SecretSource>,
    prefix: &Path,
    algorithm: KeyAlgorithm,
    overwrite: bool,
) -> Result<KeyMade, CommandError> {
    let args = GenerateArgs {
        key: absolute(prefix)?,
        algorithm,
        overwrite,
    };
    key_files(app, secrets)?
        .call::<Generate>(&args)
        .map_err(|error| made_nothing(prefix, "generate", overwrite, error))
}

pub(crate) fn made_nothing(
    prefix: &Path,
    verb: &str,
    overwrite: bool,
    error: sigtool_sdk::Error,
) -> CommandError {
    let exists = error.code == ErrorCode::AlreadyExists;
    let prefix = prefix.display();
    let error = CommandError::from_backend(format!("cannot {verb} the key `{prefix}`"), error);
    if exists && !overwrite {
        error.hint(format!(
            "to replace it, say `--overwrite`: the old key is kept as `{prefix}.old`"
        ))
    } else {
        error
    }
}

pub(crate) fn absolute(prefix: &Path) -> Result<String, CommandError> {
    let path = std::path::absolute(prefix).map_err(|e| {
        CommandError::input(format!("`{}` is not a path", prefix.display())).because(e)
    })?;
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| CommandError::not_utf8(&path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigtool_sdk::Error;

    #[test]
    fn only_the_code_says_that_a_key_is_there_not_the_words() {
        let says_overwrite = |code: &str, message: &str, overwrite| {
            let text = json!({ "code": code, "message": message }).to_string();
            let error: Error = serde_json::from_str(&text).unwrap();
            let error = made_nothing(Path::new("release"), "generate", overwrite, error);
            error.hints.iter().any(|hint| hint.contains("--overwrite"))
        };
        let occupied = ("already-exists", "the slot `release` is occupied");
        assert!(says_overwrite(occupied.0, occupied.1, false));
        assert!(!says_overwrite(occupied.0, occupied.1, true));
        assert!(!says_overwrite(
            "unavailable",
            "no token exists in that slot",
            false
        ));
        assert!(!says_overwrite(
            "invalid-request",
            "the folder exists",
            false
        ));
    }
}
