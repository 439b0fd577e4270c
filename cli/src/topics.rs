//! The chapters of the manual: what `sigtool help` knows beside commands. Data alone.

/// A chapter. Its text is `man/<name>.md`, from which its manual page is made.
pub(crate) struct Topic {
    /// What `sigtool help` calls it.
    pub(crate) name: &'static str,
    /// The name of its page.
    pub(crate) page: &'static str,
    /// The section of its page.
    pub(crate) section: u8,
    /// What it is about, in a few words.
    pub(crate) about: &'static str,
}

/// All of them, in the order in which they are read.
pub(crate) const TOPICS: [Topic; 12] = [
    chapter(
        "signing",
        "sigtool-signing",
        "sign files, one or a thousand in a call",
    ),
    chapter(
        "verifying",
        "sigtool-verifying",
        "check who signed, against a policy",
    ),
    chapter(
        "images",
        "sigtool-images",
        "sign and verify what lies in OCI registries",
    ),
    chapter(
        "keys",
        "sigtool-keys",
        "keys, and where passwords come from",
    ),
    chapter(
        "profiles",
        "sigtool-profiles",
        "one name in place of a dozen flags",
    ),
    chapter(
        "ledger",
        "sigtool-ledger",
        "what was signed and verified here, and the proof of it",
    ),
    chapter(
        "artifacts",
        "sigtool-artifacts",
        "what sigtool reads from a file: kind, name, version",
    ),
    chapter(
        "scripts",
        "sigtool-scripts",
        "run sigtool in scripts and CI: JSON, exit codes, signals",
    ),
    chapter("cosign", "sigtool-cosign", "come from cosign, or use both"),
    Topic {
        name: "configuration",
        page: "sigtool-config",
        section: 5,
        about: "every file, setting and variable",
    },
    chapter(
        "backends",
        "sigtool-backends",
        "what signs and what is signed, and how it is checked",
    ),
    chapter(
        "benchmarks",
        "sigtool-benchmarks",
        "how fast sigtool is, and how that was measured",
    ),
];

const fn chapter(name: &'static str, page: &'static str, about: &'static str) -> Topic {
    Topic {
        name,
        page,
        section: 7,
        about,
    }
}

/// The topic of this name.
pub(crate) fn find(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

/// The list of them, for the end of `sigtool help`.
pub(crate) fn list() -> String {
    let lines = TOPICS
        .iter()
        .map(|topic| format!("\n  {:13}  {}", topic.name, topic.about));
    format!(
        "Topics, as in `sigtool help images`:{}",
        lines.collect::<String>()
    )
}
