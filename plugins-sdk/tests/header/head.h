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
