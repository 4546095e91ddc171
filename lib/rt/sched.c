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
#include "poller.h"
#include "proc.h"

enum {
    STEAL_ROUNDS = 4,
    GLOBAL_BATCH = RUNQ_SIZE / 2,
};

/* A busy processor looks into its poller when it has not for so long. */
static const int64_t POLL_STALE_NS = 100 * WEFT_US;

/* What a processor's run-next must have waited before another one takes it: its owner is about to
 * park, as a rule, and runs it on a warm cache. */
static const int64_t NEXT_STEAL_NS = 3 * WEFT_US;

/* ---- waking ---- */

/* Claims one idle processor and wakes it, as a spinner. */
static void wake_one_slow(void)
{
    int none = 0;
    /* pairs: the decrement in spin_end; at most one wake-up is under way at a time */
    if (!atomic_compare_exchange_strong_explicit(&rt.spinning, &none, 1, memory_order_seq_cst,
                                                 memory_order_relaxed))
        return;
    for (int i = 0; i < rt.proc_count; i++) {
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
static void wake_one(void)
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

static void ring_push(struct proc *p, struct task *task)
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
    uint32_t share = rt.global.count / (uint32_t)rt.proc_count + 1;
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

static void ready_elsewhere(struct task *task)
{
    struct task_list one = TASK_LIST_INIT;
    task_list_push(&one, task);
    global_push(&one);
    wake_one();
}

void task_ready(struct task *task)
{
    struct proc *p = proc_self();
    if (weft_unlikely(!p)) {
        ready_elsewhere(task);
        return;
    }
    /* Alone in run-next it is left to this processor, whose coroutine is likely to park soon. */
    if (next_push(p, task) && rt.proc_count > 1)
        wake_one();
}

void task_spawned(struct task *task)
{
    struct proc *p = proc_self();
    if (weft_unlikely(!p)) {
        ready_elsewhere(task);
        return;
    }
    next_push(p, task);
    if (rt.proc_count > 1)
        wake_one();
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
    if (rt.proc_count > 1)
        wake_one();
    return first;
}

static struct task *poll_now(struct proc *p, struct proc *of)
{
    struct task_list list = TASK_LIST_INIT;
    poller_wait(of, 0, &list);
    return list_take(p, &list);
}

/* A busy processor's look at what else there is, every GLOBAL_TICK tasks. */
static struct task *look_around(struct proc *p)
{
    struct task *task = global_take(p);
    int64_t now = weft_now();
    timers_run(&p->timers, now);
    if (!task && now - p->polled_at > POLL_STALE_NS) {
        p->polled_at = now;
        task = poll_now(p, p);
    }
    return task;
}

static uint32_t random_next(struct proc *p)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 17;
    p->random ^= p->random << 5;
    return p->random;
}

/* Whether v's run-next has waited long enough for a thief. */
static bool next_is_stuck(struct proc *v)
{
    if (!atomic_load_explicit(&v->runq.next, memory_order_relaxed))
        return false;
    uint32_t tick = __atomic_load_n(&v->tick, __ATOMIC_RELAXED); /* a hint */
    int64_t until = weft_now() + NEXT_STEAL_NS;
    while (weft_now() < until)
        if (__atomic_load_n(&v->tick, __ATOMIC_RELAXED) != tick)
            return false;
    return true;
}

static struct task *steal_round(struct proc *p, bool is_last)
{
    uint32_t start = random_next(p);
    for (int i = 0; i < rt.proc_count; i++) {
        struct proc *v = &rt.procs[(start + (uint32_t)i) % (uint32_t)rt.proc_count];
        if (v == p)
            continue;
        struct task *task = runq_steal(&p->runq, &v->runq, is_last && next_is_stuck(v));
        if (task)
            return task;
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
    for (int i = 0; i < rt.proc_count; i++)
        if (runq_length(&rt.procs[i].runq))
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
    if (found && before == 1 && is_work_anywhere())
        wake_one();
}

static struct task *steal(struct machine *m)
{
    struct proc *p = m->proc;
    int busy = rt.proc_count - atomic_load_explicit(&rt.idle, memory_order_relaxed);
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
    atomic_thread_fence(memory_order_seq_cst); /* pairs: wake_one, proc_wake_if_idle */
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
        struct task *task = rt.proc_count > 1 ? steal(m) : global_take(p);
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
    poller_wait(p, timeout, &list);
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

    if (rt.proc_count > 1 && (m->is_spinning || is_work_anywhere())) {
        timers_run(&p->timers, weft_now());
        if ((task = next_take(p)) || (task = poll_now(p, p)))
            return task;
        if ((task = steal(m)))
            return task;
    }
    return block(m);
}

/* The task to run next; NULL when the runtime stops. */
static struct task *sched_next(struct machine *m)
{
    struct proc *p = m->proc;
    for (;;) {
        struct task *task;
        if (weft_unlikely(is_stopping()))
            return NULL;
        __atomic_store_n(&p->tick, p->tick + 1, __ATOMIC_RELAXED); /* a hint for thieves */
        if (weft_unlikely(p->tick % GLOBAL_TICK == 0) && (task = look_around(p)))
            return task;
        if ((task = next_take(p)))
            return task;
        p->next_runs = 0;
        if ((task = runq_pop(&p->runq)) || (task = global_take(p)) || (task = find(m)))
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

void machine_loop(struct machine *m)
{
    struct task *task;
    while ((task = sched_next(m))) {
        struct coro *c;
        bool is_new = task->kind != TASK_CORO;
        if (m->is_spinning)
            spin_end(m, true);
        if (!is_new) {
            c = coro_of(task);
        } else if (weft_unlikely(coro_make(m->proc, task, &c) < 0)) {
            postpone(task);
            continue;
        }
        do {
            coro_enter(m, c, is_new);
            is_new = false;
        } while (m->post == POST_PARK && !m->commit(c, m->commit_arg));
        if (m->post == POST_EXIT)
            coro_free(m->proc, c);
    }
    if (m->is_spinning)
        spin_end(m, false);
}

/* ---- yield and sleep ---- */

static bool commit_yield(struct coro *c, void *arg)
{
    (void)arg;
    struct proc *p = machine_self()->proc;
    ring_push(p, &c->task);
    return true;
}

void weft_yield(void)
{
    coro_park(commit_yield, NULL, WAIT_YIELD);
}

struct sleeper {
    struct timer timer;
    struct coro *coro;
    int64_t until;
    int rc;
};

static int64_t sleeper_fire(struct timer *t, int64_t now)
{
    (void)now;
    task_ready(&((struct sleeper *)t)->coro->task);
    return TIMER_NEVER;
}

static bool commit_sleep(struct coro *c, void *arg)
{
    (void)c;
    struct sleeper *s = arg;
    int rc = timer_arm(&s->timer, machine_self()->proc, s->until);
    if (rc < 0)
        s->rc = rc; /* not armed: nobody else sees s */
    return rc == 0;
}

int weft_sleep(int64_t ns)
{
    if (ns <= 0) {
        weft_yield();
        return 0;
    }
    int64_t now = weft_now();
    struct sleeper s = {.coro = coro_self(),
                        .until = now > INT64_MAX - 1 - ns ? INT64_MAX - 1 : now + ns};
    timer_init(&s.timer, sleeper_fire);
    coro_park(commit_sleep, &s, WAIT_SLEEP);
    return s.rc;
}
