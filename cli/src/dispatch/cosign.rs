//! What users of cosign type, and how it is spelled here.

/// Flags of cosign that we spell otherwise, or have no need of. A `*` at the end stands for any ending.
const FLAGS: &[(&str, &str)] = &[
    (
        "--b64",
        "leave it out: a detached signature is always base64",
    ),
    (
        "--insecure-ignore-*",
        "leave it out: a key's signature needs no transparency log",
    ),
    ("--kms", "name the key with `--key SCHEME:REST`"),
    ("--max-workers", "write `--jobs N`"),
    (
        "--new-bundle-format",
        "write `--signature-format bundle`, or `cosign`, or `both`",
    ),
    ("--output", "write `--format json`, or `--bundle FILE`"),
    (
        "--output-certificate",
        "leave it out: what a signature needs is in the bundle",
    ),
    ("--output-file", "redirect standard output: `> FILE`"),
    ("--output-signature", "write `--signature FILE`"),
    (
        "--private-infrastructure",
        "leave it out: no public service is asked",
    ),
    (
        "--rekor-url",
        "leave it out: this version uses no transparency log",
    ),
    (
        "--signature-digest-algorithm",
        "leave it out: it is found out by itself",
    ),
    (
        "--signing-algorithm",
        "leave it out: the key decides, see `sigtool key generate --help`",
    ),
    (
        "--tlog-upload",
        "leave it out: this version uses no transparency log",
    ),
    (
        "--use-signing-config",
        "leave it out: no public service is asked",
    ),
    ("-d", "write `--verbose`"),
    ("-o", "write `--format json`, or `--bundle FILE`"),
    ("-t", "write `--timeout`"),
    (
        "--allow-*-registry",
        "leave it out on this machine; elsewhere name the registry in the profile: `source = { backend = \"oci\", plain_http = [\"HOST\"] }`",
    ),
    (
        "--attachment-tag-prefix",
        "leave it out: signatures lie where every verifier looks",
    ),
    (
        "--check-claims",
        "leave it out: the digest is always checked",
    ),
    (
        "--experimental-oci11",
        "leave it out: signatures of that form are found by themselves",
    ),
    (
        "--k8s-keychain",
        "leave it out: log in with `docker login`, or set SIGTOOL_REGISTRY and its user name and password",
    ),
    (
        "--payload",
        "leave it out: `--signature FILE` holds the payload too",
    ),
    (
        "--registry-cacert",
        "write `ca_file = \"PATH\"` under `[network]` in the configuration",
    ),
    (
        "--registry-client-*",
        "name them in the profile: `source = { backend = \"oci\", client_certificate = \"PATH\", client_key = \"PATH\" }`",
    ),
    (
        "--registry-referrers-mode",
        "leave it out: it is found out by itself",
    ),
    (
        "--registry-*",
        "log in with `docker login`, or set SIGTOOL_REGISTRY, SIGTOOL_REGISTRY_USERNAME and SIGTOOL_REGISTRY_PASSWORD",
    ),
    ("--upload", "write `--attach`, or `--no-attach`"),
    // What other kinds of signers, of artifacts and of proofs need.
    (
        "--attachment",
        "this version signs images, not what is attached to them",
    ),
    ("--ca-*", KEYS),
    ("--certificate*", KEYS),
    ("--fulcio-*", KEYS),
    ("--identity-token", KEYS),
    ("--issue-certificate", KEYS),
    (
        "--local-image",
        "this version verifies images in registries only",
    ),
    ("--oidc-*", KEYS),
    ("--rfc3161-timestamp", KEYS),
    (
        "--sign-container-identity",
        "leave it out: the payload names the repository",
    ),
    ("--sct", KEYS),
    ("--signing-config", KEYS),
    ("--sk", KEYS),
    ("--slot", KEYS),
    ("--timestamp-*", KEYS),
    ("--trusted-root", KEYS),
    ("--use-signed-timestamps", KEYS),
];

const KEYS: &str = "this version signs and verifies with keys only: name one with `--key`";

/// Commands of cosign, and what does the same here.
const COMMANDS: &[(&str, &str)] = &[
    ("download", "sigtool inspect IMAGE --bundle FILE"),
    ("env", "sigtool config explain"),
    ("generate-key-pair", "sigtool key generate"),
    ("import-key-pair", "sigtool key import --key FILE"),
    ("public-key", "sigtool key export-public KEY"),
    ("sign-blob", "sigtool sign FILE"),
    ("tree", "sigtool inspect IMAGE"),
    ("triangulate", "sigtool inspect IMAGE"),
    ("verify-blob", "sigtool verify --key KEY FILE"),
    ("version", "sigtool --version"),
];

/// What to write in place of a flag of cosign's.
pub(crate) fn flag(typed: &str) -> Option<&'static str> {
    FLAGS
        .iter()
        .find(|(theirs, _)| is(theirs, typed))
        .map(|(_, ours)| *ours)
}

/// What to write in place of a command of cosign's.
pub(crate) fn command(typed: &str) -> Option<&'static str> {
    COMMANDS
        .iter()
        .find(|(theirs, _)| *theirs == typed)
        .map(|(_, ours)| *ours)
}

fn is(pattern: &str, typed: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => {
            typed.len() >= start.len() + end.len()
                && typed.starts_with(start)
                && typed.ends_with(end)
        }
        None => pattern == typed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn a_flag_of_cosigns_is_answered_with_ours() {
        assert_eq!(flag("--output-signature"), Some("write `--signature FILE`"));
        assert_eq!(flag("--certificate-identity"), Some(KEYS));
        assert!(
            flag("--allow-http-registry")
                .unwrap()
                .contains("plain_http")
        );
        assert!(flag("--registry-cacert").unwrap().contains("ca_file"));
        assert_eq!(flag("--nothing-like-it"), None);
        assert_eq!(
            command("verify-blob"),
            Some("sigtool verify --key KEY FILE")
        );
    }

    #[test]
    fn no_flag_of_ours_is_called_cosigns() {
        for command in Cli::command().get_subcommands() {
            for argument in command.get_arguments() {
                if let Some(long) = argument.get_long() {
                    let (name, typed) = (command.get_name(), format!("--{long}"));
                    assert_eq!(flag(&typed), None, "{name} {typed}");
                }
            }
        }
    }
}
