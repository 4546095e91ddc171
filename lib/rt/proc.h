/* proc.h: processors, machines, and the runtime's one struct.
 *
 * A processor (P) is the right to run coroutines, with all that needs no sharing to do so: a run
 * queue, timers, a poller, caches. A machine (M) is an OS thread; it runs coroutines while it holds
 * a processor. */
#ifndef RT_PROC_H
#define RT_PROC_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/rt.h>

#include "assert.h"
#include "coro.h"
#include "lock.h"
#include "runq.h"
#include "spawn.h"
#include "spawnq.h"
#include "stack.h"
#include "timer.h"

enum {
    PROCS_MAX = 256,
    MACHINES_MAX = 16384,
    MACHINES_DEFAULT = 1024, /* most machines, unless the run's options say */
    LOOK_AROUND_TICK = 60, /* after so many tasks the global queue, timers and poller come first */
    RING_TICK = 4,         /* and so many, the ring before what was spawned */
    NEXT_RUNS_MAX = 32,    /* tasks run from run-next in a row before the ring gets its turn */
};

/* What a processor has counted. Written by its holder, read by anybody. */
struct proc_stats {
    _Atomic(uint64_t) spawned, steals, hand_offs, polls;
};

/* relaxed: a statistic with one writer */
#define STAT_ADD(p, what)                                                                          \
    atomic_store_explicit(&(p)->stats.what,                                                        \
                          atomic_load_explicit(&(p)->stats.what, memory_order_relaxed) + 1,        \
                          memory_order_relaxed)

struct proc {
    struct runq runq;
    struct spawnq spawnq;

    /* Owner only: the machine that holds this processor, while it is in the runtime. */
    struct stack_cache stacks;
    struct spawn_cache spawns;
    struct task *first; /* before all others: who left straight could not run it; or NULL */
    uint32_t next_runs;
    uint32_t look_in; /* so many tasks until it looks around */
    uint32_t random;
    int64_t lone_wake_at; /* see task_spawned */
    int64_t fair_at;      /* when the oldest of spawnq last had its turn */
    int64_t polled_at;    /* about now: when its poller or its timers were last looked at */
    int64_t netpolled_at; /* when a busy look was taken into its poller last */
    uint64_t id;          /* the last coroutine id given out; see id_take */
    struct trace_buffer *trace;
    uint16_t index; /* immutable */

    /* Any thread. */
    _Alignas(64) _Atomic(bool) is_idle; /* its machine blocks in the poller, or is about to */
    _Atomic(struct machine *) machine;  /* that holds it; NULL while it changes hands */
    _Atomic(uint64_t) tick;             /* coroutines entered; others see a sign of life in it */
    struct timer_heap timers;
    _Atomic(int32_t) registered; /* connections on its poller */
    int poll_fd;                 /* the poller's, immutable while the runtime runs */
    int wake_fd;
    struct proc_stats stats;
};

/* What the scheduler does with a coroutine that has come off its stack. */
enum post { POST_EXIT, POST_PARK };

/* Whether the watchdog takes a machine's processor from it; see watch.c. AWAY: it has none. */
enum seize { SEIZE_AWAY, SEIZE_NONE, SEIZE_ASKED, SEIZE_TAKEN };

struct machine {
    struct proc *proc;    /* by its own thread, and by who gives one to it while it rests */
    struct coro *current; /* NULL on the scheduler's own stack */
    void *sp;             /* the scheduler's context while a coroutine runs */
    enum post post;
    park_commit *commit; /* POST_PARK */
    void *commit_arg;
    struct coro *left; /* by one that went straight for another, which sees to it; else NULL */
    bool is_spinning;  /* counted in rt.spinning */

    _Alignas(64) _Atomic(bool) in_runtime; /* not in a coroutine's own code; see proc_pin */
    _Atomic(uint8_t) seize;                /* enum seize */
    _Atomic(uint32_t) wakes;               /* futex: moves when a resting machine shall go on */
    struct machine *next;                  /* in machines.resting or machines.unused */
    bool is_fresh;                         /* not yet at its first rest */
    bool has_thread;                       /* to be joined */
    _Atomic(bool) is_patient;              /* has the long slice of who is away */
    _Atomic(int) tid;                      /* 0 until its thread runs */

    struct san_fiber fiber;
    pthread_t thread;
    void *alt_stack; /* for the overflow report */
    stack_t old_alt_stack;
};

/* The runtime: everything that is shared and mutable. One a process. */
struct runtime {
    _Atomic(int) state;        /* RT_NONE -> RT_RUNNING -> RT_STOPPING -> RT_NONE, by run.c */
    _Atomic(uint64_t) run;     /* which weft_run of the process this is; see rt_run_id */
    _Atomic(int) proc_count;   /* processors there are; grows only */
    _Atomic(int) procs_in_use; /* those that run coroutines; the others forward, see sched.c */
    struct proc *procs;        /* room for PROCS_MAX */
    uint8_t default_stack;     /* class */
    _Atomic(uint32_t) alerts;  /* enum alert: what each look for a task has to heed */
    bool is_fuzzing;           /* WEFT_SCHED_SEED: immutable while running */
    _Atomic(bool) is_tracing;  /* see trace.c */

    _Alignas(64) _Atomic(int) idle;   /* processors with is_idle */
    _Atomic(int) spinning;            /* machines that look for work without a task */
    _Atomic(int64_t) lone_backoff_ns; /* see task_spawned */
    _Atomic(int) away;                /* machines whose coroutine goes on without a processor */

    _Alignas(64) struct lock global_lock;
    struct task_list global;        /* under global_lock */
    _Atomic(uint32_t) global_count; /* its length; any thread may look */

    _Atomic(uint64_t) id_blocks; /* blocks of coroutine ids that processors have taken */
    struct spawn_pool spawn_pool;
    struct stack_class stacks[STACK_CLASSES];
    struct sigaction old_segv, old_bus;
    weft_run_opts opts;
    int (*main_fn)(void *arg);
    void *main_arg;
    int main_result;
};

/* Bits of alerts. FEWER_PROCS: there are processors beyond those in use. */
enum alert { ALERT_STOPPING = 1, ALERT_FUZZING = 2, ALERT_FEWER_PROCS = 4 };

enum { RT_NONE, RT_STARTING, RT_RUNNING, RT_STOPPING };

extern struct runtime rt;

static inline void rt_alert(enum alert alert)
{
    /* relaxed: it only says where to look; see sched_next */
    atomic_fetch_or_explicit(&rt.alerts, (uint32_t)alert, memory_order_relaxed);
}

static inline int proc_count(void)
{
    /* pairs: the release in weft_set_procs, which has built the processor before */
    return atomic_load_explicit(&rt.proc_count, memory_order_acquire);
}

/* Tells what belongs to this weft_run from what an earlier one has left: its coroutines, timers and
 * registrations are gone. From 1; 0 when none runs. */
static inline uint64_t rt_run_id(void)
{
    return atomic_load_explicit(&rt.run, memory_order_relaxed); /* constant while it runs */
}

/* The calling thread's machine, or NULL in a foreign thread. Read afresh by every call, because a
 * coroutine may have moved; the compiler would keep a thread-local's address across a park. */
extern __thread struct machine *machine_tls
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

#if defined(__x86_64__)
static inline struct machine *machine_self(void)
{
    struct machine *m;
    __asm__ volatile("movq machine_tls@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=&r"(m));
    return m;
}
#else
struct machine *machine_self(void);
#endif

/* Holding a processor.
 *
 * A coroutine's own code may lose its processor at any moment (watch.c takes it when it has been
 * held long). Whoever uses what is the owner's pins it: between proc_pin and proc_unpin it stays.
 * They nest, and cost two plain stores and a load; the watchdog pays for the barrier. */
struct pin {
    struct machine *machine;
    bool was_in_runtime;
};

/* The slow half: the watchdog has asked. Returns whether the machine keeps its processor. */
bool machine_keeps_proc(struct machine *m);

static inline void machine_enter_runtime(struct machine *m)
{
    /* relaxed, and a compiler's fence only: the watchdog's membarrier stands between this store
     * and the load of seize */
    atomic_store_explicit(&m->in_runtime, true, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    if (weft_unlikely(atomic_load_explicit(&m->seize, memory_order_acquire) > SEIZE_NONE))
        (void)machine_keeps_proc(m); /* m->proc tells */
}

/* The calling machine's processor; NULL when it has none, and in a foreign thread. */
static inline struct proc *proc_pin(struct pin *pin)
{
    struct machine *m = machine_self();
    pin->machine = m;
    if (weft_unlikely(!m))
        return NULL;
    pin->was_in_runtime = atomic_load_explicit(&m->in_runtime, memory_order_relaxed); /* own */
    machine_enter_runtime(m);
    return m->proc;
}

static inline void proc_unpin(struct pin *pin)
{
    if (weft_likely(pin->machine)) /* pairs: the watchdog's acquire, before it hands on */
        atomic_store_explicit(&pin->machine->in_runtime, pin->was_in_runtime, memory_order_release);
}

/* A processor for what any thread may do with one (arm a timer, register a descriptor): the
 * caller's, as a rule. It may be somebody else's by the time it is used. */
struct proc *proc_near(void);

/* Whether anything is queued at p. Any thread; a hint that may be old at once. */
static inline bool proc_has_work(const struct proc *p)
{
    return runq_length(&p->runq) || spawnq_length(&p->spawnq);
}

/* Wakes an idle processor if there is one, and nobody looks for work already. */
void proc_wake_one(void);

/* Wakes p if its machine blocks in the poller, for instance because its first timer is new. */
void proc_wake_if_idle(struct proc *p);

/* Runs coroutines until the runtime stops. */
void machine_loop(struct machine *m);

/* Lets others run, where the caller has to give way: it goes on without a processor, or the
 * schedule is fuzzed. Nothing outside of coroutines. May park. */
void sched_point(void);

/* Puts tasks on the queue that all processors share, and sees to it that one of them comes. */
void tasks_share(struct task_list *list);

/* Ends the runtime: machines come to machine_loop's end as they look for work. `result` is what
 * weft_run returns; the first one counts. Any thread. */
void runtime_stop(int result);

/* Frees what the runtime had, when no machine runs any more. */
void runtime_release(void);

/* The alternate signal stack on which an overflow of the coroutine's stack is reported. */
int overflow_install(void);
void overflow_uninstall(void);
int overflow_machine_init(struct machine *m);
void overflow_machine_done(struct machine *m);

#endif
