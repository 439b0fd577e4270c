//! Images in real registries: what users see, what cosign says of it, and what happens when a registry fails.

mod access;
mod echoes;
mod faults;
mod interop;
mod redirects;
mod replacing;
mod signing;
mod strange;

/// The sigtool that is tested.
const PROGRAM: &str = env!("CARGO_BIN_EXE_sigtool");
