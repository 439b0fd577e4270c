//! The shells: how each hands over what was typed, and how it wants the answers.
//!
//! The registrations are those of `clap_complete`, changed where a comment says so.

use super::line::Line;
use super::values;
use crate::args::Shell;
use crate::output::clean;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{Bash, EnvCompleter, Fish, Powershell, Zsh};
use std::ffi::OsString;
use std::io::{Result, Write};
use std::path::Path;

/// What separates the answers for Bash: no file name has it (`IFS` in the registration).
const BASH_SEPARATOR: &str = "\u{b}";

/// The home folder, which Zsh would quote in an answer.
const HOME: &str = "~/";

impl Shell {
    /// All of them, for the engine.
    pub(super) const COMPLETERS: &'static [&'static dyn EnvCompleter] =
        &[&Self::Bash, &Self::Zsh, &Self::Fish, &Self::Powershell];

    /// The name of its registration in `completions`, which is where the shell looks for it.
    #[cfg(test)]
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::Bash => "sigtool.bash",
            Self::Zsh => "_sigtool",
            Self::Fish => "sigtool.fish",
            Self::Powershell => "sigtool.ps1",
        }
    }

    fn completer(self) -> &'static dyn EnvCompleter {
        match self {
            Self::Bash => &Bash,
            Self::Zsh => &Zsh,
            Self::Fish => &Fish,
            Self::Powershell => &Powershell,
        }
    }

    /// What was typed, up to the cursor.
    fn line(self, mut words: Vec<OsString>) -> Line {
        match self {
            Self::Bash => Line::split(words),
            Self::Zsh => {
                let index = std::env::var("_CLAP_COMPLETE_INDEX");
                let index: usize = index.ok().and_then(|i| i.parse().ok()).unwrap_or_default();
                words.resize(index + 1, OsString::new());
                let at_home = words[index].to_string_lossy().starts_with(HOME);
                let kept = if at_home {
                    HOME.to_owned()
                } else {
                    String::new()
                };
                let line = Line::typed(words);
                Line { kept, ..line }
            }
            Self::Fish => Line::typed(words),
            Self::Powershell => Line::plain(words),
        }
    }

    /// One answer, as the shell reads it; none for what cannot be put into the line as one word.
    ///
    /// Names may come from a file in a clone: put into the line, none of them may be more than a word.
    fn answer(self, line: &Line, candidate: &CompletionCandidate) -> Option<String> {
        let value = candidate.get_value().to_str()?;
        let value = value.strip_prefix(line.kept.as_str())?;
        if value.contains(char::is_control) {
            return None;
        }
        let help = candidate.get_help().map(ToString::to_string);
        let help = help.as_deref().and_then(|help| help.lines().next());
        let help = help.map(clean);
        Some(match self {
            Self::Bash => bash_quoted(value, line)?,
            Self::Zsh => {
                let value = value.replace('\\', "\\\\").replace(':', "\\:");
                help.map_or(value.clone(), |help| {
                    format!("{value}:{}", help.replace('\\', "\\\\"))
                })
            }
            Self::Fish => described(value, help),
            Self::Powershell if value.chars().all(is_plain) => described(value, help),
            Self::Powershell => described(&format!("'{}'", value.replace('\'', "''")), help),
        })
    }
}

fn described(value: &str, help: Option<String>) -> String {
    help.map_or(value.to_owned(), |help| format!("{value}\t{help}"))
}

/// Whether a character means nothing but itself to PowerShell.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_./:=+~\\".contains(c)
}

/// Bash puts in what it is told: blanks and the like need their quotes. In a quote that is open, some have none.
fn bash_quoted(value: &str, line: &Line) -> Option<String> {
    let (special, impossible) = match line.quote {
        Some('\'') => ("", "'"),
        Some(_) => ("\\\"$`", "!"),
        None => (" \"'\\$`&;|<>()*?[]{}!#^", ""),
    };
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if impossible.contains(c) {
            return None;
        }
        if special.contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    Some(text)
}

impl EnvCompleter for Shell {
    fn name(&self) -> &'static str {
        self.completer().name()
    }

    fn is(&self, name: &str) -> bool {
        self.completer().is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> Result<()> {
        let mut text = Vec::new();
        self.completer()
            .write_registration(var, name, bin, completer, &mut text)?;
        let text = String::from_utf8_lossy(&text);
        let changed = match self {
            Self::Bash => text
                // Bash splits at `:` and `=` too, and gives an empty word behind one: what was typed is in COMP_WORDS.
                .replace(
                    "words=(\"${COMP_WORDS[@]}\")",
                    "words=(\"${COMP_WORDS[@]:0:COMP_CWORD+1}\")",
                )
                .replace(
                    "if [[ \"${BASH_VERSINFO[0]}\" -ge 4 ]]; then",
                    "if [[ -n \"$2\" && \"${words[COMP_CWORD]}\" == \"$2\"* ]]; then",
                )
                // Nothing is said while a person types, not even that sigtool is gone.
                .replace("-- \"${words[@]}\" \\", "-- \"${words[@]}\" 2>/dev/null \\"),
            Self::Fish => text.replace("--current-token))", "--current-token) 2>/dev/null)"),
            Self::Zsh => text
                .replace(
                    "    if [[ -n $completions ]]; then",
                    "    [[ $PREFIX == '~/'* ]] && compset -P '\\~/'\n    if [[ -n $completions ]]; then",
                )
                // In a folder of $fpath the file is the function: the first time, too, it has to answer.
                .replace(
                "\ncompdef _clap_dynamic_completer_sigtool sigtool",
                "\nif [[ $funcstack[1] == _sigtool ]]; then\n    _clap_dynamic_completer_sigtool \"$@\"\nelse\n    \
                 compdef _clap_dynamic_completer_sigtool sigtool\nfi",
            ),
            Self::Powershell => text.into_owned(),
        };
        buf.write_all(changed.as_bytes())
    }

    fn write_complete(
        &self,
        cmd: &mut clap::Command,
        args: Vec<OsString>,
        current_dir: Option<&Path>,
        buf: &mut dyn Write,
    ) -> Result<()> {
        let line = self.line(args);
        let candidates = values::complete(cmd, &line, current_dir);
        let answers = candidates.iter().filter_map(|c| self.answer(&line, c));
        let answers: Vec<_> = answers.collect();
        let separator = if *self == Self::Bash {
            BASH_SEPARATOR
        } else {
            "\n"
        };
        buf.write_all(answers.join(separator).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_change_of_a_registration_finds_what_it_changes() {
        let registration = |shell: Shell| super::super::registration(shell);
        assert!(registration(Shell::Bash).contains("COMP_CWORD+1"));
        assert!(registration(Shell::Bash).contains("== \"$2\"*"));
        assert!(registration(Shell::Bash).contains("2>/dev/null"));
        assert!(registration(Shell::Fish).contains("2>/dev/null"));
        assert!(registration(Shell::Zsh).contains("compset"));
        assert!(registration(Shell::Zsh).contains("funcstack"));
    }

    #[test]
    fn a_blank_in_a_name_reaches_bash_with_its_quote() {
        let line = |words: &[&str]| Line::split(words.iter().map(OsString::from).collect());
        let answer = |words: &[&str]| {
            Shell::Bash.answer(&line(words), &CompletionCandidate::new("my $file"))
        };
        assert_eq!(answer(&["s", "my"]).as_deref(), Some("my\\ \\$file"));
        assert_eq!(answer(&["s", "\"my"]).as_deref(), Some("my \\$file"));
        assert_eq!(answer(&["s", "'my"]).as_deref(), Some("my $file"));
    }

    #[test]
    fn a_name_that_a_clone_has_chosen_is_one_word_or_is_not_offered() {
        let line = |word: &str| Line::split(vec!["sigtool".into(), word.into()]);
        let answer = |shell: Shell, typed: &str, name: &str| {
            shell.answer(&line(typed), &CompletionCandidate::new(name))
        };
        for shell in Shell::value_variants() {
            assert_eq!(answer(*shell, "", "a\nrm -rf ."), None);
            assert_eq!(answer(*shell, "", "a\u{1b}[2J"), None);
        }
        assert_eq!(answer(Shell::Bash, "'", "a'; rm b"), None);
        assert_eq!(answer(Shell::Bash, "\"", "a!b"), None);
        assert_eq!(
            answer(Shell::Bash, "", "a; rm").as_deref(),
            Some("a\\;\\ rm")
        );
        assert_eq!(
            answer(Shell::Powershell, "", "a|b").as_deref(),
            Some("'a|b'")
        );
    }
}
