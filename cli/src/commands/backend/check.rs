//! `sigtool backend check`: runs the SDK's contract suite on a backend, and says what is wrong.

use crate::app::App;
use crate::app::folders::working_folder;
use crate::app::opening::as_text;
use crate::artifacts::sources::PINS;
use crate::config::KeyText;
use crate::error::{CommandError, Failure, Outcome};
use crate::host::blame::failed;
use crate::host::{Found, Isolation, Owner, read_backend};
use crate::output::plural;
use crate::report::check::{Row, Verdict};
use serde::Deserialize;
use serde_json::{Value, json};
use sigtool_sdk::connection::Handle;
use sigtool_sdk::file::read_regular;
use sigtool_sdk::manifest::SettingType;
use sigtool_sdk::services::Services;
use sigtool_sdk::signer::{Generate, GenerateArgs};
use sigtool_sdk::testing::contract::{
    self, ARTIFACT, Fixture, Kept, SignerFixture, SourceFixture, Subject, artifact_digests,
};
use sigtool_sdk::testing::{FakeHost, SecretAnswer};
use sigtool_sdk::types::{Digest, KeyAlgorithm};
use sigtool_sdk::{Error, ErrorCode, Kind};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The password of the keys that are made for a check.
const PASSWORD: &str = "contract-suite-password";

pub(super) fn run(app: &App, which: &str, with: Option<&Path>, isolation: Isolation) -> Outcome {
    let found = find(app, which)?;
    let folder = tempfile::tempdir()
        .map_err(|e| CommandError::could_not_tell("cannot make a temporary folder").because(e))?;
    let check = Check {
        app,
        found: &found,
        isolation,
        folder: folder.path(),
    };
    // What cannot even be started is the first thing to say.
    let host: Arc<dyn Services> = Arc::new(FakeHost::new().lends_to(&found.manifest));
    drop(app.backends.start(&found, isolation, &host)?);
    let fixture = match with {
        Some(path) => check.given_fixture(path)?,
        None => check.own_fixture()?,
    };
    let connect = |trace: &Arc<dyn Services>| {
        app.backends
            .start(&found, isolation, trace)
            .map_err(|error| Error::new(error.code.unwrap_or(ErrorCode::Other), error.to_string()))
    };
    let report = contract::run(&Subject {
        manifest: &found.manifest,
        connect: &connect,
        fixture,
        verify: &|key, digest, payload, signature| {
            // By the digest that the signer was given, or over the payload itself.
            sigtool_core::key::verify_digest(key, digest, signature).is_ok()
                || sigtool_core::key::verify_payload(key, payload, signature).is_ok()
        },
    });
    show(app, &found, isolation, &report.outcomes)
}

fn find(app: &App, which: &str) -> Result<Arc<Found>, CommandError> {
    if Path::new(which).exists() || which.contains('/') {
        return read_backend(Path::new(which)).map(Arc::new);
    }
    app.backends.find(which)
}

/// A backend under test.
struct Check<'a> {
    app: &'a App,
    found: &'a Found,
    isolation: Isolation,
    folder: &'a Path,
}

/// The file that `--with` names: settings as in a profile, and the secrets that a person would type.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    #[serde(default)]
    signer: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    source: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    artifact: Option<GivenArtifact>,
    #[serde(default)]
    secrets: BTreeMap<String, Secret>,
}

/// A text that no message shows.
struct Secret(String);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(secret: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(secret)?;
        let text = value.as_str().map(|text| Self(text.to_owned()));
        text.ok_or_else(|| serde::de::Error::custom("a secret is a text, in quotes"))
    }
}

/// An artifact that a source serves and nobody has signed, where it is not a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenArtifact {
    /// As the source itself names it in full.
    reference: String,
    digests: Vec<Digest>,
    /// A reference of the same sort that names nothing.
    missing: String,
}

/// No settings are larger.
const MAX_GIVEN: u64 = 1024 * 1024;

/// What is wrong, and where; never the line itself, which may hold a secret.
fn in_line(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!(
            "line {}: {}",
            before.matches('\n').count() + 1,
            error.message()
        ),
        None => error.message().to_owned(),
    }
}

impl Check<'_> {
    fn given_fixture(&self, path: &Path) -> Result<Fixture, CommandError> {
        let wrong = |e: &dyn std::fmt::Display| {
            CommandError::input(format!("cannot use the settings in `{}`", path.display()))
                .because(e)
        };
        let bytes = read_regular(path, MAX_GIVEN).map_err(|e| wrong(&e))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong(&"it is not UTF-8"))?;
        let given: Given = toml::from_str(text).map_err(|e| wrong(&in_line(text, &e)))?;
        let base = working_folder()?.join(path.parent().unwrap_or(Path::new("")));
        let mut fixture = Fixture::default();
        if let Some(settings) = given.signer {
            fixture.signer = Some(SignerFixture {
                configuration: self.configuration(Kind::Signer, settings, &base)?,
                secrets: given
                    .secrets
                    .into_iter()
                    .map(|(name, secret)| (format!("/{name}"), secret.0.into_bytes()))
                    .collect(),
            });
        }
        if self.found.manifest.kinds.contains(&Kind::Source) {
            let settings = given.source.unwrap_or_default();
            let configuration = self.configuration(Kind::Source, settings, &base)?;
            fixture.source = match given.artifact {
                Some(artifact) => Some(SourceFixture {
                    configuration,
                    reference: artifact.reference,
                    digests: artifact.digests,
                    missing: artifact.missing,
                }),
                None => self.file_source(configuration)?,
            };
        }
        Ok(fixture)
    }

    /// Settings as a backend gets them: keys resolved, secrets as pointers.
    fn configuration(
        &self,
        kind: Kind,
        settings: BTreeMap<String, Value>,
        base: &Path,
    ) -> Result<Value, CommandError> {
        let declared = self.found.manifest.config.get(&kind);
        let mut ignored = BTreeMap::new();
        let mut configuration = serde_json::Map::new();
        for (name, value) in settings {
            let setting = declared.and_then(|d| d.get(&name)).map(|s| s.kind);
            let value = match (setting, &value) {
                (Some(SettingType::Key), Value::String(text)) => {
                    let key = KeyText {
                        text: text.clone(),
                        base: base.to_owned(),
                    };
                    let id = &self.found.manifest.id;
                    let pointer = format!("/{name}");
                    json!(self.app.key_reference(id, &key, &pointer, &mut ignored)?)
                }
                (Some(SettingType::Path), Value::String(text)) => {
                    json!(as_text(&base.join(text))?)
                }
                _ => value,
            };
            configuration.insert(name, value);
        }
        for (name, setting) in declared.into_iter().flatten() {
            // The suite asks signers alone for what they do with secrets.
            if kind == Kind::Signer && setting.kind == SettingType::Secret {
                configuration.insert(name.clone(), json!({ "secret": format!("/{name}") }));
            }
        }
        Ok(Value::Object(configuration))
    }

    /// What can be made up: a file for a source, and a key for a signer that can make one.
    fn own_fixture(&self) -> Result<Fixture, CommandError> {
        let manifest = &self.found.manifest;
        let mut fixture = Fixture::default();
        if manifest.kinds.contains(&Kind::Source) {
            fixture.source = self.file_source(json!({}))?;
        }
        if manifest.kinds.contains(&Kind::Signer) && manifest.can("signer.generate") {
            fixture.signer = Some(self.new_key()?);
        } else if manifest.kinds.contains(&Kind::Signer) {
            self.app.ui.note(&format!(
                "`{}` makes no keys, so its signatures are not tested: name one with `--with FILE`, which holds `[signer]` and its settings",
                manifest.id
            ));
        }
        Ok(fixture)
    }

    /// A file, unless the source serves something else.
    fn file_source(&self, configuration: Value) -> Result<Option<SourceFixture>, CommandError> {
        if self.found.manifest.can(PINS) {
            self.app.ui.note(&format!(
                "`{}` serves no files: name something that nobody has signed with `--with FILE`, which holds `[artifact]` with `reference`, `digests` and `missing`",
                self.found.manifest.id
            ));
            return Ok(None);
        }
        let path = self.folder.join("artifact.txt");
        std::fs::write(&path, ARTIFACT).map_err(|e| {
            CommandError::could_not_tell("cannot write a file to test with").because(e)
        })?;
        Ok(Some(SourceFixture {
            configuration,
            reference: path.display().to_string(),
            digests: artifact_digests(),
            missing: self.folder.join("missing.txt").display().to_string(),
        }))
    }

    fn new_key(&self) -> Result<SignerFixture, CommandError> {
        let id = &self.found.manifest.id;
        let host = FakeHost::new().secret("/new_password", [SecretAnswer::value(PASSWORD)]);
        let host: Arc<dyn Services> = Arc::new(host.lends_to(&self.found.manifest));
        let connection = self.app.backends.start(self.found, self.isolation, &host)?;
        let made = Handle::open(connection, host, Kind::Signer, json!({}), None)
            .and_then(|signer| {
                signer.call::<Generate>(&GenerateArgs {
                    key: self.folder.join("check").display().to_string(),
                    algorithm: KeyAlgorithm::EcdsaP256,
                    overwrite: false,
                })
            })
            .map_err(|error| failed(id, "signer.generate", error))?;
        let settings = BTreeMap::from([("key".to_owned(), json!(made.key))]);
        let secrets = [("/password", PASSWORD), ("/new_password", PASSWORD)];
        Ok(SignerFixture {
            configuration: self.configuration(Kind::Signer, settings, self.folder)?,
            secrets: secrets
                .into_iter()
                .map(|(pointer, secret)| (pointer.to_owned(), secret.as_bytes().to_vec()))
                .collect(),
        })
    }
}

fn show(app: &App, found: &Found, isolation: Isolation, promises: &[contract::Outcome]) -> Outcome {
    let (mut broken, mut skipped) = (0, 0);
    for promise in promises {
        let (result, word, why) = match &promise.result {
            Kept::Passed => (Verdict::Passed, "passed", None),
            Kept::Failed(why) => {
                broken += 1;
                (Verdict::Failed, "failed", Some(why.as_str()))
            }
            Kept::Skipped(why) => {
                skipped += 1;
                (Verdict::Skipped, "skipped", Some(why.as_str()))
            }
        };
        let tail = why.map(|why| format!(": {}", why)).unwrap_or_default();
        app.ui.item(
            &format!("{word:8} {}{tail}", promise.name),
            &Row {
                promise: promise.name,
                result,
                why,
            },
        );
    }
    app.ui.end_items();
    let kept = promises.len() - broken - skipped;
    let place = match found.owner {
        Owner::FirstParty => "sigtool's own",
        Owner::ThirdParty => "third-party",
    };
    app.ui.say(&format!(
        "`{}` ({place}, {isolation}): {} kept, {broken} broken, {skipped} not tested",
        found.manifest.id,
        plural(kept, "promise")
    ));
    Ok(if broken == 0 {
        0
    } else {
        Failure::Refused.exit_code()
    })
}
