//! The settings, as the host hands them over: paths absolute, secrets as pointers.

use serde::Deserialize;
use sigtool_sdk::text::quoted;
use sigtool_sdk::types::authority::is_authority;
use sigtool_sdk::types::reference::canonical_registry;
use sigtool_sdk::types::{ParseImageError, Repository, SecretReference};
use sigtool_sdk::{Error, ErrorCode, Result};
use sigtool_sdk_http::Tls;
use std::path::PathBuf;

/// The settings of a profile's `source` table for this backend.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(default)]
    ca_file: Option<PathBuf>,
    #[serde(default)]
    client_certificate: Option<PathBuf>,
    #[serde(default)]
    client_key: Option<PathBuf>,
    #[serde(default)]
    plain_http: Vec<String>,
    #[serde(default)]
    registry: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<SecretReference>,
    /// Where signatures lie if not beside their images: `attach_to` of the whole profile, and so not in this table's manifest.
    #[serde(default)]
    attach_to: Option<String>,
}

/// Who logs in to one registry.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// The registry, as [`canonical_registry`] writes it.
    pub(crate) registry: String,
    pub(crate) username: String,
    /// Where to ask the host for the password.
    pub(crate) password: String,
}

impl Config {
    /// The names of the settings, in the order of the alphabet.
    #[cfg(test)]
    pub(crate) const KEYS: [&str; 7] = [
        "ca_file",
        "client_certificate",
        "client_key",
        "password",
        "plain_http",
        "registry",
        "username",
    ];

    pub(crate) fn tls(&self) -> Tls {
        Tls {
            ca_file: self.ca_file.clone(),
            client_certificate: self.client_certificate.clone(),
            client_key: self.client_key.clone(),
        }
    }

    /// The repository in which the signatures of all images lie, if it is not the image's own.
    ///
    /// # Errors
    ///
    /// `invalid-config`: it is not a repository.
    pub(crate) fn attach_to(&self) -> Result<Option<Repository>> {
        let read = |text: &String| {
            text.parse().map_err(|why: ParseImageError| {
                let message = format!("{} is not a repository", quoted(text));
                let error = Error::new(ErrorCode::InvalidConfig, message).at("/attach_to");
                error.because(format!("it {why}"))
            })
        };
        self.attach_to.as_ref().map(read).transpose()
    }

    /// The registries that are reached without TLS.
    ///
    /// # Errors
    ///
    /// `invalid-config`: one is not a host.
    pub(crate) fn plain_http(&self) -> Result<Vec<String>> {
        for host in &self.plain_http {
            if !is_authority(host) {
                return Err(no_host(host, "/plain_http"));
            }
        }
        Ok(self
            .plain_http
            .iter()
            .map(|h| h.to_ascii_lowercase())
            .collect())
    }

    /// The credentials of the profile, for its one registry.
    ///
    /// # Errors
    ///
    /// `invalid-config`: a part is missing. A user name without a registry would be sent to every registry.
    pub(crate) fn login(&self) -> Result<Option<Login>> {
        let incomplete = |field: &str, found: &str, missing: &str| {
            Error::new(
                ErrorCode::InvalidConfig,
                format!("`{found}` without `{missing}`"),
            )
            .at(field)
            .hint("set all three of `registry`, `username` and `password`, or none")
        };
        let (registry, username, password) = match (&self.registry, &self.username, &self.password)
        {
            (None, None, None) => return Ok(None),
            (Some(registry), Some(username), Some(password)) => (registry, username, password),
            (None, Some(_), _) => return Err(incomplete("/username", "username", "registry")),
            (Some(_), Some(_), None) => {
                return Err(incomplete("/username", "username", "password"));
            }
            (None, None, Some(_)) => return Err(incomplete("/password", "password", "registry")),
            (Some(_), None, _) => return Err(incomplete("/registry", "registry", "username")),
        };
        if !is_authority(registry) {
            return Err(no_host(registry, "/registry"));
        }
        Ok(Some(Login {
            registry: canonical_registry(registry),
            username: username.clone(),
            password: password.secret.clone(),
        }))
    }
}

fn no_host(found: &str, field: &str) -> Error {
    Error::new(
        ErrorCode::InvalidConfig,
        format!("`{found}` is not a registry"),
    )
    .because("a registry is written as a host, with a port if it has one: `registry.local:5000`")
    .at(field)
}
