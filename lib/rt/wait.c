#include "wait.h"

#include <errno.h>
#include <stddef.h>

#include "assert.h"
#include "futex.h"
#include "proc.h"

/* Ends a wait that has perhaps not got as far as parking. */
static void end_early_or_late(struct waiter *w, uint32_t word)
{
    uint32_t was = atomic_load_explicit(&w->word, memory_order_acquire);
    do {
        if (was > WAITER_PARKED)
            return;
    } while (!atomic_compare_exchange_weak_explicit(&w->word, &was, word, memory_order_acq_rel,
                                                    memory_order_acquire));
    if (was == WAITER_PARKED)
        waiter_wake(w);
}

static int64_t on_timer(struct timer *t, int64_t now)
{
    (void)now;
    end_early_or_late((struct waiter *)((char *)t - offsetof(struct waiter, timer)),
                      WAITER_TIMED_OUT);
    return TIMER_NEVER;
}

static void on_context_end(struct context_watch *watch)
{
    end_early_or_late((struct waiter *)((char *)watch - offsetof(struct waiter, watch)),
                      WAITER_CANCELED);
}

void waiter_init(struct waiter *w, int64_t deadline, bool is_select)
{
    w->coro = coro_self();
    w->ctx = w->coro ? coro_context(w->coro) : NULL;
    w->deadline = deadline;
    w->is_timed = w->is_watching = false;
    w->is_shared = is_select || deadline != WEFT_NO_DEADLINE || w->ctx;
    atomic_store_explicit(&w->word, WAITER_RUNNING, memory_order_relaxed); /* not shared yet */
    if (!w->coro)
        atomic_store_explicit(&w->thread_wakes, 0, memory_order_relaxed);
}

void waiter_wake(struct waiter *w)
{
    if (weft_likely(w->coro != NULL)) {
        task_ready(&w->coro->task);
        return;
    }
    _Atomic(unsigned) *word = &w->thread_wakes;
    atomic_store_explicit(word, 1, memory_order_release); /* pairs: thread_sleep */
    futex_wake(word, 1);
}

/* Lets the deadline and the context end the wait, too; perhaps at once. */
static void arm(struct waiter *w)
{
    if (w->deadline != WEFT_NO_DEADLINE) {
        timer_init(&w->timer, on_timer);
        if (w->deadline <= weft_now()) {
            end_early_or_late(w, WAITER_TIMED_OUT);
        } else if (w->coro) {
            w->is_timed = true;
            if (timer_arm(&w->timer, proc_near(), w->deadline) < 0) {
                w->is_timed = false;
                end_early_or_late(w, WAITER_NO_MEMORY);
            }
        }
    }
    if (w->ctx) {
        w->watch.on_end = on_context_end;
        w->is_watching = context_watch(w->ctx, &w->watch) == 0;
        if (!w->is_watching)
            end_early_or_late(w, WAITER_CANCELED);
    }
}

static void disarm(struct waiter *w)
{
    if (w->is_timed)
        timer_stop(&w->timer);
    if (w->is_watching)
        context_unwatch(w->ctx, &w->watch);
}

/* Returns false when the deadline or the context was first. */
static bool publish(struct waiter *w)
{
    if (!w->is_shared) { /* relaxed: the lock is still held */
        atomic_store_explicit(&w->word, WAITER_PARKED, memory_order_relaxed);
        return true;
    }
    uint32_t running = WAITER_RUNNING;
    return atomic_compare_exchange_strong_explicit(&w->word, &running, WAITER_PARKED,
                                                   memory_order_acq_rel, memory_order_acquire);
}

static bool commit(struct coro *c, void *arg)
{
    struct waiter *w = arg;
    void (*unlock)(void *) = w->unlock;
    void *unlock_arg = w->unlock_arg;
    (void)c;
    bool is_parked = publish(w);
    unlock(unlock_arg); /* w may be gone */
    return is_parked;
}

static void thread_sleep(struct waiter *w)
{
    bool is_parked = publish(w);
    w->unlock(w->unlock_arg);
    while (is_parked && atomic_load_explicit(&w->thread_wakes, memory_order_acquire) == 0) {
        int64_t left = -1;
        if (w->deadline != WEFT_NO_DEADLINE) {
            left = w->deadline - weft_now();
            if (left <= 0 && waiter_claim(w, WAITER_TIMED_OUT))
                return;
            left = left > 0 ? left : -1; /* somebody is about to wake it */
        }
        futex_wait(&w->thread_wakes, 0, left);
    }
}

uint32_t waiter_park(struct waiter *w, void (*unlock)(void *arg), void *unlock_arg,
                     enum wait_reason reason)
{
    w->unlock = unlock;
    w->unlock_arg = unlock_arg;
    if (w->is_shared)
        arm(w);
    if (weft_likely(w->coro != NULL))
        coro_park(commit, w, reason);
    else
        thread_sleep(w);
    if (weft_unlikely(rt.is_fuzzing))
        sched_point(); /* it is still armed, and in the queues that did not wake it */
    if (w->is_shared)
        disarm(w);
    return atomic_load_explicit(&w->word, memory_order_acquire);
}

int waiter_error(const struct waiter *w, uint32_t word)
{
    weft_assert(word < WAITER_WOKEN);
    if (word == WAITER_TIMED_OUT)
        return -ETIMEDOUT;
    if (word == WAITER_NO_MEMORY)
        return -ENOMEM;
    return weft_ctx_error(w->ctx);
}

struct wait_node *wait_queue_claim_all(struct wait_queue *q, uint32_t add)
{
    struct wait_node *chain = NULL, **last = &chain, *n;
    while ((n = wait_queue_claim(q, add))) {
        *last = n;
        last = &n->next;
        n->next = NULL;
    }
    return chain;
}

void wake_all(struct wait_node *chain)
{
    while (chain) {
        struct wait_node *next = chain->next;
        waiter_wake(chain->waiter);
        chain = next;
    }
}
