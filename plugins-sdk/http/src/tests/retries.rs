//! What is sent again, how often, and when not.

use crate::testing::{Host, Server, Step, answers, client, client_with, get, timeout};
use crate::{FailureKind, StatusCode, Tls};
use sigtool_sdk::ErrorCode;
use std::time::{Duration, Instant};

/// A moment after the one at which the fake host's clock stands.
const IN_ONE_SECOND: &str = "Retry-After: Mon, 01 Jan 2024 00:00:01 GMT";
const IN_AN_HOUR: &str = "Retry-After: Mon, 01 Jan 2024 01:00:00 GMT";

#[test]
fn a_passing_status_is_tried_again_until_it_passes() {
    for status in [
        "408 Request Timeout",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
    ] {
        let server = Server::new([answers(status, &[], ""), answers("200 OK", &[], "done")]);
        let response = Host::new().send(&client(), &get(&server.url("/"))).unwrap();
        assert_eq!(response.body, b"done", "{status}");
        assert_eq!(server.requests().len(), 2, "{status}");
    }
}

#[test]
fn a_lasting_status_is_not_tried_again() {
    for status in [
        "400 Bad Request",
        "401 Unauthorized",
        "404 Not Found",
        "501 Not Implemented",
    ] {
        let server = Server::new([answers(status, &[], ""), answers("200 OK", &[], "")]);
        Host::new().send(&client(), &get(&server.url("/"))).unwrap();
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[test]
fn the_fifth_attempt_is_the_last() {
    let server = Server::new([answers("503 Service Unavailable", &[], "")]);
    let host = Host::new();
    let response = host.send(&client(), &get(&server.url("/"))).unwrap();
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.requests().len(), 5);
    let traces = host.traces();
    assert!(traces[3].contains("; attempt 5 of 5 in "), "{traces:?}");
    assert!(!traces[4].contains("attempt"), "{traces:?}");
}

#[test]
fn what_is_not_idempotent_is_sent_once() {
    let server = Server::new([answers("503 Service Unavailable", &[], "")]);
    Host::new()
        .send(&client(), &get(&server.url("/")).once())
        .unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_cut_connection_is_tried_again() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    for cut in ["", half] {
        let server = Server::new([
            Step::Answer(cut.to_owned()),
            answers("200 OK", &[], "whole"),
        ]);
        let response = Host::new().send(&client(), &get(&server.url("/"))).unwrap();
        assert_eq!(response.body, b"whole", "{cut:?}");
    }
}

#[test]
fn a_timeout_is_tried_again_once() {
    let server = Server::new([Step::Hang("")]);
    let client = client_with(&timeout(2000), &Tls::default());
    let failure = Host::new()
        .send(&client, &get(&server.url("/")))
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    let text = format!("`{}` did not answer within 2 s", server.authority());
    assert_eq!(failure.to_string(), text);
    assert_eq!(sigtool_sdk::Error::from(failure).code, ErrorCode::Timeout);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn retry_after_in_seconds_is_waited_for() {
    let server = Server::new([
        answers("429 Too Many Requests", &["Retry-After: 1"], ""),
        answers("200 OK", &[], ""),
    ]);
    let host = Host::new();
    let started = Instant::now();
    let response = host.send(&client(), &get(&server.url("/"))).unwrap();
    assert_eq!(response.status, StatusCode::OK);
    assert!(started.elapsed() >= Duration::from_secs(1));
    let traces = host.traces();
    assert!(traces[0].ends_with("; attempt 2 of 5 in 1 s"), "{traces:?}");
}

#[test]
fn retry_after_as_a_date_is_compared_with_the_hosts_clock() {
    let server = Server::new([
        answers("503 Service Unavailable", &[IN_ONE_SECOND], ""),
        answers("200 OK", &[], ""),
    ]);
    let started = Instant::now();
    let response = Host::new().send(&client(), &get(&server.url("/"))).unwrap();
    assert_eq!(response.status, StatusCode::OK);
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[test]
fn a_longer_retry_after_is_left_to_the_caller() {
    for (header, wait) in [("Retry-After: 31", 31), (IN_AN_HOUR, 3600)] {
        let server = Server::new([answers("429 Too Many Requests", &[header], "")]);
        let response = Host::new().send(&client(), &get(&server.url("/"))).unwrap();
        assert_eq!(server.requests().len(), 1, "{header}");
        assert_eq!(
            response.retry_after,
            Some(Duration::from_secs(wait)),
            "{header}"
        );
        let error = response.refused("cannot read `app`", None);
        assert_eq!(error.code, ErrorCode::Throttled);
        assert_eq!(error.retry_after_ms, Some(wait * 1000));
    }
}

#[test]
fn a_retry_after_that_says_nothing_is_no_reason_to_give_up() {
    let server = Server::new([
        answers("503 Service Unavailable", &["Retry-After: soon"], ""),
        answers("200 OK", &[], ""),
    ]);
    let response = Host::new().send(&client(), &get(&server.url("/"))).unwrap();
    assert_eq!(response.status, StatusCode::OK);
}

#[test]
fn nothing_waits_longer_than_the_host() {
    let server = Server::new([answers("429 Too Many Requests", &["Retry-After: 20"], "")]);
    let host = Host::new().patient_for(Duration::from_secs(10));
    let response = host.send(&client(), &get(&server.url("/"))).unwrap();
    assert_eq!(response.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_attempt_takes_no_longer_than_the_host_waits() {
    let server = Server::new([Step::Hang("")]);
    let host = Host::new().patient_for(Duration::from_millis(200));
    let failure = host.send(&client(), &get(&server.url("/"))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
}

#[test]
fn a_cancelled_call_does_not_wait_for_its_next_attempt() {
    let server = Server::new([answers("429 Too Many Requests", &["Retry-After: 25"], "")]);
    let host = Host::new().cancels_when(|traces| !traces.is_empty());
    let failure = host.send(&client(), &get(&server.url("/"))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Cancelled);
    assert_eq!(sigtool_sdk::Error::from(failure).code, ErrorCode::Cancelled);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_cancelled_call_does_not_wait_for_its_answer() {
    for begun in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"] {
        let server = Server::new([Step::Hang(begun)]);
        let requests = server.counter();
        let host = Host::new().cancels_when(move |_| requests() > 0);
        // Once: a second attempt would find out by itself.
        let request = get(&server.url("/")).once();
        let failure = host.send(&client(), &request).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Cancelled);
    }
}
