//! How far a run is, on a terminal: a bar below everything else, and above it one for each large file or push under way. They are gone
//! when the run ends. In a pipe there are no bars.

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use sigtool_sdk::host::Progress;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What ends before this is too quick to be shown.
const FIRST_SHOWN: Duration = Duration::from_millis(150);

/// A part that has said nothing for this long makes way for another. Those that know how much there is tell ten times a second.
const STALE: Duration = Duration::from_millis(500);

/// How many parts have a bar: more than work at once, and few enough for a terminal.
const MOST_PARTS: usize = 16;

/// The bars of a run.
pub(super) struct Bars {
    all: MultiProgress,
    run: ProgressBar,
    /// By what they say is being done.
    parts: BTreeMap<String, Part>,
}

struct Part {
    bar: ProgressBar,
    told: Instant,
}

impl Bars {
    pub(super) fn new(verb: &'static str, total: Option<usize>) -> Self {
        let screen = Box::new(Screen::default());
        let target = ProgressDrawTarget::term_like_with_hz(screen, 10);
        let all = MultiProgress::with_draw_target(target);
        let run = all.add(ProgressBar::new(total.unwrap_or_default() as u64));
        run.set_style(style(total));
        run.set_message(verb);
        run.enable_steady_tick(FIRST_SHOWN);
        Self {
            all,
            run,
            parts: BTreeMap::new(),
        }
    }

    /// Writes something else where the bars stand, and puts them below it.
    pub(super) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.all.suspend(write)
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        let message = &progress.message;
        if !self.parts.contains_key(message) {
            self.clear(|part| part.told.elapsed() > STALE);
            if self.parts.len() >= MOST_PARTS {
                return;
            }
            let bar = self.all.insert_before(&self.run, ProgressBar::no_length());
            bar.set_style(style_of_part(progress));
            bar.set_message(message.clone());
            let told = Instant::now();
            self.parts.insert(message.clone(), Part { bar, told });
        }
        if let Some(part) = self.parts.get_mut(message) {
            part.told = Instant::now();
            if let Some(total) = progress.total {
                part.bar.set_length(total);
            }
            part.bar.set_position(progress.done);
        }
    }

    pub(super) fn done(&mut self) {
        self.clear(|part| part.bar.length().is_none() || part.told.elapsed() > STALE);
        self.run.inc(1);
    }

    fn clear(&mut self, is_over: impl Fn(&Part) -> bool) {
        let over = self.parts.extract_if(.., |_, part| is_over(part));
        over.for_each(|(_, part)| part.bar.finish_and_clear());
    }

    pub(super) fn end(mut self) {
        self.clear(|_| true);
        self.run.finish_and_clear();
    }
}

/// The terminal, without the blanks that fill the last line: behind them, the `^C` that a terminal writes by itself would begin a line
/// that nobody clears.
#[derive(Debug)]
struct Screen {
    term: Term,
    /// How many were not written yet.
    blanks: AtomicUsize,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            term: Term::buffered_stderr(),
            blanks: AtomicUsize::new(0),
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        self.term.size().1
    }

    fn height(&self) -> u16 {
        self.term.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_left(n)
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.term.write_line(s)
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        if s.bytes().all(|byte| byte == b' ') {
            self.blanks.fetch_add(s.len(), Ordering::Relaxed);
            return Ok(());
        }
        let blanks = self.blanks.swap(0, Ordering::Relaxed);
        self.term.write_str(&" ".repeat(blanks))?;
        self.term.write_str(s)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.term.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        if self.blanks.swap(0, Ordering::Relaxed) > 0 {
            // Erases what stood there before, and leaves the cursor where it is.
            self.term.write_str("\u{1b}[K")?;
        }
        self.term.flush()
    }
}

/// What is being done is cut to the width of the terminal, how far it is stays.
fn style_of_part(progress: &Progress) -> ProgressStyle {
    let template = match (progress.total, progress.unit.as_deref()) {
        (None, Some("bytes")) => "  {wide_msg} {bytes}",
        (None, _) => "  {wide_msg}",
        (Some(_), Some("bytes")) => "  {wide_msg} {bytes} of {total_bytes}, {bytes_per_sec}",
        (Some(_), _) => "  {wide_msg} {pos} of {len}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn style(total: Option<usize>) -> ProgressStyle {
    let template = match total {
        Some(1) => "{spinner} {msg} {elapsed}",
        Some(_) => "{spinner} {msg} [{bar:30}] {pos} of {len}, {elapsed}",
        None => "{spinner} {msg}: {pos}, {elapsed}",
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
        .tick_chars("|/-\\ ")
}
