/* lock.h: a lock of one word for short critical sections among machines.
 *
 *   FREE     -> HELD       lock_take
 *   HELD     -> CONTENDED  lock_take_slow   somebody sleeps, or is about to
 *   *        -> FREE       lock_release     wakes one sleeper if it was CONTENDED
 *
 * It blocks the thread, so it is never held across a park and never around anything that waits. A
 * pthread mutex would do; this one is four bytes, inline and a third of its cost uncontended. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdatomic.h>

enum { LOCK_FREE, LOCK_HELD, LOCK_CONTENDED };

struct lock {
    _Atomic(int) word;
};

void lock_take_slow(struct lock *l);
void lock_release_slow(struct lock *l);

static inline void lock_take(struct lock *l)
{
    int expected = LOCK_FREE;
    /* pairs: lock_release */
    if (!atomic_compare_exchange_strong_explicit(&l->word, &expected, LOCK_HELD,
                                                 memory_order_acquire, memory_order_relaxed))
        lock_take_slow(l);
}

static inline void lock_release(struct lock *l)
{
    /* pairs: lock_take */
    if (atomic_exchange_explicit(&l->word, LOCK_FREE, memory_order_release) == LOCK_CONTENDED)
        lock_release_slow(l);
}

#endif
