/* request_context.h: the context of a request, which its handler runs under.
 *
 * Most handlers neither wait nor ask for it: it is made when the first one does (struct
 * context_source), and a request that needs none pays a few stores.
 *
 *   NONE -> MADE    make                  the first wait, spawn or question in the handler
 *   MADE -> NONE    request_context_end   cancelled, for what the handler has left behind
 *
 * It ends when the client goes away, when the deadline passes, and with the server. Waiting for the
 * client itself is not under it: a client that has closed its sending side only still gets its
 * answer, and waits for a client have limits of their own (own_wait). */
#ifndef HTTP_REQUEST_CONTEXT_H
#define HTTP_REQUEST_CONTEXT_H

#include "assert.h"
#include "context.h"
#include "coro.h"
#include "exchange.h"

/* Once a connection's coroutine. */
void request_context_init(weft_http *h);

void request_context_end_made(weft_http *h);

/* A request begins; `deadline`: a point of weft_now(), 0 for the default. */
static inline void request_context_begin(weft_http *h, int64_t deadline)
{
    h->deadline = deadline;
    h->coro->source = &h->context_source;
}

/* Its handler has returned. */
static inline void request_context_end(weft_http *h)
{
    h->coro->source = NULL;
    if (weft_unlikely(h->ctx != NULL))
        request_context_end_made(h);
}

/* Whether the request's context has ended because its client has gone, or the server drains. */
bool request_is_canceled(const weft_http *h);

/* Makes the context, if it is not yet, and has it end by `by` (enum conn_end). Returns 0; -ENOMEM.
 */
int request_context_bind(weft_http *h, unsigned by);

/* Around a wait for the request's own client: the calling coroutine leaves the request's context,
 * but not one that the handler has entered itself. Does not park. */
struct own_wait {
    struct coro *coro;
    struct weft_ctx *ctx;
    struct context_source *source;
};
void own_wait_begin(const weft_http *h, struct own_wait *wait);
void own_wait_end(const struct own_wait *wait);

#endif
