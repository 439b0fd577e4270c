//! The client: attempts, redirects, retries.

use crate::diagnosis::{Tried, unmade};
use crate::exchange::{Patience, exchange};
use crate::failure::{Failure, FailureKind};
use crate::message::{Request, Response};
use crate::redirect::{self, MAX_REDIRECTS};
use crate::retry::{self, FIRST_WAIT, MAX_ATTEMPTS, Retries};
use crate::settings::{Settings, Tls, Unmade};
use crate::text::authority;
use crate::trace::Attempt;
use crate::tunnel::Tunnel;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::blocking;
use sigtool_sdk::Call;
use sigtool_sdk::host::{NetworkSettings, TraceLevel};
use sigtool_sdk::redact::Secrets;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// An HTTP client with its settings and its connections. Threads share it by reference.
pub struct Client {
    settings: Settings,
    /// For `http:`. It needs no certificates.
    plain: Lazy,
    /// For `https:`.
    tls: Lazy,
    /// What was sent to services that nobody else is to see.
    sent: Arc<Secrets>,
    /// In microseconds.
    slowest: AtomicU64,
    /// Tests wait less.
    pub(crate) first_wait: Duration,
}

/// A client that is made when it is first needed.
type Lazy = Mutex<Option<blocking::Client>>;

impl Client {
    /// Reads the files that the settings name, and opens nothing: neither sockets nor the system's certificates.
    ///
    /// # Errors
    ///
    /// `invalid-config`, with `field` for a setting of `tls`: a file that is missing or holds nothing usable, or a proxy whose
    /// address is malformed. No error shows that address: it may hold a password.
    pub fn new(network: &NetworkSettings, tls: &Tls) -> sigtool_sdk::Result<Self> {
        Ok(Self {
            settings: Settings::new(network, tls)?,
            plain: Lazy::default(),
            tls: Lazy::default(),
            sent: Arc::default(),
            slowest: AtomicU64::new(0),
            first_wait: FIRST_WAIT,
        })
    }

    /// Sends a request, follows its redirects, and sends it again where that may help. Every status is an answer; 429 and those
    /// from 500 only when the attempts are used up, or when the service asks for a longer wait than is granted.
    ///
    /// # Errors
    ///
    /// There is no answer, or not all of it.
    pub fn send(&self, call: &Call, request: &Request) -> Result<Response, Failure> {
        self.send_watched(call, request, &|_| {})
    }

    /// The same, where an answer takes long enough for a person to wait: `watch` is told, some twenty times a second at most, how many bytes of
    /// its body have come since it was told last.
    ///
    /// # Errors
    ///
    /// As for [`Self::send`].
    pub fn send_watched(
        &self,
        call: &Call,
        request: &Request,
        watch: &dyn Fn(u64),
    ) -> Result<Response, Failure> {
        if self.settings.offline {
            return Err(offline(request));
        }
        let mut retries = Retries::new(self.first_wait);
        let mut number = 1;
        loop {
            call.check().map_err(Failure::stopped)?;
            let mut attempt = Attempt::new(request);
            let outcome = self.attempt(call, request, watch, &mut attempt);
            if outcome.is_ok() {
                self.note(attempt.took());
            }
            let wait = if request.retry {
                retries.after(&outcome, call.remaining())
            } else {
                None
            };
            let line = attempt.ended(&outcome, wait, number, MAX_ATTEMPTS);
            call.trace(TraceLevel::Debug, &line);
            match wait {
                Some(wait) => call.wait(wait).map_err(Failure::stopped)?,
                None => return outcome,
            }
            number += 1;
        }
    }

    /// Keeps a secret that a service gets, or has given, out of all that is quoted and shown. Sensitive headers need no call of this.
    pub fn conceal(&self, call: &Call, secret: &[u8]) {
        if self.sent.add(secret) {
            call.conceal(secret);
        }
    }

    fn conceal_credentials(&self, call: &Call, request: &Request) {
        let sensitive = request
            .headers
            .values()
            .filter(|value| value.is_sensitive());
        for value in sensitive {
            let value = value.as_bytes();
            let credential = value
                .split(|byte| *byte == b' ')
                .next_back()
                .unwrap_or(value);
            self.conceal(call, credential);
            // Of the basic scheme (RFC 7617) the user and the password.
            let login = Zeroizing::new(STANDARD.decode(credential).unwrap_or_default());
            if let Some(colon) = login.iter().position(|byte| *byte == b':') {
                self.conceal(call, &login);
                self.conceal(call, &login[colon + 1..]);
            }
        }
        if let Some(password) = request.url.password() {
            self.conceal(call, password.as_bytes());
        }
    }

    /// The slowest answer so far: the time of one attempt, from its start to the end of the body.
    #[must_use]
    pub fn slowest(&self) -> Duration {
        Duration::from_micros(self.slowest.load(Ordering::Relaxed))
    }

    fn note(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.slowest.fetch_max(took, Ordering::Relaxed);
    }

    /// One attempt with its redirects, all within one deadline.
    fn attempt(
        &self,
        call: &Call,
        request: &Request,
        watch: &dyn Fn(u64),
        attempt: &mut Attempt,
    ) -> Result<Response, Failure> {
        let allowed = match call.remaining() {
            // A little less than the host waits, so that it hears which host was silent.
            Some(remaining) => (remaining - remaining / 10).min(self.settings.timeout),
            None => self.settings.timeout,
        };
        let deadline = Instant::now() + allowed;
        let mut current = request.clone();
        for _ in 0..=MAX_REDIRECTS {
            let patience = Patience {
                allowed,
                deadline,
                watch,
            };
            let response = self.exchange(call, &current, &patience)?;
            let Some(next) = redirect::next(&current, &response)? else {
                return Ok(response);
            };
            attempt.redirected(&response, &next);
            current = next;
        }
        Err(redirect::too_many(&current.url))
    }

    fn exchange(
        &self,
        call: &Call,
        request: &Request,
        patience: &Patience,
    ) -> Result<Response, Failure> {
        self.conceal_credentials(call, request);
        let proxy = self.settings.proxies.of(&request.url);
        let tried = Tried {
            url: &request.url,
            proxy,
            has_identity: self.settings.has_identity(),
            allowed: patience.allowed,
            max_body: request.max_body,
        };
        let tunnel = proxy
            .filter(|_| Tunnel::is_needed(&request.url))
            .map(|proxy| Tunnel::new(proxy, &request.url, patience.allowed))
            .transpose()
            .map_err(|error| tried.tunnel(&error))?;
        let client = match &tunnel {
            Some(tunnel) => self.settings.tls_client(Some(tunnel.socket())),
            None => self.client_for(request),
        };
        let client = client.map_err(|e| unmade(&e))?;
        let answer = exchange(call, client, request, patience).map_err(|trouble| {
            match tunnel.and_then(Tunnel::trouble) {
                Some(error) => tried.tunnel(&error),
                None => tried.diagnose(trouble),
            }
        })?;
        Ok(Response {
            retry_after: retry::retry_after(&answer.headers, call),
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
            url: request.url.clone(),
            sent: Arc::clone(&self.sent),
        })
    }

    /// The client that this request needs, made at the first one.
    fn client_for(&self, request: &Request) -> Result<blocking::Client, Unmade> {
        let tls = self.settings.proxies.need_tls(&request.url);
        let lazy = if tls { &self.tls } else { &self.plain };
        let mut client = lazy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let made = if tls {
            self.settings.tls_client(None)
        } else {
            self.settings.plain_client()
        };
        Ok(client.insert(made?).clone())
    }
}

#[cfg(test)]
impl Client {
    /// Whether anything was made that could open a socket.
    pub(crate) fn has_clients(&self) -> bool {
        self.has_tls_client() || self.plain.lock().unwrap().is_some()
    }

    /// Whether the system's certificates were read.
    pub(crate) fn has_tls_client(&self) -> bool {
        self.tls.lock().unwrap().is_some()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("offline", &self.settings.offline)
            .field("timeout", &self.settings.timeout)
            .finish_non_exhaustive()
    }
}

fn offline(request: &Request) -> Failure {
    let host = authority(&request.url);
    let message = format!("the network is needed to reach `{host}`, and `--offline` is set");
    Failure::new(FailureKind::Offline, message)
}
