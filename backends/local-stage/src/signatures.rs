//! The signatures beside a file: reading them, writing one so that no other signer's is lost, removing one.

use crate::failure::{invalid, reading, writing};
use crate::names::{Artifact, FORMATS, ending, flag, is_hint};
use crate::siblings::Siblings;
use sigtool_sdk::file::{ReadError, read_regular};
use sigtool_sdk::message::Empty;
use sigtool_sdk::source::{
    AttachArgs, Attached, DetachArgs, MAX_SIGNATURE, SignaturesArgs, SignaturesReply,
};
use sigtool_sdk::text::quoted_path;
use sigtool_sdk::types::{Bytes, SignatureFormat, StoredSignature};
use sigtool_sdk::{Call, Error, ErrorCode, NewFile, Result};
use std::io;
use std::path::Path;

/// How many bytes of signatures go into one page of a reply, one of the longest at least; a third more in Base64, and a message has
/// 16 MiB at most.
const PAGE_BYTES: usize = MAX_SIGNATURE;

/// How many signatures go into one page of a reply.
const PAGE: usize = 1000;

/// The signatures beside a file, format by format, the first signer's before the others'.
///
/// # Errors
///
/// `access-denied` and the like if none could be read and there may be some.
pub(crate) fn list(
    call: &Call,
    siblings: &Siblings,
    args: &SignaturesArgs,
) -> Result<SignaturesReply> {
    let artifact = Artifact::parse(&args.reference)?;
    let mut reply = SignaturesReply::default();
    let mut trouble = Vec::new();
    let candidates = candidates(&artifact, siblings).unwrap_or_else(|(first, error)| {
        trouble.push(reading(artifact.folder(), &error));
        first
    });
    let mut bytes = 0;
    let after = args.page.as_deref().map(|id| order(&artifact, id));
    for id in candidates {
        if after.is_some_and(|after| order(&artifact, &id) <= after) {
            continue;
        }
        call.check()?;
        match read(&id) {
            Ok(Some(content)) => {
                if bytes + content.len() > PAGE_BYTES {
                    reply.next_page = reply.signatures.last().map(|s| s.id.clone());
                    break;
                }
                bytes += content.len();
                reply.signatures.push(stored(&artifact, id, content));
            }
            Ok(None) => {}
            Err(Unusable::Remark(remark)) => reply.notes.push(remark),
            Err(Unusable::Trouble(error)) => trouble.push(error),
        }
        if reply.signatures.len() >= PAGE {
            reply.next_page = reply.signatures.last().map(|s| s.id.clone());
            break;
        }
    }
    // Without any, "there is none" would be a guess.
    if reply.signatures.is_empty() && args.page.is_none() && !trouble.is_empty() {
        return Err(trouble.remove(0));
    }
    reply.failures = trouble;
    Ok(reply)
}

/// The paths where signatures may lie, in their order; beside an error only the first signer's.
fn candidates(
    artifact: &Artifact,
    siblings: &Siblings,
) -> Result<Vec<String>, (Vec<String>, io::Error)> {
    let (others, error) = match siblings.of(artifact.folder(), artifact.name()) {
        Ok(others) => (others, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let mut candidates = Vec::new();
    for ending in FORMATS.into_iter().filter_map(ending) {
        candidates.push(artifact.first(ending));
        for name in others.iter().filter(|name| name.ends_with(ending)) {
            let hint = &name[artifact.name().len() + 1..name.len() - ending.len()];
            candidates.push(artifact.other(hint, ending));
        }
    }
    match error {
        None => Ok(candidates),
        Some(error) => Err((candidates, error)),
    }
}

/// Where an id stands in the list: format by format, the plain name before those with a hint.
fn order<'a>(artifact: &Artifact, id: &'a str) -> (Option<SignatureFormat>, usize, &'a str) {
    (artifact.format_of(id), id.len(), id)
}

fn stored(artifact: &Artifact, id: String, content: Vec<u8>) -> StoredSignature {
    StoredSignature {
        format: artifact.format_of(&id).unwrap_or(SignatureFormat::Other),
        location: id.clone(),
        id,
        content: Bytes(content),
    }
}

/// Why a file with a signature's name gives none.
enum Unusable {
    /// It is not a signature.
    Remark(String),
    /// It may be one, and could not be read.
    Trouble(Error),
}

/// The bytes of a signature, or `None` if there is none of that name.
fn read(id: &str) -> Result<Option<Vec<u8>>, Unusable> {
    let path = Path::new(id);
    let remark = |what: String| {
        Err(Unusable::Remark(format!(
            "{} is {what}: skipped",
            quoted_path(path)
        )))
    };
    match read_regular(path, MAX_SIGNATURE as u64) {
        Ok(mut content) => Ok(Some(std::mem::take(&mut *content))),
        Err(ReadError::Io(e)) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(ReadError::Io(e)) => Err(Unusable::Trouble(reading(path, &e))),
        Err(ReadError::NotRegular(kind)) => remark(kind.to_string()),
        Err(error @ ReadError::TooLarge { .. }) => Err(Unusable::Trouble(
            Error::new(
                ErrorCode::Integrity,
                format!("cannot read {}", quoted_path(path)),
            )
            .because(error),
        )),
    }
}

/// As for any new file: what the umask leaves of it.
const MODE: u32 = 0o666;

/// Writes a signature beside a file. A reader sees the old one or the new one, whole.
///
/// The folder itself is not synchronised: after a power cut a signature may be missing or be the old one, but never torn. It
/// would make a signature five times as slow to write (1.1 ms on top of 0.2 ms, measured on ext4).
///
/// It takes the place of the first that it replaces. Else the first free of `FILE.ending` and `FILE.<hint>.ending` is its name;
/// if neither is free, the second one is this signer's, and is replaced.
///
/// # Errors
///
/// - `access-denied`: the folder is not writable.
/// - `unavailable`: the disk is full.
/// - `invalid-request`: `replaces` names something that is not a signature of this file in this format.
pub(crate) fn attach(siblings: &Siblings, args: &AttachArgs) -> Result<Attached> {
    let artifact = Artifact::parse(&args.reference)?;
    let Some(ending) = ending(args.format) else {
        return Err(invalid(format!(
            "signatures in the format `{}` cannot be kept beside a file",
            args.format
        )));
    };
    if !is_hint(&args.hint) {
        return Err(invalid(format!(
            "{} is not a hint: eight lowercase hexadecimal digits",
            quoted_path(&args.hint)
        )));
    }
    for id in &args.replaces {
        if artifact.format_of(id) != Some(args.format) {
            return Err(no_signature_of(&artifact, id));
        }
    }
    let first = artifact.first(ending);
    let failed = |e: &io::Error, path: &str| writing(Path::new(path), e, flag(args.format));
    let new = NewFile::write(artifact.folder(), &args.content, MODE)
        .map_err(|e| failed(&e, args.replaces.first().unwrap_or(&first)))?;

    let mut notes = Vec::new();
    let id = if let Some(old) = args.replaces.first() {
        new.replace(Path::new(old)).map_err(|e| failed(&e, old))?;
        for id in &args.replaces[1..] {
            if id != old {
                notes.extend(remove_replaced(&artifact, siblings, id));
            }
        }
        old.clone()
    } else {
        let new = new.create(Path::new(&first));
        match new.map_err(|e| failed(&e, &first))? {
            None => first,
            Some(new) => beside(&artifact, new, args, ending)?,
        }
    };
    siblings.written(artifact.folder(), name_of(&id));
    Ok(Attached {
        location: id.clone(),
        id,
        notes,
    })
}

/// The first name is another signer's: this one's has the hint in it.
fn beside(artifact: &Artifact, new: NewFile, args: &AttachArgs, ending: &str) -> Result<String> {
    let other = artifact.other(&args.hint, ending);
    let failed = |e: io::Error| writing(Path::new(&other), &e, flag(args.format));
    let Some(new) = new.create(Path::new(&other)).map_err(failed)? else {
        return Ok(other);
    };
    let namesake = artifact.namesake(&args.hint);
    if namesake.symlink_metadata().is_ok() {
        return Err(invalid(format!(
            "cannot write {}: it is the signature of another artifact",
            quoted_path(&other)
        ))
        .because(format!(
            "{} lies beside {}",
            quoted_path(namesake),
            quoted_path(artifact.name())
        ))
        .hint(format!(
            "write the signature elsewhere with `{} FILE`",
            flag(args.format)
        )));
    }
    new.replace(Path::new(&other)).map_err(failed)?;
    Ok(other)
}

/// Removes a signature.
///
/// # Errors
///
/// - `not-found`: it is not there.
/// - `invalid-request`: the id is not a signature of this file.
pub(crate) fn detach(siblings: &Siblings, args: &DetachArgs) -> Result<Empty> {
    let artifact = Artifact::parse(&args.reference)?;
    let Some(format) = artifact.format_of(&args.id) else {
        return Err(no_signature_of(&artifact, &args.id));
    };
    match std::fs::remove_file(&args.id) {
        Ok(()) => {
            siblings.removed(artifact.folder(), name_of(&args.id));
            Ok(Empty {})
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(Error::new(
            ErrorCode::NotFound,
            format!("there is no signature {}", quoted_path(&args.id)),
        )),
        Err(e) => {
            let mut error = writing(Path::new(&args.id), &e, flag(format));
            error.message = format!("cannot remove {}", quoted_path(&args.id));
            error.hints.clear();
            Err(error)
        }
    }
}

fn no_signature_of(artifact: &Artifact, id: &str) -> Error {
    invalid(format!(
        "{} is no such signature of {}",
        quoted_path(id),
        quoted_path(artifact.name())
    ))
}

fn name_of(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

/// An earlier signature of the same signer beside the new one: a remark if it stays.
fn remove_replaced(artifact: &Artifact, siblings: &Siblings, id: &str) -> Option<String> {
    match std::fs::remove_file(id) {
        Ok(()) => siblings.removed(artifact.folder(), name_of(id)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => {
            return Some(format!(
                "the earlier signature {} stays: {e}",
                quoted_path(id)
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_call;
    use std::fs::{File, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use tempfile::TempDir;

    /// A folder with one artifact, and the backend's view of it.
    struct Stage {
        folder: TempDir,
        reference: String,
        siblings: Siblings,
    }

    impl Stage {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("app.jar");
            std::fs::write(&path, "app").unwrap();
            Self {
                reference: path.to_str().unwrap().to_owned(),
                folder,
                siblings: Siblings::default(),
            }
        }

        fn attach(&self, hint: &str, content: &str, replaces: &[&str]) -> Result<Attached> {
            attach(
                &self.siblings,
                &AttachArgs {
                    reference: self.reference.clone(),
                    digest: format!("sha256:{}", "0a".repeat(32)).parse().unwrap(),
                    format: SignatureFormat::Bundle,
                    content: content.as_bytes().into(),
                    hint: hint.to_owned(),
                    replaces: replaces.iter().map(|id| self.id(id)).collect(),
                },
            )
        }

        fn detach(&self, id: &str) -> Result<Empty> {
            let args = DetachArgs {
                reference: self.reference.clone(),
                id: self.id(id),
            };
            detach(&self.siblings, &args)
        }

        fn list(&self) -> SignaturesReply {
            self.page(None).unwrap()
        }

        fn page(&self, page: Option<String>) -> Result<SignaturesReply> {
            let args = SignaturesArgs {
                reference: self.reference.clone(),
                digest: None,
                formats: Vec::new(),
                page,
            };
            with_call(|call| list(call, &self.siblings, &args))
        }

        /// `app.jar` and this ending; another absolute path as it is.
        fn id(&self, ending: &str) -> String {
            if ending.starts_with('/') {
                ending.to_owned()
            } else {
                format!("{}{ending}", self.reference)
            }
        }

        /// What lies in the folder, without the artifact's own name in front.
        fn files(&self) -> Vec<String> {
            let mut names: Vec<String> = std::fs::read_dir(self.folder.path())
                .unwrap()
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .map(|name| name.strip_prefix("app.jar").unwrap_or(&name).to_owned())
                .filter(|name| !name.is_empty())
                .collect();
            names.sort();
            names
        }

        fn content(&self, ending: &str) -> String {
            std::fs::read_to_string(self.id(ending)).unwrap()
        }
    }

    #[test]
    fn the_first_signer_has_the_plain_name_and_the_second_one_of_its_own() {
        let stage = Stage::new();
        let first = stage.attach("aaaaaaaa", "A", &[]).unwrap();
        assert_eq!(first.id, stage.id(".sigstore.json"));
        assert_eq!(first.location, first.id);
        let second = stage.attach("bbbbbbbb", "B", &[]).unwrap();
        assert_eq!(second.id, stage.id(".bbbbbbbb.sigstore.json"));
        // The second signer's own name is taken by its own signature.
        stage.attach("bbbbbbbb", "B2", &[]).unwrap();
        assert_eq!(stage.files(), [".bbbbbbbb.sigstore.json", ".sigstore.json"]);
        assert_eq!(stage.content(".sigstore.json"), "A");
        assert_eq!(stage.content(".bbbbbbbb.sigstore.json"), "B2");
    }

    #[test]
    fn re_signing_takes_the_place_of_the_old_signatures() {
        let stage = Stage::new();
        stage.attach("aaaaaaaa", "A", &[]).unwrap();
        stage.attach("bbbbbbbb", "B", &[]).unwrap();
        stage.attach("aaaaaaaa", "A2", &[".sigstore.json"]).unwrap();
        assert_eq!(stage.content(".sigstore.json"), "A2");
        let both = [
            ".bbbbbbbb.sigstore.json",
            ".sigstore.json",
            ".cccccccc.sigstore.json",
        ];
        let attached = stage.attach("bbbbbbbb", "B2", &both).unwrap();
        assert_eq!(attached.id, stage.id(".bbbbbbbb.sigstore.json"));
        assert_eq!(attached.notes, [""; 0]);
        assert_eq!(stage.files(), [".bbbbbbbb.sigstore.json"]);
        assert_eq!(stage.content(".bbbbbbbb.sigstore.json"), "B2");
    }

    #[test]
    fn an_id_cannot_name_another_file() {
        let stage = Stage::new();
        std::fs::write(stage.id(".sig"), "other format").unwrap();
        for id in [
            "",
            ".sig",
            "/etc/passwd",
            "/../victim.sigstore.json",
            ".x.sigstore.json",
        ] {
            let error = stage.attach("aaaaaaaa", "A", &[id]).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{id}");
        }
        for id in ["", "/etc/passwd", "/../victim.sig"] {
            assert_eq!(
                stage.detach(id).unwrap_err().code,
                ErrorCode::InvalidRequest,
                "{id}"
            );
        }
        for hint in ["", "AAAAAAAA", "../../xx", "aaaaaaaaa"] {
            let error = stage.attach(hint, "A", &[]).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{hint}");
        }
        assert_eq!(stage.files(), [".sig"]);
        assert_eq!(std::fs::read_to_string(&stage.reference).unwrap(), "app");
    }

    #[test]
    fn another_artifact_whose_name_looks_like_a_hint_keeps_its_signature() {
        let stage = Stage::new();
        std::fs::write(stage.id(".bbbbbbbb"), "another artifact").unwrap();
        std::fs::write(stage.id(".bbbbbbbb.sigstore.json"), "its signature").unwrap();
        stage.attach("aaaaaaaa", "A", &[]).unwrap();
        let error = stage.attach("bbbbbbbb", "B", &[]).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        assert!(error.hints[0].contains("--bundle FILE"), "{error:?}");
        assert_eq!(stage.content(".bbbbbbbb.sigstore.json"), "its signature");
        assert_eq!(stage.files().len(), 3, "nothing temporary stays");
    }

    #[test]
    fn signatures_come_format_by_format_the_plain_name_first() {
        let stage = Stage::new();
        for ending in [
            ".sig",
            ".cccccccc.sigstore.json",
            ".00000000.sig",
            ".sigstore.json",
            ".aaaaaaaa.sigstore.json",
        ] {
            std::fs::write(stage.id(ending), ending).unwrap();
        }
        // Not ours: another artifact's, and names that are not a signature's.
        std::fs::write(stage.id(".x.sig"), "").unwrap();
        std::fs::write(stage.folder.path().join("app.0a1b2c3d.sig"), "").unwrap();
        let reply = stage.list();
        let found: Vec<_> = reply
            .signatures
            .iter()
            .map(|s| {
                assert_eq!(s.location, s.id);
                (String::from_utf8(s.content.0.clone()).unwrap(), s.format)
            })
            .collect();
        let (bundle, cosign) = (SignatureFormat::Bundle, SignatureFormat::Cosign);
        assert_eq!(
            found,
            [
                (".sigstore.json".to_owned(), bundle),
                (".aaaaaaaa.sigstore.json".to_owned(), bundle),
                (".cccccccc.sigstore.json".to_owned(), bundle),
                (".sig".to_owned(), cosign),
                (".00000000.sig".to_owned(), cosign),
            ]
        );
        assert_eq!((reply.notes.len(), reply.next_page), (0, None));
    }

    #[test]
    fn what_is_no_signature_is_a_remark_and_none_at_all_is_an_empty_list() {
        let stage = Stage::new();
        assert_eq!(stage.list(), SignaturesReply::default());
        std::fs::create_dir(stage.id(".sigstore.json")).unwrap();
        let reply = stage.list();
        assert!(reply.signatures.is_empty());
        assert!(
            reply.notes[0].contains("app.jar.sigstore.json` is a folder"),
            "{reply:?}"
        );
    }

    /// One limit, wherever a signature lies; what is beyond it may be a signature.
    #[test]
    fn a_file_that_is_too_large_is_a_failure_and_not_none() {
        let stage = Stage::new();
        let large = File::create(stage.id(".sig")).unwrap();
        large.set_len(MAX_SIGNATURE as u64).unwrap();
        assert_eq!(stage.list().signatures.len(), 1);
        large.set_len(MAX_SIGNATURE as u64 + 1).unwrap();
        let error = stage.page(None).unwrap_err();
        assert_eq!(error.code, ErrorCode::Integrity);
        std::fs::write(stage.id(".sigstore.json"), "{}").unwrap();
        let reply = stage.list();
        assert_eq!((reply.signatures.len(), reply.failures.len()), (1, 1));
    }

    #[test]
    fn many_large_signatures_come_in_pages_that_fit_a_message() {
        let stage = Stage::new();
        for i in 0..20 {
            let file = File::create(stage.id(&format!(".{i:08x}.sig"))).unwrap();
            file.set_len(MAX_SIGNATURE as u64 / (1 + i % 3)).unwrap();
        }
        let (mut ids, mut page) = (Vec::new(), None);
        loop {
            let reply = stage.page(page).unwrap();
            assert!(serde_json::to_vec(&reply).unwrap().len() < sigtool_sdk::message::MAX_MESSAGE);
            ids.extend(reply.signatures.into_iter().map(|s| s.id));
            page = reply.next_page;
            if page.is_none() {
                break;
            }
        }
        let expected: Vec<String> = (0..20)
            .map(|i| stage.id(&format!(".{i:08x}.sig")))
            .collect();
        assert_eq!(ids, expected);
    }

    #[test]
    fn a_place_that_cannot_be_read_is_not_a_place_without_signatures() {
        let mut stage = Stage::new();
        stage.reference = "/nowhere/app.jar".to_owned();
        assert_eq!(stage.page(None).unwrap_err().code, ErrorCode::NotFound);
        // A loop of links may hide a signature.
        let stage = Stage::new();
        std::os::unix::fs::symlink("app.jar.sig", stage.id(".sig")).unwrap();
        assert!(stage.page(None).is_err());
        stage.attach("aaaaaaaa", "A", &[]).unwrap();
        let reply = stage.list();
        assert_eq!((reply.signatures.len(), reply.failures.len()), (1, 1));
    }

    #[test]
    fn removing_a_signature_removes_that_one_only() {
        let stage = Stage::new();
        stage.attach("aaaaaaaa", "A", &[]).unwrap();
        stage.attach("bbbbbbbb", "B", &[]).unwrap();
        stage.detach(".bbbbbbbb.sigstore.json").unwrap();
        assert_eq!(stage.files(), [".sigstore.json"]);
        let error = stage.detach(".bbbbbbbb.sigstore.json").unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
    }

    #[test]
    fn two_signers_at_once_never_lose_one() {
        for _ in 0..200 {
            let stage = Stage::new();
            let sign = |hint: &str, content: &str| {
                stage.attach(hint, content, &[]).unwrap();
            };
            std::thread::scope(|scope| {
                scope.spawn(|| sign("aaaaaaaa", "A"));
                scope.spawn(|| sign("bbbbbbbb", "B"));
            });
            let mut contents: Vec<_> = stage
                .list()
                .signatures
                .iter()
                .map(|s| s.content.0.clone())
                .collect();
            contents.sort();
            assert_eq!(contents, [b"A", b"B"], "{:?}", stage.files());
            assert_eq!(stage.files().len(), 2);
        }
    }

    #[test]
    fn a_signature_has_the_permissions_of_any_new_file() {
        let stage = Stage::new();
        stage.attach("aaaaaaaa", "A", &[]).unwrap();
        let plain = File::create(stage.folder.path().join("plain")).unwrap();
        let mode = plain.metadata().unwrap().mode();
        let signature = std::fs::metadata(stage.id(".sigstore.json")).unwrap();
        assert_eq!(signature.mode(), mode);
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_behind() {
        // A folder in the way cannot be renamed over.
        let stage = Stage::new();
        std::fs::create_dir(stage.id(".sigstore.json")).unwrap();
        let error = stage
            .attach("aaaaaaaa", "A", &[".sigstore.json"])
            .unwrap_err();
        assert!(error.message.contains("cannot write"), "{error}");
        assert_eq!(stage.files(), [".sigstore.json"]);

        // A name that no file system takes.
        let mut stage = Stage::new();
        stage.reference = format!("{}/{}", stage.folder.path().display(), "a".repeat(250));
        let error = stage.attach("aaaaaaaa", "A", &[]).unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest, "{error}");
        assert_eq!(stage.files(), [""; 0]);

        // No folder at all.
        stage.reference = "/nowhere/app.jar".to_owned();
        let error = stage.attach("aaaaaaaa", "A", &[]).unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
        assert!(
            error.to_string().contains("there is no folder `/nowhere`"),
            "{error}"
        );
    }

    #[test]
    fn a_read_only_folder_says_so() {
        // Nothing is read-only for root, but the folders of the kernel.
        let mut stage = Stage::new();
        if rustix::process::geteuid().is_root() {
            if !Path::new("/sys/kernel").is_dir() {
                return;
            }
            stage.reference = "/sys/kernel/app.jar".to_owned();
        } else {
            let read_only = Permissions::from_mode(0o555);
            std::fs::set_permissions(stage.folder.path(), read_only).unwrap();
        }
        let error = stage.attach("aaaaaaaa", "A", &[]).unwrap_err();
        assert_eq!(error.code, ErrorCode::AccessDenied, "{error:?}");
        assert!(error.message.contains("app.jar.sigstore.json"), "{error}");
        assert!(error.hints[0].contains("--bundle FILE"), "{error:?}");
    }
}
