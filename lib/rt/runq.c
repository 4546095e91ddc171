#include "runq.h"

#include "assert.h"

uint32_t runq_shed(struct runq *q, struct task_list *list)
{
    uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    uint32_t count = (tail - head) / 2;
    if (count == 0 ||
        !atomic_compare_exchange_strong_explicit(&q->head, &head, head + count,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return 0;
    for (uint32_t i = 0; i < count; i++)
        task_list_push(list, runq_slot_get(q, head + i)); /* only this thread overwrites slots */
    return count;
}

/* Copies half of `from`'s tasks to the slots at to's tail, without publishing them. */
static uint32_t runq_grab(struct runq *to, uint32_t to_tail, struct runq *from)
{
    for (;;) {
        uint32_t head = atomic_load_explicit(&from->head, memory_order_acquire);
        /* pairs: the release of tail in runq_push: the slots below it are written */
        uint32_t tail = atomic_load_explicit(&from->tail, memory_order_acquire);
        uint32_t count = tail - head;
        count -= count / 2;
        if (count == 0)
            return 0;
        if (count > RUNQ_SIZE / 2)
            continue; /* head and tail were read at different times */
        for (uint32_t i = 0; i < count; i++)
            runq_slot_set(to, to_tail + i, runq_slot_get(from, head + i));
        if (atomic_compare_exchange_strong_explicit(&from->head, &head, head + count,
                                                    memory_order_acq_rel, memory_order_relaxed))
            return count;
    }
}

struct task *runq_steal(struct runq *to, struct runq *from, bool take_next)
{
    uint32_t tail = atomic_load_explicit(&to->tail, memory_order_relaxed);
    /* relaxed: only its owner adds to it. What is there would be overwritten. */
    weft_assert(atomic_load_explicit(&to->head, memory_order_relaxed) == tail);
    uint32_t count = runq_grab(to, tail, from);
    if (count == 0) {
        if (!take_next || !atomic_load_explicit(&from->next, memory_order_relaxed))
            return NULL;
        /* pairs: the exchange in proc_push_next, which published the task */
        return atomic_exchange_explicit(&from->next, NULL, memory_order_acquire);
    }
    struct task *task = runq_slot_get(to, tail + count - 1);
    if (count > 1)
        atomic_store_explicit(&to->tail, tail + count - 1, memory_order_release);
    return task;
}
