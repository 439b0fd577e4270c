//! Every input that is kept goes through what is fuzzed.

use sigtool_fuzz::TARGETS;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    entries.map(|e| e.expect("an entry").path()).collect()
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

#[test]
fn every_input_of_the_corpus_is_read_without_a_contradiction() {
    for (name, target) in TARGETS {
        let inputs = entries(&corpus().join(name));
        assert!(inputs.len() >= 5, "{name}: {} inputs", inputs.len());
        for input in inputs {
            let bytes = fs::read(&input).expect("a readable input");
            // A target that panics does not say what about.
            let read = std::panic::catch_unwind(|| target(&bytes));
            assert!(read.is_ok(), "{}", input.display());
        }
    }
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let folders: BTreeSet<PathBuf> = entries(&corpus()).into_iter().collect();
    let targets = TARGETS.map(|(name, _)| corpus().join(name));
    assert_eq!(folders, BTreeSet::from(targets));
}
