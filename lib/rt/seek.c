/* seek.c: looking for work, where a processor's own queues have none: the shared queue, timers,
 * pollers, and other processors.
 *
 * At most half as many machines as are busy look for others' work at a time ("spin"); sched.c says
 * what that has to do with wake-ups. */
#include "assert.h"
#include "fence.h"
#include "poller.h"
#include "proc.h"
#include "scheduler.h"
#include "trace.h"

enum { STEAL_ROUNDS = 4 };

/* A busy processor looks into its poller when it has not for so long. */
static const int64_t POLL_STALE_NS = 100 * WEFT_US;

/* Of what was spawned at a processor the newest runs first, but once in so long the oldest, so that
 * nobody waits for ever. Not oftener: each begins something that will spawn more. */
static const int64_t SPAWN_FAIR_NS = 10 * WEFT_MS;

/* See task_spawned. */
static const int64_t LONE_BACKOFF_MIN_NS = 4 * WEFT_US;
static const int64_t LONE_BACKOFF_MAX_NS = 1 * WEFT_MS;

/* What a processor's run-next must have waited before another one takes it: its owner is about to
 * park, as a rule, and runs it on a warm cache. */
static const int64_t NEXT_STEAL_NS = 3 * WEFT_US;

struct task *list_take(struct proc *p, struct task_list *list)
{
    if (weft_unlikely(trace_is_on()))
        for (struct task *task = list->first; task; task = task->next)
            trace_ready(p, task);
    struct task *first = task_list_pop(list);
    if (!list->first)
        return first;
    struct task *task;
    while ((task = task_list_pop(list)))
        ring_push(p, task);
    if (procs_in_use() > 1)
        proc_wake_one();
    return first;
}

struct task *readied_take(struct proc *p)
{
    struct task *task = next_take(p);
    return task ? task : runq_pop(&p->runq);
}

struct task *poll_now(struct proc *p, struct proc *of)
{
    struct task_list list = TASK_LIST_INIT;
    STAT_ADD(p, polls);
    if (poller_wait(of, 0, &list) && of != p)
        poller_wake(of);
    /* The end of a peer ends contexts, and whoever waits under them is queued here at once. */
    struct task *task = list_take(p, &list);
    return task ? task : readied_take(p);
}

struct task *look_around(struct proc *p)
{
    struct task *task = global_take(p);
    struct task_list oldest = TASK_LIST_INIT;
    int64_t now = weft_now();
    if (!task && now - p->fair_at > SPAWN_FAIR_NS) { /* else the newest come first */
        spawnq_take_oldest(&p->spawnq, &oldest, 1);
        task = oldest.first;
        p->fair_at = now;
    }
    p->polled_at = now;
    timers_run(&p->timers, now);
    if (!task && now - p->netpolled_at > POLL_STALE_NS) {
        p->netpolled_at = now;
        task = poll_now(p, p);
    }
    return task;
}

/* Whether v has run the same task for a while, so that what would come next may be taken. */
static bool is_stuck(struct proc *v)
{
    if (!atomic_load_explicit(&v->runq.next, memory_order_relaxed) && !spawnq_length(&v->spawnq))
        return false;
    if (weft_unlikely(rt.is_fuzzing))
        return true;
    uint64_t tick = atomic_load_explicit(&v->tick, memory_order_relaxed); /* a hint */
    int64_t until = weft_now() + NEXT_STEAL_NS;
    while (weft_now() < until)
        if (atomic_load_explicit(&v->tick, memory_order_relaxed) != tick)
            return false;
    return true;
}

static struct task *spawned_steal(struct proc *p, struct proc *v)
{
    struct task_list list = TASK_LIST_INIT;
    spawnq_take_oldest(&v->spawnq, &list, SPAWNQ_SIZE / 2);
    struct task *first = task_list_pop(&list), *task;
    while ((task = task_list_pop(&list)))
        spawned_push(p, task);
    return first;
}

static struct task *steal_round(struct proc *p, bool is_last)
{
    uint32_t start = random_next(p), count = (uint32_t)proc_count();
    for (uint32_t i = 0; i < count; i++) {
        struct proc *v = &rt.procs[(start + i) % count];
        if (v == p)
            continue;
        bool take_last = is_last && is_stuck(v); /* what it is likely to run itself in a moment */
        struct task *task = NULL;
        if (spawnq_length(&v->spawnq) > 1 || take_last)
            task = spawned_steal(p, v);
        if (!task)
            task = runq_steal(&p->runq, &v->runq, take_last);
        if (task) {
            STAT_ADD(p, steals);
            if (weft_unlikely(trace_is_on()))
                trace_steal(p, v->index);
            return task;
        }
        if (is_last && !atomic_load_explicit(&v->is_idle, memory_order_relaxed)) {
            if (timers_first(&v->timers) <= weft_now())
                timers_run(&v->timers, weft_now());
            if ((task = readied_take(p)) || (task = poll_now(p, v)))
                return task;
        }
    }
    return NULL;
}

bool is_work_anywhere(void)
{
    if (atomic_load_explicit(&rt.global_count, memory_order_relaxed))
        return true;
    int count = proc_count();
    for (int i = 0; i < count; i++)
        if (proc_has_work(&rt.procs[i]))
            return true;
    return false;
}

bool is_work_to_share(void)
{
    if (atomic_load_explicit(&rt.global_count, memory_order_relaxed))
        return true;
    int count = proc_count();
    for (int i = 0; i < count; i++)
        if (runq_has_ring(&rt.procs[i].runq) || spawnq_length(&rt.procs[i].spawnq) > 1)
            return true;
    return false;
}

void spin_begin(struct machine *m)
{
    if (!m->is_spinning) {
        m->is_spinning = true;
        atomic_fetch_add_explicit(&rt.spinning, 1, memory_order_seq_cst);
    }
}

void spin_end(struct machine *m, bool found)
{
    m->is_spinning = false;
    int before = atomic_fetch_sub_explicit(&rt.spinning, 1, memory_order_seq_cst);
    weft_assert(before > 0);
    int64_t backoff = atomic_load_explicit(&rt.lone_backoff_ns, memory_order_relaxed);
    if (!found && backoff < LONE_BACKOFF_MAX_NS) /* relaxed: a guess */
        atomic_store_explicit(&rt.lone_backoff_ns, 2 * backoff + LONE_BACKOFF_MIN_NS,
                              memory_order_relaxed);
    else if (found && backoff)
        atomic_store_explicit(&rt.lone_backoff_ns, backoff / 2, memory_order_relaxed);
    fence_after_swap(); /* pairs: proc_wake_one, which saw this machine spin */
    if (found && before == 1 && is_work_anywhere())
        proc_wake_one();
}

struct task *steal(struct machine *m)
{
    struct proc *p = m->proc;
    int busy = proc_count() - atomic_load_explicit(&rt.idle, memory_order_relaxed);
    if (!m->is_spinning && 2 * atomic_load_explicit(&rt.spinning, memory_order_relaxed) >= busy)
        return NULL;
    spin_begin(m);
    for (int round = 1; round <= STEAL_ROUNDS; round++) {
        struct task *task = steal_round(p, round == STEAL_ROUNDS);
        if (!task)
            task = global_take(p);
        if (task)
            return task;
    }
    return NULL;
}
