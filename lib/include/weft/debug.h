/* weft/debug.h: looking into a running program: counters, the list of coroutines, a trace.
 *
 * Without a line of code: SIGQUIT (ctrl-\) lists every coroutine on stderr and the program goes on;
 * WEFT_TRACE=FILE in the environment records a trace of each weft_run. */
#ifndef WEFT_DEBUG_H
#define WEFT_DEBUG_H

#include <weft/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What has been counted since weft_run began, of one processor or of all. */
typedef struct weft_stats {
    uint64_t spawned;   /* coroutines, by coroutines that ran on it */
    uint64_t switches;  /* times that a coroutine was entered */
    uint64_t steals;    /* times that work was taken from another processor */
    uint64_t hand_offs; /* times that it was taken from a coroutine that held it long, or given away
                         * by weft_blocking */
    uint64_t polls;     /* looks into its netpoller */
    uint32_t queued;    /* tasks in its run queue now; of all: also those in the shared one */
    int threads;        /* of all: threads that run coroutines, or rest */
} weft_stats;

/* Gives the counters of processor `proc` (0 to weft_num_procs() - 1), or of all together (-1), in
 * *ret_stats. Returns 0; -EINVAL; -ESRCH when no runtime runs. Never parks; any thread. */
WEFT_API int weft_get_stats(int proc, weft_stats *ret_stats);

/* Writes the list of all coroutines to the descriptor `fd`: id, name, state, what each waits for
 * and since when, where it was spawned, and its back trace. Coroutines go on meanwhile; one whose
 * stack is being read waits for the moment, and one that runs is interrupted by SIGURG to be asked
 * where it is, unless the program handles that signal itself. Returns 0; -ESRCH when no runtime
 * runs; -EIO. Any thread; blocks it. */
WEFT_API int weft_dump(int fd);

/* Describes the code address `address`, such as backtrace(3) gives, as "function+0x12
 * (object+0x34)", also for static functions as long as the object was not stripped, else as
 * "object+0x34", in `buf` of `size` bytes, terminated. Returns buf. Any thread, also one that a
 * fatal signal has stopped; never parks, may block it (reads the object's file the first time). */
WEFT_API const char *weft_describe_code(const void *address, char *buf, size_t size);

/* Records what the scheduler does (who runs where, parks, wakes, steals) until weft_trace_stop,
 * which writes it to `path` as JSON for Perfetto (ui.perfetto.dev) or chrome://tracing. Each event
 * takes 24 bytes, at most 24 MB a processor; what comes after that is counted and dropped.
 * weft_trace_start: 0; -EBUSY when one is being recorded; -ESRCH. weft_trace_stop: 0; -ESRCH when
 * none is; a negative errno of writing. Never park; any thread, one at a time. */
WEFT_API int weft_trace_start(void);
WEFT_API int weft_trace_stop(const char *path);

#ifdef __cplusplus
}
#endif
#endif
