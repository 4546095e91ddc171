/* wg.c: wait groups.
 *
 * `count` is twice the count, plus one while somebody waits, so that the last done knows from its
 * own subtraction whether it has to touch the group again: if nobody waited it must not, for the
 * group may be gone. A waiter adds itself, and the one, under the lock while the count is not zero.
 */
#include "assert.h"
#include "sync.h"

enum { WG_WAITED = 1, WG_STEP = 2 };

static _Atomic(int64_t) *wg_count(weft_wg *wg)
{
    return (_Atomic(int64_t) *)&wg->count;
}

static void wg_release(weft_wg *wg)
{
    spin_take(SYNC_LOCK(wg));
    struct wait_node *chain = wait_queue_claim_all(SYNC_QUEUE(wg), 0);
    /* relaxed: nobody adds to a group at zero that is waited for */
    atomic_store_explicit(wg_count(wg), 0, memory_order_relaxed);
    spin_release(SYNC_LOCK(wg));
    wake_all(chain);
}

void weft_wg_add(weft_wg *wg, int n)
{
    int64_t add = (int64_t)n * WG_STEP;
    /* pairs: the acquire in weft_wg_wait: what was done is seen by who waited */
    int64_t now = atomic_fetch_add_explicit(wg_count(wg), add, memory_order_acq_rel) + add;
    weft_assert(now >= 0);
    if (now == WG_WAITED)
        wg_release(wg);
}

void weft_wg_done(weft_wg *wg)
{
    weft_wg_add(wg, -1);
}

/* Says that somebody waits, under the lock. Returns false when the count is zero. */
static bool announce_locked(weft_wg *wg)
{
    int64_t count = atomic_load_explicit(wg_count(wg), memory_order_acquire);
    while (count >= WG_STEP)
        if (atomic_compare_exchange_weak_explicit(wg_count(wg), &count, count | WG_WAITED,
                                                  memory_order_acq_rel, memory_order_acquire))
            return true; /* wg_release waits for the lock before it looks */
    return false;
}

int weft_wg_wait(weft_wg *wg)
{
    if (atomic_load_explicit(wg_count(wg), memory_order_acquire) < WG_STEP)
        return 0;
    struct waiter w;
    struct wait_node node;
    waiter_init(&w, WEFT_NO_DEADLINE, false);
    wait_node_init(&node, &w, NULL, WAITER_WOKEN);
    spin_take(SYNC_LOCK(wg));
    if (!announce_locked(wg)) {
        spin_release(SYNC_LOCK(wg));
        return 0;
    }
    wait_queue_push(SYNC_QUEUE(wg), &node);
    uint32_t word = waiter_park(&w, sync_unlock, SYNC_LOCK(wg), WAIT_WG);
    if (word == WAITER_WOKEN)
        return 0;
    spin_take(SYNC_LOCK(wg));
    wait_queue_remove(SYNC_QUEUE(wg), &node);
    spin_release(SYNC_LOCK(wg));
    return waiter_error(&w, word);
}
