//! What is said of a run over several artifacts.

use crate::error::Failure;
use crate::interrupt::INTERRUPTED;
use crate::output::{Text, lost, plural};

/// What became of several artifacts, and the name of each that failed, with how it failed where that says something.
pub(crate) fn summary(
    done: &str,
    tally: &crate::artifacts::batch::Tally,
    how: impl Fn(Failure) -> Option<&'static str>,
) -> Text {
    let before = match tally.interrupted {
        true => "interrupted: ",
        false if lost::is_lost() => "stopped, since the output cannot be written: ",
        false => "",
    };
    let mut lines = vec![format!("{before}{} {done}", plural(tally.done, "artifact"))];
    if tally.not_looked_at > 0 {
        lines[0] += &format!(", {} not looked at", tally.not_looked_at);
    }
    if !tally.failed.is_empty() {
        lines[0] += &format!(", {} failed:", tally.failed.len());
        for (artifact, failure) in &tally.failed {
            let how = match failure {
                Failure::Cancelled if tally.interrupted => Some(INTERRUPTED),
                other => how(*other),
            };
            let how = how.map_or_else(String::new, |how| format!(" ({how})"));
            lines.push(format!("  {artifact}{how}"));
        }
    }
    let at_least = if tally.more { "at least " } else { "" };
    if tally.not_tried > 0 || tally.more {
        let not_tried = plural(tally.not_tried, "artifact");
        lines.push(format!("{at_least}{not_tried} not tried"));
    }
    Text::lines(lines)
}
