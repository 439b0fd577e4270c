//! Every input that is kept goes through what is fuzzed.

use std::fs;
use std::path::Path;

fn replay(target: &str, fuzzed: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).expect("a corpus") {
        fuzzed(&fs::read(entry.expect("an input").path()).expect("a readable input"));
        count += 1;
    }
    assert!(count >= 5, "{} inputs in {}", count, folder.display());
}

#[test]
fn manifests() {
    replay("manifest", sigtool_fuzz::manifest);
}

#[test]
fn references() {
    replay("reference", sigtool_fuzz::reference);
}

#[test]
fn simple_signing_payloads() {
    replay("simple_signing", sigtool_fuzz::simple_signing);
}
