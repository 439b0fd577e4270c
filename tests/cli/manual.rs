//! `sigtool help`: the manual page on a terminal, the text of `--help` elsewhere; and the pages themselves.

use sigtool_tests::peers::{Said, need};
use sigtool_tests::{Sandbox, terminal, tests_folder};
use snapbox::str;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A sandbox with a `man` that says what it was asked for, an external command, an alias, and pages in a folder of MANPATH.
struct Reader {
    sandbox: Sandbox,
    python: PathBuf,
    environment: [(&'static str, String); 3],
}

fn reader() -> Option<Reader> {
    let python = need("python3")?;
    let sandbox = sandbox();
    let root = sandbox.root();
    let pages = root.join("pages/man1");
    std::fs::create_dir_all(&pages).unwrap();
    for page in [
        "sigtool-sign.1",
        "sigtool-key-generate.1.gz",
        "sigtool-hello.1",
        "sigtool-history.1",
    ] {
        std::fs::write(pages.join(page), "").unwrap();
    }
    executable(&root.join("bin/man"), "#!/bin/sh\necho \"man: $*\"\n");
    let environment = [
        (
            "PATH",
            format!("{}:/usr/bin:/bin", root.join("bin").display()),
        ),
        // A real `man` would wait for keys.
        ("MANPAGER", "cat".to_owned()),
        (
            "MANPATH",
            format!("relative:{}", root.join("pages").display()),
        ),
    ];
    Some(Reader {
        sandbox,
        python,
        environment,
    })
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    sandbox.write_config("[alias]\nship = [\"sign\", \"--profile\", \"prod\"]\n");
    std::fs::create_dir(sandbox.root().join("bin")).unwrap();
    for name in ["hello", "bye"] {
        let file = sandbox.root().join(format!("bin/sigtool-{name}"));
        executable(&file, &format!("#!/bin/sh\necho \"{name}: $*\"\n"));
    }
    sandbox
}

fn executable(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o755)).unwrap();
}

impl Reader {
    fn help(&self, words: &[&str]) -> Said {
        let environment = self.environment.each_ref().map(|(k, v)| (*k, v.as_str()));
        let arguments = [&["help"], words].concat();
        terminal::run(&self.sandbox, &self.python, &[], &environment, &arguments)
    }

    /// What a person sees first.
    #[track_caller]
    fn sees(&self, words: &[&str], expected: &str) {
        let said = self.help(words);
        let root = self.sandbox.root().to_str().unwrap();
        let text = said.text.replace(root, "[ROOT]");
        assert!(text.starts_with(expected), "{words:?}: {text}");
        assert_eq!(said.code, Some(0));
    }
}

#[test]
fn on_a_terminal_help_opens_the_page() {
    let Some(reader) = reader() else { return };
    reader.sees(&["sign"], "man: -l [ROOT]/pages/man1/sigtool-sign.1\n");
    let words = ["key", "generate"];
    reader.sees(
        &words,
        "man: -l [ROOT]/pages/man1/sigtool-key-generate.1.gz\n",
    );
    // By any of its names.
    reader.sees(
        &["custody"],
        "man: -l [ROOT]/pages/man1/sigtool-history.1\n",
    );
    // An external command's, or its own words.
    reader.sees(&["hello"], "man: -l [ROOT]/pages/man1/sigtool-hello.1\n");
    reader.sees(&["bye"], "bye: --help\n");
    reader.sees(&["hello", "there"], "hello: there --help\n");
    // A page that is not there.
    reader.sees(
        &["verify"],
        "Check who signed files and images, against a policy\n",
    );
    reader.sees(
        &["ship"],
        "`ship` stands for: sign --profile prod (~/.config/sigtool/config.toml:2)\n",
    );
}

#[test]
fn the_working_directory_supplies_no_man() {
    let Some(mut reader) = reader() else { return };
    let here = reader.sandbox.work().join("man");
    executable(&here, "#!/bin/sh\necho this must not run\n");
    std::fs::remove_file(reader.sandbox.root().join("bin/man")).unwrap();
    for path in ["", ".", "bin/.."] {
        reader.environment[0].1 = format!("{path}:/usr/bin:/bin");
        let text = reader.help(&["sign"]).text;
        assert!(!text.contains("must not"), "{path}: {text}");
    }
}

#[test]
fn elsewhere_help_is_the_text() {
    let sandbox = sandbox();
    let path = format!("{}:/usr/bin:/bin", sandbox.root().join("bin").display());
    let text = |arguments: &[&str]| {
        let output = sandbox
            .sigtool()
            .env("PATH", &path)
            .args(arguments)
            .output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(text(&["help", "sign"]), text(&["sign", "--help"]));
    assert_eq!(
        text(&["help", "key", "generate"]),
        text(&["key", "generate", "--help"])
    );
    assert_eq!(text(&["help"]), text(&["--help"]));
    assert!(
        text(&["help"]).contains(
            "\n  ledger         what was signed and verified here, and the proof of it\n"
        )
    );
    assert_eq!(text(&["help", "hello"]), "hello: --help\n");
    let alias = "`ship` stands for: sign --profile prod (~/.config/sigtool/config.toml:2)\n";
    assert_eq!(text(&["help", "ship"]), alias);
    sandbox
        .sigtool()
        .args(["help", "sgin"])
        .assert()
        .code(2)
        .stderr_eq(str![[r#"
error: no such command: `sgin`
  hint: did you mean `sign`?
  hint: see all commands: sigtool --list

"#]]);
    // Only `help` knows topics.
    for (words, hint) in [
        (&["help", "imagse"][..], "  hint: did you mean `images`?\n"),
        (&["imagse"], ""),
    ] {
        sandbox
            .sigtool()
            .args(words)
            .assert()
            .code(2)
            .stderr_eq(format!(
                "error: no such command: `imagse`\n{hint}  hint: see all commands: sigtool --list\n"
            ));
    }
}

#[test]
fn a_built_in_command_is_explained_even_if_the_configuration_is_wrong() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sigtool"));
    sandbox.write_config("[profile");
    sandbox.sigtool().args(["help", "config"]).assert().code(0);
    sandbox.sigtool().args(["help", "ship"]).assert().code(3);
}

#[test]
fn a_topic_has_a_page_or_says_that_it_is_not_installed() {
    let sandbox = sandbox();
    sandbox
        .sigtool()
        .args(["help", "configuration"])
        .assert()
        .code(3)
        .stderr_eq(str![[r#"
error: there is no manual page sigtool-config(5) here, or no `man` to show it
  hint: ./install.sh in sigtool's source folder installs the pages

"#]]);
    let path = sandbox.root().join("bin");
    executable(&path.join("man"), "#!/bin/sh\necho \"man: $2\"\n");
    std::fs::create_dir_all(sandbox.root().join("pages/man7")).unwrap();
    std::fs::write(sandbox.root().join("pages/man7/sigtool-backends.7"), "").unwrap();
    let command = sandbox
        .sigtool()
        .args(["help", "backends"])
        .env("PATH", path);
    let command = command.env("MANPATH", sandbox.root().join("pages"));
    sandbox.seen(command).code(0).stdout_eq(str![[r#"
man: [ROOT]/pages/man7/sigtool-backends.7

"#]]);
}

/// The pages that are kept.
fn pages() -> Vec<PathBuf> {
    let entries = tests_folder().join("../man").read_dir().unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    // Beside them lie the chapters of which some are made.
    files
        .filter(|file| file.extension().is_some_and(|ending| ending != "md"))
        .collect()
}

#[test]
fn man_has_nothing_to_say_against_the_pages() {
    let (Some(man), Some(_)) = (need("man"), need("groff")) else {
        return;
    };
    for page in pages() {
        let output = Command::new(&man)
            .args(["--warnings", "--local-file"])
            .arg(&page)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.is_empty(),
            "{}: {said}",
            page.display()
        );
        assert!(output.stdout.len() > 200);
    }
}

#[test]
fn mandoc_has_nothing_to_say_against_the_pages() {
    let Some(mandoc) = need("mandoc") else { return };
    let output = Command::new(mandoc)
        .args(["-Tlint", "-Wwarning"])
        .args(pages())
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    // A date would be that of the last change of a text that is generated.
    let warnings: Vec<_> = said
        .lines()
        .filter(|line| !line.contains("missing date"))
        .collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
}

#[test]
fn a_word_too_many_is_refused() {
    let sandbox = sandbox();
    for (words, above) in [
        (["sign", "verify"], "sign"),
        (["configuration", "foo"], "configuration"),
        (["ship", "foo"], "ship"),
    ] {
        let output = sandbox.sigtool().arg("help").args(words);
        output.assert().code(2).stdout_eq("").stderr_eq(format!(
            "error: `{above}` has no command `{}`\n  hint: see what there is to it: sigtool help {above}\n",
            words[1]
        ));
    }
    let below = sandbox.sigtool().args(["help", "key", "foo"]);
    below.assert().code(2);
}
