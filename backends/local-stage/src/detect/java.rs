//! Java archives: ZIP (PKWARE APPNOTE) with `META-INF/MANIFEST.MF` ([JAR specification]); a web archive has `WEB-INF/` besides.
//!
//! The table of contents is read entry by entry, in constant memory; nothing is unpacked but the manifest and Maven's
//! `pom.properties`.
//!
//! [JAR specification]: https://docs.oracle.com/en/java/javase/21/docs/specs/jar/jar.html

use super::window::Window;
use super::{Examined, Facts, Unclear, bytes, entry_name, leaves_its_folder};
use flate2::read::DeflateDecoder;
use rawzip::{
    CompressionMethod, RECOMMENDED_BUFFER_SIZE, ZipArchive, ZipArchiveEntryWayfinder,
    ZipFileHeaderRecord, ZipLocator,
};
use sigtool_sdk::types::ArtifactKind;
use std::fmt::Display;
use std::io::Read;

/// How many entries are looked at. The largest archives in use have some 100,000; this many take 20 ms.
const MAX_ENTRIES: u64 = 500_000;

/// The longest table of contents, in bytes.
const MAX_DIRECTORY: u64 = 64 * 1024 * 1024;

/// The largest manifest or `pom.properties`, in bytes.
const MAX_ENTRY: u64 = 1024 * 1024;

/// How far before the end the table's own end may stand, in bytes: behind the longest comment.
const MAX_SEARCH: u64 = 22 + 65_535 + 4096;

/// An archive that unpacks to more than this many bytes, and to [`BOMB_RATIO`] times its size, is made to do harm.
const BOMB_SIZE: u64 = 1024 * 1024 * 1024;

/// Class files shrink to a half, text to a tenth; DEFLATE ends at 1,032.
const BOMB_RATIO: u64 = 100;

/// Looks at a file that is a ZIP archive, or is called one. The name is in lower case.
pub(super) fn examine(content: Window, file_name: &str) -> Examined {
    let mut buffer = vec![0; RECOMMENDED_BUFFER_SIZE];
    let archive = ZipLocator::new()
        .max_search_space(MAX_SEARCH)
        .locate_in_reader(content, &mut buffer, content.size())
        .map_err(|(_, e)| {
            Unclear::because(format!("it is not a ZIP archive, or a broken one: {e}"))
        })?;
    let survey = survey(&archive, &mut buffer)?;

    let is_war_name = file_name.ends_with(".war");
    if survey.manifest.is_none() && !is_war_name && !file_name.ends_with(".jar") {
        return Ok(None);
    }
    let read = |place: Option<Place>| place.map(|place| place.read(&archive)).transpose();
    let manifest =
        read(survey.manifest)?.map_or_else(Properties::default, |text| main_section(&text));
    let only_pom = survey.pom.filter(|_| !survey.several_poms);
    let pom = read(only_pom)?.map_or_else(Properties::default, |text| properties(&text));
    Ok(Some(Facts {
        kind: if is_war_name || survey.has_web_inf {
            ArtifactKind::War
        } else {
            ArtifactKind::Jar
        },
        name: pom
            .value("artifactId")
            .or_else(|| manifest.value("Implementation-Title"))
            .or_else(|| {
                manifest
                    .value("Bundle-SymbolicName")
                    .map(without_directives)
            }),
        version: pom
            .value("version")
            .or_else(|| manifest.value("Implementation-Version"))
            .or_else(|| manifest.value("Bundle-Version")),
    }))
}

/// What the table of contents says.
#[derive(Default)]
struct Survey {
    manifest: Option<Place>,
    pom: Option<Place>,
    /// An archive of archives, which no single one of them names.
    several_poms: bool,
    has_web_inf: bool,
}

/// Where an entry is, and how it is packed.
struct Place {
    name: &'static str,
    way: ZipArchiveEntryWayfinder,
    method: CompressionMethod,
}

fn survey(archive: &ZipArchive<Window<'_>>, buffer: &mut [u8]) -> Result<Survey, Unclear> {
    let size = archive.get_ref().size();
    let mut survey = Survey::default();
    let (mut count, mut unpacked) = (0_u64, 0_u64);
    let mut entries = archive.entries(buffer);
    while let Some(entry) = entries.next_entry().map_err(broken)? {
        count += 1;
        let read = entry
            .central_directory_offset()
            .saturating_sub(archive.directory_offset());
        if count > MAX_ENTRIES || read > MAX_DIRECTORY {
            return Err(Unclear::because(format!(
                "its table of contents has more than {MAX_ENTRIES} entries or {}",
                bytes(MAX_DIRECTORY)
            )));
        }
        check(&entry, size)?;
        unpacked = unpacked.saturating_add(entry.uncompressed_size_hint());
        survey.note(&entry);
    }
    if unpacked > BOMB_SIZE && unpacked / size.max(1) >= BOMB_RATIO {
        return Err(Unclear::because(format!(
            "it has {} and claims to unpack to {}",
            bytes(size),
            bytes(unpacked)
        )));
    }
    Ok(survey)
}

/// Refuses entries that no archive of this size has, or that leave its folder.
fn check(entry: &ZipFileHeaderRecord<'_>, size: u64) -> Result<(), Unclear> {
    let path = entry.file_path();
    let name = path.as_bytes();
    if leaves_its_folder(name) {
        return Err(Unclear::because(format!(
            "its entry {} leaves the archive's folder",
            entry_name(name)
        )));
    }
    let packed = entry.compressed_size_hint();
    if packed > size {
        return Err(Unclear::because(format!(
            "its entry {} claims to have {} in a file of {}",
            entry_name(name),
            bytes(packed),
            bytes(size)
        )));
    }
    Ok(())
}

impl Survey {
    fn note(&mut self, entry: &ZipFileHeaderRecord<'_>) {
        let path = entry.file_path();
        let name = path.as_bytes();
        self.has_web_inf |= name.starts_with(b"WEB-INF/");
        if name.eq_ignore_ascii_case(b"META-INF/MANIFEST.MF") {
            self.manifest
                .get_or_insert_with(|| Place::of("META-INF/MANIFEST.MF", entry));
        } else if is_pom(name) {
            self.several_poms |= self.pom.is_some();
            self.pom
                .get_or_insert_with(|| Place::of("pom.properties", entry));
        }
    }
}

/// `META-INF/maven/<group>/<artifact>/pom.properties`
fn is_pom(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"META-INF/maven/") else {
        return false;
    };
    let mut parts = rest.split(|b| *b == b'/');
    matches!(
        (parts.next(), parts.next(), parts.next(), parts.next()),
        (Some(_), Some(_), Some(b"pom.properties"), None)
    )
}

impl Place {
    fn of(name: &'static str, entry: &ZipFileHeaderRecord<'_>) -> Self {
        Self {
            name,
            way: entry.wayfinder(),
            method: entry.compression_method(),
        }
    }

    /// Unpacks the entry, which must be as long as it claims and have the checksum that it claims.
    fn read(&self, archive: &ZipArchive<Window<'_>>) -> Result<Vec<u8>, Unclear> {
        let too_large = |size: u64| {
            let size = bytes(size);
            Unclear::because(format!("its `{}` has {size} or more", self.name))
        };
        for size in [
            self.way.compressed_size_hint(),
            self.way.uncompressed_size_hint(),
        ] {
            if size > MAX_ENTRY {
                return Err(too_large(size));
            }
        }
        let entry = archive.get_entry(self.way).map_err(broken)?;
        let unpacked: Box<dyn Read + '_> = match self.method {
            CompressionMethod::STORE => Box::new(entry.reader()),
            CompressionMethod::DEFLATE => Box::new(DeflateDecoder::new(entry.reader())),
            method => {
                return Err(Unclear::because(format!(
                    "its `{}` is packed by a method that Java does not know, {method}",
                    self.name
                )));
            }
        };
        let mut content = Vec::new();
        entry
            .verifying_reader(unpacked)
            .take(MAX_ENTRY + 1)
            .read_to_end(&mut content)
            .map_err(broken)?;
        if content.len() as u64 > MAX_ENTRY {
            return Err(too_large(MAX_ENTRY));
        }
        Ok(content)
    }
}

fn broken(error: impl Display) -> Unclear {
    Unclear::because(format!("it is a broken ZIP archive: {error}"))
}

/// Keys and values, in the order of the file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Properties(Vec<(String, String)>);

impl Properties {
    /// The value of a key, whatever its case; an empty one counts as none, and so does one that Maven did not fill in.
    fn value(&self, key: &str) -> Option<String> {
        let (_, value) = self
            .0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(key))?;
        let value = value.trim();
        (!value.is_empty() && !value.contains("${")).then(|| value.to_owned())
    }
}

/// The lines of a `.properties` file, as far as Maven writes them: `key=value` and comments.
fn properties(content: &[u8]) -> Properties {
    let text = String::from_utf8_lossy(content);
    let pairs = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', '!']))
        .filter_map(|line| line.split_once(['=', ':']))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
    Properties(pairs.collect())
}

/// The main section of a manifest: `Name: value`, up to the first empty line. A line that begins with a space continues the one
/// before; it may have been cut within a character, since lines end after 72 bytes.
fn main_section(content: &[u8]) -> Properties {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for line in content.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match (line.strip_prefix(b" "), lines.last_mut()) {
            (Some(rest), Some(last)) => last.extend_from_slice(rest),
            _ if line.is_empty() => break,
            _ => lines.push(line.to_vec()),
        }
    }
    let pairs = lines.iter().filter_map(|line| {
        let line = String::from_utf8_lossy(line);
        let (key, value) = line.split_once(':')?;
        Some((key.trim().to_owned(), value.trim().to_owned()))
    });
    Properties(pairs.collect())
}

/// `org.acme.app;singleton:=true` is called `org.acme.app` (OSGi Core, section 3.2.5).
fn without_directives(name: String) -> String {
    name.split(';').next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{told, unclear};
    use super::super::{Detected, detect};
    use super::*;
    use crate::file::{Found, find};
    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use rawzip::ZipArchiveWriter;
    use std::io::{Seek, SeekFrom, Write};
    use std::time::{Duration, Instant};

    const MANIFEST: &str = "META-INF/MANIFEST.MF";
    const POM: &str = "META-INF/maven/org.acme/shop/pom.properties";

    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipArchiveWriter::new(Vec::new());
        for (name, content) in files {
            let (mut entry, config) = zip
                .new_file(*name)
                .compression_method(CompressionMethod::DEFLATE)
                .start()
                .unwrap();
            let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::fast()));
            writer.write_all(content).unwrap();
            let (encoder, descriptor) = writer.finish().unwrap();
            encoder.finish().unwrap();
            entry.finish(descriptor).unwrap();
        }
        zip.finish().unwrap()
    }

    /// An archive as simple tools write it: stored, sizes in front, and with whatever sizes one wants to claim.
    struct Plain {
        bytes: Vec<u8>,
        directory: Vec<u8>,
        count: u16,
    }

    impl Plain {
        fn new() -> Self {
            Self {
                bytes: Vec::new(),
                directory: Vec::new(),
                count: 0,
            }
        }

        fn entry(mut self, name: &str, content: &[u8], packed: u32, unpacked: u32) -> Self {
            let offset = u32::try_from(self.bytes.len()).unwrap();
            let mut sizes = rawzip::crc32(content).to_le_bytes().to_vec();
            sizes.extend(packed.to_le_bytes());
            sizes.extend(unpacked.to_le_bytes());
            sizes.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            sizes.extend([0, 0]);
            self.bytes.extend(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0");
            self.bytes.extend(&sizes);
            self.bytes.extend(name.as_bytes());
            self.bytes.extend(content);
            self.directory
                .extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0");
            self.directory.extend(&sizes);
            self.directory.extend([0; 10]);
            self.directory.extend(offset.to_le_bytes());
            self.directory.extend(name.as_bytes());
            self.count += 1;
            self
        }

        fn file(self, name: &str, content: &[u8]) -> Self {
            let size = u32::try_from(content.len()).unwrap();
            self.entry(name, content, size, size)
        }

        fn packed(mut self) -> Vec<u8> {
            let offset = u32::try_from(self.bytes.len()).unwrap();
            let size = u32::try_from(self.directory.len()).unwrap();
            self.bytes.extend(&self.directory);
            self.bytes.extend(b"PK\x05\x06\0\0\0\0");
            self.bytes.extend(self.count.to_le_bytes().repeat(2));
            self.bytes.extend(size.to_le_bytes());
            self.bytes.extend(offset.to_le_bytes());
            self.bytes.extend([0, 0]);
            self.bytes
        }
    }

    fn is(detected: &Detected, kind: ArtifactKind, name: &str, version: Option<&str>) {
        assert_eq!(detected.kind, kind, "{detected:?}");
        assert_eq!(detected.name, name);
        assert_eq!(detected.version.as_deref(), version);
        assert_eq!(detected.note, None);
    }

    #[test]
    fn the_only_pom_names_a_jar() {
        let jar = zip(&[
            (
                MANIFEST,
                b"Manifest-Version: 1.0\r\nImplementation-Title: Other\r\n",
            ),
            (
                POM,
                b"#Generated\nversion=1.10\ngroupId=org.acme\nartifactId=shop\n",
            ),
        ]);
        is(
            &told("x-9.9.9.jar", &jar),
            ArtifactKind::Jar,
            "shop",
            Some("1.10"),
        );
        is(
            &told("renamed.bin", &jar),
            ArtifactKind::Jar,
            "shop",
            Some("1.10"),
        );
        let mut executable = b"#!/bin/sh\nexec java -jar $0\n".to_vec();
        executable.extend(&jar);
        is(
            &told("x.jar", &executable),
            ArtifactKind::Jar,
            "shop",
            Some("1.10"),
        );
    }

    #[test]
    fn several_poms_leave_it_to_the_manifest() {
        let jar = zip(&[
            (POM, b"version=1\nartifactId=a\n"),
            (MANIFEST, b"Implementation-Title: Shop\nImplementation-Version: 2\n\nName: x\nImplementation-Title: no\n"),
            ("META-INF/maven/g/b/pom.properties", b"version=3\nartifactId=b\n"),
        ]);
        is(&told("x.jar", &jar), ArtifactKind::Jar, "Shop", Some("2"));
    }

    #[test]
    fn a_bundle_is_called_by_its_symbolic_name() {
        let jar = zip(&[(
            MANIFEST,
            b"bundle-symbolicname: org.acme.shop;singleton:=true\nBundle-Version: 1.2\n",
        )]);
        is(
            &told("x.jar", &jar),
            ArtifactKind::Jar,
            "org.acme.shop",
            Some("1.2"),
        );
    }

    #[test]
    fn folded_lines_are_joined_even_within_a_character() {
        let jar = zip(&[(MANIFEST, b"Implementation-Title: caf\xc3\r\n \xa9 au\r\n  lait\r\nImplementation-Version: 1\r\n .2\r\n")]);
        is(
            &told("x.jar", &jar),
            ArtifactKind::Jar,
            "café au lait",
            Some("1.2"),
        );
    }

    #[test]
    fn the_path_is_the_last_resort() {
        let jar = zip(&[(
            MANIFEST,
            b"Manifest-Version: 1.0\nImplementation-Version: ${version}\n",
        )]);
        is(
            &told("app-1.2.3.jar", &jar),
            ArtifactKind::Jar,
            "app",
            Some("1.2.3"),
        );
        is(&told("app.jar", &jar), ArtifactKind::Jar, "app", None);
        // Sound, and called a jar, although it lacks the manifest.
        is(
            &told("app-1.2.jar", &zip(&[("A.class", b"x")])),
            ArtifactKind::Jar,
            "app",
            Some("1.2"),
        );
    }

    #[test]
    fn a_web_archive_is_told_by_its_folder_or_its_name() {
        let war = zip(&[(MANIFEST, b""), ("WEB-INF/web.xml", b"<web-app/>")]);
        is(
            &told("shop-1.0.zip", &war),
            ArtifactKind::War,
            "shop",
            Some("1.0"),
        );
        is(
            &told("Shop.WAR", &zip(&[(MANIFEST, b"")])),
            ArtifactKind::War,
            "Shop",
            None,
        );
    }

    #[test]
    fn another_zip_is_unknown_without_a_note() {
        let detected = told("report.docx", &zip(&[("word/document.xml", b"<w/>")]));
        assert_eq!(
            (detected.kind, detected.note),
            (ArtifactKind::Unknown, None)
        );
    }

    #[test]
    fn names_from_an_archive_cannot_drive_the_terminal() {
        let jar = zip(&[
            (POM, b"artifactId=a\x1b[2Jb\nversion=1\x07\n"),
            (MANIFEST, b""),
        ]);
        is(&told("x.jar", &jar), ArtifactKind::Jar, "a[2Jb", Some("1"));
    }

    #[test]
    fn a_stored_archive_of_simple_tools_is_read() {
        let jar = Plain::new()
            .file(MANIFEST, b"Implementation-Title: plain\n")
            .packed();
        is(&told("x.jar", &jar), ArtifactKind::Jar, "plain", None);
    }

    #[test]
    fn an_entry_that_lies_about_its_size_makes_no_jar() {
        let huge = Plain::new().entry(MANIFEST, b"x", 1, u32::MAX - 1).packed();
        assert!(unclear("x.jar", &huge).contains("claims to unpack to 3 GiB"));
        let large = Plain::new().entry(MANIFEST, b"x", 1, 1 << 30).packed();
        assert!(unclear("x.jar", &large).contains("its `META-INF/MANIFEST.MF` has 1 GiB or more"));
        let beyond = Plain::new().entry("a", b"x", u32::MAX - 1, 1).packed();
        assert!(unclear("x.jar", &beyond).contains("`a` claims to have 3 GiB in a file of"));
        // It claims one byte and unpacks to many: a small bomb, found by its length.
        let mut bomb = zip(&[(MANIFEST, &vec![b'\n'; 10 << 20])]);
        assert!(unclear("x.jar", &bomb).contains("has 10 MiB or more"));
        let ten_mib = (10_u32 << 20).to_le_bytes();
        while let Some(at) = bomb.windows(4).position(|w| w == ten_mib) {
            bomb[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
        }
        assert!(unclear("x.jar", &bomb).contains("broken ZIP archive"));
    }

    #[test]
    fn a_bomb_is_not_believed_whatever_its_manifest_says() {
        let mut bomb = Plain::new().file(MANIFEST, b"Implementation-Title: nice\n");
        for i in 0..4 {
            bomb = bomb.entry(&format!("{i}"), b"x", 1, u32::MAX - 1);
        }
        let note = unclear("x.jar", &bomb.packed());
        assert!(note.contains("claims to unpack to 16 GiB"), "{note}");
    }

    #[test]
    fn an_entry_outside_of_the_folder_makes_no_jar() {
        let jar = zip(&[(MANIFEST, b"")]);
        let mut evil = Plain::new().file(MANIFEST, b"");
        evil = evil.file("../../etc/cron.d/\u{1b}x", b"x");
        assert!(unclear("x.jar", &evil.packed()).contains("leaves the archive's folder"));
        assert_eq!(told("x.jar", &jar).kind, ArtifactKind::Jar);
    }

    #[test]
    fn broken_archives_are_noted() {
        let jar = zip(&[(MANIFEST, b"Implementation-Title: a\n"), ("a", &[7; 5000])]);
        for length in [4, 30, jar.len() / 2, jar.len() - 1] {
            unclear("x.jar", &jar[..length]);
            unclear("x.zip", &jar[..length]);
        }
        // One bit in the packed manifest.
        let mut flipped = jar.clone();
        flipped[30 + MANIFEST.len() + 5] ^= 0x10;
        unclear("x.jar", &flipped);
        // A table of contents that begins elsewhere.
        let mut moved = jar.clone();
        let end = moved.len();
        moved[end - 6..end - 2].copy_from_slice(&[0xfe; 4]);
        moved[end - 10..end - 6].copy_from_slice(&[0xfe; 4]);
        unclear("x.jar", &moved);
    }

    #[test]
    fn ten_million_entries_are_not_read_to_their_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jar");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
        let mut record = b"PK\x01\x02".to_vec();
        record.extend([0; 42]);
        record[28] = 1;
        record.push(b'a');
        let records = record.repeat(10_000);
        // The first bytes say ZIP, then comes the table, as far as it is read at all; the rest is a hole.
        file.write_all(b"PK\x03\x04").unwrap();
        for _ in 0..=MAX_ENTRIES / 10_000 {
            file.write_all(&records).unwrap();
        }
        let count: u64 = 10_000_000;
        let size = count * record.len() as u64;
        let end = 4 + size;
        file.seek(SeekFrom::Start(end)).unwrap();
        let mut tail = b"PK\x06\x06".to_vec();
        tail.extend(44_u64.to_le_bytes());
        tail.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for number in [count, count, size, 4] {
            tail.extend(number.to_le_bytes());
        }
        tail.extend(b"PK\x06\x07\0\0\0\0");
        tail.extend(end.to_le_bytes());
        tail.extend(1_u32.to_le_bytes());
        tail.extend(b"PK\x05\x06\0\0\0\0");
        tail.extend([0xff; 12]);
        tail.extend([0, 0]);
        file.write_all(&tail).unwrap();
        file.flush().unwrap();

        let Found::File(file) = find(&path).unwrap() else {
            panic!("a folder")
        };
        let started = Instant::now();
        let detected = detect(&file);
        assert_eq!(detected.kind, ArtifactKind::Unknown);
        let note = detected.note.unwrap();
        assert!(note.contains("more than 500000 entries"), "{note}");
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
