/* timer.h: timers, in one heap a processor.
 *
 * The heap has four children a node (half the depth of a binary one, and the children share a
 * cache line); it holds the times itself, so that comparing does not touch the timers. A timer that
 * is armed belongs to the heap of `owner`, under that heap's lock. */
#ifndef RT_TIMER_H
#define RT_TIMER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/base.h>

#include "lock.h"

struct proc;

#define TIMER_NEVER INT64_MAX

struct timer {
    /* Called when the time has come, on a scheduler's stack, with the heap's lock held: it must
     * neither park nor touch timers; it may ready tasks. Returns when to fire again, or
     * TIMER_NEVER. */
    int64_t (*fire)(struct timer *t, int64_t now);
    _Atomic(struct proc *) owner; /* set by arming; NULL before the first time */
    _Atomic(int64_t) when;        /* TIMER_NEVER while not armed; written under the lock */
    uint32_t index;               /* its place in the heap; under the lock */
};

struct timer_slot {
    int64_t when;
    struct timer *timer;
};

struct timer_heap {
    struct lock lock;
    uint32_t count, capacity;
    struct timer_slot *slots;
    _Atomic(int64_t) first; /* the earliest time, TIMER_NEVER when empty; any thread may read */
};

static inline void timer_init(struct timer *t, int64_t (*fire)(struct timer *, int64_t))
{
    t->fire = fire;
    t->index = 0;
    atomic_store_explicit(&t->owner, NULL, memory_order_relaxed); /* relaxed: not shared yet */
    atomic_store_explicit(&t->when, TIMER_NEVER, memory_order_relaxed);
}

/* Arms a timer that is not armed, at a point of weft_now(), in p's heap. Wakes p when it is idle
 * and this is its first. Returns 0 or -ENOMEM. Any thread. */
WEFT_MUST_USE int timer_arm(struct timer *t, struct proc *p, int64_t when);

/* Moves an armed timer to an earlier time; one that fires at the moment, or is not armed, is armed
 * again where it was. Only after a successful timer_arm, which reserved its place. Any thread. */
void timer_hasten(struct timer *t, int64_t when);

/* Disarms. When it returns the timer is not in any heap and its fire is not running; it must not
 * be called from fire. Returns whether it was armed. Any thread. */
bool timer_stop(struct timer *t);

/* Fires what is due. Returns the time of the next one, or TIMER_NEVER. Any thread. */
int64_t timers_run(struct timer_heap *heap, int64_t now);

/* The time of the next one, or TIMER_NEVER. Any thread. */
static inline int64_t timers_first(struct timer_heap *heap)
{
    /* pairs: the seq_cst store of first in heap_publish (see block in sched.c) */
    return atomic_load_explicit(&heap->first, memory_order_seq_cst);
}

/* Disarms all and frees the heap's memory, when no thread runs coroutines any more. */
void timers_done(struct timer_heap *heap);

#endif
