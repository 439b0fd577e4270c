//! Who signs, and whose signatures count.

mod policy;
mod signer_id;

pub use policy::{
    NamedKey, ParseRequireError, Policy, PolicyError, RepeatedKey, Require, TrustedKey,
};
pub use signer_id::SignerId;
