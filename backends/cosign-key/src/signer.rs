//! The verbs of the kind `signer`. The key is read and unlocked once, by the first verb that needs it.

use crate::config::Config;
use crate::container;
use crate::failure::{KeyError, Subject};
use crate::files::{self, PairOfFiles};
use crate::formats::{self, LockedKey, StoredKey};
use crate::pem;
use crate::private_key::PrivateKey;
use crate::unlock::{self, Protection};
use sigtool_sdk::file::ReadError;
use sigtool_sdk::host::{AskSecretArgs, TraceLevel};
use sigtool_sdk::signer::{
    GenerateArgs, ImportArgs, KeyArgs, KeyMade, KeysReply, PublicKeyArgs, PublicKeyReply, SignArgs,
    Signer,
};
use sigtool_sdk::text::typed;
use sigtool_sdk::types::{KeyInfo, KeyReference, PublicKey, Signed, Verifier};
use sigtool_sdk::{Call, Error, ErrorCode, Result};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// Signs with the one key of its settings.
pub(crate) struct KeySigner {
    config: Config,
    /// Filled by the first call that needs the key, which holds the lock meanwhile: the others wait and ask nothing.
    unlocked: Mutex<Option<Arc<Unlocked>>>,
}

/// The key, for as long as the instance lives.
struct Unlocked {
    private_key: PrivateKey,
    public_key: PublicKey,
    protection: Protection,
}

impl KeySigner {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            unlocked: Mutex::default(),
        }
    }
}

impl Signer for KeySigner {
    fn public_key(&self, call: &Call, args: PublicKeyArgs) -> Result<PublicKeyReply> {
        let unlocked = self.unlocked(call, args.key.as_deref())?;
        Ok(PublicKeyReply {
            public_key: unlocked.public_key.clone(),
            digest: None,
            protection: Some(unlocked.protection.into()),
        })
    }

    fn sign(&self, call: &Call, args: SignArgs) -> Result<Signed> {
        let unlocked = self.unlocked(call, args.key.as_deref())?;
        let key = &unlocked.private_key;
        let signature = key.sign(call, &args.digest, args.payload.as_ref())?;
        Ok(Signed {
            signature: signature.into(),
            algorithm: key.algorithm(),
            verifier: Verifier::PublicKey(unlocked.public_key.clone()),
            key_id: self.config.key().map(|key| key.name.clone()),
            key_version: None,
        })
    }

    /// The one key of the settings, without unlocking it.
    fn keys(&self, call: &Call) -> Result<KeysReply> {
        let Some(reference) = self.config.key() else {
            return Ok(KeysReply::default());
        };
        let (public_key, protection) = match stored_key(call, reference)? {
            StoredKey::Plain(key) => (Some(key.public_key()?), Protection::Plain),
            StoredKey::Locked(_) => (None, Protection::Encrypted),
        };
        Ok(KeysReply {
            keys: vec![KeyInfo {
                name: reference.name.clone(),
                algorithm: public_key.as_ref().map(|key| key.algorithm),
                public_key,
                protection: Some(protection.into()),
            }],
        })
    }

    fn generate(&self, call: &Call, args: GenerateArgs) -> Result<KeyMade> {
        let files = PairOfFiles::new(&args.key, args.overwrite)?;
        let key = PrivateKey::generate(args.algorithm)?;
        self.write_pair(call, &files, &key, args.overwrite)
    }

    fn import(&self, call: &Call, args: ImportArgs) -> Result<KeyMade> {
        let files = PairOfFiles::new(&args.key, args.overwrite)?;
        let subject = Subject::imported();
        let stored = formats::parse(args.private_key.expose()).map_err(|e| e.about(&subject))?;
        let key = match stored {
            StoredKey::Plain(key) => key,
            StoredKey::Locked(key) => {
                unlock::unlock(call, self.config.password(), &subject, &key)?.0
            }
        };
        self.write_pair(call, &files, &key, args.overwrite)
    }

    /// Encrypts a file of cosign's again, under another password. The public key stays as it is.
    fn change_password(&self, call: &Call, args: KeyArgs) -> Result<KeyMade> {
        let reference = self.config.the_key(args.key.as_deref())?;
        let path = reference
            .path
            .as_deref()
            .ok_or_else(|| no_file(reference))?;
        let StoredKey::Locked(locked @ LockedKey::Container(_)) = stored_key(call, reference)?
        else {
            return Err(not_ours(reference));
        };
        let subject = Subject::configured(reference);
        let (key, _) = unlock::unlock(call, self.config.password(), &subject, &locked)?;
        let password = unlock::new_password(call, self.config.new_password(), subject.name())?;
        files::replace(path, &container::seal(&key.to_pkcs8()?, password.expose()))?;
        Ok(KeyMade {
            key: reference.name.clone(),
            public_key: key.public_key()?,
            protection: Some(Protection::by(&password).into()),
            files: vec![path.to_owned()],
        })
    }
}

impl KeySigner {
    /// The key, read and unlocked if nobody has done so yet.
    fn unlocked(&self, call: &Call, asked: Option<&str>) -> Result<Arc<Unlocked>> {
        let reference = self.config.the_key(asked)?;
        let mut slot = self.unlocked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(unlocked) = &*slot {
            return Ok(Arc::clone(unlocked));
        }
        let (private_key, protection) = match stored_key(call, reference)? {
            StoredKey::Plain(key) => (key, Protection::Plain),
            StoredKey::Locked(key) => {
                let subject = Subject::configured(reference);
                unlock::unlock(call, self.config.password(), &subject, &key)?
            }
        };
        let unlocked = Arc::new(Unlocked {
            public_key: private_key.public_key()?,
            private_key,
            protection,
        });
        *slot = Some(Arc::clone(&unlocked));
        Ok(unlocked)
    }

    /// Writes a key that was made or taken over, in cosign's format.
    fn write_pair(
        &self,
        call: &Call,
        files: &PairOfFiles,
        key: &PrivateKey,
        overwrite: bool,
    ) -> Result<KeyMade> {
        let name = files.key.display().to_string();
        let public_key = key.public_key()?;
        let password = unlock::new_password(call, self.config.new_password(), &name)?;
        call.check()?;
        let kept = files.write(
            &container::seal(&key.to_pkcs8()?, password.expose()),
            &pem::encode("PUBLIC KEY", &public_key.spki),
            overwrite,
        )?;
        Ok(KeyMade {
            key: name,
            public_key,
            protection: Some(Protection::by(&password).into()),
            files: [files.key.clone(), files.public.clone()]
                .into_iter()
                .chain(kept)
                .collect(),
        })
    }
}

/// Reads a key from its file, or has the host bring its text.
fn stored_key(call: &Call, reference: &KeyReference) -> Result<StoredKey> {
    let text = match (&reference.path, &reference.secret) {
        (Some(path), _) => return key_in_file(call, reference, path),
        (None, Some(pointer)) => {
            let args = AskSecretArgs {
                pointer: pointer.clone(),
                label: Some(format!("private key {}", reference.name)),
                ..AskSecretArgs::default()
            };
            Zeroizing::new(call.secret(&args)?.value.expose().to_vec())
        }
        (None, None) => return Err(not_found(reference)),
    };
    formats::parse(&text).map_err(|e| e.about(&Subject::configured(reference)))
}

fn key_in_file(call: &Call, reference: &KeyReference, path: &Path) -> Result<StoredKey> {
    let file = files::read(path).map_err(|e| match e {
        ReadError::TooLarge { max } => {
            KeyError::TooLarge(max).about(&Subject::configured(reference))
        }
        error => cannot_read(reference, path, &error),
    })?;
    let key = formats::parse(&file.text).map_err(|e| e.about(&Subject::configured(reference)))?;
    // Only now: a public key that was given by mistake may be open to everyone.
    if let Some(mode) = file.open_to_others {
        let (name, path) = (&reference.name, typed(path));
        call.trace(
            TraceLevel::Warn,
            &format!(
                "others can read the private key `{name}` (mode {mode:04o}); type: chmod 600 {path}"
            ),
        );
    }
    Ok(key)
}

// ---- errors --------------------------------------------------------------------------------------------------------------

fn cannot_read(reference: &KeyReference, path: &Path, error: &ReadError) -> Error {
    if error.is_missing() {
        return not_found(reference);
    }
    let code = match error.kind() {
        io::ErrorKind::PermissionDenied => ErrorCode::AccessDenied,
        io::ErrorKind::InvalidInput => ErrorCode::InvalidConfig,
        _ => ErrorCode::Unavailable,
    };
    let mut error = Error::new(
        code,
        format!("cannot read the private key `{}`", reference.name),
    )
    .because(error);
    match code {
        ErrorCode::AccessDenied => {
            error = error.hint(format!("look at its permissions: ls -l {}", typed(path)));
        }
        ErrorCode::InvalidConfig => {
            error = error
                .at(Subject::FIELD)
                .hint("a key from a pipe or a variable is given as `env:VAR`");
        }
        _ => {}
    }
    error
}

fn not_found(reference: &KeyReference) -> Error {
    let name = &reference.name;
    let error =
        Error::new(ErrorCode::NotFound, format!("there is no key `{name}`")).at(Subject::FIELD);
    let with_suffix = reference.path.as_ref().map(|path| {
        let mut path = path.clone().into_os_string();
        path.push(".key");
        path
    });
    if with_suffix.is_some_and(|path| Path::new(&path).is_file()) {
        return error.hint(format!("did you mean `{name}.key`"));
    }
    error
        .hint("a key is named by a path, or as `env:VAR` if the variable VAR holds its text")
        .hint("make one with `sigtool key generate --output-key-prefix release`")
}

fn no_file(reference: &KeyReference) -> Error {
    Error::new(
        ErrorCode::InvalidRequest,
        format!(
            "`{}` is not a file, so its password cannot be changed here",
            reference.name
        ),
    )
    .hint("change it where the key is kept")
}

fn not_ours(reference: &KeyReference) -> Error {
    Error::new(
        ErrorCode::InvalidRequest,
        format!(
            "`{}` is not in cosign's encrypted format, the only one whose password is changed",
            reference.name
        ),
    )
    .hint("make a copy in that format with `sigtool key import`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeHost, data, path, public, sha256, verify};
    use serde_json::json;
    use sigtool_sdk::signer::Payload;
    use sigtool_sdk::types::{KeyAlgorithm, Secret};
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use tempfile::{TempDir, tempdir};

    fn signer(key: &serde_json::Value) -> KeySigner {
        let config = json!({ "key": key, "password": { "secret": "/password" } });
        KeySigner::new(sigtool_sdk::configuration(config).unwrap())
    }

    fn signer_with_file(path: &str) -> KeySigner {
        signer(&json!({ "name": "release.key", "path": path }))
    }

    /// A copy that only its owner can read, as a key should be.
    fn private_copy(folder: &TempDir, file: &str) -> String {
        let path = folder.path().join("release.key");
        fs::write(&path, data(file)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn sign_args(payload: &[u8]) -> SignArgs {
        SignArgs {
            key: None,
            digest: sha256(payload),
            payload: Some(Payload::Bytes(payload.into())),
        }
    }

    fn generate(host: &FakeHost, folder: &TempDir, algorithm: KeyAlgorithm) -> Result<KeyMade> {
        let args = GenerateArgs {
            key: folder.path().join("release").to_str().unwrap().to_owned(),
            algorithm,
            overwrite: false,
        };
        KeySigner::new(Config::default()).generate(&host.call(), args)
    }

    #[test]
    fn a_thousand_signatures_ask_for_one_password() {
        let folder = tempdir().unwrap();
        let host = FakeHost::default().with("/password", &["hello"]);
        let signer = signer_with_file(&private_copy(
            &folder,
            "test-key-p256-cosign-password-hello.key",
        ));
        let key = signer
            .public_key(&host.call(), KeyArgs::default())
            .unwrap()
            .public_key;
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (host, signer, key) = (&host, &signer, &key);
                scope.spawn(move || {
                    for i in 0..250 {
                        let payload = format!("{thread} {i}").into_bytes();
                        let signed = signer.sign(&host.call(), sign_args(&payload)).unwrap();
                        assert!(verify(key, &payload, &signed.signature));
                    }
                });
            }
        });
        assert_eq!(host.asked().len(), 1);
        assert!(host.warnings().is_empty());
    }

    #[test]
    fn calls_at_the_same_time_ask_for_one_password() {
        let folder = tempdir().unwrap();
        let host = FakeHost::default().with("/password", &["hello"]);
        let signer = signer_with_file(&private_copy(
            &folder,
            "test-key-p256-older-label-password-hello.key",
        ));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| signer.sign(&host.call(), sign_args(b"x")).unwrap());
            }
        });
        assert_eq!(host.asked().len(), 1);
    }

    #[test]
    fn a_key_in_a_variable_comes_from_the_host() {
        let text = String::from_utf8(data("test-key-p256-pkcs8.pem")).unwrap();
        let host = FakeHost::default().with("/key", &[&text]);
        let signer = signer(&json!({ "name": "env:KEY", "secret": "/key" }));
        let signed = signer.sign(&host.call(), sign_args(b"x")).unwrap();
        assert_eq!(
            signed.verifier,
            Verifier::PublicKey(public("test-key-p256-pkcs8.pem"))
        );
        assert_eq!(signed.key_id.as_deref(), Some("env:KEY"));
    }

    #[test]
    fn a_key_that_others_can_read_gets_a_warning_with_the_command_to_type() {
        let folder = tempdir().unwrap();
        let path = private_copy(&folder, "test-key-p256-pkcs8.pem");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let host = FakeHost::default();
        let signer = signer_with_file(&path);
        let reply = signer.public_key(&host.call(), KeyArgs::default()).unwrap();
        assert_eq!(reply.protection.as_deref(), Some("plain"));
        assert_eq!(
            host.warnings(),
            [format!(
                "others can read the private key `release.key` (mode 0644); type: chmod 600 {path}"
            )]
        );
    }

    #[test]
    fn a_key_of_every_algorithm_is_made_and_signs() {
        for algorithm in KeyAlgorithm::ALL {
            let folder = tempdir().unwrap();
            let host = FakeHost::default()
                .with("/new_password", &["hello"])
                .with("/password", &["hello"]);
            let made = generate(&host, &folder, algorithm).unwrap();
            assert_eq!(made.protection.as_deref(), Some("encrypted"));
            assert!(host.asked()[0].new);
            let signer = signer_with_file(&made.key);
            let signed = signer.sign(&host.call(), sign_args(b"x")).unwrap();
            assert_eq!(
                signed.verifier,
                Verifier::PublicKey(made.public_key.clone())
            );
            assert!(verify(&made.public_key, b"x", &signed.signature));
            let written = fs::read_to_string(&made.files[1]).unwrap();
            assert_eq!(written, pem::encode("PUBLIC KEY", &made.public_key.spki));
        }
    }

    #[test]
    fn an_empty_password_is_no_protection_and_is_told() {
        let folder = tempdir().unwrap();
        let host = FakeHost::default()
            .with("/new_password", &[""])
            .with("/password", &[""]);
        let made = generate(&host, &folder, KeyAlgorithm::EcdsaP256).unwrap();
        let expected = Some("encrypted-with-empty-password");
        assert_eq!(made.protection.as_deref(), expected);
        let signer = signer_with_file(&made.key);
        let reply = signer.public_key(&host.call(), KeyArgs::default()).unwrap();
        assert_eq!(reply.protection.as_deref(), expected);
    }

    #[test]
    fn a_key_that_exists_is_not_replaced_and_no_password_is_asked() {
        let folder = tempdir().unwrap();
        private_copy(&folder, "test-key-p256-cosign-password-hello.key");
        let host = FakeHost::default().with("/new_password", &["hello"]);
        let error = generate(&host, &folder, KeyAlgorithm::EcdsaP256).unwrap_err();
        assert_eq!(error.code, ErrorCode::AlreadyExists);
        assert!(host.asked().is_empty());
    }

    #[test]
    fn a_key_of_openssl_is_imported_with_its_old_password_and_a_new_one() {
        let folder = tempdir().unwrap();
        let host = FakeHost::default()
            .with("/password", &["", "hello"])
            .with("/new_password", &["new"]);
        let args = ImportArgs {
            key: folder.path().join("release").to_str().unwrap().to_owned(),
            private_key: Secret::new(data("test-key-p256-pbes2-password-hello.pem")),
            overwrite: false,
        };
        let made = KeySigner::new(Config::default())
            .import(&host.call(), args)
            .unwrap();
        assert_eq!(made.public_key, public("test-key-p256-pkcs8.pem"));
        let host = FakeHost::default().with("/password", &["new"]);
        let signer = signer_with_file(&made.key);
        assert!(signer.sign(&host.call(), sign_args(b"x")).is_ok());
    }

    #[test]
    fn the_password_is_changed_and_the_key_stays() {
        let folder = tempdir().unwrap();
        let path = private_copy(&folder, "test-key-p256-older-label-password-hello.key");
        let host = FakeHost::default()
            .with("/password", &["hello"])
            .with("/new_password", &["new"]);
        let made = signer_with_file(&path)
            .change_password(&host.call(), KeyArgs::default())
            .unwrap();
        assert_eq!(
            made.public_key,
            public("test-key-p256-older-label-password-hello.key")
        );
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
        for (password, opens) in [("new", true), ("hello", false)] {
            let host = FakeHost::default().with("/password", &[password]);
            let reply = signer_with_file(&path).public_key(&host.call(), KeyArgs::default());
            assert_eq!(reply.is_ok(), opens, "{password}");
        }
    }

    #[test]
    fn a_plain_key_and_a_variable_have_no_password_to_change() {
        let host = FakeHost::default();
        for signer in [
            signer_with_file(&path("test-key-p256-pkcs8.pem")),
            signer(&json!({ "name": "env:KEY", "secret": "/key" })),
        ] {
            let error = signer
                .change_password(&host.call(), KeyArgs::default())
                .unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest);
        }
    }

    #[test]
    fn the_list_tells_what_is_known_without_the_password() {
        let folder = tempdir().unwrap();
        let host = FakeHost::default();
        let list = |signer: KeySigner| signer.keys(&host.call()).unwrap().keys;
        assert!(list(KeySigner::new(Config::default())).is_empty());
        let locked = list(signer_with_file(&private_copy(
            &folder,
            "test-key-p256-cosign-password-hello.key",
        )));
        assert_eq!(locked[0].protection.as_deref(), Some("encrypted"));
        assert_eq!(locked[0].algorithm, None);
        let plain = list(signer_with_file(&path("test-key-ed25519-pkcs8.pem")));
        assert_eq!(plain[0].algorithm, Some(KeyAlgorithm::Ed25519));
        assert!(host.asked().is_empty());
    }

    #[test]
    fn a_missing_key_is_told_with_what_to_type() {
        let folder = tempdir().unwrap();
        let path = private_copy(&folder, "test-key-p256-pkcs8.pem");
        let host = FakeHost::default();
        let error = |key: serde_json::Value| {
            signer(&key)
                .public_key(&host.call(), KeyArgs::default())
                .unwrap_err()
        };
        let without_suffix = path.strip_suffix(".key").unwrap();
        let found = error(json!({ "name": "release", "path": without_suffix }));
        assert_eq!(found.code, ErrorCode::NotFound);
        assert_eq!(found.hints, ["did you mean `release.key`"]);
        for key in [
            json!({ "name": "x", "path": "/nowhere/x" }),
            json!({ "name": "x", "path": format!("{path}/below") }),
            json!({ "name": "x" }),
        ] {
            let found = error(key);
            assert_eq!(found.code, ErrorCode::NotFound);
            assert_eq!(found.message, "there is no key `x`");
        }
        let folder = error(json!({ "name": "folder", "path": folder.path() }));
        assert_eq!(folder.code, ErrorCode::InvalidConfig);
    }

    #[test]
    fn signing_without_a_key_points_at_the_setting() {
        let host = FakeHost::default();
        let signer = KeySigner::new(Config::default());
        let error = signer.sign(&host.call(), sign_args(b"x")).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidConfig);
        assert_eq!(error.field.as_deref(), Some("/key"));
    }

    #[test]
    fn another_key_than_the_configured_one_is_not_found() {
        let host = FakeHost::default();
        let signer = signer_with_file(&path("test-key-p256-pkcs8.pem"));
        let mut args = sign_args(b"x");
        args.key = Some("release.key".into());
        assert!(signer.sign(&host.call(), args.clone()).is_ok());
        args.key = Some("other.key".into());
        let error = signer.sign(&host.call(), args).unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
    }
}
