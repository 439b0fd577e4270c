//! Credential helpers: programs called `docker-credential-…` that Docker has its credentials kept by.

use crate::credentials::Login;
use crate::failure::shown;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use sigtool_sdk::{Call, Error, ErrorCode, Result};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long a helper may take: it may ask a person to touch a key.
const HELPER_PATIENCE: Duration = Duration::from_secs(120);

/// How often it is looked whether the call was cancelled while a helper runs.
const POLL: Duration = Duration::from_millis(20);

/// Runs a helper in a thread of its own, since it may wait for a person, and the call may be cancelled meanwhile.
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
            format!("{} is no name of a credential helper", shown(helper)),
        ));
    }
    let file = serde_json::json!({ "credHelpers": { server: helper } }).to_string();
    let (sender, answer) = mpsc::sync_channel(1);
    let server = server.to_owned();
    std::thread::spawn(move || {
        let found = docker_credential::get_credential_from_reader(file.as_bytes(), &server);
        // Nobody waits any more if the call was cancelled.
        let _ = sender.send(found);
    });
    let begun = Instant::now();
    let answer = loop {
        match answer.recv_timeout(POLL) {
            Ok(answer) => break answer,
            Err(RecvTimeoutError::Disconnected) => return Err(failed("it could not be run")),
            Err(RecvTimeoutError::Timeout) if begun.elapsed() > HELPER_PATIENCE => {
                return Err(failed("it has not answered within two minutes"));
            }
            Err(RecvTimeoutError::Timeout) => call.check()?,
        }
    };
    match answer {
        Ok(DockerCredential::IdentityToken(token)) => {
            Ok(Some(Login::IdentityToken(Zeroizing::new(token))))
        }
        Ok(DockerCredential::UsernamePassword(username, password)) => {
            let (username, password) = (Zeroizing::new(username), Zeroizing::new(password));
            let none = username.is_empty() && password.is_empty();
            Ok((!none).then_some(Login::Password { username, password }))
        }
        Err(error) => why_not(&error).map_or(Ok(None), |why| Err(failed(&why))),
    }
}

/// Why a helper gave nothing, or `None` if it has nothing. Its standard output may hold a secret and is never told.
fn why_not(error: &CredentialRetrievalError) -> Option<String> {
    Some(match error {
        CredentialRetrievalError::HelperFailure { stdout, stderr, .. } => {
            let none = "credentials not found";
            if stdout.contains(none) || stderr.contains(none) {
                return None;
            }
            match stderr.lines().find(|line| !line.trim().is_empty()) {
                Some(line) => format!("it failed, and says {}", shown(line.trim())),
                None => "it failed".to_owned(),
            }
        }
        CredentialRetrievalError::HelperCommunicationError => {
            "it is not in `PATH`, cannot be run, or answers with something else than credentials"
                .to_owned()
        }
        CredentialRetrievalError::NoCredentialConfigured => return None,
        _ => "what it answers is malformed".to_owned(),
    })
}
