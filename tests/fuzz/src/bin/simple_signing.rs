//! Feeds new inputs to [`sigtool_fuzz::simple_signing`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sigtool_fuzz::simple_signing(bytes));
