//! The kind `signer`: holds keys, and signs with them.

use crate::error::{Error, Result};
use crate::host::Call;
use crate::message::{Empty, Text, operations};
use crate::types::{
    Bytes, Digest, DigestAlgorithm, KeyAlgorithm, KeyInfo, PublicKey, Secret, Signed,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Signs with one key, and maybe manages keys.
///
/// One instance lives for a whole run of the host, so that a password or a PIN is asked for once.
pub trait Signer: Send + Sync {
    /// The key that would sign. Called before anything is hashed: the algorithm decides which digests are computed.
    ///
    /// # Errors
    ///
    /// - `not-found`: there is no such key.
    /// - Any other code stops the run and is shown with its hints.
    fn public_key(&self, call: &Call, args: PublicKeyArgs) -> Result<PublicKeyReply>;

    /// Signs `args.digest`, or `args.payload` if the key signs payloads: the host has already encoded and digested it.
    ///
    /// The host checks the signature with the key that is returned, so a wrong one is found and not used.
    ///
    /// # Errors
    ///
    /// - `not-found`: there is no such key.
    /// - `declined`: the person said no.
    /// - `integrity`: the payload at `args.payload` is not what `args.digest` says.
    fn sign(&self, call: &Call, args: SignArgs) -> Result<Signed>;

    /// The keys it offers. Capability `signer.keys`.
    ///
    /// # Errors
    ///
    /// `unsupported` if it cannot tell.
    fn keys(&self, _call: &Call) -> Result<KeysReply> {
        Err(Error::unsupported(Keys::NAME))
    }

    /// Makes a new key. Capability `signer.generate`.
    ///
    /// # Errors
    ///
    /// - `already-exists`: the name is taken, and `args.overwrite` is not set.
    /// - `invalid-request`: the algorithm is not offered.
    fn generate(&self, _call: &Call, _args: GenerateArgs) -> Result<KeyMade> {
        Err(Error::unsupported(Generate::NAME))
    }

    /// Takes over a private key. Capability `signer.import`.
    ///
    /// # Errors
    ///
    /// - `already-exists`: the name is taken, and `args.overwrite` is not set.
    /// - `invalid-request`: the key cannot be read.
    fn import(&self, _call: &Call, _args: ImportArgs) -> Result<KeyMade> {
        Err(Error::unsupported(Import::NAME))
    }

    /// Puts a new version of the key in place of the present one. Capability `signer.rotate`.
    ///
    /// # Errors
    ///
    /// As [`generate`](Self::generate).
    fn rotate(&self, _call: &Call, _args: KeyArgs) -> Result<KeyMade> {
        Err(Error::unsupported(Rotate::NAME))
    }

    /// Changes the password of the key. Asks for the old one at `/password` and for the new one at `/new_password`.
    /// Capability `signer.change_password`.
    ///
    /// # Errors
    ///
    /// `auth-required` if the old password is wrong.
    fn change_password(&self, _call: &Call, _args: KeyArgs) -> Result<KeyMade> {
        Err(Error::unsupported(ChangePassword::NAME))
    }

    /// Removes the key. Capability `signer.remove`.
    ///
    /// # Errors
    ///
    /// `not-found` if there is none.
    fn remove(&self, _call: &Call, _args: KeyArgs) -> Result<Empty> {
        Err(Error::unsupported(Remove::NAME))
    }
}

use crate::message::Operation as _;

/// Which key: absent means the one that the configuration names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyArgs {
    /// The key's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// The arguments of `signer.public_key`.
pub type PublicKeyArgs = KeyArgs;

/// The reply of `signer.public_key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PublicKeyReply {
    /// The public key.
    pub public_key: PublicKey,
    /// The digest it signs; absent means what [`KeyAlgorithm::signs`] says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestAlgorithm>,
    /// How the key is kept: `encrypted`, `plain`, `hardware`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<String>,
}

/// The arguments of `signer.sign`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignArgs {
    /// Which key: absent means the one that the configuration names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The digest of the payload.
    pub digest: Digest,
    /// The payload itself, for keys that sign payloads ([`Signs::Payload`](crate::types::Signs)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload>,
}

/// The exact bytes to sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Payload {
    /// A small one, made by the host: an encoded statement.
    Bytes(Bytes),
    /// An artifact, which never crosses the seam: where to read it. The signer checks it against the digest.
    Path(PathBuf),
}

/// The reply of `signer.keys`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeysReply {
    /// The keys, in the signer's order.
    pub keys: Vec<KeyInfo>,
}

/// The arguments of `signer.generate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GenerateArgs {
    /// The name of the new key: for files an absolute path without `.key`.
    pub key: String,
    /// Its algorithm.
    pub algorithm: KeyAlgorithm,
    /// Whether a key of that name may be replaced.
    #[serde(default)]
    pub overwrite: bool,
}

/// The arguments of `signer.import`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImportArgs {
    /// The name of the new key, as in [`GenerateArgs`].
    pub key: String,
    /// The private key, in any format that the signer reads.
    pub private_key: Secret,
    /// Whether a key of that name may be replaced.
    #[serde(default)]
    pub overwrite: bool,
}

/// A key that was made, taken over or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyMade {
    /// The reference to use in a configuration, or with `--key`.
    pub key: String,
    /// Its public key.
    pub public_key: PublicKey,
    /// How it is kept: `encrypted`, `encrypted-with-empty-password`, `hardware`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<String>,
    /// Files that were written, for the report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<PathBuf>,
}

fn texts_of_public_key(reply: &mut PublicKeyReply) -> Vec<Text<'_>> {
    reply.protection.iter_mut().map(Text::Shown).collect()
}

fn texts_of_signed(reply: &mut Signed) -> Vec<Text<'_>> {
    let names = reply.key_id.iter_mut().chain(&mut reply.key_version);
    names.map(Text::Shown).collect()
}

fn texts_of_keys<'a>(reply: &'a mut KeysReply) -> Vec<Text<'a>> {
    let of_key = |key: &'a mut KeyInfo| {
        let protection = key.protection.iter_mut().map(Text::Shown);
        [Text::Used(&key.name)].into_iter().chain(protection)
    };
    reply.keys.iter_mut().flat_map(of_key).collect()
}

fn texts_of_made(reply: &mut KeyMade) -> Vec<Text<'_>> {
    let files = reply.files.iter().filter_map(|file| file.to_str());
    let mut texts: Vec<_> = [reply.key.as_str()]
        .into_iter()
        .chain(files)
        .map(Text::Used)
        .collect();
    texts.extend(reply.protection.iter_mut().map(Text::Shown));
    texts
}

operations! {
    /// The key that would sign.
    GetPublicKey "signer.public_key" PublicKeyArgs => PublicKeyReply, texts_of_public_key;
    /// Signs a digest or a payload.
    Sign "signer.sign" SignArgs => Signed, texts_of_signed;
    /// The keys it offers.
    Keys "signer.keys" Empty => KeysReply, texts_of_keys;
    /// Makes a new key.
    Generate "signer.generate" GenerateArgs => KeyMade, texts_of_made;
    /// Takes over a private key.
    Import "signer.import" ImportArgs => KeyMade, texts_of_made;
    /// Puts a new version in place of a key.
    Rotate "signer.rotate" KeyArgs => KeyMade, texts_of_made;
    /// Changes the password of a key.
    ChangePassword "signer.change_password" KeyArgs => KeyMade, texts_of_made;
    /// Removes a key.
    Remove "signer.remove" KeyArgs => Empty;
}
