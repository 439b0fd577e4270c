//! Connections that do not come about, and that end too soon.

use crate::FailureKind;
use crate::testing::{Host, Server, Step, answers, client, closed_port, get};
use sigtool_sdk::ErrorCode;

#[test]
fn a_refused_connection_is_called_that_and_is_not_tried_again() {
    let port = closed_port();
    let host = Host::new();
    let failure = host
        .send(&client(), &get(&format!("http://127.0.0.1:{port}/")))
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Connect);
    let text = failure.to_string();
    assert!(
        text.starts_with(&format!("`127.0.0.1:{port}` refuses connections")),
        "{text}"
    );
    assert_eq!(host.traces().len(), 1);
}

#[test]
fn a_name_without_an_address_is_named() {
    // No resolver asks the network for a label this long.
    let name = format!("{}.example", "a".repeat(64));
    let host = Host::new();
    let failure = host
        .send(&client(), &get(&format!("http://{name}/")))
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Connect);
    let text = failure.to_string();
    assert!(
        text.starts_with(&format!("no address is known for `{name}`")),
        "{text}"
    );
    let error = failure.into_error("cannot read `app`");
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert!(
        error.causes[0].starts_with("no address is known"),
        "{error:?}"
    );
    assert!(!error.hints.is_empty());
    assert_eq!(host.traces().len(), 1);
}

#[test]
fn a_connection_cut_in_the_middle_of_the_answer_is_called_that() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    let server = Server::new([Step::Answer(half.to_owned())]);
    let failure = Host::new()
        .send(&client(), &get(&server.url("/")).once())
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Cut);
    let text = failure.to_string();
    let expected = format!(
        "the connection to `{}` was cut in the middle of the answer",
        server.authority()
    );
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn a_connection_cut_before_the_answer_is_called_that() {
    let server = Server::new([Step::Answer(String::new())]);
    let failure = Host::new()
        .send(&client(), &get(&server.url("/")).once())
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Cut);
    let text = failure.to_string();
    assert!(text.contains("was cut before it answered"), "{text}");
}

#[test]
fn what_is_no_http_is_called_that_and_is_not_asked_for_again() {
    let server = Server::new([Step::Answer("SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned())]);
    let failure = Host::new()
        .send(&client(), &get(&server.url("/")))
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Cut);
    let text = failure.to_string();
    assert!(text.contains("is not HTTP"), "{text}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn plain_http_needs_no_certificates_of_the_system() {
    let server = Server::new([answers("200 OK", &[], "")]);
    let client = client();
    Host::new().send(&client, &get(&server.url("/"))).unwrap();
    assert!(client.has_clients());
    assert!(!client.has_tls_client());
}

#[test]
fn threads_share_one_client() {
    let server = Server::new([answers("200 OK", &[], "hello")]);
    let client = client();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let response = Host::new().send(&client, &get(&server.url("/")));
                assert_eq!(response.unwrap().body, b"hello");
            });
        }
    });
    assert_eq!(server.requests().len(), 8);
}
