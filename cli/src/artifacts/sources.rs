//! The sources of a run: files, images, or whatever the profile's own source serves. Each is opened when it is first needed.

use crate::app::App;
use crate::artifacts::item::SourceOf;
use crate::config::{Profile, SchemeAndName};
use crate::error::CommandError;
use crate::host::HostSettings;
use crate::host::opening::Opening;
use crate::output::Ui;
use sigtool_sdk::Kind;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::text::quoted;
use sigtool_sdk::types::{BackendId, ParseImageError, Repository};
use std::sync::{Arc, OnceLock};

/// The source that serves files.
const FILES: BackendId = BackendId::from_static("local-stage");

/// The source that serves images.
const IMAGES: BackendId = BackendId::from_static("oci");

/// Where cosign has the signatures of images lie.
const COSIGN_REPOSITORY: &str = "COSIGN_REPOSITORY";

/// What a source can do that its manifest tells: its references may come to name another artifact, and it resolves them to ones
/// that do not.
pub(crate) const PINS: &str = "source.pins";

/// A source, opened.
pub(crate) struct SourceInUse {
    pub(crate) backend: BackendId,
    pub(crate) handle: Handle,
    /// See [`PINS`].
    pub(crate) pins: bool,
}

impl SourceInUse {
    /// Whether what it is asked for is the path of a file.
    pub(crate) fn serves_files(&self) -> bool {
        self.backend == FILES
    }

    /// An error about an artifact. Only a third-party source is named: of sigtool's own it is the artifact that is at fault.
    pub(crate) fn failed(&self, message: String, error: sigtool_sdk::Error) -> CommandError {
        let mut shown = CommandError::from_backend(message, error);
        if !self.backend.is_first_party() {
            let blame = format!("the backend `{}` failed in `source.resolve`", self.backend);
            shown.causes.insert(0, blame);
        }
        shown
    }
}

/// The sources of a run.
pub(crate) struct Sources<'a> {
    app: &'a App,
    profile: &'a Profile,
    /// Where the signatures of images lie, as the command line says.
    attach_to: Option<&'a Repository>,
    files: OnceLock<SourceInUse>,
    images: OnceLock<SourceInUse>,
}

impl<'a> Sources<'a> {
    /// Opens nothing yet.
    pub(crate) fn new(app: &'a App, profile: &'a Profile) -> Self {
        Self {
            app,
            profile,
            attach_to: None,
            files: OnceLock::new(),
            images: OnceLock::new(),
        }
    }

    /// The same, with what `--attach-to` says.
    pub(crate) fn attach_to(mut self, repository: Option<&'a Repository>) -> Self {
        self.attach_to = repository;
        self
    }

    pub(crate) fn ui(&self) -> &Arc<Ui> {
        &self.app.ui
    }

    pub(crate) fn settings(&self) -> &HostSettings {
        &self.app.settings
    }

    /// Says something of a source, with `--verbose`.
    pub(crate) fn trace(&self, text: &str) {
        self.app.ui.trace(text);
    }

    /// The source that files come from.
    pub(crate) fn files(&self) -> Result<&SourceInUse, CommandError> {
        self.get(SourceOf::Files)
    }

    /// A source of this run.
    pub(crate) fn get(&self, which: SourceOf) -> Result<&SourceInUse, CommandError> {
        let (opened, default) = match which {
            SourceOf::Files => (&self.files, FILES),
            SourceOf::Images => (&self.images, IMAGES),
        };
        if let Some(source) = opened.get() {
            return Ok(source);
        }
        let source = self.open(default)?;
        Ok(opened.get_or_init(|| source))
    }

    /// The profile's `source` has the settings of the backend that it names. A third-party one also stands for that of files.
    fn open(&self, default: BackendId) -> Result<SourceInUse, CommandError> {
        let table = self.profile.source.as_ref();
        let meant = table.filter(|table| {
            let id = &table.backend.value;
            *id == default || default == FILES && *id != IMAGES
        });
        let serves_images = default == IMAGES;
        let mut opening = match meant {
            Some(table) => self.app.opening_of_table(table)?,
            None => Opening::plain(default, Kind::Source),
        };
        if serves_images && let Some(repository) = self.place_of_signatures()? {
            opening.configuration["attach_to"] = repository.to_string().into();
        }
        let handle = self.app.backends.open(&opening)?;
        let manifest = self.app.backends.manifest(&opening.backend);
        Ok(SourceInUse {
            pins: manifest.is_some_and(|m| m.can(PINS)),
            backend: opening.backend,
            handle,
        })
    }

    /// The repository in which the signatures of images lie, if it is not that of the image: by the flag, the profile, or cosign's variable.
    fn place_of_signatures(&self) -> Result<Option<Repository>, CommandError> {
        let configured = self
            .profile
            .attach_to
            .as_ref()
            .map(|located| &located.value);
        if let Some(repository) = self.attach_to.or(configured) {
            return Ok(Some(repository.clone()));
        }
        let variable = self.settings().environment.get(COSIGN_REPOSITORY);
        let Some(text) = variable.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|why: ParseImageError| {
            let message = format!("`{COSIGN_REPOSITORY}` is {}", quoted(text));
            CommandError::input(message)
                .because(format!("that {why}"))
                .hint("set it to a repository such as `ghcr.io/acme/signatures`, or unset it")
        })
    }

    /// Whether a word begins with a scheme that the profile's own third-party source serves.
    pub(crate) fn are_for(&self, word: &str) -> bool {
        let scheme = SchemeAndName::of(word).map(|parts| parts.scheme);
        let (Some(scheme), Some(table)) = (scheme, self.profile.source.as_ref()) else {
            return false;
        };
        let id = &table.backend.value;
        if scheme == "file" || *id == FILES || *id == IMAGES {
            return false;
        }
        let manifest = self.app.backends.manifest(id);
        manifest.is_some_and(|m| m.schemes.iter().any(|s| s == scheme))
    }
}
