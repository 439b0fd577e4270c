//! Images in real registries: what users see, what cosign says of it, and what happens when a registry fails.

mod access;
mod faults;
mod interop;
mod replacing;
mod signing;
