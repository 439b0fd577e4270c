//! Whose signatures count: `[profile.NAME.verify]`.

use crate::config::key_text::{PolicyKey, key_texts, machine_keys};
use crate::config::settings::require;
use crate::config::value::{Located, Node, below};
use crate::error::CommandError;
use sigtool_core::Require;
use std::path::Path;

/// Which signatures are accepted.
#[derive(Clone, Debug)]
pub(crate) struct VerifySettings {
    pub(crate) keys: Vec<Located<PolicyKey>>,
    pub(crate) identities: Vec<AcceptedIdentity>,
    pub(crate) require: Located<Require>,
}

/// Whose policy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The machine's, which nothing overrides.
    Machine,
    /// A profile's.
    Profile,
}

/// An identity whose signatures are accepted.
#[derive(Clone, Debug)]
pub(crate) struct AcceptedIdentity {
    pub(crate) subject: Located<String>,
    pub(crate) issuer: Located<String>,
}

impl VerifySettings {
    /// Reads a table with `keys`, `identities` and `require`. `None` if it lists nothing: "all of nothing" must not be valid.
    ///
    /// # Errors
    ///
    /// A wrong type, or more required than listed.
    pub(crate) fn read(
        node: &Node,
        path: &str,
        home: Option<&Path>,
        whose: Whose,
    ) -> Result<Option<Self>, CommandError> {
        let keys = match node.child("keys") {
            Some(keys) => whose.keys(keys, &below(path, "keys"), home)?,
            None => Vec::new(),
        };
        let identities = match node.child("identities") {
            Some(list) => list
                .array(&below(path, "identities"))?
                .iter()
                .map(AcceptedIdentity::read)
                .collect::<Result<_, _>>()?,
            None => Vec::new(),
        };
        let required = match node.child("require") {
            Some(node) => Located::new(require(node, &below(path, "require"))?, &node.origin),
            None => Located::built_in(whose.require()),
        };
        let listed = keys.len() + identities.len();
        if listed == 0 {
            return Ok(None);
        }
        if let Require::Count(number) = required.value
            && number > listed
        {
            return Err(required.origin.error(
                format!("`{path}` requires {number} signers and lists {listed}"),
                &format!("at most {listed}"),
            ));
        }
        Ok(Some(Self {
            keys,
            identities,
            require: required,
        }))
    }
}

impl Whose {
    fn keys(
        self,
        node: &Node,
        key: &str,
        home: Option<&Path>,
    ) -> Result<Vec<Located<PolicyKey>>, CommandError> {
        if self == Self::Machine {
            return machine_keys(node, key);
        }
        let keys = key_texts(node, key, home)?.into_iter();
        let keys = keys.map(|key| Located::new(PolicyKey::Reference(key.value), &key.origin));
        Ok(keys.collect())
    }

    /// How many must have signed where nobody says it.
    fn require(self) -> Require {
        match self {
            Self::Machine => Require::All,
            Self::Profile => Require::Any,
        }
    }
}

impl AcceptedIdentity {
    fn read(node: &Node) -> Result<Self, CommandError> {
        let field = |key: &str| {
            let field = node.child(key).ok_or_else(|| {
                node.origin.error(
                    format!("an identity lacks `{key}`"),
                    "an identity has `subject` and `issuer`",
                )
            })?;
            Ok(Located::new(field.string(key)?.to_owned(), &field.origin))
        };
        Ok(Self {
            subject: field("subject")?,
            issuer: field("issuer")?,
        })
    }
}
