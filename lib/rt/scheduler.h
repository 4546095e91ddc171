/* scheduler.h: what the files of the scheduler share. */
#ifndef RT_SCHEDULER_H
#define RT_SCHEDULER_H

#include "proc.h"
#include "trace.h"

/* A random number of p's own. Owner only. */
static inline uint32_t random_next(struct proc *p)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 17;
    p->random ^= p->random << 5;
    return p->random;
}

static inline int procs_in_use(void)
{
    /* relaxed: a wish; a processor finds out at its next task that it is not wanted */
    return atomic_load_explicit(&rt.procs_in_use, memory_order_relaxed);
}

/* ---- ready.c: where tasks go ---- */

/* ring_push where the ring is full. */
void ring_push_full(struct proc *p, struct task *task);

/* Puts a task behind all others on p's ring; what is too much goes to the shared queue. Owner only.
 */
static inline void ring_push(struct proc *p, struct task *task)
{
    if (weft_unlikely(!runq_push(&p->runq, task)))
        ring_push_full(p, task);
}

/* Puts a task before all others of p; the one that was there goes to the ring. Returns whether
 * there is work in the ring now. Owner only. */
bool next_push(struct proc *p, struct task *task);

/* Adds to what was spawned at p; when that is too much, the older half goes to the shared queue.
 * Returns how many there are. Owner only. */
uint32_t spawned_push(struct proc *p, struct task *task);

/* Puts tasks on the queue that all processors share. Any thread. */
void global_push(struct task_list *list);

/* Takes p's share of the shared queue: one to run, the others into its ring. Owner only. */
struct task *global_take(struct proc *p);

/* Puts one task on the queue that all processors share, and sees to it that one of them comes. Any
 * thread. */
void task_share(struct task *task);

/* Whether there can be no thief: a second processor is added only by who holds the first. */
static inline bool proc_is_only(void)
{
    /* relaxed: one who holds the first processor sees what he, or who held it before, has added */
    return atomic_load_explicit(&rt.proc_count, memory_order_relaxed) == 1;
}

/* The oldest of p's ring, or NULL. Owner only. */
static inline struct task *ring_pop(struct proc *p)
{
    return proc_is_only() ? runq_pop_alone(&p->runq) : runq_pop(&p->runq);
}

/* Puts a task, or NULL, where p's next is, and returns what was there. Owner only. */
static inline struct task *next_swap(struct proc *p, struct task *task)
{
    if (!proc_is_only()) /* pairs: runq_steal, which may take it */
        return atomic_exchange_explicit(&p->runq.next, task, memory_order_acq_rel);
    struct task *old = atomic_load_explicit(&p->runq.next, memory_order_relaxed);
    atomic_store_explicit(&p->runq.next, task, memory_order_relaxed);
    return old;
}

/* The task before all others, or NULL. Owner only. */
static inline struct task *next_take(struct proc *p)
{
    if (!atomic_load_explicit(&p->runq.next, memory_order_relaxed))
        return NULL;
    struct task *task = next_swap(p, NULL);
    if (!task || ++p->next_runs <= NEXT_RUNS_MAX)
        return task;
    p->next_runs = 0; /* a pair that readies each other must not starve the ring */
    ring_push(p, task);
    return NULL;
}

/* ---- sched.c: who runs next ---- */

static inline void sched_tick(struct proc *p)
{
    /* relaxed: one writer; a sign of life for others */
    uint64_t ticks = atomic_load_explicit(&p->tick, memory_order_relaxed);
    atomic_store_explicit(&p->tick, ticks + 1, memory_order_relaxed);
}

/* Whether p's next look for a task is more than that. Owner only. */
static inline bool has_to_heed(struct proc *p)
{
    uint32_t alerts = atomic_load_explicit(&rt.alerts,
                                           memory_order_relaxed); /* relaxed: as in sched_next */
    return p->look_in == 0 || trace_is_on() ||
           (alerts && (alerts != ALERT_FUZZING || random_next(p) % 2));
}

/* The coroutine that the running one, about to leave, should switch to without asking the
 * scheduler: the next in line, where nothing else has to be heeded. NULL: the scheduler decides. m
 * is the caller's, in the runtime. */
static inline struct coro *sched_straight(struct machine *m)
{
    struct proc *p = m->proc;
    struct task *task;
    if (weft_unlikely(!p || has_to_heed(p)))
        return NULL;
    if (atomic_load_explicit(&p->runq.next, memory_order_relaxed)) {
        if (p->next_runs >= NEXT_RUNS_MAX || !(task = next_swap(p, NULL)))
            return NULL;
        p->next_runs++;
    } else {
        if (spawnq_length(&p->spawnq) || !(task = ring_pop(p)))
            return NULL;
        p->next_runs = 0;
    }
    if (weft_unlikely(task->kind != TASK_CORO)) { /* it needs a stack first */
        p->first = task;
        return NULL;
    }
    p->look_in--;
    sched_tick(p);
    return coro_of(task);
}

/* Whether nobody else wants to run on the processor of m, whose coroutine yields, and nothing has
 * to be heeded: then that was a turn. m is the caller's, in the runtime. */
static inline bool sched_has_nobody(struct machine *m)
{
    struct proc *p = m->proc;
    if (!p || p->first || has_to_heed(p) || proc_has_work(p))
        return false;
    p->look_in--;
    sched_tick(p);
    return true;
}

/* Sees to a coroutine that has left m: it is off its stack. m is the caller's, in the runtime. */
void sched_left(struct machine *m, struct coro *c);

/* ---- seek.c: looking for work ---- */

/* Whether anything is queued that another machine might take. */
bool is_work_anywhere(void);

/* Whether a machine that looks for work would find some: not what is alone at a processor, which
 * that will run itself. */
bool is_work_to_share(void);

/* What timers have readied at p, or NULL. A thief may have had the last of it but left the ring,
 * which must be empty before p's machine steals, or blocks. Owner only. */
struct task *readied_take(struct proc *p);

/* The first of a list, the others on the ring. Owner only. */
struct task *list_take(struct proc *p, struct task_list *list);

/* What the poller of `of` has now: the first, the others on p's ring. p's owner only. */
struct task *poll_now(struct proc *p, struct proc *of);

/* A busy processor's look at what else there is, every LOOK_AROUND_TICK tasks. Owner only. */
struct task *look_around(struct proc *p);

/* m counts as one that looks for work; ends to: `found`, because it has some, so that somebody else
 * may have to go on looking. */
void spin_begin(struct machine *m);
void spin_end(struct machine *m, bool found);

/* What can be had from the other processors and the shared queue; NULL too when enough machines
 * look for work already. m may be spinning afterwards. */
struct task *steal(struct machine *m);

/* ---- yield.c ---- */

/* WEFT_SCHED_SEED: shuffles what p would run next; returns what it runs now, or NULL: as usual.
 * Owner only. */
struct task *sched_fuzz(struct proc *p);

/* WEFT_SCHED_SEED: the thread rests now and then. Blocks it. p is pinned, or held. */
void sched_stall(struct proc *p);

#endif
