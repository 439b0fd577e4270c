//! What a project's file may not set.
//!
//! A project is often a clone of someone else's. Its file may choose among what the user has: the profile, the form of the
//! results and of signatures, annotations, the name of the key. It may not bring in code, secrets, services or trust. What
//! is not allowed in the table of settings is refused, so that a setting of tomorrow is refused too until someone thinks about it.

use crate::config::schema::{PROFILE, Project, Setting, TOP, alias};
use crate::config::value::{Data, Node, below};
use crate::error::CommandError;
use sigtool_sdk::types::reference::looks_like_image;

/// The commands that a project's alias may begin with: those that a clone cannot change anything of the user's with.
const COMMANDS: [&str; 3] = ["inspect", "sign", "verify"];

/// The flags that a project's alias may have. Not among them: all that name a key, a policy, a place or another setting.
const FLAGS: [&str; 14] = [
    "--annotations",
    "--color",
    "--fail-fast",
    "--format",
    "--keep-going",
    "--offline",
    "--profile",
    "--quiet",
    "--recursive",
    "--signature-format",
    "--verbose",
    "-a",
    "-p",
    "-q",
];

/// Those of them that take the next word.
const WITH_VALUE: [&str; 7] = [
    "--annotations",
    "--color",
    "--format",
    "--profile",
    "--signature-format",
    "-a",
    "-p",
];

/// Every setting of the project's file that it may not have. `lower` is what the layers below say, `user_file` the user's own.
pub(crate) fn check(project: &Node, lower: &Node, user_file: Option<&str>) -> Vec<CommandError> {
    let mut judge = Judge {
        user_file,
        refused: Vec::new(),
    };
    judge.table("", project, TOP, |judge, key, node| match key {
        "alias" => judge.aliases(node, lower),
        "offline" => {
            if matches!(node.data, Data::Boolean(false)) {
                judge.refuse(key, node, "a clone must not open the network");
            }
        }
        "profile" => {
            for (name, profile) in node.entries() {
                let exists = lower.find(&["profile", name]).is_some();
                judge.profile(&below(key, name), profile, exists);
            }
        }
        _ => judge.refuse(key, node, "nobody has thought about it"),
    });
    judge.refused
}

struct Judge<'a> {
    user_file: Option<&'a str>,
    refused: Vec<CommandError>,
}

impl Judge<'_> {
    /// The settings of a table. Where it depends on the value, `depends` looks at it.
    fn table(
        &mut self,
        path: &str,
        node: &Node,
        settings: &[Setting],
        depends: impl Fn(&mut Self, &str, &Node),
    ) {
        for (key, entry) in node.entries() {
            let path = &below(path, key);
            // Of one that does not exist the check of the layer tells.
            let setting = settings.iter().find(|setting| setting.key == key);
            match setting.map(|setting| setting.project) {
                None | Some(Project::May) => {}
                Some(Project::MayNot(why)) => self.refuse(path, entry, why),
                Some(Project::Depends) => depends(self, path, entry),
            }
        }
    }

    fn profile(&mut self, path: &str, node: &Node, exists: bool) {
        let inherits = below(path, "inherits");
        let signer = below(path, "signer");
        self.table(path, node, PROFILE, |judge, path, entry| match path {
            path if path == inherits && !exists => {}
            path if path == inherits => judge.refuse(
                path,
                entry,
                "a clone must not change what a profile of yours is made of",
            ),
            path if path == signer => judge.signer(path, entry),
            _ => judge.refuse(path, entry, "nobody has thought about it"),
        });
    }

    /// Of the signer only the name of the key.
    fn signer(&mut self, path: &str, node: &Node) {
        for (key, entry) in node.entries() {
            let path = &below(path, key);
            if key != "key" {
                self.refuse(
                    path,
                    entry,
                    "a clone must not choose who signs, only the name of the key",
                );
            } else if let Data::String(text) = &entry.data
                && (text.contains("://") || text.starts_with("env:"))
            {
                self.refuse(
                    path,
                    entry,
                    "a clone may name a key, not a service or a variable to get it from",
                );
            }
        }
    }

    fn aliases(&mut self, node: &Node, lower: &Node) {
        for (name, entry) in node.entries() {
            let path = &below("alias", name);
            if lower.find(&["alias", name]).is_some() {
                self.refuse(path, entry, "a clone must not change an alias of yours");
                continue;
            }
            let Ok(words) = alias(entry, path) else {
                continue;
            };
            if !COMMANDS.contains(&words[0].as_str()) {
                self.refuse(
                    path,
                    entry,
                    "a clone's alias may only begin with inspect, sign or verify",
                );
            }
            let flag = words[1..].iter().find(|word| {
                let flag = word.split('=').next().unwrap_or(word);
                word.starts_with('-') && !FLAGS.contains(&flag)
            });
            if let Some(flag) = flag {
                let flag = flag.split('=').next().unwrap_or(flag);
                self.refuse(
                    path,
                    entry,
                    &format!("a clone's alias must not have the flag `{flag}`"),
                );
            }
            if let Some(image) = image_in(&words) {
                self.refuse(
                    path,
                    entry,
                    &format!("a clone's alias must not name an image, as `{image}` does: you would sign what its author chose"),
                );
            }
        }
    }

    fn refuse(&mut self, key: &str, node: &Node, why: &str) {
        let place = match self.user_file {
            Some(file) => format!("put it in your own file, {file}, if you mean it"),
            None => "put it in your own configuration file, if you mean it".to_owned(),
        };
        self.refused.push(
            node.named
                .error(format!("a project's file may not set `{key}`"), "not here")
                .because(why)
                .hint(place),
        );
    }
}

/// The first artifact of an alias that is an image.
fn image_in(words: &[String]) -> Option<&String> {
    let pairs = words.iter().zip(&words[1..]);
    pairs
        .filter(|(before, _)| !WITH_VALUE.contains(&before.as_str()))
        .map(|(_, word)| word)
        .filter(|word| !word.starts_with('-'))
        .find(|word| word.starts_with("oci:") || looks_like_image(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::layer::name_the_choice;
    use crate::config::origin::Layer;
    use crate::config::origin::SourceFile;
    use crate::config::value::parse_file;
    use std::sync::Arc;

    fn tree(text: &str) -> Node {
        let file = SourceFile::new(
            "/app/.sigtool.toml".into(),
            None,
            text.into(),
            Layer::Project,
        );
        let mut tree = parse_file(&Arc::new(file)).ok().unwrap();
        name_the_choice(&mut tree).unwrap();
        tree
    }

    fn refused(project: &str) -> Vec<String> {
        let lower = tree("[profile.prod]\nattach = false\n[alias]\nship = [\"sign\"]\n");
        check(
            &tree(project),
            &lower,
            Some("~/.config/sigtool/config.toml"),
        )
        .into_iter()
        .map(|e| {
            assert_eq!(
                e.hints,
                ["put it in your own file, ~/.config/sigtool/config.toml, if you mean it"]
            );
            assert!(e.snippet.is_some() && !e.causes.is_empty());
            e.message
        })
        .collect()
    }

    #[test]
    fn a_project_may_choose() {
        for text in [
            "profile = \"prod\"",
            "default_profile = \"prod\"\nformat = \"json\"\noffline = true",
            "[profile.prod]\nattach = true\nannotations = { a = \"b\" }\nsignature_format = \"both\"",
            "[profile.prod.signer]\nkey = \"release-2026\"",
            "[profile.prod.signer]\nkey = \"keyring:release-2026\"",
            "[profile.mine]\ninherits = \"prod\"",
            "[alias]\ncheck = [\"verify\", \"--profile\", \"prod\", \"--format=json\"]",
            "[alias]\ns = [\"sign\", \"-a\", \"from=https://build.example/1\", \"dist/app.tgz\"]",
        ] {
            assert!(refused(text).is_empty(), "{text}: {:?}", refused(text));
        }
    }

    #[test]
    fn a_project_may_not_bring_in_code_or_trust() {
        for (text, key) in [
            ("[backend.\"dev.evil\"]\npath = \"x.so\"", "backend"),
            ("[commands]\nexternal = true", "commands"),
            ("[network]\nhttps_proxy = \"http://proxy:1\"", "network"),
            ("[alias]\ns = [\"sign\", \"oci:evil\"]", "alias.s"),
            (
                "[alias]\ns = [\"sign\", \"-q\", \"evil.example/x\"]",
                "alias.s",
            ),
            ("offline = false", "offline"),
            (
                "[profile.prod]\nverify = { keys = [\"evil.pub\"] }",
                "profile.prod.verify",
            ),
            ("[profile.new]\nverify.require = 1", "profile.new.verify"),
            (
                "[profile.prod]\ninherits = \"evil\"",
                "profile.prod.inherits",
            ),
            (
                "[profile.prod.trust]\nbackend = \"sigstore\"",
                "profile.prod.trust",
            ),
            (
                "[profile.prod.signer]\nbackend = \"sigstore\"",
                "profile.prod.signer.backend",
            ),
            (
                "[profile.prod.signer]\nfulcio = \"https://evil\"",
                "profile.prod.signer.fulcio",
            ),
            (
                "[profile.prod.signer]\npassword = { env = \"X\" }",
                "profile.prod.signer.password",
            ),
            (
                "[profile.prod.signer]\nkey = \"env:AWS_SECRET\"",
                "profile.prod.signer.key",
            ),
            (
                "[profile.prod.signer]\nkey = \"awskms://evil/x\"",
                "profile.prod.signer.key",
            ),
            (
                "[profile.prod.identity]\nurl = \"https://evil\"",
                "profile.prod.identity",
            ),
            ("[profile.prod]\nlog = \"off\"", "profile.prod.log"),
            (
                "[profile.prod.secret]\nbackend = \"vault\"",
                "profile.prod.secret",
            ),
            ("[alias]\nship = [\"verify\"]", "alias.ship"),
            ("[alias]\nx = [\"evil-command\"]", "alias.x"),
            (
                "[alias]\nx = [\"verify\", \"--key\", \"evil.pub\"]",
                "alias.x",
            ),
            (
                "[alias]\nx = [\"sign\", \"--config=profile.prod.verify.keys=[]\"]",
                "alias.x",
            ),
        ] {
            assert_eq!(
                refused(text),
                [format!("a project's file may not set `{key}`")],
                "{text}"
            );
        }
    }
}
