//! The names of signatures, which the host gives back to have one replaced or removed.

use crate::failure::invalid;
use crate::manifest::sha256;
use crate::reference::parse_digest;
use sigtool_sdk::Result;
use sigtool_sdk::text::quoted;
use sigtool_sdk::types::Digest;
use std::fmt;

/// The name of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    /// The manifest of this digest, in the fallback index: `fallback:sha256:…`.
    Fallback(Digest),
    /// A layer of the `.sig` tag: `sig:` and hexadecimal digits.
    Layer(String),
    /// One of several signatures in one manifest that points at the image: `part:sha256:…:` and hexadecimal digits. It can be
    /// read, but not removed without the others.
    Part(Digest, String),
    /// The manifest of this digest, which points at the image: `referrer:sha256:…`.
    Referrer(Digest),
}

impl Id {
    /// Reads the name of a signature.
    ///
    /// # Errors
    ///
    /// `invalid-request`: it is not one that we gave.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let parsed = match text.split_once(':') {
            Some(("fallback", digest)) => parse_digest(digest).ok().map(Self::Fallback),
            Some(("referrer", digest)) => parse_digest(digest).ok().map(Self::Referrer),
            Some(("sig", layer)) if is_layer(layer) => Some(Self::Layer(layer.to_owned())),
            Some(("part", rest)) => rest.rsplit_once(':').and_then(|(digest, layer)| {
                let digest = parse_digest(digest).ok()?;
                is_layer(layer).then(|| Self::Part(digest, layer.to_owned()))
            }),
            _ => None,
        };
        parsed.ok_or_else(|| invalid(format!("{} is not a signature of an image", quoted(text))))
    }

    /// The names of signatures, all or none.
    ///
    /// # Errors
    ///
    /// As [`Id::parse`].
    pub(crate) fn parse_all(texts: &[String]) -> Result<Vec<Self>> {
        texts.iter().map(|text| Self::parse(text)).collect()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fallback(digest) => write!(f, "fallback:{digest}"),
            Self::Layer(layer) => write!(f, "sig:{layer}"),
            Self::Part(digest, layer) => write!(f, "part:{digest}:{layer}"),
            Self::Referrer(digest) => write!(f, "referrer:{digest}"),
        }
    }
}

/// What tells layers apart: two signers of one payload have layers of the same digest.
pub(crate) fn layer_name(signature: &str, layer: &Digest) -> String {
    sha256(format!("{signature}:{layer}").as_bytes()).to_hex()
}

fn is_layer(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigtool_sdk::ErrorCode;

    #[test]
    fn only_names_that_we_gave_are_read() {
        let digest = sha256(b"abc");
        let layer = layer_name("MEUC", &digest);
        for id in [
            Id::Fallback(digest.clone()),
            Id::Layer(layer.clone()),
            Id::Part(digest.clone(), layer),
            Id::Referrer(digest),
        ] {
            assert_eq!(Id::parse(&id.to_string()).unwrap(), id);
        }
        for text in [
            "",
            "/etc/passwd",
            "referrer:",
            "referrer:sha256:abc",
            "sig:ABC",
            "sig:../../x",
            "part:sha256:abc:def",
            "no-such-signature",
        ] {
            let error = Id::parse_all(&[text.to_owned()]).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{text}");
        }
    }
}
