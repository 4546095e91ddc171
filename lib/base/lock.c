#include "lock.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pause.h"

/* Tries before sleeping: sections last some ten nanoseconds, a sleep costs microseconds. */
enum { SPINS = 40 };

void lock_take_slow(struct lock *l)
{
    for (int i = 0; i < SPINS; i++) {
        int expected = LOCK_FREE;
        if (atomic_compare_exchange_strong_explicit(&l->word, &expected, LOCK_HELD,
                                                    memory_order_acquire, memory_order_relaxed))
            return;
        cpu_pause();
    }
    /* The result does not matter: woken, interrupted or too late, the word is looked at again. */
    while (atomic_exchange_explicit(&l->word, LOCK_CONTENDED, memory_order_acquire) != LOCK_FREE)
        syscall(SYS_futex, &l->word, FUTEX_WAIT_PRIVATE, LOCK_CONTENDED, NULL, NULL, 0);
}

void lock_release_slow(struct lock *l)
{
    syscall(SYS_futex, &l->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
