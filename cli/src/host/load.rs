//! Loads a shared library from an open descriptor. The only `unsafe` of the dispatcher.

#![allow(unsafe_code)]

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use sigtool_sdk::abi::{AbiError, ENTRY, Entry, Table};
use std::error::Error as _;
use std::fs::File;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};

/// A library that is marked so stays mapped whatever happens: `dlclose` of a Rust library is undefined behaviour in waiting.
const RTLD_NODELETE: i32 = 0x1000;

/// Why a library cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("the system cannot load it: {0}")]
    Open(String),
    #[error("it is built for backend ABI {0}, this sigtool speaks 1: update sigtool")]
    Future(u8),
    #[error("it does not export `sigtool_backend_v1`, so it is not a backend of sigtool")]
    NotABackend,
    #[error(transparent)]
    Abi(#[from] AbiError),
}

/// Loads the library that this descriptor is open on, whatever lies at its path by now, and reads its table.
///
/// The descriptor is never closed: the loader knows a library by the name `/proc/self/fd/N`, so another library under a
/// reused number would be taken for this one.
pub(super) fn load(library: File) -> Result<Table, LoadError> {
    let path = format!("/proc/self/fd/{}", library.as_raw_fd());
    let _ = library.into_raw_fd();
    // SAFETY: this runs the library's constructors. The caller has checked who can write it, its digest where one is recorded,
    // and its header; there is no more that could be checked.
    let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) }
        .map_err(|e| LoadError::Open(e.source().map_or(e.to_string(), |s| s.to_string())))?;
    // SAFETY: the symbol's type is the one that every library exporting that name promises.
    let entry = unsafe { library.get::<Entry>(ENTRY) }.map(|symbol| *symbol);
    let table = match entry {
        // SAFETY: it is the function of that name, and the library is never unloaded.
        Ok(entry) => unsafe { Table::read(entry) }.map_err(LoadError::Abi),
        Err(_) => Err(other_version(&library)),
    };
    std::mem::forget(library);
    table
}

/// Says whether a library without our entry has the entry of a later version.
fn other_version(library: &Library) -> LoadError {
    (2..=9)
        .find(|version| {
            let name = format!("sigtool_backend_v{version}\0");
            // SAFETY: the symbol is only looked for, never called.
            unsafe { library.get::<Entry>(name.as_bytes()) }.is_ok()
        })
        .map_or(LoadError::NotABackend, LoadError::Future)
}
