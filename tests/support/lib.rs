//! What the tests share: a sandbox to run sigtool in, backends in other languages, and backends that misbehave.

pub mod archives;
pub mod certificates;
pub mod faults;
pub mod foreign;
pub mod growth;
pub mod http;
pub mod images;
pub mod keys;
mod listener;
pub mod peers;
pub mod person;
pub mod processes;
pub mod proxy;
pub mod registry;
pub mod rogues;
mod sandbox;
mod servers;
pub mod shells;
pub mod terminal;
pub mod tokens;

pub use listener::{Bystander, Scripted};
pub use sandbox::Sandbox;

use std::path::{Path, PathBuf};

/// The workspace's `tests` folder.
#[must_use]
pub fn tests_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder where Cargo has put the libraries that this test depends on: that of the running test itself.
#[must_use]
pub fn libraries_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    test.parent().expect("it lies in a folder").to_owned()
}

/// A shared library that Cargo has built for the tests, by its crate's name.
///
/// # Panics
///
/// It is not there: the crate is not a dependency of `sigtool-tests`.
#[must_use]
pub fn library(krate: &str) -> PathBuf {
    let name = format!(
        "{}{}{}",
        std::env::consts::DLL_PREFIX,
        krate.replace('-', "_"),
        std::env::consts::DLL_SUFFIX
    );
    let path = libraries_folder().join(name);
    assert!(path.exists(), "Cargo has not built `{}`", path.display());
    path
}
