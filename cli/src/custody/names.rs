//! By what names artifacts and signers are found in the ledger.

use crate::app::App;
use crate::artifacts::meaning;
use crate::artifacts::meaning::Meant;
use crate::config::origin::shorten;
use crate::error::{CommandError, why};
use crate::typed;
use sigtool_core::digest::Sha256;
use sigtool_core::ledger::Named;
use sigtool_sdk::file::{Links, RegularFile};
use sigtool_sdk::types::ImageRef;
use std::path::Path;

/// What an artifact may be called in the ledger: by the digest of a file that is there, by its path, by name, by name and version.
pub(crate) fn names(word: &str) -> Result<Vec<Named>, CommandError> {
    let reference = |path: &str| {
        let path = meaning::file_reference(Path::new(path)).ok()?;
        Some(Named::any_version(path.to_str()?))
    };
    let meant = meaning::meaning(word);
    if meant.is_err() {
        typed::refuse_login(word)?;
    }
    if let Ok(Meant::File(path)) = meant {
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
    let image = word.parse::<ImageRef>().ok();
    if let Some(image) = &image
        && let Some(digest) = image.digest()
    {
        let pinned = image.repository().pinned(digest);
        let written = [word.to_owned(), pinned.to_string(), digest.to_string()];
        names.extend(written.map(Named::any_version));
        return Ok(names);
    }
    // A file may be known by a name that no image has.
    let tagged = word.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
    let (name, version) = tagged.map_or((word, None), |(name, tag)| (name, Some(tag)));
    let repository = image.map(|image| image.repository().to_string());
    for text in [Some(name.to_owned()), repository] {
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

fn digest_of(path: &Path) -> Result<String, CommandError> {
    let cannot = |why: &dyn std::fmt::Display| {
        CommandError::input(format!("cannot read `{}`", path.display())).because(why)
    };
    let file = RegularFile::open(path, Links::Followed).map_err(|e| cannot(&e))?;
    let digest = Sha256::of(&mut file.into_file()).map_err(|e| cannot(&why(&e)))?;
    Ok(digest.to_string())
}
