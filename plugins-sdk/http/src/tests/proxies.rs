//! Proxies: used exactly as the host says, and never shown with their passwords.

use crate::header::{AUTHORIZATION, HeaderValue};
use crate::testing::{
    Authority, Host, Server, Step, TlsServer, answers, client_with, closed_port, get, have_tools,
};
use crate::{Client, FailureKind, Tls};
use sigtool_sdk::ErrorCode;
use sigtool_sdk::host::NetworkSettings;

fn through(http: Option<String>, https: Option<String>, except: &str) -> NetworkSettings {
    NetworkSettings {
        http_proxy: http,
        https_proxy: https,
        no_proxy: Some(except.to_owned()),
        ..NetworkSettings::default()
    }
}

/// A proxy's address with a password.
fn with_password(proxy: &Server) -> Option<String> {
    Some(format!("http://user:s3cr3t@{}", proxy.authority()))
}

#[test]
fn a_request_goes_through_the_proxy_unless_its_host_is_excepted() {
    let proxy = Server::new([answers("200 OK", &[], "from the proxy")]);
    let server = Server::new([answers("200 OK", &[], "from the server")]);
    let host = Host::new();

    let settings = through(with_password(&proxy), None, "");
    let client = client_with(&settings, &Tls::default());
    let response = host.send(&client, &get("http://app.example/a")).unwrap();
    assert_eq!(response.body, b"from the proxy");
    let seen = &proxy.requests()[0];
    assert!(
        seen.starts_with("GET http://app.example/a HTTP/1.1"),
        "{seen}"
    );
    assert!(
        seen.contains("proxy-authorization: Basic dXNlcjpzM2NyM3Q="),
        "{seen}"
    );

    // By this address the server is no loopback to us.
    let elsewhere = server.url("/a").replace("127.0.0.1", "0.0.0.0");
    for except in ["example.com, 0.0.0.0/8", "0.0.0.0", "*"] {
        let settings = through(with_password(&proxy), None, except);
        let client = client_with(&settings, &Tls::default());
        let response = host.send(&client, &get(&elsewhere)).unwrap();
        assert_eq!(response.body, b"from the server", "{except}");
    }
    assert!(!server.requests().concat().contains("proxy"));

    let traces = host.traces().concat();
    assert!(!traces.contains("s3cr3t"), "{traces}");
}

/// SECURITY.md: what is said to this machine never reaches a proxy.
#[test]
fn this_machine_is_reached_without_a_proxy() {
    let proxy = Server::new([answers("200 OK", &[], "from the proxy")]);
    let server = Server::new([answers("200 OK", &[], "from the server")]);
    let port = server.port();
    let settings = through(with_password(&proxy), with_password(&proxy), "");
    let client = client_with(&settings, &Tls::default());
    for url in [format!("http://localhost:{port}/"), server.url("/")] {
        let request = get(&url).header(
            AUTHORIZATION,
            HeaderValue::from_static("Basic cGFzc3dvcmQ="),
        );
        let response = Host::new().send(&client, &request).unwrap();
        assert_eq!(response.body, b"from the server");
    }
    let port = crate::testing::blurts("");
    let url = format!("https://127.0.0.1:{port}/");
    let failure = Host::new().send(&client, &get(&url)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotTls, "{failure}");
    assert!(proxy.requests().is_empty());
}

#[test]
fn a_proxy_without_a_scheme_is_an_http_proxy() {
    let proxy = Server::new([answers("200 OK", &[], "from the proxy")]);
    let settings = through(Some(proxy.authority()), None, "");
    let client = client_with(&settings, &Tls::default());
    let response = Host::new()
        .send(&client, &get("http://app.example/"))
        .unwrap();
    assert_eq!(response.body, b"from the proxy");
}

/// A server with TLS under this name, the proxy that leads to it, and the authority that signed it, trusted.
fn tunnel_to(name: &str) -> (Authority, TlsServer, Server, Tls) {
    let authority = Authority::new();
    let server = authority.signs("server", name);
    let server = TlsServer::new(&server, None, "TLSv1_3", &answers("200 OK", &[], "secure"));
    let proxy = Server::new([Step::Tunnel(server.port())]);
    let tls = Tls {
        ca_file: Some(authority.path("ca.pem")),
        ..Tls::default()
    };
    (authority, server, proxy, tls)
}

#[test]
fn https_goes_through_a_tunnel_of_the_proxy() {
    if !have_tools() {
        return;
    }
    let (_authority, _server, proxy, tls) = tunnel_to("DNS:app.example");
    let client = client_with(&through(None, with_password(&proxy), ""), &tls);
    let request =
        get("https://app.example/secret").header(AUTHORIZATION, HeaderValue::from_static("token"));
    let response = Host::new().send(&client, &request).unwrap();
    assert_eq!(response.body, b"secure");
    let seen = &proxy.requests()[0];
    assert!(seen.starts_with("CONNECT app.example:443 "), "{seen}");
    assert!(
        seen.contains("proxy-authorization: Basic dXNlcjpzM2NyM3Q="),
        "{seen}"
    );
    assert!(
        !seen.contains("token") && !seen.contains("/secret"),
        "{seen}"
    );
}

#[test]
fn an_address_of_ipv6_is_reached_through_a_tunnel_too() {
    if !have_tools() {
        return;
    }
    let (_authority, _server, proxy, tls) = tunnel_to("IP:2001:db8::5");
    let client = client_with(&through(None, with_password(&proxy), ""), &tls);
    for url in [
        "https://[2001:db8::5]:5000/secret",
        "https://[2001:DB8:0::5]/secret",
    ] {
        let request = get(url).header(AUTHORIZATION, HeaderValue::from_static("token"));
        let response = Host::new().send(&client, &request).unwrap();
        assert_eq!(response.body, b"secure");
    }
    for (seen, port) in proxy.requests().iter().zip([5000, 443]) {
        assert!(
            seen.starts_with(&format!("CONNECT [2001:db8::5]:{port} ")),
            "{seen}"
        );
        assert!(seen.contains("Basic dXNlcjpzM2NyM3Q="), "{seen}");
        assert!(
            !seen.contains("token") && !seen.contains("/secret"),
            "{seen}"
        );
    }
    // The certificate has to be for this address.
    let failure = Host::new().send(&client, &get("https://[2001:db8::6]/"));
    let text = failure.unwrap_err().to_string();
    assert!(text.contains("is for another name"), "{text}");

    for (status, told) in [
        (
            "403 Forbidden",
            "refuses to connect to `[2001:db8::5]:5000`",
        ),
        (
            "407 Proxy Authentication Required",
            "asks for a user and a password",
        ),
    ] {
        let proxy = Server::new([answers(status, &[], "")]);
        let client = client_with(&through(None, with_password(&proxy), ""), &tls);
        let failure = Host::new().send(&client, &get("https://[2001:db8::5]:5000/"));
        let text = failure.unwrap_err().to_string();
        let expected = format!("the proxy `{}` {told}", proxy.authority());
        assert!(text.starts_with(&expected), "{text}");
    }
    for (proxy, told) in [
        (
            format!("http://127.0.0.1:{}", closed_port()),
            "refuses connections",
        ),
        ("https://127.0.0.1:1".to_owned(), "cannot be reached"),
    ] {
        let client = client_with(&through(None, Some(proxy), ""), &tls);
        let failure = Host::new().send(&client, &get("https://[2001:db8::5]:5000/"));
        let text = failure.unwrap_err().to_string();
        assert!(text.contains(told), "{text}");
    }
}

#[test]
fn a_proxy_that_refuses_is_named() {
    for (status, text) in [
        ("403 Forbidden", "refuses to connect to `app.example`"),
        (
            "407 Proxy Authentication Required",
            "asks for a user and a password",
        ),
    ] {
        let proxy = Server::new([answers(status, &[], "")]);
        let settings = through(None, with_password(&proxy), "");
        let client = client_with(&settings, &Tls::default());
        let failure = Host::new()
            .send(&client, &get("https://app.example/?q=s3cr3t"))
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Connect);
        let shown = failure.to_string();
        let expected = format!("the proxy `{}` {text}", proxy.authority());
        assert!(shown.starts_with(&expected), "{shown}");
        assert!(!format!("{failure:?}").contains("s3cr3t"), "{failure:?}");
        assert!(proxy.requests()[0].starts_with("CONNECT app.example:443 "));
        assert_eq!(proxy.requests().len(), 1);
    }
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let proxy = format!("127.0.0.1:{}", closed_port());
    let settings = through(Some(proxy.clone()), Some(proxy.clone()), "");
    let client = client_with(&settings, &Tls::default());
    for url in ["http://app.example/", "https://app.example/"] {
        let failure = Host::new().send(&client, &get(url)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Connect);
        let text = failure.to_string();
        let expected = format!("the proxy `{proxy}` refuses connections");
        assert!(text.starts_with(&expected), "{url}: {text}");
    }
}

#[test]
fn a_proxy_that_is_none_is_an_error_without_its_password() {
    for proxy in [
        "socks5://user:s3cr3t@proxy.example",
        "http://user:s3cr3t@proxy.example:99999",
        "http://user:s3cr3t@",
        "user:s3cr3t@proxy example",
    ] {
        for (http, https) in [(true, false), (false, true)] {
            let set = |on: bool| on.then(|| proxy.to_owned());
            let settings = through(set(http), set(https), "");
            let error = Client::new(&settings, &Tls::default()).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidConfig, "{proxy}");
            let name = if http {
                "`http_proxy`"
            } else {
                "`https_proxy`"
            };
            assert!(error.message.contains(name), "{error:?}");
            let shown = format!("{error:?}");
            assert!(
                !shown.contains("s3cr3t") && !shown.contains("user:s"),
                "{shown}"
            );
        }
    }
}
