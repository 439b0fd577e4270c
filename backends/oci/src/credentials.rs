//! Where user names and passwords come from: the profile, the environment, and the files of Docker and Podman.

use crate::auth_files::{places, variable};
use crate::config::Login as ProfileLogin;
use crate::helper::run_helper;
use crate::login::{Credential, Login, Outcome};
use sigtool_sdk::host::AskSecretArgs;
use sigtool_sdk::text::quoted;
use sigtool_sdk::types::Repository;
use sigtool_sdk::types::authority::is_authority;
use sigtool_sdk::types::reference::canonical_registry;
use sigtool_sdk::{Call, Error, ErrorCode, Result};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// The variables that are asked for, for the test that the manifest declares them.
#[cfg(test)]
pub(crate) const VARIABLES: [&str; 10] = [
    REGISTRY,
    USERNAME,
    PASSWORD,
    "DOCKER_AUTH_CONFIG",
    "REGISTRY_AUTH_FILE",
    "DOCKER_CONFIG",
    "HOME",
    "PATH",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
];
const REGISTRY: &str = "SIGTOOL_REGISTRY";
const USERNAME: &str = "SIGTOOL_REGISTRY_USERNAME";
const PASSWORD: &str = "SIGTOOL_REGISTRY_PASSWORD";

/// All credentials, looked for when a registry asks and not before.
pub(crate) struct Credentials {
    profile: Option<ProfileLogin>,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    /// Those of the profile.
    profile: Option<Outcome>,
    /// By repository, since credentials can be for a part of a registry.
    repositories: HashMap<Repository, Outcome>,
    /// By helper, and the name of the registry that it was asked for.
    helpers: HashMap<(String, String), Outcome>,
}

/// Whether an outcome would be the same again: not if the call ended meanwhile.
fn is_final(outcome: &Outcome) -> bool {
    !matches!(outcome, Err(e) if matches!(e.code, ErrorCode::Cancelled | ErrorCode::Timeout))
}

impl Credentials {
    pub(crate) fn new(profile: Option<ProfileLogin>) -> Self {
        Self {
            profile,
            found: Mutex::default(),
        }
    }

    /// The credentials for a repository, from the first place that has some.
    ///
    /// # Errors
    ///
    /// - `invalid-config`: a file or a variable is malformed.
    /// - `auth-required`: a helper fails, or the password of the profile is not to be had.
    pub(crate) fn of(&self, call: &Call, repository: &Repository) -> Outcome {
        // One at a time, so that a helper is not run twice.
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.repositories.get(repository) {
            return known.clone();
        }
        let outcome = self.look(call, repository, &mut found);
        if is_final(&outcome) {
            found
                .repositories
                .insert(repository.clone(), outcome.clone());
        }
        outcome
    }

    fn look(&self, call: &Call, repository: &Repository, found: &mut Found) -> Outcome {
        if let Some(profile) = &self.profile
            && profile.registry == repository.host()
        {
            if let Some(known) = &found.profile {
                return known.clone();
            }
            let outcome = of_profile(call, profile).map(|c| Some(Arc::new(c)));
            if is_final(&outcome) {
                found.profile = Some(outcome.clone());
            }
            return outcome;
        }
        if let Some(credential) = of_environment(call, repository)? {
            return Ok(Some(Arc::new(credential)));
        }
        for place in places(call)? {
            let Some(file) = place.read()? else {
                continue;
            };
            let ask = |helper: &str, server: &str| found.ask_helper(call, helper, server);
            if let Some(credential) = file.find(repository, &place.origin(), ask)? {
                return Ok(Some(credential));
            }
        }
        Ok(None)
    }
}

/// The credentials of the profile.
fn of_profile(call: &Call, profile: &ProfileLogin) -> Result<Credential> {
    let secret = call.secret(&AskSecretArgs {
        pointer: profile.password.clone(),
        label: Some(format!(
            "password of {} at {}",
            profile.username, profile.registry
        )),
        ..AskSecretArgs::default()
    })?;
    let password = std::str::from_utf8(secret.value.expose()).map_err(|_| {
        let message = format!("the password for `{}` is not text", profile.registry);
        Error::new(ErrorCode::InvalidConfig, message).at(profile.password.clone())
    })?;
    // Files of passwords end with a line end that is not part of it.
    let password = password.strip_suffix('\n').unwrap_or(password);
    let password = password.strip_suffix('\r').unwrap_or(password);
    Ok(Credential {
        login: Login::Password {
            username: Zeroizing::new(profile.username.clone()),
            password: Zeroizing::new(password.to_owned()),
        },
        origin: "the profile".to_owned(),
    })
}

/// The credentials in the environment, for the one registry that it names.
fn of_environment(call: &Call, repository: &Repository) -> Result<Option<Credential>> {
    let (registry, username) = (variable(call, REGISTRY)?, variable(call, USERNAME)?);
    let password = variable(call, PASSWORD)?.map(Zeroizing::new);
    if username.is_none() && password.is_none() {
        return Ok(None);
    }
    if let Some(registry) = &registry {
        if !is_authority(registry) {
            return Err(Error::new(
                ErrorCode::InvalidConfig,
                format!("`{REGISTRY}` is {}, which is not a host", quoted(registry)),
            ));
        }
        if canonical_registry(registry) != repository.host() {
            return Ok(None);
        }
    }
    let (username, password) = match (registry, username, password) {
        (Some(_), Some(username), Some(password)) => (username, password),
        (registry, username, _) => {
            let (set, missing) = match (registry, username) {
                (_, None) => (PASSWORD, USERNAME),
                (None, Some(_)) => (USERNAME, REGISTRY),
                (Some(_), Some(_)) => (USERNAME, PASSWORD),
            };
            let error = Error::new(
                ErrorCode::InvalidConfig,
                format!("`{set}` is set, and `{missing}` is not"),
            );
            let what = match missing {
                REGISTRY => "the host that they are for",
                USERNAME => "the user's name",
                _ => "the password or the access token",
            };
            return Err(error.hint(format!("set `{missing}` to {what}")));
        }
    };
    Ok(Some(Credential {
        login: Login::Password {
            username: Zeroizing::new(username),
            password,
        },
        origin: format!("`{USERNAME}` and `{PASSWORD}`"),
    }))
}

impl Found {
    /// Asks a helper for the credentials of a registry, unless it has been asked.
    fn ask_helper(&mut self, call: &Call, helper: &str, server: &str) -> Outcome {
        let key = (helper.to_owned(), server.to_owned());
        if let Some(known) = self.helpers.get(&key) {
            return known.clone();
        }
        let outcome = run_helper(call, helper, server).map(|login| {
            let login = login?;
            let origin = format!("`docker-credential-{helper}`");
            Some(Arc::new(Credential { login, origin }))
        });
        if is_final(&outcome) {
            self.helpers.insert(key, outcome.clone());
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{host, with_call};
    use base64::Engine as _;
    use sigtool_sdk::testing::{FakeHost, SecretAnswer};
    use std::os::unix::fs::PermissionsExt;

    fn repository(text: &str) -> Repository {
        text.parse().unwrap()
    }

    /// What is found for a repository: the user and the password, or `token` and the identity token.
    fn find(host: &FakeHost, text: &str) -> Result<Option<(String, String)>> {
        find_in(&Credentials::new(None), host, text)
    }

    fn find_in(
        credentials: &Credentials,
        host: &FakeHost,
        text: &str,
    ) -> Result<Option<(String, String)>> {
        let found = with_call(host, |call| credentials.of(call, &repository(text)))?;
        Ok(found.map(|credential| match &credential.login {
            Login::IdentityToken(token) => ("token".to_owned(), token.to_string()),
            Login::RegistryToken(token) => ("registry token".to_owned(), token.to_string()),
            Login::Password { username, password } => (username.to_string(), password.to_string()),
        }))
    }

    fn pair(username: &str, password: &str) -> Option<(String, String)> {
        Some((username.to_owned(), password.to_owned()))
    }

    /// `auth` of the user `ann` with this password.
    fn auth(password: &str) -> String {
        base64::engine::general_purpose::STANDARD.encode(format!("ann:{password}"))
    }

    fn with_file(text: &str) -> (tempfile::TempDir, FakeHost) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), text).unwrap();
        let host = host().variable("DOCKER_CONFIG", folder.path().to_str());
        (folder, host)
    }

    #[test]
    fn every_spelling_of_a_registry_is_found() {
        for (key, reference) in [
            ("ghcr.io", "ghcr.io/acme/app"),
            ("https://ghcr.io", "ghcr.io/acme/app"),
            ("https://ghcr.io/v1/", "ghcr.io/acme/app"),
            ("https://ghcr.io/v2/", "ghcr.io/acme/app"),
            ("https://ghcr.io/v2/acme/", "ghcr.io/acme/app"),
            ("http://ghcr.io/any/path?a=b", "ghcr.io/acme/app"),
            ("ghcr.io/", "ghcr.io/acme/app"),
            ("GHCR.io", "ghcr.io/acme/app"),
            ("https://localhost:5000/v2/", "localhost:5000/app"),
            ("https://registry-1.docker.io/v2/", "alpine"),
            ("ghcr.io/acme", "ghcr.io/acme/app"),
            ("ghcr.io/acme/app", "ghcr.io/acme/app"),
            ("localhost:5000", "localhost:5000/app"),
            ("https://index.docker.io/v1/", "alpine"),
            ("docker.io", "alpine"),
            ("index.docker.io", "acme/app"),
            ("registry-1.docker.io", "acme/app"),
            ("docker.io/acme", "acme/app"),
        ] {
            let text = format!(r#"{{"auths":{{"{key}":{{"auth":"{}"}}}}}}"#, auth("pw"));
            let (_folder, host) = with_file(&text);
            assert_eq!(find(&host, reference).unwrap(), pair("ann", "pw"), "{key}");
            assert_eq!(find(&host, "quay.io/acme/app").unwrap(), None, "{key}");
            assert_eq!(find(&host, "ghcr.io.evil.example/a/b").unwrap(), None);
        }
    }

    /// As docker and cosign read them; `base64` breaks lines at 76 characters, and some encoders leave out the padding.
    #[test]
    fn what_go_reads_is_read() {
        let encoded = auth("a long password, such as a token of ECR, which has some lines of it");
        let (first, second) = encoded.split_at(76);
        let bare = encoded.trim_end_matches('=');
        let token = r#""identitytoken":"idt""#;
        for (entry, expected) in [
            (format!(r#""auth":"{first}\n{second}\n""#), "ann"),
            (format!(r#""auth":"{first}\r\n{second}\r\n""#), "ann"),
            (format!(r#""auth":" {encoded}\t""#), "ann"),
            (format!(r#""auth":"{bare}""#), "ann"),
            (format!(r#""auth":"{bare}\n""#), "ann"),
            (r#""auth":"","username":"ann","password":"a long password, such as a token of ECR, which has some lines of it""#.to_owned(), "ann"),
            (format!(r#""auth":"YW5uOg==",{token}"#), "token"),
            (r#""identityToken":"idt""#.to_owned(), "token"),
            (r#""auth":null,"registrytoken":"rt""#.to_owned(), "registry token"),
        ] {
            let text = format!(r#"{{"auths":{{"other.example":null,"ghcr.io":{{{entry}}}}}}}"#);
            let (_folder, host) = with_file(&text);
            let (username, password) = find(&host, "ghcr.io/acme/app").unwrap().unwrap();
            assert_eq!(username, expected, "{entry}");
            let starts = ["a long password", "idt", "rt"].iter().any(|s| password.starts_with(s));
            assert!(starts && (expected != "ann" || password.ends_with("lines of it")), "{entry}");
        }
        let malformed = format!(r#"{{"auths":{{"ghcr.io":{{"auth":"{first}!{second}"}}}}}}"#);
        let (_folder, host) = with_file(&malformed);
        let error = find(&host, "ghcr.io/acme/app").unwrap_err();
        assert!(!format!("{error:?}").contains(first), "{error:?}");
    }

    #[test]
    fn what_other_services_of_docker_hub_take_is_not_for_its_registry() {
        let key = "https://index.docker.io/v1/access-token";
        let text = format!(r#"{{"auths":{{"{key}":{{"auth":"{}"}}}}}}"#, auth("pw"));
        let (_folder, host) = with_file(&text);
        assert_eq!(find(&host, "alpine").unwrap(), None);
    }

    #[test]
    fn the_nearest_part_of_a_registry_comes_first() {
        let text = format!(
            r#"{{"auths":{{"quay.io":{{"auth":"{}"}},"quay.io/acme":{{"auth":"{}"}},"quay.io/acme/app":{{"identitytoken":"idt","auth":""}}}}}}"#,
            auth("all"),
            auth("acme"),
        );
        let (_folder, host) = with_file(&text);
        let find = |text| find(&host, text).unwrap();
        assert_eq!(find("quay.io/acme/app"), pair("token", "idt"));
        assert_eq!(find("quay.io/acme/app2"), pair("ann", "acme"));
        assert_eq!(find("quay.io/acme2/app"), pair("ann", "all"));
    }

    #[test]
    fn places_come_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, password: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = format!(
                r#"{{"auths":{{"ghcr.io":{{"auth":"{}"}}}}}}"#,
                auth(password)
            );
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let below = |path: &str| folder.path().join(path).to_str().unwrap().to_owned();
        let mut host = host();
        let found = |host: &FakeHost| find(host, "ghcr.io/acme/app").unwrap();
        assert_eq!(found(&host), None);

        host = host.variable("HOME", Some(&below("home")));
        write("home/.config/containers/auth.json", "podman of home");
        assert_eq!(found(&host), pair("ann", "podman of home"));
        host = host.variable("XDG_CONFIG_HOME", Some(&below("config")));
        write("config/containers/auth.json", "podman");
        assert_eq!(found(&host), pair("ann", "podman"));
        host = host.variable("XDG_RUNTIME_DIR", Some(&below("run")));
        write("run/containers/auth.json", "podman of this session");
        assert_eq!(found(&host), pair("ann", "podman of this session"));
        write("home/.docker/config.json", "docker of home");
        assert_eq!(found(&host), pair("ann", "docker of home"));
        host = host.variable("DOCKER_CONFIG", Some(&below("docker")));
        assert_eq!(found(&host), pair("ann", "podman of this session"));
        write("docker/config.json", "docker");
        assert_eq!(found(&host), pair("ann", "docker"));
        host = host.variable("REGISTRY_AUTH_FILE", Some(&write("named.json", "named")));
        assert_eq!(found(&host), pair("ann", "named"));
        let text = format!(r#"{{"auths":{{"ghcr.io":{{"auth":"{}"}}}}}}"#, auth("text"));
        host = host.variable("DOCKER_AUTH_CONFIG", Some(&text));
        assert_eq!(found(&host), pair("ann", "text"));
        host = host
            .variable(REGISTRY, Some("GHCR.io"))
            .variable(USERNAME, Some("bob"))
            .variable(PASSWORD, Some("secret"));
        assert_eq!(found(&host), pair("bob", "secret"));

        let profile = ProfileLogin {
            registry: "ghcr.io".to_owned(),
            username: "eve".to_owned(),
            password: "/password".to_owned(),
        };
        let host = host.secret("/password", [SecretAnswer::value("line\n")]);
        let credentials = Credentials::new(Some(profile));
        for reference in ["ghcr.io/acme/app", "ghcr.io/acme/other"] {
            let found = find_in(&credentials, &host, reference).unwrap();
            assert_eq!(found, pair("eve", "line"));
        }
        // The credentials of one registry are for no other.
        for reference in ["quay.io/acme/app", "alpine"] {
            assert_eq!(find_in(&credentials, &host, reference).unwrap(), None);
        }
        let asked = |event: &sigtool_sdk::testing::Event| {
            matches!(event, sigtool_sdk::testing::Event::Secret(_))
        };
        assert_eq!(host.events().iter().filter(|e| asked(e)).count(), 1);
        assert!(host.leaks(b"secret").is_empty() && host.leaks(b"line").is_empty());
    }

    #[test]
    fn half_a_login_in_the_environment_is_an_error_that_names_the_other_half() {
        for (set, missing) in [
            (vec![USERNAME, PASSWORD], REGISTRY),
            (vec![USERNAME], REGISTRY),
            (vec![REGISTRY, USERNAME], PASSWORD),
            (vec![REGISTRY, PASSWORD], USERNAME),
        ] {
            let host = set
                .iter()
                .fold(host(), |h, name| h.variable(*name, Some("a.b")));
            let error = find(&host, "a.b/c").unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidConfig);
            assert!(error.message.contains(missing), "{error}");
        }
        let host = host().variable(REGISTRY, Some("ghcr.io"));
        assert_eq!(find(&host, "ghcr.io/a").unwrap(), None);
        // Half a login for another registry is not a reason not to use this one.
        let host = host.variable(USERNAME, Some("ann"));
        assert_eq!(find(&host, "quay.io/a").unwrap(), None);
    }

    #[test]
    fn a_malformed_file_is_an_error_that_names_it_and_shows_nothing_of_it() {
        for text in [
            r#"{"auths":{"ghcr.io":{"auth":"hunter2"}}}"#,
            r#"{"auths":{"ghcr.io":{"auth":7}}, "x": "hunter2"}"#,
            r#"{"auths":"hunter2"}"#,
            "hunter2",
        ] {
            let (folder, host) = with_file(text);
            let error = find(&host, "ghcr.io/acme/app").unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidConfig);
            let file = folder.path().join("config.json");
            assert!(error.message.contains(file.to_str().unwrap()), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        for text in [
            "",
            "{}",
            r#"{"auths":null,"HttpHeaders":{}}"#,
            r#"{"auths":{"ghcr.io":{}}}"#,
        ] {
            let (_folder, host) = with_file(text);
            assert_eq!(find(&host, "ghcr.io/acme/app").unwrap(), None, "{text}");
        }
    }

    #[test]
    fn a_helper_is_run_once_and_what_it_says_is_kept_secret() {
        let folder = tempfile::tempdir().unwrap();
        let helper = |name: &str, script: &str| {
            let path = folder.path().join(format!("docker-credential-{name}"));
            let count = format!("echo >> {}/{name}.runs", folder.path().display());
            std::fs::write(
                &path,
                format!("#!/bin/sh\nread server\n{count}\n{script}\n"),
            )
            .unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        };
        helper(
            "good",
            r#"echo "{\"Username\":\"$server\",\"Secret\":\"pw\"}""#,
        );
        helper("token", r#"echo '{"Username":"<token>","Secret":"idt"}'"#);
        helper(
            "none",
            "echo credentials not found in native keychain; exit 1",
        );
        helper("bad", "echo hunter2; echo the vault is locked >&2; exit 1");
        helper("odd", "echo hunter2");
        let runs = |name: &str| {
            let runs = std::fs::read_to_string(folder.path().join(format!("{name}.runs")));
            runs.map_or(0, |text| text.lines().count())
        };
        let (_file, host) = with_file(
            r#"{"auths":{"stored.example":{"auth":"YW5uOm9sZA=="},"n.example":{"auth":"YW5uOm9sZA=="}},"credsStore":"good","credHelpers":{"t.example":"token","n.example":"none","b.example":"bad","o.example":"odd","m.example":"missing","x.example":"../x"}}"#,
        );
        // Of an empty entry and a relative one it would depend on where sigtool is run.
        let path = format!(":bin:{}", folder.path().display());
        let host = host.variable("PATH", Some(&path));
        let credentials = Credentials::new(None);
        let find = |text: &str| find_in(&credentials, &host, text);
        for repository in ["stored.example/a", "stored.example/b"] {
            assert_eq!(find(repository).unwrap(), pair("stored.example", "pw"));
        }
        assert_eq!(runs("good"), 1);
        let hub = "https://index.docker.io/v1/";
        assert_eq!(find("alpine").unwrap(), pair(hub, "pw"));
        assert_eq!(find("t.example/a").unwrap(), pair("token", "idt"));
        // One that has none is none, and the next place is asked.
        assert_eq!(find("n.example/a").unwrap(), pair("n.example", "pw"));
        for (registry, name, why) in [
            ("b.example", "bad", "the vault is locked"),
            ("o.example", "odd", "malformed"),
            ("m.example", "missing", "PATH"),
            ("x.example", "../x", "not the name"),
        ] {
            for repository in ["a", "b"] {
                let error = find(&format!("{registry}/{repository}")).unwrap_err();
                assert!(error.message.contains(name), "{error}");
                assert!(error.to_string().contains(why), "{error}");
                assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            }
        }
        assert_eq!(runs("bad"), 1);
        // An entry of the file is what is left where the store has none, or cannot be asked.
        for store in ["none", "bad", "missing"] {
            let text = format!(
                r#"{{"auths":{{"e.example":{{"auth":"{}"}}}},"credsstore":"{store}"}}"#,
                auth("old")
            );
            let (_file, host) = with_file(&text);
            let host = host.variable("PATH", Some(&path));
            assert_eq!(
                find_in(&Credentials::new(None), &host, "e.example/a").unwrap(),
                pair("ann", "old")
            );
            let other = find_in(&Credentials::new(None), &host, "f.example/a");
            assert_eq!(other.is_err(), store != "none");
        }
    }
}
