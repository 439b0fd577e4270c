//! The settings that exist, in one table: what each takes, what holds without it, which flag and variable set it, and whether a
//! project's file may. Everything else is an error.
//!
//! The settings of a backend's own table stand in the backend's manifest; [`profile`](super::profile) checks them.

use super::key_text::{key_texts, machine_keys};
use super::network::{no_proxy, proxy};
use super::settings::{
    Choice as _, Color, Format, Formats, Grant, Isolation, duration, jobs, repository, require,
};
use super::value::{Data, Node};
use crate::error::CommandError;
use sigtool_sdk::types::BackendId;

/// A setting: all that there is to know of it.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    /// What is written there, for people.
    pub(crate) takes: &'static str,
    /// What it is for, in a line.
    pub(crate) summary: &'static str,
    /// How it is read.
    pub(crate) reads: Reads,
    /// What holds when nobody says anything.
    pub(crate) default: Option<Default>,
    /// The flag of every command that sets it.
    pub(crate) flag: Option<&'static str>,
    /// The environment variable that sets it.
    pub(crate) variable: Option<Variable>,
    /// Whether a project's file may set it.
    pub(crate) project: Project,
}

/// The form of a setting's value.
#[derive(Debug)]
pub(crate) enum Reads {
    /// One that this function understands; it gives what is wrong.
    Value(fn(&Node, &str) -> Result<(), CommandError>),
    /// A table with these settings.
    Table(&'static [Setting]),
    /// A list of such tables, in each of which every setting is a text.
    Whole(&'static [Setting]),
    /// A table whose names the user chooses.
    Named {
        /// What is wrong with a name.
        name: fn(&Node, &str) -> Result<(), CommandError>,
        /// What stands behind each.
        each: &'static Self,
    },
    /// A backend's table: the backend's manifest says what else it may hold.
    Backend,
    /// The same, or the word `off`.
    OffOrBackend,
}

/// A value that is built in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Default {
    Boolean(bool),
    Word(&'static str),
}

impl Default {
    pub(crate) fn data(self) -> Data {
        match self {
            Self::Boolean(value) => Data::Boolean(value),
            Self::Word(word) => Data::String(word.to_owned()),
        }
    }
}

/// The environment variable of a setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    /// What it is for, in a line.
    pub(crate) summary: &'static str,
    pub(crate) text: Text,
}

/// How the text of a variable becomes a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Text {
    Boolean,
    Integer,
    Plain,
}

/// Whether a project's file, which may be a clone of somebody else's, may set something.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Project {
    /// It may.
    May,
    /// It may not, and why.
    MayNot(&'static str),
    /// It depends on the value: see [`trust`](super::trust).
    Depends,
}

impl Setting {
    /// One that nothing but a file sets, and no project's file.
    const fn new(
        key: &'static str,
        takes: &'static str,
        summary: &'static str,
        reads: Reads,
    ) -> Self {
        Self {
            key,
            takes,
            summary,
            reads,
            default: None,
            flag: None,
            variable: None,
            project: Project::MayNot("it is not a project's to choose"),
        }
    }

    const fn default(mut self, default: Default) -> Self {
        self.default = Some(default);
        self
    }

    const fn flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }

    const fn variable(mut self, name: &'static str, summary: &'static str, text: Text) -> Self {
        self.variable = Some(Variable {
            name,
            summary,
            text,
        });
        self
    }

    const fn project(mut self, project: Project) -> Self {
        self.project = project;
        self
    }
}

const TEXT: Reads = Reads::Value(|node, key| node.string(key).map(drop));
const BOOLEAN: Reads = Reads::Value(|node, key| node.boolean(key).map(drop));
const PROXY: Reads = Reads::Value(|node, key| proxy(node, key).map(drop));
const ISOLATION: Reads = Reads::Value(|node, key| Isolation::read(node, key).map(drop));

/// The settings of the top level.
pub(crate) const TOP: &[Setting] = &[
    Setting::new(
        "alias",
        "a table",
        "names for command lines of your own",
        Reads::Named {
            name: any_name,
            each: &Reads::Value(|node, key| alias(node, key).map(drop)),
        },
    )
    .project(Project::Depends),
    Setting::new(
        "backend",
        "a table of tables",
        "third-party backends, each by its id",
        Reads::Named {
            name: backend_id,
            each: &Reads::Table(BACKEND),
        },
    )
    .project(Project::MayNot("a clone must not bring in code")),
    Setting::new(
        "color",
        "\"auto\", \"always\" or \"never\"",
        "when output is coloured",
        Reads::Value(|node, key| Color::read(node, key).map(drop)),
    )
    .default(Default::Word("auto"))
    .flag("--color")
    .variable(
        "SIGTOOL_COLOR",
        "colours: auto, always or never",
        Text::Plain,
    )
    .project(Project::May),
    Setting::new(
        "commands",
        "a table",
        "commands that are not built in",
        Reads::Table(COMMANDS),
    )
    .project(Project::MayNot("a clone must not let commands run")),
    Setting::new(
        "default_profile",
        "the name of a profile",
        "the profile to use; in a file that defines none, `profile` means the same",
        TEXT,
    )
    .flag("--profile")
    .variable(
        "SIGTOOL_PROFILE",
        "the profile to use when --profile is not given",
        Text::Plain,
    )
    .project(Project::May),
    Setting::new(
        "format",
        "\"text\", \"json\" or \"jsonl\"",
        "the form of results",
        Reads::Value(|node, key| Format::read(node, key).map(drop)),
    )
    .default(Default::Word("text"))
    .flag("--format")
    .variable(
        "SIGTOOL_FORMAT",
        "the form of results: text, json or jsonl",
        Text::Plain,
    )
    .project(Project::May),
    Setting::new(
        "jobs",
        "a number",
        "how many artifacts are worked on at once",
        Reads::Value(|node, key| jobs(node, key).map(drop)),
    )
    .flag("--jobs")
    .variable(
        "SIGTOOL_JOBS",
        "how many artifacts are worked on at once",
        Text::Integer,
    )
    .project(Project::May),
    Setting::new(
        "network",
        "a table",
        "the way to the network",
        Reads::Table(NETWORK),
    )
    .project(Project::MayNot(
        "a clone must not choose the way that your data takes, nor whom it trusts",
    )),
    Setting::new(
        "offline",
        "true or false",
        "whether no network connection may be opened",
        BOOLEAN,
    )
    .default(Default::Boolean(false))
    .flag("--offline")
    .variable(
        "SIGTOOL_OFFLINE",
        "1 or true: open no network connection",
        Text::Boolean,
    )
    .project(Project::Depends),
    Setting::new(
        "profile",
        "a table of tables",
        "profiles, each by its name",
        Reads::Named {
            name: any_name,
            each: &Reads::Table(PROFILE),
        },
    )
    .project(Project::Depends),
    Setting::new(
        "timeout",
        "a time such as \"30s\"",
        "how long to wait for a backend",
        Reads::Value(|node, key| duration(node, key).map(drop)),
    )
    .flag("--timeout")
    .variable(
        "SIGTOOL_TIMEOUT",
        "how long to wait for a backend, as in 30s or 2m",
        Text::Plain,
    )
    .project(Project::May),
];

const OF_OTHERS: Project =
    Project::MayNot("a clone must not choose whom your tokens and signatures are sent to");
const OF_TRUST: Project = Project::MayNot("a clone must not define what is valid");

/// The settings of a profile.
pub(crate) const PROFILE: &[Setting] = &[
    Setting::new(
        "annotations",
        "a table of strings",
        "what is signed along with the digest",
        Reads::Named {
            name: any_name,
            each: &TEXT,
        },
    )
    .project(Project::May),
    Setting::new(
        "attach",
        "true or false",
        "whether a signature is pushed beside its image",
        BOOLEAN,
    )
    .default(Default::Boolean(false))
    .project(Project::May),
    Setting::new(
        "attach_to",
        "a repository",
        "where the signatures of images lie, if not beside them",
        Reads::Value(|node, key| repository(node, key).map(drop)),
    )
    .project(OF_OTHERS),
    Setting::new(
        "identity",
        "a backend's table",
        "where identity tokens come from",
        Reads::Backend,
    )
    .project(OF_OTHERS),
    Setting::new(
        "inherits",
        "the name of a profile",
        "the profile whose settings hold where this one has none",
        TEXT,
    )
    .project(Project::Depends),
    Setting::new(
        "log",
        "\"off\" or a backend's table",
        "the transparency log",
        Reads::OffOrBackend,
    )
    .default(Default::Word("off"))
    .project(Project::MayNot(
        "a clone must not decide whether and where signatures are logged",
    )),
    Setting::new(
        "secret",
        "a backend's table",
        "where secrets are kept",
        Reads::Backend,
    )
    .project(Project::MayNot("a clone must not reach for secrets")),
    Setting::new(
        "signature_format",
        "\"bundle\", \"cosign\" or \"both\"",
        "how signatures are written",
        Reads::Value(|node, key| Formats::read(node, key).map(drop)),
    )
    .default(Default::Word("bundle"))
    .project(Project::May),
    Setting::new("signer", "a backend's table", "who signs", Reads::Backend).project(
        Project::MayNot(
            "a clone must not name keys, secrets or services, only one of your profiles",
        ),
    ),
    Setting::new(
        "source",
        "a backend's table",
        "where artifacts come from",
        Reads::Backend,
    )
    .project(OF_OTHERS),
    Setting::new(
        "timestamp",
        "a backend's table",
        "where signed timestamps come from",
        Reads::Backend,
    )
    .project(OF_OTHERS),
    Setting::new(
        "trust",
        "a backend's table",
        "where the trusted root comes from",
        Reads::Backend,
    )
    .project(OF_TRUST),
    Setting::new(
        "verify",
        "a table",
        "which signatures are accepted",
        Reads::Table(VERIFY),
    )
    .project(OF_TRUST),
];

/// The settings of `verify`.
pub(crate) const VERIFY: &[Setting] = &[
    IDENTITIES,
    Setting::new(
        "keys",
        "a list of key references",
        "the accepted public keys",
        Reads::Value(|node, key| key_texts(node, key, None).map(drop)),
    ),
    REQUIRE,
];

/// The same in the policy of the machine.
pub(crate) const MACHINE_VERIFY: &[Setting] = &[
    IDENTITIES,
    Setting::new(
        "keys",
        "a list of absolute paths, or of texts of public keys",
        "the accepted public keys",
        Reads::Value(|node, key| machine_keys(node, key).map(drop)),
    ),
    REQUIRE,
];

const IDENTITIES: Setting = Setting::new(
    "identities",
    "a list of tables",
    "the accepted identities, each with `subject` and `issuer`",
    Reads::Whole(IDENTITY),
);

const REQUIRE: Setting = Setting::new(
    "require",
    "\"any\", \"all\" or a number",
    "how many of them must have signed",
    Reads::Value(|node, key| require(node, key).map(drop)),
);

/// The settings of an accepted identity.
pub(crate) const IDENTITY: &[Setting] = &[
    Setting::new("issuer", "a URL", "the OIDC issuer", TEXT),
    Setting::new(
        "subject",
        "a string",
        "who signed, as the certificate says it",
        TEXT,
    ),
];

/// The settings of a third-party backend.
pub(crate) const BACKEND: &[Setting] = &[
    Setting::new(
        "grants",
        "a list of \"identity-token\"",
        "what the backend is lent beyond what each gets",
        Reads::Value(grants),
    ),
    Setting::new(
        "isolation",
        "\"process\" or \"in-process\"",
        "whether it runs in a process of its own",
        ISOLATION,
    ),
    Setting::new("path", "a path", "the shared library or executable", TEXT),
    Setting::new(
        "sha256",
        "64 hexadecimal digits",
        "the digest of that file",
        Reads::Value(sha256),
    ),
];

/// The settings of `commands`.
pub(crate) const COMMANDS: &[Setting] = &[Setting::new(
    "external",
    "true or false",
    "whether `sigtool-NAME` on the PATH runs as `sigtool NAME`",
    BOOLEAN,
)
.default(Default::Boolean(true))];

/// The settings of `network`.
pub(crate) const NETWORK: &[Setting] = &[
    Setting::new(
        "ca_file",
        "a path",
        "PEM certificates to trust beside the system's: of authorities, or of a server itself",
        TEXT,
    ),
    Setting::new("http_proxy", "a URL", "the proxy for http:", PROXY),
    Setting::new("https_proxy", "a URL", "the proxy for https:", PROXY),
    Setting::new(
        "no_proxy",
        "a list of hosts",
        "the hosts that are reached without a proxy",
        Reads::Value(|node, key| no_proxy(node, key).map(drop)),
    ),
];

/// The settings of the machine's policy.
pub(crate) const POLICY: &[Setting] = &[
    Setting::new(
        "backends",
        "a list of ids",
        "the backends that may be loaded; without it, all",
        Reads::Value(|node, key| node.strings(key).map(drop)),
    ),
    Setting::new(
        "external_commands",
        "true or false",
        "whether commands that are not built in may run",
        BOOLEAN,
    ),
    Setting::new(
        "isolation",
        "\"process\" or \"in-process\"",
        "the least that separates a third-party backend from sigtool",
        ISOLATION,
    ),
    Setting::new(
        "verify",
        "a table",
        "what every verification demands, besides what the profile demands",
        Reads::Table(MACHINE_VERIFY),
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

fn any_name(_: &Node, _: &str) -> Result<(), CommandError> {
    Ok(())
}

fn backend_id(node: &Node, id: &str) -> Result<(), CommandError> {
    match id.parse::<BackendId>().is_ok() {
        true => Ok(()),
        false => Err(node.named.error(
            format!("`{id}` is not a backend id"),
            "lowercase letters, digits, `-` and `.`, at most 64, a letter first",
        )),
    }
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

fn grants(node: &Node, key: &str) -> Result<(), CommandError> {
    let grants = node.array(key)?;
    grants
        .iter()
        .try_for_each(|grant| Grant::read(grant, key).map(drop))
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

    #[test]
    fn each_table_is_in_order_and_each_row_whole() {
        for settings in [
            TOP,
            PROFILE,
            VERIFY,
            MACHINE_VERIFY,
            IDENTITY,
            BACKEND,
            COMMANDS,
            NETWORK,
            POLICY,
        ] {
            assert!(settings.is_sorted_by_key(|setting| setting.key));
            for setting in settings {
                assert!(!setting.takes.is_empty() && !setting.summary.is_empty());
            }
        }
    }

    #[test]
    fn a_flag_and_a_variable_set_the_same() {
        for setting in TOP {
            assert_eq!(
                setting.flag.is_some(),
                setting.variable.is_some(),
                "{}",
                setting.key
            );
        }
    }
}
