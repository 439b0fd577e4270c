//! The messages between the program and a backend, and the manifest of a backend.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sigtool_sdk::Manifest;
use sigtool_sdk::host::{
    AskIdentityToken, AskPerson, AskSecret, CacheGet, CachePut, Env, Network, Now, OpenUrl,
    ShowProgress,
};
use sigtool_sdk::identity::Token;
use sigtool_sdk::log::Record;
use sigtool_sdk::message::{Close, Describe, Open, Operation, OutgoingRequest, Reply, Request};
use sigtool_sdk::secret::{GetSecret, ListSecrets, PutSecret, RemoveSecret};
use sigtool_sdk::services::answer;
use sigtool_sdk::signer::{
    ChangePassword, Generate, GetPublicKey, Import, Keys, Remove, Rotate, Sign,
};
use sigtool_sdk::source::{Attach, Detach, Resolve, Signatures};
use sigtool_sdk::stdio::{FromBackend, HelloFrame, read_line};
use sigtool_sdk::testing::FakeHost;
use sigtool_sdk::timestamp::Stamp;
use sigtool_sdk::trust::GetRoots;

/// An operation: its name, and what its arguments and its replies go through.
struct Exchange {
    op: &'static str,
    ask: fn(&Request<'_>),
    reply: fn(&[u8]),
}

impl Exchange {
    const fn of<O: Operation>() -> Self {
        Self {
            op: O::NAME,
            ask: ask::<O>,
            reply: reply::<O::Reply>,
        }
    }
}

const EXCHANGES: [Exchange; 33] = [
    Exchange::of::<AskIdentityToken>(),
    Exchange::of::<AskPerson>(),
    Exchange::of::<AskSecret>(),
    Exchange::of::<Attach>(),
    Exchange::of::<CacheGet>(),
    Exchange::of::<CachePut>(),
    Exchange::of::<ChangePassword>(),
    Exchange::of::<Close>(),
    Exchange::of::<Describe>(),
    Exchange::of::<Detach>(),
    Exchange::of::<Env>(),
    Exchange::of::<Generate>(),
    Exchange::of::<GetPublicKey>(),
    Exchange::of::<GetRoots>(),
    Exchange::of::<GetSecret>(),
    Exchange::of::<Import>(),
    Exchange::of::<Keys>(),
    Exchange::of::<ListSecrets>(),
    Exchange::of::<Network>(),
    Exchange::of::<Now>(),
    Exchange::of::<Open>(),
    Exchange::of::<OpenUrl>(),
    Exchange::of::<PutSecret>(),
    Exchange::of::<Record>(),
    Exchange::of::<Remove>(),
    Exchange::of::<RemoveSecret>(),
    Exchange::of::<Resolve>(),
    Exchange::of::<Rotate>(),
    Exchange::of::<ShowProgress>(),
    Exchange::of::<Sign>(),
    Exchange::of::<Signatures>(),
    Exchange::of::<Stamp>(),
    Exchange::of::<Token>(),
];

/// A conversation, line by line, or a manifest: what is written again is read as the same.
pub(crate) fn message(mut bytes: &[u8]) {
    manifest(bytes);
    let host = FakeHost::new();
    let mut asked: Option<&Exchange> = None;
    while let Some(line) = read_line(&mut bytes).expect("lines in memory") {
        same_again::<HelloFrame>(&line);
        let _ = serde_json::from_slice::<FromBackend<'_>>(&line);
        let answer = answer(&host, &line);
        serde_json::from_slice::<serde_json::Value>(&answer).expect("the host answers in JSON");
        if let Some(exchange) = asked {
            (exchange.reply)(&line);
        }
        if let Ok(request) = serde_json::from_slice::<Request<'_>>(&line) {
            asked = EXCHANGES.iter().find(|known| known.op == request.op);
            if let Some(exchange) = asked {
                (exchange.ask)(&request);
            }
        }
    }
}

fn ask<O: Operation>(request: &Request<'_>) {
    let Ok(args) = request.decode::<O::Args>() else {
        return;
    };
    let written = text(&OutgoingRequest {
        id: request.id,
        op: O::NAME,
        handle: request.handle,
        args: &args,
        deadline_ms: request.deadline_ms,
    });
    let again: Request<'_> = serde_json::from_slice(&written).expect("what we write we read");
    let (id, handle, deadline) = (again.id, again.handle, again.deadline_ms);
    assert_eq!(
        (id, handle, deadline),
        (request.id, request.handle, request.deadline_ms)
    );
    let again = again.decode::<O::Args>().expect("what we write we read");
    assert_eq!(text(&again), text(&args));
}

fn reply<T: Serialize + DeserializeOwned>(line: &[u8]) {
    // What is not a reply is read as an error, which can be written as one.
    let written = Reply::encode(1, Reply::<T>::decode("op", line));
    let again = Reply::encode(1, Reply::<T>::decode("op", &written));
    assert_eq!(again, written);
}

fn same_again<T: Serialize + DeserializeOwned>(line: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(line) {
        let written = text(&value);
        let again: T = serde_json::from_slice(&written).expect("what we write we read");
        assert_eq!(text(&again), written);
    }
}

fn text(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("JSON")
}

fn manifest(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(manifest) = Manifest::parse(text) {
        let written = toml::to_string(&manifest).expect("TOML");
        assert_eq!(Manifest::parse(&written), Ok(manifest));
    }
}
