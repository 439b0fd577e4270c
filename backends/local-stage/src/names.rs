//! How the signatures beside a file are named: `FILE.sigstore.json` and `FILE.sig` for its first signer,
//! `FILE.<hint>.sigstore.json` and `FILE.<hint>.sig` for others, where the hint is eight lowercase hexadecimal digits.

use crate::failure::invalid;
use sigtool_sdk::Result;
use sigtool_sdk::text::quoted_path;
use sigtool_sdk::types::SignatureFormat;
use std::path::{Path, PathBuf};

/// The formats that are kept beside files, in the order in which they are looked for.
pub(crate) const FORMATS: [SignatureFormat; 2] = [SignatureFormat::Bundle, SignatureFormat::Cosign];

/// The ending of a format's signatures; `None` for a format of the future.
pub(crate) fn ending(format: SignatureFormat) -> Option<&'static str> {
    match format {
        SignatureFormat::Bundle => Some(".sigstore.json"),
        SignatureFormat::Cosign => Some(".sig"),
        SignatureFormat::Other => None,
    }
}

/// The flag that writes a signature of this format to another place.
pub(crate) fn flag(format: SignatureFormat) -> &'static str {
    match format {
        SignatureFormat::Cosign => "--signature",
        _ => "--bundle",
    }
}

/// Whether a file of this name is a signature, of whatever artifact.
pub(crate) fn is_signature(name: &str) -> bool {
    FORMATS
        .into_iter()
        .filter_map(ending)
        .any(|ending| name.ends_with(ending))
}

/// The artifact that a signature with a hint belongs to, by its file name: `app.jar` for `app.jar.0a1b2c3d.sig`.
pub(crate) fn signed_by_hint(name: &str) -> Option<&str> {
    let stem = FORMATS
        .into_iter()
        .filter_map(ending)
        .find_map(|ending| name.strip_suffix(ending))?;
    let (artifact, hint) = stem.rsplit_once('.')?;
    (is_hint(hint) && !artifact.is_empty()).then_some(artifact)
}

/// The artifacts that a file of this name may be a signature of: `app.jar.0a1b2c3d` and `app.jar` for `app.jar.0a1b2c3d.sig`.
pub(crate) fn signed(name: &str) -> impl Iterator<Item = &str> {
    let endings = FORMATS.into_iter().filter_map(ending);
    let stems = endings.filter_map(|ending| name.strip_suffix(ending));
    stems.chain(signed_by_hint(name))
}

/// Whether this is a hint: the first eight lowercase hexadecimal digits of a key's digest.
pub(crate) fn is_hint(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A file, as the place beside which its signatures lie.
#[derive(Clone, Debug)]
pub(crate) struct Artifact {
    reference: String,
}

impl Artifact {
    /// The artifact that a reference names. It need not exist.
    ///
    /// # Errors
    ///
    /// `invalid-request` if it is not an absolute path of a file.
    pub(crate) fn parse(reference: &str) -> Result<Self> {
        let name = reference.rsplit('/').next().unwrap_or_default();
        if !reference.starts_with('/') {
            return Err(invalid(format!(
                "{} is not an absolute path",
                quoted_path(reference)
            )));
        }
        if reference.contains('\0') {
            return Err(invalid(format!("{} is not a path", quoted_path(reference))));
        }
        if matches!(name, "" | "." | "..") {
            return Err(invalid(format!("{} names no file", quoted_path(reference))));
        }
        Ok(Self {
            reference: reference.to_owned(),
        })
    }

    /// The file's own name.
    pub(crate) fn name(&self) -> &str {
        self.reference.rsplit('/').next().unwrap_or_default()
    }

    /// The folder that it lies in.
    pub(crate) fn folder(&self) -> &Path {
        // An absolute path with a name has one.
        Path::new(&self.reference)
            .parent()
            .unwrap_or(Path::new("/"))
    }

    /// The path of its first signer's signature.
    pub(crate) fn first(&self, ending: &str) -> String {
        format!("{}{ending}", self.reference)
    }

    /// The path of another signer's signature.
    pub(crate) fn other(&self, hint: &str, ending: &str) -> String {
        format!("{}.{hint}{ending}", self.reference)
    }

    /// The path of another artifact beside it, whose first signature would have the name that `hint` gives ours.
    pub(crate) fn namesake(&self, hint: &str) -> PathBuf {
        PathBuf::from(format!("{}.{hint}", self.reference))
    }

    /// The format of the signature with this id, if it is one of this artifact.
    ///
    /// The whole rule is about text: what is left of the id after the artifact's own reference has no `/`, so that an id names
    /// nothing but a signature beside it.
    pub(crate) fn format_of(&self, id: &str) -> Option<SignatureFormat> {
        let rest = id.strip_prefix(&self.reference)?;
        FORMATS.into_iter().find(|format| {
            ending(*format)
                .and_then(|ending| rest.strip_suffix(ending))
                .is_some_and(|hint| hint.is_empty() || hint.strip_prefix('.').is_some_and(is_hint))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_nothing_but_a_signature_of_that_very_artifact() {
        let artifact = Artifact::parse("/s/app.jar").unwrap();
        let format = |id| artifact.format_of(id);
        assert_eq!(
            format("/s/app.jar.sigstore.json"),
            Some(SignatureFormat::Bundle)
        );
        assert_eq!(
            format("/s/app.jar.0a1b2c3d.sigstore.json"),
            Some(SignatureFormat::Bundle)
        );
        assert_eq!(format("/s/app.jar.sig"), Some(SignatureFormat::Cosign));
        assert_eq!(
            format("/s/app.jar.0a1b2c3d.sig"),
            Some(SignatureFormat::Cosign)
        );
        for id in [
            "/s/app.jar",
            "/s/app.jar.",
            "/s/other.jar.sig",
            "/etc/passwd",
            "/s/app.jar/../x.sig",
            "/s/app.jar.0A1B2C3D.sig",
            "/s/app.jar.0a1b2c3.sig",
            "/s/app.jar.0a1b2c3d.0a1b2c3d.sig",
            "/s/app.jar0a1b2c3d.sig",
            "app.jar.sig",
            "",
        ] {
            assert_eq!(format(id), None, "{id}");
        }
    }

    #[test]
    fn a_reference_that_names_no_file_is_refused() {
        for reference in ["app.jar", "", "/", "/s/", "/s/.", "/s/..", "/s/a\0b"] {
            assert!(Artifact::parse(reference).is_err(), "{reference}");
        }
        let artifact = Artifact::parse("/app.jar").unwrap();
        assert_eq!(
            (artifact.name(), artifact.folder()),
            ("app.jar", Path::new("/"))
        );
    }

    #[test]
    fn signatures_are_told_from_artifacts_by_their_names() {
        for name in ["a.sig", "a.sigstore.json", "a.0a1b2c3d.sig", ".sig"] {
            assert!(is_signature(name), "{name}");
        }
        for name in ["a.json", "a.sign", "sig", "a.sig.txt"] {
            assert!(!is_signature(name), "{name}");
        }
        assert_eq!(signed_by_hint("a.b.0a1b2c3d.sigstore.json"), Some("a.b"));
        assert_eq!(signed_by_hint("a.0a1b2c3d.sig"), Some("a"));
        assert_eq!(signed_by_hint("a.sig"), None);
        assert_eq!(signed_by_hint(".0a1b2c3d.sig"), None);
        let signed = |name| signed(name).collect::<Vec<_>>();
        assert_eq!(signed("a.0a1b2c3d.sig"), ["a.0a1b2c3d", "a"]);
        assert_eq!(signed("a.sigstore.json"), ["a"]);
        assert!(signed("a.json").is_empty());
    }
}
