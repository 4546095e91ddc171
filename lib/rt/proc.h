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

#include "coro.h"
#include "lock.h"
#include "runq.h"
#include "spawn.h"
#include "stack.h"
#include "timer.h"

enum {
    PROCS_MAX = 256,
    GLOBAL_TICK = 61,   /* every so many tasks the global queue, timers and poller come first */
    NEXT_RUNS_MAX = 32, /* tasks run from run-next in a row before the ring gets its turn */
};

struct proc {
    struct runq runq;

    /* Owner only: the machine that holds this processor. */
    struct stack_cache stacks;
    struct task_list spawns; /* free spawn records */
    uint32_t tick;           /* tasks run; read by thieves as a hint */
    uint32_t next_runs;
    uint32_t random;
    int64_t polled_at; /* when its poller was last looked into by the owner */
    uint64_t ids;      /* coroutine ids still to give out: high bits are the processor's */
    uint16_t index;    /* immutable */

    /* Any thread. */
    _Alignas(64) _Atomic(bool) is_idle; /* its machine blocks in the poller, or is about to */
    struct timer_heap timers;
    _Atomic(int32_t) registered; /* connections on its poller */
    int poll_fd;                 /* the poller's, immutable while the runtime runs */
    int wake_fd;
};

/* What the scheduler does with a coroutine that has come off its stack. */
enum post { POST_EXIT, POST_PARK };

struct machine {
    struct proc *proc;
    struct coro *current; /* NULL on the scheduler's own stack */
    void *sp;             /* the scheduler's context while a coroutine runs */
    enum post post;
    park_commit *commit; /* POST_PARK */
    void *commit_arg;
    bool is_spinning; /* counted in rt.spinning */
    struct san_fiber fiber;
    pthread_t thread;
    void *alt_stack; /* for the overflow report */
    stack_t old_alt_stack;
};

/* The runtime: everything that is shared and mutable. One a process. */
struct runtime {
    _Atomic(int) state; /* RT_NONE -> RT_RUNNING -> RT_STOPPING -> RT_NONE, by run.c */
    int proc_count;     /* immutable while running */
    struct proc *procs;
    struct machine *machines;
    uint8_t default_stack; /* class */

    _Alignas(64) _Atomic(int) idle; /* processors with is_idle */
    _Atomic(int) spinning;          /* machines that look for work without a task */

    _Alignas(64) struct lock global_lock;
    struct task_list global;        /* under global_lock */
    _Atomic(uint32_t) global_count; /* its length; any thread may look */

    struct spawn_pool spawn_pool;
    struct stack_class stacks[STACK_CLASSES];
    struct sigaction old_segv, old_bus;
    int (*main_fn)(void *arg);
    void *main_arg;
    int main_result;
};

enum { RT_NONE, RT_STARTING, RT_RUNNING, RT_STOPPING };

extern struct runtime rt;

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

static inline struct proc *proc_self(void)
{
    struct machine *m = machine_self();
    return m ? m->proc : NULL;
}

/* Wakes p if its machine blocks in the poller, for instance because its first timer is new. */
void proc_wake_if_idle(struct proc *p);

/* Runs coroutines until the runtime stops. m holds a processor. */
void machine_loop(struct machine *m);

/* The alternate signal stack on which an overflow of the coroutine's stack is reported. */
int overflow_install(void);
void overflow_uninstall(void);
int overflow_machine_init(struct machine *m);
void overflow_machine_done(struct machine *m);

#endif
