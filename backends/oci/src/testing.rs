//! What the tests share: a host that lends the network and an environment, and a registry in memory that can be told to misbehave.

use crate::config::Config;
use crate::manifest::sha256;
use crate::source::Images;
use serde_json::{Value, json};
use sigtool_sdk::host::{Channel, NetworkSettings, TraceLevel};
use sigtool_sdk::message::Empty;
use sigtool_sdk::services::{Services as _, answer};
use sigtool_sdk::source::{
    AttachArgs, Attached, DetachArgs, ResolveArgs, Resolved, SignaturesArgs, SignaturesReply,
    Source,
};
use sigtool_sdk::testing::{Event, FakeHost};
use sigtool_sdk::types::{DigestAlgorithm, SignatureFormat, SignedPayload};
use sigtool_sdk::{Call, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zeroize::Zeroizing;

/// A host with the network, and an environment in which nothing is set.
pub(crate) fn host() -> FakeHost {
    let variables = crate::credentials::VARIABLES
        .into_iter()
        .chain(crate::lock::VARIABLES);
    variables.fold(
        FakeHost::new().reaches(NetworkSettings::default()),
        |host, name| host.variable(name, None),
    )
}

/// A channel to a host in the same process.
pub(crate) struct Direct<'a>(pub(crate) &'a FakeHost);

impl Channel for Direct<'_> {
    fn trace(&self, level: TraceLevel, message: &str) {
        self.0.trace(level, message);
    }

    fn cancelled(&self, _call: u64) -> bool {
        false
    }

    fn request(&self, _call: u64, request: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        Ok(answer(self.0, request))
    }
}

/// Runs something with a call that is never cancelled.
pub(crate) fn with_call<T>(host: &FakeHost, run: impl FnOnce(&Call) -> T) -> T {
    run(&Call::new(&Direct(host), 1, None))
}

/// An opened source, a registry that it talks to, and the host that lends it what it needs.
pub(crate) struct Fixture {
    pub(crate) registry: TestRegistry,
    pub(crate) host: FakeHost,
    images: Images,
    _state: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new(registry: TestRegistry) -> Self {
        Self::with(registry, &json!({ "plain_http": ["127.0.0.1"] }), |host| {
            host
        })
    }

    /// The same, with other settings and on another host.
    pub(crate) fn with(
        registry: TestRegistry,
        settings: &Value,
        change: impl FnOnce(FakeHost) -> FakeHost,
    ) -> Self {
        let state = tempfile::tempdir().unwrap();
        let host = change(host().variable("XDG_STATE_HOME", state.path().to_str()));
        let config: Config = serde_json::from_value(settings.clone()).unwrap();
        let images = with_call(&host, |call| Images::new(call, config).unwrap());
        Self {
            registry,
            host,
            images,
            _state: state,
        }
    }

    pub(crate) fn resolve(&self, reference: &str, recursive: bool) -> Result<Resolved> {
        let args = ResolveArgs {
            reference: reference.to_owned(),
            digests: vec![DigestAlgorithm::Sha256],
            recursive,
            ..ResolveArgs::default()
        };
        with_call(&self.host, |call| self.images.resolve(call, args))
    }

    pub(crate) fn page(
        &self,
        reference: &str,
        formats: &[SignatureFormat],
        page: Option<&str>,
    ) -> Result<SignaturesReply> {
        let args = SignaturesArgs {
            reference: reference.to_owned(),
            digest: None,
            formats: formats.to_vec(),
            page: page.map(str::to_owned),
        };
        with_call(&self.host, |call| self.images.signatures(call, args))
    }

    /// What a person was told who waits: what is done, and how many bytes were moved.
    pub(crate) fn told(&self) -> Vec<(String, u64)> {
        let events = self.host.events().into_iter();
        let told = events.filter_map(|event| match event {
            Event::Progress(progress) => Some((progress.message, progress.done)),
            _ => None,
        });
        told.collect()
    }

    /// All pages: their names, and all that is on them.
    pub(crate) fn list(
        &self,
        reference: &str,
        formats: &[SignatureFormat],
    ) -> (Vec<String>, SignaturesReply) {
        let (mut names, mut all) = (Vec::new(), SignaturesReply::default());
        let mut page = None;
        loop {
            let reply = self.page(reference, formats, page.as_deref()).unwrap();
            all.signatures.extend(reply.signatures);
            all.failures.extend(reply.failures);
            page = reply.next_page;
            match &page {
                Some(name) => names.push(name.clone()),
                None => return (names, all),
            }
        }
    }

    pub(crate) fn attach(
        &self,
        reference: &str,
        format: SignatureFormat,
        content: &[u8],
        replaces: &[&str],
    ) -> Result<Attached> {
        let args = AttachArgs {
            reference: reference.to_owned(),
            digest: reference.split_once('@').unwrap().1.parse().unwrap(),
            format,
            content: content.into(),
            hint: "0123abcd".to_owned(),
            replaces: replaces.iter().map(|&id| id.to_owned()).collect(),
        };
        with_call(&self.host, |call| self.images.attach(call, args))
    }

    pub(crate) fn detach(&self, reference: &str, id: &str) -> Result<Empty> {
        let args = DetachArgs {
            reference: reference.to_owned(),
            id: id.to_owned(),
        };
        with_call(&self.host, |call| self.images.detach(call, args))
    }
}

/// A signature in cosign's own format, told apart by a number.
pub(crate) fn signed_payload(number: u8) -> Vec<u8> {
    let signed = SignedPayload {
        base64_signature: vec![number; 70].into(),
        payload: b"{\"critical\":{}}".as_slice().into(),
        ..SignedPayload::default()
    };
    serde_json::to_vec(&signed).unwrap()
}

/// What a client asks.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// What it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Before its last byte.
    pause: Duration,
}

impl Answer {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            pause: Duration::ZERO,
        }
    }

    /// The connection ends instead.
    pub(crate) fn cut() -> Self {
        Self::new(0)
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn with_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.status == 404
    }

    /// A refusal as the distribution specification writes it.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"no"}}]}}"#);
        Self::new(status)
            .header("Content-Type", "application/json")
            .body(body)
    }
}

/// Looks at each request before the registry does, and may answer it instead.
type Hook = Box<dyn Fn(&Asked, &Memory) -> Option<Answer> + Send + Sync>;

/// What the registry keeps.
#[derive(Default)]
pub(crate) struct Memory {
    /// By digest.
    pub(crate) blobs: Mutex<BTreeMap<String, Vec<u8>>>,
    /// By digest: the media type and the bytes.
    pub(crate) manifests: Mutex<BTreeMap<String, (String, Vec<u8>)>>,
    /// From a tag to a digest.
    pub(crate) tags: Mutex<BTreeMap<String, String>>,
    pub(crate) log: Mutex<Vec<Asked>>,
    port: u16,
}

impl Memory {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Keeps a manifest under a tag, and tells its digest.
    pub(crate) fn keep(&self, tag: &str, media_type: &str, manifest: impl Into<Vec<u8>>) -> String {
        let manifest = manifest.into();
        let digest = sha256(&manifest).to_string();
        let kept = (media_type.to_owned(), manifest);
        self.manifests.lock().unwrap().insert(digest.clone(), kept);
        self.tags
            .lock()
            .unwrap()
            .insert(tag.to_owned(), digest.clone());
        digest
    }

    pub(crate) fn keep_blob(&self, blob: &[u8]) -> String {
        let digest = sha256(blob).to_string();
        self.blobs
            .lock()
            .unwrap()
            .insert(digest.clone(), blob.to_vec());
        digest
    }

    /// The manifest that a tag names.
    pub(crate) fn tagged(&self, tag: &str) -> Option<Value> {
        let digest = self.tags.lock().unwrap().get(tag).cloned()?;
        let manifests = self.manifests.lock().unwrap();
        serde_json::from_slice(&manifests.get(&digest)?.1).ok()
    }
}

/// A registry in memory, on a port of its own, which ends with the tests.
pub(crate) struct TestRegistry {
    pub(crate) memory: Arc<Memory>,
}

impl TestRegistry {
    /// A registry that keeps lists of referrers, or does not.
    pub(crate) fn start(referrers: bool) -> Self {
        Self::with(referrers, |_, _| None)
    }

    /// The same, with a hook.
    pub(crate) fn with(
        referrers: bool,
        hook: impl Fn(&Asked, &Memory) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let memory = Arc::new(Memory {
            port: listener.local_addr().unwrap().port(),
            ..Memory::default()
        });
        let (hook, shared): (Arc<Hook>, _) = (Arc::new(Box::new(hook)), Arc::clone(&memory));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (hook, memory) = (Arc::clone(&hook), Arc::clone(&shared));
                std::thread::spawn(move || serve(stream, &memory, &hook, referrers));
            }
        });
        Self { memory }
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.memory.port)
    }

    /// The repository that the tests use.
    pub(crate) fn repository(&self) -> String {
        format!("{}/app", self.address())
    }

    /// An image under the tag `v1`; its pinned reference.
    pub(crate) fn image(&self) -> String {
        let digest = self.memory.keep("v1", OCI, IMAGE);
        format!("{}@{digest}", self.repository())
    }

    /// The requests since this was last asked, as `METHOD what`, with digests left out.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = std::mem::take(&mut *self.memory.log.lock().unwrap());
        log.iter()
            .map(|asked| {
                let path = asked.path.split('?').next().unwrap();
                let path = path.strip_prefix("/v2/app/").unwrap_or(path);
                let kind = path.split(':').next().unwrap();
                let short = match kind.split_once("sha256-") {
                    Some((kind, rest)) if rest.ends_with(".sig") => format!("{kind}tag.sig"),
                    Some((kind, _)) => format!("{kind}tag"),
                    None => kind.trim_end_matches("/sha256").to_owned(),
                };
                format!("{} {short}", asked.method)
            })
            .collect()
    }

    /// All that was asked since the requests were last taken.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.memory.log.lock().unwrap().clone()
    }
}

pub(crate) const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const IMAGE: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","size":2},"layers":[]}"#;

fn serve(stream: TcpStream, memory: &Memory, hook: &Hook, referrers: bool) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(asked) = read(&mut reader) {
        memory.log.lock().unwrap().push(asked.clone());
        let answer = hook(&asked, memory).unwrap_or_else(|| answer_of(&asked, memory, referrers));
        if answer.status == 0 {
            return;
        }
        let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
        for (name, value) in &answer.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        write!(head, "Content-Length: {}\r\n\r\n", answer.body.len()).unwrap();
        let body: &[u8] = if asked.method == "HEAD" {
            &[]
        } else {
            &answer.body
        };
        let all = [head.as_bytes(), body].concat();
        let early = if answer.pause.is_zero() {
            0
        } else {
            all.len() - 1
        };
        let sent = stream.write_all(&all[..early]);
        std::thread::sleep(answer.pause);
        if sent.and_then(|()| stream.write_all(&all[early..])).is_err() {
            return;
        }
    }
}

/// A request, or `None` at the end, or if it is not HTTP: a client that tries TLS first is told so by a line of plain HTTP.
fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).ok()?;
    let Ok(line) = String::from_utf8(line) else {
        let _ = reader
            .get_mut()
            .write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        return None;
    };
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    // Some registries refuse an upload that does not say that it begins with nothing.
    assert!(method != "POST" || headers.contains_key("content-length"));
    let length = headers.get("content-length").map_or(Ok(0), |l| l.parse());
    let mut body = vec![0; length.ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        path,
        headers,
        body,
    })
}

/// What a registry answers that does all it is asked.
pub(crate) fn answer_of(asked: &Asked, memory: &Memory, referrers: bool) -> Answer {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let Some(path) = path.strip_prefix("/v2/app/") else {
        return Answer::error(404, "NAME_UNKNOWN");
    };
    let (kind, name) = path.split_once('/').unwrap_or((path, ""));
    match (asked.method.as_str(), kind) {
        ("POST", "blobs") => Answer::new(202).header("Location", "/v2/app/blobs/uploads/1?state=x"),
        ("PUT", "blobs") => {
            let digest = query.split("digest=").nth(1).unwrap().replace("%3A", ":");
            assert_eq!(memory.keep_blob(&asked.body), digest);
            Answer::new(201)
        }
        ("GET" | "HEAD", "blobs") => match memory.blobs.lock().unwrap().get(name) {
            Some(blob) => Answer::new(200).body(blob.clone()),
            None => Answer::error(404, "BLOB_UNKNOWN"),
        },
        ("GET" | "HEAD", "manifests") => manifest(memory, name),
        ("PUT", "manifests") => put_manifest(asked, memory, name, referrers),
        ("DELETE", "manifests") => match memory.manifests.lock().unwrap().remove(name) {
            Some(_) => {
                memory.tags.lock().unwrap().retain(|_, d| d != name);
                Answer::new(202)
            }
            None => Answer::error(404, "MANIFEST_UNKNOWN"),
        },
        ("GET", "referrers") if referrers => list(memory, name),
        _ => Answer::new(404),
    }
}

fn manifest(memory: &Memory, name: &str) -> Answer {
    let tagged = memory.tags.lock().unwrap().get(name).cloned();
    let digest = tagged.unwrap_or_else(|| name.to_owned());
    match memory.manifests.lock().unwrap().get(&digest) {
        Some((media_type, bytes)) => Answer::new(200)
            .header("Content-Type", media_type)
            .header("Docker-Content-Digest", digest)
            .body(bytes.clone()),
        None => Answer::error(404, "MANIFEST_UNKNOWN"),
    }
}

fn put_manifest(asked: &Asked, memory: &Memory, name: &str, referrers: bool) -> Answer {
    let media_type = asked.headers["content-type"].clone();
    let digest = sha256(&asked.body).to_string();
    let json: Value = serde_json::from_slice(&asked.body).unwrap();
    memory
        .manifests
        .lock()
        .unwrap()
        .insert(digest.clone(), (media_type, asked.body.clone()));
    if name != digest {
        memory.tags.lock().unwrap().insert(name.to_owned(), digest);
    }
    match json["subject"]["digest"].as_str() {
        Some(subject) if referrers => Answer::new(201).header("OCI-Subject", subject),
        _ => Answer::new(201),
    }
}

fn list(memory: &Memory, subject: &str) -> Answer {
    let manifests = memory.manifests.lock().unwrap();
    let entries: Vec<Value> = manifests
        .iter()
        .filter_map(|(digest, (media_type, bytes))| {
            let json: Value = serde_json::from_slice(bytes).ok()?;
            (json["subject"]["digest"] == subject).then(|| {
                json!({
                    "mediaType": media_type, "digest": digest, "size": bytes.len(),
                    "artifactType": json["artifactType"], "annotations": json["annotations"],
                })
            })
        })
        .collect();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    Answer::new(200)
        .header("Content-Type", INDEX)
        .body(index.to_string())
}
