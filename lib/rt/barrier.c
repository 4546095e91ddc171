/* barrier.c: barriers. The last to come wakes the others, and the next round has begun. */
#include "assert.h"
#include "sync.h"

int weft_barrier_wait(weft_barrier *b)
{
    weft_assert(b->parties > 0);
    spin_take(SYNC_LOCK(b));
    if (b->arrived + 1 == b->parties) {
        b->arrived = 0;
        struct wait_node *chain = wait_queue_claim_all(SYNC_QUEUE(b), 0);
        spin_release(SYNC_LOCK(b));
        wake_all(chain);
        return 1;
    }
    struct waiter w;
    struct wait_node node;
    b->arrived++;
    waiter_init(&w, WEFT_NO_DEADLINE, false);
    wait_node_init(&node, &w, NULL, WAITER_WOKEN);
    wait_queue_push(SYNC_QUEUE(b), &node);
    uint32_t word = waiter_park(&w, sync_unlock, SYNC_LOCK(b), WAIT_BARRIER);
    if (word == WAITER_WOKEN)
        return 0;
    spin_take(SYNC_LOCK(b));
    if (node.is_queued) /* else its round has been completed with it, though it does not see it */
        b->arrived--;
    wait_queue_remove(SYNC_QUEUE(b), &node);
    spin_release(SYNC_LOCK(b));
    return waiter_error(&w, word);
}
