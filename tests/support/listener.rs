//! Small servers of the tests' own, on threads: for tokens, for faults, and for those who only watch.

use crate::http::{Request, Response, be_patient};
use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Takes connections, each on a thread of its own, until it is dropped.
#[derive(Debug)]
pub(crate) struct Acceptor {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Acceptor {
    /// Listens on a free port of this loopback address.
    pub(crate) fn start(
        address: &str,
        handle: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let stopped = Arc::new(AtomicBool::new(false));
        let (stops, handle) = (Arc::clone(&stopped), Arc::new(handle));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stops.load(Ordering::SeqCst) {
                    return;
                }
                let handle = Arc::clone(&handle);
                // A client that leaves early is nobody's mistake.
                std::thread::spawn(move || stream.and_then(|stream| handle(stream)));
            }
        });
        Self { address, stopped }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread, which then sees that it is to stop.
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers requests, and keeps them.
#[derive(Debug)]
pub(crate) struct Listener {
    acceptor: Acceptor,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Listener {
    /// Listens on a free port of this loopback address.
    pub(crate) fn start(
        address: &str,
        answer: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Self {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let acceptor = Acceptor::start(address, move |stream| {
            let (mut from, mut to) = both_ways(stream)?;
            while let Some(request) = read(&mut from, &mut to)? {
                let mut response = answer(&request);
                lock(&kept).push(request);
                let length = response.body.len().to_string();
                response.headers.set("Content-Length", length);
                to.write_all(&response.head())?;
                to.write_all(&response.body)?;
            }
            Ok(())
        });
        Self { acceptor, requests }
    }

    pub(crate) fn host(&self) -> String {
        self.acceptor.host()
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        lock(&self.requests).clone()
    }
}

/// A server nobody should talk to, which keeps what reaches it: where a registry's redirect leads, say. It answers 404.
#[derive(Debug)]
pub struct Bystander(Listener);

impl Bystander {
    /// One on another port of `127.0.0.1`.
    #[must_use]
    pub fn start() -> Self {
        Self::at("127.0.0.1")
    }

    /// One at this loopback address, such as `127.0.0.2`, which is another host (Linux only).
    #[must_use]
    pub fn at(address: &str) -> Self {
        Self(Listener::start(address, |_| Response {
            status: 404,
            headers: [("Content-Type", "text/plain")].into_iter().collect(),
            body: b"nothing here\n".to_vec(),
        }))
    }

    /// `127.0.0.1:PORT`
    #[must_use]
    pub fn host(&self) -> String {
        self.0.host()
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.host())
    }

    /// All that has reached it so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.0.requests()
    }
}

/// A server that answers as a test says.
#[derive(Debug)]
pub struct Scripted(Listener);

impl Scripted {
    /// One on a port of `127.0.0.1`.
    pub fn start(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Self(Listener::start("127.0.0.1", answer))
    }

    /// `127.0.0.1:PORT`
    #[must_use]
    pub fn host(&self) -> String {
        self.0.host()
    }
}

/// A connection to read from and to write to.
pub(crate) fn both_ways(stream: TcpStream) -> io::Result<(BufReader<TcpStream>, TcpStream)> {
    be_patient(&stream)?;
    Ok((BufReader::new(stream.try_clone()?), stream))
}

/// The next request on a connection, whole. `None` once the client has left.
pub(crate) fn read(
    from: &mut BufReader<TcpStream>,
    to: &mut TcpStream,
) -> io::Result<Option<Request>> {
    let Some(mut request) = read_head(from, to)? else {
        return Ok(None);
    };
    invite(&request, to)?;
    request.read_body(from)?;
    Ok(Some(request))
}

/// The next request on a connection, without its body. A client that does not speak HTTP is told so, as by other servers.
pub(crate) fn read_head(
    from: &mut BufReader<TcpStream>,
    to: &mut TcpStream,
) -> io::Result<Option<Request>> {
    let request = Request::read_head(from);
    if request
        .as_ref()
        .is_err_and(|e| e.kind() == io::ErrorKind::InvalidData)
    {
        to.write_all(
            b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        )?;
    }
    request
}

/// Asks for the body, if the client waits to be asked.
pub(crate) fn invite(request: &Request, to: &mut TcpStream) -> io::Result<()> {
    let expects = request.headers.value("Expect");
    if expects.is_some_and(|what| what.eq_ignore_ascii_case("100-continue")) {
        to.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    Ok(())
}

/// The list, also after a thread that held it has panicked.
pub(crate) fn lock<T>(list: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bystander_keeps_what_reaches_it() {
        for bystander in [Bystander::start(), Bystander::at("127.0.0.2")] {
            let request = Request::new("PUT", "/here?a=b")
                .header("Authorization", "Basic abc")
                .body("text/plain", "hello");
            assert_eq!(request.send(&bystander.host()).unwrap().status, 404);
            let [seen] = &bystander.requests()[..] else {
                panic!("{:?}", bystander.requests());
            };
            assert_eq!(
                (&*seen.method, &*seen.path, &*seen.body),
                ("PUT", "/here?a=b", &b"hello"[..])
            );
            assert_eq!(seen.headers.value("authorization"), Some("Basic abc"));
        }
    }

    #[test]
    fn a_client_that_tries_tls_is_told_that_there_is_none() {
        use std::io::Read as _;
        let bystander = Bystander::start();
        let mut stream = crate::http::connect(&bystander.host()).unwrap();
        stream.write_all(&[22, 3, 1, 2, 0, 1, 0]).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.starts_with("HTTP/1.1 400"), "{said}");
        assert!(bystander.requests().is_empty());
    }
}
