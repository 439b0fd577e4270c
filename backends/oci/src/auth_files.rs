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
use std::collections::HashMap;
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

/// A file of credentials, as Docker and Podman write them.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File {
    #[serde(default)]
    auths: Option<HashMap<String, Entry>>,
    #[serde(default)]
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: Option<HashMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Hidden,
    username: Hidden,
    password: Hidden,
    identitytoken: Hidden,
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
        for key in keys(repository) {
            if let Some(helper) = self.cred_helpers.as_ref().and_then(|h| h.get(&key))
                && let Some(credential) = ask(helper, &key)?
            {
                return Ok(Some(credential));
            }
            if let Some(entry) = auths.remove(&key)
                && let Some(login) = entry.login(origin, &key)?
            {
                return Ok(Some(Arc::new(Credential {
                    login,
                    origin: origin.to_owned(),
                })));
            }
        }
        let Some(store) = self.creds_store.filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let server = match repository.host() {
            DOCKER_HUB => DOCKER_HUB_KEY,
            host => host,
        };
        ask(&store, server)
    }
}

/// The names under which the credentials of a repository may be kept, those for its own part of the registry first.
fn keys(repository: &Repository) -> Vec<String> {
    let host = repository.host();
    let hosts: Vec<&str> = match host {
        DOCKER_HUB => vec!["docker.io", DOCKER_HUB, "registry-1.docker.io"],
        host => vec![host],
    };
    let mut keys = Vec::new();
    let mut path = Some(repository.path());
    while let Some(part) = path {
        keys.extend(hosts.iter().map(|host| format!("{host}/{part}")));
        path = part.rsplit_once('/').map(|(above, _)| above);
    }
    if host == DOCKER_HUB {
        keys.push(DOCKER_HUB_KEY.to_owned());
    }
    for host in hosts {
        keys.push(host.to_owned());
        for scheme in ["https", "http"] {
            for end in ["", "/", "/v1/", "/v2/"] {
                keys.push(format!("{scheme}://{host}{end}"));
            }
        }
    }
    keys
}

impl Entry {
    /// What it holds, or `None` for the empty entry that Docker leaves where a helper keeps the rest.
    fn login(self, origin: &str, key: &str) -> Result<Option<Login>> {
        if !self.identitytoken.0.is_empty() {
            return Ok(Some(Login::IdentityToken(self.identitytoken.0)));
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

/// The Base64 of `user:password`.
fn decode(auth: &str) -> Option<Login> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let plain = Zeroizing::new(LENIENT.decode(auth).ok()?);
    let (username, password) = std::str::from_utf8(&plain).ok()?.split_once(':')?;
    Some(Login::Password {
        username: Zeroizing::new(username.to_owned()),
        // Docker itself pads old entries with zero bytes.
        password: Zeroizing::new(password.trim_end_matches('\0').to_owned()),
    })
}
