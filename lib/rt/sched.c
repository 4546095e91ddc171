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
 */
#include <sched.h>
#include <time.h>
#include <weft/rt.h>

#include "assert.h"
#include "coro.h"
#include "machine.h"
#include "poller.h"
#include "proc.h"
#include "scheduler.h"
#include "trace.h"

enum {
    STEAL_ROUNDS = 4,
    GLOBAL_BATCH = RUNQ_SIZE / 2,
};

/* A busy processor looks into its poller when it has not for so long. */
static const int64_t POLL_STALE_NS = 100 * WEFT_US;

/* See task_spawned. */
static const int64_t LONE_BACKOFF_MIN_NS = 4 * WEFT_US;
static const int64_t LONE_BACKOFF_MAX_NS = 1 * WEFT_MS;

/* Of what was spawned at a processor the newest runs first, but once in so long the oldest, so that
 * nobody waits for ever. Not oftener: each begins something that will spawn more. */
static const int64_t SPAWN_FAIR_NS = 10 * WEFT_MS;

/* What a processor's run-next must have waited before another one takes it: its owner is about to
 * park, as a rule, and runs it on a warm cache. */
static const int64_t NEXT_STEAL_NS = 3 * WEFT_US;

static int procs_in_use(void)
{
    /* relaxed: a wish; a processor finds out at its next task that it is not wanted */
    return atomic_load_explicit(&rt.procs_in_use, memory_order_relaxed);
}

/* ---- waking ---- */

/* Claims one idle processor and wakes it, as a spinner. */
static void wake_one_slow(void)
{
    int none = 0;
    /* pairs: the decrement in spin_end; at most one wake-up is under way at a time */
    if (!atomic_compare_exchange_strong_explicit(&rt.spinning, &none, 1, memory_order_seq_cst,
                                                 memory_order_relaxed))
        return;
    int count = procs_in_use();
    for (int i = 0; i < count; i++) {
        struct proc *p = &rt.procs[i];
        bool idle = true;
        /* relaxed first look: a claim needs the swap anyway */
        if (atomic_load_explicit(&p->is_idle, memory_order_relaxed) &&
            atomic_compare_exchange_strong_explicit(&p->is_idle, &idle, false, memory_order_acq_rel,
                                                    memory_order_relaxed)) {
            atomic_fetch_sub_explicit(&rt.idle, 1, memory_order_relaxed);
            poller_wake(p);
            return;
        }
    }
    atomic_fetch_sub_explicit(&rt.spinning, 1, memory_order_seq_cst);
}

/* Work has been published: if somebody could take it, one of them is woken. */
void proc_wake_one(void)
{
    atomic_thread_fence(memory_order_seq_cst); /* pairs: idle_declare */
    /* relaxed: ordered by the fence */
    if (atomic_load_explicit(&rt.idle, memory_order_relaxed) > 0 &&
        atomic_load_explicit(&rt.spinning, memory_order_relaxed) == 0)
        wake_one_slow();
}

void proc_wake_if_idle(struct proc *p)
{
    atomic_thread_fence(memory_order_seq_cst); /* pairs: idle_declare */
    if (atomic_load_explicit(&p->is_idle, memory_order_relaxed))
        poller_wake(p);
}

/* ---- queues ---- */

static void global_push(struct task_list *list)
{
    lock_take(&rt.global_lock);
    struct task *task;
    while ((task = task_list_pop(list)))
        task_list_push(&rt.global, task);
    /* relaxed: a hint; wake_one and idle_declare order it where it matters */
    atomic_store_explicit(&rt.global_count, rt.global.count, memory_order_relaxed);
    lock_release(&rt.global_lock);
}

void ring_push(struct proc *p, struct task *task)
{
    while (!runq_push(&p->runq, task)) {
        struct task_list half = TASK_LIST_INIT;
        if (runq_shed(&p->runq, &half) == 0)
            continue; /* thieves made room */
        task_list_push(&half, task);
        global_push(&half);
        return;
    }
}

/* Takes this processor's share of the global queue: one to run, the others into the ring. */
static struct task *global_take(struct proc *p)
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

/* Puts a task before all others of p; the one that was there goes to the ring. Returns whether
 * there is work in the ring now. */
static bool next_push(struct proc *p, struct task *task)
{
    /* pairs: runq_steal, which may take it */
    struct task *old = atomic_exchange_explicit(&p->runq.next, task, memory_order_acq_rel);
    if (old) {
        ring_push(p, old);
        return true;
    }
    return atomic_load_explicit(&p->runq.tail, memory_order_relaxed) !=
           atomic_load_explicit(&p->runq.head, memory_order_relaxed);
}

static struct task *next_take(struct proc *p)
{
    if (!atomic_load_explicit(&p->runq.next, memory_order_relaxed))
        return NULL;
    struct task *task = atomic_exchange_explicit(&p->runq.next, NULL, memory_order_acquire);
    if (!task || ++p->next_runs <= NEXT_RUNS_MAX)
        return task;
    p->next_runs = 0; /* a pair that readies each other must not starve the ring */
    ring_push(p, task);
    return NULL;
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
    if (weft_unlikely(!p))
        task_share(task);
    else if (next_push(p, task) && procs_in_use() > 1)
        proc_wake_one();
    proc_unpin(&pin);
}

/* Adds to what was spawned here; when that is too much, the older half goes to the shared queue.
 * Returns how many there are. */
static uint32_t spawned_push(struct proc *p, struct task *task)
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

/* ---- looking for work ---- */

/* Runs the first of a list, puts the others on the ring. */
static struct task *list_take(struct proc *p, struct task_list *list)
{
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

static struct task *poll_now(struct proc *p, struct proc *of)
{
    struct task_list list = TASK_LIST_INIT;
    STAT_ADD(p, polls);
    if (poller_wait(of, 0, &list) && of != p)
        poller_wake(of);
    return list_take(p, &list);
}

/* A busy processor's look at what else there is, every GLOBAL_TICK tasks. */
static struct task *look_around(struct proc *p)
{
    struct task *task = global_take(p);
    struct task_list oldest = TASK_LIST_INIT;
    int64_t now = weft_now();
    if (!task && now - p->fair_at > SPAWN_FAIR_NS) { /* else the newest come first */
        spawnq_take_oldest(&p->spawnq, &oldest, 1);
        task = oldest.first;
        p->fair_at = now;
    }
    bool is_stale = now - p->polled_at > POLL_STALE_NS;
    p->polled_at = now;
    timers_run(&p->timers, now);
    if (!task && is_stale)
        task = poll_now(p, p);
    return task;
}

/* Whether v has run the same task for a while, so that what would come next may be taken. */
static bool is_stuck(struct proc *v)
{
    if (!atomic_load_explicit(&v->runq.next, memory_order_relaxed) && !spawnq_length(&v->spawnq))
        return false;
    uint32_t tick = atomic_load_explicit(&v->tick, memory_order_relaxed); /* a hint */
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
            if ((task = next_take(p)) || (task = poll_now(p, v)))
                return task;
        }
    }
    return NULL;
}

/* Whether anything is queued that another machine might take. */
static bool is_work_anywhere(void)
{
    if (atomic_load_explicit(&rt.global_count, memory_order_relaxed))
        return true;
    int count = proc_count();
    for (int i = 0; i < count; i++)
        if (proc_has_work(&rt.procs[i]))
            return true;
    return false;
}

static void spin_begin(struct machine *m)
{
    if (!m->is_spinning) {
        m->is_spinning = true;
        atomic_fetch_add_explicit(&rt.spinning, 1, memory_order_seq_cst);
    }
}

/* found: it stops because it has work, so somebody else may have to go on looking. */
static void spin_end(struct machine *m, bool found)
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
    if (found && before == 1 && is_work_anywhere())
        proc_wake_one();
}

static struct task *steal(struct machine *m)
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

/* ---- blocking ---- */

static void idle_declare(struct proc *p)
{
    atomic_store_explicit(&p->is_idle, true, memory_order_relaxed);
    atomic_fetch_add_explicit(&rt.idle, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* pairs: proc_wake_one, proc_wake_if_idle */
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

/* Blocks in the poller until there is something, or a timer is due. May return NULL. */
static struct task *block(struct machine *m)
{
    struct proc *p = m->proc;
    struct task_list list = TASK_LIST_INIT;

    if (m->is_spinning)
        spin_end(m, false);
    idle_declare(p);
    if (is_stopping() || is_work_anywhere()) {
        idle_retract(m);
        spin_begin(m);
        struct task *task = proc_count() > 1 ? steal(m) : global_take(p);
        if (task || is_stopping())
            return task;
        /* What is left is another's run-next, which he will run himself. */
        if (m->is_spinning)
            spin_end(m, false);
        idle_declare(p);
        if (is_stopping() || atomic_load_explicit(&rt.global_count, memory_order_relaxed)) {
            idle_retract(m);
            return NULL;
        }
    }
    int64_t first = timers_first(&p->timers);
    int64_t timeout = -1;
    if (first != TIMER_NEVER) {
        timeout = first - weft_now();
        timeout = timeout > 0 ? timeout : 0;
    }
    STAT_ADD(p, polls);
    (void)poller_wait(p, timeout, &list);
    idle_retract(m);
    if (first != TIMER_NEVER || timers_first(&p->timers) != TIMER_NEVER) {
        p->polled_at = weft_now();
        timers_run(&p->timers, p->polled_at);
    }
    return list_take(p, &list);
}

static struct task *find(struct machine *m)
{
    struct proc *p = m->proc;
    struct task *task = NULL;

    if (proc_count() > 1 && (m->is_spinning || is_work_anywhere())) {
        timers_run(&p->timers, weft_now());
        if ((task = next_take(p)) || (task = poll_now(p, p)))
            return task;
        if ((task = steal(m)))
            return task;
    }
    return block(m);
}

/* A processor beyond those in use runs nothing: what its timers and its poller bring, it passes on
 * to the others. */
static void forward(struct machine *m)
{
    struct proc *p = m->proc;
    struct task_list list = TASK_LIST_INIT;
    struct task *task = atomic_exchange_explicit(&p->runq.next, NULL, memory_order_acquire);
    do {
        if (task)
            task_list_push(&list, task);
    } while ((task = runq_pop(&p->runq)) || (task = spawnq_pop(&p->spawnq)));
    if (list.first)
        tasks_share(&list);
    if (m->is_spinning) /* it was woken for work that others will do */
        spin_end(m, true);
    if ((task = block(m))) {
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
        if (weft_unlikely(is_stopping()))
            return NULL;
        if (weft_unlikely(p->index >= procs_in_use())) {
            forward(m);
            continue;
        }
        /* relaxed: one writer; a sign of life for others */
        uint32_t tick = atomic_load_explicit(&p->tick, memory_order_relaxed) + 1;
        atomic_store_explicit(&p->tick, tick, memory_order_relaxed);
        if (weft_unlikely(rt.is_fuzzing))
            sched_fuzz(p);
        if (weft_unlikely(tick % GLOBAL_TICK == 0) && (task = look_around(p)))
            return task;
        if ((task = next_take(p)))
            return task;
        p->next_runs = 0;
        if (tick % RING_TICK == 0 && (task = runq_pop(&p->runq)))
            return task;
        if ((task = spawnq_pop(&p->spawnq)) || (task = runq_pop(&p->runq)) ||
            (task = global_take(p)) || (task = find(m)))
            return task;
    }
}

/* No stack can be had: the task waits in the global queue until others have ended. */
static void postpone(struct task *task)
{
    struct task_list one = TASK_LIST_INIT;
    task_list_push(&one, task);
    global_push(&one);
    nanosleep(&(struct timespec){.tv_nsec = WEFT_MS}, NULL);
}

/* Runs a task until it has parked or ended. Afterwards the machine may have no processor. */
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
    for (;;) {
        STAT_ADD(m->proc, switches);
        if (weft_unlikely(trace_is_on()))
            trace_run(m->proc, c);
        coro_enter(m, c, is_new);
        is_new = false;
        if (weft_unlikely(trace_is_on()))
            trace_leave(m->proc, c, m->post);
        if (m->post == POST_EXIT) {
            coro_free(m->proc, c);
            return;
        }
        c->since = m->proc ? m->proc->polled_at : weft_now();
        /* pairs: the acquire of who reports; it reads the stack of a PARKED one only */
        atomic_store_explicit(&c->state, CORO_PARKED, memory_order_release);
        if (m->commit(c, m->commit_arg))
            return;
        if (weft_unlikely(!m->proc)) { /* lost meanwhile: it goes on where there is one */
            task_share(&c->task);
            return;
        }
    }
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
