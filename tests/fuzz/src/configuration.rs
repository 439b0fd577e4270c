//! The configuration: the files of the user, of a project and of the administrator, and a setting of the command line.

use crate::config::edit::Edit;
use crate::config::{Config, Inputs, Manifests};
use crate::error::CommandError;
use sigtool_sdk::Manifest;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// What parts the user's file, the project's, the policy and the setting: in TOML it can stand nowhere but in a text.
const NEXT: &str = "\n---\n";

/// All of it together: whatever is wrong can be shown, and what can be set leaves a file that can be read.
pub(crate) fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    thread_local! {
        static FOLDER: TempDir = folders();
    }
    FOLDER.with(|folder| {
        let mut parts = text.split(NEXT);
        let mut part = || parts.next().unwrap_or_default();
        let mut inputs = inputs(folder.path());
        let user_file = inputs.user_file.clone().expect("there is one");
        write(&user_file, part());
        write(&inputs.working_dir.join(".sigtool.toml"), part());
        write(&inputs.system_dir.join("policy.toml"), part());
        // Without `=` it would be the name of another file.
        let setting = part().split_once('=');
        if let Some((key, value)) = setting {
            inputs.overrides.push(format!("{key}={value}"));
        }
        read(&inputs);
        if let Some((key, value)) = setting {
            set(&user_file, key, value);
        }
    });
}

fn read(inputs: &Inputs) {
    let config = Config::load_with_problems(inputs);
    for problem in config.check(&MANIFESTS) {
        shown(&problem);
    }
    for name in config.profile_names() {
        if let Err(problem) = config.profile(Some(&name.name), &MANIFESTS) {
            shown(&problem);
        }
    }
    let _ = config.profile(None, &MANIFESTS).map_err(|e| shown(&e));
    let _ = config.explain(None);
    let _ = (config.network(), config.timeout(), config.jobs());
    let _ = (config.offline(), config.external_commands());
}

/// An error that can be printed: what it points at is there.
fn shown(problem: &CommandError) {
    assert!(!problem.message.is_empty());
    if let Some(snippet) = &problem.snippet {
        assert!(snippet.text.get(snippet.span.clone()).is_some());
        assert!(snippet.line() >= 1);
    }
}

fn set(user_file: &Path, key: &str, value: &str) {
    let Ok(mut edit) = Edit::open(user_file, None) else {
        return;
    };
    match edit.set(key, value, &MANIFESTS) {
        Err(problem) => shown(&problem),
        Ok(()) => {
            edit.save().expect("a file to write");
            assert!(Edit::open(user_file, None).is_ok(), "what we write we read");
        }
    }
}

const MANIFESTS: Manifests<'static> = &|id| {
    Ok(match id {
        "cosign-key" => Manifest::parse(include_str!(
            "../../../backends/cosign-key/sigtool-backend.toml"
        ))
        .ok(),
        "oci" => Manifest::parse(include_str!("../../../backends/oci/sigtool-backend.toml")).ok(),
        _ => None,
    })
};

fn folders() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for part in ["etc", "home/app"] {
        fs::create_dir_all(folder.path().join(part)).expect("a folder");
    }
    folder
}

fn inputs(folder: &Path) -> Inputs {
    Inputs {
        system_dir: folder.join("etc"),
        user_file: Some(folder.join("home/config.toml")),
        working_dir: folder.join("home/app"),
        home: Some(folder.join("home")),
        ..Inputs::default()
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file to write");
}
