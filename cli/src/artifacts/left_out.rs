//! What a folder holds that is not worked on: what is not looked at, and signatures without an artifact of their name.

use crate::artifacts::repeated::artifacts_of;
use sigtool_sdk::source::WhyLeftOut;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Something that is not looked at.
#[derive(Clone, Debug)]
pub(crate) struct LeftOut {
    /// As it would be named.
    pub(crate) shown: String,
    pub(crate) why: &'static str,
}

/// Why something is not looked at, in words.
pub(super) fn reason(why: WhyLeftOut) -> &'static str {
    match why {
        WhyLeftOut::Hidden => "its name begins with a dot",
        WhyLeftOut::Link => "it is a symbolic link",
        WhyLeftOut::Signature => {
            "it is named like a signature, and there is no artifact of that name"
        }
        WhyLeftOut::SignatureOfLeftOut => {
            "it is named like a signature of something that is not looked at"
        }
        WhyLeftOut::Special => "it is a pipe, a socket or a device",
        WhyLeftOut::NotText | WhyLeftOut::Other => "its source leaves it out",
    }
}

/// Files that are named like signatures where nothing has the name that they would sign. Each may be the signature of an artifact in
/// its folder all the same, and is nothing that may lie there if it is not.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    by_folder: Mutex<BTreeMap<PathBuf, Vec<Stray>>>,
    /// What lies beside a good artifact, has the name of its signature and is none.
    posing: Mutex<Vec<Posing>>,
}

/// What has the name of a signature of an artifact, and is none or cannot be read as one.
#[derive(Clone, Debug)]
pub(crate) struct Posing {
    /// The artifact.
    pub(crate) artifact: String,
    /// What is wrong with which file.
    pub(crate) why: String,
    /// Whether it is certain that it is no signature.
    pub(crate) is_certain: bool,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Stray {
    pub(crate) shown: String,
    pub(crate) path: PathBuf,
    /// Whether an artifact has been found whose signature it is.
    pub(crate) fits: bool,
}

impl Strays {
    pub(super) fn add(&self, shown: String, path: PathBuf) {
        let folder = path.parent().unwrap_or(&path).to_owned();
        let stray = Stray {
            shown,
            path,
            fits: false,
        };
        self.with(|by_folder| by_folder.entry(folder).or_default().push(stray));
    }

    /// A file beside an artifact has the name of its signature, and is none.
    pub(crate) fn add_posing(&self, posing: Posing) {
        let mut all = self.posing.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(posing);
    }

    /// What has been added of that kind, sorted.
    pub(crate) fn take_posing(&self) -> Vec<Posing> {
        let mut all = self.posing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = std::mem::take(&mut *all);
        all.sort_by(|a, b| (&a.artifact, &a.why).cmp(&(&b.artifact, &b.why)));
        all
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.with(|by_folder| by_folder.is_empty())
    }

    /// Those in the folder of an artifact.
    pub(crate) fn beside(&self, artifact: &Path) -> Vec<Stray> {
        let folder = artifact.parent().unwrap_or(artifact);
        self.with(|by_folder| by_folder.get(folder).cloned().unwrap_or_default())
    }

    /// An artifact has been found whose signature one of them is.
    pub(crate) fn fits(&self, path: &Path) {
        self.with(|by_folder| {
            let all = by_folder.values_mut().flatten();
            all.filter(|stray| stray.path == path)
                .for_each(|stray| stray.fits = true);
        });
    }

    /// Those that fit nothing, each with how many lie in its folder.
    pub(crate) fn unfit(&self) -> Vec<(Stray, usize)> {
        self.with(|by_folder| {
            let all = by_folder.values();
            all.flat_map(|strays| strays.iter().map(|stray| (stray.clone(), strays.len())))
                .filter(|(stray, _)| !stray.fits)
                .collect()
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<PathBuf, Vec<Stray>>) -> T) -> T {
        look(
            &mut self
                .by_folder
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

/// Whether a file that is named like a signature may be one of a file that lies beside it.
pub(super) fn has_artifact(signature: &Path) -> bool {
    signature
        .to_str()
        .is_some_and(|path| artifacts_of(path).any(|artifact| Path::new(artifact).is_file()))
}
