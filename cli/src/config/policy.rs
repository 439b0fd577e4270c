//! The ceiling: `/etc/sigtool/policy.toml`, which nothing overrides, no file, variable or flag.
//!
//! ```toml
//! backends          = ["cosign-key", "local-stage"]  # no others are loaded
//! isolation         = "process"                      # no third-party backend runs inside sigtool
//! external_commands = false                          # no `sigtool-NAME` from the PATH
//!
//! [verify]                                           # demanded of every verification, besides what the profile demands
//! keys    = ["/etc/sigtool/release.pub"]             # absolute paths, or the text of a public key
//! require = "all"
//! ```

use crate::config::check::check_table;
use crate::config::file::read_file;
use crate::config::inputs::{FileState, Inputs, LookedAt};
use crate::config::layer::Layers;
use crate::config::origin::Layer;
use crate::config::schema::{MACHINE_VERIFY, POLICY};
use crate::config::settings::Choice as _;
use crate::config::settings::Isolation;
use crate::config::value::{Located, Node, parse_file};
use crate::config::verify::{VerifySettings, Whose};
use crate::error::CommandError;
use std::path::Path;
use std::sync::Arc;

/// What is allowed at most, and demanded at least. By default: everything, and nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ceiling {
    /// The ids of the backends that may be loaded, if there is a list.
    pub(super) backends: Option<Located<Vec<String>>>,
    /// Whether commands that are not built in may run, if it is said.
    pub(super) external_commands: Option<Located<bool>>,
    /// The least isolation of third-party backends.
    pub(super) isolation: Option<Located<Isolation>>,
    /// What every verification demands besides the profile's own; `require` is `all` if it is not said.
    pub(crate) verify: Option<VerifySettings>,
}

impl Ceiling {
    /// The backends that may be loaded; without a list, all.
    pub(crate) fn backends(&self) -> Option<Vec<String>> {
        self.backends.as_ref().map(|list| list.value.clone())
    }

    /// Whether third-party backends may not run inside sigtool.
    pub(crate) fn isolates(&self) -> bool {
        self.isolation
            .as_ref()
            .is_some_and(|least| least.value == Isolation::Process)
    }

    /// Whether a backend may be loaded.
    ///
    /// # Errors
    ///
    /// It may not: the policy's line.
    pub(crate) fn check_backend(&self, id: &str) -> Result<(), CommandError> {
        match &self.backends {
            Some(list) if !list.value.iter().any(|allowed| allowed == id) => Err(list
                .origin
                .error(
                    format!("the policy of this machine does not allow the backend `{id}`"),
                    "the allowed backends",
                )
                .hint("ask the administrator of this machine, who keeps that file")),
            _ => Ok(()),
        }
    }
}

/// Reads the policy, if there is one. What is wrong with it goes to the problems: nothing may run under half a policy.
pub(crate) fn read(inputs: &Inputs, layers: &mut Layers) -> Ceiling {
    let path = inputs.system_dir.join("policy.toml");
    let home = inputs.home.as_deref();
    let parsed = read_file(&path, home, Layer::Policy)
        .and_then(|file| file.map(|file| parse_file(&Arc::new(file))).transpose());
    let (ceiling, state) = match parsed {
        Ok(None) => (Ceiling::default(), FileState::Missing),
        Ok(Some(tree)) => {
            let before = layers.problems.len();
            layers.problems.extend(check_table(&tree, "", POLICY));
            let ceiling = ceiling(&tree, home, &mut layers.problems);
            let state = if layers.problems.len() == before {
                FileState::Read
            } else {
                FileState::Wrong
            };
            (ceiling, state)
        }
        Err(error) => {
            layers.problems.push(error);
            (Ceiling::default(), FileState::Wrong)
        }
    };
    layers.files.push(LookedAt {
        layer: Layer::Policy,
        path,
        state,
    });
    ceiling
}

/// What the policy says, as far as it can be read: what is wrong with a value is among the problems.
fn ceiling(tree: &Node, home: Option<&Path>, problems: &mut Vec<CommandError>) -> Ceiling {
    let mut ceiling = Ceiling {
        backends: tree.setting("backends", |node, key| {
            let ids = node.strings(key)?;
            Ok(ids.into_iter().map(|id| id.value).collect())
        }),
        external_commands: tree.setting("external_commands", Node::boolean),
        isolation: tree.setting("isolation", Isolation::read),
        verify: None,
    };
    if let Some(node) = tree.child("verify") {
        // What is wrong inside has been told by `check`.
        match VerifySettings::read(node, "verify", home, Whose::Machine) {
            Ok(Some(verify)) => ceiling.verify = Some(verify),
            Ok(None) => problems.push(node.origin.error(
                "the policy's `verify` lists neither keys nor identities",
                "nothing could satisfy this",
            )),
            Err(error) => {
                if check_table(node, "verify", MACHINE_VERIFY).is_empty() {
                    problems.push(error);
                }
            }
        }
    }
    ceiling
}
