//! What every command starts from: the terminal, the configuration, the backends.

pub(crate) mod folders;
pub(crate) mod keys;
pub(crate) mod opening;
mod shown;

pub(crate) use folders::{UserFolders, working_folder};

use crate::args::Global;
use crate::ci::is_ci;
use crate::config::schema::{Setting, TOP};
use crate::config::settings::Grant;
use crate::config::{self, Config, Profile, ProjectsChoice};
use crate::error::CommandError;
use crate::host::{Backends, Declared, Folders, HostSettings};
use crate::output::Ui;
use clap::ValueEnum;
use sigtool_sdk::types::{BackendId, Secret};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A run of sigtool.
pub(crate) struct App {
    pub(crate) ui: Arc<Ui>,
    pub(crate) global: Global,
    pub(crate) config: Config,
    pub(crate) backends: Arc<Backends>,
    pub(crate) settings: Arc<HostSettings>,
    pub(crate) folders: UserFolders,
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
        let load = |sources: &config::Inputs| Ok(Config::load_with_problems(sources));
        Self::start_with(global, environment, load).ok()
    }

    fn start_with(
        global: Global,
        environment: BTreeMap<String, String>,
        load: impl FnOnce(&config::Inputs) -> Result<Config, CommandError>,
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
            in_ci: is_ci(&environment),
            environment,
            not_text: variables_that_are_not_text(),
            stdin_taken: AtomicBool::new(global.password_stdin),
            password_stdin: global.password_stdin,
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
            config.policy().clone(),
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

    /// The profile in use. What a project's file says of profiles does not count: it may choose how something is signed, and neither
    /// whose signatures are valid, nor whose keys and passwords are used.
    pub(crate) fn profile(&self) -> Result<Profile, CommandError> {
        let name = self.global.profile.as_deref();
        self.config
            .profile_of_user(name, &|id| self.backends.named_manifest(id))
    }

    /// The profile to sign with, as the project's file may choose it.
    pub(crate) fn profile_to_sign(&self) -> Result<Profile, CommandError> {
        let name = self.global.profile.as_deref();
        self.config
            .profile(name, &|id| self.backends.named_manifest(id))
    }

    /// What to type so that the project's choice of a profile is followed, where it is not.
    pub(crate) fn choice_not_followed(&self) -> Option<String> {
        let chosen = self
            .config
            .choice_of_project(self.global.profile.as_deref())?;
        let ProjectsChoice { choice, of_user } = chosen;
        let said = format!(
            "the project's file chooses the profile `{}` ({}), which counts for `sign` only",
            choice.value, choice.origin
        );
        Some(match of_user {
            Some(own) => format!("{said}; `--profile {own}` would use it"),
            None => said,
        })
    }

    /// How many artifacts are to be worked on at once, if anyone says so.
    pub(crate) fn jobs(&self) -> Option<NonZeroUsize> {
        self.global.jobs.or(self.config.jobs())
    }
}

fn sources(
    global: &Global,
    environment: &BTreeMap<String, String>,
    folders: &UserFolders,
) -> Result<config::Inputs, CommandError> {
    Ok(config::Inputs {
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
    })
}

/// The flags that are settings, each with its value, so that what explains the configuration knows of them.
pub(crate) fn flags(global: &Global) -> Vec<(&'static Setting, toml::Value)> {
    fn word(choice: Option<impl ValueEnum>) -> Option<toml::Value> {
        let value = choice?.to_possible_value()?;
        Some(value.get_name().to_owned().into())
    }
    let given = [
        ("--color", word(global.color)),
        ("--profile", global.profile.clone().map(Into::into)),
        ("--format", word(global.format)),
        ("--jobs", global.jobs.map(number)),
        ("--offline", global.offline.then(|| true.into())),
        ("--timeout", global.timeout.map(milliseconds)),
    ];
    let setting = |flag: &str| TOP.iter().find(|setting| setting.flag == Some(flag));
    given
        .into_iter()
        .filter_map(|(flag, value)| Some((setting(flag)?, value?)))
        .collect()
}

fn number(number: NonZeroUsize) -> toml::Value {
    i64::try_from(number.get()).unwrap_or(i64::MAX).into()
}

fn milliseconds(time: Duration) -> toml::Value {
    format!("{}ms", time.as_millis()).into()
}

/// Variables whose values are not UTF-8.
fn variables_that_are_not_text() -> BTreeMap<String, Secret> {
    std::env::vars_os()
        .filter(|(_, value)| value.to_str().is_none())
        .filter_map(|(name, value)| {
            Some((
                name.into_string().ok()?,
                Secret::new(value.into_encoded_bytes()),
            ))
        })
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

fn declared(config: &Config) -> BTreeMap<BackendId, Declared> {
    let declared = config.backends().iter().filter_map(|(id, entry)| {
        let declared = Declared {
            path: entry.path.clone(),
            sha256: entry.sha256.clone(),
            isolation: entry.isolation,
            identity_token: entry.grants.contains(&Grant::IdentityToken),
            origin: entry.origin.to_string(),
        };
        // What is not an id is among the problems.
        Some((id.parse().ok()?, declared))
    });
    declared.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::Parser as _;

    #[test]
    fn every_flag_of_a_setting_is_read() {
        let mut words = vec!["sigtool".to_owned()];
        for flag in TOP.iter().filter_map(|setting| setting.flag) {
            words.push(match flag {
                "--color" => "--color=never".to_owned(),
                "--format" => "--format=json".to_owned(),
                "--jobs" => "--jobs=2".to_owned(),
                "--profile" => "--profile=prod".to_owned(),
                "--timeout" => "--timeout=2m".to_owned(),
                flag => flag.to_owned(),
            });
        }
        let global = Cli::try_parse_from(words).unwrap().global;
        let read: Vec<_> = flags(&global).iter().map(|(s, _)| s.flag).collect();
        for flag in TOP.iter().filter_map(|setting| setting.flag) {
            assert!(read.contains(&Some(flag)), "{flag}");
        }
    }
}
