//! Where `--bundle` and `--signature` put the signatures of each artifact.

use super::meaning::is_folder;
use super::{Item, Items};
use crate::error::CommandError;
use sigtool_sdk::text::typed;
use sigtool_sdk::types::{ImageRef, Reference};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where `--bundle` and `--signature` say that signatures are.
pub(crate) struct Places<'a> {
    pub(crate) bundle: Option<&'a Path>,
    pub(crate) signature: Option<&'a Path>,
}

impl<'a> Places<'a> {
    /// Each that was given: its flag, its value, and how its files end in a folder.
    pub(crate) fn given(&self) -> impl Iterator<Item = (&'static str, &'a Path, &'static str)> {
        let bundle = self.bundle.map(|path| ("--bundle", path, ".sigstore.json"));
        let signature = self.signature.map(|path| ("--signature", path, ".sig"));
        bundle.into_iter().chain(signature)
    }

    /// Requires a place of its own for each artifact, in a folder that is there.
    pub(crate) fn check(&self, items: &Items<'_>) -> Result<(), CommandError> {
        for (flag, path, suffix) in self.given() {
            let shown = path.display();
            if !is_folder(path) && !items.is_single() {
                return Err(CommandError::input(format!(
                    "`{flag} {shown}` names one file, and there are {} artifacts",
                    items.ahead().count()
                ))
                .hint(format!("name a folder: {flag} {shown}/")));
            }
            check_folder(flag, path)?;
            let mut taken = BTreeMap::new();
            for item in items.ahead() {
                let place = destination(path, item, suffix);
                if let Some(other) = taken.insert(place.clone(), &item.shown) {
                    return Err(CommandError::input(format!(
                        "`{other}` and `{}` have one name, so that `{}` would be the signature of both",
                        item.shown,
                        place.display()
                    ))
                    .hint("name them in two runs, with a folder each"));
                }
            }
        }
        Ok(())
    }
}

/// Requires the folder that a file is to be written into.
pub(crate) fn check_folder(flag: &str, path: &Path) -> Result<(), CommandError> {
    let folder = match path.parent() {
        _ if is_folder(path) => path,
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => return Ok(()),
    };
    if folder.is_dir() {
        return Ok(());
    }
    let folder = folder.to_string_lossy();
    let folder = folder.trim_end_matches('/');
    Err(CommandError::input(format!(
        "`{flag} {}`: there is no folder `{folder}`",
        path.display()
    ))
    .hint(format!("make it: mkdir -p {}", typed(folder))))
}

/// Where `--bundle` or `--signature` puts the file of one artifact.
pub(crate) fn destination(path: &Path, item: &Item, suffix: &str) -> PathBuf {
    if !is_folder(path) {
        return path.to_owned();
    }
    let name = match &item.reference {
        Reference::Image(image) => image_name(image),
        Reference::File(file) => match file.file_name() {
            Some(name) if !item.from_stdin => name.to_string_lossy().into_owned(),
            _ => STDIN.to_owned(),
        },
    };
    path.join(format!("{name}{suffix}"))
}

/// What a file of an image is called: `app-1.2`. What stands between its name and its tag is no good in names of files.
pub(crate) fn image_name(image: &ImageRef) -> String {
    let name = image.repository().name();
    match (image.tag(), image.digest()) {
        (Some(tag), _) => format!("{name}-{tag}"),
        (None, Some(digest)) => format!("{name}-{digest}").replace(':', "-"),
        (None, None) => name.to_owned(),
    }
}

/// What standard input is called where an artifact has a name.
pub(crate) const STDIN: &str = "stdin";
