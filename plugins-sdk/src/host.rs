//! What the host lends to a backend while a call runs.

use crate::error::{Error, ErrorCode, Result};
use crate::message::{Empty, Operation, OutgoingRequest, Reply, operations};
use crate::types::{Bytes, IdentityToken, Secret, TokenArgs};
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How loud a trace is. Shown by `--verbose`; never on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[repr(u32)]
pub enum TraceLevel {
    /// Something failed; the call goes on.
    Error = 1,
    /// Something the user should look at, shown without `--verbose` too.
    Warn = 2,
    /// What is being done.
    Info = 3,
    /// How it is done.
    Debug = 4,
}

impl TraceLevel {
    /// The level of this number; every other number counts as `Debug`.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Error,
            2 => Self::Warn,
            3 => Self::Info,
            _ => Self::Debug,
        }
    }
}

/// The way from a backend to its host, below the typed calls of [`Call`]: a table of C functions, a pipe, or a test's host.
pub trait Channel: Send + Sync {
    /// Shows debug output. At any time until the backend is destroyed.
    fn trace(&self, level: TraceLevel, message: &str);

    /// Whether the host has cancelled the call. Never blocks.
    fn cancelled(&self, call: u64) -> bool;

    /// Asks the host something, while the call runs. Blocks until the answer.
    ///
    /// # Errors
    ///
    /// The channel is broken, or the call has ended.
    fn request(&self, call: u64, request: &[u8]) -> Result<Zeroizing<Vec<u8>>>;
}

/// A call in progress, and all that the host lends to it.
pub struct Call<'a> {
    channel: &'a dyn Channel,
    id: u64,
    patience: Option<Duration>,
    last_sign_of_life: Mutex<Instant>,
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.id)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl<'a> Call<'a> {
    /// A call over this channel. `patience` is how long the host waits without a sign of life.
    #[must_use]
    pub fn new(channel: &'a dyn Channel, id: u64, patience: Option<Duration>) -> Self {
        Self {
            channel,
            id,
            patience,
            last_sign_of_life: Mutex::new(Instant::now()),
        }
    }

    /// Shows debug output. Never put a secret in it.
    pub fn trace(&self, level: TraceLevel, message: &str) {
        self.channel.trace(level, message);
    }

    /// Whether the host has cancelled the call; a long one asks now and then, and ends with `cancelled`.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.channel.cancelled(self.id)
    }

    /// An error if the host has cancelled the call or its deadline has passed.
    ///
    /// # Errors
    ///
    /// `cancelled` or `timeout`.
    pub fn check(&self) -> Result<()> {
        if self.cancelled() {
            return Err(Error::new(ErrorCode::Cancelled, "cancelled"));
        }
        if self.remaining() == Some(Duration::ZERO) {
            return Err(Error::new(ErrorCode::Timeout, "the deadline has passed"));
        }
        Ok(())
    }

    /// Waits this long, unless the call ends before.
    ///
    /// # Errors
    ///
    /// `cancelled` or `timeout`.
    pub fn wait(&self, time: Duration) -> Result<()> {
        // How often it is looked whether the call has ended.
        const SLICE: Duration = Duration::from_millis(50);
        let end = Instant::now() + time;
        loop {
            self.check()?;
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(SLICE));
        }
    }

    /// How long the host will still wait, if it told. Each request to it, progress included, starts the wait anew.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let last = *self
            .last_sign_of_life
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.patience
            .map(|patience| patience.saturating_sub(last.elapsed()))
    }

    /// Says how far a long operation is.
    pub fn progress(&self, progress: &Progress) {
        // Progress is never a reason to fail.
        let _ = self.ask::<ShowProgress>(progress);
    }

    /// Asks the person.
    ///
    /// # Errors
    ///
    /// - `access-denied`: the manifest does not declare `permissions.prompt`.
    /// - `unavailable`: there is no terminal. A person who says no is an [`Answer`], not an error.
    pub fn prompt(&self, prompt: &Prompt) -> Result<Answer> {
        self.ask::<AskPerson>(prompt)
    }

    /// Opens a page in the person's browser, or shows its address where there is none.
    ///
    /// # Errors
    ///
    /// - `access-denied`: the manifest does not declare `permissions.open_url`.
    /// - `unavailable`: it cannot be shown either.
    pub fn open_url(&self, url: &str) -> Result<()> {
        self.ask::<OpenUrl>(&OpenUrlArgs {
            url: url.to_owned(),
        })
        .map(|_| ())
    }

    /// The time, in milliseconds since 1970-01-01 UTC. A backend asks for no other clock, so that tests can set it.
    ///
    /// # Errors
    ///
    /// The channel is broken.
    pub fn now_ms(&self) -> Result<u64> {
        self.ask::<Now>(&Empty {}).map(|now| now.unix_ms)
    }

    /// An environment variable that the manifest declares.
    ///
    /// # Errors
    ///
    /// `access-denied` for one that it does not declare.
    pub fn env(&self, name: &str) -> Result<Option<String>> {
        self.ask::<Env>(&EnvArgs {
            name: name.to_owned(),
        })
        .map(|v| v.value)
    }

    /// A secret of the backend's own configuration, by the pointer that stands in it.
    ///
    /// # Errors
    ///
    /// - `auth-required`: there is none, and nobody can be asked.
    /// - `declined`: the person would not say.
    /// - `access-denied`: the manifest declares no setting of the type `secret` there for the kind that was opened, or the
    ///   configuration has none. Without a configured one the passwords of the environment and of a person are for a signer's
    ///   `password` and `new_password`.
    pub fn secret(&self, args: &AskSecretArgs) -> Result<AskedSecret> {
        self.ask::<AskSecret>(args)
    }

    /// An identity token from the profile's `identity` backend, if the user's configuration grants it.
    ///
    /// # Errors
    ///
    /// `access-denied` without a grant.
    pub fn identity_token(&self, audience: &str) -> Result<IdentityToken> {
        self.ask::<AskIdentityToken>(&TokenArgs {
            audience: audience.to_owned(),
        })
    }

    /// What this backend has put in its cache under this name.
    ///
    /// # Errors
    ///
    /// The channel is broken; a cache that cannot be read counts as empty.
    pub fn cache_get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.ask::<CacheGet>(&CacheGetArgs {
            name: name.to_owned(),
        })
        .map(|v| v.value.map(|b| b.0))
    }

    /// Keeps something for later runs. Nothing secret.
    ///
    /// # Errors
    ///
    /// The channel is broken; a cache that cannot be written loses the value silently.
    pub fn cache_put(&self, name: &str, value: &[u8]) -> Result<()> {
        self.ask::<CachePut>(&CachePutArgs {
            name: name.to_owned(),
            value: value.into(),
        })
        .map(|_| ())
    }

    /// Tells the host of a secret that the backend has found by itself (a password in a file, a token that a service has given), so
    /// that it is taken out of whatever is shown. Those that the host has lent it knows already.
    pub fn conceal(&self, secret: &[u8]) {
        let value = Secret::new(secret.to_vec());
        // An older host has no such service, which is no reason to fail.
        let _ = self.ask::<Conceal>(&ConcealArgs { value });
    }

    /// How to reach the network, and whether at all.
    ///
    /// # Errors
    ///
    /// `access-denied` if the manifest does not declare the network.
    pub fn network(&self) -> Result<NetworkSettings> {
        self.ask::<Network>(&Empty {})
    }

    fn ask<O: Operation>(&self, args: &O::Args) -> Result<O::Reply> {
        let request = OutgoingRequest {
            id: self.id,
            op: O::NAME,
            handle: None,
            args,
            deadline_ms: None,
        };
        let text =
            Zeroizing::new(serde_json::to_vec(&request).map_err(|e| {
                Error::new(ErrorCode::Internal, "cannot encode a request").because(e)
            })?);
        let reply = self.channel.request(self.id, &text)?;
        *self
            .last_sign_of_life
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Reply::<O::Reply>::decode(O::NAME, &reply)
    }
}

/// How far an operation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Progress {
    /// What is being done: `hashing app.tgz`.
    pub message: String,
    /// How much is done, in `unit`s.
    #[serde(default)]
    pub done: u64,
    /// How much there is, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// `bytes` or `items`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// A question to the person. Prompts come one at a time, with progress suspended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Prompt {
    /// What sort of question.
    pub style: PromptStyle,
    /// The text, without a colon at its end.
    pub text: String,
    /// How many tries are left, for a PIN that locks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries_left: Option<u32>,
}

/// The sorts of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PromptStyle {
    /// A code to show and compare; nothing is typed.
    Code,
    /// Yes or no.
    Confirm,
    /// Something to do now ("touch the key"); nothing is typed.
    Message,
    /// A text that may be seen.
    Public,
    /// A text that is not echoed.
    Secret,
}

/// What the person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Answer {
    /// The person said no, or left.
    #[serde(default)]
    pub declined: bool,
    /// What was typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Secret>,
}

/// The arguments of `host.open_url`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenUrlArgs {
    /// An `https:` address, or `http:` on this machine.
    pub url: String,
}

/// The reply of `host.now`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Time {
    /// Milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
}

/// The arguments of `host.env`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EnvArgs {
    /// The variable.
    pub name: String,
}

/// The reply of `host.env`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EnvValue {
    /// Its value, if it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// The arguments of `host.secret`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AskSecretArgs {
    /// A JSON pointer into the backend's own configuration, for example `/password`.
    pub pointer: String,
    /// What to call it when a person must be asked: `password of release.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How many answers were wrong already. The host goes on to the next place with each.
    #[serde(default)]
    pub attempt: u32,
    /// Whether the secret is a new one, which a person types twice and for which the empty password is not tried.
    #[serde(default)]
    pub new: bool,
    /// How many tries are left, for a PIN that locks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries_left: Option<u32>,
}

/// The reply of `host.secret`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AskedSecret {
    /// The secret.
    pub value: Secret,
    /// Where it came from, for messages: `SIGTOOL_PASSWORD`, `the terminal`.
    pub origin: String,
    /// Whether asking again, with one `attempt` more, could bring another answer.
    #[serde(default)]
    pub more: bool,
}

/// The arguments of `host.cache_get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CacheGetArgs {
    /// The name, private to the backend.
    pub name: String,
}

/// The reply of `host.cache_get`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CacheValue {
    /// The value, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Bytes>,
}

/// The arguments of `host.cache_put`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CachePutArgs {
    /// The name, private to the backend.
    pub name: String,
    /// The value.
    pub value: Bytes,
}

/// The arguments of `host.conceal`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConcealArgs {
    /// The secret.
    pub value: Secret,
}

/// How to reach the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NetworkSettings {
    /// No socket may be opened.
    pub offline: bool,
    /// The proxy for `https:`, if one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https_proxy: Option<String>,
    /// The proxy for `http:`, if one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_proxy: Option<String>,
    /// Hosts that are reached without a proxy, separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_proxy: Option<String>,
    /// A file of PEM certificates to trust beside the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<std::path::PathBuf>,
    /// How long one request may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

operations! {
    /// Shows progress.
    ShowProgress "host.progress" Progress => Empty;
    /// Asks the person.
    AskPerson "host.prompt" Prompt => Answer;
    /// Opens a page in the browser.
    OpenUrl "host.open_url" OpenUrlArgs => Empty;
    /// The time.
    Now "host.now" Empty => Time;
    /// An environment variable.
    Env "host.env" EnvArgs => EnvValue;
    /// A secret of the backend's configuration.
    AskSecret "host.secret" AskSecretArgs => AskedSecret;
    /// An identity token of the profile.
    AskIdentityToken "host.identity_token" @PROVISIONAL TokenArgs => IdentityToken;
    /// Reads the backend's cache.
    CacheGet "host.cache_get" CacheGetArgs => CacheValue;
    /// Writes the backend's cache.
    CachePut "host.cache_put" CachePutArgs => Empty;
    /// Tells of a secret that is not to be shown.
    Conceal "host.conceal" ConcealArgs => Empty;
    /// The network settings.
    Network "host.network" Empty => NetworkSettings;
}
