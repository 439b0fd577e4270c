//! Registries, and proxies before them, that repeat in an error what was sent to them: no login and no token is shown or kept.

use super::PROGRAM;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sigtool_tests::http::{Request, Response};
use sigtool_tests::{Sandbox, Scripted, keys};
use snapbox::cmd::OutputAssert;

/// Short, so that nothing but the way in which a registry is quoted takes it out.
const PASSWORD: &str = "regPW-1";
const TOKEN: &str = "TOKEN-abcdef-secret";

/// What a registry asks for.
#[derive(Clone, Copy)]
enum Asks {
    Password,
    Token,
    /// A token, which its server gives to nobody.
    TokenInVain,
}

fn answer(status: u16, headers: &[(&str, &str)], body: String) -> Response {
    Response {
        status,
        headers: headers.iter().copied().collect(),
        body: body.into_bytes(),
    }
}

/// Who asks, as a careless proxy writes it: in a text that is so long that it is cut, somewhere in the secret or before it.
fn refusal(request: &Request, before: usize) -> Response {
    let sent = request.headers.value("Authorization").unwrap_or_default();
    let credential = sent.split(' ').next_back().unwrap_or_default();
    let plain = STANDARD.decode(credential).unwrap_or_default();
    let plain = String::from_utf8_lossy(&plain).into_owned();
    let message = format!(
        "{}got header {sent} which is {plain} {}",
        "x".repeat(before),
        "y".repeat(300)
    );
    let body = serde_json::json!({ "errors": [{ "code": "DENIED", "message": message }] });
    answer(
        403,
        &[("Content-Type", "application/json")],
        body.to_string(),
    )
}

fn registry(asks: Asks, before: usize) -> Scripted {
    Scripted::start(move |request| {
        let host = request.headers.value("Host").unwrap_or_default();
        let knows = request.headers.value("Authorization").is_some();
        if request.path.starts_with("/token") {
            return match asks {
                Asks::TokenInVain => refusal(request, before),
                _ => answer(200, &[], format!(r#"{{"token":"{TOKEN}"}}"#)),
            };
        }
        if knows {
            return refusal(request, before);
        }
        let challenge = match asks {
            Asks::Password => "Basic realm=\"r\"".to_owned(),
            _ => format!("Bearer realm=\"http://{host}/token\",service=\"s\""),
        };
        answer(401, &[("WWW-Authenticate", &challenge)], String::new())
    })
}

fn is_discreet(seen: &OutputAssert, sandbox: &Sandbox) {
    let output = seen.get_output();
    let said = [&output.stdout[..], b"\n", &output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let login = STANDARD.encode(format!("ci:{PASSWORD}"));
    for secret in [PASSWORD, TOKEN, &login, "regPW", "TOKEN-", &login[..8]] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    assert!(said.contains("403"), "{said}");
    let history = sandbox.sigtool().args(["history", "--format", "json"]);
    let history = sandbox.seen(history);
    let history = String::from_utf8_lossy(&history.get_output().stdout).into_owned();
    for secret in [PASSWORD, TOKEN, &login] {
        assert!(!history.contains(secret), "{secret}: {history}");
    }
}

/// SECURITY.md: "those of the profile, the environment, Docker's files and helpers, a registry's tokens".
#[test]
fn what_a_registry_repeats_of_a_login_is_neither_shown_nor_kept() {
    for asks in [Asks::Password, Asks::Token, Asks::TokenInVain] {
        for before in [0, 230, 250, 262] {
            let registry = registry(asks, before);
            let (sandbox, host) = (Sandbox::new(PROGRAM), registry.host());
            keys::put(&sandbox);
            let verify = || {
                let image = format!("{host}/team/app:1");
                let words = ["verify", "-vv", "--key", "a.pub", "--format", "json"];
                sandbox.sigtool().args(words).arg(image)
            };
            let variables = [
                ("SIGTOOL_REGISTRY", host.as_str()),
                ("SIGTOOL_REGISTRY_USERNAME", "ci"),
                ("SIGTOOL_REGISTRY_PASSWORD", PASSWORD),
            ];
            let verify_with = variables
                .iter()
                .fold(verify(), |run, (name, value)| run.env(name, value));
            is_discreet(&sandbox.seen(verify_with), &sandbox);

            let login = STANDARD.encode(format!("ci:{PASSWORD}"));
            let logins = serde_json::json!({ "auths": { &host: { "auth": login } } });
            let folder = sandbox.home().join(".docker");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("config.json"), logins.to_string()).unwrap();
            is_discreet(&sandbox.seen(verify()), &sandbox);
        }
    }
}

/// SECURITY.md: "A reference with a login in it is refused, and neither shown nor kept as it was written".
#[test]
fn a_login_in_a_reference_is_neither_shown_nor_kept() {
    let sandbox = Sandbox::new(PROGRAM);
    keys::put(&sandbox);
    sandbox.write("list", "https://u:s3cretpw@host.example/a/b:1\n");
    let address = "https://u:s3cretpw@host.example/a/b:1";
    for words in [
        &["verify", "--key", "a.pub", address][..],
        &[
            "verify",
            "--key",
            "a.pub",
            "oci://u:s3cretpw@host.example/a/b:1",
        ],
        &["verify", "--key", "a.pub", "u:s3cretpw@host.example/a/b:1"],
        &["verify", "--key", "a.pub", "--from-file", "list"],
        &["sign", "--key", "a.key", "--format", "json", address],
        &[
            "sign",
            "--key",
            "vault://u:s3cretpw@host.example/key",
            "list",
        ],
        &["inspect", address],
        &["overview", address],
        &["history", address],
    ] {
        let seen = sandbox.seen(sandbox.sigtool().args(words));
        let output = seen.get_output();
        let said = [&output.stdout[..], &output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!said.contains("s3cretpw"), "{words:?}: {said}");
        assert!(said.contains("…@host.example/"), "{words:?}: {said}");
        seen.code(2);
    }
    std::fs::remove_file(sandbox.work().join("list")).unwrap();
    assert!(sandbox.files_that_hold(b"s3cretpw").is_empty());
}
