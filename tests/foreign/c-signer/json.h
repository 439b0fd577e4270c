/* As much JSON (RFC 8259) as a backend needs: checks a text once, then finds values in it without copying. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Deeper than any message of sigtool; ends a text made of brackets before the stack ends. */
#define JSON_MAX_DEPTH 64

/* A part of a text: one value, without white space around it. Absent if `p` is null. */
typedef struct {
    const char *p;
    size_t len;
} json;

static const char *json_value_end(const char *p, const char *end, int depth);

static const char *json_space(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
    return p;
}

/* The end of one UTF-8 character (RFC 3629) of several bytes, or null. */
static const char *json_utf8_end(const char *p, const char *end) {
    const unsigned char *u = (const unsigned char *)p;
    size_t n = u[0] >= 0xc2 && u[0] <= 0xdf ? 1 : (u[0] & 0xf0) == 0xe0 ? 2 : u[0] >= 0xf0 && u[0] <= 0xf4 ? 3 : 0;
    if (n == 0 || (size_t)(end - p) <= n) return NULL;
    for (size_t i = 1; i <= n; i++)
        if ((u[i] & 0xc0) != 0x80) return NULL;
    if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f)) return NULL;
    if ((u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f)) return NULL;
    return p + n + 1;
}

static int json_hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static const char *json_string_end(const char *p, const char *end) {
    for (p++; p && p < end;) {
        if (*p == '"') return p + 1;
        if ((unsigned char)*p < 0x20) return NULL;
        if ((unsigned char)*p >= 0x80) {
            p = json_utf8_end(p, end);
        } else if (*p != '\\') {
            p++;
        } else if (end - p > 5 && p[1] == 'u') {
            for (int i = 2; i < 6; i++)
                if (json_hex(p[i]) < 0) return NULL;
            p += 6;
        } else if (end - p > 1 && p[1] && strchr("\"\\/bfnrt", p[1])) {
            p += 2;
        } else {
            return NULL;
        }
    }
    return NULL;
}

static const char *json_number_end(const char *p, const char *end) {
    const char *start = p;
    if (p < end && *p == '-') p++;
    const char *digits = p;
    while (p < end && *p >= '0' && *p <= '9') p++;
    if (p == digits || (*digits == '0' && p - digits > 1)) return NULL;
    for (int part = 0; part < 2; part++) {
        if (p >= end || !(part == 0 ? *p == '.' : (*p == 'e' || *p == 'E'))) continue;
        p++;
        if (part == 1 && p < end && (*p == '+' || *p == '-')) p++;
        digits = p;
        while (p < end && *p >= '0' && *p <= '9') p++;
        if (p == digits) return NULL;
    }
    return p > start ? p : NULL;
}

/* The end of an object or array. */
static const char *json_group_end(const char *p, const char *end, int depth) {
    const bool object = *p == '{';
    const char close = object ? '}' : ']';
    p = json_space(p + 1, end);
    if (p < end && *p == close) return p + 1;
    while (p < end) {
        if (object) {
            if (*p != '"' || !(p = json_string_end(p, end))) return NULL;
            p = json_space(p, end);
            if (p >= end || *p++ != ':') return NULL;
        }
        p = json_value_end(json_space(p, end), end, depth + 1);
        if (!p) return NULL;
        p = json_space(p, end);
        if (p >= end) return NULL;
        if (*p == close) return p + 1;
        if (*p != ',') return NULL;
        p = json_space(p + 1, end);
    }
    return NULL;
}

static const char *json_value_end(const char *p, const char *end, int depth) {
    static const char *const words[] = {"true", "false", "null"};
    if (p >= end || depth > JSON_MAX_DEPTH) return NULL;
    if (*p == '{' || *p == '[') return json_group_end(p, end, depth);
    if (*p == '"') return json_string_end(p, end);
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(end - p) >= n && memcmp(p, words[i], n) == 0) return p + n;
    }
    return json_number_end(p, end);
}

/* The value that a whole text is; absent if it is malformed. */
static json json_parse(const char *text, size_t len) {
    const char *end = text + len, *p = json_space(text, end);
    const char *stop = p < end ? json_value_end(p, end, 0) : NULL;
    json none = {NULL, 0};
    if (!stop || json_space(stop, end) != end) return none;
    return (json){p, (size_t)(stop - p)};
}

/* The member of an object by its name; absent if there is none, if it is null, or if this is no object. */
static json json_get(json value, const char *name) {
    json none = {NULL, 0};
    if (!value.p || *value.p != '{') return none;
    const char *end = value.p + value.len, *p = json_space(value.p + 1, end);
    while (p < end && *p == '"') {
        const char *key = p + 1, *key_end = json_string_end(p, end);
        bool same = strlen(name) == (size_t)(key_end - 1 - key) && memcmp(key, name, strlen(name)) == 0;
        p = json_space(json_space(key_end, end) + 1, end);
        const char *stop = json_value_end(p, end, 0);
        if (same) return *p == 'n' ? none : (json){p, (size_t)(stop - p)};
        p = json_space(stop, end);
        if (p < end && *p == ',') p = json_space(p + 1, end);
    }
    return none;
}

static bool json_is(json value, char first) {
    return value.p && *value.p == first;
}

/* A whole number without sign; false for anything else. */
static bool json_number(json value, uint64_t *number) {
    *number = 0;
    if (!value.p) return false;
    for (size_t i = 0; i < value.len; i++) {
        unsigned digit = (unsigned)(value.p[i] - '0');
        if (digit > 9 || *number > (UINT64_MAX - digit) / 10) return false;
        *number = *number * 10 + digit;
    }
    return true;
}

static size_t json_put_utf8(char *out, uint32_t c) {
    if (c < 0x80) return out[0] = (char)c, 1;
    if (c < 0x800) return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000)
        return out[0] = (char)(0xe0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 63)), out[2] = (char)(0x80 | (c & 63)), 3;
    out[0] = (char)(0xf0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 63));
    return out[2] = (char)(0x80 | (c >> 6 & 63)), out[3] = (char)(0x80 | (c & 63)), 4;
}

static uint32_t json_unit(const char *digits) {
    return (uint32_t)(json_hex(digits[0]) << 12 | json_hex(digits[1]) << 8 | json_hex(digits[2]) << 4 | json_hex(digits[3]));
}

/* Decodes a string into `out`, which ends with a zero byte; false if it is none, does not fit, or holds a zero character. */
static bool json_string(json value, char *out, size_t size) {
    if (!json_is(value, '"')) return false;
    const char *p = value.p + 1, *end = value.p + value.len - 1;
    size_t n = 0;
    while (p < end) {
        if (n + 5 > size) return false;
        if (*p != '\\') {
            out[n++] = *p++;
        } else if (p[1] == 'u') {
            uint32_t c = json_unit(p + 2);
            p += 6;
            if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
                uint32_t low = json_unit(p + 2);
                if (low < 0xdc00 || low > 0xdfff) return false;
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                p += 6;
            }
            if (c == 0 || (c >= 0xd800 && c < 0xe000)) return false;
            n += json_put_utf8(out + n, c);
        } else {
            const char *from = "\"\\/bfnrt", *to = "\"\\/\b\f\n\r\t";
            out[n++] = to[strchr(from, p[1]) - from];
            p += 2;
        }
    }
    out[n] = 0;
    return true;
}

/* Whether a value is this string. */
static bool json_equals(json value, const char *text) {
    char decoded[256];
    return json_string(value, decoded, sizeof decoded) && strcmp(decoded, text) == 0;
}

#endif
