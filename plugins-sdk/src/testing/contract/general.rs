//! Promises of every backend, whatever its kind.

use super::probe::{Probe, Stop, Verdict, ok, refused};
use super::{Promise, Subject};
use crate::error::ErrorCode;
use crate::manifest::{Kind, SettingType};
use crate::message::{Close, Describe, Description, Empty};
use serde_json::{Value, json};

pub(super) const PROMISES: &[Promise] = &[
    Promise {
        name: "describe_equals_the_manifest",
        promise: "`describe` says what the manifest says: id, version, kinds, capabilities and max_in_flight",
        kind: None,
        check: describe_equals_the_manifest,
    },
    Promise {
        name: "describe_is_the_same_twice",
        promise: "`describe` says the same whenever it is asked, within an instance and between two",
        kind: None,
        check: describe_is_the_same_twice,
    },
    Promise {
        name: "an_unknown_operation_is_unsupported",
        promise: "an operation of a later version is answered with `unsupported`, so that the host can go on without it",
        kind: None,
        check: an_unknown_operation_is_unsupported,
    },
    Promise {
        name: "a_malformed_request_is_an_error_and_no_death",
        promise: "text that is not a request (malformed JSON, text that is not UTF-8, nothing, wrong types) gets an error, and the backend lives on",
        kind: None,
        check: a_malformed_request_is_an_error_and_no_death,
    },
    Promise {
        name: "unknown_fields_are_ignored",
        promise: "fields of a later version, in a request and in its arguments, change nothing",
        kind: None,
        check: unknown_fields_are_ignored,
    },
    Promise {
        name: "a_wrong_handle_is_refused",
        promise: "a handle that is missing, was never given, or is closed gets `invalid-request`",
        kind: None,
        check: a_wrong_handle_is_refused,
    },
    Promise {
        name: "a_handle_of_another_kind_is_refused",
        promise: "an operation of one kind on a handle of another gets an error",
        kind: None,
        check: a_handle_of_another_kind_is_refused,
    },
    Promise {
        name: "a_kind_that_is_not_served_is_unsupported",
        promise: "`open` of a kind that the manifest does not name gets `unsupported`",
        kind: None,
        check: a_kind_that_is_not_served_is_unsupported,
    },
    Promise {
        name: "wrong_settings_are_told_as_such",
        promise: "`open` with settings of a wrong type, or without a required one, gets `invalid-config`",
        kind: None,
        check: wrong_settings_are_told_as_such,
    },
    Promise {
        name: "a_reply_names_its_request",
        promise: "the `id` of a reply is that of its request, up to 2^53 - 1",
        kind: None,
        check: a_reply_names_its_request,
    },
    Promise {
        name: "several_calls_run_at_once",
        promise: "as many calls run at once as `max_in_flight` says, and each gets its own reply",
        kind: None,
        check: several_calls_run_at_once,
    },
    Promise {
        name: "many_instances_come_and_go",
        promise: "twenty instances can be made and ended, some of them side by side",
        kind: None,
        check: many_instances_come_and_go,
    },
];

fn describe(probe: &Probe) -> Result<Description, Stop> {
    ok("`describe`", probe.call::<Describe>(None, &Empty {}))
}

fn describe_equals_the_manifest(subject: &Subject<'_>) -> Verdict {
    let (found, expected) = (
        describe(&Probe::new(subject)?)?,
        Description::from(subject.manifest),
    );
    let same = |field: &str, expected: String, found: String| {
        if expected == found {
            Ok(())
        } else {
            Err(Stop::differs(
                &format!("`{field}` in the reply to `describe`"),
                expected,
                found,
            ))
        }
    };
    same("id", expected.id, found.id)?;
    same("version", expected.version, found.version)?;
    same(
        "kinds",
        format!("{:?}", expected.kinds),
        format!("{:?}", found.kinds),
    )?;
    same(
        "capabilities",
        format!("{:?}", expected.capabilities),
        format!("{:?}", found.capabilities),
    )?;
    same(
        "max_in_flight",
        expected.max_in_flight.to_string(),
        found.max_in_flight.to_string(),
    )
}

fn describe_is_the_same_twice(subject: &Subject<'_>) -> Verdict {
    let probe = Probe::new(subject)?;
    let first = describe(&probe)?;
    for second in [describe(&probe)?, describe(&Probe::new(subject)?)?] {
        if first != second {
            let text = |d: &Description| serde_json::to_string(d).unwrap_or_default();
            return Err(Stop::differs(
                "the second `describe`",
                text(&first),
                text(&second),
            ));
        }
    }
    Ok(())
}

fn an_unknown_operation_is_unsupported(subject: &Subject<'_>) -> Verdict {
    let probe = Probe::new(subject)?;
    for op in ["sigtool.grease", "signer.grease", "describe2", ""] {
        let reply = probe.send_json(json!({ "op": op, "args": {} }))?;
        refused(
            &format!("the operation `{op}`"),
            reply.result,
            &[ErrorCode::Unsupported],
        )?;
    }
    Ok(())
}

fn a_malformed_request_is_an_error_and_no_death(subject: &Subject<'_>) -> Verdict {
    let probe = Probe::new(subject)?;
    let (deep, long) = ("[".repeat(50_000), "x".repeat(1 << 20));
    let malformed: [&[u8]; 14] = [
        b"",
        b"not JSON",
        b"{",
        b"{\"id\":5,\"op\":\"describe\"",
        b"{\"id\":5,\"op\":\"describe\"} {}",
        b"\xff\xfe{\"id\":5,\"op\":\"describe\",\"args\":{}}",
        b"{\"id\":5,\"op\":\"open\",\"args\":{\"kind\":\"\xc3\x28\",\"configuration\":{}}}",
        b"null",
        b"[]",
        b"{}",
        b"{\"id\":5,\"op\":7,\"args\":{}}",
        b"{\"id\":5,\"op\":\"open\",\"args\":{\"kind\":7}}",
        deep.as_bytes(),
        long.as_bytes(),
    ];
    for text in malformed {
        let reply = probe.send(5, text)?;
        if reply.result.is_ok() {
            let shown: String = String::from_utf8_lossy(text).chars().take(60).collect();
            return Err(Stop::differs(
                &format!("the request `{shown}`"),
                "an error",
                "success",
            ));
        }
        describe(&probe)?;
    }
    Ok(())
}

fn unknown_fields_are_ignored(subject: &Subject<'_>) -> Verdict {
    let probe = Probe::new(subject)?;
    let grease = json!({ "deep": [null, { "x": "\u{1F512}\\\"" }], "n": 1.5e3 });
    let plain = describe(&probe)?;
    let greased = probe.send_json(json!({
        "aa_grease": grease, "op": "describe", "handle": null, "zz_grease": [], "args": { "aa_grease": grease },
    }))?;
    let greased = ok("`describe` with unknown fields", greased.result)?;
    if greased != serde_json::to_value(&plain).unwrap_or_default() {
        let found: Description = serde_json::from_value(greased)
            .map_err(|e| Stop::differs("`describe` with unknown fields", "a description", e))?;
        if found != plain {
            return Err(Stop::differs(
                "`describe` with unknown fields",
                "the same reply",
                "another",
            ));
        }
    }
    for (kind, configuration, op, args) in usable(subject) {
        let opened = probe.send_json(json!({
            "op": "open", "zz_grease": grease,
            "args": { "zz_grease": grease, "kind": kind, "configuration": configuration },
        }))?;
        let opened = ok("`open` with unknown fields", opened.result)?;
        let mut args = args;
        args["zz_grease"] = grease.clone();
        let request = json!({ "aa_grease": 7, "op": op, "handle": opened["handle"], "args": args });
        ok(
            &format!("`{op}` with unknown fields"),
            probe.send_json(request)?.result,
        )?;
    }
    Ok(())
}

/// The kinds for which there are settings, and a harmless operation of each that asks for no secret.
fn usable(subject: &Subject<'_>) -> Vec<(Kind, Value, &'static str, Value)> {
    let serves = |kind| subject.manifest.kinds.contains(&kind);
    let mut all = Vec::new();
    if let (Some(signer), true) = (&subject.fixture.signer, serves(Kind::Signer))
        && signer.secrets.is_empty()
    {
        all.push((
            Kind::Signer,
            signer.configuration.clone(),
            "signer.public_key",
            json!({}),
        ));
    }
    if let (Some(source), true) = (&subject.fixture.source, serves(Kind::Source)) {
        let args = json!({ "reference": source.reference, "digests": ["sha256"] });
        all.push((
            Kind::Source,
            source.configuration.clone(),
            "source.resolve",
            args,
        ));
    }
    all
}

/// The verb that every backend of a kind has.
fn verb(kind: Kind) -> &'static str {
    match kind {
        Kind::Identity => "identity.token",
        Kind::Log => "log.record",
        Kind::Secret => "secret.get",
        Kind::Signer => "signer.public_key",
        Kind::Source => "source.resolve",
        Kind::Timestamp => "timestamp.stamp",
        Kind::Trust => "trust.roots",
    }
}

fn a_wrong_handle_is_refused(subject: &Subject<'_>) -> Verdict {
    let probe = Probe::new(subject)?;
    for op in subject
        .manifest
        .kinds
        .iter()
        .map(|k| verb(*k))
        .chain(["close"])
    {
        for handle in [Value::Null, json!(999_999), json!(0)] {
            let reply = probe.send_json(json!({ "op": op, "handle": handle, "args": {} }))?;
            let what = format!("`{op}` with the handle {handle}, which was never given");
            refused(&what, reply.result, &[ErrorCode::InvalidRequest])?;
        }
        let reply = probe.send_json(json!({ "op": op, "args": {} }))?;
        refused(
            &format!("`{op}` without a handle"),
            reply.result,
            &[ErrorCode::InvalidRequest],
        )?;
    }
    for (kind, configuration, op, args) in usable(subject) {
        let handle = ok("`open`", probe.open(kind, &configuration))?;
        ok("`close`", probe.call::<Close>(Some(handle), &Empty {}))?;
        let reply = probe.send_json(json!({ "op": op, "handle": handle, "args": args }))?;
        refused(
            &format!("`{op}` on a closed handle"),
            reply.result,
            &[ErrorCode::InvalidRequest],
        )?;
        let again = probe.call::<Close>(Some(handle), &Empty {});
        refused(
            "`close` of a closed handle",
            again,
            &[ErrorCode::InvalidRequest],
        )?;
    }
    Ok(())
}

fn a_handle_of_another_kind_is_refused(subject: &Subject<'_>) -> Verdict {
    let probe = Probe::new(subject)?;
    let usable = usable_or_skip(subject)?;
    for (kind, configuration, ..) in usable {
        let handle = ok("`open`", probe.open(kind, &configuration))?;
        for other in Kind::ALL.into_iter().filter(|k| *k != kind) {
            // A backend may not even know the operations of a kind that it does not serve.
            let codes: &[ErrorCode] = if subject.manifest.kinds.contains(&other) {
                &[ErrorCode::InvalidRequest]
            } else {
                &[ErrorCode::InvalidRequest, ErrorCode::Unsupported]
            };
            let op = verb(other);
            let reply = probe.send_json(json!({ "op": op, "handle": handle, "args": {} }))?;
            refused(
                &format!("`{op}` on a handle of the kind {kind}"),
                reply.result,
                codes,
            )?;
        }
    }
    Ok(())
}

fn usable_or_skip(subject: &Subject<'_>) -> Result<Vec<(Kind, Value, &'static str, Value)>, Stop> {
    let mut all = usable(subject);
    // Opening asks for nothing; only calls may.
    if let (Some(signer), true) = (
        &subject.fixture.signer,
        subject.manifest.kinds.contains(&Kind::Signer) && !all.iter().any(|u| u.0 == Kind::Signer),
    ) {
        all.push((
            Kind::Signer,
            signer.configuration.clone(),
            "signer.public_key",
            json!({}),
        ));
    }
    if all.is_empty() {
        return Err(Stop::skipped(
            "there are no settings to open any of its kinds with",
        ));
    }
    Ok(all)
}

fn a_kind_that_is_not_served_is_unsupported(subject: &Subject<'_>) -> Verdict {
    let probe = Probe::new(subject)?;
    let foreign: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|k| !subject.manifest.kinds.contains(k))
        .collect();
    if foreign.is_empty() {
        return Err(Stop::skipped("it serves every kind"));
    }
    for kind in foreign {
        let opened = probe.open(kind, &json!({}));
        refused(
            &format!("`open` of the kind {kind}"),
            opened,
            &[ErrorCode::Unsupported],
        )?;
    }
    Ok(())
}

fn wrong_settings_are_told_as_such(subject: &Subject<'_>) -> Verdict {
    let probe = Probe::new(subject)?;
    for kind in &subject.manifest.kinds {
        for wrong in [json!("a text"), json!([1]), json!(7)] {
            let what = format!("`open` of the kind {kind} with {wrong} for its settings");
            refused(
                &what,
                probe.open(*kind, &wrong),
                &[ErrorCode::InvalidConfig],
            )?;
        }
        let settings = subject.manifest.config.get(kind).into_iter().flatten();
        for (name, setting) in settings {
            let Some(right) = configuration(subject, *kind) else {
                continue;
            };
            let mut wrong = right.clone();
            wrong[name] = if setting.kind == SettingType::Integer {
                json!("seven")
            } else {
                json!(7)
            };
            let what = format!(
                "`open` of the kind {kind} with {} for `{name}`",
                wrong[name]
            );
            refused(
                &what,
                probe.open(*kind, &wrong),
                &[ErrorCode::InvalidConfig],
            )?;
            // A signer that makes keys is opened without one for that.
            let makes_keys = ["signer.generate", "signer.import"]
                .iter()
                .any(|capability| subject.manifest.can(capability));
            let needed = setting.required && !(setting.kind == SettingType::Key && makes_keys);
            if let (true, Some(table)) = (needed, wrong.as_object_mut()) {
                table.remove(name);
                let what = format!("`open` of the kind {kind} without `{name}`");
                refused(
                    &what,
                    probe.open(*kind, &wrong),
                    &[ErrorCode::InvalidConfig],
                )?;
            }
        }
    }
    Ok(())
}

fn configuration<'a>(subject: &'a Subject<'_>, kind: Kind) -> Option<&'a Value> {
    match kind {
        Kind::Signer => subject.fixture.signer.as_ref().map(|f| &f.configuration),
        Kind::Source => subject.fixture.source.as_ref().map(|f| &f.configuration),
        _ => None,
    }
}

fn a_reply_names_its_request(subject: &Subject<'_>) -> Verdict {
    let probe = Probe::new(subject)?;
    for id in [1, 77, u64::from(u32::MAX) + 1, (1 << 53) - 1] {
        for op in ["describe", "sigtool.grease"] {
            let request = json!({ "id": id, "op": op, "args": {} }).to_string();
            let reply = probe.send(id, request.as_bytes())?;
            if reply.id != id {
                return Err(Stop::differs(
                    &format!("the `id` of the reply to `{op}`"),
                    id,
                    reply.id,
                ));
            }
        }
    }
    Ok(())
}

fn several_calls_run_at_once(subject: &Subject<'_>) -> Verdict {
    let probe = Probe::new(subject)?;
    let threads = subject.manifest.max_in_flight.clamp(1, 8);
    let one = |thread: u32| {
        for _ in 0..20 {
            let reply = probe.send_json(json!({ "op": "describe", "args": {} }))?;
            ok(
                &format!("`describe` with {threads} calls at once, thread {thread}"),
                reply.result,
            )?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|t| scope.spawn(move || one(t))).collect();
        running.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(Stop::failed("a thread of the suite ended early")))
        })
    })
}

fn many_instances_come_and_go(subject: &Subject<'_>) -> Verdict {
    for _ in 0..4 {
        let side_by_side: Vec<Probe> = (0..5)
            .map(|_| Probe::new(subject))
            .collect::<Result<_, _>>()?;
        for probe in &side_by_side {
            describe(probe)?;
        }
    }
    Ok(())
}
