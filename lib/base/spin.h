/* spin.h: a lock of one word for sections of some ten nanoseconds.
 *
 * Giving it back is a plain store, half the cost of struct lock; in exchange nobody sleeps on it:
 * who waits spins, then lets other threads run. Never held across a park, nor long. */
#ifndef BASE_SPIN_H
#define BASE_SPIN_H

#include <stdatomic.h>

struct spin {
    _Atomic(int) is_held;
};

void spin_take_slow(struct spin *s);

static inline void spin_take(struct spin *s)
{
    int held = 0;
    /* pairs: spin_release */
    if (__builtin_expect(!atomic_compare_exchange_strong_explicit(
                             &s->is_held, &held, 1, memory_order_acquire, memory_order_relaxed),
                         0))
        spin_take_slow(s);
}

static inline void spin_release(struct spin *s)
{
    atomic_store_explicit(&s->is_held, 0, memory_order_release);
}

#endif
