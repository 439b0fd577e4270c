//! A proxy's tunnel to an IPv6 address. The library opens one, and then takes the address in its brackets for the name that the server's
//! certificate has to have ([reqwest 3094]). So we open it, and the library gets a socket of this process's own to speak TLS through. This
//! file goes when that is mended.
//!
//! [reqwest 3094]: https://github.com/seanmonstar/reqwest/issues/3094

use crate::Url;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use zeroize::Zeroizing;

/// The longest head of a proxy's answer, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// What cannot be done here.
pub(crate) const THROUGH_TLS: &str =
    "an IPv6 address is not reached through a proxy that has TLS itself";

/// A tunnel for one connection, opened when the library connects to its socket.
pub(crate) struct Tunnel {
    /// Nobody else may enter it.
    folder: tempfile::TempDir,
    trouble: Arc<Mutex<Option<io::Error>>>,
}

/// What a tunnel leads from and to.
struct Way {
    proxy: Url,
    target: String,
    /// How long the proxy may take for one step.
    allowed: Duration,
}

impl Tunnel {
    /// Whether requests to this address need one, where they take a proxy.
    pub(crate) fn is_needed(url: &Url) -> bool {
        url.scheme() == "https" && url.host_str().is_some_and(|host| host.starts_with('['))
    }

    /// Opens the socket.
    pub(crate) fn new(proxy: &Url, url: &Url, allowed: Duration) -> io::Result<Self> {
        let tunnel = Self {
            folder: tempfile::tempdir()?,
            trouble: Arc::default(),
        };
        let listener = UnixListener::bind(tunnel.socket())?;
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        let way = Way {
            proxy: proxy.clone(),
            target: format!("{host}:{port}"),
            allowed,
        };
        let trouble = Arc::clone(&tunnel.trouble);
        // It ends with the connection.
        thread::Builder::new().spawn(move || {
            let Ok((client, _)) = listener.accept() else {
                return;
            };
            let joined = way.open().and_then(|server| join(&client, &server));
            // It is known before the library sees that the connection ends.
            *trouble.lock().unwrap_or_else(PoisonError::into_inner) = joined.err();
        })?;
        Ok(tunnel)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("tunnel")
    }

    /// Why the proxy opened no way to the host, if so.
    pub(crate) fn trouble(self) -> Option<io::Error> {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.take()
    }
}

impl Way {
    /// Connects to the proxy, and asks it to go on.
    fn open(&self) -> io::Result<TcpStream> {
        if self.proxy.scheme() == "https" {
            return Err(io::Error::other(THROUGH_TLS));
        }
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(self.allowed))?;
        stream.write_all(self.request().as_bytes())?;
        let head = read_head(&mut stream)?;
        stream.set_read_timeout(None)?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        match status {
            _ if status.len() == 3 && status.starts_with('2') => Ok(stream),
            // The library's own words for it.
            "407" => Err(io::Error::other("proxy authorization required")),
            _ => Err(io::Error::other("unsuccessful")),
        }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::other("no address is known for it");
        for address in self.proxy.socket_addrs(|| None)? {
            match TcpStream::connect_timeout(&address, self.allowed) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn request(&self) -> Zeroizing<String> {
        let target = &self.target;
        let mut request =
            Zeroizing::new(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"));
        let (user, password) = (self.proxy.username(), self.proxy.password());
        if !user.is_empty() || password.is_some() {
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let (user, password) = (decoded(user), decoded(password.unwrap_or_default()));
            let login = Zeroizing::new(format!("{user}:{password}"));
            let login = Zeroizing::new(STANDARD.encode(login.as_bytes()));
            request.push_str("Proxy-Authorization: Basic ");
            request.push_str(&login);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        request
    }
}

/// The head of an answer. What follows it is the server's.
fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_HEAD {
            return Err(io::Error::other("unsuccessful"));
        }
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Passes on what each side sends, until both have said all. That a side leaves is for the library to notice.
fn join(client: &UnixStream, server: &TcpStream) -> io::Result<()> {
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    let forth = thread::Builder::new().spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    })?;
    let _ = io::copy(&mut &*server, &mut &*client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = forth.join();
    Ok(())
}
