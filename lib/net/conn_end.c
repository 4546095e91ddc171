/* conn_end.c: a context that ends with a connection's peer, also while nobody reads from it.
 *
 * The netpoller reports once that a peer has ended. That may be before a context is bound, so
 * binding looks for it; and it may be late, for the last connection that had the record, so that
 * whoever cancels asks the kernel first. The descriptor is open while a context is bound: its
 * holder unbinds before he closes, under the same lock.
 *
 * Locks are taken in this order: the pool's (conn_each), end_lock, a context's. */
#include "conn.h"
#include "poll_backend.h"

void conn_end_fire(struct poll_desc *desc)
{
    weft_conn *c = (weft_conn *)((char *)desc - offsetof(weft_conn, desc));
    lock_take(&c->end_lock);
    if (c->end_ctx && (c->end_by & CONN_ENDS_BY_PEER) && poll_backend_has_ended(desc))
        weft_ctx_cancel(c->end_ctx);
    lock_release(&c->end_lock);
}

void conn_drain(weft_conn *c)
{
    lock_take(&c->end_lock);
    if (c->end_ctx && (c->end_by & CONN_ENDS_BY_DRAIN))
        weft_ctx_cancel(c->end_ctx);
    lock_release(&c->end_lock);
}

void conn_end_bind(weft_conn *c, weft_ctx *ctx, unsigned by)
{
    lock_take(&c->end_lock);
    c->end_ctx = ctx;
    c->end_by = by;
    lock_release(&c->end_lock);
    /* Set before the lock that its setter takes next: one of the two sees the other. */
    if (ctx && (by & CONN_ENDS_BY_PEER) &&
        atomic_load_explicit(&c->desc.is_ending, memory_order_acquire) &&
        poll_backend_has_ended(&c->desc))
        weft_ctx_cancel(ctx);
}
