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

/* What weft_run does about coroutines that have not ended when its first one has. */
enum {
    WEFT_LEAKS_REPORT, /* list them on stderr: where they wait, since when, who spawned them */
    WEFT_LEAKS_IGNORE,
    WEFT_LEAKS_FAIL, /* list them, and return -ENOTEMPTY where 0 would be returned; for tests */
};

/* How a runtime is set up; a zero field means its default. */
typedef struct weft_run_opts {
    int procs;         /* processors: coroutines running at once; default weft_default_procs() */
    size_t stack_size; /* bytes reserved for a coroutine's stack, 16 KB to 1 GB; default 256 KB.
                        * Only touched pages cost memory. */
    int max_threads;   /* threads at most, among them those that coroutines hold in blocking calls
                        * and long computations; default procs + 1024 */
    int leaks;         /* WEFT_LEAKS_REPORT and so on */
} weft_run_opts;

/* Runs `main_fn(arg)` as the first coroutine of a new runtime, and returns when it returns.
 *
 * Other coroutines that have not ended by then are dropped where they stand. One runtime a process
 * at a time.
 * Returns what main_fn returned; -EBUSY when a runtime is running already; -ENOMEM or -EAGAIN
 * when threads or memory for it cannot be had; -EDEADLK, with a report on stderr, when all
 * coroutines wait for each other and nothing outside could wake one. Blocks the calling thread,
 * which runs no coroutine itself; not from a coroutine. */
WEFT_API int weft_run(int (*main_fn)(void *arg), void *arg);

/* weft_run with options; -EINVAL when one is out of its range. */
WEFT_API int weft_run_with(const weft_run_opts *opts, int (*main_fn)(void *arg), void *arg);

/* Spawns a coroutine that runs `fn(arg)` under the spawner's current context. It takes a stack only
 * when it starts to run; while none can be had it waits for others to end, which is said once on
 * stderr, with what to set.
 *
 * Never parks. From any coroutine, or from any thread while the runtime runs.
 * Returns 0; -ENOMEM; -ESRCH when no runtime is running. The caller keeps ownership of arg. */
WEFT_API int weft_go(void (*fn)(void *arg), void *arg);

/* Spawns a coroutine that runs `fn` on a copy of the `size` bytes at `arg`, aligned to 16; the
 * copy is the coroutine's own and is gone when it ends. Else as weft_go; -EINVAL past 16 KB. */
WEFT_API int weft_go_copy(void (*fn)(void *arg), const void *arg, size_t size);

/* How one coroutine is spawned; a zero field means its default. */
typedef struct weft_go_opts {
    size_t stack_size; /* bytes, 16 KB to 1 GB; default the run's */
    const char *name;  /* for reports; must stay while the coroutine lives; default none */
} weft_go_opts;

/* As weft_go; -EINVAL for a stack size out of its range. */
WEFT_API int weft_go_with(const weft_go_opts *opts, void (*fn)(void *arg), void *arg);

/* Lets the coroutines that are ready run first. Parks (always comes back); only in a coroutine. */
WEFT_API void weft_yield(void);

/* Parks the coroutine for at least `ns` nanoseconds; zero or less only yields.
 * Returns 0; -ECANCELED, -ETIMEDOUT when the context ends meanwhile; -ENOMEM at once when there is
 * no memory for another timer. Only in a coroutine. */
WEFT_API int weft_sleep(int64_t ns);

/* weft_sleep until a point of weft_now(). */
WEFT_API int weft_sleep_until(int64_t when);

/* Calls `fn(arg)`, which may block its thread: another thread runs the other coroutines meanwhile.
 *
 * A coroutine may block anywhere, in any library, and loses its processor after some 10 ms of it;
 * this loses it at once, for a call that is known to take longer than some 10 us. Other threads
 * cannot be had without bound (max_threads): then the processor stays with the call, which is said
 * once on stderr.
 * Returns what fn returns. Parks, after fn, until a processor is free; outside of coroutines it
 * just calls fn. */
WEFT_API int weft_blocking(int (*fn)(void *arg), void *arg);

/* The number of processors of the running runtime; 0 when none runs. Any thread. */
WEFT_API int weft_num_procs(void);

/* Sets the number of processors, 1 to 256. Coroutines that run on one too many finish their turn.
 * Returns the number before; -EINVAL; -EAGAIN or -ENOMEM when threads or memory for more cannot be
 * had. Only in a coroutine; may park. */
WEFT_API int weft_set_procs(int count);

/* The number of processors that a runtime gets by default: WEFT_MAXPROCS when it is set to a
 * number from 1 to 256, else the CPUs in the affinity mask, at most the cgroup's CPU quota
 * (rounded up). Any thread. */
WEFT_API int weft_default_procs(void);

/* Whether the caller runs in a coroutine. Any thread. */
WEFT_API int weft_in_coroutine(void);

#ifdef __cplusplus
}
#endif
#endif
