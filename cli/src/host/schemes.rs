//! Schemes: what stands before the colon of a reference. Those of sigtool's own backends are theirs, whoever else is there.

use sigtool_sdk::{Kind, Manifest};

/// The schemes of sigtool's own backends. A test holds them against the manifests.
const OWN: &[(Kind, &str, &str)] = &[
    (Kind::Signer, "file", "cosign-key"),
    (Kind::Signer, "env", "cosign-key"),
    (Kind::Source, "file", "local-stage"),
    (Kind::Source, "oci", "oci"),
];

/// Which of sigtool's own backends serves a scheme, for a kind.
pub(super) fn owner(kind: Kind, scheme: &str) -> Option<&'static str> {
    OWN.iter()
        .find(|(own_kind, own, _)| *own_kind == kind && *own == scheme)
        .map(|(_, _, id)| *id)
}

/// What is wrong with the schemes that a manifest claims: one that is no scheme, or in somebody else's manifest one of sigtool's own.
pub(super) fn problem(manifest: &Manifest) -> Option<String> {
    let is_ours = manifest.id.is_first_party();
    manifest.schemes.iter().find_map(|scheme| {
        if !is_scheme(scheme) {
            return Some(format!(
                "it claims the scheme {}, which is not one: a scheme is a lowercase letter, then letters, digits, `+`, `-` or dots",
                sigtool_sdk::text::quoted(scheme)
            ));
        }
        let own = OWN.iter().find(|(_, own, _)| *own == scheme && !is_ours)?;
        Some(format!(
            "it claims the scheme `{scheme}`, which is that of sigtool's own backend `{}`",
            own.2
        ))
    })
}

/// Whether a text is a scheme, as RFC 3986 has it; in lowercase, so that equal ones are equal text.
fn is_scheme(text: &str) -> bool {
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemes_of_our_backends_are_those_of_their_manifests() {
        let mut declared = Vec::new();
        for text in [
            include_str!("../../../backends/cosign-key/sigtool-backend.toml"),
            include_str!("../../../backends/local-stage/sigtool-backend.toml"),
            include_str!("../../../backends/oci/sigtool-backend.toml"),
        ] {
            let manifest = Manifest::parse(text).unwrap();
            assert_eq!(problem(&manifest), None);
            for kind in &manifest.kinds {
                let row = |scheme| (*kind, String::clone(scheme), manifest.id.to_string());
                declared.extend(manifest.schemes.iter().map(row));
            }
        }
        let own = OWN.iter();
        let own: Vec<_> = own
            .map(|(k, s, id)| (*k, (*s).to_owned(), (*id).to_owned()))
            .collect();
        assert_eq!(own, declared);
    }

    #[test]
    fn what_is_no_scheme_is_told() {
        for wrong in [
            "", "Shelf", "1shelf", "shelf:", "shelf://", "she lf", "shélf", "../x", "-",
        ] {
            assert!(!is_scheme(wrong), "{wrong}");
        }
        for right in ["shelf", "a", "pkcs11", "git+ssh", "x-y.z"] {
            assert!(is_scheme(right), "{right}");
        }
    }
}
