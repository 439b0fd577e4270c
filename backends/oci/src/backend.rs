//! Opens the kind that this backend serves.

use crate::config::Config;
use crate::source::Images;
use serde_json::Value;
use sigtool_sdk::source::Source;
use sigtool_sdk::{Backend, Call, Result, configuration};

/// Images in registries.
pub(crate) struct Oci;

impl Backend for Oci {
    fn open_source(&self, call: &Call, settings: Value) -> Result<Box<dyn Source>> {
        let config: Config = configuration(settings)?;
        Ok(Box::new(Images::new(call, config)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::digest_by;
    use crate::testing::{IMAGE, TestRegistry, host, with_call};
    use serde_json::json;
    use sigtool_sdk::connection::Direct;
    use sigtool_sdk::testing::contract::{self, Fixture, SourceFixture, Subject};
    use sigtool_sdk::types::DigestAlgorithm::{Sha256, Sha384, Sha512};
    use sigtool_sdk::{ErrorCode, Instance, Kind, Manifest};
    use std::sync::Arc;

    fn open(settings: Value) -> Result<()> {
        with_call(&host(), |call| Oci.open_source(call, settings).map(|_| ()))
    }

    #[test]
    fn a_wrong_setting_is_refused_by_its_name() {
        open(json!({})).unwrap();
        open(json!(null)).unwrap();
        for (settings, field) in [
            (json!({ "username": "ann" }), "/username"),
            (
                json!({ "registry": "ghcr.io", "username": "ann" }),
                "/username",
            ),
            (
                json!({ "password": { "secret": "/password" } }),
                "/password",
            ),
            (json!({ "registry": "ghcr.io" }), "/registry"),
            (json!({ "plain_http": ["http://a"] }), "/plain_http"),
            (
                json!({ "registry": "https://ghcr.io", "username": "ann", "password": { "secret": "/password" } }),
                "/registry",
            ),
            (json!({ "ca_file": "/nowhere/ca.pem" }), "/ca_file"),
        ] {
            let error = open(settings).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidConfig, "{error}");
            assert_eq!(error.field.as_deref(), Some(field), "{error}");
        }
        let error = open(json!({ "insecure": true })).unwrap_err();
        assert!(error.to_string().contains("insecure"), "{error}");
    }

    #[test]
    fn what_every_source_promises_is_kept() {
        for referrers in [true, false] {
            let registry = TestRegistry::start(referrers);
            // By digest: what is pinned has no version any more, and the suite compares it with what was asked for.
            let reference = registry.image();
            let text = include_str!("../sigtool-backend.toml");
            let report = contract::run(&Subject {
                manifest: &Manifest::parse(text).unwrap(),
                connect: &|trace| {
                    let instance = Instance::new(Box::new(Oci), text)?;
                    Ok(Arc::new(Direct::new(instance, Arc::clone(trace))))
                },
                fixture: Fixture {
                    signer: None,
                    source: Some(SourceFixture {
                        configuration: json!({ "plain_http": ["127.0.0.1"] }),
                        missing: format!("{}:nothing", registry.repository()),
                        reference,
                        digests: [Sha256, Sha384, Sha512]
                            .map(|a| digest_by(a, IMAGE.as_bytes()))
                            .to_vec(),
                    }),
                },
                verify: &|_, _, _, _| false,
            });
            assert!(report.passed(), "{report}");
        }
    }

    #[test]
    fn the_manifest_says_what_the_code_does() {
        let manifest = Manifest::parse(include_str!("../sigtool-backend.toml")).unwrap();
        assert_eq!(manifest.id, "oci");
        assert_eq!(manifest.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(
            format!("sigtool-backend-{}", manifest.id),
            env!("CARGO_PKG_NAME")
        );
        assert_eq!(manifest.kinds, [Kind::Source]);
        for capability in ["source.attach", "source.detach", "source.pins"] {
            assert!(manifest.can(capability), "{capability}");
        }
        assert!(manifest.permissions.network && !manifest.permissions.identity_token);
        let declared: Vec<&str> = manifest.config[&Kind::Source]
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(declared, Config::KEYS);
        let mut variables = manifest.environment.clone();
        variables.sort_unstable();
        let mut asked: Vec<&str> = crate::credentials::VARIABLES
            .into_iter()
            .chain(crate::lock::VARIABLES)
            .collect();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(variables, asked);
    }
}
