//! What registries are asked: manifests, blobs, referrers and deletes of the [distribution specification].
//!
//! [distribution specification]: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md

use crate::conversation::{Ask, Conversation, Target, same_place};
use crate::failure::{integrity, is_denied, under};
use crate::found::MAX_SIGNATURES;
use crate::link;
use crate::manifest::{ACCEPT, Descriptor, Manifest, media, sha256};
use crate::refusal::{has_code, refused};
use serde_json::Value;
use sigtool_sdk::text::quoted;
use sigtool_sdk::types::Digest;
use sigtool_sdk::{Error, ErrorCode, Result};
use sigtool_sdk_http::header::{ACCEPT as ACCEPT_HEADER, CONTENT_TYPE, HeaderName, LINK, LOCATION};
use sigtool_sdk_http::{Method, Response, StatusCode, Url};
use std::collections::HashSet;

/// How many pages of referrers are read: there are registries that list one or a few on each.
const MAX_PAGES: usize = MAX_SIGNATURES;

/// The longest list of referrers, in bytes, all pages together.
const MAX_LIST: usize = 80 * 1024 * 1024;

/// How often an upload is begun anew when a registry has lost it.
const MAX_UPLOADS: usize = 3;

/// How often a manifest is sent again that a registry takes for damaged.
const SAME_AGAIN: usize = 3;

const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// Manifests.
impl Conversation<'_> {
    /// A manifest by tag or digest, its digest proved, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// `integrity` if it has another digest than it was asked for by, or than the registry says.
    pub(crate) fn manifest(&self, name: &str) -> Result<Option<Manifest>> {
        let (response, what) = self.ask_manifest(name)?;
        match is_absent(&response, &what)? {
            true => Ok(None),
            false => self.read_manifest(name, &response, &what).map(Some),
        }
    }

    /// What a tag names that is for what belongs to an image: nothing, if it is not there, whatever a proxy has to say beside that; and
    /// nothing, if it is the image itself. GitLab's registry takes the tag `sha256-HEX` for the digest.
    ///
    /// # Errors
    ///
    /// As for [`Self::manifest`].
    pub(crate) fn beside(&self, image: &Digest, tag: &str) -> Result<Option<Manifest>> {
        let (response, what) = self.ask_manifest(tag)?;
        if response.status == StatusCode::NOT_FOUND || sha256(&response.body) == *image {
            return Ok(None);
        }
        self.read_manifest(tag, &response, &what).map(Some)
    }

    fn ask_manifest(&self, name: &str) -> Result<(Response, String)> {
        let ask = Ask::new(Method::GET, format!("manifests/{name}")).header(ACCEPT_HEADER, ACCEPT);
        let what = format!("cannot read {}", self.shown(name));
        Ok((self.send(&ask, &what)?, what))
    }

    fn read_manifest(&self, name: &str, response: &Response, what: &str) -> Result<Manifest> {
        let content_type = text(response, &CONTENT_TYPE);
        self.expect_success(response, what)?;
        let said = text(response, &DOCKER_CONTENT_DIGEST).map(str::to_owned);
        let found = sha256(&response.body);
        let wanted = name.contains(':').then(|| name.to_owned());
        for (expected, whose) in [
            (wanted, "was asked for"),
            (said, "is what the registry says"),
        ] {
            if let Some(expected) = expected
                && expected.starts_with("sha256:")
                && expected != found.to_string()
            {
                return Err(integrity(what).because(format!(
                    "what came has the digest `{found}`, and {} {whose}",
                    quoted(&expected)
                )));
            }
        }
        Manifest::parse(response.body.clone(), content_type).map_err(|e| under(e, what))
    }

    /// Writes a manifest under a tag or its digest. Tells whether the registry has taken note of its `subject`.
    pub(crate) fn put_manifest(
        &self,
        name: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<PutManifest> {
        let ask = Ask::new(Method::PUT, format!("manifests/{name}")).body(media_type, bytes);
        let what = format!("cannot write {}", self.shown(name));
        let mut response = self.send(&ask, &what)?;
        // docker-registry reads the link to a blob while another client's push of the same blob writes it, finds it empty, and calls
        // that an invalid digest. Ours is right, and a moment later the link is there.
        for _ in 0..SAME_AGAIN {
            let is_invalid =
                response.status == StatusCode::BAD_REQUEST && has_code(&response, "DIGEST_INVALID");
            if !is_invalid {
                break;
            }
            self.pause()?;
            response = self.send(&ask, &what)?;
        }
        if response.status == StatusCode::BAD_REQUEST
            && ["MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN"]
                .iter()
                .any(|code| has_code(&response, code))
        {
            return Ok(PutManifest::LacksParts(refused(&response, what)));
        }
        self.expect_success(&response, &what)?;
        // The specification demands 201. What else a proxy may answer with, its page, is not that.
        let said = text(&response, &DOCKER_CONTENT_DIGEST);
        if response.status != StatusCode::CREATED && said != Some(&sha256(bytes).to_string()) {
            return Err(integrity(what).because(format!(
                "the registry answered {}, and not that it is written (201 Created)",
                response.status
            )));
        }
        Ok(PutManifest::Done {
            subject: response.headers.contains_key(&OCI_SUBJECT),
        })
    }

    /// Whether there is a manifest of this digest.
    pub(crate) fn has_manifest(&self, digest: &Digest) -> Result<bool> {
        let ask =
            Ask::new(Method::HEAD, format!("manifests/{digest}")).header(ACCEPT_HEADER, ACCEPT);
        let what = format!("cannot look for {}", self.shown(&digest.to_string()));
        let response = self.send(&ask, &what)?;
        if is_absent(&response, &what)? {
            return Ok(false);
        }
        self.expect_success(&response, &what)?;
        Ok(true)
    }

    /// Removes a manifest, and with it all tags that name it.
    pub(crate) fn delete_manifest(&self, digest: &Digest) -> Result<Deleted> {
        let ask = Ask::new(Method::DELETE, format!("manifests/{digest}"));
        let what = format!("cannot remove {}", self.shown(&digest.to_string()));
        let response = match self.removing().send(&ask, &what) {
            Ok(response) => response,
            // The token server grants no deleting.
            Err(error) if is_denied(&error) => return Ok(Deleted::Refused(error)),
            Err(error) => return Err(error),
        };
        match response.status.as_u16() {
            _ if is_page(&response) => Ok(Deleted::Refused(
                integrity(what).because("what answered is not a registry, but sent a page"),
            )),
            200..=299 => Ok(Deleted::Done),
            404 => Ok(Deleted::Gone),
            400 | 401 | 403 | 405 | 501 => Ok(Deleted::Refused(refused(&response, what))),
            _ => Err(self.refusal(&response, &what)),
        }
    }
}

/// What became of a manifest that was written.
pub(crate) enum PutManifest {
    /// It is there; `subject` tells whether the registry lists it among the referrers of its subject by itself.
    Done { subject: bool },
    /// The registry wants all parts to be there, and one is not.
    LacksParts(Error),
}

/// What became of something that was to be removed.
#[derive(Debug)]
pub(crate) enum Deleted {
    Done,
    /// It was not there any more.
    Gone,
    /// The registry lets nobody do that, or not us.
    Refused(Error),
}

/// Blobs.
impl Conversation<'_> {
    /// The bytes that a descriptor names, with size and digest proved.
    ///
    /// # Errors
    ///
    /// `integrity` if they are others, or more than `limit` bytes.
    pub(crate) fn blob(&self, descriptor: &Descriptor, limit: usize) -> Result<Vec<u8>> {
        let digest = &descriptor.digest;
        let what = format!("cannot read {}", self.shown(&digest.to_string()));
        let size = usize::try_from(descriptor.size).unwrap_or(usize::MAX);
        if size > limit {
            return Err(integrity(what).because(format!(
                "it has {size} bytes, and a signature has {limit} at most"
            )));
        }
        let mut ask = Ask::new(Method::GET, format!("blobs/{digest}"));
        // Refusals are read too.
        ask.max_body = size.max(64 * 1024);
        let response = self.send(&ask, &what)?;
        if response.status == StatusCode::NOT_FOUND {
            return Err(Error::new(ErrorCode::NotFound, what)
                .because("the registry lists it, and does not have it"));
        }
        self.expect_success(&response, &what)?;
        let found = sha256(&response.body);
        if response.body.len() != size || found != *digest {
            return Err(integrity(what).because(format!(
                "what came has {} bytes and the digest `{found}`; listed are {size} bytes",
                response.body.len()
            )));
        }
        Ok(response.body)
    }

    /// Uploads a blob.
    ///
    /// # Errors
    ///
    /// - `access-denied`, `auth-required`: we may not.
    /// - `unsupported`: the registry takes no uploads.
    pub(crate) fn push_blob(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = sha256(bytes);
        let what = format!("cannot push to `{}`", self.repository);
        for _ in 1..MAX_UPLOADS {
            let response = self.upload(&digest, bytes, &what)?;
            if response.status.is_success() {
                return Ok(digest);
            }
            // A connection that was cut behind the last byte: the upload is done, and nobody knows it by its old name.
            if !matches!(response.status.as_u16(), 404 | 416) {
                return Err(self.refusal(&response, &what));
            }
            if self.has_blob(&digest) {
                return Ok(digest);
            }
        }
        let response = self.upload(&digest, bytes, &what)?;
        self.expect_success(&response, &what)?;
        Ok(digest)
    }

    /// Uploads a blob that many manifests share, unless it is there.
    pub(crate) fn ensure_blob(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = sha256(bytes);
        if self.knows_blob(&digest) {
            return Ok(digest);
        }
        let _first = self.first();
        if !self.knows_blob(&digest) {
            if !self.has_blob(&digest) {
                self.push_blob(bytes)?;
            }
            self.learn_blob(&digest);
        }
        Ok(digest)
    }

    /// Whether a blob is known to be there. Nothing depends on it: in doubt the blob is pushed, and that fails if it has to.
    fn has_blob(&self, digest: &Digest) -> bool {
        let ask = Ask::new(Method::HEAD, format!("blobs/{digest}"));
        let what = format!("cannot look for {}", self.shown(&digest.to_string()));
        self.send(&ask, &what)
            .is_ok_and(|response| response.status.is_success() && !is_page(&response))
    }

    /// Begins an upload, and sends all of it.
    fn upload(&self, digest: &Digest, bytes: &[u8], what: &str) -> Result<Response> {
        let begin = Ask::new(Method::POST, "blobs/uploads/");
        let begun = self.send(&begin, what)?;
        if matches!(begun.status.as_u16(), 404 | 405 | 501) {
            let mut error = refused(&begun, what).because("it takes no uploads there");
            error.code = ErrorCode::Unsupported;
            return Err(error);
        }
        self.expect_success(&begun, what)?;
        let mut url = location(&begun).map_err(|why| integrity(what).because(why))?;
        url.query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let mut put = Ask::new(Method::PUT, "").body("application/octet-stream", bytes);
        put.target = Target::Url(url);
        self.send(&put, what)
    }
}

/// Where an upload is to be sent.
fn location(response: &Response) -> Result<Url, String> {
    let Some(location) = text(response, &LOCATION) else {
        return Err("the registry began an upload, and did not say where (`Location`)".to_owned());
    };
    let url =
        address(&response.url, location).filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or_else(|| {
        format!(
            "the registry wants the upload at {}, which is not an address of HTTP",
            quoted(location)
        )
    })
}

/// An address that an answer from `here` names. A registry behind a server that ends TLS takes itself for one without it, and says `http:`: the same
/// address with TLS is meant, and nothing else is used.
fn address(here: &Url, named: &str) -> Option<Url> {
    let mut url = here.join(named).ok()?;
    if here.scheme() == "https" && url.scheme() == "http" {
        url.set_scheme("https").ok()?;
    }
    Some(url)
}

/// Referrers.
impl Conversation<'_> {
    /// What points at a manifest, as the registry's own list says.
    ///
    /// # Errors
    ///
    /// `integrity` for a list that is malformed.
    pub(crate) fn referrers(&self, digest: &Digest) -> Result<Referrers> {
        // The first to ask finds out whether there are lists; the others wait for that.
        let _first = match self.keeps_referrers() {
            None => Some(self.first()),
            Some(_) => None,
        };
        if self.keeps_referrers() == Some(false) {
            return Ok(Referrers::Unknown);
        }
        let what = format!(
            "cannot list what refers to `{}`",
            self.repository.pinned(digest)
        );
        let (mut entries, mut length) = (Vec::new(), 0);
        let mut seen = HashSet::new();
        let mut target = Target::Path(format!("referrers/{digest}"));
        for page in 0..MAX_PAGES {
            let mut ask = Ask::new(Method::GET, "").header(ACCEPT_HEADER, media::OCI_INDEX);
            ask.target = target;
            let response = match self.send(&ask, &what) {
                Ok(response) if response.status == StatusCode::FORBIDDEN => {
                    Err(self.refusal(&response, &what))
                }
                other => other,
            };
            let response = match response {
                // We may read the image: what is refused is what this registry does not have. Harbor before 2.8 is one.
                Err(error) if page == 0 && is_denied(&error) => {
                    return Ok(Referrers::Unclear(error));
                }
                other => other?,
            };
            if page == 0 && matches!(response.status.as_u16(), 400 | 404 | 405 | 406 | 501) {
                // A repository that does not exist says nothing about its registry.
                if !has_code(&response, "NAME_UNKNOWN") {
                    self.learn_referrers(false);
                }
                return Ok(Referrers::Unknown);
            }
            self.expect_success(&response, &what)?;
            if page == 0 && is_page(&response) {
                let error = integrity(what).because("the registry answered with a page for people");
                return Ok(Referrers::Unclear(error));
            }
            let index =
                Manifest::parse(response.body.clone(), None).map_err(|e| under(e, &what))?;
            if !index.is_index() {
                return Err(integrity(what).because("the registry answers without a list"));
            }
            self.learn_referrers(true);
            length += response.body.len();
            if length > MAX_LIST {
                return Err(integrity(what).because("the list has more than 80 MiB"));
            }
            entries.extend(index.list("manifests").iter().cloned());
            match self
                .next_page(&response)
                .map_err(|why| integrity(&what).because(why))?
            {
                Some(next) if !seen.insert(next.clone()) => {
                    return Err(
                        integrity(&what).because("a page of the list leads back to another")
                    );
                }
                Some(next) => target = Target::Url(next),
                None => return Ok(Referrers::Listed(entries)),
            }
        }
        Err(integrity(what).because(format!("the list has more than {MAX_PAGES} pages")))
    }

    /// The address of the next page of a list, on the same registry.
    fn next_page(&self, response: &Response) -> Result<Option<Url>, String> {
        let links = response.headers.get_all(LINK);
        let links = links.iter().map(|value| value.as_bytes());
        let Some(next) = link::next(&response.url, links)? else {
            return Ok(None);
        };
        match address(&response.url, &next) {
            Some(url) if same_place(&url, &response.url) => Ok(Some(url)),
            _ => Err(format!(
                "the next page is {}, which is elsewhere",
                quoted(&next)
            )),
        }
    }
}

/// What a registry says of the referrers of a manifest.
pub(crate) enum Referrers {
    /// It lists them.
    Listed(Vec<Value>),
    /// It answers without a list, and does not say that it keeps none: a registry of before the referrers, whose answer to what it does not
    /// know is a page or a refusal, or a proxy that answers in its place.
    Unclear(Error),
    /// It keeps no such lists.
    Unknown,
}

/// Whether an answer says that something is not there. A server that shows a page to a program is not a registry, and does not know what the
/// registry has.
///
/// # Errors
///
/// `unavailable`: such a page.
fn is_absent(response: &Response, what: &str) -> Result<bool> {
    match response.status == StatusCode::NOT_FOUND {
        true if is_page(response) => Err(Error::new(ErrorCode::Unavailable, what)
            .because("what answered is not a registry: status 404 with a page for people")),
        absent => Ok(absent),
    }
}

/// Whether an answer is a page for people.
fn is_page(response: &Response) -> bool {
    text(response, &CONTENT_TYPE)
        .and_then(|t| t.trim_start().get(..9))
        .is_some_and(|t| t.eq_ignore_ascii_case("text/html"))
}

fn text<'a>(response: &'a Response, name: &HeaderName) -> Option<&'a str> {
    response.headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::MAX_MANIFEST;
    use crate::testing::{
        Answer, Asked, Fixture, IMAGE, INDEX, Memory, OCI, TestRegistry, answer_of,
    };
    use serde_json::json;
    use sigtool_sdk::types::SignatureFormat;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const BUNDLE: SignatureFormat = SignatureFormat::Bundle;

    /// SECURITY.md: a token for our repository and purpose alone. Only the last one is of no other repository and no other purpose.
    const SCOPES: &str =
        "registry:catalog:* repository:victim/secret:pull,push,delete repository:app:delete x";

    /// A registry that wants a token of its own token server, which `login` answers.
    fn with_tokens(login: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> TestRegistry {
        TestRegistry::with(true, move |asked, memory| {
            if asked.path.starts_with("/token") {
                return Some(login(asked));
            }
            if asked
                .headers
                .get("authorization")
                .is_some_and(|a| a.starts_with("Bearer good"))
            {
                return None;
            }
            let realm = format!("http://127.0.0.1:{}/token", memory.port());
            Some(
                Answer::error(401, "UNAUTHORIZED")
                    .header("WWW-Authenticate", "Negotiate")
                    .header(
                        "WWW-Authenticate",
                        format!(r#"Bearer realm="{realm}",service="test",scope="{SCOPES}""#),
                    ),
            )
        })
    }

    fn token(asked: &Asked) -> Answer {
        let _ = asked;
        Answer::new(200).body(r#"{"token":"good","expires_in":300}"#)
    }

    fn settings(registry: &TestRegistry) -> Value {
        json!({
            "plain_http": ["127.0.0.1"], "registry": registry.address(), "username": "ann",
            "password": { "secret": "/password" },
        })
    }

    fn with_password(registry: TestRegistry) -> Fixture {
        let settings = settings(&registry);
        Fixture::with(registry, &settings, |host| {
            host.secret(
                "/password",
                [sigtool_sdk::testing::SecretAnswer::value("hunter2")],
            )
        })
    }

    #[test]
    fn a_token_is_fetched_once_for_reading_and_once_for_writing() {
        let fixture = with_password(with_tokens(token));
        let image = fixture.registry.image();
        for _ in 0..3 {
            fixture.resolve(&image, false).unwrap();
            fixture.list(&image, &[]);
            fixture.attach(&image, BUNDLE, b"{}", &[]).unwrap();
        }
        let asked = fixture.registry.asked();
        let tokens: Vec<&Asked> = asked
            .iter()
            .filter(|a| a.path.starts_with("/token"))
            .collect();
        let paths: Vec<&str> = tokens.iter().map(|a| a.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/token?service=test&scope=repository%3Aapp%3Apull&scope=x",
                "/token?service=test&scope=repository%3Aapp%3Apull%2Cpush&scope=x",
            ]
        );
        // The token server gets the password, the registry never.
        assert!(
            tokens
                .iter()
                .all(|a| a.headers["authorization"].starts_with("Basic "))
        );
        let unauthorized = asked
            .iter()
            .filter(|a| !a.headers.contains_key("authorization"));
        assert_eq!(
            unauthorized.count(),
            1,
            "only the very first request is refused"
        );
        assert!(fixture.host.leaks(b"hunter2").is_empty());
    }

    #[test]
    fn many_threads_ask_for_one_token() {
        let fixture = with_password(with_tokens(token));
        let image = fixture.registry.image();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| fixture.resolve(&image, false).unwrap());
            }
        });
        let asked = fixture.registry.asked();
        assert_eq!(
            asked
                .iter()
                .filter(|a| a.path.starts_with("/token"))
                .count(),
            1
        );
    }

    #[test]
    fn a_token_that_ends_early_is_fetched_anew() {
        let issued = AtomicUsize::new(0);
        let registry = TestRegistry::with(true, move |asked, memory| {
            let number = issued.load(Ordering::Relaxed);
            if asked.path.starts_with("/token") {
                issued.fetch_add(1, Ordering::Relaxed);
                return Some(Answer::new(200).body(format!(r#"{{"access_token":"t{number}"}}"#)));
            }
            // Each token is good for one request.
            let good = format!("Bearer t{}", number.saturating_sub(1));
            if asked.headers.get("authorization") == Some(&good) {
                issued.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            let challenge = format!("Bearer realm=\"http://127.0.0.1:{}/token\"", memory.port());
            Some(Answer::new(401).header("WWW-Authenticate", challenge))
        });
        let fixture = Fixture::new(registry);
        let image = fixture.registry.image();
        for _ in 0..3 {
            fixture.resolve(&image, false).unwrap();
        }
    }

    #[test]
    fn an_identity_token_is_exchanged() {
        let registry = with_tokens(|asked| {
            let form = String::from_utf8(asked.body.clone()).unwrap();
            assert_eq!(asked.method, "POST");
            assert!(
                form.contains("grant_type=refresh_token") && form.contains("refresh_token=a%2Bb")
            );
            assert!(form.contains("scope=repository%3Aapp%3Apull+x"), "{form}");
            assert!(!asked.headers.contains_key("authorization"));
            Answer::new(200).body(r#"{"access_token":"good"}"#)
        });
        let auth = format!(
            r#"{{"auths":{{"{}":{{"identitytoken":"a+b"}}}}}}"#,
            registry.address()
        );
        let settings = json!({ "plain_http": ["127.0.0.1"] });
        let fixture = Fixture::with(registry, &settings, |host| {
            host.variable("DOCKER_AUTH_CONFIG", Some(&auth))
        });
        fixture.resolve(&fixture.registry.image(), false).unwrap();
    }

    #[test]
    fn a_registry_token_is_sent_as_it_is() {
        let registry = with_tokens(|_| Answer::error(500, "UNASKED"));
        let auth = format!(
            r#"{{"auths":{{"{}":{{"registrytoken":"good"}}}}}}"#,
            registry.address()
        );
        let settings = json!({ "plain_http": ["127.0.0.1"] });
        let fixture = Fixture::with(registry, &settings, |host| {
            host.variable("DOCKER_AUTH_CONFIG", Some(&auth))
        });
        fixture.resolve(&fixture.registry.image(), false).unwrap();
        let asked = fixture.registry.asked();
        assert!(!asked.iter().any(|a| a.path.starts_with("/token")));
    }

    #[test]
    fn wrong_credentials_say_whose_they_are_and_how_to_log_in() {
        for status in [401, 403] {
            let fixture = with_password(with_tokens(move |_| Answer::error(status, "DENIED")));
            let error = fixture
                .resolve(&fixture.registry.image(), false)
                .unwrap_err();
            assert_eq!(error.code, ErrorCode::AuthRequired);
            let text = format!("{error} {:?}", error.hints);
            for part in [
                "the credentials of the profile",
                "docker login",
                "DENIED: no",
                "`registry = ",
            ] {
                assert!(text.contains(part), "{text}");
            }
            assert!(!text.contains("hunter2"));
        }
        // A token that the registry does not take.
        let fixture = Fixture::new(with_tokens(|_| Answer::new(200).body(r#"{"token":"bad"}"#)));
        let error = fixture
            .resolve(&fixture.registry.image(), false)
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::AuthRequired);
        for body in [
            "",
            "{}",
            "hunter2",
            r#"{"token":""}"#,
            r#"{"token":7}"#,
            "{\"token\":\"a\\nb\"}",
        ] {
            let fixture = Fixture::new(with_tokens(move |_| Answer::new(200).body(body)));
            let error = fixture
                .resolve(&fixture.registry.image(), false)
                .unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn a_password_is_sent_only_after_a_challenge_and_to_the_registry_alone() {
        // The other host takes the upload, and must see nothing of the password.
        let other = TestRegistry::with(true, |asked, _| {
            assert!(!asked.headers.contains_key("authorization"), "{asked:?}");
            Some(Answer::new(201))
        });
        let elsewhere = other.address();
        let registry = TestRegistry::with(true, move |asked, _| {
            match asked.headers.get("authorization") {
                None => Some(Answer::new(401).header("WWW-Authenticate", "Basic realm=x")),
                Some(basic) => {
                    assert_eq!(basic, "Basic YW5uOmh1bnRlcjI=");
                    (asked.method == "POST").then(|| {
                        Answer::new(202)
                            .header("Location", format!("http://{elsewhere}/upload?a=b"))
                    })
                }
            }
        });
        let fixture = with_password(registry);
        let image = fixture.registry.image();
        fixture.attach(&image, BUNDLE, b"{}", &[]).unwrap();
        let uploads: Vec<String> = other.asked().iter().map(|a| a.path.clone()).collect();
        assert_eq!(uploads.len(), 2, "the empty blob and the bundle");
        assert!(
            uploads[0].starts_with("/upload?a=b&digest=sha256%3A"),
            "{uploads:?}"
        );
    }

    #[test]
    fn this_machines_registry_needs_no_setting_and_others_do() {
        let fixture = Fixture::with(TestRegistry::start(true), &json!({}), |host| host);
        let image = fixture.registry.image();
        fixture.resolve(&image, false).unwrap();
        fixture.resolve(&image, false).unwrap();
        assert_eq!(fixture.registry.requests().len(), 2);

        // This machine too, by an address that does not say so.
        let elsewhere = format!("0.0.0.0:{}", fixture.registry.memory.port());
        let error = fixture
            .resolve(&format!("{elsewhere}/app"), false)
            .unwrap_err();
        let hint = format!("plain_http = [\"{elsewhere}\"]");
        assert!(error.hints.iter().any(|h| h.contains(&hint)), "{error:?}");
        let settings = json!({ "plain_http": ["0.0.0.0"] });
        let fixture = Fixture::with(TestRegistry::start(true), &settings, |host| host);
        let elsewhere = format!("0.0.0.0:{}", fixture.registry.memory.port());
        fixture.registry.image();
        fixture
            .resolve(&format!("{elsewhere}/app:v1"), false)
            .unwrap();
    }

    /// The error of resolving `v1` at a registry that answers this.
    fn refused_with(answer: Answer) -> Error {
        let registry = TestRegistry::with(true, move |_, _| Some(answer.clone()));
        let fixture = Fixture::new(registry);
        let reference = format!("{}:v1", fixture.registry.repository());
        let error = fixture.resolve(&reference, false).unwrap_err();
        assert!(error.to_string().contains(&reference), "{error}");
        error
    }

    #[test]
    fn refusals_are_quoted_and_pages_for_people_are_not() {
        let error = refused_with(Answer::error(403, "DENIED"));
        assert_eq!(error.code, ErrorCode::AccessDenied);
        assert!(error.to_string().contains("DENIED: no"), "{error}");
        let error = refused_with(Answer::new(403).body("<html>secret page</html>"));
        assert!(!format!("{error:?}").contains("html"), "{error:?}");
        let error = refused_with(Answer::error(404, "MANIFEST_UNKNOWN"));
        assert_eq!(error.code, ErrorCode::NotFound);
        // A server that shows a page does not know what a registry has.
        let page = Answer::new(404).header("Content-Type", "Text/HTML; charset=utf-8");
        let error = refused_with(page.body("<html>no such page</html>"));
        assert_eq!(error.code, ErrorCode::Unavailable);
        let escape = "{\"errors\":[{\"code\":\"X\",\"message\":\"\\u001b[2J\"}]}";
        let error = refused_with(Answer::new(400).body(escape));
        assert!(!format!("{error}").contains('\u{1b}'), "{error}");
    }

    #[test]
    fn a_manifest_with_another_digest_is_an_error_that_names_both() {
        let wrong = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
        let right = sha256(IMAGE.as_bytes()).to_string();
        let registry = TestRegistry::with(true, move |asked, _| {
            let answer = Answer::new(200).header("Content-Type", OCI).body(IMAGE);
            Some(match asked.path.as_str() {
                "/v2/app/manifests/v1" => answer.header("Docker-Content-Digest", wrong),
                _ => answer,
            })
        });
        let fixture = Fixture::new(registry);
        for name in [":v1".to_owned(), format!("@{wrong}")] {
            let reference = format!("{}{name}", fixture.registry.repository());
            let error = fixture.resolve(&reference, false).unwrap_err();
            assert_eq!(error.code, ErrorCode::Integrity);
            let text = error.to_string();
            assert!(text.contains(wrong) && text.contains(&right), "{text}");
        }
    }

    #[test]
    fn a_manifest_without_an_end_is_cut_off() {
        let error =
            refused_with(
                Answer::new(200)
                    .header("Content-Type", OCI)
                    .body(vec![b' '; MAX_MANIFEST + 1]),
            );
        assert_eq!(error.code, ErrorCode::Integrity, "{error}");
        for body in ["", "[]", "<html>", "{\"a\":"] {
            let error = refused_with(Answer::new(200).header("Content-Type", OCI).body(body));
            assert_eq!(error.code, ErrorCode::Integrity, "{error}");
        }
    }

    /// docker-registry says so for a moment, when another client pushes the same blob.
    #[test]
    fn a_manifest_that_is_taken_for_damaged_is_sent_again() {
        for (times, fails) in [(SAME_AGAIN, false), (SAME_AGAIN + 1, true)] {
            let left = AtomicUsize::new(times);
            let registry = TestRegistry::with(true, move |asked, _| {
                let is_manifest = asked.method == "PUT" && asked.path.contains("/manifests/");
                let one_less = |n: usize| n.checked_sub(1);
                let refuse = is_manifest
                    && left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                        .is_ok();
                refuse.then(|| Answer::error(400, "DIGEST_INVALID"))
            });
            let fixture = Fixture::new(registry);
            let image = fixture.registry.image();
            let attached = fixture.attach(&image, SignatureFormat::Bundle, b"{}", &[]);
            assert_eq!(attached.is_err(), fails, "{attached:?}");
        }
    }

    fn begin(answer: Answer) -> impl Fn(&Asked, &Memory) -> Option<Answer> + Send + Sync + 'static {
        move |asked, _| (asked.method == "POST").then(|| answer.clone())
    }

    /// A registry behind a server that ends TLS takes itself for one without it.
    #[test]
    fn an_address_without_tls_is_used_with_it_where_the_registry_has_it() {
        for (here, named, expected) in [
            (
                "https://r.test/v2/",
                "http://r.test/u?a=b",
                "https://r.test/u?a=b",
            ),
            (
                "https://r.test/v2/",
                "http://r.test:80/u",
                "https://r.test/u",
            ),
            (
                "https://r.test:5000/v2/",
                "http://r.test:5000/u",
                "https://r.test:5000/u",
            ),
            (
                "https://r.test/v2/",
                "http://other.test/u",
                "https://other.test/u",
            ),
            ("https://r.test/v2/", "/u", "https://r.test/u"),
            ("http://r.test/v2/", "http://r.test:80/u", "http://r.test/u"),
            ("http://r.test/v2/", "https://r.test/u", "https://r.test/u"),
        ] {
            let url = address(&Url::parse(here).unwrap(), named).unwrap();
            assert_eq!(url.as_str(), expected, "{named} from {here}");
        }
    }

    #[test]
    fn an_upload_without_a_place_to_go_is_an_error() {
        for (answer, code, why) in [
            (Answer::new(202), ErrorCode::Integrity, "did not say where"),
            (
                Answer::new(202).header("Location", "http://[::"),
                ErrorCode::Integrity,
                "not an address of HTTP",
            ),
            (
                Answer::new(202).header("Location", "file:///etc"),
                ErrorCode::Integrity,
                "not an address of HTTP",
            ),
            (
                Answer::error(405, "UNSUPPORTED"),
                ErrorCode::Unsupported,
                "takes no uploads",
            ),
            (
                Answer::error(404, "NAME_UNKNOWN"),
                ErrorCode::Unsupported,
                "takes no uploads",
            ),
            (
                Answer::error(403, "DENIED"),
                ErrorCode::AccessDenied,
                "has not asked for credentials",
            ),
        ] {
            let fixture = Fixture::new(TestRegistry::with(true, begin(answer)));
            let image = fixture.registry.image();
            let error = fixture.attach(&image, BUNDLE, b"{}", &[]).unwrap_err();
            assert_eq!(error.code, code, "{error}");
            assert!(error.to_string().contains(why), "{error}");
            assert!(
                error.to_string().contains(&fixture.registry.repository()),
                "{error}"
            );
            // Nothing is to be seen of it.
            assert_eq!(fixture.registry.memory.manifests.lock().unwrap().len(), 1);
        }
    }

    #[test]
    fn an_upload_that_the_registry_has_lost_is_begun_anew() {
        let lost = AtomicUsize::new(0);
        let fixture = Fixture::new(TestRegistry::with(true, move |asked, _| {
            let upload = asked.method == "PUT" && asked.path.contains("/uploads/");
            (upload && lost.fetch_add(1, Ordering::Relaxed) == 0)
                .then(|| Answer::error(404, "BLOB_UPLOAD_UNKNOWN"))
        }));
        let image = fixture.registry.image();
        fixture.attach(&image, BUNDLE, b"{}", &[]).unwrap();
    }

    #[test]
    fn an_upload_that_is_cut_behind_its_last_byte_is_done() {
        let cut = AtomicUsize::new(0);
        let fixture = Fixture::new(TestRegistry::with(true, move |asked, memory| {
            if asked.method != "PUT" || !asked.path.contains("/uploads/") {
                return None;
            }
            match cut.fetch_add(1, Ordering::Relaxed) {
                0 => {
                    memory.keep_blob(&asked.body);
                    Some(Answer::cut())
                }
                1 => Some(Answer::error(404, "BLOB_UPLOAD_UNKNOWN")),
                _ => None,
            }
        }));
        let image = fixture.registry.image();
        fixture.attach(&image, BUNDLE, b"{}", &[]).unwrap();
        let (_, found) = fixture.list(&image, &[BUNDLE]);
        assert_eq!(&*found.signatures[0].content, b"{}");
    }

    #[test]
    fn a_connection_that_is_cut_tells_nothing_of_signatures() {
        let fixture = Fixture::new(TestRegistry::with(true, |asked, _| {
            asked.path.contains("/referrers/").then(Answer::cut)
        }));
        let image = fixture.registry.image();
        let error = fixture.page(&image, &[], None).unwrap_err();
        assert_eq!(error.code, ErrorCode::Unavailable, "{error}");
    }

    #[test]
    fn a_registry_without_referrers_is_asked_once() {
        for status in [400, 404, 405] {
            let fixture = Fixture::new(TestRegistry::with(false, move |asked, _| {
                asked
                    .path
                    .contains("/referrers/")
                    .then(|| Answer::new(status))
            }));
            let image = fixture.registry.image();
            for _ in 0..3 {
                let (pages, reply) = fixture.list(&image, &[]);
                assert_eq!(pages, ["sig"]);
                assert!(reply.signatures.is_empty() && reply.failures.is_empty());
            }
            let requests = fixture.registry.requests();
            let asked = requests.iter().filter(|r| r.contains("referrers")).count();
            assert_eq!((asked, requests.len()), (1, 7), "{requests:?}");
        }
        // A page for people is not a list either.
        let fixture = Fixture::new(TestRegistry::with(false, |asked, _| {
            asked.path.contains("/referrers/").then(|| {
                Answer::new(200)
                    .header("Content-Type", "text/html")
                    .body("<html>")
            })
        }));
        let (pages, _) = fixture.list(&fixture.registry.image(), &[]);
        assert_eq!(pages, ["sig"]);
    }

    #[test]
    fn a_list_that_cannot_be_had_is_an_error_and_not_an_empty_list() {
        for answer in [
            Answer::error(418, "DENIED"),
            Answer::new(200).header("Content-Type", INDEX).body("{"),
            Answer::new(200).header("Content-Type", INDEX).body("{}"),
        ] {
            let fixture = Fixture::new(TestRegistry::with(true, move |asked, _| {
                asked.path.contains("/referrers/").then(|| answer.clone())
            }));
            let image = fixture.registry.image();
            let error = fixture.page(&image, &[], None).unwrap_err();
            assert!(error.message.contains("cannot list"), "{error}");
        }
    }

    /// Harbor before 2.8 answers 401 without a challenge.
    #[test]
    fn a_list_that_is_refused_keeps_no_other_place_from_being_looked_at() {
        for answer in [
            Answer::error(401, "UNAUTHORIZED"),
            Answer::new(401),
            Answer::error(403, "DENIED"),
            Answer::new(403)
                .header("Content-Type", "text/html")
                .body("<html>"),
        ] {
            let refused = answer.clone();
            let fixture = Fixture::new(TestRegistry::with(false, move |asked, _| {
                asked.path.contains("/referrers/").then(|| refused.clone())
            }));
            let image = fixture.registry.image();
            for format in [SignatureFormat::Cosign, BUNDLE] {
                let content = crate::testing::signed_payload(1);
                fixture.attach(&image, format, &content, &[]).unwrap();
                let (_, found) = fixture.list(&image, &[format]);
                assert_eq!(found.signatures.len(), 1, "{answer:?}");
                // There may be more.
                assert_eq!(found.failures.len(), 1, "{answer:?}");
                assert!(found.failures[0].message.contains("cannot list"));
            }
        }
    }

    #[test]
    fn signatures_of_cosign_need_no_list() {
        let fixture = Fixture::new(TestRegistry::with(false, |asked, _| {
            let is_list =
                asked.path.contains("/referrers/") || asked.path.contains("/blobs/sha256");
            is_list.then(|| Answer::error(418, "TEAPOT"))
        }));
        let image = fixture.registry.image();
        let cosign = SignatureFormat::Cosign;
        fixture.page(&image, &[cosign], None).unwrap();
        let (pages, reply) = fixture.list(&image, &[cosign]);
        assert_eq!(pages, ["referrers", "fallback-tag"]);
        assert!(reply.failures[0].message.contains("cannot list"));
        fixture
            .attach(&image, cosign, &crate::testing::signed_payload(1), &[])
            .unwrap();
    }

    /// Artifactory refuses a tag that is not there with 403.
    #[test]
    fn a_fallback_tag_that_is_refused_keeps_nobody_from_signing_where_there_are_lists() {
        for answer in [Answer::error(403, "DENIED"), Answer::new(401)] {
            for referrers in [true, false] {
                let refused = answer.clone();
                let fixture = Fixture::new(TestRegistry::with(referrers, move |asked, _| {
                    let is_tag = asked.path.contains("/manifests/sha256-");
                    is_tag.then(|| refused.clone())
                }));
                let image = fixture.registry.image();
                let reply = fixture.page(&image, &[BUNDLE], None);
                assert_eq!(reply.is_ok(), referrers);
                if referrers {
                    let (pages, reply) = fixture.list(&image, &[BUNDLE]);
                    assert_eq!(pages, ["fallback-tag"]);
                    // An older signature may be there.
                    assert_eq!(reply.failures.len(), 1, "{reply:?}");
                    fixture.attach(&image, BUNDLE, b"{}", &[]).unwrap();
                }
            }
        }
    }

    #[test]
    fn a_tag_that_is_not_there_may_be_answered_with_a_page() {
        for format in [SignatureFormat::Cosign, BUNDLE] {
            for referrers in [true, false] {
                let fixture = Fixture::new(TestRegistry::with(referrers, move |asked, memory| {
                    let answer = answer_of(asked, memory, referrers);
                    let page = Answer::new(404).header("Content-Type", "text/html");
                    answer
                        .is_missing()
                        .then(|| page.body("<html>not here</html>"))
                }));
                let image = fixture.registry.image();
                let (_, reply) = fixture.list(&image, &[format]);
                assert!(reply.signatures.is_empty() && reply.failures.is_empty());
                let content = crate::testing::signed_payload(1);
                fixture.attach(&image, format, &content, &[]).unwrap();
                let (_, reply) = fixture.list(&image, &[format]);
                assert_eq!(reply.signatures.len(), 1);
            }
        }
    }
}
