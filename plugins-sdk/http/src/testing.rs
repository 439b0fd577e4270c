//! For the tests of this crate: a host, and servers on this machine that follow a script.

use crate::{Client, Failure, Method, Request, Response, Tls, Url};
use sigtool_sdk::host::{Channel, NetworkSettings, TraceLevel};
use sigtool_sdk::services::{Services, answer};
use sigtool_sdk::testing::FakeHost;
use sigtool_sdk::{Call, Result};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A host that tells the time, and remembers the debug output.
pub(crate) struct Host {
    fake: FakeHost,
    patience: Option<Duration>,
    cancelled: Box<Cancelled>,
}

/// Whether the call is cancelled, after this debug output.
type Cancelled = dyn Fn(&[String]) -> bool + Send + Sync;

impl Host {
    pub(crate) fn new() -> Self {
        Self {
            fake: FakeHost::new(),
            patience: None,
            cancelled: Box::new(|_| false),
        }
    }

    /// Waits no longer than this.
    pub(crate) fn patient_for(mut self, time: Duration) -> Self {
        self.patience = Some(time);
        self
    }

    /// The call is cancelled as soon as this says so. It is asked with the debug output so far.
    pub(crate) fn cancels_when(
        mut self,
        when: impl Fn(&[String]) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.cancelled = Box::new(when);
        self
    }

    pub(crate) fn call(&self) -> Call<'_> {
        Call::new(self, 1, self.patience)
    }

    pub(crate) fn send(&self, client: &Client, request: &Request) -> Result<Response, Failure> {
        client.send(&self.call(), request)
    }

    pub(crate) fn traces(&self) -> Vec<String> {
        self.fake.traces()
    }
}

impl Channel for Host {
    fn trace(&self, level: TraceLevel, message: &str) {
        assert_eq!(level, TraceLevel::Debug);
        self.fake.trace(level, message);
    }

    fn cancelled(&self, _call: u64) -> bool {
        (self.cancelled)(&self.fake.traces())
    }

    fn request(&self, _call: u64, request: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>> {
        Ok(answer(&self.fake, request))
    }
}

/// A client with the host's default settings, that waits for next to nothing between attempts.
pub(crate) fn client() -> Client {
    client_with(&NetworkSettings::default(), &Tls::default())
}

pub(crate) fn client_with(network: &NetworkSettings, tls: &Tls) -> Client {
    let mut client = Client::new(network, tls).unwrap();
    client.first_wait = Duration::from_millis(1);
    client
}

/// Settings with a timeout in milliseconds.
pub(crate) fn timeout(ms: u64) -> NetworkSettings {
    NetworkSettings {
        timeout_ms: Some(ms),
        ..NetworkSettings::default()
    }
}

pub(crate) fn get(url: &str) -> Request {
    Request::new(Method::GET, Url::parse(url).unwrap())
}

/// What a server does after it has read a request.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends this and closes the connection.
    Answer(String),
    /// Sends this and keeps the connection open.
    Hang(&'static str),
    /// Sends the head of an answer, and then a body without end.
    Endless,
    /// Sends an answer whose body comes in pieces, with so long a pause before each.
    Slow(&'static [&'static str], Duration),
    /// Opens a connection to this port of this machine, and joins the two: a proxy.
    Tunnel(u16),
}

/// An answer with this status, these header lines and this body.
pub(crate) fn answers(status: &str, headers: &[&str], body: &str) -> Step {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    Step::Answer(format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    ))
}

/// A plain HTTP server. The first request gets the first step, and all after the last step get that.
pub(crate) struct Server {
    address: SocketAddr,
    steps: Arc<Mutex<Vec<Step>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            steps: Arc::new(Mutex::new(steps.into_iter().collect())),
            requests: Arc::default(),
        };
        let (steps, requests) = (Arc::clone(&server.steps), Arc::clone(&server.requests));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (steps, requests) = (Arc::clone(&steps), Arc::clone(&requests));
                thread::spawn(move || serve(connection, &steps, &requests));
            }
        });
        server
    }

    /// Follows this step from now on, for one that needs another server's address.
    pub(crate) fn then(&self, step: Step) {
        *self.steps.lock().unwrap() = vec![step];
    }

    /// An address at this server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The requests so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Something that knows how many requests there were.
    pub(crate) fn counter(&self) -> impl Fn() -> usize + Send + Sync + 'static {
        let requests = Arc::clone(&self.requests);
        move || requests.lock().unwrap().len()
    }
}

fn serve(mut connection: TcpStream, steps: &Mutex<Vec<Step>>, requests: &Mutex<Vec<String>>) {
    let Some(request) = read_request(&connection) else {
        return;
    };
    let step = {
        let mut requests = requests.lock().unwrap();
        let steps = steps.lock().unwrap();
        requests.push(request);
        steps[(requests.len() - 1).min(steps.len() - 1)].clone()
    };
    // A client that leaves in the middle is none of the server's errors.
    match step {
        Step::Answer(text) => drop(connection.write_all(text.as_bytes())),
        Step::Hang(text) => {
            let _ = connection.write_all(text.as_bytes());
            // Until the client closes it.
            let _ = connection.read(&mut [0]);
        }
        Step::Endless => {
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while connection.write_all(&[b'x'; 4096]).is_ok() {}
        }
        Step::Slow(pieces, pause) => {
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            for piece in pieces {
                thread::sleep(pause);
                let _ = connection.write_all(piece.as_bytes());
            }
        }
        Step::Tunnel(port) => {
            let far = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let (mut from, mut to) = (connection.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut from, &mut to));
            let _ = io::copy(&mut &far, &mut connection);
        }
    }
}

/// Head and body of a request; of what is not HTTP, the first bytes. `None` if there is nothing.
fn read_request(connection: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(connection);
    let mut text = String::new();
    let mut length = 0;
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).ok()?;
        if line.is_empty() {
            return (!text.is_empty()).then_some(text);
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        text.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(text + &String::from_utf8_lossy(&body))
}

/// A port where nothing listens.
pub(crate) fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The port of a server that says this to all who connect, once they have said something, and closes the connection.
pub(crate) fn blurts(text: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            // All that TLS begins with, so that nothing is unread at the end and the connection is closed, not reset.
            let _ = connection.read(&mut [0; 16_384]);
            let _ = connection.write_all(text.as_bytes());
        }
    });
    port
}

/// Whether the programs that TLS is tested with are here. If not, says so on stderr, and the test is to return.
pub(crate) fn have_tools() -> bool {
    let missing = ["openssl", "python3"].into_iter().find(|name| {
        let found = Command::new(name).arg("--version").output();
        found.is_err()
    });
    let Some(name) = missing else {
        return true;
    };
    assert!(
        std::env::var_os("TESTS_MUST_NOT_SKIP").is_none(),
        "`{name}` is missing (TESTS_MUST_NOT_SKIP is set)"
    );
    let test = thread::current();
    let test = test.name().unwrap_or("a test");
    let _ = writeln!(
        io::stderr(),
        "SKIPPED: {test}: `{name}` is missing: install it"
    );
    false
}

/// A folder with a certificate authority of our own and what it has signed, made by `openssl`.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Self { folder };
        // A name of its own, as the folder has one: two authorities of one name would only differ in their keys.
        let folder = authority.folder.path().file_name().unwrap();
        let subject = format!("/CN={}", folder.display());
        authority.openssl("ca", &subject, &[]);
        authority
    }

    /// A certificate and its key, for this `subjectAltName`.
    pub(crate) fn signs(&self, name: &str, for_whom: &str) -> (PathBuf, PathBuf) {
        let (ca, key) = (self.path("ca.pem"), self.path("ca.key"));
        let extension = format!("subjectAltName={for_whom}");
        let subject = format!("/CN={name}");
        let (ca, key) = (ca.to_str().unwrap(), key.to_str().unwrap());
        let options = ["-CA", ca, "-CAkey", key, "-addext", &extension];
        let leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
        self.openssl(name, &subject, &[&options[..], &leaf].concat());
        (
            self.path(&format!("{name}.pem")),
            self.path(&format!("{name}.key")),
        )
    }

    /// A certificate that is signed by itself and its key, as `openssl req -x509` makes it: that of an authority, if `more` does not say
    /// otherwise.
    pub(crate) fn alone(&self, name: &str, for_whom: &str, more: &[&str]) -> (PathBuf, PathBuf) {
        let extension = format!("subjectAltName={for_whom}");
        let options = [&["-addext", &extension], more].concat();
        self.openssl(name, &format!("/CN={name}"), &options);
        (
            self.path(&format!("{name}.pem")),
            self.path(&format!("{name}.key")),
        )
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, name: &str, subject: &str, more: &[&str]) {
        let curve = "ec_paramgen_curve:P-256";
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", curve, "-nodes"])
            .args(["-days", "2", "-subj", subject, "-keyout"])
            .arg(self.path(&format!("{name}.key")))
            .arg("-out")
            .arg(self.path(&format!("{name}.pem")))
            .args(more)
            .output()
            .expect("`openssl` is installed");
        assert!(output.status.success(), "{output:?}");
    }
}

/// An HTTPS server: `ssl` of Python, in a process of its own. It gives every request the same answer.
pub(crate) struct TlsServer {
    child: Child,
    port: u16,
}

impl TlsServer {
    /// `client_ca`: asks for client certificates of this authority.
    pub(crate) fn new(
        (certificate, key): &(PathBuf, PathBuf),
        client_ca: Option<&Path>,
        version: &str,
        step: &Step,
    ) -> Self {
        let Step::Answer(answer) = step else {
            panic!("it only answers");
        };
        let mut child = Command::new("python3")
            .args(["-c", TLS_SERVER])
            .args([certificate, key])
            .arg(client_ca.unwrap_or(Path::new("")))
            .args([version, answer])
            .stdout(Stdio::piped())
            .spawn()
            .expect("`python3` is installed");
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap();
        Self { child, port }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const TLS_SERVER: &str = r#"
import socket, ssl, sys
certificate, key, client_ca, version, answer = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
context.load_cert_chain(certificate, key)
if client_ca:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(client_ca)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection = listener.accept()[0]
    connection.settimeout(10)
    try:
        tls = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        try:
            tls.do_handshake()
        except OSError:
            # Closed with something unread, the connection would be reset, and the alert lost.
            connection = socket.socket(fileno=tls.detach())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
            continue
        with tls:
            request = b""
            while b"\r\n\r\n" not in request:
                more = tls.recv(4096)
                if not more:
                    break
                request += more
            tls.sendall(answer.encode())
            tls.unwrap()
    except OSError:
        pass
"#;
