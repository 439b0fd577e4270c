//! Commands as a shell reads them, checked by sigtool's own parser without being run.

use sigtool_tests::Sandbox;
use std::iter::Peekable;
use std::str::Chars;

/// The words behind which a command begins.
const BEFORE_A_COMMAND: [&str; 9] = ["!", "{", "(", "do", "else", "if", "then", "until", "while"];

/// A command, and how many lines after the first it begins.
#[derive(Debug, Default, PartialEq, Eq)]
struct Command {
    after: usize,
    words: Vec<String>,
}

/// What is wrong with each `sigtool` of a text, and how many lines after the first that is.
pub(super) fn check(sandbox: &Sandbox, text: &str) -> Vec<(usize, String)> {
    let commands = commands(text).into_iter();
    commands
        .filter(|command| command.words.first().is_some_and(|word| word == "sigtool"))
        .filter_map(|Command { after, words }| Some((after, wrong(sandbox, &words)?)))
        .collect()
}

/// What sigtool finds wrong with its words. It reads them all before it helps with them; `help` only says what there is.
fn wrong(sandbox: &Sandbox, words: &[String]) -> Option<String> {
    let mut arguments = words[1..].to_vec();
    let asks_for_help = arguments.first().is_some_and(|word| word == "help");
    if !asks_for_help {
        let end = arguments.iter().position(|word| word == "--");
        arguments.insert(end.unwrap_or(arguments.len()), "--help".to_owned());
    }
    let output = sandbox.sigtool().args(&arguments).output().unwrap();
    // A page that is not installed is not a mistake of the words.
    if output.status.success() || asks_for_help && output.status.code() == Some(3) {
        return None;
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or_default();
    Some(format!("{}: {first}", words.join(" ")))
}

/// The simple commands of a text, those in `$(…)` first, without variables set before them, redirections and comments.
fn commands(text: &str) -> Vec<Command> {
    let mut reader = Reader {
        rest: text.chars().peekable(),
        line: 0,
        found: Vec::new(),
    };
    reader.read(None);
    reader.found
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    found: Vec<Command>,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.line += usize::from(next == '\n');
        Some(next)
    }

    /// Reads commands to the end of the text, or to this character.
    fn read(&mut self, end: Option<char>) {
        let mut command = Command::default();
        let mut is_target = false;
        while let Some(&next) = self.rest.peek() {
            if Some(next) == end {
                self.next();
                break;
            }
            match next {
                ' ' | '\t' => {
                    self.next();
                }
                '#' => while self.rest.next_if(|c| *c != '\n').is_some() {},
                '\n' | ';' | '|' | '&' | '(' | ')' => {
                    self.next();
                    self.found.push(std::mem::take(&mut command));
                }
                '<' | '>' => {
                    self.next();
                    is_target = true;
                }
                _ => {
                    let line = self.line;
                    let word = self.word(end);
                    let begins = command.words.is_empty();
                    let is_setting = || word.split_once('=').is_some_and(|(name, _)| is_name(name));
                    let goes_before =
                        begins && (BEFORE_A_COMMAND.contains(&word.as_str()) || is_setting());
                    if begins {
                        command.after = line;
                    }
                    // The end of a line that goes on in the next one, and where a redirection leads, are words of no command.
                    if !word.is_empty() && !std::mem::take(&mut is_target) && !goes_before {
                        command.words.push(word);
                    }
                }
            }
        }
        self.found.push(command);
        self.found.retain(|command| !command.words.is_empty());
    }

    /// Reads a word, without its quotes. Variables stay as they are.
    fn word(&mut self, end: Option<char>) -> String {
        let mut word = String::new();
        let mut quote = None;
        while let Some(&next) = self.rest.peek() {
            let ends = " \t\n;|&()<>".contains(next) || Some(next) == end;
            if quote.is_none() && ends {
                break;
            }
            self.next();
            match (next, quote) {
                ('\\', None | Some('"')) => word.extend(self.next().filter(|c| *c != '\n')),
                ('$', None | Some('"')) if self.rest.next_if_eq(&'(').is_some() => {
                    self.read(Some(')'));
                    word.push_str("$()");
                }
                ('\'' | '"', None) => quote = Some(next),
                (_, Some(quoted)) if next == quoted => quote = None,
                _ => word.push(next),
            }
        }
        word
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[test]
fn commands_are_found_as_a_shell_finds_them() {
    let found = |text: &str| -> Vec<(usize, String)> {
        let commands = commands(text).into_iter();
        commands
            .map(|command| (command.after, command.words.join("|")))
            .collect()
    };
    let one = |text: &str, expected: &str| assert_eq!(found(text), [(0, expected.to_owned())]);
    one("a 'b c' \"d $E\" f\\ g", "a|b c|d $E|f g");
    one("A=1 B=2 c D=3 # e", "c|D=3");
    one("a > b < c d", "a|d");
    one("a \\\n  b", "a|b");
    let two = |text: &str, expected: [(usize, &str); 2]| {
        assert_eq!(
            found(text),
            expected.map(|(line, words)| (line, words.to_owned()))
        );
    };
    two("a && b", [(0, "a"), (0, "b")]);
    two("a |\n\n b", [(0, "a"), (2, "b")]);
    two("while ! a; do b", [(0, "a"), (0, "b")]);
    two("a \"$(b c)\" d", [(0, "b|c"), (0, "a|$()|d")]);
}
