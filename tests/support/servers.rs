//! Servers of others, as child processes on a loopback port of their own. They end with the tests, however those end.

use crate::processes::wait_for;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{LazyLock, Mutex, PoisonError};
use tempfile::TempDir;

/// How many ports are tried when somebody else takes the one that was free a moment ago.
const ATTEMPTS: usize = 5;

/// A server that runs. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Server {
    /// Starts a program, which `prepare` tells of the folder that it may write to and of its port, and waits until it listens there.
    ///
    /// # Panics
    ///
    /// It does not start, or listens elsewhere.
    pub(crate) fn start(program: &Path, prepare: impl Fn(&mut Command, &Path, u16)) -> Self {
        for _ in 0..ATTEMPTS {
            let mut server = Self::launch(program, &prepare);
            let outcome = wait_for("a server that listens", || server.outcome());
            if outcome == Outcome::Listens {
                return server;
            }
            let (name, log) = (program.display(), server.log());
            assert!(log.contains("in use"), "{name} died: {log}");
        }
        panic!("no port is free for {}", program.display());
    }

    fn launch(program: &Path, prepare: impl Fn(&mut Command, &Path, u16)) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("sigtool-server-")
            .tempdir()
            .expect("a folder for temporary files");
        let port = free_port();
        // The kernel kills it if the tests are killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null());
        let log = File::create(log_in(folder.path())).expect("a fresh file");
        command.stdout(log.try_clone().expect("an open file"));
        command.stderr(log);
        prepare(&mut command, folder.path(), port);
        Self {
            child: spawn(command),
            port,
            folder,
        }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The folder that it may write to.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All that it has said so far.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(log_in(self.folder())).expect("a file of our own");
        String::from_utf8_lossy(&log).into_owned()
    }

    fn outcome(&mut self) -> Option<Outcome> {
        if self.child.try_wait().expect("a child of ours").is_some() {
            return Some(Outcome::Died);
        }
        listens(self.child.id(), self.port).then_some(Outcome::Listens)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Died,
    Listens,
}

fn log_in(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket").port()
}

/// Whether this very process listens at 127.0.0.1 on the port, by `/proc` (proc(5)): another server may have been quicker, and an answer
/// on the port would be its.
fn listens(pid: u32, port: u16) -> bool {
    let sockets = fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let here = format!("0100007F:{port:04X}");
    let inodes = sockets.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_listening = fields.get(1) == Some(&here.as_str()) && fields.get(3) == Some(&"0A");
        is_listening.then(|| format!("socket:[{}]", fields[9]))
    });
    let inodes: Vec<String> = inodes.collect();
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"));
    descriptors.is_ok_and(|mut descriptors| {
        descriptors.any(|entry| {
            let target = entry.and_then(|entry| fs::read_link(entry.path()));
            target.is_ok_and(|target| inodes.iter().any(|inode| *target == **inode))
        })
    })
}

/// Starts a child from a thread that lives as long as the tests: the kernel takes the end of the thread that started a child for the end of
/// its parent, and each test is a thread.
fn spawn(command: Command) -> Child {
    type Order = (Command, Sender<std::io::Result<Child>>);
    static ORDERS: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
        let (orders, received) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in received {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (answer, answered) = mpsc::channel();
    let orders = ORDERS.lock().unwrap_or_else(PoisonError::into_inner);
    orders.send((command, answer)).expect("a thread that waits");
    drop(orders);
    let child = answered.recv().expect("a thread that answers");
    child.expect("`setpriv` is there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_dies_is_told_of_with_what_it_said() {
        let died = std::panic::catch_unwind(|| {
            Server::start(Path::new("sh"), |command, _, _| {
                command.args(["-c", "echo no such luck; exit 1"]);
            })
        });
        let said = died.unwrap_err();
        let said = said.downcast_ref::<String>().unwrap();
        assert!(said.contains("sh died: no such luck"), "{said}");
    }

    #[test]
    fn a_server_outlives_the_thread_that_asked_for_it_and_ends_when_dropped() {
        let python = crate::peers::need("python3");
        let Some(python) = python else { return };
        let start = move || {
            Server::start(&python, |command, _, port| {
                command.args(["-m", "http.server", "--bind", "127.0.0.1"]);
                command.arg(port.to_string());
            })
        };
        let server = std::thread::spawn(start).join().unwrap();
        let request = crate::http::Request::new("GET", "/");
        assert_eq!(request.send(&server.host()).unwrap().status, 200);
        let host = server.host();
        drop(server);
        assert!(request.send(&host).is_err());
    }
}
