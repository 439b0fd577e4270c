//! The types of settings: what a text in the configuration means once it is read.

use crate::config::value::{Data, Node};
use crate::error::CommandError;
use sigtool_core::Require;
use sigtool_sdk::types::{ParseImageError, Repository, SignatureFormat};
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

/// A setting that takes one of a few words.
pub(crate) trait Choice: Copy + Sized + 'static {
    /// The words, in the order in which they are offered.
    const WORDS: &'static [(&'static str, Self)];

    /// Reads the setting `key`.
    fn read(node: &Node, key: &str) -> Result<Self, CommandError> {
        let text = node.string(key)?;
        if let Some((_, choice)) = Self::WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(*choice);
        }
        let words: Vec<&str> = Self::WORDS.iter().map(|(word, _)| *word).collect();
        let error = node.origin.error(
            format!("`{key}` cannot be `{text}`: it takes {}", either(&words)),
            "not one of these",
        );
        Err(match crate::suggest::closest(text, words.into_iter()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        })
    }
}

/// `a, b or c`.
fn either(words: &[&str]) -> String {
    match words {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Choice for Color {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("always", Self::Always),
        ("never", Self::Never),
    ];
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
}

impl Choice for Format {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("text", Self::Text),
        ("json", Self::Json),
        ("jsonl", Self::Jsonl),
    ];
}

/// Where a backend runs. A later one is stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Isolation {
    /// In sigtool's own process.
    InProcess,
    /// In a child process.
    Process,
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InProcess => "in-process",
            Self::Process => "process",
        })
    }
}

impl Choice for Isolation {
    const WORDS: &'static [(&'static str, Self)] =
        &[("process", Self::Process), ("in-process", Self::InProcess)];
}

/// The formats in which signatures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Formats {
    /// A Sigstore bundle, `<file>.sigstore.json`
    Bundle,
    /// cosign's detached signature, `<file>.sig`
    Cosign,
    /// Both
    Both,
}

impl Formats {
    /// Each of them.
    pub(crate) fn each(self) -> &'static [SignatureFormat] {
        match self {
            Self::Bundle => &[SignatureFormat::Bundle],
            Self::Cosign => &[SignatureFormat::Cosign],
            Self::Both => &[SignatureFormat::Bundle, SignatureFormat::Cosign],
        }
    }
}

impl fmt::Display for Formats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Self::WORDS.iter().find(|(_, value)| value == self);
        f.write_str(word.map_or("", |(word, _)| word))
    }
}

impl Choice for Formats {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("bundle", Self::Bundle),
        ("cosign", Self::Cosign),
        ("both", Self::Both),
    ];
}

/// How many of the listed keys and identities, counted together, must have signed: `"any"`, `"all"` or a number from 1.
pub(crate) fn require(node: &Node, key: &str) -> Result<Require, CommandError> {
    const EXPECTED: &str = "\"any\", \"all\" or a number from 1";
    match &node.data {
        Data::String(text) if text == "any" => Ok(Require::Any),
        Data::String(text) if text == "all" => Ok(Require::All),
        Data::Integer(number) => match usize::try_from(*number) {
            Ok(number @ 1..) => Ok(Require::Count(number)),
            _ => Err(node.origin.error(
                format!("`{key}` takes {EXPECTED}, this is {number}"),
                "too small",
            )),
        },
        Data::String(text) => Err(node.origin.error(
            format!("`{key}` takes {EXPECTED}, this is `{text}`"),
            "not one of these",
        )),
        _ => Err(node.wrong_type(key, EXPECTED)),
    }
}

/// What the host can be asked to lend to a backend, beyond what each gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Identity tokens of the profile.
    IdentityToken,
}

impl Choice for Grant {
    const WORDS: &'static [(&'static str, Self)] = &[("identity-token", Self::IdentityToken)];
}

/// A duration: `30s`, `2m`, `1h`, `500ms`, or a number of seconds.
pub(crate) fn duration(node: &Node, key: &str) -> Result<Duration, CommandError> {
    const EXPECTED: &str = "a time such as \"30s\", \"2m\" or \"500ms\"";
    let text = match &node.data {
        Data::Integer(seconds) => seconds.to_string(),
        Data::String(text) => text.clone(),
        _ => return Err(node.wrong_type(key, EXPECTED)),
    };
    parse_duration(&text).ok_or_else(|| {
        node.origin.error(
            format!("`{key}` takes {EXPECTED}, this is `{text}`"),
            "not a time",
        )
    })
}

/// The longest timeout that makes sense: a day.
const MAX_TIMEOUT: Duration = Duration::from_secs(86_400);

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().ok()?;
    let milliseconds = match text[digits.len()..].trim() {
        "" | "s" => number.checked_mul(1_000)?,
        "h" => number.checked_mul(3_600_000)?,
        "m" => number.checked_mul(60_000)?,
        "ms" => number,
        _ => return None,
    };
    let duration = Duration::from_millis(milliseconds);
    (!duration.is_zero() && duration <= MAX_TIMEOUT).then_some(duration)
}

/// More jobs than any machine has use for.
const MAX_JOBS: i64 = 1024;

/// How many artifacts are worked on at once.
pub(crate) fn jobs(node: &Node, key: &str) -> Result<NonZeroUsize, CommandError> {
    let number = node.integer(key)?;
    usize::try_from(number)
        .ok()
        .filter(|_| number <= MAX_JOBS)
        .and_then(NonZeroUsize::new)
        .ok_or_else(|| {
            node.origin.error(
                format!("`{key}` takes a number from 1 to {MAX_JOBS}, this is {number}"),
                "out of range",
            )
        })
}

/// A repository, in which signatures lie.
pub(super) fn repository(node: &Node, key: &str) -> Result<Repository, CommandError> {
    let text = node.string(key)?;
    text.parse().map_err(|why: ParseImageError| {
        node.origin.error(
            format!("`{key}` cannot be `{text}`: that {why}"),
            "not a repository such as `ghcr.io/acme/signatures`",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::origin::Origin;
    use std::path::Path;

    fn text(text: &str) -> Node {
        Node::new(
            Data::String(text.into()),
            Origin::Flag("--config x".into()),
            &Path::new("/home/ann/here").into(),
        )
    }

    #[test]
    fn a_wrong_word_is_told_the_right_ones() {
        let error = Formats::read(&text("bundel"), "signature_format").unwrap_err();
        assert_eq!(
            error.message,
            "--config x: `signature_format` cannot be `bundel`: it takes bundle, cosign or both"
        );
        assert_eq!(error.hints, ["did you mean `bundle`?"]);
    }

    #[test]
    fn times_have_units() {
        assert_eq!(parse_duration("90"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        for wrong in [
            "0",
            "",
            "s",
            "-1s",
            "5 years",
            "99999999999999999999",
            "25h",
            "1ü",
        ] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nobody_cannot_be_required() {
        let zero = Node::new(Data::Integer(0), Origin::BuiltIn, &Path::new("/").into());
        assert!(require(&zero, "require").is_err());
        assert_eq!(require(&text("all"), "require").unwrap(), Require::All);
    }
}
