/* yield.c: giving way: because one wants to, has to, or by chance. */
#include <sched.h>
#include <time.h>
#include <weft/rt.h>

#include "coro.h"
#include "proc.h"
#include "scheduler.h"

/* The schedule that WEFT_SCHED_SEED draws: chance instead of habit, from the seed. Every order that
 * it makes could have come without it, only seldom: what breaks by it was wrong. With one processor
 * a seed repeats its run as long as time plays no part; with more it repeats the odds.
 *
 *   sched_fuzz    what a processor would run next is shuffled: run-next, the ring, what was spawned
 *   fuzz_steal    something is taken from another processor, though there is work here
 *   sched_stall   a machine rests where others may overtake it: a coroutine is off its stack but
 * not parked yet, a processor is about to block sched_point   a coroutine yields: as it begins,
 * before it sends, receives, selects, locks, spawns, and as it has been woken from a wait
 *   task_ready    (ready.c) a coroutine goes to the shared queue, where anybody may take it at once
 */

/* One of the other processors' next ones, without the patience that steal has. */
static struct task *fuzz_steal(struct proc *p)
{
    struct proc *v = &rt.procs[random_next(p) % (uint32_t)proc_count()];
    struct task_list oldest = TASK_LIST_INIT;
    if (v == p)
        return NULL;
    if (random_next(p) % 2)
        return atomic_exchange_explicit(&v->runq.next, NULL, memory_order_acquire);
    spawnq_take_oldest(&v->spawnq, &oldest, 1);
    return oldest.first;
}

struct task *sched_fuzz(struct proc *p)
{
    struct task *task;
    sched_stall(p);
    switch (random_next(p) % 16) {
    case 0: /* the next one goes to the queue's end */
    case 1:
    case 2:
        if ((task = atomic_exchange_explicit(&p->runq.next, NULL, memory_order_acquire)))
            ring_push(p, task);
        return NULL;
    case 3: /* the first of the queue to its end */
        if ((task = runq_pop(&p->runq)))
            ring_push(p, task);
        return NULL;
    case 4: /* the newest spawned waits behind what was readied */
        if ((task = spawnq_pop(&p->spawnq)))
            ring_push(p, task);
        return NULL;
    case 5: return runq_pop(&p->runq);
    case 6: return fuzz_steal(p);
    default: return NULL;
    }
}

void sched_stall(struct proc *p)
{
    uint32_t chance = random_next(p) % 256;
    if (chance == 0)
        nanosleep(&(struct timespec){.tv_nsec = 20 * WEFT_US}, NULL);
    else if (chance < 24)
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
