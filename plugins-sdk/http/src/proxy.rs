//! The proxies, as the host tells them.

use crate::Url;
use crate::text::authority;
use reqwest::{NoProxy, Proxy};
use sigtool_sdk::host::NetworkSettings;
use sigtool_sdk::{Error, ErrorCode, Result};

/// The proxies for both schemes, and the hosts that are reached without one.
#[derive(Clone, Default)]
pub(crate) struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    except: Option<String>,
}

impl Proxies {
    /// Checks the addresses.
    pub(crate) fn new(network: &NetworkSettings) -> Result<Self> {
        let parse = |name: &str, url: &Option<String>| {
            let set = url.as_deref().map(str::trim).filter(|u| !u.is_empty());
            set.map(|url| parse(name, url)).transpose()
        };
        // The library takes `*` for names only; by custom it stands for all hosts.
        let nobody = network.no_proxy.as_deref().map(str::trim) == Some("*");
        if nobody {
            return Ok(Self::default());
        }
        Ok(Self {
            http: parse("http_proxy", &network.http_proxy)?,
            https: parse("https_proxy", &network.https_proxy)?,
            except: network.no_proxy.clone(),
        })
    }

    /// As the client wants them.
    pub(crate) fn rules(&self) -> reqwest::Result<Vec<Proxy>> {
        let except = self.except.as_deref().and_then(NoProxy::from_string);
        let http = self.http.clone().map(Proxy::http);
        let https = self.https.clone().map(Proxy::https);
        http.into_iter()
            .chain(https)
            .map(|rule| rule.map(|rule| rule.no_proxy(except.clone())))
            .collect()
    }

    /// Whether requests of this scheme may need TLS: `https:` does, and a proxy that is reached by `https:`.
    pub(crate) fn need_tls(&self, url: &Url) -> bool {
        url.scheme() == "https" || self.http.as_ref().is_some_and(|p| p.scheme() == "https")
    }

    /// The proxy for this scheme, as it may be shown, and whether no host can be excepted from it.
    pub(crate) fn name(&self, url: &Url) -> Option<(String, bool)> {
        let proxy = match url.scheme() {
            "https" => &self.https,
            _ => &self.http,
        };
        let certain = self.except.as_deref().is_none_or(|e| e.trim().is_empty());
        proxy.as_ref().map(|proxy| (authority(proxy), certain))
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
