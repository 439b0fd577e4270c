//! The first minutes: what `tests/demo` compiles before it shows anything.

use sigtool_tests::tests_folder;
use std::collections::BTreeSet;
use std::process::Command;

/// The crates that the demo compiles, as `tests/demo.crates` lists them: one that is compiled in two versions stands there twice.
fn crates() -> String {
    let script = std::fs::read_to_string(tests_folder().join("demo")).unwrap();
    let build = script
        .lines()
        .find_map(|line| line.strip_prefix("cargo build --locked "))
        .expect("the demo builds something");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "-e", "normal,build"])
        .args(["--prefix", "none", "--format", "{p}"])
        // The same list wherever it is made.
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .args(build.split(' '))
        .current_dir(tests_folder().join(".."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("names in UTF-8");
    // `name version (path) (*)`
    let versions: BTreeSet<(&str, &str)> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?))
        })
        .collect();
    let names: Vec<&str> = versions.into_iter().map(|(name, _)| name).collect();
    names.join("\n") + "\n"
}

/// The first command of README is timed: adding to this list adds to everybody's first minutes.
#[test]
fn it_compiles_the_crates_that_are_listed_and_no_others() {
    snapbox::assert_data_eq!(crates(), snapbox::file!["../demo.crates"].raw());
}

#[test]
fn it_compiles_no_backend_that_it_does_not_show() {
    let crates = crates();
    let backends = crates
        .lines()
        .filter(|name| name.starts_with("sigtool-backend-"));
    assert!(backends.eq(["sigtool-backend-cosign-key", "sigtool-backend-local-stage"]));
}
