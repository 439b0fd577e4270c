//! Asking a source for one artifact.

use crate::key;
use sigtool_sdk::connection::Handle;
use sigtool_sdk::file::{Links, RegularFile};
use sigtool_sdk::source::{Prefixed, Resolve, ResolveArgs};
use sigtool_sdk::text::quoted_path;
use sigtool_sdk::types::{Artifact, Digest, DigestAlgorithm};
use sigtool_sdk::{Error, ErrorCode, Result};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// What stands behind the digests of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A source of sigtool's own.
    Own,
    /// The file, which was read here.
    File(PathBuf),
    /// The word of the source: there is no file that could be read.
    Word,
}

/// Reads the file of an artifact that another's source has told of, and compares.
///
/// A reference that is a file's path means that file, whatever the source says of its place.
///
/// # Errors
///
/// `integrity` if the file is another one than the source says; or it cannot be read.
pub(crate) fn prove(reference: &str, artifact: &mut Artifact, is_own: bool) -> Result<Proof> {
    if is_own {
        return Ok(Proof::Own);
    }
    let named = Some(Path::new(reference)).filter(|path| path.is_absolute() && path.is_file());
    let Some(path) = named.map(Path::to_owned).or_else(|| artifact.path.clone()) else {
        return Ok(Proof::Word);
    };
    let cannot = |e: &dyn std::fmt::Display| {
        Error::new(
            ErrorCode::Unavailable,
            format!("cannot read {}", quoted_path(&path)),
        )
        .because(e)
    };
    let found = RegularFile::open(&path, Links::Followed).map_err(|e| cannot(&e))?;
    let (size, read) = digests(found.into_file(), &artifact.digests).map_err(|e| cannot(&e))?;
    for (said, digest) in artifact.digests.iter().zip(&read) {
        if said != digest {
            let message = format!(
                "the source gives another digest of {} than it has",
                quoted_path(&path)
            );
            return Err(Error::new(ErrorCode::Integrity, message)
                .because(format!("it says {said}, and the file has {digest}")));
        }
    }
    artifact.size = size;
    artifact.path = Some(path.clone());
    Ok(Proof::File(path))
}

/// How long a file is, and its digests by the algorithms of these, in one pass.
fn digests(mut file: File, like: &[Digest]) -> io::Result<(u64, Vec<Digest>)> {
    let context = |digest: &Digest| aws_lc_rs::digest::Context::new(key::hash(digest.algorithm()));
    let mut contexts: Vec<_> = like.iter().map(context).collect();
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        let n = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        size += n as u64;
        for context in &mut contexts {
            context.update(&buffer[..n]);
        }
    }
    let digest = |(context, like): (aws_lc_rs::digest::Context, &Digest)| {
        Digest::new(like.algorithm(), context.finish().as_ref().to_vec()).map_err(io::Error::other)
    };
    let digests = contexts.into_iter().zip(like).map(digest);
    Ok((size, digests.collect::<Result<_, _>>()?))
}

/// Asks the source for an artifact with these digests, once.
pub(crate) fn resolve(
    source: &Handle,
    reference: &str,
    digests: &[DigestAlgorithm],
) -> Result<(Artifact, Vec<String>)> {
    let answer = resolve_prefixed(source, reference, digests, &[])?;
    Ok((answer.artifact, answer.notes))
}

/// What a source said of an artifact.
pub(crate) struct Answer {
    pub(crate) artifact: Artifact,
    pub(crate) notes: Vec<String>,
    /// One for each that was asked for, or none at all.
    pub(crate) prefixed: Vec<Digest>,
}

/// The same, with digests of some bytes and the artifact's after them, which a source need not give.
pub(crate) fn resolve_prefixed(
    source: &Handle,
    reference: &str,
    digests: &[DigestAlgorithm],
    prefixed: &[Prefixed],
) -> Result<Answer> {
    let resolved = source.call::<Resolve>(&ResolveArgs {
        reference: reference.to_owned(),
        digests: digests.to_vec(),
        prefixed: prefixed.to_vec(),
        ..ResolveArgs::default()
    })?;
    let artifact = resolved.artifact.ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidRequest,
            format!("`{reference}` is not one artifact, but holds others"),
        )
    })?;
    if let Some(missing) = digests.iter().find(|d| artifact.digest(**d).is_none()) {
        return Err(Error::new(
            ErrorCode::Internal,
            format!("the source was asked for the {missing} digest and did not give it"),
        ));
    }
    let asked = prefixed.iter().map(|asked| asked.algorithm);
    let given = resolved.prefixed.iter().map(Digest::algorithm);
    if !resolved.prefixed.is_empty() && !given.eq(asked) {
        return Err(Error::new(
            ErrorCode::Internal,
            "the source gave other digests after a prefix than it was asked for",
        ));
    }
    Ok(Answer {
        artifact,
        notes: resolved.notes,
        prefixed: resolved.prefixed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigtool_sdk::types::ArtifactKind;

    fn said(of: &[u8], path: Option<&Path>) -> Artifact {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, of);
        Artifact {
            name: "app".to_owned(),
            version: None,
            kind: ArtifactKind::Unknown,
            digests: vec![Digest::new(DigestAlgorithm::Sha256, digest.as_ref().to_vec()).unwrap()],
            size: 0,
            media_type: None,
            path: path.map(Path::to_owned),
            reference: "shelf:app".to_owned(),
        }
    }

    /// SECURITY.md: "What a third-party source says of a file is checked by reading the file."
    #[test]
    fn a_source_that_lies_about_a_file_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let [good, bad] = ["good", "bad"].map(|name| folder.path().join(name));
        std::fs::write(&good, "good").unwrap();
        std::fs::write(&bad, "tampered").unwrap();
        let reference = bad.to_str().unwrap();
        // Whatever path it names, the file that was asked for is meant.
        for path in [None, Some(&*bad), Some(&*good)] {
            let error = prove(reference, &mut said(b"good", path), false).unwrap_err();
            assert_eq!(error.code, ErrorCode::Integrity);
            let mut honest = said(b"tampered", path);
            let proof = prove(reference, &mut honest, false).unwrap();
            assert_eq!(proof, Proof::File(bad.clone()));
            assert_eq!((honest.path.as_ref(), honest.size), (Some(&bad), 8));
        }
        // What is not a path is what the source says, as far as its file agrees.
        let at = |content: &[u8], path| prove("shelf:app", &mut said(content, path), false);
        assert_eq!(
            at(b"good", Some(&*good)).unwrap(),
            Proof::File(good.clone())
        );
        assert_eq!(
            at(b"good", Some(&*bad)).unwrap_err().code,
            ErrorCode::Integrity
        );
        assert_eq!(at(b"good", None).unwrap(), Proof::Word);
        let mut own = said(b"good", Some(&*bad));
        assert_eq!(prove(reference, &mut own, true).unwrap(), Proof::Own);
    }
}
