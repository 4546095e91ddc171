#include "request_context.h"

#include <errno.h>

static weft_ctx *make(struct context_source *source)
{
    weft_http *h = (weft_http *)((char *)source - offsetof(weft_http, context_source));
    int64_t now = weft_now(), timeout = WEFT_NO_DEADLINE;
    if (h->deadline == 0)
        timeout = h->server->opts.handler_timeout;
    else if (h->deadline != WEFT_NO_DEADLINE)
        timeout = h->deadline - now;
    if (weft_ctx_new(h->server->ctx, timeout, &h->ctx) < 0) {
        h->ctx = NULL;
        return NULL;
    }
    conn_end_bind(h->conn, h->ctx, CONN_ENDS_BY_PEER);
    return context_ref(h->ctx);
}

void request_context_init(weft_http *h)
{
    h->coro = coro_self();
    h->ctx = NULL;
    h->context_source.make = make;
}

void request_context_end_made(weft_http *h)
{
    conn_end_bind(h->conn, NULL, 0);
    weft_ctx_cancel(h->ctx); /* what the handler has spawned and not waited for */
    weft_ctx_leave(NULL);
    weft_ctx_unref(h->ctx);
    h->ctx = NULL;
}

bool request_is_canceled(const weft_http *h)
{
    return weft_ctx_error(h->ctx) == -ECANCELED;
}

int request_context_bind(weft_http *h, unsigned by)
{
    if (!h->ctx && (!weft_ctx_current() || !h->ctx))
        return -ENOMEM;
    conn_end_bind(h->conn, h->ctx, by);
    return 0;
}

void own_wait_begin(const weft_http *h, struct own_wait *wait)
{
    struct coro *c = coro_self();
    wait->coro = c;
    wait->ctx = c->ctx;
    wait->source = c->source;
    c->source = NULL;
    if (c->ctx == h->ctx)
        c->ctx = NULL; /* h has a reference to it */
}

void own_wait_end(const struct own_wait *wait)
{
    wait->coro->ctx = wait->ctx;
    wait->coro->source = wait->source;
}

int weft_set_deadline(weft_http *h, int64_t when)
{
    h->deadline = when > 0 ? when : 1; /* 0 is the default's */
    return h->ctx ? context_move_deadline(h->ctx, h->deadline) : 0;
}
