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

/* Owner only. Returns false when the ring is full. */
bool runq_push(struct runq *q, struct task *task);

/* Owner only. The oldest task of the ring, or NULL. */
struct task *runq_pop(struct runq *q);

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
