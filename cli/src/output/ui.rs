//! The terminal: one writer at a time, bars below what is written.

use super::lost;
use super::progress::Bars;
use super::text::{self, Text, clean, json_for_a_terminal};
use crate::config::{Color, Format};
use crate::error::CommandError;
use crate::typed;
use anstream::{AutoStream, ColorChoice};
use serde::Serialize;
use sigtool_sdk::host::Progress;
use sigtool_sdk::redact::{Secrets, Words};
use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The user's terminal, or the pipes in its place.
pub(crate) struct Ui {
    pub(crate) format: Format,
    pub(crate) quiet: bool,
    pub(crate) verbose: u8,
    color: Color,
    /// One writer at a time, prompts included.
    turn: Mutex<State>,
    /// Secrets that something holds which is used as it is, such as a path: they are not shown.
    hidden: Secrets,
}

#[derive(Default)]
struct State {
    /// Results written so far: the JSON array needs commas.
    results: usize,
    /// How far the run is; hidden while something else is written.
    bars: Option<Bars>,
}

impl State {
    /// Writes something where the bars stand, and puts them below it.
    fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

impl Ui {
    pub(crate) fn new(format: Format, color: Color, quiet: bool, verbose: u8) -> Self {
        Self {
            format,
            quiet,
            verbose,
            color,
            turn: Mutex::default(),
            hidden: Secrets::default(),
        }
    }

    /// Shows a secret no more, wherever it stands. For one that came back in what has to be used as it is.
    pub(crate) fn hide(&self, secret: &[u8]) {
        self.hidden.add(secret);
    }

    /// Whether there is something that is not shown.
    pub(crate) fn hides_something(&self) -> bool {
        !self.hidden.is_empty()
    }

    /// A text without what is hidden.
    pub(crate) fn without_hidden(&self, text: &str) -> String {
        self.hidden.clean(text, Words::Others, &typed::holding)
    }

    /// Writes one result: `text` for people, else `value` as JSON.
    pub(crate) fn result(&self, text: impl Into<Text>, value: &impl Serialize) {
        let mut state = self.lock();
        match self.format {
            Format::Text if self.quiet => {}
            Format::Text => state.aside(|| self.stdout(text.into().as_str())),
            Format::Json => {
                let json = serde_json::to_string_pretty(value).unwrap_or_default();
                self.stdout(&json);
            }
            Format::Jsonl => {
                let json = serde_json::to_string(value).unwrap_or_default();
                self.stdout(&json);
            }
        }
        state.results += 1;
    }

    /// Writes one result of several: a line for people, an element of one array in JSON, an object a line in JSON Lines.
    pub(crate) fn item(&self, text: impl Into<Text>, value: &impl Serialize) {
        let mut state = self.lock();
        match self.format {
            Format::Text if self.quiet => {}
            Format::Text => state.aside(|| self.stdout(text.into().as_str())),
            Format::Json => {
                let json = serde_json::to_string(value).unwrap_or_default();
                let before = if state.results == 0 { "[" } else { "," };
                self.stdout(&format!("{before}{json}"));
            }
            Format::Jsonl => self.stdout(&serde_json::to_string(value).unwrap_or_default()),
        }
        state.results += 1;
    }

    /// Whether nobody sees results: with `--quiet`, unless a program reads them.
    pub(crate) fn hides_results(&self) -> bool {
        self.quiet && !self.is_machine()
    }

    /// Whether results are read by programs.
    pub(crate) fn is_machine(&self) -> bool {
        self.format != Format::Text
    }

    /// Ends the results that [`item`](Self::item) wrote.
    pub(crate) fn end_items(&self) {
        let state = self.lock();
        if self.format == Format::Json {
            self.stdout(if state.results == 0 { "[]" } else { "]" });
        }
    }

    /// Writes for programs that a command failed: in place of its result, or as the last of its results.
    pub(crate) fn failure(&self, value: &impl Serialize, in_array: bool) {
        match (self.format, in_array) {
            (Format::Text, _) => {}
            (_, true) => {
                self.item("", value);
                self.end_items();
            }
            (_, false) => self.result("", value),
        }
    }

    /// Something that happened, for people. Not with `--quiet`.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            let turn = self.lock();
            turn.aside(|| self.stderr("note", anstyle::AnsiColor::Cyan, text));
        }
    }

    /// Something to look at.
    pub(crate) fn warn(&self, text: &str) {
        let turn = self.lock();
        turn.aside(|| self.stderr("warning", anstyle::AnsiColor::Yellow, text));
    }

    /// Whether debug output is wanted.
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose > 0
    }

    /// Debug output, with `--verbose`.
    pub(crate) fn trace(&self, text: &str) {
        if self.verbose > 0 {
            let turn = self.lock();
            turn.aside(|| self.stderr("debug", anstyle::AnsiColor::BrightBlack, text));
        }
    }

    /// Something on stderr without a word in front: a summary, a next step. Not with `--quiet`.
    pub(crate) fn say(&self, text: impl Into<Text>) {
        if !self.quiet {
            let text = self.without_hidden(text.into().as_str());
            let turn = self.lock();
            let _ = turn.aside(|| writeln!(self.stderr_stream(), "{text}"));
        }
    }

    /// An error, with its causes, its place and its hints. In JSON formats too it goes to stderr, as text.
    pub(crate) fn error(&self, error: &CommandError) {
        let turn = self.lock();
        let text = self.without_hidden(&text::error(error));
        let _ = turn.aside(|| self.stderr_stream().write_all(text.as_bytes()));
    }

    /// Asks something on the terminal; nobody else writes meanwhile.
    pub(crate) fn alone<T>(&self, ask: impl FnOnce(&mut dyn Write) -> T) -> T {
        let turn = self.lock();
        turn.aside(|| ask(&mut self.stderr_stream()))
    }

    /// Whether a person sits at stdin and reads stderr.
    pub(crate) fn is_interactive(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Whether a person reads stdout.
    pub(crate) fn is_read_by_a_person(&self) -> bool {
        !self.is_machine() && io::stdout().is_terminal()
    }

    /// How far a backend is with something, in words without control characters. Only while a run has a bar.
    pub(crate) fn progress(&self, progress: &Progress) {
        if let Some(bars) = &mut self.lock().bars {
            bars.show(progress);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stdout(&self, text: &str) {
        if lost::is_lost() {
            return;
        }
        let mut stream = AutoStream::new(io::stdout(), self.choice());
        let mut text = self.without_hidden(text);
        if self.is_machine() && io::stdout().is_terminal() {
            text = json_for_a_terminal(&text);
        }
        if let Err(error) = writeln!(stream, "{text}").and_then(|()| stream.flush()) {
            lost::lose(&error);
        }
    }

    fn stderr(&self, word: &str, color: anstyle::AnsiColor, text: &str) {
        let style = color.on_default().bold();
        let text = self.without_hidden(&clean(text));
        let _ = writeln!(self.stderr_stream(), "{style}{word}{style:#}: {text}");
    }

    fn stderr_stream(&self) -> AutoStream<io::Stderr> {
        AutoStream::new(io::stderr(), self.choice())
    }

    fn choice(&self) -> ColorChoice {
        match self.color {
            // `Auto` of anstream looks at the terminal, at NO_COLOR and at TERM.
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        }
    }
}

/// Shows how many artifacts of a run are done, for as long as it lives.
pub(crate) struct Ticker<'a> {
    ui: &'a Ui,
}

impl<'a> Ticker<'a> {
    /// Begins to show. `verb` is what is being done: `signing`. How many there are may not be known yet.
    pub(crate) fn new(ui: &'a Ui, verb: &'static str, total: Option<usize>) -> Self {
        let shown = io::stderr().is_terminal() && !ui.quiet && ui.format == Format::Text;
        if shown {
            ui.lock().bars = Some(Bars::new(verb, total));
        }
        Self { ui }
    }

    /// One more is done.
    pub(crate) fn done(&self) {
        if let Some(bars) = &mut self.ui.lock().bars {
            bars.done();
        }
    }
}

impl Drop for Ticker<'_> {
    fn drop(&mut self) {
        if let Some(bars) = self.ui.lock().bars.take() {
            bars.end();
        }
    }
}
