//! What a project's file may not set.
//!
//! A project is often a clone of someone else's. Its file may choose how something is signed, which of the user's profiles signs, and
//! what touches neither a signature nor a verdict. It may not bring in code, keys, secrets, services or trust. What is not allowed in
//! the table of settings is refused, so that a setting of tomorrow is refused too until someone thinks about it, and is taken out, so
//! that what repairs or shows the configuration does not meet it either.

use crate::config::key_text::SchemeAndName;
use crate::config::schema::{PROFILE, Project, Setting, TOP, alias};
use crate::config::value::{Data, Node, below, split};
use crate::error::CommandError;
use sigtool_sdk::types::reference::looks_like_image;

/// The commands that a project's alias may begin with: none of them makes, changes or removes anything.
const COMMANDS: [&str; 3] = ["inspect", "overview", "verify"];

/// The flags that a project's alias may have. Not among them: all that name a key, a profile, a policy, a place or another setting, and
/// all that leave out what the user would see.
const FLAGS: [&str; 9] = [
    "--color",
    "--fail-fast",
    "--format",
    "--keep-going",
    "--offline",
    "--recursive",
    "--verbose",
    "-r",
    "-v",
];

/// Those of them that take the next word.
const WITH_VALUE: [&str; 2] = ["--color", "--format"];

/// Takes every setting out of the project's file that it may not have, and tells of each. `lower` is what the layers below say,
/// `user_file` the user's own.
pub(crate) fn sift(project: &mut Node, lower: &Node, user_file: Option<&str>) -> Vec<CommandError> {
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
    let (keys, errors): (Vec<_>, Vec<_>) = judge.refused.into_iter().unzip();
    keys.iter().for_each(|key| take_out(project, key));
    errors
}

/// Takes the value at a dotted key out of a tree.
fn take_out(tree: &mut Node, key: &str) {
    let keys = split(key).unwrap_or_default();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    if let [tables @ .., last] = &keys[..]
        && let Some(table) = tree.find_mut(tables)
    {
        table.remove(last);
    }
}

struct Judge<'a> {
    user_file: Option<&'a str>,
    /// Each dotted key with what is told of it.
    refused: Vec<(String, CommandError)>,
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
        self.table(path, node, PROFILE, |judge, path, entry| match path {
            path if path == inherits && !exists => {}
            path if path == inherits => judge.refuse(
                path,
                entry,
                "a clone must not change what a profile of yours is made of",
            ),
            _ => judge.refuse(path, entry, "nobody has thought about it"),
        });
    }

    fn aliases(&mut self, node: &Node, lower: &Node) {
        for (name, entry) in node.entries() {
            let path = &below("alias", name);
            let why = if lower.find(&["alias", name]).is_some() {
                Some("a clone must not change an alias of yours".to_owned())
            } else {
                alias(entry, path).ok().and_then(|words| fault(&words))
            };
            if let Some(why) = why {
                self.refuse(path, entry, &why);
            }
        }
    }

    fn refuse(&mut self, key: &str, node: &Node, why: &str) {
        let place = match self.user_file {
            Some(file) => format!("put it in your own file, {file}, if you mean it"),
            None => "put it in your own configuration file, if you mean it".to_owned(),
        };
        let error = node
            .named
            .error(format!("a project's file may not set `{key}`"), "not here")
            .because(why)
            .hint(place);
        self.refused.push((key.to_owned(), error));
    }
}

/// Why a project's alias may not stand for these words.
fn fault(words: &[String]) -> Option<String> {
    if !COMMANDS.contains(&words[0].as_str()) {
        return Some(
            "a clone's alias may only begin with inspect, overview or verify: it must not sign, make or change anything"
                .to_owned(),
        );
    }
    let mut words = words[1..].iter().peekable();
    while let Some(word) = words.next() {
        let flag = word.split('=').next().unwrap_or(word);
        if !word.starts_with('-') {
            if names_a_service(word) {
                return Some(format!(
                    "a clone's alias must not name an image or a service, as `{word}` does, but files only"
                ));
            }
        } else if !FLAGS.contains(&flag) {
            return Some(format!("a clone's alias must not have the flag `{flag}`"));
        } else if WITH_VALUE.contains(&word.as_str()) {
            words.next_if(|value| !value.starts_with('-'));
        }
    }
    None
}

/// Whether a word is taken for anything but a file: by those who read what artifacts, keys and secrets are called.
fn names_a_service(word: &str) -> bool {
    match SchemeAndName::of(word).map(|parts| parts.scheme) {
        Some(scheme) => scheme != "file",
        None => looks_like_image(word),
    }
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
        sift(
            &mut tree(project),
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
            "[profile.mine]\ninherits = \"prod\"",
            "[alias]\ncheck = [\"verify\", \"--format=json\", \"--recursive\", \"dist\"]",
            "[alias]\ncheck = [\"verify\", \"--format\", \"json\", \"file:dist/app.tgz\"]",
            "[alias]\nl = [\"overview\", \"-v\"]\ni = \"inspect dist/app.tgz.sigstore.json\"",
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
                "profile.prod.signer",
            ),
            (
                "[profile.prod.signer]\nfulcio = \"https://evil\"",
                "profile.prod.signer",
            ),
            (
                "[profile.prod.signer]\npassword = { env = \"X\" }",
                "profile.prod.signer",
            ),
            (
                "[profile.prod.signer]\nkey = \"release-2026\"",
                "profile.prod.signer",
            ),
            (
                "[profile.prod.signer]\nkey = \"../keys/release.key\"",
                "profile.prod.signer",
            ),
            (
                "[profile.prod.signer]\nkey = \"env:AWS_SECRET\"",
                "profile.prod.signer",
            ),
            (
                "[profile.prod.signer]\nkey = \"awskms://evil/x\"",
                "profile.prod.signer",
            ),
            (
                "[profile.prod.signer]\nkey = \"awskms:evil/x\"",
                "profile.prod.signer",
            ),
            (
                "[profile.prod.signer]\nkey = \"shelf:db-password\"",
                "profile.prod.signer",
            ),
            (
                "[profile.prod.signer]\nkey = \"keyring:release\"",
                "profile.prod.signer",
            ),
            (
                "[profile.prod.signer]\nkey = \"file:/etc/shadow\"",
                "profile.prod.signer",
            ),
            ("[profile.prod]\nsigner = {}", "profile.prod.signer"),
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
        ] {
            assert_eq!(
                refused(text),
                [format!("a project's file may not set `{key}`")],
                "{text}"
            );
        }
    }

    #[test]
    fn a_projects_alias_looks_at_files_and_does_nothing_else() {
        for words in [
            // What signs, makes, changes or removes something, or is not there.
            "sign",
            "sign --quiet --profile prod payload.bin",
            "sign --recursive ../..",
            "key generate",
            "history",
            "custody --verify",
            "backend pin x.so",
            "config set format json",
            "init",
            "help",
            "evil-command",
            "ship",
            "-q verify x",
            // What hides something, or says who or what is trusted.
            "inspect --quiet payload.bin.sigstore.json",
            "verify -q x",
            "verify -rq x",
            "verify --profile prod x",
            "verify --profile=prod x",
            "verify -p prod x",
            "verify -pprod x",
            "verify --annotations a=b x",
            "verify -a a=b x",
            "verify --key evil.pub x",
            "verify --key=evil.pub x",
            "verify --config=profile.prod.verify.keys=[] x",
            "verify --require any x",
            "verify --bundle evil.json x",
            "verify --from-file list",
            "verify --no-history x",
            "verify --yes x",
            "verify -- --key",
            "verify -",
            "verify --format --key x",
            // What asks somebody who is not the file system.
            "verify oci:evil",
            "verify --format json oci:evil",
            "inspect evil.example/x",
            "inspect localhost:5000/x",
            "verify app:1.2",
            "verify app@sha256:0",
            "verify shelf:db-password",
            "verify shelf://db-password",
            "overview ghcr.io/acme/app",
        ] {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            assert_eq!(
                refused(&format!("[alias]\nx = {words:?}")),
                ["a project's file may not set `alias.x`"],
                "{words:?}"
            );
        }
    }

    #[test]
    fn what_is_refused_is_taken_out() {
        let mut project = tree(
            "[backend.\"dev.evil\"]\npath = \"x.so\"\n[profile.prod]\nattach = true\nsigner.key = \"x\"\n[alias]\n\"a.b\" = \"sign\"\n",
        );
        let lower = tree("[profile.prod]\n");
        assert_eq!(sift(&mut project, &lower, None).len(), 3);
        assert_eq!(
            project.shown(&[]),
            "{ alias = {}, profile = { prod = { attach = true } } }"
        );
    }
}
