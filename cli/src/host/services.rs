//! What sigtool lends to its backends while a call runs.

use crate::config::network::Network;
use crate::error::CommandError;
use crate::host::broker::Broker;
use crate::host::opening::SecretSource;
use crate::host::outside::Outside;
use crate::host::passwords::{NEW_PASSWORD, PASSWORD, in_environment};
use crate::host::permit::Permit;
use crate::interrupt;
use crate::output::{Ui, person};
use sigtool_sdk::file::read_regular;
use sigtool_sdk::host::{
    Answer, AskSecretArgs, AskedSecret, NetworkSettings, Progress, Prompt, PromptStyle, TraceLevel,
};
use sigtool_sdk::services::Services;
use sigtool_sdk::types::Secret;
use sigtool_sdk::{Error, ErrorCode, Result};
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// How many times a person is asked for a password.
const TRIES: u32 = 3;

/// The largest secret read from a file or a variable: any private key fits.
const MAX_SECRET: u64 = 1024 * 1024;

/// How many lines a backend may say unasked: more than anyone reads, and not enough to drown the rest.
const MAX_SAID: u32 = 20;

/// The same with `--verbose`.
const MAX_TRACED: u32 = 1000;

/// What all backends of a run share.
pub(crate) struct HostSettings {
    pub(crate) offline: bool,
    pub(crate) timeout: Option<std::time::Duration>,
    /// The environment, as it was when the program started.
    pub(crate) environment: BTreeMap<String, String>,
    /// The variables of it that are not text: a password may be any bytes, as it may in a file or a pipe.
    pub(crate) not_text: BTreeMap<String, Secret>,
    /// Set when `-` takes the artifact or the list from stdin, or `--password-stdin` a password.
    pub(crate) stdin_taken: AtomicBool,
    /// Whether passwords of keys are lines of standard input.
    pub(crate) password_stdin: bool,
    /// Whether this is a run of a CI system, where nobody can be asked.
    pub(crate) in_ci: bool,
    pub(crate) cache: Option<PathBuf>,
    /// What the configuration says of the network.
    pub(crate) network: Network,
}

impl HostSettings {
    /// The secret in a variable, whatever its bytes; none if it is not set.
    pub(crate) fn secret_variable(&self, name: &str) -> Option<Secret> {
        let text = self.environment.get(name);
        text.map(|value| Secret::from(value.clone()))
            .or_else(|| self.not_text.get(name).cloned())
    }

    /// Takes standard input for an artifact or a list.
    ///
    /// # Errors
    ///
    /// It is taken already.
    pub(crate) fn take_stdin(&self) -> std::result::Result<(), CommandError> {
        match self.stdin_taken.swap(true, Ordering::Relaxed) {
            true => Err(CommandError::input("standard input can be given only once")),
            false => Ok(()),
        }
    }

    /// A variable that somebody has named. What it lacks is told: a secret that a CI system does not have is an empty variable.
    pub(crate) fn named_variable(&self, name: &str) -> std::result::Result<&String, String> {
        match self.environment.get(name) {
            Some(value) if !value.is_empty() => Ok(value),
            Some(_) => Err(format!("the environment variable `{name}` is empty")),
            None => Err(format!("the environment variable `{name}` is not set")),
        }
    }

    /// A variable of the environment. One that is empty counts as not set.
    pub(crate) fn variable(&self, name: &str) -> Option<&String> {
        self.environment.get(name).filter(|value| !value.is_empty())
    }
}

/// The services for one opened backend.
pub(super) struct HandleServices {
    pub(super) ui: Arc<Ui>,
    pub(super) settings: Arc<HostSettings>,
    /// What it may ask for.
    pub(super) permit: Permit,
    /// By pointer.
    pub(super) secrets: BTreeMap<String, SecretSource>,
    /// Whether `/new_password` may come from the variables that hold the present password.
    pub(super) new_password_may_be_old: bool,
    /// The way out for what it says.
    pub(super) outside: Outside,
    /// The way to other backends: what one lends to another goes through here.
    pub(super) broker: Option<Broker>,
    /// How many lines it has said unasked.
    pub(super) said: AtomicU32,
}

impl HandleServices {
    /// Whether the backend may say one more line. The first that is too much is told.
    fn may_say(&self) -> bool {
        let most = if self.ui.is_verbose() {
            MAX_TRACED
        } else {
            MAX_SAID
        };
        let count = |said: u32| (said <= most).then_some(said + 1);
        let counted = self
            .said
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
        if counted == Ok(most) {
            let id = self.permit.id();
            self.ui
                .warn(&format!("`{id}` says too much: no more of it is shown"));
        }
        counted.is_ok_and(|said| said < most)
    }

    /// Where the answer to a question for a secret comes from, attempt by attempt.
    fn places(&self, args: &AskSecretArgs) -> Result<Vec<Place>> {
        let is_password = self.permit.secret(&args.pointer)?
            && [PASSWORD, NEW_PASSWORD].contains(&args.pointer.as_str());
        if is_password && self.settings.password_stdin {
            return Ok(vec![Place::Stdin]);
        }
        if let Some(source) = self.secrets.get(&args.pointer) {
            return Ok(match source {
                SecretSource::Prompt(text) => vec![Place::Person(text.clone()); TRIES as usize],
                other => vec![Place::Configured(other.clone())],
            });
        }
        if !is_password {
            let (id, pointer) = (self.permit.id(), &args.pointer);
            let message = format!("the configuration of `{id}` has no secret at `{pointer}`");
            return Err(Error::new(ErrorCode::AccessDenied, message));
        }
        let value_of = |name: &str| self.settings.secret_variable(name);
        let may_be_old = self.new_password_may_be_old;
        if let Some(source) = in_environment(value_of, &args.pointer, may_be_old) {
            return Ok(vec![Place::Configured(source)]);
        }
        let mut places = Vec::new();
        if !args.new {
            places.push(Place::Empty);
        }
        if self.settings.can_ask() {
            let label = self.outside.line(&label(args));
            places.extend(vec![Place::Person(label); TRIES as usize]);
        } else if self.settings.has_piped_line() {
            places.push(Place::Stdin);
        }
        Ok(places)
    }

    fn fetch(&self, place: &Place, args: &AskSecretArgs) -> Result<Option<(Secret, String)>> {
        Ok(match place {
            Place::Empty => Some((Secret::default(), "an empty password".to_owned())),
            Place::Configured(source) => Some((self.read(source)?, origin(source))),
            Place::Stdin => self
                .line_of_stdin(args)?
                .map(|s| (s, "standard input".to_owned())),
            Place::Person(text) => Some((self.ask(text, args)?, "the terminal".to_owned())),
        })
    }

    /// What was named and holds nothing is not an empty password, but a mistake.
    fn read(&self, source: &SecretSource) -> Result<Secret> {
        let value = self.value(source)?;
        let may_be_empty = matches!(source, SecretSource::Empty | SecretSource::Prompt(_));
        if may_be_empty || !value.expose().is_empty() {
            return Ok(value);
        }
        let what = format!("the secret in `{}` is empty", origin(source));
        Err(Error::new(ErrorCode::NotFound, what))
    }

    fn value(&self, source: &SecretSource) -> Result<Secret> {
        match source {
            SecretSource::Variable(name) => match self.settings.secret_variable(name) {
                Some(value) if !value.expose().is_empty() => Ok(value),
                _ => {
                    let why = self.settings.named_variable(name).err().unwrap_or_default();
                    Err(Error::new(ErrorCode::NotFound, why))
                }
            },
            SecretSource::File(path) => read_file(path),
            SecretSource::Empty => Ok(Secret::default()),
            SecretSource::Prompt(text) => self.ask(text, &AskSecretArgs::default()),
            SecretSource::Store { scheme, name } => {
                let broker = self.broker.as_ref().ok_or_else(|| {
                    Error::new(
                        ErrorCode::InvalidConfig,
                        "a secret store's own secrets cannot come from a secret store",
                    )
                    .hint("use `{ env = \"NAME\" }`, `{ file = \"PATH\" }` or `{ prompt = \"TEXT\" }`")
                })?;
                broker.secret(scheme, name)
            }
        }
    }

    /// Asks a person, twice for a new secret.
    fn ask(&self, text: &str, args: &AskSecretArgs) -> Result<Secret> {
        let settings = &self.settings;
        if !settings.can_ask() {
            return Err(settings.nobody(text).hint(OTHER_PLACE));
        }
        let text = self.outside.named(text);
        let question = match std::io::stdin().is_terminal() {
            true => text.clone(),
            false => format!("{text} (standard input is not read for it)"),
        };
        self.ui.alone(|terminal| {
            if let Some(tries) = args.tries_left {
                let _ = writeln!(terminal, "{tries} tries left");
            } else if args.attempt > 1 {
                let _ = writeln!(terminal, "wrong, please try again");
            }
            let once = settings.typed(&question)?;
            if args.new {
                let again = settings.typed(&format!("{text} (again)"))?;
                if once != again {
                    return Err(Error::new(ErrorCode::Declined, "the two passwords differ"));
                }
            }
            Ok(once)
        })
    }

    /// The next line of standard input; `None` at its end.
    fn line_of_stdin(&self, args: &AskSecretArgs) -> Result<Option<Secret>> {
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let what = self.outside.named(&label(args));
        let tell = || {
            let note = format!("waiting for the {what}: a line of standard input");
            self.ui.note(&note);
        };
        let line = person::line(self.settings.timeout, tell);
        let line = line.map_err(|e| self.settings.unreadable("standard input", &e))?;
        Ok(line.map(|mut line| Secret::new(std::mem::take(&mut *line))))
    }
}

/// Where a secret may come from.
#[derive(Clone, Debug)]
enum Place {
    Configured(SecretSource),
    Empty,
    Person(String),
    Stdin,
}

impl Services for HandleServices {
    fn is_ending(&self) -> bool {
        interrupt::requested()
    }

    fn trace(&self, level: TraceLevel, message: &str) {
        let is_warning = matches!(level, TraceLevel::Error | TraceLevel::Warn);
        if !(is_warning || self.ui.is_verbose()) || !self.may_say() {
            return;
        }
        let message = self.outside.text(message);
        match is_warning {
            true => self.ui.warn(&self.outside.named(&message)),
            false => self.ui.trace(&format!("{}: {message}", self.permit.id())),
        }
    }

    fn progress(&self, progress: Progress) {
        let message = self.outside.line(&progress.message);
        if self.ui.is_verbose() && self.may_say() {
            let total = progress.total.map(|t| format!(" of {t}"));
            self.ui.trace(&format!(
                "{}: {message}: {}{}",
                self.permit.id(),
                progress.done,
                total.unwrap_or_default(),
            ));
        }
        let message = self.outside.named(&message);
        self.ui.progress(&Progress {
            message,
            ..progress
        });
    }

    fn prompt(&self, prompt: Prompt) -> Result<Answer> {
        self.permit.prompt()?;
        let is_secret = prompt.style == PromptStyle::Secret;
        if self.settings.in_ci || !(is_secret || self.ui.is_interactive()) {
            return Err(self.settings.nobody(&prompt.text));
        }
        let text = self.outside.line(&prompt.text);
        if is_secret {
            let args = AskSecretArgs {
                tries_left: prompt.tries_left,
                ..AskSecretArgs::default()
            };
            let secret = self.ask(&text, &args)?;
            self.outside.lent(secret.expose());
            return Ok(Answer {
                declined: false,
                text: Some(secret),
            });
        }
        let text = self.outside.named(&text);
        self.ui.alone(|terminal| {
            let said = |declined, text| Ok(Answer { declined, text });
            match prompt.style {
                PromptStyle::Confirm => {
                    let _ = write!(terminal, "{text} [y/N] ");
                    let _ = terminal.flush();
                    let line = self.settings.typed_line()?;
                    said(!matches!(line.trim(), "y" | "Y" | "yes"), None)
                }
                PromptStyle::Public => {
                    let _ = write!(terminal, "{text}: ");
                    let _ = terminal.flush();
                    let line = self.settings.typed_line()?;
                    said(false, Some(Secret::from(line.trim_end().to_owned())))
                }
                _ => {
                    let _ = writeln!(terminal, "{text}");
                    said(false, None)
                }
            }
        })
    }

    fn open_url(&self, url: &str) -> Result<()> {
        self.permit.open_url()?;
        if !is_page(url) {
            let message = "not the address of a page: it begins with neither `https:` nor `http:` on this machine";
            return Err(Error::new(ErrorCode::InvalidRequest, message));
        }
        if self.may_say() {
            let url = self.outside.line(url);
            self.ui
                .say(&self.outside.named(&format!("open this page: {url}")));
        }
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| {
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            })
    }

    fn env(&self, name: &str) -> Result<Option<String>> {
        self.permit.env(name)?;
        let value = self.settings.variable(name).cloned();
        if let Some(value) = value.as_ref().filter(|_| names_a_secret(name)) {
            self.outside.lent(value.as_bytes());
        }
        Ok(value)
    }

    fn secret(&self, args: AskSecretArgs) -> Result<AskedSecret> {
        let places = self.places(&args)?;
        for (index, place) in places.iter().enumerate().skip(args.attempt as usize) {
            if let Some((value, origin)) = self.fetch(place, &args)? {
                self.outside.lent(value.expose());
                // A backend that asks again after the empty password hears that there is no other place.
                let more = index + 1 < places.len() || matches!(place, Place::Empty);
                return Ok(AskedSecret {
                    value,
                    origin,
                    more,
                });
            }
        }
        let hint = match args.pointer.as_str() {
            NEW_PASSWORD => GIVE_NEW_PASSWORD,
            _ => GIVE_PASSWORD,
        };
        Err(self.settings.nobody(&label(&args)).hint(hint))
    }

    fn identity_token(&self, audience: &str) -> Result<sigtool_sdk::types::IdentityToken> {
        self.permit.identity_token()?;
        let broker = self.broker.as_ref().ok_or_else(|| {
            let message = format!(
                "nobody can lend `{}` an identity token here",
                self.permit.id()
            );
            Error::new(ErrorCode::AccessDenied, message)
        })?;
        let token = broker.identity_token(self.permit.id(), audience)?;
        self.outside.lent(token.token.expose());
        Ok(token)
    }

    fn cache_get(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.cache_file(name)?).ok()
    }

    fn cache_put(&self, name: &str, value: &[u8]) {
        if let Some(path) = self.cache_file(name) {
            let folder = path.parent().map(std::fs::create_dir_all);
            if matches!(folder, Some(Ok(()))) {
                let _ = sigtool_core::write::atomic_write(&path, value, 0o600);
            }
        }
    }

    fn without_secrets(&self, text: &str) -> String {
        self.outside.text(text)
    }

    fn remarks(&self, remarks: Vec<String>) -> Vec<String> {
        self.outside.remarks(&remarks)
    }

    fn passes(&self, text: &str) {
        self.outside.passes(text);
    }

    fn conceal(&self, secret: &[u8]) {
        self.outside.told(secret);
    }

    fn network(&self) -> Result<NetworkSettings> {
        self.permit.network()?;
        let variable = |names: [&str; 2]| {
            names
                .iter()
                .find_map(|n| self.settings.variable(n))
                .cloned()
        };
        let configured = self.settings.network.clone();
        let settings = NetworkSettings {
            offline: self.settings.offline,
            https_proxy: configured
                .https_proxy
                .or_else(|| variable(["https_proxy", "HTTPS_PROXY"])),
            http_proxy: configured
                .http_proxy
                .or_else(|| variable(["http_proxy", "HTTP_PROXY"])),
            no_proxy: configured
                .no_proxy
                .or_else(|| variable(["no_proxy", "NO_PROXY"])),
            ca_file: configured.ca_file,
            timeout_ms: self
                .settings
                .timeout
                .map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX)),
        };
        let proxies = [&settings.https_proxy, &settings.http_proxy];
        for (login, _) in proxies
            .into_iter()
            .flatten()
            .filter_map(|proxy| proxy.rsplit_once('@'))
        {
            let login = login.rsplit_once("//").map_or(login, |(_, login)| login);
            self.outside.lent(login.as_bytes());
            if let Some((_, password)) = login.split_once(':') {
                self.outside.lent(password.as_bytes());
            }
        }
        Ok(settings)
    }
}

impl HandleServices {
    /// One file per name; the name is hashed away from the file system's rules.
    fn cache_file(&self, name: &str) -> Option<PathBuf> {
        let file = hex::encode(name.as_bytes());
        let fits = (1..=200).contains(&file.len());
        let folder = self.settings.cache.as_ref()?;
        fits.then(|| folder.join("backends").join(&**self.permit.id()).join(file))
    }
}

pub(crate) fn origin(source: &SecretSource) -> String {
    match source {
        SecretSource::Variable(name) => name.clone(),
        SecretSource::File(path) => path.display().to_string(),
        SecretSource::Empty => "an empty password".to_owned(),
        SecretSource::Prompt(_) => "the terminal".to_owned(),
        SecretSource::Store { scheme, name } => format!("{scheme}:{name}"),
    }
}

/// What to do where a password is needed and nobody can be asked.
const GIVE_PASSWORD: &str = "set SIGTOOL_PASSWORD, pipe it to `--password-stdin`, or name a secret in the profile: `password = { file = \"…\" }`";

/// The same for the password that a key gets.
const GIVE_NEW_PASSWORD: &str = "set SIGTOOL_NEW_PASSWORD, pipe it to `--password-stdin`, or run it on a terminal; an empty variable means none, which protects nothing";

/// The same where the configuration wants a person to be asked.
const OTHER_PLACE: &str = "run it on a terminal, pipe the password of a key to `--password-stdin`, or name another place in the profile: `{ env = \"NAME\" }` or `{ file = \"PATH\" }`";

/// Whether a variable is called as those are that hold secrets.
pub(super) fn names_a_secret(variable: &str) -> bool {
    const ENDS: &[&str] = &[
        "ACCESS_KEY",
        "API_KEY",
        "CREDENTIAL",
        "CREDENTIALS",
        "PASSPHRASE",
        "PASSWD",
        "PIN",
        "PRIVATE_KEY",
    ];
    let name = variable.to_ascii_uppercase();
    let within = ["PASSWORD", "SECRET", "TOKEN"];
    let is_end = |end: &&&str| {
        name.strip_suffix(**end)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
    };
    ENDS.iter().any(|end| is_end(&end)) || within.iter().any(|word| name.contains(word))
}

/// Whether a person may be sent there: an `https:` address, or `http:` on this machine.
fn is_page(url: &str) -> bool {
    let here = ["localhost", "127.0.0.1", "[::1]"];
    let is_here = |rest: &str| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let rest_of = |host| authority.strip_prefix(host);
        here.iter().filter_map(rest_of).any(|port| {
            port.is_empty()
                || port
                    .strip_prefix(':')
                    .is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
        })
    };
    url.strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty())
        || url.strip_prefix("http://").is_some_and(is_here)
}

/// What a secret is called when it is asked for.
fn label(args: &AskSecretArgs) -> String {
    let label = args.label.as_deref().unwrap_or("password");
    if args.new && !label.starts_with("new ") {
        return format!("new {label}");
    }
    label.to_owned()
}

fn read_file(path: &std::path::Path) -> Result<Secret> {
    let failed = |e: &dyn std::fmt::Display| {
        Error::new(
            ErrorCode::NotFound,
            format!("cannot read the secret in `{}`", path.display()),
        )
        .because(e)
    };
    let mut bytes = read_regular(path, MAX_SECRET).map_err(|e| failed(&e))?;
    // Editors and `echo` end a file with a newline that nobody means.
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    Ok(Secret::new(std::mem::take(&mut *bytes)))
}
