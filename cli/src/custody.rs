//! The chain of custody of this run: what the commands enter in the ledger, and how artifacts are found in it.

use crate::app::{App, SignerInUse};
use crate::batch::Item;
use crate::config::Profile;
use crate::config::origin::shorten;
use crate::error::{CommandError, why};
use crate::execution::execution;
use crate::words::{self, Meant};
use sigtool_core::digest::Sha256;
use sigtool_core::key::KeyHint;
use sigtool_core::ledger::{
    Action, Attempt, Event, EventArtifact, EventSignature, EventSigner, Execution, Head, Ledger,
    LedgerError, Named,
};
use sigtool_core::sign::{Location, Place, SignedArtifact, Stored};
use sigtool_core::{Verification, Verified};
use sigtool_sdk::types::{Artifact, ArtifactKind, Digest};
use std::path::{Path, PathBuf};

/// What enters this run's events.
pub(crate) struct Custody {
    /// None with `--no-history`, and where verifying cannot write.
    ledger: Option<Ledger>,
    profile: Option<String>,
    execution: Execution,
}

impl Custody {
    /// For signing: without a ledger nothing is signed, unless it is not wanted.
    pub(crate) fn required(
        app: &App,
        profile: &Profile,
        wanted: bool,
    ) -> Result<Self, CommandError> {
        let ledger = match wanted {
            true => Some(open(app).map_err(not_writable)?),
            false => None,
        };
        Ok(Self::new(app, profile, ledger))
    }

    /// For verifying, which goes on without a ledger.
    pub(crate) fn as_it_can(app: &App, profile: &Profile, wanted: bool) -> Self {
        let ledger = match wanted.then(|| open(app)) {
            Some(Ok(ledger)) => Some(ledger),
            Some(Err(cause)) => {
                app.ui.note(&format!("not entered in the history: {cause}"));
                None
            }
            None => None,
        };
        Self::new(app, profile, ledger)
    }

    fn new(app: &App, profile: &Profile, ledger: Option<Ledger>) -> Self {
        Self {
            ledger,
            profile: profile.name.as_ref().map(|name| name.value.clone()),
            execution: execution(&app.settings.environment),
        }
    }

    /// Enters that an artifact was signed, and where its signature was pushed to.
    pub(crate) fn signed(
        &self,
        signer: &SignerInUse,
        signed: &SignedArtifact,
        append: bool,
    ) -> Result<Option<Head>, LedgerError> {
        let who = EventSigner {
            key_id: signed.key_id.clone(),
            key_version: signed.key_version.clone(),
            ..who(signer)
        };
        let signing = Event {
            append,
            ..self.signing(Attempt::Done, &signed.artifact, who, &signed.stored)
        };
        let mut attaching = signing.clone();
        attaching.action = Action::Attach;
        attaching.signatures.retain(|s| s.place == Place::Beside);
        let pushed = signed.artifact.kind == ArtifactKind::ContainerImage
            && !attaching.signatures.is_empty();
        let events = [signing, attaching];
        self.enter(&events[..1 + usize::from(pushed)])
    }

    /// Enters that signing failed; `written` is what had been written before, of which artifact.
    pub(crate) fn not_signed(
        &self,
        signer: &SignerInUse,
        item: &Item,
        written: Option<(&Artifact, &[Stored])>,
        error: &CommandError,
    ) -> Result<Option<Head>, LedgerError> {
        let event = match written {
            Some((artifact, stored)) => {
                self.signing(Attempt::Failed, artifact, who(signer), stored)
            }
            None => Event {
                signers: vec![who(signer)],
                ..self.event(Action::Sign, Attempt::Failed, unread(item))
            },
        };
        self.enter(&[Event {
            reasons: reasons(error),
            ..event
        }])
    }

    /// Enters what verifying found.
    pub(crate) fn verified(&self, verified: &Verified) -> Result<Option<Head>, LedgerError> {
        let (result, signers, reasons) = match &verified.verification {
            Verification::Valid { signers } => (Attempt::Valid, &signers[..], &[][..]),
            Verification::Refused { reasons } => (Attempt::Refused, &[][..], &reasons[..]),
            Verification::Inconclusive { reasons } => {
                (Attempt::Inconclusive, &[][..], &reasons[..])
            }
        };
        let signers = signers.iter().map(|signer| EventSigner {
            name: Some(signer.name.clone()),
            key_hint: signer.key_hint.clone(),
            algorithm: signer.algorithm,
            backend: None,
            key_id: None,
            key_version: None,
        });
        let artifact = EventArtifact::new(&verified.artifact);
        self.enter(&[Event {
            signers: signers.collect(),
            reasons: reasons.iter().map(ToString::to_string).collect(),
            ..self.event(Action::Verify, result, artifact)
        }])
    }

    /// Enters that it could not be told whether an artifact is signed.
    pub(crate) fn not_verified(
        &self,
        item: &Item,
        error: &CommandError,
    ) -> Result<Option<Head>, LedgerError> {
        self.enter(&[Event {
            reasons: reasons(error),
            ..self.event(Action::Verify, Attempt::Inconclusive, unread(item))
        }])
    }

    fn enter(&self, events: &[Event]) -> Result<Option<Head>, LedgerError> {
        let ledger = self.ledger.as_ref();
        ledger.map(|ledger| ledger.append(events)).transpose()
    }

    fn signing(
        &self,
        result: Attempt,
        artifact: &Artifact,
        signer: EventSigner,
        stored: &[Stored],
    ) -> Event {
        let signatures = stored.iter().map(|stored| {
            let location = location(artifact, stored).display().to_string();
            EventSignature::new(stored, location)
        });
        Event {
            signers: vec![signer],
            signatures: signatures.collect(),
            ..self.event(Action::Sign, result, EventArtifact::new(artifact))
        }
    }

    fn event(&self, action: Action, result: Attempt, artifact: EventArtifact) -> Event {
        Event {
            action,
            result,
            artifact,
            signers: Vec::new(),
            signatures: Vec::new(),
            append: false,
            reasons: Vec::new(),
            profile: self.profile.clone(),
            execution: self.execution.clone(),
            tool: concat!("sigtool ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

fn who(signer: &SignerInUse) -> EventSigner {
    let key = signer.signer.public_key();
    EventSigner {
        name: signer.key.clone(),
        key_hint: KeyHint::of(key),
        algorithm: key.algorithm,
        backend: Some(signer.backend.clone()),
        key_id: None,
        key_version: None,
    }
}

/// All that is known of an artifact that could not be read.
fn unread(item: &Item) -> EventArtifact {
    let reference = match item.from_stdin {
        true => &item.shown,
        false => &item.reference,
    };
    EventArtifact {
        reference: reference.clone(),
        ..EventArtifact::default()
    }
}

fn reasons(error: &CommandError) -> Vec<String> {
    let message = std::iter::once(&error.message);
    message.chain(&error.causes).cloned().collect()
}

/// Where a signature lies, for a program in another folder; what is no path stays.
pub(crate) fn location(artifact: &Artifact, stored: &Stored) -> PathBuf {
    let shown = shown(&stored.location);
    let path = match &stored.location {
        // Beside a file it is written as the artifact is.
        Location::Beside(_) if artifact.kind != ArtifactKind::ContainerImage => {
            std::path::absolute(shown)
        }
        Location::File(path) => words::file_reference(path),
        Location::Beside(_) | Location::Store => Ok(shown.to_owned()),
    };
    path.unwrap_or_else(|_| shown.to_owned())
}

/// A place as a user would name it.
pub(crate) fn shown(location: &Location) -> &Path {
    match location {
        Location::Beside(place) => Path::new(place),
        Location::File(path) => path,
        Location::Store => Path::new("the local store"),
    }
}

/// Why there is no ledger to write to.
#[derive(Debug, thiserror::Error)]
enum Closed {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("there is no HOME, so there is no place for it")]
    NoHome,
}

/// Where the ledger of this user is, to be read.
///
/// # Errors
///
/// Nobody knows. That is not to say that there is none.
pub(crate) fn place(app: &App) -> Result<PathBuf, CommandError> {
    app.folders.ledger().ok_or_else(|| {
        CommandError::could_not_tell("cannot read the ledger")
            .because(Closed::NoHome)
            .hint("set HOME, or XDG_STATE_HOME to the folder that `sigtool` is in")
    })
}

fn open(app: &App) -> Result<Ledger, Closed> {
    let path = app.folders.ledger().ok_or(Closed::NoHome)?;
    Ok(Ledger::open(&path)?)
}

fn not_writable(closed: Closed) -> CommandError {
    let error = CommandError::could_not_tell("nothing is signed: the ledger cannot be written")
        .because(&closed);
    let error = match closed {
        Closed::Ledger(cause) if is_broken(&cause) => error
            .hint(SEE_ALL)
            .hint("to begin a new one, move `ledger.db` and `ledger.head` away, and keep them as evidence"),
        _ => error,
    };
    error.hint("to sign without an entry in the history, add `--no-history`")
}

/// The ledger of this user, if there is one yet.
pub(crate) fn open_to_read(app: &App) -> Result<Option<Ledger>, CommandError> {
    Ledger::open_to_read(&place(app)?).map_err(unreadable)
}

/// The error for a ledger that is there and cannot be read.
pub(crate) fn unreadable(error: LedgerError) -> CommandError {
    let broken = is_broken(&error);
    let shown = CommandError::could_not_tell("cannot read the ledger").because(error);
    match broken {
        true => shown.hint(SEE_ALL),
        false => shown,
    }
}

const SEE_ALL: &str = "see all that is wrong with it: sigtool history --verify";

/// Whether somebody has tampered with it.
fn is_broken(error: &LedgerError) -> bool {
    use LedgerError::{Broken, Entry, Gone, Head, State};
    match error {
        Broken(_) | Entry { .. } | Gone(_) | Head { .. } => true,
        State(_) => false,
    }
}

/// What an artifact may be called in the ledger: by the digest of a file that is there, by its path, by name, by name and version.
pub(crate) fn names(word: &str) -> Result<Vec<Named>, CommandError> {
    let reference = |path: &str| {
        let path = words::file_reference(Path::new(path)).ok()?;
        Some(Named::any_version(path.to_str()?))
    };
    if let Ok(Meant::File(path)) = words::meaning(word) {
        let digest = digest_of(Path::new(path))?;
        let named = [word.to_owned(), digest].map(Named::any_version);
        return Ok(named.into_iter().chain(reference(path)).collect());
    }
    let mut names = vec![Named::any_version(word)];
    if let Some(path) = word.strip_prefix("file:") {
        names.extend(reference(path));
        return Ok(names);
    }
    names.extend(reference(word));
    let word = word.strip_prefix("oci:").unwrap_or(word);
    if let Some((_, digest)) = word.split_once('@')
        && digest.parse::<Digest>().is_ok()
    {
        names.extend([word, digest].map(Named::any_version));
        return Ok(names);
    }
    let tagged = word.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
    let (name, version) = tagged.map_or((word, None), |(name, tag)| (name, Some(tag)));
    for text in [Some(name.to_owned()), at_docker_hub(name)] {
        names.extend(text.map(|text| Named {
            text,
            version: version.map(str::to_owned),
        }));
    }
    Ok(names)
}

/// What a key may be called in the ledger: as it was written when it signed, or as reports call it, which is how it is trusted. Both
/// are known by what `history` prints, and by the path.
pub(crate) fn signers(app: &App, word: &str) -> Vec<String> {
    let home = app.folders.home.as_deref();
    let path = match (word.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Ok(home.join(rest)),
        _ => std::path::absolute(word),
    };
    let mut names = vec![word.to_owned()];
    if let Ok(path) = path {
        let below_here = app.short(&path);
        names.extend([path.display().to_string(), shorten(&path, home), below_here]);
    }
    names
}

/// The whole name of an image that Docker Hub keeps: `alpine`, `acme/app`.
fn at_docker_hub(name: &str) -> Option<String> {
    const HUB: &str = "index.docker.io";
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    match name.split_once('/') {
        None => Some(format!("{HUB}/library/{name}")),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => None,
        Some(_) => Some(format!("{HUB}/{name}")),
    }
}

fn digest_of(path: &Path) -> Result<String, CommandError> {
    let cannot = |error: &std::io::Error| {
        CommandError::input(format!("cannot read `{}`", path.display())).because(why(error))
    };
    // Before it is opened: opening a named pipe waits for its other end.
    let facts = std::fs::metadata(path).map_err(|e| cannot(&e))?;
    if !facts.is_file() && !facts.is_dir() {
        return Err(cannot(&std::io::Error::other("it is not a regular file")));
    }
    let mut file = std::fs::File::open(path).map_err(|e| cannot(&e))?;
    let digest = Sha256::of(&mut file).map_err(|e| cannot(&e))?;
    Ok(digest.to_string())
}
