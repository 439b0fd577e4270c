//! The kind `source`: what is to be signed, and the place beside it where signatures live.

use crate::error::{Error, Result};
use crate::host::Call;
use crate::message::{Empty, Operation as _, Text, operations};
use crate::types::{Artifact, Bytes, Digest, DigestAlgorithm, SignatureFormat, StoredSignature};
use serde::{Deserialize, Serialize};

/// Finds artifacts and keeps signatures beside them.
pub trait Source: Send + Sync {
    /// Resolves a reference to an artifact and its digests, or to a page of children (an index, a folder).
    ///
    /// Reads the bytes once, whatever the number of digests.
    ///
    /// # Errors
    ///
    /// - `not-found`: there is no such artifact.
    /// - `invalid-request`: it is not one: a folder without `recursive`, a device, a pipe.
    /// - `integrity`: it changed while it was read.
    fn resolve(&self, call: &Call, args: ResolveArgs) -> Result<Resolved>;

    /// The signatures that lie beside an artifact.
    ///
    /// # Errors
    ///
    /// Any error means that this place could not tell; an empty list means that it has none.
    fn signatures(&self, call: &Call, args: SignaturesArgs) -> Result<SignaturesReply>;

    /// Puts a signature beside an artifact, in place of those that `args.replaces` names. Atomic: a reader sees the old ones
    /// or the new one. Capability `source.attach`.
    ///
    /// # Errors
    ///
    /// `access-denied` if the place is not writable.
    fn attach(&self, _call: &Call, _args: AttachArgs) -> Result<Attached> {
        Err(Error::unsupported(Attach::NAME))
    }

    /// Removes a signature. Capability `source.detach`.
    ///
    /// # Errors
    ///
    /// `not-found` if it is not there.
    fn detach(&self, _call: &Call, _args: DetachArgs) -> Result<Empty> {
        Err(Error::unsupported(Detach::NAME))
    }
}

/// The longest signature, in bytes, wherever it lies. Real bundles have some 10 KiB; an envelope may carry an SBOM of some megabytes.
/// A longer file under a signature's name may be one: that it cannot be told is a failure, and not "none".
pub const MAX_SIGNATURE: usize = 8 * 1024 * 1024;

/// How many digests of [`ResolveArgs::prefixed`] a host may ask for. Each takes as long as a digest of its own, and one signature
/// and one key need one: no real artifact has more signatures by trusted Ed25519 keys.
pub const MAX_PREFIXED: usize = 16;

/// The longest prefix, in bytes. Ed25519 has a point and a key of 32 bytes each; Ed448 takes twice as many and its name.
pub const MAX_PREFIX: usize = 256;

/// Asks for the digest of some bytes with the artifact's after them. A signature of Ed25519 is checked by one, and so takes no
/// second reading of the artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Prefixed {
    /// The digest algorithm.
    pub algorithm: DigestAlgorithm,
    /// The bytes that are hashed before the artifact's, at most 256 ([`MAX_PREFIX`]).
    pub prefix: Bytes,
}

/// The arguments of `source.resolve`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResolveArgs {
    /// What the user named, absolute if it is a path.
    pub reference: String,
    /// The digest algorithms wanted.
    pub digests: Vec<DigestAlgorithm>,
    /// Whether a folder or an index may be answered with its children.
    #[serde(default)]
    pub recursive: bool,
    /// Where to go on in a list of children: `next_page` of the reply before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Digests wanted beside those of the artifact alone, at most 16 ([`MAX_PREFIXED`]); of an artifact, not of children. A source
    /// need not know of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = MAX_PREFIXED)))]
    pub prefixed: Vec<Prefixed>,
}

/// The reply of `source.resolve`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Resolved {
    /// The artifact, unless the reference only holds others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// One digest for each of [`ResolveArgs::prefixed`], in their order, from the same pass over the bytes as the artifact's
    /// digests; or none, and the host reads the bytes itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefixed: Vec<Digest>,
    /// References of artifacts within it; resolved one by one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<String>,
    /// There are more children.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_page: Option<String>,
    /// What a folder holds beside its children, and is not one. Of each folder it comes before the children in it, or with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// Remarks for the user: why a kind could not be told, what was skipped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Something in a folder that is not among its children.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LeftOut {
    /// What it is called, as a child would be. What of a path is not UTF-8 stands there as `\xE9`.
    pub reference: String,
    /// Why it is not a child.
    pub why: WhyLeftOut,
}

/// Why something in a folder is not among its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WhyLeftOut {
    /// Its name begins with a dot. A folder is not entered.
    Hidden,
    /// It is a symbolic link.
    Link,
    /// Its name is not UTF-8, so that nobody can ask for it. A folder is not entered.
    NotText,
    /// It is named like a signature, and there is no child that it could be one of.
    Signature,
    /// It is named like a signature of something that is left out too.
    SignatureOfLeftOut,
    /// It is a pipe, a socket or a device.
    Special,
    /// A reason from a later version.
    #[serde(other)]
    Other,
}

/// The arguments of `source.signatures`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignaturesArgs {
    /// The artifact's reference, as `source.resolve` gave it.
    pub reference: String,
    /// The artifact's digest, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Only those kept in one of these formats are wanted, others need not be looked for; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<SignatureFormat>,
    /// Where to go on: `next_page` of the reply before. The host stops where it has what it needs, so what is likeliest and
    /// cheapest to have comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
}

/// The reply of `source.signatures`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignaturesReply {
    /// The signatures.
    pub signatures: Vec<StoredSignature>,
    /// What may be signatures too and could not be read. Without a good one, the host then says "could not tell", not "refused".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Error>,
    /// There are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_page: Option<String>,
    /// Remarks for the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The arguments of `source.attach`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttachArgs {
    /// The artifact's reference, as `source.resolve` gave it.
    pub reference: String,
    /// The artifact's digest.
    pub digest: Digest,
    /// How the signature is written.
    pub format: SignatureFormat,
    /// Its bytes: a Sigstore bundle; or cosign's own, for a file the Base64 of the raw signature and for an image a
    /// [`SignedPayload`](crate::types::SignedPayload) in JSON.
    pub content: Bytes,
    /// Eight lowercase hexadecimal digits that tell signers apart: the first of the SHA-256 of the public key.
    pub hint: String,
    /// Ids of the same signer's earlier signatures in this format, to be replaced.
    #[serde(default)]
    pub replaces: Vec<String>,
}

/// The reply of `source.attach`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attached {
    /// The source's name for the signature.
    pub id: String,
    /// The place, as a user would name it.
    pub location: String,
    /// Remarks for the user: an old signature that could not be removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The arguments of `source.detach`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DetachArgs {
    /// The artifact's reference, as `source.resolve` gave it.
    pub reference: String,
    /// The signature's id.
    pub id: String,
}

fn texts_of_resolved(reply: &mut Resolved) -> Vec<Text<'_>> {
    let mut texts = vec![Text::Remarks(&mut reply.notes)];
    let left_out = reply.left_out.iter().map(|left_out| &left_out.reference);
    let children = reply.children.iter().chain(&reply.next_page);
    texts.extend(children.chain(left_out).map(|text| Text::Used(text)));
    if let Some(artifact) = &mut reply.artifact {
        let named = artifact.path.as_ref().and_then(|path| path.to_str());
        texts.extend(
            [artifact.reference.as_str()]
                .into_iter()
                .chain(named)
                .map(Text::Used),
        );
        texts.push(Text::Shown(&mut artifact.name));
        let shown = artifact.version.iter_mut().chain(&mut artifact.media_type);
        texts.extend(shown.map(Text::Shown));
    }
    texts
}

fn texts_of_signatures(reply: &mut SignaturesReply) -> Vec<Text<'_>> {
    let mut texts = vec![
        Text::Remarks(&mut reply.notes),
        Text::Failures(&mut reply.failures),
    ];
    texts.extend(reply.next_page.iter().map(|text| Text::Used(text)));
    let names = reply
        .signatures
        .iter()
        .flat_map(|stored| [&stored.id, &stored.location]);
    texts.extend(names.map(|text| Text::Used(text)));
    texts
}

fn texts_of_attached(reply: &mut Attached) -> Vec<Text<'_>> {
    vec![
        Text::Remarks(&mut reply.notes),
        Text::Used(&reply.id),
        Text::Used(&reply.location),
    ]
}

operations! {
    /// Resolves a reference to an artifact.
    Resolve "source.resolve" ResolveArgs => Resolved, texts_of_resolved;
    /// The signatures beside an artifact.
    Signatures "source.signatures" SignaturesArgs => SignaturesReply, texts_of_signatures;
    /// Puts a signature beside an artifact.
    Attach "source.attach" AttachArgs => Attached, texts_of_attached;
    /// Removes a signature.
    Detach "source.detach" DetachArgs => Empty;
}
