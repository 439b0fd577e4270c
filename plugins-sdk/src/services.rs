//! What a host does for its backends, and how a request of theirs is answered.

use crate::error::{Error, ErrorCode, Result};
use crate::host::{
    Answer, AskIdentityToken, AskPerson, AskSecret, AskSecretArgs, AskedSecret, CacheGet, CachePut,
    CacheValue, Conceal, Env, EnvValue, Network, NetworkSettings, Now, OpenUrl, Progress, Prompt,
    ShowProgress, Time, TraceLevel,
};
use crate::message::{Empty, Operation, Reply, Request};
use crate::types::{Bytes, IdentityToken};
use zeroize::Zeroizing;

/// What a host does for a backend: one method a service. The host's side of [`Call`](crate::Call).
pub trait Services: Send + Sync {
    /// Shows debug output of a backend.
    fn trace(&self, level: TraceLevel, message: &str);
    /// Shows progress.
    fn progress(&self, progress: Progress);
    /// Asks the person.
    ///
    /// # Errors
    ///
    /// `unavailable` without a terminal.
    fn prompt(&self, prompt: Prompt) -> Result<Answer>;
    /// Opens a page, or shows its address.
    ///
    /// # Errors
    ///
    /// `unavailable` if neither can be done.
    fn open_url(&self, url: &str) -> Result<()>;
    /// The time in milliseconds since 1970-01-01 UTC.
    fn now_ms(&self) -> u64;
    /// An environment variable that the backend's manifest declares.
    ///
    /// # Errors
    ///
    /// `access-denied` for one that it does not declare.
    fn env(&self, name: &str) -> Result<Option<String>>;
    /// A secret of the backend's configuration.
    ///
    /// # Errors
    ///
    /// As [`Call::secret`](crate::Call::secret).
    fn secret(&self, args: AskSecretArgs) -> Result<AskedSecret>;
    /// An identity token of the profile.
    ///
    /// # Errors
    ///
    /// `access-denied` without a grant.
    fn identity_token(&self, audience: &str) -> Result<IdentityToken>;
    /// Reads the backend's cache.
    fn cache_get(&self, name: &str) -> Option<Vec<u8>>;
    /// Writes the backend's cache.
    fn cache_put(&self, name: &str, value: &[u8]);
    /// The network settings.
    ///
    /// # Errors
    ///
    /// `access-denied` if the manifest does not declare the network.
    fn network(&self) -> Result<NetworkSettings>;

    /// Takes note of a secret that the backend has found by itself.
    fn conceal(&self, _secret: &[u8]) {}

    /// Whether the host is about to end, so that no call is tried again.
    fn is_ending(&self) -> bool {
        false
    }

    /// Takes the secrets that were lent out of a text of the backend's, before anyone sees it.
    fn without_secrets(&self, text: &str) -> String {
        text.to_owned()
    }

    /// Makes the remarks in a reply fit to be shown: without secrets, and not endlessly many.
    fn remarks(&self, remarks: Vec<String>) -> Vec<String> {
        remarks
    }

    /// Looks at what passes unchanged, since it is used, and may be shown too: a path, a reference, a name.
    fn passes(&self, _text: &str) {}
}

/// Answers one request of a backend: decodes it, calls the service, encodes the reply.
///
/// Both transports and the test kit lend their services through this one function.
#[must_use]
pub fn answer(services: &dyn Services, request: &[u8]) -> Zeroizing<Vec<u8>> {
    let request: Request<'_> = match serde_json::from_slice(request) {
        Ok(request) => request,
        Err(e) => {
            let error =
                Error::new(ErrorCode::InvalidRequest, "malformed request to the host").because(e);
            return Zeroizing::new(Reply::<Empty>::encode(0, Err(error)));
        }
    };
    let id = request.id;
    macro_rules! serve {
        ($($op:ident => |$args:ident| $body:expr),* $(,)?) => {
            match request.op.as_ref() {
                $($op::NAME => Reply::encode(id, request.decode::<<$op as Operation>::Args>().and_then(|$args| $body)),)*
                other => Reply::<Empty>::encode(
                    id,
                    Err(Error::new(ErrorCode::Unsupported, format!("this host has no `{other}`"))),
                ),
            }
        };
    }
    Zeroizing::new(serve! {
        ShowProgress => |args| { services.progress(args); Ok(Empty {}) },
        AskPerson => |args| services.prompt(args),
        OpenUrl => |args| services.open_url(&args.url).map(|()| Empty {}),
        Now => |_args| Ok(Time { unix_ms: services.now_ms() }),
        Env => |args| services.env(&args.name).map(|value| EnvValue { value }),
        AskSecret => |args| services.secret(args),
        AskIdentityToken => |args| services.identity_token(&args.audience),
        CacheGet => |args| Ok(CacheValue { value: services.cache_get(&args.name).map(Bytes) }),
        CachePut => |args| { services.cache_put(&args.name, &args.value); Ok(Empty {}) },
        Conceal => |args| { services.conceal(args.value.expose()); Ok(Empty {}) },
        Network => |_args| services.network(),
    })
}
