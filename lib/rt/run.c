/* run.c: the runtime's life: it starts with its first coroutine and ends with it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <weft/rt.h>

#include "assert.h"
#include "context.h"
#include "leftover.h"
#include "machine.h"
#include "poller.h"
#include "proc.h"
#include "report.h"
#include "sanitize.h"
#include "trace.h"

struct runtime rt;
__thread struct machine *machine_tls __attribute__((used));

#if !defined(__x86_64__)
__attribute__((noinline)) struct machine *machine_self(void)
{
    __asm__ volatile(""); /* not pure: read afresh by every call */
    return machine_tls;
}
#endif

/* What runs after the runtime has stopped, in calls that do not return, is waited for so long. */
static const int64_t GRACE_NS = 1 * WEFT_SEC;

void runtime_stop(int result)
{
    int running = RT_RUNNING;
    /* pairs: is_stopping; the swap lets one result count */
    if (!atomic_compare_exchange_strong_explicit(&rt.state, &running, RT_STOPPING,
                                                 memory_order_seq_cst, memory_order_relaxed))
        return;
    rt.main_result = result;
    rt_alert(ALERT_STOPPING);
    for (int i = 0; i < proc_count(); i++)
        poller_wake(&rt.procs[i]);
    machines_wake();
}

static void run_main(void *arg)
{
    (void)arg;
    runtime_stop(rt.main_fn(rt.main_arg));
}

/* Builds the processor after the last. */
static int proc_add(uint32_t seed)
{
    int i = proc_count();
    struct proc *p = &rt.procs[i];
    p->index = (uint16_t)i;
    p->random = 0x9e3779b9U * ((uint32_t)i + 1) ^ seed * 2654435761U;
    p->random |= 1; /* zero would stay zero */
    p->polled_at = p->fair_at = weft_now();
    p->poll_fd = p->wake_fd = -1;
    atomic_init(&p->timers.first, TIMER_NEVER);
    int rc = poller_init(p);
    if (rc == 0)
        atomic_store_explicit(&rt.proc_count, i + 1, memory_order_release); /* pairs: proc_count */
    else
        poller_done(p);
    return rc;
}

static int procs_init(int count)
{
    const char *text = getenv("WEFT_SCHED_SEED");
    uint32_t seed = text ? (uint32_t)strtoul(text, NULL, 0) : 0;
    int rc = 0;
    rt.is_fuzzing = seed != 0;
    atomic_store_explicit(&rt.alerts, seed ? ALERT_FUZZING : 0, memory_order_relaxed);
    /* Room for all there may ever be; what is not used costs no memory. It stays when the runtime
     * ends, so that a timer that is stopped later finds the heap that it was in. */
    if (!rt.procs)
        rt.procs = mmap(NULL, PROCS_MAX * sizeof *rt.procs, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (rt.procs == MAP_FAILED) {
        rt.procs = NULL;
        return -ENOMEM;
    }
    san_root(rt.procs, (size_t)count * sizeof *rt.procs);
    for (int i = 0; i < count && rc == 0; i++)
        rc = proc_add(seed);
    atomic_store_explicit(&rt.procs_in_use, count, memory_order_relaxed);
    return rc;
}

static void procs_done(void)
{
    for (int i = 0; i < proc_count(); i++) {
        poller_done(&rt.procs[i]);
        timers_done(&rt.procs[i].timers);
        memset(&rt.procs[i], 0, sizeof rt.procs[i]);
    }
    atomic_store_explicit(&rt.proc_count, 0, memory_order_relaxed);
    atomic_store_explicit(&rt.procs_in_use, 0, memory_order_relaxed);
}

void runtime_release(void)
{
    machines_done();
    leftovers_take(NULL, NULL);
    report_uninstall();
    overflow_uninstall();
    trace_done();
    procs_done();
    spawn_pool_done(&rt.spawn_pool);
    stack_classes_done(rt.stacks);
    rt.global = (struct task_list)TASK_LIST_INIT;
    atomic_store_explicit(&rt.global_count, 0, memory_order_relaxed);
    atomic_store_explicit(&rt.idle, 0, memory_order_relaxed);
    atomic_store_explicit(&rt.spinning, 0, memory_order_relaxed);
    atomic_store_explicit(&rt.away, 0, memory_order_relaxed);
    atomic_store_explicit(&rt.run, 0, memory_order_relaxed);
    atomic_store_explicit(&rt.state, RT_NONE, memory_order_release); /* pairs: weft_run_with */
}

/* Runs until main_fn has returned. Returns its result, or why it could not be run. */
static int run(int procs)
{
    int rc = procs_init(procs);
    if (rc == 0)
        rc = overflow_install();
    if (rc == 0) {
        report_install();
        trace_init();
        static uint64_t runs;
        atomic_store_explicit(&rt.run, ++runs, memory_order_relaxed); /* nothing of it runs yet */
        atomic_store_explicit(&rt.state, RT_RUNNING, memory_order_release);
        rc = weft_go(run_main, NULL);
    }
    if (rc == 0)
        rc = watch_start();
    if (rc == 0) {
        rc = machines_start();
        int left = machines_wait(GRACE_NS);
        watch_stop();
        if (rc == 0)
            rc = rt.main_result;
        if (left) {
            fprintf(stderr, "weft: %d coroutines were still in calls that do not return\n", left);
            return rc;
        }
        if (rt.opts.leaks != WEFT_LEAKS_IGNORE && report_leaks() && rc == 0 &&
            rt.opts.leaks == WEFT_LEAKS_FAIL)
            rc = -ENOTEMPTY;
    }
    runtime_release();
    return rc;
}

int weft_run_with(const weft_run_opts *opts, int (*main_fn)(void *arg), void *arg)
{
    weft_run_opts o = opts ? *opts : (weft_run_opts){0};
    int procs = o.procs ? o.procs : weft_default_procs();
    int stack_class = stack_class_for(o.stack_size);
    if (o.max_threads == 0)
        o.max_threads = procs + MACHINES_DEFAULT;
    if (procs < 1 || procs > PROCS_MAX || stack_class < 0 || !main_fn || o.max_threads < procs ||
        o.max_threads > MACHINES_MAX || o.leaks < 0 || o.leaks > WEFT_LEAKS_FAIL)
        return -EINVAL;
    int none = RT_NONE;
    if (!atomic_compare_exchange_strong_explicit(&rt.state, &none, RT_STARTING,
                                                 memory_order_acquire, memory_order_relaxed))
        return -EBUSY;
    rt.opts = o;
    rt.main_fn = main_fn;
    rt.main_arg = arg;
    rt.main_result = 0;
    stack_classes_init(rt.stacks);
    rt.default_stack = (uint8_t)stack_class;
    return run(procs);
}

int weft_run(int (*main_fn)(void *arg), void *arg)
{
    return weft_run_with(NULL, main_fn, arg);
}

int spawn_task(const struct spawn_request *request)
{
    if (request->copied > SPAWN_MAX_COPY || !request->fn)
        return -EINVAL;
    int class_index = request->stack_size ? stack_class_for(request->stack_size) : rt.default_stack;
    if (class_index < 0)
        return -EINVAL;
    int state = atomic_load_explicit(&rt.state, memory_order_acquire); /* pairs: run */
    if (weft_unlikely(state != RT_RUNNING && state != RT_STOPPING))
        return -ESRCH;
    struct pin pin;
    struct proc *p = proc_pin(&pin);
    struct spawn *s = spawn_new(p, (uint32_t)request->copied);
    if (weft_likely(s != NULL)) {
        s->fn = request->fn;
        s->arg = (void *)request->arg;
        s->spawned_at = request->spawned_at;
        s->name = request->name;
        s->ctx = context_ref(request->ctx);
        s->stack_class = (uint8_t)class_index;
        if (request->copied)
            memcpy(s->copy, request->arg, request->copied);
        task_spawned(p, &s->task);
    }
    proc_unpin(&pin);
    /* A coroutine that was found to hold its machine too long gets in line again. */
    if (weft_unlikely(!p || rt.is_fuzzing))
        sched_point();
    return s ? 0 : -ENOMEM;
}

/* The current context, which a new coroutine inherits. */
static struct weft_ctx *inherited(void)
{
    struct coro *c = coro_self();
    return c ? coro_context(c) : NULL;
}

int weft_go(void (*fn)(void *arg), void *arg)
{
    return spawn_task(&(struct spawn_request){
        .fn = fn, .arg = arg, .ctx = inherited(), .spawned_at = __builtin_return_address(0)});
}

int weft_go_copy(void (*fn)(void *arg), const void *arg, size_t size)
{
    return spawn_task(&(struct spawn_request){.fn = fn,
                                              .arg = arg,
                                              .copied = size,
                                              .ctx = inherited(),
                                              .spawned_at = __builtin_return_address(0)});
}

int weft_go_with(const weft_go_opts *opts, void (*fn)(void *arg), void *arg)
{
    return spawn_task(&(struct spawn_request){.fn = fn,
                                              .arg = arg,
                                              .name = opts->name,
                                              .stack_size = opts->stack_size,
                                              .ctx = inherited(),
                                              .spawned_at = __builtin_return_address(0)});
}

int weft_num_procs(void)
{
    return atomic_load_explicit(&rt.procs_in_use, memory_order_relaxed); /* a statistic */
}

int weft_set_procs(int count)
{
    static struct lock lock;
    int rc = 0;
    if (count < 1 || count > PROCS_MAX || !coro_self())
        return -EINVAL;
    struct pin pin;
    while (!proc_pin(&pin)) { /* only who holds a processor adds one; see proc_is_only */
        proc_unpin(&pin);
        weft_yield();
    }
    lock_take(&lock);
    int before = weft_num_procs();
    while (proc_count() < count && rc == 0) {
        struct machine *m = machine_obtain();
        rc = m ? proc_add(0) : -EAGAIN;
        if (m)
            machine_give(m, rc == 0 ? &rt.procs[proc_count() - 1] : NULL);
    }
    if (rc == 0) {
        atomic_store_explicit(&rt.procs_in_use, count, memory_order_relaxed);
        if (count < proc_count())
            rt_alert(ALERT_FEWER_PROCS);
        else /* relaxed: as rt_alert */
            atomic_fetch_and_explicit(&rt.alerts, ~(uint32_t)ALERT_FEWER_PROCS,
                                      memory_order_relaxed);
        for (int i = 0; i < proc_count(); i++)
            poller_wake(&rt.procs[i]); /* they look at it */
    }
    lock_release(&lock);
    proc_unpin(&pin);
    return rc < 0 ? rc : before;
}

int weft_in_coroutine(void)
{
    return coro_self() != NULL;
}

int weft_blocking(int (*fn)(void *arg), void *arg)
{
    struct pin pin;
    struct coro *c = coro_self();
    if (!c)
        return fn(arg);
    struct proc *p = proc_pin(&pin);
    struct machine *next = p ? machine_obtain() : NULL;
    if (next) {
        atomic_fetch_add_explicit(&rt.away, 1, memory_order_relaxed); /* taken back by its rest */
        STAT_ADD(p, hand_offs);
        if (weft_unlikely(trace_is_on()))
            trace_hand_off(p);
        pin.machine->proc = NULL;
        atomic_store_explicit(&pin.machine->seize, SEIZE_AWAY, memory_order_release);
        machine_give(next, p);
    }
    /* relaxed: for reports, which may read it now: it counts as running */
    atomic_store_explicit(&c->wait_reason, WAIT_BLOCKING, memory_order_relaxed);
    proc_unpin(&pin);
    int rc = fn(arg);
    weft_yield(); /* gets in line for a processor */
    return rc;
}

struct proc *proc_near(void)
{
    struct machine *m = machine_self();
    struct proc *p = m ? m->proc : NULL; /* its memory stays, whoever has it */
    return p ? p : &rt.procs[0];
}
