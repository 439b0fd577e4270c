//! What the caller demands: whose signatures count, and how many of them.

use super::SignerId;
use crate::key::{self, KeyError, KeyHint};
use serde::{Deserialize, Serialize};
use sigtool_sdk::types::PublicKey;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A key whose signatures count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    key: PublicKey,
    named: NamedKey,
}

/// A key, as reasons name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NamedKey {
    /// How the policy names it.
    pub name: String,
    /// Its hint.
    pub key_hint: KeyHint,
}

impl TrustedKey {
    /// A key, and how the user named it: a path, or a key reference.
    #[must_use]
    pub fn new(name: String, key: PublicKey) -> Self {
        let named = NamedKey {
            name,
            key_hint: KeyHint::of(&key),
        };
        Self { key, named }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// How it is named.
    #[must_use]
    pub fn named(&self) -> &NamedKey {
        &self.named
    }

    /// Whose signatures it makes.
    #[must_use]
    pub fn signer(&self) -> SignerId {
        SignerId::Key(self.named.key_hint.clone())
    }
}

impl fmt::Display for NamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (key hint {})", self.name, self.key_hint)
    }
}

/// How many of those listed must have signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Require {
    /// Every one listed.
    All,
    /// One of them.
    #[default]
    Any,
    /// This many distinct ones.
    #[serde(untagged)]
    Count(usize),
}

impl fmt::Display for Require {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Any => f.write_str("any"),
            Self::Count(count) => count.fmt(f),
        }
    }
}

/// A text that does not say how many.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a requirement: write `any`, `all` or a number from 1 on")]
pub struct ParseRequireError(pub String);

impl FromStr for Require {
    type Err = ParseRequireError;

    fn from_str(text: &str) -> Result<Self, ParseRequireError> {
        match text {
            "all" => Ok(Self::All),
            "any" => Ok(Self::Any),
            number => match number.parse() {
                Ok(count) if count > 0 => Ok(Self::Count(count)),
                _ => Err(ParseRequireError(text.to_owned())),
            },
        }
    }
}

/// What the caller demands. There is none that accepts every signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    keys: Vec<TrustedKey>,
    require: Require,
    annotations: BTreeMap<String, String>,
    repeated: Vec<RepeatedKey>,
}

/// A key that was listed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatedKey {
    /// How it was named this time.
    pub name: String,
    /// How it was named first.
    pub first: String,
}

impl fmt::Display for RepeatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name == self.first {
            true => write!(f, "the key `{}` is listed twice", self.name),
            false => write!(f, "`{}` and `{}` are one key", self.first, self.name),
        }?;
        f.write_str(", which counts as one signer")
    }
}

/// Why something is not a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Nought would accept everything.
    #[error("a policy that requires 0 signers would accept everything: require 1 or more")]
    CountZero,
    /// A key that cannot verify.
    #[error("the key `{name}` cannot be used: {error}")]
    Key {
        /// The key's name.
        name: String,
        /// What is wrong with it.
        error: KeyError,
    },
    /// Nobody is trusted.
    #[error("the policy names no key")]
    NoKeys,
    /// More than could ever sign.
    #[error("the policy requires {required} signers, but lists only {listed}")]
    TooMany {
        /// How many are required.
        required: usize,
        /// How many distinct signers are listed.
        listed: usize,
    },
}

impl Policy {
    /// A policy that trusts these keys. One key listed twice counts once, by its first name.
    ///
    /// # Errors
    ///
    /// There is no key, one cannot verify, or the requirement can never or always be met.
    pub fn new(keys: Vec<TrustedKey>, require: Require) -> Result<Self, PolicyError> {
        let mut distinct: Vec<TrustedKey> = Vec::with_capacity(keys.len());
        let mut repeated = Vec::new();
        for trusted in keys {
            key::check(&trusted.key).map_err(|error| PolicyError::Key {
                name: trusted.named.name.clone(),
                error,
            })?;
            match distinct.iter().find(|d| d.signer() == trusted.signer()) {
                Some(first) => repeated.push(RepeatedKey {
                    name: trusted.named.name,
                    first: first.named.name.clone(),
                }),
                None => distinct.push(trusted),
            }
        }
        if distinct.is_empty() {
            return Err(PolicyError::NoKeys);
        }
        match require {
            Require::Count(0) => Err(PolicyError::CountZero),
            Require::Count(required) if required > distinct.len() => Err(PolicyError::TooMany {
                required,
                listed: distinct.len(),
            }),
            _ => Ok(Self {
                keys: distinct,
                require,
                annotations: BTreeMap::new(),
                repeated,
            }),
        }
    }

    /// The same policy, which also demands that each signature that counts says these annotations. Only images have any.
    #[must_use]
    pub fn with_annotations(mut self, annotations: BTreeMap<String, String>) -> Self {
        self.annotations = annotations;
        self
    }

    /// The annotations that a signature must say to count.
    #[must_use]
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// The keys whose signatures count, each once.
    #[must_use]
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }

    /// The keys that were listed more than once: somebody may have thought of two signers.
    #[must_use]
    pub fn repeated(&self) -> &[RepeatedKey] {
        &self.repeated
    }

    /// What was demanded.
    #[must_use]
    pub fn require(&self) -> Require {
        self.require
    }

    /// How many distinct signers that makes.
    #[must_use]
    pub fn required(&self) -> usize {
        match self.require {
            Require::All => self.keys.len(),
            Require::Any => 1,
            Require::Count(count) => count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::TestKey;
    use sigtool_sdk::types::KeyAlgorithm;

    fn trusted(name: &str) -> TrustedKey {
        let key = TestKey::generate(KeyAlgorithm::EcdsaP256).public_key();
        TrustedKey::new(name.to_owned(), key)
    }

    #[test]
    fn a_policy_that_accepts_everything_cannot_be_written() {
        assert_eq!(Policy::new(vec![], Require::Any), Err(PolicyError::NoKeys));
        assert_eq!(Policy::new(vec![], Require::All), Err(PolicyError::NoKeys));
        assert_eq!(
            Policy::new(vec![trusted("a")], Require::Count(0)),
            Err(PolicyError::CountZero)
        );
    }

    #[test]
    fn a_policy_says_what_was_demanded_and_how_many_signers_that_makes() {
        for (require, signers) in [
            (Require::Any, 1),
            (Require::All, 3),
            (Require::Count(2), 2),
            (Require::Count(3), 3),
        ] {
            let keys = vec![trusted("a"), trusted("b"), trusted("c")];
            let policy = Policy::new(keys, require).unwrap();
            assert_eq!((policy.require(), policy.required()), (require, signers));
        }
    }

    #[test]
    fn one_key_under_two_names_is_one_signer() {
        let a = trusted("a");
        let again = TrustedKey::new("again".to_owned(), a.key().clone());
        let listed = vec![a, again];
        let policy = Policy::new(listed.clone(), Require::All).unwrap();
        assert_eq!(policy.required(), 1);
        let repeated: Vec<_> = policy.repeated().iter().map(ToString::to_string).collect();
        assert_eq!(
            repeated,
            ["`a` and `again` are one key, which counts as one signer"]
        );
        assert_eq!(
            Policy::new(listed, Require::Count(2)),
            Err(PolicyError::TooMany {
                required: 2,
                listed: 1
            })
        );
    }

    #[test]
    fn a_requirement_is_a_word_or_a_number() {
        for text in ["any", "all", "2"] {
            let require: Require = text.parse().unwrap();
            assert_eq!(require.to_string(), text);
            let json = serde_json::to_string(&require).unwrap();
            assert_eq!(serde_json::from_str::<Require>(&json).unwrap(), require);
        }
        for text in ["0", "-1", "some", ""] {
            assert!(text.parse::<Require>().is_err(), "{text}");
        }
    }
}
