/*
 * A shared library that misbehaves in one way, chosen by -DROGUE_<NAME>; without any, it is honest.
 *
 * It reads requests with strstr alone, since its host is known to write them without spaces.
 */
#define _GNU_SOURCE
#include "sigtool.h"
#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ID "dev.example.rogue"

SIGTOOL_MANIFEST("manifest = 1\n"
                 "id = \"" ID "\"\n"
                 "version = \"1.0.0\"\n"
                 "summary = \"misbehaves\"\n"
                 "kinds = [\"signer\"]\n"
                 "[config.signer]\n"
                 "password = { type = \"secret\" }\n");

typedef struct {
    const sigtool_host_v1 *host;
    uint64_t earlier; /* a call that has ended */
} instance;

static void free_buffer(sigtool_buffer *buffer) {
    free(buffer->ptr);
    buffer->ptr = NULL;
}

static void put_bytes(sigtool_buffer *reply, const char *bytes, size_t len) {
    char *copy = malloc(len + 1);
    memcpy(copy, bytes, len);
    copy[len] = 0;
    *reply = (sigtool_buffer){(uint8_t *)copy, len, len + 1, free_buffer};
}

static int32_t put(sigtool_buffer *reply, uint64_t id, const char *kind, const char *body) {
    char *text = malloc(strlen(body) + 64);
    int len = sprintf(text, "{\"id\":%llu,\"%s\":%s}", (unsigned long long)id, kind, body);
    put_bytes(reply, text, (size_t)len);
    free(text);
    return strcmp(kind, "ok") == 0 ? SIGTOOL_STATUS_OK : SIGTOOL_STATUS_ERROR;
}

/* Asks the host; the answer ends with a zero byte and is never freed. */
__attribute__((unused)) static const char *ask(instance *self, uint64_t call, const char *op, const char *args) {
    char request[512];
    sigtool_buffer answer = {NULL, 0, 0, NULL};
    snprintf(request, sizeof request, "{\"id\":%llu,\"op\":\"%s\",\"args\":%s}", (unsigned long long)call, op, args);
    sigtool_slice slice = {(const uint8_t *)request, strlen(request)};
    self->host->request(self->host->ctx, call, slice, &answer);
    char *text = calloc(1, answer.len + 1);
    if (answer.len > 0) memcpy(text, answer.ptr, answer.len);
    if (answer.free) answer.free(&answer);
    return text;
}

__attribute__((unused)) static void trace(instance *self, const char *text) {
    sigtool_slice slice = {(const uint8_t *)text, strlen(text)};
    self->host->trace(self->host->ctx, 2, slice);
}

static int32_t public_key(instance *self, uint64_t id, sigtool_buffer *reply) {
#if defined(ROGUE_CLAIMS_A_KEY)
    const char *key = KEY_OF_ANOTHER;
#else
    const char *key = KEY_OURS;
#endif
    char body[512];
    self->earlier = id;
    snprintf(body, sizeof body, "{\"public_key\":{\"algorithm\":\"ecdsa-p256\",\"spki\":\"%s\"}}", key);
    return put(reply, id, "ok", body);
}

static int32_t signed_with(uint64_t id, sigtool_buffer *reply, const char *signature, const char *key) {
    char body[1024];
    snprintf(body, sizeof body,
             "{\"signature\":\"%s\",\"algorithm\":\"ecdsa-p256\",\"verifier\":{\"public_key\":{\"algorithm\":\"ecdsa-p256\",\"spki\":"
             "\"%s\"}}}",
             signature, key);
    return put(reply, id, "ok", body);
}

__attribute__((unused)) static int32_t honest(uint64_t id, sigtool_buffer *reply) {
    return signed_with(id, reply, SIGNATURE_GOOD, KEY_OURS);
}

/* Passes the host's refusal on. If the host has answered, it should not have: then the rogue signs, and the test sees it. */
__attribute__((unused)) static int32_t only_if_answered(uint64_t id, sigtool_buffer *reply, const char *answer) {
    if (strstr(answer, "\"err\"") == NULL) return honest(id, reply);
    return put(reply, id, "err", "{\"code\":\"access-denied\",\"message\":\"the host refused a request\"}");
}

#if defined(ROGUE_PRINTS_SECRETS)
/* Decodes standard Base64 as far as it goes. */
static void decode(const char *base64, char *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0, n = 0;
    for (const char *d; *base64 && (d = strchr(digits, *base64)); base64++) {
        bits = bits << 6 | (unsigned)(d - digits);
        n += 6;
        if (n >= 8) *out++ = (char)(bits >> (n -= 8));
    }
    *out = 0;
}

static int32_t print_secrets(instance *self, uint64_t id, sigtool_buffer *reply) {
    const char *answer = ask(self, id, "host.secret", "{\"pointer\":\"/password\"}");
    const char *value = strstr(answer, "\"value\":\"");
    char secret[256] = "", body[1024];
    if (value && strlen(value) < sizeof secret) decode(value + 9, secret);
    trace(self, answer);
    trace(self, secret);
    fprintf(stderr, "%s %s\n", answer, secret);
    printf("%s %s\n", answer, secret);
    fflush(stdout);
    snprintf(body, sizeof body, "{\"code\":\"auth-required\",\"message\":\"%s is wrong\",\"causes\":[\"%s\"]}", secret, secret);
    return put(reply, id, "err", body);
}
#endif

#if defined(ROGUE_HANGS)
/* Once a test that looks for it can tell. */
static void wait_forever(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s/rogue-waits", getenv("TMPDIR"));
    FILE *mark = fopen(path, "w");
    if (mark) fclose(mark);
    for (;;) pause();
}
#endif

static int32_t sign(instance *self, uint64_t id, sigtool_buffer *reply) {
    (void)self;
#if defined(ROGUE_ABORTS)
    abort();
#elif defined(ROGUE_SEGFAULTS)
    *(volatile int *)(uintptr_t)8 = 1;
#elif defined(ROGUE_EXITS)
    exit(0);
#elif defined(ROGUE_HANGS)
    wait_forever();
#elif defined(ROGUE_FLOODS)
    for (;;) {
        if (write(1, "all work and no play makes a dull backend\n", 42) < 0) usleep(1000);
        trace(self, "all work and no play makes a dull backend");
    }
#elif defined(ROGUE_SENDS_GARBAGE)
    put_bytes(reply, "\xff\xfe not JSON\0 at all", 20);
    return SIGTOOL_STATUS_OK;
#elif defined(ROGUE_SENDS_HALF)
    put_bytes(reply, "{\"id\":7,\"ok\":{\"signature\":\"MEU", 29);
    return SIGTOOL_STATUS_OK;
#elif defined(ROGUE_SENDS_NOTHING)
    return SIGTOOL_STATUS_OK;
#elif defined(ROGUE_SENDS_TOO_MUCH)
    size_t len = 17u << 20;
    char *text = malloc(len);
    memset(text, ' ', len);
    put_bytes(reply, text, len);
    free(text);
    return SIGTOOL_STATUS_OK;
#elif defined(ROGUE_UNKNOWN_STATUS)
    honest(id, reply);
    return -7;
#elif defined(ROGUE_ANSWERS_ANOTHER_CALL)
    return honest(id + 1, reply);
#elif defined(ROGUE_SIGNS_SOMETHING_ELSE)
    return signed_with(id, reply, SIGNATURE_OF_SOMETHING_ELSE, KEY_OURS);
#elif defined(ROGUE_RETURNS_ANOTHER_KEY)
    return signed_with(id, reply, SIGNATURE_BY_ANOTHER, KEY_OF_ANOTHER);
#elif defined(ROGUE_CLAIMS_A_KEY)
    return signed_with(id, reply, SIGNATURE_GOOD, KEY_OF_ANOTHER);
#elif defined(ROGUE_PRINTS_SECRETS)
    return print_secrets(self, id, reply);
#elif defined(ROGUE_ASKS_TOO_LATE)
    return only_if_answered(id, reply, ask(self, self->earlier, "host.now", "{}"));
#elif defined(ROGUE_ASKS_FOR_THE_ENVIRONMENT)
    return only_if_answered(id, reply, ask(self, id, "host.env", "{\"name\":\"CANARY_TOKEN\"}"));
#elif defined(ROGUE_ASKS_FOR_OTHER_SECRETS)
    return only_if_answered(id, reply, ask(self, id, "host.secret", "{\"pointer\":\"/another\"}"));
#endif
    return honest(id, reply);
}

static int32_t create(const sigtool_host_v1 *host, sigtool_slice hello, void **made, sigtool_buffer *reply) {
    (void)hello;
#if defined(ROGUE_FAILS_TO_START)
    (void)host;
    *made = NULL;
    put(reply, 0, "err", "{\"code\":\"unavailable\",\"message\":\"the device is not plugged in\"}");
    return SIGTOOL_STATUS_ERROR;
#else
    instance *self = calloc(1, sizeof *self);
    self->host = host;
    *made = self;
#if defined(ROGUE_SPEAKS_ANOTHER_PROTOCOL)
    const char *ours = "{\"protocol\":[2],\"id\":\"" ID "\",\"version\":\"1.0.0\"}";
#else
    const char *ours = "{\"protocol\":[1],\"id\":\"" ID "\",\"version\":\"1.0.0\"}";
#endif
    put_bytes(reply, ours, strlen(ours));
    return SIGTOOL_STATUS_OK;
#endif
}

static int32_t serve(void *made, uint64_t call, sigtool_slice request, sigtool_buffer *reply) {
    char text[4096];
    size_t len = request.len < sizeof text - 1 ? request.len : sizeof text - 1;
    memcpy(text, request.ptr, len);
    text[len] = 0;
#if defined(ROGUE_DESCRIBES_ANOTHER)
    const char *described = "dev.example.honest";
#else
    const char *described = ID;
#endif
    char body[256];
    if (strstr(text, "\"op\":\"describe\"")) {
        snprintf(body, sizeof body, "{\"id\":\"%s\",\"version\":\"1.0.0\",\"kinds\":[\"signer\"],\"max_in_flight\":1}", described);
        return put(reply, call, "ok", body);
    }
    if (strstr(text, "\"op\":\"open\"")) return put(reply, call, "ok", "{\"handle\":1}");
    if (strstr(text, "\"op\":\"close\"")) return put(reply, call, "ok", "{}");
    if (strstr(text, "\"op\":\"signer.public_key\"")) return public_key(made, call, reply);
    if (strstr(text, "\"op\":\"signer.sign\"")) return sign(made, call, reply);
    return put(reply, call, "err", "{\"code\":\"unsupported\",\"message\":\"unknown operation\"}");
}

static void destroy(void *made) {
    free(made);
}

static sigtool_backend_v1_table table = {
    .header = {SIGTOOL_MAGIC, sizeof table, SIGTOOL_ABI_MAJOR, SIGTOOL_ABI_MINOR, 0, 0, 0},
    .id = {(const uint8_t *)ID, sizeof ID - 1},
    .build = {(const uint8_t *)"rogue", 5},
    .create = create,
    .call = serve,
    .destroy = destroy,
};

#if defined(ROGUE_ABORTS_AT_LOAD)
__attribute__((constructor)) static void at_load(void) {
    abort();
}
#endif

#if defined(ROGUE_IS_OF_THE_FUTURE)
SIGTOOL_EXPORT const sigtool_backend_v1_table *sigtool_backend_v2(void);
SIGTOOL_EXPORT const sigtool_backend_v1_table *sigtool_backend_v2(void) {
    return &table;
}
#elif !defined(ROGUE_EXPORTS_NOTHING)
SIGTOOL_EXPORT const sigtool_backend_v1_table *sigtool_backend_v1(void) {
#if defined(ROGUE_CLAIMS_A_FUTURE_MAJOR)
    table.header.abi_major = 2;
#elif defined(ROGUE_NEEDS_A_NEWER_MINOR)
    table.header.need_minor = 9;
#elif defined(ROGUE_HAS_NO_TABLE)
    return NULL;
#elif defined(ROGUE_HAS_ANOTHER_MAGIC)
    table.header.magic ^= 1;
#elif defined(ROGUE_HAS_A_SHORT_TABLE)
    table.header.struct_size = 40;
#elif defined(ROGUE_LACKS_A_FUNCTION)
    table.call = NULL;
#endif
    return &table;
}
#endif
