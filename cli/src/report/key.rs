//! What is said of a key.

use crate::app::App;
use serde::Serialize;
use sigtool_core::key::{KeyHint, to_pem};
use sigtool_sdk::signer::KeyMade;
use sigtool_sdk::types::{KeyAlgorithm, PublicKey};
use std::path::{Path, PathBuf};

/// A key.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Row<'a> {
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
pub(crate) struct Listed<'a> {
    /// The reference of the key: a path, or `SCHEME:REST`.
    pub(crate) key: &'a str,
    /// The profiles that name it.
    pub(crate) profiles: &'a [String],
}

impl<'a> Row<'a> {
    pub(crate) fn of(
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
pub(crate) fn protection(word: Option<&str>) -> String {
    match word {
        Some("encrypted") => "protected by a password".to_owned(),
        Some("encrypted-with-empty-password") => {
            "not protected: its password is empty, anyone who has the file can sign".to_owned()
        }
        Some("plain") => "not protected: anyone who has the file can sign".to_owned(),
        Some(other) => other.to_owned(),
        None => "unknown".to_owned(),
    }
}

/// Says what was made. That a key is not protected is told to those too who asked for quiet.
pub(crate) fn report_made(app: &App, verb: &str, made: &KeyMade) {
    // The private key comes first, whatever it is called; behind the public one what was there before.
    let is_old = |(place, file): &(usize, &PathBuf)| {
        *place > 0 && file.extension().is_none_or(|end| end != "pub")
    };
    let (old, files): (Vec<_>, Vec<_>) = made.files.iter().enumerate().partition(is_old);
    let files: Vec<_> = files.iter().map(|(_, file)| app.short(file)).collect();
    let files = files.join(" and ");
    let protection = protection(made.protection.as_deref());
    let text = format!(
        "{verb} {files} ({}), {protection}",
        made.public_key.algorithm
    );
    let row = Row::of(
        &made.key,
        &made.public_key,
        made.protection.as_deref(),
        &made.files,
    );
    app.ui.result(&text, &row);
    for (_, old) in old {
        let old = app.short(old);
        app.ui
            .note(&format!("the key that was there is kept as `{old}`"));
    }
    warn_of_unprotected(
        app,
        &app.short(Path::new(&made.key)),
        made.protection.as_deref(),
    );
}

/// Tells those who see no results that a key is not protected.
pub(crate) fn warn_of_unprotected(app: &App, key: &str, word: Option<&str>) {
    if app.ui.hides_results() && matches!(word, Some("encrypted-with-empty-password" | "plain")) {
        app.ui.warn(&format!("{key} is {}", protection(word)));
    }
}
