//! What the first line of a PEM block tells ([RFC 7468]): the one place that knows which labels are those of private keys.
//!
//! [RFC 7468]: https://www.rfc-editor.org/rfc/rfc7468

use crate::text::{Instead, clean};

/// What stands before the label in a block's first line.
pub const BEGIN: &str = "-----BEGIN ";

/// The longest label that is shown, in characters. Real ones have half as many.
const MAX_LABEL: usize = 60;

/// What the labels of private keys end with: `EC PRIVATE KEY`, `ENCRYPTED SIGSTORE PRIVATE KEY`, `OPENSSH PRIVATE KEY`.
const PRIVATE_KEY: &str = "PRIVATE KEY";

/// Whether a block of this label holds a private key, encrypted or not.
#[must_use]
pub fn is_private_key_label(label: &str) -> bool {
    label.ends_with(PRIVATE_KEY)
}

/// Whether a text has the first or the last line of a private key in it, however the rest is broken.
#[must_use]
pub fn holds_private_key(text: &str) -> bool {
    text.match_indices(PRIVATE_KEY)
        .any(|(at, found)| text[at + found.len()..].starts_with("-----"))
}

/// A label, fit to be shown, if it is written as labels are: in a broken file a part of a key may stand there.
#[must_use]
pub fn shown_label(label: &str) -> String {
    let as_labels_are = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || " #-".contains(c);
    if label.chars().all(as_labels_are) {
        clean(label, Instead::Mark, MAX_LABEL)
    } else {
        "…".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_of_a_private_key_is_known_and_no_other() {
        for label in [
            "PRIVATE KEY",
            "EC PRIVATE KEY",
            "RSA PRIVATE KEY",
            "DSA PRIVATE KEY",
            "OPENSSH PRIVATE KEY",
            "ENCRYPTED PRIVATE KEY",
            "ENCRYPTED SIGSTORE PRIVATE KEY",
            "ENCRYPTED COSIGN PRIVATE KEY",
        ] {
            assert!(is_private_key_label(label), "{label}");
            assert!(holds_private_key(&format!("x\n{BEGIN}{label}-----\nMC4")));
        }
        for label in ["PUBLIC KEY", "CERTIFICATE", "PRIVATE KEY INFO", ""] {
            assert!(!is_private_key_label(label), "{label}");
            assert!(!holds_private_key(&format!("{BEGIN}{label}-----")));
        }
        assert!(!holds_private_key("a PRIVATE KEY of mine"));
    }

    #[test]
    fn a_part_of_a_key_in_place_of_a_label_is_not_shown() {
        assert_eq!(shown_label("EC PRIVATE KEY"), "EC PRIVATE KEY");
        assert_eq!(shown_label("MC4CAQAwBQYDK2VwBCIEIbq"), "…");
        assert_eq!(
            shown_label(&"A".repeat(99)),
            format!("{}…", "A".repeat(MAX_LABEL))
        );
    }
}
