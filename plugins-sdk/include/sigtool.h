/*
 * sigtool.h: how a shared library serves as a backend of sigtool. ABI 1.
 *
 * Generated from plugins-sdk/src/abi.rs; do not edit. For C11, C++17 and everything that reads C headers. Authors in Go, Python
 * or shell write an executable instead, which speaks the same messages over its pipes.
 *
 * The life of a backend
 *
 *   1. sigtool reads the manifest from the section .sigtool (SIGTOOL_MANIFEST) without running anything, and checks it.
 *   2. It loads the library and calls sigtool_backend_v1(), which returns a table. Null refuses.
 *   3. create() makes an instance. It may be called several times; instances know nothing of each other.
 *   4. call() carries requests: first `describe`, then `open`, which gives a handle, then calls on handles, then `close`.
 *   5. destroy() ends the instance. The library itself stays loaded until the process ends.
 *
 * Versions
 *
 *   A table is refused if its magic number or its abi_major is another one, if its struct_size ends before `extension`, or if
 *   need_minor is above the host's abi_minor. A higher abi_minor is not a reason to refuse, on either side. Fields are added at
 *   the end only, and a field is there only if it ends within struct_size: the host checks that for your table, and you check
 *   it for the host's, for each field that is newer than the version you were written for.
 *
 * Hello
 *
 *   create() gets the host's hello, {"protocol":[1],"id":"sigtool","version":"0.1.0","capabilities":[]}, and answers with its
 *   own in `reply`, {"protocol":[1],"id":"dev.acme.hsm","version":"1.2.0"}. `protocol` lists the numbers of the messages'
 *   versions; the highest that both list is spoken, and none in common is an error. Unknown capabilities are ignored, a
 *   missing one means "no".
 *
 * Messages
 *
 *   UTF-8 JSON, one object, at most 16 MiB, without a zero byte at its end. plugins-sdk/schemas has a schema for each. A request
 *   is {"id":7,"op":"signer.sign","handle":1,"args":{},"deadline_ms":30000}; its reply is {"id":7,"ok":{}} or
 *   {"id":7,"err":{"code":"not-found","message":"no key named `x`"}}, and `call` is the request's id. Ignore fields that you do
 *   not know; answer an operation that you do not know with the code `unsupported`; answer text that is not a request with
 *   `invalid-request`, and with the id 0 if it has none. Bytes are standard Base64 with padding.
 *
 * Statuses
 *
 *   create(), call() and request() return one of SIGTOOL_STATUS_…. The message alone decides whether a call has succeeded, so
 *   SIGTOOL_STATUS_OK with an `err` in the reply is fine. Any other number says that the protocol is broken.
 *
 * Memory
 *
 *   A slice is lent for the duration of the call it is passed to; copy what you keep. A buffer is handed over: whoever fills it
 *   sets all four fields, and whoever receives it calls its `free`, once, if it is not null. So memory is freed by the side that
 *   allocated it. `reply` points to an empty buffer of the caller; write it in every case. Wipe what held a secret.
 *
 * Threads
 *
 *   call() comes from plain threads of the host, as many at once as `max_in_flight` in the manifest says. cancel(), trace(),
 *   cancelled() and request() may be called from any thread. No exception, no longjmp and no panic may leave a function.
 *
 * The host
 *
 *   The table that create() gets lives until destroy() returns, so its address may be kept; nothing of it may be used later.
 *   trace() may be called at any time until then. cancelled() and request() name the call that they belong to, and work while
 *   it runs; a request for a call that has ended gets an error. Each request is a sign of life, which starts the deadline of the
 *   call anew. Trace levels: 1 error, 2 warning (shown to everyone), 3 information, 4 debug (both with --verbose). Never trace a
 *   secret.
 *
 * Manners
 *
 *   stdin, stdout, stderr, the environment, the working directory and signal handlers are the host's. Ask it for environment
 *   variables (`host.env`), for the time (`host.now`), for secrets (`host.secret`) and for whatever a person must answer
 *   (`host.prompt`). Never end the process.
 */

#ifndef SIGTOOL_H
#define SIGTOOL_H

#include <stddef.h>
#include <stdint.h>

/* Makes a function visible to the host. */
#if defined(_WIN32)
#define SIGTOOL_EXPORT __declspec(dllexport)
#else
#define SIGTOOL_EXPORT __attribute__((visibility("default")))
#endif

/* Puts the manifest, a string literal of TOML, where the host finds it without running anything. Once in a library. */
#if defined(_MSC_VER)
#define SIGTOOL_MANIFEST(text) \
    __pragma(section(".sigtool", read)) __declspec(allocate(".sigtool")) extern const char sigtool_manifest[] = text
#elif defined(__APPLE__)
#define SIGTOOL_MANIFEST(text) \
    __attribute__((used, section("__DATA,__sigtool"))) static const char sigtool_manifest[] = text
#else
#define SIGTOOL_MANIFEST(text) __attribute__((used, section(".sigtool"))) static const char sigtool_manifest[] = text
#endif

// "SIGTOOL" and a zero byte, read as a little-endian number. First in every struct with a header.
#define SIGTOOL_MAGIC 21479300364978515

// The major version of this ABI. It is in the name of the exported function too, so a library can export several.
#define SIGTOOL_ABI_MAJOR 1

// The minor version: how many times fields were added at the end. A higher one on either side is not a reason to refuse.
#define SIGTOOL_ABI_MINOR 0

// The call did what it should; the reply holds `{"id":…,"ok":…}`.
#define SIGTOOL_STATUS_OK 0

// The call failed; the reply holds `{"id":…,"err":{…}}`.
#define SIGTOOL_STATUS_ERROR 1

// The backend panicked; the reply holds an error, and the instance must not be called again.
#define SIGTOOL_STATUS_PANICKED 2

// The first 24 bytes of each table, the same in every version, for ever.
typedef struct sigtool_header {
    // `SIGTOOL_MAGIC`.
    uint64_t magic;
    // The size of the whole table as its writer's compiler saw it. A field is there only if it ends within this size.
    uint32_t struct_size;
    // `SIGTOOL_ABI_MAJOR`. Another one is refused.
    uint16_t abi_major;
    // `SIGTOOL_ABI_MINOR` of the writer.
    uint16_t abi_minor;
    // The least minor version that the other side must have. Usually 0.
    uint16_t need_minor;
    // Zero.
    uint16_t flags;
    // Zero.
    uint32_t reserved;
} sigtool_header;

// Bytes that are borrowed for the duration of the call they are passed to. UTF-8 where they are text.
typedef struct sigtool_slice {
    // May be null if `len` is 0.
    const uint8_t *ptr;
    // In bytes.
    size_t len;
} sigtool_slice;

// Bytes that are handed over, with the function that frees them.
//
// The side that fills a buffer sets all four fields; the side that receives it calls `free` exactly once, if it is not null, and from
// any thread. So memory is always freed by the side that allocated it.
typedef struct sigtool_buffer {
    // May be null if `len` is 0.
    uint8_t *ptr;
    // In bytes. At most 16 MiB.
    size_t len;
    // For the owner's use; usually the size of the allocation.
    size_t cap;
    // Frees `ptr`. May be null if there is nothing to free.
    void (*free)(struct sigtool_buffer*);
} sigtool_buffer;

// What the host lends to a backend. It lives from `create` until `destroy` returns.
typedef struct sigtool_host_v1 {
    // `struct_size` is the size of this table.
    struct sigtool_header header;
    // To be passed as the first argument of each function here.
    void *ctx;
    // Shows debug output. `level` is 1 error, 2 warning, 3 information, 4 debug. Any thread, at any time until `destroy` returns.
    void (*trace)(void *ctx, uint32_t level, struct sigtool_slice message);
    // Not 0 if the host has cancelled this call. Any thread, never blocks.
    uint32_t (*cancelled)(void *ctx, uint64_t call);
    // Asks the host something: `host.prompt`, `host.secret`, … The answer is in `reply`, to be freed by the caller, whatever
    // the status. Any thread, only while `call` runs; blocks until the answer.
    int32_t (*request)(void *ctx, uint64_t call, struct sigtool_slice request, struct sigtool_buffer *reply);
} sigtool_host_v1;

// What a backend exports, by the function `sigtool_backend_v1`. It lives as long as the process.
typedef struct sigtool_backend_v1_table {
    // `struct_size` is the size of this table.
    struct sigtool_header header;
    // The backend's id, as in its manifest.
    struct sigtool_slice id;
    // Free text for bug reports: the name and version of the library and of its SDK.
    struct sigtool_slice build;
    // Makes an instance. `hello` is the host's hello as JSON: `{"protocol":[1],"id":"sigtool","version":…,"capabilities":[…]}`.
    // On success `instance` is set and `reply` holds the backend's own hello, in the same shape; else `reply` holds
    // `{"err":{…}}`. No I/O, less than 50 ms. A plain thread of the host.
    int32_t (*create)(const struct sigtool_host_v1 *host,
                      struct sigtool_slice hello,
                      void **instance,
                      struct sigtool_buffer *reply);
    // Serves one request, `{"id":7,"op":"signer.sign","handle":1,"args":{…},"deadline_ms":…}`; `call` equals `id`. A plain
    // thread of the host, never inside an async runtime; as many at once as `describe` allows.
    int32_t (*call)(void *instance, uint64_t call, struct sigtool_slice request, struct sigtool_buffer *reply);
    // Asks a running call to end soon. Any thread, while `call` runs. May be null: the backend then asks `cancelled`.
    void (*cancel)(void *instance, uint64_t call);
    // Ends an instance. No call runs any more. The library itself is never unloaded.
    void (*destroy)(void *instance);
    // Null, or a table that a later version names: `dev.sigtool.<name>/<revision>`. May be null itself.
    const void *(*extension)(void *instance, struct sigtool_slice name);
} sigtool_backend_v1_table;

#ifdef __cplusplus
extern "C" {
#endif

/* What a backend defines: returns its table, which lives as long as the process. */
SIGTOOL_EXPORT const sigtool_backend_v1_table *sigtool_backend_v1(void);

#ifdef __cplusplus
}
#endif

/* The layout, checked by your compiler. It holds for pointers of 32 and of 64 bits. */
#ifdef __cplusplus
#define SIGTOOL_ASSERT(what) static_assert(what, #what)
#else
#define SIGTOOL_ASSERT(what) _Static_assert(what, #what)
#endif
SIGTOOL_ASSERT(sizeof(sigtool_header) == 24);
SIGTOOL_ASSERT(offsetof(sigtool_header, magic) == 0);
SIGTOOL_ASSERT(offsetof(sigtool_header, struct_size) == 8);
SIGTOOL_ASSERT(offsetof(sigtool_header, abi_major) == 12);
SIGTOOL_ASSERT(offsetof(sigtool_header, abi_minor) == 14);
SIGTOOL_ASSERT(offsetof(sigtool_header, need_minor) == 16);
SIGTOOL_ASSERT(offsetof(sigtool_header, flags) == 18);
SIGTOOL_ASSERT(offsetof(sigtool_header, reserved) == 20);
SIGTOOL_ASSERT(sizeof(sigtool_slice) == 2 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_slice, len) == sizeof(void *));
SIGTOOL_ASSERT(sizeof(sigtool_buffer) == 4 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_buffer, len) == sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_buffer, cap) == 2 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_buffer, free) == 3 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_host_v1, ctx) == 24);
SIGTOOL_ASSERT(offsetof(sigtool_host_v1, trace) == 24 + sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_host_v1, cancelled) == 24 + 2 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_host_v1, request) == 24 + 3 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_backend_v1_table, id) == 24);
SIGTOOL_ASSERT(offsetof(sigtool_backend_v1_table, build) == 24 + 2 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_backend_v1_table, create) == 24 + 4 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_backend_v1_table, call) == 24 + 5 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_backend_v1_table, cancel) == 24 + 6 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_backend_v1_table, destroy) == 24 + 7 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_backend_v1_table, extension) == 24 + 8 * sizeof(void *));
#undef SIGTOOL_ASSERT


#endif  /* SIGTOOL_H */
