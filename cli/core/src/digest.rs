//! SHA-256 (FIPS 180-4) of bytes that come in pieces.

use aws_lc_rs::digest::{Context, SHA256};
use sigtool_sdk::types::Digest;
use std::io::{self, Read};

/// How much is read at once.
const PIECE: usize = 1 << 16;

/// A digest in the making.
#[derive(Clone)]
pub struct Sha256(Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl std::fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sha256")
    }
}

impl Sha256 {
    /// The digest of all that can be read.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn of(reader: &mut impl Read) -> io::Result<Digest> {
        let mut context = Context::new(&SHA256);
        let mut piece = vec![0; PIECE];
        loop {
            match reader.read(&mut piece)? {
                0 => break,
                length => context.update(&piece[..length]),
            }
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Ok(Digest::sha256(bytes))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes, as 64 lowercase hexadecimal digits.
    #[must_use]
    pub fn finish_hex(self) -> String {
        hex::encode(self.0.finish().as_ref())
    }
}
