/* poll.h: the netpoller: parks and wakes tasks around the readiness of descriptors.
 *
 * Each processor has one poller (epoll or kqueue). A descriptor is registered once, with the poller
 * of the processor where that happens, edge-triggered, in both directions. What a direction's word
 * holds, and who moves it:
 *
 *   NIL   -> READY   poll_fire      an edge came and nobody waits
 *   NIL   -> task    poll_arm       somebody waits: a parked coroutine, or an idle connection
 *   READY -> NIL     poll_arm       the edge came first: the caller tries again, nobody waits
 *   task  -> NIL     poll_fire      the edge readies the task, as do a deadline and an interrupt
 *
 * Invariant: at most one task waits a direction. The word is all that decides; whoever moves it
 * from a task to NIL, and only he, readies the task, after having written `why`. */
#ifndef NET_POLL_H
#define NET_POLL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/net.h>

#include "proc.h"
#include "timer.h"

enum poll_direction { POLL_READ, POLL_WRITE };

enum poll_why {
    POLL_EVENT,       /* readiness, an error or a hang-up: try the system call */
    POLL_DEADLINE,    /* the direction's deadline passed */
    POLL_INTERRUPTED, /* poll_interrupt */
};

/* One direction of a descriptor. */
struct poll_wait {
    _Atomic(uintptr_t) word;   /* see above */
    _Atomic(int64_t) deadline; /* a point of weft_now(); lazily looked at by the timer */
    _Atomic(bool) is_past;     /* the timer has seen it pass; see poll.c */
    uint8_t why; /* enum poll_why of the last wake; written before the task is readied */
};

struct poll_desc;
typedef void poll_on_end(struct poll_desc *desc);

struct poll_desc {
    int fd;
    bool is_registered;       /* with a poller; by its holder */
    _Atomic(bool) is_watched; /* by weft_poll: whatever comes fires the read direction */
    _Atomic(bool) is_ending;  /* the peer has closed or reset: sticky, no further edge may come */
    /* Called when the peer has ended, or, by a late event of the record's last holder, for nothing:
     * on a scheduler's stack, must not park. NULL: nobody wants to know. */
    _Atomic(poll_on_end *) on_end;
    struct poll_wait wait[2];     /* by enum poll_direction */
    struct timer timer;           /* one for both deadlines, armed at the earliest asked for */
    _Atomic(int32_t) *registered; /* the processor's count that this registration is in */
};

/* A descriptor that nobody polls yet. The record must be of a struct pool: an event may come late,
 * to who has it next. */
void poll_init(struct poll_desc *desc, int fd);

/* A record for a descriptor that is no connection, from a pool; NULL when memory is out. poll_free
 * gives it back, after poll_close. */
struct poll_desc *poll_new(int fd);
void poll_free(struct poll_desc *desc);

/* Registers desc->fd with p's poller and arms its timer for p. Returns 0; -ENOMEM, -ENOSPC, -EPERM
 * (a regular file). Any thread. */
WEFT_MUST_USE int poll_open(struct poll_desc *desc, struct proc *p);

/* poll_open without the poller: arms the timer only. */
WEFT_MUST_USE int poll_open_timer(struct poll_desc *desc, struct proc *p);

/* Ends a registration, before the descriptor is closed. No task may wait. */
void poll_close(struct poll_desc *desc);

/* Parks the calling coroutine until the direction is ready, its deadline has passed or its context
 * has ended. Only after poll_open. Returns 0; -ETIMEDOUT; -ECANCELED, also after poll_interrupt. */
WEFT_MUST_USE int poll_park(struct poll_desc *desc, enum poll_direction direction);

/* Lets `task` be readied by the direction's next wake. The task may be running, and the descriptor
 * closed, before this returns. */
void poll_arm(struct poll_desc *desc, enum poll_direction direction, struct task *task);

/* Takes an armed task back. Returns whether it was still there; else it has been readied. */
bool poll_disarm(struct poll_desc *desc, enum poll_direction direction, struct task *task);

/* Sets a direction's deadline (WEFT_NO_DEADLINE: none); the timer follows. By its holder. */
void poll_set_deadline(struct poll_desc *desc, enum poll_direction direction, int64_t when);

/* Wakes `task` with POLL_INTERRUPTED if that is what waits. Returns whether it did. Any thread. */
bool poll_interrupt(struct poll_desc *desc, enum poll_direction direction, struct task *task);

#endif
