//! What a file is: Helm charts, jar and war, manifests.

#[path = "../../../backends/local-stage/src/detect/mod.rs"]
mod detect;
#[allow(dead_code)]
#[path = "../../../backends/local-stage/src/failure.rs"]
mod failure;
#[allow(dead_code)]
#[path = "../../../backends/local-stage/src/file.rs"]
mod file;
#[path = "../../../backends/local-stage/src/text.rs"]
mod text;

use file::Found;
use flate2::Compression;
use flate2::write::GzEncoder;
use sigtool_sdk::text::is_treacherous;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The endings that decide beside the content.
const NAMES: [&str; 4] = ["a.jar", "a.tgz", "a.war", "a.yaml"];

/// A file of any kind: what is told of it can be shown. A tar is packed first: a packed one that is changed is no longer gzip.
pub(crate) fn archive(bytes: &[u8]) {
    if bytes.get(257..262) == Some(b"ustar") {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
        gzip.write_all(bytes).expect("memory takes it");
        told(&gzip.finish().expect("memory takes it"));
    } else {
        told(bytes);
    }
}

fn told(bytes: &[u8]) {
    thread_local! {
        static FILES: (TempDir, [PathBuf; NAMES.len()]) = one_file();
    }
    FILES.with(|(_, paths)| {
        std::fs::write(&paths[0], bytes).expect("a file to write");
        paths.iter().for_each(|path| detected(path));
    });
}

/// One file under all of the names.
fn one_file() -> (TempDir, [PathBuf; NAMES.len()]) {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = NAMES.map(|name| folder.path().join(name));
    std::fs::write(&paths[0], "").expect("a file");
    for path in &paths[1..] {
        std::fs::hard_link(&paths[0], path).expect("another name");
    }
    (folder, paths)
}

fn detected(path: &Path) {
    let Ok(Found::File(file)) = file::find(path) else {
        panic!("it is a file");
    };
    let detected = detect::detect(&file);
    assert!(!detected.name.is_empty());
    for text in [Some(detected.name), detected.version, detected.note] {
        let text = text.unwrap_or_default();
        assert!(!text.contains(is_treacherous), "{text:?}");
    }
}
