//! Artifacts that are archives, small and deterministic.

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::{DeflateEncoder, GzEncoder};
use rawzip::{CompressionMethod, ZipArchiveWriter};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

/// A Helm chart of this name and version, as `helm package` makes it.
///
/// # Panics
///
/// Never: it is written to memory.
#[must_use]
pub fn chart(name: &str, version: &str) -> Vec<u8> {
    let content = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    tar.append_data(
        &mut header,
        format!("{name}/Chart.yaml"),
        content.as_bytes(),
    )
    .expect("memory takes it");
    let gzip = tar.into_inner().expect("memory takes it");
    gzip.finish().expect("memory takes it")
}

/// A ZIP archive, such as a `.jar` is, with these files.
///
/// # Panics
///
/// A name is too long for an archive.
#[must_use]
pub fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipArchiveWriter::new(Vec::new());
    for (name, content) in files {
        let file = zip
            .new_file(*name)
            .compression_method(CompressionMethod::DEFLATE);
        let (mut entry, config) = file.start().expect("memory takes it");
        let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::fast()));
        writer
            .write_all(content.as_bytes())
            .expect("memory takes it");
        let (encoder, descriptor) = writer.finish().expect("memory takes it");
        encoder.finish().expect("memory takes it");
        entry.finish(descriptor).expect("memory takes it");
    }
    zip.finish().expect("memory takes it")
}

/// The files of a package (`.crate`) by their paths in it, without the folder that all of them are in.
///
/// # Panics
///
/// It is not a gzipped tar archive.
#[must_use]
pub fn unpacked(package: &[u8]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut archive = tar::Archive::new(GzDecoder::new(package));
    let entries = archive.entries().expect("a tar archive");
    entries
        .map(|entry| {
            let mut entry = entry.expect("a tar archive");
            let path = entry.path().expect("a path").into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("memory takes it");
            (path.iter().skip(1).collect(), content)
        })
        .collect()
}
