//! Opens the kind that this backend serves.

use crate::config::Config;
use crate::signer::KeySigner;
use serde_json::Value;
use sigtool_sdk::signer::Signer;
use sigtool_sdk::{Backend, Call, Result, configuration};

/// The backend `cosign-key`.
pub(crate) struct CosignKey;

impl Backend for CosignKey {
    fn open_signer(&self, _call: &Call, settings: Value) -> Result<Box<dyn Signer>> {
        let config: Config = configuration(settings)?;
        Ok(Box::new(KeySigner::new(config)))
    }
}

#[cfg(test)]
mod tests {
    use sigtool_sdk::Manifest;

    #[test]
    fn the_manifest_says_what_the_code_is() {
        let manifest = Manifest::parse(include_str!("../sigtool-backend.toml")).unwrap();
        assert_eq!(manifest.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(
            format!("sigtool-backend-{}", manifest.id),
            env!("CARGO_PKG_NAME")
        );
        assert!(!manifest.permissions.network);
    }
}
