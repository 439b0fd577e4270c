//! `sigtool init`: leaves a profile that signs with a new key pair and verifies against it. Running it again changes nothing.

use crate::app::App;
use crate::app::keys;
use crate::error::{CommandError, Outcome, why};
use crate::host::SecretSource;
use crate::output::Text;
use crate::report::key::protection;
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
    if let Some(chosen) = app.config.profile_chosen(None) {
        return already(app, &chosen.value, config_file);
    }
    let Some(folder) = app.folders.keys() else {
        return Err(
            CommandError::could_not_tell("there is no place for keys: HOME is not set")
                .hint("set HOME or XDG_DATA_HOME"),
        );
    };
    let prefix = folder.join(NAME);
    let (key, public_key) = (
        folder.join(format!("{NAME}.key")),
        folder.join(format!("{NAME}.pub")),
    );
    if !app.global.yes {
        let question = format!(
            "make the key pair {} and the profile `{NAME}` in {}",
            app.short(&key),
            app.short(&config_file)
        );
        if !app.confirm(&question)? {
            return Err(CommandError::new(
                crate::error::Failure::Cancelled,
                "nothing was made",
            ));
        }
    }
    let mut edit = app.config.edit()?;
    let kept = key.exists() && public_key.exists();
    let protected = if kept {
        // A run that was cut short between the key and the profile.
        None
    } else {
        make_folder(app, &folder)?;
        keys::generate(app, password(app), &prefix, KeyAlgorithm::EcdsaP256, false)?.protection
    };
    let path = |path: &Path| {
        path.to_str()
            .map(Value::from)
            .ok_or_else(|| CommandError::could_not_tell("the path of HOME is not UTF-8"))
    };
    let signer =
        InlineTable::from_iter([("backend", Value::from("cosign-key")), ("key", path(&key)?)]);
    let keys = Array::from_iter([path(&public_key)?]);
    edit.put(&["profile", NAME, "signer"], Value::from(signer))?;
    edit.put(&["profile", NAME, "verify", "keys"], Value::from(keys))?;
    edit.save()?;
    let made = Made {
        profile: NAME,
        changed: true,
        config_file,
        key: Some(key.clone()),
        public_key: Some(public_key.clone()),
        protection: protected,
    };
    let key = app.short(&key);
    let key = if kept {
        format!("found the key pair {key}, made before")
    } else {
        let protection = protection(made.protection.as_deref());
        format!("made  the key pair {key} ({protection})")
    };
    let config_file = app.short(&made.config_file);
    let text = [key, format!("made  the profile `{NAME}` in {config_file}")];
    app.ui.result(Text::lines(text), &made);
    app.ui
        .say("next  sigtool sign FILE, then sigtool verify FILE");
    if made.protection.as_deref() == Some("encrypted-with-empty-password") {
        app.ui
            .say("      sigtool key change-password sets a password");
    }
    app.ui.say(&format!(
        "      give {} to whoever is to verify",
        app.short(&public_key)
    ));
    Ok(0)
}

/// With `--yes` nobody is asked: the password of a variable, else none.
fn password(app: &App) -> BTreeMap<String, SecretSource> {
    let variables = [
        "SIGTOOL_NEW_PASSWORD",
        "SIGTOOL_PASSWORD",
        "COSIGN_PASSWORD",
    ];
    let given = variables
        .iter()
        .any(|name| app.settings.environment.contains_key(*name));
    if app.global.yes && !given {
        return BTreeMap::from([("/new_password".to_owned(), SecretSource::Empty)]);
    }
    BTreeMap::new()
}

fn already(app: &App, profile: &str, config_file: PathBuf) -> Outcome {
    let read = app
        .config
        .profile(None, &|id| app.backends.named_manifest(id))?;
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
