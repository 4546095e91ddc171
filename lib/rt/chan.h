/* chan.h: a channel's inside, for chan.c and select.c. */
#ifndef RT_CHAN_H
#define RT_CHAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <weft/chan.h>

#include "assert.h"
#include "spin.h"
#include "wait.h"

struct weft_chan {
    struct spin lock; /* over all below it that moves */
    bool is_closed;
    size_t elem_size, capacity; /* immutable */
    size_t count, first;        /* of the ring */
    struct wait_queue senders, receivers;
    char ring[];
};

/* In a word, beside the case: the channel was closed. */
enum { CHAN_CLOSED = 1, CHAN_CODE_STEP = 2 };

/* What an attempt under the lock came to. */
enum { CHAN_DONE, CHAN_SHUT, CHAN_WAIT };

static inline void chan_copy(const weft_chan *ch, void *to, const void *from)
{
    if (ch->elem_size == sizeof(uint64_t)) /* without a call for the commonest size */
        __builtin_memcpy(to, from, sizeof(uint64_t));
    else if (ch->elem_size)
        memcpy(to, from, ch->elem_size);
}

static inline char *chan_slot(weft_chan *ch, size_t i)
{
    return ch->ring + i * ch->elem_size;
}

static inline size_t chan_wrapped(const weft_chan *ch, size_t i)
{
    return i >= ch->capacity ? i - ch->capacity : i;
}

/* Tries to send at once, with the lock held. When somebody who waited is part of it he is in
 * *ret_wake, to be woken once the lock is given back. Inline, both: the whole of a channel's work
 * is in them. */
static inline int chan_send_locked(weft_chan *ch, const void *value, struct waiter **ret_wake)
{
    *ret_wake = NULL;
    if (weft_unlikely(ch->is_closed))
        return CHAN_SHUT;
    struct wait_node *receiver = wait_queue_claim(&ch->receivers, 0);
    if (receiver) {
        chan_copy(ch, receiver->value, value);
        *ret_wake = receiver->waiter;
        return CHAN_DONE;
    }
    if (ch->count == ch->capacity)
        return CHAN_WAIT;
    chan_copy(ch, chan_slot(ch, chan_wrapped(ch, ch->first + ch->count)), value);
    ch->count++;
    return CHAN_DONE;
}

/* The same to receive. */
static inline int chan_recv_locked(weft_chan *ch, void *ret_value, struct waiter **ret_wake)
{
    *ret_wake = NULL;
    if (ch->count == 0) {
        struct wait_node *sender = wait_queue_claim(&ch->senders,
                                                    0); /* of a channel without ring */
        if (sender) {
            chan_copy(ch, ret_value, sender->value);
            *ret_wake = sender->waiter;
            return CHAN_DONE;
        }
        return ch->is_closed ? CHAN_SHUT : CHAN_WAIT;
    }
    chan_copy(ch, ret_value, chan_slot(ch, ch->first));
    struct wait_node *sender = wait_queue_claim(&ch->senders, 0); /* the ring was full */
    if (sender) {
        chan_copy(ch, chan_slot(ch, ch->first), sender->value);
        *ret_wake = sender->waiter;
    } else {
        ch->count--;
    }
    ch->first = chan_wrapped(ch, ch->first + 1);
    return CHAN_DONE;
}

void chan_unlock(void *ch);

#endif
