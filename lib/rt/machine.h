/* machine.h: the machines: as many threads as there are processors, and one more for each coroutine
 * that goes on without a processor (in a blocking call, in a long computation). */
#ifndef RT_MACHINE_H
#define RT_MACHINE_H

#include <stdbool.h>

#include "fence.h"
#include "proc.h"

/* Starts a machine for each processor in use. Returns 0; -EAGAIN or -ENOMEM when a thread cannot be
 * had (then the runtime is stopping). */
WEFT_MUST_USE int machines_start(void);

/* Waits until every machine has come to its end, once the runtime stops at most `grace_ns` longer,
 * for a coroutine may be in a call that does not return. Returns how many have not; then the last
 * of them calls runtime_release. Blocks the thread, which is no machine. */
int machines_wait(int64_t grace_ns);

/* Frees what machines_wait has not; nobody runs any more. */
void machines_done(void);

/* A machine without a processor, resting or new; NULL when no more may be had, which is said once
 * on stderr. */
struct machine *machine_obtain(void);

/* Gives an obtained machine a processor to run; NULL: it is not needed after all. */
void machine_give(struct machine *m, struct proc *p);

/* The calling machine, which has no processor, rests until it is given one. Returns false when the
 * runtime stops, or when it has rested long and ends. */
bool machine_rest(struct machine *m);

/* Gives a machine's thread a long slice of the CPU while it is away, and takes it back: where the
 * kernel knows of it (Linux 6.12), machines with a processor then come before those that only
 * compute as soon as they wake. Elsewhere nothing. */
void machine_set_patient(struct machine *m, bool is_patient);

/* Wakes all that rest, because the runtime stops. */
void machines_wake(void);

/* Calls fn for every machine there has been, under the machines' lock: none can be had meanwhile.
 */
void machines_each(void (*fn)(struct machine *m, void *arg), void *arg);

/* Threads that are machines. */
int machines_count(void);

/* The watchdog; see watch.c. watch_start: 0 or -EAGAIN. */
WEFT_MUST_USE int watch_start(void);
void watch_stop(void);
void watch_wake(void);

extern _Atomic(unsigned) watch_sleeps; /* futex: 1 while it sleeps until a processor is busy */

/* A processor is busy again: somebody has to watch it. */
static inline void watch_wake_if_asleep(void)
{
    fence_after_swap(); /* pairs: the fence before the watchdog's last look */
    if (weft_unlikely(atomic_load_explicit(&watch_sleeps, memory_order_relaxed)))
        watch_wake();
}

#endif
