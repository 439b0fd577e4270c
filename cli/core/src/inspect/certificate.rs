//! What an X.509 certificate says (RFC 5280), with the extension in which Fulcio names the OIDC issuer.

use crate::key::{self, KeyHint};
use crate::text::printable;
use crate::time;
use aws_lc_rs::digest;
use serde::Serialize;
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, Utf8StringRef};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};
use x509_cert::time::Time;

/// Fulcio's OIDC issuer: a UTF-8 string in DER, and the older extension with the bare bytes.
/// See <https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md>.
const OIDC_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");
const OIDC_ISSUER_BARE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");

/// What a certificate says. Nothing of it is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CertificateFacts {
    /// Its subject; empty with Fulcio, which names the identity in `names`.
    pub subject: String,
    /// Its subject alternative names: the identity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The certificate authority.
    pub authority: String,
    /// Who, as Fulcio says, vouched for the identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oidc_issuer: Option<String>,
    /// From when it is valid, UTC.
    pub not_before: String,
    /// Until when it is valid, UTC.
    pub not_after: String,
    /// Whether it is an authority's own.
    pub is_authority: bool,
    /// The algorithm of its key: ours by name, others by number.
    pub key_algorithm: String,
    /// The hint of its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_hint: Option<KeyHint>,
    /// The SHA-256 of the certificate, in hexadecimal digits.
    pub fingerprint: String,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub malformed: Option<String>,
}

impl CertificateFacts {
    /// Reads a DER certificate.
    pub(super) fn of(der: &[u8]) -> Result<Self, String> {
        let certificate = Certificate::from_der(der)
            .map_err(|e| printable(&format!("malformed certificate: {e}")))?;
        let body = certificate.tbs_certificate();
        let spki = body
            .subject_public_key_info()
            .to_der()
            .map_err(|e| printable(&e.to_string()))?;
        let key = key::public_key_of_spki(&spki);
        let extensions = body.extensions().map_or(&[][..], Vec::as_slice);
        Ok(Self {
            subject: printable(&body.subject().to_string()),
            names: names(&certificate),
            authority: printable(&body.issuer().to_string()),
            oidc_issuer: oidc_issuer(extensions),
            not_before: moment(body.validity().not_before),
            not_after: moment(body.validity().not_after),
            is_authority: matches!(
                body.get_extension::<BasicConstraints>(),
                Ok(Some((_, BasicConstraints { ca: true, .. })))
            ),
            key_algorithm: key.as_ref().map_or_else(
                |_| body.subject_public_key_info().algorithm.oid.to_string(),
                |k| k.algorithm.to_string(),
            ),
            key_hint: key.ok().map(|k| KeyHint::of(&k)),
            fingerprint: hex::encode(digest::digest(&digest::SHA256, der)),
            malformed: None,
        })
    }

    /// In place of one that cannot be read, so that the rest is shown.
    pub(super) fn unreadable(why: String) -> Self {
        Self {
            malformed: Some(why),
            ..Self::default()
        }
    }
}

/// X.509 knows the years 1 to 9999, as time does here.
fn moment(time: Time) -> String {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok();
    let time = seconds.and_then(time::from_seconds);
    time.map(time::in_seconds).unwrap_or_default()
}

fn names(certificate: &Certificate) -> Vec<String> {
    let Ok(Some((_, SubjectAltName(names)))) = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>()
    else {
        return Vec::new();
    };
    names
        .iter()
        .map(|name| {
            printable(&match name {
                GeneralName::DirectoryName(name) => name.to_string(),
                GeneralName::DnsName(name) => name.to_string(),
                GeneralName::IpAddress(bytes) => ip_address(bytes.as_bytes()),
                GeneralName::OtherName(other) => format!(
                    "{}: {}",
                    other.type_id,
                    String::from_utf8_lossy(other.value.value())
                ),
                GeneralName::Rfc822Name(name) => name.to_string(),
                GeneralName::UniformResourceIdentifier(uri) => uri.to_string(),
                GeneralName::EdiPartyName(_) => "an EDI party name".to_owned(),
                GeneralName::RegisteredId(id) => id.to_string(),
            })
        })
        .collect()
}

fn ip_address(bytes: &[u8]) -> String {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return std::net::Ipv4Addr::from(four).to_string();
    }
    match <[u8; 16]>::try_from(bytes) {
        Ok(sixteen) => std::net::Ipv6Addr::from(sixteen).to_string(),
        Err(_) => hex::encode(bytes),
    }
}

fn oidc_issuer(extensions: &[Extension]) -> Option<String> {
    let value = |id| {
        extensions
            .iter()
            .find(|e| e.extn_id == id)
            .map(|e| e.extn_value.as_bytes())
    };
    let wrapped = value(OIDC_ISSUER)
        .and_then(|v| Utf8StringRef::from_der(v).ok())
        .map(|text| text.as_str().to_owned());
    let bare = || value(OIDC_ISSUER_BARE).map(|v| String::from_utf8_lossy(v).into_owned());
    wrapped.or_else(bare).map(|issuer| printable(&issuer))
}
