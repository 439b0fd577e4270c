//! The configuration as its users meet it: files, variables and flags together.

use super::policy::Ceiling;
use super::profile::Log;
use super::*;
use crate::error::Failure;
use sigtool_core::Require;
use sigtool_sdk::Manifest;
use std::fs;

/// A machine with a user on it.
struct Machine {
    _root: tempfile::TempDir,
    inputs: Inputs,
}

const SIGNER: &str = r#"
manifest = 1
id = "cosign-key"
version = "1"
summary = "s"
kinds = ["signer"]
[config.signer]
key = { type = "key", required = true, summary = "the private key" }
password = { type = "secret" }
tries = { type = "integer" }
roots = { type = "path" }
names = { type = "strings" }
extra = { type = "table" }
"#;

const SOURCE: &str = r#"
manifest = 1
id = "local-stage"
version = "1"
summary = "s"
kinds = ["source"]
"#;

fn manifests(id: &str) -> Result<Option<Manifest>, CommandError> {
    Ok([SIGNER, SOURCE]
        .iter()
        .map(|text| Manifest::parse(text).unwrap())
        .find(|m| m.id == id))
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(root.path()).unwrap();
        let home = path.join("home");
        let working_dir = home.join("app/src");
        for folder in [
            &path.join("etc"),
            &home.join(".config/sigtool"),
            &working_dir,
        ] {
            fs::create_dir_all(folder).unwrap();
        }
        Self {
            inputs: Inputs {
                system_dir: path.join("etc"),
                user_file: Some(home.join(".config/sigtool/config.toml")),
                working_dir,
                home: Some(home),
                ..Inputs::default()
            },
            _root: root,
        }
    }

    fn home(&self) -> &Path {
        self.inputs.home.as_deref().unwrap()
    }

    fn user_file(&self) -> PathBuf {
        self.home().join(".config/sigtool/config.toml")
    }

    fn system(self, text: &str) -> Self {
        write(&self.inputs.system_dir.join("config.toml"), text);
        self
    }

    fn policy(self, text: &str) -> Self {
        write(&self.inputs.system_dir.join("policy.toml"), text);
        self
    }

    fn user(self, text: &str) -> Self {
        write(&self.user_file(), text);
        self
    }

    fn project(self, text: &str) -> Self {
        write(&self.home().join("app/.sigtool.toml"), text);
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.inputs.environment.insert(name.into(), value.into());
        self
    }

    fn config(mut self, text: &str) -> Self {
        self.inputs.overrides.push(text.into());
        self
    }

    fn flag(mut self, flag: &str, value: impl Into<toml::Value>) -> Self {
        let mut settings = schema::TOP.iter();
        let setting = settings.find(|setting| setting.flag == Some(flag));
        self.inputs.flags.push((setting.unwrap(), value.into()));
        self
    }

    fn load(&self) -> Config {
        Config::load(&self.inputs).unwrap()
    }

    fn error(&self) -> CommandError {
        Config::load(&self.inputs).unwrap_err()
    }

    fn profile(&self, name: &str) -> Result<Profile, CommandError> {
        self.load().profile(Some(name), &manifests)
    }

    fn set(&self, key: &str, value: &str) -> Result<String, CommandError> {
        let mut edit = Edit::open(&self.user_file(), self.inputs.home.as_deref())?;
        edit.set(key, value, &manifests)?;
        edit.save()?;
        Ok(fs::read_to_string(self.user_file()).unwrap())
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
}

fn marked(error: &CommandError) -> &str {
    let snippet = error.snippet.as_ref().unwrap();
    &snippet.text[snippet.span.clone()]
}

#[test]
fn a_machine_without_any_file_has_an_empty_profile() {
    let config = Machine::new().load();
    let profile = config.profile(None, &manifests).unwrap();
    assert!(profile.name.is_none() && profile.signer.is_none() && profile.verify.is_none());
    assert_eq!(profile.signature_format.value, Formats::Bundle);
    assert!(matches!(profile.log, Log::Off));
    assert!(!config.offline());
    assert_eq!(config.format(), Some(Format::Text));
    assert!(config.external_commands().value);
    let states: Vec<_> = config
        .paths()
        .iter()
        .map(|f| (f.layer.as_str(), &f.state))
        .collect();
    assert_eq!(
        states,
        ["system", "user", "project", "policy"].map(|layer| (layer, &FileState::Missing))
    );
}

#[test]
fn each_layer_covers_the_one_below_and_says_where_it_is() {
    let jobs = |machine: &Machine| {
        let config = machine.load();
        let origin = config.explain(Some("jobs"))[0].origin.to_string();
        (config.jobs().unwrap().get(), origin)
    };
    let etc = |m: &Machine| {
        m.inputs
            .system_dir
            .join("config.toml")
            .display()
            .to_string()
    };
    let machine = Machine::new().system("jobs = 1\n");
    assert_eq!(jobs(&machine), (1, format!("{}:1", etc(&machine))));
    let machine = machine.user("# mine\njobs = 2\n");
    assert_eq!(
        jobs(&machine),
        (2, "~/.config/sigtool/config.toml:2".into())
    );
    let machine = machine.project("jobs = 3\n");
    assert_eq!(jobs(&machine), (3, "~/app/.sigtool.toml:1".into()));
    let machine = machine.variable("SIGTOOL_JOBS", "4");
    assert_eq!(jobs(&machine), (4, "SIGTOOL_JOBS".into()));
    let machine = machine.config("jobs=5");
    assert_eq!(jobs(&machine), (5, "--config jobs".into()));
    let machine = machine.flag("--jobs", 6);
    assert_eq!(jobs(&machine), (6, "--jobs".into()));

    let explained = machine.load().explain(Some("jobs"));
    let overrode: Vec<_> = explained[0]
        .overrode
        .iter()
        .map(|o| o.value.as_str())
        .collect();
    assert_eq!(overrode, ["1", "2", "3", "4", "5"]);
}

#[test]
fn the_profile_is_chosen_by_flag_variable_project_user_and_default_in_this_order() {
    let chosen = |machine: &Machine, flag: Option<&str>| {
        machine.load().profile_chosen(flag).map(|name| name.value)
    };
    let machine = Machine::new();
    assert_eq!(chosen(&machine, None), None);
    let profiles = "[profile.default]\n[profile.user]\n[profile.project]\n[profile.variable]\n";
    let machine = machine.system(profiles);
    assert_eq!(chosen(&machine, None).as_deref(), Some("default"));
    let machine = machine.user("profile = \"user\"");
    assert_eq!(chosen(&machine, None).as_deref(), Some("user"));
    let machine = machine.project("profile = \"project\"");
    assert_eq!(chosen(&machine, None).as_deref(), Some("project"));
    let machine = machine.variable("SIGTOOL_PROFILE", "variable");
    assert_eq!(chosen(&machine, None).as_deref(), Some("variable"));
    assert_eq!(chosen(&machine, Some("flag")).as_deref(), Some("flag"));

    let error = machine
        .load()
        .profile(Some("varable"), &manifests)
        .unwrap_err();
    assert_eq!(error.message, "there is no profile `varable`");
    assert_eq!(error.hints, ["did you mean `variable`?"]);
    assert_eq!(error.failure, Failure::Input);
}

#[test]
fn a_choice_beside_its_profiles_is_called_default_profile() {
    let machine = Machine::new().user("default_profile = \"a\"\n[profile.a]\nattach = true\n");
    assert!(
        machine
            .load()
            .profile(None, &manifests)
            .unwrap()
            .attach
            .value
    );
    let error = Machine::new()
        .user("profile = \"a\"\n[profile.a]\nattach = true\n")
        .error();
    assert!(error.hints[0].contains("default_profile"));
    let error = Machine::new()
        .user("profile = \"a\"\ndefault_profile = \"b\"\n")
        .error();
    assert_eq!(
        error.message,
        "`profile` and `default_profile` say the same: keep one"
    );
}

#[test]
fn where_signatures_lie_is_a_repository_and_not_a_projects_to_choose() {
    let text = |repository: &str| format!("[profile.a]\nattach_to = \"{repository}\"\n");
    let machine = Machine::new().user(&text("ghcr.io/acme/signatures"));
    let found = machine.profile("a").unwrap().attach_to.unwrap();
    assert_eq!(found.value.to_string(), "ghcr.io/acme/signatures");
    assert_eq!(found.origin.to_string(), "~/.config/sigtool/config.toml:2");

    let error = Machine::new().user(&text("ghcr.io/acme/app:1.2")).error();
    assert!(
        error.message.contains("`profile.a.attach_to` cannot be"),
        "{error:?}"
    );
    let error = Machine::new().project(&text("ghcr.io/mallory/app")).error();
    let refused = "a project's file may not set `profile.a.attach_to`";
    assert!(error.message.contains(refused), "{error:?}");
}

#[test]
fn a_profile_inherits_and_covers() {
    let machine = Machine::new().user(
        r#"
[profile.base]
signature_format = "cosign"
attach = false
annotations = { team = "a", stage = "none" }
signer = { backend = "cosign-key", key = "base.key", tries = 3 }
[profile.prod]
inherits = "base"
attach = true
annotations = { stage = "prod" }
signer.key = "keyring:release"
signer.password = { prompt = "Key password" }
"#,
    );
    let profile = machine.profile("prod").unwrap();
    assert!(profile.attach.value);
    assert_eq!(profile.signature_format.value, Formats::Cosign);
    assert_eq!(
        profile.signature_format.origin.to_string(),
        "~/.config/sigtool/config.toml:3"
    );
    assert_eq!(profile.annotations["team"].value, "a");
    assert_eq!(profile.annotations["stage"].value, "prod");
    let signer = profile.signer.unwrap();
    assert_eq!(signer.backend.value, "cosign-key");
    assert_eq!(signer.settings["tries"].value, SettingValue::Integer(3));
    let password = SecretReference::Prompt("Key password".into());
    assert_eq!(
        signer.settings["password"].value,
        SettingValue::Secret(password)
    );
    let SettingValue::Key(KeyText { text, .. }) = &signer.settings["key"].value else {
        panic!("no key");
    };
    assert_eq!(text, "keyring:release");

    let explained = machine.load().explain(Some("profile.prod.signer"));
    let rows: Vec<_> = explained
        .iter()
        .map(|e| format!("{} = {} {:?}", e.key, e.value, e.inherited))
        .collect();
    assert_eq!(
        rows,
        [
            "profile.prod.signer.backend = \"cosign-key\" Some(\"base\")",
            "profile.prod.signer.key = \"keyring:release\" None",
            "profile.prod.signer.password.prompt = \"Key password\" None",
            "profile.prod.signer.tries = 3 Some(\"base\")",
        ]
    );
    assert_eq!(explained[1].overrode[0].value, "\"base.key\"");
}

#[test]
fn a_circle_of_profiles_is_shown_as_a_chain() {
    let machine = Machine::new().user(
        "[profile.a]\ninherits = \"b\"\n[profile.b]\ninherits = \"c\"\n[profile.c]\ninherits = \"b\"\n",
    );
    let error = machine.profile("a").unwrap_err();
    assert_eq!(error.message, "the profile `b` inherits from itself");
    assert_eq!(error.causes, ["a → b → c → b"]);
    assert_eq!(marked(&error), "\"b\"");
    assert_eq!(error.failure, Failure::CouldNotTell);
    assert!(
        machine
            .load()
            .explain(Some("profile.a"))
            .iter()
            .any(|e| e.key == "profile.a.inherits")
    );
}

#[test]
fn a_missing_ancestor_is_named_with_its_heir() {
    let machine = Machine::new().user("[profile.base]\n[profile.a]\ninherits = \"bas\"\n");
    let error = machine.profile("a").unwrap_err();
    assert_eq!(
        error.message,
        "there is no profile `bas`, which `a` inherits from"
    );
    assert_eq!(error.hints, ["did you mean `base`?"]);
}

#[test]
fn a_setting_that_the_backend_does_not_have_is_shown_with_the_right_one() {
    let machine = Machine::new()
        .user("[profile.a.signer]\nbackend = \"cosign-key\"\nkey = \"k\"\npaswort = \"hunter2\"\n");
    let error = machine.profile("a").unwrap_err();
    assert_eq!(
        error.message,
        "the backend `cosign-key` has no setting `paswort`"
    );
    assert_eq!(error.hints, ["did you mean `password`?"]);
    assert_eq!(marked(&error), "paswort");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[test]
fn settings_have_the_types_of_the_manifest() {
    for (line, message) in [
        (
            "key = 1",
            "`profile.a.signer.key` takes a string, this is a whole number",
        ),
        (
            "tries = \"3\"",
            "`profile.a.signer.tries` takes a whole number, this is a string",
        ),
        (
            "names = \"a\"",
            "`profile.a.signer.names` takes a list of strings, this is a string",
        ),
        (
            "extra = 1",
            "`profile.a.signer.extra` takes a table, this is a whole number",
        ),
        ("roots = \"\"", "`profile.a.signer.roots` is empty"),
        (
            "tries = 1",
            "`profile.a.signer` lacks `key`, which the backend `cosign-key` needs",
        ),
    ] {
        let text = format!("[profile.a.signer]\nbackend = \"cosign-key\"\n{line}\n");
        let error = Machine::new().user(&text).profile("a").unwrap_err();
        assert_eq!(error.message, message);
        assert!(error.snippet.is_some());
    }
}

#[test]
fn a_backend_must_be_there_and_serve_the_kind() {
    let error = |text: &str| Machine::new().user(text).profile("a").unwrap_err();
    let wrong = error("[profile.a.signer]\nbackend = \"cosign-kye\"\n");
    assert_eq!(wrong.message, "there is no backend `cosign-kye`");
    assert_eq!(wrong.hints, ["did you mean `cosign-key`?"]);
    assert_eq!(marked(&wrong), "\"cosign-kye\"");

    let absent = error("[profile.a.signer]\nbackend = \"dev.acme.hsm\"\n");
    assert_eq!(
        absent.hints,
        [
            "record a third-party backend with `sigtool backend pin PATH`",
            "backends for signer: cosign-key"
        ]
    );
    let other = error("[profile.a.signer]\nbackend = \"local-stage\"\n");
    assert_eq!(
        other.message,
        "the backend `local-stage` cannot be a signer"
    );
    let none = error("[profile.a.signer]\nkey = \"k\"\n");
    assert_eq!(none.message, "`profile.a.signer` names no backend");
    assert_eq!(none.hints, ["backends for it: cosign-key"]);
}

#[test]
fn a_written_out_secret_is_refused_and_not_repeated() {
    for value in [
        "\"hunter2\"",
        "'hunter2'",
        "[\"hunter2\"]",
        "{ value = \"hunter2\" }",
        "{ env = \"a=hunter2\" }",
    ] {
        let text = format!(
            "[profile.a]\nsigner = {{ backend = \"cosign-key\", key = \"k\", password = {value} }}\n"
        );
        let error = Machine::new().user(&text).profile("a").unwrap_err();
        assert!(
            error.hints[0].contains("`password = { prompt = \"TEXT\" }`"),
            "{error:?}"
        );
        assert!(
            !format!("{error:?}").contains("hunter2"),
            "{value}: {error:?}"
        );
        assert_eq!(error.failure, Failure::CouldNotTell);
    }
    let machine = Machine::new()
        .user("[profile.a.signer]\nbackend = \"cosign-key\"\nkey = \"k\"\n")
        .config("profile.a.signer.password=hunter2");
    let error = machine.profile("a").unwrap_err();
    assert_eq!(error.failure, Failure::Input);
    assert!(!format!("{error:?}").contains("hunter2"));
    let explained = machine.load().explain(None);
    assert!(!format!("{explained:?}").contains("hunter2"));
}

#[test]
fn paths_resolve_against_the_file_that_holds_them() {
    let machine = Machine::new()
        .user("[profile.a.signer]\nbackend = \"cosign-key\"\nkey = \"keys/a.key\"\nroots = \"~/roots\"\npassword = { file = \"pw\" }\n")
        .config("named.toml");
    write(
        &machine.home().join("app/src/named.toml"),
        "[profile.a.signer]\nkey = \"./b.key\"\n",
    );
    let path = |machine: &Machine, key: &str| {
        let signer = machine.profile("a").unwrap().signer.unwrap();
        match &signer.settings[key].value {
            SettingValue::Key(key) => key.path().unwrap(),
            SettingValue::Secret(SecretReference::File(path)) | SettingValue::Path(path) => {
                path.clone()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(path(&machine, "key"), machine.home().join("app/src/b.key"));
    assert_eq!(path(&machine, "roots"), machine.home().join("roots"));
    assert_eq!(
        path(&machine, "password"),
        machine.home().join(".config/sigtool/pw")
    );
    let machine = machine.config("profile.a.signer.key=c.key");
    assert_eq!(path(&machine, "key"), machine.home().join("app/src/c.key"));
}

#[test]
fn verify_lists_keys_and_identities_and_never_all_of_nothing() {
    let verify = |text: &str| {
        Machine::new()
            .user(&format!("[profile.a.verify]\n{text}\n"))
            .profile("a")
            .map(|p| p.verify)
    };
    let both = verify(
        "keys = [\"a.pub\"]\nidentities = [{ subject = \"s\", issuer = \"i\" }]\nrequire = \"all\"",
    )
    .unwrap()
    .unwrap();
    assert_eq!((both.keys.len(), both.identities.len()), (1, 1));
    assert_eq!(both.require.value, Require::All);
    assert_eq!(
        verify("keys = [\"a.pub\"]").unwrap().unwrap().require.value,
        Require::Any
    );
    assert!(verify("require = \"all\"\nkeys = []").unwrap().is_none());
    let error = verify("keys = [\"a.pub\"]\nrequire = 2").unwrap_err();
    assert_eq!(
        error.message,
        "`profile.a.verify` requires 2 signers and lists 1"
    );
}

#[test]
fn a_project_that_defines_what_is_valid_is_an_error_with_its_line_and_the_right_place() {
    let error = Machine::new()
        .project("[profile.prod]\nattach = true\nverify = { keys = [\"evil.pub\"] }\n")
        .error();
    assert_eq!(
        error.message,
        "a project's file may not set `profile.prod.verify`"
    );
    assert_eq!(error.causes, ["a clone must not define what is valid"]);
    assert_eq!(
        error.hints,
        ["put it in your own file, ~/.config/sigtool/config.toml, if you mean it"]
    );
    assert_eq!(marked(&error), "verify");
    assert_eq!(error.failure, Failure::CouldNotTell);
}

#[cfg(unix)]
#[test]
fn a_project_file_that_others_can_write_is_ignored_with_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::new().project("jobs = 3\n");
    let file = machine.home().join("app/.sigtool.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o646)).unwrap();
    let config = machine.load();
    assert!(config.jobs().is_none());
    assert_eq!(
        config.warnings(),
        ["~/app/.sigtool.toml is ignored: others can write it (mode 646)"]
    );
}

#[test]
fn a_variable_names_a_file_in_place_of_the_users() {
    let machine = Machine::new().user("jobs = 2\n");
    let other = machine.home().join("other.toml");
    write(&other, "format = \"json\"\n");
    let machine = machine.variable("SIGTOOL_CONFIG", "../../other.toml");
    let config = machine.load();
    assert!(config.jobs().is_none());
    assert_eq!(config.format(), Some(Format::Json));
    assert!(config.user_file().unwrap().ends_with("other.toml"));

    let error = machine.variable("SIGTOOL_CONFIG", "missing.toml").error();
    assert_eq!(error.failure, Failure::CouldNotTell);
    assert_eq!(
        error.message,
        "SIGTOOL_CONFIG: there is no file ~/app/src/missing.toml"
    );
}

#[test]
fn config_takes_a_file_or_a_setting() {
    let machine = Machine::new();
    write(&machine.inputs.working_dir.join("ci.toml"), "jobs = 7\n");
    let config = machine
        .config("ci.toml")
        .config("format=jsonl")
        .config("profile=ci")
        .load();
    assert_eq!(config.jobs().unwrap().get(), 7);
    assert_eq!(config.format(), Some(Format::Jsonl));
    assert_eq!(config.profile_chosen(None).unwrap().value, "ci");
    for (text, message) in [
        ("none.toml", "--config: there is no file none.toml"),
        ("a b=1", "--config: what stands before `=` is not a setting"),
        ("jbos=1", "--config jbos: there is no setting `jbos`"),
        (
            "jobs=many",
            "--config jobs: `jobs` takes a whole number, this is a string",
        ),
    ] {
        let error = Machine::new().config(text).error();
        assert_eq!(
            (error.message.as_str(), error.failure),
            (message, Failure::Input)
        );
    }
}

#[test]
fn a_file_that_is_not_a_configuration_is_refused() {
    let large = format!("# {}\n", "x".repeat(1024 * 1024));
    let error = Machine::new().user(&large).error();
    assert_eq!(
        error.causes,
        ["it is larger than 1 MiB, which no configuration is"]
    );
    let machine = Machine::new();
    fs::create_dir(machine.user_file()).unwrap();
    assert_eq!(
        machine.error().causes,
        ["it is a folder, expected a regular file"]
    );
    fs::remove_dir(machine.user_file()).unwrap();
    fs::write(machine.user_file(), b"a = \"\xff\"").unwrap();
    assert_eq!(machine.error().causes, ["it is not UTF-8"]);
}

#[test]
fn the_first_problem_stops_and_check_has_them_all() {
    let machine = Machine::new().system("jbos = 1\n").user(
        "formt = \"json\"\n[profile.a.signer]\nbackend = \"cosign-key\"\n[profile.b]\ninherits = \"a\"\n\
         [backend.\"dev.acme.hsm\"]\npath = \"hsm.so\"\n",
    );
    let error = machine.error();
    assert_eq!(error.message, "there is no setting `jbos`");
    assert_eq!(
        error.hints.last().unwrap(),
        "see also the other problem: `sigtool config check`"
    );
    let config = Config::load_with_problems(&machine.inputs);
    let messages: Vec<_> = config
        .check(&manifests)
        .into_iter()
        .map(|e| e.message)
        .collect();
    assert_eq!(
        messages,
        [
            "there is no setting `jbos`",
            "there is no setting `formt`",
            "`profile.a.signer` lacks `key`, which the backend `cosign-key` needs",
            "no `sha256` is recorded for the backend `dev.acme.hsm`, so it is not loaded",
        ]
    );
}

#[test]
fn the_policy_is_above_the_command_line() {
    let sha = "0".repeat(64);
    let machine = Machine::new()
        .policy("backends = [\"local-stage\"]\nisolation = \"process\"\nexternal_commands = false\n[verify]\nkeys = [\"/etc/must.pub\"]\n")
        .user(&format!(
            "[profile.a.signer]\nbackend = \"cosign-key\"\nkey = \"k\"\n[profile.b.source]\nbackend = \"local-stage\"\n\
             [backend.\"dev.acme.hsm\"]\npath = \"hsm.so\"\nsha256 = \"{sha}\"\nisolation = \"in-process\"\ngrants = [\"identity-token\"]\n"
        ))
        .config("commands.external=true");
    let config = machine.load();
    let policy: &Ceiling = config.policy();
    let must = policy.verify.as_ref().unwrap();
    let PolicyKey::Reference(key) = &must.keys[0].value else {
        panic!("it is a path");
    };
    assert_eq!(key.path().unwrap(), Path::new("/etc/must.pub"));
    assert_eq!(must.require.value, Require::All);
    assert!(!config.external_commands().value);
    let hsm = &config.backends()["dev.acme.hsm"];
    assert_eq!(hsm.isolation, Some(Isolation::Process));
    assert_eq!(hsm.grants, [Grant::IdentityToken]);
    assert_eq!(
        hsm.path,
        Some(machine.home().join(".config/sigtool/hsm.so"))
    );
    assert!(
        config.warnings()[0].contains("runs in a process of its own"),
        "{:?}",
        config.warnings()
    );
    let error = machine.profile("a").unwrap_err();
    assert_eq!(
        error.message,
        "the policy of this machine does not allow the backend `cosign-key`"
    );
    assert!(machine.profile("b").unwrap().source.is_some());
}

#[test]
fn nothing_runs_under_a_policy_that_cannot_be_read() {
    for text in [
        "backend = []",
        "isolation = 1",
        "backends = \"all\"",
        "[verify]\nkeys = []",
        "[",
    ] {
        let error = Machine::new().policy(text).error();
        assert_eq!(error.failure, Failure::CouldNotTell, "{text}");
        assert!(error.snippet.is_some(), "{text}");
    }
}

#[test]
fn aliases_are_words() {
    let config = Machine::new()
        .user("[alias]\nship = [\"sign\", \"--profile\", \"a b\"]\ns = \"sign  --keep-going\"\n")
        .load();
    assert_eq!(config.aliases()["ship"].value, ["sign", "--profile", "a b"]);
    assert_eq!(config.aliases()["s"].value, ["sign", "--keep-going"]);
}

#[test]
fn set_keeps_comments_and_order() {
    let machine = Machine::new().user(
        "# my settings\njobs = 2 # two cores\n\n# the usual one\n[profile.prod] # here\nattach = false # not yet\n\n[alias]\ns = \"sign\"\n",
    );
    machine.set("profile.prod.attach", "true").unwrap();
    machine.set("jobs", "3").unwrap();
    machine.set("profile", "prod").unwrap();
    let text = machine
        .set("profile.new.signature_format", "cosign")
        .unwrap();
    assert_eq!(
        text,
        "# my settings\njobs = 3 # two cores\ndefault_profile = \"prod\"\n\n# the usual one\n[profile.prod] # here\n\
         attach = true # not yet\n\n[profile.new]\nsignature_format = \"cosign\"\n\n[alias]\ns = \"sign\"\n"
    );
    assert_eq!(machine.load().profile_names().len(), 2);
}

#[test]
fn set_works_in_every_form_of_table() {
    for text in [
        "profile = { a = { attach = true } }\n",
        "profile.a.attach = true\n",
        "[profile]\na = { attach = true }\n",
        "[profile.a]\nattach = true\n[profile.a.log]\nbackend = \"sigstore\"\n",
        "",
    ] {
        let machine = Machine::new().user(text);
        machine.set("profile.a.log", "off").unwrap();
        machine
            .set(
                "profile.a.signer",
                "{ backend = \"cosign-key\", key = \"k\" }",
            )
            .unwrap();
        machine
            .set("profile.a.signer.password", "{ env = \"PW\" }")
            .unwrap();
        let written = machine.set("profile.b.attach", "true").unwrap();
        let profile = machine
            .profile("a")
            .unwrap_or_else(|e| panic!("{written}: {e:?}"));
        assert!(matches!(profile.log, Log::Off), "{written}");
        assert_eq!(profile.signer.unwrap().settings.len(), 2, "{written}");
        assert!(machine.profile("b").unwrap().attach.value);
    }
}

#[test]
fn set_refuses_what_the_configuration_would_refuse_and_writes_nothing() {
    let text = "[profile.a.signer]\nbackend = \"cosign-key\"\nkey = \"k\"\n";
    for (key, value, message) in [
        ("jbos", "1", "there is no setting `jbos`"),
        (
            "jobs",
            "many",
            "`jobs` takes a whole number, this is a string",
        ),
        ("a..b", "1", "`a..b` is not a setting"),
        (
            "profile.a.signer.tries",
            "x",
            "`profile.a.signer.tries` takes a whole number, this is a string",
        ),
        (
            "profile.a.signer.kye",
            "x",
            "there is no setting `profile.a.signer.kye`",
        ),
        (
            "profile.a.signer.password",
            "hunter2",
            "`profile.a.signer.password` is a secret: it takes a reference, this is a string",
        ),
        (
            "profile.z.signer.pin",
            "12345",
            "`profile.z.signer.pin` is a secret: it takes a reference, this is a whole number",
        ),
        (
            "profile.z",
            "{ signer = { password = \"hunter2\" } }",
            "`profile.z.signer.password` is a secret: it takes a reference, this is a string",
        ),
    ] {
        let machine = Machine::new().user(text);
        let error = machine.set(key, value).unwrap_err();
        assert_eq!(
            (error.message.as_str(), error.failure),
            (message, Failure::Input)
        );
        assert!(!format!("{error:?}").contains("hunter2"));
        assert_eq!(fs::read_to_string(machine.user_file()).unwrap(), text);
    }
}

#[test]
fn set_repairs_a_configuration_with_another_mistake_in_it() {
    let machine = Machine::new().user("jobs = 0\nformt = \"json\"\n");
    assert_eq!(
        machine.set("jobs", "2").unwrap(),
        "jobs = 2\nformt = \"json\"\n"
    );
}

#[test]
fn pin_and_use_write_what_is_read_back_and_twice_is_once() {
    let machine = Machine::new();
    let file = machine.home().join("new/folder/config.toml");
    let sha = "a".repeat(64);
    let mut edit = Edit::open(&file, None).unwrap();
    let signer = "{ backend = \"cosign-key\", key = \"k\" }";
    edit.set("profile.a.signer", signer, &manifests).unwrap();
    edit.use_profile("a").unwrap();
    edit.pin("dev.acme.hsm", Path::new("/opt/hsm.so"), &sha)
        .unwrap();
    assert!(edit.save().unwrap());
    assert!(!edit.save().unwrap());
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(
        text,
        format!(
            "default_profile = \"a\"\n\n[profile.a]\nsigner = {{ backend = \"cosign-key\", key = \"k\" }}\n\n\
             [backend.\"dev.acme.hsm\"]\npath = \"/opt/hsm.so\"\nsha256 = \"{sha}\"\n"
        )
    );
    let machine = machine.variable("SIGTOOL_CONFIG", file.to_str().unwrap());
    let config = machine.load();
    assert_eq!(config.backends()["dev.acme.hsm"].sha256, Some(sha));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    }
}

#[cfg(unix)]
#[test]
fn a_linked_file_stays_a_link_and_keeps_its_mode() {
    let machine = Machine::new();
    let real = machine.home().join("dotfiles.toml");
    write(&real, "jobs = 1\n");
    std::os::unix::fs::symlink(&real, machine.user_file()).unwrap();
    machine.set("jobs", "2").unwrap();
    assert!(machine.user_file().symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), "jobs = 2\n");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        fs::metadata(&real).unwrap().permissions().mode() & 0o777,
        0o644
    );
}

#[test]
fn everything_is_explained_with_what_is_built_in() {
    let config = Machine::new()
        .user("offline = true\n[profile.a]\nattach = true\n")
        .load();
    let all = config.explain(None);
    let row = |key: &str| {
        let row = all.iter().find(|e| e.key == key).unwrap();
        format!("{} {}", row.value, row.origin)
    };
    assert_eq!(row("format"), "\"text\" built in");
    assert_eq!(row("offline"), "true ~/.config/sigtool/config.toml:1");
    let profile = config.explain(Some("profile.a"));
    assert!(
        profile
            .iter()
            .any(|e| e.key == "profile.a.log" && e.value == "\"off\"")
    );
    assert!(config.explain(Some("profile.none")).is_empty());
    assert!(config.explain(Some("not a key")).is_empty());
}

#[test]
fn a_profile_that_does_not_exist_cannot_be_used() {
    let machine = Machine::new().user("[profile.prod]\nattach = true\n");
    let error = machine.load().use_profile("prd").unwrap_err();
    assert_eq!(error.message, "there is no profile `prd`");
    assert_eq!(error.hints, ["did you mean `prod`?"]);
    assert_eq!(error.failure, Failure::Input);

    let file = machine.load().use_profile("prod").unwrap();
    assert_eq!(file, machine.user_file());
    assert_eq!(machine.load().profile_chosen(None).unwrap().value, "prod");
}

#[test]
fn without_a_home_there_is_nothing_to_write_to() {
    let mut machine = Machine::new();
    machine.inputs.user_file = None;
    let error = machine.load().edit().err().unwrap();
    assert_eq!(error.message, "there is no place for your configuration");
}
