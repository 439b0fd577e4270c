//! Registries that send sigtool elsewhere: no secret follows it there.

use super::PROGRAM;
use serde_json::json;
use sigtool_tests::Bystander;
use sigtool_tests::faults::{BASIC, PASSWORD, Stage, is_indiscreet};
use sigtool_tests::http::Request;
use sigtool_tests::images::{MANIFEST, digest};
use sigtool_tests::peers::Said;
use sigtool_tests::proxy::{Fault, FaultProxy, Matcher};
use sigtool_tests::registry::Registry;

/// What reached a host that has nothing to do with the registry: no word that is a secret.
fn nothing_secret_in(requests: &[Request], secrets: &[&str], what: &str) {
    for request in requests {
        let text = format!("{request:?} {}", String::from_utf8_lossy(&request.body));
        for name in ["Authorization", "Cookie", "Proxy-Authorization"] {
            let found = request.headers.value(name);
            assert_eq!(found, None, "{what}: {text}");
        }
        for secret in secrets {
            assert!(!text.contains(secret), "{what}: {text}");
        }
    }
}

/// A registry that asks who one is, with an image, signed by `a`, and a proxy before it.
fn stage_with_password() -> Option<Stage> {
    let registry = Registry::docker_with_auth("ann", PASSWORD)?;
    registry.push_image("app", "v1", "app");
    let stage = Stage::before(registry, PROGRAM);
    stage.sign(&[]).expect_success("without a fault");
    stage.verify(&[]).expect_success("without a fault");
    Some(stage)
}

#[test]
fn no_credentials_follow_a_redirect_to_another_host() {
    let Some(stage) = stage_with_password() else {
        return;
    };
    let bystander = Bystander::at("127.0.0.2");
    for place in [
        ("GET", "/manifests/v1"),
        ("GET", "/referrers/"),
        ("GET", "/manifests/sha256-"),
        ("GET", "/manifests/sha256:"),
        ("GET", "/blobs/"),
        ("HEAD", "/blobs/"),
        ("POST", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/sha256:"),
        ("PUT", "/manifests/sha256-"),
    ] {
        stage.proxy.mend();
        let before = bystander.requests().len();
        let there = format!("http://mallory:word@{}/there", bystander.host());
        let matcher = Matcher::new(place.0, place.1);
        stage.proxy.fault(matcher, Fault::RedirectTo(there));
        for said in [stage.verify(&["-vv"]), stage.sign(&["-vv"])] {
            assert!(!is_indiscreet(&said.text), "{place:?}: {said}");
        }
        let seen = bystander.requests();
        assert!(seen.len() > before, "{place:?}: nobody was sent there");
        nothing_secret_in(&seen, &[PASSWORD, BASIC], &format!("{place:?}"));
    }
    assert!(stage.machines.have_kept_no_secret());
}

#[test]
fn no_credentials_go_to_another_host_that_an_upload_is_to_be_sent_to() {
    let Some(stage) = stage_with_password() else {
        return;
    };
    let bystander = Bystander::at("127.0.0.2");
    let there = format!("{}/upload?state=1", bystander.url());
    let begun = Fault::Status(202, vec![("Location", there)], String::new());
    stage
        .proxy
        .fault(Matcher::new("POST", "/blobs/uploads/"), begun);
    for format in ["bundle", "cosign"] {
        let said = stage.sign(&["--signature-format", format, "-vv"]);
        assert_eq!(said.code, Some(3), "{said}");
        assert!(!is_indiscreet(&said.text), "{said}");
    }
    let seen = bystander.requests();
    assert!(
        seen.iter().any(|request| request.method == "PUT"),
        "{seen:?}"
    );
    nothing_secret_in(&seen, &[PASSWORD, BASIC], "an upload");
}

/// The other host may itself ask who one is, and name someone who is to be told.
#[test]
fn no_credentials_go_to_whom_another_host_names() {
    let Some(stage) = stage_with_password() else {
        return;
    };
    // Another port is another host too.
    let stranger = FaultProxy::before(&stage.registry);
    let location = format!("{}/v2/", stranger.url());
    let mut wrong = Vec::new();
    for scheme in ["Basic", "Bearer"] {
        for (method, path) in [
            ("GET", "/blobs/"),
            ("GET", "/manifests/v1"),
            ("GET", "/referrers/"),
            ("PUT", "/manifests/sha256:"),
            ("POST", "/blobs/uploads/"),
        ] {
            let bystander = Bystander::at("127.0.0.2");
            let realm = format!("{}/token", bystander.url());
            let challenge = format!("{scheme} realm=\"{realm}\",service=\"registry\"");
            let asks = vec![("WWW-Authenticate", challenge)];
            stranger.mend();
            stranger.forget();
            stranger.fault(Matcher::any(), Fault::Status(401, asks, String::new()));
            stage.proxy.mend();
            let leads_there = match method {
                "POST" => Fault::Status(202, vec![("Location", location.clone())], String::new()),
                _ => Fault::RedirectTo(location.clone()),
            };
            stage.proxy.fault(Matcher::new(method, path), leads_there);
            for said in [stage.verify(&[]), stage.sign(&[])] {
                assert!(!is_indiscreet(&said.text), "{method} {path}: {said}");
            }
            assert!(!stranger.requests().is_empty(), "{method} {path}");
            let met = stranger.requests().into_iter().map(|seen| seen.headers);
            let met = met.chain(bystander.requests().into_iter().map(|seen| seen.headers));
            for headers in met {
                if headers.value("Authorization").is_some() {
                    wrong.push(format!("{scheme} at {method} {path}: {headers:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_token_follows_a_redirect_to_another_host() {
    let Some(registry) = Registry::docker_with_tokens() else {
        return;
    };
    registry.push_image("app", "v1", "app");
    let stage = Stage::before(registry, PROGRAM);
    let bystander = Bystander::at("127.0.0.2");
    let logins = json!({ "auths": { stage.proxy.host(): {
        "username": sigtool_tests::tokens::USER, "password": sigtool_tests::tokens::PASSWORD } } });
    let run = |arguments: &[&str]| -> Said {
        let command = stage
            .machines
            .signer
            .sigtool()
            .args(arguments)
            .arg(stage.image());
        let command = command.env("DOCKER_AUTH_CONFIG", logins.to_string());
        command.output().unwrap().into()
    };
    let sign = ["sign", "--attach", "--key=a.key", "-vv"];
    run(&sign).expect_success("without a fault");
    for (method, path) in [
        ("GET", "/blobs/"),
        ("GET", "/manifests/v1"),
        ("PUT", "/manifests/sha256:"),
    ] {
        stage.proxy.mend();
        let before = bystander.requests().len();
        stage.proxy.fault(
            Matcher::new(method, path),
            Fault::RedirectTo(bystander.url()),
        );
        let said = run(&sign);
        assert!(bystander.requests().len() > before, "{path}: {said}");
        assert!(!said.text.contains("eyJhbGci"), "a token is shown: {said}");
        assert!(
            !said.text.contains(sigtool_tests::tokens::PASSWORD),
            "{said}"
        );
    }
    let secrets = ["eyJhbGci", sigtool_tests::tokens::PASSWORD];
    nothing_secret_in(&bystander.requests(), &secrets, "a token");
}

#[test]
fn a_blob_that_lies_elsewhere_is_fetched_there_without_credentials() {
    let Some(stage) = stage_with_password() else {
        return;
    };
    let app = digest(&stage.registry.get("/v2/app/manifests/v1", MANIFEST).body);
    let signature = &stage.registry.referrers("app", &app)[0]["digest"];
    let manifest = stage
        .registry
        .manifest("app", signature.as_str().unwrap())
        .unwrap();
    let blob = manifest["layers"][0]["digest"].as_str().unwrap();
    let Some(bucket) = Registry::docker() else {
        return;
    };
    bucket.push_blob("bucket", &stage.registry.blob("app", blob).unwrap());
    let before_it = FaultProxy::before(&bucket);
    let there = format!("{}/v2/bucket/blobs/{blob}", before_it.url());
    stage
        .proxy
        .fault(Matcher::new("GET", "/blobs/"), Fault::RedirectTo(there));
    stage.verify(&[]).expect_success("a bucket");
    let requests = before_it.requests();
    assert!(!requests.is_empty());
    assert!(
        requests
            .iter()
            .all(|seen| seen.headers.value("Authorization").is_none())
    );
}
