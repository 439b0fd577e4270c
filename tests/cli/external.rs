//! Commands that are not built in: aliases, `sigtool-NAME` on the PATH, and what is told of those that do not exist.

use serde_json::Value;
use sigtool_tests::{Sandbox, keys};
use snapbox::cmd::{Command, OutputAssert};
use snapbox::str;
use std::os::unix::fs::PermissionsExt as _;

/// A sandbox with a folder `bin` for the PATH, and in it `sigtool-hello`, which says how it was called.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    executable(&sandbox, "bin/sigtool-hello", HELLO);
    sandbox
}

const HELLO: &str = "#!/bin/sh\necho \"hello: $*\"\nenv | grep ^SIGTOOL_ | sort\nexit 7\n";

fn executable(sandbox: &Sandbox, name: &str, content: &str) {
    let path = sandbox.write(name, content);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// sigtool with only `bin` and the system's own folders on the PATH.
fn sigtool(sandbox: &Sandbox) -> Command {
    let bin = sandbox.work().join("bin");
    let path = format!("{}:/usr/bin:/bin", bin.display());
    sandbox.sigtool().env("PATH", path)
}

fn run(sandbox: &Sandbox, arguments: &[&str]) -> OutputAssert {
    sigtool(sandbox).args(arguments).assert()
}

#[test]
fn a_command_on_the_path_runs_with_all_its_arguments_and_its_own_exit_code() {
    let sandbox = sandbox();
    run(&sandbox, &["hello", "a b", "--flag", "-v", "--help"])
        .code(7)
        .stdout_eq(str![[r#"
hello: a b --flag -v --help

"#]])
        .stderr_eq("");
}

#[test]
fn flags_before_the_command_reach_it_by_their_variables() {
    let sandbox = sandbox();
    let flags = [
        "-p",
        "prod",
        "--offline",
        "--format",
        "jsonl",
        "--jobs",
        "3",
        "--timeout",
        "2m",
    ];
    run(
        &sandbox,
        &[&flags[..], &["--color", "never", "hello"]].concat(),
    )
    .code(7)
    .stdout_eq(str![[r#"
hello: 
SIGTOOL_COLOR=never
SIGTOOL_FORMAT=jsonl
SIGTOOL_JOBS=3
SIGTOOL_OFFLINE=true
SIGTOOL_PROFILE=prod
SIGTOOL_TIMEOUT=120000ms

"#]]);
}

#[test]
fn a_command_finds_the_sigtool_that_runs_it() {
    let sandbox = sandbox();
    executable(
        &sandbox,
        "bin/sigtool-which",
        "#!/bin/sh\nexec \"$SIGTOOL\" --version\n",
    );
    run(&sandbox, &["which"])
        .code(0)
        .stdout_eq("sigtool [..]\n");
}

#[test]
fn the_working_directory_supplies_no_commands() {
    let sandbox = sandbox();
    executable(&sandbox, "sigtool-here", HELLO);
    for path in ["", ":/usr/bin", ".:/usr/bin", "bin/..:/usr/bin"] {
        let command = sandbox.sigtool().env("PATH", path).arg("here");
        command.assert().code(2).stdout_eq("").stderr_eq(str![[r#"
error: no such command: `here`
  hint: see all commands: sigtool --list

"#]]);
    }
}

#[test]
fn a_backend_on_the_path_is_not_a_command() {
    let sandbox = sandbox();
    executable(&sandbox, "bin/sigtool-backend-x", HELLO);
    run(&sandbox, &["backend-x"]).code(2).stdout_eq("");
    run(&sandbox, &["--list"]).code(0).stdout_eq(str![[r#"
sign         Sign files and images
verify       Check who signed files and images, against a policy
inspect      Say what a bundle, signature, key, certificate or image contains, without judging it
overview     Show which artifacts were signed here, by whom, and where their signatures are
history      Show what was signed and verified here, when, by whom and where
key          Make and manage keys
init         Set up a profile that signs and verifies
profile      Show and choose profiles
config       Explain, check and change the configuration
backend      Show, check and record backends
completions  Print what makes a shell complete sigtool's words
help         Show the manual page of a command or topic, or what an alias stands for
hello        [..]/here/bin/sigtool-hello

"#]]);
}

#[test]
fn what_is_built_in_cannot_be_taken_over() {
    let sandbox = sandbox();
    for name in ["sign", "help"] {
        executable(&sandbox, &format!("bin/sigtool-{name}"), HELLO);
    }
    sandbox.write_config("[alias]\nverify = \"hello\"\nhello = \"config path\"\n");
    run(&sandbox, &["sign"]).code(2).stdout_eq("");
    run(&sandbox, &["help"]).code(0);
    run(&sandbox, &["verify", "--key", "x", "y"]).code(2).stdout_eq("").stderr_eq(str![[r#"
warning: the alias `verify` is never used, since sigtool has a command of that name: ~/.config/sigtool/config.toml:2
error: cannot use the key `x`
  caused by: there is no such file or folder

"#]]);
    // Neither is an alias.
    run(&sandbox, &["hello", "-q"]).code(0).stdout_eq("");
    run(&sandbox, &["--list"]).code(0).stdout_eq(str![[r#"
sign         Sign files and images
verify       Check who signed files and images, against a policy
inspect      Say what a bundle, signature, key, certificate or image contains, without judging it
overview     Show which artifacts were signed here, by whom, and where their signatures are
history      Show what was signed and verified here, when, by whom and where
key          Make and manage keys
init         Set up a profile that signs and verifies
profile      Show and choose profiles
config       Explain, check and change the configuration
backend      Show, check and record backends
completions  Print what makes a shell complete sigtool's words
help         Show the manual page of a command or topic, or what an alias stands for
hello        alias: config path (~/.config/sigtool/config.toml:3)

"#]]);
    run(&sandbox, &["config", "check"]).code(0).stderr_eq(str![[r#"
warning: the alias `verify` is never used, since sigtool has a command of that name: ~/.config/sigtool/config.toml:2
the configuration is right

"#]]);
}

#[test]
fn an_alias_stands_for_its_words_and_takes_more() {
    let sandbox = sandbox();
    keys::put_with_profile(&sandbox);
    sandbox.write("app.txt", "an app\n");
    sandbox.append_config(
        "[alias]\nboth = [\"sign\", \"--signature-format\", \"both\"]\ntwice = \"both --verbose\"\n",
    );
    run(&sandbox, &["both", "app.txt"])
        .code(0)
        .stdout_eq(str![[r#"
signed app.txt → app.txt.sigstore.json, app.txt.sig

"#]]);
    run(&sandbox, &["--format", "jsonl", "both", "app.txt", "-q"])
        .code(0)
        .stdout_eq("{[..]\n");
    // An alias may stand for another.
    let said = run(&sandbox, &["twice", "app.txt"]).code(0);
    let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
    assert!(said.starts_with("debug: "), "{said}");
}

#[test]
fn an_alias_may_stand_for_an_external_command() {
    let sandbox = sandbox();
    sandbox.write_config("[alias]\nhi = \"hello there\"\n");
    run(&sandbox, &["hi", "you"]).code(7).stdout_eq(str![[r#"
hello: there you

"#]]);
}

#[test]
fn an_alias_that_stands_for_itself_is_told_with_its_way_round() {
    let sandbox = sandbox();
    sandbox.write_config("[alias]\na = \"b\"\nb = [\"c\", \"-v\"]\nc = \"a\"\nself = \"self\"\n");
    run(&sandbox, &["a"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the alias `a` goes round in circles: a → b → c → a
 --> ~/.config/sigtool/config.toml:2:5
  |
2 | a = "b"
  |     ^^^
  hint: change one of these aliases, so that it stands for a command

"#]]);
    run(&sandbox, &["self"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the alias `self` goes round in circles: self → self
 --> ~/.config/sigtool/config.toml:5:8
  |
5 | self = "self"
  |        ^^^^^^
  hint: change one of these aliases, so that it stands for a command

"#]]);
}

#[test]
fn an_alias_that_makes_no_sense_is_told_as_what_it_stands_for() {
    let sandbox = sandbox();
    sandbox.write_config("[alias]\na = \"sign --no-such-flag\"\nb = \"nowhere\"\n");
    run(&sandbox, &["a", "x"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: unexpected argument '--no-such-flag' found

  tip: to pass '--no-such-flag' as a value, use '-- --no-such-flag'

Usage: sigtool sign [OPTIONS] [ARTIFACT]...

For more information, try '--help'.

"#]]);
    run(&sandbox, &["b"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no such command: `nowhere`
  hint: see all commands: sigtool --list

"#]]);
}

#[test]
fn external_commands_can_be_switched_off() {
    let sandbox = sandbox();
    sandbox.write_config("[commands]\nexternal = false\n");
    run(&sandbox, &["hello"])
        .code(3)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: the external command `[..]/here/bin/sigtool-hello` is not run
  caused by: external commands are off: ~/.config/sigtool/config.toml:2
  hint: if you mean it: sigtool config set commands.external true

"#]]);
    assert!(!listed(&sandbox).contains(&"hello".to_owned()));
    run(&sandbox, &["helo"]).code(2).stderr_eq(str![[r#"
error: no such command: `helo`
  hint: see all commands: sigtool --list

"#]]);
}

#[test]
fn the_policy_of_the_machine_can_switch_them_off_for_all() {
    let sandbox = sandbox();
    let etc = sandbox.home().join("etc");
    std::fs::create_dir(&etc).unwrap();
    std::fs::write(etc.join("policy.toml"), "external_commands = false\n").unwrap();
    sandbox.write_config("[commands]\nexternal = true\n");
    let on = ["--config", "commands.external=true", "hello"];
    let command = sigtool(&sandbox).env("SIGTOOL_TEST_ETC", &etc).args(on);
    command.assert().code(3).stdout_eq("").stderr_eq(str![[r#"
error: the external command `[..]/here/bin/sigtool-hello` is not run
  caused by: external commands are off: ~/etc/policy.toml:1
  hint: ask the administrator of this machine, who keeps that file

"#]]);
}

#[test]
fn all_commands_are_listed() {
    let sandbox = sandbox();
    sandbox.write_config("[alias]\nship = [\"sign\", \"--profile\", \"prod\"]\n");
    run(&sandbox, &["--list"])
        .code(0)
        .stdout_eq(str![[r#"
sign         Sign files and images
verify       Check who signed files and images, against a policy
inspect      Say what a bundle, signature, key, certificate or image contains, without judging it
overview     Show which artifacts were signed here, by whom, and where their signatures are
history      Show what was signed and verified here, when, by whom and where
key          Make and manage keys
init         Set up a profile that signs and verifies
profile      Show and choose profiles
config       Explain, check and change the configuration
backend      Show, check and record backends
completions  Print what makes a shell complete sigtool's words
help         Show the manual page of a command or topic, or what an alias stands for
ship         alias: sign --profile prod (~/.config/sigtool/config.toml:2)
hello        [..]/here/bin/sigtool-hello

"#]])
        .stderr_eq("");
    let names = listed(&sandbox);
    assert!(names.contains(&"sign".to_owned()) && names.contains(&"hello".to_owned()));
    let output = run(&sandbox, &["--list", "--format", "json"]).code(0);
    let rows: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let kinds: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[12..], ["alias", "external"]);
    assert_eq!(
        rows[13]["path"],
        serde_json::json!(sandbox.work().join("bin/sigtool-hello"))
    );
}

fn listed(sandbox: &Sandbox) -> Vec<String> {
    let output = run(sandbox, &["--list"]).code(0);
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    let first = |line: &str| line.split_whitespace().next().unwrap().to_owned();
    text.lines().map(first).collect()
}

#[test]
fn a_slip_of_the_finger_is_told_what_was_meant() {
    let sandbox = sandbox();
    sandbox.write_config("[alias]\nship = \"sign\"\n");
    for (typed, meant) in [
        ("sing", "sign"),
        ("verfy", "verify"),
        ("shipp", "ship"),
        ("helo", "hello"),
    ] {
        run(&sandbox, &[typed])
            .code(2)
            .stdout_eq("")
            .stderr_eq(format!(
                "error: no such command: `{typed}`\n  hint: did you mean `{meant}`?\n  hint: see all commands: sigtool --list\n"
            ));
    }
    run(&sandbox, &["deploy"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: no such command: `deploy`
  hint: see all commands: sigtool --list

"#]]);
    run(&sandbox, &["key", "genrate"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: unrecognized subcommand 'genrate'

  tip: a similar subcommand exists: 'generate'

Usage: sigtool key [OPTIONS] <COMMAND>

For more information, try '--help'.

"#]]);
    run(&sandbox, &["sign", "--bundel", "x"])
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: unexpected argument '--bundel' found

  tip: a similar argument exists: '--bundle'

Usage: sigtool sign --bundle <PATH> [ARTIFACT]...

For more information, try '--help'.

"#]]);
}

#[test]
fn a_user_of_cosign_is_told_our_spelling() {
    let sandbox = sandbox();
    let says = |arguments: &[&str]| run(&sandbox, arguments).code(2).stdout_eq("");
    says(&["sign-blob", "app.txt"]).stderr_eq(str![[r#"
error: no such command: `sign-blob`
  hint: cosign's `sign-blob` is here: sigtool sign FILE

"#]]);
    says(&["verify-blob", "app.txt"]).stderr_eq(str![[r#"
error: no such command: `verify-blob`
  hint: cosign's `verify-blob` is here: sigtool verify --key KEY FILE

"#]]);
    says(&["generate-key-pair"]).stderr_eq(str![[r#"
error: no such command: `generate-key-pair`
  hint: cosign's `generate-key-pair` is here: sigtool key generate

"#]]);
    says(&["import-key-pair"]).stderr_eq(str![[r#"
error: no such command: `import-key-pair`
  hint: cosign's `import-key-pair` is here: sigtool key import --key FILE

"#]]);
    says(&["public-key"]).stderr_eq(str![[r#"
error: no such command: `public-key`
  hint: cosign's `public-key` is here: sigtool key export-public KEY

"#]]);
    says(&["version"]).stderr_eq(str![[r#"
error: no such command: `version`
  hint: cosign's `version` is here: sigtool --version

"#]]);
    says(&["sign", "--output-signature", "app.sig", "app.txt"]).stderr_eq(str![[r#"
error: `--output-signature` is a flag of cosign's
  hint: write `--signature FILE`

"#]]);
    says(&["sign", "--tlog-upload=false", "app.txt"]).stderr_eq(str![[r#"
error: `--tlog-upload` is a flag of cosign's
  hint: leave it out: this version uses no transparency log

"#]]);
    says(&["sign", "--new-bundle-format", "app.txt"]).stderr_eq(str![[r#"
error: `--new-bundle-format` is a flag of cosign's
  hint: write `--signature-format bundle`, or `cosign`, or `both`

"#]]);
    says(&["verify", "--insecure-ignore-tlog=true", "app.txt"]).stderr_eq(str![[r#"
error: `--insecure-ignore-tlog` is a flag of cosign's
  hint: leave it out: a key's signature needs no transparency log

"#]]);
    says(&[
        "verify",
        "--certificate-identity",
        "a@example.com",
        "app.txt",
    ])
    .stderr_eq(str![[r#"
error: `--certificate-identity` is a flag of cosign's
  hint: this version signs and verifies with keys only: name one with `--key`

"#]]);
    says(&["sign", "--allow-insecure-registry", "r.example/app:1"]).stderr_eq(str![[r#"
error: `--allow-insecure-registry` is a flag of cosign's
  hint: leave it out on this machine; elsewhere name the registry in the profile: `source = { backend = "oci", plain_http = ["HOST"] }`

"#]]);
    says(&["sign", "--registry-username", "me", "r.example/app:1"]).stderr_eq(str![[r#"
error: `--registry-username` is a flag of cosign's
  hint: log in with `docker login`, or set SIGTOOL_REGISTRY, SIGTOOL_REGISTRY_USERNAME and SIGTOOL_REGISTRY_PASSWORD

"#]]);
    says(&["tree", "r.example/app:1"]).stderr_eq(str![[r#"
error: no such command: `tree`
  hint: cosign's `tree` is here: sigtool inspect IMAGE

"#]]);
    says(&["key", "generate", "--kms", "awskms:///alias/x"]).stderr_eq(str![[r#"
error: `--kms` is a flag of cosign's
  hint: name the key with `--key SCHEME:REST`

"#]]);
}

#[test]
fn without_a_command_the_help_is_on_stderr_and_when_asked_for_on_stdout() {
    let sandbox = sandbox();
    let output = run(&sandbox, &[]).code(2).stdout_eq("");
    let help = output.get_output().stderr.clone();
    run(&sandbox, &["-h"])
        .code(0)
        .stdout_eq(String::from_utf8(help).unwrap())
        .stderr_eq("");
    run(&sandbox, &["help"]).code(0).stderr_eq("");
    run(&sandbox, &["--version"])
        .code(0)
        .stdout_eq("sigtool [..]\n")
        .stderr_eq("");
}

#[test]
fn the_help_is_what_it_is() {
    let sandbox = sandbox();
    run(&sandbox, &["help"]).stdout_eq(str![[r#"
Signs software artifacts, and proves later who signed them

Usage: sigtool [OPTIONS] [COMMAND]

Commands:
  sign         Sign files and images
  verify       Check who signed files and images, against a policy
  inspect      Say what a bundle, signature, key, certificate or image contains, without judging it
  overview     Show which artifacts were signed here, by whom, and where their signatures are
  history      Show what was signed and verified here, when, by whom and where [alias: custody]
  key          Make and manage keys
  init         Set up a profile that signs and verifies
  profile      Show and choose profiles
  config       Explain, check and change the configuration
  backend      Show, check and record backends
  completions  Print what makes a shell complete sigtool's words
  help         Show the manual page of a command or topic, or what an alias stands for

Options:
      --list     List all commands: sigtool's own, aliases, and external ones
  -h, --help     Print help
  -V, --version  Print version

Global options:
  -p, --profile <NAME>           Use this profile
      --config <KEY=VALUE|FILE>  Set a configuration value, or read another configuration file
      --format <FORMAT>          How results are written: text, json or jsonl (an object a line)
  -q, --quiet                    Write errors and warnings only; JSON is written all the same
  -v, --verbose...               Say what is being done
      --color <WHEN>             Colour the output: auto, always or never
      --offline                  Open no network connection
      --timeout <DURATION>       How long to wait for a backend that gives no sign of life, and for
                                 a password: 90s, 5m, 1h
  -j, --jobs <N>                 How many artifacts are worked on at once
      --password-stdin           Take the password of the key from a line of standard input
  -y, --yes                      Answer every question with yes

Topics, as in `sigtool help images`:
  signing        sign files, one or a thousand in a call
  verifying      check who signed, against a policy
  images         sign and verify what lies in OCI registries
  keys           keys, and where passwords come from
  profiles       one name in place of a dozen flags
  ledger         what was signed and verified here, and the proof of it
  artifacts      what sigtool reads from a file: kind, name, version
  scripts        run sigtool in scripts and CI: JSON, exit codes, signals
  cosign         come from cosign, or use both
  configuration  every file, setting and variable
  backends       what signs and what is signed, and how it is checked
  benchmarks     how fast sigtool is, and how that was measured

Exit codes: 0 done or valid, 1 refused, 2 wrong command line or input, 3 could not tell, 70 a bug in
sigtool, 130 interrupted, 141 output closed.
First steps: `sigtool init`, then `sigtool sign FILE` and `sigtool verify FILE`.

"#]]);
    // What holds everywhere is said everywhere in the same words.
    let help = |arguments: &[&str]| {
        let output = run(&sandbox, arguments).code(0);
        String::from_utf8(output.get_output().stdout.clone()).unwrap()
    };
    let whole = help(&["help"]);
    let start = whole.find("Global options:\n").unwrap();
    let end = start + whole[start..].find("\n\n").unwrap();
    let brief =
        |arguments: &[&str]| help(arguments).replace(&whole[start..end], "[GLOBAL OPTIONS]");
    snapbox::assert_data_eq!(
        brief(&["help", "sign"]),
        str![[r#"
Sign files and images

Usage: sigtool sign [OPTIONS] [ARTIFACT]...

Arguments:
  [ARTIFACT]...  Files or images; globs are expanded; `-` is standard input

Options:
      --from-file <LIST>            Also take the artifacts listed in this file, one a line; `-` is
                                    standard input
  -r, --recursive                   Take the files in folders, and each image of an index with the
                                    index itself
      --strict                      Fail if a folder holds what is not looked at: hidden files,
                                    links, special files
      --keep-going                  Go on after a failure (the default)
      --fail-fast                   Stop at the first failure
      --key <KEY>                   The key to sign with: a path, or SCHEME:REST such as
                                    env:VARIABLE
      --signature-format <FORMAT>   What to write: bundle (FILE.sigstore.json, an image's referrer;
                                    the default), cosign (FILE.sig, an image's `.sig` tag), or both
      --bundle <PATH>               Write the bundle here; with several artifacts a folder ending in
                                    `/`
      --signature <PATH>            Write the detached signature here; with several artifacts a
                                    folder ending in `/`
      --overwrite                   Replace what lies where `--bundle` and `--signature` write,
                                    though it is not this key's own signature
      --attach                      Push the signature beside the image
      --attach-to <REPOSITORY>      Push the signature into this repository, and not that of the
                                    image
      --no-attach                   Keep the signature on this machine, whatever the profile says
  -a, --annotations <KEY=VALUE>     Sign this along with an image's digest; repeat for several
      --append                      Keep this key's earlier signatures of the image beside the new
                                    one
      --no-history                  Make no entry in the ledger
      --name <NAME>                 The artifact's name, in place of the detected one
      --artifact-version <VERSION>  The artifact's version, in place of the detected one
  -h, --help                        Print help

[GLOBAL OPTIONS]

Examples:
  sigtool sign app-1.2.0.tgz                      with the default profile
  sigtool sign --profile prod dist/*.jar          with another one
  sigtool sign --recursive dist                   every file in a folder
  sigtool sign --key release.key app.tgz          with a key in a file
  sigtool sign --key env:SIGNING_KEY app.tgz      with a key in a variable
  sigtool sign --attach ghcr.io/acme/app:1.2      an image, the signature pushed beside it
  make-app | sigtool sign --bundle app.json -     what a pipe brings

"#]]
    );
    snapbox::assert_data_eq!(
        brief(&["verify", "--help"]),
        str![[r#"
Check who signed files and images, against a policy

Usage: sigtool verify [OPTIONS] [ARTIFACT]...

Arguments:
  [ARTIFACT]...  Files or images; globs are expanded; `-` is standard input

Options:
      --from-file <LIST>         Also take the artifacts listed in this file, one a line; `-` is
                                 standard input
  -r, --recursive                Take the files in folders, and each image of an index with the
                                 index itself
      --strict                   Fail if a folder holds what is not looked at: hidden files, links,
                                 special files
      --keep-going               Go on after a failure (the default)
      --fail-fast                Stop at the first failure
      --key <KEY>                A public key to trust; repeat for several
      --require <HOW-MANY>       How many of the trusted signers must have signed: any (the
                                 default), all, or a number
      --attach-to <REPOSITORY>   Look for the signatures of images in this repository, and not in
                                 theirs
  -a, --annotations <KEY=VALUE>  Demand that this was signed along with an image's digest; repeat
                                 for several
      --bundle <PATH>            The bundle to check, in place of those beside the artifact; with
                                 several artifacts a folder ending in `/`
      --signature <PATH>         The detached signature to check, in place of those beside the
                                 artifact; with several artifacts a folder ending in `/`
      --no-history               Make no entry in the ledger
  -h, --help                     Print help

[GLOBAL OPTIONS]

Examples:
  sigtool verify app-1.2.0.tgz                        signed by whom the default profile trusts?
  sigtool verify --profile prod dist/*.jar            by whom another one trusts?
  sigtool verify --key release.pub app-1.2.0.tgz      by this key?
  sigtool verify --key a.pub --key b.pub --require all app.tgz
  sigtool verify --key release.pub -a env=prod ghcr.io/acme/app:1.2

"#]]
    );
    snapbox::assert_data_eq!(
        brief(&["key", "--help"]),
        str![[r#"
Make and manage keys

Usage: sigtool key [OPTIONS] <COMMAND>

Commands:
  generate         Make a key pair: NAME.key and NAME.pub
  import           Take over a private key: cosign's, or PEM as OpenSSL writes it
  list             List the keys that the profiles name, and those of `sigtool init`
  show             Show a key's algorithm and public half
  export-public    Print the public key
  change-password  Change the password of a key

Options:
  -h, --help  Print help

[GLOBAL OPTIONS]

"#]]
    );
}

#[test]
fn every_command_that_the_help_names_has_a_help_of_its_own() {
    let sandbox = sandbox();
    let commands = |help: &[&str]| -> Vec<String> {
        let output = run(&sandbox, help).code(0);
        let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
        let list = text.split("Commands:\n").nth(1).unwrap_or("");
        let list = list.split("\n\n").next().unwrap_or("");
        let first = |line: &str| line.split_whitespace().next().unwrap().to_owned();
        list.lines()
            .map(first)
            .filter(|name| name != "help")
            .collect()
    };
    let mut count = 0;
    for command in commands(&["help"]) {
        for below in commands(&[&command, "--help"]) {
            run(&sandbox, &[&command, &below, "--help"])
                .code(0)
                .stderr_eq("");
            count += 1;
        }
    }
    assert!(count > 15, "{count}");
}

#[test]
fn colours_are_for_terminals_or_when_asked_for() {
    let sandbox = sandbox();
    let is_coloured = |command: Command| {
        let output = command
            .args(["sign", "gone.txt", "--key", "gone.key"])
            .assert()
            .code(2);
        output.get_output().stderr.contains(&0x1b)
    };
    assert!(!is_coloured(sigtool(&sandbox)));
    assert!(is_coloured(sigtool(&sandbox).args(["--color", "always"])));
    assert!(is_coloured(
        sigtool(&sandbox)
            .env("NO_COLOR", "1")
            .args(["--color", "always"])
    ));
    assert!(!is_coloured(
        sigtool(&sandbox)
            .env("CLICOLOR_FORCE", "1")
            .env("NO_COLOR", "1")
    ));
    assert!(!is_coloured(
        sigtool(&sandbox)
            .env("CLICOLOR_FORCE", "1")
            .args(["--color", "never"])
    ));
    assert!(is_coloured(
        sigtool(&sandbox).env("SIGTOOL_COLOR", "always")
    ));
}

#[test]
fn a_name_that_is_not_text_is_told() {
    use std::os::unix::ffi::OsStrExt as _;
    let sandbox = sandbox();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    sigtool(&sandbox).arg(name).assert().code(2).stdout_eq("");
    sigtool(&sandbox)
        .args(["sign", "--profile"])
        .arg(name)
        .assert()
        .code(2)
        .stdout_eq("")
        .stderr_eq(str![[r#"
error: `/xFF/xFE` is not UTF-8
  caused by: a backend and a report get it as text
  hint: rename `/xFF/xFE`

"#]]);
}
