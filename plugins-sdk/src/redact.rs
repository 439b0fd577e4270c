//! Takes secrets out of text that came from outside, in whatever spelling they stand in it.
//!
//! The host keeps the secrets of a run, and a backend those that it sends to a service; both search with this. Secrets are kept
//! scrambled, so that the memory of the process holds none in plain for longer than a search.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use memchr::memmem;
use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};
use zeroize::Zeroizing;

/// What stands where a secret stood.
const MARK: &str = "[secret]";

/// Secrets below this many bytes are not searched for: they would turn ordinary words into marks, and could be read from the gaps.
pub const SHORTEST: usize = 4;

/// From this many bytes on a secret is searched for within words too, and in its other spellings.
pub const LONG: usize = 8;

/// The shortest line of a secret of several lines, such as a key, that is searched for by itself.
const SHORTEST_LINE: usize = 16;

/// The most secrets that are kept, so that nobody fills the memory; the oldest go first. A run has a few, and a token for each
/// repository.
const MOST: usize = 1024;

/// Whose words a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// sigtool's, with what others have said in between: a secret that is a plain word stays, since it would be told by its gap.
    Ours,
    /// Somebody else's.
    Others,
}

/// The texts of the user's own that hold a secret, if that is asked.
pub type Evident<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// The secrets that are known.
#[derive(Default)]
pub struct Secrets {
    known: Mutex<VecDeque<Secret>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

impl Secrets {
    /// Remembers a secret, and of one with several lines each line. Tells whether it is new.
    pub fn add(&self, secret: &[u8]) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = secret.split(|byte| matches!(byte, b'\n' | b'\r'));
        let lines = lines.filter(|line| {
            line.len() >= SHORTEST_LINE && line.len() < secret.len() && !line.starts_with(b"-----")
        });
        let mut is_new = false;
        for part in [secret].into_iter().chain(lines) {
            if part.len() >= SHORTEST && !known.iter().any(|one| one.plain.is(part)) {
                if known.len() == MOST {
                    known.pop_front();
                }
                known.push_back(Secret::new(part));
                is_new = true;
            }
        }
        is_new
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// The text without secrets. What stands within an `evident` text stays: for a secret, those of the user's own that hold it.
    #[must_use]
    pub fn clean(&self, text: &str, words: Words, evident: Evident<'_>) -> String {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return text.to_owned();
        }
        let views = View::all(text);
        let places = known
            .iter()
            .flat_map(|secret| secret.places(&views, words, evident));
        let found: Vec<_> = places.collect();
        match found.is_empty() {
            true => text.to_owned(),
            false => replace(text, found),
        }
    }

    /// The secrets that a text holds, for one that passes unchanged and may be shown: long ones, in any spelling.
    #[must_use]
    pub fn held_by(
        &self,
        text: &str,
        words: Words,
        evident: Evident<'_>,
    ) -> Vec<Zeroizing<Vec<u8>>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return Vec::new();
        }
        let views = View::all(text);
        let is_held = |secret: &&Secret| {
            secret.is_long() && !secret.places(&views, words, evident).is_empty()
        };
        let held = known.iter().filter(is_held);
        held.map(|secret| secret.plain.bare()).collect()
    }
}

/// A secret, and how it may be spelled.
struct Secret {
    plain: Scrambled,
    /// Its letters alone make it: it may be a word of anyone's.
    is_word: bool,
    /// In Base64, as it stands and behind one or two other bytes; empty for a short secret.
    base64: Vec<Scrambled>,
    /// In lowercase hexadecimal digits; none for a short secret.
    hex: Option<Scrambled>,
}

impl Secret {
    fn new(secret: &[u8]) -> Self {
        let is_long = secret.len() >= LONG;
        Self {
            plain: Scrambled::new(secret),
            is_word: secret.iter().all(u8::is_ascii_alphabetic),
            base64: if is_long {
                in_base64(secret)
            } else {
                Vec::new()
            },
            hex: is_long.then(|| Scrambled::new(Zeroizing::new(hex::encode(secret)).as_bytes())),
        }
    }

    fn is_long(&self) -> bool {
        self.plain.0.len() >= LONG
    }

    /// Where it stands in a text, but for what is evident.
    fn places(&self, views: &[View<'_>], words: Words, evident: Evident<'_>) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        for view in views {
            self.find(view, words, &mut found);
        }
        if let ([view, ..], false) = (views, found.is_empty()) {
            let plain = self.plain.bare();
            let evident = std::str::from_utf8(&plain).map(evident).unwrap_or_default();
            let evident = spans(view.text, &evident);
            let stays = |place: &Range<usize>| {
                let around = |e: &Range<usize>| e.start <= place.start && place.end <= e.end;
                evident.iter().any(around)
            };
            found.retain(|place| !stays(place));
        }
        found
    }

    /// Adds where it stands, as ranges of the text.
    fn find(&self, view: &View<'_>, words: Words, found: &mut Vec<Range<usize>>) {
        let is_long = self.is_long();
        if words == Words::Others || is_long && !self.is_word {
            let whole =
                |at: &Range<usize>| is_long || !view.is_decoded() && is_whole_word(view.text, at);
            let plain = self.plain.bare();
            if view.form != Form::Lowercase {
                found.extend(view.ranges_of(&plain).filter(whole));
                if is_long && view.form == Form::Plain {
                    found.extend(cut_off(view.text, &plain));
                }
            }
        }
        if view.form == Form::Lowercase
            && let Some(hex) = &self.hex
        {
            found.extend(view.ranges_of(&hex.bare()));
        }
        if view.form != Form::Lowercase {
            for spelling in &self.base64 {
                let spelling = spelling.bare();
                let around = |at| around(view.text, at);
                found.extend(view.ranges_of(&spelling).map(around));
                if view.form == Form::Plain {
                    found.extend(cut_off(view.text, &spelling).into_iter().map(around));
                }
            }
        }
    }
}

/// A secret in both alphabets of Base64, behind no, one and two other bytes: only the digits that it makes alone.
fn in_base64(secret: &[u8]) -> Vec<Scrambled> {
    let mut spellings: Vec<Scrambled> = Vec::new();
    for before in 0..3 {
        let bytes = Zeroizing::new([&[0; 2][..before], secret].concat());
        let digits = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
        for alphabet in [STANDARD, URL_SAFE] {
            let text = Zeroizing::new(alphabet.encode(&*bytes));
            let own = &text.as_bytes()[digits.clone()];
            if !spellings.iter().any(|known| known.is(own)) {
                spellings.push(Scrambled::new(own));
            }
        }
    }
    spellings
}

/// With the digits of Base64 at both ends, which hold bits of the secret too, and the padding.
fn around(text: &str, at: Range<usize>) -> Range<usize> {
    let bytes = text.as_bytes();
    let is_digit = |b: u8| b.is_ascii_alphanumeric() || b"+/-_".contains(&b);
    let (mut start, mut end) = (at.start, at.end);
    if start > 0 && is_digit(bytes[start - 1]) {
        start -= 1;
    }
    if bytes.get(end).copied().is_some_and(is_digit) {
        end += 1;
    }
    while bytes.get(end) == Some(&b'=') && end < at.end + 3 {
        end += 1;
    }
    start..end
}

/// What a text has of a secret before each `…`: somebody has cut the text there.
fn cut_off(text: &str, secret: &[u8]) -> Vec<Range<usize>> {
    let cut = |(end, _): (usize, &str)| {
        let before = &text.as_bytes()[..end];
        (SHORTEST..secret.len())
            .rev()
            .find(|length| before.ends_with(&secret[..*length]))
            .map(|length| end - length..end)
    };
    text.match_indices('…').filter_map(cut).collect()
}

fn is_whole_word(text: &str, at: &Range<usize>) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let (Some(before), Some(after)) = (text.get(..at.start), text.get(at.end..)) else {
        return false;
    };
    !before.ends_with(is_letter) && !after.starts_with(is_letter)
}

/// How a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    /// Capital letters as small ones, for hexadecimal digits.
    Lowercase,
    /// `%2F` and the like as what they stand for.
    Percent,
    /// The same, and `+` for a space.
    Query,
    /// `\"`, `\n`, `\u002f` and the like as what they stand for, as in JSON.
    Escaped,
}

/// A text as it may be read, and where each byte of that reading stands in the text.
struct View<'a> {
    text: &'a str,
    form: Form,
    /// None: the bytes are those of the text, one for one.
    decoded: Option<(Zeroizing<Vec<u8>>, Vec<usize>)>,
}

impl<'a> View<'a> {
    /// The readings that differ.
    fn all(text: &'a str) -> Vec<Self> {
        let mut views = vec![
            Self::new(text, Form::Plain),
            Self::new(text, Form::Lowercase),
        ];
        if text.contains('%') {
            views.push(Self::new(text, Form::Percent));
            if text.contains('+') {
                views.push(Self::new(text, Form::Query));
            }
        }
        if text.contains('\\') {
            views.push(Self::new(text, Form::Escaped));
        }
        views
    }

    fn new(text: &'a str, form: Form) -> Self {
        let decoded = match form {
            Form::Plain => None,
            Form::Lowercase => {
                let lower = Zeroizing::new(text.to_ascii_lowercase().into_bytes());
                let places = (0..=lower.len()).collect();
                Some((lower, places))
            }
            Form::Percent => Some(decode(text, percent)),
            Form::Query => Some(decode(text, |rest| match rest {
                [b'+', ..] => Some((vec![b' '], 1)),
                _ => percent(rest),
            })),
            Form::Escaped => Some(decode(text, escaped)),
        };
        Self {
            text,
            form,
            decoded,
        }
    }

    fn is_decoded(&self) -> bool {
        self.form != Form::Plain
    }

    /// Where these bytes stand, as ranges of the text.
    fn ranges_of<'b>(
        &'b self,
        bytes: &'b [u8],
    ) -> impl Iterator<Item = Range<usize>> + use<'a, 'b> {
        let read = match &self.decoded {
            Some((read, _)) => read.as_slice(),
            None => self.text.as_bytes(),
        };
        memmem::find_iter(read, bytes).map(|start| {
            let end = start + bytes.len();
            match &self.decoded {
                Some((_, places)) => places[start]..places[end],
                None => start..end,
            }
        })
    }
}

/// A text with some of it decoded: `one` gives the bytes that stand at a place, and how many of the text's they take.
fn decode(
    text: &str,
    one: impl Fn(&[u8]) -> Option<(Vec<u8>, usize)>,
) -> (Zeroizing<Vec<u8>>, Vec<usize>) {
    let bytes = text.as_bytes();
    let mut read = Zeroizing::new(Vec::with_capacity(bytes.len()));
    let mut places = Vec::with_capacity(bytes.len() + 1);
    let mut at = 0;
    while at < bytes.len() {
        let (decoded, taken) = one(&bytes[at..]).unwrap_or_else(|| (vec![bytes[at]], 1));
        places.extend(std::iter::repeat_n(at, decoded.len()));
        read.extend_from_slice(&decoded);
        at += taken;
    }
    places.push(at);
    (read, places)
}

fn percent(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let [b'%', high, low, ..] = rest else {
        return None;
    };
    let digit = |b: &u8| char::from(*b).to_digit(16);
    let byte = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
    Some((vec![byte], 3))
}

fn escaped(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let [b'\\', kind, ..] = rest else {
        return None;
    };
    let simple = |byte: u8| Some((vec![byte], 2));
    match kind {
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'b' => simple(8),
        b'f' => simple(12),
        b'"' | b'\\' | b'/' | b'\'' => simple(*kind),
        b'x' => code(rest.get(2..4)?).map(|decoded| (decoded, 4)),
        b'u' if rest.get(2) == Some(&b'{') => {
            let length = rest[3..].iter().take(7).position(|b| *b == b'}')?;
            code(&rest[3..3 + length]).map(|decoded| (decoded, 4 + length))
        }
        b'u' => code(rest.get(2..6)?).map(|decoded| (decoded, 6)),
        _ => None,
    }
}

/// The bytes of a character that is written by its number, in hexadecimal digits.
fn code(digits: &[u8]) -> Option<Vec<u8>> {
    let number = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some(char::from_u32(number)?.to_string().into_bytes())
}

/// Where these texts stand in a text.
fn spans(text: &str, evident: &[String]) -> Vec<Range<usize>> {
    let spans_of = |word: &String| {
        let found = text.match_indices(word.as_str());
        let spans = found.map(|(at, _)| at..at + word.len());
        spans.collect::<Vec<_>>()
    };
    evident.iter().flat_map(spans_of).collect()
}

/// The text with a mark in place of each range; those that overlap or touch become one.
fn replace(text: &str, mut found: Vec<Range<usize>>) -> String {
    found.sort_by_key(|range| (range.start, range.end));
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    let mut hidden = found.into_iter().peekable();
    while let Some(mut range) = hidden.next() {
        while let Some(next) = hidden.next_if(|next| next.start <= range.end) {
            range.end = range.end.max(next.end);
        }
        let (start, end) = whole_characters(text, range);
        shown.push_str(&text[at..start.max(at)]);
        shown.push_str(MARK);
        at = end;
    }
    shown.push_str(&text[at.min(text.len())..]);
    shown
}

/// A range widened to whole characters: a secret need not be text.
fn whole_characters(text: &str, range: Range<usize>) -> (usize, usize) {
    let (mut start, mut end) = (range.start, range.end);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    (start, end)
}

/// Bytes that do not stand in memory as they are. This hides them from nobody who reads the whole of it.
struct Scrambled(Zeroizing<Vec<u8>>);

impl Scrambled {
    fn new(bytes: &[u8]) -> Self {
        Self(scramble(bytes))
    }

    fn bare(&self) -> Zeroizing<Vec<u8>> {
        scramble(&self.0)
    }

    fn is(&self, bytes: &[u8]) -> bool {
        *self.bare() == bytes
    }
}

/// Combines bytes with others that differ from run to run; twice gives them back.
fn scramble(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    static PAD: OnceLock<[u8; 64]> = OnceLock::new();
    let pad = PAD.get_or_init(|| {
        let (random, mut pad) = (RandomState::new(), [0; 64]);
        for (number, part) in pad.chunks_mut(8).enumerate() {
            part.copy_from_slice(&random.hash_one(number).to_le_bytes());
        }
        pad
    });
    let scrambled = bytes
        .iter()
        .zip(pad.iter().cycle())
        .map(|(byte, pad)| byte ^ pad);
    Zeroizing::new(scrambled.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Vec<String> {
        Vec::new()
    }

    fn clean(secret: &str, text: &str) -> String {
        let secrets = Secrets::default();
        secrets.add(secret.as_bytes());
        secrets.clean(text, Words::Others, &none)
    }

    /// SECURITY.md: "as it is, in Base64 wherever it begins, in hexadecimal digits, percent-encoded and as JSON escapes it".
    #[test]
    fn a_secret_is_taken_out_in_each_spelling() {
        let secret = "tok-SECRET-9f8e/7+d=6\"x";
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "x", "xy", "xyz"] {
                let text = format!("{before}{secret}{after}");
                for alphabet in [STANDARD, URL_SAFE] {
                    let encoded = alphabet.encode(&text);
                    let shown = clean(secret, &format!("got Basic {encoded}, sorry"));
                    let rest = shown.replace(MARK, "");
                    assert!(shown.contains(MARK) && rest.len() < 30, "{shown}");
                    assert!(shown.ends_with(", sorry"), "{shown}");
                }
            }
        }
        for spelled in [
            "tok-SECRET-9f8e%2F7%2Bd%3D6%22x",
            "tok-SECRET-9f8e%2f7%2bd%3d6%22x",
            "tok-SECRET-9f8e/7%2Bd=6%22x",
            "%74ok-SECRET-9f8e%2F7%2Bd%3D6%22x",
            r#"tok-SECRET-9f8e/7+d=6\"x"#,
            r#"tok-SECRET-9f8e\/7+d=6\u0022x"#,
            r#"tok-SECRET-9f8e/7\u002Bd=6\u{22}x"#,
            &hex::encode(secret),
            &hex::encode_upper(secret),
            secret,
        ] {
            assert_eq!(
                clean(secret, &format!("<{spelled}>")),
                "<[secret]>",
                "{spelled}"
            );
        }
    }

    #[test]
    fn a_short_secret_is_a_whole_word_and_the_shortest_are_none() {
        assert_eq!(
            clean("hunter2", "hunter2, hunter22, (hunter2)"),
            "[secret], hunter22, ([secret])"
        );
        assert_eq!(
            clean("hunter2", &STANDARD.encode("hunter2")),
            STANDARD.encode("hunter2")
        );
        assert_eq!(clean("abc", "abc"), "abc");
        assert_eq!(clean("", "a"), "a");
        assert_eq!(clean("hunter22", "xhunter22x"), "x[secret]x");
    }

    #[test]
    fn a_secret_that_is_a_word_stays_in_our_words() {
        for (secret, text) in [
            ("password", "wrong password for `release.key`"),
            ("release", "unlocked `release.key`"),
            ("sha256", "sha256:00"),
        ] {
            let secrets = Secrets::default();
            secrets.add(secret.as_bytes());
            assert_eq!(secrets.clean(text, Words::Ours, &none), text);
        }
        let secrets = Secrets::default();
        secrets.add(b"password-1");
        assert_eq!(
            secrets.clean("wrong password-1", Words::Ours, &none),
            "wrong [secret]"
        );
    }

    #[test]
    fn what_the_user_has_written_stays() {
        let secrets = Secrets::default();
        secrets.add(b"release");
        let evident = |_: &str| vec!["release.key".to_owned()];
        assert_eq!(
            secrets.clean("`/a/release.key` is not release", Words::Others, &evident),
            "`/a/release.key` is not [secret]"
        );
    }

    #[test]
    fn a_secret_that_was_cut_is_found_before_the_mark_of_the_cut() {
        assert_eq!(clean("tok-SECRET-9f8e", "said tok-SECR…"), "said [secret]…");
        assert_eq!(clean("tok-SECRET-9f8e", "said tok…"), "said tok…");
        let encoded = STANDARD.encode("tok-SECRET-9f8e");
        assert_eq!(
            clean("tok-SECRET-9f8e", &format!("{}…", &encoded[..9])),
            "[secret]…"
        );
    }

    #[test]
    fn secrets_that_overlap_leave_nothing_of_either() {
        let secrets = Secrets::default();
        secrets.add(b"secret-ab");
        secrets.add(b"secret-abcdef");
        secrets.add(b"cdefghij");
        assert_eq!(
            secrets.clean("secret-abcdefghij!", Words::Others, &none),
            "[secret]!"
        );
    }

    #[test]
    fn a_secret_that_is_no_text_breaks_no_character() {
        let secrets = Secrets::default();
        secrets.add(&"äöüäöüäöü".as_bytes()[1..17]);
        assert_eq!(
            secrets.clean("<äöüäöüäöü>", Words::Others, &none),
            "<[secret]>"
        );
    }

    #[test]
    fn each_line_of_a_key_is_a_secret() {
        let key =
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----\n";
        assert_eq!(clean(key, "has MC4CAQAwBQYDK2VwBCIEIA"), "has [secret]");
        assert_eq!(
            clean(key, "-----BEGIN PRIVATE KEY-----"),
            "-----BEGIN PRIVATE KEY-----"
        );
    }

    #[test]
    fn what_passes_unchanged_is_looked_at() {
        let secrets = Secrets::default();
        secrets.add(b"hunter2");
        secrets.add(b"tok-SECRET");
        let held = |text| secrets.held_by(text, Words::Others, &none).len();
        assert_eq!(held("a/hunter2"), 0);
        assert_eq!(held("a/tok-SECRET/b"), 1);
    }
}
