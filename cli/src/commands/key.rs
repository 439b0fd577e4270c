//! `sigtool key`: make keys, take them over, show them.

use super::Outcome;
use crate::app::{App, FILE_KEYS, working_folder};
use crate::args::{Key, OneKey};
use crate::config::{KeyText, Profile};
use crate::error::{CommandError, why};
use crate::host::{Opening, SecretSource};
use crate::output::Text;
use serde::Serialize;
use serde_json::json;
use sigtool_core::key::{KeyHint, to_pem};
use sigtool_sdk::Kind;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::signer::{
    ChangePassword, Generate, GenerateArgs, GetPublicKey, Import, ImportArgs, KeyArgs, KeyMade,
    PublicKeyReply,
};
use sigtool_sdk::types::{KeyAlgorithm, PublicKey, Secret};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The largest private key that is read: many times an RSA-4096 PEM.
const MAX_KEY: u64 = 64 * 1024;

pub(super) fn run(app: &App, command: &Key) -> Outcome {
    match command {
        Key::Generate {
            output_key_prefix,
            algorithm,
            overwrite,
        } => {
            let made = generate(
                app,
                BTreeMap::new(),
                output_key_prefix,
                *algorithm,
                *overwrite,
            )?;
            report_made(app, "made", &made);
            Ok(0)
        }
        Key::Import {
            key,
            output_key_prefix,
            overwrite,
        } => import(app, key, output_key_prefix, *overwrite),
        Key::List => list(app),
        Key::Show(key) => show(app, key),
        Key::ExportPublic { key, output } => export_public(app, key, output.as_deref()),
        Key::ChangePassword(key) => change_password(app, key),
    }
}

/// Opens the signer of key files without a key: it will be told which in the call.
fn key_files(app: &App, secrets: BTreeMap<String, SecretSource>) -> Result<Handle, CommandError> {
    app.backends.open(&Opening {
        configuration: json!({ "new_password": { "secret": "/new_password" } }),
        secrets,
        ..Opening::plain(FILE_KEYS, Kind::Signer)
    })
}

/// Makes a key pair in files. `secrets` says where its password comes from, if not from where passwords usually do.
pub(super) fn generate(
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
        .map_err(|error| made_nothing(prefix, "generate", error))
}

fn made_nothing(prefix: &Path, verb: &str, error: sigtool_sdk::Error) -> CommandError {
    let exists =
        error.message.contains("exists") || error.causes.iter().any(|c| c.contains("exists"));
    let error = CommandError::from_backend(
        format!("cannot {verb} the key `{}`", prefix.display()),
        error,
    );
    if exists {
        error.hint("to replace it, and lose the old key for ever, say `--overwrite`")
    } else {
        error
    }
}

fn absolute(prefix: &Path) -> Result<String, CommandError> {
    let path = std::path::absolute(prefix).map_err(|e| {
        CommandError::input(format!("`{}` is no path", prefix.display())).because(e)
    })?;
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| CommandError::input(format!("`{}` is not UTF-8", prefix.display())))
}

fn import(app: &App, key: &str, prefix: &Path, overwrite: bool) -> Outcome {
    let text = KeyText {
        text: key.to_owned(),
        base: working_folder()?,
    };
    let private_key = match (text.scheme(), text.path()) {
        (Some("env"), _) => {
            let name = text.rest();
            let value = app.settings.environment.get(name).ok_or_else(|| {
                CommandError::input(format!("the environment variable `{name}` is not set"))
            })?;
            Secret::from(value.clone())
        }
        (_, Some(path)) => read_key(&path)?,
        (scheme, None) => {
            return Err(CommandError::input(format!(
                "keys of the form `{}:` cannot be taken over into files",
                scheme.unwrap_or("")
            )));
        }
    };
    let args = ImportArgs {
        key: absolute(prefix)?,
        private_key,
        overwrite,
    };
    let made = key_files(app, BTreeMap::new())?
        .call::<Import>(&args)
        .map_err(|error| made_nothing(prefix, "import", error))?;
    report_made(app, "imported", &made);
    Ok(0)
}

fn read_key(path: &Path) -> Result<Secret, CommandError> {
    let unreadable = |e: &dyn std::fmt::Display| {
        CommandError::input(format!("cannot read the key `{}`", path.display())).because(e)
    };
    let facts = std::fs::metadata(path).map_err(|e| unreadable(&e))?;
    if !facts.is_file() {
        return Err(unreadable(&"not a regular file"));
    }
    let mut bytes = Vec::with_capacity(MAX_KEY as usize);
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_KEY).read_to_end(&mut bytes))
        .map_err(|e| unreadable(&e))?;
    Ok(Secret::new(bytes))
}

/// A key.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Row<'a> {
    /// The reference of the key: a path, or `SCHEME:REST`.
    key: &'a str,
    /// Its algorithm.
    algorithm: KeyAlgorithm,
    /// How bundles name it: the Base64 of the SHA-256 of its public half.
    key_hint: KeyHint,
    /// Its public half, in PEM.
    public_key: String,
    /// How it is kept: `encrypted`, `encrypted-with-empty-password`, `plain`, or the backend's own word.
    #[serde(skip_serializing_if = "Option::is_none")]
    protection: Option<&'a str>,
    /// The files that were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
}

/// A key that a profile names, or that lies where `sigtool init` puts keys.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Listed<'a> {
    /// The reference of the key: a path, or `SCHEME:REST`.
    key: &'a str,
    /// The profiles that name it.
    profiles: &'a [String],
}

impl<'a> Row<'a> {
    fn of(
        key: &'a str,
        public_key: &PublicKey,
        protection: Option<&'a str>,
        files: &[PathBuf],
    ) -> Self {
        Self {
            key,
            algorithm: public_key.algorithm,
            key_hint: KeyHint::of(public_key),
            public_key: to_pem(public_key),
            protection,
            files: files.iter().map(|file| super::lossy(file)).collect(),
        }
    }
}

/// How a key is kept, in words.
pub(super) fn protection(word: Option<&str>) -> String {
    match word {
        Some("encrypted") => "protected by a password".to_owned(),
        Some("encrypted-with-empty-password") => {
            "not protected: its password is empty, whoever has the file can sign".to_owned()
        }
        Some("plain") => "not protected: whoever has the file can sign".to_owned(),
        Some(other) => other.to_owned(),
        None => "unknown".to_owned(),
    }
}

pub(super) fn report_made(app: &App, verb: &str, made: &KeyMade) {
    let files: Vec<_> = made.files.iter().map(|file| app.short(file)).collect();
    let text = format!(
        "{verb} {} ({}), {}",
        files.join(" and "),
        made.public_key.algorithm,
        protection(made.protection.as_deref())
    );
    let row = Row::of(
        &made.key,
        &made.public_key,
        made.protection.as_deref(),
        &made.files,
    );
    app.ui.result(&text, &row);
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

fn list(app: &App) -> Outcome {
    let keys = known(app, &|path| app.short(path));
    for (key, profiles) in &keys {
        let used = if profiles.is_empty() {
            String::new()
        } else {
            format!("  (profile {})", profiles.join(", "))
        };
        app.ui
            .item(&format!("{key}{used}"), &Listed { key, profiles });
    }
    app.ui.end_items();
    if keys.is_empty() {
        app.ui
            .say("no profile names a key; make one with `sigtool init` or `sigtool key generate`");
    }
    Ok(0)
}

/// A public key from a public key file, or from whatever signer holds the private one.
fn public_key(app: &App, which: &OneKey) -> Result<(String, PublicKeyReply), CommandError> {
    let reference = which.reference.as_deref().or(which.key.as_deref());
    if let Some(reference) = reference {
        let key = KeyText {
            text: reference.to_owned(),
            base: working_folder()?,
        };
        if let Some(path) = key.path()
            && let Ok(bytes) = read_key(&path)
            && let Ok(public_key) = sigtool_core::key::parse_public_key(bytes.expose())
        {
            let reply = PublicKeyReply {
                public_key,
                digest: None,
                protection: Some("public key only".to_owned()),
            };
            return Ok((reference.to_owned(), reply));
        }
    }
    let opening = opening(app, reference)?;
    let name = opening.configuration["key"]["name"]
        .as_str()
        .unwrap_or("")
        .to_owned();
    let reply = app
        .backends
        .open(&opening)?
        .call::<GetPublicKey>(&KeyArgs::default())
        .map_err(|error| opening.failed("signer.public_key", error))?;
    Ok((name, reply))
}

/// The signer with the key that was named, or with the profile's.
fn opening(app: &App, reference: Option<&str>) -> Result<Opening, CommandError> {
    if let Some(text) = reference {
        let key = KeyText {
            text: text.to_owned(),
            base: working_folder()?,
        };
        // A file needs nothing of a profile, and so works beside a broken one; a store is the profile's.
        let profile = match key.path() {
            Some(_) => Profile::default(),
            None => app.profile()?,
        };
        return app.opening(reference, &profile);
    }
    let profile = app.profile()?;
    if profile.signer.is_none() {
        return Err(CommandError::input("which key?")
            .because("none is named, and no profile in use has one")
            .hint("name it: a path, or SCHEME:REST such as env:VARIABLE"));
    }
    app.opening(None, &profile)
}

fn show(app: &App, which: &OneKey) -> Outcome {
    let (name, reply) = public_key(app, which)?;
    let pem = to_pem(&reply.public_key);
    let facts = [
        format!("key         {name}"),
        format!("algorithm   {}", reply.public_key.algorithm),
        format!("key hint    {}", KeyHint::of(&reply.public_key)),
        format!("protection  {}", protection(reply.protection.as_deref())),
    ];
    let text = Text::lines(facts.iter().map(String::as_str).chain(pem.lines()));
    let row = Row::of(&name, &reply.public_key, reply.protection.as_deref(), &[]);
    app.ui.result(text, &row);
    Ok(0)
}

fn export_public(app: &App, which: &OneKey, output: Option<&Path>) -> Outcome {
    let (name, reply) = public_key(app, which)?;
    let pem = to_pem(&reply.public_key);
    let Some(output) = output else {
        let row = Row::of(&name, &reply.public_key, None, &[]);
        app.ui.result(Text::lines(pem.lines()), &row);
        return Ok(0);
    };
    sigtool_core::write::atomic_write(output, pem.as_bytes(), 0o644).map_err(|e| {
        CommandError::could_not_tell(format!("cannot write `{}`", output.display()))
            .because(why(&e))
    })?;
    let files = [output.to_owned()];
    let row = Row::of(&name, &reply.public_key, None, &files);
    app.ui.result(&format!("wrote {}", output.display()), &row);
    Ok(0)
}

fn change_password(app: &App, which: &OneKey) -> Outcome {
    let reference = which.reference.as_deref().or(which.key.as_deref());
    let mut opening = opening(app, reference)?;
    if opening.configuration.get("new_password").is_none() {
        opening.configuration["new_password"] = json!({ "secret": "/new_password" });
    }
    // The variables that hold the present password do not hold the next one.
    opening.new_password_may_be_old = false;
    let made = app
        .backends
        .open(&opening)?
        .call::<ChangePassword>(&KeyArgs::default())
        .map_err(|error| opening.failed("signer.change_password", error))?;
    report_made(app, "changed the password of", &made);
    Ok(0)
}
