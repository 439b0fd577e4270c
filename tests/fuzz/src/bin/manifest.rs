//! Feeds new inputs to [`sigtool_fuzz::manifest`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sigtool_fuzz::manifest(bytes));
