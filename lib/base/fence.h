/* fence.h: full barriers: what a thread did before is seen by others before what it does after.
 *
 * They order atomic words of which two threads write one each and read the other's (the scheduler's
 * "queue, then look for who is idle" against "declare idle, then look at the queues"). They publish
 * no plain memory: that is done by a release and an acquire on the word itself. Therefore the
 * thread sanitizer, which does not know fences (gcc says so with -Wtsan), is given the CPU's
 * barrier without a happens-before: nothing of ours depends on one, and a read-modify-write of a
 * dummy, which it would understand, would order all users of it among each other and hide their
 * races. */
#ifndef BASE_FENCE_H
#define BASE_FENCE_H

#include <stdatomic.h>

static inline void fence_full(void)
{
#if defined(__x86_64__)
    __asm__ volatile("lock orl $0, (%%rsp)" ::: "memory", "cc"); /* cheaper than mfence */
#elif defined(__aarch64__)
    __asm__ volatile("dmb ish" ::: "memory");
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* fence_full right after an atomic read-modify-write, which is one already on some CPUs. */
static inline void fence_after_swap(void)
{
#if defined(__x86_64__)
    atomic_signal_fence(memory_order_seq_cst);
#else
    fence_full();
#endif
}

#endif
