//! Links in the head of an answer, as [RFC 8288] writes them.
//!
//! [RFC 8288]: https://www.rfc-editor.org/rfc/rfc8288#section-3

use crate::parameter::{value_of, word};
use sigtool_sdk_http::Url;

const SPACE: [char; 2] = [' ', '\t'];

/// A link: where to, and its parameters in their order.
struct Link<'a> {
    target: &'a str,
    parameters: Vec<(&'a str, String)>,
}

impl Link<'_> {
    /// The first parameter of this name; of `rel` and `anchor` later ones do not count.
    fn parameter(&self, name: &str) -> Option<&str> {
        let found = self
            .parameters
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it leads from `here` to what comes next.
    fn is_next(&self, here: &Url) -> bool {
        let relations = self.parameter("rel").unwrap_or_default();
        let next = relations
            .split_ascii_whitespace()
            .any(|relation| relation.eq_ignore_ascii_case("next"));
        let from_here = |anchor| here.join(anchor).is_ok_and(|from| from == *here);
        next && self.parameter("anchor").is_none_or(from_here)
    }
}

/// Where the page after `here` is, by the values of its `Link` fields; `None` if it is the last one.
///
/// # Errors
///
/// A value is not a list of links: there may be another page.
pub(crate) fn next<'a>(
    here: &Url,
    values: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<String>, String> {
    let mut next = None;
    for value in values {
        let links = str::from_utf8(value).ok().and_then(links);
        let links = links.ok_or("its `Link` field is malformed, so there may be another page")?;
        let found = links.into_iter().find(|link| link.is_next(here));
        next = next.or_else(|| found.map(|link| link.target.trim().to_owned()));
    }
    Ok(next)
}

/// The links of one value. Empty elements between its commas are none.
fn links(value: &str) -> Option<Vec<Link<'_>>> {
    let mut links = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(links);
        }
        let (target, after) = rest.strip_prefix('<')?.split_once('>')?;
        let (parameters, after) = parameters(after)?;
        links.push(Link { target, parameters });
        rest = after;
    }
}

/// The parameters of a link, and what follows the link.
fn parameters(text: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let mut parameters = Vec::new();
    let mut rest = text.trim_start_matches(SPACE);
    while let Some(after) = rest.strip_prefix(';') {
        let (name, after) = word(after.trim_start_matches(SPACE));
        rest = after.trim_start_matches(SPACE);
        let mut value = String::new();
        if let Some(after) = rest.strip_prefix('=') {
            (value, rest) = value_of(after.trim_start_matches(SPACE))?;
            rest = rest.trim_start_matches(SPACE);
        }
        parameters.push((name, value));
    }
    (rest.is_empty() || rest.starts_with(',')).then_some((parameters, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_of(values: &[&str]) -> Result<Option<String>, String> {
        let here = Url::parse("https://r.example/v2/app/referrers/sha256:00").unwrap();
        next(&here, values.iter().map(|value| value.as_bytes()))
    }

    #[test]
    fn the_next_page_is_found_in_every_spelling() {
        for value in [
            r#"</p?n=2>; rel="next""#,
            "</p?n=2>; rel=next",
            "</p?n=2>;rel=next",
            "  </p?n=2> ;\trel = \"next\" ",
            r#"</p?n=2>; REL="next""#,
            r#"</p?n=2>; rel="NEXT""#,
            r#"</p?n=2>; rel="next last""#,
            r#"</p?n=2>; rel="last	next""#,
            r#"</p?n=2>; title="a, b; rel=prev"; rel="next""#,
            r#"</p?n=2>; title="say \"<hi>, rel=prev\""; rel="next""#,
            r#"</p?n=2>; title*=UTF-8''a%2Cb; rel="next""#,
            "</p?n=2>; crossorigin; rel=next",
            "</p?n=2>; rel=next;",
            "</p?n=2>; rel=next; rel=prev",
            r#"</first>; rel="first", </p?n=2>; rel="next""#,
            r#"</first,a>; rel="first",,</p?n=2>; rel="next", "#,
            r#"</p?n=2>; rel="next"; anchor="""#,
            r##"</other>; rel="next"; anchor="/elsewhere", </p?n=2>; rel="next""##,
            r#"< /p?n=2 >; rel="next""#,
        ] {
            assert_eq!(next_of(&[value]), Ok(Some("/p?n=2".to_owned())), "{value}");
            let two = [r#"</first>; rel="first""#, value];
            assert_eq!(next_of(&two), Ok(Some("/p?n=2".to_owned())), "{value}");
        }
        let with_comma = r#"</p?n=2,3;a>; rel="next""#;
        assert_eq!(next_of(&[with_comma]), Ok(Some("/p?n=2,3;a".to_owned())));
    }

    #[test]
    fn other_links_are_not_the_next_page() {
        for value in [
            "",
            " , ",
            "</p>",
            "</p>; rel=prev",
            "</p>; rel=\"nextpage\"",
            "</p>; title=next",
            "</p>; title=\"rel=next\"; rel=\"last\"",
            "</p>; rel=prev; rel=next",
            r#"</p>; rel="next"; anchor="https://other.example/""#,
        ] {
            assert_eq!(next_of(&[value]), Ok(None), "{value}");
        }
        assert_eq!(next_of(&[]), Ok(None));
    }

    #[test]
    fn what_is_malformed_is_not_the_last_page() {
        for value in [
            "</p; rel=next",
            "/p; rel=next",
            "</p> rel=next",
            "</p>; rel=\"next",
            "</a>; rel=prev </p>; rel=next",
            "next",
        ] {
            assert!(next_of(&[value]).is_err(), "{value}");
        }
        let here = Url::parse("https://r.example/").unwrap();
        assert!(next(&here, [&b"<\xff>"[..]].into_iter()).is_err());
    }

    #[test]
    fn no_field_makes_the_parser_panic_or_run_forever() {
        let alphabet = [
            "<", ">", "/p", ";", " ", ",", "=", "\"", "\\", "rel", "next", "é",
        ];
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..10 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                text.push_str(alphabet[usize::try_from(seed >> 33).unwrap() % alphabet.len()]);
            }
            let _ = next_of(&[&text]);
        }
    }
}
