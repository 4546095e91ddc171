#include "reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "assert.h"
#include "token.h"

/* A user callback's error, and why. */
enum { STOP = HPE_USER };

static struct reply *reply_of(llhttp_t *parser)
{
    return (struct reply *)((char *)parser - offsetof(struct reply, parser));
}

/* ---- the head ---- */

static void span_add(const struct reply *r, struct head_span *span, const char *at, size_t len)
{
    if (span->len == 0)
        span->at = (uint16_t)(at - r->base);
    span->len = (uint16_t)(span->len + len);
}

static int on_status(llhttp_t *parser, const char *at, size_t len)
{
    struct reply *r = reply_of(parser);
    span_add(r, &r->reason, at, len);
    return 0;
}

static int on_head_field(struct reply *r, const char *at, size_t len)
{
    if (r->is_value_next || r->header_count == 0) {
        if (r->header_count == REPLY_MAX_HEADERS) {
            r->is_too_large = true;
            return STOP;
        }
        r->headers[r->header_count++] = (struct head_header){{0, 0}, {0, 0}};
        r->is_value_next = false;
    }
    span_add(r, &r->headers[r->header_count - 1].name, at, len);
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    reply_of(parser)->is_complete = true;
    return HPE_PAUSED;
}

/* ---- the body ---- */

/* Data moves up behind what there is already: the parser does not look back. */
static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct reply *r = reply_of(parser);
    char *end = (char *)(uintptr_t)r->data.ptr + r->data.len;
    if (r->data.len == 0)
        r->data.ptr = at;
    else if (at != end)
        memmove(end, at, len);
    r->data.len += len;
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    reply_of(parser)->is_message_complete = true;
    return HPE_PAUSED;
}

/* Trailers are copied: they may come in several reads. */
static int trailer_add(struct reply *r, bool is_name, const char *at, size_t len)
{
    struct reply_trailers *t = r->trailers;
    if (!t && !(t = r->trailers = calloc(1, sizeof *t)))
        return STOP;
    if (is_name && (t->is_value_next || t->count == 0)) {
        if (t->count == REPLY_MAX_TRAILERS)
            return STOP;
        t->fields[t->count++] = (struct head_header){{t->len, 0}, {t->len, 0}};
    }
    t->is_value_next = !is_name;
    if (len > sizeof t->bytes - t->len)
        return STOP;
    struct head_header *f = &t->fields[t->count - 1];
    struct head_span *span = is_name ? &f->name : &f->value;
    if (span->len == 0)
        span->at = t->len;
    memcpy(t->bytes + t->len, at, len);
    span->len = (uint16_t)(span->len + len);
    t->len = (uint16_t)(t->len + len);
    return 0;
}

static int trailer_put(struct reply *r, bool is_name, const char *at, size_t len)
{
    int rc = trailer_add(r, is_name, at, len);
    r->is_too_large = rc != 0;
    return rc;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct reply *r = reply_of(parser);
    return r->is_complete ? trailer_put(r, true, at, len) : on_head_field(r, at, len);
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct reply *r = reply_of(parser);
    if (r->is_complete)
        return trailer_put(r, false, at, len);
    r->is_value_next = true;
    span_add(r, &r->headers[r->header_count - 1].value, at, len);
    return 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct reply *r = reply_of(parser); /* an empty value has no span */
    if (!r->is_complete)
        r->is_value_next = true;
    else if (r->trailers)
        r->trailers->is_value_next = true;
    return 0;
}

static const llhttp_settings_t settings = {
    .on_status = on_status,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void reply_begin(struct reply *r, uint32_t max_bytes)
{
    weft_assert(max_bytes <= REPLY_MAX_BYTES);
    llhttp_init(&r->parser, HTTP_RESPONSE, &settings);
    r->fed = 0;
    r->max_bytes = max_bytes;
    r->header_count = 0;
    r->is_value_next = r->is_complete = r->is_too_large = r->is_message_complete = false;
    r->reason = (struct head_span){0, 0};
    r->data = (weft_str){NULL, 0};
    r->trailers = NULL;
    r->length = -1;
}

void reply_done(struct reply *r)
{
    free(r->trailers);
    r->trailers = NULL;
}

int reply_parse(struct reply *r, const char *base, size_t len, uint32_t *ret_len)
{
    size_t bounded = len < r->max_bytes ? len : r->max_bytes;
    r->base = base;
    if (bounded > r->fed) {
        llhttp_errno_t err = llhttp_execute(&r->parser, base + r->fed, bounded - r->fed);
        if (r->is_complete) {
            *ret_len = (uint32_t)(llhttp_get_error_pos(&r->parser) - base);
            return 1;
        }
        r->fed = (uint32_t)bounded;
        if (err != HPE_OK)
            return r->is_too_large ? -EMSGSIZE : -EPROTO;
    }
    return bounded < r->max_bytes ? 0 : -EMSGSIZE;
}

/* Slices lose the white space at their end (RFC 9110 section 5.5). A line that was folded has spans
 * that do not meet: section 5.2 of RFC 9112 lets a reader refuse it. */
static bool trim(const struct reply *r, struct head_span *span)
{
    while (span->len &&
           (r->base[span->at + span->len - 1] == ' ' || r->base[span->at + span->len - 1] == '\t'))
        span->len--;
    return !memchr(r->base + span->at, '\n', span->len);
}

static bool is_name(const struct reply *r, const struct head_header *h, weft_str name)
{
    return h->name.len == name.len && token_eq(reply_slice(r, h->name), name);
}

static bool has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

int reply_check(struct reply *r, bool is_head_request)
{
    const llhttp_t *p = &r->parser;
    unsigned codings = 0;
    if (p->http_major != 1 || p->http_minor > 1 || p->status_code < 100)
        return -EPROTO;
    for (unsigned i = 0; i < r->header_count; i++) {
        struct head_header *h = &r->headers[i];
        if (!trim(r, &h->value))
            return -EPROTO;
        if (h->name.len == 17 && is_name(r, h, WEFT_STR("transfer-encoding"))) {
            /* One that we do not know, or in HTTP/1.0: who knows where it ends (section 6.1). */
            if (++codings > 1 || p->http_minor == 0 ||
                !token_eq(reply_slice(r, h->value), WEFT_STR("chunked")))
                return -EPROTO;
        }
    }
    bool has_length = p->flags & F_CONTENT_LENGTH;
    if ((codings && has_length) || (has_length && p->content_length > INT64_MAX))
        return -EPROTO; /* the smuggler's pair */
    if (has_length)
        r->length = (int64_t)p->content_length;
    r->keeps_alive = p->http_minor == 1 ? !(p->flags & F_CONNECTION_CLOSE)
                                        : (p->flags & F_CONNECTION_KEEP_ALIVE) != 0;
    if (has_no_body(p->status_code) || is_head_request) {
        r->body = REPLY_NONE;
        if (codings && !is_head_request)
            r->keeps_alive = false; /* not allowed there: a body may follow all the same */
    } else if (codings) {
        r->body = REPLY_CHUNKED;
    } else if (has_length) {
        r->body = r->length ? REPLY_SIZED : REPLY_NONE;
    } else {
        r->body = REPLY_TO_END;
        r->keeps_alive = false;
    }
    return 0;
}

ssize_t reply_decode(struct reply *r, char *from, size_t len)
{
    r->data = (weft_str){from, 0};
    llhttp_resume(&r->parser);
    llhttp_errno_t err = llhttp_execute(&r->parser, from, len);
    if (err == HPE_OK)
        return (ssize_t)len;
    if (err == HPE_PAUSED && r->is_message_complete)
        return llhttp_get_error_pos(&r->parser) - from;
    return r->is_too_large ? (r->trailers ? -EMSGSIZE : -ENOMEM) : -EPROTO;
}

weft_str reply_find(const struct reply *r, weft_str name)
{
    for (unsigned i = 0; i < r->header_count; i++)
        if (is_name(r, &r->headers[i], name))
            return reply_slice(r, r->headers[i].value);
    return (weft_str){NULL, 0};
}

weft_str reply_find_trailer(const struct reply *r, weft_str name)
{
    for (unsigned i = 0; r->trailers && i < r->trailers->count; i++)
        if (token_eq(reply_trailer_slice(r, r->trailers->fields[i].name), name))
            return token_trim(reply_trailer_slice(r, r->trailers->fields[i].value));
    return (weft_str){NULL, 0};
}
