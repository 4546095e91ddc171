#include "call.h"

#include <errno.h>

#include "assert.h"
#include "scratch.h"

void call_begin(struct call *c, struct line *l, char *in, uint32_t in_size, uint32_t max_head)
{
    weft_assert(max_head <= in_size);
    c->line = l;
    c->in = in;
    c->is_lent = in == NULL;
    weft_assert(!c->is_lent || in_size == SCRATCH_BYTES);
    c->in_size = in_size;
    c->in_at = c->in_len = c->head_len = 0;
    c->is_head_request = c->is_done = c->has_begun = false;
    c->error = 0;
    c->left = 0;
    c->span = (weft_str){NULL, 0};
    reply_begin(&c->reply, max_head);
}

int call_take_buffer(struct call *c)
{
    if (!c->in)
        c->in = scratch_take();
    return c->in ? 0 : -ENOMEM;
}

void call_give_buffer(struct call *c)
{
    if (c->is_lent) {
        scratch_give(c->in);
        c->in = NULL;
    }
}

static ssize_t receive(struct call *c, char *to, size_t len, int64_t deadline)
{
    weft_conn *conn = c->line->conn;
    ssize_t n = conn_try_read(conn, to, len);
    if (n == -EAGAIN) { /* it has to wait: only then a deadline is needed */
        weft_conn_set_read_deadline(conn, deadline);
        n = weft_conn_read(conn, to, len);
    }
    if (n > 0)
        c->has_begun = true;
    return n;
}

/* Reads into the buffer behind its first `at` bytes. Without any to keep it is not held while the
 * call waits. */
static ssize_t receive_at(struct call *c, uint32_t at, int64_t deadline)
{
    weft_conn *conn = c->line->conn;
    for (;;) {
        int rc = call_take_buffer(c);
        if (rc < 0)
            return rc;
        if (at || !c->is_lent)
            return receive(c, c->in + at, c->in_size - at, deadline);
        ssize_t n = conn_try_read(conn, c->in, c->in_size);
        if (n != -EAGAIN && n != -EINTR) {
            c->has_begun = c->has_begun || n > 0;
            return n;
        }
        call_give_buffer(c);
        weft_conn_set_read_deadline(conn, deadline);
        rc = n == -EAGAIN ? conn_wait_readable(conn) : 0;
        if (rc < 0)
            return rc;
    }
}

int call_read_head(struct call *c, int64_t deadline)
{
    if (c->head_len) { /* behind an interim one */
        memmove(c->in, c->in + c->in_at, c->in_len - c->in_at);
        c->in_len -= c->in_at;
        c->in_at = c->head_len = 0;
        reply_begin(&c->reply, c->reply.max_bytes);
    }
    for (;;) {
        uint32_t len;
        int rc = c->in_len ? reply_parse(&c->reply, c->in, c->in_len, &len) : 0;
        if (rc < 0)
            return rc;
        if (rc == 1) {
            c->head_len = c->in_at = len;
            return reply_check(&c->reply, c->is_head_request);
        }
        ssize_t n = receive_at(c, c->in_len, deadline);
        if (n <= 0)
            return n == 0 ? -ECONNRESET : (int)n;
        c->in_len += (uint32_t)n;
    }
}

void call_begin_body(struct call *c)
{
    c->left = c->reply.body == REPLY_SIZED ? c->reply.length : 0;
    c->is_done = c->reply.body == REPLY_NONE;
}

static int64_t body_deadline(const struct call *c)
{
    int64_t now = weft_now();
    return c->idle_timeout < c->deadline - now ? now + c->idle_timeout : c->deadline;
}

/* Fills the buffer from `keep` on. Returns the count, 0 at the end of the stream. */
static ssize_t fill(struct call *c, uint32_t keep)
{
    weft_assert(keep < c->in_size);
    c->in_at = c->in_len = keep;
    ssize_t n = receive_at(c, keep, body_deadline(c));
    if (n > 0)
        c->in_len += (uint32_t)n;
    return n;
}

/* The buffer's unread bytes as a piece of a body that is as it is sent. */
static void take_raw(struct call *c, weft_str *ret_piece)
{
    size_t len = c->in_len - c->in_at;
    if (c->reply.body == REPLY_SIZED) {
        len = (int64_t)len < c->left ? len : (size_t)c->left;
        c->left -= (int64_t)len;
        c->is_done = c->left == 0;
    }
    *ret_piece = (weft_str){c->in + c->in_at, len};
    c->in_at += (uint32_t)len;
}

static int next_chunked(struct call *c, uint32_t keep, weft_str *ret_piece)
{
    for (;;) {
        if (c->in_at == c->in_len) {
            ssize_t n = fill(c, keep);
            if (n <= 0)
                return n == 0 ? -ECONNRESET : (int)n;
        }
        ssize_t used = reply_decode(&c->reply, c->in + c->in_at, c->in_len - c->in_at);
        if (used < 0)
            return (int)used;
        c->in_at += (uint32_t)used;
        c->is_done = c->reply.is_message_complete;
        *ret_piece = c->reply.data;
        if (ret_piece->len || c->is_done)
            return 0;
    }
}

int call_next(struct call *c, uint32_t keep, weft_str *ret_piece)
{
    int rc = c->error;
    *ret_piece = (weft_str){c->in, 0};
    if (rc == 0 && c->span.len) {
        *ret_piece = c->span;
        c->span.len = 0;
    } else if (rc == 0 && !c->is_done && c->reply.body == REPLY_CHUNKED) {
        rc = next_chunked(c, keep, ret_piece);
    } else if (rc == 0 && !c->is_done) {
        ssize_t n = c->in_at < c->in_len ? 1 : fill(c, keep);
        if (n > 0)
            take_raw(c, ret_piece);
        else if (n == 0 && c->reply.body == REPLY_TO_END)
            c->is_done = true;
        else
            rc = n == 0 ? -ECONNRESET : (int)n;
    }
    c->error = rc;
    return rc;
}

/* Past the buffer, into the caller's memory. */
static ssize_t read_past(struct call *c, char *buf, size_t len)
{
    if (c->reply.body == REPLY_SIZED && (int64_t)len > c->left)
        len = (size_t)c->left;
    ssize_t n = receive(c, buf, len, body_deadline(c));
    if (n > 0 && c->reply.body == REPLY_SIZED) {
        c->left -= n;
        c->is_done = c->left == 0;
    } else if (n == 0 && c->reply.body == REPLY_TO_END) {
        c->is_done = true;
    } else if (n <= 0) {
        c->error = n == 0 ? -ECONNRESET : (int)n;
    }
    return c->error ? c->error : n;
}

ssize_t call_read(struct call *c, void *buf, size_t len)
{
    enum { WORTH = 4096 }; /* less than that goes through the buffer */
    if (c->error || len == 0)
        return c->error;
    bool is_raw = c->reply.body == REPLY_SIZED || c->reply.body == REPLY_TO_END;
    if (is_raw && !c->is_done && len >= WORTH && c->span.len == 0 && c->in_at == c->in_len)
        return read_past(c, buf, len);
    weft_str piece;
    int rc = call_next(c, c->head_len, &piece);
    if (rc < 0)
        return rc;
    size_t n = len < piece.len ? len : piece.len;
    memcpy(buf, piece.ptr, n);
    c->span = (weft_str){piece.ptr + n, piece.len - n};
    return (ssize_t)n;
}

void call_release(struct call *c, bool is_reusable)
{
    struct line *l = c->line;
    c->line = NULL;
    if (!l)
        return;
    if (is_reusable && c->is_done && !c->error && c->reply.keeps_alive && c->in_at == c->in_len)
        line_give(l);
    else
        line_drop(l);
}

void call_end(struct call *c, bool is_reusable)
{
    call_release(c, is_reusable);
    call_give_buffer(c);
    reply_done(&c->reply);
}
