//! Registries that others have written, each on a loopback port of its own.

use crate::certificates::{Authority, Certificate};
use crate::http::{Request, Response};
use crate::peers::need;
use crate::servers::Server;
use crate::tokens::{self, TokenServer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

/// A registry that runs. It is killed, and all that it holds is gone, when it is dropped.
#[derive(Debug)]
pub struct Registry {
    server: Server,
    credentials: Option<(String, String)>,
    tls: Option<Tls>,
    tokens: Option<TokenServer>,
}

/// Whom a registry with TLS talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Everyone.
    Any,
    /// Those with a certificate of its own authority's.
    Certified,
}

/// How a docker-registry is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Docker<'a> {
    /// The user and the password that it asks for.
    pub password: Option<(&'a str, &'a str)>,
    /// Whether it speaks TLS, and with whom.
    pub tls: Option<Clients>,
    /// Whether it asks for a token of a [`TokenServer`].
    pub tokens: bool,
}

#[derive(Debug)]
struct Tls {
    authority: Authority,
    server: Certificate,
    client: Option<Certificate>,
}

impl Registry {
    /// Debian's docker-registry 2.8: no referrers API (it answers 404), and nobody has to say who they are.
    #[must_use]
    pub fn docker() -> Option<Self> {
        Self::docker_with(Docker::default())
    }

    /// The same, for one user: Basic credentials (RFC 7617).
    #[must_use]
    pub fn docker_with_auth(user: &str, password: &str) -> Option<Self> {
        Self::docker_with(Docker {
            password: Some((user, password)),
            ..Docker::default()
        })
    }

    /// The same with TLS: [`Registry::ca_file`] is to be trusted, and [`Registry::client`] is a certificate that it takes.
    #[must_use]
    pub fn docker_with_tls(clients: Clients) -> Option<Self> {
        Self::docker_with(Docker {
            tls: Some(clients),
            ..Docker::default()
        })
    }

    /// The same with tokens: its user is [`tokens::USER`], and [`Registry::tokens`] is who issues them.
    #[must_use]
    pub fn docker_with_tokens() -> Option<Self> {
        Self::docker_with(Docker {
            tokens: true,
            ..Docker::default()
        })
    }

    /// Debian's docker-registry in any combination.
    ///
    /// # Panics
    ///
    /// `openssl` or `perl` is missing.
    #[must_use]
    pub fn docker_with(docker: Docker<'_>) -> Option<Self> {
        let program = need("docker-registry")?;
        if docker.tls.is_some() {
            need("curl")?;
        }
        let tls = docker.tls.map(Tls::new);
        let tokens = docker.tokens.then(TokenServer::start);
        let password = docker.password.map(htpasswd);
        let server = Server::start(&program, |command, folder, port| {
            let mut config = docker_config(folder, port);
            if let Some(tls) = &tls {
                config += &tls.config();
            }
            if let Some(htpasswd) = &password {
                let path = folder.join("htpasswd");
                fs::write(&path, htpasswd).expect("a fresh file");
                let path = path.display();
                config += &format!("auth: {{ htpasswd: {{ realm: tests, path: {path} }} }}\n");
            }
            if let Some(tokens) = &tokens {
                config += &token_config(tokens);
            }
            let path = folder.join("config.yml");
            fs::write(&path, config).expect("a fresh file");
            command.arg("serve").arg(path);
        });
        let credentials = if docker.tokens {
            Some((tokens::USER, tokens::PASSWORD))
        } else {
            docker.password
        };
        Some(Self::that_answers(Self {
            server,
            credentials: credentials.map(|(user, word)| (user.to_owned(), word.to_owned())),
            tls,
            tokens,
        }))
    }

    /// olareg 0.2, in memory: it has the referrers API. Flags such as `--api-delete`, `--api-referrer=false` (it then answers 405) and
    /// `--rate-limit=3` (requests a second; the others get 429 with `Retry-After`) change what it does.
    #[must_use]
    pub fn olareg(flags: &[&str]) -> Option<Self> {
        let program = need("olareg")?;
        Some(Self::open(Server::start(&program, |command, _, port| {
            let port = port.to_string();
            command.args(["serve", "--addr", "127.0.0.1", "--port", &port]);
            command.args(["--store-type", "mem"]).args(flags);
        })))
    }

    /// ferro-oci-server 1.0, in memory: it has the referrers API, and filters what it lists there.
    #[must_use]
    pub fn ferro() -> Option<Self> {
        let program = need("ferro-oci-server")?;
        Some(Self::open(Server::start(&program, |command, _, port| {
            command.env("FERRO_OCI_LISTEN", format!("127.0.0.1:{port}"));
        })))
    }

    fn open(server: Server) -> Self {
        Self::that_answers(Self {
            server,
            credentials: None,
            tls: None,
            tokens: None,
        })
    }

    fn that_answers(registry: Self) -> Self {
        let status = registry.request(&Request::new("GET", "/v2/")).status;
        assert_eq!(status, 200, "{}", registry.log());
        registry
    }

    /// `127.0.0.1:PORT`, as a reference begins.
    #[must_use]
    pub fn host(&self) -> String {
        self.server.host()
    }

    /// `http://127.0.0.1:PORT`, or `https` with TLS.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.host())
    }

    /// All that it has said so far: docker-registry says lines for each request. To count requests, put a `FaultProxy` before it.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// The user and the password, if it asks who one is.
    #[must_use]
    pub fn credentials(&self) -> Option<(&str, &str)> {
        let (user, password) = self.credentials.as_ref()?;
        Some((user, password))
    }

    /// The certificate authority of a registry with TLS, in PEM.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.tls.as_ref().map(|tls| tls.authority.ca_file())
    }

    /// The client's certificate that a registry with [`Clients::Certified`] demands.
    #[must_use]
    pub fn client(&self) -> Option<&Certificate> {
        self.tls.as_ref()?.client.as_ref()
    }

    /// Who issues this registry's tokens.
    #[must_use]
    pub fn tokens(&self) -> Option<&TokenServer> {
        self.tokens.as_ref()
    }

    /// Sends a request, as someone who may do everything: credentials are added.
    ///
    /// # Panics
    ///
    /// There is no answer.
    #[must_use]
    pub fn request(&self, request: &Request) -> Response {
        let mut request = request.clone();
        if let Some(authorization) = self.authorization(&request.path) {
            request.headers.set("Authorization", authorization);
        }
        self.try_request(&request)
            .unwrap_or_else(|e| panic!("no answer: {e}: {}", self.log()))
    }

    /// Sends a request as it is.
    ///
    /// # Errors
    ///
    /// There is no answer.
    pub fn try_request(&self, request: &Request) -> io::Result<Response> {
        match &self.tls {
            Some(tls) => {
                let client = tls.client.as_ref();
                request.send_by_curl(&self.url(), tls.authority.ca_file(), client)
            }
            None => request.send(&self.host()),
        }
    }

    fn authorization(&self, path: &str) -> Option<String> {
        if let Some(tokens) = &self.tokens {
            let scope =
                repository_of(path).map(|name| format!("repository:{name}:pull,push,delete"));
            let scopes: Vec<&str> = scope.iter().map(String::as_str).collect();
            return Some(format!("Bearer {}", tokens.token(&scopes)));
        }
        let (user, password) = self.credentials()?;
        let credentials = STANDARD.encode(format!("{user}:{password}"));
        Some(format!("Basic {credentials}"))
    }
}

impl Tls {
    fn new(clients: Clients) -> Self {
        let authority = Authority::new();
        Self {
            server: authority.server("IP:127.0.0.1,DNS:localhost,DNS:registry.test,IP:2001:db8::5"),
            client: (clients == Clients::Certified).then(|| authority.client()),
            authority,
        }
    }

    /// What stands below `http:` in docker-registry's configuration.
    fn config(&self) -> String {
        let (certificate, key) = (&self.server.certificate, &self.server.key);
        let mut text = format!(
            "  tls:\n    certificate: {}\n    key: {}\n",
            certificate.display(),
            key.display()
        );
        if self.client.is_some() {
            let ca_file = self.authority.ca_file().display();
            text += &format!("    clientcas: [{ca_file}]\n");
        }
        text
    }
}

fn docker_config(folder: &Path, port: u16) -> String {
    let store = folder.join("store");
    format!(
        "version: 0.1
storage:
  filesystem: {{ rootdirectory: {} }}
  delete: {{ enabled: true }}
http:
  addr: 127.0.0.1:{port}
  secret: of-no-value
",
        store.display()
    )
}

fn token_config(tokens: &TokenServer) -> String {
    format!(
        "auth:
  token:
    realm: {}
    service: {}
    issuer: {}
    rootcertbundle: {}
",
        tokens.realm(),
        tokens::SERVICE,
        tokens::ISSUER,
        tokens.certificate().display()
    )
}

/// A line of an `htpasswd` file. docker-registry takes bcrypt only, which OpenSSL and Python lack, and the C library's `crypt` has.
fn htpasswd((user, password): (&str, &str)) -> String {
    let salt = "$2y$05$abcdefghijklmnopqrstuu";
    let output = Command::new("perl")
        .args(["-e", "print crypt($ARGV[0], $ARGV[1])", password, salt])
        .output()
        .expect("`perl` is there");
    let hash = String::from_utf8(output.stdout).expect("a hash in ASCII");
    assert!(hash.starts_with(salt), "this `crypt` has no bcrypt: {hash}");
    format!("{user}:{hash}\n")
}

/// `team/app` of `/v2/team/app/manifests/v1`
fn repository_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/v2/")?;
    ["/blobs/", "/manifests/", "/referrers/", "/tags/"]
        .iter()
        .find_map(|part| Some(rest.rsplit_once(part)?.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::{INDEX, MANIFEST, digest};

    /// Pushes all that can be pushed, and reads it back.
    fn keeps_what_is_pushed(registry: &Registry) {
        assert!(registry.tags("team/app").is_empty());
        let image = registry.push_image("team/app", "v1", "seed");
        assert_eq!(registry.push_image("team/app", "v1", "seed"), image);
        assert_ne!(registry.push_image("team/app", "v2", "other"), image);
        let answer = registry.get("/v2/team/app/manifests/v1", MANIFEST);
        assert_eq!(digest(&answer.body), image);
        assert_eq!(answer.headers.value("Content-Type"), Some(MANIFEST));
        let manifest = registry.manifest("team/app", &image).unwrap();
        let layer = manifest["layers"][0]["digest"].as_str().unwrap();
        let bytes = registry.blob("team/app", layer).unwrap();
        assert_eq!(digest(&bytes), layer);
        assert!(bytes.starts_with(b"seed\0"));

        let (index, children) = registry.push_index("team/app", "all", &[1, 2]);
        let answer = registry.get("/v2/team/app/manifests/all", INDEX);
        assert_eq!(digest(&answer.body), index);
        assert!(
            children
                .iter()
                .all(|child| registry.manifest("team/app", child).is_some())
        );
        assert_eq!(registry.tags("team/app"), ["all", "v1", "v2"]);
        assert!(registry.manifest("team/app", "v3").is_none());
        assert!(registry.referrers("team/app", &image).is_empty());
    }

    #[test]
    fn each_registry_keeps_what_is_pushed() {
        for registry in [
            Registry::docker(),
            Registry::docker_with_auth("someone", "pass:word"),
            Registry::docker_with_tls(Clients::Any),
            Registry::docker_with_tls(Clients::Certified),
            Registry::docker_with_tokens(),
            Registry::olareg(&[]),
            Registry::olareg(&["--api-referrer=false"]),
            Registry::ferro(),
        ] {
            let Some(registry) = registry else { return };
            keeps_what_is_pushed(&registry);
        }
    }

    #[test]
    fn the_registries_answer_for_referrers_in_three_ways() {
        for (registry, status) in [
            (Registry::docker(), 404),
            (Registry::olareg(&["--api-referrer=false"]), 405),
            (Registry::olareg(&[]), 200),
            (Registry::ferro(), 200),
        ] {
            let Some(registry) = registry else { return };
            let image = registry.push_image("app", "v1", 1);
            let answer = registry.get(&format!("/v2/app/referrers/{image}"), INDEX);
            assert_eq!(answer.status, status, "{}", registry.log());
            let subject = format!(
                r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","artifactType":"x/y","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{}","size":2}},"layers":[],"subject":{{"mediaType":"{MANIFEST}","digest":"{image}","size":1}}}}"#,
                registry.push_blob("app", b"{}"),
            );
            let referrer = digest(subject.as_bytes());
            registry.push_manifest("app", &referrer, MANIFEST, &subject);
            let found = registry.referrers("app", &image);
            let found: Vec<_> = found.iter().map(|found| &found["digest"]).collect();
            let expected: &[&str] = if status == 200 { &[&referrer] } else { &[] };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_may_be_deleted_is_gone() {
        for registry in [
            Registry::docker(),
            Registry::olareg(&["--api-delete"]),
            Registry::ferro(),
        ] {
            let Some(registry) = registry else { return };
            let image = registry.push_image("app", "v1", 1);
            let deleted = registry.delete(&format!("/v2/app/manifests/{image}"));
            assert_eq!(deleted.status, 202, "{}", registry.log());
            assert!(registry.manifest("app", &image).is_none());
        }
    }

    #[test]
    fn nobody_is_let_in_without_credentials() {
        for registry in [
            Registry::docker_with_auth("someone", "password"),
            Registry::docker_with_tokens(),
        ] {
            let Some(registry) = registry else { return };
            let answer = registry.try_request(&Request::new("GET", "/v2/"));
            let answer = answer.unwrap();
            assert_eq!(answer.status, 401);
            let scheme = if registry.tokens().is_some() {
                "Bearer"
            } else {
                "Basic"
            };
            let challenge = answer.headers.value("WWW-Authenticate").unwrap();
            assert!(challenge.starts_with(scheme), "{challenge}");
        }
    }

    #[test]
    fn a_client_without_a_certificate_is_not_talked_to() {
        let registry = Registry::docker_with_tls(Clients::Certified);
        let Some(registry) = registry else { return };
        let ca_file = registry.ca_file().unwrap();
        let request = Request::new("GET", "/v2/");
        request
            .send_by_curl(&registry.url(), ca_file, registry.client())
            .unwrap();
        request
            .send_by_curl(&registry.url(), ca_file, None)
            .unwrap_err();
        let stranger = Authority::new();
        let refused = request.send_by_curl(&registry.url(), stranger.ca_file(), registry.client());
        assert!(refused.unwrap_err().to_string().contains("certificate"));
    }

    #[test]
    fn olareg_throttles_when_it_is_told_to() {
        let Some(registry) = Registry::olareg(&["--rate-limit=3"]) else {
            return;
        };
        let answers = (0..20).map(|_| registry.get("/v2/", "*/*"));
        let throttled = answers.into_iter().find(|answer| answer.status == 429);
        assert!(throttled.unwrap().headers.value("Retry-After").is_some());
    }
}
