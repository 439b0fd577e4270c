//! The backend: one kind, no settings.

use crate::config::Config;
use crate::source::Files;
use sigtool_sdk::source::Source;
use sigtool_sdk::{Backend, Call, Result, configuration};

/// Files of this machine.
pub(crate) struct LocalStage;

impl Backend for LocalStage {
    fn open_source(&self, _call: &Call, settings: serde_json::Value) -> Result<Box<dyn Source>> {
        let Config {} = configuration(settings)?;
        Ok(Box::new(Files::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_call;
    use serde_json::json;
    use sigtool_sdk::{ErrorCode, Kind, Manifest};

    #[test]
    fn a_setting_that_does_not_exist_is_refused() {
        with_call(|call| {
            assert!(LocalStage.open_source(call, json!({})).is_ok());
            assert!(LocalStage.open_source(call, json!(null)).is_ok());
            let error = LocalStage
                .open_source(call, json!({ "hash": "md5" }))
                .err()
                .unwrap();
            assert_eq!(error.code, ErrorCode::InvalidConfig);
            assert!(error.to_string().contains("hash"), "{error}");
        });
    }

    #[test]
    fn the_manifest_says_what_the_code_does() {
        let manifest = Manifest::parse(include_str!("../sigtool-backend.toml")).unwrap();
        assert_eq!(manifest.id, "local-stage");
        assert_eq!(manifest.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(manifest.kinds, [Kind::Source]);
        assert!(manifest.can("source.attach") && manifest.can("source.detach"));
        assert!(manifest.config.is_empty() && manifest.environment.is_empty());
        assert!(!manifest.permissions.network && !manifest.permissions.identity_token);
    }
}
