//! The files in which Docker and Podman keep credentials.
//!
//! The crate `docker_credential` reads them too, but knows no credentials for a part of a registry, and asks a helper for each name
//! that is tried.

use crate::login::{Credential, Login, Outcome};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Deserializer};
use sigtool_sdk::file::read_regular;
use sigtool_sdk::text::quoted;
use sigtool_sdk::types::Repository;
use sigtool_sdk::types::reference::DOCKER_HUB;
use sigtool_sdk::{Call, Error, ErrorCode, Result};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The name that Docker keeps the credentials of Docker Hub under.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// The longest file of credentials, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Where credentials of Docker and Podman are kept.
pub(crate) enum Place {
    /// The variable `DOCKER_AUTH_CONFIG`.
    Variable(Zeroizing<String>),
    /// A file.
    File(PathBuf),
}

/// The places, in their order.
pub(crate) fn places(call: &Call) -> Result<Vec<Place>> {
    let folder =
        |name: &str| -> Result<Option<PathBuf>> { Ok(variable(call, name)?.map(PathBuf::from)) };
    let mut places = Vec::new();
    if let Some(text) = variable(call, "DOCKER_AUTH_CONFIG")? {
        places.push(Place::Variable(Zeroizing::new(text)));
    }
    let home = folder("HOME")?;
    let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
    let docker = folder("DOCKER_CONFIG")?.or_else(|| below_home(".docker"));
    let docker = docker.map(|folder| folder.join("config.json"));
    if let Some(file) = folder("REGISTRY_AUTH_FILE")? {
        places.push(Place::File(file));
        places.extend(docker.map(Place::File));
        return Ok(places);
    }
    let config = folder("XDG_CONFIG_HOME")?.or_else(|| below_home(".config"));
    let podman = [folder("XDG_RUNTIME_DIR")?, config]
        .into_iter()
        .flatten()
        .map(|folder| folder.join("containers/auth.json"));
    places.extend(docker.into_iter().chain(podman).map(Place::File));
    Ok(places)
}

/// A variable; an empty one counts as none.
pub(crate) fn variable(call: &Call, name: &str) -> Result<Option<String>> {
    Ok(call.env(name)?.filter(|value| !value.is_empty()))
}

impl Place {
    /// What users would look for.
    pub(crate) fn origin(&self) -> String {
        match self {
            Self::Variable(_) => "`DOCKER_AUTH_CONFIG`".to_owned(),
            Self::File(path) => quoted(&path.to_string_lossy()).to_string(),
        }
    }

    /// What it holds, or `None` if there is no such file.
    pub(crate) fn read(&self) -> Result<Option<File>> {
        let text = match self {
            Self::Variable(text) => Zeroizing::new(text.as_bytes().to_vec()),
            Self::File(path) => match read_regular(path, MAX_FILE) {
                Ok(text) => text,
                Err(e) if e.is_missing() => return Ok(None),
                Err(e) => {
                    let message = format!("cannot read the credentials in {}", self.origin());
                    return Err(Error::new(ErrorCode::InvalidConfig, message).because(e));
                }
            },
        };
        // Podman makes the file before it has something to write.
        if text.trim_ascii().is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&text).map(Some).map_err(|e| {
            // The words of the parser may hold what stands there, its position does not.
            Error::new(
                ErrorCode::InvalidConfig,
                format!(
                    "{} holds no credentials as Docker writes them",
                    self.origin()
                ),
            )
            .because(format!("line {}, column {}", e.line(), e.column()))
        })
    }
}

/// A file of credentials, as Docker and Podman write them. Go, which reads it for them, takes `null` for nothing and names in any case.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File {
    #[serde(default)]
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(default, alias = "credsstore")]
    creds_store: Option<String>,
    #[serde(default, alias = "credhelpers")]
    cred_helpers: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Hidden,
    username: Hidden,
    password: Hidden,
    #[serde(alias = "identityToken")]
    identitytoken: Hidden,
    #[serde(alias = "registryToken")]
    registrytoken: Hidden,
}

/// A text that is wiped when dropped.
#[derive(Default)]
struct Hidden(Zeroizing<String>);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(Self(Zeroizing::new(text.unwrap_or_default())))
    }
}

impl File {
    /// The credentials for a repository; `ask` runs a helper.
    ///
    /// # Errors
    ///
    /// `invalid-config` for a malformed entry, and those of `ask`.
    pub(crate) fn find(
        mut self,
        repository: &Repository,
        origin: &str,
        mut ask: impl FnMut(&str, &str) -> Outcome,
    ) -> Outcome {
        let mut auths = self.auths.take().unwrap_or_default();
        let helpers = self.cred_helpers.take().unwrap_or_default();
        let in_file = names(repository, auths.keys());
        let mut entry = |key: &str| match auths.remove(key).flatten() {
            Some(entry) => entry.login(origin, key).map(|login| {
                let origin = origin.to_owned();
                Some(Arc::new(Credential {
                    login: login?,
                    origin,
                }))
            }),
            None => Ok(None),
        };
        let mut helper = |key: &str| match helpers.get(key).and_then(Option::as_deref) {
            Some(helper) => ask(helper, key),
            None => Ok(None),
        };
        for key in parts(repository) {
            if let Some(credential) = helper(&key)?.map_or_else(|| entry(&key), |c| Ok(Some(c)))? {
                return Ok(Some(credential));
            }
        }
        let of_helpers = names(repository, helpers.keys());
        for key in &of_helpers {
            if let Some(credential) = helper(key)? {
                return Ok(Some(credential));
            }
        }
        // Docker asks its store before it looks at the entry of a registry, which may be of before there was a store.
        let stored = match self.creds_store.filter(|name| !name.is_empty()) {
            Some(store) => ask(&store, server(repository)),
            None => Ok(None),
        };
        if let Ok(Some(_)) = stored {
            return stored;
        }
        for key in &in_file {
            if let Some(credential) = entry(key)? {
                return Ok(Some(credential));
            }
        }
        stored
    }
}

/// What a store is asked for.
fn server(repository: &Repository) -> &str {
    match repository.host() {
        DOCKER_HUB => DOCKER_HUB_KEY,
        host => host,
    }
}

/// The names of a registry.
fn hosts(repository: &Repository) -> Vec<&str> {
    match repository.host() {
        DOCKER_HUB => vec!["docker.io", DOCKER_HUB, "registry-1.docker.io"],
        host => vec![host],
    }
}

/// The names under which Podman keeps the credentials for a repository's part of its registry, the nearest first.
fn parts(repository: &Repository) -> Vec<String> {
    let mut keys = Vec::new();
    let mut path = Some(repository.path());
    while let Some(part) = path {
        let hosts = hosts(repository).into_iter();
        keys.extend(hosts.map(|host| format!("{host}/{part}")));
        path = part.rsplit_once('/').map(|(above, _)| above);
    }
    keys
}

/// Those of the names that stand for the whole registry, the plainest first: its host, and addresses at it. Docker takes any path of one;
/// at Docker Hub other paths than those of its registry are those of other services.
fn names<'a>(repository: &Repository, known: impl Iterator<Item = &'a String>) -> Vec<String> {
    let is_hub = repository.host() == DOCKER_HUB;
    let hosts = hosts(repository);
    let is_named = |name: &str| {
        let bare = ["https://", "http://"]
            .iter()
            .find_map(|scheme| name.strip_prefix(scheme));
        let (host, path) = bare
            .unwrap_or(name)
            .split_once('/')
            .unwrap_or((bare.unwrap_or(name), ""));
        let is_registry = ["", "v1/", "v2/"].contains(&path) && (bare.is_some() || path.is_empty());
        let is_address = bare.is_some() && !is_hub;
        hosts.iter().any(|known| host.eq_ignore_ascii_case(known)) && (is_registry || is_address)
    };
    let mut names: Vec<String> = known.filter(|name| is_named(name)).cloned().collect();
    names.sort_by_key(|name| (name != DOCKER_HUB_KEY, name.len()));
    names
}

impl Entry {
    /// What it holds, or `None` for the empty entry that Docker leaves where a helper keeps the rest.
    fn login(self, origin: &str, key: &str) -> Result<Option<Login>> {
        if !self.identitytoken.0.is_empty() {
            return Ok(Some(Login::IdentityToken(self.identitytoken.0)));
        }
        if !self.registrytoken.0.is_empty() {
            return Ok(Some(Login::RegistryToken(self.registrytoken.0)));
        }
        if !self.auth.0.is_empty() {
            let login = decode(&self.auth.0).ok_or_else(|| {
                Error::new(
                    ErrorCode::InvalidConfig,
                    format!("{origin} has malformed credentials for {}", quoted(key)),
                )
                .because("`auth` is not the Base64 of `user:password`")
            })?;
            return Ok(Some(login));
        }
        if self.username.0.is_empty() && self.password.0.is_empty() {
            return Ok(None);
        }
        Ok(Some(Login::Password {
            username: self.username.0,
            password: self.password.0,
        }))
    }
}

/// The Base64 of `user:password`, padded or not; `base64` breaks it into lines.
fn decode(auth: &str) -> Option<Login> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let auth: Zeroizing<Vec<u8>> = Zeroizing::new(
        auth.bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect(),
    );
    let plain = Zeroizing::new(LENIENT.decode(&auth).ok()?);
    let (username, password) = std::str::from_utf8(&plain).ok()?.split_once(':')?;
    Some(Login::Password {
        username: Zeroizing::new(username.to_owned()),
        // Docker itself pads old entries with zero bytes.
        password: Zeroizing::new(password.trim_end_matches('\0').to_owned()),
    })
}
