/* spawnq.h: a processor's spawned coroutines that have not run yet.
 *
 * The owner takes the newest, so that what is spawned last and least is finished first, few of them
 * are under way at once, and their stacks are still in the cache. Thieves take the oldest half:
 * work that is likely to spawn more. A lock of two dozen cycles guards both ends. */
#ifndef RT_SPAWNQ_H
#define RT_SPAWNQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "spin.h"
#include "task.h"

enum { SPAWNQ_SIZE = 256 }; /* a power of two */

struct spawnq {
    _Alignas(64) struct spin lock;
    _Atomic(uint32_t) count; /* written under the lock; a hint for who only looks */
    uint32_t oldest;         /* index of the oldest, used modulo the size */
    struct task *slot[SPAWNQ_SIZE];
};

/* Owner only. Adds the newest. Returns how many there are now; 0 when it is full and nothing was
 * added. */
static inline uint32_t spawnq_push(struct spawnq *q, struct task *task)
{
    spin_take(&q->lock);
    uint32_t count = atomic_load_explicit(&q->count, memory_order_relaxed);
    if (count < SPAWNQ_SIZE) {
        q->slot[(q->oldest + count) % SPAWNQ_SIZE] = task;
        atomic_store_explicit(&q->count, ++count, memory_order_relaxed);
    } else {
        count = 0;
    }
    spin_release(&q->lock);
    return count;
}

/* Any thread; a hint that may be old at once. */
static inline uint32_t spawnq_length(const struct spawnq *q)
{
    return atomic_load_explicit(&q->count, memory_order_relaxed);
}

/* Owner only. The newest, or NULL. */
static inline struct task *spawnq_pop(struct spawnq *q)
{
    if (spawnq_length(q) == 0) /* only the owner adds: what it does not see is not there */
        return NULL;
    spin_take(&q->lock);
    uint32_t count = atomic_load_explicit(&q->count, memory_order_relaxed);
    struct task *task = NULL;
    if (count) {
        task = q->slot[(q->oldest + --count) % SPAWNQ_SIZE];
        if (count) /* the next one may have come from another processor */
            __builtin_prefetch(q->slot[(q->oldest + count - 1) % SPAWNQ_SIZE]);
        atomic_store_explicit(&q->count, count, memory_order_relaxed);
    }
    spin_release(&q->lock);
    return task;
}

/* Any thread. Takes the oldest half (at least one, at most `most`) into `list`. */
static inline void spawnq_take_oldest(struct spawnq *q, struct task_list *list, uint32_t most)
{
    if (spawnq_length(q) == 0)
        return;
    spin_take(&q->lock);
    uint32_t count = atomic_load_explicit(&q->count, memory_order_relaxed);
    uint32_t n = count - count / 2 < most ? count - count / 2 : most;
    for (uint32_t i = 0; i < n; i++)
        task_list_push(list, q->slot[(q->oldest + i) % SPAWNQ_SIZE]);
    q->oldest += n;
    atomic_store_explicit(&q->count, count - n, memory_order_relaxed);
    spin_release(&q->lock);
}

#endif
