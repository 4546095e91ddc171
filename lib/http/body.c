/* body.c: the request's body, as a stream. A sized body goes straight from the socket into the
 * reader's buffer; a chunked one is decoded by llhttp in the input buffer behind the head. */
#include <errno.h>
#include <strings.h>

#include "assert.h"
#include "exchange.h"
#include "request_context.h"

int body_begin(weft_http *h)
{
    const llhttp_t *p = &h->head.parser;
    h->body = BODY_NONE;
    h->body_error = 0;
    h->is_body_done = true;
    h->awaits_continue = h->is_body_beside = false;
    h->body_left = h->body_read = 0;
    h->body_limit = h->server->opts.max_body;
    h->body_received = h->body_waited = 0;
    h->trailers = NULL;
    if (p->flags & F_CHUNKED) {
        h->body = BODY_CHUNKED;
        h->head.trailers = &h->trailers;
        h->head.arena = &h->arena;
        h->is_body_done = false;
    } else if (p->content_length > 0) {
        if (p->content_length > INT64_MAX)
            return 413;
        h->body = BODY_SIZED;
        h->body_left = (int64_t)p->content_length;
        h->is_body_done = false;
    }
    if (h->head.parser.http_minor == 1) {
        weft_str expect = head_find(&h->head, "expect", 6);
        if (expect.ptr && (expect.len != 12 || strncasecmp(expect.ptr, "100-continue", 12) != 0))
            return 417;
        h->awaits_continue = expect.ptr && !h->is_body_done;
    }
    return 0;
}

/* Before waiting for the client: what he waits for goes out first. */
static int let_client_go_on(weft_http *h)
{
    if (h->is_body_beside)
        return 0;
    if (h->awaits_continue && h->answer == ANSWER_NONE) {
        int rc = wire_put(h, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        if (rc < 0)
            return rc;
    }
    h->awaits_continue = false;
    return wire_flush(h);
}

int body_let_beside(weft_http *h)
{
    int rc = let_client_go_on(h);
    h->is_body_beside = rc == 0;
    return rc;
}

enum { EARNED_MAX_S = 1 << 30 };

/* When a client will have sent too little: after a pause as long as the body timeout, or when all
 * his pauses together are longer than it and than his bytes take at the least rate. What the
 * handler does between its reads is not his fault. */
static int64_t patience_until(const weft_http *h, int64_t now)
{
    const weft_serve_opts *opts = &h->server->opts;
    int64_t patience = opts->body_timeout;
    if (opts->min_body_rate > 0) {
        int64_t earned = h->body_received / opts->min_body_rate;
        earned = (earned < EARNED_MAX_S ? earned : EARNED_MAX_S) * WEFT_SEC;
        int64_t left = opts->body_timeout + earned - h->body_waited;
        patience = left < patience ? left : patience;
    }
    int64_t until = now + (patience > 0 ? patience : 0);
    return h->deadline && h->deadline < until ? h->deadline : until;
}

/* Reads from the connection; the end of the stream is an error inside of a body. */
static ssize_t receive(weft_http *h, void *buf, size_t len)
{
    int rc = let_client_go_on(h);
    if (rc < 0)
        return rc;
    int64_t began = weft_now();
    weft_conn_set_read_deadline(h->conn, patience_until(h, began));
    struct own_wait wait;
    own_wait_begin(h, &wait);
    ssize_t n = weft_conn_read(h->conn, buf, len);
    own_wait_end(&wait);
    h->body_waited += weft_now() - began;
    h->body_received += n > 0 ? n : 0;
    return n == 0 ? -ECONNRESET : n;
}

static ssize_t read_sized(weft_http *h, char *buf, size_t len)
{
    if ((int64_t)len > h->body_left)
        len = (size_t)h->body_left;
    size_t buffered = h->in_len - h->in_at;
    ssize_t n;
    if (buffered) {
        n = (ssize_t)(len < buffered ? len : buffered);
        memcpy(buf, h->in + h->in_at, (size_t)n);
        h->in_at += (uint32_t)n;
    } else {
        n = receive(h, buf, len);
        if (n < 0)
            return n;
    }
    h->body_left -= n;
    h->is_body_done = h->body_left == 0;
    return n;
}

/* Decodes until there is a span of data, or the body's end. */
static int decode(weft_http *h)
{
    struct head *head = &h->head;
    while (head->body_span.len == 0 && !head->is_message_complete) {
        if (h->in_at == h->in_len) { /* the part behind the head is free again */
            h->in_at = h->in_len = h->body_at;
            ssize_t n = receive(h, h->in + h->in_len, IN_BYTES - h->in_len);
            if (n < 0)
                return (int)n;
            h->in_len += (uint32_t)n;
        }
        const char *from = h->in + h->in_at;
        llhttp_resume(&head->parser);
        llhttp_errno_t err = llhttp_execute(&head->parser, from, h->in_len - h->in_at);
        if (err == HPE_PAUSED)
            h->in_at = (uint32_t)(llhttp_get_error_pos(&head->parser) - h->in);
        else if (err == HPE_OK)
            h->in_at = h->in_len;
        else
            return err == HPE_USER ? -E2BIG : -EINVAL; /* trailers past their limit */
    }
    return 0;
}

static ssize_t read_chunked(weft_http *h, char *buf, size_t len)
{
    int rc = decode(h);
    if (rc < 0)
        return rc;
    weft_str *span = &h->head.body_span;
    if (span->len == 0) {
        h->is_body_done = true;
        return 0;
    }
    size_t n = len < span->len ? len : span->len;
    if (h->body_read + (int64_t)n > h->body_limit)
        return -EMSGSIZE;
    memcpy(buf, span->ptr, n);
    span->ptr += n;
    span->len -= n;
    return (ssize_t)n;
}

ssize_t weft_body_read(weft_http *h, void *buf, size_t len)
{
    if (h->body_error)
        return h->body_error;
    if (h->is_body_done || len == 0)
        return 0;
    ssize_t n;
    if (h->body == BODY_CHUNKED)
        n = read_chunked(h, buf, len);
    else if (h->body_read + h->body_left > h->body_limit)
        n = -EMSGSIZE; /* before a byte of it is read, or asked for by 100 */
    else
        n = read_sized(h, buf, len);
    if (n < 0)
        h->body_error = (int)n;
    else
        h->body_read += n;
    return n;
}

int weft_set_max_body(weft_http *h, int64_t bytes)
{
    if (bytes < 0)
        return -EINVAL;
    h->body_limit = bytes;
    return 0;
}

int weft_body_all(weft_http *h, weft_str *ret_body)
{
    enum { FIRST = 4096 };
    size_t room = h->body == BODY_SIZED ? (size_t)h->body_left : FIRST;
    size_t len = 0;
    if (h->body_error)
        return h->body_error;
    if (h->body_read + h->body_left > h->body_limit)
        return h->body_error = -EMSGSIZE; /* and no memory for it */
    char *body = arena_alloc(&h->arena, room + BODY_PADDING);
    if (!body)
        return -ENOMEM;
    for (;;) {
        if (len == room && h->body == BODY_CHUNKED && !h->is_body_done) {
            char *larger = arena_alloc(&h->arena, room * 2 + BODY_PADDING);
            if (!larger)
                return -ENOMEM;
            memcpy(larger, body, len);
            body = larger;
            room *= 2;
        }
        ssize_t n = weft_body_read(h, body + len, room - len);
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    memset(body + len, 0, BODY_PADDING);
    *ret_body = (weft_str){body, len};
    return 0;
}

bool body_drain(weft_http *h)
{
    char unread[4096];
    if (h->body_limit < h->body_read + DRAIN_BODY_BYTES)
        h->body_limit = h->body_read + DRAIN_BODY_BYTES; /* nobody keeps it */
    if (h->body_error)
        return false;
    /* A client that still waits for 100 may send the body or not: nobody can tell. */
    if (!h->is_body_done && (h->awaits_continue || h->body_left > DRAIN_BODY_BYTES))
        return false;
    for (int64_t left = DRAIN_BODY_BYTES; !h->is_body_done;) {
        ssize_t n = weft_body_read(h, unread, sizeof unread);
        left -= n;
        if (n < 0 || left < 0)
            return false;
    }
    return true;
}
