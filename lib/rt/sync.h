/* sync.h: what the things of weft/sync.h have in common: a spin lock and a queue of waiters, which
 * the public structs hold as plain fields. */
#ifndef RT_SYNC_H
#define RT_SYNC_H

#include <weft/sync.h>

#include "spin.h"
#include "wait.h"

#define SYNC_LOCK(object) ((struct spin *)&(object)->lock)
#define SYNC_QUEUE(object) ((struct wait_queue *)&(object)->first)

static inline void sync_unlock(void *spin)
{
    spin_release(spin);
}

/* A waiter that nothing but what it waits for wakes: no context, no deadline. */
static inline void waiter_init_stubborn(struct waiter *w)
{
    waiter_init(w, WEFT_NO_DEADLINE, false);
    w->ctx = NULL;
    w->is_shared = false;
}

#endif
