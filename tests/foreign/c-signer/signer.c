/*
 * A signer in C: ECDSA P-256 with a key from a PEM file, by OpenSSL's libcrypto (3.0 or later).
 *
 *   cc -std=c11 -shared -fPIC -fvisibility=hidden -I<sigtool>/plugins-sdk/include -o libsigtool_backend_c_signer.so signer.c -lcrypto
 *
 * Of the ABI only sigtool.h is needed; json.h is as much JSON as a backend needs.
 */
#include "json.h"
#include "sigtool.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ID "dev.example.c-signer"
#define VERSION "1.0.0"

SIGTOOL_MANIFEST("manifest = 1\n"
                 "id = \"" ID "\"\n"
                 "version = \"" VERSION "\"\n"
                 "summary = \"signs with an ECDSA P-256 key in a PEM file, by OpenSSL\"\n"
                 "kinds = [\"signer\"]\n"
                 "\n"
                 "[config.signer]\n"
                 "key = { type = \"path\", summary = \"the PEM file of the private key\", required = true }\n"
                 "password = { type = \"secret\", summary = \"the password of the key, if it has one\" }\n");

#define MAX_PATH 4096
#define MAX_HANDLES 16

/* An opened signer. */
typedef struct {
    bool open;
    char path[MAX_PATH];
    char password[256]; /* the pointer to ask the host with, or empty */
    EVP_PKEY *key;      /* loaded by the first call that needs it */
} signer;

typedef struct {
    const sigtool_host_v1 *host;
    signer signers[MAX_HANDLES];
} instance;

/* ---- replies -------------------------------------------------------------------------------------------------------- */

static void free_buffer(sigtool_buffer *buffer) {
    if (buffer->ptr) {
        OPENSSL_cleanse(buffer->ptr, buffer->len);
        free(buffer->ptr);
    }
    buffer->ptr = NULL;
    buffer->len = buffer->cap = 0;
}

/* Writes a reply; the caller frees it by `free_buffer`. */
static void put(sigtool_buffer *reply, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : malloc((size_t)len + 1);
    if (text) {
        va_start(args, format);
        vsnprintf(text, (size_t)len + 1, format, args);
        va_end(args);
    }
    *reply = (sigtool_buffer){(uint8_t *)text, text ? (size_t)len : 0, text ? (size_t)len + 1 : 0, free_buffer};
}

/* A failed call. `message` is our own text, without anything that would have to be escaped. */
static int32_t fail(sigtool_buffer *reply, uint64_t id, const char *code, const char *message) {
    put(reply, "{\"id\":%llu,\"err\":{\"code\":\"%s\",\"message\":\"%s\"}}", (unsigned long long)id, code, message);
    return SIGTOOL_STATUS_ERROR;
}

/* ---- the key -------------------------------------------------------------------------------------------------------- */

/* What libcrypto's password callback needs to ask the host. */
typedef struct {
    instance *self;
    signer *signer;
    uint64_t call;
    unsigned attempt;
    bool asked, more;
    char *error; /* the host's error object, to be passed on */
} question;

static int ask_password(char *out, int size, int writing, void *data) {
    question *q = data;
    (void)writing;
    char request[512];
    uint8_t secret[1024];
    char base64[1400];
    q->asked = true;
    if (!q->signer->password[0]) return -1;
    snprintf(request, sizeof request,
             "{\"id\":%llu,\"op\":\"host.secret\",\"args\":{\"pointer\":\"%s\",\"label\":\"password of the key\",\"attempt\":%u}}",
             (unsigned long long)q->call, q->signer->password, q->attempt);
    sigtool_slice slice = {(const uint8_t *)request, strlen(request)};
    sigtool_buffer answer = {NULL, 0, 0, NULL};
    q->self->host->request(q->self->host->ctx, q->call, slice, &answer);
    json reply = json_parse((const char *)answer.ptr, answer.len), error = json_get(reply, "err");
    json ok = json_get(reply, "ok");
    int len = -1;
    if (error.p) {
        q->error = calloc(1, error.len + 1);
        if (q->error) memcpy(q->error, error.p, error.len);
    } else if (json_string(json_get(ok, "value"), base64, sizeof base64)) {
        size_t n = strlen(base64), padding = (n > 0 && base64[n - 1] == '=') + (n > 1 && base64[n - 2] == '=');
        len = EVP_DecodeBlock(secret, (const unsigned char *)base64, (int)n);
        if (len >= 0) len -= (int)padding;
        if (len > size) len = -1;
        if (len > 0) memcpy(out, secret, (size_t)len);
        q->more = json_is(json_get(ok, "more"), 't');
    }
    OPENSSL_cleanse(base64, sizeof base64);
    OPENSSL_cleanse(secret, sizeof secret);
    if (answer.free) answer.free(&answer);
    return len;
}

static bool is_p256(EVP_PKEY *key) {
    char group[32];
    size_t len;
    return EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof group, &len) == 1 &&
           strcmp(group, "prime256v1") == 0;
}

/* Loads the key, unless it is there already. On failure the reply is written, and false returned. */
static bool load(instance *self, signer *s, uint64_t call, sigtool_buffer *reply) {
    if (s->key) return true;
    question q = {.self = self, .signer = s, .call = call, .more = true};
    for (; !s->key && q.more && !q.error; q.attempt++) {
        BIO *file = BIO_new_file(s->path, "r");
        if (!file) {
            ERR_clear_error();
            fail(reply, call, access(s->path, F_OK) ? "not-found" : "access-denied", "cannot open the file of the key");
            return false;
        }
        q.more = false;
        s->key = PEM_read_bio_PrivateKey(file, NULL, ask_password, &q);
        BIO_free(file);
        ERR_clear_error();
    }
    if (s->key && is_p256(s->key)) return true;
    if (q.error) {
        put(reply, "{\"id\":%llu,\"err\":%s}", (unsigned long long)call, q.error);
    } else if (s->key) {
        fail(reply, call, "invalid-request", "the key is not an ECDSA P-256 key");
    } else if (q.asked) {
        fail(reply, call, "auth-required",
             s->password[0] ? "the password does not open the key" : "the key has a password, and the settings have none");
    } else {
        fail(reply, call, "invalid-request", "the file holds no private key in PEM");
    }
    free(q.error);
    EVP_PKEY_free(s->key);
    s->key = NULL;
    return false;
}

/* The public key as JSON, to be freed; null if libcrypto fails. */
static char *public_key_json(EVP_PKEY *key) {
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    char *text = len > 0 ? malloc((size_t)len * 4 / 3 + 64) : NULL;
    if (text) {
        int at = sprintf(text, "{\"algorithm\":\"ecdsa-p256\",\"spki\":\"");
        at += EVP_EncodeBlock((unsigned char *)text + at, der, len);
        strcpy(text + at, "\"}");
    }
    OPENSSL_free(der);
    return text;
}

/* ---- operations ----------------------------------------------------------------------------------------------------- */

static int32_t describe(uint64_t id, sigtool_buffer *reply) {
    put(reply,
        "{\"id\":%llu,\"ok\":{\"id\":\"" ID "\",\"version\":\"" VERSION
        "\",\"kinds\":[\"signer\"],\"capabilities\":[],\"max_in_flight\":1}}",
        (unsigned long long)id);
    return SIGTOOL_STATUS_OK;
}

static int32_t wrong_setting(sigtool_buffer *reply, uint64_t id, const char *field, const char *message) {
    put(reply, "{\"id\":%llu,\"err\":{\"code\":\"invalid-config\",\"message\":\"%s\",\"field\":\"%s\"}}",
        (unsigned long long)id, message, field);
    return SIGTOOL_STATUS_ERROR;
}

static int32_t open_signer(instance *self, uint64_t id, json args, sigtool_buffer *reply) {
    json kind = json_get(args, "kind"), configuration = json_get(args, "configuration");
    if (!json_is(kind, '"')) return fail(reply, id, "invalid-request", "`open` without a kind");
    if (!json_equals(kind, "signer")) return fail(reply, id, "unsupported", "this backend serves signers only");
    signer opened = {.open = true};
    if (!json_string(json_get(configuration, "key"), opened.path, sizeof opened.path))
        return wrong_setting(reply, id, "/key", "`key` must be the path of a PEM file");
    json password = json_get(configuration, "password");
    if (password.p && !json_string(json_get(password, "secret"), opened.password, sizeof opened.password))
        return wrong_setting(reply, id, "/password", "`password` must be a reference to a secret");
    /* The pointer goes into a request as it is, so it must need no escapes; those of one's own settings never do. */
    if (strpbrk(opened.password, "\"\\\n\r\t")) return wrong_setting(reply, id, "/password", "a pointer with strange characters");
    for (int i = 0; i < MAX_HANDLES; i++) {
        if (self->signers[i].open) continue;
        self->signers[i] = opened;
        put(reply, "{\"id\":%llu,\"ok\":{\"handle\":%d}}", (unsigned long long)id, i + 1);
        return SIGTOOL_STATUS_OK;
    }
    return fail(reply, id, "unavailable", "too many handles are open");
}

static void close_signer(signer *s) {
    EVP_PKEY_free(s->key);
    memset(s, 0, sizeof *s);
}

/* Whether `args.key` is absent, or names the key that the settings name. */
static bool is_our_key(signer *s, json args) {
    char name[MAX_PATH];
    json key = json_get(args, "key");
    return !key.p || (json_string(key, name, sizeof name) && strcmp(name, s->path) == 0);
}

static int32_t public_key(instance *self, signer *s, uint64_t id, json args, sigtool_buffer *reply) {
    if (!is_our_key(s, args)) return fail(reply, id, "not-found", "there is no key of that name");
    if (!load(self, s, id, reply)) return SIGTOOL_STATUS_ERROR;
    char *key = public_key_json(s->key);
    if (!key) return fail(reply, id, "internal", "libcrypto cannot encode the public key");
    put(reply, "{\"id\":%llu,\"ok\":{\"public_key\":%s,\"digest\":\"sha256\"}}", (unsigned long long)id, key);
    free(key);
    return SIGTOOL_STATUS_OK;
}

/* Decodes `sha256:` and 64 digits. */
static bool parse_digest(json value, unsigned char digest[32]) {
    char text[160];
    if (!json_string(value, text, sizeof text) || strncmp(text, "sha256:", 7) != 0 || strlen(text) != 71) return false;
    for (int i = 0; i < 32; i++) {
        int high = json_hex(text[7 + 2 * i]), low = json_hex(text[8 + 2 * i]);
        if (high < 0 || low < 0) return false;
        digest[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static int32_t sign(instance *self, signer *s, uint64_t id, json args, sigtool_buffer *reply) {
    unsigned char digest[32], signature[128], base64[256];
    size_t len = sizeof signature;
    if (!is_our_key(s, args)) return fail(reply, id, "not-found", "there is no key of that name");
    if (!parse_digest(json_get(args, "digest"), digest))
        return fail(reply, id, "invalid-request", "the key signs SHA-256 digests, and this is none");
    if (!load(self, s, id, reply)) return SIGTOOL_STATUS_ERROR;
    if (self->host->cancelled(self->host->ctx, id)) return fail(reply, id, "cancelled", "cancelled");
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(s->key, NULL);
    bool done = context && EVP_PKEY_sign_init(context) == 1 &&
                EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
                EVP_PKEY_sign(context, signature, &len, digest, sizeof digest) == 1;
    EVP_PKEY_CTX_free(context);
    char *key = done ? public_key_json(s->key) : NULL;
    if (!key) return fail(reply, id, "internal", "libcrypto cannot sign");
    EVP_EncodeBlock(base64, signature, (int)len);
    put(reply, "{\"id\":%llu,\"ok\":{\"signature\":\"%s\",\"algorithm\":\"ecdsa-p256\",\"verifier\":{\"public_key\":%s}}}",
        (unsigned long long)id, (char *)base64, key);
    free(key);
    return SIGTOOL_STATUS_OK;
}

/* ---- the table ------------------------------------------------------------------------------------------------------ */

static int32_t create(const sigtool_host_v1 *host, sigtool_slice hello, void **made, sigtool_buffer *reply) {
    json theirs = json_get(json_parse((const char *)hello.ptr, hello.len), "protocol");
    uint64_t protocol = 0;
    bool common = false;
    /* A list of numbers: [1] today, maybe [1,2] one day. */
    for (const char *p = theirs.p; p && p < theirs.p + theirs.len; p++) {
        size_t digits = strspn(p, "0123456789");
        if (digits > 0 && json_number((json){p, digits}, &protocol)) common |= protocol == 1;
        p += digits;
    }
    instance *self = common ? calloc(1, sizeof *self) : NULL;
    *made = self;
    if (!self) {
        const char *code = common ? "unavailable" : "unsupported";
        put(reply, "{\"err\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, common ? "out of memory" : "no protocol in common");
        return SIGTOOL_STATUS_ERROR;
    }
    self->host = host;
    put(reply, "{\"protocol\":[1],\"id\":\"" ID "\",\"version\":\"" VERSION "\",\"capabilities\":[]}");
    return SIGTOOL_STATUS_OK;
}

static int32_t serve(void *made, uint64_t call, sigtool_slice text, sigtool_buffer *reply) {
    instance *self = made;
    json request = json_parse((const char *)text.ptr, text.len), op = json_get(request, "op"), args = json_get(request, "args");
    uint64_t id = 0, handle = 0;
    (void)call; /* equals the id */
    if (!json_number(json_get(request, "id"), &id) || !json_is(op, '"') || (args.p && !json_is(args, '{')))
        return fail(reply, id, "invalid-request", "malformed request");
    if (json_equals(op, "describe")) return describe(id, reply);
    if (json_equals(op, "open")) return open_signer(self, id, args, reply);
    bool to_close = json_equals(op, "close"), to_sign = json_equals(op, "signer.sign");
    if (!to_close && !to_sign && !json_equals(op, "signer.public_key"))
        return fail(reply, id, "unsupported", "this backend has no such operation");
    json_number(json_get(request, "handle"), &handle);
    if (handle < 1 || handle > MAX_HANDLES || !self->signers[handle - 1].open)
        return fail(reply, id, "invalid-request", "there is no such handle");
    signer *s = &self->signers[handle - 1];
    if (to_sign) return sign(self, s, id, args, reply);
    if (!to_close) return public_key(self, s, id, args, reply);
    close_signer(s);
    put(reply, "{\"id\":%llu,\"ok\":{}}", (unsigned long long)id);
    return SIGTOOL_STATUS_OK;
}

static void destroy(void *made) {
    instance *self = made;
    for (int i = 0; i < MAX_HANDLES; i++) close_signer(&self->signers[i]);
    free(self);
}

SIGTOOL_EXPORT const sigtool_backend_v1_table *sigtool_backend_v1(void) {
    static const char build[] = "c-signer " VERSION;
    static sigtool_backend_v1_table table = {
        .header = {SIGTOOL_MAGIC, sizeof table, SIGTOOL_ABI_MAJOR, SIGTOOL_ABI_MINOR, 0, 0, 0},
        .id = {(const uint8_t *)ID, sizeof ID - 1},
        .build = {(const uint8_t *)build, sizeof build - 1},
        .create = create,
        .call = serve,
        .destroy = destroy,
    };
    return &table;
}
