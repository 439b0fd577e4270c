//! The words that the user has typed, which are no secret to anyone who reads what follows.

/// Those that hold a text, and of a flag with its value the value. They are read where the system keeps them, since they may be a
/// hundred thousand.
pub(crate) fn holding(text: &str) -> Vec<String> {
    let words = std::env::args_os()
        .skip(1)
        .filter_map(|word| word.into_string().ok());
    let mut holding: Vec<String> = words
        .map(|word| match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => value.to_owned(),
            _ => word,
        })
        .filter(|word| word.contains(text))
        .collect();
    holding.dedup();
    holding
}
