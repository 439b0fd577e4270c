//! What is wrong with a layer of the configuration, as far as it can be seen without a manifest: everything at once.

use super::schema::{PROFILE, Reads, Setting, TOP};
use super::value::{Data, Node, below};
use crate::error::CommandError;
use crate::suggest::closest;

/// Every problem of one layer.
pub(crate) fn check(root: &Node) -> Vec<CommandError> {
    check_table(root, "", TOP)
}

/// The problems of a table that may have these settings and no others.
pub(crate) fn check_table(
    node: &Node,
    path: &str,
    settings: &'static [Setting],
) -> Vec<CommandError> {
    let mut found = Problems(Vec::new());
    found.table(node, path, settings);
    found.0
}

/// Collects problems, so that all are told at once.
struct Problems(Vec<CommandError>);

impl Problems {
    fn note<T>(&mut self, result: Result<T, CommandError>) {
        self.0.extend(result.err());
    }

    fn table(&mut self, node: &Node, path: &str, settings: &'static [Setting]) {
        self.note(node.table(path));
        for (key, entry) in node.entries() {
            match settings.iter().find(|setting| setting.key == key) {
                Some(setting) => self.value(entry, &below(path, key), &setting.reads),
                None => self.0.push(unknown(entry, path, key, settings)),
            }
        }
    }

    fn value(&mut self, node: &Node, path: &str, reads: &'static Reads) {
        match reads {
            Reads::Value(read) => self.note(read(node, path)),
            Reads::Table(settings) => self.table(node, path, settings),
            Reads::Whole(settings) => match node.array(path) {
                Ok(items) => items
                    .iter()
                    .for_each(|item| self.whole(item, path, settings)),
                Err(error) => self.0.push(error),
            },
            Reads::Named { name, each } => self.named(node, path, *name, each),
            Reads::OffOrBackend if matches!(&node.data, Data::String(text) if text == "off") => {}
            Reads::OffOrBackend if node.as_table().is_none() => {
                self.0.push(node.wrong_type(path, "\"off\" or a table"));
            }
            Reads::Backend | Reads::OffOrBackend => {
                self.note(node.table(path));
                if let Some(backend) = node.child("backend") {
                    self.note(backend.string(&below(path, "backend")));
                }
            }
        }
    }

    /// Every entry of a table that users name the keys of.
    fn named(
        &mut self,
        node: &Node,
        path: &str,
        name: fn(&Node, &str) -> Result<(), CommandError>,
        each: &'static Reads,
    ) {
        self.note(node.table(path));
        for (key, entry) in node.entries() {
            if key.is_empty() {
                let message = format!("`{path}` has an empty name");
                self.0.push(entry.named.error(message, ""));
            }
            self.note(name(entry, key));
            self.value(entry, &below(path, key), each);
        }
    }

    /// A table of a list: nothing may be missing in it, and nothing empty.
    fn whole(&mut self, node: &Node, path: &str, settings: &'static [Setting]) {
        if node.as_table().is_none() {
            self.0.push(node.wrong_type(path, "a list of tables"));
            return;
        }
        self.table(node, path, settings);
        for setting in settings {
            match node.child(setting.key).map(|entry| (entry, &entry.data)) {
                Some((entry, Data::String(text))) if text.is_empty() => {
                    let message = format!("`{}` of an identity is empty", setting.key);
                    self.0.push(entry.origin.error(message, ""));
                }
                Some(_) => {}
                None => self.0.push(node.origin.error(
                    format!("an identity in `{path}` lacks `{}`", setting.key),
                    "an identity has `subject` and `issuer`",
                )),
            }
        }
    }
}

/// The error for a setting that does not exist.
fn unknown(entry: &Node, path: &str, key: &str, settings: &[Setting]) -> CommandError {
    let message = format!("there is no setting `{}`", below(path, key));
    let error = entry.named.error(message, "unknown");
    let names = || settings.iter().map(|setting| setting.key);
    let near = closest(key, names()).and_then(|near| settings.iter().find(|s| s.key == near));
    if let Some(near) = near {
        error
            .hint(format!("did you mean `{}`?", near.key))
            .hint(format!(
                "`{}` takes {}: {}",
                near.key, near.takes, near.summary
            ))
    } else if path.is_empty() && PROFILE.iter().any(|setting| setting.key == key) {
        error.hint(format!("`{key}` belongs in a profile: `[profile.NAME]`"))
    } else {
        let names: Vec<_> = names().collect();
        error.hint(format!("known here: {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::origin::Layer;
    use crate::config::origin::SourceFile;
    use crate::config::value::parse_file;
    use std::sync::Arc;

    fn problems(text: &str) -> Vec<CommandError> {
        let file = SourceFile::new("/c.toml".into(), None, text.into(), Layer::User);
        check(&parse_file(&Arc::new(file)).ok().unwrap())
    }

    #[test]
    fn a_misspelt_setting_is_shown_with_the_right_one() {
        let found = problems("[profile.prod]\natach = true\n");
        assert_eq!(found[0].message, "there is no setting `profile.prod.atach`");
        assert_eq!(
            found[0].hints,
            [
                "did you mean `attach`?",
                "`attach` takes true or false: whether a signature is pushed beside its image"
            ]
        );
        let snippet = found[0].snippet.as_ref().unwrap();
        assert_eq!(&snippet.text[snippet.span.clone()], "atach");
    }

    #[test]
    fn a_setting_of_a_profile_at_the_top_is_told_its_place() {
        let found = problems("signer = { backend = \"cosign-key\" }");
        assert_eq!(
            found[0].hints,
            ["`signer` belongs in a profile: `[profile.NAME]`"]
        );
    }

    #[test]
    fn a_misspelt_password_is_not_shown() {
        let found = problems("pasword = \"hunter2\"\n[profile.a]\npasword = \"hunter2\"\n");
        assert_eq!(found.len(), 2);
        assert!(!format!("{found:?}").contains("hunter2"));
    }

    #[test]
    fn every_problem_is_told_not_only_the_first() {
        let found = problems(
            "jobs = 0\nformat = \"xml\"\noffline = \"no\"\ntimeout = \"soon\"\ncolor = 1\n\
             [alias]\na = []\nb = 1\n\
             [commands]\nexternal = 1\n\
             [backend.\"../x\"]\nsha256 = \"A\"\nisolation = \"none\"\ngrants = [\"all\"]\n\
             [profile.a]\ninherits = 1\nlog = \"on\"\nsigner = \"x\"\nsignature_format = \"x\"\n\
             annotations = { a = 1 }\nverify = { keys = \"a\", identities = [{ subject = \"\" }], require = 0 }\n",
        );
        let messages: Vec<&str> = found.iter().map(|e| e.message.as_str()).collect();
        assert_eq!(messages.len(), 21, "{messages:#?}");
    }

    #[test]
    fn a_whole_configuration_is_accepted() {
        let found = problems(
            r#"
default_profile = "prod"
timeout = "30s"
[profile.base]
signature_format = "bundle"
log = "off"
attach = false
[profile.prod]
inherits = "base"
signer = { backend = "cosign-key", key = "keyring:release", password = { prompt = "Password" } }
[profile.prod.verify]
keys = ["release.pub"]
identities = [{ subject = "a@example.com", issuer = "https://accounts.example.com" }]
require = "any"
[alias]
ship = ["sign", "--profile", "prod"]
s = "sign --keep-going"
[backend."dev.acme.hsm"]
path = "/opt/acme/hsm.so"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
isolation = "process"
grants = ["identity-token"]
"#,
        );
        assert!(found.is_empty(), "{found:#?}");
    }
}
