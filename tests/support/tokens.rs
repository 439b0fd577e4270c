//! A token server (distribution's token specification): it asks who one is, and issues what a registry then accepts. Real registries have
//! one, but no package that could be installed here.

use crate::certificates::{Authority, Certificate};
use crate::http::{Request, Response, form};
use crate::listener::Listener;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The only user.
pub const USER: &str = "robot";
/// The user's password.
pub const PASSWORD: &str = "canary-password-of-the-robot";
/// What stands for the password where a client has logged in before: Docker's `identitytoken`.
pub const REFRESH_TOKEN: &str = "canary-refresh-token-of-the-robot";

pub(crate) const ISSUER: &str = "sigtool-tests-issuer";
pub(crate) const SERVICE: &str = "sigtool-tests-registry";

/// How long a token lives, in seconds: less is not allowed.
const LIFETIME: u64 = 60;

/// A token server that runs.
#[derive(Debug)]
pub struct TokenServer {
    listener: Listener,
    signer: Arc<Signer>,
}

impl TokenServer {
    pub(crate) fn start() -> Self {
        let authority = Authority::new();
        let signer = Arc::new(Signer {
            certificate: authority.token_signer(),
            _authority: authority,
        });
        let shared = Arc::clone(&signer);
        let listener = Listener::start("127.0.0.1", move |request| answer(&shared, request));
        Self { listener, signer }
    }

    /// Where tokens are asked for: `http://localhost:PORT/token`. By name, since cosign takes no private address from a registry.
    #[must_use]
    pub fn realm(&self) -> String {
        let host = self.listener.host().replace("127.0.0.1", "localhost");
        format!("http://{host}/token")
    }

    /// All that it was asked so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.listener.requests()
    }

    /// A token for these scopes, such as `repository:app:pull,push`, without asking anyone.
    #[must_use]
    pub fn token(&self, scopes: &[&str]) -> String {
        self.signer.token(scopes)
    }

    /// What the registry is to trust.
    pub(crate) fn certificate(&self) -> &Path {
        &self.signer.certificate.certificate
    }
}

fn answer(signer: &Signer, request: &Request) -> Response {
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    if path != "/token" {
        return json_answer(404, &json!({ "details": "no such path" }));
    }
    let body = String::from_utf8_lossy(&request.body);
    let fields = form(if request.method == "POST" {
        &body
    } else {
        query
    });
    let field = |name: &str| {
        let found = fields.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    };
    let known = if request.method == "POST" {
        match field("grant_type") {
            Some("password") => {
                (field("username"), field("password")) == (Some(USER), Some(PASSWORD))
            }
            Some("refresh_token") => field("refresh_token") == Some(REFRESH_TOKEN),
            _ => return json_answer(400, &json!({ "error": "unsupported_grant_type" })),
        }
    } else {
        let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        request.headers.value("Authorization") == Some(&*basic)
    };
    if !known {
        return json_answer(401, &json!({ "details": "incorrect username or password" }));
    }
    if field("service") != Some(SERVICE) {
        return json_answer(400, &json!({ "details": "unknown service" }));
    }
    let scopes = fields.iter().filter(|(name, _)| name == "scope");
    let scopes: Vec<&str> = scopes.flat_map(|(_, scope)| scope.split(' ')).collect();
    let token = signer.token(&scopes);
    let mut answer = json!({ "access_token": token, "expires_in": LIFETIME });
    if request.method == "POST" {
        answer["scope"] = scopes.join(" ").into();
    } else {
        answer["token"] = token.into();
    }
    if field("offline_token") == Some("true") || field("access_type") == Some("offline") {
        answer["refresh_token"] = REFRESH_TOKEN.into();
    }
    json_answer(200, &answer)
}

fn json_answer(status: u16, body: &Value) -> Response {
    Response {
        status,
        headers: [("Content-Type", "application/json")].into_iter().collect(),
        body: body.to_string().into_bytes(),
    }
}

#[derive(Debug)]
struct Signer {
    certificate: Certificate,
    /// Its folder holds the key.
    _authority: Authority,
}

impl Signer {
    /// A JSON Web Token (RFC 7519), signed with RS256, that brings its certificate.
    fn token(&self, scopes: &[&str]) -> String {
        let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [self.certificate_in_base64()] });
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("a clock after 1970").as_secs();
        let access: Vec<Value> = scopes.iter().filter_map(|scope| access(scope)).collect();
        let claims = json!({
            "iss": ISSUER,
            "sub": USER,
            "aud": SERVICE,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "jti": "1",
            "access": access,
        });
        let [header, claims] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn certificate_in_base64(&self) -> String {
        let pem = fs::read_to_string(&self.certificate.certificate).expect("a file of our own");
        pem.lines()
            .filter(|line| !line.starts_with("---"))
            .collect()
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let mut openssl = Command::new("openssl")
            .args(["dgst", "-sha256", "-sign"])
            .arg(&self.certificate.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`openssl` is there");
        let mut input = openssl.stdin.take().expect("a pipe");
        input.write_all(bytes).expect("`openssl` reads");
        drop(input);
        let output = openssl.wait_with_output().expect("a child of ours");
        assert!(output.status.success(), "`openssl` cannot sign");
        output.stdout
    }
}

/// `repository:NAME:ACTION,ACTION` as the claim that grants it. `None` for what is not a scope.
fn access(scope: &str) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    let actions: Vec<&str> = actions.split(',').collect();
    Some(json!({ "type": kind, "name": name, "actions": actions }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    const SCOPE: &str = "repository:app:pull";

    fn ask(server: &TokenServer, request: &Request) -> Response {
        request.send(&server.listener.host()).unwrap()
    }

    fn basic(password: &str) -> Request {
        let path = format!("/token?service={SERVICE}&scope={SCOPE}&offline_token=true");
        let credentials = STANDARD.encode(format!("{USER}:{password}"));
        Request::new("GET", &path).header("Authorization", format!("Basic {credentials}"))
    }

    fn posted(fields: &str) -> Request {
        let body = format!("service={SERVICE}&client_id=tests&scope={SCOPE}&{fields}");
        Request::new("POST", "/token").body("application/x-www-form-urlencoded", body)
    }

    #[test]
    fn a_token_opens_what_it_was_asked_for_and_nothing_else() {
        let Some(registry) = Registry::docker_with_tokens() else {
            return;
        };
        registry.push_image("app", "v1", 1);
        registry.push_image("other", "v1", 1);
        let server = registry.tokens().unwrap();
        let refresh = posted(&format!(
            "grant_type=refresh_token&refresh_token={REFRESH_TOKEN}"
        ));
        let password = posted(&format!(
            "grant_type=password&username={USER}&password={PASSWORD}"
        ));
        for request in [basic(PASSWORD), refresh, password] {
            let answer = ask(server, &request);
            assert_eq!(answer.status, 200);
            let token = answer.json()["access_token"].as_str().unwrap().to_owned();
            let status = |method: &str, path: &str| {
                let request = Request::new(method, path)
                    .header("Accept", crate::images::MANIFEST)
                    .header("Authorization", format!("Bearer {token}"));
                registry.try_request(&request).unwrap().status
            };
            assert_eq!(status("GET", "/v2/app/manifests/v1"), 200);
            assert_eq!(status("GET", "/v2/other/manifests/v1"), 401);
            assert_eq!(status("POST", "/v2/app/blobs/uploads/"), 401);
        }
        assert_eq!(server.requests().len(), 3);
    }

    #[test]
    fn a_wrong_password_gets_no_token() {
        if crate::peers::need("openssl").is_none() {
            return;
        }
        let server = TokenServer::start();
        for request in [
            basic("wrong"),
            Request::new("GET", "/token?service=x"),
            posted("grant_type=refresh_token&refresh_token=wrong"),
            posted("grant_type=password&username=robot&password=wrong"),
        ] {
            assert_eq!(ask(&server, &request).status, 401, "{request:?}");
        }
    }
}
