/* sem.c: semaphores, weighted. Who gives back hands over to those who wait, first come first
 * served: somebody who wants much is not overtaken by those who want little. */
#include <errno.h>

#include "assert.h"
#include "sync.h"

static struct wait_node *admit_locked(weft_sem *s)
{
    struct wait_node *chain = NULL, **last = &chain, *n;
    while ((n = SYNC_QUEUE(s)->first)) {
        int64_t wanted = *(int64_t *)n->value;
        if (wanted > s->count)
            break;
        wait_queue_remove(SYNC_QUEUE(s), n);
        if (!waiter_claim(n->waiter, n->code))
            continue;
        s->count -= wanted;
        n->next = NULL;
        *last = n;
        last = &n->next;
    }
    return chain;
}

static bool take_locked(weft_sem *s, int64_t n)
{
    bool can = !SYNC_QUEUE(s)->first && s->count >= n;
    if (can)
        s->count -= n;
    return can;
}

int weft_sem_try_acquire(weft_sem *s, int64_t n)
{
    weft_assert(n > 0);
    spin_take(SYNC_LOCK(s));
    bool has = take_locked(s, n);
    spin_release(SYNC_LOCK(s));
    return has ? 0 : -EAGAIN;
}

int weft_sem_acquire_until(weft_sem *s, int64_t n, int64_t deadline)
{
    weft_assert(n > 0);
    spin_take(SYNC_LOCK(s));
    if (take_locked(s, n)) {
        spin_release(SYNC_LOCK(s));
        return 0;
    }
    struct waiter w;
    struct wait_node node;
    waiter_init(&w, deadline, false);
    wait_node_init(&node, &w, &n, WAITER_WOKEN);
    wait_queue_push(SYNC_QUEUE(s), &node);
    uint32_t word = waiter_park(&w, sync_unlock, SYNC_LOCK(s), WAIT_SEM);
    if (word == WAITER_WOKEN)
        return 0;
    spin_take(SYNC_LOCK(s));
    wait_queue_remove(SYNC_QUEUE(s), &node);
    struct wait_node *chain = admit_locked(s); /* it may have been in others' way */
    spin_release(SYNC_LOCK(s));
    wake_all(chain);
    return waiter_error(&w, word);
}

int weft_sem_acquire(weft_sem *s, int64_t n)
{
    return weft_sem_acquire_until(s, n, WEFT_NO_DEADLINE);
}

void weft_sem_release(weft_sem *s, int64_t n)
{
    weft_assert(n > 0);
    spin_take(SYNC_LOCK(s));
    s->count += n;
    struct wait_node *chain = admit_locked(s);
    spin_release(SYNC_LOCK(s));
    wake_all(chain);
}
