//! The processes that run in a sandbox, by `/proc`.

use crate::Sandbox;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest that something is waited for that takes a moment: a minute, for a very busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is so.
///
/// # Panics
///
/// It is not so after a minute.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < until, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A process that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
}

impl Sandbox {
    /// Waits until a rogue that hangs does so: what called it is set up, and waits for an answer.
    ///
    /// # Panics
    ///
    /// None hangs after a minute.
    pub fn wait_until_a_rogue_hangs(&self) {
        let mark = self.root().join("tmp/rogue-waits");
        wait_for("a rogue that hangs", || mark.exists().then_some(()));
    }

    /// Every process whose environment names the sandbox: sigtool, its backends, and what they have started.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        let root = self.root().to_str().expect("a path in UTF-8").as_bytes();
        let entries = fs::read_dir("/proc").expect("`/proc` is there");
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .map(|pid| Process { pid })
            .filter(|process| {
                let environment = process.read("environ").unwrap_or_default();
                environment.windows(root.len()).any(|part| part == root)
            })
            .collect()
    }
}

impl Process {
    /// Its environment, a variable each.
    #[must_use]
    pub fn environment(&self) -> Vec<String> {
        let text = self.read("environ").unwrap_or_default();
        text.split(|byte| *byte == 0)
            .filter(|variable| !variable.is_empty())
            .map(|variable| String::from_utf8_lossy(variable).into_owned())
            .collect()
    }

    /// Its arguments.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let text = self.read("cmdline").unwrap_or_default();
        text.split(|byte| *byte == 0)
            .map(|argument| String::from_utf8_lossy(argument).into_owned())
            .collect()
    }

    /// A field of `/proc/PID/stat` (proc(5)), counted from 1. `None` once it has gone.
    #[must_use]
    pub fn stat(&self, field: usize) -> Option<String> {
        let text = String::from_utf8(self.read("stat")?).ok()?;
        // The second field is a name in parentheses, and may hold anything.
        let rest = text.rsplit_once(')')?.1;
        rest.split_whitespace().nth(field - 3).map(str::to_owned)
    }

    /// A line of `/proc/PID/limits` by its name.
    #[must_use]
    pub fn limit(&self, name: &str) -> Option<String> {
        let text = String::from_utf8(self.read("limits")?).ok()?;
        text.lines()
            .find(|line| line.starts_with(name))
            .map(str::to_owned)
    }

    /// The most memory that it has had resident, in KiB.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        let text = String::from_utf8(self.read("status")?).ok()?;
        let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Whether it has this file open.
    #[must_use]
    pub fn has_open(&self, file: &Path) -> bool {
        let files = fs::read_dir(format!("/proc/{}/fd", self.pid));
        let mut files = files.into_iter().flatten().flatten();
        files.any(|open| fs::read_link(open.path()).is_ok_and(|path| path == file))
    }

    /// Whether it is still there, and not a zombie.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.stat(3)
            .is_some_and(|state| state != "Z" && state != "X")
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(PathBuf::from(format!("/proc/{}/{name}", self.pid))).ok()
    }
}
