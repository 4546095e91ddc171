/* echo.c: tells a client what it sent: the request as JSON. */
#include <errno.h>
#include <stdbool.h>

#include "handlers.h"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Base64 (RFC 4648 section 4) in the request's memory; {NULL, 0} when memory is out. */
static weft_str to_base64(weft_http *h, weft_str data)
{
    const unsigned char *from = (const unsigned char *)data.ptr;
    char *text = weft_alloc(h, (data.len + 2) / 3 * 4 + 1);
    size_t len = 0;
    for (size_t i = 0; text && i < data.len; i += 3) {
        size_t left = data.len - i;
        unsigned bits = (unsigned)from[i] << 16;
        bits |= left > 1 ? (unsigned)from[i + 1] << 8 : 0;
        bits |= left > 2 ? from[i + 2] : 0;
        text[len++] = base64_digits[bits >> 18];
        text[len++] = base64_digits[bits >> 12 & 63];
        text[len++] = left > 1 ? base64_digits[bits >> 6 & 63] : '=';
        text[len++] = left > 2 ? base64_digits[bits & 63] : '=';
    }
    weft_str s = {text, len};
    return s;
}

/* Whether all is UTF-8 (RFC 3629) without NUL: then it goes as text. */
static bool is_text(weft_str s)
{
    for (size_t i = 0; i < s.len;) {
        unsigned char ch = (unsigned char)s.ptr[i];
        size_t more = ch < 0x80                 ? 0
                      : ch >= 0xc2 && ch < 0xe0 ? 1
                      : ch >= 0xe0 && ch < 0xf0 ? 2
                      : ch >= 0xf0 && ch < 0xf5 ? 3
                                                : 4;
        if (ch == 0 || more == 4 || more >= s.len - i)
            return false;
        for (size_t k = 1; k <= more; k++)
            if (((unsigned char)s.ptr[i + k] & 0xc0) != 0x80)
                return false;
        unsigned char second = more ? (unsigned char)s.ptr[i + 1] : 0;
        if ((ch == 0xe0 && second < 0xa0) || (ch == 0xed && second > 0x9f) ||
            (ch == 0xf0 && second < 0x90) || (ch == 0xf4 && second > 0x8f))
            return false;
        i += more + 1;
    }
    return true;
}

static int write_json_str(weft_http *h, weft_str s)
{
    char *text = weft_alloc(h, s.len * 6 + 2);
    if (!text)
        return -ENOMEM;
    return weft_write(h, text, weft_json_quote(text, s));
}

static int write_headers(weft_http *h)
{
    weft_str name, value;
    int rc = 0;
    for (size_t i = 0; rc == 0 && weft_header_at(h, i, &name, &value); i++) {
        rc = weft_writef(h, "%s[", i ? "," : "");
        if (rc == 0)
            rc = write_json_str(h, name);
        if (rc == 0)
            rc = weft_write(h, ",", 1);
        if (rc == 0)
            rc = write_json_str(h, value);
        if (rc == 0)
            rc = weft_write(h, "]", 1);
    }
    return rc;
}

/* One member; absent text is null. */
static int write_member(weft_http *h, const char *name, weft_str value)
{
    int rc = weft_writef(h, "\"%s\":", name);
    if (rc == 0)
        rc = value.ptr ? write_json_str(h, value) : weft_write(h, "null", 4);
    return rc == 0 ? weft_write(h, ",", 1) : rc;
}

int handler_echo(weft_http *h, void *arg)
{
    (void)arg;
    weft_str body;
    int rc = weft_body_all(h, &body);
    if (rc < 0)
        return rc;
    bool as_text = is_text(body);
    weft_str shown = as_text ? body : to_base64(h, body);
    if (!shown.ptr)
        return -ENOMEM;
    struct {
        const char *name;
        weft_str value;
    } members[] = {
        {"method", weft_method(h)},
        {"target", weft_target(h)},
        {"path", weft_path(h)},
        {"query", weft_query_string(h)},
        {"peer", weft_peer(h)},
        {"body", shown},
        {"body_encoding", weft_cstr(as_text ? "utf-8" : "base64")},
    };
    rc = weft_set_header(h, "Content-Type", "application/json");
    if (rc == 0)
        rc = weft_write(h, "{", 1);
    for (size_t i = 0; rc == 0 && i < sizeof members / sizeof *members; i++)
        rc = write_member(h, members[i].name, members[i].value);
    if (rc == 0)
        rc = weft_writef(h, "\"headers\":[");
    if (rc == 0)
        rc = write_headers(h);
    return rc == 0 ? weft_writef(h, "]}\n") : rc;
}
