//! A registry that fails, and who signs and verifies there: what they say, and what they may not.

use crate::peers::Said;
use crate::proxy::FaultProxy;
use crate::registry::Registry;
use crate::{Sandbox, keys};
use serde_json::json;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A password that is there for every registry, and that nobody may ever see.
pub const PASSWORD: &str = "canary-Zu5hWq81-registry";

/// The same as Basic credentials (RFC 7617) of the user `ann`.
pub const BASIC: &str = "YW5uOmNhbmFyeS1adTVoV3E4MS1yZWdpc3RyeQ==";

/// Two machines: one that signs, and one that has the public keys and nothing else.
#[derive(Debug)]
pub struct Machines {
    /// It has the keys `a` and `b`.
    pub signer: Sandbox,
    /// It has `a.pub` and `b.pub`.
    pub verifier: Sandbox,
}

impl Machines {
    /// Both, with this sigtool.
    ///
    /// # Panics
    ///
    /// There is no place for temporary files.
    #[must_use]
    pub fn new(program: impl AsRef<Path>) -> Self {
        let signer = Sandbox::new(program.as_ref());
        keys::put(&signer);
        let verifier = Sandbox::new(program.as_ref());
        for name in ["a.pub", "b.pub"] {
            verifier.write(name, std::fs::read(signer.work().join(name)).unwrap());
        }
        Self { signer, verifier }
    }

    /// `sign` with these arguments, by someone who has a password for the registry and knows nothing of what was signed before.
    #[must_use]
    pub fn sign(&self, registry: &str, arguments: &[&str]) -> Said {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed).to_string();
        let state = self.signer.root().join("states").join(run);
        let command = self.signer.sigtool().env("XDG_STATE_HOME", state);
        said(command.arg("sign").args(arguments), registry)
    }

    /// Whether no file of theirs holds the registry's password.
    #[must_use]
    pub fn have_kept_no_secret(&self) -> bool {
        let found = [&self.signer, &self.verifier]
            .map(|sandbox| sandbox.files_that_hold(PASSWORD.as_bytes()));
        found.iter().all(Vec::is_empty)
    }

    /// `verify` with these arguments, by someone who has a password for the registry.
    #[must_use]
    pub fn verify(&self, registry: &str, arguments: &[&str]) -> Said {
        let command = self.verifier.sigtool().arg("verify");
        said(command.args(arguments), registry)
    }
}

/// Runs sigtool as someone who has a password for the registry.
fn said(command: snapbox::cmd::Command, registry: &str) -> Said {
    let logins = json!({ "auths": { registry: { "auth": BASIC } } });
    let command = command.env("DOCKER_AUTH_CONFIG", logins.to_string());
    command.output().unwrap().into()
}

/// A registry, and a proxy before it that lets it fail.
#[derive(Debug)]
pub struct Stage {
    // Dropped before the registry.
    /// The proxy, by which the registry is reached.
    pub proxy: FaultProxy,
    /// The registry behind it.
    pub registry: Registry,
    /// Who signs and verifies there.
    pub machines: Machines,
}

impl Stage {
    /// A proxy before this registry, and two machines with this sigtool.
    #[must_use]
    pub fn before(registry: Registry, program: impl AsRef<Path>) -> Self {
        Self {
            proxy: FaultProxy::before(&registry),
            registry,
            machines: Machines::new(program),
        }
    }

    /// docker-registry, with the image `app:v1`. `None` if it cannot be had here.
    #[must_use]
    pub fn new(program: impl AsRef<Path>) -> Option<Self> {
        let registry = Registry::docker()?;
        registry.push_image("app", "v1", "app");
        Some(Self::before(registry, program))
    }

    /// The image, as it is named to those for whom the proxy is the registry.
    #[must_use]
    pub fn image(&self) -> String {
        format!("{}/app:v1", self.proxy.host())
    }

    /// `sign --attach` by the key `a`.
    #[must_use]
    pub fn sign(&self, more: &[&str]) -> Said {
        let image = self.image();
        let arguments = [&["--key=a.key", "--attach"], more, &[&*image]].concat();
        self.machines.sign(&self.proxy.host(), &arguments)
    }

    /// `verify` by the key `a`.
    #[must_use]
    pub fn verify(&self, more: &[&str]) -> Said {
        let image = self.image();
        let arguments = [&["--key=a.pub"], more, &[&*image]].concat();
        self.machines.verify(&self.proxy.host(), &arguments)
    }

    /// What was said, with names in the place of what is different each time.
    ///
    /// # Panics
    ///
    /// It is indiscreet.
    #[must_use]
    pub fn told(&self, said: &Said) -> String {
        assert!(!is_indiscreet(&said.text), "{said}");
        let text = said.text.replace(&self.proxy.host(), "[HOST]");
        let code = said.code.map_or("none".to_owned(), |code| code.to_string());
        format!("exit code {code}\n{}", without_digests(&text))
    }
}

/// Puts `[HEX]` in the place of each digest.
fn without_digests(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for c in text.chars().chain([' ']) {
        if matches!(c, '0'..='9' | 'a'..='f') {
            run.push(c);
            continue;
        }
        out.push_str(if run.len() == 64 { "[HEX]" } else { &run });
        run.clear();
        out.push(c);
    }
    out.pop();
    out
}

/// Whether something was told that is nobody's business: a secret, a page in HTML, the inside of sigtool.
#[must_use]
pub fn is_indiscreet(text: &str) -> bool {
    let words = [
        PASSWORD,
        BASIC,
        "<html",
        "<body",
        "<h1",
        "panicked",
        "RUST_BACKTRACE",
    ];
    words.iter().any(|word| text.contains(word))
}

/// Whether an error says with whom it happened, and nothing that is nobody's business.
pub(super) fn is_told_well(said: &Said, host: &str) -> Result<(), String> {
    if is_indiscreet(&said.text) {
        return Err("it tells too much".to_owned());
    }
    let failed = said.code == Some(3);
    if failed && !(said.text.starts_with("error: ") && said.text.contains(host)) {
        return Err("it does not say with whom".to_owned());
    }
    Ok(())
}
