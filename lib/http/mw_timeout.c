/* mw_timeout.c: a time within which the handlers inside have to answer. It moves the deadline of
 * the request's context, which costs nothing until something waits. */
#include <weft/middleware.h>

#include "context.h"
#include "exchange.h"

static const int64_t TIMEOUT_NS = 30 * WEFT_SEC;

/* Gives the time back to what runs outside. A context that has ended stays so, and without memory
 * the time stays short: neither takes back the answer that there is. */
static void restore(weft_http *h, int64_t deadline, int64_t of_context)
{
    h->deadline = deadline;
    if (!h->ctx)
        return;
    if (of_context == 0) /* it was made inside */
        of_context = deadline ? deadline : weft_now() + h->server->opts.handler_timeout;
    int ignored = context_move_deadline(h->ctx, of_context);
    (void)ignored;
}

int weft_mw_timeout(weft_http *h, void *arg)
{
    const int64_t *timeout = arg;
    int64_t until = weft_now() + (timeout ? *timeout : TIMEOUT_NS), deadline = h->deadline;
    int64_t of_context = h->ctx ? weft_ctx_deadline(h->ctx) : 0;
    if ((deadline && deadline < until) || (of_context && of_context < until))
        return weft_next(h); /* there is less time already */
    int rc = weft_set_deadline(h, until);
    if (rc < 0)
        return rc;
    rc = weft_next(h);
    restore(h, deadline, of_context);
    return rc;
}
