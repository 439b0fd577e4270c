//! Credential helpers: programs called `docker-credential-…` that Docker has its credentials kept by.
//!
//! The [protocol] is a word, a line and a JSON object. The crate `docker_credential` takes a helper that answers without reading
//! for one that cannot be run, in a third of the runs, and cannot be stopped.
//!
//! [protocol]: https://github.com/docker/docker-credential-helpers#development

use crate::login::Login;
use serde::Deserialize;
use sigtool_sdk::text::quoted;
use sigtool_sdk::{Call, Error, ErrorCode, Result};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long a helper may take: it may ask a person to touch a key.
const HELPER_PATIENCE: Duration = Duration::from_secs(120);

/// How often it is looked whether the call was cancelled while a helper runs.
const POLL: Duration = Duration::from_millis(20);

/// Runs a helper. It may wait for a person, and the call may be cancelled meanwhile.
///
/// # Errors
///
/// `auth-required` if it fails, which names it and shows nothing of its standard output.
pub(crate) fn run_helper(call: &Call, helper: &str, server: &str) -> Result<Option<Login>> {
    let failed = |why: &str| {
        Error::new(
            ErrorCode::AuthRequired,
            format!("`docker-credential-{helper}` gives no credentials for `{server}`"),
        )
        .because(why)
    };
    // It becomes part of the name of a program.
    if !helper
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    {
        return Err(Error::new(
            ErrorCode::InvalidConfig,
            format!("{} is not the name of a credential helper", quoted(helper)),
        ));
    }
    let program = format!("docker-credential-{helper}");
    let Some(program) = find(call, &program)? else {
        return Err(failed("it is not in `PATH`"));
    };
    let mut command = Command::new(program);
    // Our own secrets are none of its business.
    for (name, _) in std::env::vars_os() {
        let shown = name.to_string_lossy();
        if shown.starts_with("SIGTOOL_") || shown.starts_with("COSIGN_") {
            command.env_remove(&name);
        }
    }
    let mut child = command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(&format!("it cannot be run: {e}")))?;
    if let Some(mut input) = child.stdin.take() {
        // One that knows its answer need not read the question.
        let _ = input.write_all(server.as_bytes());
    }
    let process = rustix::process::Pid::from_child(&child);
    let (sender, answer) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        // Nobody waits any more if the call was cancelled.
        let _ = sender.send(child.wait_with_output());
    });
    let begun = Instant::now();
    let output = loop {
        let stopped = match answer.recv_timeout(POLL) {
            Ok(Ok(output)) => break output,
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => {
                return Err(failed("its answer could not be read"));
            }
            Err(RecvTimeoutError::Timeout) if begun.elapsed() > HELPER_PATIENCE => {
                failed("it has not answered within two minutes")
            }
            Err(RecvTimeoutError::Timeout) => match call.check() {
                Ok(()) => continue,
                Err(error) => error,
            },
        };
        let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        return Err(stopped);
    };
    read(output).map_err(|why| failed(&why))
}

/// Finds a program in the folders of `PATH`, of which a relative one would be wherever sigtool happens to be run.
fn find(call: &Call, program: &str) -> Result<Option<PathBuf>> {
    let path = call.env("PATH")?.unwrap_or_default();
    let is_executable = |file: &PathBuf| {
        file.metadata()
            .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
    };
    Ok(std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(is_executable))
}

/// What a helper answers: a user and a password, an identity token, or that it has nothing. Why it is none of these, if so; its
/// standard output may hold a secret and is never told.
fn read(output: Output) -> Result<Option<Login>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: String,
    }
    let (stdout, stderr) = (Zeroizing::new(output.stdout), output.stderr);
    if !output.status.success() {
        // `docker-credential-helpers` says so on its standard output, others on the other one.
        let none = "credentials not found";
        let stderr = String::from_utf8_lossy(&stderr);
        if stderr.contains(none) || String::from_utf8_lossy(&stdout).contains(none) {
            return Ok(None);
        }
        return Err(match stderr.lines().find(|line| !line.trim().is_empty()) {
            Some(line) => format!("it failed, and says {}", quoted(line.trim())),
            None => "it failed".to_owned(),
        });
    }
    let answer: Answer =
        serde_json::from_slice(&stdout).map_err(|_| "what it answers is malformed".to_owned())?;
    let (username, secret) = (
        Zeroizing::new(answer.username),
        Zeroizing::new(answer.secret),
    );
    Ok(match (username.as_str(), secret.is_empty()) {
        ("", true) => None,
        ("<token>", _) => Some(Login::IdentityToken(secret)),
        _ => Some(Login::Password {
            username,
            password: secret,
        }),
    })
}
