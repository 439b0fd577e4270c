//! The programs that the tests need beside sigtool: cosign, which must agree with us, registries, and tools to watch with.
//!
//! A test takes what is there, and never installs anything: `tests/peers` does that.

use crate::{Sandbox, tests_folder};
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Set where every tool has been installed, so that a test that would be skipped fails.
const MUST_NOT_SKIP: &str = "TESTS_MUST_NOT_SKIP";

/// What `tests/peers` installs, and where in `.tools`.
const INSTALLED: [(&str, &str); 4] = [
    ("cosign-v2", "cosign-v2/cosign"),
    ("cosign-v3", "cosign-v3/cosign"),
    ("ferro-oci-server", "bin/ferro-oci-server"),
    ("olareg", "olareg/olareg"),
];

/// A program by its name: what `tests/peers` installs from there, any other on `PATH`.
///
/// If it is missing, says so on stderr, and the test is to return.
///
/// # Panics
///
/// It is missing, and `TESTS_MUST_NOT_SKIP` is set.
#[must_use]
pub fn need(name: &str) -> Option<PathBuf> {
    let installed = INSTALLED.iter().find(|(known, _)| *known == name);
    let (found, how) = if let Some((_, path)) = installed {
        let path = tests_folder().join("../.tools").join(path);
        (path.canonicalize().ok(), "run tests/peers")
    } else {
        (on_path(name), "install it")
    };
    if found.is_none() {
        skip(&format!("`{name}` is missing: {how}"));
    }
    found
}

/// A program on `PATH` that no machine is asked to have: a test without it has nothing to say, and is not counted as skipped.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    on_path(name)
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
    /// `COSIGN_REPOSITORY`
    repository: Option<String>,
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

/// What cosign writes for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageForm {
    /// A Sigstore bundle v0.3 that refers to the image: the default since version 3.
    Bundle,
    /// A layer of the image `sha256-HEX.sig` (an attestation: `.att`): the default before.
    Sig,
}

impl ImageForm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Bundle, Self::Sig];

    fn flag(self) -> &'static str {
        match self {
            Self::Bundle => "--new-bundle-format=true",
            Self::Sig => "--new-bundle-format=false",
        }
    }
}

/// What the signed payload of a `.sig` says that it is.
const SIMPLE_SIGNING: &str = "cosign container image signature";

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

impl Said {
    /// The same, but not a success unless it says so.
    #[must_use]
    pub fn only_with(self, word: &str) -> Self {
        let code = self
            .code
            .filter(|code| *code != 0 || self.text.contains(word));
        Self { code, ..self }
    }
}

/// The cells of a table that fail, and how many there are: all are tried before the test fails.
#[derive(Debug, Default)]
pub struct Matrix {
    cells: usize,
    failed: Vec<String>,
}

impl Matrix {
    /// A cell that is to succeed.
    pub fn valid(&mut self, cell: &str, said: &Said) {
        self.cell(cell, said, said.is_success());
    }

    /// Refused, and for this reason. cosign has several exit codes for it; ours is 1 and nothing else.
    pub fn refused(&mut self, cell: &str, said: &Said, because: &str) {
        let refused = said.code.is_some_and(|code| code != 0);
        self.cell(cell, said, refused && said.text.contains(because));
    }

    /// A cell, and whether it is as it should be.
    pub fn cell(&mut self, cell: &str, said: &Said, is_right: bool) {
        self.cells += 1;
        if !is_right {
            self.failed.push(format!("{cell}: {said}"));
        }
    }

    /// # Panics
    ///
    /// A cell failed, or there are not this many.
    pub fn end(self, cells: usize) {
        assert!(self.failed.is_empty(), "{}", self.failed.join("\n"));
        assert_eq!(self.cells, cells, "each cell is tried");
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
        Some(Self {
            version,
            program,
            repository: None,
        })
    }

    /// The same, for which the signatures of images lie in this repository.
    #[must_use]
    pub fn with_repository(self, repository: String) -> Self {
        Self {
            repository: Some(repository),
            ..self
        }
    }

    /// Runs it in the sandbox, with this password for keys. It reaches no network but this machine: its proxy does not exist.
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
            .envs(self.repository.iter().map(|r| ("COSIGN_REPOSITORY", r)))
            .envs([("HTTP_PROXY", nowhere), ("HTTPS_PROXY", nowhere)])
            .env("NO_PROXY", "127.0.0.1")
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
            arguments.push("--new-bundle-format");
            arguments.extend(trusted_root(sandbox));
        }
        let flag = match form {
            Form::Bundle | Form::OldBundle => "--bundle",
            Form::Detached => "--signature",
        };
        arguments.extend([flag, signature, file]);
        self.run(sandbox, "", arguments)
    }

    /// `sign`: signs an image, without a transparency log.
    pub fn sign_image(
        &self,
        sandbox: &Sandbox,
        (key, password): (&str, &str),
        form: ImageForm,
        reference: &str,
        more: &[&str],
    ) -> Said {
        let mut arguments = vec!["sign", "--yes", "--key", key];
        arguments.extend(self.without_log(form));
        arguments.extend(more);
        arguments.push(reference);
        self.run(sandbox, password, arguments)
    }

    /// `verify`: verifies an image with a public key.
    ///
    /// What was verified in the other form is not a success here: without a bundle, version 3 still looks for a `.sig`, and where
    /// there is one, version 2 looks at nothing else.
    ///
    /// # Panics
    ///
    /// The sandbox cannot be written to.
    pub fn verify_image(
        &self,
        sandbox: &Sandbox,
        key: &str,
        form: ImageForm,
        reference: &str,
        more: &[&str],
    ) -> Said {
        let mut arguments = vec!["verify"];
        arguments.extend(self.with_key(sandbox, key, form));
        arguments.extend(more);
        arguments.push(reference);
        let mut said = self.run(sandbox, "", arguments);
        let is_sig = said.text.contains(SIMPLE_SIGNING);
        if said.is_success() && is_sig != (form == ImageForm::Sig) {
            said.code = Some(1);
            said.text += "\nverified, but in another form than was asked for";
        }
        said
    }

    /// `attest`: signs a statement about an image: a type such as `custom` or `spdxjson`, and the file that holds the predicate.
    pub fn attest_image(
        &self,
        sandbox: &Sandbox,
        (key, password): (&str, &str),
        form: ImageForm,
        (kind, predicate): (&str, &str),
        reference: &str,
        more: &[&str],
    ) -> Said {
        let mut arguments = vec!["attest", "--yes", "--key", key];
        arguments.extend(self.without_log(form));
        arguments.extend(["--type", kind, "--predicate", predicate]);
        arguments.extend(more);
        arguments.push(reference);
        self.run(sandbox, password, arguments)
    }

    /// `verify-attestation`: verifies a statement of this type about an image with a public key, and shows it.
    ///
    /// # Panics
    ///
    /// The sandbox cannot be written to.
    pub fn verify_attestation(
        &self,
        sandbox: &Sandbox,
        key: &str,
        form: ImageForm,
        kind: &str,
        reference: &str,
        more: &[&str],
    ) -> Said {
        let mut arguments = vec!["verify-attestation", "--type", kind];
        arguments.extend(self.with_key(sandbox, key, form));
        arguments.extend(more);
        arguments.push(reference);
        self.run(sandbox, "", arguments)
    }

    /// How an image is signed without a transparency log.
    fn without_log(&self, form: ImageForm) -> Vec<&'static str> {
        let mut arguments = vec!["--tlog-upload=false", form.flag()];
        if self.version == Version::V3 {
            arguments.push("--use-signing-config=false");
        }
        arguments
    }

    /// How an image is verified with a key alone.
    fn with_key<'a>(&self, sandbox: &Sandbox, key: &'a str, form: ImageForm) -> Vec<&'a str> {
        let mut arguments = vec!["--key", key, "--insecure-ignore-tlog=true", form.flag()];
        if self.version == Version::V2 {
            arguments.extend(trusted_root(sandbox));
        }
        arguments
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

/// Version 2 fetches the trusted root of the public services unless it is given one, even if it needs none.
fn trusted_root(sandbox: &Sandbox) -> [&'static str; 2] {
    let root = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
    sandbox.write("trusted-root.json", root);
    ["--trusted-root", "trusted-root.json"]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::FaultProxy;
    use crate::registry::{Clients, Docker, Registry};

    const PASSWORD: &str = "canary-password-of-the-key";

    /// Registries of both kinds: without the referrers API, and with it.
    fn registries() -> Option<[Registry; 2]> {
        Some([Registry::docker()?, Registry::olareg(&[])?])
    }

    fn sandbox_with_key(cosign: &Cosign) -> Sandbox {
        let sandbox = Sandbox::new("true");
        let made = cosign.generate(&sandbox, PASSWORD, "k");
        made.expect_success("a key");
        sandbox
    }

    #[test]
    fn what_a_cosign_signs_in_a_registry_every_cosign_verifies_there() {
        let Some(cosigns) = Cosign::both() else {
            return;
        };
        let Some(registries) = registries() else {
            return;
        };
        let sandbox = sandbox_with_key(&cosigns[0]);
        for registry in &registries {
            for (by, form) in pairs(&cosigns) {
                let repository = format!("{}-{form:?}", by.version).to_lowercase();
                let digest = registry.push_image(&repository, "v1", &repository);
                let image = format!("{}/{repository}@{digest}", registry.host());
                let key = ("k.key", PASSWORD);
                let signed = by.sign_image(&sandbox, key, form, &image, &[]);
                signed.expect_success(&image);
                let refers = registry.referrers(&repository, &digest).len();
                assert_eq!(refers, usize::from(form == ImageForm::Bundle), "{image}");
                for cosign in &cosigns {
                    let what = format!("{} {image}", cosign.version);
                    for asked in ImageForm::ALL {
                        let said = cosign.verify_image(&sandbox, "k.pub", asked, &image, &[]);
                        assert_eq!(said.is_success(), asked == form, "{what}: {said}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_a_cosign_attests_in_a_registry_every_cosign_verifies_there() {
        let Some(cosigns) = Cosign::both() else {
            return;
        };
        let Some(registry) = Registry::olareg(&[]) else {
            return;
        };
        let sandbox = sandbox_with_key(&cosigns[0]);
        sandbox.write("predicate.json", r#"{"asked": 42}"#);
        for (by, form) in pairs(&cosigns) {
            let repository = format!("{}-{form:?}", by.version).to_lowercase();
            let digest = registry.push_image(&repository, "v1", &repository);
            let image = format!("{}/{repository}@{digest}", registry.host());
            let predicate = ("custom", "predicate.json");
            let key = ("k.key", PASSWORD);
            let said = by.attest_image(&sandbox, key, form, predicate, &image, &[]);
            said.expect_success(&image);
            for cosign in &cosigns {
                let said =
                    cosign.verify_attestation(&sandbox, "k.pub", form, "custom", &image, &[]);
                said.expect_success(&format!("{} {image}", cosign.version));
            }
        }
    }

    #[test]
    fn an_unsigned_image_is_not_a_success() {
        let Some(cosigns) = Cosign::both() else {
            return;
        };
        let Some(registries) = registries() else {
            return;
        };
        let sandbox = sandbox_with_key(&cosigns[0]);
        for registry in &registries {
            let digest = registry.push_image("app", "v1", 1);
            let image = format!("{}/app@{digest}", registry.host());
            for (cosign, form) in pairs(&cosigns) {
                let said = cosign.verify_image(&sandbox, "k.pub", form, &image, &[]);
                assert!(!said.is_success(), "{said}");
            }
        }
    }

    #[test]
    fn cosign_signs_through_a_proxy_with_a_token_and_with_a_certificate() {
        let Some(cosign) = Cosign::find(Version::V3) else {
            return;
        };
        let sandbox = sandbox_with_key(&cosign);
        let key = ("k.key", PASSWORD);
        let Some(registry) = Registry::docker_with_tokens() else {
            return;
        };
        let proxy = FaultProxy::before(&registry);
        let digest = registry.push_image("app", "v1", 1);
        let image = format!("{}/app@{digest}", proxy.host());
        let (user, password) = registry.credentials().unwrap();
        let more = ["--registry-username", user, "--registry-password", password];
        let said = cosign.sign_image(&sandbox, key, ImageForm::Bundle, &image, &more);
        said.expect_success(&image);
        let said = cosign.verify_image(&sandbox, "k.pub", ImageForm::Bundle, &image, &more);
        said.expect_success(&image);
        assert!(proxy.count("PUT", "/v2/app/manifests/") > 0);

        let docker = Docker {
            password: Some(("robot", "of-the-robot")),
            tls: Some(Clients::Certified),
            tokens: false,
        };
        let Some(registry) = Registry::docker_with(docker) else {
            return;
        };
        let digest = registry.push_image("app", "v1", 1);
        let image = format!("{}/app@{digest}", registry.host());
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let client = registry.client().unwrap();
        let (ca_file, certificate, private) = (
            path(registry.ca_file().unwrap()),
            path(&client.certificate),
            path(&client.key),
        );
        let more = [
            ["--registry-username", "robot"],
            ["--registry-password", "of-the-robot"],
            ["--registry-cacert", &ca_file],
            ["--registry-client-cert", &certificate],
            ["--registry-client-key", &private],
        ];
        let more = more.concat();
        let said = cosign.sign_image(&sandbox, key, ImageForm::Bundle, &image, &more);
        said.expect_success(&image);
        let said = cosign.verify_image(&sandbox, "k.pub", ImageForm::Bundle, &image, &more);
        said.expect_success(&image);
    }

    fn pairs(cosigns: &[Cosign]) -> impl Iterator<Item = (&Cosign, ImageForm)> {
        cosigns
            .iter()
            .flat_map(|cosign| ImageForm::ALL.map(|form| (cosign, form)))
    }
}
