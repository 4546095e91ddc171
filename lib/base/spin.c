#include "spin.h"

#include <sched.h>
#include <stdbool.h>
#include <time.h>

#include "pause.h"

enum { SPINS = 100, YIELDS = 20 };

static bool try_take(struct spin *s)
{
    int held = 0;
    /* relaxed first look: a failing swap would pull the line away from its holder */
    return atomic_load_explicit(&s->is_held, memory_order_relaxed) == 0 &&
           atomic_compare_exchange_strong_explicit(&s->is_held, &held, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

void spin_take_slow(struct spin *s)
{
    for (int i = 0; i < SPINS; i++) {
        if (try_take(s))
            return;
        cpu_pause();
    }
    /* Its holder lost the CPU. */
    for (int i = 0; i < YIELDS; i++) {
        if (try_take(s))
            return;
        sched_yield();
    }
    while (!try_take(s))
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
}
