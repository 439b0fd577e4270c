//! `sigtool init`: leaves a profile that signs with a new key pair and verifies against it. Running it again changes nothing.

use crate::app::App;
use crate::app::keys;
use crate::config::edit::Edit;
use crate::error::{CommandError, Failure, Outcome, why};
use crate::host::SecretSource;
use crate::host::passwords::{NEW_PASSWORD, in_environment};
use crate::output::Text;
use crate::report::key::{protection, warn_of_unprotected};
use crate::report::profile::Made;
use sigtool_sdk::types::KeyAlgorithm;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml_edit::{Array, InlineTable, Value};

/// The profile and the key that are made.
const NAME: &str = "default";

pub(super) fn run(app: &App) -> Outcome {
    let Some(config_file) = app.config.user_file().map(Path::to_path_buf) else {
        // The same error as where anything else would be written.
        return app.config.edit().map(|_| 0);
    };
    if let Some(chosen) = app.config.choice_of_user() {
        return already(app, &chosen.value, config_file);
    }
    let Some(folder) = app.folders.keys() else {
        return Err(
            CommandError::could_not_tell("there is no place for keys: HOME is not set")
                .hint("set HOME or XDG_DATA_HOME"),
        );
    };
    let key = folder.join(format!("{NAME}.key"));
    let public_key = folder.join(format!("{NAME}.pub"));
    ask(app, &key, &config_file)?;
    let edit = app.config.edit()?;
    // A run that was cut short between the key and the profile has left a key.
    let kept = key.exists() && public_key.exists();
    let protection = match kept {
        true => None,
        false => make_key(app, &folder)?,
    };
    make_profile(edit, &key, &public_key)?;
    let made = Made {
        profile: NAME,
        changed: true,
        config_file,
        key: Some(key),
        public_key: Some(public_key),
        protection,
    };
    tell(app, kept, &made);
    Ok(0)
}

fn ask(app: &App, key: &Path, config_file: &Path) -> Result<(), CommandError> {
    let question = format!(
        "make the key pair {} and the profile `{NAME}` in {}",
        app.short(key),
        app.short(config_file)
    );
    match app.global.yes || app.confirm(&question)? {
        true => Ok(()),
        false => Err(CommandError::new(Failure::Cancelled, "nothing was made")),
    }
}

/// Makes the key pair. Gives how it is kept.
fn make_key(app: &App, folder: &Path) -> Result<Option<String>, CommandError> {
    make_folder(app, folder)?;
    let prefix = folder.join(NAME);
    let made = keys::generate(app, password(app), &prefix, KeyAlgorithm::EcdsaP256, false)?;
    Ok(made.protection)
}

/// Writes the profile that signs with the key and verifies against it.
fn make_profile(mut edit: Edit, key: &Path, public_key: &Path) -> Result<(), CommandError> {
    let path = |path: &Path| {
        path.to_str()
            .map(Value::from)
            .ok_or_else(|| CommandError::could_not_tell("the path of HOME is not UTF-8"))
    };
    let signer =
        InlineTable::from_iter([("backend", Value::from("cosign-key")), ("key", path(key)?)]);
    let keys = Array::from_iter([path(public_key)?]);
    edit.put(&["profile", NAME, "signer"], Value::from(signer))?;
    edit.put(&["profile", NAME, "verify", "keys"], Value::from(keys))?;
    edit.save()?;
    Ok(())
}

/// Says what was made, and what to type next.
fn tell(app: &App, kept: bool, made: &Made<'_>) {
    let shown = |path: &Option<PathBuf>| path.as_ref().map(|p| app.short(p)).unwrap_or_default();
    let (key, public_key) = (shown(&made.key), shown(&made.public_key));
    let key_file = key.clone();
    let key = match kept {
        true => format!("found the key pair {key}, made before"),
        false => {
            let protection = protection(made.protection.as_deref());
            format!("made  the key pair {key} ({protection})")
        }
    };
    let config_file = app.short(&made.config_file);
    let text = [key, format!("made  the profile `{NAME}` in {config_file}")];
    app.ui.result(Text::lines(text), made);
    // Where it was a variable that said so; `--yes` alone says what it says.
    if given(app).is_some() {
        warn_of_unprotected(app, &key_file, made.protection.as_deref());
    }
    app.ui
        .say("next  sigtool sign FILE, then sigtool verify FILE");
    if made.protection.as_deref() == Some("encrypted-with-empty-password") {
        app.ui
            .say("      sigtool key change-password sets a password");
    }
    app.ui
        .say(&format!("      give {public_key} to those who verify"));
}

/// The new password that a variable names.
fn given(app: &App) -> Option<SecretSource> {
    let value_of = |name: &str| app.settings.secret_variable(name);
    in_environment(value_of, NEW_PASSWORD, true)
}

/// With `--yes` nobody is asked: the password of a variable or of a line, else none.
fn password(app: &App) -> BTreeMap<String, SecretSource> {
    let given = given(app);
    if app.global.yes && given.is_none() {
        return BTreeMap::from([(NEW_PASSWORD.to_owned(), SecretSource::Empty)]);
    }
    BTreeMap::new()
}

fn already(app: &App, profile: &str, config_file: PathBuf) -> Outcome {
    let read = app
        .config
        .profile_of_user(None, &|id| app.backends.named_manifest(id))?;
    let key = read
        .signer
        .as_ref()
        .and_then(|s| s.key_text())
        .and_then(|k| k.path());
    let made = Made {
        profile,
        changed: false,
        config_file,
        public_key: key.as_ref().map(|key| key.with_extension("pub")),
        key,
        protection: None,
    };
    app.ui.result(
        &format!("the profile `{profile}` is there already: nothing was changed"),
        &made,
    );
    Ok(0)
}

/// A folder for private keys: nobody else looks into it.
fn make_folder(app: &App, folder: &Path) -> Result<(), CommandError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|e| {
            CommandError::could_not_tell(format!("cannot make the folder {}", app.short(folder)))
                .because(why(&e))
        })
}
