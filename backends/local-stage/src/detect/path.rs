//! Name and version from a file's name, the last resort: `app-1.2.3.jar` is `app` in version `1.2.3`.

/// Takes the ending off, and splits at the last hyphen before something that begins like a version: digits, a dot, a digit.
///
/// So `log4j-1.2-api-2.17.jar` is `log4j-1.2-api` in version `2.17`, `app-1.2.3-SNAPSHOT.jar` is `app` in `1.2.3-SNAPSHOT`, and
/// `utf-8.jar` is `utf-8` in no version.
pub(super) fn name_and_version(file_name: &str) -> (String, Option<String>) {
    let stem = match file_name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => file_name,
    };
    stem.rmatch_indices('-')
        .map(|(at, _)| (&stem[..at], &stem[at + 1..]))
        .find(|(name, version)| !name.is_empty() && begins_like_a_version(version))
        .map_or_else(
            || (stem.to_owned(), None),
            |(name, version)| (name.to_owned(), Some(version.to_owned())),
        )
}

fn begins_like_a_version(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < text.len()
        && rest
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_split_at_its_version() {
        for (file, name, version) in [
            ("app-1.2.3.jar", "app", Some("1.2.3")),
            ("app-1.2.3-SNAPSHOT.jar", "app", Some("1.2.3-SNAPSHOT")),
            (
                "app-1.2.3-rc.1+build.5.war",
                "app",
                Some("1.2.3-rc.1+build.5"),
            ),
            ("log4j-1.2-api-2.17.jar", "log4j-1.2-api", Some("2.17")),
            ("app.jar", "app", None),
            ("utf-8.jar", "utf-8", None),
            ("my-app.jar", "my-app", None),
            ("-1.2.jar", "-1.2", None),
            (".jar", ".jar", None),
            ("app-1..jar", "app-1.", None),
        ] {
            let expected = (name.to_owned(), version.map(str::to_owned));
            assert_eq!(name_and_version(file), expected, "{file}");
        }
    }
}
