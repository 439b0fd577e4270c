//! Registries that answer otherwise than the specification says, and are well all the same: others' registries, as they are.

use super::PROGRAM;
use serde_json::json;
use sigtool_tests::faults::Stage;
use sigtool_tests::images::{INDEX, MANIFEST, digest};
use sigtool_tests::peers::{Cosign, ImageForm, Said, Version};
use sigtool_tests::proxy::{Fault, Matcher};
use sigtool_tests::registry::Registry;

const FORMATS: [&str; 2] = ["bundle", "cosign"];

fn refused(code: u16) -> Fault {
    let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized"}]}"#;
    Fault::Status(
        code,
        vec![("Content-Type", "application/json".to_owned())],
        body.to_owned(),
    )
}

/// olareg, which keeps lists of referrers, with the image `app:v1`.
fn with_lists() -> Option<Stage> {
    let registry = Registry::olareg(&[])?;
    registry.push_image("app", "v1", "app");
    Some(Stage::before(registry, PROGRAM))
}

/// The image's manifest, to the byte.
fn manifest_of(stage: &Stage) -> String {
    let manifest = stage.registry.get("/v2/app/manifests/v1", MANIFEST);
    String::from_utf8(manifest.body).unwrap()
}

/// Artifactory.
#[test]
fn a_fallback_tag_that_is_refused_keeps_nobody_from_signing_where_there_are_lists() {
    for code in [401, 403] {
        let Some(stage) = with_lists() else { return };
        let tag = Matcher::new("GET", "/manifests/sha256-");
        stage.proxy.fault(tag, refused(code));
        // A signature of before there were lists may be there.
        let said = stage.verify(&[]);
        assert_eq!(said.code, Some(3), "{said}");
        stage.sign(&[]).expect_success("the list has answered");
        stage.verify(&[]).expect_success("the list has answered");
    }
}

/// Harbor before 2.8.
#[test]
fn a_signature_of_cosign_needs_no_list() {
    for code in [401, 403, 500] {
        let Some(stage) = Stage::new(PROGRAM) else {
            return;
        };
        let list = Matcher::new("GET", "/referrers/");
        stage.proxy.fault(list, refused(code));
        let said = stage.sign(&["--signature-format=cosign"]);
        said.expect_success("beside the list");
        stage.verify(&[]).expect_success("beside the list");
    }
}

#[test]
fn what_is_not_there_may_be_answered_with_a_page() {
    for format in FORMATS {
        let Some(stage) = Stage::new(PROGRAM) else {
            return;
        };
        let fields = vec![("Content-Type", "text/html".to_owned())];
        let page = Fault::Status(404, fields, "<html>not here</html>".to_owned());
        let list = Matcher::new("GET", "/referrers/");
        stage.proxy.fault(list, page.clone());
        // When earlier signatures are looked for, and before the new one is written.
        let tag = Matcher::new("GET", "/manifests/sha256-");
        stage.proxy.fault(tag.clone().times(2), page.clone());
        let said = stage.sign(&["--signature-format", format]);
        said.expect_success("a page says that there is none yet");
        stage.verify(&[]).expect_success("it is there");
        // All places together: then it is not signed, and that is certain.
        stage.proxy.fault(tag, page);
        let said = stage.verify(&[]);
        assert_eq!(said.code, Some(1), "{said}");
    }
}

/// GitLab's registry takes the tag `sha256-HEX` for the digest.
#[test]
fn the_image_itself_is_not_the_list_of_its_signatures() {
    let Some(stage) = Stage::new(PROGRAM) else {
        return;
    };
    let one = manifest_of(&stage);
    let of_one = digest(one.as_bytes());
    let all = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }).to_string();
    let of_all = stage.registry.push_manifest("app", "all", INDEX, &all);
    for (image, media_type, bytes, hex) in [
        ("app:v1", MANIFEST, one, of_one),
        ("app:all", INDEX, all, of_all),
    ] {
        let tag = hex.replace(':', "-");
        let itself = Fault::Status(200, vec![("Content-Type", media_type.to_owned())], bytes);
        let matcher = Matcher::new("GET", format!("/manifests/{tag}"));
        stage.proxy.fault(matcher.times(3), itself);
        let image = format!("{}/{image}", stage.proxy.host());
        let host = stage.proxy.host();
        let said = stage.machines.verify(&host, &["--key=a.pub", &image]);
        assert_eq!(said.code, Some(1), "{said}");
        let said = stage
            .machines
            .sign(&host, &["--key=a.key", "--attach", &image]);
        said.expect_success(&image);
        let list = stage.registry.manifest("app", &tag).unwrap();
        assert_eq!(list["manifests"].as_array().unwrap().len(), 1, "{list}");
        let said = stage.machines.verify(&host, &["--key=a.pub", &image]);
        said.expect_success(&image);
    }
}

/// Somebody who signs each night, and one signature of long ago.
#[test]
fn the_oldest_of_many_signatures_is_found() {
    let Some(stage) = with_lists() else { return };
    stage.sign(&[]).expect_success("the first");
    let image = manifest_of(&stage);
    let layer = stage.registry.push_blob("app", b"{}");
    let bundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
    for night in 0..70 {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": bundle,
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": layer, "size": 2 },
            "layers": [{ "mediaType": bundle, "digest": layer, "size": 2 }],
            "subject": { "mediaType": MANIFEST, "digest": digest(image.as_bytes()), "size": image.len() },
            "annotations": { "org.opencontainers.image.created": format!("2099-01-01T00:00:{night:02}Z") },
        });
        let manifest = manifest.to_string();
        let name = digest(manifest.as_bytes());
        stage
            .registry
            .push_manifest("app", &name, MANIFEST, &manifest);
    }
    stage.verify(&[]).expect_success("the last of 71");
    let said = stage
        .machines
        .verify(&stage.proxy.host(), &["--key=b.pub", &stage.image()]);
    assert_ne!(said.code, Some(0), "{said}");
    // People are told some of it, and how much there is.
    assert!(said.text.lines().count() < 40, "{said}");
    assert!(
        said.text.contains("more, which `--format json` tells"),
        "{said}"
    );
}

/// As cosign does: `COSIGN_REPOSITORY`, and what says so here.
#[test]
fn signatures_lie_in_a_repository_of_their_own_if_that_is_wanted() {
    let Some(stage) = with_lists() else { return };
    let host = stage.proxy.host();
    let elsewhere = format!("{host}/signatures");
    let flag = format!("--attach-to={elsewhere}");
    for format in FORMATS {
        let said = stage.sign(&["--signature-format", format, &flag]);
        said.expect_success(format);
        assert!(said.text.contains(&elsewhere), "{said}");
    }
    assert_eq!(
        stage.registry.tags("app"),
        ["v1"],
        "nothing is beside the image"
    );
    let said = stage.verify(&[]);
    assert_eq!(said.code, Some(1), "{said}");
    stage.verify(&[&flag]).expect_success("the flag");
    let configured = format!("--config=profile.default.attach_to=\"{elsewhere}\"");
    let said = stage.verify(&[&configured, "--config=default_profile=\"default\""]);
    said.expect_success("the profile");
    let verify = |repository: &str| {
        let command = stage.machines.verifier.sigtool();
        let command = command.env("COSIGN_REPOSITORY", repository);
        let said = command.args(["verify", "--key=a.pub", &stage.image()]);
        Said::from(said.output().unwrap())
    };
    verify(&elsewhere).expect_success("the variable");
    assert_eq!(verify(&format!("{host}/others")).code, Some(1));
    let said = verify("no repository");
    assert_eq!(said.code, Some(2), "{said}");
    assert!(said.text.contains("COSIGN_REPOSITORY"), "{said}");
}

#[test]
fn cosign_and_we_find_each_others_signatures_in_a_repository_of_their_own() {
    let (Some(stage), Some(cosign)) = (with_lists(), Cosign::find(Version::V3)) else {
        return;
    };
    let host = stage.proxy.host();
    let there = &stage.machines.verifier;
    let made = cosign.run(there, "example", ["generate-key-pair"]);
    made.expect_success("a key");
    let image = format!("{host}/app@{}", digest(manifest_of(&stage).as_bytes()));
    for (format, form) in [("bundle", ImageForm::Bundle), ("cosign", ImageForm::Sig)] {
        let repository = format!("{host}/of-{format}");
        let cosign = cosign.clone().with_repository(repository.clone());
        let flag = format!("--attach-to={repository}");
        stage
            .sign(&["--signature-format", format, &flag])
            .expect_success(format);
        let said = cosign.verify_image(there, "a.pub", form, &image, &[]);
        said.expect_success("what we put there");
        let said = cosign.sign_image(there, ("cosign.key", "example"), form, &image, &[]);
        said.expect_success(format);
        let said = stage
            .machines
            .verify(&host, &["--key=cosign.pub", &flag, &image]);
        said.expect_success("what cosign puts there");
    }
}
