//! The child's side of [`super::child`]: limits itself, then becomes the executable, or loads the library and serves it over
//! its pipes.

use super::child::COMMAND;
use super::load;
use super::protocol::checked;
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use sigtool_sdk::abi::Plugin;
use sigtool_sdk::host::Channel;
use sigtool_sdk::message::{Empty, Hello, Reply};
use sigtool_sdk::stdio::{ARGUMENT, Serve, serve_with};
use sigtool_sdk::text::words;
use sigtool_sdk::{Error, ErrorCode, Result};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use zeroize::Zeroizing;

/// How much of what is no message the parent gets to see, in characters: as much as it shows.
const MAX_SENT: usize = 300;

/// Runs the child's side, if the command line asks for it.
pub(crate) fn run(arguments: &[std::ffi::OsString]) -> Option<ExitCode> {
    let [_, command, form, descriptor, parent] = arguments else {
        return None;
    };
    if command != COMMAND {
        return None;
    }
    let number = |text: &std::ffi::OsString| text.to_str().and_then(|t| t.parse::<u32>().ok());
    let (Some(descriptor), Some(parent)) = (number(descriptor), number(parent)) else {
        return Some(ExitCode::from(70));
    };
    limit(parent);
    Some(match form.to_str() {
        Some("library") => serve_with(|channel| serve_library(descriptor, channel)),
        _ => {
            let error = Command::new(format!("/proc/self/fd/{descriptor}"))
                .arg(ARGUMENT)
                .exec();
            let _ = writeln!(std::io::stderr(), "cannot run the executable: {error}");
            ExitCode::from(70)
        }
    })
}

/// A session of its own, no core files, and an end with the parent.
fn limit(parent: u32) {
    let _ = rustix::process::setsid();
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let now = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    if now.cast_unsigned() != parent {
        // It has ended before the signal was set.
        std::process::exit(0);
    }
    keep_memory_private();
}

/// The memory holds passwords and keys: no core file is written, and no other process of the user's reads it.
pub(crate) fn keep_memory_private() {
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = rustix::process::setrlimit(Resource::Core, none);
}

fn serve_library(descriptor: u32, channel: Arc<dyn Channel>) -> Result<Box<dyn Serve>> {
    let unusable = |e: &dyn std::fmt::Display| {
        Error::new(ErrorCode::Unsupported, "the library cannot be used").because(e)
    };
    // The parent has checked this file; opening it anew by its number gives the same bytes.
    let file = File::open(format!("/proc/self/fd/{descriptor}")).map_err(|e| unusable(&e))?;
    let table = load::load(file).map_err(|e| unusable(&e))?;
    let plugin = table.create(&super::hello(), channel)?;
    Ok(Box::new(Library(plugin)))
}

/// The beginning of what is no message. The parent, which knows the secrets of the run, makes it fit to be shown.
fn beginning(said: &str) -> String {
    words(said, MAX_SENT).unwrap_or_default()
}

/// A loaded library, as what answers the requests of a host.
struct Library(Plugin);

impl Serve for Library {
    fn hello(&self) -> Hello {
        self.0.hello().clone()
    }

    fn serve(&self, call: u64, request: &[u8]) -> Zeroizing<Vec<u8>> {
        self.0
            .call(call, request)
            .and_then(|reply| checked(call, reply, &beginning))
            .unwrap_or_else(|error| Zeroizing::new(Reply::<Empty>::encode(call, Err(error))))
    }

    fn cancel(&self, call: u64) {
        self.0.cancel(call);
    }
}
