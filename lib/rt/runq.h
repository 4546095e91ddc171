/* runq.h: a processor's run queue: a ring of tasks, and the one to run next.
 *
 * The owner pushes at the tail and pops at the head; thieves take half from the head. head and tail
 * only grow and are used modulo the size.
 *
 *   tail   moved by the owner only, with release after the slot was written
 *   head   moved by the owner and by thieves, by compare-and-swap; whoever wins it owns the slots
 *          that he read before
 *   next   NULL or a task; exchanged by the owner, taken by a thief as his last resort
 *
 * A slot may be overwritten while a thief reads it, but then head has moved and his swap fails. */
#ifndef RT_RUNQ_H
#define RT_RUNQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "task.h"

enum { RUNQ_SIZE = 256 }; /* a power of two */

struct runq {
    _Alignas(64) _Atomic(uint32_t) head;
    _Atomic(uint32_t) tail;
    _Atomic(struct task *) next;
    _Atomic(struct task *) slot[RUNQ_SIZE];
};

static inline struct task *runq_slot_get(struct runq *q, uint32_t i)
{
    /* relaxed: published by tail's release, owned by winning head */
    return atomic_load_explicit(&q->slot[i % RUNQ_SIZE], memory_order_relaxed);
}

static inline void runq_slot_set(struct runq *q, uint32_t i, struct task *task)
{
    /* relaxed: published by the release of tail that follows */
    atomic_store_explicit(&q->slot[i % RUNQ_SIZE], task, memory_order_relaxed);
}

/* Owner only. Returns false when the ring is full. */
static inline bool runq_push(struct runq *q, struct task *task)
{
    /* pairs: the compare-and-swap of head by a thief, who is done reading the slot */
    uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);
    /* relaxed: only this thread moves tail */
    uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    if (tail - head >= RUNQ_SIZE)
        return false;
    runq_slot_set(q, tail, task);
    /* pairs: the acquire of tail in runq_grab */
    atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
    return true;
}

/* Owner only. The oldest task of the ring, or NULL. */
static inline struct task *runq_pop(struct runq *q)
{
    uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);
    for (;;) {
        uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
        if (tail == head)
            return NULL;
        struct task *task = runq_slot_get(q, head);
        /* pairs: runq_push and runq_grab, which read head with acquire */
        if (atomic_compare_exchange_weak_explicit(&q->head, &head, head + 1, memory_order_acq_rel,
                                                  memory_order_acquire))
            return task;
    }
}

/* runq_pop where there can be no thief. */
static inline struct task *runq_pop_alone(struct runq *q)
{
    /* relaxed: nobody else moves either */
    uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    if (atomic_load_explicit(&q->tail, memory_order_relaxed) == head)
        return NULL;
    atomic_store_explicit(&q->head, head + 1, memory_order_relaxed);
    return runq_slot_get(q, head);
}

/* Owner only. Takes half of a full ring off into `list`. Returns how many (0: thieves were first).
 */
uint32_t runq_shed(struct runq *q, struct task_list *list);

/* Owner of `to` only, whose ring is empty: takes half of `from`'s ring; one is returned, the rest
 * is in `to`. take_next: take from's next task too when its ring is empty. */
struct task *runq_steal(struct runq *to, struct runq *from, bool take_next);

/* Any thread; a hint that may be old at once. */
static inline uint32_t runq_length(const struct runq *q)
{
    /* relaxed: a hint; callers that must not miss work order it themselves (idle_recheck) */
    uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    bool has_next = atomic_load_explicit(&q->next, memory_order_relaxed) != NULL;
    return tail - head + has_next;
}

/* Any thread; the same for the ring alone. */
static inline bool runq_has_ring(const struct runq *q)
{
    return atomic_load_explicit(&q->head, memory_order_relaxed) !=
           atomic_load_explicit(&q->tail, memory_order_relaxed);
}

#endif
