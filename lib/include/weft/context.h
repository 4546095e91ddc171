/* weft/context.h: contexts: when to stop waiting, passed down from who asked for the work.
 *
 * Contexts form a tree. One ends when it is cancelled, when its deadline passes, or when its parent
 * ends; then every call that waits under it returns -ECANCELED or -ETIMEDOUT at once. Each
 * coroutine has a current context, which the coroutines it spawns inherit; NULL is the one that
 * never ends, and what a coroutine starts with that nobody gave another.
 *
 * Contexts are counted: each call that gives one out gives a reference, for weft_ctx_unref. */
#ifndef WEFT_CONTEXT_H
#define WEFT_CONTEXT_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_ctx weft_ctx;

/* The calling coroutine's current context, borrowed; NULL when it has none that could end, and in a
 * foreign thread. Never parks. */
WEFT_API weft_ctx *weft_ctx_current(void);

/* Makes a child of `parent` (may be NULL) that ends `timeout` nanoseconds from now, or with its
 * parent, or by weft_ctx_cancel; WEFT_NO_DEADLINE: without a time of its own. It is in *ret_ctx, a
 * reference. Returns 0; -ENOMEM. Never parks; any thread while the runtime runs. */
WEFT_API int weft_ctx_new(weft_ctx *parent, int64_t timeout, weft_ctx **ret_ctx);

/* Makes a child of `parent` that carries `value` under `key`, an address that is unique to who
 * defines the key. `drop(value)` is called when the context is freed, unless it is NULL; it must
 * not park. Returns as weft_ctx_new; -EINVAL for a NULL key. */
WEFT_API int weft_ctx_with_value(weft_ctx *parent, const void *key, void *value,
                                 void (*drop)(void *value), weft_ctx **ret_ctx);

/* The value under `key` of the nearest of ctx and its parents, or NULL. Never parks; any thread. */
WEFT_API void *weft_ctx_value(const weft_ctx *ctx, const void *key);

/* Ends ctx and all below it with -ECANCELED; nothing when it has ended. NULL-safe. Never parks; any
 * thread. */
WEFT_API void weft_ctx_cancel(weft_ctx *ctx);

/* 0 while ctx goes on, else -ECANCELED or -ETIMEDOUT; 0 for NULL. Never parks; any thread. */
WEFT_API int weft_ctx_error(const weft_ctx *ctx);

/* When ctx ends at the latest, a point of weft_now(), or WEFT_NO_DEADLINE. Any thread. */
WEFT_API int64_t weft_ctx_deadline(const weft_ctx *ctx);

/* One reference more, and one less; NULL-safe. weft_ctx_ref returns ctx. Never park; any thread. */
WEFT_API weft_ctx *weft_ctx_ref(weft_ctx *ctx);
WEFT_API void weft_ctx_unref(weft_ctx *ctx);

/* Makes ctx (may be NULL) the calling coroutine's current context, and returns the one before. The
 * coroutine takes a reference of its own to ctx, and the caller gets the one to the old: give both
 * back with weft_ctx_leave(old). Only in a coroutine; never parks. */
WEFT_API weft_ctx *weft_ctx_enter(weft_ctx *ctx);
WEFT_API void weft_ctx_leave(weft_ctx *old);

/* Calls `fn(arg)` under a new child of the current context, which ends after `timeout` nanoseconds
 * and at the latest when fn returns: what fn has spawned is cancelled then.
 * Returns what fn returns; -ENOMEM. Only in a coroutine; parks as fn does. */
WEFT_API int weft_with_timeout(int64_t timeout, int (*fn)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif
#endif
