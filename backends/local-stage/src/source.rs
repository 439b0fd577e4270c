//! The kind `source`, verb by verb.

use crate::detect::detect;
use crate::failure::invalid;
use crate::file::{Found, OpenFile, find};
use crate::hash::digests;
use crate::siblings::Siblings;
use crate::signatures;
use crate::walk::Walks;
use sigtool_sdk::message::Empty;
use sigtool_sdk::source::{
    AttachArgs, Attached, DetachArgs, MAX_PREFIX, MAX_PREFIXED, Prefixed, ResolveArgs, Resolved,
    SignaturesArgs, SignaturesReply, Source,
};
use sigtool_sdk::text::quoted_path;
use sigtool_sdk::types::Artifact;
use sigtool_sdk::{Call, Result};
use std::path::Path;

/// Files, and the signatures beside them.
#[derive(Debug, Default)]
pub(crate) struct Files {
    siblings: Siblings,
    walks: Walks,
}

impl Source for Files {
    fn resolve(&self, call: &Call, args: ResolveArgs) -> Result<Resolved> {
        let path = Path::new(&args.reference);
        if !path.is_absolute() {
            return Err(invalid(format!(
                "{} is not an absolute path",
                quoted_path(path)
            )));
        }
        match find(path)? {
            Found::File(file) => artifact(call, &file, args),
            Found::Folder if args.recursive => {
                self.walks.page(call, &args.reference, args.page.as_deref())
            }
            Found::Folder => Err(invalid(format!("{} is a folder", quoted_path(path)))
                .hint("add `--recursive` to take every file in it")),
        }
    }

    fn signatures(&self, call: &Call, args: SignaturesArgs) -> Result<SignaturesReply> {
        signatures::list(call, &self.siblings, &args)
    }

    fn attach(&self, _call: &Call, args: AttachArgs) -> Result<Attached> {
        signatures::attach(&self.siblings, &args)
    }

    fn detach(&self, _call: &Call, args: DetachArgs) -> Result<Empty> {
        signatures::detach(&self.siblings, &args)
    }
}

/// Digests first, then what the file is; the proof that it stayed the same covers both.
fn artifact(call: &Call, file: &OpenFile, args: ResolveArgs) -> Result<Resolved> {
    let within = |asked: &Prefixed| asked.prefix.len() <= MAX_PREFIX;
    if args.prefixed.len() > MAX_PREFIXED || !args.prefixed.iter().all(within) {
        return Err(invalid("more or longer prefixes than a host may ask for"));
    }
    let found = digests(call, file, &args.digests, &args.prefixed)?;
    let detected = detect(file);
    file.unchanged()?;
    Ok(Resolved {
        artifact: Some(Artifact {
            name: detected.name,
            version: detected.version,
            kind: detected.kind,
            digests: found.plain,
            size: file.size(),
            media_type: None,
            path: Some(file.path().to_owned()),
            reference: args.reference,
        }),
        prefixed: found.prefixed,
        notes: detected.note.into_iter().collect(),
        ..Resolved::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_call;
    use sigtool_sdk::types::{ArtifactKind, DigestAlgorithm};
    use sigtool_sdk::{Error, ErrorCode};

    fn resolve(reference: &str, recursive: bool) -> Result<Resolved, Error> {
        let args = ResolveArgs {
            reference: reference.to_owned(),
            digests: vec![DigestAlgorithm::Sha256],
            recursive,
            ..ResolveArgs::default()
        };
        with_call(|call| Files::default().resolve(call, args))
    }

    #[test]
    fn a_file_is_an_artifact_with_digest_size_and_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "abc").unwrap();
        for recursive in [false, true] {
            let resolved = resolve(path.to_str().unwrap(), recursive).unwrap();
            assert!(resolved.children.is_empty() && resolved.notes.is_empty());
            let artifact = resolved.artifact.unwrap();
            assert_eq!(artifact.reference, path.to_str().unwrap());
            assert_eq!(artifact.path.as_deref(), Some(path.as_path()));
            assert_eq!((artifact.size, artifact.kind), (3, ArtifactKind::Unknown));
            assert_eq!(
                (artifact.name.as_str(), artifact.version),
                ("notes.txt", None)
            );
            assert_eq!(
                artifact.digests[0].to_string(),
                "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
            );
        }
    }

    #[test]
    fn prefixes_are_hashed_as_far_as_a_host_may_ask() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "bc").unwrap();
        let ask = |count, length| {
            let prefixed = Prefixed {
                algorithm: DigestAlgorithm::Sha256,
                prefix: vec![b'a'; length].into(),
            };
            let args = ResolveArgs {
                reference: path.to_str().unwrap().to_owned(),
                prefixed: vec![prefixed; count],
                ..ResolveArgs::default()
            };
            with_call(|call| Files::default().resolve(call, args))
        };
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(ask(1, 1).unwrap().prefixed[0].to_string(), abc);
        let most = ask(MAX_PREFIXED, MAX_PREFIX).unwrap();
        assert_eq!(most.prefixed.len(), MAX_PREFIXED);
        for (count, length) in [(MAX_PREFIXED + 1, 1), (1, MAX_PREFIX + 1)] {
            let error = ask(count, length).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest);
        }
    }

    #[test]
    fn a_link_is_followed_and_keeps_its_own_path() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("latest.txt");
        std::fs::write(folder.path().join("v1.txt"), "abc").unwrap();
        std::os::unix::fs::symlink("v1.txt", &link).unwrap();
        let artifact = resolve(link.to_str().unwrap(), false)
            .unwrap()
            .artifact
            .unwrap();
        assert_eq!((artifact.name.as_str(), artifact.size), ("latest.txt", 3));
    }

    #[test]
    fn a_folder_needs_to_be_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "").unwrap();
        let top = folder.path().to_str().unwrap();
        let error = resolve(top, false).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        assert_eq!(error.message, format!("`{top}` is a folder"));
        assert!(error.hints[0].contains("--recursive"));
        assert_eq!(resolve(top, true).unwrap().children, [format!("{top}/a")]);
    }

    #[test]
    fn what_is_no_artifact_is_an_error_that_names_it() {
        for (reference, code) in [
            ("/dev/zero", ErrorCode::InvalidRequest),
            ("/nowhere/app.jar", ErrorCode::NotFound),
            ("app.jar", ErrorCode::InvalidRequest),
        ] {
            let error = resolve(reference, true).unwrap_err();
            assert_eq!(error.code, code);
            assert!(error.message.contains(reference), "{error}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_of_the_kernel_that_lies_about_its_size_is_no_artifact() {
        let error = resolve("/proc/self/status", false).unwrap_err();
        assert_eq!(error.code, ErrorCode::Integrity);
    }
}
