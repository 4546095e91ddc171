/* weft/group.h: structured concurrency: coroutines that belong together and end together.
 *
 *     WEFT_GROUP_SCOPED(g);
 *     weft_group_init(&g, (weft_group_opts){.limit = 2, .timeout = 500 * WEFT_MS});
 *     for (int i = 0; i < 3; i++)
 *         weft_group_go(&g, fetch_part, &parts[i]);
 *     int rc = weft_group_wait(&g);
 *
 * The first child that returns an error cancels the others. A group cannot be left with children
 * running: a scoped one cancels them and waits when its scope is left early, by a return, say. One
 * declared as a plain weft_group that nobody has waited for is a bug in the program, which ends
 * with a message when the coroutine ends or waits for an outer group. */
#ifndef WEFT_GROUP_H
#define WEFT_GROUP_H

#include <weft/base.h>
#include <weft/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A zero field means its default. */
typedef struct weft_group_opts {
    int limit;       /* children at once; default: no limit */
    int64_t timeout; /* nanoseconds until the group's context ends; default: none of its own */
    int *results;    /* where what the i-th child returned goes; default: nowhere */
    int max_results; /* room there; later children's results are dropped */
    int keeps_going; /* not 0: an error does not cancel the others */
} weft_group_opts;

/* Fields are private. What children use is not in here, so that one that is left behind does not
 * write to a frame that is gone. */
typedef struct weft_group {
    struct weft_group_state *state;
    int error;
} weft_group;

/* Declares a group for the scope it stands in: whatever way that is left, no child stays behind. */
#define WEFT_GROUP_SCOPED(name)                                                                    \
    __attribute__((cleanup(weft_group_close))) weft_group name = {NULL, 0}

/* Opens a group. Its children run under a context of its own, a child of the current one. Only in a
 * coroutine; never parks. What goes wrong is told by weft_group_go and weft_group_wait. */
WEFT_API void weft_group_init(weft_group *g, weft_group_opts opts);

/* Spawns a child that runs `fn(arg)`, whose result below zero is an error; parks while `limit` of
 * them run. Returns 0; -ECANCELED, -ETIMEDOUT without spawning when the group's context has ended,
 * meanwhile or before; -ENOMEM. An error is also what weft_group_wait returns, so that ignoring it
 * here is fine. The caller owns arg; it must stay until the child has ended. Only in the group's
 * own coroutine. */
WEFT_API int weft_group_go(weft_group *g, int (*fn)(void *arg), void *arg);

/* Waits for all children, whatever happens to the caller's own context (which ends theirs), and
 * closes the group. Returns the first error of a child, or why one could not be spawned; else 0;
 * the same when it is called again. Only in the group's own coroutine; parks. */
WEFT_API int weft_group_wait(weft_group *g);

/* Cancels the children's context. Never parks; any thread, while the group is open. */
WEFT_API void weft_group_cancel(weft_group *g);

/* Cancels the children, waits for them and closes the group; nothing when it has been waited for,
 * or never opened. Only in the group's own coroutine; parks. */
WEFT_API void weft_group_close(weft_group *g);

#ifdef __cplusplus
}
#endif
#endif
