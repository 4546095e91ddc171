/* yield.c: giving way: because one wants to, has to, or by chance. */
#include <sched.h>
#include <weft/rt.h>

#include "coro.h"
#include "proc.h"
#include "scheduler.h"

/* Chance instead of habit: a task that would run next goes to the queue's end, the machine rests a
 * moment. What breaks by it was wrong without. */
void sched_fuzz(struct proc *p)
{
    uint32_t chance = random_next(p);
    struct task *task;
    if (chance % 4 == 0 &&
        (task = atomic_exchange_explicit(&p->runq.next, NULL, memory_order_acquire)))
        ring_push(p, task);
    if (chance % 64 == 1)
        sched_yield();
}

static bool commit_yield(struct coro *c, void *arg)
{
    (void)arg;
    struct proc *p = machine_self()->proc;
    if (weft_likely(p != NULL))
        ring_push(p, &c->task);
    else
        task_share(&c->task);
    return true;
}

void weft_yield(void)
{
    coro_park(commit_yield, NULL, WAIT_YIELD);
}

void sched_point(void)
{
    struct pin pin = {0};
    if (!coro_self())
        return;
    struct proc *p = proc_pin(&pin); /* a coroutine has a machine */
    bool is_in_own_code = !pin.was_in_runtime;
    bool gives_way = !p || (rt.is_fuzzing && random_next(p) % 4 == 0);
    proc_unpin(&pin);
    if (gives_way && is_in_own_code)
        weft_yield();
}
