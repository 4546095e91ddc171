/* wait.h: waiting for one of several things, of which the first that comes ends the wait.
 *
 * A waiter lives on the stack of who waits, a coroutine or an OS thread. Its word decides:
 *
 *   RUNNING -> PARKED      wait_park's commit, when it is off its stack
 *   RUNNING -> how it ended    the context or the deadline came first: it goes on at once
 *   PARKED  -> how it ended    whoever wins the swap wakes it
 *
 * Nodes put a waiter into the queues of what it waits for, each under that thing's lock. The lock
 * is held from the node's entry until the waiter is PARKED, so that who finds a node under the lock
 * finds a waiter that can be woken, or one that was woken by somebody else. A node stays readable
 * until its owner has taken that lock again, or was woken through this very node. */
#ifndef RT_WAIT_H
#define RT_WAIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "context.h"
#include "coro.h"
#include "timer.h"

enum {
    WAITER_RUNNING,
    WAITER_PARKED,
    WAITER_TIMED_OUT,
    WAITER_CANCELED,
    WAITER_NO_MEMORY,
    WAITER_WOKEN, /* and above: by whom, which the waiter's kind defines */
};

struct waiter {
    _Atomic(uint32_t) word;
    _Atomic(unsigned) thread_wakes; /* futex of an OS thread */
    struct coro *coro;              /* NULL: an OS thread */
    bool is_shared;                 /* more than one may want to end the wait: swaps needed */
    bool is_timed, is_watching;
    int64_t deadline; /* WEFT_NO_DEADLINE: none */
    weft_ctx *ctx;    /* that ends the wait with it, or NULL; borrowed */
    void (*unlock)(void *arg);
    void *unlock_arg;
    struct timer timer;
    struct context_watch watch;
};

struct wait_node {
    struct wait_node *next, *prev; /* in a queue, under its lock */
    struct waiter *waiter;
    void *value;   /* for the thing waited for */
    uint32_t code; /* what the word becomes when it is woken through this node, at least */
    bool is_queued;
};

struct wait_queue {
    struct wait_node *first, *last;
};

/* The caller waits: a coroutine under its current context, or a thread under none. is_select: it
 * will be in more than one queue. */
void waiter_init(struct waiter *w, int64_t deadline, bool is_select);

/* Parks until somebody ends the wait. Enter with the lock held that guards the nodes; it is given
 * back by `unlock(unlock_arg)`, whose last access is the giving back. Returns the word. */
uint32_t waiter_park(struct waiter *w, void (*unlock)(void *arg), void *unlock_arg,
                     enum wait_reason reason);

/* What a waiting call returns when its wait was not ended by what it waited for. */
int waiter_error(const struct waiter *w, uint32_t word);

/* Tries to end a parked waiter's wait with `word`. Returns whether the caller did: then he, and
 * only he, calls waiter_wake in the end. Under the lock of the node's queue. */
static inline bool waiter_claim(struct waiter *w, uint32_t word)
{
    if (!w->is_shared) { /* relaxed: the lock orders it */
        atomic_store_explicit(&w->word, word, memory_order_relaxed);
        return true;
    }
    uint32_t parked = WAITER_PARKED;
    return atomic_compare_exchange_strong_explicit(&w->word, &parked, word, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

/* Lets a claimed waiter go on; it is gone afterwards. */
void waiter_wake(struct waiter *w);

static inline void wait_node_init(struct wait_node *n, struct waiter *w, void *value, uint32_t code)
{
    n->waiter = w;
    n->value = value;
    n->code = code;
    n->is_queued = false;
}

static inline void wait_queue_push(struct wait_queue *q, struct wait_node *n)
{
    n->is_queued = true;
    n->next = NULL;
    n->prev = q->last;
    if (q->last)
        q->last->next = n;
    else
        q->first = n;
    q->last = n;
}

static inline void wait_queue_push_front(struct wait_queue *q, struct wait_node *n)
{
    n->is_queued = true;
    n->prev = NULL;
    n->next = q->first;
    if (q->first)
        q->first->prev = n;
    else
        q->last = n;
    q->first = n;
}

static inline void wait_queue_remove(struct wait_queue *q, struct wait_node *n)
{
    if (!n->is_queued)
        return;
    n->is_queued = false;
    if (n->prev)
        n->prev->next = n->next;
    else
        q->first = n->next;
    if (n->next)
        n->next->prev = n->prev;
    else
        q->last = n->prev;
}

/* Takes the first node whose wait the caller can end off the queue, and ends it with the node's
 * code plus `add`. NULL when there is none. */
static inline struct wait_node *wait_queue_claim(struct wait_queue *q, uint32_t add)
{
    struct wait_node *n;
    while ((n = q->first)) {
        wait_queue_remove(q, n);
        if (waiter_claim(n->waiter, n->code + add))
            return n;
    }
    return NULL;
}

/* Claims all of them; `wake_all` wakes the chain that this returns, when the lock has been given
 * back. */
struct wait_node *wait_queue_claim_all(struct wait_queue *q, uint32_t add);
void wake_all(struct wait_node *chain);

#endif
