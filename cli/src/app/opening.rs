//! What backends are opened with: keys resolved, paths absolute, secrets as pointers.

use crate::app::App;
use crate::app::folders::working_folder;
use crate::config::{BackendTable, KeyText, Profile, SecretReference, SettingValue};
use crate::error::CommandError;
use crate::host::opening::{Lent, Opening};
use crate::host::{SecretSource, pointer};
use crate::typed;
use serde_json::{Value, json};
use sigtool_core::OpenSigner;
use sigtool_core::sign::SignError;
use sigtool_sdk::Kind;
use sigtool_sdk::types::{BackendId, KeyReference};
use std::collections::BTreeMap;
use std::path::Path;

/// The signer that keeps key pairs in files, and reads them from secrets.
pub(crate) const FILE_KEYS: BackendId = BackendId::from_static("cosign-key");

/// A signer, opened.
pub(crate) struct SignerInUse {
    pub(crate) backend: BackendId,
    /// How the user names the key, where there is a name for it.
    pub(crate) key: Option<String>,
    pub(crate) signer: OpenSigner,
}

fn secret_source(reference: &SecretReference) -> SecretSource {
    match reference {
        SecretReference::Env(name) => SecretSource::Variable(name.clone()),
        SecretReference::File(path) => SecretSource::File(path.clone()),
        SecretReference::Prompt(text) => SecretSource::Prompt(text.clone()),
        SecretReference::Keyring(name) => SecretSource::Store {
            scheme: "keyring".to_owned(),
            name: name.clone(),
        },
        SecretReference::Secret { scheme, name } => SecretSource::Store {
            scheme: scheme.clone(),
            name: name.clone(),
        },
    }
}

impl App {
    /// The signer that `--key` names, or the profile's.
    pub(crate) fn opening(
        &self,
        key: Option<&str>,
        profile: &Profile,
    ) -> Result<Opening, CommandError> {
        if let Some(key) = key {
            let key = KeyText {
                text: key.to_owned(),
                base: working_folder()?,
            };
            return Ok(Opening {
                lent: self.lent(profile)?,
                ..self.opening_of_key(&key)?
            });
        }
        let Some(table) = &profile.signer else {
            let which = profile.name.as_ref().map_or_else(
                || "no profile is in use".to_owned(),
                |name| format!("the profile `{}` has no signer", name.value),
            );
            return Err(CommandError::input("nothing to sign with")
                .because(which)
                .hint("make a key and a profile: sigtool init")
                .hint("or name a key: sigtool sign --key FILE ARTIFACT"));
        };
        Ok(Opening {
            lent: self.lent(profile)?,
            ..self.opening_of_table(table)?
        })
    }

    /// The backends of a profile that a signer may use by way of the host.
    fn lent(&self, profile: &Profile) -> Result<Lent, CommandError> {
        let lend = |table: &Option<BackendTable>| {
            let opening = table.as_ref().map(|table| self.opening_of_table(table));
            Ok(opening.transpose()?.map(Box::new))
        };
        Ok(Lent {
            secret: lend(&profile.secret)?,
            identity: lend(&profile.identity)?,
        })
    }

    /// The backend that a key reference belongs to, with that key.
    fn opening_of_key(&self, key: &KeyText) -> Result<Opening, CommandError> {
        if key.scheme().is_some() {
            typed::refuse_login(&key.text)?;
        }
        let scheme = key.scheme().unwrap_or("file");
        let backends = &self.backends;
        // A scheme of a secret store names where the bytes of a key pair lie.
        let backend = match backends.for_scheme(Kind::Signer, scheme)? {
            Some(signer) => signer,
            None if backends.for_scheme(Kind::Secret, scheme)?.is_some() => FILE_KEYS,
            None => return Err(self.no_such_scheme(key, scheme)),
        };
        let mut secrets = BTreeMap::new();
        let reference = self.key_reference(&backend, key, "/key", &mut secrets)?;
        Ok(Opening {
            configuration: json!({ "key": reference }),
            secrets,
            ..Opening::plain(backend, Kind::Signer)
        })
    }

    fn no_such_scheme(&self, key: &KeyText, scheme: &str) -> CommandError {
        let mut schemes: Vec<String> = self
            .backends
            .ids()
            .iter()
            .filter_map(|id| self.backends.manifest(id))
            .filter(|m| {
                m.kinds
                    .iter()
                    .any(|k| matches!(k, Kind::Signer | Kind::Secret))
            })
            .flat_map(|manifest| manifest.schemes)
            .collect();
        schemes.sort();
        schemes.dedup();
        let error = CommandError::input(format!("no backend serves keys of the form `{scheme}:`"));
        let unusable = self.backends.unusable();
        unusable
            .iter()
            .fold(error, CommandError::because)
            .hint(format!("there are: {}", schemes.join(", ")))
            .hint(format!("for a file of that name write `file:{}`", key.text))
    }

    /// A profile's table, as a backend gets it: keys resolved, paths absolute, secrets as pointers.
    pub(crate) fn opening_of_table(&self, table: &BackendTable) -> Result<Opening, CommandError> {
        let mut configuration = serde_json::Map::new();
        let (mut secrets, mut origins) = (BTreeMap::new(), BTreeMap::new());
        for (name, setting) in &table.settings {
            let pointer = pointer(name);
            origins.insert(pointer.clone(), setting.origin.clone());
            let value = match &setting.value {
                SettingValue::Boolean(value) => json!(value),
                SettingValue::Integer(value) => json!(value),
                SettingValue::String(value) => json!(value),
                SettingValue::Strings(value) => json!(value),
                SettingValue::Path(value) => json!(as_text(value)?),
                SettingValue::Table(value) => value.clone(),
                SettingValue::Key(key) => {
                    let backend = &table.backend.value;
                    json!(self.key_reference(backend, key, &pointer, &mut secrets)?)
                }
                SettingValue::Secret(reference) => {
                    secrets.insert(pointer.clone(), secret_source(reference));
                    json!({ "secret": pointer })
                }
            };
            configuration.insert(name.clone(), value);
        }
        Ok(Opening {
            configuration: Value::Object(configuration),
            secrets,
            origins,
            ..Opening::plain(table.backend.value.clone(), table.kind)
        })
    }

    /// A key as a backend gets it: a file by its absolute path, its own scheme as it was written, and everything else, whose
    /// bytes another party holds, by a pointer to ask the host with.
    pub(crate) fn key_reference(
        &self,
        backend: &str,
        key: &KeyText,
        pointer: &str,
        secrets: &mut BTreeMap<String, SecretSource>,
    ) -> Result<KeyReference, CommandError> {
        let source = match key.scheme() {
            None | Some("file") => None,
            Some("env") => Some(SecretSource::Variable(key.rest().to_owned())),
            Some(scheme) => {
                let manifest = self.backends.manifest(backend);
                let own = manifest.is_some_and(|m| m.schemes.iter().any(|s| s == scheme));
                (!own).then(|| SecretSource::Store {
                    scheme: scheme.to_owned(),
                    name: key.rest().to_owned(),
                })
            }
        };
        let secret = source.map(|source| {
            secrets.insert(pointer.to_owned(), source);
            pointer.to_owned()
        });
        let path = key.path();
        if let Some(path) = &path {
            as_text(path)?;
        }
        Ok(KeyReference {
            name: key.text.clone(),
            path,
            secret,
        })
    }

    /// Opens a signer and asks for its public key, once for the whole run.
    pub(crate) fn signer(&self, opening: Opening) -> Result<SignerInUse, CommandError> {
        let handle = self.backends.open(&opening)?;
        let signer = OpenSigner::open(handle).map_err(|error| match error {
            SignError::Signer { operation, error } => opening.failed(operation, *error),
            other => {
                let message = format!("the backend `{}` failed", opening.backend);
                CommandError::could_not_tell(message).because(other)
            }
        })?;
        let key = opening.configuration.pointer("/key/name");
        Ok(SignerInUse {
            key: key.and_then(Value::as_str).map(str::to_owned),
            backend: opening.backend,
            signer,
        })
    }
}

/// A path as a backend gets it.
pub(crate) fn as_text(path: &Path) -> Result<&str, CommandError> {
    path.to_str().ok_or_else(|| CommandError::not_utf8(path))
}
