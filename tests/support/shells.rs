//! Shells with someone at the keyboard, who has completion on.

use crate::peers::need;
use crate::{Sandbox, tests_folder};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

/// A shell in a sandbox where `sigtool` is on PATH, with what the folder `completions` has for it.
#[derive(Debug)]
pub struct Shell<'s> {
    sandbox: &'s Sandbox,
    program: PathBuf,
    python: PathBuf,
    kind: Kind,
}

/// Which shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}

/// Has what stands in the line printed by Control-G, and says when it can be typed into.
const BASH: &str = r#"source 'FOLDER/sigtool.bash'; show() { printf '«%s»' "$READLINE_LINE"; }; bind -x '"\C-g": show'; printf '\nREA''DY\n'"#;

/// The same; Control-X a puts in every word that fits, as ESC * does in Bash.
const ZSH: &str = "fpath=('FOLDER' $fpath); autoload -Uz compinit; compinit -u -D; show() { print -rn -- \"«$BUFFER»\" }; \
    zle -N show; bindkey '^G' show; zle -C all complete-word _generic; bindkey '^Xa' all; \
    zstyle ':completion:all::::' completer _all_matches _complete; zstyle ':completion:all:*' insert true; print; print REA''DY";

/// The same, without all words: fish has a command that lists them.
const FISH: &str =
    r#"source 'FOLDER/sigtool.fish'; bind \cg 'printf "«%s»" (commandline)'; printf '\nREA''DY\n'"#;

impl<'s> Shell<'s> {
    /// None if it is missing.
    #[must_use]
    pub fn new(sandbox: &'s Sandbox, kind: Kind) -> Option<Self> {
        let name = match kind {
            Kind::Bash => "bash",
            Kind::Zsh => "zsh",
            Kind::Fish => "fish",
        };
        put_on_path(sandbox);
        Some(Self {
            sandbox,
            program: need(name)?,
            python: need("python3")?,
            kind,
        })
    }

    /// Types a line and presses Tab. Gives the line that stands there then.
    #[must_use]
    pub fn tab(&self, line: &str) -> String {
        self.keys(&format!("{line}\t"))
    }

    /// Every word that the last one of a line can become.
    ///
    /// # Panics
    ///
    /// The shell says something else.
    #[must_use]
    pub fn all(&self, line: &str) -> Vec<String> {
        let mut words: Vec<String> = match self.kind {
            Kind::Fish => {
                let answers = self.fish(&format!("complete -C '{line}'"));
                let words = answers.lines().filter_map(|line| line.split('\t').next());
                words.map(str::to_owned).collect()
            }
            kind => {
                let insert = if kind == Kind::Bash { "\x1b*" } else { "\x18a" };
                let typed = self.keys(&format!("{line}{insert}"));
                let before = line.rfind(' ').map_or(0, |blank| blank + 1);
                let words = typed.get(before..).expect("the line goes on");
                if typed == line {
                    return Vec::new();
                }
                words.split_whitespace().map(str::to_owned).collect()
            }
        };
        words.sort();
        words
    }

    fn keys(&self, keys: &str) -> String {
        let folder = registrations();
        let (setup, flags): (_, &[&str]) = match self.kind {
            Kind::Bash => (BASH, &["--norc", "--noprofile"]),
            Kind::Zsh => (ZSH, &["-f"]),
            Kind::Fish => (FISH, &["--no-config"]),
        };
        let output = self
            .command(&self.python)
            .arg(tests_folder().join("support/keyboard.py"))
            .arg(setup.replace("FOLDER", folder.to_str().expect("UTF-8")))
            .arg(keys)
            .arg(&self.program)
            .args(flags)
            .output();
        let output = output.expect("a program that is there");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn fish(&self, script: &str) -> String {
        let file = registrations().join("sigtool.fish");
        let script = format!("source '{}'; {script}", file.display());
        let output = self
            .command(&self.program)
            .args(["--no-config", "-c", &script])
            .output()
            .expect("a program that is there");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.is_empty(), "{said}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// A program that finds `sigtool`, and the system's programs.
    fn command(&self, program: &std::path::Path) -> Command {
        let mut command = self.sandbox.process_of(program);
        let bin = self.sandbox.root().join("bin");
        command
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("TERM", "dumb");
        command
    }
}

/// The folder of the registrations that are kept.
#[must_use]
pub fn registrations() -> PathBuf {
    let folder = tests_folder().join("../completions");
    folder.canonicalize().expect("a folder of the repository")
}

fn put_on_path(sandbox: &Sandbox) {
    let bin = sandbox.root().join("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).expect("a fresh folder");
        symlink(sandbox.program(), bin.join("sigtool")).expect("a fresh folder");
    }
}
