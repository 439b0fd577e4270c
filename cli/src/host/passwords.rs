//! Where the passwords of keys come from, when the configuration names no place for them.

use super::opening::SecretSource;
use sigtool_sdk::types::Secret;

/// Where the password of a key is asked for, in a signer's settings.
pub(super) const PASSWORD: &str = "/password";

/// The same for the password that a key gets.
pub(crate) const NEW_PASSWORD: &str = "/new_password";

/// The variable for the password that a key gets.
pub(super) const NEW: &str = "SIGTOOL_NEW_PASSWORD";

/// The variables for the password that a key has.
pub(super) const PRESENT: [&str; 2] = ["SIGTOOL_PASSWORD", COSIGN];

/// cosign's variable for both.
const COSIGN: &str = "COSIGN_PASSWORD";

/// What the environment answers, if it does; `value_of` gives the value of a variable that is set.
///
/// An empty variable counts as not set; the empty password is tried anyway. For a new password, an empty one of the two variables that
/// are there for it is an answer: none is wanted. `may_be_old` says that the new password may be the present one: where there is no key
/// yet.
pub(crate) fn in_environment(
    value_of: impl Fn(&str) -> Option<Secret>,
    pointer: &str,
    may_be_old: bool,
) -> Option<SecretSource> {
    let is_new = pointer == NEW_PASSWORD;
    let new = is_new.then_some(NEW);
    let present = PRESENT.iter().filter(|_| !is_new || may_be_old);
    let answer = |name: &'static str| {
        let value = value_of(name)?;
        match value.expose().is_empty() {
            false => Some(SecretSource::Variable(name.to_owned())),
            true => (is_new && [NEW, COSIGN].contains(&name)).then_some(SecretSource::Empty),
        }
    };
    new.into_iter().chain(present.copied()).find_map(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The variable that answers; an empty text for the answer that none is wanted.
    fn answer(set: &[(&str, &str)], pointer: &str, may_be_old: bool) -> Option<String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: BTreeMap<String, String> = set.iter().map(own).collect();
        let value_of = |name: &str| environment.get(name).cloned().map(Secret::from);
        in_environment(value_of, pointer, may_be_old).map(|source| match source {
            SecretSource::Variable(name) => name,
            SecretSource::Empty => String::new(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn an_empty_variable_is_an_answer_only_where_a_new_password_is_wanted() {
        let (sigtool, cosign) = ("SIGTOOL_PASSWORD", COSIGN);
        for (set, present, new, changed) in [
            (&[][..], None, None, None),
            (
                &[(sigtool, ""), (cosign, "x")],
                Some(cosign),
                Some(cosign),
                None,
            ),
            (&[(sigtool, "")], None, None, None),
            (&[(cosign, "")], None, Some(""), None),
            (
                &[(NEW, ""), (sigtool, "x")],
                Some(sigtool),
                Some(""),
                Some(""),
            ),
            (
                &[(NEW, "y"), (sigtool, "x")],
                Some(sigtool),
                Some(NEW),
                Some(NEW),
            ),
            (
                &[(sigtool, "x"), (cosign, "")],
                Some(sigtool),
                Some(sigtool),
                None,
            ),
        ] {
            assert_eq!(answer(set, PASSWORD, true).as_deref(), present, "{set:?}");
            assert_eq!(answer(set, NEW_PASSWORD, true).as_deref(), new, "{set:?}");
            assert_eq!(
                answer(set, NEW_PASSWORD, false).as_deref(),
                changed,
                "{set:?}"
            );
        }
    }
}
