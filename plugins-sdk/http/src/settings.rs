//! The settings of the client: the host's for the network and the backend's for TLS, read and checked, and the clients made of them.

use crate::authorities::{Authorities, NoAuthorities};
use crate::pem::{self, Identity, Place};
use crate::proxy::Proxies;
use reqwest::blocking::{Client, ClientBuilder};
use reqwest::redirect;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use sigtool_sdk::host::NetworkSettings;
use sigtool_sdk::{Error, ErrorCode, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long one attempt may take if the host does not say.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest that one attempt may take: longer than anyone waits, and short enough for every clock.
const MAX_TIMEOUT: Duration = Duration::from_hours(24);

/// A backend's own TLS settings, beside the network settings that the host lends.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// A file of PEM certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// A file with the PEM certificate that is shown to services that ask for one, and those above it.
    pub client_certificate: Option<PathBuf>,
    /// A file with its private key, if that is not in the same file.
    pub client_key: Option<PathBuf>,
}

/// All settings, checked.
pub(crate) struct Settings {
    /// No socket may be opened.
    pub(crate) offline: bool,
    /// How long one attempt may take.
    pub(crate) timeout: Duration,
    /// The proxies.
    pub(crate) proxies: Proxies,
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
}

impl Settings {
    /// Reads the files; opens no connection.
    pub(crate) fn new(network: &NetworkSettings, tls: &Tls) -> Result<Self> {
        let mut authorities = Vec::new();
        if let Some(path) = &network.ca_file {
            authorities.extend(pem::authorities(&Place { path, field: None })?);
        }
        if let Some(path) = &tls.ca_file {
            let field = Some("/ca_file");
            authorities.extend(pem::authorities(&Place { path, field })?);
        }
        Ok(Self {
            offline: network.offline,
            timeout: network
                .timeout_ms
                .map_or(TIMEOUT, Duration::from_millis)
                .min(MAX_TIMEOUT),
            proxies: Proxies::new(network)?,
            authorities,
            identity: identity(tls)?,
        })
    }

    /// Whether a client certificate is set.
    pub(crate) fn has_identity(&self) -> bool {
        self.identity.is_some()
    }

    /// A client for `http:` that needs no certificates, and reads none.
    pub(crate) fn plain_client(&self) -> Result<Client, Unmade> {
        Ok(self.builder().tls_certs_only([]).build()?)
    }

    /// A client that speaks TLS, with servers or through the socket of a tunnel. Of this machine's certificates nothing is read before a
    /// server shows its own.
    pub(crate) fn tls_client(&self, tunnel: Option<PathBuf>) -> Result<Client, Unmade> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let trusted = Authorities::new(self.authorities.clone(), Arc::clone(&provider))?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(trusted));
        let mut config = match &self.identity {
            Some(identity) => config
                .with_client_auth_cert(identity.certificates.clone(), identity.key.clone_key())
                .map_err(Unmade::Identity)?,
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let builder = self.builder().tls_backend_preconfigured(config);
        let builder = match tunnel {
            Some(socket) => builder.unix_socket(socket),
            None => builder,
        };
        Ok(builder.build()?)
    }

    fn builder(&self) -> ClientBuilder {
        // `no_proxy` first: it forgets what was set, and keeps the environment from being read.
        let builder = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("sigtool/", env!("CARGO_PKG_VERSION")));
        builder.proxy(self.proxies.rule())
    }
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unmade {
    /// The client certificate and its key do not belong together, or are of no use.
    #[error("{0}")]
    Identity(rustls::Error),
    /// Nobody could be trusted.
    #[error(transparent)]
    NoAuthorities(#[from] NoAuthorities),
    /// The library refuses.
    #[error("{0}")]
    Library(#[from] reqwest::Error),
    /// The library for TLS refuses.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
}

fn identity(tls: &Tls) -> Result<Option<Identity>> {
    let certificate = tls.client_certificate.as_deref().map(|path| Place {
        path,
        field: Some("/client_certificate"),
    });
    let key = tls.client_key.as_deref().map(|path| Place {
        path,
        field: Some("/client_key"),
    });
    match (certificate, key) {
        (Some(certificate), key) => pem::identity(&certificate, key.as_ref()).map(Some),
        (None, Some(_)) => Err(Error::new(
            ErrorCode::InvalidConfig,
            "`client_key` is set without `client_certificate`",
        )
        .at("/client_key")
        .hint("name the certificate of this key with `client_certificate`")),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Authority, have_tools};

    fn error(tls: &Tls) -> Error {
        let settings = Settings::new(&NetworkSettings::default(), tls);
        let error = settings.err().unwrap();
        assert_eq!(error.code, ErrorCode::InvalidConfig);
        error
    }

    /// A file with this in it. The folder goes with the first.
    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.pem");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_file_that_is_missing_or_holds_nothing_is_said_with_its_setting() {
        let (_folder, empty) = file("no PEM at all");
        let missing = PathBuf::from("/nowhere/ca.pem");
        for (path, text) in [
            (
                &missing,
                "cannot read `/nowhere/ca.pem`: there is no such file or folder",
            ),
            (&empty, "holds no PEM certificate"),
        ] {
            let ca = error(&Tls {
                ca_file: Some(path.clone()),
                ..Tls::default()
            });
            assert_eq!(ca.field.as_deref(), Some("/ca_file"));
            assert!(ca.to_string().contains(text), "{ca}");
            let client = error(&Tls {
                client_certificate: Some(path.clone()),
                ..Tls::default()
            });
            assert_eq!(client.field.as_deref(), Some("/client_certificate"));
            assert!(client.to_string().contains(text), "{client}");
        }
    }

    #[test]
    fn a_broken_certificate_is_counted() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let (_folder, path) = file(broken);
        let error = error(&Tls {
            ca_file: Some(path),
            ..Tls::default()
        });
        assert!(error.message.starts_with("certificate 1 in `"), "{error}");
    }

    #[test]
    fn a_device_is_not_read() {
        let error = error(&Tls {
            ca_file: Some("/dev/zero".into()),
            ..Tls::default()
        });
        assert!(error.causes[0].contains("a character device"), "{error}");
    }

    #[test]
    fn a_hosts_ca_file_is_no_setting_of_the_backend() {
        let network = NetworkSettings {
            ca_file: Some("/nowhere/ca.pem".into()),
            ..NetworkSettings::default()
        };
        let error = Settings::new(&network, &Tls::default()).err().unwrap();
        assert_eq!(error.field, None);
        assert!(error.message.contains("/nowhere/ca.pem"), "{error}");
    }

    #[test]
    fn a_key_that_is_missing_or_encrypted_is_said() {
        if !have_tools() {
            return;
        }
        let authority = Authority::new();
        let (certificate, _) = authority.signs("client", "DNS:client");
        let alone = error(&Tls {
            client_certificate: Some(certificate.clone()),
            ..Tls::default()
        });
        assert_eq!(alone.field.as_deref(), Some("/client_certificate"));
        assert!(alone.hints[0].contains("`client_key`"), "{alone:?}");

        let pem =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let (_folder, path) = file(pem);
        let encrypted = error(&Tls {
            client_certificate: Some(certificate),
            client_key: Some(path.clone()),
            ..Tls::default()
        });
        assert_eq!(encrypted.field.as_deref(), Some("/client_key"));
        assert!(encrypted.message.ends_with("is encrypted"), "{encrypted}");

        let without = error(&Tls {
            client_key: Some(path),
            ..Tls::default()
        });
        assert_eq!(without.field.as_deref(), Some("/client_key"));
    }

    #[test]
    fn the_longest_timeout_is_no_overflow() {
        let settings = Settings::new(&crate::testing::timeout(u64::MAX), &Tls::default());
        assert_eq!(settings.ok().unwrap().timeout, MAX_TIMEOUT);
    }
}
