//! Redirects: followed, with nothing taken along that is not for the other side, or refused.

use crate::header::{ACCEPT, AUTHORIZATION, COOKIE, HeaderName, HeaderValue};
use crate::testing::{
    Authority, Host, Server, TlsServer, answers, client, client_with, get, have_tools,
};
use crate::{FailureKind, Method, Request, Tls, Url};
use sigtool_sdk::host::NetworkSettings;

/// Has all sorts of credentials, and something that is not one.
fn request(url: &str) -> Request {
    let mut sensitive = HeaderValue::from_static("s3cr3t");
    sensitive.set_sensitive(true);
    get(url)
        .header(AUTHORIZATION, HeaderValue::from_static("Bearer s3cr3t"))
        .header(COOKIE, HeaderValue::from_static("s3cr3t=1"))
        .header(HeaderName::from_static("x-token"), sensitive)
        .header(ACCEPT, HeaderValue::from_static("application/json"))
}

#[test]
fn a_redirect_to_another_port_carries_no_credentials() {
    let blobs = Server::new([answers("200 OK", &[], "blob")]);
    let location = format!("Location: {}", blobs.url("/blob?signature=s3cr3t"));
    let registry = Server::new([answers("307 Temporary Redirect", &[&location], "")]);
    let host = Host::new();
    let response = host
        .send(&client(), &request(&registry.url("/v2/")))
        .unwrap();
    assert_eq!(response.body, b"blob");
    assert_eq!(response.url.as_str(), blobs.url("/blob?signature=s3cr3t"));
    assert!(registry.requests()[0].contains("Bearer s3cr3t"));
    let seen = &blobs.requests()[0];
    assert!(seen.contains("accept: application/json"), "{seen}");
    assert!(
        !seen.replace("signature=s3cr3t", "").contains("s3cr3t"),
        "{seen}"
    );
    let traces = host.traces();
    assert_eq!(traces.len(), 1, "{traces:?}");
    assert!(traces[0].contains("/v2/ → 307 → GET http://"), "{traces:?}");
    assert!(!traces[0].contains("s3cr3t"), "{traces:?}");
}

#[test]
fn credentials_do_not_come_back_after_a_detour() {
    let other = Server::new([answers("302 Found", &[], "")]);
    let away = format!("Location: {}", other.url("/"));
    let home = Server::new([
        answers("302 Found", &[&away], ""),
        answers("200 OK", &[], ""),
    ]);
    other.then(answers(
        "302 Found",
        &[&format!("Location: {}", home.url("/end"))],
        "",
    ));
    Host::new()
        .send(&client(), &request(&home.url("/")))
        .unwrap();
    let seen = home.requests();
    assert!(seen[0].contains("Bearer s3cr3t"), "{seen:?}");
    assert!(!seen[1].contains("s3cr3t"), "{seen:?}");
}

#[test]
fn a_redirect_within_the_host_keeps_credentials() {
    let server = Server::new([
        answers("301 Moved Permanently", &["Location: ../new"], ""),
        answers("200 OK", &[], "new"),
    ]);
    let response = Host::new()
        .send(&client(), &request(&server.url("/old/")))
        .unwrap();
    assert_eq!(response.url.as_str(), server.url("/new"));
    assert!(server.requests()[1].contains("Bearer s3cr3t"));
}

#[test]
fn a_redirect_may_be_written_in_any_script() {
    let server = Server::new([
        answers("302 Found", &["Location: /né"], ""),
        answers("200 OK", &[], ""),
    ]);
    let response = Host::new().send(&client(), &get(&server.url("/"))).unwrap();
    assert_eq!(response.url.as_str(), server.url("/n%C3%A9"));
}

#[test]
fn a_user_in_a_redirect_is_not_sent_as_our_credentials() {
    let other = Server::new([answers("200 OK", &[], "")]);
    let location = format!("Location: http://user:pass@{}/", other.authority());
    let server = Server::new([answers("302 Found", &[&location], "")]);
    Host::new().send(&client(), &get(&server.url("/"))).unwrap();
    let seen = &other.requests()[0];
    assert!(!seen.contains("authorization"), "{seen}");
}

#[test]
fn a_post_becomes_a_get_where_browsers_do_it() {
    for (status, becomes) in [
        ("303 See Other", true),
        ("302 Found", true),
        ("307 Temporary Redirect", false),
    ] {
        let server = Server::new([
            answers(status, &["Location: /next"], ""),
            answers("200 OK", &[], ""),
        ]);
        let url = Url::parse(&server.url("/")).unwrap();
        let request = Request::new(Method::POST, url).body("body");
        Host::new().send(&client(), &request).unwrap();
        let seen = &server.requests()[1];
        assert_eq!(seen.starts_with("GET /next"), becomes, "{status}: {seen}");
        assert_eq!(seen.ends_with("\r\n\r\nbody"), !becomes, "{status}: {seen}");
    }
}

#[test]
fn a_circle_ends() {
    let server = Server::new([answers("302 Found", &["Location: /again"], "")]);
    let failure = Host::new()
        .send(&client(), &get(&server.url("/")))
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Redirect);
    let text = failure.to_string();
    assert!(
        text.ends_with("redirects once more after 5 redirects"),
        "{text}"
    );
    assert_eq!(server.requests().len(), 6);
}

#[test]
fn five_redirects_are_followed() {
    let hop = answers("302 Found", &["Location: /on"], "");
    let mut steps = vec![hop; 5];
    steps.push(answers("200 OK", &[], "end"));
    let server = Server::new(steps);
    let response = Host::new().send(&client(), &get(&server.url("/"))).unwrap();
    assert_eq!(response.body, b"end");
}

#[test]
fn a_redirect_to_another_scheme_is_refused() {
    let server = Server::new([answers("302 Found", &["Location: file:///etc/passwd"], "")]);
    let failure = Host::new()
        .send(&client(), &get(&server.url("/")))
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Redirect);
    let text = failure.to_string();
    assert!(
        text.ends_with("redirects to an address of the scheme `file`"),
        "{text}"
    );
}

#[test]
fn a_redirect_without_a_location_is_an_answer() {
    let server = Server::new([answers("302 Found", &[], "where")]);
    let response = Host::new().send(&client(), &get(&server.url("/"))).unwrap();
    assert_eq!(response.status.as_u16(), 302);
}

#[test]
fn a_redirect_from_https_to_http_is_refused() {
    if !have_tools() {
        return;
    }
    let plain = Server::new([answers("200 OK", &[], "")]);
    let location = format!("Location: {}", plain.url("/?token=s3cr3t"));
    let authority = Authority::new();
    let secure = TlsServer::new(
        &authority.signs("server", "IP:127.0.0.1"),
        None,
        "TLSv1_3",
        &answers("302 Found", &[&location], ""),
    );
    let tls = Tls {
        ca_file: Some(authority.path("ca.pem")),
        ..Tls::default()
    };
    let client = client_with(&NetworkSettings::default(), &tls);
    let failure = Host::new()
        .send(&client, &get(&secure.url("/")))
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Redirect);
    let text = failure.to_string();
    let expected = format!(
        "`127.0.0.1:{}` redirects from https to http://{}",
        secure.port(),
        plain.authority()
    );
    assert!(text.starts_with(&expected), "{text}");
    assert!(!text.contains("s3cr3t"), "{text}");
    assert!(plain.requests().is_empty());
}
