//! Registries that fail: in each place where they can, and in each way. What was not told is never taken for a refusal, and nothing is
//! published by halves.

use super::PROGRAM;
use serde_json::{Value, json};
use sigtool_tests::Bystander;
use sigtool_tests::faults::{
    HUGE, Kind, Machines, Reading, Registries, Signed, Stage, Trouble, Writing, is_indiscreet,
    try_all,
};
use sigtool_tests::images::{INDEX, MANIFEST, digest};
use sigtool_tests::peers::{Cosign, ImageForm, Version, need};
use sigtool_tests::proxy::{Fault, FaultProxy, Matcher};
use sigtool_tests::registry::Registry;
use sigtool_tests::terminal;
use snapbox::str;
use std::time::Duration;

#[test]
fn whatever_fails_an_image_is_verified_or_it_could_not_be_told_and_never_refused() {
    let Some(registries) = Registries::new() else {
        return;
    };
    let machines = Machines::new(PROGRAM);
    for kind in [Kind::Docker, Kind::Olareg] {
        let registry = registries.of(kind);
        for signed in Signed::ALL {
            let repository = signed.repository();
            registry.push_image(repository, "v1", repository);
            let Some(format) = signed.format() else {
                continue;
            };
            let image = format!("{}/{repository}:v1", registry.host());
            let sign = [
                "--key=a.key",
                "--attach",
                "--signature-format",
                format,
                &image,
            ];
            machines
                .sign(&registry.host(), &sign)
                .expect_success(&image);
        }
    }
    let cells = Reading::all();
    let wrong = try_all(&cells, |cell| cell.try_it(&registries, &machines));
    assert!(machines.have_kept_no_secret());
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cells.len(),
        wrong.join("\n")
    );
}

#[test]
fn whatever_fails_a_signature_is_published_or_it_is_not_and_the_next_try_succeeds() {
    let Some(registries) = Registries::new() else {
        return;
    };
    let machines = Machines::new(PROGRAM);
    let cells = Writing::all();
    let wrong = try_all(&cells, |cell| cell.try_it(&registries, &machines));
    assert!(machines.have_kept_no_secret());
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        cells.len(),
        wrong.join("\n")
    );
}

/// What we find after a failure, cosign finds too, and no more.
#[test]
fn cosign_counts_no_signature_that_was_published_by_halves() {
    let (Some(registries), Some(cosign)) = (Registries::new(), Cosign::find(Version::V3)) else {
        return;
    };
    let machines = Machines::new(PROGRAM);
    let mut cells = Writing::all();
    cells.retain(|cell| !cell.place.has_body() || cell.place.earlier() > 0);
    cells.retain(|cell| [Trouble::Forbidden, Trouble::HotelPage].contains(&cell.trouble));
    let wrong = try_all(&cells, |cell| {
        let proxy = FaultProxy::before(registries.of(cell.kind));
        let host = &proxy.host();
        let repository = format!("cosign-{}-{:?}-{:?}", cell.format, cell.place, cell.trouble);
        let repository = repository.to_lowercase();
        let app = registries
            .of(cell.kind)
            .push_image(&repository, "v1", &repository);
        let image = format!("{host}/{repository}@{app}");
        cell.place.fail(&proxy, cell.trouble, "");
        let sign = [
            "--key=a.key",
            "--attach",
            "--signature-format",
            cell.format,
            &image,
        ];
        let signed = machines.sign(host, &sign);
        proxy.mend();
        let ours = machines.verify(host, &["--key=a.pub", &image]);
        let form = match cell.format {
            "bundle" => ImageForm::Bundle,
            _ => ImageForm::Sig,
        };
        let theirs = cosign.verify_image(&machines.verifier, "a.pub", form, &image, &[]);
        if ours.is_success() != theirs.is_success() {
            return Err(format!("{cell:?}: {signed}\nwe: {ours}\ncosign: {theirs}"));
        }
        Ok(())
    });
    assert!(!cells.is_empty());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a registry says when it refuses, and whether it is asked again.
#[test]
fn what_failed_is_said_with_the_registrys_name_and_in_its_words() {
    let Some(stage) = Stage::new(PROGRAM) else {
        return;
    };
    let fail = |method, path: &str, fault| {
        stage.proxy.mend();
        stage.proxy.forget();
        stage.proxy.fault(Matcher::new(method, path), fault);
    };
    let denied =
        r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#;

    fail(
        "GET",
        "/manifests/v1",
        Fault::Status(403, Vec::new(), denied.to_owned()),
    );
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: `[HOST]` answered 403 Forbidden: DENIED: requested access to the resource is denied
  caused by: it has not asked for credentials

"#]]
    );
    fail("GET", "/manifests/v1", Fault::status(401));
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: `[HOST]` answered 401 Unauthorized
  caused by: it has not asked for credentials
  caused by: it does not say how to log in, or in no way known here

"#]]
    );
    fail("GET", "/manifests/v1", Fault::status(404));
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 2
error: cannot verify `[HOST]/app:v1`
  caused by: there is no image `[HOST]/app:v1`

"#]]
    );
    fail("GET", "/manifests/v1", Fault::Html502);
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: `[HOST]` answered 502 Bad Gateway

"#]]
    );
    assert_eq!(
        stage.proxy.count("GET", "/manifests/v1"),
        5,
        "it is retried"
    );
    fail("GET", "/manifests/v1", Fault::CutDownload);
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: the connection to `[HOST]` was cut in the middle of the answer
  caused by: end of file before message length reached

"#]]
    );
    assert_eq!(
        stage.proxy.count("GET", "/manifests/v1"),
        5,
        "it is retried"
    );
    fail("GET", "/manifests/v1", Fault::EndlessBody);
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: `[HOST]` answered more than 4194304 bytes

"#]]
    );
    fail("GET", "/manifests/v1", Fault::HugeManifest(HUGE));
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: `[HOST]` answered more than 4194304 bytes

"#]]
    );
    fail("GET", "/manifests/v1", Trouble::DeepJson.fault(""));
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: what the registry sent is not a manifest
  caused by: nested deeper than 64 levels at line 1 column 321

"#]]
    );
    fail("GET", "/manifests/v1", Trouble::HotelPage.fault(""));
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: what the registry sent is not a manifest
  caused by: expected value at line 1 column 1

"#]]
    );
    fail("GET", "/manifests/v1", Trouble::Circle.fault(""));
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/app:v1`
  caused by: cannot read `[HOST]/app:v1`
  caused by: `[HOST]` redirects once more after 5 redirects

"#]]
    );
    fail("GET", "/manifests/v1", Fault::WrongDigestHeader);
    let said = stage.told(&stage.verify(&[]));
    assert!(said.contains("is what the registry says"), "{said}");
    fail("GET", "/referrers/", Fault::status(500));
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 3
error: could not tell whether `[HOST]/app:v1` is signed as the policy demands
  caused by: could not look beside the artifact: cannot list what refers to `[HOST]/app@sha256:[HEX]`: `[HOST]` answered 500 Internal Server Error

"#]]
    );

    fail("POST", "/blobs/uploads/", Fault::NoLocation);
    snapbox::assert_data_eq!(
        stage.told(&stage.sign(&[])),
        str![[r#"
exit code 3
error: cannot sign `[HOST]/app:v1`
  caused by: cannot push to `[HOST]/app`
  caused by: the registry began an upload, and did not say where (`Location`)

"#]]
    );
    fail("PUT", "/blobs/uploads/", Fault::CutUpload);
    snapbox::assert_data_eq!(
        stage.told(&stage.sign(&[])),
        str![[r#"
exit code 3
error: cannot sign `[HOST]/app:v1`
  caused by: the backend `oci` failed in `source.attach`
  caused by: cannot push to `[HOST]/app`
  caused by: the connection to `[HOST]` was cut before it answered
  caused by: connection closed before message completed

"#]]
    );
    assert_eq!(
        stage.proxy.count("PUT", "/blobs/uploads/"),
        5,
        "it is retried"
    );
    fail("POST", "/blobs/uploads/", Fault::status(405));
    snapbox::assert_data_eq!(
        stage.told(&stage.sign(&[])),
        str![[r#"
exit code 3
error: cannot sign `[HOST]/app:v1`
  caused by: the backend `oci` failed in `source.attach`
  caused by: cannot push to `[HOST]/app`
  caused by: `[HOST]` answered 405 Method Not Allowed
  caused by: it takes no uploads there
  hint: this source keeps no signatures: say where they go with `--bundle FILE` or `--signature FILE`

"#]]
    );
    // What could not be pushed is not kept as if it had been; what was is named.
    fail("PUT", ".sig", Fault::status(403));
    snapbox::assert_data_eq!(
        stage.told(&stage.sign(&["--signature-format=both"])),
        str![[r#"
exit code 3
error: cannot sign `[HOST]/app:v1`
  caused by: cannot write `[HOST]/app:sha256-[HEX].sig`
  caused by: `[HOST]` answered 403 Forbidden
  caused by: it has not asked for credentials
  caused by: already written: [HOST]/app@sha256:[HEX]

"#]]
    );
    fail("PUT", "/manifests/sha256-", Fault::status(503));
    snapbox::assert_data_eq!(
        stage.told(&stage.sign(&[])),
        str![[r#"
exit code 3
error: cannot sign `[HOST]/app:v1`
  caused by: the backend `oci` failed in `source.attach`
  caused by: cannot write `[HOST]/app:sha256-[HEX]`
  caused by: `[HOST]` answered 503 Service Unavailable

"#]]
    );
    stage.proxy.mend();
    snapbox::assert_data_eq!(
        stage.told(&stage.verify(&[])),
        str![[r#"
exit code 0
valid [HOST]/app:v1 (sha256:[HEX]), signed by a.pub (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=)

"#]]
    );
}

#[test]
fn a_registry_that_asks_for_a_moment_gets_it() {
    let Some(stage) = Stage::new(PROGRAM) else {
        return;
    };
    for path in ["/manifests/v1", "/blobs/uploads/", "/manifests/sha256-"] {
        stage
            .proxy
            .fault(Matcher::new("", path).once(), Fault::throttled(Some(1)));
    }
    stage.sign(&[]).expect_success("it waits");
    let requests = stage.proxy.requests();
    let throttled = requests.iter().filter(|seen| seen.status == Some(429));
    assert_eq!(throttled.count(), 3);
    stage.verify(&[]).expect_success("signed");
}

#[test]
fn a_registry_that_asks_for_an_hour_is_asked_once_and_the_user_is_told_how_long_it_takes() {
    let Some(stage) = Stage::new(PROGRAM) else {
        return;
    };
    let hour = || Fault::throttled(Some(3600));
    stage
        .proxy
        .fault(Matcher::new("GET", "/manifests/v1"), hour());
    let said = stage.verify(&[]);
    assert_eq!(said.code, Some(3), "{said}");
    assert_eq!(stage.proxy.count("GET", "/manifests/v1"), 1);
    let text = stage.told(&said);
    assert!(
        text.contains("3600 s") || text.contains("hour") || text.contains("1 h"),
        "{text}"
    );
}

#[test]
fn a_registry_that_does_not_answer_is_left_after_the_time_that_was_given() {
    let Some(stage) = Stage::new(PROGRAM) else {
        return;
    };
    let tried = ["/manifests/v1", "/referrers/", "/manifests/sha256-"];
    let wrong = try_all(&tried, |place| {
        let proxy = FaultProxy::before(&stage.registry);
        let host = proxy.host();
        let image = format!("{host}/app:v1");
        proxy.fault(Matcher::new("GET", *place), Fault::Held);
        let waits = ["--timeout=5s", &image];
        let sign = [&["--key=a.key", "--attach"][..], &waits].concat();
        let verify = [&["--key=a.pub"][..], &waits].concat();
        for said in [
            stage.machines.verify(&host, &verify),
            stage.machines.sign(&host, &sign),
        ] {
            let names_it = said.text.contains(&host) && said.text.contains("answer");
            if said.code != Some(3) || !names_it || is_indiscreet(&said.text) {
                return Err(format!("{place}: {said}"));
            }
        }
        Ok(())
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_pulled_and_pushed_stands_on_a_terminal_while_a_slow_registry_is_waited_for() {
    let (Some(stage), Some(python)) = (Stage::new(PROGRAM), need("python3")) else {
        return;
    };
    for place in [
        Matcher::new("GET", "/manifests/v1"),
        Matcher::new("PUT", "/manifests/"),
    ] {
        let slow = Fault::Slow(Duration::from_secs(5));
        stage.proxy.fault(place.once(), slow);
    }
    let image = stage.image();
    let sign = ["sign", "--key=a.key", "--attach", &image];
    let said = terminal::run(
        &stage.machines.signer,
        &python,
        &[],
        &[("TERM", "xterm")],
        &sign,
    );
    assert_eq!(said.code, Some(0), "{}", said.text);
    let (pulling, pushing) = (
        format!("pulling {image}"),
        format!("pushing the signature of {}/app@", stage.proxy.host()),
    );
    let signed = format!("signed {image} (");
    for shown in [&pulling, &pushing, "signing ", &signed] {
        assert!(said.text.contains(shown), "{shown}: {}", said.text);
    }
    let last = said.text.rsplit("\u{1b}[2K").next().unwrap();
    assert_eq!(last, "", "no bar is left");
}

/// An index of this many manifests, none of which anybody has.
fn index(entries: usize) -> String {
    let entry = |number: usize| {
        let digest = digest(&number.to_le_bytes());
        json!({ "mediaType": MANIFEST, "digest": digest, "size": 1 })
    };
    let manifests: Vec<Value> = (0..entries).map(entry).collect();
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests }).to_string()
}

fn as_index(body: String) -> Fault {
    Fault::Status(200, vec![("Content-Type", INDEX.to_owned())], body)
}

/// The registry has another manifest in its place, with all that belongs to it.
#[test]
fn an_image_named_by_its_digest_is_that_image_or_none() {
    let Some(stage) = Stage::new(PROGRAM) else {
        return;
    };
    stage.sign(&[]).expect_success("without a fault");
    let app = digest(&stage.registry.get("/v2/app/manifests/v1", MANIFEST).body);
    let host = stage.proxy.host();
    for image in [format!("{host}/app@{app}"), format!("{host}/app:v1@{app}")] {
        let verify = || stage.machines.verify(&host, &["--key=a.pub", &image]);
        stage.proxy.mend();
        verify().expect_success(&image);
        let path = format!("/manifests/{app}");
        let another = Fault::HugeManifest(1000);
        stage.proxy.fault(Matcher::new("GET", path), another);
        let sign = ["--key=a.key", "--attach", &*image];
        for said in [verify(), stage.machines.sign(&host, &sign)] {
            assert_eq!(said.code, Some(3), "{image}: {said}");
            assert!(said.text.contains("was asked for"), "{image}: {said}");
        }
    }
}

#[test]
fn an_index_without_end_is_not_followed() {
    let Some(stage) = Stage::new(PROGRAM) else {
        return;
    };
    // An index cannot list itself, but a registry may give it whatever it is asked for.
    let itself = digest(b"some index");
    let circle = json!({ "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [{ "mediaType": INDEX, "digest": itself, "size": 300 }] });
    for (what, body, code) in [
        ("100,000 entries", index(100_000), 3),
        ("20,000 entries", index(20_000), 2),
        ("itself", circle.to_string(), 3),
    ] {
        stage.proxy.mend();
        stage.proxy.forget();
        stage
            .proxy
            .fault(Matcher::new("GET", "/manifests/"), as_index(body));
        for said in [stage.sign(&["--recursive"]), stage.verify(&["--recursive"])] {
            assert_eq!(said.code, Some(code), "{what}: {said}");
            assert!(said.text.len() < 2000, "{what}: {said}");
            assert!(!is_indiscreet(&said.text), "{what}: {said}");
        }
        assert!(stage.proxy.requests().len() < 20, "{what}");
        assert_eq!(
            stage.proxy.count("P", "") + stage.proxy.count("PUT", ""),
            0,
            "{what}"
        );
    }
}

#[test]
fn indexes_within_indexes_are_followed_to_some_depth() {
    let Some(stage) = Stage::new(PROGRAM) else {
        return;
    };
    let mut inner = stage.registry.manifest("app", "v1").unwrap().to_string();
    let mut media_type = MANIFEST;
    for _ in 0..6 {
        let entry = json!({ "mediaType": media_type, "digest": digest(inner.as_bytes()), "size": inner.len() });
        let outer = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry, entry] });
        inner = outer.to_string();
        media_type = INDEX;
        let name = digest(inner.as_bytes());
        stage.registry.push_manifest("app", &name, INDEX, &inner);
    }
    stage.registry.push_manifest("app", "v1", INDEX, &inner);
    snapbox::assert_data_eq!(
        stage.told(&stage.sign(&["--recursive"])),
        str![[r#"
exit code 2
error: cannot list `[HOST]/app:v1`
  caused by: the indexes in `[HOST]/app@sha256:[HEX]` are nested more than 4 deep

"#]]
    );
    assert!(stage.registry.tags("app").len() == 1, "nothing is signed");
}

#[test]
fn a_list_with_pages_without_end_is_not_read_for_ever() {
    let Some(registry) = Registry::olareg(&[]) else {
        return;
    };
    let app = registry.push_image("app", "v1", "app");
    let stage = Stage::before(registry, PROGRAM);
    stage.sign(&[]).expect_success("without a fault");
    let bystander = Bystander::at("127.0.0.2");
    let here = format!("</v2/app/referrers/{app}?page=more>; rel=\"next\"");
    let there = format!("<{}/v2/app/referrers/{app}>; rel=\"next\"", bystander.url());
    for link in [here, there] {
        stage.proxy.mend();
        stage.proxy.forget();
        let page = Fault::Status(
            200,
            vec![("Content-Type", INDEX.to_owned()), ("Link", link.clone())],
            index(0),
        );
        stage.proxy.fault(Matcher::new("GET", "/referrers/"), page);
        for said in [stage.verify(&[]), stage.sign(&[])] {
            assert_eq!(said.code, Some(3), "{link}: {said}");
            let text = stage.told(&said);
            assert!(text.contains("page") && text.contains("[HOST]"), "{text}");
        }
        assert!(stage.proxy.count("GET", "/referrers/") < 100, "{link}");
    }
    assert!(bystander.requests().is_empty());
    stage.proxy.mend();
    stage.verify(&[]).expect_success("without a fault");
}

#[test]
fn an_image_of_an_index_that_cannot_be_read_is_not_a_refusal_and_the_others_are_signed() {
    let Some(registry) = Registry::docker() else {
        return;
    };
    let (_, children) = registry.push_index("app", "v1", &["one", "two"]);
    let stage = Stage::before(registry, PROGRAM);
    let break_the_first = |trouble: Trouble| {
        stage.proxy.mend();
        let path = format!("/manifests/{}", children[0]);
        stage
            .proxy
            .fault(Matcher::new("GET", path), trouble.fault(&stage.proxy.url()));
    };
    for trouble in [
        Trouble::Broken,
        Trouble::WrongBytes,
        Trouble::Nonsense,
        Trouble::Forbidden,
    ] {
        break_the_first(trouble);
        let said = stage.sign(&["--recursive"]);
        assert_eq!(said.code, Some(3), "{trouble:?}: {said}");
    }
    stage.proxy.mend();
    stage
        .sign(&["--recursive"])
        .expect_success("without a fault");
    stage
        .verify(&["--recursive"])
        .expect_success("without a fault");
    for trouble in [
        Trouble::Broken,
        Trouble::WrongBytes,
        Trouble::Nonsense,
        Trouble::Forbidden,
    ] {
        break_the_first(trouble);
        let said = stage.verify(&["--recursive"]);
        assert_eq!(said.code, Some(3), "{trouble:?}: {said}");
    }
}
