#include "runq.h"

#include "assert.h"

static struct task *slot_get(struct runq *q, uint32_t i)
{
    /* relaxed: published by tail's release, owned by winning head */
    return atomic_load_explicit(&q->slot[i % RUNQ_SIZE], memory_order_relaxed);
}

static void slot_set(struct runq *q, uint32_t i, struct task *task)
{
    /* relaxed: published by the release of tail that follows */
    atomic_store_explicit(&q->slot[i % RUNQ_SIZE], task, memory_order_relaxed);
}

bool runq_push(struct runq *q, struct task *task)
{
    /* pairs: the compare-and-swap of head by a thief, who is done reading the slot */
    uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);
    /* relaxed: only this thread moves tail */
    uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    weft_assert(tail - head <= RUNQ_SIZE);
    if (tail - head == RUNQ_SIZE)
        return false;
    slot_set(q, tail, task);
    /* pairs: the acquire of tail in runq_grab */
    atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
    return true;
}

struct task *runq_pop(struct runq *q)
{
    uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);
    for (;;) {
        uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
        if (tail == head)
            return NULL;
        struct task *task = slot_get(q, head);
        /* pairs: runq_push and runq_grab, which read head with acquire */
        if (atomic_compare_exchange_weak_explicit(&q->head, &head, head + 1, memory_order_acq_rel,
                                                  memory_order_acquire))
            return task;
    }
}

uint32_t runq_shed(struct runq *q, struct task_list *list)
{
    uint32_t head = atomic_load_explicit(&q->head, memory_order_acquire);
    uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    uint32_t count = (tail - head) / 2;
    struct task *taken[RUNQ_SIZE / 2];

    for (uint32_t i = 0; i < count; i++)
        taken[i] = slot_get(q, head + i);
    if (count == 0 ||
        !atomic_compare_exchange_strong_explicit(&q->head, &head, head + count,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return 0;
    for (uint32_t i = 0; i < count; i++)
        task_list_push(list, taken[i]);
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
            slot_set(to, to_tail + i, slot_get(from, head + i));
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
    struct task *task = slot_get(to, tail + count - 1);
    if (count > 1)
        atomic_store_explicit(&to->tail, tail + count - 1, memory_order_release);
    return task;
}
