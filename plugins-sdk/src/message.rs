//! The messages of the seam: the same JSON over a shared library's `call` and over an executable's pipes.
//!
//! A request is `{"id":7,"op":"signer.sign","handle":1,"args":{…},"deadline_ms":30000}`, its reply `{"id":7,"ok":{…}}` or
//! `{"id":7,"err":{…}}`. Messages only ever grow: unknown fields are ignored, new fields are optional, a break is a new
//! protocol number. `schemas/` holds a JSON Schema for each; a test keeps them equal to these types.

use crate::error::Error;
use crate::manifest::Manifest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The protocols spoken by this SDK, highest last.
pub const PROTOCOLS: &[u32] = &[1];

/// The longest message, in bytes: enough for any bundle, and an end for a peer that floods.
pub const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// An operation of a backend: its name and the types of its arguments and its reply.
pub trait Operation {
    /// The name on the wire, `kind.verb`.
    const NAME: &'static str;
    /// No backend serves it yet, so its messages may still change.
    const PROVISIONAL: bool = false;
    /// What the host sends.
    type Args: Serialize + DeserializeOwned + Send;
    /// What the backend answers.
    type Reply: Serialize + DeserializeOwned + Send;

    /// Every text in a reply, by what it is for. A secret is none.
    fn texts(_reply: &mut Self::Reply) -> Vec<Text<'_>> {
        Vec::new()
    }
}

/// A text in a reply. What has a stricter type (a digest, a key, a signature, a number) is checked by that.
#[derive(Debug)]
pub enum Text<'a> {
    /// Words for people, that nothing is found by.
    Shown(&'a mut String),
    /// Remarks for people.
    Remarks(&'a mut Vec<String>),
    /// Why a part of the answer is missing.
    Failures(&'a mut Vec<Error>),
    /// What is used as it is, and may be shown too: a path, a reference, a name.
    Used(&'a str),
}

/// Declares operations: `Type "name" Args => Reply;`, or `=> Reply, texts;` with the function that finds the texts of the reply.
macro_rules! operations {
    ($($(#[$doc:meta])* $type:ident $name:literal $(@$provisional:ident)? $args:ty => $reply:ty $(, $texts:path)?;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $type {}
        impl $crate::message::Operation for $type {
            const NAME: &'static str = $name;
            $(const PROVISIONAL: bool = $crate::message::$provisional;)?
            type Args = $args;
            type Reply = $reply;
            $(fn texts(reply: &mut Self::Reply) -> Vec<$crate::message::Text<'_>> {
                $texts(reply)
            })?
        }
    )*};
}
pub(crate) use operations;

/// For the macro: the mark of a provisional operation.
pub(crate) const PROVISIONAL: bool = true;

/// The first message of each side.
///
/// A shared library gets the host's in `create` and answers with its own; an executable speaks first, with its own on the
/// first line of its stdout, as `{"sigtool":{…}}`, and reads the host's in the same shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hello {
    /// The protocols the side speaks. The highest that both speak is used; none in common ends the conversation.
    pub protocol: Vec<u32>,
    /// Who speaks: `sigtool` for the host, else the backend's id.
    pub id: String,
    /// Its version; for bug reports, never compared.
    pub version: String,
    /// The SDK it was built with; for bug reports, never compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk: Option<String>,
    /// What the side can do beyond the protocol. Unknown ones are ignored, a missing one means "no".
    #[serde(default)]
    pub capabilities: Vec<String>,
}

impl Hello {
    /// The highest protocol that both sides speak.
    #[must_use]
    pub fn common_protocol(&self, other: &Self) -> Option<u32> {
        self.protocol
            .iter()
            .copied()
            .filter(|p| other.protocol.contains(p))
            .max()
    }
}

/// A request, its arguments still as text.
#[derive(Debug, Deserialize)]
pub struct Request<'a> {
    /// Names the call in replies, cancellations and the backend's own requests.
    pub id: u64,
    /// The operation.
    #[serde(borrow)]
    pub op: Cow<'a, str>,
    /// Which opened backend, for all operations but `describe` and `open`.
    #[serde(default)]
    pub handle: Option<u64>,
    /// The arguments; absent counts as `{}`.
    #[serde(borrow, default)]
    pub args: Option<&'a RawValue>,
    /// How long the host waits without a sign of life, in milliseconds: each request of the backend starts it anew.
    #[serde(default)]
    pub deadline_ms: Option<u64>,
}

impl Request<'_> {
    /// Decodes the arguments.
    ///
    /// # Errors
    ///
    /// `invalid-request`, which names the operation and the place.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let text = self.args.map_or("{}", RawValue::get);
        serde_json::from_str(text).map_err(|e| {
            Error::new(
                crate::ErrorCode::InvalidRequest,
                format!("malformed arguments for `{}`", self.op),
            )
            .because(e)
        })
    }
}

/// A request, to be written.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OutgoingRequest<'a, T> {
    /// Names the call.
    pub id: u64,
    /// The operation.
    pub op: &'a str,
    /// Which opened backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
    /// The arguments.
    pub args: &'a T,
    /// How long the host waits without a sign of life, in milliseconds: each request of the backend starts it anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

/// A reply: exactly one of `ok` and `err`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct Reply<T> {
    /// The call it answers.
    #[serde(default)]
    pub id: u64,
    /// The answer.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub ok: Option<T>,
    /// Or the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub err: Option<Error>,
}

fn none<T>() -> Option<T> {
    None
}

impl<T: Serialize> Reply<T> {
    /// Encodes what an operation gave.
    pub fn encode(id: u64, result: Result<T, Error>) -> Vec<u8> {
        let reply = match result {
            Ok(ok) => Self {
                id,
                ok: Some(ok),
                err: None,
            },
            Err(err) => Self {
                id,
                ok: None,
                err: Some(err),
            },
        };
        // Large enough for a secret, so that none is left behind where the text had to grow.
        let mut text = Vec::with_capacity(4096);
        match serde_json::to_writer(&mut text, &reply) {
            Ok(()) => text,
            Err(e) => {
                format!(r#"{{"id":{id},"err":{{"code":"internal","message":"cannot encode the reply: {e}"}}}}"#)
                    .into_bytes()
            }
        }
    }
}

impl<T: DeserializeOwned> Reply<T> {
    /// Decodes the reply to an operation.
    ///
    /// # Errors
    ///
    /// The error in the reply; or `internal` for text that is not a reply to this operation.
    pub fn decode(op: &str, text: &[u8]) -> Result<T, Error> {
        let malformed = |why: &dyn std::fmt::Display| {
            Error::new(
                crate::ErrorCode::Internal,
                format!("the answer to `{op}` is malformed"),
            )
            .because(why)
        };
        let reply: Self = serde_json::from_slice(text).map_err(|e| malformed(&e))?;
        match (reply.ok, reply.err) {
            (Some(ok), None) => Ok(ok),
            (None, Some(err)) => Err(err),
            (None, None) => Err(malformed(&"neither `ok` nor `err`")),
            (Some(_), Some(_)) => Err(malformed(&"both `ok` and `err`")),
        }
    }
}

/// No arguments, or an empty reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Empty {}

/// The arguments of `open`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenArgs {
    /// The kind to open, as in the manifest.
    pub kind: crate::Kind,
    /// The settings of the profile's table for that kind, without `backend`. Secrets are pointers, keys are
    /// [`KeyReference`](crate::types::KeyReference)s, paths are absolute.
    #[serde(default)]
    pub configuration: serde_json::Value,
}

/// The reply of `open`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Opened {
    /// The handle that later calls name.
    pub handle: u64,
}

/// The reply of `describe`: what the manifest says, said by the code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Description {
    /// The backend's id. Must equal the manifest's.
    pub id: String,
    /// Its version. Must equal the manifest's.
    pub version: String,
    /// The kinds it serves. Must equal the manifest's.
    pub kinds: Vec<crate::Kind>,
    /// What it can do beyond the verbs that its kinds demand. Must equal the manifest's.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// How many calls it takes at once; the host queues the rest.
    #[serde(default = "one")]
    pub max_in_flight: u32,
}

impl From<&Manifest> for Description {
    fn from(manifest: &Manifest) -> Self {
        Self {
            id: manifest.id.to_string(),
            version: manifest.version.clone(),
            kinds: manifest.kinds.clone(),
            capabilities: manifest.capabilities.clone(),
            max_in_flight: manifest.max_in_flight,
        }
    }
}

fn one() -> u32 {
    1
}

operations! {
    /// Says what the backend is. Static, does no I/O.
    Describe "describe" Empty => Description;
    /// Opens one kind with its settings.
    Open "open" OpenArgs => Opened;
    /// Closes a handle.
    Close "close" Empty => Empty;
}
