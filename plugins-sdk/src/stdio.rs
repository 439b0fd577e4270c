//! The same messages over pipes: how an executable serves as a backend, and the frames that both sides write.
//!
//! One JSON object a line, at most 16 MiB. The backend speaks first:
//!
//! ```text
//! <- {"sigtool":{"protocol":[1],"id":"dev.acme.hsm","version":"1.2.0"}}
//! -> {"sigtool":{"protocol":[1],"id":"sigtool","version":"0.1.0"}}
//! -> {"id":7,"op":"signer.sign","handle":1,"args":{…}}
//! <- {"trace":{"level":"debug","message":"…"}}
//! <- {"hid":1,"call":7,"op":"host.secret","args":{"pointer":"/password"}}
//! -> {"hid":1,"ok":{…}}
//! <- {"id":7,"ok":{…}}
//! -> {"cancel":7}
//! ```
//!
//! Calls may overlap as far as `describe` allows. The end of stdin means: finish and leave.

use crate::backend::{Backend, Instance};
use crate::error::{Error, ErrorCode, Result};
use crate::host::{Channel, TraceLevel};
use crate::message::{Empty, Hello, MAX_MESSAGE, Reply};
use crate::panic::guarded;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// The argument that makes an executable serve as a backend.
pub const ARGUMENT: &str = "--sigtool-backend";

/// A first line, of either side.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HelloFrame {
    /// What the side says of itself.
    pub sigtool: Hello,
}

/// Debug output of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Trace {
    /// How loud.
    pub level: TraceLevel,
    /// The text.
    pub message: String,
}

/// A line that a backend writes, after its hello. Exactly one of the groups `trace`, `hid` and `id` is there.
#[derive(Debug, Deserialize)]
pub struct FromBackend<'a> {
    /// Debug output.
    #[serde(default)]
    pub trace: Option<Trace>,
    /// A request to the host; the answer carries the same number.
    #[serde(default)]
    pub hid: Option<u64>,
    /// With `hid`: the call it belongs to.
    #[serde(default)]
    pub call: Option<u64>,
    /// The call that this line answers.
    #[serde(default)]
    pub id: Option<u64>,
    /// With `hid`: what is asked.
    #[serde(default)]
    pub op: Option<String>,
    /// With `hid`: the arguments.
    #[serde(borrow, default)]
    pub args: Option<&'a RawValue>,
}

/// A line that a host writes, after its hello.
#[derive(Debug, Deserialize)]
struct FromHost<'a> {
    #[serde(default)]
    cancel: Option<u64>,
    #[serde(default)]
    hid: Option<u64>,
    #[serde(default)]
    id: Option<u64>,
    #[serde(borrow, default)]
    ok: Option<&'a RawValue>,
    #[serde(borrow, default)]
    err: Option<&'a RawValue>,
}

/// Reads a line of at most [`MAX_MESSAGE`] bytes, without its end. `None` at the end of the stream.
///
/// # Errors
///
/// The stream's, or `InvalidData` for a longer line.
pub fn read_line(from: &mut impl BufRead) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(Vec::new());
    let limit = MAX_MESSAGE as u64 + 1;
    let read = from.by_ref().take(limit).read_until(b'\n', &mut line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if read as u64 == limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a line of over 16 MiB",
        ));
    }
    Ok(Some(line))
}

/// Serves a backend on stdin and stdout until stdin ends. For an executable's `main`:
///
/// ```text
/// fn main() -> std::process::ExitCode {
///     sigtool_sdk::stdio::serve(MyBackend, include_str!("../sigtool-backend.toml"))
/// }
/// ```
///
/// Stdout is moved away first and stderr put in its place, so that a stray `println!` cannot break the stream.
pub fn serve(backend: impl Backend, manifest: &str) -> ExitCode {
    serve_with(|channel| {
        let instance = Instance::new(Box::new(backend), manifest)?;
        Ok(Box::new(Guarded {
            instance,
            channel,
            poisoned: AtomicBool::new(false),
        }))
    })
}

/// Serves whatever `make` gives, once stdin and stdout are taken over: the host's own way to run a library in a child process.
pub fn serve_with(make: impl FnOnce(Arc<dyn Channel>) -> Result<Box<dyn Serve>>) -> ExitCode {
    match run(make) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(io::stderr(), "{e}");
            ExitCode::FAILURE
        }
    }
}

/// What answers the requests of a host.
pub trait Serve: Send + Sync {
    /// What it says first.
    fn hello(&self) -> Hello;
    /// Serves one request, and always gives a reply.
    fn serve(&self, call: u64, request: &[u8]) -> Zeroizing<Vec<u8>>;
    /// Asks a running call to end soon.
    fn cancel(&self, _call: u64) {}
}

/// An instance whose panics are answers.
struct Guarded {
    instance: Instance,
    channel: Arc<dyn Channel>,
    /// Set by a panic: its state may be half changed, so it serves nothing more.
    poisoned: AtomicBool,
}

impl Serve for Guarded {
    fn hello(&self) -> Hello {
        self.instance.hello()
    }

    fn serve(&self, call: u64, request: &[u8]) -> Zeroizing<Vec<u8>> {
        let panicked = |what: &str| Reply::<Empty>::encode(call, Err(crate::abi::panicked(what)));
        if self.poisoned.load(Ordering::Acquire) {
            return Zeroizing::new(panicked("in an earlier call"));
        }
        let reply = guarded(|| self.instance.serve(&*self.channel, request));
        Zeroizing::new(reply.unwrap_or_else(|panic| {
            self.poisoned.store(true, Ordering::Release);
            panicked(&panic)
        }))
    }
}

fn run(make: impl FnOnce(Arc<dyn Channel>) -> Result<Box<dyn Serve>>) -> io::Result<()> {
    let (input, output) = take_over_stdio()?;
    let mut input = BufReader::new(input);
    let pipe = Arc::new(Pipe::new(output));
    let server = match make(Arc::clone(&pipe) as Arc<dyn Channel>) {
        Ok(server) => server,
        // Instead of a hello: the host shows it as the reason.
        Err(error) => return pipe.write(&Reply::<Empty>::encode(0, Err(error))),
    };
    let ours = server.hello();
    pipe.write(&serde_json::to_vec(&HelloFrame {
        sigtool: ours.clone(),
    })?)?;
    let Some(line) = read_line(&mut input)? else {
        return Ok(());
    };
    let theirs: HelloFrame = serde_json::from_slice(&line)?;
    if ours.common_protocol(&theirs.sigtool).is_none() {
        let error = crate::abi::no_common_protocol(&ours, &theirs.sigtool);
        return Err(io::Error::other(error.to_string()));
    }
    std::thread::scope(|scope| {
        // However this ends, a call that waits for the host must not wait for ever: the scope waits for the call.
        let _hang_up = HangUp(&pipe);
        while let Some(line) = read_line(&mut input)? {
            let Ok(frame) = serde_json::from_slice::<FromHost<'_>>(&line) else {
                let error = Error::new(ErrorCode::InvalidRequest, "malformed request");
                pipe.write(&Reply::<Empty>::encode(0, Err(error)))?;
                continue;
            };
            if let Some(call) = frame.cancel {
                pipe.cancelled().insert(call);
                server.cancel(call);
            } else if let (Some(hid), true) = (frame.hid, frame.ok.or(frame.err).is_some()) {
                pipe.deliver(hid, &line);
            } else {
                let call = frame.id.unwrap_or(0);
                let (server, pipe) = (&server, &pipe);
                scope.spawn(move || {
                    let reply = server.serve(call, &line);
                    pipe.cancelled().remove(&call);
                    // A host that has gone away reads no answer; the end of stdin will tell us.
                    let _ = pipe.write(&reply);
                });
            }
        }
        Ok(())
    })
}

/// The real stdin and stdout, with null and stderr in their places.
fn take_over_stdio() -> io::Result<(File, File)> {
    use std::os::fd::AsFd as _;
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok((input, output))
}

/// A line of the host that answers a request.
type Answer = Zeroizing<Vec<u8>>;

/// The way to the host over the pipes.
struct Pipe {
    output: Mutex<File>,
    next: AtomicU64,
    /// `None` once the host has gone away: nothing will be answered any more.
    waiting: Mutex<Option<HashMap<u64, Sender<Answer>>>>,
    cancelled: Mutex<HashSet<u64>>,
}

impl Pipe {
    fn new(output: File) -> Self {
        Self {
            output: Mutex::new(output),
            next: AtomicU64::new(1),
            waiting: Mutex::new(Some(HashMap::new())),
            cancelled: Mutex::default(),
        }
    }

    /// Writes one line, whole.
    fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(line)?;
        output.write_all(b"\n")
    }

    fn cancelled(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.cancelled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn deliver(&self, hid: u64, line: &[u8]) {
        let waiting = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
            .and_then(|waiting| waiting.remove(&hid));
        if let Some(sender) = waiting {
            let _ = sender.send(Zeroizing::new(line.to_vec()));
        }
    }
}

/// Ends the wait of every call that asks the host something, once dropped.
struct HangUp<'a>(&'a Pipe);

impl Drop for HangUp<'_> {
    fn drop(&mut self) {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

/// A request to the host, around the one that [`Call`](crate::Call) made.
#[derive(Serialize)]
struct Ask<'a> {
    hid: u64,
    call: u64,
    op: &'a str,
    args: Option<&'a RawValue>,
}

impl Channel for Pipe {
    fn trace(&self, level: TraceLevel, message: &str) {
        #[derive(Serialize)]
        struct Frame<'a> {
            trace: &'a Trace,
        }
        let trace = Trace {
            level,
            message: message.to_owned(),
        };
        if let Ok(line) = serde_json::to_vec(&Frame { trace: &trace }) {
            let _ = self.write(&line);
        }
    }

    fn cancelled(&self, call: u64) -> bool {
        Self::cancelled(self).contains(&call)
    }

    fn request(&self, call: u64, request: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let broken = |e: &dyn std::fmt::Display| {
            Error::new(ErrorCode::Unavailable, "cannot reach the host").because(e)
        };
        let request: crate::message::Request<'_> =
            serde_json::from_slice(request).map_err(|e| broken(&e))?;
        let hid = self.next.fetch_add(1, Ordering::Relaxed);
        let line = serde_json::to_vec(&Ask {
            hid,
            call,
            op: &request.op,
            args: request.args,
        })
        .map_err(|e| broken(&e))?;
        let (sender, answer) = channel();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
            .ok_or_else(|| broken(&"it has gone away"))?
            .insert(hid, sender);
        self.write(&line).map_err(|e| broken(&e))?;
        answer.recv().map_err(|e| broken(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_does_not_wait_for_a_host_that_has_gone_away() {
        let nowhere = File::options().write(true).open("/dev/null").unwrap();
        let pipe = Pipe::new(nowhere);
        let ask = || pipe.request(7, br#"{"id":7,"op":"host.now","args":{}}"#);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(ask);
            while pipe.next.load(Ordering::Relaxed) == 1 {
                std::thread::yield_now();
            }
            drop(HangUp(&pipe));
            let error = waiting.join().unwrap().unwrap_err();
            assert_eq!(error.code, ErrorCode::Unavailable);
        });
        assert!(ask().is_err(), "and it asks in vain afterwards");
    }
}
