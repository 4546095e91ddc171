/* callback_timer.c: timers that run a function.
 *
 *   IDLE -> BUSY      it fires: its call is readied, or runs
 *   BUSY -> IDLE      the call has returned; what came due meanwhile is skipped
 *   BUSY -> ORPHAN    weft_timer_free; the call frees it when it returns */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <weft/context.h>
#include <weft/rt.h>
#include <weft/timer.h>

#include "proc.h"
#include "task.h"
#include "timer.h"

enum { IDLE, BUSY, ORPHAN };

/* Times beyond this are never, and leave room to add to. */
static const int64_t TIMER_FAR = INT64_MAX / 4;

/* Between looks whether a call has ended. */
static const int64_t LOOK_NS = 1 * WEFT_MS;

struct weft_timer {
    struct timer timer;
    struct task task;
    void (*fn)(void *arg);
    void *arg;
    int64_t period, due; /* written while it is not armed, and by fire */
    _Atomic(int) state;
    uint64_t run; /* the weft_run in which it was set */
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

/* Whether it was set in this weft_run. If not it is not set: what an earlier one had of it has gone
 * with that. */
static bool is_of_this_run(const weft_timer *t)
{
    return t->run && t->run == rt_run_id();
}

int weft_timer_set(weft_timer *t, int64_t delay, int64_t period)
{
    int64_t now = weft_now();
    if (delay < 0 || period < 0 || period > TIMER_FAR)
        return -EINVAL;
    if (is_of_this_run(t)) {
        timer_stop(&t->timer);
    } else {
        timer_init(&t->timer, fire);
        atomic_store_explicit(&t->state, IDLE, memory_order_relaxed); /* nobody else has it */
        t->run = rt_run_id();
    }
    t->period = period;
    t->due = delay < TIMER_FAR - now ? now + delay : TIMER_FAR;
    return timer_arm(&t->timer, proc_near(), t->due);
}

int weft_timer_stop(weft_timer *t)
{
    return is_of_this_run(t) && timer_stop(&t->timer);
}

void weft_timer_stop_wait(weft_timer *t)
{
    (void)weft_timer_stop(t);
    if (!weft_in_coroutine() || !is_of_this_run(t))
        return;
    weft_ctx *own = weft_ctx_enter(NULL); /* it has to have ended, whatever happens to the caller */
    while (atomic_load_explicit(&t->state, memory_order_acquire) == BUSY) /* pairs: call */
        (void)weft_sleep(LOOK_NS);
    weft_ctx_leave(own);
}

void weft_timer_free(weft_timer *t)
{
    if (!t)
        return;
    if (!is_of_this_run(t)) {
        free(t);
        return;
    }
    timer_stop(&t->timer);
    int busy = BUSY;
    if (!atomic_compare_exchange_strong_explicit(&t->state, &busy, ORPHAN, memory_order_acq_rel,
                                                 memory_order_acquire))
        free(t);
}
