/* cond.c: conditions. */
#include "sync.h"

struct release {
    weft_cond *cond;
    weft_mutex *mutex;
};

/* The mutex is given back when the waiter is in the queue and parked: no signal is missed. */
static void release_both(void *arg)
{
    struct release r = *(struct release *)arg; /* who waits may go on once the lock is free */
    spin_release(SYNC_LOCK(r.cond));
    weft_mutex_unlock(r.mutex);
}

int weft_cond_wait_until(weft_cond *c, weft_mutex *m, int64_t deadline)
{
    struct waiter w;
    struct wait_node node;
    struct release both = {c, m};
    waiter_init(&w, deadline, false);
    wait_node_init(&node, &w, NULL, WAITER_WOKEN);
    spin_take(SYNC_LOCK(c));
    wait_queue_push(SYNC_QUEUE(c), &node);
    uint32_t word = waiter_park(&w, release_both, &both, WAIT_COND);
    if (word != WAITER_WOKEN) {
        spin_take(SYNC_LOCK(c));
        wait_queue_remove(SYNC_QUEUE(c), &node);
        spin_release(SYNC_LOCK(c));
    }
    weft_mutex_lock(m);
    return word == WAITER_WOKEN ? 0 : waiter_error(&w, word);
}

int weft_cond_wait(weft_cond *c, weft_mutex *m)
{
    return weft_cond_wait_until(c, m, WEFT_NO_DEADLINE);
}

void weft_cond_signal(weft_cond *c)
{
    spin_take(SYNC_LOCK(c));
    struct wait_node *node = wait_queue_claim(SYNC_QUEUE(c), 0);
    spin_release(SYNC_LOCK(c));
    if (node)
        waiter_wake(node->waiter);
}

void weft_cond_broadcast(weft_cond *c)
{
    spin_take(SYNC_LOCK(c));
    struct wait_node *chain = wait_queue_claim_all(SYNC_QUEUE(c), 0);
    spin_release(SYNC_LOCK(c));
    wake_all(chain);
}
