/* mw_compress.c: bodies compressed on their way out, whole or as they stream. */
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <weft/middleware.h>

#include "accept.h"
#include "encoder.h"
#include "exchange.h"
#include "token.h"

enum { MIN_BYTES = 1024, GZIP_LEVEL = 5, BROTLI_LEVEL = 4, ZSTD_LEVEL = 3 };

static const weft_compress_opts defaults;

struct compression {
    struct body_filter filter;
    const weft_compress_opts *opts;
    struct encoder *encoder; /* of a stream */
};

/* ---- what gains by it ---- */

static bool ends_with(weft_str text, weft_str end)
{
    return text.len > end.len && strncasecmp(text.ptr + text.len - end.len, end.ptr, end.len) == 0;
}

static bool is_compressible(weft_str type)
{
    static const char *const types[] = {
        "application/json",
        "application/javascript",
        "application/xml",
        "application/wasm",
        "application/x-ndjson",
        "application/x-javascript",
        "application/graphql",
        "application/yaml",
        "application/x-yaml",
        "application/toml",
        "application/sql",
        "application/rtf",
        "application/x-sh",
        "image/bmp",
        "image/x-icon",
        "image/vnd.microsoft.icon",
        "font/ttf",
        "font/otf",
        "font/collection",
        "application/vnd.ms-fontobject",
    };
    const char *semicolon = type.len ? memchr(type.ptr, ';', type.len) : NULL;
    if (semicolon)
        type.len = (size_t)(semicolon - type.ptr);
    type = token_trim(type);
    if (type.len > 5 && strncasecmp(type.ptr, "text/", 5) == 0)
        return true;
    if (ends_with(type, WEFT_STR("+json")) || ends_with(type, WEFT_STR("+xml")))
        return true;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (token_eq(type, weft_cstr(types[i])))
            return true;
    return false;
}

static bool forbids_transform(weft_http *h)
{
    weft_str rest = weft_answer_header(h, "Cache-Control"), directive;
    while (token_list_next(&rest, &directive))
        if (token_eq(directive, WEFT_STR("no-transform")))
            return true;
    return false;
}

/* Whether this answer could be compressed, for some client. */
static bool is_candidate(weft_http *h, int status, weft_str type)
{
    weft_str own = weft_answer_header(h, "Content-Type");
    if (status < 200 || status == 204 || status == 205 || status == 206 || status == 304)
        return false;
    return is_compressible(own.ptr ? own : type) && !weft_answer_header(h, "Content-Range").ptr &&
           !weft_answer_header(h, "Content-Encoding").ptr && !forbids_transform(h);
}

/* ---- what the client takes ---- */

/* All of Accept-Encoding as one list. */
static weft_str accepted(weft_http *h)
{
    weft_str name, value, all = {NULL, 0};
    for (size_t i = 0; weft_header_at(h, i, &name, &value); i++) {
        if (!token_eq(name, WEFT_STR("accept-encoding")))
            continue;
        if (!all.len) {
            all = value;
            continue;
        }
        size_t room = all.len + value.len + 2;
        char *joined = weft_alloc(h, room);
        if (!joined)
            return all;
        snprintf(joined, room, WEFT_FMT "," WEFT_FMT, WEFT_ARG(all), WEFT_ARG(value));
        all = (weft_str){joined, room - 1};
    }
    return all;
}

/* The coding for this client, or -1. *ret_must: even a short body has to have one. */
static int negotiate(weft_http *h, const weft_compress_opts *o, bool *ret_must)
{
    const char *offered = o->codings ? o->codings : "zstd, br, gzip";
    weft_str coding = accept_coding(accepted(h), offered, ret_must);
    return coding.len ? encoder_by_name(coding) : -1;
}

static struct encoder *encoder_for(const weft_compress_opts *o, int coding)
{
    switch (coding) {
    case ENCODER_GZIP: return encoder_take(coding, o->gzip_level ? o->gzip_level : GZIP_LEVEL);
    case ENCODER_BROTLI:
        return encoder_take(coding, o->brotli_level ? o->brotli_level : BROTLI_LEVEL);
    default: return encoder_take(ENCODER_ZSTD, o->zstd_level ? o->zstd_level : ZSTD_LEVEL);
    }
}

/* ---- headers ---- */

static int add_vary(weft_http *h)
{
    weft_str rest = weft_answer_header(h, "Vary"), field;
    while (token_list_next(&rest, &field))
        if (token_eq(field, WEFT_STR("accept-encoding")) || weft_str_eq(field, WEFT_STR("*")))
            return 0;
    return weft_add_header(h, "Vary", "Accept-Encoding");
}

/* What was promised of the bytes themselves no longer holds: a strong tag becomes weak. */
static int weaken_tag(weft_http *h)
{
    weft_str tag = weft_answer_header(h, "ETag");
    if (!tag.len || tag.ptr[0] != '"')
        return 0;
    return weft_set_header_fmt(h, "ETag", "W/" WEFT_FMT, WEFT_ARG(tag));
}

static int set_encoded(weft_http *h, int coding)
{
    int rc = weft_set_header(h, "Content-Encoding", encoder_name((enum encoder_coding)coding));
    if (rc == 0)
        rc = weaken_tag(h);
    if (rc == 0)
        rc = weft_remove_header(h, "Accept-Ranges");
    return rc;
}

/* Which coding this answer gets, or -1; sets Vary where the answer depends on it. `length` -1: not
 * known. */
static int decide(weft_http *h, const weft_compress_opts *o, int status, weft_str type,
                  int64_t length)
{
    bool must;
    int coding;
    if (status == 304) { /* it stands for an answer that would have been compressed */
        if (negotiate(h, o, &must) >= 0 && add_vary(h) == 0)
            weaken_tag(h);
        return -1;
    }
    if (!is_candidate(h, status, type))
        return -1;
    coding = negotiate(h, o, &must);
    if (length >= 0 && length < (o->min_bytes ? o->min_bytes : MIN_BYTES) && !must)
        return -1;
    return add_vary(h) == 0 && length != 0 ? coding : -1;
}

/* ---- the filter ---- */

static void end_stream(weft_http *h, void *arg)
{
    struct compression *c = arg;
    (void)h;
    encoder_give(c->encoder);
    c->encoder = NULL;
}

static bool filter_begin(struct body_filter *f, weft_http *h, int status, weft_str type,
                         int64_t length)
{
    struct compression *c = (struct compression *)f;
    int coding = decide(h, c->opts, status, type, length);
    if (coding < 0)
        return false;
    if (!h->is_head_request) {
        c->encoder = encoder_for(c->opts, coding);
        if (!c->encoder)
            return false; /* no memory to spare: as it is */
        if (weft_at_end(h, end_stream, c) < 0) {
            end_stream(h, c);
            return false;
        }
    }
    return set_encoded(h, coding) == 0;
}

static int emit_to_stream(void *arg, const void *bytes, size_t len)
{
    return stream_emit(arg, bytes, len);
}

static int filter_write(struct body_filter *f, weft_http *h, const void *data, size_t len,
                        enum filter_step step)
{
    static const enum encoder_step steps[] = {ENCODER_WRITE, ENCODER_FLUSH, ENCODER_FINISH};
    struct compression *c = (struct compression *)f;
    return encoder_run(c->encoder, data, len, steps[step], emit_to_stream, h);
}

/* A buffer that what comes out must fit into, or it is not worth it. */
struct whole {
    char *bytes;
    size_t len, room;
};

static int emit_to_whole(void *arg, const void *bytes, size_t len)
{
    struct whole *w = arg;
    if (len > w->room - w->len)
        return -ENOSPC;
    memcpy(w->bytes + w->len, bytes, len);
    w->len += len;
    return 0;
}

static int filter_whole(struct body_filter *f, weft_http *h, int status, weft_str type,
                        weft_str *body)
{
    struct compression *c = (struct compression *)f;
    int coding = decide(h, c->opts, status, type, (int64_t)body->len);
    struct encoder *encoder = coding < 0 ? NULL : encoder_for(c->opts, coding);
    struct whole w = {.room = body->len};
    if (!encoder)
        return 0;
    w.bytes = weft_alloc(h, w.room);
    int rc = w.bytes ? encoder_run(encoder, body->ptr, body->len, ENCODER_FINISH, emit_to_whole, &w)
                     : -ENOMEM;
    encoder_give(encoder);
    if (rc < 0)
        return 0; /* it does not get smaller, or there is no memory: as it is */
    rc = set_encoded(h, coding);
    if (rc == 0)
        *body = (weft_str){w.bytes, w.len};
    return rc;
}

int weft_mw_compress(weft_http *h, void *arg)
{
    struct compression *c = h->filter ? NULL : weft_alloc(h, sizeof *c);
    if (c) { /* without memory, or with a filter around, it goes as it is */
        *c = (struct compression){
            {filter_begin, filter_whole, filter_write}, arg ? arg : &defaults, NULL};
        h->filter = &c->filter;
    }
    return weft_next(h);
}
