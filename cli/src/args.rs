//! What can be typed: the commands and their flags. Nothing here has effects.

use crate::config::{Color, Format, Formats, Isolation};
use crate::error::EXIT_CODES;
use crate::topics;
use clap::builder::{
    ArgExt, NonEmptyStringValueParser, OsStringValueParser, TypedValueParser as _,
};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use sigtool_core::ledger::{Head, ParseHeadError, Since};
use sigtool_sdk::types::{KeyAlgorithm, Repository};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

/// What the value of an argument is one of, for completion.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    /// An algorithm of keys.
    Algorithm,
    /// A file, or an image that is known here.
    Artifact,
    /// The id of a backend.
    Backend,
    /// The same, or a file.
    BackendOrFile,
    /// A command, an alias or a topic, for `help`.
    Command,
    /// The key of a setting.
    ConfigKey,
    /// `KEY=VALUE`, or a file.
    ConfigValue,
    /// A key to sign with.
    Key,
    /// The name of a profile.
    Profile,
    /// A key to verify with.
    PublicKey,
    /// An artifact that the ledger knows, or a file.
    Remembered,
    /// How many signers are required.
    Requirement,
}

impl ArgExt for Takes {}

/// A shell that can complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
    #[value(alias = "pwsh")]
    Powershell,
}

/// Signs software artifacts, and proves later who signed them
#[derive(Debug, Parser)]
#[command(
    name = "sigtool",
    version,
    disable_help_subcommand = true,
    subcommand_required = false,
    allow_external_subcommands = true,
    after_help = after_help()
)]
pub(crate) struct Cli {
    /// List all commands: sigtool's own, aliases, and external ones
    #[arg(long)]
    pub(crate) list: bool,

    #[command(flatten)]
    pub(crate) global: Global,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

fn after_help() -> String {
    let mut codes: Vec<_> = EXIT_CODES.iter().collect();
    codes.sort_by_key(|row| row.code);
    let codes: Vec<_> = codes
        .iter()
        .map(|row| format!("{} {}", row.code, row.short))
        .collect();
    format!(
        "{}\n\n\
         Exit codes: {}.\n\
         First steps: `sigtool init`, then `sigtool sign FILE` and `sigtool verify FILE`.",
        topics::list(),
        codes.join(", ")
    )
}

/// Flags that every command has.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Use this profile
    #[arg(short, long, global = true, value_name = "NAME", add = Takes::Profile)]
    pub(crate) profile: Option<String>,

    /// Set a configuration value, or read another configuration file
    #[arg(long, global = true, value_name = "KEY=VALUE|FILE", add = Takes::ConfigValue)]
    pub(crate) config: Vec<String>,

    /// How results are written: text, json or jsonl (an object a line)
    #[arg(long, global = true, value_enum, hide_possible_values = true)]
    pub(crate) format: Option<Format>,

    /// Write errors and warnings only; JSON is written all the same
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Say what is being done
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Colour the output: auto, always or never
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        hide_possible_values = true
    )]
    pub(crate) color: Option<Color>,

    /// Open no network connection
    #[arg(long, global = true)]
    pub(crate) offline: bool,

    /// How long to wait for a backend that gives no sign of life, and for a password: 90s, 5m, 1h
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,

    /// How many artifacts are worked on at once
    #[arg(short, long, global = true, value_name = "N")]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,

    /// Take the password of the key from a line of standard input
    #[arg(long, global = true)]
    pub(crate) password_stdin: bool,

    /// Answer every question with yes
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign files and images
    Sign(Sign),
    /// Check who signed files and images, against a policy
    Verify(Verify),
    /// Say what a bundle, signature, key, certificate or image contains, without judging it
    Inspect(Inspect),
    /// Show which artifacts were signed here, by whom, and where their signatures are
    Overview(Overview),
    /// Show what was signed and verified here, when, by whom and where
    #[command(visible_alias = "custody")]
    History(History),
    /// Make and manage keys
    #[command(subcommand)]
    Key(Key),
    /// Set up a profile that signs and verifies
    Init,
    /// Show and choose profiles
    #[command(subcommand)]
    Profile(Profile),
    /// Explain, check and change the configuration
    #[command(subcommand)]
    Config(Config),
    /// Show, check and record backends
    #[command(subcommand)]
    Backend(Backend),
    /// Print what makes a shell complete sigtool's words
    Completions(Completions),
    /// Show the manual page of a command or topic, or what an alias stands for
    Help {
        /// Which, as in `key generate`; or a topic, such as `images`
        #[arg(add = Takes::Command)]
        command: Vec<String>,
    },
    /// An alias, or `sigtool-<name>` on PATH.
    #[command(external_subcommand)]
    External(Vec<OsString>),
}

impl Command {
    /// Its name on the command line.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Sign(_) => "sign",
            Self::Verify(_) => "verify",
            Self::Inspect(_) => "inspect",
            Self::Overview(_) => "overview",
            Self::History(_) => "history",
            Self::Key(_) => "key",
            Self::Init => "init",
            Self::Profile(_) => "profile",
            Self::Config(_) => "config",
            Self::Backend(_) => "backend",
            Self::Completions(_) => "completions",
            Self::Help { .. } => "help",
            Self::External(words) => words.first().and_then(|w| w.to_str()).unwrap_or(""),
        }
    }

    /// Whether its results are several: an array in JSON.
    pub(crate) fn lists(&self) -> bool {
        matches!(
            self,
            Self::Sign(_)
                | Self::Verify(_)
                | Self::Overview(_)
                | Self::History(History {
                    verify: false,
                    command: None,
                    ..
                })
                | Self::Key(Key::List)
                | Self::Profile(Profile::List | Profile::Show { .. })
                | Self::Config(Config::Explain { .. } | Config::Check | Config::Path)
                | Self::Backend(Backend::List | Backend::Path | Backend::Check { .. })
        )
    }
}

/// Which artifacts.
#[derive(Debug, Args)]
pub(crate) struct Artifacts {
    /// Files or images; globs are expanded; `-` is standard input
    #[arg(value_name = "ARTIFACT", add = Takes::Artifact, value_parser = OsStringValueParser::new().map(OsString::into_boxed_os_str))]
    // Not `OsString`: there may be a hundred thousand words.
    pub(crate) artifacts: Vec<Box<OsStr>>,

    /// Also take the artifacts listed in this file, one a line; `-` is standard input
    #[arg(long, value_name = "LIST", value_hint = ValueHint::FilePath)]
    pub(crate) from_file: Option<PathBuf>,

    /// Take the files in folders, and each image of an index with the index itself
    #[arg(short, long)]
    pub(crate) recursive: bool,

    /// Fail if a folder holds what is not looked at: hidden files, links, special files
    #[arg(long)]
    pub(crate) strict: bool,

    /// Go on after a failure (the default)
    #[arg(long, conflicts_with = "fail_fast")]
    pub(crate) keep_going: bool,

    /// Stop at the first failure
    #[arg(long)]
    pub(crate) fail_fast: bool,
}

/// The arguments of `sign`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sigtool sign app-1.2.0.tgz                      with the default profile
  sigtool sign --profile prod dist/*.jar          with another one
  sigtool sign --recursive dist                   every file in a folder
  sigtool sign --key release.key app.tgz          with a key in a file
  sigtool sign --key env:SIGNING_KEY app.tgz      with a key in a variable
  sigtool sign --attach ghcr.io/acme/app:1.2      an image, the signature pushed beside it
  make-app | sigtool sign --bundle app.json -     what a pipe brings")]
pub(crate) struct Sign {
    #[command(flatten)]
    pub(crate) artifacts: Artifacts,

    /// The key to sign with: a path, or SCHEME:REST such as env:VARIABLE
    #[arg(long, value_name = "KEY", value_parser = NonEmptyStringValueParser::new(), add = Takes::Key)]
    pub(crate) key: Option<String>,

    /// What to write: bundle (FILE.sigstore.json, an image's referrer; the default), cosign (FILE.sig, an image's `.sig` tag),
    /// or both
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub(crate) signature_format: Option<Formats>,

    /// Write the bundle here; with several artifacts a folder ending in `/`
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) bundle: Option<PathBuf>,

    /// Write the detached signature here; with several artifacts a folder ending in `/`
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) signature: Option<PathBuf>,

    /// Replace what lies where `--bundle` and `--signature` write, though it is not this key's own signature
    #[arg(long)]
    pub(crate) overwrite: bool,

    /// Push the signature beside the image
    #[arg(long, overrides_with = "no_attach")]
    pub(crate) attach: bool,

    /// Push the signature into this repository, and not that of the image
    #[arg(long, value_name = "REPOSITORY", conflicts_with = "no_attach")]
    pub(crate) attach_to: Option<Repository>,

    /// Keep the signature on this machine, whatever the profile says
    #[arg(long, overrides_with = "attach")]
    pub(crate) no_attach: bool,

    /// Sign this along with an image's digest; repeat for several
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = annotation)]
    pub(crate) annotations: Vec<(String, String)>,

    /// Keep this key's earlier signatures of the image beside the new one
    #[arg(long)]
    pub(crate) append: bool,

    /// Make no entry in the ledger
    #[arg(long)]
    pub(crate) no_history: bool,

    /// The artifact's name, in place of the detected one
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// The artifact's version, in place of the detected one
    #[arg(long, value_name = "VERSION")]
    pub(crate) artifact_version: Option<String>,
}

/// The arguments of `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sigtool verify app-1.2.0.tgz                        signed by whom the default profile trusts?
  sigtool verify --profile prod dist/*.jar            by whom another one trusts?
  sigtool verify --key release.pub app-1.2.0.tgz      by this key?
  sigtool verify --key a.pub --key b.pub --require all app.tgz
  sigtool verify --key release.pub -a env=prod ghcr.io/acme/app:1.2")]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) artifacts: Artifacts,

    /// A public key to trust; repeat for several
    #[arg(long, value_name = "KEY", value_parser = NonEmptyStringValueParser::new(), add = Takes::PublicKey)]
    pub(crate) key: Vec<String>,

    /// How many of the trusted signers must have signed: any (the default), all, or a number
    #[arg(long, value_name = "HOW-MANY", add = Takes::Requirement)]
    pub(crate) require: Option<String>,

    /// Look for the signatures of images in this repository, and not in theirs
    #[arg(long, value_name = "REPOSITORY")]
    pub(crate) attach_to: Option<Repository>,

    /// Demand that this was signed along with an image's digest; repeat for several
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = annotation)]
    pub(crate) annotations: Vec<(String, String)>,

    /// The bundle to check, in place of those beside the artifact; with several artifacts a folder ending in `/`
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) bundle: Option<PathBuf>,

    /// The detached signature to check, in place of those beside the artifact; with several artifacts a folder ending in `/`
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) signature: Option<PathBuf>,

    /// Make no entry in the ledger
    #[arg(long)]
    pub(crate) no_history: bool,
}

/// The arguments of `overview`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sigtool overview                             every artifact that was signed here
  sigtool overview shop-1.10.0.tgz             what this machine knows of a file, and what lies beside it
  sigtool overview ghcr.io/acme/app:1.2        and of an image; foreign signatures are listed, not judged")]
pub(crate) struct Overview {
    /// A file or an image, or what the ledger knows it by: a name, `NAME:VERSION`, a digest
    #[arg(value_name = "ARTIFACT", add = Takes::Remembered)]
    pub(crate) artifact: Option<String>,
}

/// The arguments of `history`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Examples:
  sigtool history shop-1.10.0.tgz              everything that was done with this file
  sigtool history --since 7d --signer k3xsX9   what a key has signed lately
  sigtool history --verify                     is the chain of entries whole?
  sigtool history --verify --head 12:sha256:…  and is it still the one of which this was the head?")]
pub(crate) struct History {
    /// A file or an image, or what the ledger knows it by: a name, `NAME:VERSION`, a digest
    #[arg(value_name = "ARTIFACT", add = Takes::Remembered)]
    pub(crate) artifact: Option<String>,

    /// Only what happened since: 90m, 24h, 7d, a day such as 2026-11-25, or a time such as 2026-11-25T10:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub(crate) since: Option<Since>,

    /// Only of this signer: how a key is called, or how its hint begins
    #[arg(long, value_name = "SIGNER")]
    pub(crate) signer: Option<String>,

    /// At most this many entries
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,

    /// Prove that no entry was removed, changed, moved or cut off
    #[arg(long, conflicts_with_all = ["artifact", "since", "signer", "limit"])]
    pub(crate) verify: bool,

    /// Prove it against a head that was kept elsewhere
    #[arg(long, value_name = "HEAD", requires = "verify", value_parser = head)]
    pub(crate) head: Option<Head>,

    #[command(subcommand)]
    pub(crate) command: Option<HistoryCommand>,
}

/// What is done with the ledger itself.
#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// Move a broken ledger aside, and begin a new one that tells of it
    ///
    /// The old ledger and its head stay beside the new one, as evidence. The first entry of the new one names the old head and what was
    /// found wrong. A ledger that is whole stays as it is.
    Restart,
}

/// The arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sigtool inspect app.tgz.sigstore.json                      what is in a bundle
  sigtool inspect ghcr.io/acme/app:1.2                       the signatures of an image, here and in the registry
  sigtool inspect ghcr.io/acme/app:1.2 --bundle app.json     take one along to another machine")]
pub(crate) struct Inspect {
    /// A bundle, a `.sig`, a key or a certificate; `-` is standard input. Or an image: its signatures
    #[arg(value_name = "FILE|IMAGE", add = Takes::Artifact)]
    pub(crate) artifact: String,

    /// Look for the image's signatures in this repository, and not in its own
    #[arg(long, value_name = "REPOSITORY")]
    pub(crate) attach_to: Option<Repository>,

    /// Write the image's bundle here: the one made on this machine, or the only one; all of them into a folder ending in `/`
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) bundle: Option<PathBuf>,

    /// Write cosign's own signature of the image here, in the same way
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) signature: Option<PathBuf>,

    /// Replace what lies where `--bundle` and `--signature` write
    #[arg(long)]
    pub(crate) overwrite: bool,
}

/// The commands below `key`.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key pair: NAME.key and NAME.pub
    Generate {
        /// Where, without the endings
        #[arg(long, value_name = "NAME", default_value = "sigtool", value_hint = ValueHint::FilePath)]
        output_key_prefix: PathBuf,
        /// ecdsa-p256, ecdsa-p384, ecdsa-p521, ed25519, rsa-2048, rsa-3072 or rsa-4096
        #[arg(long, value_name = "ALGORITHM", default_value = "ecdsa-p256", add = Takes::Algorithm)]
        algorithm: KeyAlgorithm,
        /// Replace a key that is there already, and keep it as NAME.old
        #[arg(long)]
        overwrite: bool,
    },
    /// Take over a private key: cosign's, or PEM as OpenSSL writes it
    Import {
        /// The private key; or SCHEME:REST such as env:VARIABLE
        #[arg(long, value_name = "KEY", value_parser = NonEmptyStringValueParser::new(), add = Takes::Key)]
        key: String,
        /// Where to write, without the endings
        #[arg(long, value_name = "NAME", default_value = "import-sigtool", value_hint = ValueHint::FilePath)]
        output_key_prefix: PathBuf,
        /// Replace a key that is there already, and keep it as NAME.old
        #[arg(long)]
        overwrite: bool,
    },
    /// List the keys that the profiles name, and those of `sigtool init`
    List,
    /// Show a key's algorithm and public half
    Show(OneKey),
    /// Print the public key
    ExportPublic {
        #[command(flatten)]
        key: OneKey,
        /// Write it here instead; `-` is standard output
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
        /// Replace a file that is there already, unless it holds a private key
        #[arg(long)]
        overwrite: bool,
    },
    /// Change the password of a key
    ChangePassword(OneKey),
}

/// Which key.
#[derive(Debug, Args)]
pub(crate) struct OneKey {
    /// A path, or SCHEME:REST; without it the profile's
    #[arg(value_name = "KEY", value_parser = NonEmptyStringValueParser::new(), add = Takes::Key)]
    pub(crate) reference: Option<String>,
    /// The same, as a flag
    #[arg(long, value_name = "KEY", value_parser = NonEmptyStringValueParser::new(), conflicts_with = "reference", add = Takes::Key)]
    pub(crate) key: Option<String>,
}

/// The commands below `profile`.
#[derive(Debug, Subcommand)]
pub(crate) enum Profile {
    /// List the profiles
    List,
    /// Show what a profile amounts to
    Show {
        /// Which; without it the one in use
        #[arg(add = Takes::Profile)]
        name: Option<String>,
    },
    /// Use a profile from now on
    Use {
        /// Which
        #[arg(add = Takes::Profile)]
        name: String,
    },
}

/// The commands below `config`.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Say where each value comes from
    Explain {
        /// A key such as profile.prod.signer; without it everything
        #[arg(add = Takes::ConfigKey)]
        key: Option<String>,
    },
    /// Find every mistake in the configuration
    Check,
    /// List the files that are looked at
    Path,
    /// Set a value in the user's file
    Set {
        /// A key such as profile.prod.signature_format
        #[arg(add = Takes::ConfigKey)]
        key: String,
        /// The value, as in TOML; a bare word is a string
        value: String,
    },
}

/// The commands below `backend`.
#[derive(Debug, Subcommand)]
pub(crate) enum Backend {
    /// List the backends
    List,
    /// Show what a backend declares
    Show {
        /// Its id
        #[arg(add = Takes::Backend)]
        id: String,
    },
    /// List the folders that backends are looked for in
    Path,
    /// Record a third-party backend in the user's configuration
    Pin {
        /// The shared library or executable
        #[arg(value_hint = ValueHint::FilePath)]
        path: PathBuf,
    },
    /// Test whether a backend keeps its promises
    Check {
        /// The shared library or executable, or the id of a backend
        #[arg(add = Takes::BackendOrFile)]
        path: String,
        /// Settings to test with: a TOML file with tables `[signer]`, `[source]` and `[artifact]`
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        with: Option<PathBuf>,
        /// Where to run it: process or in-process
        #[arg(
            long,
            value_enum,
            default_value = "process",
            hide_possible_values = true
        )]
        isolation: Isolation,
    },
}

/// The arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Where it belongs, unless ./install.sh has put it there:
  bash         sigtool completions bash > ~/.local/share/bash-completion/completions/sigtool
  zsh          sigtool completions zsh > FOLDER/_sigtool, in a folder of $fpath
  fish         sigtool completions fish > ~/.config/fish/completions/sigtool.fish
  powershell   sigtool completions powershell >> $PROFILE
Or for this shell only: source <(sigtool completions bash), and the same for zsh once compinit has run.")]
pub(crate) struct Completions {
    /// For which shell: bash, zsh, fish or powershell
    #[arg(value_enum, hide_possible_values = true)]
    pub(crate) shell: Shell,
}

/// `KEY=VALUE`, or that between double quotes. As in cosign only there a comma is a part of it.
fn annotation(typed: &str) -> Result<(String, String), String> {
    let quoted = typed
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let text = match quoted {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None if typed.contains(',') => return Err(one_or_several(typed)),
        None => typed.to_owned(),
    };
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not an annotation: write KEY=VALUE")),
    }
}

/// cosign makes several annotations of what has commas in it.
fn one_or_several(text: &str) -> String {
    let one = format!("for one with a comma in it write --annotations '\"{text}\"'");
    let several: Vec<&str> = text.split(',').collect();
    if several.iter().all(|part| part.contains('=')) {
        let flags = several.iter().map(|part| format!("--annotations '{part}'"));
        let flags = flags.collect::<Vec<_>>().join(" ");
        format!(
            "it may be one annotation or {}: for several write {flags}, {one}",
            several.len()
        )
    } else {
        format!("a comma separates annotations in cosign: {one}")
    }
}

fn head(text: &str) -> Result<Head, String> {
    text.parse().map_err(|e: ParseHeadError| e.to_string())
}

/// How long ago, or a day, or a time.
fn since(text: &str) -> Result<Since, String> {
    let wrong = || {
        format!(
            "`{text}` is not a time: write 90s, 30m, 24h, 7d, 2026-11-25 or 2026-11-25T10:00:00Z"
        )
    };
    // Somebody may mean a year by it, or seconds.
    let has_no_unit = text.bytes().all(|byte| byte.is_ascii_digit());
    let days = || text.strip_suffix('d')?.parse().ok();
    match days() {
        _ if has_no_unit => Err(wrong()),
        Some(0) => Err(wrong()),
        Some(days) => Ok(Since::Ago(Duration::from_secs(
            86_400_u64.saturating_mul(days),
        ))),
        None => match length(text) {
            Ok(ago) => Ok(Since::Ago(ago)),
            Err(_) => Since::at(text).ok_or_else(wrong),
        },
    }
}

/// A day, as in the configuration.
const MAX_TIMEOUT_MS: u64 = 86_400_000;

/// A length of time of at most a day.
fn duration(text: &str) -> Result<Duration, String> {
    let found = length(text)?;
    if found > Duration::from_millis(MAX_TIMEOUT_MS) {
        return Err(format!("`{text}` is longer than a day"));
    }
    Ok(found)
}

/// `90s`, `5m`, `1h`, `250ms`, or seconds.
fn length(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration: write 90s, 5m or 1h");
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let milliseconds = match &text[digits..] {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    match milliseconds {
        Some(0) | None => Err(wrong()),
        Some(ms) => Ok(Duration::from_millis(ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_an_annotation_is_told_as_what_it_may_be() {
        let pair = |key: &str, value: &str| Ok((key.to_owned(), value.to_owned()));
        assert_eq!(annotation("a=1=2"), pair("a", "1=2"));
        assert_eq!(annotation("\"a=1,b=2\""), pair("a", "1,b=2"));
        assert_eq!(annotation("\"a=say \"\"hi\"\"\""), pair("a", "say \"hi\""));
        assert_eq!(
            annotation("a=1,b=2").unwrap_err(),
            "it may be one annotation or 2: for several write --annotations 'a=1' --annotations 'b=2', \
             for one with a comma in it write --annotations '\"a=1,b=2\"'"
        );
        assert!(annotation("a=1,2").unwrap_err().ends_with("'\"a=1,2\"'"));
        assert!(annotation("a").is_err() && annotation("=1").is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_moment_is_told_by_a_unit_or_a_date_that_there_is() {
        let ago = |seconds| Ok(Since::Ago(Duration::from_secs(seconds)));
        assert_eq!(since("7d"), ago(604_800));
        assert_eq!(since("24h"), ago(86_400));
        assert_eq!(since("18446744073709551615d"), ago(u64::MAX));
        for day in ["2026-11-25", "2024-02-29", "2026-11-25T10:00:00+14:00"] {
            assert!(since(day).is_ok(), "{day}");
        }
        for wrong in [
            "",
            "2026",
            "90",
            "0d",
            "0h",
            "0s",
            "d",
            "-1d",
            "2026-02-31",
            "2026-02-29",
            "2026-13-01",
            "2026-02-31T10:00:00Z",
            "2026-11-25 junk",
            "tomorrow",
        ] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_duration_has_a_unit_or_means_seconds() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(duration("0").is_err());
        assert!(duration("5 minutes").is_err());
        assert!(duration("99999999999999999999h").is_err());
    }
}
