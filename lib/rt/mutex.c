/* mutex.c: mutexes.
 *
 *   word   LOCKED     somebody has it
 *          WAITED     the queue is not empty: giving back has to look at it; set and cleared under
 *                     the lock
 *          STARVING   one in the queue has waited long: it is handed the mutex, LOCKED stays
 *
 * Else who gives back wakes the first, which tries again and may find that somebody who was running
 * has been faster: that is what makes it fast. */
#include <errno.h>

#include "assert.h"
#include "pause.h"
#include "proc.h"
#include "sync.h"

enum { LOCKED = 1, WAITED = 2, STARVING = 4 };
enum { WOKEN = WAITER_WOKEN, HANDED };
enum { SPIN_ROUNDS = 4, SPIN_PAUSES = 30 };

static const int64_t STARVED_NS = 1 * WEFT_MS;

static _Atomic(unsigned) *word_of(weft_mutex *m)
{
    return (_Atomic(unsigned) *)&m->word;
}

static bool take_if_free(weft_mutex *m)
{
    unsigned word = atomic_load_explicit(word_of(m), memory_order_relaxed);
    while (!(word & (LOCKED | STARVING)))
        if (atomic_compare_exchange_weak_explicit(word_of(m), &word, word | LOCKED,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    return false;
}

/* Its holder is likely to run on another processor, and to be done soon. */
static bool spin_for(weft_mutex *m)
{
    for (int i = 0; i < SPIN_ROUNDS && weft_num_procs() > 1; i++) {
        for (int j = 0; j < SPIN_PAUSES; j++)
            cpu_pause();
        if (take_if_free(m))
            return true;
    }
    return false;
}

/* With the lock held: says that somebody waits, unless the mutex can be had after all. */
static bool take_or_announce_locked(weft_mutex *m, unsigned announce)
{
    unsigned word = atomic_load_explicit(word_of(m), memory_order_relaxed);
    for (;;) {
        bool is_free = !(word & (LOCKED | STARVING));
        if (atomic_compare_exchange_weak_explicit(word_of(m), &word,
                                                  word | (is_free ? LOCKED : announce),
                                                  memory_order_acquire, memory_order_relaxed))
            return is_free;
    }
}

/* Gives up waiting. */
static void leave(weft_mutex *m, struct wait_node *node)
{
    spin_take(SYNC_LOCK(m));
    wait_queue_remove(SYNC_QUEUE(m), node);
    if (!SYNC_QUEUE(m)->first)
        atomic_fetch_and_explicit(word_of(m), ~(unsigned)(WAITED | STARVING), memory_order_relaxed);
    spin_release(SYNC_LOCK(m));
}

static int lock_slow(weft_mutex *m, int64_t deadline, bool is_stubborn)
{
    struct waiter w;
    struct wait_node node;
    int64_t since = 0;
    unsigned announce = WAITED;
    if (weft_unlikely(rt.is_fuzzing))
        sched_point();
    if (take_if_free(m) || spin_for(m))
        return 0;
    for (;;) {
        if (is_stubborn)
            waiter_init_stubborn(&w);
        else
            waiter_init(&w, deadline, false);
        wait_node_init(&node, &w, NULL, WOKEN);
        spin_take(SYNC_LOCK(m));
        if (take_or_announce_locked(m, announce)) {
            spin_release(SYNC_LOCK(m));
            return 0;
        }
        if (since) /* woken before, and others were faster */
            wait_queue_push_front(SYNC_QUEUE(m), &node);
        else
            wait_queue_push(SYNC_QUEUE(m), &node);
        since = since ? since : weft_now();
        uint32_t word = waiter_park(&w, sync_unlock, SYNC_LOCK(m), WAIT_MUTEX);
        if (word == HANDED)
            return 0;
        if (word < WOKEN) {
            leave(m, &node);
            return waiter_error(&w, word);
        }
        if (take_if_free(m))
            return 0;
        if (weft_now() - since > STARVED_NS)
            announce = WAITED | STARVING;
    }
}

void weft_mutex_lock_slow(weft_mutex *m)
{
    (void)lock_slow(m, WEFT_NO_DEADLINE, true); /* cannot fail */
}

int weft_mutex_lock_until(weft_mutex *m, int64_t deadline)
{
    return lock_slow(m, deadline, false);
}

int weft_mutex_try_lock(weft_mutex *m)
{
    return take_if_free(m) ? 0 : -EBUSY;
}

void weft_mutex_unlock_slow(weft_mutex *m)
{
    spin_take(SYNC_LOCK(m));
    unsigned word = atomic_load_explicit(word_of(m), memory_order_relaxed);
    weft_assert(word & LOCKED);
    bool is_handed = word & STARVING;
    struct wait_node *node = wait_queue_claim(SYNC_QUEUE(m), is_handed ? HANDED - WOKEN : 0);
    word = SYNC_QUEUE(m)->first ? WAITED : 0;
    if (node && is_handed)
        word |= LOCKED;
    /* Nobody else changes it: it is LOCKED, and the lock is held. */
    atomic_store_explicit(word_of(m), word, memory_order_release);
    spin_release(SYNC_LOCK(m));
    if (node)
        waiter_wake(node->waiter);
}
