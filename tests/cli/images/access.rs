//! Who is let in, and which way: credentials, tokens, TLS and proxies. After each run it is searched for secrets, on the screen and in files.

mod ways;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sigtool_sdk::testing::contains_secret;
use sigtool_tests::certificates::Authority;
use sigtool_tests::peers::Said;
use sigtool_tests::proxy::{Fault, FaultProxy, Matcher};
use sigtool_tests::registry::{Clients, Docker, Registry};
use sigtool_tests::{Bystander, Sandbox, keys, tokens};
use snapbox::str;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

const USER: &str = "ann";

/// The password of the registry: nothing else has these letters.
const PASSWORD: &str = "canary-Rk3vTq90-registry";

/// One that is not the registry's.
const WRONG: &str = "canary-Jm5xLp17-mistaken";

/// What nobody may see, however it is written.
const SECRETS: [&str; 5] = [
    PASSWORD,
    WRONG,
    tokens::PASSWORD,
    tokens::REFRESH_TOKEN,
    // How each token begins.
    "eyJhbGci",
];

/// How one logs in, as people are told; told whole where that is what a test is about, and elsewhere `[HOW TO LOG IN]`.
const HOW_TO_LOG_IN: &str = "hint: log in with `docker login [HOST]`
  hint: or set `registry = \"[HOST]\"`, `username` and `password` in the profile's `source`";

/// Someone with the key `a`, and what they have been given to be let in.
struct Person {
    sandbox: Sandbox,
    environment: Vec<(String, String)>,
    /// The files that hold secrets because their owner has put them there.
    own: RefCell<Vec<PathBuf>>,
}

impl Person {
    fn new() -> Self {
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
        keys::put(&sandbox);
        Self {
            sandbox,
            environment: Vec::new(),
            own: RefCell::default(),
        }
    }

    /// With a variable.
    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// With a file of their own below the sandbox, such as `home/.docker/config.json`.
    fn with_file(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        self.own.borrow_mut().push(path);
        self
    }

    /// With a configuration of their own.
    fn with_config(self, toml: &str) -> Self {
        self.with_file("home/.config/sigtool/config.toml", toml)
    }

    /// With the program `docker-credential-NAME`, a shell script, in `PATH`.
    fn with_helper(mut self, name: &str, script: &str) -> Self {
        // What it is asked is read first, as helpers do.
        let script = format!("#!/bin/sh\nread -r server\n{script}\n");
        let draft = format!("tools/{name}.draft");
        self = self.with_file(&draft, &script);
        let draft = self.path(&draft);
        let program = self.path(&format!("tools/docker-credential-{name}"));
        // By another process: a file that this one has open for writing may not run while another test starts its own.
        let install = Command::new("install").arg(&draft).arg(&program).status();
        assert!(install.unwrap().success());
        self.own.borrow_mut().push(program);
        let tools = self.path("tools").display().to_string();
        let path = std::env::var("PATH").unwrap();
        self.environment.retain(|(name, _)| name != "PATH");
        self.with("PATH", format!("{tools}:{path}"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.root().join(name)
    }

    /// Runs sigtool, and searches for secrets what it says and leaves behind.
    fn run(&self, arguments: &[&str]) -> Said {
        let command = self.sandbox.sigtool().args(arguments);
        let environment = self.environment.iter();
        let command = environment.fold(command, |command, (name, value)| command.env(name, value));
        let said: Said = command.output().unwrap().into();
        for secret in SECRETS {
            let secret = secret.as_bytes();
            assert!(
                !contains_secret(said.text.as_bytes(), secret),
                "{arguments:?} told a secret: {said}"
            );
            let mut found = self.sandbox.files_that_hold(secret);
            found.retain(|path| !self.own.borrow().contains(path));
            assert!(found.is_empty(), "{arguments:?} left a secret in {found:?}");
        }
        said
    }

    fn sign(&self, image: &str) -> Said {
        self.run(&["sign", "-vv", "--attach", "--key=a.key", image])
    }

    fn verify(&self, image: &str) -> Said {
        self.run(&["verify", "-vv", "--key=a.pub", image])
    }

    /// What `verify` says of an image, without the trace, with `[HOST]` in the registry's place.
    fn told(&self, image: &str) -> String {
        let said = self.run(&["verify", "--key=a.pub", image]);
        let (host, _) = image.split_once('/').unwrap();
        let text = said.text.replace(host, "[HOST]");
        let text = text.replace(&self.sandbox.root().display().to_string(), "[ROOT]");
        format!("exit code {}\n{text}", said.code.unwrap_or(-1))
    }

    /// The same without the words of how to log in.
    fn told_briefly(&self, image: &str) -> String {
        self.told(image).replace(HOW_TO_LOG_IN, "[HOW TO LOG IN]")
    }
}

fn basic(user: &str, password: &str) -> String {
    STANDARD.encode(format!("{user}:{password}"))
}

/// A file of credentials as Docker and Podman write it.
fn logins(entries: &[(&str, Value)]) -> String {
    let entries: serde_json::Map<String, Value> = entries
        .iter()
        .map(|(name, entry)| ((*name).to_owned(), entry.clone()))
        .collect();
    json!({ "auths": entries }).to_string()
}

/// The entry of the right user and the right password.
fn right() -> Value {
    json!({ "auth": basic(USER, PASSWORD) })
}

/// A registry that asks who one is, with the image `team/app:v1`.
fn locked() -> Option<(Registry, String)> {
    let registry = Registry::docker_with_auth(USER, PASSWORD)?;
    registry.push_image("team/app", "v1", "app");
    let image = format!("{}/team/app:v1", registry.host());
    Some((registry, image))
}

/// The profile's source for this registry.
fn source(registry: &str, password: &str) -> String {
    format!(
        "[profile.default]\nsource = {{ backend = \"oci\", registry = \"{registry}\", username = \"{USER}\", password = {password} }}\n"
    )
}

/// The script of a helper that knows one registry and writes down what it is asked.
fn helper(host: &str, user: &str, password: &str) -> String {
    let answer = json!({ "ServerURL": host, "Username": user, "Secret": password });
    format!(
        "echo \"$1 $server\" >> \"$TMPDIR/asked\"\nif [ \"$server\" = '{host}' ]; then echo '{answer}'; else echo 'credentials not found in native keychain'; exit 1; fi"
    )
}

/// A way to give credentials, and someone who gives them that way.
type Way = (&'static str, Box<dyn Fn(&str) -> Person + Sync>);

/// Every place where the credentials for a registry may be.
fn ways() -> Vec<Way> {
    fn way(name: &'static str, give: impl Fn(&str) -> Person + Sync + 'static) -> Way {
        (name, Box::new(give))
    }
    let mut ways = vec![
        way("Docker's file", |host| {
            Person::new().with_file("home/.docker/config.json", &logins(&[(host, right())]))
        }),
        way("a user and a password in Docker's file", |host| {
            let entry = json!({ "username": USER, "password": PASSWORD });
            Person::new().with_file("home/.docker/config.json", &logins(&[(host, entry)]))
        }),
        way("DOCKER_CONFIG", |host| {
            let person = Person::new().with_file("else/config.json", &logins(&[(host, right())]));
            let folder = person.path("else").display().to_string();
            person.with("DOCKER_CONFIG", folder)
        }),
        way("DOCKER_AUTH_CONFIG", |host| {
            Person::new().with("DOCKER_AUTH_CONFIG", logins(&[(host, right())]))
        }),
        way("REGISTRY_AUTH_FILE", |host| {
            let person = Person::new().with_file("else/auth.json", &logins(&[(host, right())]));
            let file = person.path("else/auth.json").display().to_string();
            person.with("REGISTRY_AUTH_FILE", file)
        }),
        way("Podman's file of this session", |host| {
            Person::new().with_file("run/containers/auth.json", &logins(&[(host, right())]))
        }),
        way("Podman's file of the user", |host| {
            let file = "home/.config/containers/auth.json";
            Person::new().with_file(file, &logins(&[(host, right())]))
        }),
        way("a helper for this registry", |host| {
            let config = json!({ "credHelpers": { host: "test" } }).to_string();
            Person::new()
                .with_file("home/.docker/config.json", &config)
                .with_helper("test", &helper(host, USER, PASSWORD))
        }),
        way("a helper for all registries", |host| {
            // Docker leaves an empty entry for what the helper keeps.
            let config = json!({ "auths": { host: {} }, "credsStore": "test" }).to_string();
            Person::new()
                .with_file("home/.docker/config.json", &config)
                .with_helper("test", &helper(host, USER, PASSWORD))
        }),
        way(
            "a helper that knows nothing, and then Podman's file",
            |host| {
                let config = json!({ "credsStore": "test" }).to_string();
                Person::new()
                    .with_file("home/.docker/config.json", &config)
                    .with_helper("test", &helper("elsewhere:1", USER, PASSWORD))
                    .with_file("run/containers/auth.json", &logins(&[(host, right())]))
            },
        ),
        way("the environment", |host| {
            Person::new()
                .with("SIGTOOL_REGISTRY", host)
                .with("SIGTOOL_REGISTRY_USERNAME", USER)
                .with("SIGTOOL_REGISTRY_PASSWORD", PASSWORD)
        }),
        way("the profile and a variable", |host| {
            Person::new()
                .with_config(&source(host, "{ env = \"MY_PASSWORD\" }"))
                .with("MY_PASSWORD", PASSWORD)
        }),
        way("the profile and a file", |host| {
            let person = Person::new().with_file("else/password", &format!("{PASSWORD}\n"));
            let only_mine = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(person.path("else/password"), only_mine).unwrap();
            let file = person.path("else/password").display().to_string();
            person.with_config(&source(host, &format!("{{ file = \"{file}\" }}")))
        }),
        way("the environment, before a file", |host| {
            let wrong = json!({ "auth": basic(USER, WRONG) });
            Person::new()
                .with("SIGTOOL_REGISTRY", host)
                .with("SIGTOOL_REGISTRY_USERNAME", USER)
                .with("SIGTOOL_REGISTRY_PASSWORD", PASSWORD)
                .with_file("home/.docker/config.json", &logins(&[(host, wrong)]))
        }),
        way("the profile, before all others", |host| {
            let wrong = json!({ "auth": basic(USER, WRONG) });
            Person::new()
                .with_config(&source(host, "{ env = \"MY_PASSWORD\" }"))
                .with("MY_PASSWORD", PASSWORD)
                .with("SIGTOOL_REGISTRY", host)
                .with("SIGTOOL_REGISTRY_USERNAME", USER)
                .with("SIGTOOL_REGISTRY_PASSWORD", WRONG)
                .with_file("home/.docker/config.json", &logins(&[(host, wrong)]))
        }),
    ];
    for key in [
        "HOST/team/app",
        "HOST/team",
        "https://HOST",
        "https://HOST/v1/",
        "https://HOST/v2/",
    ] {
        ways.push(way(key, move |host| {
            let key = key.replace("HOST", host);
            Person::new().with_file("home/.docker/config.json", &logins(&[(&key, right())]))
        }));
    }
    for (key, wrong) in [
        ("HOST/team/app", "HOST/team"),
        ("HOST/team", "HOST"),
        ("HOST/team/app", "HOST"),
    ] {
        ways.push(way("the nearest entry", move |host| {
            let [key, wrong] = [key, wrong].map(|name| name.replace("HOST", host));
            let mistaken = json!({ "auth": basic(USER, WRONG) });
            let file = logins(&[(&wrong, mistaken), (&key, right())]);
            Person::new().with_file("run/containers/auth.json", &file)
        }));
    }
    ways
}

#[test]
fn credentials_are_taken_from_wherever_they_are_kept() {
    let Some((registry, image)) = locked() else {
        return;
    };
    let mut wrong = Vec::new();
    for (name, give) in ways() {
        let person = give(&registry.host());
        for said in [person.sign(&image), person.verify(&image)] {
            if !said.is_success() {
                wrong.push(format!("{name}: {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn credentials_for_a_part_of_a_registry_are_for_nothing_else_there() {
    let Some((registry, image)) = locked() else {
        return;
    };
    let host = registry.host();
    registry.push_image("team", "v1", "team");
    registry.push_image("teams/app", "v1", "teams");
    let file = logins(&[(&format!("{host}/team/app"), right())]);
    let person = Person::new().with_file("home/.docker/config.json", &file);
    person.sign(&image).expect_success("its own part");
    for other in ["team:v1", "teams/app:v1"] {
        let said = person.verify(&format!("{host}/{other}"));
        assert_eq!(said.code, Some(3), "{other}: {said}");
    }
}

#[test]
fn without_credentials_one_is_told_how_to_log_in() {
    let Some((_registry, image)) = locked() else {
        return;
    };
    snapbox::assert_data_eq!(
        Person::new().told(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: `[HOST]` answered 401 Unauthorized: UNAUTHORIZED: authentication required
  caused by: no credentials for it are known
  hint: log in with `docker login [HOST]`
  hint: or set `registry = "[HOST]"`, `username` and `password` in the profile's `source`

"#]]
    );
    let said = Person::new().sign(&image);
    assert_eq!(said.code, Some(3), "{said}");
}

#[test]
fn with_the_wrong_password_one_is_told_where_it_is_kept() {
    let Some((registry, image)) = locked() else {
        return;
    };
    let host = &registry.host();
    let mistaken = logins(&[(host, json!({ "auth": basic(USER, WRONG) }))]);
    let with_file = Person::new().with_file("home/.docker/config.json", &mistaken);
    snapbox::assert_data_eq!(
        with_file.told_briefly(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: `[HOST]` answered 401 Unauthorized: UNAUTHORIZED: authentication required
  caused by: the credentials of `[ROOT]/home/.docker/config.json` are not accepted
  [HOW TO LOG IN]

"#]]
    );
    let with_variable = Person::new().with("DOCKER_AUTH_CONFIG", mistaken);
    snapbox::assert_data_eq!(
        with_variable.told_briefly(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: `[HOST]` answered 401 Unauthorized: UNAUTHORIZED: authentication required
  caused by: the credentials of `DOCKER_AUTH_CONFIG` are not accepted
  [HOW TO LOG IN]

"#]]
    );
    let with_profile = Person::new()
        .with_config(&source(host, "{ env = \"MY_PASSWORD\" }"))
        .with("MY_PASSWORD", WRONG);
    snapbox::assert_data_eq!(
        with_profile.told_briefly(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: `[HOST]` answered 401 Unauthorized: UNAUTHORIZED: authentication required
  caused by: the credentials of the profile are not accepted
  [HOW TO LOG IN]

"#]]
    );
    let in_environment = Person::new()
        .with("SIGTOOL_REGISTRY", host)
        .with("SIGTOOL_REGISTRY_USERNAME", USER)
        .with("SIGTOOL_REGISTRY_PASSWORD", WRONG);
    snapbox::assert_data_eq!(
        in_environment.told_briefly(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: `[HOST]` answered 401 Unauthorized: UNAUTHORIZED: authentication required
  caused by: the credentials of `SIGTOOL_REGISTRY_USERNAME` and `SIGTOOL_REGISTRY_PASSWORD` are not accepted
  [HOW TO LOG IN]

"#]]
    );
    for person in [with_file, with_variable, with_profile, in_environment] {
        let said = person.sign(&image);
        assert_eq!(said.code, Some(3), "{said}");
    }
}

#[test]
fn a_helper_that_cannot_help_is_named() {
    let Some((registry, image)) = locked() else {
        return;
    };
    let host = &registry.host();
    let with = |helper: &str, script: Option<&str>| {
        let config = json!({ "credHelpers": { host: helper } }).to_string();
        let person = Person::new().with_file("home/.docker/config.json", &config);
        match script {
            Some(script) => person.with_helper(helper, script),
            None => person,
        }
    };
    let fails = format!("echo '{PASSWORD}'; echo 'the keyring is locked' >&2; exit 1");
    let garbage = format!("echo 'not JSON, but {PASSWORD}'");
    let half = format!("echo '{{\"Secret\": \"{PASSWORD}\"}}'");
    let none = "echo 'credentials not found in native keychain'; exit 1";
    snapbox::assert_data_eq!(
        with("broken", Some(&fails)).told_briefly(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: `docker-credential-broken` gives no credentials for `[HOST]`
  caused by: it failed, and says `the keyring is locked`
  caused by: no credentials for it are known
  [HOW TO LOG IN]

"#]]
    );
    snapbox::assert_data_eq!(
        with("garbage", Some(&garbage)).told_briefly(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: `docker-credential-garbage` gives no credentials for `[HOST]`
  caused by: what it answers is malformed
  caused by: no credentials for it are known
  [HOW TO LOG IN]

"#]]
    );
    snapbox::assert_data_eq!(
        with("half", Some(&half)).told_briefly(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: `docker-credential-half` gives no credentials for `[HOST]`
  caused by: what it answers is malformed
  caused by: no credentials for it are known
  [HOW TO LOG IN]

"#]]
    );
    snapbox::assert_data_eq!(
        with("missing", None).told_briefly(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: `docker-credential-missing` gives no credentials for `[HOST]`
  caused by: it is not in `PATH`
  caused by: no credentials for it are known
  [HOW TO LOG IN]

"#]]
    );
    snapbox::assert_data_eq!(
        with("../tools/x", None).told(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: `../tools/x` is not the name of a credential helper

"#]]
    );
    // It works, and has nothing: as if there were none.
    snapbox::assert_data_eq!(
        with("empty", Some(none)).told_briefly(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: `[HOST]` answered 401 Unauthorized: UNAUTHORIZED: authentication required
  caused by: no credentials for it are known
  [HOW TO LOG IN]

"#]]
    );
}

#[test]
fn a_helper_is_asked_once_for_all_images() {
    let Some(registry) = Registry::docker_with_auth(USER, PASSWORD) else {
        return;
    };
    let host = registry.host();
    let config = json!({ "credsStore": "test" }).to_string();
    let person = Person::new()
        .with_file("home/.docker/config.json", &config)
        .with_helper("test", &helper(&host, USER, PASSWORD));
    let images: Vec<String> = (0..6)
        .map(|number| {
            let repository = format!("team/app{}", number % 3);
            let tag = format!("v{number}");
            registry.push_image(&repository, &tag, number);
            format!("{host}/{repository}:{tag}")
        })
        .collect();
    let mut arguments = vec!["sign", "--attach", "--key=a.key"];
    arguments.extend(images.iter().map(String::as_str));
    person.run(&arguments).expect_success("six images");
    let asked = std::fs::read_to_string(person.path("tmp/asked")).unwrap();
    assert_eq!(asked, format!("get {host}\n"));
}

#[test]
fn a_malformed_file_of_credentials_is_named_and_not_quoted() {
    let Some((registry, image)) = locked() else {
        return;
    };
    let host = &registry.host();
    let no_base64 = logins(&[(host, json!({ "auth": PASSWORD }))]);
    let no_colon = logins(&[(host, json!({ "auth": STANDARD.encode(PASSWORD) }))]);
    let no_json = format!("{{ \"auths\": {PASSWORD} }}");
    for text in [&no_base64, &no_colon, &no_json] {
        let person = Person::new().with_file("home/.docker/config.json", text);
        let said = person.told(&image);
        assert!(said.starts_with("exit code 3"), "{said}");
        assert!(said.contains("[ROOT]/home/.docker/config.json"), "{said}");
    }
}

#[test]
fn half_of_the_variables_is_a_mistake_and_goes_nowhere() {
    let Some((registry, image)) = locked() else {
        return;
    };
    let host = &registry.host();
    let without_registry = Person::new()
        .with("SIGTOOL_REGISTRY_USERNAME", USER)
        .with("SIGTOOL_REGISTRY_PASSWORD", PASSWORD);
    snapbox::assert_data_eq!(
        without_registry.told(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: `SIGTOOL_REGISTRY_USERNAME` is set, and `SIGTOOL_REGISTRY` is not
  hint: set `SIGTOOL_REGISTRY` to the host that they are for

"#]]
    );
    let without_password = Person::new()
        .with("SIGTOOL_REGISTRY", host)
        .with("SIGTOOL_REGISTRY_USERNAME", USER);
    snapbox::assert_data_eq!(
        without_password.told(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: `SIGTOOL_REGISTRY_USERNAME` is set, and `SIGTOOL_REGISTRY_PASSWORD` is not
  hint: set `SIGTOOL_REGISTRY_PASSWORD` to the password or the access token

"#]]
    );
    let no_host = Person::new()
        .with("SIGTOOL_REGISTRY", format!("http://{host}/"))
        .with("SIGTOOL_REGISTRY_USERNAME", USER)
        .with("SIGTOOL_REGISTRY_PASSWORD", PASSWORD);
    snapbox::assert_data_eq!(
        no_host.told(&image),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: `SIGTOOL_REGISTRY` is `http://[HOST]/`, which is not a host

"#]]
    );
    let config =
        format!("[profile.default]\nsource = {{ backend = \"oci\", username = \"{USER}\" }}\n");
    let half_a_profile = Person::new().with_config(&config);
    snapbox::assert_data_eq!(
        half_a_profile.told(&image),
        str![[r#"
exit code 3
error: `username` without `registry`
 --> ~/.config/sigtool/config.toml:2:40
  |
2 | source = { backend = "oci", username = "ann" }
  |                                        ^^^^^
  hint: set all three of `registry`, `username` and `password`, or none

"#]]
    );
}

/// Credentials for one registry are sent to no other, even if it asks.
#[test]
fn credentials_for_one_registry_go_to_no_other() {
    let Some((registry, image)) = locked() else {
        return;
    };
    let open = Registry::docker();
    let Some(open) = open else { return };
    let other = FaultProxy::before(&open);
    let asks = vec![("WWW-Authenticate", "Basic realm=\"other\"".to_owned())];
    other.fault(Matcher::any(), Fault::Status(401, asks, String::new()));
    let bystander = Bystander::at("127.0.0.2");
    for (name, give) in ways() {
        let person = give(&registry.host());
        let said = person.verify(&format!("{}/team/app:v1", other.host()));
        assert_eq!(said.code, Some(3), "{name}: {said}");
        let said = person.verify(&format!("{}/team/app:v1", bystander.host()));
        assert_eq!(said.code, Some(2), "{name}: {said}");
        // Both in one run.
        let there = format!("{}/team/app:v1", other.host());
        let said = person.run(&["verify", "-vv", "--key=a.pub", &image, &there]);
        assert!(!said.is_success(), "{name}: {said}");
    }
    assert!(!other.requests().is_empty() && !bystander.requests().is_empty());
    for seen in other.requests() {
        assert_eq!(seen.headers.value("Authorization"), None, "{seen:?}");
    }
    for seen in bystander.requests() {
        assert_eq!(seen.headers.value("Authorization"), None, "{seen:?}");
    }
}

#[test]
fn nobody_is_told_a_password_who_has_not_asked() {
    let Some(registry) = Registry::docker() else {
        return;
    };
    registry.push_image("app", "v1", "app");
    let proxy = FaultProxy::before(&registry);
    let host = proxy.host();
    let file = logins(&[(&host, right())]);
    let person = Person::new().with_file("home/.docker/config.json", &file);
    person
        .sign(&format!("{host}/app:v1"))
        .expect_success("an open registry");
    for seen in proxy.requests() {
        assert_eq!(seen.headers.value("Authorization"), None, "{seen:?}");
    }
}

/// The registry of a token server, with images in these repositories.
fn with_tokens(repositories: &[&str]) -> Option<Registry> {
    let registry = Registry::docker_with_tokens()?;
    for repository in repositories {
        registry.push_image(repository, "v1", repository);
    }
    Some(registry)
}

/// The scopes that tokens were asked for.
fn scopes(registry: &Registry) -> Vec<String> {
    let requests = registry.tokens().unwrap().requests();
    requests
        .iter()
        .map(|request| {
            let body = String::from_utf8_lossy(&request.body);
            let form = match request.path.split_once('?') {
                Some((_, query)) => query,
                None => &*body,
            };
            let scope = form.split('&').find(|field| field.starts_with("scope="));
            let scope = scope.unwrap().replace("%3A", ":").replace("%2C", ",");
            scope.replace("%2F", "/")["scope=".len()..].to_owned()
        })
        .collect()
}

fn robot() -> Value {
    json!({ "username": tokens::USER, "password": tokens::PASSWORD })
}

#[test]
fn a_token_is_asked_for_once_for_each_repository_and_each_thing_to_do() {
    let repositories = ["team/a", "team/b"];
    let Some(registry) = with_tokens(&repositories) else {
        return;
    };
    let host = registry.host();
    let mut arguments = vec!["sign".to_owned(), "-vv".to_owned(), "--attach".to_owned()];
    arguments.push("--key=a.key".to_owned());
    for number in 0..20 {
        let (repository, tag) = (repositories[number % 2], format!("t{number}"));
        registry.push_image(repository, &tag, number);
        arguments.push(format!("{host}/{repository}:{tag}"));
    }
    let person = Person::new().with("DOCKER_AUTH_CONFIG", logins(&[(&host, robot())]));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    person.run(&arguments).expect_success("20 images");
    let asked = scopes(&registry);
    let distinct: BTreeSet<&String> = asked.iter().collect();
    assert_eq!(asked.len(), distinct.len(), "{asked:?}");
    let expected = [
        "repository:team/a:pull",
        "repository:team/a:pull,push",
        "repository:team/b:pull",
        "repository:team/b:pull,push",
    ];
    assert!(
        distinct
            .iter()
            .all(|scope| expected.contains(&scope.as_str())),
        "{asked:?}"
    );
}

#[test]
fn reading_asks_for_no_token_to_write() {
    let Some(registry) = with_tokens(&["team/app"]) else {
        return;
    };
    let host = registry.host();
    let image = format!("{host}/team/app:v1");
    let person = Person::new().with("DOCKER_AUTH_CONFIG", logins(&[(&host, robot())]));
    let said = person.verify(&image);
    assert_eq!(said.code, Some(1), "{said}");
    assert_eq!(scopes(&registry), ["repository:team/app:pull"]);
    // What is signed again is replaced, or stays with a remark.
    person.sign(&image).expect_success("a token");
    person.sign(&image).expect_success("a token");
    person.verify(&image).expect_success("a token");
}

#[test]
fn an_identity_token_is_exchanged() {
    let Some(registry) = with_tokens(&["team/app"]) else {
        return;
    };
    let host = &registry.host();
    let image = format!("{host}/team/app:v1");
    let entry = json!({ "auth": basic("00000000", ""), "identitytoken": tokens::REFRESH_TOKEN });
    let helpers = json!({ "credHelpers": { host: "test" } }).to_string();
    for person in [
        Person::new().with_file("home/.docker/config.json", &logins(&[(host, entry)])),
        Person::new()
            .with_file("home/.docker/config.json", &helpers)
            .with_helper("test", &helper(host, "<token>", tokens::REFRESH_TOKEN)),
    ] {
        let before = registry.tokens().unwrap().requests().len();
        person.sign(&image).expect_success("an identity token");
        person.verify(&image).expect_success("an identity token");
        let requests = registry.tokens().unwrap().requests();
        assert!(requests.len() > before);
        for request in &requests[before..] {
            let body = String::from_utf8_lossy(&request.body);
            assert_eq!(request.method, "POST", "{request:?}");
            assert!(body.contains("grant_type=refresh_token"), "{body}");
            assert_eq!(request.headers.value("Authorization"), None);
        }
    }
}

#[test]
fn a_token_server_that_refuses_is_told_of() {
    let Some(registry) = with_tokens(&["team/app"]) else {
        return;
    };
    let host = &registry.host();
    let image = format!("{host}/team/app:v1");
    let told = |person: Person| {
        let server = registry.tokens().unwrap().realm();
        let server = server
            .trim_start_matches("http://")
            .trim_end_matches("/token");
        person.told_briefly(&image).replace(server, "[TOKENS]")
    };
    snapbox::assert_data_eq!(
        told(Person::new()),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: cannot log in to `[HOST]`
  caused by: `[TOKENS]` answered 401 Unauthorized
  caused by: no credentials for it are known
  [HOW TO LOG IN]

"#]]
    );
    let mistaken = json!({ "username": tokens::USER, "password": WRONG });
    let mistaken = Person::new().with("DOCKER_AUTH_CONFIG", logins(&[(host, mistaken)]));
    snapbox::assert_data_eq!(
        told(mistaken),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: cannot log in to `[HOST]`
  caused by: `[TOKENS]` answered 401 Unauthorized
  caused by: the credentials of `DOCKER_AUTH_CONFIG` are not accepted
  [HOW TO LOG IN]

"#]]
    );
    let stale = json!({ "identitytoken": WRONG });
    let stale = Person::new().with("DOCKER_AUTH_CONFIG", logins(&[(host, stale)]));
    snapbox::assert_data_eq!(
        told(stale),
        str![[r#"
exit code 3
error: cannot verify `[HOST]/team/app:v1`
  caused by: cannot read `[HOST]/team/app:v1`
  caused by: cannot log in to `[HOST]`
  caused by: `[TOKENS]` answered 401 Unauthorized
  caused by: the credentials of `DOCKER_AUTH_CONFIG` are not accepted
  [HOW TO LOG IN]

"#]]
    );
}

#[test]
fn a_clone_chooses_neither_the_way_nor_the_source_nor_whom_to_trust() {
    let Some((registry, image)) = locked() else {
        return;
    };
    let host = registry.host();
    for (setting, named) in [
        ("[network]\nca_file = \"ca.pem\"\n", "network"),
        (
            "[network]\nhttp_proxy = \"http://127.0.0.1:1\"\n",
            "network",
        ),
        (
            "[profile.default]\nsource = { backend = \"oci\", plain_http = [\"example.com\"] }\n",
            "profile.default.source",
        ),
        (
            &*source(&host, "{ env = \"HOME\" }"),
            "profile.default.source",
        ),
    ] {
        let person = Person::new().with_file("here/.sigtool.toml", setting);
        for said in [person.sign(&image), person.verify(&image)] {
            assert_eq!(said.code, Some(3), "{setting}: {said}");
            let text = format!("a project's file may not set `{named}`");
            assert!(said.text.contains(&text), "{setting}: {said}");
        }
    }
    assert!(
        !registry.log().contains("GET /v2/team/app/manifests/v1"),
        "it was asked all the same"
    );
}
