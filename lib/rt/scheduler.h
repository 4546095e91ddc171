/* scheduler.h: what the files of the scheduler share. */
#ifndef RT_SCHEDULER_H
#define RT_SCHEDULER_H

#include "proc.h"

/* A random number of p's own. Owner only. */
static inline uint32_t random_next(struct proc *p)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 17;
    p->random ^= p->random << 5;
    return p->random;
}

/* Puts a task behind all others on p's ring; what is too much goes to the shared queue. Owner only.
 */
void ring_push(struct proc *p, struct task *task);

/* Puts one task on the queue that all processors share, and sees to it that one of them comes. Any
 * thread. */
void task_share(struct task *task);

/* WEFT_SCHED_SEED: shuffles what p would run next. Owner only. */
void sched_fuzz(struct proc *p);

#endif
