//! What a person types on the terminal. Ctrl-C ends the waiting, and the terminal is as it was.

use super::clean;
use crate::interrupt::{self, Patient};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write as _};
use zeroize::Zeroizing;

/// The longest line that is read: any private key fits.
const MAX_LINE: usize = 1024 * 1024;

/// Asks for a line that the terminal does not show. `None` if the input was closed.
pub(crate) fn hidden_line(question: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    // Before the terminal is changed: from then on Ctrl-C must not end the program by itself.
    interrupt::watch();
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let hidden = Hidden::new(&terminal)?;
    write!(&terminal, "{}: ", clean(question))?;
    let line = read_line(&mut Patient(&terminal));
    if !matches!(line, Ok(Some(_))) {
        // The end of the line that nobody has typed.
        let _ = writeln!(&terminal);
    }
    drop(hidden);
    line
}

/// The next line of standard input; `None` at its end. Nothing behind it is taken.
pub(crate) fn line() -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    read_line(&mut Patient(io::stdin()))
}

/// Reads byte by byte, so that the rest is there for the next reader.
fn read_line(from: &mut impl Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(1024));
    let mut byte = Zeroizing::new([0]);
    while line.len() < MAX_LINE {
        if from.read(&mut *byte)? == 0 {
            if line.is_empty() {
                return Ok(None);
            }
            break;
        }
        if byte[0] == b'\n' {
            break;
        }
        if line.len() == line.capacity() {
            // Growing in place could leave a copy behind.
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * line.capacity()));
            larger.extend_from_slice(&line);
            line = larger;
        }
        line.push(byte[0]);
    }
    while line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(line))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn new(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(terminal, OptionalActions::Now, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_no_byte_behind_it() {
        let mut input = &b"one\r\n\nthree"[..];
        let mut next = || read_line(&mut input).unwrap().map(|line| line.to_vec());
        assert_eq!(next().as_deref(), Some(&b"one"[..]));
        assert_eq!(next().as_deref(), Some(&b""[..]));
        assert_eq!(next().as_deref(), Some(&b"three"[..]));
        assert_eq!(next(), None);
    }

    #[test]
    fn a_long_line_is_read_whole() {
        let long = [vec![b'x'; 5000], b"\n".to_vec()].concat();
        let line = read_line(&mut &long[..]).unwrap().unwrap();
        assert_eq!(line.len(), 5000);
    }
}
