//! "Did you mean …?"

/// The closest of some names, if it is close enough to be a slip of the finger: `default-profile` for `Default_Profle`.
pub(crate) fn closest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let meant = plain(word);
    let allowed = (meant.chars().count() / 3).max(1);
    names
        .map(|name| (strsim::damerau_levenshtein(&meant, &plain(name)), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_corrected_and_a_stranger_is_not() {
        let names = ["sign", "verify", "inspect", "default_profile"];
        assert_eq!(closest("sing", names.into_iter()), Some("sign"));
        assert_eq!(closest("verfy", names.into_iter()), Some("verify"));
        assert_eq!(
            closest("Default-Profile", names.into_iter()),
            Some("default_profile")
        );
        assert_eq!(closest("deploy", names.into_iter()), None);
    }
}
