//! What is generated from the code and kept beside it: compared by tests, and written anew by `SNAPSHOTS=overwrite cargo test`.

mod man;
mod markdown;
mod schemas;

use std::path::Path;

/// Compares a file with what it should hold.
///
/// # Panics
///
/// It differs, and was not to be written anew.
pub(crate) fn compare(file: &Path, expected: &str) {
    if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        std::fs::create_dir_all(file.parent().expect("a file in a folder")).expect("a folder");
        std::fs::write(file, expected).expect("a file that can be written");
    }
    let found = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        found == expected,
        "`{}` differs from what the code says now; look at the difference after `SNAPSHOTS=overwrite cargo test -p sigtool`",
        file.display()
    );
}
