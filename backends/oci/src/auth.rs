//! Challenges ([RFC 9110] section 11), and the tokens that answer them ([token authentication of distribution]).
//!
//! [RFC 9110]: https://www.rfc-editor.org/rfc/rfc9110#section-11
//! [token authentication of distribution]: https://distribution.github.io/distribution/spec/auth/token/

use crate::login::{Credential, Login};
use crate::parameter::{value_of, word};
use crate::refusal::refused;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sigtool_sdk::text::quoted;
use sigtool_sdk::{Call, Error, ErrorCode, Result};
use sigtool_sdk_http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use sigtool_sdk_http::{Client, Method, Request, Url};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The longest answer of a token server, in bytes.
const MAX_TOKEN: usize = 1024 * 1024;

/// How long a token is good if its server does not say, and at least: what the specification says.
const LIFETIME: Duration = Duration::from_secs(60);

/// A token is not used in its last seconds: the request still has to get there.
const MARGIN: Duration = Duration::from_secs(10);

/// What a registry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A user and a password with each request.
    Basic,
    /// A token of the server at `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

impl Challenge {
    /// The challenge that is answered, of all that a registry offers: a token before a password.
    pub(crate) fn choose<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut basic = None;
        for (scheme, parameters) in headers.flat_map(challenges) {
            let parameter = |name: &str| {
                let found = parameters
                    .iter()
                    .find(|(n, _)| n.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.clone())
            };
            if scheme.eq_ignore_ascii_case("bearer") {
                if let Some(realm) = parameter("realm") {
                    return Some(Self::Bearer {
                        realm,
                        service: parameter("service"),
                        scope: parameter("scope"),
                    });
                }
            } else if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Self::Basic);
            }
        }
        basic
    }
}

/// A scheme and its parameters.
type Raw = (String, Vec<(String, String)>);

/// The challenges of one header. Malformed ones are passed over.
fn challenges(header: &str) -> Vec<Raw> {
    let mut found: Vec<Raw> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',', ';', '=', '"']);
        if rest.is_empty() {
            return found;
        }
        let (word, after) = word(rest);
        let behind = after.trim_start_matches([' ', '\t']);
        match behind.strip_prefix('=') {
            Some(value) => {
                let Some((value, after)) = value_of(value.trim_start_matches([' ', '\t'])) else {
                    return found;
                };
                if let Some((_, parameters)) = found.last_mut() {
                    parameters.push((word.to_owned(), value));
                }
                rest = after;
            }
            None => {
                found.push((word.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// What is to be done in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    /// Read.
    Pull,
    /// Write too.
    Push,
    /// Remove too. Asked for only then: many registries grant it to nobody.
    Delete,
}

impl Access {
    fn actions(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
            Self::Delete => "pull,push,delete",
        }
    }
}

/// What a token is for: the registry, the repository, and what is done there.
pub(crate) type TokenKey = (String, String, Access);

/// Tokens, used again while they are good. One request at a time for each.
#[derive(Default)]
pub(crate) struct Tokens {
    slots: Mutex<HashMap<TokenKey, Slot>>,
}

/// The token for one purpose. The thread that fetches it holds the lock, and those that come meanwhile find it there.
type Slot = Arc<Mutex<Option<Token>>>;

struct Token {
    header: HeaderValue,
    until: Instant,
}

impl Tokens {
    /// The token for this, other than the one that was refused.
    ///
    /// # Errors
    ///
    /// Those of `fetch`.
    pub(crate) fn get(
        &self,
        key: TokenKey,
        refused: Option<&HeaderValue>,
        fetch: impl FnOnce() -> Result<(HeaderValue, Duration)>,
    ) -> Result<HeaderValue> {
        let slot = Arc::clone(
            self.slots
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(key)
                .or_default(),
        );
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = slot.as_ref()
            && token.until > Instant::now()
            && refused != Some(&token.header)
        {
            return Ok(token.header.clone());
        }
        let (header, lifetime) = fetch()?;
        *slot = Some(Token {
            header: header.clone(),
            until: Instant::now() + lifetime.saturating_sub(MARGIN),
        });
        Ok(header)
    }
}

/// The header of a token.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue> {
    secret_header("Bearer ", token)
}

/// The header of a user and a password.
///
/// # Errors
///
/// `auth-required` for an identity token, which only token servers take.
pub(crate) fn basic(credential: &Credential) -> Result<HeaderValue> {
    match &credential.login {
        Login::Password { username, password } => {
            let plain = Zeroizing::new(format!("{}:{}", username.as_str(), password.as_str()));
            secret_header("Basic ", &Zeroizing::new(STANDARD.encode(plain.as_bytes())))
        }
        Login::IdentityToken(_) | Login::RegistryToken(_) => Err(Error::new(
            ErrorCode::AuthRequired,
            "the registry wants a user name and a password",
        )
        .because(format!("{} has a token for it", credential.origin))),
    }
}

fn secret_header(scheme: &str, value: &str) -> Result<HeaderValue> {
    let text = Zeroizing::new(format!("{scheme}{value}"));
    let mut header = HeaderValue::from_str(&text).map_err(|_| {
        Error::new(
            ErrorCode::Other,
            "a token has characters that no header can have",
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// Where a token is asked for.
pub(crate) struct TokenServer<'a> {
    pub(crate) realm: &'a str,
    pub(crate) service: Option<&'a str>,
    /// What the registry itself would have asked for.
    pub(crate) scope: Option<&'a str>,
    /// The registry that sent us there, for errors.
    pub(crate) registry: &'a str,
    /// Whether the registry is reached by TLS.
    pub(crate) registry_is_https: bool,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl TokenServer<'_> {
    /// Fetches a token.
    ///
    /// # Errors
    ///
    /// - `auth-required`: the credentials are wrong, or there are none and they are needed.
    /// - `unavailable` and the like: the server does not answer.
    pub(crate) fn fetch(
        &self,
        call: &Call,
        client: &Client,
        credential: Option<&Credential>,
        repository: &str,
        access: Access,
    ) -> Result<(HeaderValue, Duration)> {
        let what = format!("cannot log in to `{}`", self.registry);
        let own = format!("repository:{repository}:{}", access.actions());
        let others = self.scope.unwrap_or_default().split_ascii_whitespace();
        // A registry that wants a scope of its own kind, such as `aws`, gets it. One with a colon is of a resource (`registry:catalog:*`), and
        // a token for another one than ours, or to do more with it, is not ours to ask for.
        let others = others.filter(|scope| !scope.contains(':'));
        let scopes: Vec<&str> = [own.as_str()].into_iter().chain(others).collect();
        let request = match credential.map(|c| &c.login) {
            Some(Login::IdentityToken(token)) => {
                client.conceal(call, token.as_bytes());
                self.exchange(token, &scopes)?
            }
            _ => self.ask(credential, &scopes)?,
        };
        let response = client
            .send(call, &request.max_body(MAX_TOKEN))
            .map_err(|failure| failure.into_error(&what))?;
        if !response.status.is_success() {
            let mut error = refused(&response, what);
            if matches!(response.status.as_u16(), 400 | 401 | 403) {
                error.code = ErrorCode::AuthRequired;
            }
            return Err(error);
        }
        let body = Zeroizing::new(response.body);
        // An error of the parser could quote the token.
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| no_token(&what, "its token server answered without a token"))?;
        let token = [answer.token, answer.access_token]
            .into_iter()
            .flatten()
            .map(Zeroizing::new)
            .find(|token| !token.is_empty())
            .ok_or_else(|| no_token(&what, "its token server answered without a token"))?;
        client.conceal(call, token.as_bytes());
        let lifetime = answer
            .expires_in
            .map_or(LIFETIME, Duration::from_secs)
            .clamp(LIFETIME, Duration::from_secs(24 * 60 * 60));
        Ok((bearer(&token)?, lifetime))
    }

    fn realm(&self) -> Result<Url> {
        let wrong = |why: &str| {
            no_token(
                &format!("cannot log in to `{}`", self.registry),
                &format!("it names {} as its token server, {why}", quoted(self.realm)),
            )
        };
        let url = Url::parse(self.realm).map_err(|_| wrong("which is not an address"))?;
        match url.scheme() {
            "https" => Ok(url),
            "http" if !self.registry_is_https => Ok(url),
            "http" => Err(wrong(
                "which would get your password without TLS, while the registry itself has TLS",
            )),
            _ => Err(wrong("which is not an HTTP address")),
        }
    }

    /// A token for a user and a password, or for nobody.
    fn ask(&self, credential: Option<&Credential>, scopes: &[&str]) -> Result<Request> {
        let mut url = self.realm()?;
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = self.service {
                query.append_pair("service", service);
            }
            for scope in scopes {
                query.append_pair("scope", scope);
            }
        }
        let request = Request::new(Method::GET, url);
        Ok(match credential {
            Some(credential) => request.header(AUTHORIZATION, basic(credential)?),
            None => request,
        })
    }

    /// A token for an identity token, by OAuth 2.
    fn exchange(&self, token: &str, scopes: &[&str]) -> Result<Request> {
        let url = self.realm()?;
        let scope = scopes.join(" ");
        let body = {
            let mut form = Url::parse("http://form.invalid")
                .map_err(|e| Error::new(ErrorCode::Internal, "cannot encode a form").because(e))?;
            form.query_pairs_mut()
                .append_pair("grant_type", "refresh_token")
                .append_pair("service", self.service.unwrap_or(self.registry))
                .append_pair("client_id", "sigtool")
                .append_pair("scope", &scope)
                .append_pair("refresh_token", token);
            form.query().unwrap_or("").as_bytes().to_vec()
        };
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        Ok(Request::new(Method::POST, url)
            .header(CONTENT_TYPE, form)
            .body(body))
    }
}

fn no_token(what: &str, why: &str) -> Error {
    Error::new(ErrorCode::Other, what).because(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        })
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        for (headers, expected) in [
            (
                vec![
                    r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull""#,
                ],
                bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:library/alpine:pull"),
                ),
            ),
            (vec![r#"Basic realm="Registry""#], Some(Challenge::Basic)),
            (vec!["basic"], Some(Challenge::Basic)),
            (
                vec![r#"Basic realm="a, b", Bearer realm = "https://t/\"x\"" , service=s"#],
                bearer(r#"https://t/"x""#, Some("s"), None),
            ),
            (
                vec!["Negotiate YII==", "BEARER REALM=https://t"],
                bearer("https://t", None, None),
            ),
            // A scope is a text with commas.
            (
                vec![r#"Bearer scope="repository:a:pull,push",realm="https://t""#],
                bearer("https://t", None, Some("repository:a:pull,push")),
            ),
            (vec!["Bearer service=s"], None),
            (vec![r#"Digest realm="x", nonce="y""#], None),
            (vec![], None),
        ] {
            assert_eq!(
                Challenge::choose(headers.iter().copied()),
                expected,
                "{headers:?}"
            );
        }
    }

    #[test]
    fn no_header_makes_the_parser_panic_or_run_forever() {
        let alphabet = ["Bearer", "realm", " ", ",", "=", "\"", "\\", "é", "a", ";"];
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..8 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text.push_str(alphabet[usize::try_from(seed >> 33).unwrap() % alphabet.len()]);
            }
            let _ = Challenge::choose([text.as_str()].into_iter());
        }
    }

    #[test]
    fn many_threads_fetch_one_token() {
        let (tokens, fetched) = (Tokens::default(), AtomicUsize::new(0));
        let get = |refused: Option<&HeaderValue>| {
            let key = ("host".to_owned(), "app".to_owned(), Access::Pull);
            let token = tokens.get(key, refused, || {
                let number = fetched.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
                Ok((HeaderValue::from(number), LIFETIME))
            });
            token.unwrap()
        };
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| assert_eq!(get(None), "0"));
            }
        });
        // One that is refused is fetched anew, once for all who had it.
        let old = get(None);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(get(Some(&old)), "1"));
            }
        });
        assert_eq!(fetched.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_token_that_is_about_to_end_is_not_used() {
        let tokens = Tokens::default();
        let get = |number: usize, lifetime: Duration| {
            let key = ("host".to_owned(), "app".to_owned(), Access::Pull);
            tokens.get(key, None, || Ok((HeaderValue::from(number), lifetime)))
        };
        assert_eq!(get(1, MARGIN).unwrap(), "1");
        assert_eq!(get(2, LIFETIME).unwrap(), "2");
        assert_eq!(get(3, LIFETIME).unwrap(), "2");
    }

    #[test]
    fn a_password_goes_to_no_token_server_without_tls_if_the_registry_has_tls() {
        let server = |realm, registry_is_https| TokenServer {
            realm,
            service: None,
            scope: None,
            registry: "ghcr.io",
            registry_is_https,
        };
        let error = server("http://ghcr.io/token", true).realm().unwrap_err();
        assert!(error.to_string().contains("without TLS"), "{error}");
        server("http://127.0.0.1/token", false).realm().unwrap();
        for realm in ["", "token", "file:///etc/passwd", "javascript:1"] {
            server(realm, false).realm().unwrap_err();
        }
    }
}
