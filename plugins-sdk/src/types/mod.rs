//! The words that a backend and its host share.

mod algorithm;
mod artifact;
pub mod authority;
mod backend_id;
mod bytes;
mod certificate;
mod digest;
mod identity_token;
mod key;
pub mod reference;
mod secret;
mod signature;
mod signed_payload;

pub use algorithm::{KeyAlgorithm, ParseKeyAlgorithmError, Signs};
pub use artifact::{Artifact, ArtifactKind};
pub use backend_id::{BackendId, ParseBackendIdError};
pub use bytes::Bytes;
pub use certificate::CertificateChain;
pub use digest::{Digest, DigestAlgorithm, ParseDigestError};
pub use identity_token::{IdentityToken, TokenArgs};
pub use key::{KeyInfo, KeyReference, PublicKey};
pub use reference::{ImageRef, ParseImageError, Reference, Repository};
pub use secret::{Secret, SecretReference};
pub use signature::{SignatureFormat, Signed, StoredSignature, Verifier};
pub use signed_payload::{PayloadCertificate, SignedPayload};
