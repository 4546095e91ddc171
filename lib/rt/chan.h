/* chan.h: a channel's inside, for chan.c and select.c. */
#ifndef RT_CHAN_H
#define RT_CHAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <weft/chan.h>

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

/* Try to send or receive at once, with the lock held. When somebody who waited is part of it he is
 * in *ret_wake, to be woken once the lock is given back. */
int chan_send_locked(weft_chan *ch, const void *value, struct waiter **ret_wake);
int chan_recv_locked(weft_chan *ch, void *ret_value, struct waiter **ret_wake);

void chan_unlock(void *ch);

#endif
