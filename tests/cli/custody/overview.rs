//! `overview`: which signatures there are of what was signed here, and where they are now.

use super::*;

#[test]
fn signing_again_replaces_what_overview_shows_and_adds_to_history() {
    let sandbox = sandbox();
    done(&sandbox, &["sign", "app.txt"]);
    done(&sandbox, &["sign", "app.txt"]);
    done(&sandbox, &["sign", "--key", "b.key", "app.txt"]);
    done(&sandbox, &["verify", "app.txt"]);
    run(&sandbox, &["overview"]).code(0).stdout_eq(str![[r#"
app.txt (sha256:a172cedcae47474b615c54d510a5d84a8dea3032e958587430b413538be3f333)
  signed by b.key (ecdsa-p384, key hint eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k=) on [..] (entry 3)
    bundle in app.txt.79479e33.sigstore.json
    M[..]
  signed by a.key (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=) on [..] (entry 2)
    bundle in app.txt.sigstore.json
    M[..]
  verified on [..]: valid (entry 4)

"#]]);
    let row = &rows(&sandbox, &["overview"])[0];
    let entries: Vec<_> = row["signatures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["entry"])
        .collect();
    assert_eq!(entries, [3, 2]);
    assert_eq!(row["verified"]["result"], "valid");
    assert_eq!(numbers(&sandbox, &[]), [4, 3, 2, 1]);
}

#[test]
fn foreign_signatures_are_listed_and_never_said_to_be_signed_by_anybody() {
    let sandbox = sandbox();
    done(&sandbox, &["sign", "app.txt"]);
    done(
        &sandbox,
        &["sign", "--no-history", "--key", "b.key", "app.txt"],
    );
    run(&sandbox, &["overview", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
app.txt (sha256:a172cedcae47474b615c54d510a5d84a8dea3032e958587430b413538be3f333)
  signed by a.key (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=) on [..] (entry 1)
    bundle in app.txt.sigstore.json
    M[..]
  foreign: key hint eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k=, not verified
    bundle in app.txt.79479e33.sigstore.json
    M[..]

"#]]);
    let row = &rows(&sandbox, &["overview", "app.txt"])[0];
    assert_eq!(row["signatures"][0]["present"], true);
    assert_eq!(row["foreign"].as_array().unwrap().len(), 1);
    fs::remove_file(sandbox.work().join("app.txt.sigstore.json")).unwrap();
    let row = &rows(&sandbox, &["overview", "app.txt"])[0];
    assert_eq!(row["signatures"][0]["present"], false);
}

/// Where the signatures of a row are, by the last part of each place, and whether they are still there.
fn places(signatures: &Value) -> Vec<(String, Option<bool>)> {
    let place = |row: &Value| {
        let location = row["location"].as_str().unwrap();
        let last = location.rsplit('/').next().unwrap();
        (last.to_owned(), row["present"].as_bool())
    };
    let rows = signatures.as_array();
    rows.into_iter().flatten().map(place).collect()
}

fn place(name: &str, present: bool) -> (String, Option<bool>) {
    (name.to_owned(), Some(present))
}

#[test]
fn a_signature_that_was_removed_is_gone_though_another_format_has_the_same_bytes() {
    let sandbox = sandbox();
    done(&sandbox, &["sign", "--signature-format", "both", "app.txt"]);
    fs::remove_file(sandbox.work().join("app.txt.sig")).unwrap();
    let row = &rows(&sandbox, &["overview", "app.txt"])[0];
    assert_eq!(
        places(&row["signatures"]),
        [
            place("app.txt.sigstore.json", true),
            place("app.txt.sig", false)
        ]
    );
    sandbox.write("app.txt.sig", "AQID");
    let row = &rows(&sandbox, &["overview", "app.txt"])[0];
    assert_eq!(
        places(&row["signatures"])[1],
        place("app.txt.sig", false),
        "another one lies there"
    );
    assert_eq!(places(&row["foreign"]).len(), 1);
}

#[test]
fn a_signature_is_looked_for_where_it_was_put_wherever_the_file_is_now() {
    let sandbox = sandbox();
    let work = sandbox.work();
    done(&sandbox, &["sign", "app.txt"]);
    fs::create_dir(work.join("copies")).unwrap();
    fs::copy(work.join("app.txt"), work.join("copies/app.txt")).unwrap();
    let of = |word: &str| rows(&sandbox, &["overview", word])[0]["signatures"].clone();
    for word in ["app.txt", "copies/app.txt", "copies/../app.txt", "app"] {
        let word = if word == "app" {
            images::digest(b"app")
        } else {
            word.to_owned()
        };
        let expected = [place("app.txt.sigstore.json", true)];
        assert_eq!(places(&of(&word)), expected, "{word}");
    }
    fs::copy(work.join("app.txt"), work.join("twin.txt")).unwrap();
    done(&sandbox, &["sign", "twin.txt"]);
    done(&sandbox, &["sign", "--bundle", "named.json", "twin.txt"]);
    for word in ["app.txt", "twin.txt"] {
        assert_eq!(
            places(&of(word)),
            [
                place("named.json", true),
                place("twin.txt.sigstore.json", true),
                place("app.txt.sigstore.json", true)
            ]
        );
    }
    fs::remove_file(work.join("named.json")).unwrap();
    assert_eq!(places(&of("app.txt"))[0], place("named.json", false));
    // With all artifacts listed, nobody looks for each.
    let all = &rows(&sandbox, &["overview"])[0];
    assert!(all["signatures"][0].get("present").is_none());
}

#[test]
fn a_signature_that_was_moved_is_shown_where_it_lies() {
    let sandbox = sandbox();
    done(&sandbox, &["sign", "app.txt"]);
    for name in ["app.txt", "app.txt.sigstore.json"] {
        let new = sandbox.work().join(name.replace("app", "moved"));
        fs::rename(sandbox.work().join(name), new).unwrap();
    }
    run(&sandbox, &["overview", "moved.txt"])
        .code(0)
        .stdout_eq(str![[r#"
app.txt (sha256:a172cedcae47474b615c54d510a5d84a8dea3032e958587430b413538be3f333)
  signed by a.key (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=) on [..] (entry 1)
    bundle in app.txt.sigstore.json, where it is no longer
    M[..]
    bundle in moved.txt.sigstore.json
    M[..]

"#]]);
    let row = &rows(&sandbox, &["overview", "moved.txt"])[0];
    assert_eq!(
        places(&row["signatures"]),
        [
            place("app.txt.sigstore.json", false),
            place("moved.txt.sigstore.json", true)
        ]
    );
    assert!(row.get("foreign").is_none());
}

#[test]
fn a_signature_of_what_the_file_held_before_is_known_and_of_other_content() {
    let sandbox = sandbox();
    done(&sandbox, &["sign", "--signature-format", "both", "app.txt"]);
    done(
        &sandbox,
        &["sign", "--no-history", "--key", "b.key", "app.txt"],
    );
    sandbox.write("app.txt", "changed");
    run(&sandbox, &["overview", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
app.txt (sha256:[..])
  of other content, sha256:a172cedcae47474b615c54d510a5d84a8dea3032e958587430b413538be3f333, signed by a.key (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=) on [..] (entry 1)
    bundle in app.txt.sigstore.json
    M[..]
    cosign in app.txt.sig
    M[..]
  foreign: key hint eUeeM4sYtiIAzPKdwrd0smw0nUCZSii4ADSywb/hA+k=, not verified
    bundle in app.txt.79479e33.sigstore.json
    M[..]

"#]]);
    let row = &rows(&sandbox, &["overview", "app.txt"])[0];
    assert!(row["signatures"].as_array().unwrap().is_empty());
    let of_other = &row["of_other_content"];
    assert_eq!(of_other[0]["signed_digest"], images::digest(b"app"));
    assert_eq!(of_other.as_array().unwrap().len(), 2);
    // It says itself what it signs, wherever it lies.
    for name in ["app.txt", "app.txt.sigstore.json"] {
        let new = sandbox.work().join(name.replace("app", "moved"));
        fs::rename(sandbox.work().join(name), new).unwrap();
    }
    let row = &rows(&sandbox, &["overview", "moved.txt"])[0];
    assert_eq!(row["of_other_content"][0]["entry"], 1);
    assert!(row.get("foreign").is_none());
}

#[test]
fn a_signature_that_was_replaced_and_is_back_is_not_a_foreign_one() {
    let sandbox = sandbox();
    let path = sandbox.work().join("app.txt.sigstore.json");
    done(&sandbox, &["sign", "app.txt"]);
    let first = fs::read(&path).unwrap();
    done(&sandbox, &["sign", "app.txt"]);
    fs::write(&path, first).unwrap();
    let row = &rows(&sandbox, &["overview", "app.txt"])[0];
    let found = row["signatures"].as_array().unwrap();
    let entries: Vec<_> = found.iter().map(|s| (&s["entry"], &s["present"])).collect();
    assert_eq!(
        entries,
        [(&2.into(), &false.into()), (&1.into(), &true.into())]
    );
    assert!(row.get("foreign").is_none());
}

/// As on a machine that only verifies.
#[test]
fn what_was_verified_here_and_not_signed_here_says_so() {
    let sandbox = sandbox();
    done(&sandbox, &["sign", "--no-history", "app.txt"]);
    done(&sandbox, &["verify", "app.txt"]);
    run(&sandbox, &["overview", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
app.txt (sha256:a172cedcae47474b615c54d510a5d84a8dea3032e958587430b413538be3f333)
  foreign: key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=, not verified
    bundle in app.txt.sigstore.json
    M[..]
  verified on [..]: valid (entry 1)

"#]]);
    let row = &rows(&sandbox, &["overview", "app.txt"])[0];
    assert_eq!(row["verified"]["result"], "valid");
    fs::remove_file(sandbox.work().join("app.txt")).unwrap();
    run(&sandbox, &["overview", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
app.txt (sha256:a172cedcae47474b615c54d510a5d84a8dea3032e958587430b413538be3f333)
  verified on [..]: valid (entry 1)

"#]]);
    assert!(
        rows(&sandbox, &["overview"]).is_empty(),
        "nothing was signed"
    );
}

#[test]
fn no_registry_is_asked_for_the_name_and_version_of_a_file() {
    let sandbox = sandbox();
    let chart = sigtool_tests::archives::chart("shop", "1.10.0");
    sandbox.write("shop-1.10.0.tgz", chart);
    done(&sandbox, &["sign", "shop-1.10.0.tgz"]);
    fs::remove_file(sandbox.work().join("shop-1.10.0.tgz")).unwrap();
    run(&sandbox, &["overview", "shop:1.10.0"])
        .code(0)
        .stdout_eq(str![[r#"
shop 1.10.0 (helm-chart, sha256:[..])
  signed by a.key (ecdsa-p256, key hint I/dsfvoVK5uzp8ssMnPabo6ENWjLWnIzBlcfKJybTSY=) on [..] (entry 1)
    bundle in shop-1.10.0.tgz.sigstore.json
    M[..]

"#]])
        .stderr_eq(str![""]);
    // The note is there where a registry would be asked.
    for (word, is_image) in [
        ("shop:1.10.0", false),
        ("shop:1.9.0", true),
        ("oci:shop:1.10.0", true),
        ("127.0.0.1:1/shop:1.10.0", true),
    ] {
        let command = sandbox.sigtool().args(["overview", "--offline", word]);
        let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
        assert_eq!(
            said.contains("the registry is not asked"),
            is_image,
            "{word}: {said}"
        );
    }
}

#[test]
fn a_signature_that_the_registry_no_longer_has_is_gone_though_the_local_store_has_it() {
    let sandbox = sandbox();
    let Some((registry, image)) = signed_image(&sandbox) else {
        return;
    };
    let row = &rows(&sandbox, &["overview", &image])[0];
    let lies = row["signatures"][0]["location"].as_str().unwrap();
    let digest = lies.rsplit_once('@').unwrap().1;
    let path = format!("/v2/app/manifests/{digest}");
    let answer = registry.request(&Request::new("DELETE", &path));
    assert_eq!(answer.status, 202);
    let row = &rows(&sandbox, &["overview", &image])[0];
    let present: Vec<_> = row["signatures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (&s["place"], &s["present"]))
        .collect();
    assert_eq!(
        present,
        [
            (&"beside".into(), &false.into()),
            (&"store".into(), &true.into())
        ]
    );
    assert!(row.get("foreign").is_none());
    let store = ledger(&sandbox).with_file_name("signatures.db");
    fs::remove_file(store).unwrap();
    let row = &rows(&sandbox, &["overview", &image])[0];
    assert_eq!(row["signatures"][1]["present"], false);
}

#[test]
fn each_repository_of_an_image_has_its_own_signatures_and_verifications() {
    let Some(registry) = Registry::olareg(&["--api-delete"]) else {
        return;
    };
    let sandbox = sandbox();
    let image = |name: &str| {
        registry.push_image(name, "v1", 1);
        format!("{}/{name}:v1", registry.host())
    };
    let [app, other, third] = ["app", "other", "third"].map(image);
    done(&sandbox, &["sign", "--attach", &app]);
    done(&sandbox, &["sign", &other]);
    done(&sandbox, &["verify", &app]);
    let of = |image: &str| {
        let rows = rows(&sandbox, &["overview", image]);
        let about = |row: &Value| {
            assert!(row.get("foreign").is_none(), "{row}");
            let reference = row["reference"].as_str().unwrap();
            let name = reference.split_once('@').unwrap().0;
            let name = name.rsplit('/').next().unwrap().to_owned();
            let present: Vec<_> = row["signatures"].as_array().unwrap().clone();
            let present = present.iter().map(|s| s["present"].as_bool());
            (name, present.collect(), row.get("verified").is_some())
        };
        rows.iter().map(about).collect::<Vec<(_, Vec<_>, _)>>()
    };
    let expected = |other, app| {
        [
            ("other".to_owned(), vec![other], false),
            ("app".to_owned(), vec![app; 2], true),
        ]
    };
    assert_eq!(of(&other), expected(Some(true), None));
    assert_eq!(of(&app), expected(None, Some(true)));
    assert_eq!(of(&third), expected(None, None), "nobody looked there");
    done(&sandbox, &["verify", &third]);
    let last = of(&third).pop().unwrap();
    assert_eq!(last, ("third".to_owned(), Vec::new(), true));
}

#[test]
fn an_image_is_entered_as_signed_and_as_attached() {
    let Some(registry) = Registry::olareg(&["--api-delete"]) else {
        return;
    };
    let sandbox = sandbox();
    let digest = registry.push_image("app", "v1", 1);
    let image = format!("{}/app:v1", registry.host());
    done(&sandbox, &["sign", "--attach", &image]);
    done(
        &sandbox,
        &["sign", "--attach", "--no-history", "--key", "b.key", &image],
    );
    done(&sandbox, &["verify", &image]);
    let found = rows(&sandbox, &["history", &image]);
    let actions: Vec<_> = found
        .iter()
        .map(|row| row["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["verify", "attach", "sign"]);
    assert_eq!(found[1]["signatures"].as_array().unwrap().len(), 1);
    assert_eq!(found[2]["signatures"].as_array().unwrap().len(), 2);
    assert_eq!(found[2]["artifact"]["version"], "v1");
    for word in [
        digest.clone(),
        format!("{}/app", registry.host()),
        format!("oci:{image}@{digest}"),
    ] {
        assert_eq!(numbers(&sandbox, &[&word]), [3, 2, 1], "{word}");
    }
    let row = &rows(&sandbox, &["overview", &image])[0];
    assert_eq!(row["foreign"].as_array().unwrap().len(), 1);
    let present: Vec<_> = row["signatures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["present"])
        .collect();
    assert_eq!(present, [true, true]);
    let offline = &rows(&sandbox, &["overview", "--offline", &image])[0];
    assert!(offline["signatures"][0].get("present").is_none());
    assert!(offline.get("foreign").is_none());
}

#[test]
fn what_the_ledger_knows_is_told_though_the_registry_does_not_answer() {
    let sandbox = sandbox();
    let Some((registry, image)) = signed_image(&sandbox) else {
        return;
    };
    drop(registry);
    let command = ["overview", &image, "--format", "json"];
    let output = sandbox.sigtool().args(command).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let signatures = rows[0]["signatures"].as_array().unwrap();
    assert_eq!(signatures.len(), 2);
    assert!(signatures[0].get("present").is_none(), "nobody has looked");
    assert_eq!(rows[1]["status"], "failed");
    assert_eq!(rows[1]["error"]["kind"], "could-not-tell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cannot look at"), "{said}");
}
