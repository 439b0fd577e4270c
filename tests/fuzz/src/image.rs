//! What names images, and what registries say of them.

#[allow(dead_code)]
#[path = "../../../backends/oci/src/failure.rs"]
mod failure;
#[allow(dead_code)]
#[path = "../../../backends/oci/src/manifest.rs"]
mod manifest;
#[allow(dead_code)]
#[path = "../../../backends/oci/src/reference.rs"]
mod reference;

use manifest::{Descriptor, Manifest};
use sigtool_sdk::types::ImageRef;

/// A reference: what is printed or pinned is read as the same again.
pub(crate) fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(image) = reference::image(text) else {
        return;
    };
    assert_eq!(image.to_string().parse::<ImageRef>().as_ref(), Ok(&image));
    let repository = image.repository();
    let digest = manifest::sha256(bytes);
    let pinned = repository.pinned(&digest).to_string();
    let (again, same) = reference::pinned(&pinned).expect("what is pinned is a reference");
    assert_eq!((again.pinned(&same).to_string(), same), (pinned, digest));
    // Nothing that changes the address of a request gets into it.
    for part in [repository.host(), repository.address(), repository.path()] {
        assert!(
            !part.contains(|c: char| c.is_whitespace() || c.is_control() || "?#@%\\".contains(c)),
            "{part:?}"
        );
    }
    assert!(!repository.path().contains(".."), "{text:?}");
}

/// What a manifest or an index says of itself and of what it lists.
pub(crate) fn facts(bytes: &[u8]) -> Option<(String, Vec<Option<Descriptor>>)> {
    let manifest = Manifest::parse(bytes.to_vec(), None).ok()?;
    let lists = ["manifests", "layers"].map(|name| manifest.list(name));
    let entries = lists
        .into_iter()
        .flatten()
        .map(|entry| Descriptor::parse(entry).ok());
    Some((manifest.media_type.clone(), entries.collect()))
}

/// A manifest or an index, and the descriptors in it: what is written again is read as the same.
pub(crate) fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes.to_vec(), None) else {
        return;
    };
    for list in ["manifests", "layers"] {
        for entry in manifest.list(list) {
            if let Ok(descriptor) = Descriptor::parse(entry) {
                let written = manifest::encode(entry).expect("what was read can be written");
                let value = serde_json::from_slice(&written).expect("JSON");
                let again = Descriptor::parse(&value).expect("a descriptor");
                assert_eq!(again.digest, descriptor.digest);
            }
        }
    }
    let _ = manifest.descriptor();
}
