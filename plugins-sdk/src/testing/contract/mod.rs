//! The promises that every backend keeps, each as a check: what `sigtool backend check` runs, and authors' own tests.
//!
//! The suite talks to a backend as a host does, by messages alone, so it is the same for a shared library, an executable and
//! an instance in a test. Each promise gets an instance of its own.

mod general;
mod probe;
mod signer;
mod source;
#[cfg(test)]
mod tests;

use crate::connection::Connection;
use crate::error::Result;
use crate::manifest::{Kind, Manifest};
use crate::services::Services;
use crate::types::{Digest, DigestAlgorithm, PublicKey};
use probe::{Stop, Verdict};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The bytes of the artifact that [`SourceFixture::reference`] names, unless the fixture gives digests of its own.
pub const ARTIFACT: &[u8] = b"sigtool contract: an artifact\n";

/// The backend under test, and what the suite needs to know to use it.
pub struct Subject<'a> {
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// Makes a fresh instance, whose debug output goes to the services given.
    pub connect: &'a Connect<'a>,
    /// Settings that work. A kind without them is tested in general only.
    pub fixture: Fixture,
    /// Whether a signature over a payload, or over the payload's digest, is good.
    pub verify: &'a Verify<'a>,
}

/// Makes a fresh instance.
pub type Connect<'a> = dyn Fn(&Arc<dyn Services>) -> Result<Arc<dyn Connection>> + 'a;

/// Checks `signature` by a public key: over the digest, or over the payload if the key signs payloads.
pub type Verify<'a> = dyn Fn(&PublicKey, &Digest, &[u8], &[u8]) -> bool + 'a;

/// Settings with which each kind works.
#[derive(Clone, Debug, Default)]
pub struct Fixture {
    /// For a signer.
    pub signer: Option<SignerFixture>,
    /// For a source.
    pub source: Option<SourceFixture>,
}

/// A signer's settings, with a key that exists.
#[derive(Clone, Debug)]
pub struct SignerFixture {
    /// What the host would hand to `open`: paths absolute, secrets as pointers.
    pub configuration: Value,
    /// The secrets, by their pointers. Make each one a text that occurs nowhere else: the suite looks for them everywhere.
    pub secrets: BTreeMap<String, Vec<u8>>,
}

/// A source's settings, with an artifact that nobody has signed.
#[derive(Clone, Debug)]
pub struct SourceFixture {
    /// What the host would hand to `open`.
    pub configuration: Value,
    /// An artifact without signatures, beside which some may be put and removed.
    pub reference: String,
    /// Its digests, one for each algorithm that is to be asked for. See [`artifact_digests`].
    pub digests: Vec<Digest>,
    /// A reference of the same sort that names nothing.
    pub missing: String,
}

/// What became of each promise.
#[derive(Clone, Debug)]
pub struct Report {
    /// One for each promise, in order.
    pub outcomes: Vec<Outcome>,
}

/// What became of a promise.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The promise's name, a sentence in snake case; stable, so that scripts can refer to it.
    pub name: &'static str,
    /// What is promised, in words.
    pub promise: &'static str,
    /// Whether it was kept.
    pub result: Kept,
}

/// Whether a promise was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was.
    Passed,
    /// It was not: what was expected, what was found, whose move it is.
    Failed(String),
    /// It could not be tested, for this reason.
    Skipped(String),
}

impl Report {
    /// The promises that were broken.
    pub fn failures(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes
            .iter()
            .filter(|o| matches!(o.result, Kept::Failed(_)))
    }

    /// Whether no promise was broken.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }
}

impl fmt::Display for Report {
    /// One line a promise.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.outcomes {
            match &outcome.result {
                Kept::Passed => writeln!(f, "passed   {}", outcome.name)?,
                Kept::Failed(why) => writeln!(f, "FAILED   {}: {why}", outcome.name)?,
                Kept::Skipped(reason) => writeln!(f, "skipped  {}: {reason}", outcome.name)?,
            }
        }
        Ok(())
    }
}

/// What is put before [`ARTIFACT`] where a source can hash it so.
const PREFIX: &[u8] = b"sigtool contract: a prefix\n";

/// The digests of [`PREFIX`] and [`ARTIFACT`], by every algorithm.
fn artifact_digests_after_prefix() -> Vec<Digest> {
    parse_digests(&[
        "sha256:7d76e009275eb9f9227d9445ccae5910f0980575c20f6e62e07c47d030e3dc62",
        "sha384:1283c517d6420e8cb4374003c43a6124a4f7266ab4c280351ec71ed550792b3f09cde957913e10bad09fb0da1ceea9e1",
        "sha512:91bce21d4bd0867dcba6b02093e6667792ff88ca12decc72e9cf4e01c0f5951aec3405526905844734043293175d58c548152c714bca76cf7268bca60325c029",
    ])
}

/// The digests of [`ARTIFACT`], by every algorithm.
#[must_use]
pub fn artifact_digests() -> Vec<Digest> {
    parse_digests(&[
        "sha256:416e3d8f2b00c86cd4d96f1313ea1f08041bcebf7cd58df11a448d72a8d7ed39",
        "sha384:a2a27a0ba9bd7d65db0949a1c8c3dcd94102a3fdacea5a61bd69010d8fdb57a085f8c5e0f5ca0dedb621d53ffa39768c",
        "sha512:e932d04dae35a78a853476f8989d5758136ca9376c7ec85a4913d9a4a7bae7d3e10af3d9da34aaae462b8ca7089f82cb1de2416a39c2548846cbb32cc03f5684",
    ])
}

/// A payload whose digests are known, since the SDK computes none.
struct KnownPayload {
    bytes: &'static [u8],
    digests: Vec<Digest>,
}

impl KnownPayload {
    fn first() -> Self {
        Self {
            bytes: b"sigtool contract: the first payload\n",
            digests: parse_digests(&[
                "sha256:d97f56fefc0baa5c3e35393d22c80a66451d45bd1463672303e77cd9b5145e10",
                "sha384:c206143c28d831151aaa9b39e8dea3232dfe5a1f7a0b1aae2da9dd5d8b1b83030423cf26ce92b833428489ffce7bfcde",
                "sha512:b8c193078b06e1c52422e93da5a4aa01a86360d9739a4e7841cfb93619d4821d840101b0adb804340bdcf432e087cd82b5183fc1a6d9d47d05949b91571e744f",
            ]),
        }
    }

    fn second() -> Self {
        Self {
            bytes: b"sigtool contract: the second payload\n",
            digests: parse_digests(&[
                "sha256:43dcbcb3a3218b8f588815b9167262693b6eb8eee5689ec54b93c822bfd2eca4",
                "sha384:3a393db02fc3b155fd6b4d743c308829406fbc65dfd7a91cd6db97e6e291fe8238e1576d3f8660639f528374422d3148",
                "sha512:01c5d67935f3169aa25122372d179bed54a9efa240de9378c2c1e97246094f237a1a891d9784a43434859e0ac2d857f7b8772648a67b4ef902c79d36b3c0b04c",
            ]),
        }
    }

    fn digest(&self, algorithm: DigestAlgorithm) -> std::result::Result<&Digest, Stop> {
        self.digests
            .iter()
            .find(|d| d.algorithm() == algorithm)
            .ok_or_else(|| Stop::skipped(format!("the suite knows no {algorithm} digest")))
    }
}

fn parse_digests(texts: &[&str]) -> Vec<Digest> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// A promise and its check.
struct Promise {
    name: &'static str,
    promise: &'static str,
    kind: Option<Kind>,
    check: fn(&Subject<'_>) -> Verdict,
}

/// Tests every promise that the backend's kinds make.
#[must_use]
pub fn run(subject: &Subject<'_>) -> Report {
    let outcomes = [general::PROMISES, signer::PROMISES, source::PROMISES]
        .into_iter()
        .flatten()
        .filter(|p| {
            p.kind
                .is_none_or(|kind| subject.manifest.kinds.contains(&kind))
        })
        .map(|p| Outcome {
            name: p.name,
            promise: p.promise,
            result: test(subject, p),
        })
        .collect();
    Report { outcomes }
}

fn test(subject: &Subject<'_>, promise: &Promise) -> Kept {
    match (promise.check)(subject) {
        Ok(()) => Kept::Passed,
        Err(Stop::Skipped(reason)) => Kept::Skipped(reason),
        Err(Stop::Failed(why)) => Kept::Failed(format!(
            "{why}; this is for the author of `{}` to change",
            subject.manifest.id
        )),
    }
}
