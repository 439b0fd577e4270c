//! `sigtool overview`: artifacts and their current signatures, as the ledger has them; of one artifact also what lies beside it, which
//! may be foreign, and is not verified here.

use crate::app::App;
use crate::args::Overview;
use crate::artifacts::item::SourceOf;
use crate::artifacts::meaning;
use crate::artifacts::meaning::{Meant, Unclear};
use crate::artifacts::sources::Sources;
use crate::custody::ledger::store;
use crate::custody::ledger::{open_to_read, unreadable};
use crate::custody::names::names;
use crate::error::{CommandError, Outcome};
use crate::output::{Text, clean};
use crate::report::overview::{Group, text};
use sigtool_core::ledger::{Ledger, Named, Query};
use sigtool_core::verify::find::{Found, find_signatures};
use sigtool_sdk::types::reference::names_registry;
use sigtool_sdk::types::{ArtifactKind, DigestAlgorithm};
use std::ops::ControlFlow;
use std::path::Path;

mod beside;

pub(super) fn run(app: &App, args: &Overview) -> Outcome {
    let ledger = open_to_read(app)?;
    let mut shown = 0;
    let mut show = |group: &Group| {
        let gap = (shown > 0).then(String::new);
        let lines = gap.into_iter().chain(text(app, group));
        app.ui.item(Text::lines(lines), group);
        shown += 1;
    };
    let mut missed = None;
    match &args.artifact {
        None => known(ledger.as_ref(), None, |group| show(&group))?,
        Some(word) => {
            let (groups, error) = one(app, ledger.as_ref(), word)?;
            groups.iter().for_each(&mut show);
            missed = error;
        }
    }
    // What the ledger knows is told all the same.
    if let Some(error) = missed {
        return Err(error);
    }
    app.ui.end_items();
    if shown == 0 {
        app.ui.note(&match &args.artifact {
            Some(word) => format!("no signature of `{}` is known here", clean(word)),
            None => "nothing has been signed here yet, or never with a history".to_owned(),
        });
    }
    Ok(0)
}

/// Hands out what the ledger knows.
pub(crate) fn known(
    ledger: Option<&Ledger>,
    named: Option<&[Named]>,
    mut take: impl FnMut(Group),
) -> Result<(), CommandError> {
    let Some(ledger) = ledger else { return Ok(()) };
    let taken = ledger.artifacts(named, |known| {
        take(Group::from(known));
        ControlFlow::Continue(())
    });
    taken.map(drop).map_err(unreadable)
}

/// All that is known of what a word names, and of an artifact that can be looked at what lies there; and why there may be more.
fn one(
    app: &App,
    ledger: Option<&Ledger>,
    word: &str,
) -> Result<(Vec<Group>, Option<CommandError>), CommandError> {
    let mut named = names(word)?;
    let (found, missed) = match look(app, ledger, word)? {
        Looked::Not => (None, None),
        Looked::Failed(error) => (None, Some(error)),
        Looked::Found(found) => {
            let missed = incomplete(word, &found);
            (Some(found), missed)
        }
    };
    if let Some(digest) = found
        .as_ref()
        .and_then(|f| f.artifact.digest(DigestAlgorithm::Sha256))
    {
        named = vec![Named::any_version(digest.to_string())];
    }
    let mut groups = Vec::new();
    known(ledger, Some(&named), |group| groups.push(group))?;
    if let Some(found) = &found {
        beside::compare(ledger, &mut groups, found)?;
    }
    groups.iter_mut().for_each(Group::look_at_files);
    groups.retain(|group| !group.is_empty());
    Ok((groups, missed))
}

/// What looking at an artifact gave.
enum Looked {
    /// There is nothing to look at, or nobody may be asked.
    Not,
    /// The artifact could not be had.
    Failed(CommandError),
    Found(Found),
}

/// The error for places that did not answer: they may have signatures that are not told.
fn incomplete(word: &str, found: &Found) -> Option<CommandError> {
    let message = format!(
        "could not look everywhere for signatures of `{}`",
        clean(word)
    );
    let error = CommandError::could_not_tell(message);
    let failures = found.failures.iter();
    (!found.failures.is_empty()).then(|| failures.fold(error, CommandError::because))
}

/// What lies beside the artifact, if it can be looked at: a file that is there, or an image.
fn look(app: &App, ledger: Option<&Ledger>, word: &str) -> Result<Looked, CommandError> {
    let no_image = is_digest(word) || is_name_of_files(ledger, word)?;
    let profile = app.profile()?;
    let sources = Sources::new(app, &profile);
    let (which, reference) = match meaning::meaning(word) {
        Ok(Meant::File(path)) => {
            let path = meaning::file_reference(Path::new(path))
                .map_err(|e| CommandError::input(format!("`{word}` is not a path")).because(e))?;
            (SourceOf::Files, path.display().to_string())
        }
        Ok(Meant::Image(_)) if no_image => return Ok(Looked::Not),
        Ok(Meant::Image(_)) if app.settings.offline => {
            app.ui
                .note("with `--offline` the registry is not asked: this is what the ledger knows");
            return Ok(Looked::Not);
        }
        Ok(Meant::Image(image)) => (SourceOf::Images, image.to_string()),
        Err(Unclear::Wrong(error)) => return Err(error),
        Ok(Meant::Missing(_) | Meant::Pattern(_)) | Err(Unclear::Missing(..)) => {
            return Ok(Looked::Not);
        }
    };
    let source = sources.get(which)?;
    let store = match which {
        SourceOf::Images => store(app),
        SourceOf::Files => Ok(None),
    };
    let store = store.as_ref().map(Option::as_ref).map_err(Clone::clone);
    match find_signatures(&source.handle, &store, &reference) {
        Ok(found) => {
            for note in &found.notes {
                app.ui.note(&app.relative(note));
            }
            Ok(Looked::Found(found))
        }
        Err(error) => {
            let message = format!("cannot look at `{}`", clean(word));
            Ok(Looked::Failed(source.failed(message, error)))
        }
    }
}

fn is_digest(word: &str) -> bool {
    word.parse::<sigtool_sdk::types::Digest>().is_ok()
}

/// Whether the ledger knows a word as the name and the version of files. It is not sent to a registry then: names can be private.
fn is_name_of_files(ledger: Option<&Ledger>, word: &str) -> Result<bool, CommandError> {
    let (Some(ledger), Some((name, version))) = (ledger, word.rsplit_once(':')) else {
        return Ok(false);
    };
    if word.starts_with("oci:") || names_registry(word) {
        return Ok(false);
    }
    let named = Named {
        text: name.to_owned(),
        version: Some(version.to_owned()),
    };
    let query = Query {
        artifacts: Some(vec![named]),
        ..Query::default()
    };
    let mut is_file = false;
    let taken = ledger.entries(&query, |recorded| {
        is_file = recorded.entry.event.artifact.kind != Some(ArtifactKind::ContainerImage);
        match is_file {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    taken.map_err(unreadable)?;
    Ok(is_file)
}
