/* rwlock.c: read-write locks. All is under the lock; who gives back hands over to who comes next,
 * and to all readers up to the next writer. */
#include <errno.h>

#include "assert.h"
#include "sync.h"

enum { WRITTEN = -1 }; /* holders: a writer has it; else the number of readers */
enum { READER = WAITER_WOKEN, WRITER };

/* Lets in who can be, and returns their chain. */
static struct wait_node *admit_locked(weft_rwlock *l)
{
    struct wait_node *chain = NULL, **last = &chain, *n;
    while ((n = SYNC_QUEUE(l)->first)) {
        bool is_writer = n->code == WRITER;
        if (is_writer ? l->holders != 0 : l->holders == WRITTEN)
            break;
        wait_queue_remove(SYNC_QUEUE(l), n);
        if (!waiter_claim(n->waiter, n->code))
            continue;
        l->holders = is_writer ? WRITTEN : l->holders + 1;
        n->next = NULL;
        *last = n;
        last = &n->next;
    }
    return chain;
}

static void release_and_wake(weft_rwlock *l)
{
    struct wait_node *chain = admit_locked(l);
    spin_release(SYNC_LOCK(l));
    wake_all(chain);
}

static int take(weft_rwlock *l, uint32_t code, int64_t deadline, bool is_stubborn)
{
    spin_take(SYNC_LOCK(l));
    if (!SYNC_QUEUE(l)->first && (code == WRITER ? l->holders == 0 : l->holders != WRITTEN)) {
        l->holders = code == WRITER ? WRITTEN : l->holders + 1;
        spin_release(SYNC_LOCK(l));
        return 0;
    }
    struct waiter w;
    struct wait_node node;
    if (is_stubborn)
        waiter_init_stubborn(&w);
    else
        waiter_init(&w, deadline, false);
    wait_node_init(&node, &w, NULL, code);
    wait_queue_push(SYNC_QUEUE(l), &node);
    uint32_t word = waiter_park(&w, sync_unlock, SYNC_LOCK(l), WAIT_RWLOCK);
    if (word >= WAITER_WOKEN)
        return 0;
    spin_take(SYNC_LOCK(l));
    wait_queue_remove(SYNC_QUEUE(l), &node);
    release_and_wake(l); /* a writer that gives up may have been in the way of readers */
    return waiter_error(&w, word);
}

void weft_rwlock_read_lock(weft_rwlock *l)
{
    (void)take(l, READER, WEFT_NO_DEADLINE, true); /* cannot fail */
}

void weft_rwlock_write_lock(weft_rwlock *l)
{
    (void)take(l, WRITER, WEFT_NO_DEADLINE, true); /* cannot fail */
}

int weft_rwlock_read_lock_until(weft_rwlock *l, int64_t deadline)
{
    return take(l, READER, deadline, false);
}

int weft_rwlock_write_lock_until(weft_rwlock *l, int64_t deadline)
{
    return take(l, WRITER, deadline, false);
}

void weft_rwlock_read_unlock(weft_rwlock *l)
{
    spin_take(SYNC_LOCK(l));
    weft_assert(l->holders > 0);
    l->holders--;
    release_and_wake(l);
}

void weft_rwlock_write_unlock(weft_rwlock *l)
{
    spin_take(SYNC_LOCK(l));
    weft_assert(l->holders == WRITTEN);
    l->holders = 0;
    release_and_wake(l);
}
