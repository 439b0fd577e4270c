//! What a backend may ask the host for: what its manifest declares, for the kind that was opened. Nothing else decides it.

use super::passwords::{NEW, PRESENT};
use sigtool_sdk::manifest::SettingType;
use sigtool_sdk::types::BackendId;
use sigtool_sdk::{Error, ErrorCode, Kind, Manifest, Result};
use std::sync::Arc;

/// All of them: a backend gets them as a secret or not at all.
const PASSWORDS: [&str; 3] = [PRESENT[0], PRESENT[1], NEW];

/// What one opened backend may ask for.
#[derive(Clone, Debug)]
pub(super) struct Permit {
    manifest: Arc<Manifest>,
    /// None while the backend says what it is: then it is lent no secret.
    kind: Option<Kind>,
}

impl Permit {
    pub(super) fn new(manifest: Arc<Manifest>, kind: Option<Kind>) -> Self {
        Self { manifest, kind }
    }

    pub(super) fn id(&self) -> &BackendId {
        &self.manifest.id
    }

    /// The secret at a pointer into its configuration. Tells whether a signer's password of the environment, or of a person, may
    /// answer where the configuration names none: never for a key, which only the configuration can name.
    pub(super) fn secret(&self, pointer: &str) -> Result<bool> {
        let declared = self
            .kind
            .and_then(|kind| secrets_of(&self.manifest, kind).find(|(own, _)| own == pointer));
        self.when(declared.is_some(), || match self.kind {
            Some(kind) => format!("a secret at `{pointer}` for the kind {kind}"),
            None => format!("a secret at `{pointer}` before it is opened"),
        })?;
        let is_secret = declared.is_some_and(|(_, kind)| kind == SettingType::Secret);
        Ok(is_secret && self.kind == Some(Kind::Signer))
    }

    /// To ask the person something.
    pub(super) fn prompt(&self) -> Result<()> {
        let allowed = self.kind.is_some() && self.manifest.permissions.prompt;
        self.when(allowed, || "that it asks people".to_owned())
    }

    /// To have a page opened.
    pub(super) fn open_url(&self) -> Result<()> {
        let allowed = self.kind.is_some() && self.manifest.permissions.open_url;
        self.when(allowed, || "that it opens pages".to_owned())
    }

    /// An environment variable.
    pub(super) fn env(&self, name: &str) -> Result<()> {
        let declared = variables_of(&self.manifest).any(|own| own == name);
        match (declared, PASSWORDS.contains(&name)) {
            (false, true) => {
                let message = format!(
                    "`{}` may not have the environment variable `{name}`: it is the password of a signer's key",
                    self.id()
                );
                Err(Error::new(ErrorCode::AccessDenied, message))
            }
            _ => self.when(declared, || format!("the environment variable `{name}`")),
        }
    }

    /// How to reach the network.
    pub(super) fn network(&self) -> Result<()> {
        self.when(self.manifest.permissions.network, || {
            "the network".to_owned()
        })
    }

    /// An identity token.
    pub(super) fn identity_token(&self) -> Result<()> {
        let allowed = self.kind.is_some() && self.manifest.permissions.identity_token;
        self.when(allowed, || "that it needs identity tokens".to_owned())
    }

    fn when(&self, allowed: bool, what: impl FnOnce() -> String) -> Result<()> {
        if allowed {
            return Ok(());
        }
        let message = format!("`{}` does not declare {}", self.id(), what());
        Err(Error::new(ErrorCode::AccessDenied, message))
    }
}

/// The secrets that a backend may ask for when this kind is opened, by pointer: its settings of that type, and the keys that the
/// configuration may take from a secret.
fn secrets_of(manifest: &Manifest, kind: Kind) -> impl Iterator<Item = (String, SettingType)> + '_ {
    let settings = manifest.config.get(&kind).into_iter().flatten();
    settings
        .filter(|(_, setting)| matches!(setting.kind, SettingType::Secret | SettingType::Key))
        .map(|(name, setting)| (pointer(name), setting.kind))
}

/// The variables that a backend may have. A password is a signer's secret, and no variable of anyone's.
pub(super) fn variables_of(manifest: &Manifest) -> impl Iterator<Item = &str> + Clone {
    let declared = manifest.environment.iter().map(String::as_str);
    declared.filter(|name| !PASSWORDS.contains(name))
}

/// The JSON pointer to a setting.
pub(crate) fn pointer(setting: &str) -> String {
    format!("/{}", setting.replace('~', "~0").replace('/', "~1"))
}

/// What a backend may ask the host for, for those who decide whether to record it: a label, and what there is.
pub(crate) fn asks_for(manifest: &Manifest) -> Vec<(&'static str, String)> {
    let yes = |value: bool| if value { "yes" } else { "no" }.to_owned();
    let list = |words: Vec<String>| match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(", "),
    };
    let secrets = manifest.config.iter().flat_map(|(kind, settings)| {
        let secret = |(name, setting): (&String, &sigtool_sdk::manifest::Setting)| {
            (setting.kind == SettingType::Secret).then(|| secret_of(*kind, name))
        };
        settings.iter().filter_map(secret)
    });
    let permissions = &manifest.permissions;
    vec![
        ("network", yes(permissions.network)),
        ("tokens", yes(permissions.identity_token)),
        ("secrets", list(secrets.collect())),
        ("prompts", yes(permissions.prompt)),
        ("pages", yes(permissions.open_url)),
        (
            "environment",
            list(variables_of(manifest).map(str::to_owned).collect()),
        ),
    ]
}

/// A secret, and the variables that it may come from where no profile names one.
fn secret_of(kind: Kind, name: &str) -> String {
    let variables = match (kind, name) {
        (Kind::Signer, "password") => PRESENT.join(" or "),
        (Kind::Signer, "new_password") => NEW.to_owned(),
        _ => return format!("{kind}.{name}"),
    };
    format!("{kind}.{name} (else {variables})")
}
