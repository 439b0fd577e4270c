//! From what went wrong below to a [`Failure`]: walks the chain of errors for what is known by type.

use crate::Url;
use crate::authorities::NoAuthorities;
use crate::exchange::Trouble;
use crate::failure::{Failure, FailureKind};
use crate::settings::Unmade;
use crate::text::{authority, clean};
use crate::trace::seconds;
use crate::tunnel::THROUGH_TLS;
use rustls::{AlertDescription, CertificateError};
use sigtool_sdk::{Error, ErrorCode};
use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::iter::successors;
use std::time::Duration;

/// What was tried, for the texts.
pub(crate) struct Tried<'a> {
    /// Whom it was sent to.
    pub(crate) url: &'a Url,
    /// The proxy that it took.
    pub(crate) proxy: Option<&'a Url>,
    /// Whether a client certificate is set.
    pub(crate) has_identity: bool,
    /// How long it was allowed to take.
    pub(crate) allowed: Duration,
    /// The longest body that was allowed, in bytes.
    pub(crate) max_body: usize,
}

impl Tried<'_> {
    /// What the trouble means.
    pub(crate) fn diagnose(&self, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Cancelled(error) => Failure::stopped(error),
            Trouble::Read(error) => self.reading(&error),
            Trouble::Send(error) => self.sending(&error.without_url()),
            Trouble::Thread(error) => self.thread(&error),
            Trouble::Timeout { begun } => self.timeout(begun),
            Trouble::TooLarge => self.too_large(),
        }
    }

    fn host(&self) -> String {
        format!("`{}`", authority(self.url))
    }

    /// Whom the connection is made to: without TLS, or while there is no `tunnel` yet, it is the proxy.
    fn peer(&self, tunnel: bool) -> String {
        match self.proxy {
            Some(proxy) if tunnel || self.url.scheme() == "http" => {
                format!("the proxy `{}`", authority(proxy))
            }
            _ => self.host(),
        }
    }

    /// The request could not be sent, or no answer began.
    fn sending(&self, error: &reqwest::Error) -> Failure {
        if error.is_timeout() {
            return self.timeout(false);
        }
        if error.is_builder() {
            return self.unsendable(error);
        }
        let tunnel = chain(error).find_map(tunnel);
        match find::<rustls::Error>(error) {
            Some(tls) if error.is_connect() => return self.tls(tls, tunnel.is_some()),
            // Since TLS 1.3 a client learns only after the handshake that its certificate was not good enough.
            Some(tls @ rustls::Error::AlertReceived(_)) => return self.tls(tls, false),
            _ => {}
        }
        if error.is_connect() {
            return self.connecting(error, tunnel.as_deref());
        }
        let last = root(error);
        if let Some(alert) = last
            .strip_prefix("received fatal alert: ")
            .and_then(alert_of)
        {
            let error = rustls::Error::AlertReceived(alert);
            return self.alert(&self.peer(false), alert, &error);
        }
        if last.starts_with("invalid HTTP") {
            return Failure::new(
                FailureKind::Cut,
                format!("what {} answered is not HTTP", self.host()),
            )
            .because(last)
            .hint("check the port of the address, and whether `https` is spoken there");
        }
        let message = format!(
            "the connection to {} was cut before it answered",
            self.host()
        );
        let failure = Failure::new(FailureKind::Cut, message)
            .because(last)
            .passing();
        if self.url.scheme() != "https" {
            return failure;
        }
        // A server that wants a certificate may have closed before its alert could be read.
        failure.hint(if self.has_identity {
            "if it asks for a client certificate, it may not accept this one"
        } else {
            "if it asks for a client certificate, name one with `client_certificate`"
        })
    }

    /// No connection came about.
    fn connecting(&self, error: &reqwest::Error, tunnel: Option<&str>) -> Failure {
        let peer = self.peer(tunnel.is_some());
        if error.is_dns() {
            return Failure::new(
                FailureKind::Connect,
                format!("no address is known for {peer}"),
            )
            .because(root(error))
            .hint("check the spelling of the name, and the connection to the network");
        }
        let kind = find::<io::Error>(error).map(io::Error::kind);
        match (kind, tunnel) {
            (Some(ErrorKind::ConnectionRefused), _) => refuses(&peer),
            (kind, Some(tunnel)) => self.tunnelling(tunnel, kind),
            (Some(kind), None) if is_cut(kind) && self.url.scheme() == "https" => {
                let failure = Failure::new(
                    FailureKind::NotTls,
                    format!("{peer} closed the connection instead of agreeing on TLS"),
                );
                match kind {
                    ErrorKind::UnexpectedEof => failure,
                    // It may have been a router or a load balancer.
                    _ => failure.passing(),
                }
            }
            (Some(kind), None) if is_cut(kind) => {
                let message = format!("the connection to {peer} was cut before it answered");
                Failure::new(FailureKind::Cut, message)
                    .because(root(error))
                    .passing()
            }
            _ => Failure::new(FailureKind::Connect, format!("{peer} cannot be reached"))
                .because(root(error))
                .hint("check the connection to the network"),
        }
    }

    /// A tunnel of ours did not come about.
    pub(crate) fn tunnel(&self, error: &io::Error) -> Failure {
        match error.kind() {
            ErrorKind::ConnectionRefused => refuses(&self.peer(true)),
            ErrorKind::TimedOut | ErrorKind::WouldBlock => self.timeout(false),
            ErrorKind::Other => self.tunnelling(&error.to_string(), None),
            kind => self.tunnelling(&error.to_string(), Some(kind)),
        }
    }

    /// The proxy was there, but opened no way to the host.
    fn tunnelling(&self, tunnel: &str, kind: Option<ErrorKind>) -> Failure {
        let peer = self.peer(true);
        if tunnel.contains("authorization required") {
            let message = format!("{peer} asks for a user and a password, or refuses those given");
            return Failure::new(FailureKind::Connect, message)
                .hint("set them in the proxy's address: `http://user:password@host:port`");
        }
        if kind.is_some_and(is_cut) || tunnel.contains("end of file") {
            let message = format!(
                "{peer} closed the connection instead of opening one to {}",
                self.host()
            );
            return Failure::new(FailureKind::Cut, message).passing();
        }
        if kind.is_some() {
            return Failure::new(FailureKind::Connect, format!("{peer} cannot be reached"))
                .because(tunnel);
        }
        if tunnel == THROUGH_TLS {
            return Failure::new(
                FailureKind::Connect,
                format!("{} cannot be reached", self.host()),
            )
            .because(tunnel)
            .hint("call the host by its name, or name it in `no_proxy` if it is reached directly");
        }
        Failure::new(
            FailureKind::Connect,
            format!("{peer} refuses to connect to {}", self.host()),
        )
        .hint("ask the proxy's operator, or name the host in `no_proxy` if it is reached directly")
    }

    /// The answer has begun, and ended too soon.
    fn reading(&self, error: &io::Error) -> Failure {
        if find::<reqwest::Error>(error).is_some_and(reqwest::Error::is_timeout) {
            return self.timeout(true);
        }
        let message = format!(
            "the connection to {} was cut in the middle of the answer",
            self.host()
        );
        Failure::new(FailureKind::Cut, message)
            .because(root(error))
            .passing()
    }

    /// TLS did not come about.
    fn tls(&self, error: &rustls::Error, tunnel: bool) -> Failure {
        let peer = self.peer(tunnel);
        match error {
            rustls::Error::InvalidMessage(_) => {
                let message = format!("what {peer} answered is not TLS");
                Failure::new(FailureKind::NotTls, message).because(error)
            }
            rustls::Error::InvalidCertificate(error) => certificate(&peer, error),
            rustls::Error::Other(other) if other.0.is::<NoAuthorities>() => {
                no_authorities(&NoAuthorities)
            }
            rustls::Error::AlertReceived(alert) => self.alert(&peer, *alert, error),
            _ => Failure::new(
                FailureKind::Tls,
                format!("{peer} and sigtool cannot agree on TLS"),
            )
            .because(error),
        }
    }

    /// The other side has refused us.
    fn alert(&self, peer: &str, alert: AlertDescription, error: &rustls::Error) -> Failure {
        use AlertDescription as Alert;
        let about_us = matches!(
            alert,
            Alert::AccessDenied
                | Alert::BadCertificate
                | Alert::CertificateExpired
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::UnsupportedCertificate
        );
        if alert == Alert::CertificateRequired || (about_us && !self.has_identity) {
            let message = format!("{peer} asks for a client certificate");
            return Failure::new(FailureKind::Tls, message)
                .because(error)
                .hint("name it with `client_certificate`, and its key with `client_key`");
        }
        if about_us {
            let message = format!("{peer} does not accept the client certificate");
            return Failure::new(FailureKind::Tls, message)
                .because(error)
                .hint("ask its operator which authority has to have signed `client_certificate`");
        }
        let failure = Failure::new(FailureKind::Tls, format!("{peer} refuses to agree on TLS"))
            .because(error);
        if alert == Alert::HandshakeFailure && !self.has_identity {
            // So says TLS 1.2 where a later one says `CertificateRequired`.
            return failure
                .hint("if it asks for a client certificate, name one with `client_certificate`");
        }
        failure
    }

    fn timeout(&self, begun: bool) -> Failure {
        let did = if begun { "finish its answer" } else { "answer" };
        let message = format!(
            "{} did not {did} within {}",
            self.host(),
            seconds(self.allowed)
        );
        Failure::new(FailureKind::Timeout, message).passing()
    }

    fn too_large(&self) -> Failure {
        let message = format!("{} answered more than {} bytes", self.host(), self.max_body);
        Failure::new(FailureKind::TooLarge, message)
    }

    /// The request cannot be one: HTTP does not know its address.
    fn unsendable(&self, error: &reqwest::Error) -> Failure {
        let message = format!("no request can be sent to {}", self.host());
        let error = Error::new(ErrorCode::InvalidRequest, message).because(root(error));
        Failure::from_error(FailureKind::Connect, error)
    }

    fn thread(&self, error: &io::Error) -> Failure {
        let message = format!("no thread can be started to reach {}", self.host());
        Failure::new(FailureKind::Connect, message).because(error)
    }
}

/// Nobody is there.
fn refuses(peer: &str) -> Failure {
    Failure::new(FailureKind::Connect, format!("{peer} refuses connections"))
        .because("nothing listens at that port, or a firewall is in the way")
        .hint("check the address and its port")
}

/// An alert by its name: below some errors only the text of it is left.
fn alert_of(name: &str) -> Option<AlertDescription> {
    use AlertDescription as Alert;
    let about_certificates = [
        Alert::AccessDenied,
        Alert::BadCertificate,
        Alert::CertificateExpired,
        Alert::CertificateRequired,
        Alert::CertificateRevoked,
        Alert::CertificateUnknown,
        Alert::HandshakeFailure,
        Alert::UnknownCA,
        Alert::UnsupportedCertificate,
    ];
    about_certificates
        .into_iter()
        .find(|alert| format!("{alert:?}") == name)
}

/// The other side's certificate is not accepted.
fn certificate(peer: &str, error: &CertificateError) -> Failure {
    use CertificateError as Why;
    let failure = |what: &str| {
        Failure::new(
            FailureKind::Tls,
            format!("the certificate of {peer} {what}"),
        )
        .because(error)
    };
    match error {
        Why::UnknownIssuer => {
            failure("is signed by a certificate authority that is not trusted here")
                .hint("name the PEM file of that certificate authority with `ca_file`")
        }
        Why::Expired | Why::ExpiredContext { .. } => failure("has expired")
            .hint("its operator has to renew it; check the clock of this machine too"),
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            failure("is not valid yet").hint("check the clock of this machine")
        }
        Why::NotValidForName | Why::NotValidForNameContext { .. } => {
            failure("is for another name").hint("check the host in the address")
        }
        Why::Revoked => failure("has been revoked"),
        // The library's own type of it is not public; its name is.
        Why::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            let message = format!(
                "the certificate of {peer} is that of a certificate authority, and not trusted here"
            );
            Failure::new(FailureKind::Tls, message)
                .hint("if it is the server's own, name its PEM file with `ca_file`")
        }
        _ => failure("is not accepted"),
    }
}

/// The client could not be made.
pub(crate) fn unmade(error: &Unmade) -> Failure {
    match error {
        Unmade::NoAuthorities(none) => no_authorities(none),
        Unmade::Identity(why) => {
            let message = "the client certificate and its key cannot be used";
            let error = Error::new(ErrorCode::InvalidConfig, message)
                .because(why)
                .at("/client_certificate")
                .hint(
                    "check that the key belongs to the certificate, which stands first in its file",
                );
            Failure::from_error(FailureKind::Tls, error)
        }
        Unmade::Library(error) => unstarted(&root(error)),
        Unmade::Tls(error) => unstarted(&root(error)),
    }
}

fn unstarted(why: &str) -> Failure {
    Failure::new(FailureKind::Connect, "the HTTP client cannot be started").because(why)
}

/// Nobody can be trusted here.
fn no_authorities(why: &NoAuthorities) -> Failure {
    Failure::new(FailureKind::Tls, why.to_string())
        .hint("install them (`ca-certificates`), or name a file of them with `ca_file`")
}

/// The kinds that mean a connection ended where it should not.
fn is_cut(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::BrokenPipe
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::UnexpectedEof
    )
}

/// What a proxy's tunnel ended with. Its type is not public; its text is.
fn tunnel(error: &(dyn StdError + 'static)) -> Option<String> {
    let text = error.to_string();
    text.strip_prefix("tunnel error: ").map(str::to_owned)
}

/// An error and all below it. What an [`io::Error`] wraps is not a `source` of it, and is part of the chain all the same.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>() {
            Some(error) => error.get_ref().map(|e| e as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

/// The last error of this type, which knows best.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    chain(error).filter_map(|e| e.downcast_ref::<T>()).last()
}

/// The text of the innermost error, the only one that says something. Those of `reqwest` may show an address.
fn root(error: &(dyn StdError + 'static)) -> String {
    let said = chain(error).filter(|error| !error.is::<reqwest::Error>());
    said.last()
        .and_then(|error| clean(&error.to_string()))
        .unwrap_or_else(|| "no reason is known".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_certificate_is_its_operators_move() {
        let failure = certificate("`app.example`", &CertificateError::Expired);
        assert_eq!(failure.kind, FailureKind::Tls);
        let error = Error::from(failure);
        assert_eq!(
            error.message,
            "the certificate of `app.example` has expired"
        );
        assert!(error.hints[0].starts_with("its operator has to renew it"));
    }

    #[test]
    fn what_an_io_error_wraps_is_found() {
        let inner = io::Error::other(rustls::Error::HandshakeNotComplete);
        let outer = io::Error::other(inner);
        assert_eq!(
            find::<rustls::Error>(&outer),
            Some(&rustls::Error::HandshakeNotComplete)
        );
    }
}
