//! The chain of custody of this run: what the commands enter in the ledger, and how artifacts are found in it.

use crate::app::App;
use crate::app::opening::SignerInUse;
use crate::artifacts::item::Item;
use crate::artifacts::meaning;
use crate::ci::execution;
use crate::config::Profile;
use crate::custody::ledger::{not_writable, open};
use crate::error::CommandError;
use crate::output::Ui;
use sigtool_core::key::KeyHint;
use sigtool_core::ledger::{
    Action, Attempt, Event, EventArtifact, EventSignature, EventSigner, Execution, Head, Ledger,
    LedgerError,
};
use sigtool_core::sign::{Location, Place, SignedArtifact, Stored};
use sigtool_core::{Verification, Verified};
use sigtool_sdk::types::{Artifact, ArtifactKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What enters this run's events.
pub(crate) struct Custody {
    /// None with `--no-history`, and where verifying cannot write.
    ledger: Option<Ledger>,
    ui: Arc<Ui>,
    profile: Option<String>,
    execution: Execution,
}

impl Custody {
    /// The entry of beginning a ledger anew.
    pub(crate) fn restarting(app: &App) -> Event {
        let custody = Self {
            ledger: None,
            ui: Arc::clone(&app.ui),
            profile: None,
            execution: execution(&app.settings.environment),
        };
        custody.event(Action::Restart, Attempt::Done, EventArtifact::default())
    }

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
    pub(crate) fn best_effort(app: &App, profile: &Profile, wanted: bool) -> Self {
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
            ui: Arc::clone(&app.ui),
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
        let events = events.iter().map(|event| self.without_hidden(event));
        let events: Vec<_> = events.collect();
        ledger.map(|ledger| ledger.append(&events)).transpose()
    }

    /// An event as it may be kept: an entry is there for good.
    fn without_hidden(&self, event: &Event) -> Event {
        if !self.ui.hides_something() {
            return event.clone();
        }
        let clean = |text: String| serde_json::from_str(&self.ui.without_hidden(&text));
        let text = serde_json::to_string(event);
        text.and_then(clean).unwrap_or_else(|_| event.clone())
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
            old_head: None,
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
        backend: Some(signer.backend.to_string()),
        key_id: None,
        key_version: None,
    }
}

/// All that is known of an artifact that could not be read.
fn unread(item: &Item) -> EventArtifact {
    let reference = match item.from_stdin {
        true => item.shown.clone(),
        false => item.reference.to_string(),
    };
    EventArtifact {
        reference,
        ..EventArtifact::default()
    }
}

fn reasons(error: &CommandError) -> Vec<String> {
    let message = std::iter::once(&error.message);
    message.chain(&error.causes).cloned().collect()
}

/// Where a signature lies, for a program in another folder; what is not a path stays.
pub(crate) fn location(artifact: &Artifact, stored: &Stored) -> PathBuf {
    let shown = shown(&stored.location);
    let path = match &stored.location {
        // Beside a file it is written as the artifact is.
        Location::Beside(_) if artifact.kind != ArtifactKind::ContainerImage => {
            std::path::absolute(shown)
        }
        Location::File(path) => meaning::file_reference(path),
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
