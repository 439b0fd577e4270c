//! How signatures and what they sign are written and read: bundles, envelopes, statements, cosign's own files. Nothing here is
//! verified; it is what a stranger says.

pub mod bundle;
pub mod dsse;
pub mod malformed;
pub mod signature_file;
pub mod simple_signing;
pub mod statement;
