//! A backend in a child process: a shared library under sigtool's own host, or an executable. Whatever it does, it is an error
//! that names it, not a crash.

use super::in_process::wait;
use super::redact::Redactor;
use rustix::io::FdFlags;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;
use serde_json::value::RawValue;
use sigtool_sdk::connection::{Calls, Connection};
use sigtool_sdk::host::{Channel as _, Services, TraceLevel};
use sigtool_sdk::message::{Empty, Hello, OutgoingRequest, Reply};
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
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The hidden command that sets a child up: `sigtool __backend-host library|executable FD PARENT`.
pub(crate) const COMMAND: &str = "__backend-host";

/// How long a child may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// How long a child may take to leave after its stdin was closed.
const GRACE: Duration = Duration::from_secs(2);

/// How many last lines of stderr are kept for the error.
const STDERR_LINES: usize = 5;

/// How long a line of stderr or a trace may be in a message, in bytes.
const SHOWN: usize = 300;

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
    process: Mutex<Process>,
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
    input: Mutex<Option<ChildStdin>>,
    waiting: Mutex<HashMap<u64, Sender<Answer>>>,
    /// Set once, when the child can no longer answer: every later call gets it too.
    broken: Mutex<Option<Error>>,
    stderr: Mutex<VecDeque<String>>,
    redactor: Redactor,
}

impl Child {
    /// Starts a child on an open, inheritable file, and exchanges hellos.
    pub(super) fn start(
        file: &File,
        form: Form,
        environment: &BTreeMap<String, String>,
        hello: &Hello,
        trace: Arc<dyn Services>,
        redactor: Redactor,
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
            input: Mutex::new(Some(input)),
            waiting: Mutex::default(),
            broken: Mutex::default(),
            stderr: Mutex::default(),
            redactor,
        });
        let (first, said) = sync_channel(1);
        let reader = Arc::clone(&shared);
        let pid = Pid::from_child(&process);
        let errors = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.keep_stderr(stderr))
        };
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let line = read_line(&mut output);
            let go_on = matches!(line, Ok(Some(_)));
            let _ = first.send(line);
            if go_on {
                let end = reader.read(&mut output);
                // A child that only closed its pipe, or floods it, has nothing more to say.
                let _ = kill_process_group(pid, Signal::KILL);
                let _ = errors.join();
                reader.fail(end);
            }
        });
        let mut child = Self {
            shared,
            hello: hello.clone(),
            process: Mutex::new(process),
        };
        let line = match said.recv_timeout(HELLO) {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) => return Err(child.died("before it said hello")),
            Ok(Err(e)) => return Err(garbage(&e.to_string(), b"")),
            Err(_) => {
                return Err(Error::new(
                    ErrorCode::Timeout,
                    format!("the backend did not say hello within {} s", HELLO.as_secs()),
                ));
            }
        };
        child.hello = read_hello(&line)?;
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

    /// How the child died, in an error.
    fn died(&self, when: &str) -> Error {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let end = process
            .wait()
            .map_or_else(|e| e.to_string(), |status| describe(&status));
        let mut error = Error::new(ErrorCode::Unavailable, format!("the backend {end} {when}"));
        // The thread that keeps stderr may be a moment behind.
        std::thread::sleep(Duration::from_millis(20));
        let words = self.shared.stderr_lines();
        if !words.is_empty() {
            error = error.because(format!("its last words:\n    {}", words.join("\n    ")));
        }
        error
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
        if let Some(error) = self.shared.broken().clone() {
            return Err(error);
        }
        let (sender, answer) = channel();
        self.shared.calls.begin(id, services);
        self.shared.waiting().insert(id, sender);
        // A child that dies while we write leaves its reason with the reading thread.
        let _ = self.shared.write_line(request);
        let end = wait(&self.shared.calls, &answer, id, deadline, || {
            #[derive(Serialize)]
            struct Cancel {
                cancel: u64,
            }
            let _ = self.shared.write(&Cancel { cancel: id });
        });
        self.shared.calls.end(id);
        self.shared.waiting().remove(&id);
        match end {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.code == ErrorCode::Unavailable => {
                Err(self.died("during the call"))
            }
            Ok(Err(error)) => Err(error),
            Err(error) => {
                if error.code == ErrorCode::Timeout {
                    self.kill();
                    *self.shared.broken() = Some(error.clone());
                }
                Err(error)
            }
        }
    }
}

impl Child {
    fn kill(&self) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = kill_process_group(Pid::from_child(&process), Signal::KILL);
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(
            self.shared
                .input
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let until = Instant::now() + GRACE;
        let mut pause = Duration::from_micros(100);
        loop {
            let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
            if !matches!(process.try_wait(), Ok(None)) {
                break;
            }
            if Instant::now() >= until {
                let _ = kill_process_group(Pid::from_child(&process), Signal::KILL);
                let _ = process.wait();
                break;
            }
            drop(process);
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

impl Shared {
    /// Reads lines until the stream ends or makes no sense, and says why it stopped.
    fn read(self: &Arc<Self>, output: &mut BufReader<ChildStdout>) -> Error {
        loop {
            let line = match read_line(output) {
                Ok(Some(line)) => line,
                Ok(None) => return Error::new(ErrorCode::Unavailable, "the backend ended"),
                Err(e) => return garbage(&e.to_string(), b""),
            };
            let frame: FromBackend<'_> = match serde_json::from_slice(&line) {
                Ok(frame) => frame,
                Err(_) => return garbage("not a message", &line),
            };
            if let Some(trace) = frame.trace {
                let message = self.redactor.clean(&shown(&trace.message));
                self.calls.trace(trace.level, &message);
            } else if let (Some(hid), Some(op)) = (frame.hid, frame.op) {
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
                std::thread::spawn(move || shared.answer(hid, call, &request));
            } else if let Some(id) = frame.id {
                if let Some(sender) = self.take_waiting(id) {
                    let _ = sender.send(Ok(line.clone()));
                } else {
                    self.calls.trace(
                        TraceLevel::Debug,
                        &format!("an answer to call {id}, which waits for none"),
                    );
                }
            } else {
                return garbage("not a message", &line);
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
        let _ = self.write(&frame);
    }

    /// Gives every caller, present and future, the reason why there will be no answers.
    fn fail(&self, error: Error) {
        *self.broken() = Some(error.clone());
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
        let gone = |e: &dyn std::fmt::Display| {
            Error::new(ErrorCode::Unavailable, "the backend reads no more").because(e)
        };
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let input = input.as_mut().ok_or_else(|| gone(&"closed"))?;
        input
            .write_all(line)
            .and_then(|()| input.write_all(b"\n"))
            .and_then(|()| input.flush())
            .map_err(|e| gone(&e))
    }

    fn keep_stderr(&self, stderr: ChildStderr) {
        let mut stderr = BufReader::new(stderr);
        loop {
            let mut line = Vec::new();
            // A line without an end must not fill the memory.
            let read = stderr.by_ref().take(64 * 1024).read_until(b'\n', &mut line);
            if !matches!(read, Ok(1..)) {
                return;
            }
            let line = self.redactor.clean(&shown(&String::from_utf8_lossy(&line)));
            self.calls
                .trace(TraceLevel::Debug, &format!("stderr: {line}"));
            let mut kept = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == STDERR_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
        }
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

/// A first line: a hello, or the reason why there is none.
fn read_hello(line: &[u8]) -> Result<Hello> {
    if let Ok(hello) = serde_json::from_slice::<HelloFrame>(line) {
        return Ok(hello.sigtool);
    }
    match Reply::<Empty>::decode("hello", line) {
        Err(error) if error.code != ErrorCode::Internal || !error.message.contains("`hello`") => {
            Err(error)
        }
        _ => Err(garbage("not a hello", line)),
    }
}

fn garbage(what: &str, line: &[u8]) -> Error {
    let error = Error::new(
        ErrorCode::Internal,
        format!("the backend sent what is no message: {what}"),
    );
    if line.is_empty() {
        return error;
    }
    error.because(format!(
        "it sent: {}",
        shown(&String::from_utf8_lossy(line))
    ))
}

/// A text of a backend, safe to print: one line, no control characters, cut.
pub(super) fn shown(text: &str) -> String {
    let text = text.trim_end();
    let mut end = text.len().min(SHOWN);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = if end < text.len() { "…" } else { "" };
    let clean: String = text[..end]
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    clean + cut
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
