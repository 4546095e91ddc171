#include "timer.h"

#include <errno.h>
#include <stdlib.h>

#include "assert.h"
#include "poller.h"
#include "proc.h"

enum { ARITY = 4, FIRST_CAPACITY = 64 };

static void slot_set(struct timer_heap *heap, uint32_t i, struct timer_slot slot)
{
    heap->slots[i] = slot;
    slot.timer->index = i;
}

static void sift_up(struct timer_heap *heap, uint32_t i, struct timer_slot slot)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / ARITY;
        if (heap->slots[parent].when <= slot.when)
            break;
        slot_set(heap, i, heap->slots[parent]);
        i = parent;
    }
    slot_set(heap, i, slot);
}

static void sift_down(struct timer_heap *heap, uint32_t i, struct timer_slot slot)
{
    for (;;) {
        uint32_t first = i * ARITY + 1;
        if (first >= heap->count)
            break;
        uint32_t end = first + ARITY < heap->count ? first + ARITY : heap->count;
        uint32_t least = first;
        for (uint32_t child = first + 1; child < end; child++)
            if (heap->slots[child].when < heap->slots[least].when)
                least = child;
        if (heap->slots[least].when >= slot.when)
            break;
        slot_set(heap, i, heap->slots[least]);
        i = least;
    }
    slot_set(heap, i, slot);
}

static void heap_publish_locked(struct timer_heap *heap)
{
    int64_t first = heap->count ? heap->slots[0].when : TIMER_NEVER;
    /* pairs: timers_first by an M about to block: it sees this, or the armer sees it idle */
    atomic_store_explicit(&heap->first, first, memory_order_seq_cst);
}

static void heap_insert_locked(struct timer_heap *heap, struct timer *t, int64_t when)
{
    weft_assert(heap->count < heap->capacity);
    /* pairs: poll_hasten in poll.c reads when */
    atomic_store_explicit(&t->when, when, memory_order_seq_cst);
    heap->count++;
    sift_up(heap, heap->count - 1, (struct timer_slot){when, t});
}

static void heap_remove_locked(struct timer_heap *heap, struct timer *t)
{
    uint32_t i = t->index;
    weft_assert(i < heap->count && heap->slots[i].timer == t);
    atomic_store_explicit(&t->when, TIMER_NEVER, memory_order_seq_cst);
    heap->count--;
    struct timer_slot last = heap->slots[heap->count];
    if (last.timer == t)
        return;
    if (i > 0 && heap->slots[(i - 1) / ARITY].when > last.when)
        sift_up(heap, i, last);
    else
        sift_down(heap, i, last);
}

static int heap_reserve_locked(struct timer_heap *heap)
{
    if (heap->count < heap->capacity)
        return 0;
    uint32_t capacity = heap->capacity ? heap->capacity * 2 : FIRST_CAPACITY;
    struct timer_slot *slots = realloc(heap->slots, capacity * sizeof *slots);
    if (!slots)
        return -ENOMEM;
    heap->slots = slots;
    heap->capacity = capacity;
    return 0;
}

int timer_arm(struct timer *t, struct proc *p, int64_t when)
{
    struct timer_heap *heap = &p->timers;
    weft_assert(when != TIMER_NEVER);
    lock_take(&heap->lock);
    int rc = heap_reserve_locked(heap);
    if (rc == 0) {
        /* relaxed: whoever hastens or stops the timer was told of it after this returned */
        atomic_store_explicit(&t->owner, p, memory_order_relaxed);
        heap_insert_locked(heap, t, when);
        heap_publish_locked(heap);
    }
    bool is_first = rc == 0 && heap->slots[0].timer == t;
    lock_release(&heap->lock);
    if (is_first)
        proc_wake_if_idle(p);
    return rc;
}

void timer_hasten(struct timer *t, int64_t when)
{
    /* relaxed: see timer_arm */
    struct proc *p = atomic_load_explicit(&t->owner, memory_order_relaxed);
    struct timer_heap *heap = &p->timers;

    lock_take(&heap->lock);
    int64_t armed = atomic_load_explicit(&t->when, memory_order_relaxed); /* relaxed: locked */
    bool is_earlier = when < armed;
    if (is_earlier) {
        if (armed != TIMER_NEVER)
            heap_remove_locked(heap, t);
        /* A timer that has fired gave its slot up, so that others may have filled the heap. Then it
         * goes without: its owner's deadline is missed, not his memory. */
        if (heap_reserve_locked(heap) == 0)
            heap_insert_locked(heap, t, when);
        heap_publish_locked(heap);
    }
    bool is_first = is_earlier && heap->count && heap->slots[0].timer == t;
    lock_release(&heap->lock);
    if (is_first)
        proc_wake_if_idle(p);
}

bool timer_stop(struct timer *t)
{
    struct proc *p = atomic_load_explicit(&t->owner, memory_order_relaxed);
    if (!p)
        return false;
    lock_take(&p->timers.lock);
    bool was_armed = atomic_load_explicit(&t->when, memory_order_relaxed) != TIMER_NEVER;
    if (was_armed) {
        heap_remove_locked(&p->timers, t);
        heap_publish_locked(&p->timers);
    }
    lock_release(&p->timers.lock);
    return was_armed;
}

int64_t timers_run(struct timer_heap *heap, int64_t now)
{
    if (timers_first(heap) > now)
        return timers_first(heap);

    lock_take(&heap->lock);
    while (heap->count && heap->slots[0].when <= now) {
        struct timer *t = heap->slots[0].timer;
        heap_remove_locked(heap, t);
        /* Once fire has readied its task the timer may be gone, unless fire asks for it again. */
        int64_t again = t->fire(t, now);
        if (again != TIMER_NEVER)
            heap_insert_locked(heap, t, again);
    }
    heap_publish_locked(heap);
    int64_t first = heap->count ? heap->slots[0].when : TIMER_NEVER;
    lock_release(&heap->lock);
    return first;
}

void timers_done(struct timer_heap *heap)
{
    for (uint32_t i = 0; i < heap->count; i++) /* relaxed: no other thread is left */
        atomic_store_explicit(&heap->slots[i].timer->when, TIMER_NEVER, memory_order_relaxed);
    free(heap->slots);
    heap->slots = NULL;
    heap->count = heap->capacity = 0;
}
