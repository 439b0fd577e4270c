//! What lies beside an artifact, against what the ledger knows: which signatures are where they were put, which lie elsewhere,
//! which are of other content, and which are foreign.

use crate::custody::ledger::unreadable;
use crate::error::CommandError;
use crate::report::overview::{Foreign, Group, Signature};
use sigtool_core::ledger::{Action, EventArtifact, Ledger, Named, Query};
use sigtool_core::sign::Place;
use sigtool_core::verify::find::{Found, FoundSignature, Unverified};
use sigtool_sdk::types::Bytes;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Says of each signature that the ledger knows whether it still lies there, and adds those that lie elsewhere or are not known.
pub(super) fn compare(
    ledger: Option<&Ledger>,
    groups: &mut Vec<Group>,
    found: &Found,
) -> Result<(), CommandError> {
    let here = EventArtifact::new(&found.artifact);
    let place = groups
        .iter()
        .position(|group| group.artifact.is_same(&here));
    let place = place.unwrap_or_else(|| {
        groups.insert(0, Group::new(here));
        0
    });
    let group = &mut groups[place];
    let all = found.signatures.iter().map(|found| SignedFile {
        unverified: found.unverified(),
        found,
    });
    let all: Vec<SignedFile<'_>> = all.collect();
    mark(group, &all, found.failures.is_empty());
    let mut others = Vec::new();
    for lying in &all {
        let known = group.signatures.iter().find(|s| lying.is(&s.signature));
        match known.cloned() {
            Some(known) => lying.copies(&known).for_each(|copy| group.add(copy)),
            None => others.push(lying),
        }
    }
    let makers = makers(ledger, &group.artifact, &others)?;
    for (lying, maker) in others.into_iter().zip(makers) {
        match maker {
            // What only the local store has, for another repository, is told of that one.
            Some(maker) => lying.copies(&maker).for_each(|copy| group.add(copy)),
            None => group.foreign.push(lying.foreign()),
        }
    }
    Ok(())
}

/// Says of the signatures that the ledger knows whether they lie where they were put, as far as the source and the store tell.
/// `complete` is whether they told everything.
fn mark(group: &mut Group, all: &[SignedFile<'_>], complete: bool) {
    let kind = group.artifact.kind;
    for signature in &mut group.signatures {
        let lies = all.iter().any(|lying| lying.lies_at(signature));
        // Whether a file is there does not depend on where the artifact is now.
        let is_told = lies || complete && !signature.is_in_file(kind);
        signature.present = is_told.then_some(lies);
    }
}

/// A signature that was found.
struct SignedFile<'a> {
    found: &'a FoundSignature,
    unverified: Unverified,
}

impl SignedFile<'_> {
    fn is(&self, signature: &Bytes) -> bool {
        self.unverified.signature.as_ref() == Some(signature)
    }

    /// Whether it lies where the ledger says. In another format it would be another file, or another manifest.
    fn lies_at(&self, known: &Signature) -> bool {
        let is_there = || match known.place {
            Place::Store => self.found.own,
            Place::Beside | Place::File => {
                let mut beside = self.found.beside.iter();
                beside.any(|location| is_same_place(location, &known.location))
            }
        };
        self.found.stored.format == known.format && self.is(&known.signature) && is_there()
    }

    /// A known signature at each place beside the artifact that this one lies in.
    fn copies<'s>(&'s self, known: &'s Signature) -> impl Iterator<Item = Signature> + 's {
        self.found.beside.iter().map(|location| Signature {
            format: self.found.stored.format,
            place: Place::Beside,
            location: location.clone(),
            present: Some(true),
            ..known.clone()
        })
    }

    fn foreign(&self) -> Foreign {
        Foreign {
            format: self.found.stored.format,
            location: self.found.stored.location.clone(),
            unverified_key_hint: self.unverified.key_hint.clone(),
            signature: self.unverified.signature.clone(),
        }
    }
}

impl Group {
    /// Adds a known signature that lies beside the artifact, unless it is there already.
    fn add(&mut self, new: Signature) {
        if new.signed_digest.is_some() {
            self.of_other_content.push(new);
            return;
        }
        let is_same = |s: &Signature| {
            (s.format, &s.signature) == (new.format, &new.signature)
                && is_same_place(&s.location, &new.location)
        };
        if !self.signatures.iter().any(is_same) {
            let later = self.signatures.iter().take_while(|s| s.entry >= new.entry);
            self.signatures.insert(later.count(), new);
        }
    }
}

/// Two names of one file are one place.
fn is_same_place(one: &str, other: &str) -> bool {
    one == other || real(one).is_some_and(|path| Some(path) == real(other))
}

/// A path without links and `..`; nothing for what is not a path.
fn real(location: &str) -> Option<PathBuf> {
    let path = Path::new(location);
    path.is_absolute().then(|| path.canonicalize().ok())?
}

/// The signings that made these signatures, though the artifact does not have them as current ones: they were replaced, were made of
/// what the file held before, or of the image in another repository.
fn makers(
    ledger: Option<&Ledger>,
    artifact: &EventArtifact,
    signatures: &[&SignedFile<'_>],
) -> Result<Vec<Option<Signature>>, CommandError> {
    let mut makers = vec![None; signatures.len()];
    let Some(ledger) = ledger.filter(|_| !signatures.is_empty()) else {
        return Ok(makers);
    };
    let reference = &artifact.reference;
    let path = real(reference).map(|path| path.display().to_string());
    let digest = artifact.digest.clone();
    let said = signatures.iter().map(|s| &s.unverified.digest);
    let said = said.flatten().map(ToString::to_string);
    let mut names: Vec<String> = [Some(reference.clone()), path, digest]
        .into_iter()
        .flatten()
        .chain(said)
        .collect();
    names.sort_unstable();
    names.dedup();
    let query = Query {
        artifacts: Some(names.into_iter().map(Named::any_version).collect()),
        ..Query::default()
    };
    let taken = ledger.entries(&query, |recorded| {
        let entry = recorded.entry;
        // An entry of attaching has the same signatures again.
        let is_signing = entry.event.action == Action::Sign;
        for made in entry.event.signatures.iter().filter(|_| is_signing) {
            for (lying, maker) in signatures.iter().zip(&mut makers) {
                if maker.is_none() && lying.is(&made.signature) {
                    let signed = &entry.event.artifact.digest;
                    *maker = Some(Signature {
                        signed_digest: signed.clone().filter(|_| *signed != artifact.digest),
                        ..Signature::new(&entry, made.clone())
                    });
                }
            }
        }
        match makers.iter().all(Option::is_some) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    taken.map_err(unreadable)?;
    Ok(makers)
}
