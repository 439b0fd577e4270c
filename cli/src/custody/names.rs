//! By what names artifacts and signers are found in the ledger.

use crate::app::App;
use crate::artifacts::meaning;
use crate::artifacts::meaning::Meant;
use crate::config::origin::shorten;
use crate::error::{CommandError, why};
use sigtool_core::digest::Sha256;
use sigtool_core::ledger::Named;
use sigtool_sdk::file::{Links, RegularFile};
use sigtool_sdk::types::Digest;
use std::path::Path;

/// What an artifact may be called in the ledger: by the digest of a file that is there, by its path, by name, by name and version.
pub(crate) fn names(word: &str) -> Result<Vec<Named>, CommandError> {
    let reference = |path: &str| {
        let path = meaning::file_reference(Path::new(path)).ok()?;
        Some(Named::any_version(path.to_str()?))
    };
    if let Ok(Meant::File(path)) = meaning::meaning(word) {
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
    let cannot = |why: &dyn std::fmt::Display| {
        CommandError::input(format!("cannot read `{}`", path.display())).because(why)
    };
    let file = RegularFile::open(path, Links::Followed).map_err(|e| cannot(&e))?;
    let digest = Sha256::of(&mut file.into_file()).map_err(|e| cannot(&why(&e)))?;
    Ok(digest.to_string())
}
