/* coro.h: a coroutine: a function that runs on a stack of its own.
 *
 * Its control block lives at the top of that stack, in the first page touched:
 *
 *      low   guard | untouched ... frames  <- sp | copy of the argument | struct coro | colour high
 *
 * The colour is a small offset that differs between neighbours, so that the control blocks of many
 * coroutines do not fall into the same cache set. */
#ifndef RT_CORO_H
#define RT_CORO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "assert.h"
#include "sanitize.h"
#include "task.h"

struct machine;
struct proc;

/* What a parked coroutine waits for; for reports (wait_reason_text). */
enum wait_reason {
    WAIT_NONE,
    WAIT_YIELD,
    WAIT_SLEEP,
    WAIT_WG,
    WAIT_READ,
    WAIT_WRITE,
    WAIT_SEND,
    WAIT_RECV,
    WAIT_SELECT,
    WAIT_MUTEX,
    WAIT_RWLOCK,
    WAIT_COND,
    WAIT_ONCE,
    WAIT_SEM,
    WAIT_BARRIER,
    WAIT_GROUP,
    WAIT_BLOCKING,
    WAIT_REASONS,
};

/* What a stack's control block says of it.
 *
 *   FREE  -> READY                     coro_make
 *   READY -> RUNNING <-> PARKED        the machine that enters it, before it looks at is_pinned
 *   RUNNING -> FREE                    coro_free
 *
 * A coroutine that has been readied stays PARKED until it runs: it must be off its stack, no more.
 */
enum coro_state { CORO_FREE, CORO_READY, CORO_RUNNING, CORO_PARKED };

struct coro {
    struct task task;
    void *sp;  /* where it goes on; valid while it is not running */
    char *low; /* low end of its stack, the guard's first byte */
    void (*fn)(void *arg);
    void *arg;
    const void *spawned_at;        /* the return address of the call that spawned it */
    uint64_t id;                   /* unique in the process's life */
    struct weft_ctx *ctx;          /* its current context, a reference; NULL: none that could end */
    struct context_source *source; /* makes that context when somebody first asks; NULL: none */
    struct weft_group_state *groups; /* its open groups, innermost first */
    const char *name;                /* or NULL; its spawner's */
    _Atomic(int64_t) since;       /* about when it parked, a point of weft_now(); 0: never used */
    uint8_t size_log;             /* log2 of the stack's bytes */
    _Atomic(uint8_t) wait_reason; /* enum wait_reason; for reports, which read it any time */
    _Atomic(uint8_t) state;       /* enum coro_state */
    _Atomic(bool) is_pinned;      /* somebody reads or trims its stack: it must not be entered */
    _Atomic(bool) is_trimmed;     /* what it does not use was given back since it ran; see trim.c */
    struct san_fiber fiber;       /* what sanitizers know of it; empty in other builds */
};

/* Builds a coroutine for a task that is no coroutine yet, on a stack of p, and consumes the spawn.
 * Returns 0 or -ENOMEM (the task is untouched). */
int coro_make(struct proc *p, struct task *task, struct coro **ret_coro);

/* Enters a coroutine from m's scheduler stack; returns when one has left for that: which, perhaps
 * another one. is_new: coro_make has just made it. */
struct coro *coro_enter(struct machine *m, struct coro *c, bool is_new);

/* Gives the stack of a coroutine that has ended to p. */
void coro_free(struct proc *p, struct coro *c);

/* Whether the park stands. Runs when nobody runs on c's stack any more, on the scheduler's or on
 * that of the coroutine that comes next, so it must be shallow: this is where c is made visible to
 * whoever will ready it, after which c must not be touched. false: what it would wait for has come
 * already, and c goes on soon. */
typedef bool park_commit(struct coro *c, void *arg);

/* Parks the calling coroutine. Returns when it was readied, or when commit said false; perhaps on
 * another machine. */
void coro_park(park_commit *commit, void *arg, enum wait_reason reason);

/* The calling coroutine, or NULL on a scheduler's stack and in a foreign thread. */
struct coro *coro_self(void);

/* The control block of the coroutine whose stack begins at `low`, live or not. */
struct coro *coro_at(char *low, unsigned size_log);

/* What a wait reason is called in reports. */
const char *wait_reason_text(unsigned reason);

/* Makes the context of a coroutine that has a source. Returns it, or NULL when memory is out: then
 * the next who asks tries again. */
struct weft_ctx *context_make(struct coro *c);

/* The calling coroutine's current context, borrowed; NULL when it has none that could end. */
static inline struct weft_ctx *coro_context(struct coro *c)
{
    return weft_likely(!c->source) ? c->ctx : context_make(c);
}

static inline struct coro *coro_of(struct task *task)
{
    return task_container(task, struct coro, task);
}

#endif
