//! A JSON Schema (draft 2020-12) for each message, generated from the types. `schemas/` holds them, one file each, kept equal
//! by a test; `SNAPSHOTS=overwrite cargo test -p sigtool-sdk --all-features` writes them anew.
//!
//! They say what a reader must accept: fields that may be absent are not required, and unknown ones are allowed.

use crate::error::Error;
use crate::manifest::Manifest;
use crate::message::{Operation, OutgoingRequest};
use crate::stdio::{HelloFrame, Trace};
use crate::{host, identity, log, message, secret, signer, source, timestamp, trust};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// A message, or the two of an operation, and their schema.
#[derive(Clone, Debug)]
pub struct MessageSchema {
    /// The operation, or what else the message is called: the name of its file in `schemas/`, without `.json`.
    pub name: &'static str,
    /// The schema. For an operation its properties are `args` and `reply`.
    pub schema: Value,
}

/// Every schema, operations first.
#[must_use]
pub fn all() -> Vec<MessageSchema> {
    let mut all = operations();
    all.extend(frames());
    all
}

/// The schemas of every operation: the backend's, kind by kind, then the host's.
#[must_use]
pub fn operations() -> Vec<MessageSchema> {
    macro_rules! list {
        ($($module:ident: $($operation:ident)*;)*) => {
            vec![$($(operation::<$module::$operation>(),)*)*]
        };
    }
    list! {
        message: Describe Open Close;
        identity: Token;
        log: Record;
        secret: GetSecret PutSecret ListSecrets RemoveSecret;
        signer: GetPublicKey Sign Keys Generate Import Rotate ChangePassword Remove;
        source: Resolve Signatures Attach Detach;
        timestamp: Stamp;
        trust: GetRoots;
        host: ShowProgress AskPerson OpenUrl Now Env AskSecret AskIdentityToken CacheGet CachePut Network Conceal;
    }
}

fn operation<O>() -> MessageSchema
where
    O: Operation<Args: JsonSchema, Reply: JsonSchema>,
{
    let mut generator = generator();
    let args = generator.subschema_for::<O::Args>();
    let reply = generator.subschema_for::<O::Reply>();
    let mut schema = json!({
        "type": "object",
        "properties": { "args": args, "reply": reply },
    });
    if O::PROVISIONAL {
        schema["x-provisional"] = json!(true);
    }
    document(O::NAME, schema, generator)
}

/// What is around the operations: envelopes, the frames of the pipes, errors, manifests.
fn frames() -> Vec<MessageSchema> {
    let id = json!({ "type": "integer", "minimum": 0 });
    vec![
        plain::<OutgoingRequest<'static, Map<String, Value>>>("request"),
        built("reply", |generator| {
            one_of_two("id", &id, generator.subschema_for::<Error>().into())
        }),
        plain::<Error>("error"),
        plain::<Manifest>("manifest"),
        plain::<message::Hello>("hello"),
        plain::<HelloFrame>("frame.hello"),
        built("frame.trace", |generator| {
            let trace = generator.subschema_for::<Trace>();
            object(json!({ "trace": trace }), &["trace"])
        }),
        built("frame.host-request", |_| {
            let properties = json!({ "hid": id, "call": id, "op": { "type": "string" }, "args": { "type": "object" } });
            object(properties, &["hid", "call", "op"])
        }),
        built("frame.host-reply", |generator| {
            one_of_two("hid", &id, generator.subschema_for::<Error>().into())
        }),
        built("frame.cancel", |_| {
            object(json!({ "cancel": id }), &["cancel"])
        }),
    ]
}

/// The schema of one type.
fn plain<T: JsonSchema>(name: &'static str) -> MessageSchema {
    let mut generator = generator();
    let schema = T::json_schema(&mut generator).into();
    document(name, schema, generator)
}

/// A schema that no single type has.
fn built(name: &'static str, build: impl FnOnce(&mut SchemaGenerator) -> Value) -> MessageSchema {
    let mut generator = generator();
    let schema = build(&mut generator);
    document(name, schema, generator)
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required })
}

/// A reply: a number, and exactly one of `ok` and `err`.
fn one_of_two(number: &str, id: &Value, error: Value) -> Value {
    let mut schema = object(
        json!({ "ok": { "type": "object" }, "err": error }),
        &[number],
    );
    schema["properties"][number] = id.clone();
    schema["oneOf"] = json!([{ "required": ["ok"] }, { "required": ["err"] }]);
    schema
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

/// Adds what the schema of a whole document has: the draft, a title, and the types that it refers to.
fn document(name: &'static str, schema: Value, mut generator: SchemaGenerator) -> MessageSchema {
    let mut whole = Map::new();
    whole.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    whole.insert("title".to_owned(), json!(name));
    if let Value::Object(fields) = schema {
        whole.extend(fields.into_iter().filter(|(key, _)| key != "title"));
    }
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        whole.insert("$defs".to_owned(), Value::Object(definitions));
    }
    MessageSchema {
        name,
        schema: Value::Object(whole),
    }
}
