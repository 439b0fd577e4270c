//! Backends in other languages: compiles what must be compiled, once, and makes what they work with.

use crate::tests_folder;
use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// The signer in C, as a shared library. Signs with an ECDSA P-256 key: see [`p256_key`].
///
/// # Panics
///
/// `cc` or the headers of libcrypto are missing.
#[must_use]
pub fn c_signer() -> PathBuf {
    let folder = tests_folder().join("foreign/c-signer");
    compile_c(
        &folder.join("signer.c"),
        &["-Wall", "-Wextra", "-pedantic", "-Werror"],
        &["-lcrypto"],
    )
}

/// The signer in Python; its manifest lies beside it. Signs with an Ed25519 key: see [`ed25519_key`].
#[must_use]
pub fn python_signer() -> PathBuf {
    tests_folder().join("foreign/python-signer/python-signer")
}

/// The secret store and identity in Python; its manifest lies beside it.
#[must_use]
pub fn python_lender() -> PathBuf {
    tests_folder().join("foreign/python-lender/python-lender")
}

/// The source in shell; its manifest lies beside it.
#[must_use]
pub fn sh_source() -> PathBuf {
    tests_folder().join("foreign/sh-source/sh-source")
}

/// Compiles a C file to a shared library against the SDK's header, unless that has been done before.
///
/// The result lies in the build folder, under a name that all its inputs decide.
///
/// # Panics
///
/// The compiler is missing, or refuses the file.
#[must_use]
pub fn compile_c(source: &Path, flags: &[&str], libraries: &[&str]) -> PathBuf {
    static COMPILING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
    let include = tests_folder().join("../plugins-sdk/include");
    let target = build_folder().join(format!(
        "{}-{:016x}{}",
        source
            .file_stem()
            .and_then(OsStr::to_str)
            .expect("a name in UTF-8"),
        fingerprint(source, &include, flags, libraries),
        std::env::consts::DLL_SUFFIX
    ));
    if target.exists() {
        return target;
    }
    // Renamed when it is whole, since other test processes may look for it too.
    let unfinished = target.with_extension(std::process::id().to_string());
    let output = Command::new("cc")
        .args(["-std=c11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden"])
        .args(flags)
        .arg("-I")
        .arg(&include)
        .arg("-o")
        .arg(&unfinished)
        .arg(source)
        .args(libraries)
        .output()
        .expect("`cc` runs: install a C compiler");
    assert!(
        output.status.success(),
        "cc cannot compile `{}` (libcrypto's headers are in the package libssl-dev):\n{}",
        source.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::rename(&unfinished, &target).expect("the build folder is writable");
    target
}

/// Differs whenever the result of compiling could differ.
fn fingerprint(source: &Path, include: &Path, flags: &[&str], libraries: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (flags, libraries).hash(&mut hasher);
    for folder in [source.parent().expect("it lies in a folder"), include] {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
            .expect("the folder is there")
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "c" || e == "h"))
            .collect();
        files.sort();
        for file in files {
            std::fs::read(file)
                .expect("a source file is readable")
                .hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// `target/tmp/sigtool-tests`, whatever the target folder and the profile are called.
pub(crate) fn build_folder() -> PathBuf {
    let libraries = crate::libraries_folder();
    let target = libraries
        .ancestors()
        .nth(2)
        .expect("tests run from `target/PROFILE/deps`");
    let folder = target.join("tmp/sigtool-tests");
    std::fs::create_dir_all(&folder).expect("the build folder is writable");
    folder
}

/// A fresh ECDSA P-256 private key in PEM (PKCS#8), in a file that others cannot read; with a password, encrypted.
///
/// # Panics
///
/// `openssl` is missing.
pub fn p256_key(path: &Path, password: Option<&str>) {
    let mut options = vec!["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let pass = password.map(|p| format!("pass:{p}"));
    if let Some(pass) = &pass {
        options.extend(["-aes-256-cbc", "-pass", pass]);
    }
    generate(path, &options);
}

/// A fresh Ed25519 private key in PEM (PKCS#8), in a file that others cannot read.
///
/// # Panics
///
/// `openssl` is missing.
pub fn ed25519_key(path: &Path) {
    generate(path, &["-algorithm", "ed25519"]);
}

pub(crate) fn generate(path: &Path, options: &[&str]) {
    let output = Command::new("openssl")
        .arg("genpkey")
        .args(options)
        .arg("-out")
        .arg(path)
        .output()
        .expect("`openssl` runs: install it");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    crate::sandbox::set_mode(path, 0o600);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_compiled_once() {
        let flag = format!("-DONCE_{}", std::process::id());
        let source = tests_folder().join("rogues/rogue.c");
        let first = compile_c(&source, &[&flag], &[]);
        let made = first.metadata().unwrap().modified().unwrap();
        let second = compile_c(&source, &[&flag], &[]);
        assert_eq!(first, second);
        assert_eq!(made, second.metadata().unwrap().modified().unwrap());
        std::fs::remove_file(first).unwrap();
    }

    #[test]
    fn the_signer_in_c_compiles_without_a_warning() {
        assert!(c_signer().exists());
    }
}
