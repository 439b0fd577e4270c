//! How far a run is, on a terminal: a bar below everything else, gone when the run ends. In a pipe there is none.

use super::{Format, Ui};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::Duration;

/// What is quicker is not shown at all.
const FIRST_SHOWN: Duration = Duration::from_millis(150);

/// Shows how many artifacts of a run are done, for as long as it lives.
pub(crate) struct Ticker<'a> {
    ui: &'a Ui,
}

impl<'a> Ticker<'a> {
    /// Begins to show. `verb` is what is being done: `signing`. How many there are may not be known yet.
    pub(crate) fn new(ui: &'a Ui, verb: &'static str, total: Option<usize>) -> Self {
        let shown = std::io::stderr().is_terminal() && !ui.quiet && ui.format == Format::Text;
        if shown {
            let target = ProgressDrawTarget::stderr_with_hz(10);
            let bar = ProgressBar::with_draw_target(total.map(|total| total as u64), target);
            bar.set_style(style(total));
            bar.set_message(verb);
            bar.enable_steady_tick(FIRST_SHOWN);
            ui.lock().bar = Some(bar);
        }
        Self { ui }
    }

    /// One more is done.
    pub(crate) fn done(&self) {
        if let Some(bar) = &self.ui.lock().bar {
            bar.inc(1);
        }
    }
}

impl Drop for Ticker<'_> {
    fn drop(&mut self) {
        if let Some(bar) = self.ui.lock().bar.take() {
            bar.finish_and_clear();
        }
    }
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
