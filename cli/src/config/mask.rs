//! Texts of the configuration without the secrets in them.

use sigtool_sdk::pem::{BEGIN, is_private_key_label};
use std::ops::Range;

/// The keys that a reference to a secret may have.
pub(crate) const KINDS: [&str; 5] = ["env", "file", "keyring", "prompt", "secret"];

/// What is shown in place of a secret.
pub(crate) const HIDDEN: &str = "…";

/// Whether this may be the name of a variable. A secret that was written in its place seldom is.
pub(crate) fn is_variable_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a setting of this name is likely to hold a secret, misspelt names included.
///
/// The manifests say which settings are secrets; this is for what no manifest knows: a misspelt key, a file that is not TOML.
pub(crate) fn looks_secret(key: &str) -> bool {
    const WORDS: [&str; 6] = [
        "password",
        "passphrase",
        "passwd",
        "credential",
        "credentials",
        "token",
    ];
    let key = key.to_ascii_lowercase().replace('-', "_");
    let last = key.rsplit('_').next().unwrap_or(&key);
    if ["file", "path", "url", "env"].contains(&last) && last != key {
        return false;
    }
    let parts: Vec<&str> = key.split('_').collect();
    (parts.len() > 1 && (parts.contains(&"secret") || key.contains("api_key")))
        || key == "apikey"
        || parts.iter().any(|part| {
            ["pin", "pass", "pw", "pwd"].contains(part)
                || WORDS.iter().any(|word| {
                    let slips = if word.len() > 6 { 2 } else { 1 };
                    part.contains(word) || strsim::damerau_levenshtein(part, word) <= slips
                })
        })
}

/// Whether the value at a dotted key may be a secret: its own name says so, or a name above it does and it is not a reference.
///
/// The names that users give to profiles and the like do not count.
pub(crate) fn hides<'a>(path: impl Iterator<Item = &'a str>) -> bool {
    let path: Vec<&str> = path.collect();
    let Some((last, above)) = path.split_last() else {
        return false;
    };
    let named = matches!(path[0], "alias" | "backend" | "profile");
    let above = above.get(if named { 2 } else { 0 }..).unwrap_or_default();
    // What is written with escapes may be anything.
    let is_secret = |key: &str| looks_secret(key) || key.contains('\\');
    is_secret(last) || (!KINDS.contains(last) && above.iter().any(|key| is_secret(key)))
}

/// The text with everything replaced by `…` that may be a secret, and the span moved along.
///
/// Hidden are `hidden`, and the values of all keys that [look like secrets](looks_secret). Where the text is not TOML (`broken`), nobody
/// knows what is a value and where it ends: then only the names of keys and of tables are shown.
pub(crate) fn mask(
    text: &str,
    span: &Range<usize>,
    hidden: Option<Range<usize>>,
    broken: bool,
) -> (String, Range<usize>) {
    let mut ranges = match broken {
        true => all_but_names(text),
        false => secret_values(text),
    };
    ranges.extend(private_keys(text));
    ranges.extend(hidden);
    ranges.sort_by_key(|r| r.start);

    let mut masked = String::with_capacity(text.len());
    let mut moved = span.clone();
    let mut done = 0;
    for range in ranges {
        if range.start < done || text.get(range.clone()).is_none_or(str::is_empty) {
            continue;
        }
        masked.push_str(&text[done..range.start]);
        let start = masked.len();
        masked.push_str(HIDDEN);
        moved.start = shifted(span.start, moved.start, &range, start, masked.len());
        moved.end = shifted(span.end, moved.end, &range, start, masked.len());
        done = range.end;
    }
    masked.push_str(&text[done..]);
    // A span that lay wholly inside what is hidden points at all of the `…`.
    if moved.start >= moved.end && span.start < span.end {
        moved.start = moved.end.saturating_sub(HIDDEN.len());
    }
    (masked, moved)
}

/// Where a position goes when `range` becomes the bytes from `start` to `end` of the new text.
fn shifted(old: usize, now: usize, range: &Range<usize>, start: usize, end: usize) -> usize {
    if old >= range.end {
        old - range.end + end
    } else if old > range.start {
        end
    } else if old == range.start {
        start
    } else {
        now
    }
}

/// The bytes of a text that are neither a key before `=` nor the name of a table nor a comment's sign: they may be anybody's secret.
fn all_but_names(text: &str) -> Vec<Range<usize>> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.\"' ".contains(c);
    let mut ranges = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let shown = line.trim();
        let table = shown.trim_start_matches('[').trim_end_matches(']');
        let is_table = shown.starts_with('[') && shown.ends_with(']');
        let is_name_of_table = is_table && table.chars().all(is_name);
        if !shown.is_empty() && !is_name_of_table {
            let end = start + line.trim_end().len();
            let key = line.find('=').filter(|at| line[..*at].chars().all(is_name));
            let value = key.map_or(0, |at| at + 1);
            let blanks = line[value..].len() - line[value..].trim_start().len();
            ranges.push((start + value + blanks).min(end)..end);
        }
        start += line.len();
    }
    ranges
}

/// The bytes of the values of keys that look like secrets, found without parsing.
fn secret_values(text: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut header: Vec<&str> = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if trimmed.starts_with('[') && !trimmed.contains('=') {
            header = keys_of(trimmed.trim_matches(['[', ']', ' '])).collect();
        }
        for (equals, _) in line.match_indices('=') {
            let key = key_before(&line[..equals]);
            if hides(header.iter().copied().chain(keys_of(key))) {
                let after = &line[equals + 1..];
                let blanks = after.len() - after.trim_start_matches([' ', '\t']).len();
                let value = start + equals + 1 + blanks;
                ranges.push(value..value + value_length(&text[value..]));
            }
        }
        start += line.len();
    }
    ranges
}

/// The bytes of private keys in PEM, whatever they are the value of.
fn private_keys(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices(BEGIN).filter_map(|(start, begin)| {
        let (label, _) = text[start + begin.len()..].split_once("-----")?;
        let end = format!("-----END {label}-----");
        let length = text[start..].find(&end).map(|at| at + end.len());
        is_private_key_label(label).then(|| start..start + length.unwrap_or(text.len() - start))
    })
}

/// The dotted key that a text ends with.
fn key_before(text: &str) -> &str {
    let text = text.trim_end_matches([' ', '\t']);
    let in_key = |c: char| c.is_alphanumeric() || "_-.\"'\\".contains(c);
    &text[text.trim_end_matches(in_key).len()..]
}

fn keys_of(dotted: &str) -> impl Iterator<Item = &str> {
    dotted
        .split('.')
        .map(|key| key.trim().trim_matches(['"', '\'']))
}

/// Whether the inside of a table is a reference: `env = "NAME" }`. What else stands there may be the secret.
fn is_reference(inside: &str) -> bool {
    let Some((kind, value)) = inside.split_once('=') else {
        return false;
    };
    let (kind, mut parts) = (kind.trim(), value.trim_start().splitn(3, ['"', '\'']));
    let (Some(""), Some(name), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    KINDS.contains(&kind)
        && rest.trim_start().starts_with('}')
        && (kind != "env" || is_variable_name(name))
}

/// How many bytes of the text, at its start, may be a secret value.
fn value_length(text: &str) -> usize {
    let line = text.find('\n').unwrap_or(text.len());
    let line = text[..line].trim_end().len();
    if let Some(inside) = text.strip_prefix('{') {
        return if is_reference(inside) {
            0
        } else {
            text[..line].rfind('}').map_or(line, |at| at + 1)
        };
    }
    for quotes in ["\"\"\"", "'''"] {
        if let Some(inside) = text.strip_prefix(quotes) {
            return inside.find(quotes).map_or(text.len(), |at| at + 6);
        }
    }
    if text.starts_with('[') {
        return text.find(']').map_or(text.len(), |at| at + 1);
    }
    match text.chars().next() {
        Some('\'') => text[1..line.max(1)].find('\'').map_or(line, |at| at + 2),
        Some('"') => {
            let mut escaped = false;
            text[1..line.max(1)]
                .char_indices()
                .find(|(_, c)| {
                    let closes = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    closes
                })
                .map_or(line, |(at, _)| at + 2)
        }
        _ => text[..line].find([',', '}', '#']).unwrap_or(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        mask(text, &(0..0), None, false).0
    }

    #[test]
    fn the_value_of_a_secret_is_never_shown_however_it_is_spelt() {
        for text in [
            "password = \"hunter2\"",
            "password = \"hun\\\"ter2hunter2\"",
            "password='hunter2'",
            "pasword = \"hunter2\"",
            "\"pass-word\" = \"hunter2\"",
            "passwrod=\"hunter2\"",
            "a = { b = 1, password = \"hunter2\" }",
            "signer.password = \"hunter2\"",
            "signer.password.value = \"hunter2\"",
            "PIN = 12345hunter2",
            "api_key = [\n\"hunter2\"\n]",
            "password = { value = \"hunter2\" }",
            "token = \"\"\"\nhunter2\n\"\"\"",
            "[profile.a.signer.password]\nvalue = \"hunter2\"",
            "password = \"\"\"\nhunter2\n",
            "\"pass\\u0077ord\" = \"hunter2\"",
        ] {
            assert!(
                !masked(text).contains("hunter2"),
                "{text}: {}",
                masked(text)
            );
            let broken = mask(text, &(0..0), None, true).0;
            assert!(!broken.contains("hunter2"), "{text}: {broken}");
        }
    }

    #[test]
    fn what_is_not_a_secret_stays() {
        for text in [
            "password = { env = \"NAME\" }",
            "signer.password.env = \"NAME\"",
            "secret = { backend = \"vault\" }",
            "token_file = \"a\"",
            "key = \"release.key\"",
            "[profile.token]\nkey = \"release.key\"",
            "attach = true",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn of_what_is_not_toml_only_names_are_shown() {
        for (text, shown) in [
            (
                "password = \"a\"hunter2\n[next.'a b']",
                "password = …\n[next.'a b']",
            ),
            ("AGE-SECRET-KEY-1QQQQ", "…"),
            ("machine x login y password hunter2", "…"),
            ("key = \"https://user:hunter2@host\" y", "key = …"),
            (
                "password = {\n  env = \"hunter2\" \"x\"",
                "password = …\n  env = …",
            ),
            ("[hunter2 = 1]\n\n", "…\n\n"),
            ("a: hunter2=x", "…"),
            ("# hunter2", "…"),
        ] {
            assert_eq!(mask(text, &(0..0), None, true).0, shown, "{text}");
        }
    }

    #[test]
    fn the_span_moves_with_the_text() {
        let text = "password = \"hunter2\", atach = 1";
        let at = text.find("atach").unwrap();
        let (masked, span) = mask(text, &(at..at + 5), None, false);
        assert_eq!(&masked[span], "atach");
        let (masked, span) = mask(text, &(11..20), None, false);
        assert_eq!(&masked[span], HIDDEN);
        let (masked, span) = mask(text, &(13..15), None, false);
        assert_eq!(&masked[span], HIDDEN);
        let (masked, span) = mask(text, &(0..8), None, false);
        assert_eq!(&masked[span], "password");
    }
}
