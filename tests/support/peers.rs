//! The programs that the tests need beside sigtool: cosign, which must agree with us, and tools to watch with.
//!
//! A test takes what is there, and never installs anything: `tests/peers` does that.

use crate::{Sandbox, tests_folder};
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Set where every tool has been installed, so that a test that would be skipped fails.
const MUST_NOT_SKIP: &str = "TESTS_MUST_NOT_SKIP";

/// A program by its name: `cosign-v3` and `cosign-v2` as `tests/peers` installs them, any other on `PATH`.
///
/// If it is missing, says so on stderr, and the test is to return.
///
/// # Panics
///
/// It is missing, and `TESTS_MUST_NOT_SKIP` is set.
#[must_use]
pub fn need(name: &str) -> Option<PathBuf> {
    let found = if name.starts_with("cosign-") {
        let path = tests_folder().join("../.tools").join(name).join("cosign");
        path.canonicalize().ok()
    } else {
        on_path(name)
    };
    if found.is_none() {
        let installed_by = if name.starts_with("cosign-") {
            "run tests/peers"
        } else {
            "install it"
        };
        skip(&format!("`{name}` is missing: {installed_by}"));
    }
    found
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Says on stderr that a test is skipped, and why; the test is to return.
///
/// # Panics
///
/// `TESTS_MUST_NOT_SKIP` is set.
pub fn skip(why: &str) {
    assert!(
        std::env::var_os(MUST_NOT_SKIP).is_none(),
        "{why} ({MUST_NOT_SKIP} is set)"
    );
    // Written directly, since the test harness keeps what `eprintln!` says of a test that passes.
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {why}");
}

/// A cosign.
#[derive(Clone, Debug)]
pub struct Cosign {
    /// Which.
    pub version: Version,
    program: PathBuf,
}

/// The versions of cosign that we agree with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 2.6.4
    V2,
    /// 3.1.2
    V3,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 => "cosign-v2",
            Self::V3 => "cosign-v3",
        })
    }
}

/// What cosign writes for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A Sigstore bundle v0.3: the default since version 3.
    Bundle,
    /// Base64 in a file of its own: the default before.
    Detached,
    /// cosign's bundle of before version 3: `{"base64Signature": …}`.
    OldBundle,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bundle, Self::Detached, Self::OldBundle];
}

/// What a program said: its exit code, and both its streams.
#[derive(Clone, Debug)]
pub struct Said {
    /// The exit code, if it exited.
    pub code: Option<i32>,
    /// stdout, then stderr.
    pub text: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let streams = [output.stdout, output.stderr].concat();
        Self {
            code: output.status.code(),
            text: String::from_utf8_lossy(&streams).into_owned(),
        }
    }
}

impl Said {
    /// Whether it exited with 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// # Panics
    ///
    /// It did not exit with 0.
    pub fn expect_success(&self, what: &str) {
        assert!(self.is_success(), "{what}: {self}");
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "exit code {code}: {}", self.text.trim()),
            None => write!(f, "killed: {}", self.text.trim()),
        }
    }
}

impl Cosign {
    /// Both versions, the newer first; none if one is missing.
    #[must_use]
    pub fn both() -> Option<[Self; 2]> {
        Some([Self::find(Version::V3)?, Self::find(Version::V2)?])
    }

    /// This version, if it is there.
    #[must_use]
    pub fn find(version: Version) -> Option<Self> {
        let program = need(&version.to_string())?;
        Some(Self { version, program })
    }

    /// Runs it in the sandbox, with this password for keys. It reaches no network: its proxy does not exist.
    ///
    /// # Panics
    ///
    /// It cannot be started.
    pub fn run<'a>(
        &self,
        sandbox: &Sandbox,
        password: &str,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Said {
        let nowhere = "http://127.0.0.1:1";
        Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", sandbox.home())
            .env("TUF_ROOT", sandbox.home().join("tuf"))
            .env("COSIGN_PASSWORD", password)
            .envs([("HTTP_PROXY", nowhere), ("HTTPS_PROXY", nowhere)])
            .current_dir(sandbox.work())
            .stdin(Stdio::null())
            .output()
            .expect("an executable of its own")
            .into()
    }

    /// `sign-blob` without a transparency log.
    pub fn sign(
        &self,
        sandbox: &Sandbox,
        (key, password): (&str, &str),
        form: Form,
        file: &str,
        to: &str,
    ) -> Said {
        let mut arguments = vec!["sign-blob", "--yes", "--key", key, "--tlog-upload=false"];
        if self.version == Version::V3 {
            arguments.push("--use-signing-config=false");
        }
        arguments.extend(match form {
            Form::Bundle => ["--new-bundle-format=true", "--bundle"],
            Form::Detached => ["--new-bundle-format=false", "--output-signature"],
            Form::OldBundle => ["--new-bundle-format=false", "--bundle"],
        });
        arguments.extend([to, file]);
        self.run(sandbox, password, arguments)
    }

    /// `verify-blob` with a public key.
    ///
    /// # Panics
    ///
    /// The sandbox cannot be written to.
    pub fn verify(
        &self,
        sandbox: &Sandbox,
        key: &str,
        form: Form,
        signature: &str,
        file: &str,
    ) -> Said {
        let mut arguments = vec!["verify-blob", "--key", key, "--insecure-ignore-tlog=true"];
        if self.version == Version::V2 && form == Form::Bundle {
            // Version 2 fetches the trusted root of the public services unless it is given one, even if it needs none.
            let root =
                r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
            sandbox.write("trusted-root.json", root);
            arguments.extend(["--new-bundle-format", "--trusted-root", "trusted-root.json"]);
        }
        let flag = match form {
            Form::Bundle | Form::OldBundle => "--bundle",
            Form::Detached => "--signature",
        };
        arguments.extend([flag, signature, file]);
        self.run(sandbox, "", arguments)
    }

    /// `import-key-pair`: makes `NAME.key` and `NAME.pub` of a private key that OpenSSL wrote.
    pub fn import(&self, sandbox: &Sandbox, password: &str, pem: &str, name: &str) -> Said {
        let arguments = [
            "import-key-pair",
            "--yes",
            "--key",
            pem,
            "--output-key-prefix",
            name,
        ];
        self.run(sandbox, password, arguments)
    }

    /// `generate-key-pair`: makes `NAME.key` and `NAME.pub`, ECDSA P-256.
    pub fn generate(&self, sandbox: &Sandbox, password: &str, name: &str) -> Said {
        let arguments = ["generate-key-pair", "--output-key-prefix", name];
        self.run(sandbox, password, arguments)
    }
}

/// Has OpenSSL make a plain private key, PKCS#8 in PEM, by the algorithm's name as sigtool has it.
///
/// # Panics
///
/// `openssl` is missing, or the algorithm is unknown.
pub fn openssl_key(path: &Path, algorithm: &str) {
    let curve = |name: &str| format!("ec_paramgen_curve:{name}");
    let (kind, option) = match algorithm {
        "ecdsa-p256" => ("EC", Some(curve("P-256"))),
        "ecdsa-p384" => ("EC", Some(curve("P-384"))),
        "ecdsa-p521" => ("EC", Some(curve("P-521"))),
        "ed25519" => ("ED25519", None),
        _ => {
            let bits = algorithm.strip_prefix("rsa-").expect("a known algorithm");
            ("RSA", Some(format!("rsa_keygen_bits:{bits}")))
        }
    };
    let options: Vec<&str> = option.iter().flat_map(|o| ["-pkeyopt", o]).collect();
    crate::foreign::generate(path, &[&["-algorithm", kind], &options[..]].concat());
}
