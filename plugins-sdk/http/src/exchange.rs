//! One request and its answer, without redirects and retries.
//!
//! It runs on a thread of its own, so that the caller can look up from it: a call is cancelled at once, and no answer outlasts the
//! deadline, whatever trickles in. A thread that is left behind ends by itself.

use crate::header::HeaderMap;
use crate::message::Request;
use crate::{Method, StatusCode};
use reqwest::blocking;
use sigtool_sdk::{Call, Error};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a waiting thread looks whether its call is cancelled, and what has come.
const SLICE: Duration = Duration::from_millis(50);

/// How much of a body is read at once, in bytes.
const CHUNK: usize = 64 << 10;

/// How an answer is waited for.
pub(crate) struct Patience<'a> {
    /// How long it may take in all.
    pub(crate) allowed: Duration,
    /// When that is over.
    pub(crate) deadline: Instant,
    /// Is told how many bytes of the body have come since it was told last.
    pub(crate) watch: &'a dyn Fn(u64),
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Why nothing came back, or not all.
pub(crate) enum Trouble {
    /// The call is cancelled.
    Cancelled(Error),
    /// The body could not be read to its end.
    Read(io::Error),
    /// The request could not be sent, or no head of an answer came.
    Send(reqwest::Error),
    /// The system gives no thread.
    Thread(io::Error),
    /// The deadline has passed. `begun`: after the head of the answer.
    Timeout { begun: bool },
    /// The body is longer than the request allows.
    TooLarge,
}

/// What both threads look at.
#[derive(Default)]
struct Shared {
    /// The head of the answer is there.
    begun: AtomicBool,
    /// Nobody waits for the answer any more.
    left: AtomicBool,
    /// How many bytes of the body have come, and nobody was told of.
    came: AtomicU64,
}

/// Sends the request and reads its answer, at most until the deadline.
pub(crate) fn exchange(
    call: &Call,
    client: blocking::Client,
    request: &Request,
    patience: &Patience,
) -> Result<Answer, Trouble> {
    let deadline = patience.deadline;
    let (done, answers) = mpsc::sync_channel(1);
    let shared = Arc::new(Shared::default());
    let theirs = Arc::clone(&shared);
    let request = request.clone();
    let work = move || {
        let answer = run(&client, request, deadline, &theirs);
        // Nobody may wait for it any more.
        let _ = done.send(answer);
    };
    thread::Builder::new()
        .name("sigtool-http".to_owned())
        .spawn(work)
        .map_err(Trouble::Thread)?;
    let answer = wait(call, &answers, &shared, patience);
    shared.left.store(true, Ordering::Relaxed);
    answer.unwrap_or_else(|| {
        let begun = shared.begun.load(Ordering::Relaxed);
        Err(Trouble::Timeout { begun })
    })
}

/// Waits for the other thread. `None` at the deadline.
fn wait(
    call: &Call,
    answers: &mpsc::Receiver<Result<Answer, Trouble>>,
    shared: &Shared,
    patience: &Patience,
) -> Option<Result<Answer, Trouble>> {
    loop {
        let left = patience.deadline.saturating_duration_since(Instant::now());
        match answers.recv_timeout(left.min(SLICE)) {
            Ok(answer) => return Some(answer),
            Err(RecvTimeoutError::Disconnected) => {
                let gone = io::Error::other("the thread of the request has panicked");
                return Some(Err(Trouble::Thread(gone)));
            }
            Err(RecvTimeoutError::Timeout) if left.is_zero() => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if call.cancelled()
            && let Err(error) = call.check()
        {
            return Some(Err(Trouble::Cancelled(error)));
        }
        // Of what does not move nobody is told: that a server is silent is not a sign of life.
        let came = shared.came.swap(0, Ordering::Relaxed);
        if came > 0 {
            (patience.watch)(came);
        }
    }
}

fn run(
    client: &blocking::Client,
    request: Request,
    deadline: Instant,
    shared: &Shared,
) -> Result<Answer, Trouble> {
    let left = deadline.saturating_duration_since(Instant::now());
    let takes_body = [Method::PATCH, Method::POST, Method::PUT].contains(&request.method);
    let mut sending = client
        .request(request.method, request.url)
        .headers(request.headers)
        .timeout(left);
    if takes_body || !request.body.is_empty() {
        sending = sending.body(request.body);
    }
    let response = sending.send().map_err(Trouble::Send)?;
    shared.begun.store(true, Ordering::Relaxed);
    Ok(Answer {
        status: response.status(),
        headers: response.headers().clone(),
        body: read(response, request.max_body, deadline, shared)?,
    })
}

/// Reads the body, and not one chunk more than is allowed.
fn read(
    mut response: blocking::Response,
    max: usize,
    deadline: Instant,
    shared: &Shared,
) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = match response.read(&mut chunk) {
            Ok(0) => return Ok(body),
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Trouble::Read(e)),
        };
        if count > max - body.len() {
            return Err(Trouble::TooLarge);
        }
        body.extend_from_slice(&chunk[..count]);
        shared.came.fetch_add(count as u64, Ordering::Relaxed);
        if shared.left.load(Ordering::Relaxed) || Instant::now() >= deadline {
            return Err(Trouble::Timeout { begun: true });
        }
    }
}
