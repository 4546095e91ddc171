/* trace.h: records what the scheduler does. Every call is for the holder of p, pinned. */
#ifndef RT_TRACE_H
#define RT_TRACE_H

#include <stdbool.h>

#include "proc.h"

static inline bool trace_is_on(void)
{
    return atomic_load_explicit(&rt.is_tracing, memory_order_relaxed); /* late is early enough */
}

/* p enters c; c has left its stack; somebody on p has readied a task; p has stolen from processor
 * `victim`; p was taken from a coroutine that goes on without. p may be NULL in the second and the
 * third: then nothing is recorded. */
void trace_run(struct proc *p, const struct coro *c);
void trace_leave(struct proc *p, const struct coro *c, enum post post);
void trace_ready(struct proc *p, const struct task *task);
void trace_steal(struct proc *p, unsigned victim);
void trace_hand_off(struct proc *p);

/* Starts at once if WEFT_TRACE is set; writes that trace, and frees all. */
void trace_init(void);
void trace_done(void);

#endif
