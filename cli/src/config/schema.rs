//! The settings that exist: of the top level, of a profile, of the tables inside. Everything else is an error.
//!
//! The settings of a backend's own table stand in the backend's manifest; [`profile`](super::profile) checks them.

use super::settings::{
    Choice, Color, Format, Grant, Isolation, KeyText, Network, Require, SignatureFormat, duration,
    jobs,
};
use super::value::{Data, Node, below};
use crate::error::CommandError;
use crate::suggest::closest;
use sigtool_sdk::manifest::Kind;
use sigtool_sdk::types::BackendId;

/// A setting; also what the man page says of it.
pub(crate) struct Known {
    pub(crate) key: &'static str,
    /// What is written there.
    pub(crate) takes: &'static str,
    /// What it is for, in a line.
    pub(crate) summary: &'static str,
}

const fn known(key: &'static str, takes: &'static str, summary: &'static str) -> Known {
    Known {
        key,
        takes,
        summary,
    }
}

/// The settings of the top level.
pub(crate) const TOP: &[Known] = &[
    known("alias", "a table", "names for command lines of your own"),
    known(
        "backend",
        "a table of tables",
        "third-party backends, each by its id",
    ),
    known(
        "color",
        "\"auto\", \"always\" or \"never\"",
        "when output is coloured",
    ),
    known("commands", "a table", "commands that are not built in"),
    known(
        "default_profile",
        "the name of a profile",
        "the profile to use; in a file that defines none, `profile` means the same",
    ),
    known(
        "format",
        "\"text\", \"json\" or \"jsonl\"",
        "the form of results",
    ),
    known(
        "jobs",
        "a number",
        "how many artifacts are worked on at once",
    ),
    known("network", "a table", "the way to the network"),
    known(
        "offline",
        "true or false",
        "whether no network connection may be opened",
    ),
    known("profile", "a table of tables", "profiles, each by its name"),
    known(
        "timeout",
        "a time such as \"30s\"",
        "how long to wait for a backend",
    ),
];

/// The settings of a profile.
pub(crate) const PROFILE: &[Known] = &[
    known(
        "annotations",
        "a table of strings",
        "what is signed along with the digest",
    ),
    known(
        "attach",
        "true or false",
        "whether a signature is pushed beside its image",
    ),
    known(
        "identity",
        "a backend's table",
        "where identity tokens come from",
    ),
    known(
        "inherits",
        "the name of a profile",
        "the profile whose settings hold where this one has none",
    ),
    known(
        "log",
        "\"off\" or a backend's table",
        "the transparency log",
    ),
    known("secret", "a backend's table", "where secrets are kept"),
    known(
        "signature_format",
        "\"bundle\", \"cosign\" or \"both\"",
        "how signatures are written",
    ),
    known("signer", "a backend's table", "who signs"),
    known("source", "a backend's table", "where artifacts come from"),
    known(
        "timestamp",
        "a backend's table",
        "where signed timestamps come from",
    ),
    known(
        "trust",
        "a backend's table",
        "where the trusted root comes from",
    ),
    known("verify", "a table", "which signatures are accepted"),
];

/// The settings of `verify`.
pub(crate) const VERIFY: &[Known] = &[
    known(
        "identities",
        "a list of tables",
        "the accepted identities, each with `subject` and `issuer`",
    ),
    known(
        "keys",
        "a list of key references",
        "the accepted public keys",
    ),
    known(
        "require",
        "\"any\", \"all\" or a number",
        "how many of them must have signed",
    ),
];

/// The settings of an accepted identity.
pub(crate) const IDENTITY: &[Known] = &[
    known("issuer", "a URL", "the OIDC issuer"),
    known(
        "subject",
        "a string",
        "who signed, as the certificate says it",
    ),
];

/// The settings of a third-party backend.
pub(crate) const BACKEND: &[Known] = &[
    known(
        "grants",
        "a list of \"identity-token\"",
        "what the backend is lent beyond what each gets",
    ),
    known(
        "isolation",
        "\"process\" or \"in-process\"",
        "whether it runs in a process of its own",
    ),
    known("path", "a path", "the shared library or executable"),
    known("sha256", "64 hexadecimal digits", "the digest of that file"),
];

/// The settings of `commands`.
pub(crate) const COMMANDS: &[Known] = &[known(
    "external",
    "true or false",
    "whether `sigtool-NAME` on the PATH runs as `sigtool NAME`",
)];

/// The settings of `network`.
pub(crate) const NETWORK: &[Known] = &[
    known(
        "ca_file",
        "a path",
        "PEM certificates of authorities to trust beside the system's",
    ),
    known("http_proxy", "a URL", "the proxy for http:"),
    known("https_proxy", "a URL", "the proxy for https:"),
    known(
        "no_proxy",
        "a list of hosts",
        "the hosts that are reached without a proxy",
    ),
];

/// The backends that come with sigtool, those included that a build may lack.
pub(crate) const FIRST_PARTY: [&str; 14] = [
    "aws",
    "azure",
    "browser",
    "ci",
    "cosign-key",
    "gcp",
    "harness",
    "kms-plugin",
    "local-stage",
    "oci",
    "os-keyring",
    "pkcs11",
    "sigstore",
    "vault",
];

/// Every problem of one layer that can be seen without a manifest.
pub(crate) fn check(root: &Node) -> Vec<CommandError> {
    let mut found = Problems(Vec::new());
    found.keys(root, "", TOP);
    for (key, node) in root.entries() {
        match key.as_str() {
            "alias" => found.each(node, key, |found, key, node| {
                found.note(alias(node, key));
            }),
            "backend" => found.each(node, key, Problems::backend),
            "color" => found.note(Color::read(node, key)),
            "commands" => {
                found.keys(node, key, COMMANDS);
                if let Some(external) = node.child("external") {
                    found.note(external.boolean("commands.external"));
                }
            }
            "default_profile" => found.note(node.string(key)),
            "format" => found.note(Format::read(node, key)),
            "jobs" => found.note(jobs(node, key)),
            "network" => {
                found.keys(node, key, NETWORK);
                found.note(Network::read(node, None));
            }
            "offline" => found.note(node.boolean(key)),
            "profile" => found.each(node, key, Problems::profile),
            "timeout" => found.note(duration(node, key)),
            _ => {}
        }
    }
    found.0
}

/// The words of an alias: a list, or a text that is split at its blanks.
pub(crate) fn alias(node: &Node, key: &str) -> Result<Vec<String>, CommandError> {
    let words: Vec<String> = match &node.data {
        Data::String(text) => text.split_whitespace().map(str::to_owned).collect(),
        Data::Array(_) => node.strings(key)?.into_iter().map(|w| w.value).collect(),
        _ => return Err(node.wrong_type(key, "a string or a list of strings")),
    };
    if words.first().is_none_or(String::is_empty) {
        return Err(node
            .origin
            .error(format!("`{key}` is empty"), "a command belongs here"));
    }
    Ok(words)
}

/// The public keys under `keys`.
pub(crate) fn key_texts(
    node: &Node,
    key: &str,
    home: Option<&std::path::Path>,
) -> Result<Vec<super::value::Located<KeyText>>, CommandError> {
    node.array(key)?
        .iter()
        .map(|item| {
            let text = KeyText::read(item, key, home)?;
            Ok(super::value::Located::new(text, &item.origin))
        })
        .collect()
}

/// The problems of a table with `keys`, `identities` and `require`.
pub(crate) fn check_verify(node: &Node, path: &str) -> Vec<CommandError> {
    let mut found = Problems(Vec::new());
    found.verify(node, path);
    found.0
}

/// The problems of a table that may have these keys and no others.
pub(crate) fn check_keys(node: &Node, path: &str, known: &[Known]) -> Vec<CommandError> {
    let mut found = Problems(Vec::new());
    found.keys(node, path, known);
    found.0
}

/// Collects problems, so that all are told at once.
struct Problems(Vec<CommandError>);

impl Problems {
    fn note<T>(&mut self, result: Result<T, CommandError>) {
        self.0.extend(result.err());
    }

    /// Every entry of a table that users name the keys of.
    fn each(&mut self, node: &Node, path: &str, check: impl Fn(&mut Self, &str, &Node)) {
        if let Err(error) = node.table(path) {
            self.0.push(error);
        }
        for (key, entry) in node.entries() {
            if key.is_empty() {
                self.0
                    .push(entry.named.error(format!("`{path}` has an empty name"), ""));
            }
            check(self, &below(path, key), entry);
        }
    }

    /// The keys of a table: each must be known.
    fn keys(&mut self, node: &Node, path: &str, known: &[Known]) {
        if let Err(error) = node.table(path) {
            self.0.push(error);
        }
        for (key, entry) in node.entries() {
            if known.iter().any(|k| k.key == key) {
                continue;
            }
            let error = entry.named.error(
                format!("there is no setting `{}`", below(path, key)),
                "unknown",
            );
            let names = || known.iter().map(|k| k.key);
            let near = closest(key, names()).and_then(|near| known.iter().find(|k| k.key == near));
            self.0.push(if let Some(near) = near {
                error
                    .hint(format!("did you mean `{}`?", near.key))
                    .hint(format!(
                        "`{}` takes {}: {}",
                        near.key, near.takes, near.summary
                    ))
            } else if path.is_empty() && PROFILE.iter().any(|k| k.key == key) {
                error.hint(format!("`{key}` belongs in a profile: `[profile.NAME]`"))
            } else {
                error.hint(format!(
                    "known here: {}",
                    names().collect::<Vec<_>>().join(", ")
                ))
            });
        }
    }

    fn profile(&mut self, path: &str, node: &Node) {
        self.keys(node, path, PROFILE);
        for (key, entry) in node.entries() {
            let path = &below(path, key);
            match key.as_str() {
                "annotations" => self.each(entry, path, |found, path, annotation| {
                    found.note(annotation.string(path));
                }),
                "attach" => self.note(entry.boolean(path)),
                "inherits" => self.note(entry.string(path)),
                "log" if matches!(&entry.data, Data::String(text) if text == "off") => {}
                "log" if entry.as_table().is_none() => {
                    self.0.push(entry.wrong_type(path, "\"off\" or a table"));
                }
                "signature_format" => self.note(SignatureFormat::read(entry, path)),
                "verify" => self.verify(entry, path),
                kind if Kind::ALL.iter().any(|k| k.as_str() == kind) => {
                    self.note(entry.table(path));
                    if let Some(backend) = entry.child("backend") {
                        self.note(backend.string(&below(path, "backend")));
                    }
                }
                _ => {}
            }
        }
    }

    fn verify(&mut self, node: &Node, path: &str) {
        self.keys(node, path, VERIFY);
        for (key, entry) in node.entries() {
            let path = &below(path, key);
            match key.as_str() {
                "identities" => match entry.array(path) {
                    Ok(items) => items.iter().for_each(|item| self.identity(item, path)),
                    Err(error) => self.0.push(error),
                },
                "keys" => self.note(key_texts(entry, path, None)),
                "require" => self.note(Require::read(entry, path)),
                _ => {}
            }
        }
    }

    fn identity(&mut self, node: &Node, path: &str) {
        if node.as_table().is_none() {
            self.0.push(node.wrong_type(path, "a list of tables"));
            return;
        }
        self.keys(node, path, IDENTITY);
        for field in IDENTITY {
            match node.child(field.key) {
                Some(entry) => match entry.string(field.key) {
                    Ok("") => self.0.push(
                        entry
                            .origin
                            .error(format!("`{}` of an identity is empty", field.key), ""),
                    ),
                    result => self.note(result),
                },
                None => self.0.push(node.origin.error(
                    format!("an identity in `{path}` lacks `{}`", field.key),
                    "an identity has `subject` and `issuer`",
                )),
            }
        }
    }

    fn backend(&mut self, path: &str, node: &Node) {
        self.keys(node, path, BACKEND);
        let id = super::value::split(path).and_then(|keys| keys.into_iter().nth(1));
        if let Some(id) = id.filter(|id| id.parse::<BackendId>().is_err()) {
            self.0.push(node.named.error(
                format!("`{id}` is no backend id"),
                "lowercase letters, digits, `-` and `.`, at most 64, a letter first",
            ));
        }
        for (key, entry) in node.entries() {
            let path = &below(path, key);
            match key.as_str() {
                "grants" => match entry.array(path) {
                    Ok(items) => items.iter().for_each(|i| self.note(Grant::read(i, path))),
                    Err(error) => self.0.push(error),
                },
                "isolation" => self.note(Isolation::read(entry, path)),
                "path" => self.note(entry.string(path)),
                "sha256" => self.note(sha256(entry, path)),
                _ => {}
            }
        }
    }
}

fn sha256(node: &Node, key: &str) -> Result<(), CommandError> {
    let text = node.string(key)?;
    if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(node
        .origin
        .error(
            format!("`{key}` takes 64 lowercase hexadecimal digits"),
            &format!("{} characters", text.chars().count()),
        )
        .hint("record the file again with `sigtool backend pin PATH`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layer::Layer;
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
