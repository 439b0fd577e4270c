//! What a file is, what it is called and which version it has, by its content; the path is the last resort.
//!
//! | kind | told by | name and version |
//! |---|---|---|
//! | Helm chart | gzip, tar, `<folder>/Chart.yaml` | its `name` and `version` |
//! | jar, war | ZIP, `META-INF/MANIFEST.MF` or the file's ending | the only `pom.properties`, else the manifest, else the path |
//! | manifest | `.yaml` or `.yml`, a YAML mapping | `metadata.name`, a version label, else the file's name |
//! | unknown | all else | the file's name, no version |
//!
//! Nobody vouches for these bytes. All that is read of them is bounded, and anything wrong with them makes the artifact
//! "unknown", with a note; it is signed all the same, since its digest does not depend on any of this.

mod chart;
mod java;
mod manifest;
mod path;
mod window;
mod yaml;

use super::file::OpenFile;
use super::text::clean;
use sigtool_sdk::text::quoted_path;
use sigtool_sdk::types::ArtifactKind;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use window::Window;

/// What is known of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Detected {
    /// Its kind.
    pub(crate) kind: ArtifactKind,
    /// What it is called. Fit to be shown.
    pub(crate) name: String,
    /// Its version. Fit to be shown.
    pub(crate) version: Option<String>,
    /// Why the kind could not be told.
    pub(crate) note: Option<String>,
}

/// Looks at a file. Never fails, and reads only a bounded part of it.
pub(crate) fn detect(file: &OpenFile) -> Detected {
    let file_name = file.path().file_name().unwrap_or_default();
    let file_name = file_name.to_string_lossy();
    let own_name = clean(&file_name).unwrap_or_else(|| "unnamed".to_owned());
    match guarded(|| examine(Window::new(file), &file_name.to_ascii_lowercase())) {
        Ok(Some(facts)) => facts.complete(&own_name),
        Ok(None) => Detected {
            kind: ArtifactKind::Unknown,
            name: own_name,
            version: None,
            note: None,
        },
        Err(Unclear(why)) => Detected {
            kind: ArtifactKind::Unknown,
            name: own_name,
            version: None,
            // The libraries put bytes of the archive into their messages.
            note: Some(format!(
                "the kind of {} is unknown: {}",
                quoted_path(file.path()),
                clean(&why).unwrap_or_default()
            )),
        },
    }
}

/// Why nothing can be said of a file that looks like something.
#[derive(Debug, PartialEq, Eq)]
struct Unclear(String);

impl Unclear {
    fn because(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// Something is told (`Some`), it is something else (`None`), or it looks like something but nothing can be told.
type Examined = Result<Option<Facts>, Unclear>;

/// What the content says. Names and versions as they were found, not yet fit to be shown.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    kind: ArtifactKind,
    name: Option<String>,
    version: Option<String>,
}

impl Facts {
    /// Fills what the content does not say from the path, and makes all of it fit to be shown.
    fn complete(self, file_name: &str) -> Detected {
        let (path_name, path_version) = match self.kind {
            ArtifactKind::Jar | ArtifactKind::War => path::name_and_version(file_name),
            _ => (file_name.to_owned(), None),
        };
        Detected {
            kind: self.kind,
            name: self.name.as_deref().and_then(clean).unwrap_or(path_name),
            version: self.version.as_deref().and_then(clean).or(path_version),
            note: None,
        }
    }
}

/// Chooses by the first bytes and by the ending of the name, which is in lower case here.
fn examine(content: Window, file_name: &str) -> Examined {
    let mut head = [0; 4];
    let length = content
        .read_head(&mut head)
        .map_err(|e| Unclear::because(format!("it cannot be read: {e}")))?;
    let ends = |endings: &[&str]| endings.iter().any(|ending| file_name.ends_with(ending));
    let is_chart_name = ends(&[".tgz", ".tar.gz"]);
    match &head[..length] {
        [0x1f, 0x8b, ..] => chart::examine(content, is_chart_name),
        b"PK\x03\x04" | b"PK\x05\x06" => java::examine(content, file_name),
        // A program in front of the archive makes some jars executable.
        _ if ends(&[".jar", ".war"]) => java::examine(content, file_name),
        _ if ends(&[".yaml", ".yml"]) => manifest::examine(content),
        _ if is_chart_name => Err(Unclear::because(
            "it is not a gzip file, although its name says so",
        )),
        _ => Ok(None),
    }
}

/// A parser that panics on hostile content has told us what we need to know. Unguarded, it would end the whole run.
fn guarded(examine: impl FnOnce() -> Examined) -> Examined {
    catch_unwind(AssertUnwindSafe(examine))
        .unwrap_or_else(|_| Err(Unclear::because("its content breaks the parser")))
}

/// A number of bytes, for notes.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = count;
    let mut unit = "bytes";
    for larger in UNITS {
        if size < 1024 {
            break;
        }
        size /= 1024;
        unit = larger;
    }
    format!("{size} {unit}")
}

/// The name of an archive's entry, for notes.
fn entry_name(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let start: String = text.chars().take(80).collect();
    quoted_path(start).to_string()
}

/// Whether an entry of an archive would be unpacked outside of the folder chosen for it.
fn leaves_its_folder(name: &[u8]) -> bool {
    name.starts_with(b"/")
        || name
            .split(|b| matches!(b, b'/' | b'\\'))
            .any(|part| part == b"..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{Found, find};

    /// What is told of a file with this name and content.
    pub(super) fn told(name: &str, content: &[u8]) -> Detected {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        match find(&path).unwrap() {
            Found::File(file) => detect(&file),
            Found::Folder => panic!("a folder"),
        }
    }

    /// The note on a file whose kind cannot be told, and which is named by its path then.
    pub(super) fn unclear(name: &str, content: &[u8]) -> String {
        let detected = told(name, content);
        assert_eq!(detected.kind, ArtifactKind::Unknown, "{detected:?}");
        assert_eq!((detected.name.as_str(), detected.version), (name, None));
        let note = detected.note.expect("a note");
        assert!(note.starts_with("the kind of `/"), "{note}");
        assert!(!note.contains(char::is_control), "{note}");
        note
    }

    #[test]
    fn anything_else_is_unknown_and_needs_no_note() {
        for (name, content) in [
            ("notes.txt", &b"some text"[..]),
            ("empty", b""),
            ("program", b"\x7fELF\x02\x01\x01"),
            ("data.json", br#"{"apiVersion":"v1","kind":"Pod"}"#),
        ] {
            let expected = Detected {
                kind: ArtifactKind::Unknown,
                name: name.to_owned(),
                version: None,
                note: None,
            };
            assert_eq!(told(name, content), expected);
        }
    }

    #[test]
    fn a_name_that_promises_what_the_content_does_not_hold_is_noted() {
        assert!(unclear("app.tgz", b"not gzip").contains("not a gzip file"));
        assert!(unclear("APP.JAR", b"").contains("not a ZIP archive"));
        assert!(unclear("app.war", &[0; 100_000]).contains("not a ZIP archive"));
    }

    #[test]
    fn a_parser_that_panics_makes_a_note() {
        // The panic's own message goes to stderr of this test, as any does that is caught.
        let result = guarded(|| panic!("hostile"));
        assert_eq!(
            result,
            Err(Unclear("its content breaks the parser".to_owned()))
        );
    }

    #[test]
    fn entries_that_leave_their_folder_are_recognised() {
        for name in ["../a", "a/../../b", "..", "/etc/passwd", "a\\..\\b"] {
            assert!(leaves_its_folder(name.as_bytes()), "{name}");
        }
        for name in ["a/b", "a..b/c", "...", "a/b..", ""] {
            assert!(!leaves_its_folder(name.as_bytes()), "{name}");
        }
    }
}
