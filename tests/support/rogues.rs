//! The rogues' gallery: backends that misbehave, each in one way.

use crate::foreign::compile_c;
use crate::sandbox::set_mode;
use crate::{Sandbox, library, tests_folder};
use std::fs;
use std::path::{Path, PathBuf};

/// The only artifact that the rogues know a good signature for.
pub const ARTIFACT: &str = "an artifact that rogues are asked to sign\n";

/// The id in the manifests of all but the Rust one, which is `dev.example.panics`.
pub const ID: &str = "dev.example.rogue";

/// A backend that misbehaves.
#[derive(Clone, Copy, Debug)]
pub struct Rogue {
    /// What it does, in kebab case. With `built` it is unique.
    pub name: &'static str,
    /// How it is made.
    pub built: Built,
    /// Where it misbehaves.
    pub at: Moment,
}

/// How a rogue is made.
#[derive(Clone, Copy, Debug)]
pub enum Built {
    /// `rogue.c` with `-DROGUE_<NAME>`.
    C,
    /// The honest library of `rogue.c`, spoilt afterwards.
    Spoilt(fn(&Path)),
    /// `rogue.py` with its mode written into it.
    Python,
    /// The crate `sigtool-rogue-panics`.
    Rust,
}

/// When a rogue misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Never: the control, which shows that nothing else is wrong with the rest.
    Never,
    /// Before anything of it runs: the file itself is wrong.
    File,
    /// When it is loaded or started, up to its hello.
    Start,
    /// In this operation.
    Operation(&'static str),
    /// When it should leave.
    End,
}

const SIGN: Moment = Moment::Operation("signer.sign");
const PUBLIC_KEY: Moment = Moment::Operation("signer.public_key");
const DESCRIBE: Moment = Moment::Operation("describe");

/// Every rogue. The one that is swapped between check and load is any honest one and [`swap`], since it takes two.
pub const ALL: &[Rogue] = &[
    rogue("honest", Built::C, Moment::Never),
    rogue("aborts", Built::C, SIGN),
    rogue("aborts-at-load", Built::C, Moment::Start),
    rogue("answers-another-call", Built::C, SIGN),
    rogue("asks-for-other-secrets", Built::C, SIGN),
    rogue("asks-for-the-environment", Built::C, SIGN),
    rogue("asks-too-late", Built::C, SIGN),
    rogue("claims-a-future-major", Built::C, Moment::Start),
    rogue("claims-a-key", Built::C, PUBLIC_KEY),
    rogue("describes-another", Built::C, DESCRIBE),
    rogue("exits", Built::C, SIGN),
    rogue("exports-nothing", Built::C, Moment::Start),
    rogue("fails-to-start", Built::C, Moment::Start),
    rogue("floods", Built::C, SIGN),
    rogue("hangs", Built::C, SIGN),
    rogue("has-a-short-table", Built::C, Moment::Start),
    rogue("has-another-magic", Built::C, Moment::Start),
    rogue("has-no-table", Built::C, Moment::Start),
    rogue("is-of-the-future", Built::C, Moment::Start),
    rogue("lacks-a-function", Built::C, Moment::Start),
    rogue("needs-a-newer-minor", Built::C, Moment::Start),
    rogue("prints-secrets", Built::C, SIGN),
    rogue("returns-another-key", Built::C, SIGN),
    rogue("segfaults", Built::C, SIGN),
    rogue("sends-garbage", Built::C, SIGN),
    rogue("sends-half", Built::C, SIGN),
    rogue("sends-nothing", Built::C, SIGN),
    rogue("sends-too-much", Built::C, SIGN),
    rogue("signs-something-else", Built::C, SIGN),
    rogue("speaks-another-protocol", Built::C, Moment::Start),
    rogue("unknown-status", Built::C, SIGN),
    rogue(
        "has-a-wrong-architecture",
        Built::Spoilt(wrong_architecture),
        Moment::File,
    ),
    rogue("is-truncated", Built::Spoilt(truncate), Moment::File),
    rogue(
        "is-writable-by-others",
        Built::Spoilt(writable_by_others),
        Moment::File,
    ),
    rogue("panics", Built::Rust, SIGN),
    rogue("honest", Built::Python, Moment::Never),
    rogue("aborts", Built::Python, SIGN),
    rogue("answers-another-call", Built::Python, SIGN),
    rogue("answers-twice", Built::Python, PUBLIC_KEY),
    rogue("asks-for-other-secrets", Built::Python, SIGN),
    rogue("asks-for-the-environment", Built::Python, SIGN),
    rogue("asks-a-person", Built::Python, SIGN),
    rogue("asks-for-a-new-password", Built::Python, SIGN),
    rogue("asks-for-a-password-as-a-variable", Built::Python, SIGN),
    rogue("asks-for-a-token", Built::Python, SIGN),
    rogue("asks-for-the-network", Built::Python, SIGN),
    rogue("opens-a-page", Built::Python, SIGN),
    rogue(
        "asks-as-a-source",
        Built::Python,
        Moment::Operation("source.resolve"),
    ),
    rogue("asks-too-early", Built::Python, DESCRIBE),
    rogue("asks-too-late", Built::Python, SIGN),
    rogue("claims-a-key", Built::Python, PUBLIC_KEY),
    rogue("closes-stdout", Built::Python, SIGN),
    rogue("closes-stdout-at-once", Built::Python, Moment::Start),
    rogue("describes-another", Built::Python, DESCRIBE),
    rogue("dies-at-once", Built::Python, Moment::Start),
    rogue("exits", Built::Python, SIGN),
    rogue("floods-requests", Built::Python, SIGN),
    rogue("floods-stderr", Built::Python, SIGN),
    rogue("floods-stdout", Built::Python, SIGN),
    rogue("floods-the-trace", Built::Python, SIGN),
    rogue("hangs", Built::Python, SIGN),
    rogue(
        "hangs-as-a-source",
        Built::Python,
        Moment::Operation("source.attach"),
    ),
    rogue("leaves-a-child", Built::Python, SIGN),
    rogue("prints-secrets", Built::Python, SIGN),
    rogue("returns-another-key", Built::Python, SIGN),
    rogue("says-no-hello", Built::Python, Moment::Start),
    rogue("says-nothing", Built::Python, Moment::Start),
    rogue("segfaults", Built::Python, SIGN),
    rogue("sends-an-endless-line", Built::Python, SIGN),
    rogue("sends-garbage", Built::Python, SIGN),
    rogue("sends-half", Built::Python, SIGN),
    rogue("signs-something-else", Built::Python, SIGN),
    rogue("speaks-another-protocol", Built::Python, Moment::Start),
    rogue("spells-secrets", Built::Python, SIGN),
    rogue("splits-stderr", Built::Python, SIGN),
    rogue("stays", Built::Python, Moment::End),
    rogue("straddles", Built::Python, SIGN),
    rogue(
        "tells-secrets",
        Built::Python,
        Moment::Operation("source.resolve"),
    ),
];

const fn rogue(name: &'static str, built: Built, at: Moment) -> Rogue {
    Rogue { name, built, at }
}

/// The rogue of this name that is made in this way.
///
/// # Panics
///
/// There is none.
#[must_use]
pub fn find(name: &str, built: Built) -> Rogue {
    ALL.iter()
        .copied()
        .find(|r| {
            r.name == name && std::mem::discriminant(&r.built) == std::mem::discriminant(&built)
        })
        .unwrap_or_else(|| panic!("no rogue `{name}`"))
}

impl Rogue {
    /// Its id, as the manifest has it.
    #[must_use]
    pub fn id(&self) -> &'static str {
        if matches!(self.built, Built::Rust) {
            "dev.example.panics"
        } else {
            ID
        }
    }

    /// Makes it, and puts it in the sandbox's folder of backends.
    ///
    /// # Panics
    ///
    /// It cannot be made.
    #[must_use]
    pub fn place(&self, sandbox: &Sandbox) -> PathBuf {
        match self.built {
            Built::C => sandbox.place(&compile(self.name)),
            Built::Spoilt(spoil) => {
                let placed = sandbox.place(&compile("honest"));
                spoil(&placed);
                placed
            }
            Built::Python => sandbox.place(&write_python(self.name, &sandbox.root().join("tmp"))),
            Built::Rust => sandbox.place(&library("sigtool-rogue-panics")),
        }
    }
}

fn compile(name: &str) -> PathBuf {
    let define = format!("-DROGUE_{}", name.replace('-', "_").to_uppercase());
    let source = tests_folder().join("rogues/rogue.c");
    compile_c(&source, &["-Wall", "-Wextra", "-Werror", &define], &[])
}

/// Writes the script with this mode, and its manifest beside it.
fn write_python(mode: &str, folder: &Path) -> PathBuf {
    let here = tests_folder().join("rogues");
    let read = |name: &str| fs::read_to_string(here.join(name)).expect("a file of the tests");
    let marker = "MODE = \"honest\"\n";
    let mut script = read("rogue.py");
    assert!(script.contains(marker), "rogue.py has no `{marker}`");
    script = script.replace(marker, &format!("MODE = \"{mode}\"\n"));
    for line in read("vectors.h").lines() {
        if let Some((name, value)) = line
            .strip_prefix("#define ")
            .and_then(|l| l.split_once(' '))
        {
            script = script.replace(&format!("@{name}@"), value.trim_matches('"'));
        }
    }
    let path = folder.join(format!("rogue-{mode}"));
    fs::write(&path, script).expect("a written script");
    fs::write(
        folder.join(format!("rogue-{mode}.toml")),
        read("rogue.toml"),
    )
    .expect("a written manifest");
    path
}

/// Makes a library one for another machine: RISC-V (`e_machine`, ELF header, bytes 18 and 19).
///
/// # Panics
///
/// It cannot be written.
pub fn wrong_architecture(library: &Path) {
    let mut bytes = fs::read(library).expect("a readable library");
    bytes[18..20].copy_from_slice(&[0xf3, 0]);
    fs::write(library, bytes).expect("a writable library");
}

/// Cuts the second half of a file off, as a broken download does.
///
/// # Panics
///
/// It cannot be written.
pub fn truncate(library: &Path) {
    let file = fs::File::options()
        .write(true)
        .open(library)
        .expect("a writable library");
    let half = file.metadata().expect("an open file").len() / 2;
    file.set_len(half).expect("a writable library");
}

/// Lets everyone write to a file.
///
/// # Panics
///
/// It is not ours.
pub fn writable_by_others(library: &Path) {
    set_mode(library, 0o777);
}

/// Puts another backend in the place of one, as someone would between check and load: by a rename, so that no one sees half.
///
/// # Panics
///
/// It cannot be written.
pub fn swap(placed: &Path, with: &Path) {
    let other = placed.with_extension("swap");
    fs::copy(with, &other).expect("a copy of the other backend");
    set_mode(&other, 0o755);
    fs::rename(&other, placed).expect("a folder that we can write to");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rogue_can_be_made_and_differs_from_the_honest_one() {
        let sandbox = Sandbox::new("true");
        let (mut c, mut python) = (Vec::new(), Vec::new());
        for rogue in ALL {
            let placed = fs::read(rogue.place(&sandbox)).unwrap();
            match rogue.built {
                Built::C => c.push((rogue.name, placed)),
                Built::Python => python.push((rogue.name, placed)),
                _ => assert!(!placed.is_empty()),
            }
        }
        for family in [c, python] {
            let (honest, rogues) = family.split_first().unwrap();
            assert_eq!(honest.0, "honest");
            for (name, bytes) in rogues {
                assert!(*bytes != honest.1, "{name}");
            }
        }
    }

    #[test]
    fn each_name_is_one_that_the_sources_know() {
        let here = tests_folder().join("rogues");
        let (c, python) = (
            fs::read_to_string(here.join("rogue.c")).unwrap(),
            fs::read_to_string(here.join("rogue.py")).unwrap(),
        );
        for rogue in ALL.iter().filter(|r| r.at != Moment::Never) {
            match rogue.built {
                Built::C => {
                    let define = format!("(ROGUE_{})", rogue.name.replace('-', "_").to_uppercase());
                    assert!(c.contains(&define), "{}", rogue.name);
                }
                Built::Python => assert!(
                    python.contains(&format!("\"{}\"", rogue.name)),
                    "{}",
                    rogue.name
                ),
                Built::Rust | Built::Spoilt(_) => {}
            }
        }
    }
}
