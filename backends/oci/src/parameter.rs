//! Names and values in the head of an answer, as challenges and links have them: `name=word`, or `name="text"` ([RFC 9110] section 5.6).
//!
//! [RFC 9110]: https://www.rfc-editor.org/rfc/rfc9110#section-5.6

/// A text up to what separates.
pub(crate) fn word(text: &str) -> (&str, &str) {
    text.split_at(end(text))
}

fn end(text: &str) -> usize {
    text.find([' ', '\t', ',', ';', '=', '"'])
        .unwrap_or(text.len())
}

/// The value of a parameter: a word, or a quoted text in which a backslash takes the next character as it is; and what follows it.
/// `None` if the quoted text has no end.
pub(crate) fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        // Many a `realm` stands there without quotes, and a token has no `=` but at its end.
        let (value, rest) = text.split_at(text.find([' ', '\t', ',', ';']).unwrap_or(text.len()));
        return Some((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((index, c)) = characters.next() {
        match c {
            '"' => return Some((value, &quoted[index + 1..])),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    None
}
