//! ABI v1: how a shared library and its host call each other. Every `unsafe` of the SDK is in this file.
//!
//! `include/sigtool.h` is generated from it, with the same comments; a test keeps the two equal.

#![allow(unsafe_code)]

use crate::backend::{Backend, Instance};
use crate::error::{Error, ErrorCode, Result};
use crate::host::{Channel, TraceLevel};
use crate::manifest::Manifest;
use crate::message::{Empty, Hello, MAX_MESSAGE, Reply};
use crate::panic::guarded;
use std::ffi::c_void;
use std::mem::{offset_of, size_of};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use zeroize::{Zeroize, Zeroizing};

/// "SIGTOOL" and a zero byte, read as a little-endian number. First in every struct with a header.
pub const MAGIC: u64 = 0x004C_4F4F_5447_4953;

/// The major version of this ABI. It is in the name of the exported function too, so a library can export several.
pub const ABI_MAJOR: u16 = 1;

/// The minor version: how many times fields were added at the end. A higher one on either side is not a reason to refuse.
pub const ABI_MINOR: u16 = 0;

/// The call did what it should; the reply holds `{"id":…,"ok":…}`.
pub const STATUS_OK: i32 = 0;
/// The call failed; the reply holds `{"id":…,"err":{…}}`.
pub const STATUS_ERROR: i32 = 1;
/// The backend panicked; the reply holds an error, and the instance must not be called again.
pub const STATUS_PANICKED: i32 = 2;

/// The first 24 bytes of each table, the same in every version, for ever.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// `SIGTOOL_MAGIC`.
    pub magic: u64,
    /// The size of the whole table as its writer's compiler saw it. A field is there only if it ends within this size.
    pub struct_size: u32,
    /// `SIGTOOL_ABI_MAJOR`. Another one is refused.
    pub abi_major: u16,
    /// `SIGTOOL_ABI_MINOR` of the writer.
    pub abi_minor: u16,
    /// The least minor version that the other side must have. Usually 0.
    pub need_minor: u16,
    /// Zero.
    pub flags: u16,
    /// Zero.
    pub reserved: u32,
}

/// Bytes that are borrowed for the duration of the call they are passed to. UTF-8 where they are text.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// May be null if `len` is 0.
    pub ptr: *const u8,
    /// In bytes.
    pub len: usize,
}

/// Bytes that are handed over, with the function that frees them.
///
/// The side that fills a buffer sets all four fields; the side that receives it calls `free` exactly once, if it is not null, and from
/// any thread. So memory is always freed by the side that allocated it.
#[repr(C)]
#[derive(Debug)]
pub struct Buffer {
    /// May be null if `len` is 0.
    pub ptr: *mut u8,
    /// In bytes. At most 16 MiB.
    pub len: usize,
    /// For the owner's use; usually the size of the allocation.
    pub cap: usize,
    /// Frees `ptr`. May be null if there is nothing to free.
    pub free: Option<unsafe extern "C" fn(*mut Self)>,
}

/// What the host lends to a backend. It lives from `create` until `destroy` returns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HostV1 {
    /// `struct_size` is the size of this table.
    pub header: Header,
    /// To be passed as the first argument of each function here.
    pub ctx: *mut c_void,
    /// Shows debug output. `level` is 1 error, 2 warning, 3 information, 4 debug. Any thread, at any time until `destroy` returns.
    pub trace: Option<unsafe extern "C" fn(ctx: *mut c_void, level: u32, message: Slice)>,
    /// Not 0 if the host has cancelled this call. Any thread, never blocks.
    pub cancelled: Option<unsafe extern "C" fn(ctx: *mut c_void, call: u64) -> u32>,
    /// Asks the host something: `host.prompt`, `host.secret`, … The answer is in `reply`, to be freed by the caller, whatever
    /// the status. Any thread, only while `call` runs; blocks until the answer.
    pub request: Option<
        unsafe extern "C" fn(
            ctx: *mut c_void,
            call: u64,
            request: Slice,
            reply: *mut Buffer,
        ) -> i32,
    >,
}

/// What a backend exports, by the function `sigtool_backend_v1`. It lives as long as the process.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct BackendV1 {
    /// `struct_size` is the size of this table.
    pub header: Header,
    /// The backend's id, as in its manifest.
    pub id: Slice,
    /// Free text for bug reports: the name and version of the library and of its SDK.
    pub build: Slice,
    /// Makes an instance. `hello` is the host's hello as JSON: `{"protocol":[1],"id":"sigtool","version":…,"capabilities":[…]}`.
    /// On success `instance` is set and `reply` holds the backend's own hello, in the same shape; else `reply` holds
    /// `{"err":{…}}`. No I/O, less than 50 ms. A plain thread of the host.
    pub create: Option<
        unsafe extern "C" fn(
            host: *const HostV1,
            hello: Slice,
            instance: *mut *mut c_void,
            reply: *mut Buffer,
        ) -> i32,
    >,
    /// Serves one request, `{"id":7,"op":"signer.sign","handle":1,"args":{…},"deadline_ms":…}`; `call` equals `id`. A plain
    /// thread of the host, never inside an async runtime; as many at once as `describe` allows.
    pub call: Option<
        unsafe extern "C" fn(
            instance: *mut c_void,
            call: u64,
            request: Slice,
            reply: *mut Buffer,
        ) -> i32,
    >,
    /// Asks a running call to end soon. Any thread, while `call` runs. May be null: the backend then asks `cancelled`.
    pub cancel: Option<unsafe extern "C" fn(instance: *mut c_void, call: u64)>,
    /// Ends an instance. No call runs any more. The library itself is never unloaded.
    pub destroy: Option<unsafe extern "C" fn(instance: *mut c_void)>,
    /// Null, or a table that a later version names: `dev.sigtool.<name>/<revision>`. May be null itself.
    pub extension:
        Option<unsafe extern "C" fn(instance: *mut c_void, name: Slice) -> *const c_void>,
}

/// The exported function: a function and not data, since some languages can export nothing else.
pub type Entry = unsafe extern "C" fn() -> *const BackendV1;

/// The name of the exported function.
pub const ENTRY: &std::ffi::CStr = c"sigtool_backend_v1";

// SAFETY: a table is plain data that nobody writes after it is made; its functions say themselves which threads may call.
unsafe impl Send for BackendV1 {}
// SAFETY: as above.
unsafe impl Sync for BackendV1 {}
// SAFETY: `ctx` points to an `Arc<dyn Channel>`, which is `Send` and `Sync`.
unsafe impl Send for HostV1 {}
// SAFETY: as above.
unsafe impl Sync for HostV1 {}

impl Header {
    /// A header for a table of this size.
    const fn of<T>() -> Self {
        Self {
            magic: MAGIC,
            struct_size: size_of::<T>() as u32,
            abi_major: ABI_MAJOR,
            abi_minor: ABI_MINOR,
            need_minor: 0,
            flags: 0,
            reserved: 0,
        }
    }
}

impl Slice {
    fn of(bytes: &[u8]) -> Self {
        Self {
            ptr: bytes.as_ptr(),
            len: bytes.len(),
        }
    }

    /// # Safety
    ///
    /// The slice is null, or points to `len` bytes that live for `'a`.
    unsafe fn as_bytes<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() || self.len == 0 {
            return &[];
        }
        // SAFETY: the caller promises it.
        unsafe { std::slice::from_raw_parts(self.ptr, self.len) }
    }
}

impl Buffer {
    /// No bytes, and nothing to free.
    const EMPTY: Self = Self {
        ptr: std::ptr::null_mut(),
        len: 0,
        cap: 0,
        free: None,
    };

    /// Hands bytes over; they are wiped when they are freed, since some of them are secrets.
    fn of(bytes: Vec<u8>) -> Self {
        let mut bytes = std::mem::ManuallyDrop::new(bytes);
        Self {
            ptr: bytes.as_mut_ptr(),
            len: bytes.len(),
            cap: bytes.capacity(),
            free: Some(free_vec),
        }
    }

    /// Takes the bytes over, and frees the buffer.
    ///
    /// # Safety
    ///
    /// The fields were set as [`Buffer`] demands, and the buffer is not used afterwards.
    unsafe fn take(mut self) -> Option<Zeroizing<Vec<u8>>> {
        let fits = self.len <= MAX_MESSAGE;
        let bytes = if fits && !self.ptr.is_null() {
            // SAFETY: the caller promises that `ptr` points to `len` bytes.
            let bytes = unsafe { std::slice::from_raw_parts(self.ptr, self.len) };
            Some(Zeroizing::new(bytes.to_vec()))
        } else {
            None
        };
        if let Some(free) = self.free {
            // SAFETY: the owner's own function, called once.
            unsafe { free(&raw mut self) };
        }
        bytes
    }
}

/// Frees what [`Buffer::of`] handed over.
unsafe extern "C" fn free_vec(buffer: *mut Buffer) {
    // SAFETY: the receiver passes the buffer that it got, once.
    let Some(buffer) = (unsafe { buffer.as_mut() }) else {
        return;
    };
    let buffer = std::mem::replace(buffer, Buffer::EMPTY);
    if !buffer.ptr.is_null() {
        // SAFETY: `Buffer::of` took these three from one `Vec`, on this side of the boundary.
        let mut bytes = unsafe { Vec::from_raw_parts(buffer.ptr, buffer.len, buffer.cap) };
        bytes.zeroize();
    }
}

// ---- the backend's half -------------------------------------------------------------------------------------------------

/// What [`export_backend!`](crate::export_backend) knows of a backend.
pub trait Exported {
    /// The text of its `sigtool-backend.toml`.
    const MANIFEST: &'static str;
    /// Free text for bug reports.
    const BUILD: &'static str;
    /// Makes the backend.
    fn make() -> Box<dyn Backend>;
}

/// The table of a backend; null if its manifest is malformed.
#[must_use]
pub fn table<E: Exported>() -> *const BackendV1 {
    let made = guarded(|| {
        let manifest = Manifest::parse(E::MANIFEST).ok()?;
        let id: &'static str = Box::leak(String::from(manifest.id).into_boxed_str());
        Some(Box::leak(Box::new(BackendV1 {
            header: Header::of::<BackendV1>(),
            id: Slice::of(id.as_bytes()),
            build: Slice::of(E::BUILD.as_bytes()),
            create: Some(create::<E>),
            call: Some(serve),
            cancel: None,
            destroy: Some(destroy),
            extension: None,
        })) as *const BackendV1)
    });
    made.ok().flatten().unwrap_or(std::ptr::null())
}

/// The host's table, as a backend uses it.
struct HostTable(HostV1);

impl Channel for HostTable {
    fn trace(&self, level: TraceLevel, message: &str) {
        if let Some(trace) = self.0.trace {
            // SAFETY: the host's promise: any thread, until `destroy` returns, which ends this struct.
            unsafe { trace(self.0.ctx, level as u32, Slice::of(message.as_bytes())) };
        }
    }

    fn cancelled(&self, call: u64) -> bool {
        self.0
            .cancelled
            // SAFETY: as above.
            .is_some_and(|cancelled| unsafe { cancelled(self.0.ctx, call) } != 0)
    }

    fn request(&self, call: u64, request: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let Some(ask) = self.0.request else {
            return Err(Error::unsupported("host requests"));
        };
        let mut reply = Buffer::EMPTY;
        // SAFETY: as above, and the call runs, since a `Call` is borrowed from it.
        let status = unsafe { ask(self.0.ctx, call, Slice::of(request), &raw mut reply) };
        // SAFETY: the host has set the buffer, and we use it no more.
        let bytes = unsafe { reply.take() };
        match (status, bytes) {
            (STATUS_OK | STATUS_ERROR, Some(bytes)) => Ok(bytes),
            _ => Err(Error::new(
                ErrorCode::Internal,
                "the host did not answer a request",
            )),
        }
    }
}

/// What an instance pointer points to.
struct Running {
    instance: Instance,
    host: HostTable,
    /// Set by a panic: its state may be half changed, so it serves nothing more.
    poisoned: AtomicBool,
}

unsafe extern "C" fn create<E: Exported>(
    host: *const HostV1,
    hello: Slice,
    instance: *mut *mut c_void,
    reply: *mut Buffer,
) -> i32 {
    let made = guarded(|| {
        // SAFETY: the host's promise: a table that lives until `destroy` returns.
        let host = unsafe { read_host(host)? };
        // SAFETY: borrowed for this call.
        let hello: Hello = serde_json::from_slice(unsafe { hello.as_bytes() })
            .map_err(|e| Error::new(ErrorCode::InvalidRequest, "malformed hello").because(e))?;
        let running = Running {
            instance: Instance::new(E::make(), E::MANIFEST)?,
            host: HostTable(host),
            poisoned: AtomicBool::new(false),
        };
        let ours = running.instance.hello();
        if ours.common_protocol(&hello).is_none() {
            return Err(no_common_protocol(&ours, &hello));
        }
        Ok((ours, Box::into_raw(Box::new(running)).cast::<c_void>()))
    });
    let (status, bytes, pointer) = match made {
        Ok(Ok((hello, pointer))) => (
            STATUS_OK,
            serde_json::to_vec(&hello).unwrap_or_default(),
            pointer,
        ),
        Ok(Err(error)) => (
            STATUS_ERROR,
            Reply::<Empty>::encode(0, Err(error)),
            std::ptr::null_mut(),
        ),
        Err(panic) => (
            STATUS_PANICKED,
            Reply::<Empty>::encode(0, Err(panicked(&panic))),
            std::ptr::null_mut(),
        ),
    };
    // SAFETY: the host passes two places that it owns.
    unsafe {
        instance.write(pointer);
        reply.write(Buffer::of(bytes));
    }
    status
}

/// # Safety
///
/// `host` is null, or points to a table that begins with a header and is as long as that says.
unsafe fn read_host(host: *const HostV1) -> Result<HostV1> {
    let refuse =
        |why: &str| Error::new(ErrorCode::InvalidRequest, "unusable host table").because(why);
    if host.is_null() {
        return Err(refuse("it is null"));
    }
    // SAFETY: a header stands in front of every table.
    let header = unsafe { host.cast::<Header>().read() };
    if header.magic != MAGIC || header.abi_major != ABI_MAJOR {
        return Err(refuse("it is of another ABI"));
    }
    if (header.struct_size as usize) < size_of::<HostV1>() || header.need_minor > ABI_MINOR {
        return Err(refuse("it is of another minor version"));
    }
    // SAFETY: it is at least as long as our table.
    Ok(unsafe { host.read() })
}

unsafe extern "C" fn serve(
    instance: *mut c_void,
    call: u64,
    request: Slice,
    reply: *mut Buffer,
) -> i32 {
    // SAFETY: the pointer that `create` gave, and `destroy` has not been called.
    let running = unsafe { &*instance.cast::<Running>() };
    let (status, bytes) = if running.poisoned.load(Ordering::Acquire) {
        let error = panicked("in an earlier call");
        (STATUS_PANICKED, Reply::<Empty>::encode(call, Err(error)))
    } else {
        // SAFETY: borrowed for this call.
        let request = unsafe { request.as_bytes() };
        match guarded(|| running.instance.serve(&running.host, request)) {
            Ok(bytes) => (STATUS_OK, bytes),
            Err(panic) => {
                running.poisoned.store(true, Ordering::Release);
                let error = panicked(&panic);
                (STATUS_PANICKED, Reply::<Empty>::encode(call, Err(error)))
            }
        }
    };
    // SAFETY: a place that the host owns.
    unsafe { reply.write(Buffer::of(bytes)) };
    status
}

unsafe extern "C" fn destroy(instance: *mut c_void) {
    if !instance.is_null() {
        // SAFETY: the pointer that `create` gave, for the last time, and no call runs.
        let running = unsafe { Box::from_raw(instance.cast::<Running>()) };
        let _ = guarded(move || drop(running));
    }
}

pub(crate) fn panicked(what: &str) -> Error {
    Error::new(ErrorCode::Panic, "the backend panicked").because(what)
}

pub(crate) fn no_common_protocol(ours: &Hello, theirs: &Hello) -> Error {
    Error::new(
        ErrorCode::Unsupported,
        format!(
            "no protocol in common: `{}` speaks {:?}, `{}` speaks {:?}",
            ours.id, ours.protocol, theirs.id, theirs.protocol
        ),
    )
}

/// Exports a backend from its crate: the function `sigtool_backend_v1`, and the manifest `sigtool-backend.toml`, which lies
/// beside the crate's `Cargo.toml`, in a section of the library.
///
/// ```text
/// sigtool_sdk::export_backend!(CosignKey);
/// ```
#[macro_export]
macro_rules! export_backend {
    ($make:expr) => {
        // An abort cannot be caught by anyone: the whole host would die with the backend.
        #[cfg(panic = "abort")]
        compile_error!(
            "a backend needs `panic = \"unwind\"`: remove `panic = \"abort\"` from its profile"
        );

        #[allow(unsafe_code)]
        const _: () = {
            enum Backend {}

            impl $crate::abi::Exported for Backend {
                const MANIFEST: &'static str =
                    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sigtool-backend.toml"));
                const BUILD: &'static str =
                    concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

                fn make() -> Box<dyn $crate::Backend> {
                    Box::new($make)
                }
            }

            const LENGTH: usize = <Backend as $crate::abi::Exported>::MANIFEST.len();

            #[used]
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__sigtool"))]
            #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".sigtool"))]
            static MANIFEST: [u8; LENGTH] = {
                let bytes = <Backend as $crate::abi::Exported>::MANIFEST.as_bytes();
                let mut copy = [0; LENGTH];
                let mut i = 0;
                while i < LENGTH {
                    copy[i] = bytes[i];
                    i += 1;
                }
                copy
            };

            #[unsafe(no_mangle)]
            extern "C" fn sigtool_backend_v1() -> *const $crate::abi::BackendV1 {
                static TABLE: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
                *TABLE.get_or_init(|| $crate::abi::table::<Backend>() as usize)
                    as *const $crate::abi::BackendV1
            }
        };
    };
}

// ---- the host's half ----------------------------------------------------------------------------------------------------

/// Why a library's table is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AbiError {
    /// The function gave nothing.
    #[error("its entry function returns nothing: its own manifest may be malformed")]
    Null,
    /// No table of ours.
    #[error(
        "its entry function returns something that is not a backend table (wrong magic number)"
    )]
    Magic,
    /// Another major version.
    #[error("it is built for backend ABI {0}, this sigtool speaks {ABI_MAJOR}")]
    Major(u16),
    /// A table that ends before the functions that every version has.
    #[error("its table has {found} bytes, at least {expected} are needed")]
    TooSmall {
        /// The size it claims.
        found: usize,
        /// The least that is needed.
        expected: usize,
    },
    /// It wants a newer host.
    #[error(
        "it needs minor version {0} of backend ABI {ABI_MAJOR}, this sigtool has {ABI_MINOR}: update sigtool"
    )]
    NeedsNewer(u16),
    /// A function that every version has is missing.
    #[error("its table lacks a function that every backend has")]
    Missing,
}

/// A library's table, checked.
#[derive(Debug)]
pub struct Table(BackendV1);

impl Table {
    /// Asks a library for its table, and checks it.
    ///
    /// # Errors
    ///
    /// Anything that is not clearly a table that we understand is refused.
    ///
    /// # Safety
    ///
    /// `entry` is the function `sigtool_backend_v1` of a library that is never unloaded.
    pub unsafe fn read(entry: Entry) -> Result<Self, AbiError> {
        // SAFETY: the caller's promise.
        let table = unsafe { entry() };
        if table.is_null() {
            return Err(AbiError::Null);
        }
        // SAFETY: a header stands in front of every table; a library that returns another pointer can do worse already.
        let header = unsafe { table.cast::<Header>().read_unaligned() };
        if header.magic != MAGIC {
            return Err(AbiError::Magic);
        }
        if header.abi_major != ABI_MAJOR {
            return Err(AbiError::Major(header.abi_major));
        }
        let (found, expected) = (
            header.struct_size as usize,
            offset_of!(BackendV1, extension),
        );
        if found < expected {
            return Err(AbiError::TooSmall { found, expected });
        }
        if header.need_minor > ABI_MINOR {
            return Err(AbiError::NeedsNewer(header.need_minor));
        }
        // A field that the library does not have stays null.
        let mut copy = std::mem::MaybeUninit::<BackendV1>::zeroed();
        // SAFETY: both are at least as long as the shorter one, and zeroes are valid for each field.
        let table = unsafe {
            std::ptr::copy_nonoverlapping(
                table.cast::<u8>(),
                copy.as_mut_ptr().cast::<u8>(),
                found.min(size_of::<BackendV1>()),
            );
            copy.assume_init()
        };
        if table.create.is_none() || table.call.is_none() || table.destroy.is_none() {
            return Err(AbiError::Missing);
        }
        Ok(Self(table))
    }

    /// Makes an instance. `channel` is lent to it until it is dropped.
    ///
    /// # Errors
    ///
    /// The backend's own error, or one that says how it broke the protocol.
    pub fn create(self, hello: &Hello, channel: Arc<dyn Channel>) -> Result<Plugin> {
        let context = Box::into_raw(Box::new(channel));
        let host = Box::into_raw(Box::new(HostV1 {
            header: Header::of::<HostV1>(),
            ctx: context.cast(),
            trace: Some(host_trace),
            cancelled: Some(host_cancelled),
            request: Some(host_request),
        }));
        let mut plugin = Plugin {
            table: self.0,
            instance: std::ptr::null_mut(),
            host,
            context,
            hello: hello.clone(),
            poisoned: AtomicBool::new(false),
        };
        let hello_text = serde_json::to_vec(hello)
            .map_err(|e| Error::new(ErrorCode::Internal, "cannot encode hello").because(e))?;
        let mut reply = Buffer::EMPTY;
        let create = self.0.create.ok_or_else(|| protocol_breach("create"))?;
        // SAFETY: `host` lives until `Plugin` is dropped, which calls `destroy` first.
        let status = unsafe {
            create(
                host,
                Slice::of(&hello_text),
                &raw mut plugin.instance,
                &raw mut reply,
            )
        };
        // SAFETY: the backend has set the buffer, and we use it no more.
        let reply = unsafe { reply.take() };
        match (status, reply) {
            (STATUS_OK, Some(text)) if !plugin.instance.is_null() => {
                plugin.hello = serde_json::from_slice(&text)
                    .map_err(|e| protocol_breach("create").because(e))?;
                if plugin.hello.common_protocol(hello).is_none() {
                    return Err(no_common_protocol(hello, &plugin.hello));
                }
                Ok(plugin)
            }
            (STATUS_ERROR | STATUS_PANICKED, Some(text)) => {
                match Reply::<Empty>::decode("create", &text) {
                    Err(error) => Err(error),
                    Ok(_) => Err(protocol_breach("create")),
                }
            }
            _ => Err(protocol_breach("create")),
        }
    }
}

fn protocol_breach(op: &str) -> Error {
    Error::new(
        ErrorCode::Internal,
        format!("the backend broke the protocol in `{op}`"),
    )
}

/// An instance of a library's backend.
pub struct Plugin {
    table: BackendV1,
    instance: *mut c_void,
    host: *mut HostV1,
    context: *mut Arc<dyn Channel>,
    hello: Hello,
    poisoned: AtomicBool,
}

// SAFETY: the ABI lets `call` and `cancel` come from any plain thread, several at once.
unsafe impl Send for Plugin {}
// SAFETY: as above.
unsafe impl Sync for Plugin {}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("hello", &self.hello)
            .finish_non_exhaustive()
    }
}

impl Plugin {
    /// What the backend said first.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Serves one request, on this thread. `call` is the request's id.
    ///
    /// # Errors
    ///
    /// `panic` if the backend panicked, now or earlier; `internal` if it broke the protocol.
    pub fn call(&self, call: u64, request: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(panicked("in an earlier call"));
        }
        let serve = self.table.call.ok_or_else(|| protocol_breach("call"))?;
        let mut reply = Buffer::EMPTY;
        // SAFETY: `instance` is what `create` gave, and is destroyed only when `self` is dropped.
        let status = unsafe { serve(self.instance, call, Slice::of(request), &raw mut reply) };
        // SAFETY: the backend has set the buffer, and we use it no more.
        let reply = unsafe { reply.take() };
        match (status, reply) {
            (STATUS_OK | STATUS_ERROR, Some(text)) => Ok(text),
            (STATUS_PANICKED, text) => {
                self.poisoned.store(true, Ordering::Release);
                let text = text.unwrap_or_default();
                Err(match Reply::<Empty>::decode("call", &text) {
                    Err(error) if error.code == ErrorCode::Panic => error,
                    _ => panicked("without a message"),
                })
            }
            (_, None) => Err(protocol_breach("call").because("no reply, or one of over 16 MiB")),
            (status, _) => Err(protocol_breach("call").because(format!("status {status}"))),
        }
    }

    /// Asks a running call to end soon.
    pub fn cancel(&self, call: u64) {
        if let Some(cancel) = self.table.cancel {
            // SAFETY: any thread, while `call` runs; a call that has just ended is the backend's to ignore.
            unsafe { cancel(self.instance, call) };
        }
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        if let (Some(destroy), false) = (self.table.destroy, self.instance.is_null()) {
            // SAFETY: each call borrows `self`, so none runs any more.
            unsafe { destroy(self.instance) };
        }
        // SAFETY: both came from `Box::into_raw` in `create`, and the backend may not use them after `destroy`.
        unsafe {
            drop(Box::from_raw(self.host));
            drop(Box::from_raw(self.context));
        }
    }
}

/// # Safety
///
/// `ctx` is the context that `Table::create` made, and its `Plugin` still lives.
unsafe fn channel<'a>(ctx: *mut c_void) -> &'a dyn Channel {
    // SAFETY: the caller's promise.
    let channel: &'a Arc<dyn Channel> = unsafe { &*ctx.cast::<Arc<dyn Channel>>() };
    &**channel
}

unsafe extern "C" fn host_trace(ctx: *mut c_void, level: u32, message: Slice) {
    let _ = guarded_host(|| {
        // SAFETY: the backend passes the context of its host table, and a message that lives for this call.
        let (channel, message) = unsafe { (channel(ctx), message.as_bytes()) };
        channel.trace(
            TraceLevel::from_number(level),
            &String::from_utf8_lossy(message),
        );
    });
}

unsafe extern "C" fn host_cancelled(ctx: *mut c_void, call: u64) -> u32 {
    // SAFETY: as above.
    guarded_host(|| u32::from(unsafe { channel(ctx) }.cancelled(call))).unwrap_or(1)
}

unsafe extern "C" fn host_request(
    ctx: *mut c_void,
    call: u64,
    request: Slice,
    reply: *mut Buffer,
) -> i32 {
    let answer = guarded_host(|| {
        // SAFETY: as above.
        let (channel, request) = unsafe { (channel(ctx), request.as_bytes()) };
        channel.request(call, request)
    });
    let (status, bytes) = match answer {
        Some(Ok(mut bytes)) => (STATUS_OK, std::mem::take(&mut *bytes)),
        Some(Err(error)) => (STATUS_ERROR, Reply::<Empty>::encode(call, Err(error))),
        None => {
            let error = Error::new(ErrorCode::Internal, "a bug in the host");
            (STATUS_ERROR, Reply::<Empty>::encode(call, Err(error)))
        }
    };
    // SAFETY: a place that the backend owns.
    unsafe { reply.write(Buffer::of(bytes)) };
    status
}

/// A panic of the host must not run through the backend's frames. The host's own hook reports it.
fn guarded_host<T>(f: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn the_layout_never_changes() {
        assert_eq!(size_of::<Header>(), 24);
        assert_eq!(size_of::<BackendV1>(), 96);
        assert_eq!(offset_of!(BackendV1, id), 24);
        assert_eq!(offset_of!(BackendV1, build), 40);
        assert_eq!(offset_of!(BackendV1, create), 56);
        assert_eq!(offset_of!(BackendV1, call), 64);
        assert_eq!(offset_of!(BackendV1, cancel), 72);
        assert_eq!(offset_of!(BackendV1, destroy), 80);
        assert_eq!(offset_of!(BackendV1, extension), 88);
        assert_eq!(size_of::<HostV1>(), 56);
        assert_eq!(MAGIC.to_le_bytes(), *b"SIGTOOL\0");
    }

    #[test]
    fn a_table_that_is_not_clearly_ours_is_refused() {
        fn with(change: fn(&mut BackendV1)) -> Result<Table, AbiError> {
            static TABLE: std::sync::Mutex<Option<BackendV1>> = std::sync::Mutex::new(None);
            unsafe extern "C" fn entry() -> *const BackendV1 {
                let table = (*TABLE.lock().unwrap()).unwrap();
                Box::leak(Box::new(table))
            }
            unsafe extern "C" fn never(_: *mut c_void) {}
            unsafe extern "C" fn no_call(_: *mut c_void, _: u64, _: Slice, _: *mut Buffer) -> i32 {
                -1
            }
            unsafe extern "C" fn no_create(
                _: *const HostV1,
                _: Slice,
                _: *mut *mut c_void,
                _: *mut Buffer,
            ) -> i32 {
                -1
            }
            let mut table = BackendV1 {
                header: Header::of::<BackendV1>(),
                id: Slice::of(b"a"),
                build: Slice::of(b""),
                create: Some(no_create),
                call: Some(no_call),
                cancel: None,
                destroy: Some(never),
                extension: None,
            };
            change(&mut table);
            *TABLE.lock().unwrap() = Some(table);
            // SAFETY: `entry` returns a table that is never freed.
            unsafe { Table::read(entry) }
        }
        assert!(with(|_| ()).is_ok());
        assert!(with(|t| t.header.abi_minor = 7).is_ok(), "a newer minor");
        assert!(
            with(|t| t.header.struct_size += 8).is_ok(),
            "a longer table"
        );
        assert_eq!(with(|t| t.header.magic += 1).unwrap_err(), AbiError::Magic);
        assert_eq!(
            with(|t| t.header.abi_major = 2).unwrap_err(),
            AbiError::Major(2)
        );
        assert_eq!(
            with(|t| t.header.need_minor = 1).unwrap_err(),
            AbiError::NeedsNewer(1)
        );
        assert!(matches!(
            with(|t| t.header.struct_size = 40).unwrap_err(),
            AbiError::TooSmall { found: 40, .. }
        ));
        assert_eq!(with(|t| t.call = None).unwrap_err(), AbiError::Missing);
    }
}
