//! The one way out for what a backend says: notes, errors, standard error, traces, titles. Cleaned of the secrets of the run first,
//! and cut after that.

use crate::output::Ui;
use crate::typed;
use sigtool_sdk::Error;
use sigtool_sdk::redact::{Secrets, Words};
use sigtool_sdk::text::{self, is_treacherous};
use sigtool_sdk::types::BackendId;
use std::sync::Arc;

/// How long a line of stderr, of a trace or of garbage may be, in characters.
const MAX_LINE: usize = 300;

/// How long a text may be that is part of an answer, in characters: more than anyone reads.
const MAX_TEXT: usize = 4000;

/// How many remarks of an answer are shown.
const MAX_REMARKS: usize = 20;

/// What becomes of the words of one backend.
#[derive(Clone)]
pub(super) struct Outside {
    ui: Arc<Ui>,
    /// The secrets that all backends know of together: none of them is to tell another's.
    run: Arc<Secrets>,
    /// What a backend of somebody else's calls its secrets: they are taken out of its own words, and of nobody else's.
    own: Arc<Secrets>,
    id: BackendId,
}

impl Outside {
    pub(super) fn new(ui: Arc<Ui>, run: Arc<Secrets>, id: BackendId) -> Self {
        Self {
            ui,
            run,
            own: Arc::default(),
            id,
        }
    }

    /// Remembers a secret that is lent to a backend.
    pub(super) fn lent(&self, secret: &[u8]) {
        self.run.add(secret);
    }

    /// Remembers a secret that the backend has found by itself.
    pub(super) fn told(&self, secret: &[u8]) {
        match self.id.is_first_party() {
            true => self.run.add(secret),
            false => self.own.add(secret),
        };
    }

    /// A text of an answer: its lines stay.
    pub(super) fn text(&self, said: &str) -> String {
        let hidden = |c: char| is_treacherous(c) && c != '\n';
        let clean = self.without_secrets(said);
        if !said.contains(hidden) {
            return cut(&clean, MAX_TEXT);
        }
        // What is invisible could stand within a secret, and is gone when it is shown.
        let bare = said.replace(hidden, "");
        let clean_bare = self.without_secrets(&bare);
        match clean_bare == bare {
            true => cut(&clean, MAX_TEXT),
            false => cut(&clean_bare, MAX_TEXT),
        }
    }

    /// An error from before a backend takes calls.
    pub(super) fn error(&self, mut error: Error) -> Error {
        error.message = self.text(&error.message);
        for text in error.causes.iter_mut().chain(&mut error.hints) {
            *text = self.text(text);
        }
        error
    }

    /// What was said unasked, or is no message at all: on one line.
    pub(super) fn line(&self, said: &str) -> String {
        text::words(&self.text(said), MAX_LINE).unwrap_or_default()
    }

    /// The remarks of an answer, each under the id of a backend of somebody else's.
    pub(super) fn remarks(&self, said: &[String]) -> Vec<String> {
        let mut shown: Vec<String> = said
            .iter()
            .take(MAX_REMARKS)
            .map(|remark| self.named(&self.text(remark)))
            .collect();
        if said.len() > MAX_REMARKS {
            let more = said.len() - MAX_REMARKS;
            shown.push(self.named(&format!("{more} more remarks are not shown")));
        }
        shown
    }

    /// A text that is shown for the backend. One of somebody else's stands under its id, so that nobody takes it for sigtool's own.
    pub(super) fn named(&self, text: &str) -> String {
        match self.id.is_first_party() {
            true => text.to_owned(),
            false => format!("{}: {text}", self.id),
        }
    }

    /// Looks at what is used as it is: a secret that it holds is not shown from now on.
    pub(super) fn passes(&self, text: &str) {
        for secret in self.run.held_by(text, self.words(), &typed::holding) {
            self.ui.hide(&secret);
        }
    }

    fn without_secrets(&self, said: &str) -> String {
        let clean = self.run.clean(said, self.words(), &typed::holding);
        self.own.clean(&clean, self.words(), &typed::holding)
    }

    fn words(&self) -> Words {
        match self.id.is_first_party() {
            true => Words::Ours,
            false => Words::Others,
        }
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Color, Format};

    fn outside(id: &'static str) -> Outside {
        let ui = Ui::new(Format::Text, Color::Never, false, 0);
        let outside = Outside::new(Arc::new(ui), Arc::default(), BackendId::from_static(id));
        outside.lent(b"tok-SECRET-9f8e");
        outside
    }

    /// SECURITY.md: "before it is cut".
    #[test]
    fn a_secret_across_the_place_of_the_cut_is_taken_out() {
        let outside = outside("dev.example.rogue");
        for before in MAX_LINE - 16..=MAX_LINE {
            let said = format!("{}tok-SECRET-9f8e{}", "x".repeat(before), "y".repeat(400));
            assert!(!outside.line(&said).contains("tok-"), "{before}");
        }
    }

    #[test]
    fn what_is_invisible_hides_no_secret() {
        let outside = outside("dev.example.rogue");
        for between in ["\u{200b}", "\u{1b}", "\r", "\u{202e}\u{ad}"] {
            let said = format!("tok-SEC{between}RET-9f8e");
            assert_eq!(outside.text(&said), "[secret]", "{between:?}");
            assert_eq!(outside.line(&said), "[secret]", "{between:?}");
        }
    }

    #[test]
    fn remarks_are_cleaned_named_and_counted() {
        let remarks = vec!["it is tok-SECRET-9f8e".to_owned(); 20_000];
        let shown = outside("dev.example.rogue").remarks(&remarks);
        assert_eq!(shown.len(), MAX_REMARKS + 1);
        assert_eq!(shown[0], "dev.example.rogue: it is [secret]");
        assert_eq!(
            shown[MAX_REMARKS],
            "dev.example.rogue: 19980 more remarks are not shown"
        );
        assert_eq!(outside("oci").remarks(&remarks[..1]), ["it is [secret]"]);
    }

    #[test]
    fn what_a_backend_of_somebody_else_calls_a_secret_garbles_its_own_words_alone() {
        let (rogue, oci) = (outside("dev.example.rogue"), outside("oci"));
        let oci = Outside {
            run: Arc::clone(&rogue.run),
            ..oci
        };
        rogue.told(b"not signed by");
        oci.told(b"token-of-the-registry");
        let said = "not signed by token-of-the-registry";
        assert_eq!(rogue.text(said), "[secret] [secret]");
        assert_eq!(oci.text(said), "not signed by [secret]");
    }
}
