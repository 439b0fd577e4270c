//! `sigtool key`: make keys, take them over, show them.

use crate::app::App;
use crate::app::folders::working_folder;
use crate::app::keys::{absolute, generate, key_files, made_nothing};
use crate::app::keys::{known, read_key};
use crate::args::{Key, OneKey};
use crate::artifacts::destination::check_folder;
use crate::config::{KeyText, Profile};
use crate::error::{CommandError, Outcome, why};
use crate::host::opening::Opening;
use crate::output::Text;
use crate::report::key::{Listed, Row, protection, report_made};
use crate::report::signing::REPLACE;
use serde_json::json;
use sigtool_core::key::{KeyHint, to_pem};
use sigtool_core::output::{Output, OutputError};
use sigtool_sdk::signer::{
    ChangePassword, GetPublicKey, Import, ImportArgs, KeyArgs, PublicKeyReply,
};
use sigtool_sdk::types::Secret;
use std::collections::BTreeMap;
use std::path::Path;

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
        Key::ExportPublic {
            key,
            output,
            overwrite,
        } => export_public(app, key, output.as_deref(), *overwrite),
        Key::ChangePassword(key) => change_password(app, key),
    }
}

fn import(app: &App, key: &str, prefix: &Path, overwrite: bool) -> Outcome {
    let text = KeyText {
        text: key.to_owned(),
        base: working_folder()?,
    };
    let private_key = match (text.scheme(), text.path()) {
        (Some("env"), _) => {
            let name = text.rest();
            let value = app.settings.named_variable(name);
            Secret::from(value.map_err(CommandError::input)?.clone())
        }
        (_, Some(path)) => read_key(&path)?,
        (scheme, None) => {
            return Err(CommandError::input(format!(
                "keys of the form `{}:` cannot be taken over into files",
                scheme.unwrap_or("")
            )));
        }
    };
    app.backends.conceal(private_key.expose());
    let args = ImportArgs {
        key: absolute(prefix)?,
        private_key,
        overwrite,
    };
    let made = key_files(app, BTreeMap::new())?
        .call::<Import>(&args)
        .map_err(|error| made_nothing(prefix, "import", overwrite, error))?;
    report_made(app, "imported", &made);
    Ok(0)
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

/// A public key from a public key file, or from the signer that holds the private one.
pub(crate) fn public_key(
    app: &App,
    which: &OneKey,
) -> Result<(String, PublicKeyReply), CommandError> {
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

/// Readable by everyone: a public key is there to be shown.
const MODE: u32 = 0o644;

fn export_public(app: &App, which: &OneKey, output: Option<&Path>, overwrite: bool) -> Outcome {
    // Before anybody types a password.
    let output = output
        .filter(|path| *path != Path::new("-"))
        .map(place)
        .transpose()?;
    let (name, reply) = public_key(app, which)?;
    let pem = to_pem(&reply.public_key);
    let Some(output) = output else {
        let row = Row::of(&name, &reply.public_key, None, &[]);
        app.ui.result(Text::lines(pem.lines()), &row);
        return Ok(0);
    };
    let shown = output.path().display();
    let is_there = output.content() == Some(pem.as_bytes());
    if !(overwrite || is_there || output.is_free()) {
        return Err(CommandError::input(format!("`{shown}` is there already")).hint(REPLACE));
    }
    output.write(pem.as_bytes(), MODE).map_err(|e| {
        CommandError::could_not_tell(format!("cannot write `{shown}`")).because(why(&e))
    })?;
    let files = [output.path().to_owned()];
    let row = Row::of(&name, &reply.public_key, None, &files);
    app.ui.result(&format!("wrote {shown}"), &row);
    Ok(0)
}

/// The place of `--output`, in a folder that is there. It is free, or may be replaced if that is asked for.
fn place(path: &Path) -> Result<Output, CommandError> {
    check_folder("--output", path)?;
    let refused = |e: OutputError| {
        CommandError::input(e.to_string()).hint("name another file, or `-` for standard output")
    };
    let output = Output::look(path).map_err(refused)?;
    output.check_replaceable().map_err(refused)?;
    Ok(output)
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
