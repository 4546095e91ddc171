/* run.c: the runtime's life: it starts with its first coroutine and ends with it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/rt.h>

#include "assert.h"
#include "poller.h"
#include "proc.h"
#include "switch.h"

struct runtime rt;
__thread struct machine *machine_tls __attribute__((used));

#if !defined(__x86_64__)
__attribute__((noinline)) struct machine *machine_self(void)
{
    __asm__ volatile(""); /* not pure: read afresh by every call */
    return machine_tls;
}
#endif

static void runtime_stop(void)
{
    atomic_store_explicit(&rt.state, RT_STOPPING, memory_order_seq_cst); /* pairs: is_stopping */
    for (int i = 0; i < rt.proc_count; i++)
        poller_wake(&rt.procs[i]);
}

static void run_main(void *arg)
{
    (void)arg;
    rt.main_result = rt.main_fn(rt.main_arg);
    runtime_stop();
}

static int procs_init(int count)
{
    rt.procs = aligned_alloc(64, (size_t)count * sizeof *rt.procs);
    rt.machines = calloc((size_t)count, sizeof *rt.machines);
    if (!rt.procs || !rt.machines)
        return -ENOMEM;
    memset(rt.procs, 0, (size_t)count * sizeof *rt.procs);
    for (int i = 0; i < count; i++) {
        struct proc *p = &rt.procs[i];
        p->index = (uint16_t)i;
        p->random = 0x9e3779b9U * (uint32_t)(i + 1);
        p->ids = ((uint64_t)i << 48) + 1;
        p->poll_fd = p->wake_fd = -1;
        atomic_init(&p->timers.first, TIMER_NEVER);
        rt.machines[i].proc = p;
    }
    rt.proc_count = count;
    for (int i = 0; i < count; i++) {
        int rc = poller_init(&rt.procs[i]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void procs_done(void)
{
    for (int i = 0; rt.procs && i < rt.proc_count; i++) {
        poller_done(&rt.procs[i]);
        timers_done(&rt.procs[i].timers);
    }
    free(rt.procs);
    free(rt.machines);
    rt.procs = NULL;
    rt.machines = NULL;
    rt.proc_count = 0;
}

static int machine_init(struct machine *m)
{
    pthread_attr_t attr;
    void *low;
    size_t bytes;
    int err = pthread_getattr_np(pthread_self(), &attr);
    if (err)
        return -err;
    pthread_attr_getstack(&attr, &low, &bytes);
    pthread_attr_destroy(&attr);
    san_fiber_init_thread(&m->fiber, low, bytes);
    int rc = overflow_machine_init(m);
    if (rc == 0)
        machine_tls = m;
    return rc;
}

static void machine_done(struct machine *m)
{
    machine_tls = NULL;
    overflow_machine_done(m);
}

static void *machine_thread(void *arg)
{
    struct machine *m = arg;
    /* A machine that cannot set itself up leaves its processor idle; the others do the work. */
    if (machine_init(m) == 0) {
        machine_loop(m);
        machine_done(m);
    }
    return NULL;
}

/* Starts the machines but the first, which is the calling thread. */
static int machines_start(int *ret_started)
{
    sigset_t all, old;
    int rc = 0;
    *ret_started = 1;
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals go to the thread that called weft_run */
    for (int i = 1; i < rt.proc_count && rc == 0; i++) {
        rc = -pthread_create(&rt.machines[i].thread, NULL, machine_thread, &rt.machines[i]);
        *ret_started += rc == 0;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

static int run(int procs, int stack_class)
{
    int started = 0;
    stack_classes_init(rt.stacks);
    rt.default_stack = (uint8_t)stack_class;
    int rc = procs_init(procs);
    if (rc == 0)
        rc = overflow_install();
    if (rc == 0) {
        atomic_store_explicit(&rt.state, RT_RUNNING, memory_order_release);
        rc = weft_go(run_main, NULL);
        if (rc == 0 && (rc = machine_init(&rt.machines[0])) == 0) {
            rc = machines_start(&started);
            if (rc < 0)
                runtime_stop();
            machine_loop(&rt.machines[0]);
            machine_done(&rt.machines[0]);
            for (int i = 1; i < started; i++)
                pthread_join(rt.machines[i].thread, NULL);
            if (rc == 0)
                rc = rt.main_result;
        }
        overflow_uninstall();
    }
    procs_done();
    spawn_pool_done(&rt.spawn_pool);
    stack_classes_done(rt.stacks);
    rt.global = (struct task_list)TASK_LIST_INIT;
    atomic_store_explicit(&rt.global_count, 0, memory_order_relaxed);
    atomic_store_explicit(&rt.idle, 0, memory_order_relaxed);
    atomic_store_explicit(&rt.spinning, 0, memory_order_relaxed);
    return rc;
}

int weft_run_with(const weft_run_opts *opts, int (*main_fn)(void *arg), void *arg)
{
    int procs = opts && opts->procs ? opts->procs : weft_default_procs();
    int stack_class = stack_class_for(opts ? opts->stack_size : 0);
    if (procs < 1 || procs > PROCS_MAX || stack_class < 0 || !main_fn)
        return -EINVAL;
    int none = RT_NONE;
    if (!atomic_compare_exchange_strong_explicit(&rt.state, &none, RT_STARTING,
                                                 memory_order_acquire, memory_order_relaxed))
        return -EBUSY;
    rt.main_fn = main_fn;
    rt.main_arg = arg;
    int rc = run(procs, stack_class);
    atomic_store_explicit(&rt.state, RT_NONE, memory_order_release); /* pairs: the swap above */
    return rc;
}

int weft_run(int (*main_fn)(void *arg), void *arg)
{
    return weft_run_with(NULL, main_fn, arg);
}

static int spawn(void (*fn)(void *), const void *arg, size_t copied, const void *spawned_at)
{
    if (copied > SPAWN_MAX_COPY || !fn)
        return -EINVAL;
    int state = atomic_load_explicit(&rt.state, memory_order_acquire); /* pairs: run */
    if (weft_unlikely(state != RT_RUNNING && state != RT_STOPPING))
        return -ESRCH;
    struct spawn *s = spawn_new(proc_self(), (uint32_t)copied);
    if (!s)
        return -ENOMEM;
    s->fn = fn;
    s->arg = (void *)arg;
    s->spawned_at = spawned_at;
    s->stack_class = rt.default_stack;
    if (copied)
        memcpy(s->copy, arg, copied);
    task_spawned(&s->task);
    return 0;
}

int weft_go(void (*fn)(void *arg), void *arg)
{
    return spawn(fn, arg, 0, __builtin_return_address(0));
}

int weft_go_copy(void (*fn)(void *arg), const void *arg, size_t size)
{
    return spawn(fn, arg, size, __builtin_return_address(0));
}

int weft_num_procs(void)
{
    return rt.proc_count;
}

int weft_in_coroutine(void)
{
    return coro_self() != NULL;
}
