//! Images, small and valid, and how they are put into a registry and read back.

use crate::http::{Request, Response};
use crate::registry::Registry;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Display;

/// Image manifest (OCI image-spec 1.1).
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Image index (OCI image-spec 1.1).
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The architectures of an index's images, in their order.
const ARCHITECTURES: [&str; 5] = ["amd64", "arm64", "ppc64le", "riscv64", "s390x"];

impl Registry {
    /// Pushes an image of one layer, which holds the seed and nothing else, and gives its digest. Equal seeds make equal images.
    ///
    /// # Panics
    ///
    /// The registry refuses it.
    pub fn push_image(&self, repository: &str, tag: &str, seed: impl Display) -> String {
        let manifest = self.image(repository, ARCHITECTURES[0], &seed.to_string());
        self.push_manifest(repository, tag, MANIFEST, &manifest)
    }

    /// Pushes an index of images, one a seed and each for an architecture of its own, and gives its digest and theirs. Only the index is tagged.
    ///
    /// # Panics
    ///
    /// The registry refuses it, or there are more seeds than architectures.
    pub fn push_index(
        &self,
        repository: &str,
        tag: &str,
        seeds: &[impl Display],
    ) -> (String, Vec<String>) {
        assert!(seeds.len() <= ARCHITECTURES.len(), "too many seeds");
        let mut digests = Vec::new();
        let mut manifests = Vec::new();
        for (seed, architecture) in seeds.iter().zip(ARCHITECTURES) {
            let manifest = self.image(repository, architecture, &seed.to_string());
            let digest = digest(manifest.as_bytes());
            self.push_manifest(repository, &digest, MANIFEST, &manifest);
            let mut entry = descriptor(MANIFEST, manifest.as_bytes());
            entry["platform"] = json!({ "architecture": architecture, "os": "linux" });
            manifests.push(entry);
            digests.push(digest);
        }
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
        let digest = self.push_manifest(repository, tag, INDEX, &index.to_string());
        (digest, digests)
    }

    /// Pushes what an image is made of, and gives its manifest.
    fn image(&self, repository: &str, architecture: &str, seed: &str) -> String {
        let layer = layer(seed);
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        let config = config.to_string();
        self.push_blob(repository, config.as_bytes());
        self.push_blob(repository, &layer);
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, config.as_bytes()),
            "layers": [descriptor(LAYER, &layer)],
        })
        .to_string()
    }

    /// Pushes a blob, and gives its digest.
    ///
    /// # Panics
    ///
    /// The registry refuses it.
    pub fn push_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let begun = self.request(&Request::new("POST", &path));
        assert_eq!(begun.status, 202, "{}", self.log());
        let location = begun.headers.value("Location").expect("a place to send to");
        let location = location.strip_prefix(&self.url()).unwrap_or(location);
        let separator = if location.contains('?') { '&' } else { '?' };
        let digest = digest(bytes);
        let path = format!("{location}{separator}digest={digest}");
        let put = self.put(&path, "application/octet-stream", bytes);
        assert_eq!(put.status, 201, "{}", self.log());
        digest
    }

    /// Pushes a manifest under a tag or its digest, and gives its digest.
    ///
    /// # Panics
    ///
    /// The registry refuses it.
    pub fn push_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        manifest: &str,
    ) -> String {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let put = self.put(&path, media_type, manifest);
        assert_eq!(put.status, 201, "{}", self.log());
        digest(manifest.as_bytes())
    }

    /// Gets a path, such as `/v2/app/manifests/v1`, as one of these media types.
    #[must_use]
    pub fn get(&self, path: &str, accept: &str) -> Response {
        self.request(&Request::new("GET", path).header("Accept", accept))
    }

    /// Puts a body to a path.
    #[must_use]
    pub fn put(&self, path: &str, media_type: &str, body: impl Into<Vec<u8>>) -> Response {
        self.request(&Request::new("PUT", path).body(media_type, body))
    }

    /// Deletes what is at a path.
    #[must_use]
    pub fn delete(&self, path: &str) -> Response {
        self.request(&Request::new("DELETE", path))
    }

    /// A manifest by its tag or digest. `None` if there is none.
    ///
    /// # Panics
    ///
    /// The registry answers something else.
    #[must_use]
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<Value> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let answer = self.get(&path, &format!("{MANIFEST}, {INDEX}"));
        self.found(&answer).then(|| answer.json())
    }

    /// A blob's bytes. `None` if there is none.
    ///
    /// # Panics
    ///
    /// The registry answers something else.
    #[must_use]
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        let answer = self.get(&format!("/v2/{repository}/blobs/{digest}"), "*/*");
        self.found(&answer).then_some(answer.body)
    }

    /// What refers to this digest: the descriptors that the referrers API lists, or where there is none, those of the fallback tag.
    ///
    /// # Panics
    ///
    /// The registry answers something else.
    #[must_use]
    pub fn referrers(&self, repository: &str, digest: &str) -> Vec<Value> {
        let answer = self.get(&format!("/v2/{repository}/referrers/{digest}"), INDEX);
        let index = if [404, 405].contains(&answer.status) {
            self.manifest(repository, &digest.replace(':', "-"))
        } else {
            self.found(&answer).then(|| answer.json())
        };
        let manifests = index
            .as_ref()
            .and_then(|index| index["manifests"].as_array());
        manifests.cloned().unwrap_or_default()
    }

    /// The repository's tags, in order; no tags, if there is no such repository.
    ///
    /// # Panics
    ///
    /// The registry answers something else.
    #[must_use]
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let path = format!("/v2/{repository}/tags/list");
        let answer = self.get(&path, "application/json");
        if !self.found(&answer) {
            return Vec::new();
        }
        let mut tags = answer.json()["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|tag| tag.as_str().expect("a tag is a text").to_owned())
            .collect::<Vec<_>>();
        tags.sort();
        tags
    }

    fn found(&self, answer: &Response) -> bool {
        let status = answer.status;
        assert!([200, 404].contains(&status), "{status}: {}", self.log());
        status == 200
    }
}

/// `sha256:HEX`
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

/// A tar of one file.
fn layer(seed: &str) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_size(seed.len() as u64);
    header.set_mode(0o644);
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_data(&mut header, "seed", seed.as_bytes())
        .expect("memory takes it");
    tar.into_inner().expect("memory takes it")
}
