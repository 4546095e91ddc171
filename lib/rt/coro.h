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

#include <stdbool.h>
#include <stdint.h>

#include "sanitize.h"
#include "task.h"

struct machine;
struct proc;

/* What a parked coroutine waits for; for reports. */
enum wait_reason { WAIT_NONE, WAIT_YIELD, WAIT_SLEEP, WAIT_GROUP, WAIT_READ, WAIT_WRITE };

struct coro {
    struct task task;
    void *sp;  /* where it goes on; valid while it is not running */
    char *low; /* low end of its stack, the guard's first byte */
    void (*fn)(void *arg);
    void *arg;
    const void *spawned_at; /* the return address of the call that spawned it */
    uint64_t id;            /* unique in the process's life */
    uint8_t size_log;       /* log2 of the stack's bytes */
    uint8_t wait_reason;    /* enum wait_reason */
    struct san_fiber fiber; /* what sanitizers know of it; empty in other builds */
};

/* Builds a coroutine for a task that is no coroutine yet, on a stack of p, and consumes the spawn.
 * Returns 0 or -ENOMEM (the task is untouched). */
int coro_make(struct proc *p, struct task *task, struct coro **ret_coro);

/* Enters a coroutine from m's scheduler stack; returns when it has left it. is_new: coro_make has
 * just made it. */
void coro_enter(struct machine *m, struct coro *c, bool is_new);

/* Gives the stack of a coroutine that has ended to p. */
void coro_free(struct proc *p, struct coro *c);

/* Whether the park stands. Runs on the scheduler's stack, when nobody runs on c's any more: this is
 * where c is made visible to whoever will ready it, after which c must not be touched. false: what
 * it would wait for has come already, and c goes on at once. */
typedef bool park_commit(struct coro *c, void *arg);

/* Parks the calling coroutine. Returns when it was readied, or when commit said false; perhaps on
 * another machine. */
void coro_park(park_commit *commit, void *arg, enum wait_reason reason);

/* The calling coroutine, or NULL on a scheduler's stack and in a foreign thread. */
struct coro *coro_self(void);

static inline struct coro *coro_of(struct task *task)
{
    return task_container(task, struct coro, task);
}

#endif
