/* poll_backend.h: what differs between epoll and kqueue; with rt's poller.h all that a backend
 * file implements. */
#ifndef NET_POLL_BACKEND_H
#define NET_POLL_BACKEND_H

#include "poll.h"

/* Registers desc->fd with p's poller, edge-triggered, both directions, for good: closing the
 * descriptor ends it. Returns 0 or a negative errno. Any thread. */
int poll_backend_add(struct proc *p, struct poll_desc *desc);

/* Lets the next readiness of desc->fd in the directions of `events` (WEFT_READABLE, WEFT_WRITABLE)
 * fire its read direction, once; is_again: it was asked for before and has fired. Returns 0 or a
 * negative errno: -EEXIST when p's poller knows the descriptor through another record. */
int poll_backend_watch(struct proc *p, struct poll_desc *desc, int events, bool is_again);

/* Ends that. */
void poll_backend_unwatch(struct proc *p, struct poll_desc *desc);

/* Whether the peer has closed its side or reset the connection; asks the kernel. Any thread. */
bool poll_backend_has_ended(const struct poll_desc *desc);

/* The peer has ended, most likely: an event may be late, see poll_init. Any machine. */
void poll_end(struct poll_desc *desc);

/* An edge came: what waits in that direction goes to `ready`. Any machine. */
void poll_fire(struct poll_desc *desc, enum poll_direction direction, struct task_list *ready);

#endif
