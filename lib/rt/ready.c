/* ready.c: putting tasks where a processor will find them, and waking one that does. */
#include "fence.h"
#include "poller.h"
#include "proc.h"
#include "scheduler.h"
#include "trace.h"

enum { GLOBAL_BATCH = RUNQ_SIZE / 2 };

/* ---- waking ---- */

/* A processor in use that is idle, or NULL. A hint, unless it is claimed. */
static struct proc *idle_find(void)
{
    int count = procs_in_use();
    for (int i = 0; i < count; i++) /* relaxed: a claim needs a swap anyway */
        if (atomic_load_explicit(&rt.procs[i].is_idle, memory_order_relaxed))
            return &rt.procs[i];
    return NULL;
}

/* Claims one idle processor and wakes it, as a spinner. While it searches it counts as spinning
 * itself, and others do not wake anybody: when its search was in vain it looks once more, for one
 * of them may have queued work after a processor that it had passed by went idle. */
static void wake_one_slow(void)
{
    struct proc *p;
    do {
        int none = 0;
        /* pairs: the decrement in spin_end; at most one wake-up is under way at a time */
        if (!atomic_compare_exchange_strong_explicit(&rt.spinning, &none, 1, memory_order_seq_cst,
                                                     memory_order_relaxed))
            return;
        while ((p = idle_find())) {
            bool idle = true;
            if (!atomic_compare_exchange_strong_explicit(
                    &p->is_idle, &idle, false, memory_order_acq_rel, memory_order_relaxed))
                continue;
            atomic_fetch_sub_explicit(&rt.idle, 1, memory_order_relaxed);
            poller_wake(p);
            return;
        }
        atomic_fetch_sub_explicit(&rt.spinning, 1, memory_order_seq_cst);
        fence_after_swap(); /* pairs: idle_declare */
    } while (idle_find() && is_work_to_share());
}

/* Work has been published: if somebody could take it, one of them is woken. */
void proc_wake_one(void)
{
    fence_full(); /* pairs: idle_declare */
    /* relaxed: ordered by the fence */
    if (atomic_load_explicit(&rt.idle, memory_order_relaxed) > 0 &&
        atomic_load_explicit(&rt.spinning, memory_order_relaxed) == 0)
        wake_one_slow();
}

void proc_wake_if_idle(struct proc *p)
{
    fence_full(); /* pairs: idle_declare */
    if (atomic_load_explicit(&p->is_idle, memory_order_relaxed))
        poller_wake(p);
}

/* ---- queues ---- */

void global_push(struct task_list *list)
{
    lock_take(&rt.global_lock);
    struct task *task;
    while ((task = task_list_pop(list)))
        task_list_push(&rt.global, task);
    /* relaxed: a hint; wake_one and idle_declare order it where it matters */
    atomic_store_explicit(&rt.global_count, rt.global.count, memory_order_relaxed);
    lock_release(&rt.global_lock);
}

void ring_push_full(struct proc *p, struct task *task)
{
    do {
        struct task_list half = TASK_LIST_INIT;
        if (runq_shed(&p->runq, &half) == 0)
            continue; /* thieves made room */
        task_list_push(&half, task);
        global_push(&half);
        return;
    } while (!runq_push(&p->runq, task));
}

struct task *global_take(struct proc *p)
{
    if (atomic_load_explicit(&rt.global_count, memory_order_relaxed) == 0)
        return NULL;
    lock_take(&rt.global_lock);
    uint32_t share = rt.global.count / (uint32_t)procs_in_use() + 1;
    if (share > GLOBAL_BATCH)
        share = GLOBAL_BATCH;
    struct task *first = task_list_pop(&rt.global);
    for (uint32_t i = 1; first && i < share; i++) {
        struct task *task = task_list_pop(&rt.global);
        if (!task)
            break;
        if (!runq_push(&p->runq, task)) {
            task_list_push(&rt.global, task);
            break;
        }
    }
    atomic_store_explicit(&rt.global_count, rt.global.count, memory_order_relaxed);
    lock_release(&rt.global_lock);
    return first;
}

bool next_push(struct proc *p, struct task *task)
{
    struct task *old = next_swap(p, task);
    if (old) {
        ring_push(p, old);
        return true;
    }
    return atomic_load_explicit(&p->runq.tail, memory_order_relaxed) !=
           atomic_load_explicit(&p->runq.head, memory_order_relaxed);
}

void tasks_share(struct task_list *list)
{
    global_push(list);
    proc_wake_one();
}

void task_share(struct task *task)
{
    struct task_list one = TASK_LIST_INIT;
    task_list_push(&one, task);
    tasks_share(&one);
}

void task_ready(struct task *task)
{
    struct pin pin;
    struct proc *p = proc_pin(&pin);
    if (weft_unlikely(trace_is_on()))
        trace_ready(p, task);
    /* Alone in run-next it is left to this processor, whose coroutine is likely to park soon. */
    if (weft_unlikely(!p || (rt.is_fuzzing && random_next(p) % 8 == 0)))
        task_share(task);
    else if (next_push(p, task) && procs_in_use() > 1)
        proc_wake_one();
    proc_unpin(&pin);
}

uint32_t spawned_push(struct proc *p, struct task *task)
{
    uint32_t count;
    while ((count = spawnq_push(&p->spawnq, task)) == 0) {
        struct task_list half = TASK_LIST_INIT;
        spawnq_take_oldest(&p->spawnq, &half, SPAWNQ_SIZE);
        if (half.first)
            global_push(&half);
    }
    return count;
}

/* One that is alone is likely to be run here, as soon as its spawner parks: waking somebody for it
 * would only make the two race. Whether it pays is learnt: a wake-up that found nothing doubles the
 * time in which none is tried, one that did halves it. The watchdog sees what is left lying. */
void task_spawned(struct proc *p, struct task *task)
{
    if (weft_unlikely(!p)) {
        task_share(task);
        return;
    }
    STAT_ADD(p, spawned);
    uint32_t count = spawned_push(p, task);
    if (procs_in_use() == 1)
        return;
    if (count > 1 || p->polled_at >= p->lone_wake_at) {
        p->lone_wake_at = p->polled_at +
                          atomic_load_explicit(&rt.lone_backoff_ns, memory_order_relaxed);
        proc_wake_one();
    }
}
