//! Bounds on what is read from strangers, each with its reason.

/// The longest bundle, in bytes, wherever it lies.
pub const MAX_BUNDLE: usize = sigtool_sdk::source::MAX_SIGNATURE;

/// The longest detached signature, in bytes: the Base64 of the longest RSA signature has 1,368.
pub const MAX_DETACHED: usize = 16 * 1024;

/// The longest key or certificate file, in bytes. Real chains have a few kilobytes.
pub const MAX_KEY_FILE: usize = 256 * 1024;

/// More log entries than any real bundle has; sigstore-go has the same bound.
pub const MAX_LOG_ENTRIES: usize = 32;

/// More signed timestamps than any real bundle has; sigstore-go has the same bound.
pub const MAX_TIMESTAMPS: usize = 32;

/// More certificates than any real chain has.
pub const MAX_CERTIFICATES: usize = 16;

/// More subjects than any statement about a file has; stops a statement that makes us compare digests for minutes.
pub const MAX_SUBJECTS: usize = 1024;

/// More signatures than lie beside any real artifact, even one that is signed anew each night; stops a folder that makes us verify for
/// hours.
pub const MAX_SIGNATURES: usize = 1000;

/// More signatures of one image than this machine keeps of anybody who is not testing us; each takes some 0.1 ms to check.
pub const MAX_IN_STORE: usize = 1024;

/// How many bytes of signatures of one image are read from the local store: as much as takes no notable part of a machine's memory.
pub const MAX_STORE_READ: usize = 8 * MAX_BUNDLE;

/// More pages than any source needs for [`MAX_SIGNATURES`]; stops a source that never ends its list.
pub const MAX_PAGES: usize = 1024;

/// The longest text from a stranger that is shown, in characters.
pub const MAX_SHOWN: usize = 512;
