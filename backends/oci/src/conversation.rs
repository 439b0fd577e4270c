//! One conversation with a registry: where a request goes, with TLS or without, and with whose credentials.

use crate::auth::{Access, Challenge, TokenServer, Tokens, basic, bearer};
use crate::config::Config;
use crate::credentials::Credentials;
use crate::failure::under;
use crate::login::Login;
use crate::manifest::MAX_MANIFEST;
use crate::refusal::refused;
use sigtool_sdk::host::Progress;
use sigtool_sdk::types::Digest;
use sigtool_sdk::types::Repository;
use sigtool_sdk::types::authority::{is_loopback, split_port};
use sigtool_sdk::types::reference::DOCKER_HUB;
use sigtool_sdk::{Call, Error, ErrorCode, Result};
use sigtool_sdk_http::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use sigtool_sdk_http::{Client, Failure, FailureKind, Method, Request, Response, StatusCode, Url};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest wait before looking again.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// All registries of one opened source: one pool of connections, the credentials, the tokens, and what is known of each.
pub(crate) struct Registries {
    client: Client,
    credentials: Credentials,
    plain_http: Vec<String>,
    tokens: Tokens,
    known: Mutex<HashMap<String, Arc<Known>>>,
}

/// What is learned about a registry, for as long as this process lives.
#[derive(Default)]
struct Known {
    challenge: Mutex<Option<Challenge>>,
    /// Whether it answers about referrers.
    referrers: Mutex<Option<bool>>,
    /// Held by whoever finds something out that all others need to know too.
    first: Mutex<()>,
    scheme: Mutex<Option<Scheme>>,
    /// Blobs that are in a repository: those that many manifests share.
    blobs: Mutex<HashSet<(String, Digest)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Registries {
    /// Reads the settings and the files that they name; opens no connection.
    ///
    /// # Errors
    ///
    /// `invalid-config`.
    pub(crate) fn new(call: &Call, config: &Config) -> Result<Self> {
        let network = call.network()?;
        Ok(Self {
            client: Client::new(&network, &config.tls())?,
            credentials: Credentials::new(config.login()?),
            plain_http: config.plain_http()?,
            tokens: Tokens::default(),
            known: Mutex::default(),
        })
    }

    /// A conversation about one repository. `what` tells a person who waits what it is for: `pulling ghcr.io/acme/app:1.2`.
    pub(crate) fn at<'a>(
        &'a self,
        call: &'a Call<'a>,
        repository: &'a Repository,
        what: String,
    ) -> Conversation<'a> {
        let known = Arc::clone(
            lock(&self.known)
                .entry(repository.host().to_owned())
                .or_default(),
        );
        let errand = Arc::new(Errand {
            what,
            moved: AtomicU64::new(0),
        });
        errand.tell(call, 0);
        Conversation {
            registries: self,
            call,
            repository,
            known,
            access: Access::Pull,
            errand,
        }
    }
}

/// What a conversation is for, and how far it is.
struct Errand {
    what: String,
    /// How many bytes have been pulled, or pushed.
    moved: AtomicU64,
}

impl Errand {
    fn tell(&self, call: &Call, more: u64) {
        call.progress(&Progress {
            message: self.what.clone(),
            done: self.moved.fetch_add(more, Ordering::Relaxed) + more,
            total: None,
            unit: Some("bytes".to_owned()),
        });
    }
}

/// A conversation with a registry about one repository, within one call.
pub(crate) struct Conversation<'a> {
    registries: &'a Registries,
    pub(crate) call: &'a Call<'a>,
    pub(crate) repository: &'a Repository,
    known: Arc<Known>,
    access: Access,
    errand: Arc<Errand>,
}

/// What is to be sent; where to is added when it is known whether the registry has TLS.
pub(crate) struct Ask<'a> {
    method: Method,
    /// Behind `/v2/<repository>/`, or a whole address.
    pub(crate) target: Target,
    headers: Vec<(HeaderName, Cow<'a, str>)>,
    body: &'a [u8],
    pub(crate) max_body: usize,
}

pub(crate) enum Target {
    Path(String),
    /// Where the registry wants an upload.
    Url(Url),
}

impl<'a> Ask<'a> {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            target: Target::Path(path.into()),
            headers: Vec::new(),
            body: &[],
            max_body: MAX_MANIFEST,
        }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<Cow<'a, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, media_type: &'a str, body: &'a [u8]) -> Self {
        self.body = body;
        self.header(CONTENT_TYPE, media_type)
    }

    fn request(&self, base: &Url) -> Result<Request> {
        let internal =
            |e: &dyn std::fmt::Display| Error::new(ErrorCode::Internal, "bad request").because(e);
        let url = match &self.target {
            Target::Path(path) => base.join(path).map_err(|e| internal(&e))?,
            Target::Url(url) => url.clone(),
        };
        let mut request = Request::new(self.method.clone(), url)
            .max_body(self.max_body)
            .body(self.body);
        for (name, value) in &self.headers {
            let value = HeaderValue::from_str(value).map_err(|e| internal(&e))?;
            request = request.header(name.clone(), value);
        }
        Ok(request)
    }
}

impl Conversation<'_> {
    /// The same, where what follows writes. A token for writing is asked for then, and reading uses it too.
    pub(crate) fn writing(mut self) -> Self {
        self.access = Access::Push;
        self
    }

    /// The same, where what follows removes.
    pub(crate) fn removing(&self) -> Self {
        Self {
            known: Arc::clone(&self.known),
            access: Access::Delete,
            errand: Arc::clone(&self.errand),
            ..*self
        }
    }

    /// Waits a moment, before it is looked again what others have done meanwhile.
    ///
    /// # Errors
    ///
    /// `cancelled` or `timeout`.
    pub(crate) fn pause(&self) -> Result<()> {
        self.call
            .wait(random_wait(self.registries.client.slowest()))
    }

    /// Sends, logged in if the registry wants that. Any status but 401 is an answer.
    pub(crate) fn send(&self, ask: &Ask, what: &str) -> Result<Response> {
        let mut scheme = lock(&self.known.scheme);
        match *scheme {
            Some(known) => {
                drop(scheme);
                self.send_by(known, ask, what)
            }
            None if self.is_plain() => {
                *scheme = Some(Scheme::Http);
                drop(scheme);
                self.send_by(Scheme::Http, ask, what)
            }
            None if !is_loopback(self.repository.address()) => {
                *scheme = Some(Scheme::Https);
                drop(scheme);
                self.send_by(Scheme::Https, ask, what)
            }
            // The first request tells whether this machine's registry has TLS; the others wait for it.
            None => self.find_scheme(&mut scheme, ask, what),
        }
    }

    fn find_scheme(&self, scheme: &mut Option<Scheme>, ask: &Ask, what: &str) -> Result<Response> {
        let request = ask.request(&self.base(Scheme::Https)?)?;
        match self.exchange(&request) {
            Ok(response) => {
                *scheme = Some(Scheme::Https);
                self.answer(Scheme::Https, ask, response, None, what)
            }
            Err(failure) if failure.kind == FailureKind::NotTls => {
                *scheme = Some(Scheme::Http);
                self.send_by(Scheme::Http, ask, what)
            }
            Err(failure) => Err(failure.into_error(what)),
        }
    }

    fn send_by(&self, scheme: Scheme, ask: &Ask, what: &str) -> Result<Response> {
        let authorization = self.authorization(scheme, ask, None)?;
        let response = self.send_once(scheme, ask, authorization.as_ref(), what)?;
        self.answer(scheme, ask, response, authorization, what)
    }

    /// Logs in and sends again if that is asked for.
    fn answer(
        &self,
        scheme: Scheme,
        ask: &Ask,
        response: Response,
        used: Option<HeaderValue>,
        what: &str,
    ) -> Result<Response> {
        if response.status != StatusCode::UNAUTHORIZED || self.is_elsewhere(scheme, ask)? {
            return Ok(response);
        }
        // A server that the registry has led us to may not say where its credentials are to be sent.
        if !same_place(&response.url, &self.base(scheme)?) {
            return Err(self.refusal(&response, what));
        }
        let offered = response.headers.get_all(WWW_AUTHENTICATE);
        let offered = offered.iter().filter_map(|value| value.to_str().ok());
        let Some(challenge) = Challenge::choose(offered) else {
            let error = self.refusal(&response, what);
            return Err(error.because("it does not say how to log in, or in no way known here"));
        };
        *lock(&self.known.challenge) = Some(challenge);
        let authorization = self
            .authorization(scheme, ask, used.as_ref())
            .map_err(|e| self.with_login_hints(under(e, what)))?;
        if authorization.is_none() || authorization == used {
            return Err(self.refusal(&response, what));
        }
        let response = self.send_once(scheme, ask, authorization.as_ref(), what)?;
        if response.status == StatusCode::UNAUTHORIZED {
            return Err(self.refusal(&response, what));
        }
        Ok(response)
    }

    fn send_once(
        &self,
        scheme: Scheme,
        ask: &Ask,
        authorization: Option<&HeaderValue>,
        what: &str,
    ) -> Result<Response> {
        let mut request = ask.request(&self.base(scheme)?)?;
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        self.exchange(&request).map_err(|failure| {
            let not_tls = failure.kind == FailureKind::NotTls;
            let error = failure.into_error(what);
            if not_tls && !is_loopback(self.repository.address()) {
                let host = self.repository.address();
                return error.hint(format!(
                    "if it is meant to be reached without TLS, say so in the profile's `source`: plain_http = [\"{host}\"]"
                ));
            }
            error
        })
    }

    fn exchange(&self, request: &Request) -> Result<Response, Failure> {
        let client = &self.registries.client;
        if self.access == Access::Pull {
            let watch = |more| self.errand.tell(self.call, more);
            return client.send_watched(self.call, request, &watch);
        }
        let response = client.send(self.call, request)?;
        if !request.body.is_empty() {
            self.errand.tell(self.call, request.body.len() as u64);
        }
        Ok(response)
    }

    /// The header that answers what the registry has asked for before, other than the one that it has refused.
    fn authorization(
        &self,
        scheme: Scheme,
        ask: &Ask,
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>> {
        let challenge = lock(&self.known.challenge).clone();
        let Some(challenge) = challenge else {
            return Ok(None);
        };
        if self.is_elsewhere(scheme, ask)? {
            return Ok(None);
        }
        let credential = self.registries.credentials.of(self.call, self.repository)?;
        if let Some(Login::RegistryToken(token)) = credential.as_deref().map(|c| &c.login) {
            return bearer(token).map(Some);
        }
        match &challenge {
            Challenge::Basic => credential.as_deref().map(basic).transpose(),
            Challenge::Bearer {
                realm,
                service,
                scope,
            } => {
                let server = TokenServer {
                    realm,
                    service: service.as_deref(),
                    scope: scope.as_deref(),
                    registry: self.repository.host(),
                    registry_is_https: scheme == Scheme::Https,
                };
                let path = self.repository.path();
                let key = (
                    self.repository.host().to_owned(),
                    path.to_owned(),
                    self.access,
                );
                let client = &self.registries.client;
                let fetch =
                    || server.fetch(self.call, client, credential.as_deref(), path, self.access);
                self.registries.tokens.get(key, refused, fetch).map(Some)
            }
        }
    }

    /// Whether this is for another host than the registry: it then gets no credentials.
    fn is_elsewhere(&self, scheme: Scheme, ask: &Ask) -> Result<bool> {
        match &ask.target {
            Target::Path(_) => Ok(false),
            Target::Url(url) => Ok(!same_place(url, &self.base(scheme)?)),
        }
    }

    fn is_plain(&self) -> bool {
        let address = self.repository.address();
        let host = split_port(address).map_or(address, |(host, _)| host);
        self.registries
            .plain_http
            .iter()
            .any(|plain| plain == address || plain == host)
    }

    /// What paths are relative to.
    fn base(&self, scheme: Scheme) -> Result<Url> {
        let (address, path) = (self.repository.address(), self.repository.path());
        let base = format!("{}://{address}/v2/{path}/", scheme.as_str());
        Url::parse(&base).map_err(|e| {
            Error::new(
                ErrorCode::InvalidRequest,
                format!("`{}` is not a registry", self.repository.host()),
            )
            .because(e)
        })
    }

    /// A manifest or blob of the repository, as messages name it.
    pub(crate) fn shown(&self, name: &str) -> String {
        let separator = if name.contains(':') { '@' } else { ':' };
        format!("`{}{separator}{name}`", self.repository)
    }

    /// # Errors
    ///
    /// A refusal, if the answer is not a success.
    pub(crate) fn expect_success(&self, response: &Response, what: &str) -> Result<()> {
        match response.status.is_success() {
            true => Ok(()),
            false => Err(self.refusal(response, what)),
        }
    }

    /// A refusal of the registry, with what to do about it.
    pub(crate) fn refusal(&self, response: &Response, what: &str) -> Error {
        let error = refused(response, what);
        let is_own = |scheme| {
            self.base(scheme)
                .is_ok_and(|base| same_place(&response.url, &base))
        };
        if is_own(Scheme::Https) || is_own(Scheme::Http) {
            return self.with_login_hints(error);
        }
        error.because("the registry led there, and its credentials are for nobody but the registry")
    }

    /// An error, with whose credentials were sent and how to log in if that is what it is about.
    fn with_login_hints(&self, error: Error) -> Error {
        let denied = error.code == ErrorCode::AccessDenied;
        if !denied && error.code != ErrorCode::AuthRequired {
            return error;
        }
        if lock(&self.known.challenge).is_none() {
            return error.because("it has not asked for credentials");
        }
        let credential = self.registries.credentials.of(self.call, self.repository);
        let error = match credential.ok().flatten().map(|c| c.origin.clone()) {
            Some(origin) if denied => {
                return error.because(format!("logged in with the credentials of {origin}"));
            }
            Some(origin) => error.because(format!("the credentials of {origin} are not accepted")),
            None => error.because("no credentials for it are known"),
        };
        let host = match self.repository.host() {
            DOCKER_HUB => "docker.io",
            host => host,
        };
        error
            .hint(format!("log in with `docker login {host}`"))
            .hint(format!(
                "or set `registry = \"{host}\"`, `username` and `password` in the profile's `source`"
            ))
    }
}

/// What is known of the registry.
impl Conversation<'_> {
    /// Whether the registry keeps lists of referrers, if that is known.
    pub(crate) fn keeps_referrers(&self) -> Option<bool> {
        *lock(&self.known.referrers)
    }

    /// One after the other: what the first finds out, the others need not ask for.
    pub(crate) fn first(&self) -> MutexGuard<'_, ()> {
        lock(&self.known.first)
    }

    /// Keeps in mind whether the registry keeps lists of referrers.
    pub(crate) fn learn_referrers(&self, keeps: bool) {
        *lock(&self.known.referrers) = Some(keeps);
    }

    /// Whether a blob is known to be in the repository.
    pub(crate) fn knows_blob(&self, digest: &Digest) -> bool {
        let key = (self.repository.path().to_owned(), digest.clone());
        lock(&self.known.blobs).contains(&key)
    }

    /// Keeps in mind that a blob is in the repository.
    pub(crate) fn learn_blob(&self, digest: &Digest) {
        let key = (self.repository.path().to_owned(), digest.clone());
        lock(&self.known.blobs).insert(key);
    }
}

/// Between one and two times the slowest answer: two machines that write at the same moment do not look at the same moment.
fn random_wait(slowest: Duration) -> Duration {
    let mut random = [0; 2];
    // Without a random number both wait equally long, which is still long enough for most writes.
    let _ = aws_lc_rs::rand::fill(&mut random);
    let factor = 1.0 + f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX);
    slowest.mul_f64(factor).min(MAX_PAUSE)
}

/// Whether credentials for the one are good for the other.
pub(crate) fn same_place(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host() == b.host()
        && a.port_or_known_default() == b.port_or_known_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_between_one_and_two_times_the_slowest_answer() {
        let slowest = Duration::from_millis(100);
        for _ in 0..100 {
            let wait = random_wait(slowest);
            assert!(wait >= slowest && wait <= slowest * 2, "{wait:?}");
        }
        assert_eq!(random_wait(Duration::from_secs(60)), MAX_PAUSE);
    }
}
