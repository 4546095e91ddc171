/* context.c: the tree of contexts. Locks are taken downwards: a timer heap's, a parent's, its
 * child's; nothing that is called under them takes another one of these. */
#include "context.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "assert.h"
#include "coro.h"
#include "proc.h"

static int error_of(const weft_ctx *ctx)
{
    /* pairs: the release in end: who sees the end sees what was done before it */
    return atomic_load_explicit(&ctx->error, memory_order_acquire);
}

static void end(weft_ctx *ctx, int error)
{
    lock_take(&ctx->lock);
    if (error_of(ctx) == 0) {
        atomic_store_explicit(&ctx->error, error, memory_order_release);
        struct context_watch *watch;
        while ((watch = ctx->watches)) {
            ctx->watches = watch->next;
            if (watch->next)
                watch->next->prev = &ctx->watches;
            watch->prev = NULL;
            watch->on_end(watch); /* it waits for the lock before it goes away */
        }
        for (weft_ctx *child = ctx->children; child; child = child->sibling)
            end(child, error);
    }
    lock_release(&ctx->lock);
}

/* Its own deadline has come. Freeing waits for the heap's lock, which is held here. */
static int64_t on_timer(struct timer *t, int64_t now)
{
    (void)now;
    end((weft_ctx *)((char *)t - offsetof(weft_ctx, timer)), -ETIMEDOUT);
    return TIMER_NEVER;
}

int context_watch_begin(weft_ctx *ctx)
{
    lock_take(&ctx->lock);
    int error = error_of(ctx);
    if (error)
        lock_release(&ctx->lock);
    return error;
}

void context_watch_end(weft_ctx *ctx, struct context_watch *watch)
{
    if (watch) {
        watch->next = ctx->watches;
        watch->prev = &ctx->watches;
        if (watch->next)
            watch->next->prev = &watch->next;
        ctx->watches = watch;
    }
    lock_release(&ctx->lock);
}

int context_watch(weft_ctx *ctx, struct context_watch *watch)
{
    watch->prev = NULL;
    int error = context_watch_begin(ctx);
    if (error == 0)
        context_watch_end(ctx, watch);
    return error;
}

void context_unwatch(weft_ctx *ctx, struct context_watch *watch)
{
    lock_take(&ctx->lock);
    if (watch->prev) {
        *watch->prev = watch->next;
        if (watch->next)
            watch->next->prev = watch->prev;
        watch->prev = NULL;
    }
    lock_release(&ctx->lock);
}

void context_free(weft_ctx *ctx)
{
    weft_ctx *parent = ctx->parent;
    if (parent) {
        lock_take(&parent->lock);
        *ctx->sibling_p = ctx->sibling;
        if (ctx->sibling)
            ctx->sibling->sibling_p = ctx->sibling_p;
        lock_release(&parent->lock);
    }
    timer_stop(&ctx->timer);
    weft_assert(!ctx->children && !ctx->watches);
    if (ctx->drop)
        ctx->drop(ctx->value);
    free(ctx);
    context_unref(parent);
}

static weft_ctx *child_of(weft_ctx *parent)
{
    weft_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx)
        return NULL;
    atomic_init(&ctx->refs, 1);
    timer_init(&ctx->timer, on_timer);
    atomic_init(&ctx->deadline, weft_ctx_deadline(parent));
    ctx->parent = context_ref(parent);
    if (parent) {
        lock_take(&parent->lock);
        /* The parent's end goes to the children it finds: this one came before, or sees it. */
        atomic_init(&ctx->error, error_of(parent));
        ctx->sibling = parent->children;
        ctx->sibling_p = &parent->children;
        if (ctx->sibling)
            ctx->sibling->sibling_p = &ctx->sibling;
        parent->children = ctx;
        lock_release(&parent->lock);
    }
    return ctx;
}

static void set_deadline(weft_ctx *ctx, int64_t when)
{
    atomic_store_explicit(&ctx->deadline, when, memory_order_relaxed);
}

int context_move_deadline(weft_ctx *ctx, int64_t when)
{
    timer_stop(&ctx->timer);
    int64_t parents = weft_ctx_deadline(ctx->parent);
    set_deadline(ctx, when < parents ? when : parents);
    if (when <= weft_now())
        end(ctx, -ETIMEDOUT);
    else if (when < parents && error_of(ctx) == 0)
        return timer_arm(&ctx->timer, proc_near(), when);
    return error_of(ctx);
}

weft_ctx *context_make(struct coro *c)
{
    weft_ctx *ctx = c->source->make(c->source);
    if (ctx) {
        weft_assert(!c->ctx);
        c->ctx = ctx;
        c->source = NULL;
    }
    return c->ctx;
}

int weft_ctx_new(weft_ctx *parent, int64_t timeout, weft_ctx **ret_ctx)
{
    int64_t now = weft_now();
    weft_ctx *ctx = child_of(parent);
    if (!ctx)
        return -ENOMEM;
    if (timeout <= 0) {
        set_deadline(ctx, now);
        end(ctx, -ETIMEDOUT);
    } else if (timeout < WEFT_NO_DEADLINE - now && now + timeout < weft_ctx_deadline(ctx)) {
        set_deadline(ctx, now + timeout);
        int rc = timer_arm(&ctx->timer, proc_near(), now + timeout);
        if (rc < 0) {
            context_unref(ctx);
            return rc;
        }
    }
    *ret_ctx = ctx;
    return 0;
}

int weft_ctx_with_value(weft_ctx *parent, const void *key, void *value, void (*drop)(void *value),
                        weft_ctx **ret_ctx)
{
    if (!key)
        return -EINVAL;
    weft_ctx *ctx = child_of(parent);
    if (!ctx)
        return -ENOMEM;
    ctx->key = key;
    ctx->value = value;
    ctx->drop = drop;
    *ret_ctx = ctx;
    return 0;
}

void *weft_ctx_value(const weft_ctx *ctx, const void *key)
{
    for (; ctx; ctx = ctx->parent)
        if (ctx->key == key && key)
            return ctx->value;
    return NULL;
}

void weft_ctx_cancel(weft_ctx *ctx)
{
    if (ctx)
        end(ctx, -ECANCELED);
}

int weft_ctx_error(const weft_ctx *ctx)
{
    return ctx ? error_of(ctx) : 0;
}

int64_t weft_ctx_deadline(const weft_ctx *ctx)
{
    return ctx ? atomic_load_explicit(&ctx->deadline, memory_order_relaxed) : WEFT_NO_DEADLINE;
}

weft_ctx *weft_ctx_ref(weft_ctx *ctx)
{
    return context_ref(ctx);
}

void weft_ctx_unref(weft_ctx *ctx)
{
    context_unref(ctx);
}

weft_ctx *weft_ctx_current(void)
{
    struct coro *c = coro_self();
    return c ? coro_context(c) : NULL;
}

weft_ctx *weft_ctx_enter(weft_ctx *ctx)
{
    struct coro *c = coro_self();
    weft_assert(c != NULL);
    weft_ctx *old = coro_context(c);
    c->source = NULL;
    c->ctx = context_ref(ctx);
    return old;
}

void weft_ctx_leave(weft_ctx *old)
{
    struct coro *c = coro_self();
    weft_assert(c != NULL);
    context_unref(c->ctx);
    c->ctx = old;
}

int weft_with_timeout(int64_t timeout, int (*fn)(void *arg), void *arg)
{
    weft_ctx *ctx;
    int rc = weft_ctx_new(weft_ctx_current(), timeout, &ctx);
    if (rc < 0)
        return rc;
    weft_ctx *old = weft_ctx_enter(ctx);
    rc = fn(arg);
    weft_ctx_leave(old);
    weft_ctx_cancel(ctx);
    weft_ctx_unref(ctx);
    return rc;
}
