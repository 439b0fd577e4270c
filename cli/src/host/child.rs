//! A backend in a child process: a shared library under sigtool's own host, or an executable. Whatever it does wrong is an error
//! that names it, not a crash.

use crate::host::outside::Outside;
use crate::host::protocol::{Fit, broken, garbage};
use crate::host::wait::{interrupted, wait};
use crate::interrupt::{self, GLANCE};
use rustix::io::FdFlags;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};
use serde::Serialize;
use serde_json::value::RawValue;
use sigtool_sdk::connection::{Calls, Connection};
use sigtool_sdk::host::{Channel as _, TraceLevel};
use sigtool_sdk::message::{Hello, OutgoingRequest};
use sigtool_sdk::services::Services;
use sigtool_sdk::stdio::{FromBackend, HelloFrame, read_line};
use sigtool_sdk::{Error, ErrorCode, Result};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{
    Child as Process, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The hidden command that sets a child up: `sigtool __backend-host library|executable FD PARENT`.
pub(crate) const COMMAND: &str = "__backend-host";

/// How long a child may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// How long a child may take to leave after its stdin was closed.
const GRACE: Duration = Duration::from_secs(2);

/// How long a child that has closed its output may take to be gone, and its last words to arrive.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How many messages may wait for a child to read them: many times what calls and answers need.
const MAX_UNREAD: usize = 4096;

/// How many requests of a child may be answered at once; each takes a thread.
const MAX_ASKED: usize = 64;

/// How much of a line of stderr is looked at, in bytes.
const MAX_STDERR_LINE: u64 = 64 * 1024;

/// How many last lines of stderr are kept for the error.
const STDERR_LINES: usize = 5;

/// What runs in the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Library,
    Executable,
}

/// A child and the calls that run in it.
pub(super) struct Child {
    shared: Arc<Shared>,
    hello: Hello,
}

impl std::fmt::Debug for Child {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Child")
            .field("hello", &self.hello)
            .finish_non_exhaustive()
    }
}

type Answer = Result<Zeroizing<Vec<u8>>>;

/// What the reading thread and the callers share.
struct Shared {
    calls: Arc<Calls>,
    process: Mutex<Family>,
    /// To the thread that writes: a child that reads nothing must not stop a caller.
    input: Mutex<Option<SyncSender<Zeroizing<Vec<u8>>>>>,
    waiting: Mutex<HashMap<u64, Sender<Answer>>>,
    /// Requests of the child that are being answered.
    asked: AtomicUsize,
    /// Set once, when the child can no longer answer: every later call gets it too.
    broken: Mutex<Option<Error>>,
    stderr: Mutex<VecDeque<String>>,
    outside: Outside,
}

impl Child {
    /// Starts a child on an open, inheritable file, and exchanges hellos. It may be silent for `patience`.
    pub(super) fn start(
        file: &File,
        form: Form,
        environment: &BTreeMap<String, String>,
        hello: &Hello,
        patience: Option<Duration>,
        trace: Arc<dyn Services>,
        outside: Outside,
    ) -> Result<Self> {
        let mut process = spawn(file, form, environment)?;
        let (input, output, stderr) = (
            process.stdin.take(),
            process.stdout.take(),
            process.stderr.take(),
        );
        let (Some(input), Some(output), Some(stderr)) = (input, output, stderr) else {
            return Err(Error::new(ErrorCode::Internal, "the child has no pipes"));
        };
        let shared = Arc::new(Shared {
            calls: Calls::new(trace),
            process: Mutex::new(Family { process, end: None }),
            input: Mutex::new(Some(write_behind(input))),
            waiting: Mutex::default(),
            asked: AtomicUsize::new(0),
            broken: Mutex::default(),
            stderr: Mutex::default(),
            outside,
        });
        let first = shared.read_behind(output, stderr);
        let mut child = Self {
            shared,
            hello: hello.clone(),
        };
        let patience = patience.map_or(HELLO, |patience| patience.min(HELLO));
        let line = first_line(&first, patience).inspect_err(|_| {
            child.shared.process().end();
        })?;
        child.hello = child.shared.hello(&line)?;
        if child.hello.common_protocol(hello).is_none() {
            return Err(Error::new(
                ErrorCode::Unsupported,
                format!(
                    "no protocol in common: the backend speaks {:?}, sigtool {:?}",
                    child.hello.protocol, hello.protocol
                ),
            ));
        }
        child.shared.write(&HelloFrame {
            sigtool: hello.clone(),
        })?;
        Ok(child)
    }

    /// What the backend said first.
    pub(super) fn hello(&self) -> &Hello {
        &self.hello
    }
}

impl Connection for Child {
    fn carry(
        &self,
        id: u64,
        request: &[u8],
        deadline: Option<Duration>,
        services: &Arc<dyn Services>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let (sender, answer) = channel();
        self.shared.calls.begin(id, services);
        self.shared.waiting().insert(id, sender);
        // Looked at only now, so that a child that ends meanwhile has either told this call or is seen here.
        let broken = self.shared.broken().clone();
        let end = match broken {
            Some(error) => Err(error),
            None => {
                // A child that dies while we write leaves its reason with the reading thread.
                let _ = self.shared.write_line(request);
                wait(&self.shared.calls, &answer, id, deadline, || {
                    #[derive(Serialize)]
                    struct Cancel {
                        cancel: u64,
                    }
                    let _ = self.shared.write(&Cancel { cancel: id });
                })
            }
        };
        self.shared.calls.end(id);
        self.shared.waiting().remove(&id);
        if let Err(error) = &end
            && matches!(error.code, ErrorCode::Cancelled | ErrorCode::Timeout)
        {
            *self.shared.broken() = Some(error.clone());
            self.shared.process().end();
        }
        end?.reply()
    }
}

impl Drop for Child {
    /// The end of its input tells the child to leave, and it gets time to.
    fn drop(&mut self) {
        drop(self.shared.input().take());
        let mut process = self.shared.process();
        process.ends_within(GRACE);
        process.end();
    }
}

/// A child, and all that it has started: they are of one process group.
struct Family {
    process: Process,
    /// How it ended, once that is known. Before that its number cannot belong to another process.
    end: Option<std::io::Result<ExitStatus>>,
}

impl Family {
    /// Whether it ends by itself within this time.
    fn ends_within(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut pause = Duration::from_micros(100);
        let id = WaitId::Pid(Pid::from_child(&self.process));
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while self.end.is_none() && matches!(waitid(id.clone(), look), Ok(None)) {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        true
    }

    /// Ends what is left of it, and says in words how the child ended.
    fn end(&mut self) -> String {
        if self.end.is_none() {
            let pid = Pid::from_child(&self.process);
            let _ = kill_process_group(pid, Signal::KILL);
            // It may not yet have a group of its own.
            let _ = kill_process(pid, Signal::KILL);
            self.end = Some(self.process.wait());
        }
        match &self.end {
            Some(Ok(status)) => describe(status),
            Some(Err(e)) => format!("was lost: {e}"),
            None => String::new(),
        }
    }
}

/// Writes messages on a thread of its own, until the sender is dropped or the child reads no more.
fn write_behind(mut input: ChildStdin) -> SyncSender<Zeroizing<Vec<u8>>> {
    let (sender, lines) = sync_channel::<Zeroizing<Vec<u8>>>(MAX_UNREAD);
    std::thread::spawn(move || {
        for line in lines {
            if input.write_all(&line).is_err() {
                return;
            }
        }
    });
    sender
}

impl Shared {
    /// Reads both streams of the child on threads of their own. Its first line comes over the channel.
    fn read_behind(self: &Arc<Self>, output: ChildStdout, stderr: ChildStderr) -> Receiver<Answer> {
        let (first, said) = sync_channel(1);
        let (silent, has_ended) = channel::<()>();
        let (errors, lines) = (Arc::clone(self), Arc::clone(self));
        std::thread::spawn(move || {
            errors.keep_stderr(stderr);
            drop(silent);
        });
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let line = lines.next_line(&mut output, &has_ended, "before it said hello");
            let go_on = line.is_ok();
            let _ = first.send(line);
            if go_on {
                let end = lines.read(&mut output, &has_ended);
                // A child that talks nonsense, or floods us with it, has nothing more to say.
                lines.process().end();
                lines.fail(end);
            }
        });
        said
    }

    /// The next line. The end of the stream is an error that says how the child ended.
    fn next_line(
        &self,
        output: &mut BufReader<ChildStdout>,
        has_ended: &Receiver<()>,
        when: &str,
    ) -> Answer {
        match read_line(output) {
            Ok(Some(line)) => return Ok(line),
            Ok(None) => {}
            Err(e) => return Err(broken(&e.to_string())),
        }
        let mut process = self.process();
        let by_itself = process.ends_within(LAST_WORDS);
        let end = process.end();
        drop(process);
        let what = if by_itself {
            format!("the backend {end} {when}")
        } else {
            format!("the backend closed its output {when}")
        };
        // What it has started may hold stderr open: that is not waited for.
        let _ = has_ended.recv_timeout(LAST_WORDS);
        let error = Error::new(ErrorCode::Internal, what);
        let words = self.stderr_lines();
        Err(if words.is_empty() {
            error
        } else {
            error.because(format!("its last words:\n{}", words.join("\n")))
        })
    }

    /// Reads lines until the stream ends or makes no sense, and says why it stopped.
    fn read(
        self: &Arc<Self>,
        output: &mut BufReader<ChildStdout>,
        has_ended: &Receiver<()>,
    ) -> Error {
        loop {
            let line = match self.next_line(output, has_ended, "before it answered") {
                Ok(line) => line,
                Err(end) => return end,
            };
            let frame: FromBackend<'_> = match serde_json::from_slice(&line) {
                Ok(frame) => frame,
                Err(_) => return self.garbage("what it sent is not a message", &line),
            };
            if let Some(trace) = frame.trace {
                let message = self.outside.line(&trace.message);
                self.calls.trace(trace.level, &message);
            } else if let (Some(hid), Some(op)) = (frame.hid, frame.op) {
                if self.asked.fetch_add(1, Ordering::Relaxed) == MAX_ASKED {
                    return asks_too_much();
                }
                let request = OutgoingRequest {
                    id: hid,
                    op: &op,
                    handle: None,
                    args: &frame.args,
                    deadline_ms: None,
                };
                let request = serde_json::to_vec(&request).unwrap_or_default();
                let (shared, call) = (Arc::clone(self), frame.call.unwrap_or(0));
                // On a thread of its own: a prompt may take minutes, and other calls go on.
                std::thread::spawn(move || {
                    shared.answer(hid, call, &request);
                    shared.asked.fetch_sub(1, Ordering::Relaxed);
                });
            } else if let Some(id) = frame.id {
                let Some(sender) = self.take_waiting(id) else {
                    // A call that was given up ends the child, so this is not a late answer.
                    let what = format!("it answered call {id}, which waits for no answer");
                    return broken(&what);
                };
                let _ = sender.send(Ok(line));
            } else {
                return self.garbage("what it sent is not a message", &line);
            }
        }
    }

    /// Answers a request of the backend.
    fn answer(&self, hid: u64, call: u64, request: &[u8]) {
        #[derive(Serialize)]
        struct Frame<'a> {
            hid: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            ok: Option<&'a RawValue>,
            #[serde(skip_serializing_if = "Option::is_none")]
            err: Option<Error>,
        }
        let answer = self.calls.request(call, request);
        let raw = answer.as_deref().map_err(Clone::clone).and_then(|text| {
            serde_json::from_slice::<RawReply<'_>>(text)
                .map_err(|e| Error::new(ErrorCode::Internal, "a bug in the host").because(e))
        });
        let frame = match raw {
            Ok(reply) => Frame {
                hid,
                ok: reply.ok,
                err: reply.err,
            },
            Err(err) => Frame {
                hid,
                ok: None,
                err: Some(err),
            },
        };
        if self.write(&frame).is_err() && self.input().is_some() {
            self.process().end();
            self.fail(asks_too_much());
        }
    }

    /// Gives every caller, present and future, the reason why there will be no answers.
    fn fail(&self, error: Error) {
        // The first reason is the one that the others follow from.
        let error = self.broken().get_or_insert(error).clone();
        for (_, sender) in self.waiting().drain() {
            let _ = sender.send(Err(error.clone()));
        }
    }

    fn write(&self, frame: &impl Serialize) -> Result<()> {
        let line = Zeroizing::new(
            serde_json::to_vec(frame)
                .map_err(|e| Error::new(ErrorCode::Internal, "cannot encode").because(e))?,
        );
        self.write_line(&line)
    }

    fn write_line(&self, line: &[u8]) -> Result<()> {
        let gone = |why: &str| {
            Error::new(ErrorCode::Unavailable, "the backend reads no more").because(why)
        };
        let line = Zeroizing::new([line, b"\n"].concat());
        let input = self.input();
        let input = input.as_ref().ok_or_else(|| gone("closed"))?;
        input.try_send(line).map_err(|e| gone(&e.to_string()))
    }

    fn hello(&self, line: &[u8]) -> Result<Hello> {
        read_hello(line, &|said| self.outside.line(said))
    }

    fn garbage(&self, what: &str, line: &[u8]) -> Error {
        garbage(what, line, &|said| self.outside.line(said))
    }

    /// Keeps the last lines. Of one that is too long for the memory its beginning counts, and the rest is not shown: a secret could
    /// lie across two pieces of it.
    fn keep_stderr(&self, stderr: ChildStderr) {
        let mut stderr = BufReader::new(stderr);
        let mut is_rest = false;
        loop {
            let mut line = Vec::new();
            let read = stderr
                .by_ref()
                .take(MAX_STDERR_LINE)
                .read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) {
                return;
            }
            let goes_on = !line.ends_with(b"\n");
            if !std::mem::replace(&mut is_rest, goes_on) {
                self.keep_stderr_line(&line, goes_on);
            }
        }
    }

    fn keep_stderr_line(&self, line: &[u8], goes_on: bool) {
        let mut line = String::from_utf8_lossy(line).into_owned();
        if goes_on && line.len() as u64 >= MAX_STDERR_LINE {
            line.push('…');
        }
        let line = self.outside.line(&line);
        self.calls
            .trace(TraceLevel::Debug, &format!("stderr: {line}"));
        let mut kept = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == STDERR_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }

    fn stderr_lines(&self) -> Vec<String> {
        let kept = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter()
            .filter(|line| !line.is_empty())
            .cloned()
            .collect()
    }

    /// Who waits for this answer. A backend that could not read a request answers with 0: that is for the only one who waits.
    fn take_waiting(&self, id: u64) -> Option<Sender<Answer>> {
        let mut waiting = self.waiting();
        let id = match waiting.keys().next() {
            Some(only) if id == 0 && waiting.len() == 1 => *only,
            _ => id,
        };
        waiting.remove(&id)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn process(&self) -> MutexGuard<'_, Family> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn input(&self) -> MutexGuard<'_, Option<SyncSender<Zeroizing<Vec<u8>>>>> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn broken(&self) -> MutexGuard<'_, Option<Error>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(serde::Deserialize)]
struct RawReply<'a> {
    #[serde(borrow, default)]
    ok: Option<&'a RawValue>,
    #[serde(default)]
    err: Option<Error>,
}

/// Waits for the first line, as long as `patience` and nobody presses Ctrl-C.
fn first_line(first: &Receiver<Answer>, patience: Duration) -> Answer {
    let until = Instant::now() + patience;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match first.recv_timeout(left.min(GLANCE)) {
            Ok(line) => return line,
            Err(_) if interrupt::requested() => return Err(interrupted()),
            Err(RecvTimeoutError::Timeout) if !left.is_zero() => {}
            Err(_) => {
                let message = format!("the backend did not say hello within {patience:?}");
                return Err(Error::new(ErrorCode::Timeout, message));
            }
        }
    }
}

/// A first line: a hello, or the reason why there is none.
fn read_hello(line: &[u8], fit: Fit<'_>) -> Result<Hello> {
    if let Ok(hello) = serde_json::from_slice::<HelloFrame>(line) {
        return Ok(hello.sigtool);
    }
    match serde_json::from_slice(line) {
        Ok(RawReply {
            ok: None,
            err: Some(error),
        }) => Err(error),
        _ => Err(garbage("what it sent is not a hello", line, fit)),
    }
}

fn asks_too_much() -> Error {
    broken(&format!(
        "it asked over {MAX_ASKED} things without waiting for an answer"
    ))
}

/// How a process ended, in words.
fn describe(status: &ExitStatus) -> String {
    if let Some(signal) = status.signal() {
        let name = match signal {
            4 => " (illegal instruction)",
            6 => " (abort)",
            7 => " (bus error)",
            9 => " (killed)",
            11 => " (segmentation fault)",
            15 => " (terminated)",
            _ => "",
        };
        return format!("was ended by signal {signal}{name}");
    }
    format!("exited with code {}", status.code().unwrap_or(0))
}

struct Job {
    command: Command,
    reply: Sender<std::io::Result<Process>>,
}

/// Spawns from one thread that lives as long as the process: the signal that ends a child with its parent fires when the
/// *thread* that spawned it ends.
fn spawn(file: &File, form: Form, environment: &BTreeMap<String, String>) -> Result<Process> {
    static SPAWNER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    let failed = |e: &dyn std::fmt::Display| {
        Error::new(ErrorCode::Unavailable, "cannot start the backend's process").because(e)
    };
    rustix::io::fcntl_setfd(file, FdFlags::empty()).map_err(|e| failed(&e))?;
    let form = match form {
        Form::Library => "library",
        Form::Executable => "executable",
    };
    let mut command = Command::new("/proc/self/exe");
    command
        .arg(COMMAND)
        .arg(form)
        .arg(file.as_raw_fd().to_string())
        .arg(std::process::id().to_string())
        .env_clear()
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        std::thread::spawn(move || {
            for mut job in jobs {
                let _ = job.reply.send(job.command.spawn());
            }
        });
        Mutex::new(sender)
    });
    let (reply, process) = channel();
    spawner
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send(Job { command, reply })
        .map_err(|e| failed(&e))?;
    let process = process.recv().map_err(|e| failed(&e))?;
    // The next child gets its own file, and not this one too.
    let _ = rustix::io::fcntl_setfd(file, FdFlags::CLOEXEC);
    process.map_err(|e| failed(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_for_no_hello_is_told_whatever_its_words() {
        let said = |line: &str| {
            read_hello(line.as_bytes(), &str::to_owned)
                .unwrap_err()
                .message
        };
        let refusal =
            r#"{"id":0,"err":{"code":"internal","message":"the answer to `hello` is malformed"}}"#;
        assert_eq!(said(refusal), "the answer to `hello` is malformed");
        for other in [
            "Welcome!",
            r#"{"id":0,"ok":{}}"#,
            r#"{"id":0,"ok":{},"err":{"code":"other","message":"m"}}"#,
        ] {
            assert!(said(other).ends_with("what it sent is not a hello"));
        }
    }
}
