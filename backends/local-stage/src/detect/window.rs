//! A file as it was when it was opened, read by position: several readers do not disturb each other.

use super::OpenFile;
use std::io::{self, Read};

/// A reader over an open file, up to the end that it had when it was opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window<'a> {
    file: &'a OpenFile,
    position: u64,
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a OpenFile) -> Self {
        Self { file, position: 0 }
    }

    /// The size of the file, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.file.size()
    }

    /// Fills the buffer from the begin of the file, as far as that goes.
    pub(super) fn read_head(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        while length < buffer.len() {
            match self.read_from(&mut buffer[length..], length as u64)? {
                0 => break,
                count => length += count,
            }
        }
        Ok(length)
    }

    fn read_from(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let left = self.size().saturating_sub(position);
        let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        self.file.read_at(&mut buffer[..length], position)
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read_from(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl rawzip::ReaderAt for Window<'_> {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.read_from(buffer, position)
    }
}
