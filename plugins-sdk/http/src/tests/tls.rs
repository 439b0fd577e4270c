//! TLS: who is trusted, who is not, and what is not TLS at all.

use crate::testing::{
    Authority, Host, Server, Step, TlsServer, answers, client, client_with, get, have_tools,
};
use crate::{Failure, FailureKind, Response, Tls};
use sigtool_sdk::Error;
use sigtool_sdk::host::NetworkSettings;
use std::path::PathBuf;

fn send(network: &NetworkSettings, tls: &Tls, url: &str) -> Result<Response, Failure> {
    Host::new().send(&client_with(network, tls), &get(url))
}

fn trusts(ca_file: PathBuf) -> Tls {
    Tls {
        ca_file: Some(ca_file),
        ..Tls::default()
    }
}

#[test]
fn an_authority_in_either_ca_file_is_trusted_and_no_other_is() {
    if !have_tools() {
        return;
    }
    let authority = Authority::new();
    let server = authority.signs("server", "IP:127.0.0.1");
    let server = TlsServer::new(&server, None, "TLSv1_3", &answers("200 OK", &[], "hello"));
    let ca = authority.path("ca.pem");
    let default = NetworkSettings::default();

    let response = send(&default, &trusts(ca.clone()), &server.url("/")).unwrap();
    assert_eq!(response.body, b"hello");
    let network = NetworkSettings {
        ca_file: Some(ca),
        ..NetworkSettings::default()
    };
    assert!(send(&network, &Tls::default(), &server.url("/")).is_ok());

    let another = Authority::new();
    let failure = send(&default, &trusts(another.path("ca.pem")), &server.url("/")).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
    let error = Error::from(failure);
    assert_eq!(
        error.message,
        format!(
            "the certificate of `127.0.0.1:{}` is signed by a certificate authority that is not trusted here",
            server.port()
        )
    );
    assert!(error.hints[0].contains("`ca_file`"), "{error:?}");
}

/// man/configuration.md: a server's own certificate may be named, whatever it is.
#[test]
fn a_servers_own_certificate_is_trusted_where_it_is_named() {
    if !have_tools() {
        return;
    }
    let authority = Authority::new();
    let no_authority: &[&str] = &["-addext", "basicConstraints=critical,CA:FALSE"];
    let not_for_servers: &[&str] = &["-addext", "extendedKeyUsage=clientAuth"];
    let certificates = [
        authority.alone("as-openssl-makes-it", "IP:127.0.0.1", &[]),
        authority.alone("no-authority", "IP:127.0.0.1", no_authority),
        authority.alone("of-clients", "IP:127.0.0.1", not_for_servers),
        // One of another authority, which is not named.
        authority.signs("signed", "IP:127.0.0.1"),
    ];
    let network = NetworkSettings::default();
    let stranger = Authority::new();
    for certificate in &certificates {
        let answer = answers("200 OK", &[], "hello");
        let server = TlsServer::new(certificate, None, "TLSv1_3", &answer);
        let named = trusts(certificate.0.clone());
        let response = send(&network, &named, &server.url("/")).unwrap();
        assert_eq!(response.body, b"hello");
        // Where others are named it is a stranger.
        let failure = send(&network, &trusts(stranger.path("ca.pem")), &server.url("/"));
        let error = Error::from(failure.unwrap_err());
        assert!(error.message.contains("not trusted here"), "{error:?}");
        assert!(error.hints[0].contains("`ca_file`"), "{error:?}");
    }
    // Its name still has to be the server's.
    let elsewhere = authority.alone("elsewhere", "DNS:registry.example", &[]);
    let server = TlsServer::new(&elsewhere, None, "TLSv1_3", &answers("200 OK", &[], ""));
    let failure = send(&network, &trusts(elsewhere.0.clone()), &server.url("/")).unwrap_err();
    let text = failure.to_string();
    assert!(text.contains("is for another name"), "{text}");
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    if !have_tools() {
        return;
    }
    let authority = Authority::new();
    let server = authority.signs("server", "DNS:registry.example");
    let server = TlsServer::new(&server, None, "TLSv1_3", &answers("200 OK", &[], ""));
    let ca = trusts(authority.path("ca.pem"));
    let failure = send(&NetworkSettings::default(), &ca, &server.url("/")).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
    let text = failure.to_string();
    assert!(text.contains("is for another name"), "{text}");
    assert!(text.contains("registry.example"), "{text}");
}

#[test]
fn what_is_no_tls_is_called_that_and_is_not_tried_again() {
    for step in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let port = crate::testing::blurts(step);
        let host = Host::new();
        let failure = host
            .send(&client(), &get(&format!("https://127.0.0.1:{port}/")))
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotTls, "{step:?}: {failure}");
        assert_eq!(host.traces().len(), 1, "{step:?}: {failure}");
    }
}

#[test]
fn who_resets_the_connection_speaks_no_tls_either() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Closed with something unread.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let url = format!("https://127.0.0.1:{port}/");
    let failure = Host::new().send(&client(), &get(&url)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotTls, "{failure}");
    let text = failure.to_string();
    assert!(
        text.contains("closed the connection instead of agreeing on TLS"),
        "{text}"
    );
}

#[test]
fn a_client_certificate_is_shown_to_who_asks_for_one() {
    if !have_tools() {
        return;
    }
    let authority = Authority::new();
    let server = authority.signs("server", "IP:127.0.0.1");
    let (certificate, key) = authority.signs("client", "DNS:client");
    let ca = authority.path("ca.pem");
    let both = authority.path("both.pem");
    let pem = [&certificate, &key].map(|path| std::fs::read_to_string(path).unwrap());
    std::fs::write(&both, pem.concat()).unwrap();
    let network = NetworkSettings::default();
    for version in ["TLSv1_3", "TLSv1_2"] {
        let answer = answers("200 OK", &[], "welcome");
        let server = TlsServer::new(&server, Some(&ca), version, &answer);
        let mut tls = Tls {
            client_certificate: Some(certificate.clone()),
            client_key: Some(key.clone()),
            ..trusts(ca.clone())
        };
        assert_eq!(
            send(&network, &tls, &server.url("/")).unwrap().body,
            b"welcome"
        );
        tls.client_certificate = Some(both.clone());
        tls.client_key = None;
        assert_eq!(
            send(&network, &tls, &server.url("/")).unwrap().body,
            b"welcome"
        );

        let failure = send(&network, &trusts(ca.clone()), &server.url("/")).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Tls, "{version}: {failure}");
        let error = Error::from(failure);
        assert!(error.hints[0].contains("`client_certificate`"), "{error:?}");
    }
}

#[test]
fn a_client_certificate_of_a_stranger_is_said_to_be_refused() {
    if !have_tools() {
        return;
    }
    let authority = Authority::new();
    let server = authority.signs("server", "IP:127.0.0.1");
    let ca = authority.path("ca.pem");
    let server = TlsServer::new(&server, Some(&ca), "TLSv1_3", &answers("200 OK", &[], ""));
    let stranger = Authority::new();
    let (certificate, key) = stranger.signs("client", "DNS:client");
    let tls = Tls {
        client_certificate: Some(certificate),
        client_key: Some(key),
        ..trusts(ca)
    };
    let failure = send(&NetworkSettings::default(), &tls, &server.url("/")).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls, "{failure}");
    let text = failure.to_string();
    assert!(
        text.contains("does not accept the client certificate"),
        "{text}"
    );
}

#[test]
fn a_key_of_another_certificate_is_an_error_of_the_configuration() {
    if !have_tools() {
        return;
    }
    let authority = Authority::new();
    let (certificate, _) = authority.signs("client", "DNS:client");
    let (_, key) = authority.signs("other", "DNS:other");
    let tls = Tls {
        client_certificate: Some(certificate),
        client_key: Some(key),
        ..trusts(authority.path("ca.pem"))
    };
    let failure = send(&NetworkSettings::default(), &tls, "https://127.0.0.1:1/").unwrap_err();
    let error = Error::from(failure);
    assert_eq!(error.code, sigtool_sdk::ErrorCode::InvalidConfig);
    assert_eq!(error.field.as_deref(), Some("/client_certificate"));
}

#[test]
fn a_hanging_handshake_ends_at_the_timeout() {
    let server = Server::new([Step::Hang("")]);
    let network = crate::testing::timeout(150);
    let url = format!("https://{}/", server.authority());
    let failure = send(&network, &Tls::default(), &url).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
}
