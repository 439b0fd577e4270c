//! A proxy before a real registry that counts what is asked, and lets go wrong what a test wants to go wrong.

use crate::http::{Headers, Request, Response, connect};
use crate::images;
use crate::listener::{Acceptor, both_ways, invite, lock, read_head};
use crate::registry::Registry;
use std::io::{self, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// An endless body ends here, for the sake of the machine: 200 MiB.
const END_OF_THE_ENDLESS: usize = 200 << 20;

/// How often it is looked whether a client that waits has left.
const GLANCE: Duration = Duration::from_millis(5);

/// The proxy. A program that is given its [`FaultProxy::host`] in the registry's place notices nothing, as long as there is no fault.
#[derive(Debug)]
pub struct FaultProxy {
    acceptor: Acceptor,
    state: Arc<State>,
}

/// A request that came by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `GET`
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The status that the client was told. `None` if it was told none (yet).
    pub status: Option<u16>,
    /// The request's header fields.
    pub headers: Headers,
}

/// Which requests a fault is for.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The method; any, if it is empty.
    pub method: &'static str,
    /// What the path or its query contains; anything, if it is empty.
    pub path_contains: String,
    /// For this many requests. After that, the fault is over.
    pub times: usize,
}

impl Matcher {
    /// All requests, for ever.
    #[must_use]
    pub fn any() -> Self {
        Self::new("", "")
    }

    /// All requests with this method, and this in the path, for ever.
    #[must_use]
    pub fn new(method: &'static str, path_contains: impl Into<String>) -> Self {
        Self {
            method,
            path_contains: path_contains.into(),
            times: usize::MAX,
        }
    }

    /// Only the next of them.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Only the next ones of them.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    fn matches(&self, request: &Request) -> bool {
        self.times > 0
            && (self.method.is_empty() || self.method == request.method)
            && request.path.contains(&self.path_contains)
    }
}

/// What goes wrong. Where it says nothing else, the registry gets the request, and its answer is what is spoilt.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The right header fields with the right length, half of the body, and the connection is cut.
    CutDownload,
    /// Half of the request's body is read, and the connection is cut. The registry hears nothing.
    CutUpload,
    /// A body that never ends, in chunks, until the client leaves.
    EndlessBody,
    /// 502 with a page in HTML, as a load balancer says it. The registry hears nothing.
    Html502,
    /// Nothing is said until [`FaultProxy::mend`], or until the client leaves; then all is well.
    Held,
    /// A manifest of this many bytes, valid, with its right digest in the header.
    HugeManifest(usize),
    /// No `Location`, where there should be one.
    NoLocation,
    /// 307 to this URL. The registry hears nothing.
    RedirectTo(String),
    /// Nothing is said for this long, or until the client leaves; then all is well.
    Slow(Duration),
    /// This status, with these header fields and this body. The registry hears nothing.
    Status(u16, Vec<(&'static str, String)>, String),
    /// One bit of the body is another, and the header fields are right.
    WrongBytes,
    /// `Docker-Content-Digest` names something else.
    WrongDigestHeader,
}

impl Fault {
    /// A status without more.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self::Status(code, Vec::new(), String::new())
    }

    /// 429 with `Retry-After` in seconds, or none.
    #[must_use]
    pub fn throttled(retry_after: Option<u32>) -> Self {
        let fields = retry_after.map(|seconds| ("Retry-After", seconds.to_string()));
        let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"too many requests"}]}"#;
        Self::Status(429, fields.into_iter().collect(), body.to_owned())
    }
}

#[derive(Debug)]
struct State {
    registry: String,
    seen: Mutex<Vec<Seen>>,
    faults: Mutex<Vec<(Matcher, Fault)>>,
    held: AtomicUsize,
    mended: AtomicUsize,
}

impl FaultProxy {
    /// Starts one before this registry, which it is to be dropped before.
    ///
    /// # Panics
    ///
    /// The registry speaks TLS.
    #[must_use]
    pub fn before(registry: &Registry) -> Self {
        assert!(registry.ca_file().is_none(), "no proxy reads TLS");
        let state = Arc::new(State {
            registry: registry.host(),
            seen: Mutex::default(),
            faults: Mutex::default(),
            held: AtomicUsize::new(0),
            mended: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        let acceptor = Acceptor::start("127.0.0.1", move |stream| shared.serve(stream));
        Self { acceptor, state }
    }

    /// `127.0.0.1:PORT`, as a reference begins.
    #[must_use]
    pub fn host(&self) -> String {
        self.acceptor.host()
    }

    /// `http://127.0.0.1:PORT`
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.host())
    }

    /// From now on, this goes wrong. If several faults match a request, it gets the one that was named first and is not over.
    pub fn fault(&self, matcher: Matcher, fault: Fault) {
        lock(&self.state.faults).push((matcher, fault));
    }

    /// From now on, all is well, and what was held goes on.
    pub fn mend(&self) {
        lock(&self.state.faults).clear();
        self.state.mended.fetch_add(1, Ordering::Relaxed);
    }

    /// All requests so far, in the order in which they came.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        lock(&self.state.seen).clone()
    }

    /// How many requests so far had this method (any, if it is empty) and this in the path.
    #[must_use]
    pub fn count(&self, method: &str, path_contains: &str) -> usize {
        let requests = self.requests();
        let counted = requests.iter().filter(|seen| {
            (method.is_empty() || seen.method == method) && seen.path.contains(path_contains)
        });
        counted.count()
    }

    /// How many requests are held now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.state.held.load(Ordering::Relaxed)
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        lock(&self.state.seen).clear();
    }
}

/// Whether the connection may go on.
type Flow = io::Result<bool>;

const CUT: Flow = Ok(false);

impl State {
    /// Serves a connection until its client leaves, or a fault ends it.
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let (mut from, mut to) = both_ways(stream)?;
        while let Some(request) = read_head(&mut from, &mut to)? {
            let mut exchange = Exchange {
                state: self,
                number: self.note(&request),
                from: &mut from,
                to: &mut to,
            };
            let fault = self.fault_for(&request);
            if !exchange.answer(request, fault)? {
                break;
            }
        }
        Ok(())
    }

    fn note(&self, request: &Request) -> usize {
        let mut seen = lock(&self.seen);
        seen.push(Seen {
            method: request.method.clone(),
            path: request.path.clone(),
            status: None,
            headers: request.headers.clone(),
        });
        seen.len() - 1
    }

    fn fault_for(&self, request: &Request) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let (matcher, fault) = faults.iter_mut().find(|(m, _)| m.matches(request))?;
        matcher.times -= 1;
        Some(fault.clone())
    }

    /// What the registry answers, with itself in the proxy's place where it names itself.
    fn forward(&self, request: &Request, proxy: &str) -> io::Result<Response> {
        let mut stream = connect(&self.registry)?;
        let mut request = request.clone();
        request.headers.set("Connection", "close");
        // The body has been asked for already.
        request.headers.remove("Expect");
        request.write(&mut stream)?;
        let mut response = Response::read(&mut BufReader::new(stream), &request.method)?;
        for field in ["Connection", "Keep-Alive", "Transfer-Encoding"] {
            response.headers.remove(field);
        }
        let location = response.headers.value("Location").unwrap_or_default();
        let there = format!("http://{}/", self.registry);
        if let Some(path) = location.strip_prefix(&there) {
            let here = format!("http://{proxy}/{path}");
            response.headers.set("Location", here);
        }
        let has_body = request.method != "HEAD" && ![204, 304].contains(&response.status);
        if has_body {
            let length = response.body.len().to_string();
            response.headers.set("Content-Length", length);
        }
        Ok(response)
    }
}

/// A request, and the connection that it came on.
struct Exchange<'a> {
    state: &'a State,
    number: usize,
    from: &'a mut BufReader<TcpStream>,
    to: &'a mut TcpStream,
}

impl Exchange<'_> {
    fn answer(&mut self, mut request: Request, fault: Option<Fault>) -> Flow {
        invite(&request, self.to)?;
        if matches!(fault, Some(Fault::CutUpload)) {
            return self.cut_upload(&request);
        }
        request.read_body(self.from)?;
        match fault {
            Some(Fault::Status(code, fields, body)) => {
                let headers = fields.into_iter().collect();
                self.say(&request, code, headers, body)
            }
            Some(Fault::Html502) => {
                let headers = [("Content-Type", "text/html")].into_iter().collect();
                let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";
                self.say(&request, 502, headers, page.to_owned())
            }
            Some(Fault::RedirectTo(url)) => {
                let headers = [("Location", url)].into_iter().collect();
                self.say(&request, 307, headers, String::new())
            }
            Some(Fault::Slow(how_long)) => {
                let until = Instant::now() + how_long;
                self.answer_later(&request, || Instant::now() >= until)
            }
            Some(Fault::Held) => {
                let (held, mended) = (&self.state.held, &self.state.mended);
                let before = mended.load(Ordering::Relaxed);
                held.fetch_add(1, Ordering::Relaxed);
                let flow = self.answer_later(&request, || mended.load(Ordering::Relaxed) != before);
                held.fetch_sub(1, Ordering::Relaxed);
                flow
            }
            fault => {
                let response = self.forward(&request)?;
                self.spoil(&request, response, fault)
            }
        }
    }

    /// Says nothing until it is time, and then what the registry says.
    fn answer_later(&mut self, request: &Request, is_time: impl Fn() -> bool) -> Flow {
        if leaves_before(is_time, self.to)? {
            return CUT;
        }
        let response = self.forward(request)?;
        self.send(&response)
    }

    fn forward(&self, request: &Request) -> io::Result<Response> {
        let proxy = self.to.local_addr()?.to_string();
        self.state.forward(request, &proxy)
    }

    /// Sends what the registry said, with one thing wrong.
    fn spoil(&mut self, request: &Request, mut response: Response, fault: Option<Fault>) -> Flow {
        match fault {
            Some(Fault::CutDownload) => {
                self.begin(&response)?;
                self.to
                    .write_all(&response.body[..response.body.len() / 2])?;
                return CUT;
            }
            Some(Fault::EndlessBody) => return self.endless(response),
            Some(Fault::HugeManifest(size)) => huge_manifest(request, &mut response, size),
            Some(Fault::NoLocation) => response.headers.remove("Location"),
            Some(Fault::WrongBytes) => {
                let middle = response.body.len() / 2;
                if let Some(byte) = response.body.get_mut(middle) {
                    *byte ^= 1;
                }
            }
            Some(Fault::WrongDigestHeader) => {
                let other = images::digest(b"something else");
                response.headers.set("Docker-Content-Digest", other);
            }
            _ => {}
        }
        self.send(&response)
    }

    /// Says something that the registry did not.
    fn say(&mut self, request: &Request, status: u16, mut headers: Headers, body: String) -> Flow {
        headers.set("Content-Length", body.len().to_string());
        let is_head = request.method == "HEAD";
        self.send(&Response {
            status,
            headers,
            body: if is_head { Vec::new() } else { body.into() },
        })
    }

    fn send(&mut self, response: &Response) -> Flow {
        self.begin(response)?;
        self.to.write_all(&response.body)?;
        Ok(true)
    }

    fn begin(&mut self, response: &Response) -> io::Result<()> {
        if let Some(seen) = lock(&self.state.seen).get_mut(self.number) {
            seen.status = Some(response.status);
        }
        self.to.write_all(&response.head())
    }

    /// What was not read makes the kernel reset the connection, as a broken one would be.
    fn cut_upload(&mut self, request: &Request) -> Flow {
        let length = request.headers.value("Content-Length");
        let length: u64 = length.and_then(|l| l.parse().ok()).unwrap_or(0);
        io::copy(&mut self.from.take(length / 2), &mut io::sink())?;
        CUT
    }

    fn endless(&mut self, mut response: Response) -> Flow {
        response.headers.remove("Content-Length");
        response.headers.set("Transfer-Encoding", "chunked");
        self.begin(&response)?;
        let chunk = [b' '; 1 << 16];
        let mut sent = 0;
        while sent < END_OF_THE_ENDLESS {
            write!(self.to, "{:x}\r\n", chunk.len())?;
            self.to.write_all(&chunk)?;
            self.to.write_all(b"\r\n")?;
            sent += chunk.len();
        }
        CUT
    }
}

/// Whether the client closes the connection before it is time.
fn leaves_before(is_time: impl Fn() -> bool, client: &TcpStream) -> io::Result<bool> {
    client.set_nonblocking(true)?;
    let mut left = false;
    while !left && !is_time() {
        std::thread::sleep(GLANCE);
        left = match client.peek(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        };
    }
    client.set_nonblocking(false)?;
    Ok(left)
}

fn huge_manifest(request: &Request, response: &mut Response, size: usize) {
    let start = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{}","size":2}},"layers":[],"annotations":{{"huge":""#,
        images::MANIFEST,
        images::digest(b"{}")
    );
    let end = r#""}}"#;
    let filling = size.saturating_sub(start.len() + end.len());
    let body = format!("{start}{}{end}", "x".repeat(filling)).into_bytes();
    response.status = 200;
    let headers = &mut response.headers;
    headers.set("Content-Type", images::MANIFEST);
    headers.set("Content-Length", body.len().to_string());
    headers.set("Docker-Content-Digest", images::digest(&body));
    if request.method != "HEAD" {
        response.body = body;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bystander;
    use crate::images::{MANIFEST, digest};
    use crate::processes::wait_for;

    /// A registry with an image, and a proxy before it.
    fn stage() -> Option<(Registry, FaultProxy, String)> {
        let registry = Registry::docker()?;
        let image = registry.push_image("app", "v1", 1);
        let proxy = FaultProxy::before(&registry);
        Some((registry, proxy, image))
    }

    fn manifest() -> Request {
        Request::new("GET", "/v2/app/manifests/v1").header("Accept", MANIFEST)
    }

    #[test]
    fn without_a_fault_nothing_is_different() {
        let Some((registry, proxy, image)) = stage() else {
            return;
        };
        let answer = manifest().send(&proxy.host()).unwrap();
        let direct = registry.get("/v2/app/manifests/v1", MANIFEST);
        assert_eq!((answer.status, &answer.body), (200, &direct.body));
        let named = answer.headers.value("Docker-Content-Digest");
        assert_eq!(named, Some(&*image));
        let head = Request {
            method: "HEAD".to_owned(),
            ..manifest()
        };
        let answer = head.send(&proxy.host()).unwrap();
        let length = direct.body.len().to_string();
        assert_eq!(answer.headers.value("Content-Length"), Some(&*length));

        let upload = Request::new("POST", "/v2/app/blobs/uploads/");
        let answer = upload.send(&proxy.host()).unwrap();
        let location = answer.headers.value("Location").unwrap();
        let path = location.strip_prefix(&proxy.url()).unwrap();
        let put = Request::new("PUT", &format!("{path}&digest={}", digest(b"abc")))
            .body("application/octet-stream", "abc");
        assert_eq!(put.send(&proxy.host()).unwrap().status, 201);
        let seen: Vec<_> = proxy
            .requests()
            .into_iter()
            .map(|s| (s.method, s.status))
            .collect();
        let expected = [("GET", 200), ("HEAD", 200), ("POST", 202), ("PUT", 201)];
        assert_eq!(
            seen,
            expected.map(|(method, status)| (method.to_owned(), Some(status)))
        );
    }

    #[test]
    fn a_connection_serves_many_requests_and_a_body_in_chunks() {
        let Some((_registry, proxy, _)) = stage() else {
            return;
        };
        let stream = connect(&proxy.host()).unwrap();
        let mut from = BufReader::new(stream.try_clone().unwrap());
        let mut to = stream;
        for _ in 0..2 {
            write!(to, "GET /v2/ HTTP/1.1\r\nHost: {}\r\n\r\n", proxy.host()).unwrap();
            assert_eq!(Response::read(&mut from, "GET").unwrap().status, 200);
        }
        let path = format!("/v2/app/blobs/uploads/?digest={}", digest(b"abc"));
        let head = "Expect: 100-continue\r\nTransfer-Encoding: chunked";
        write!(to, "POST {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n").unwrap();
        to.write_all(b"3\r\nabc\r\n0\r\n\r\n").unwrap();
        let answer = Response::read(&mut from, "POST").unwrap();
        assert!([201, 202].contains(&answer.status), "{}", answer.status);
    }

    #[test]
    fn what_is_answered_instead_never_reaches_the_registry() {
        let Some((_registry, proxy, _)) = stage() else {
            return;
        };
        let bystander = Bystander::start();
        let tags = Matcher::new("GET", "/tags/").once();
        proxy.fault(tags.clone(), Fault::throttled(Some(7)));
        proxy.fault(tags.clone(), Fault::Html502);
        proxy.fault(tags.clone(), Fault::status(500));
        proxy.fault(tags, Fault::RedirectTo(bystander.url()));
        let answers: Vec<Response> = (0..5)
            .map(|_| {
                Request::new("GET", "/v2/app/tags/list")
                    .send(&proxy.host())
                    .unwrap()
            })
            .collect();
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [429, 502, 500, 307, 200]);
        assert_eq!(answers[0].headers.value("Retry-After"), Some("7"));
        assert!(answers[1].body.starts_with(b"<html>"));
        assert_eq!(
            answers[3].headers.value("Location"),
            Some(&*bystander.url())
        );
        assert_eq!(proxy.count("GET", "/tags/"), 5);
        assert!(bystander.requests().is_empty());
    }

    #[test]
    fn an_answer_is_spoilt_in_one_way() {
        let Some((_registry, proxy, image)) = stage() else {
            return;
        };
        // But for the time of day, equal answers are equal.
        let send = || {
            let mut answer = manifest().send(&proxy.host())?;
            answer.headers.remove("Date");
            io::Result::Ok(answer)
        };
        let right = send().unwrap();
        let ask = |fault: Fault| {
            proxy.fault(Matcher::new("GET", "/manifests/").once(), fault);
            send()
        };
        assert!(ask(Fault::CutDownload).is_err());
        let wrong = ask(Fault::WrongBytes).unwrap();
        assert_eq!(wrong.headers, right.headers);
        let differ = wrong.body.iter().zip(&right.body).filter(|(a, b)| a != b);
        assert_eq!(differ.count(), 1);
        let wrong = ask(Fault::WrongDigestHeader).unwrap();
        assert_eq!(wrong.body, right.body);
        assert_ne!(wrong.headers.value("Docker-Content-Digest"), Some(&*image));
        let huge = ask(Fault::HugeManifest(5 << 20)).unwrap();
        assert_eq!(huge.body.len(), 5 << 20);
        assert_eq!(huge.json()["mediaType"], MANIFEST);
        let named = huge.headers.value("Docker-Content-Digest");
        assert_eq!(named, Some(&*digest(&huge.body)));
        assert_eq!(send().unwrap(), right);

        proxy.fault(Matcher::new("POST", ""), Fault::NoLocation);
        let upload = Request::new("POST", "/v2/app/blobs/uploads/");
        let answer = upload.send(&proxy.host()).unwrap();
        assert_eq!(
            (answer.status, answer.headers.value("Location")),
            (202, None)
        );
        proxy.mend();
        let answer = upload.send(&proxy.host()).unwrap();
        assert!(answer.headers.value("Location").is_some());
    }

    #[test]
    fn a_cut_upload_reaches_nobody() {
        let Some((registry, proxy, _)) = stage() else {
            return;
        };
        proxy.fault(Matcher::new("PUT", "/manifests/v2"), Fault::CutUpload);
        let put = Request::new("PUT", "/v2/app/manifests/v2").body(MANIFEST, vec![b'x'; 1 << 20]);
        put.send(&proxy.host()).unwrap_err();
        let [seen] = &proxy.requests()[..] else {
            panic!()
        };
        assert_eq!((&*seen.method, seen.status), ("PUT", None));
        assert!(!registry.log().contains("manifests/v2"));
    }

    #[test]
    fn an_endless_body_goes_on_until_the_client_leaves() {
        let Some((_registry, proxy, _)) = stage() else {
            return;
        };
        proxy.fault(Matcher::any(), Fault::EndlessBody);
        let mut stream = connect(&proxy.host()).unwrap();
        stream
            .write_all(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let much = io::copy(&mut (&stream).take(10 << 20), &mut io::sink());
        assert_eq!(much.unwrap(), 10 << 20);
    }

    #[test]
    fn a_slow_answer_is_the_right_one() {
        let Some((_registry, proxy, _)) = stage() else {
            return;
        };
        proxy.fault(Matcher::any(), Fault::Slow(Duration::from_millis(50)));
        assert_eq!(manifest().send(&proxy.host()).unwrap().status, 200);
    }

    #[test]
    fn what_is_held_goes_on_once_all_is_well() {
        let Some((_registry, proxy, _)) = stage() else {
            return;
        };
        proxy.fault(Matcher::any(), Fault::Held);
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| manifest().send(&proxy.host()).unwrap().status);
            wait_for("the request", || (proxy.held() == 1).then_some(()));
            assert!(!asked.is_finished());
            proxy.mend();
            assert_eq!(asked.join().unwrap(), 200);
        });
        wait_for("its answer", || (proxy.held() == 0).then_some(()));
    }

    #[test]
    fn a_client_that_leaves_is_noticed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        assert!(!leaves_before(|| true, &stream).unwrap());
        drop(client);
        assert!(leaves_before(|| false, &stream).unwrap());
    }
}
