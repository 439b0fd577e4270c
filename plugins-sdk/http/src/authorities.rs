//! Whom TLS trusts: the certificate authorities of this machine and those of the settings.
//!
//! Those of this machine are a hundred files or one large one. They are read when a certificate has to be checked, so that a
//! registry without TLS costs none of it, and once in a process.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use std::sync::{Arc, OnceLock};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// No certificate authority is known, so nobody can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no certificate authorities are installed on this machine")]
pub(crate) struct NoAuthorities;

/// Checks the certificates of servers. Made without reading anything.
#[derive(Debug)]
pub(crate) struct Authorities {
    ours: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    verifier: OnceLock<Result<Arc<dyn ServerCertVerifier>, Error>>,
}

impl Authorities {
    /// Trusts `ours` beside those of this machine.
    ///
    /// # Errors
    ///
    /// There are neither: not even files that could hold some.
    pub(crate) fn new(
        ours: Vec<CertificateDer<'static>>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, NoAuthorities> {
        if ours.is_empty() && !system::may_have_some() {
            return Err(NoAuthorities);
        }
        Ok(Self {
            ours,
            provider,
            verifier: OnceLock::new(),
        })
    }

    fn verifier(&self) -> Result<&dyn ServerCertVerifier, Error> {
        let made = self
            .verifier
            .get_or_init(|| system::verifier(&self.ours, Arc::clone(&self.provider)));
        made.as_deref().map_err(Clone::clone)
    }
}

impl ServerCertVerifier for Authorities {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.ours.contains(end_entity) {
            return as_named(end_entity, server_name, now);
        }
        self.verifier()?.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let supported = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, supported)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let supported = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, supported)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A server's own certificate that the settings name, byte for byte: trusted as it is, whoever signed it and whether or not it is that of
/// an authority, as `openssl req -x509` makes it. It has to be for this server, and for now.
fn as_named(
    certificate: &CertificateDer<'_>,
    server_name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    verify_server_name(&ParsedCertificate::try_from(certificate)?, server_name)?;
    let parsed = Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.tbs_certificate().validity();
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(ServerCertVerified::assertion())
}

/// Files of certificates, as OpenSSL has them.
#[cfg(not(target_vendor = "apple"))]
mod system {
    use super::*;
    use std::env;
    use std::ffi::OsString;
    use std::path::PathBuf;

    /// The authorities of this machine, once they are read.
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();

    pub(super) fn may_have_some() -> bool {
        let places = Places::find();
        places
            .file
            .iter()
            .chain(&places.folders)
            .any(|p| p.exists())
    }

    pub(super) fn verifier(
        ours: &[CertificateDer<'static>],
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let mut roots = ROOTS.get_or_init(|| Places::find().read()).clone();
        for certificate in ours {
            roots.add(certificate.clone())?;
        }
        if roots.is_empty() {
            return Err(Error::Other(OtherError(Arc::new(NoAuthorities))));
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(verifier.map_err(|e| Error::Other(OtherError(Arc::new(e))))?)
    }

    /// Where certificates lie.
    #[derive(Debug, PartialEq, Eq)]
    pub(super) struct Places {
        pub(super) file: Option<PathBuf>,
        pub(super) folders: Vec<PathBuf>,
    }

    impl Places {
        fn find() -> Self {
            let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
            Self::choose(
                variable("SSL_CERT_FILE"),
                variable("SSL_CERT_DIR"),
                openssl_probe::probe,
            )
        }

        /// What the variables say, both of them if both are set; else the bundle, which has all that the folder has; else the
        /// folder.
        pub(super) fn choose(
            file: Option<OsString>,
            folders: Option<OsString>,
            installed: impl FnOnce() -> openssl_probe::ProbeResult,
        ) -> Self {
            if file.is_some() || folders.is_some() {
                let folders = folders.unwrap_or_default();
                return Self {
                    file: file.map(PathBuf::from),
                    folders: env::split_paths(&folders)
                        .filter(|folder| !folder.as_os_str().is_empty())
                        .collect(),
                };
            }
            let installed = installed();
            match installed.cert_file {
                file @ Some(_) => Self {
                    file,
                    folders: Vec::new(),
                },
                None => Self {
                    file: None,
                    folders: installed.cert_dir,
                },
            }
        }

        /// What can be read of them: one broken file must not make all the others worthless.
        fn read(&self) -> RootCertStore {
            use rustls_native_certs::load_certs_from_paths;
            let mut roots = RootCertStore::empty();
            let of_file = load_certs_from_paths(self.file.as_deref(), None).certs;
            roots.add_parsable_certificates(of_file);
            for folder in &self.folders {
                roots.add_parsable_certificates(load_certs_from_paths(None, Some(folder)).certs);
            }
            roots
        }
    }
}

/// The keychain, which the system itself asks.
#[cfg(target_vendor = "apple")]
mod system {
    use super::*;

    pub(super) fn may_have_some() -> bool {
        true
    }

    pub(super) fn verifier(
        ours: &[CertificateDer<'static>],
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let ours = ours.iter().cloned();
        rustls_platform_verifier::Verifier::new_with_extra_roots(ours, provider)
            .map(|verifier| Arc::new(verifier) as Arc<dyn ServerCertVerifier>)
    }
}

#[cfg(test)]
mod named {
    use super::*;
    use crate::testing::{Authority, have_tools};
    use rustls::pki_types::pem::PemObject as _;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_named_certificate_is_trusted_while_it_is_valid() {
        if !have_tools() {
            return;
        }
        let authority = Authority::new();
        let (path, _) = authority.alone("server", "DNS:app.example", &[]);
        let ours = vec![CertificateDer::from_pem_file(path).unwrap()];
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let authorities = Authorities::new(ours.clone(), provider).unwrap();
        let name = ServerName::try_from("app.example").unwrap();
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let day = Duration::from_hours(24);
        for (time, expected) in [
            (now, None),
            (now - day, Some(CertificateError::NotValidYet)),
            (now + 3 * day, Some(CertificateError::Expired)),
        ] {
            let time = UnixTime::since_unix_epoch(time);
            let found = authorities.verify_server_cert(&ours[0], &[], &name, &[], time);
            assert_eq!(found.err(), expected.map(Error::from));
        }
    }
}

#[cfg(all(test, not(target_vendor = "apple")))]
mod tests {
    use super::system::Places;
    use std::path::PathBuf;

    #[test]
    fn the_variables_come_first_then_the_bundle_then_the_folder() {
        let installed = |file: Option<&'static str>| {
            move || openssl_probe::ProbeResult {
                cert_file: file.map(PathBuf::from),
                cert_dir: vec!["/folder".into()],
            }
        };
        let places = |file: Option<&str>, folders: &[&str]| Places {
            file: file.map(PathBuf::from),
            folders: folders.iter().map(PathBuf::from).collect(),
        };
        let set = |text: &str| Some(text.into());
        for (file, folder, bundle, expected) in [
            (None, None, Some("/bundle"), places(Some("/bundle"), &[])),
            (None, None, None, places(None, &["/folder"])),
            (set("/f"), None, Some("/bundle"), places(Some("/f"), &[])),
            (
                None,
                set("/a:/b"),
                Some("/bundle"),
                places(None, &["/a", "/b"]),
            ),
            (set("/f"), set("/a"), None, places(Some("/f"), &["/a"])),
        ] {
            assert_eq!(Places::choose(file, folder, installed(bundle)), expected);
        }
    }
}
