//! Feeds new inputs to [`sigtool_fuzz::reference`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sigtool_fuzz::reference(bytes));
