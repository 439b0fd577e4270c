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
    /// A wrong type, or a proxy with a password: that is no place for one.
    pub(crate) fn read(node: &Node, home: Option<&Path>) -> Result<Self, CommandError> {
        let proxy = |key: &str| -> Result<Option<String>, CommandError> {
            let Some(node) = node.child(key) else {
                return Ok(None);
            };
            let path = format!("network.{key}");
            let text = node.string(&path)?;
            if text.contains('@') {
                return Err(node
                    .origin
                    .error_hiding_value(format!("`{path}` holds a user name"), "not here")
                    .because("a password does not belong into a file")
                    .hint(format!("set the variable `{key}` in the environment")));
            }
            Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
        };
        let ca_file = match node.child("ca_file") {
            Some(file) => Some(absolute(&file.base, home, file.string("network.ca_file")?)),
            None => None,
        };
        let no_proxy = match node.child("no_proxy") {
            Some(hosts) => {
                let hosts = hosts.strings("network.no_proxy")?;
                let hosts: Vec<String> = hosts.into_iter().map(|host| host.value).collect();
                Some(hosts.join(","))
            }
            None => None,
        };
        Ok(Self {
            ca_file,
            http_proxy: proxy("http_proxy")?,
            https_proxy: proxy("https_proxy")?,
            no_proxy,
        })
    }
}
