/* futex.h: sleeping until a word changes. */
#ifndef BASE_FUTEX_H
#define BASE_FUTEX_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Sleeps while *word is `value`, at most `timeout_ns` (-1: without bound). May return early: the
 * caller looks again. Blocks the thread. */
static inline void futex_wait(_Atomic(unsigned) *word, unsigned value, int64_t timeout_ns)
{
    struct timespec ts = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns < 0 ? NULL : &ts, NULL, 0);
}

/* Wakes up to `count` sleepers. The word's memory may be gone. Any thread, signal handlers too. */
static inline void futex_wake(_Atomic(unsigned) *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

#endif
