//! What a person types on the terminal. Ctrl-C ends the waiting, and the terminal is as it was.

use super::clean;
use super::stops::Stops;
use crate::interrupt::{self, Patient};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The longest line that is read: any private key fits.
const MAX_LINE: usize = 1024 * 1024;

/// Whether there is a terminal to ask a person on, wherever standard input comes from.
pub(crate) fn is_there() -> bool {
    terminal().is_ok()
}

/// The terminal that this process was started on.
fn terminal() -> io::Result<File> {
    // Tests are run by people at terminals, who are not to be asked.
    #[cfg(debug_assertions)]
    if std::env::var_os("TESTS_HAVE_NO_TERMINAL").is_some() {
        return Err(io::ErrorKind::NotFound.into());
    }
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

/// Asks for a line that the terminal does not show, and again after the program was stopped meanwhile (Control-Z). `None` if the input
/// was closed.
///
/// # Errors
///
/// `TimedOut` if nothing was typed for as long as `patience`.
pub(crate) fn hidden_line(
    question: &str,
    patience: Option<Duration>,
) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    // Before the terminal is changed: from then on Ctrl-C must not end the program by itself.
    interrupt::watch();
    let until = patience.map(|patience| Instant::now() + patience);
    let terminal = terminal()?;
    let stops = Stops::at_prompt();
    loop {
        let hidden = Hidden::new(&terminal)?;
        write!(&terminal, "{}: ", clean(question))?;
        let glance = || {
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match stops.is_asked() {
                true => Err(io::ErrorKind::WouldBlock.into()),
                false => Ok(()),
            }
        };
        let line = read_line(&mut Patient::with(&terminal, glance));
        if !matches!(line, Ok(Some(_))) {
            // The end of the line that nobody has typed.
            let _ = writeln!(&terminal);
        }
        drop(hidden);
        match line {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stops.stop(),
            line => return line,
        }
    }
}

/// The next line of standard input; `None` at its end. Nothing behind it is taken. `tell` is called if it takes long to come.
///
/// # Errors
///
/// `TimedOut` if nothing came for as long as `patience`.
pub(crate) fn line(
    patience: Option<Duration>,
    tell: impl Fn() + Send,
) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let until = patience.map(|patience| Instant::now() + patience);
    let mut telling = interrupt::telling(tell);
    let glance = move || {
        telling()?;
        match until.is_some_and(|until| Instant::now() >= until) {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(()),
        }
    };
    read_line(&mut Patient::with(io::stdin(), glance))
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
