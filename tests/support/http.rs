//! HTTP/1.1 (RFC 9112) as far as the tests need it: over plain connections, a message at a time, its body in memory.

use crate::certificates::Certificate;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The longest that a server may be silent, for a very busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a client begins that speaks TLS (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// The header fields of a message, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first field of this name, in whatever case.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let named = |(n, _): &&(String, String)| n.eq_ignore_ascii_case(name);
        self.0.iter().find(named).map(|(_, value)| value.as_str())
    }

    /// Takes away the fields of this name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// Puts one field in the place of all of this name.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.0.push((name.to_owned(), value.into()));
    }

    /// Each field's name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(fields: I) -> Self {
        let fields = fields.into_iter().map(|(n, v)| (n.into(), v.into()));
        Self(fields.collect())
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Its header fields.
    pub headers: Headers,
    /// What it sends.
    pub body: Vec<u8>,
}

impl Request {
    /// One without header fields or a body.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Headers::default(),
            body: Vec::new(),
        }
    }

    /// With this field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.set(name, value);
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("Content-Type", media_type)
    }

    /// Sends it to `HOST:PORT` on a connection of its own.
    ///
    /// # Errors
    ///
    /// There is no whole answer.
    pub fn send(&self, host: &str) -> io::Result<Response> {
        let mut stream = connect(host)?;
        let mut message = self.clone();
        message.headers.set("Host", host);
        message.headers.set("Connection", "close");
        message.write(&mut stream)?;
        Response::read(&mut BufReader::new(stream), &self.method)
    }

    /// Sends it by curl to a server with TLS, such as `https://127.0.0.1:8443`, which this authority knows.
    ///
    /// # Errors
    ///
    /// There is no whole answer.
    pub(crate) fn send_by_curl(
        &self,
        to: &str,
        ca_file: &Path,
        client: Option<&Certificate>,
    ) -> io::Result<Response> {
        let mut curl = Command::new("curl");
        // As it comes: without settings of the user's, with the header fields, chunks as chunks.
        curl.args(["-q", "-sS", "-i", "--raw", "--http1.1", "--noproxy", "*"]);
        curl.arg("--cacert").arg(ca_file);
        if let Some(client) = client {
            curl.arg("--cert").arg(&client.certificate);
            curl.arg("--key").arg(&client.key);
        }
        if self.method == "HEAD" {
            curl.arg("--head");
        } else {
            curl.args(["--request", &self.method, "--data-binary", "@-"]);
        }
        // Named without a value: curl is not to add these of its own accord.
        for name in ["Content-Type", "Expect"] {
            curl.arg("--header").arg(format!("{name}:"));
        }
        for (name, value) in self.headers.iter() {
            curl.arg("--header").arg(format!("{name}: {value}"));
        }
        let curl = curl
            .arg(format!("{to}{}", self.path))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut curl = curl.spawn()?;
        if let Some(mut input) = curl.stdin.take() {
            // A curl that cannot connect does not read.
            let _ = input.write_all(&self.body);
        }
        let output = curl.wait_with_output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(said));
        }
        Response::read(&mut &*output.stdout, &self.method)
    }

    /// Writes it with its length, whichever way its body came.
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut headers = self.headers.clone();
        headers.remove("Transfer-Encoding");
        if !self.body.is_empty() || ["POST", "PUT", "PATCH"].contains(&self.method.as_str()) {
            headers.set("Content-Length", self.body.len().to_string());
        }
        let first = format!("{} {} HTTP/1.1", self.method, self.path);
        to.write_all(&head(&first, &headers))?;
        to.write_all(&self.body)
    }

    /// Reads the first line and the header fields. `None` if the client has left before.
    pub(crate) fn read_head(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        // A client that tries TLS first says its hello, in which no line ends, and waits.
        if from.fill_buf()?.first() == Some(&TLS_HANDSHAKE) {
            return Err(malformed("the first line", "TLS"));
        }
        let Some((first, headers)) = read_head(from)? else {
            return Ok(None);
        };
        let mut words = first.split(' ');
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(malformed("the first line", &first));
        };
        let mut request = Self::new(method, path);
        request.headers = headers;
        Ok(Some(request))
    }

    /// Reads the body that the header fields announce.
    pub(crate) fn read_body(&mut self, from: &mut impl BufRead) -> io::Result<()> {
        self.body = read_body(from, &self.headers)?.unwrap_or_default();
        Ok(())
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// `200`
    pub status: u16,
    /// Its header fields.
    pub headers: Headers,
    /// What it brings.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// It is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("an answer in JSON")
    }

    /// Reads an answer to a request of this method, which says whether there is a body.
    pub(crate) fn read(from: &mut impl BufRead, method: &str) -> io::Result<Self> {
        loop {
            let Some((first, headers)) = read_head(from)? else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            let status = first.split(' ').nth(1).and_then(|s| s.parse().ok());
            let status: u16 = status.ok_or_else(|| malformed("the status", &first))?;
            // An interim answer, such as `100 Continue`, announces the one that counts.
            if status < 200 {
                continue;
            }
            let body = if method == "HEAD" || status == 204 || status == 304 {
                Vec::new()
            } else if let Some(body) = read_body(from, &headers)? {
                body
            } else {
                let mut body = Vec::new();
                from.read_to_end(&mut body)?;
                body
            };
            return Ok(Self {
                status,
                headers,
                body,
            });
        }
    }

    /// Its first line and header fields, as they are.
    pub(crate) fn head(&self) -> Vec<u8> {
        head(&format!("HTTP/1.1 {} ", self.status), &self.headers)
    }
}

/// A connection that waits no longer than a minute.
pub(crate) fn connect(host: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(host)?;
    be_patient(&stream)?;
    Ok(stream)
}

/// Bounds what is waited for on a connection, so that no test hangs.
pub(crate) fn be_patient(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)
}

/// The fields of a form or a query (`application/x-www-form-urlencoded`).
pub(crate) fn form(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        rest = others;
        let hex = others.first_chunk::<2>().map(hex::decode);
        match (first, hex) {
            (b'%', Some(Ok(byte))) => {
                bytes.extend(byte);
                rest = &others[2..];
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn head(first: &str, headers: &Headers) -> Vec<u8> {
    let mut text = format!("{first}\r\n");
    for (name, value) in headers.iter() {
        text += &format!("{name}: {value}\r\n");
    }
    text += "\r\n";
    text.into_bytes()
}

fn read_head(from: &mut impl BufRead) -> io::Result<Option<(String, Headers)>> {
    let Some(first) = read_line(from)? else {
        return Ok(None);
    };
    let mut headers = Vec::new();
    loop {
        let line = read_line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(Some((first, headers.into_iter().collect())));
        }
        let field = line.split_once(':');
        let (name, value) = field.ok_or_else(|| malformed("a header field", &line))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let line = String::from_utf8_lossy(&line);
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// `None` if nothing announces a body.
fn read_body(from: &mut impl BufRead, headers: &Headers) -> io::Result<Option<Vec<u8>>> {
    let chunked = headers.value("Transfer-Encoding");
    if chunked.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return read_chunks(from).map(Some);
    }
    let Some(length) = headers.value("Content-Length") else {
        return Ok(None);
    };
    let length = length.parse().map_err(|_| malformed("a length", length))?;
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Some(body))
}

fn read_chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(digits, 16).map_err(|_| malformed("a chunk", &line))?;
        if length == 0 {
            // What may follow are fields that nobody here needs, and an empty line.
            while read_line(from)?.is_some_and(|line| !line.is_empty()) {}
            return Ok(body);
        }
        let before = body.len();
        body.resize(before + length, 0);
        from.read_exact(&mut body[before..])?;
        read_line(from)?;
    }
}

fn malformed(what: &str, text: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{what} is malformed: {text}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_its_sender_meant_it() {
        let fields = form("scope=repository%3Aapp%3Apull%2Cpush&who=a+b%&empty=");
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
        let scope = ("scope", "repository:app:pull,push");
        assert_eq!(fields, [scope, ("who", "a b%"), ("empty", "")]);
    }

    #[test]
    fn a_body_is_read_however_it_comes() {
        let long = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more";
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n";
        let to_the_end = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nhello";
        for text in [long, chunked, to_the_end] {
            let response = Response::read(&mut text.as_bytes(), "GET").unwrap();
            assert_eq!(
                (response.status, &*response.body),
                (200, &b"hello"[..]),
                "{text}"
            );
        }
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
        Response::read(&mut cut.as_bytes(), "GET").unwrap_err();
    }
}
