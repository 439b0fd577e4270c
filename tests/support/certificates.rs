//! A private certificate authority (X.509, RFC 5280), by OpenSSL: for TLS and for those who sign tokens.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key, PKCS#8, plain.
    pub key: PathBuf,
}

/// A certificate authority that nobody else knows. Its files are gone when it is dropped.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    root: Certificate,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    ///
    /// `openssl` is missing.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("sigtool-authority-")
            .tempdir()
            .expect("a folder for temporary files");
        // The machine's own configuration would add to what is asked for.
        let nothing = "[req]\ndistinguished_name = name\n[name]\n";
        fs::write(folder.path().join("openssl.cnf"), nothing).expect("a fresh folder");
        let extensions = [
            "basicConstraints=critical,CA:TRUE",
            "keyUsage=critical,keyCertSign,cRLSign",
            "subjectKeyIdentifier=hash",
        ];
        let root = issue(folder.path(), "ca", None, EC, &extensions);
        Self { folder, root }
    }

    /// The authority's own certificate, which is to be trusted.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.root.certificate
    }

    /// A server's certificate for these subject alternative names, such as `IP:127.0.0.1,DNS:localhost`.
    #[must_use]
    pub fn server(&self, names: &str) -> Certificate {
        let names = format!("subjectAltName={names}");
        self.leaf("server", &["extendedKeyUsage=serverAuth", &names])
    }

    /// A client's certificate.
    #[must_use]
    pub fn client(&self) -> Certificate {
        self.leaf("client", &["extendedKeyUsage=clientAuth"])
    }

    fn leaf(&self, name: &str, extensions: &[&str]) -> Certificate {
        let common = ["basicConstraints=critical,CA:FALSE"];
        let extensions = [&common[..], extensions].concat();
        issue(self.folder.path(), name, Some(&self.root), EC, &extensions)
    }

    /// An RSA key with a certificate of its own, for signatures.
    pub(crate) fn token_signer(&self) -> Certificate {
        issue(self.folder.path(), "tokens", None, RSA, &[])
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

const EC: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const RSA: &[&str] = &["-newkey", "rsa:2048"];

/// Makes a key, and a certificate for it: self-signed, if there is no issuer.
fn issue(
    folder: &Path,
    name: &str,
    issuer: Option<&Certificate>,
    kind: &[&str],
    extensions: &[&str],
) -> Certificate {
    let file = |suffix: &str| folder.join(format!("{name}{suffix}"));
    let (certificate, key) = (file(".pem"), file(".key"));
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-nodes", "-sha256", "-days", "2", "-config"])
        .arg(folder.join("openssl.cnf"))
        .args(kind)
        .args(["-subj", &format!("/CN=sigtool tests: {name}")]);
    if let Some(issuer) = issuer {
        command.arg("-CA").arg(&issuer.certificate);
        command.arg("-CAkey").arg(&issuer.key);
    }
    for extension in extensions {
        command.args(["-addext", extension]);
    }
    command
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate);
    let output = command.output().expect("`openssl` is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Certificate { certificate, key }
}
