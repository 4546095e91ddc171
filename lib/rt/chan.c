/* chan.c: channels. A value goes straight from who sends to who waits for it; the ring is used only
 * when nobody waits. Therefore receivers wait only while the ring is empty, and senders only while
 * it is full. */
#include "chan.h"

#include <errno.h>
#include <stdlib.h>

#include "assert.h"
#include "proc.h"

void chan_unlock(void *ch)
{
    spin_release(&((weft_chan *)ch)->lock);
}

weft_chan *weft_chan_new(size_t elem_size, size_t capacity)
{
    size_t bytes;
    if (__builtin_mul_overflow(elem_size, capacity, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(weft_chan), &bytes))
        return NULL;
    weft_chan *ch = calloc(1, bytes);
    if (ch) {
        ch->elem_size = elem_size;
        ch->capacity = capacity;
    }
    return ch;
}

void weft_chan_free(weft_chan *ch)
{
    if (!ch)
        return;
    spin_take(&ch->lock); /* who closed it, or was last to use it, may still be giving it back */
    weft_assert(!ch->senders.first && !ch->receivers.first);
    free(ch);
}

/* Waits with the lock held, which it gives back. */
static int wait_locked(weft_chan *ch, struct wait_queue *queue, void *value, int64_t deadline,
                       enum wait_reason reason)
{
    struct waiter w;
    struct wait_node node;
    waiter_init(&w, deadline, false);
    wait_node_init(&node, &w, value, WAITER_WOKEN);
    wait_queue_push(queue, &node);
    uint32_t word = waiter_park(&w, chan_unlock, ch, reason);
    if (weft_likely(word == WAITER_WOKEN))
        return 0;
    if (word == WAITER_WOKEN + CHAN_CLOSED)
        return -EPIPE;
    spin_take(&ch->lock);
    wait_queue_remove(queue, &node);
    spin_release(&ch->lock);
    return waiter_error(&w, word);
}

/* Gives the lock back after an attempt that did not have to wait. */
static int done_locked(weft_chan *ch, int rc, struct waiter *wake)
{
    spin_release(&ch->lock);
    if (wake)
        waiter_wake(wake);
    return rc == CHAN_DONE ? 0 : rc == CHAN_SHUT ? -EPIPE : -EAGAIN;
}

int weft_chan_send_until(weft_chan *ch, const void *value, int64_t deadline)
{
    struct waiter *wake;
    if (weft_unlikely(rt.is_fuzzing))
        sched_point();
    spin_take(&ch->lock);
    int rc = chan_send_locked(ch, value, &wake);
    if (rc == CHAN_WAIT)
        return wait_locked(ch, &ch->senders, (void *)value, deadline, WAIT_SEND);
    return done_locked(ch, rc, wake);
}

int weft_chan_recv_until(weft_chan *ch, void *ret_value, int64_t deadline)
{
    struct waiter *wake;
    if (weft_unlikely(rt.is_fuzzing))
        sched_point();
    spin_take(&ch->lock);
    int rc = chan_recv_locked(ch, ret_value, &wake);
    if (rc == CHAN_WAIT)
        return wait_locked(ch, &ch->receivers, ret_value, deadline, WAIT_RECV);
    return done_locked(ch, rc, wake);
}

int weft_chan_send(weft_chan *ch, const void *value)
{
    return weft_chan_send_until(ch, value, WEFT_NO_DEADLINE);
}

int weft_chan_recv(weft_chan *ch, void *ret_value)
{
    return weft_chan_recv_until(ch, ret_value, WEFT_NO_DEADLINE);
}

int weft_chan_try_send(weft_chan *ch, const void *value)
{
    struct waiter *wake;
    spin_take(&ch->lock);
    int rc = chan_send_locked(ch, value, &wake);
    return done_locked(ch, rc, wake);
}

int weft_chan_try_recv(weft_chan *ch, void *ret_value)
{
    struct waiter *wake;
    spin_take(&ch->lock);
    int rc = chan_recv_locked(ch, ret_value, &wake);
    return done_locked(ch, rc, wake);
}

void weft_chan_close(weft_chan *ch)
{
    spin_take(&ch->lock);
    if (ch->is_closed) {
        fprintf(stderr, "weft: a channel was closed twice\n");
        abort();
    }
    ch->is_closed = true;
    struct wait_node *senders = wait_queue_claim_all(&ch->senders, CHAN_CLOSED);
    struct wait_node *receivers = wait_queue_claim_all(&ch->receivers, CHAN_CLOSED);
    spin_release(&ch->lock);
    wake_all(senders);
    wake_all(receivers);
}

size_t weft_chan_len(weft_chan *ch)
{
    spin_take(&ch->lock);
    size_t count = ch->count;
    spin_release(&ch->lock);
    return count;
}
