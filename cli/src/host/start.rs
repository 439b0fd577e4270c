//! A backend's first words.

use crate::error::CommandError;
use crate::host::blame::failed;
use sigtool_sdk::connection::{self, Connection};
use sigtool_sdk::message::{Describe, Description, Empty, Hello, PROTOCOLS};
use sigtool_sdk::services::Services;
use sigtool_sdk::types::BackendId;
use sigtool_sdk::{Error, ErrorCode, Kind, Manifest};
use std::sync::Arc;

/// What sigtool says first to a backend.
pub(crate) fn hello() -> Hello {
    Hello {
        protocol: PROTOCOLS.to_vec(),
        id: "sigtool".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sdk: None,
        capabilities: Vec::new(),
    }
}

/// What the code says must be what the manifest says, since the manifest is what the user was shown.
pub(crate) fn check_description(
    id: &BackendId,
    manifest: &Manifest,
    said: &Hello,
    connection: &Arc<dyn Connection>,
    services: &Arc<dyn Services>,
    timeout: Option<std::time::Duration>,
) -> Result<(), CommandError> {
    let described = connection::call::<Describe>(&**connection, services, timeout, None, &Empty {})
        .map_err(|error| failed(id, "describe", error))?;
    let differs = |what: &str, code: String, manifest: String| {
        let error = Error::new(
            ErrorCode::Integrity,
            format!("its code says {what} {code}, its manifest {manifest}"),
        )
        .hint("its author must make the two equal");
        Err(failed(id, "describe", error))
    };
    let Description {
        id: described_id,
        version,
        kinds,
        capabilities,
        ..
    } = described;
    if manifest.id != described_id || manifest.id != said.id {
        let other = if manifest.id == said.id {
            described_id
        } else {
            said.id.clone()
        };
        return differs("id", crate::output::clean(&other), manifest.id.to_string());
    }
    if version != manifest.version {
        return differs(
            "version",
            crate::output::clean(&version),
            manifest.version.clone(),
        );
    }
    if kinds != manifest.kinds {
        return differs("kinds", join(&kinds), join(&manifest.kinds));
    }
    if capabilities != manifest.capabilities {
        return differs(
            "capabilities",
            crate::output::clean(&capabilities.join(", ")),
            manifest.capabilities.join(", "),
        );
    }
    Ok(())
}

/// The kinds, as people read them.
pub(super) fn join(kinds: &[Kind]) -> String {
    kinds
        .iter()
        .map(|kind| kind.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
