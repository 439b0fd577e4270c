//! What reads the bytes of strangers, as functions that take any bytes: they may refuse them, and must neither panic nor contradict
//! themselves.
//!
//! The program is a program and a backend a shared library, so the files of theirs that are fuzzed are compiled in here once more: those
//! of a backend within its target, those of the program below, since they name each other from the top.

// Compiled for tests, these files would bring their own along.
#![cfg(not(test))]

mod archive;
mod bundle;
mod configuration;
mod image;
mod key;
mod ledger;
mod message;
mod payload;
mod strict;

#[allow(dead_code, unused_imports)]
#[path = "../../../cli/src/config/mod.rs"]
mod config;
#[allow(dead_code)]
#[path = "../../../cli/src/error.rs"]
mod error;
#[allow(dead_code)]
#[path = "../../../cli/src/pasted.rs"]
mod pasted;
#[allow(dead_code)]
#[path = "../../../cli/src/place.rs"]
mod place;
#[path = "../../../cli/src/suggest.rs"]
mod suggest;

/// Takes any bytes, and panics if what it reads contradicts itself.
pub type Target = fn(&[u8]);

/// Every target, by the name that its folder of the corpus has too.
pub const TARGETS: [(&str, Target); 11] = [
    ("archive", archive::archive),
    ("bundle", bundle::bundle),
    ("configuration", configuration::configuration),
    ("key", key::key),
    ("ledger", ledger::ledger),
    ("manifest", image::manifest),
    ("message", message::message),
    ("payload", payload::payload),
    ("reference", image::reference),
    ("simple_signing", payload::simple_signing),
    ("strict", strict::strict),
];
