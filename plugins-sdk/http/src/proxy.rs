//! The proxies, as the host tells them, and which of them a request takes.

use crate::Url;
use crate::except::Exceptions;
use reqwest::Proxy;
use sigtool_sdk::host::NetworkSettings;
use sigtool_sdk::{Error, ErrorCode, Result};

/// The proxies for both schemes, and who is reached without one.
#[derive(Clone, Default)]
pub(crate) struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    except: Exceptions,
}

impl Proxies {
    /// Checks the addresses.
    pub(crate) fn new(network: &NetworkSettings) -> Result<Self> {
        let parse = |name: &str, url: &Option<String>| {
            let set = url.as_deref().map(str::trim).filter(|u| !u.is_empty());
            set.map(|url| parse(name, url)).transpose()
        };
        Ok(Self {
            http: parse("http_proxy", &network.http_proxy)?,
            https: parse("https_proxy", &network.https_proxy)?,
            except: Exceptions::parse(network.no_proxy.as_deref().unwrap_or_default()),
        })
    }

    /// The proxy that a request to this address takes. The library asks this too, so that what is told of a request is what it did.
    pub(crate) fn of(&self, url: &Url) -> Option<&Url> {
        let proxy = match url.scheme() {
            "https" => &self.https,
            _ => &self.http,
        };
        proxy.as_ref().filter(|_| !self.except.name(url))
    }

    /// As the client wants them.
    pub(crate) fn rule(&self) -> Proxy {
        let proxies = self.clone();
        Proxy::custom(move |url| proxies.of(url).cloned())
    }

    /// Whether requests to this address may need TLS: by `https:` they do, and by a proxy that is reached by `https:`.
    pub(crate) fn need_tls(&self, url: &Url) -> bool {
        url.scheme() == "https" || self.of(url).is_some_and(|proxy| proxy.scheme() == "https")
    }
}

/// A proxy's address. Errors never show it: it may hold a password, and be cut anywhere.
fn parse(name: &str, text: &str) -> Result<Url> {
    let url = if text.contains("://") {
        Url::parse(text)
    } else {
        Url::parse(&format!("http://{text}"))
    };
    let invalid = |why: String| {
        Error::new(
            ErrorCode::InvalidConfig,
            format!("`{name}` is not the address of a proxy"),
        )
        .because(why)
        .hint(format!(
            "set `{name}` to an address like `http://proxy.example.com:3128`"
        ))
    };
    let url = url.map_err(|e| invalid(e.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        "http" | "https" => Err(invalid("it names no host".to_owned())),
        _ => Err(invalid(
            "it starts with neither `http://` nor `https://`".to_owned(),
        )),
    }
}
