//! What the environment says counts for nothing, but for where the system's certificates are. A test cannot change its own
//! environment safely, so each runs itself again as a child.

use crate::FailureKind;
use crate::testing::{
    Authority, Host, Server, TlsServer, answers, blurts, client, closed_port, get, have_tools,
};
use std::process::Command;

/// Tells the child where the server is.
const SERVER: &str = "SIGTOOL_TEST_SERVER";

/// Runs this test again with a server and these variables. In the child, the server's address; in the parent, `None`.
fn run_again(test: &str, variables: &[(&str, &str)]) -> Option<String> {
    if let Ok(address) = std::env::var(SERVER) {
        return Some(address);
    }
    let server = Server::new([answers("200 OK", &[], "hello")]);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(SERVER, server.url("/"))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(server.requests().len(), 1, "{output:?}");
    None
}

#[test]
fn proxies_of_the_environment_are_not_used() {
    let proxy = format!("http://127.0.0.1:{}", closed_port());
    let names = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
    let variables = names.map(|name| (name, proxy.as_str()));
    let test = "tests::environment::proxies_of_the_environment_are_not_used";
    let Some(server) = run_again(test, &variables) else {
        return;
    };
    let response = Host::new().send(&client(), &get(&server)).unwrap();
    assert_eq!(response.body, b"hello");
}

#[test]
fn a_machine_without_certificates_has_http_and_is_told_what_https_needs() {
    let none = [("SSL_CERT_FILE", "/nowhere"), ("SSL_CERT_DIR", "/nowhere")];
    let test =
        "tests::environment::a_machine_without_certificates_has_http_and_is_told_what_https_needs";
    let Some(server) = run_again(test, &none) else {
        return;
    };
    let client = client();
    let response = Host::new().send(&client, &get(&server)).unwrap();
    assert_eq!(response.body, b"hello");
    let failure = Host::new()
        .send(&client, &get("https://127.0.0.1:1/"))
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls);
    let error = sigtool_sdk::Error::from(failure);
    assert_eq!(
        error.message,
        "no certificate authorities are installed on this machine"
    );
    assert!(error.hints[0].contains("`ca_file`"), "{error:?}");
}

#[test]
fn certificates_are_read_when_a_server_shows_its_own_and_once_a_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.pem");
    std::fs::write(&file, "nothing yet").unwrap();
    let variables = [("SSL_CERT_FILE", file.to_str().unwrap())];
    let test =
        "tests::environment::certificates_are_read_when_a_server_shows_its_own_and_once_a_process";
    let Some(server) = run_again(test, &variables) else {
        return;
    };
    Host::new().send(&client(), &get(&server)).unwrap();
    if !have_tools() {
        return;
    }
    let bundle = std::env::var_os("SSL_CERT_FILE").unwrap();
    let asks = |client: &crate::Client, url: &str| Host::new().send(client, &get(url));

    // A server without TLS, and then one whose authority is in the file only now: it was not read before.
    let early = client();
    let plain = format!(
        "https://127.0.0.1:{}/",
        blurts("HTTP/1.1 400 Bad Request\r\n\r\n")
    );
    let failure = asks(&early, &plain).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotTls, "{failure}");
    let authority = Authority::new();
    std::fs::copy(authority.path("ca.pem"), &bundle).unwrap();
    let signed = authority.signs("server", "IP:127.0.0.1");
    let tls = TlsServer::new(&signed, None, "TLSv1_3", &answers("200 OK", &[], "hello"));
    assert_eq!(asks(&early, &tls.url("/")).unwrap().body, b"hello");

    // Another client of this process reads nothing again.
    std::fs::remove_file(&bundle).unwrap();
    std::fs::write(&bundle, "nothing any more").unwrap();
    assert_eq!(asks(&client(), &tls.url("/")).unwrap().body, b"hello");
}

#[test]
fn a_bundle_without_a_certificate_trusts_nobody_and_says_so() {
    let variables = [("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "")];
    let test = "tests::environment::a_bundle_without_a_certificate_trusts_nobody_and_says_so";
    let Some(server) = run_again(test, &variables) else {
        return;
    };
    Host::new().send(&client(), &get(&server)).unwrap();
    if !have_tools() {
        return;
    }
    let authority = Authority::new();
    let signed = authority.signs("server", "IP:127.0.0.1");
    let tls = TlsServer::new(&signed, None, "TLSv1_3", &answers("200 OK", &[], "hello"));
    let failure = Host::new()
        .send(&client(), &get(&tls.url("/")))
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Tls, "{failure}");
    let error = sigtool_sdk::Error::from(failure);
    assert_eq!(
        error.message,
        "no certificate authorities are installed on this machine"
    );
    assert!(error.hints[0].contains("`ca_file`"), "{error:?}");
}
