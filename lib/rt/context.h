/* context.h: contexts as the waiting calls use them; what users see is in weft/context.h.
 *
 * A context has ended once `error` is not zero; it stays ended. Ending walks the tree downwards,
 * parent's lock before child's, and calls every watch once, taken off the list before. */
#ifndef RT_CONTEXT_H
#define RT_CONTEXT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/context.h>

#include "lock.h"
#include "timer.h"

/* Somebody who waits, and wants to know when a context ends. */
struct context_watch {
    struct context_watch *next,
        **prev; /* under the context's lock; prev is NULL when off the list */
    /* Called under the context's lock when it ends: must not park, nor touch contexts. */
    void (*on_end)(struct context_watch *watch);
};

struct weft_ctx {
    _Atomic(int) refs;
    _Atomic(int) error; /* 0, then -ECANCELED or -ETIMEDOUT */
    struct lock lock;
    struct context_watch *watches;
    struct weft_ctx *parent;               /* a reference, or NULL; immutable */
    struct weft_ctx *children;             /* not references: they leave as they are freed */
    struct weft_ctx *sibling, **sibling_p; /* under the parent's lock */
    _Atomic(int64_t) deadline;             /* the earliest of its own and its parents'; relaxed: a
                                            * fact by itself, and the timer goes by its own */
    struct timer timer;                    /* for its own */
    const void *key;                       /* immutable, all three; NULL: carries no value */
    void *value;
    void (*drop)(void *value);
};

/* Adds a watch, unless ctx has ended. Returns 0 or the context's error. Any thread. */
WEFT_MUST_USE int context_watch(weft_ctx *ctx, struct context_watch *watch);

/* Takes a watch off; when it returns on_end is not running, and will not be called. Any thread. */
void context_unwatch(weft_ctx *ctx, struct context_watch *watch);

/* context_watch in two halves, for who has to do something between them that must not be undone:
 * _begin returns 0 with the lock held, or the error without. */
WEFT_MUST_USE int context_watch_begin(weft_ctx *ctx);
void context_watch_end(weft_ctx *ctx, struct context_watch *watch); /* NULL: not after all */

/* Moves the deadline of ctx, which only its maker does: one after the other. Its children keep
 * theirs, as they found it when they were made. Returns 0; ctx's error; -ENOMEM. Does not park. */
WEFT_MUST_USE int context_move_deadline(weft_ctx *ctx, int64_t when);

/* A context that is made when a coroutine first asks for its own: most never do. */
struct context_source {
    /* Makes it: a reference, or NULL when memory is out. Runs in the coroutine, must not park. */
    weft_ctx *(*make)(struct context_source *source);
};

void context_free(weft_ctx *ctx);

static inline weft_ctx *context_ref(weft_ctx *ctx)
{
    if (ctx) /* relaxed: whoever passes it has a reference */
        atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
    return ctx;
}

static inline void context_unref(weft_ctx *ctx)
{
    if (ctx && atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) == 1)
        context_free(ctx);
}

#endif
