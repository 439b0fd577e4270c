//! What every command starts from: the terminal, the configuration, the backends.

use crate::args::Global;
use crate::config::origin::shorten;
use crate::config::settings::Grant;
use crate::config::{self, BackendTable, Config, KeyText, Profile, SecretReference, SettingValue};
use crate::error::CommandError;
use crate::host::{
    Backends, Ceiling, Declared, Folders, HostSettings, Lent, Opening, SecretSource,
};
use crate::interrupt;
use crate::output::{Ui, clean, person};
use clap::ValueEnum;
use serde_json::{Value, json};
use sigtool_core::OpenSigner;
use sigtool_core::sign::SignError;
use sigtool_sdk::Kind;
use sigtool_sdk::types::KeyReference;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The signer that keeps key pairs in files, and reads them from secrets.
pub(crate) const FILE_KEYS: &str = "cosign-key";

/// Where this user's files lie.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserFolders {
    pub(crate) home: Option<PathBuf>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) cache: Option<PathBuf>,
    pub(crate) state: Option<PathBuf>,
}

impl UserFolders {
    /// By the XDG base directory specification. Without HOME there are none: asking the name service would open a socket.
    pub(crate) fn of(environment: &BTreeMap<String, String>) -> Self {
        let absolute = |name: &str| {
            environment
                .get(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let home = absolute("HOME");
        let xdg = |name: &str, default: &str| {
            absolute(name).or_else(|| home.as_ref().map(|home| home.join(default)))
        };
        Self {
            config: xdg("XDG_CONFIG_HOME", ".config").map(|d| d.join("sigtool")),
            data: xdg("XDG_DATA_HOME", ".local/share").map(|d| d.join("sigtool")),
            cache: xdg("XDG_CACHE_HOME", ".cache").map(|d| d.join("sigtool")),
            state: xdg("XDG_STATE_HOME", ".local/state").map(|d| d.join("sigtool")),
            home,
        }
    }

    /// The local store of signatures.
    pub(crate) fn store(&self) -> Option<PathBuf> {
        self.state.as_ref().map(|state| state.join("signatures.db"))
    }

    /// The ledger.
    pub(crate) fn ledger(&self) -> Option<PathBuf> {
        self.state.as_ref().map(|state| state.join("ledger.db"))
    }

    /// Where `init` puts keys.
    pub(crate) fn keys(&self) -> Option<PathBuf> {
        self.data.as_ref().map(|data| data.join("keys"))
    }
}

/// A run of sigtool.
pub(crate) struct App {
    pub(crate) ui: Arc<Ui>,
    pub(crate) global: Global,
    pub(crate) config: Config,
    pub(crate) backends: Arc<Backends>,
    pub(crate) settings: Arc<HostSettings>,
    pub(crate) folders: UserFolders,
}

/// A signer, opened.
pub(crate) struct SignerInUse {
    pub(crate) backend: String,
    /// How the user names the key, where there is a name for it.
    pub(crate) key: Option<String>,
    pub(crate) signer: OpenSigner,
}

impl App {
    /// Reads the configuration and finds out where backends are. Runs none.
    pub(crate) fn start(
        global: Global,
        environment: BTreeMap<String, String>,
    ) -> Result<Self, CommandError> {
        let app = Self::start_with(global, environment, Config::load)?;
        app.tell_warnings();
        Ok(app)
    }

    /// The same with a configuration that may be wrong: for the commands that find and mend what is.
    pub(crate) fn start_to_mend(
        global: Global,
        environment: BTreeMap<String, String>,
    ) -> Result<Self, CommandError> {
        let app = Self::start_with(global, environment, |sources| {
            Ok(Config::load_with_problems(sources))
        })?;
        app.tell_warnings();
        Ok(app)
    }

    /// The same for completion: what is wrong is left out, and nothing is said.
    pub(crate) fn start_silently(
        global: Global,
        environment: BTreeMap<String, String>,
    ) -> Option<Self> {
        let load = |sources: &config::Sources| Ok(Config::load_with_problems(sources));
        Self::start_with(global, environment, load).ok()
    }

    fn start_with(
        global: Global,
        environment: BTreeMap<String, String>,
        load: impl FnOnce(&config::Sources) -> Result<Config, CommandError>,
    ) -> Result<Self, CommandError> {
        let folders = UserFolders::of(&environment);
        let config = load(&sources(&global, &environment, &folders)?)?;
        let ui = Arc::new(Ui::new(
            global.format.or(config.format()).unwrap_or_default(),
            global.color.or(config.color()).unwrap_or_default(),
            global.quiet,
            global.verbose,
        ));
        let settings = Arc::new(HostSettings {
            offline: global.offline || config.offline(),
            timeout: global.timeout.or(config.timeout()),
            environment,
            stdin_taken: AtomicBool::new(false),
            cache: folders.cache.clone(),
            network: config.network(),
        });
        let executable = std::env::current_exe()
            .map_err(|e| CommandError::bug("cannot tell where sigtool itself is").because(e))?;
        let executable = executable.canonicalize().unwrap_or(executable);
        let data_home = folders.data.as_ref().and_then(|d| d.parent());
        let backends = Backends::new(
            Arc::clone(&ui),
            Arc::clone(&settings),
            Folders::of(&executable, data_home),
            declared(&config),
            Ceiling {
                allowed: config.policy().backends(),
                isolate: config.policy().isolates(),
            },
        );
        Ok(Self {
            ui,
            global,
            config,
            backends,
            settings,
            folders,
        })
    }

    fn tell_warnings(&self) {
        for warning in self.config.warnings() {
            self.ui.warn(warning);
        }
    }

    /// The profile in use.
    pub(crate) fn profile(&self) -> Result<Profile, CommandError> {
        self.config.profile(self.global.profile.as_deref(), &|id| {
            self.backends.named_manifest(id)
        })
    }

    /// How many artifacts are to be worked on at once, if anyone says so.
    pub(crate) fn jobs(&self) -> Option<NonZeroUsize> {
        self.global.jobs.or(self.config.jobs())
    }

    /// The signer that `--key` names, or the profile's.
    pub(crate) fn opening(
        &self,
        key: Option<&str>,
        profile: &Profile,
    ) -> Result<Opening, CommandError> {
        if let Some(key) = key {
            let key = KeyText {
                text: key.to_owned(),
                base: working_folder()?,
            };
            return Ok(Opening {
                lent: self.lent(profile),
                ..self.opening_of_key(&key)?
            });
        }
        let Some(table) = &profile.signer else {
            let which = profile.name.as_ref().map_or_else(
                || "no profile is in use".to_owned(),
                |name| format!("the profile `{}` has no signer", name.value),
            );
            return Err(CommandError::input("nothing to sign with")
                .because(which)
                .hint("make a key and a profile: sigtool init")
                .hint("or name a key: sigtool sign --key FILE ARTIFACT"));
        };
        Ok(Opening {
            lent: self.lent(profile),
            ..self.opening_of_table(table)
        })
    }

    /// The backends of a profile that a signer may use by way of the host.
    fn lent(&self, profile: &Profile) -> Lent {
        let lend = |table: &Option<BackendTable>| {
            table
                .as_ref()
                .map(|table| Box::new(self.opening_of_table(table)))
        };
        Lent {
            secret: lend(&profile.secret),
            identity: lend(&profile.identity),
        }
    }

    /// The backend that a key reference belongs to, with that key.
    fn opening_of_key(&self, key: &KeyText) -> Result<Opening, CommandError> {
        let scheme = key.scheme().unwrap_or("file");
        let backends = &self.backends;
        // A scheme of a secret store names where the bytes of a key pair lie.
        let backend = backends.for_scheme(Kind::Signer, scheme).or_else(|| {
            backends
                .for_scheme(Kind::Secret, scheme)
                .map(|_| FILE_KEYS.to_owned())
        });
        let Some(backend) = backend else {
            return Err(self.no_such_scheme(key, scheme));
        };
        let mut secrets = BTreeMap::new();
        let reference = self.key_reference(&backend, key, "/key", &mut secrets);
        Ok(Opening {
            configuration: json!({ "key": reference }),
            secrets,
            ..Opening::plain(&backend, Kind::Signer)
        })
    }

    fn no_such_scheme(&self, key: &KeyText, scheme: &str) -> CommandError {
        let mut schemes: Vec<String> = self
            .backends
            .ids()
            .iter()
            .filter_map(|id| self.backends.manifest(id))
            .filter(|m| {
                m.kinds
                    .iter()
                    .any(|k| matches!(k, Kind::Signer | Kind::Secret))
            })
            .flat_map(|manifest| manifest.schemes)
            .collect();
        schemes.sort();
        schemes.dedup();
        CommandError::input(format!("no backend serves keys of the form `{scheme}:`"))
            .hint(format!("there are: {}", schemes.join(", ")))
            .hint(format!("for a file of that name write `file:{}`", key.text))
    }

    /// A profile's table, as a backend gets it: keys resolved, paths absolute, secrets as pointers.
    pub(crate) fn opening_of_table(&self, table: &BackendTable) -> Opening {
        let mut configuration = serde_json::Map::new();
        let (mut secrets, mut origins) = (BTreeMap::new(), BTreeMap::new());
        for (name, setting) in &table.settings {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            origins.insert(pointer.clone(), setting.origin.clone());
            let value = match &setting.value {
                SettingValue::Boolean(value) => json!(value),
                SettingValue::Integer(value) => json!(value),
                SettingValue::String(value) => json!(value),
                SettingValue::Strings(value) => json!(value),
                SettingValue::Path(value) => json!(value),
                SettingValue::Table(value) => value.clone(),
                SettingValue::Key(key) => {
                    let backend = &table.backend.value;
                    json!(self.key_reference(backend, key, &pointer, &mut secrets))
                }
                SettingValue::Secret(reference) => {
                    secrets.insert(pointer.clone(), secret_source(reference));
                    json!({ "secret": pointer })
                }
            };
            configuration.insert(name.clone(), value);
        }
        Opening {
            configuration: Value::Object(configuration),
            secrets,
            origins,
            ..Opening::plain(&table.backend.value, table.kind)
        }
    }

    /// A key as a backend gets it: a file by its absolute path, its own scheme as it was written, and everything else, whose
    /// bytes another party holds, by a pointer to ask the host with.
    pub(crate) fn key_reference(
        &self,
        backend: &str,
        key: &KeyText,
        pointer: &str,
        secrets: &mut BTreeMap<String, SecretSource>,
    ) -> KeyReference {
        let source = match key.scheme() {
            None | Some("file") => None,
            Some("env") => Some(SecretSource::Variable(key.rest().to_owned())),
            Some(scheme) => {
                let manifest = self.backends.manifest(backend);
                let own = manifest.is_some_and(|m| m.schemes.iter().any(|s| s == scheme));
                (!own).then(|| SecretSource::Store {
                    scheme: scheme.to_owned(),
                    name: key.rest().to_owned(),
                })
            }
        };
        let secret = source.map(|source| {
            secrets.insert(pointer.to_owned(), source);
            pointer.to_owned()
        });
        KeyReference {
            name: key.text.clone(),
            path: key.path(),
            secret,
        }
    }

    /// Opens a signer and asks for its public key, once for the whole run.
    pub(crate) fn signer(&self, opening: Opening) -> Result<SignerInUse, CommandError> {
        let handle = self.backends.open(&opening)?;
        let signer = OpenSigner::open(handle).map_err(|error| match error {
            SignError::Signer { operation, error } => opening.failed(operation, *error),
            other => {
                let message = format!("the backend `{}` failed", opening.backend);
                CommandError::could_not_tell(message).because(other)
            }
        })?;
        let key = opening.configuration.pointer("/key/name");
        Ok(SignerInUse {
            key: key.and_then(Value::as_str).map(str::to_owned),
            backend: opening.backend,
            signer,
        })
    }

    /// A path as the user would write it: below the working directory, or below `~`.
    pub(crate) fn short(&self, path: &Path) -> String {
        working_folder()
            .ok()
            .and_then(|folder| {
                path.strip_prefix(folder)
                    .ok()
                    .map(|rest| rest.display().to_string())
            })
            .unwrap_or_else(|| shorten(path, self.folders.home.as_deref()))
    }

    /// A text of another's that names absolute paths, with those below the working directory as the user would write them.
    pub(crate) fn relative(&self, text: &str) -> String {
        match working_folder() {
            Ok(folder) => text.replace(&format!("`{}/", folder.display()), "`"),
            Err(_) => text.to_owned(),
        }
    }

    /// The same for an error about an artifact.
    pub(crate) fn relative_error(&self, mut error: CommandError) -> CommandError {
        let texts = error.causes.iter_mut().chain(&mut error.hints);
        for text in texts.chain([&mut error.message]) {
            *text = self.relative(text);
        }
        error
    }

    /// Asks a yes-or-no question, unless `--yes` has answered it.
    pub(crate) fn confirm(&self, question: &str) -> Result<bool, CommandError> {
        if self.global.yes {
            return Ok(true);
        }
        if !self.ui.is_interactive() {
            return Err(CommandError::input(
                "a question needs an answer, and there is no terminal to ask on",
            )
            .because(format!("{question}?"))
            .hint("to answer yes, add `--yes`"));
        }
        let line = self.ui.alone(|terminal| {
            let _ = write!(terminal, "{}? [y/N] ", clean(question));
            let _ = terminal.flush();
            person::line()
        });
        interrupt::check()?;
        let line = line.map_err(|e| {
            CommandError::could_not_tell("cannot read from the terminal").because(e)
        })?;
        let line = line.unwrap_or_default();
        Ok(matches!(line.trim_ascii(), b"y" | b"Y" | b"yes"))
    }
}

/// Where paths on the command line are relative to.
pub(crate) fn working_folder() -> Result<PathBuf, CommandError> {
    std::env::current_dir()
        .map_err(|e| CommandError::could_not_tell("cannot tell the working directory").because(e))
}

fn sources(
    global: &Global,
    environment: &BTreeMap<String, String>,
    folders: &UserFolders,
) -> Result<config::Sources, CommandError> {
    Ok(config::Sources {
        system_dir: system_folder(environment),
        user_file: folders.config.as_ref().map(|d| d.join("config.toml")),
        working_dir: working_folder()?,
        home: folders.home.clone(),
        environment: environment
            .iter()
            .filter(|(name, _)| name.starts_with("SIGTOOL_"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        overrides: global.config.clone(),
        flags: flags(global),
        user_id: rustix::process::getuid().as_raw(),
    })
}

/// The flags that are settings, so that what explains the configuration knows of them.
fn flags(global: &Global) -> Vec<(String, toml::Value, String)> {
    fn word(choice: Option<impl ValueEnum>) -> Option<toml::Value> {
        let value = choice?.to_possible_value()?;
        Some(value.get_name().to_owned().into())
    }
    let number = |jobs: NonZeroUsize| i64::try_from(jobs.get()).unwrap_or(i64::MAX);
    [
        ("color", word(global.color), "--color"),
        (
            "default_profile",
            global.profile.clone().map(Into::into),
            "--profile",
        ),
        ("format", word(global.format), "--format"),
        (
            "jobs",
            global.jobs.map(|jobs| number(jobs).into()),
            "--jobs",
        ),
        ("offline", global.offline.then(|| true.into()), "--offline"),
        (
            "timeout",
            global
                .timeout
                .map(|t| format!("{}ms", t.as_millis()).into()),
            "--timeout",
        ),
    ]
    .into_iter()
    .filter_map(|(key, value, flag)| Some((key.to_owned(), value?, flag.to_owned())))
    .collect()
}

/// `/etc/sigtool`. A test build can be pointed elsewhere; a release cannot, since the policy there is a ceiling.
fn system_folder(environment: &BTreeMap<String, String>) -> PathBuf {
    #[cfg(debug_assertions)]
    if let Some(folder) = environment.get("SIGTOOL_TEST_ETC") {
        return PathBuf::from(folder);
    }
    let _ = environment;
    PathBuf::from("/etc/sigtool")
}

fn declared(config: &Config) -> BTreeMap<String, Declared> {
    let declared = config.backends().iter().map(|(id, entry)| {
        let declared = Declared {
            path: entry.path.clone(),
            sha256: entry.sha256.clone(),
            isolation: entry.isolation,
            identity_token: entry.grants.contains(&Grant::IdentityToken),
            origin: entry.origin.to_string(),
        };
        (id.clone(), declared)
    });
    declared.collect()
}

fn secret_source(reference: &SecretReference) -> SecretSource {
    match reference {
        SecretReference::Env(name) => SecretSource::Variable(name.clone()),
        SecretReference::File(path) => SecretSource::File(path.clone()),
        SecretReference::Prompt(text) => SecretSource::Prompt(text.clone()),
        SecretReference::Keyring(name) => SecretSource::Store {
            scheme: "keyring".to_owned(),
            name: name.clone(),
        },
        SecretReference::Secret(text) => {
            let (scheme, name) = text.split_once(':').unwrap_or((text, ""));
            SecretSource::Store {
                scheme: scheme.to_owned(),
                name: name.to_owned(),
            }
        }
    }
}
