//! The words that a backend and its host share.

mod algorithm;
mod artifact;
pub mod authority;
mod backend_id;
mod bytes;
mod certificate;
mod digest;
mod key;
mod secret;
mod identity_token;
mod signature;
mod signed_payload;

pub use algorithm::{KeyAlgorithm, ParseKeyAlgorithmError, Signs};
pub use artifact::{Artifact, ArtifactKind};
pub use bytes::Bytes;
pub use backend_id::{BackendId, ParseBackendIdError};
pub use certificate::CertificateChain;
pub use digest::{Digest, DigestAlgorithm, ParseDigestError};
pub use key::{KeyInfo, KeyReference, PublicKey};
pub use secret::{Secret, SecretReference};
pub use signature::{SignatureFormat, Signed, StoredSignature, Verifier};
pub use signed_payload::{PayloadCertificate, SignedPayload};
pub use identity_token::{IdentityToken, TokenArgs};
