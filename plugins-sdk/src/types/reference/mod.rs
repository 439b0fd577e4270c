//! What is signed, by its name: a file of this machine, or an image in a registry.
//!
//! Messages carry a reference as the text that a source gave, and it goes back to the source unchanged. Code that has to know
//! what it names parses it once, into a [`Reference`], and asks that.

mod guess;
mod image;

pub use guess::{is_surely_image, looks_like_image};
pub use image::{
    DOCKER_HUB, ImageRef, ParseImageError, Repository, canonical_registry, names_registry,
};

use super::ArtifactKind;
use std::fmt;
use std::path::{Path, PathBuf};

/// What is signed, by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// A file, by its path.
    File(PathBuf),
    /// An image, or anything else that has a manifest in a registry.
    Image(ImageRef),
}

impl Reference {
    /// Reads the reference of an artifact of this kind, as its source gave it.
    ///
    /// # Errors
    ///
    /// It is that of an image, and not written as images are.
    pub fn parse(kind: ArtifactKind, text: &str) -> Result<Self, ParseImageError> {
        match kind {
            ArtifactKind::ContainerImage => text.parse().map(Self::Image),
            _ => Ok(Self::File(text.into())),
        }
    }

    /// The path, if it is a file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Image(_) => None,
        }
    }

    /// The image, if it is one.
    #[must_use]
    pub fn image(&self) -> Option<&ImageRef> {
        match self {
            Self::File(_) => None,
            Self::Image(image) => Some(image),
        }
    }
}

impl From<ImageRef> for Reference {
    fn from(image: ImageRef) -> Self {
        Self::Image(image)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Image(image) => image.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_tells_a_path_from_an_image_however_it_is_written() {
        let text = "ghcr.io/acme/app:1.2";
        let file = Reference::parse(ArtifactKind::Unknown, text).unwrap();
        assert_eq!(file.path(), Some(Path::new(text)));
        let image = Reference::parse(ArtifactKind::ContainerImage, text).unwrap();
        assert_eq!(image.image().unwrap().tag(), Some("1.2"));
        for reference in [file, image] {
            assert_eq!(reference.to_string(), text);
        }
        assert!(Reference::parse(ArtifactKind::ContainerImage, "/tmp/A").is_err());
    }
}
