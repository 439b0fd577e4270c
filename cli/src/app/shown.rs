//! Paths and questions, as people see them.

use crate::app::App;
use crate::app::folders::working_folder;
use crate::config::origin::shorten;
use crate::error::CommandError;
use crate::interrupt;
use crate::output::{clean, person};
use std::path::Path;

impl App {
    /// A path as the user would write it: below the working directory, or below `~`.
    pub(crate) fn short(&self, path: &Path) -> String {
        working_folder()
            .ok()
            .and_then(|folder| {
                path.strip_prefix(folder)
                    .ok()
                    .map(|rest| rest.display().to_string())
            })
            .unwrap_or_else(|| shorten(path, self.folders.home.as_deref()))
    }

    /// A text of another's that names absolute paths, with those below the working directory as the user would write them.
    pub(crate) fn relative(&self, text: &str) -> String {
        match working_folder() {
            Ok(folder) => text.replace(&format!("`{}/", folder.display()), "`"),
            Err(_) => text.to_owned(),
        }
    }

    /// The same for an error about an artifact.
    pub(crate) fn relative_error(&self, mut error: CommandError) -> CommandError {
        let texts = error.causes.iter_mut().chain(&mut error.hints);
        for text in texts.chain([&mut error.message]) {
            *text = self.relative(text);
        }
        error
    }

    /// Asks a yes-or-no question, unless `--yes` has answered it.
    pub(crate) fn confirm(&self, question: &str) -> Result<bool, CommandError> {
        if self.global.yes {
            return Ok(true);
        }
        if self.settings.in_ci || !self.ui.is_interactive() {
            let why = match self.settings.in_ci {
                true => "in CI nobody is asked",
                false => "there is no terminal to ask on",
            };
            return Err(
                CommandError::input(format!("a question needs an answer, and {why}"))
                    .because(format!("{question}?"))
                    .hint("to answer yes, add `--yes`"),
            );
        }
        let line = self.ui.alone(|terminal| {
            let _ = write!(terminal, "{}? [y/N] ", clean(question));
            let _ = terminal.flush();
            person::line(self.settings.timeout, || ())
        });
        interrupt::check()?;
        let line = line.map_err(|e| {
            CommandError::could_not_tell("cannot read from the terminal").because(e)
        })?;
        let line = line.unwrap_or_default();
        Ok(matches!(line.trim_ascii(), b"y" | b"Y" | b"yes"))
    }
}
