//! A host that follows a script and remembers all that a backend asked it for and told it.

use super::contains_secret;
use crate::error::{Error, ErrorCode, Result};
use crate::host::{
    Answer, AskSecretArgs, AskedSecret, NetworkSettings, Progress, Prompt, TraceLevel,
};
use crate::manifest::Manifest;
use crate::services::Services;
use crate::types::{IdentityToken, Secret};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the fake host answers when it is asked for a secret.
#[derive(Clone, Debug)]
pub enum SecretAnswer {
    /// This secret.
    Value(Secret),
    /// The person would not say.
    Declined,
    /// There is none, and nobody can be asked.
    Missing,
}

impl SecretAnswer {
    /// The answer with these bytes.
    pub fn value(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Value(Secret::new(bytes.into()))
    }
}

/// Something that a backend told its host, or asked it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Debug output.
    Trace(TraceLevel, String),
    /// How far it is.
    Progress(Progress),
    /// A question to the person.
    Prompt(Prompt),
    /// A page to open.
    OpenUrl(String),
    /// The time.
    Now,
    /// An environment variable.
    Env(String),
    /// A secret of its configuration.
    Secret(AskSecretArgs),
    /// An identity token for this audience.
    IdentityToken(String),
    /// A look into its cache.
    CacheGet(String),
    /// Something for its cache.
    CachePut(String, Vec<u8>),
    /// The network settings.
    Network,
}

/// A host for tests. Anything that is not in its script is refused, as the real host refuses what is not in the configuration.
#[derive(Debug, Default)]
pub struct FakeHost {
    secrets: BTreeMap<String, Vec<SecretAnswer>>,
    prompts: Mutex<VecDeque<Answer>>,
    env: BTreeMap<String, Option<String>>,
    tokens: BTreeMap<String, IdentityToken>,
    network: Option<NetworkSettings>,
    now_ms: u64,
    cache: Mutex<BTreeMap<String, Vec<u8>>>,
    events: Mutex<Vec<Event>>,
}

impl FakeHost {
    /// A host with nothing to lend but a clock that stands at 2024-01-01 00:00:00 UTC.
    #[must_use]
    pub fn new() -> Self {
        Self {
            now_ms: 1_704_067_200_000,
            ..Self::default()
        }
    }

    /// Has a secret at this pointer of the configuration: the answer to the first attempt, to the second, and so on.
    #[must_use]
    pub fn secret(
        mut self,
        pointer: impl Into<String>,
        answers: impl IntoIterator<Item = SecretAnswer>,
    ) -> Self {
        self.secrets
            .insert(pointer.into(), answers.into_iter().collect());
        self
    }

    /// The person types this at the next question that has no answer yet.
    #[must_use]
    pub fn typed(self, text: impl Into<String>) -> Self {
        self.answer(Answer {
            declined: false,
            text: Some(Secret::from(text.into())),
        })
    }

    /// The person says no to the next question that has no answer yet.
    #[must_use]
    pub fn says_no(self) -> Self {
        self.answer(Answer {
            declined: true,
            text: None,
        })
    }

    fn answer(self, answer: Answer) -> Self {
        lock(&self.prompts).push_back(answer);
        self
    }

    /// The manifest declares this variable, and this is its value.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: Option<&str>) -> Self {
        self.env.insert(name.into(), value.map(str::to_owned));
        self
    }

    /// The clock stands at this time, in milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn at(mut self, now_ms: u64) -> Self {
        self.now_ms = now_ms;
        self
    }

    /// The profile has an identity for this audience.
    #[must_use]
    pub fn token(mut self, audience: impl Into<String>, token: IdentityToken) -> Self {
        self.tokens.insert(audience.into(), token);
        self
    }

    /// What this manifest declares, as far as nothing else is said: the network without a proxy, and variables that are not set.
    #[must_use]
    pub fn lends_to(mut self, manifest: &Manifest) -> Self {
        if manifest.permissions.network {
            self.network.get_or_insert_default();
        }
        for name in &manifest.environment {
            self.env.entry(name.clone()).or_default();
        }
        self
    }

    /// The manifest declares the network, and these are its settings.
    #[must_use]
    pub fn reaches(mut self, settings: NetworkSettings) -> Self {
        self.network = Some(settings);
        self
    }

    /// The manifest declares the network, and the user has forbidden it.
    #[must_use]
    pub fn offline(self) -> Self {
        self.reaches(NetworkSettings {
            offline: true,
            ..NetworkSettings::default()
        })
    }

    /// All that was told and asked, in order.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        lock(&self.events).clone()
    }

    /// The debug output, one text a line.
    #[must_use]
    pub fn traces(&self) -> Vec<String> {
        self.events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Trace(_, message) => Some(message),
                _ => None,
            })
            .collect()
    }

    /// What was asked of the person.
    #[must_use]
    pub fn prompts(&self) -> Vec<Prompt> {
        self.events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Prompt(prompt) => Some(prompt),
                _ => None,
            })
            .collect()
    }

    /// Whether a secret was asked for.
    #[must_use]
    pub fn was_asked_for_a_secret(&self) -> bool {
        self.events()
            .iter()
            .any(|event| matches!(event, Event::Secret(_)))
    }

    /// The events that hold this secret, in any spelling. A backend that keeps its promise leaves none.
    #[must_use]
    pub fn leaks(&self, secret: &[u8]) -> Vec<Event> {
        self.events()
            .into_iter()
            .filter(|event| event.texts().any(|text| contains_secret(text, secret)))
            .collect()
    }

    fn note(&self, event: Event) {
        lock(&self.events).push(event);
    }
}

impl Event {
    /// The texts and bytes that the backend chose.
    fn texts(&self) -> impl Iterator<Item = &[u8]> {
        let texts: [&[u8]; 2] = match self {
            Self::Trace(_, text) | Self::OpenUrl(text) | Self::Env(text) => [text.as_bytes(), b""],
            Self::IdentityToken(text) | Self::CacheGet(text) => [text.as_bytes(), b""],
            Self::Progress(progress) => [
                progress.message.as_bytes(),
                progress.unit.as_deref().unwrap_or("").as_bytes(),
            ],
            Self::Prompt(prompt) => [prompt.text.as_bytes(), b""],
            Self::Secret(args) => [
                args.pointer.as_bytes(),
                args.label.as_deref().unwrap_or("").as_bytes(),
            ],
            Self::CachePut(name, value) => [name.as_bytes(), value],
            Self::Now | Self::Network => [b"", b""],
        };
        texts.into_iter()
    }
}

impl Services for FakeHost {
    fn trace(&self, level: TraceLevel, message: &str) {
        self.note(Event::Trace(level, message.to_owned()));
    }

    fn progress(&self, progress: Progress) {
        self.note(Event::Progress(progress));
    }

    fn prompt(&self, prompt: Prompt) -> Result<Answer> {
        self.note(Event::Prompt(prompt));
        lock(&self.prompts)
            .pop_front()
            .ok_or_else(|| Error::new(ErrorCode::Unavailable, "there is no terminal"))
    }

    fn open_url(&self, url: &str) -> Result<()> {
        self.note(Event::OpenUrl(url.to_owned()));
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        self.note(Event::Now);
        self.now_ms
    }

    fn env(&self, name: &str) -> Result<Option<String>> {
        self.note(Event::Env(name.to_owned()));
        self.env.get(name).cloned().ok_or_else(|| {
            let message = format!("the manifest does not declare the variable `{name}`");
            Error::new(ErrorCode::AccessDenied, message)
        })
    }

    fn secret(&self, args: AskSecretArgs) -> Result<AskedSecret> {
        self.note(Event::Secret(args.clone()));
        let Some(answers) = self.secrets.get(&args.pointer) else {
            let message = format!("the configuration has no secret at `{}`", args.pointer);
            return Err(Error::new(ErrorCode::AccessDenied, message));
        };
        let attempt = usize::try_from(args.attempt).unwrap_or(usize::MAX);
        match answers.get(attempt) {
            Some(SecretAnswer::Value(value)) => Ok(AskedSecret {
                value: value.clone(),
                origin: "the script of a test".to_owned(),
                more: attempt + 1 < answers.len(),
            }),
            Some(SecretAnswer::Declined) => {
                Err(Error::new(ErrorCode::Declined, "the person would not say"))
            }
            Some(SecretAnswer::Missing) | None => {
                Err(Error::new(ErrorCode::AuthRequired, "there is no secret"))
            }
        }
    }

    fn identity_token(&self, audience: &str) -> Result<IdentityToken> {
        self.note(Event::IdentityToken(audience.to_owned()));
        self.tokens.get(audience).cloned().ok_or_else(|| {
            let message = format!("no identity token for `{audience}` is granted");
            Error::new(ErrorCode::AccessDenied, message)
        })
    }

    fn cache_get(&self, name: &str) -> Option<Vec<u8>> {
        self.note(Event::CacheGet(name.to_owned()));
        lock(&self.cache).get(name).cloned()
    }

    fn cache_put(&self, name: &str, value: &[u8]) {
        self.note(Event::CachePut(name.to_owned(), value.to_vec()));
        lock(&self.cache).insert(name.to_owned(), value.to_vec());
    }

    fn network(&self) -> Result<NetworkSettings> {
        self.note(Event::Network);
        self.network.clone().ok_or_else(|| {
            Error::new(
                ErrorCode::AccessDenied,
                "the manifest does not declare the network",
            )
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(host: &FakeHost, pointer: &str, attempt: u32) -> Result<AskedSecret> {
        host.secret(AskSecretArgs {
            pointer: pointer.to_owned(),
            attempt,
            ..AskSecretArgs::default()
        })
    }

    #[test]
    fn a_second_attempt_gets_the_second_answer() {
        let host = FakeHost::new().secret(
            "/password",
            [SecretAnswer::value("wrong"), SecretAnswer::Declined],
        );
        let first = ask(&host, "/password", 0).unwrap();
        assert_eq!((first.value.expose(), first.more), (&b"wrong"[..], true));
        let second = ask(&host, "/password", 1).unwrap_err();
        assert_eq!(second.code, ErrorCode::Declined);
        let third = ask(&host, "/password", 2).unwrap_err();
        assert_eq!(third.code, ErrorCode::AuthRequired);
    }

    #[test]
    fn what_is_not_in_the_script_is_refused() {
        let host = FakeHost::new();
        assert_eq!(
            ask(&host, "/pin", 0).unwrap_err().code,
            ErrorCode::AccessDenied
        );
        assert_eq!(host.env("HOME").unwrap_err().code, ErrorCode::AccessDenied);
        assert_eq!(host.network().unwrap_err().code, ErrorCode::AccessDenied);
        assert!(host.identity_token("sigstore").is_err());
    }

    #[test]
    fn a_leaked_secret_is_found_in_a_trace() {
        let host = FakeHost::new();
        host.trace(TraceLevel::Debug, "the password is hunter22");
        host.trace(TraceLevel::Debug, "done");
        assert_eq!(host.leaks(b"hunter22").len(), 1);
        assert_eq!(host.traces().len(), 2);
    }
}
