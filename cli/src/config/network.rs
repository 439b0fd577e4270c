//! The settings under `[network]`.

use crate::config::value::{Node, absolute};
use crate::error::CommandError;
use std::path::{Path, PathBuf};

/// The way to the network, as far as the configuration says it; the rest comes from the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Network {
    /// Absolute.
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) http_proxy: Option<String>,
    pub(crate) https_proxy: Option<String>,
    /// Separated by commas.
    pub(crate) no_proxy: Option<String>,
}

impl Network {
    /// Reads the table `network`.
    ///
    /// # Errors
    ///
    /// A wrong type, or a proxy with a password: a file is not a place for one.
    pub(crate) fn read(node: &Node, home: Option<&Path>) -> Result<Self, CommandError> {
        let value = |key: &str| node.child(key).map(|node| (node, format!("network.{key}")));
        let proxy = |key: &str| {
            let proxy = value(key)
                .map(|(node, path)| proxy(node, &path))
                .transpose()?;
            Ok(proxy.filter(|text| !text.is_empty()))
        };
        let ca_file = value("ca_file").map(|(file, path)| {
            let text = file.string(&path)?;
            Ok(absolute(&file.base, home, text))
        });
        let hosts = value("no_proxy").map(|(node, path)| no_proxy(node, &path));
        Ok(Self {
            ca_file: ca_file.transpose()?,
            http_proxy: proxy("http_proxy")?,
            https_proxy: proxy("https_proxy")?,
            no_proxy: hosts.transpose()?.map(|hosts| hosts.join(",")),
        })
    }
}

/// The address of a proxy.
///
/// # Errors
///
/// It holds a password, or another user name: a file is not a place for one.
pub(super) fn proxy(node: &Node, path: &str) -> Result<String, CommandError> {
    let text = node.string(path)?;
    if !text.contains('@') {
        return Ok(text.to_owned());
    }
    let variable = path.rsplit('.').next().unwrap_or(path);
    Err(node
        .origin
        .error_hiding_value(format!("`{path}` holds a user name"), "not here")
        .because("a password does not belong into a file")
        .hint(format!("set the variable `{variable}` in the environment")))
}

/// The hosts that are reached without a proxy.
pub(super) fn no_proxy(node: &Node, path: &str) -> Result<Vec<String>, CommandError> {
    let hosts = node.strings(path)?;
    Ok(hosts.into_iter().map(|host| host.value).collect())
}
