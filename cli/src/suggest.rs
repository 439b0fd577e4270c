//! "Did you mean …?"

/// The closest of some names, if it is close enough to be a slip of the finger.
pub(crate) fn closest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4 && *distance < word.len().max(2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_corrected_and_a_stranger_is_not() {
        let names = ["sign", "verify", "inspect"];
        assert_eq!(closest("sing", names.into_iter()), Some("sign"));
        assert_eq!(closest("verfy", names.into_iter()), Some("verify"));
        assert_eq!(closest("deploy", names.into_iter()), None);
    }
}
