/* wg.c: wait groups.
 *
 * `count` is twice the count, plus one while somebody waits, so that the last done knows from its
 * own subtraction whether it has to touch the group again: if nobody waited it must not, for the
 * group may be gone. A waiter adds itself, and the one, under the lock while the count is not zero.
 */
#include <weft/rt.h>

#include "assert.h"
#include "coro.h"
#include "lock.h"

enum { WG_WAITED = 1, WG_STEP = 2 };

struct wg_waiter {
    struct wg_waiter *next;
    struct coro *coro;
};

static _Atomic(int64_t) *wg_count(weft_wg *wg)
{
    return (_Atomic(int64_t) *)&wg->count;
}

static struct lock *wg_lock(weft_wg *wg)
{
    return (struct lock *)&wg->lock;
}

static void wg_release(weft_wg *wg)
{
    lock_take(wg_lock(wg));
    struct wg_waiter *waiter = wg->waiters;
    wg->waiters = NULL;
    atomic_fetch_and_explicit(wg_count(wg), ~(int64_t)WG_WAITED, memory_order_relaxed);
    lock_release(wg_lock(wg));
    while (waiter) { /* each is gone, and perhaps the group with it, once it was readied */
        struct wg_waiter *next = waiter->next;
        task_ready(&waiter->coro->task);
        waiter = next;
    }
}

void weft_wg_add(weft_wg *wg, int n)
{
    int64_t add = (int64_t)n * WG_STEP;
    /* pairs: the acquire in weft_wg_wait and wg_commit: what was done is seen by who waited */
    int64_t now = atomic_fetch_add_explicit(wg_count(wg), add, memory_order_acq_rel) + add;
    weft_assert(now >= 0);
    if (now == WG_WAITED)
        wg_release(wg);
}

void weft_wg_done(weft_wg *wg)
{
    weft_wg_add(wg, -1);
}

struct wg_wait {
    weft_wg *wg;
    struct wg_waiter waiter;
};

static bool wg_commit(struct coro *c, void *arg)
{
    struct wg_wait *w = arg;
    weft_wg *wg = w->wg;
    w->waiter.coro = c;
    lock_take(wg_lock(wg));
    int64_t count = atomic_load_explicit(wg_count(wg), memory_order_acquire);
    while (count >= WG_STEP) {
        if (!atomic_compare_exchange_weak_explicit(wg_count(wg), &count, count | WG_WAITED,
                                                   memory_order_acq_rel, memory_order_acquire))
            continue;
        w->waiter.next = wg->waiters; /* wg_release waits for the lock before it looks */
        wg->waiters = &w->waiter;
        lock_release(wg_lock(wg));
        return true;
    }
    lock_release(wg_lock(wg));
    return false;
}

int weft_wg_wait(weft_wg *wg)
{
    if (atomic_load_explicit(wg_count(wg), memory_order_acquire) < WG_STEP)
        return 0;
    struct wg_wait w = {.wg = wg};
    coro_park(wg_commit, &w, WAIT_GROUP);
    return 0;
}
