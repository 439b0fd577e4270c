//! Packaged Helm charts: gzip (RFC 1952), in it tar (POSIX ustar), in it `<folder>/Chart.yaml`.
//!
//! The archive is unpacked into nothing, once, as a stream: memory is constant. What Helm itself would refuse, or nobody would
//! make for good reasons, is not a chart.

use super::window::Window;
use super::yaml::{Document, HEAD, scalars};
use super::{Examined, Facts, Unclear, bytes, entry_name, leaves_its_folder};
use flate2::bufread::MultiGzDecoder;
use sigtool_sdk::types::ArtifactKind;
use std::cell::Cell;
use std::io::{self, BufReader, Read};
use tar::{Archive, Entry};

/// How much an archive may unpack to, in bytes. A chart must fit a Kubernetes secret of 1 MiB; this much takes a tenth of a second.
const MAX_UNPACKED: u64 = 32 * 1024 * 1024;

/// How much of a file is unpacked, in bytes: gzip can go on without giving a single byte.
const MAX_PACKED: u64 = MAX_UNPACKED + MAX_UNPACKED / 64;

/// How many entries a chart may have.
const MAX_ENTRIES: usize = 20_000;

/// The largest `Chart.yaml`, in bytes.
const MAX_CHART_YAML: u64 = HEAD as u64;

/// What a `Chart.yaml` must say.
const PATHS: &[&[&str]] = &[&["apiVersion"], &["name"], &["version"]];

/// Looks at a gzip file. `expected` says that its name is that of a chart, so that it is worth a note if it is not.
pub(super) fn examine(content: Window, expected: bool) -> Examined {
    let over = Cell::new(false);
    let packed = Bounded::new(content, MAX_PACKED, &over);
    let unpacked = MultiGzDecoder::new(BufReader::with_capacity(64 * 1024, packed));
    let unpacked = Bounded::new(unpacked, MAX_UNPACKED, &over);
    let result = search(Archive::new(unpacked), expected);
    if over.get() {
        return Err(Unclear::because(format!(
            "it unpacks to more than {}",
            bytes(MAX_UNPACKED)
        )));
    }
    result
}

/// Looks at every entry. An archive is believed as a whole, or not at all.
fn search<R: Read>(mut archive: Archive<R>, expected: bool) -> Examined {
    let broken = |e: io::Error| Unclear::because(format!("it is broken: {e}"));
    let mut chart = None;
    let mut at_top = false;
    let mut count = 0;
    // Raw: without reading long names into memory, which a chart's folder never has.
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(_) if count == 0 && !expected => return Ok(None),
            Err(e) if count == 0 => {
                return Err(Unclear::because(format!("it holds no tar archive: {e}")));
            }
            Err(e) => return Err(broken(e)),
        };
        count += 1;
        check(&entry, count)?;
        at_top |= is_at_top(&entry);
        if is_chart_yaml(&entry) {
            if chart.is_some() {
                return Err(Unclear::because("it holds more than one `Chart.yaml`"));
            }
            chart = Some(read(&mut entry)?);
        }
    }
    if count == 0 && expected {
        return Err(Unclear::because("it is an empty archive"));
    }
    if chart.is_none() && at_top {
        return Err(Unclear::because(
            "its `Chart.yaml` lies at the top, and a chart has it in a folder of its name",
        ));
    }
    Ok(chart)
}

/// Refuses entries that no chart has.
fn check<R: Read>(entry: &Entry<'_, R>, count: usize) -> Result<(), Unclear> {
    if count > MAX_ENTRIES {
        return Err(Unclear::because(format!(
            "it has more than {MAX_ENTRIES} entries"
        )));
    }
    let name = entry.header().path_bytes();
    if leaves_its_folder(&name) {
        return Err(Unclear::because(format!(
            "its entry {} leaves the archive's folder",
            entry_name(&name)
        )));
    }
    let size = entry
        .header()
        .entry_size()
        .map_err(|e| Unclear::because(format!("it is broken: {e}")))?;
    if size > MAX_UNPACKED {
        return Err(Unclear::because(format!(
            "its entry {} claims to have {}",
            entry_name(&name),
            bytes(size)
        )));
    }
    Ok(())
}

/// Whether this is a `Chart.yaml` where Helm does not look for it: outside of any folder.
fn is_at_top<R: Read>(entry: &Entry<'_, R>) -> bool {
    let name = entry.header().path_bytes();
    let mut parts = name.split(|b| *b == b'/').filter(|part| *part != b".");
    entry.header().entry_type().is_file()
        && parts.next() == Some(b"Chart.yaml")
        && parts.next().is_none()
}

/// Whether this is the `Chart.yaml` of the archive's top folder.
fn is_chart_yaml<R: Read>(entry: &Entry<'_, R>) -> bool {
    let name = entry.header().path_bytes();
    let mut parts = name.split(|b| *b == b'/').filter(|part| *part != b".");
    entry.header().entry_type().is_file()
        && parts.next().is_some_and(|folder| !folder.is_empty())
        && parts.next() == Some(b"Chart.yaml")
        && parts.next().is_none()
}

/// Reads a `Chart.yaml`.
fn read<R: Read>(entry: &mut Entry<'_, R>) -> Result<Facts, Unclear> {
    let mut text = Vec::new();
    entry
        .take(MAX_CHART_YAML + 1)
        .read_to_end(&mut text)
        .map_err(|e| Unclear::because(format!("it is broken: {e}")))?;
    if text.len() as u64 > MAX_CHART_YAML {
        let limit = bytes(MAX_CHART_YAML);
        return Err(Unclear::because(format!(
            "its `Chart.yaml` has more than {limit}"
        )));
    }
    let text = std::str::from_utf8(&text)
        .map_err(|_| Unclear::because("its `Chart.yaml` is not UTF-8"))?;
    let document = scalars(text, true, PATHS)
        .map_err(|e| Unclear::because(format!("in its `Chart.yaml`: {e}")))?;
    let values = match document {
        Document::Mapping(values) => values,
        Document::Other => vec![None; PATHS.len()],
    };
    for (value, path) in values.iter().zip(PATHS) {
        if value.as_deref().is_none_or(|v| v.trim().is_empty()) {
            let key = path.concat();
            return Err(Unclear::because(format!("its `Chart.yaml` has no `{key}`")));
        }
    }
    let [_, name, version] = values.try_into().unwrap_or_default();
    Ok(Facts {
        kind: ArtifactKind::HelmChart,
        name,
        version,
    })
}

/// A reader that fails, and says so in `over`, once more than a number of bytes have come through it.
struct Bounded<'a, R> {
    inner: R,
    left: u64,
    over: &'a Cell<bool>,
}

impl<'a, R> Bounded<'a, R> {
    fn new(inner: R, left: u64, over: &'a Cell<bool>) -> Self {
        Self { inner, left, over }
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => {
                self.left = left;
                Ok(count)
            }
            None => {
                self.over.set(true);
                Err(io::Error::other("too much"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{told, unclear};
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;
    use tar::{Builder, EntryType, Header};

    const CHART: &str = "apiVersion: v2\nname: shop\nversion: 1.10\ndependencies: []\n";

    /// A tar archive under construction, names and sizes unchecked.
    struct Tar(Vec<u8>);

    impl Tar {
        fn new() -> Self {
            Self(Vec::new())
        }

        fn header(mut self, name: &str, size: u64) -> Self {
            let mut header = Header::new_ustar();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(size);
            header.set_mode(0o644);
            header.set_entry_type(EntryType::Regular);
            header.set_cksum();
            self.0.extend_from_slice(header.as_bytes());
            self
        }

        fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
            let content = content.as_ref();
            let mut this = self.header(name, content.len() as u64);
            this.0.extend_from_slice(content);
            this.0.resize(this.0.len().next_multiple_of(512), 0);
            this
        }

        fn packed(mut self) -> Vec<u8> {
            self.0.resize(self.0.len() + 1024, 0);
            gzip(&self.0)
        }
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(content).unwrap();
        gzip.finish().unwrap()
    }

    fn is_shop(name: &str, content: &[u8]) {
        let detected = told(name, content);
        assert_eq!(detected.kind, ArtifactKind::HelmChart, "{detected:?}");
        assert_eq!(detected.name, "shop");
        assert_eq!(detected.version.as_deref(), Some("1.10"));
        assert_eq!(detected.note, None);
    }

    #[test]
    fn a_chart_is_told_by_its_chart_yaml_whatever_the_file_is_called() {
        let chart = Tar::new()
            .file("shop/Chart.yaml", CHART)
            .file("shop/templates/a.yaml", "{{ .Values }}")
            .file("shop/charts/sub/Chart.yaml", "name: sub\n")
            .packed();
        is_shop("shop-1.9.tgz", &chart);
        is_shop("renamed.bin", &chart);
    }

    #[test]
    fn a_chart_packed_by_hand_is_told_too() {
        is_shop(
            "a.tgz",
            &Tar::new()
                .file("./shop/x", "")
                .file("./shop/Chart.yaml", CHART)
                .packed(),
        );
        // As `tar` makes it: folders of their own, and long names.
        let mut tar = Builder::new(Vec::new());
        let mut folder = Header::new_gnu();
        folder.set_entry_type(EntryType::Directory);
        folder.set_size(0);
        tar.append_data(&mut folder, "shop/", io::empty()).unwrap();
        for (name, content) in [
            (&*format!("shop/{}", "l/".repeat(200)), "x"),
            ("shop/Chart.yaml", CHART),
        ] {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name.trim_end_matches('/'), content.as_bytes())
                .unwrap();
        }
        is_shop("a.tgz", &gzip(&tar.into_inner().unwrap()));
    }

    #[test]
    fn another_archive_is_unknown_without_a_note() {
        for content in [
            Tar::new().file("package/package.json", "{}").packed(),
            Tar::new().file("a/b/Chart.yaml", CHART).packed(),
        ] {
            let detected = told("a.tgz", &content);
            assert_eq!(
                (detected.kind, detected.note),
                (ArtifactKind::Unknown, None)
            );
        }
        let detected = told("log.gz", &gzip(b"a log"));
        assert_eq!(
            (detected.kind, detected.note),
            (ArtifactKind::Unknown, None)
        );
    }

    #[test]
    fn a_chart_without_its_folder_is_told() {
        for name in ["Chart.yaml", "./Chart.yaml"] {
            let note = unclear("a.tgz", &Tar::new().file(name, CHART).packed());
            assert!(note.contains("lies at the top"), "{note}");
        }
    }

    #[test]
    fn a_chart_yaml_without_what_helm_wants_makes_no_chart() {
        let with = |yaml: &str| unclear("a.tgz", &Tar::new().file("a/Chart.yaml", yaml).packed());
        assert!(with("apiVersion: v2\nname: a\n").contains("no `version`"));
        assert!(with("- a\n").contains("no `apiVersion`"));
        assert!(with("apiVersion: v2\nname: [\n").contains("in its `Chart.yaml`: malformed YAML"));
        assert!(with(&"#".repeat(HEAD + 1)).contains("more than 64 KiB"));
        let twice = Tar::new()
            .file("a/Chart.yaml", CHART)
            .file("b/Chart.yaml", CHART)
            .packed();
        assert!(unclear("a.tgz", &twice).contains("more than one"));
    }

    #[test]
    fn a_bomb_is_left_alone() {
        // Ten times the bound of zeros is 0.3 MiB packed.
        let zeros = vec![0; 1024 * 1024];
        let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
        let head = Tar::new()
            .file("a/Chart.yaml", CHART)
            .header("a/big", MAX_UNPACKED);
        bomb.write_all(&head.0).unwrap();
        for _ in 0..10 * MAX_UNPACKED / zeros.len() as u64 {
            bomb.write_all(&zeros).unwrap();
        }
        assert!(unclear("a.tgz", &bomb.finish().unwrap()).contains("more than 32 MiB"));
        // Zeros and nothing else are an archive that ends at once.
        assert!(unclear("a.tgz", &gzip(&vec![0; 100_000_000])).contains("empty archive"));
        assert!(unclear("a.tgz", &gzip(&vec![b'A'; 100_000_000])).contains("no tar archive"));
    }

    #[test]
    fn an_entry_that_claims_to_be_huge_is_not_waited_for() {
        let claims = |size| {
            Tar::new()
                .file("a/Chart.yaml", CHART)
                .header("a/big", size)
                .packed()
        };
        let ten_gib = 10 * 1024 * 1024 * 1024;
        assert!(unclear("a.tgz", &claims(ten_gib)).contains("`a/big` claims to have 10 GiB"));
        unclear("a.tgz", &claims(u64::MAX));
        unclear(
            "a.tgz",
            &Tar::new().header("a/Chart.yaml", ten_gib).packed(),
        );
    }

    #[test]
    fn an_archive_without_end_is_left_alone() {
        let mut tar = Tar::new().file("a/Chart.yaml", CHART);
        for i in 0..=MAX_ENTRIES {
            tar = tar.file(&format!("a/{i}"), "");
        }
        assert!(unclear("a.tgz", &tar.packed()).contains("more than 20000 entries"));

        // Empty stored blocks (RFC 1951, section 3.2.4) give no byte at all: it is the packed side that never ends.
        let mut silent = gzip(b"")[..10].to_vec();
        silent.extend([0, 0, 0, 0xff, 0xff].repeat(usize::try_from(MAX_PACKED).unwrap() / 5 + 1));
        assert!(unclear("a.tgz", &silent).contains("more than"));
    }

    #[test]
    fn an_entry_outside_of_the_folder_makes_no_chart() {
        for name in [
            "../Chart.yaml",
            "/etc/cron.d/x",
            "a/../../x",
            "..\u{1b}[2J/..",
        ] {
            let tar = Tar::new()
                .file("a/Chart.yaml", CHART)
                .file(name, "x")
                .packed();
            assert!(unclear("a.tgz", &tar).contains("leaves the archive's folder"));
        }
    }

    #[test]
    fn broken_archives_are_noted() {
        let whole = Tar::new()
            .file("a/x", "x".repeat(5000))
            .file("a/Chart.yaml", CHART)
            .packed();
        for length in [3, 11, 30, whole.len() / 2] {
            unclear("a.tgz", &whole[..length]);
        }
        let mut flipped = whole.clone();
        flipped[25] ^= 0xff;
        unclear("a.tgz", &flipped);
        let mut garbage = Tar::new().file("a/Chart.yaml", CHART);
        garbage.0.extend([7; 2048]);
        assert!(unclear("a.tgz", &garbage.packed()).contains("it is broken"));
        // The same without the name of a chart is just some other file.
        assert_eq!(told("a.gz", &whole[..30]).note, None);
    }
}
