//! Finds, checks, loads and runs backends. A profile names one; presence in a folder loads nothing.

use crate::config::policy::Ceiling;
use crate::error::CommandError;
use crate::interrupt;
use crate::output::Ui;
use blame::failed;
use broker::{Broker, Lender};
use discover::Body;
use outside::Outside;
use permit::Permit;
use queue::Queued;
use services::HandleServices;
use sigtool_sdk::connection::{Connection, Handle};
use sigtool_sdk::message::Hello;
use sigtool_sdk::redact::Secrets;
use sigtool_sdk::services::Services;
use sigtool_sdk::types::BackendId;
use sigtool_sdk::{Error, ErrorCode, Kind, Manifest};
use start::{check_description, hello, join};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError, Weak};

mod asking;
pub(crate) mod blame;
mod broker;
mod child;
pub(crate) mod child_host;
mod discover;
mod in_process;
mod load;
mod object_file;
pub(crate) mod opening;
mod outside;
pub(crate) mod passwords;
mod permit;
mod protocol;
mod queue;
mod schemes;
mod services;
mod start;
mod wait;

pub(crate) use crate::config::Isolation;
pub(crate) use blame::{blame, whose_move};
pub(crate) use discover::{Declared, Folders, Found, Owner, read_backend};
pub(crate) use opening::{Opening, SecretSource};
pub(crate) use permit::{asks_for, pointer};
pub(crate) use services::HostSettings;

/// Variables that every child process gets; others only if its manifest declares them.
const CHILD_ENVIRONMENT: &[&str] = &["HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ"];

/// The backends of this run. Each is started once, when it is first needed.
pub(crate) struct Backends {
    ui: Arc<Ui>,
    settings: Arc<HostSettings>,
    folders: Folders,
    declared: BTreeMap<BackendId, Declared>,
    ceiling: Ceiling,
    found: Mutex<HashMap<String, Arc<Found>>>,
    running: Mutex<HashMap<String, Arc<Running>>>,
    /// What no backend is to show.
    secrets: Arc<Secrets>,
    /// Itself, for what one backend lends to another.
    myself: Weak<Self>,
}

struct Running {
    connection: Arc<dyn Connection>,
    manifest: Arc<Manifest>,
    outside: Outside,
}

impl Backends {
    pub(crate) fn new(
        ui: Arc<Ui>,
        settings: Arc<HostSettings>,
        folders: Folders,
        declared: BTreeMap<BackendId, Declared>,
        ceiling: Ceiling,
    ) -> Arc<Self> {
        let secrets = Arc::new(Secrets::default());
        for (_, value) in settings
            .environment
            .iter()
            .filter(|(name, _)| is_ours(name))
        {
            secrets.add(value.as_bytes());
        }
        Arc::new_cyclic(|myself| Self {
            ui,
            secrets,
            settings,
            folders,
            declared,
            ceiling,
            found: Mutex::default(),
            running: Mutex::default(),
            myself: myself.clone(),
        })
    }

    /// The manifest of a backend, read without running it; `None` if there is none of that id or it cannot be read.
    pub(crate) fn manifest(&self, id: &str) -> Option<Manifest> {
        self.find(id)
            .ok()
            .map(|found| Manifest::clone(&found.manifest))
    }

    /// The same for a profile that names the backend: one that is there and cannot be used says why.
    pub(crate) fn named_manifest(&self, id: &str) -> Result<Option<Manifest>, CommandError> {
        let there = self.declared.contains_key(id)
            || self.folders.first_party_ids().iter().any(|own| own == id);
        if !there {
            return Ok(None);
        }
        let found = self.find(id)?;
        Ok(Some(Manifest::clone(&found.manifest)))
    }

    /// The ids of all backends: the shipped ones and the declared ones.
    pub(crate) fn ids(&self) -> Vec<BackendId> {
        let mut ids = self.folders.first_party_ids();
        ids.extend(self.declared.keys().cloned());
        ids.sort();
        ids.dedup();
        ids
    }

    /// Where a backend is, and what it says of itself.
    pub(crate) fn find(&self, id: &str) -> Result<Arc<Found>, CommandError> {
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(id) {
            return Ok(Arc::clone(found));
        }
        drop(known);
        let mut found = discover::find(id, &self.folders, &self.declared)?;
        if found.owner == Owner::ThirdParty && self.ceiling.isolates() {
            found.isolation = Isolation::Process;
        }
        let found = Arc::new(found);
        self.found
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.to_owned(), Arc::clone(&found));
        Ok(found)
    }

    /// The backend that serves a scheme of key references, for a kind.
    ///
    /// # Errors
    ///
    /// The scheme is that of one of sigtool's own, which is there and cannot be trusted: nobody else stands in for it.
    pub(crate) fn for_scheme(
        &self,
        kind: Kind,
        scheme: &str,
    ) -> Result<Option<BackendId>, CommandError> {
        if let Some(own) = schemes::owner(kind, scheme) {
            // So that no other library is opened for it.
            let mut ids = self.folders.first_party_ids().into_iter();
            let there = ids.find(|id| *id == own);
            return there.map(|id| self.find(&id).map(|_| id)).transpose();
        }
        Ok(self.ids().into_iter().find(|id| {
            self.find(id).is_ok_and(|found| {
                let manifest = &found.manifest;
                manifest.kinds.contains(&kind) && manifest.schemes.iter().any(|s| s == scheme)
            })
        }))
    }

    /// Why backends that are there cannot be used: one of them may be what was looked for.
    pub(crate) fn unusable(&self) -> Vec<String> {
        let why = |id: &BackendId| {
            let error = self.find(id).err()?;
            let cause = error.causes.first().map(|cause| format!(": {cause}"));
            Some(format!("{}{}", error.message, cause.unwrap_or_default()))
        };
        self.ids().iter().filter_map(why).collect()
    }

    /// Remembers a secret that a backend gets as an argument, so that none shows it.
    pub(crate) fn conceal(&self, secret: &[u8]) {
        self.secrets.add(secret);
    }

    /// Opens a kind of a backend.
    pub(crate) fn open(&self, opening: &Opening) -> Result<Handle, CommandError> {
        let broker = Broker {
            backends: self.myself.clone() as Weak<dyn Lender>,
            store: opening.lent.secret.as_deref().cloned(),
            identity: opening.lent.identity.as_deref().cloned(),
        };
        self.open_with(opening, Some(broker))
    }

    fn open_with(&self, opening: &Opening, broker: Option<Broker>) -> Result<Handle, CommandError> {
        let running = self.running(&opening.backend)?;
        if !running.manifest.kinds.contains(&opening.kind) {
            return Err(CommandError::could_not_tell(format!(
                "the backend `{}` does not serve {}: it serves {}",
                opening.backend,
                opening.kind,
                join(&running.manifest.kinds)
            )));
        }
        let services: Arc<dyn Services> = Arc::new(HandleServices {
            ui: Arc::clone(&self.ui),
            settings: Arc::clone(&self.settings),
            permit: Permit::new(Arc::clone(&running.manifest), Some(opening.kind)),
            secrets: opening.secrets.clone(),
            new_password_may_be_old: opening.new_password_may_be_old,
            outside: running.outside.clone(),
            broker,
            said: AtomicU32::new(0),
        });
        Handle::open(
            Arc::clone(&running.connection),
            services,
            opening.kind,
            opening.configuration.clone(),
            self.settings.timeout,
        )
        .map_err(|error| opening.failed("open", error))
    }

    /// Starts a backend for the contract suite: a new instance, with all the checks of a normal start. `trace` hears its
    /// debug output.
    pub(crate) fn start(
        &self,
        found: &Found,
        isolation: Isolation,
        trace: &Arc<dyn Services>,
    ) -> Result<Arc<dyn Connection>, CommandError> {
        self.check_allowed(found, isolation)?;
        let running = self.start_instance(found, isolation, Some(Arc::clone(trace)))?;
        Ok(running.connection)
    }

    /// The folders that backends are looked for in, and what each holds.
    pub(crate) fn folders(&self) -> Vec<(std::path::PathBuf, &'static str)> {
        let others = self
            .folders
            .others
            .iter()
            .map(|folder| (folder.clone(), "declared backends without a `path`"));
        std::iter::once((self.folders.own.clone(), "sigtool's own backends"))
            .chain(others)
            .collect()
    }

    fn running(&self, id: &str) -> Result<Arc<Running>, CommandError> {
        let mut all = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = all.get(id) {
            return Ok(Arc::clone(running));
        }
        let found = self.find(id)?;
        self.check_allowed(&found, found.isolation)?;
        // From here on there are calls to cancel and children to end.
        interrupt::watch();
        let running = Arc::new(self.start_instance(&found, found.isolation, None)?);
        all.insert(id.to_owned(), Arc::clone(&running));
        Ok(running)
    }

    fn check_allowed(&self, found: &Found, isolation: Isolation) -> Result<(), CommandError> {
        let id = &found.manifest.id;
        if let Some(allowed) = self.ceiling.backends()
            && !allowed.iter().any(|allowed| id == allowed)
        {
            return Err(CommandError::could_not_tell(format!(
                "the policy of this machine does not allow the backend `{id}`"
            ))
            .because(format!("it allows {}", allowed.join(", ")))
            .hint("ask the administrator of this machine, who keeps /etc/sigtool/policy.toml"));
        }
        if found.owner == Owner::ThirdParty
            && isolation == Isolation::InProcess
            && self.ceiling.isolates()
        {
            return Err(CommandError::could_not_tell(format!(
                "the policy of this machine does not allow `{id}` in sigtool's own process"
            )));
        }
        if self.settings.offline
            && found.owner == Owner::ThirdParty
            && found.manifest.permissions.network
        {
            return Err(CommandError::could_not_tell(format!(
                "the backend `{id}` needs the network, and `--offline` is set"
            )));
        }
        Ok(())
    }

    fn start_instance(
        &self,
        found: &Found,
        isolation: Isolation,
        trace: Option<Arc<dyn Services>>,
    ) -> Result<Running, CommandError> {
        let id = &found.manifest.id;
        let manifest = Arc::new(Manifest::clone(&found.manifest));
        let outside = Outside::new(Arc::clone(&self.ui), Arc::clone(&self.secrets), id.clone());
        let trace = trace.unwrap_or_else(|| {
            Arc::new(HandleServices {
                ui: Arc::clone(&self.ui),
                settings: Arc::clone(&self.settings),
                permit: Permit::new(Arc::clone(&manifest), None),
                secrets: BTreeMap::new(),
                new_password_may_be_old: false,
                outside: outside.clone(),
                broker: None,
                said: AtomicU32::new(0),
            })
        });
        self.ui
            .trace(&format!("{id}: {} ({isolation})", found.path.display()));
        let opened = found.open()?;
        let started = match (opened, isolation) {
            (Body::Library(file), Isolation::InProcess) => in_this_process(file, &trace, &outside),
            (body, _) => self.in_a_child(body, &manifest, &trace, &outside),
        };
        let (inner, said) = started.map_err(|error| failed(id, "start", outside.error(error)))?;
        let connection: Arc<dyn Connection> = Arc::new(Queued::new(inner, manifest.max_in_flight));
        check_description(
            id,
            &manifest,
            &said,
            &connection,
            &trace,
            self.settings.timeout,
        )?;
        Ok(Running {
            connection,
            manifest,
            outside,
        })
    }

    fn in_a_child(
        &self,
        body: Body,
        manifest: &Manifest,
        trace: &Arc<dyn Services>,
        outside: &Outside,
    ) -> Result<Started, Error> {
        let (file, form) = match body {
            Body::Library(file) => (file, child::Form::Library),
            Body::Executable(file) => (file, child::Form::Executable),
        };
        let running = child::Child::start(
            &file,
            form,
            &self.child_environment(manifest, outside),
            &hello(),
            self.settings.timeout,
            Arc::clone(trace),
            outside.clone(),
        )?;
        let said = running.hello().clone();
        Ok((Box::new(running), said))
    }

    fn child_environment(
        &self,
        manifest: &Manifest,
        outside: &Outside,
    ) -> BTreeMap<String, String> {
        let declared = permit::variables_of(manifest);
        for name in declared
            .clone()
            .filter(|name| services::names_a_secret(name))
        {
            if let Some(value) = self.settings.environment.get(name) {
                outside.lent(value.as_bytes());
            }
        }
        CHILD_ENVIRONMENT
            .iter()
            .copied()
            .chain(declared)
            .filter_map(|name| {
                let value = self.settings.environment.get(name)?;
                Some((name.to_owned(), value.clone()))
            })
            .collect()
    }
}

/// Whether a variable is one of those that hold secrets for sigtool, whoever asks for them.
fn is_ours(variable: &str) -> bool {
    let prefixes = ["SIGTOOL_", "COSIGN_"];
    prefixes.iter().any(|prefix| variable.starts_with(prefix)) && services::names_a_secret(variable)
}

/// A backend that runs, and what it said first.
type Started = (Box<dyn Connection>, Hello);

fn in_this_process(
    file: File,
    trace: &Arc<dyn Services>,
    outside: &Outside,
) -> Result<Started, Error> {
    let table = load::load(file)
        .map_err(|e| Error::new(ErrorCode::Unsupported, "the library cannot be used").because(e))?;
    let running =
        in_process::InProcess::start(table, &hello(), Arc::clone(trace), outside.clone())?;
    let said = running.hello().clone();
    Ok((Box::new(running), said))
}

impl Lender for Backends {
    fn manifest(&self, id: &str) -> Option<Manifest> {
        Self::manifest(self, id)
    }

    fn secret_store_for(&self, scheme: &str) -> Result<Option<BackendId>, CommandError> {
        self.for_scheme(Kind::Secret, scheme)
    }

    fn unusable(&self) -> Vec<String> {
        Self::unusable(self)
    }

    fn open_lent(&self, opening: &Opening) -> Result<Handle, CommandError> {
        self.open_with(opening, None)
    }

    fn may_have_tokens(&self, id: &str) -> bool {
        let own = self
            .find(id)
            .is_ok_and(|found| found.owner == Owner::FirstParty);
        own || self
            .declared
            .get(id)
            .is_some_and(|declared| declared.identity_token)
    }
}
