//! PEM files of certificates and keys, read and checked before anything is connected.

use rustls::RootCertStore;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sigtool_sdk::file::{ReadError, read_regular};
use sigtool_sdk::text::quoted_path;
use sigtool_sdk::{Error, ErrorCode, Result};
use std::path::Path;
use zeroize::Zeroizing;

/// More than any bundle of certificate authorities has, in bytes; stops a path that names a device or an image.
const MAX_FILE: u64 = 8 << 20;

/// Where a file was named: for errors.
pub(crate) struct Place<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// A JSON pointer into the backend's settings, if it stands there.
    pub(crate) field: Option<&'a str>,
}

impl Place<'_> {
    fn error(&self, message: impl Into<String>) -> Error {
        let error = Error::new(ErrorCode::InvalidConfig, message);
        match self.field {
            Some(field) => error.at(field),
            None => error,
        }
    }

    fn shown(&self) -> String {
        quoted_path(self.path)
    }

    /// The whole file.
    fn read(&self) -> Result<Zeroizing<Vec<u8>>> {
        read_regular(self.path, MAX_FILE).map_err(|error| match error {
            ReadError::TooLarge { max } => self
                .error(format!("{} is longer than {max} bytes", self.shown()))
                .because("a file of PEM certificates was expected"),
            error => self
                .error(format!("cannot read {}", self.shown()))
                .because(error),
        })
    }
}

/// The certificate authorities in a file.
pub(crate) fn authorities(place: &Place<'_>) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = place.read()?;
    let mut store = RootCertStore::empty();
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let broken = |why: String| {
            let number = found.len() + 1;
            let message = format!("certificate {number} in {} cannot be read", place.shown());
            place.error(message).because(why)
        };
        let certificate = certificate.map_err(|e| broken(e.to_string()))?;
        store
            .add(certificate.clone())
            .map_err(|e| broken(e.to_string()))?;
        found.push(certificate);
    }
    if found.is_empty() {
        return Err(no_certificate(place));
    }
    Ok(found)
}

/// A client certificate with those above it, and its key. Its `Debug` is not derived: it would show the key.
pub(crate) struct Identity {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// A client certificate with its key, which may stand in the same file.
pub(crate) fn identity(certificate: &Place<'_>, key: Option<&Place<'_>>) -> Result<Identity> {
    let mut pem = certificate.read()?;
    if CertificateDer::pem_slice_iter(&pem).next().is_none() {
        return Err(no_certificate(certificate));
    }
    match key {
        Some(key) => {
            let bytes = key.read()?;
            one_key(key, &bytes)?;
            pem.push(b'\n');
            pem.extend_from_slice(&bytes);
        }
        None => one_key(certificate, &pem)
            .map_err(|e| e.hint("name the file with the key with `client_key`"))?,
    }
    sections(&pem).ok_or_else(|| {
        let message = format!("{} is not a usable client certificate", certificate.shown());
        certificate
            .error(message)
            .because("the file may hold PEM certificates and one private key, and nothing else")
    })
}

/// Certificates and a key, if there is nothing else; the last of several keys.
fn sections(pem: &[u8]) -> Option<Identity> {
    let mut certificates = Vec::new();
    let mut key = None;
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
        match section.ok()? {
            (SectionKind::Certificate, der) => certificates.push(der.into()),
            (SectionKind::PrivateKey, der) => key = Some(PrivateKeyDer::Pkcs8(der.into())),
            (SectionKind::RsaPrivateKey, der) => key = Some(PrivateKeyDer::Pkcs1(der.into())),
            (SectionKind::EcPrivateKey, der) => key = Some(PrivateKeyDer::Sec1(der.into())),
            _ => return None,
        }
    }
    Some(Identity {
        certificates,
        key: key?,
    })
}

fn no_certificate(place: &Place<'_>) -> Error {
    place
        .error(format!("{} holds no PEM certificate", place.shown()))
        .because("`-----BEGIN CERTIFICATE-----` was expected")
}

/// Makes sure that there is a private key that can be read without a password.
fn one_key(place: &Place<'_>, pem: &[u8]) -> Result<()> {
    let mut sections =
        <(SectionKind, Vec<u8>)>::pem_slice_iter(pem).map_while(|section| section.ok());
    let is_key = |kind: SectionKind| {
        matches!(
            kind,
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey
        )
    };
    if sections.any(|(kind, _)| is_key(kind)) {
        return Ok(());
    }
    if pem
        .windows(ENCRYPTED.len())
        .any(|window| window == ENCRYPTED)
    {
        let message = format!("the private key in {} is encrypted", place.shown());
        return Err(place
            .error(message)
            .because("a client key without a password was expected")
            .hint(format!(
                "decrypt it with `openssl pkey -in {} -out client.key`, and name that file",
                place.path.display()
            )));
    }
    Err(place
        .error(format!("{} holds no PEM private key", place.shown()))
        .because("`-----BEGIN PRIVATE KEY-----` was expected"))
}

/// What encrypted keys have in their first lines, PKCS#8 and OpenSSL's older form alike.
const ENCRYPTED: &[u8] = b"ENCRYPTED";
