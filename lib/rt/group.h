/* group.h: a group's inside, for group.c and reports. */
#ifndef RT_GROUP_H
#define RT_GROUP_H

#include <weft/group.h>

/* On the heap, from weft_group_init until weft_group_wait: children outlive a frame that was left
 * too early, and the report of that needs it. */
struct weft_group_state {
    int lock, error, running, spawned; /* under the lock */
    void *first, *last;                /* who waits for a place, or for the end */
    /* Immutable. */
    weft_group_opts opts;
    weft_ctx *ctx;                  /* a reference; NULL when there was no memory for it */
    struct weft_group_state *outer; /* the owner's next */
    struct coro *owner;
    const void *opened_at;
};

#endif
