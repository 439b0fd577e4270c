//! What is said of what a folder holds and nobody looks at.

use crate::app::App;
use crate::artifacts::batch::Tally;
use crate::artifacts::left_out::LeftOut;
use crate::error::{CommandError, Failure};
use crate::output::clean;

/// Tells each, by a row of the command's own, and counts it. `strict` is what it fails with, if it does.
pub(crate) fn tell(
    app: &App,
    all: &[LeftOut],
    strict: Option<Failure>,
    tally: &mut Tally,
    row: impl Fn(&str, &LeftOut, Option<&CommandError>),
) {
    for left_out in all {
        let shown = clean(&left_out.shown);
        match strict {
            None => {
                tally.not_looked_at += 1;
                row(
                    &format!("not looked at: {shown} ({})", left_out.why),
                    left_out,
                    None,
                );
            }
            Some(failure) => {
                let message = format!("`{shown}` is not looked at");
                let error = CommandError::new(failure, message).because(left_out.why);
                app.ui.error(&error);
                tally.failed.push((left_out.shown.clone(), failure));
                if app.ui.is_machine() {
                    row("", left_out, Some(&error));
                }
            }
        }
    }
    if app.ui.quiet && tally.not_looked_at > 0 {
        let count = tally.not_looked_at;
        app.ui.warn(&format!(
            "{count} not looked at in folders: see them without `--quiet`"
        ));
    }
}
