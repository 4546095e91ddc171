/* poller.h: what the scheduler needs of a netpoller. The layer above implements it (one file for
 * epoll, one for kqueue): the scheduler blocks in it, and is woken through it. */
#ifndef RT_POLLER_H
#define RT_POLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "task.h"

struct proc;

/* Makes p's poller. Returns 0 or a negative errno. */
int poller_init(struct proc *p);

/* Frees it; NULL-safe, half-built allowed. */
void poller_done(struct proc *p);

/* Collects the tasks whose descriptors have become ready into `ready`, and waits for the first at
 * most `timeout_ns` (0: not at all, -1: without bound). Returns whether a poller_wake has come. Any
 * machine, also for a processor that is not its own: then it passes the wake-up on, for it is the
 * owner that may be about to block. */
bool poller_wait(struct proc *p, int64_t timeout_ns, struct task_list *ready);

/* Makes a poller_wait that blocks, or the next one, return soon. Any thread. */
void poller_wake(struct proc *p);

#endif
