/* once.c: doing something once.
 *
 *   NEW -> UNDER_WAY -> DONE   moved under the lock; DONE is looked at without */
#include "sync.h"

enum { NEW, UNDER_WAY, DONE };

static _Atomic(int) *state_of(weft_once *once)
{
    return (_Atomic(int) *)&once->state;
}

static void wait_locked(weft_once *once)
{
    struct waiter w;
    struct wait_node node;
    waiter_init_stubborn(&w);
    wait_node_init(&node, &w, NULL, WAITER_WOKEN);
    wait_queue_push(SYNC_QUEUE(once), &node);
    waiter_park(&w, sync_unlock, SYNC_LOCK(once), WAIT_ONCE);
}

void weft_once_do(weft_once *once, void (*fn)(void *arg), void *arg)
{
    /* pairs: the release below: who sees DONE sees what fn has done */
    if (atomic_load_explicit(state_of(once), memory_order_acquire) == DONE)
        return;
    spin_take(SYNC_LOCK(once));
    int state = atomic_load_explicit(state_of(once), memory_order_relaxed); /* under the lock */
    if (state == UNDER_WAY) {
        wait_locked(once);
        return;
    }
    if (state == NEW)
        atomic_store_explicit(state_of(once), UNDER_WAY, memory_order_relaxed);
    spin_release(SYNC_LOCK(once));
    if (state == DONE)
        return;
    fn(arg);
    spin_take(SYNC_LOCK(once));
    atomic_store_explicit(state_of(once), DONE, memory_order_release);
    struct wait_node *chain = wait_queue_claim_all(SYNC_QUEUE(once), 0);
    spin_release(SYNC_LOCK(once));
    wake_all(chain);
}
