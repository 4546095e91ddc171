/* sched.c: which task a machine runs next, and when it sleeps.
 *
 * No wake-up is lost. A producer publishes work and then looks for an idle processor; a machine
 * declares its processor idle and then looks over every queue. Both have a full barrier in between,
 * so at least one of them sees the other:
 *
 *      producer                        machine that finds nothing
 *      push to a queue                 is_idle = true, idle++, spinning--
 *      -- full barrier --              -- full barrier --
 *      idle > 0 and spinning == 0?     any queue non-empty?
 *        wake one                        do not block
 *
 * While some machine spins a producer wakes nobody: the spinner will come by. Therefore a spinner
 * that finds work wakes the next one (if it was the last), and one that gives up looks once more.
 * tests/models/idle.pml is this as a model that a checker has gone through. */
#include <errno.h>
#include <sched.h>
#include <time.h>
#include <weft/rt.h>

#include "assert.h"
#include "coro.h"
#include "fence.h"
#include "machine.h"
#include "poller.h"
#include "proc.h"
#include "scheduler.h"
#include "trace.h"

/* ---- blocking ---- */

static void idle_declare(struct proc *p)
{
    atomic_store_explicit(&p->is_idle, true, memory_order_relaxed);
    atomic_fetch_add_explicit(&rt.idle, 1, memory_order_relaxed);
    fence_after_swap(); /* pairs: proc_wake_one, proc_wake_if_idle */
}

/* Takes the declaration back. If a waker was first, this machine spins in his name. */
static void idle_retract(struct machine *m)
{
    bool idle = true;
    if (atomic_compare_exchange_strong_explicit(&m->proc->is_idle, &idle, false,
                                                memory_order_acq_rel, memory_order_relaxed))
        atomic_fetch_sub_explicit(&rt.idle, 1, memory_order_relaxed);
    else
        m->is_spinning = true; /* counted by wake_one_slow */
    watch_wake_if_asleep();
}

static bool is_stopping(void)
{
    /* pairs: the release in runtime_stop */
    return atomic_load_explicit(&rt.state, memory_order_acquire) == RT_STOPPING;
}

/* Waits in the poller, declared idle, until there is something, or a timer is due, and takes the
 * declaration back. May return NULL. */
static struct task *poll_idle(struct machine *m)
{
    struct proc *p = m->proc;
    struct task_list list = TASK_LIST_INIT;
    int64_t first = timers_first(&p->timers);
    int64_t timeout = -1;
    if (first != TIMER_NEVER) {
        timeout = first - weft_now();
        timeout = timeout > 0 ? timeout : 0;
    }
    STAT_ADD(p, polls);
    (void)poller_wait(p, timeout, &list);
    idle_retract(m);
    p->polled_at = weft_now();
    if (first != TIMER_NEVER || timers_first(&p->timers) != TIMER_NEVER)
        timers_run(&p->timers, p->polled_at);
    return list_take(p, &list);
}

/* Looks once more for work, and blocks in the poller where there is none. May return NULL. */
static struct task *block(struct machine *m)
{
    struct proc *p = m->proc;

    if (m->is_spinning)
        spin_end(m, false);
    idle_declare(p);
    if (weft_unlikely(rt.is_fuzzing))
        sched_stall(p);
    if (is_stopping() || is_work_anywhere()) {
        idle_retract(m);
        spin_begin(m);
        struct task *task = proc_count() > 1 ? steal(m) : global_take(p);
        if (task || is_stopping())
            return task;
        /* What is left is alone at another's, who will run it himself; but more may have been
         * queued while this machine still counted as spinning. */
        if (m->is_spinning)
            spin_end(m, false);
        idle_declare(p);
        if (is_stopping() || is_work_to_share()) {
            idle_retract(m);
            return NULL;
        }
    }
    return poll_idle(m);
}

static struct task *find(struct machine *m)
{
    struct proc *p = m->proc;
    struct task *task = NULL;

    if (proc_count() > 1 && (m->is_spinning || is_work_anywhere())) {
        timers_run(&p->timers, weft_now());
        if ((task = readied_take(p)) || (task = poll_now(p, p)))
            return task;
        if ((task = steal(m)))
            return task;
    }
    return block(m);
}

/* A processor beyond those in use runs nothing: what its timers and its poller bring, it passes on
 * to the others. It looks for no work: as long as it found some, which is not its to run, it would
 * not come to its own timers. */
static void forward(struct machine *m)
{
    struct proc *p = m->proc;
    struct task_list list = TASK_LIST_INIT;
    struct task *task = atomic_exchange_explicit(&p->runq.next, NULL, memory_order_acquire);
    if (p->first)
        task_list_push(&list, p->first);
    p->first = NULL;
    do {
        if (task)
            task_list_push(&list, task);
    } while ((task = runq_pop(&p->runq)) || (task = spawnq_pop(&p->spawnq)));
    if (list.first)
        tasks_share(&list);
    if (m->is_spinning) /* it was woken for work that others will do */
        spin_end(m, true);
    idle_declare(p);
    if (is_stopping() || p->index < procs_in_use()) { /* since it declared; see weft_set_procs */
        idle_retract(m);
        return;
    }
    if ((task = poll_idle(m))) {
        task_list_push(&list, task);
        tasks_share(&list);
    }
}

/* The task to run next; NULL when the runtime stops. */
static struct task *sched_next(struct machine *m)
{
    struct proc *p = m->proc;
    for (;;) {
        struct task *task;
        /* relaxed: who sets one sees to it that this is run through once more */
        if (weft_unlikely(atomic_load_explicit(&rt.alerts, memory_order_relaxed))) {
            if (is_stopping())
                return NULL;
            if (p->index >= procs_in_use()) {
                forward(m);
                continue;
            }
            if (rt.is_fuzzing && !p->first && (task = sched_fuzz(p)))
                return task;
        }
        if ((task = p->first)) {
            p->first = NULL;
            return task;
        }
        if (weft_unlikely(p->look_in-- == 0)) {
            p->look_in = LOOK_AROUND_TICK;
            if ((task = look_around(p)))
                return task;
        }
        if ((task = next_take(p)))
            return task;
        p->next_runs = 0;
        if (p->look_in % RING_TICK == 0 && (task = ring_pop(p)))
            return task;
        if ((task = spawnq_pop(&p->spawnq)) || (task = ring_pop(p)) || (task = global_take(p)) ||
            (task = find(m)))
            return task;
    }
}

static bool has_anything_run(void)
{
    for (int i = 0; i < proc_count(); i++) /* relaxed: nobody else runs, or it has been a while */
        if (atomic_load_explicit(&rt.procs[i].tick, memory_order_relaxed))
            return true;
    return false;
}

/* No stack can be had: the task waits in the global queue until others have ended. */
static void postpone(struct task *task)
{
    struct task_list one = TASK_LIST_INIT;
    task_list_push(&one, task);
    global_push(&one);
    if (!has_anything_run()) { /* the first one: nobody will ever give memory back */
        runtime_stop(-ENOMEM);
        return;
    }
    nanosleep(&(struct timespec){.tv_nsec = WEFT_MS}, NULL);
}

/* Runs a task, and who comes straight after it, until one leaves for the scheduler. Afterwards the
 * machine may have no processor. */
static void run_task(struct machine *m, struct task *task)
{
    struct coro *c;
    bool is_new = task->kind != TASK_CORO;
    if (m->is_spinning)
        spin_end(m, true);
    if (!is_new) {
        c = coro_of(task);
    } else if (weft_unlikely(coro_make(m->proc, task, &c) < 0)) {
        postpone(task);
        return;
    }
    sched_tick(m->proc);
    if (weft_unlikely(trace_is_on()))
        trace_run(m->proc, c);
    c = coro_enter(m, c, is_new);
    if (weft_unlikely(trace_is_on()))
        trace_leave(m->proc, c, m->post);
    sched_left(m, c);
}

void sched_left(struct machine *m, struct coro *c)
{
    if (m->post == POST_EXIT) {
        coro_free(m->proc, c);
        return;
    }
    atomic_store_explicit(&c->since, m->proc ? m->proc->polled_at : weft_now(),
                          memory_order_relaxed); /* for reports */
    /* pairs: the acquire of who reports; it reads the stack of a PARKED one only */
    atomic_store_explicit(&c->state, CORO_PARKED, memory_order_release);
    if (weft_unlikely(rt.is_fuzzing) && m->proc)
        sched_stall(m->proc);
    if (!m->commit(c, m->commit_arg)) /* it goes on, next, where there is a processor */
        task_ready(&c->task);
}

/* Rests until the machine is given a processor. That was held for long, so what its timers and its
 * poller have for it comes before what is queued. */
static bool rest(struct machine *m)
{
    if (!machine_rest(m))
        return false;
    struct proc *p = m->proc;
    struct task *task = poll_now(p, p);
    if (task)
        next_push(p, task);
    p->polled_at = weft_now();
    timers_run(&p->timers, p->polled_at);
    return true;
}

void machine_loop(struct machine *m)
{
    struct task *task;
    bool has_proc = rest(m); /* until it has its first */
    while (has_proc && (task = sched_next(m))) {
        run_task(m, task);
        has_proc = m->proc || rest(m);
    }
    if (m->is_spinning)
        spin_end(m, false);
}
