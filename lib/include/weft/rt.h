/* weft/rt.h: coroutines, the scheduler that runs them, sleeping, and waiting for several.
 *
 * A coroutine is a function with a stack of its own. It is written as plain blocking code; a call
 * that has to wait "parks" it, and its machine (an OS thread) runs another one meanwhile. After a
 * park it may go on in another thread: keep no address of a thread-local (errno included) across
 * a call that may park. */
#ifndef WEFT_RT_H
#define WEFT_RT_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a runtime is set up; a zero field means its default. */
typedef struct weft_run_opts {
    int procs;         /* processors: coroutines running at once; default weft_default_procs() */
    size_t stack_size; /* bytes reserved for a coroutine's stack, 16 KB to 1 GB; default 256 KB.
                        * Only touched pages cost memory. */
} weft_run_opts;

/* Runs `main_fn(arg)` as the first coroutine of a new runtime, and returns when it returns.
 *
 * Other coroutines that have not ended by then are dropped where they stand. One runtime a process
 * at a time.
 * Returns what main_fn returned; -EBUSY when a runtime is running already; -ENOMEM or -EAGAIN
 * when threads or memory for it cannot be had. Blocks the calling thread; not from a coroutine. */
WEFT_API int weft_run(int (*main_fn)(void *arg), void *arg);

/* weft_run with options; -EINVAL when one is out of its range. */
WEFT_API int weft_run_with(const weft_run_opts *opts, int (*main_fn)(void *arg), void *arg);

/* Spawns a coroutine that runs `fn(arg)`. It takes a stack only when it starts to run.
 *
 * Never parks. From any coroutine, or from any thread while the runtime runs.
 * Returns 0; -ENOMEM; -ESRCH when no runtime is running. The caller keeps ownership of arg. */
WEFT_API int weft_go(void (*fn)(void *arg), void *arg);

/* Spawns a coroutine that runs `fn` on a copy of the `size` bytes at `arg`, aligned to 16; the
 * copy is the coroutine's own and is gone when it ends. Else as weft_go; -EINVAL past 16 KB. */
WEFT_API int weft_go_copy(void (*fn)(void *arg), const void *arg, size_t size);

/* Lets the coroutines that are ready run first. Parks (always comes back); only in a coroutine. */
WEFT_API void weft_yield(void);

/* Parks the coroutine for at least `ns` nanoseconds; zero or less only yields.
 * Returns 0; -ENOMEM at once when there is no memory for another timer. Only in a coroutine. */
WEFT_API int weft_sleep(int64_t ns);

/* The number of processors of the running runtime; 0 when none runs. Any thread. */
WEFT_API int weft_num_procs(void);

/* The number of processors that a runtime gets by default: WEFT_MAXPROCS when it is set to a
 * number from 1 to 256, else the CPUs in the affinity mask, at most the cgroup's CPU quota
 * (rounded up). Any thread. */
WEFT_API int weft_default_procs(void);

/* Whether the caller runs in a coroutine. Any thread. */
WEFT_API int weft_in_coroutine(void);

/* A wait group: a count of things under way, and the coroutines that wait for it to reach zero.
 * Lives where its owner puts it; WEFT_WG_INIT is its first value; needs no destruction. */
typedef struct weft_wg {
    int64_t count; /* private, all three */
    void *waiters;
    int lock;
} weft_wg;

#define WEFT_WG_INIT                                                                               \
    {                                                                                              \
        0, NULL, 0                                                                                 \
    }

/* Adds `n` (may be negative) to the count. The count must not fall below zero, and must not rise
 * from zero while somebody waits. Never parks; any thread. */
WEFT_API void weft_wg_add(weft_wg *wg, int n);

/* Takes one off the count, and readies the waiters when that makes it zero. Never parks; any
 * thread. The group may be freed by a woken waiter as soon as the last done has been called. */
WEFT_API void weft_wg_done(weft_wg *wg);

/* Parks until the count is zero. Returns 0. Only in a coroutine. */
WEFT_API int weft_wg_wait(weft_wg *wg);

#ifdef __cplusplus
}
#endif
#endif
