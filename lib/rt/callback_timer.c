/* callback_timer.c: timers that run a function.
 *
 *   IDLE -> BUSY      it fires: its call is readied, or runs
 *   BUSY -> IDLE      the call has returned; what came due meanwhile is skipped
 *   BUSY -> ORPHAN    weft_timer_free; the call frees it when it returns */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <weft/timer.h>

#include "proc.h"
#include "task.h"
#include "timer.h"

enum { IDLE, BUSY, ORPHAN };

/* Times beyond this are never, and leave room to add to. */
static const int64_t TIMER_FAR = INT64_MAX / 4;

struct weft_timer {
    struct timer timer;
    struct task task;
    void (*fn)(void *arg);
    void *arg;
    int64_t period, due; /* written while it is not armed, and by fire */
    _Atomic(int) state;
};

static void call(struct task *task)
{
    weft_timer *t = task_container(task, weft_timer, task);
    int busy = BUSY;
    t->fn(t->arg);
    if (!atomic_compare_exchange_strong_explicit(&t->state, &busy, IDLE, memory_order_acq_rel,
                                                 memory_order_acquire))
        free(t);
}

static int64_t fire(struct timer *timer, int64_t now)
{
    weft_timer *t = (weft_timer *)((char *)timer - offsetof(weft_timer, timer));
    if (t->period) /* in step with the first time */
        t->due += t->period * (1 + (now - t->due) / t->period);
    int64_t next = t->period ? t->due : TIMER_NEVER;
    int idle = IDLE;
    if (atomic_compare_exchange_strong_explicit(&t->state, &idle, BUSY, memory_order_acq_rel,
                                                memory_order_relaxed))
        task_ready(&t->task); /* a one-shot timer may be gone now */
    return next;
}

weft_timer *weft_timer_new(void (*fn)(void *arg), void *arg)
{
    weft_timer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    timer_init(&t->timer, fire);
    t->task = (struct task){.call = call, .kind = TASK_CALL};
    t->fn = fn;
    t->arg = arg;
    return t;
}

int weft_timer_set(weft_timer *t, int64_t delay, int64_t period)
{
    int64_t now = weft_now();
    if (delay < 0 || period < 0 || period > TIMER_FAR)
        return -EINVAL;
    timer_stop(&t->timer);
    t->period = period;
    t->due = delay < TIMER_FAR - now ? now + delay : TIMER_FAR;
    return timer_arm(&t->timer, proc_near(), t->due);
}

int weft_timer_stop(weft_timer *t)
{
    return timer_stop(&t->timer);
}

void weft_timer_free(weft_timer *t)
{
    if (!t)
        return;
    timer_stop(&t->timer);
    int busy = BUSY;
    if (!atomic_compare_exchange_strong_explicit(&t->state, &busy, ORPHAN, memory_order_acq_rel,
                                                 memory_order_acquire))
        free(t);
}
