//! A home of its own for sigtool, so that a test meets nothing of the machine it runs on and leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A home, its folders, and a working directory. All gone when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    root: TempDir,
    program: PathBuf,
}

/// The variable of each folder, and where it is.
const FOLDERS: [(&str, &str); 7] = [
    ("HOME", "home"),
    ("TMPDIR", "tmp"),
    ("XDG_CACHE_HOME", "home/.cache"),
    ("XDG_CONFIG_HOME", "home/.config"),
    ("XDG_DATA_HOME", "home/.local/share"),
    ("XDG_RUNTIME_DIR", "run"),
    ("XDG_STATE_HOME", "home/.local/state"),
];

/// Whoever runs the tests may sit at a terminal, and is not to be asked.
pub(crate) const NO_TERMINAL: &str = "TESTS_HAVE_NO_TERMINAL";

impl Sandbox {
    /// A fresh one for this program: `Sandbox::new(env!("CARGO_BIN_EXE_sigtool"))`.
    ///
    /// # Panics
    ///
    /// There is no place for temporary files.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let root = tempfile::Builder::new()
            .prefix("sigtool-test-")
            .tempdir()
            .expect("a folder for temporary files");
        for (_, folder) in FOLDERS {
            fs::create_dir_all(root.path().join(folder)).expect("a fresh folder");
        }
        for folder in ["here", "backends"] {
            fs::create_dir(root.path().join(folder)).expect("a fresh folder");
        }
        for folder in ["", "backends", "home", "run", "here"] {
            set_mode(&root.path().join(folder), 0o700);
        }
        Self {
            root,
            program: program.into(),
        }
    }

    /// The program, in the working directory, with an environment that has a `PATH`, the folders and nothing else.
    #[must_use]
    pub fn sigtool(&self) -> snapbox::cmd::Command {
        let mut command = snapbox::cmd::Command::new(&self.program)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C.UTF-8")
            .env(NO_TERMINAL, "1")
            .current_dir(self.work());
        for (variable, folder) in FOLDERS {
            command = command.env(variable, self.root.path().join(folder));
        }
        command
    }

    /// The same for tests that need the process itself: to give it a terminal, to kill it, to look at its memory.
    #[must_use]
    pub fn process(&self) -> std::process::Command {
        self.process_of(&self.program)
    }

    /// The program that is tested.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// The same for a copy of the program.
    pub(crate) fn process_of(&self, program: &Path) -> std::process::Command {
        let mut command = std::process::Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C.UTF-8")
            .env(NO_TERMINAL, "1")
            .current_dir(self.work());
        for (variable, folder) in FOLDERS {
            command.env(variable, self.root.path().join(folder));
        }
        command
    }

    /// Runs a command, and has what it shows compared with `[ROOT]` for the sandbox's folder.
    ///
    /// # Panics
    ///
    /// It cannot be started.
    #[must_use]
    pub fn seen(&self, command: snapbox::cmd::Command) -> snapbox::cmd::OutputAssert {
        self.seen_output(command.output().expect("a program that is there"))
    }

    /// The same of a command that has run.
    #[must_use]
    pub fn seen_output(&self, output: std::process::Output) -> snapbox::cmd::OutputAssert {
        let mut redactions = snapbox::Redactions::new();
        redactions
            .insert("[ROOT]", self.root.path().to_owned())
            .expect("a name in brackets");
        let assert = snapbox::Assert::new()
            .action_env("SNAPSHOTS")
            .redact_with(redactions);
        snapbox::cmd::OutputAssert::new(output).with_assert(assert)
    }

    /// All of it: to be searched for what must not be left behind.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The working directory.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.root.path().join("here")
    }

    /// The home.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// The user's configuration file, which may not exist yet.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.home().join(".config/sigtool/config.toml")
    }

    /// Writes a file in the working directory.
    ///
    /// # Panics
    ///
    /// It cannot be written.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        write(self.work().join(name), bytes)
    }

    /// Writes the user's configuration file.
    ///
    /// # Panics
    ///
    /// It cannot be written.
    pub fn write_config(&self, toml: &str) -> PathBuf {
        write(self.config(), toml)
    }

    /// Copies a backend, with the manifest beside it if there is one, to a folder that only the user can write to.
    ///
    /// # Panics
    ///
    /// It cannot be copied.
    #[must_use]
    pub fn place(&self, backend: &Path) -> PathBuf {
        let name = backend.file_name().expect("a backend is a file");
        let placed = self.root.path().join("backends").join(name);
        fs::copy(backend, &placed).expect("a copy of the backend");
        set_mode(&placed, 0o755);
        let manifest = beside(backend);
        if manifest.exists() {
            fs::copy(&manifest, beside(&placed)).expect("a copy of the manifest");
            set_mode(&beside(&placed), 0o644);
        }
        placed
    }

    /// Adds to the user's configuration file.
    ///
    /// # Panics
    ///
    /// It cannot be written.
    pub fn append_config(&self, toml: &str) {
        let before = fs::read_to_string(self.config()).unwrap_or_default();
        self.write_config(&format!("{before}\n{toml}"));
    }

    /// Records a backend in the user's configuration, as its user would.
    ///
    /// # Panics
    ///
    /// sigtool refuses it.
    pub fn pin(&self, backend: &Path) {
        let pin = self.sigtool().args(["backend", "pin", "--yes"]);
        pin.arg(backend).assert().success();
    }

    /// Every file left anywhere in the sandbox that holds these bytes. The backends that were put there are not looked into.
    ///
    /// # Panics
    ///
    /// A folder cannot be read.
    #[must_use]
    pub fn files_that_hold(&self, bytes: &[u8]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.root.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a readable folder") {
                let entry = entry.expect("a readable entry");
                let kind = entry.file_type().expect("a known type");
                if kind.is_dir() && entry.path() != self.root.path().join("backends") {
                    folders.push(entry.path());
                } else if kind.is_file()
                    && fs::read(entry.path())
                        .is_ok_and(|file| sigtool_sdk::testing::contains_secret(&file, bytes))
                {
                    found.push(entry.path());
                }
            }
        }
        found
    }
}

fn write(path: PathBuf, bytes: impl AsRef<[u8]>) -> PathBuf {
    fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a fresh folder");
    fs::write(&path, bytes).expect("a written file");
    path
}

/// The manifest of an executable: `<executable>.toml`.
fn beside(backend: &Path) -> PathBuf {
    let mut name = backend.as_os_str().to_owned();
    name.push(".toml");
    name.into()
}

/// Sets a file's permissions.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a file of our own");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_left_behind_is_found() {
        let sandbox = Sandbox::new("true");
        let path = sandbox.write("notes/today.txt", "the password is canary-77ab31");
        assert_eq!(sandbox.files_that_hold(b"canary-77ab31"), [path]);
        assert!(sandbox.files_that_hold(b"canary-another").is_empty());
    }

    #[test]
    fn a_program_sees_the_sandbox_and_nothing_else() {
        let sandbox = Sandbox::new("env");
        let output = sandbox.sigtool().output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for line in text.lines() {
            let (name, value) = line.split_once('=').unwrap();
            let ours = Path::new(value).starts_with(sandbox.root());
            assert!(
                ours || ["PATH", "LC_ALL", "PWD", "_", NO_TERMINAL].contains(&name),
                "{line}"
            );
        }
        assert!(text.contains("XDG_CONFIG_HOME="));
    }
}
