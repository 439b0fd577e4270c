//! Answers, bounds on them, and what debug output tells of them.

use crate::header::{AUTHORIZATION, HeaderValue};
use crate::testing::{Host, Server, Step, answers, client, client_with, get, timeout};
use crate::{FailureKind, Method, Request, StatusCode, Tls, Url};
use sigtool_sdk::{ErrorCode, host::NetworkSettings};
use std::sync::Mutex;
use std::time::Duration;

#[test]
fn every_status_is_an_answer() {
    let server = Server::new([answers("404 Not Found", &["X-Why: gone"], "not here")]);
    let client = client();
    let response = Host::new()
        .send(&client, &get(&server.url("/v2/")))
        .unwrap();
    assert_eq!(response.status, StatusCode::NOT_FOUND);
    assert_eq!(response.headers["x-why"], "gone");
    assert_eq!(response.body, b"not here");
    assert_eq!(response.url.as_str(), server.url("/v2/"));
    assert!(client.slowest() > Duration::ZERO);
}

#[test]
fn a_request_arrives_as_it_was_made() {
    let server = Server::new([answers("201 Created", &[], "")]);
    let url = Url::parse(&server.url("/v2/app/manifests/1?a=b")).unwrap();
    let request = Request::new(Method::PUT, url)
        .header(AUTHORIZATION, HeaderValue::from_static("Bearer token"))
        .body("{}");
    Host::new().send(&client(), &request).unwrap();
    let seen = &server.requests()[0];
    assert!(
        seen.starts_with("PUT /v2/app/manifests/1?a=b HTTP/1.1\r\n"),
        "{seen}"
    );
    assert!(seen.contains("authorization: Bearer token\r\n"), "{seen}");
    assert!(!seen.contains("accept-encoding"), "{seen}");
    assert!(seen.ends_with("\r\n\r\n{}"), "{seen}");
}

#[test]
fn a_compressed_body_is_left_alone() {
    let server = Server::new([answers("200 OK", &["Content-Encoding: gzip"], "no gzip")]);
    let response = Host::new().send(&client(), &get(&server.url("/"))).unwrap();
    assert_eq!(response.body, b"no gzip");
}

#[test]
fn a_body_may_be_as_long_as_allowed_and_not_a_byte_longer() {
    let server = Server::new([answers("200 OK", &[], "12345")]);
    let request = get(&server.url("/"));
    let host = Host::new();
    assert!(host.send(&client(), &request.clone().max_body(5)).is_ok());
    let failure = host.send(&client(), &request.max_body(4)).unwrap_err();
    assert_eq!(failure.kind, FailureKind::TooLarge);
    let error = failure.into_error("cannot read the manifest");
    assert_eq!(error.code, ErrorCode::Integrity);
    assert_eq!(
        error.to_string(),
        format!(
            "cannot read the manifest: `{}` answered more than 4 bytes",
            server.authority()
        )
    );
}

#[test]
fn of_a_slow_body_it_is_told_how_much_has_come() {
    let server = Server::new([Step::Slow(&["ab", "c", "d"], Duration::from_millis(300))]);
    let told = Mutex::new(Vec::new());
    let host = Host::new();
    let response = client()
        .send_watched(&host.call(), &get(&server.url("/")), &|more| {
            told.lock().unwrap().push(more);
        })
        .unwrap();
    assert_eq!(response.body, b"abcd");
    // The last piece comes with the end, and nobody waits any more.
    let told = told.into_inner().unwrap();
    assert!(!told.is_empty() && !told.contains(&0), "{told:?}");
    assert!(told.iter().sum::<u64>() <= 4, "{told:?}");
}

#[test]
fn an_endless_body_is_not_read_to_its_end() {
    let server = Server::new([Step::Endless]);
    let request = get(&server.url("/")).max_body(100_000);
    let failure = Host::new().send(&client(), &request).unwrap_err();
    assert_eq!(failure.kind, FailureKind::TooLarge);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_endless_body_ends_at_the_timeout_at_the_latest() {
    let server = Server::new([Step::Endless]);
    let client = client_with(&timeout(3000), &Tls::default());
    let request = get(&server.url("/")).max_body(usize::MAX).once();
    let failure = Host::new().send(&client, &request).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    let text = format!(
        "`{}` did not finish its answer within 3 s",
        server.authority()
    );
    assert_eq!(failure.to_string(), text);
}

#[test]
fn debug_output_is_a_line_an_attempt_and_shows_no_secret() {
    let server = Server::new([
        answers("503 Service Unavailable", &["X-Token: s3cr3t"], "s3cr3t"),
        answers("200 OK", &[], ""),
    ]);
    let url = format!(
        "http://user:s3cr3t@{}/token?scope=s3cr3t&s3cr3t#s3cr3t",
        server.authority()
    );
    let request = get(&url).header(AUTHORIZATION, HeaderValue::from_static("Bearer s3cr3t"));
    let host = Host::new();
    host.send(&client(), &request).unwrap();
    let shown = format!("GET http://{}/token?scope=…&…", server.authority());
    let traces = host.traces();
    assert_eq!(traces.len(), 2, "{traces:?}");
    assert!(traces[0].starts_with(&format!("{shown} → 503 Service Unavailable, in ")));
    assert!(traces[0].contains("; attempt 2 of 5 in "), "{traces:?}");
    assert!(
        traces[1].starts_with(&format!("{shown} → 200 OK, in ")),
        "{traces:?}"
    );
    assert!(!traces.concat().contains("s3cr3t"), "{traces:?}");
    assert!(!format!("{request:?}").contains("s3cr3t"));
}

#[test]
fn no_error_shows_the_query() {
    let server = Server::new([Step::Answer(String::new())]);
    let host = Host::new();
    for url in [
        server.url("/token?password=s3cr3t"),
        format!(
            "http://user:s3cr3t@127.0.0.1:{}/?s3cr3t=s3cr3t",
            crate::testing::closed_port()
        ),
        "https://127.0.0.1:1/?s3cr3t".to_owned(),
        "ftp://user:s3cr3t@127.0.0.1/?s3cr3t".to_owned(),
    ] {
        let failure = host.send(&client(), &get(&url)).unwrap_err();
        assert!(!format!("{failure:?}").contains("s3cr3t"), "{failure:?}");
    }
    let traces = host.traces();
    assert!(!traces.concat().contains("=s3cr3t"), "{traces:?}");
    assert!(!traces.concat().contains(":s3cr3t"), "{traces:?}");
}

#[test]
fn offline_opens_nothing() {
    let server = Server::new([answers("200 OK", &[], "")]);
    let offline = NetworkSettings {
        offline: true,
        ..NetworkSettings::default()
    };
    let client = client_with(&offline, &Tls::default());
    let failure = Host::new()
        .send(&client, &get(&server.url("/")))
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Offline);
    let text = failure.to_string();
    assert!(text.ends_with("and `--offline` is set"), "{text}");
    assert_eq!(
        sigtool_sdk::Error::from(failure).code,
        ErrorCode::Unavailable
    );
    assert!(!client.has_clients());
    assert!(server.requests().is_empty());
}
