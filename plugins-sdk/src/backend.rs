//! A backend as its author writes it, and the instance that serves messages for it.

use crate::error::{Error, ErrorCode, Result};
use crate::host::{Call, Channel};
use crate::identity::{Identity, Token};
use crate::log::{Log, Record};
use crate::manifest::{Kind, Manifest};
use crate::message::{
    Close, Describe, Description, Empty, Hello, Open, Opened, Operation, PROTOCOLS, Reply, Request,
};
use crate::secret::{GetSecret, ListSecrets, PutSecret, RemoveSecret, SecretStore};
use crate::signer::{
    ChangePassword, Generate, GetPublicKey, Import, Keys, Remove, Rotate, Sign, Signer,
};
use crate::source::{Attach, Detach, Resolve, Signatures, Source};
use crate::timestamp::{Stamp, Timestamp};
use crate::trust::{GetRoots, Trust};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// A backend: opens the kinds that its manifest names. Every kind it does not serve answers `unsupported`.
///
/// `open_…` gets the settings of the profile's table, decodes them with [`configuration`], and does no I/O that the first
/// call could do.
#[allow(unused_variables)]
pub trait Backend: Send + Sync + 'static {
    /// Opens the kind `identity`.
    ///
    /// # Errors
    ///
    /// `invalid-config`, with the field.
    fn open_identity(&self, call: &Call, configuration: Value) -> Result<Box<dyn Identity>> {
        Err(Error::unsupported(Kind::Identity))
    }

    /// Opens the kind `log`.
    ///
    /// # Errors
    ///
    /// `invalid-config`, with the field.
    fn open_log(&self, call: &Call, configuration: Value) -> Result<Box<dyn Log>> {
        Err(Error::unsupported(Kind::Log))
    }

    /// Opens the kind `secret`.
    ///
    /// # Errors
    ///
    /// `invalid-config`, with the field.
    fn open_secret(&self, call: &Call, configuration: Value) -> Result<Box<dyn SecretStore>> {
        Err(Error::unsupported(Kind::Secret))
    }

    /// Opens the kind `signer`.
    ///
    /// # Errors
    ///
    /// `invalid-config`, with the field.
    fn open_signer(&self, call: &Call, configuration: Value) -> Result<Box<dyn Signer>> {
        Err(Error::unsupported(Kind::Signer))
    }

    /// Opens the kind `source`.
    ///
    /// # Errors
    ///
    /// `invalid-config`, with the field.
    fn open_source(&self, call: &Call, configuration: Value) -> Result<Box<dyn Source>> {
        Err(Error::unsupported(Kind::Source))
    }

    /// Opens the kind `timestamp`.
    ///
    /// # Errors
    ///
    /// `invalid-config`, with the field.
    fn open_timestamp(&self, call: &Call, configuration: Value) -> Result<Box<dyn Timestamp>> {
        Err(Error::unsupported(Kind::Timestamp))
    }

    /// Opens the kind `trust`.
    ///
    /// # Errors
    ///
    /// `invalid-config`, with the field.
    fn open_trust(&self, call: &Call, configuration: Value) -> Result<Box<dyn Trust>> {
        Err(Error::unsupported(Kind::Trust))
    }
}

/// Decodes a backend's configuration.
///
/// # Errors
///
/// `invalid-config`, with what is wrong. The host has checked it against the manifest, so this says that manifest and code differ.
pub fn configuration<T: DeserializeOwned>(value: Value) -> Result<T> {
    // `null` stands for "no settings at all".
    let value = if value.is_null() {
        Value::Object(serde_json::Map::new())
    } else {
        value
    };
    serde_json::from_value(value)
        .map_err(|e| Error::new(ErrorCode::InvalidConfig, "wrong settings").because(e))
}

/// A kind that was opened, behind its handle.
enum OpenKind {
    Identity(Box<dyn Identity>),
    Log(Box<dyn Log>),
    Secret(Box<dyn SecretStore>),
    Signer(Box<dyn Signer>),
    Source(Box<dyn Source>),
    Timestamp(Box<dyn Timestamp>),
    Trust(Box<dyn Trust>),
}

/// A running backend: its handles, and the way from a message to a trait.
///
/// Both transports serve their messages through one of these.
pub struct Instance {
    backend: Box<dyn Backend>,
    manifest: Manifest,
    handles: RwLock<HashMap<u64, Arc<OpenKind>>>,
    next: AtomicU64,
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("id", &self.manifest.id)
            .finish_non_exhaustive()
    }
}

impl Instance {
    /// Starts a backend.
    ///
    /// # Errors
    ///
    /// `internal` if the manifest is not one.
    pub fn new(backend: Box<dyn Backend>, manifest: &str) -> Result<Self> {
        let manifest = Manifest::parse(manifest)
            .map_err(|e| Error::new(ErrorCode::Internal, "the manifest is malformed").because(e))?;
        Ok(Self {
            backend,
            manifest,
            handles: RwLock::default(),
            next: AtomicU64::new(1),
        })
    }

    /// What the backend says first.
    #[must_use]
    pub fn hello(&self) -> Hello {
        Hello {
            protocol: PROTOCOLS.to_vec(),
            id: self.manifest.id.to_string(),
            version: self.manifest.version.clone(),
            sdk: Some(concat!("sigtool-sdk ", env!("CARGO_PKG_VERSION")).to_owned()),
            capabilities: Vec::new(),
        }
    }

    /// Serves one request, and always gives a reply.
    #[must_use]
    pub fn serve(&self, channel: &dyn Channel, request: &[u8]) -> Vec<u8> {
        let request: Request<'_> = match serde_json::from_slice(request) {
            Ok(request) => request,
            Err(e) => {
                let error = Error::new(ErrorCode::InvalidRequest, "malformed request").because(e);
                return Reply::<Empty>::encode(0, Err(error));
            }
        };
        let patience = request.deadline_ms.map(Duration::from_millis);
        let call = Call::new(channel, request.id, patience);
        self.dispatch(&call, &request)
    }

    /// From the name of an operation to the method of a trait.
    fn dispatch(&self, call: &Call, request: &Request<'_>) -> Vec<u8> {
        macro_rules! serve {
            ($($op:ident $kind:ident |$backend:ident, $args:ident| $body:expr;)*) => {
                match request.op.as_ref() {
                    Describe::NAME => Reply::encode(request.id, Ok(Description::from(&self.manifest))),
                    Open::NAME => Reply::encode(request.id, request.decode().and_then(|args| self.open(call, args))),
                    Close::NAME => Reply::encode(request.id, self.close(request)),
                    $($op::NAME => Reply::encode(request.id, self.opened(request).and_then(|opened| match &*opened {
                        OpenKind::$kind($backend) => {
                            let $args = request.decode::<<$op as Operation>::Args>()?;
                            $body
                        }
                        _ => Err(Error::new(
                            ErrorCode::InvalidRequest,
                            format!("`{}` on a handle of another kind", request.op),
                        )),
                    })),)*
                    other => Reply::<Empty>::encode(request.id, Err(Error::unsupported(other))),
                }
            };
        }
        serve! {
            Attach Source |source, args| source.attach(call, args);
            ChangePassword Signer |signer, args| signer.change_password(call, args);
            Detach Source |source, args| source.detach(call, args);
            Generate Signer |signer, args| signer.generate(call, args);
            GetPublicKey Signer |signer, args| signer.public_key(call, args);
            GetRoots Trust |trust, args| trust.roots(call, args);
            GetSecret Secret |store, args| store.get(call, args);
            Import Signer |signer, args| signer.import(call, args);
            Keys Signer |signer, _args| signer.keys(call);
            ListSecrets Secret |store, _args| store.list(call);
            PutSecret Secret |store, args| store.put(call, args);
            Record Log |log, args| log.record(call, args);
            Remove Signer |signer, args| signer.remove(call, args);
            RemoveSecret Secret |store, args| store.remove(call, args);
            Resolve Source |source, args| source.resolve(call, args);
            Rotate Signer |signer, args| signer.rotate(call, args);
            Sign Signer |signer, args| signer.sign(call, args);
            Signatures Source |source, args| source.signatures(call, args);
            Stamp Timestamp |timestamp, args| timestamp.stamp(call, args);
            Token Identity |identity, args| identity.token(call, args);
        }
    }

    fn open(&self, call: &Call, args: crate::message::OpenArgs) -> Result<Opened> {
        let (backend, c) = (&self.backend, args.configuration);
        let opened = match args.kind {
            Kind::Identity => OpenKind::Identity(backend.open_identity(call, c)?),
            Kind::Log => OpenKind::Log(backend.open_log(call, c)?),
            Kind::Secret => OpenKind::Secret(backend.open_secret(call, c)?),
            Kind::Signer => OpenKind::Signer(backend.open_signer(call, c)?),
            Kind::Source => OpenKind::Source(backend.open_source(call, c)?),
            Kind::Timestamp => OpenKind::Timestamp(backend.open_timestamp(call, c)?),
            Kind::Trust => OpenKind::Trust(backend.open_trust(call, c)?),
        };
        let handle = self.next.fetch_add(1, Ordering::Relaxed);
        self.handles
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(handle, Arc::new(opened));
        Ok(Opened { handle })
    }

    fn close(&self, request: &Request<'_>) -> Result<Empty> {
        let handle = request.handle.unwrap_or(0);
        self.handles
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&handle)
            .map(|_| Empty {})
            .ok_or_else(|| no_handle(handle))
    }

    fn opened(&self, request: &Request<'_>) -> Result<Arc<OpenKind>> {
        let handle = request.handle.unwrap_or(0);
        self.handles
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&handle)
            .cloned()
            .ok_or_else(|| no_handle(handle))
    }
}

fn no_handle(handle: u64) -> Error {
    Error::new(
        ErrorCode::InvalidRequest,
        format!("there is no handle {handle}"),
    )
}
