/* trace.c: recording the execution trace, in a buffer a processor. */
#include "trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <weft/debug.h>

#include "trace_buffer.h"

static struct {
    struct lock lock;
    _Atomic(uint32_t) round; /* of the trace that is being recorded, or the last */
    int64_t began;
    char *path; /* WEFT_TRACE */
} trace;

static void record(struct proc *p, enum trace_kind kind, uint64_t id, unsigned reason)
{
    struct trace_buffer *b = p->trace;
    uint32_t round = atomic_load_explicit(&trace.round, memory_order_acquire);
    if (!b) {
        b = mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (b == MAP_FAILED)
            return;
        __atomic_store_n(&p->trace, b, __ATOMIC_RELEASE); /* pairs: weft_trace_stop */
    }
    if (atomic_load_explicit(&b->round, memory_order_relaxed) != round) {
        atomic_store_explicit(&b->count, 0, memory_order_relaxed);
        atomic_store_explicit(&b->dropped, 0, memory_order_relaxed);
        atomic_store_explicit(&b->round, round, memory_order_release);
    }
    uint32_t n = atomic_load_explicit(&b->count, memory_order_relaxed);
    if (n == EVENTS_MAX) {
        atomic_store_explicit(&b->dropped,
                              atomic_load_explicit(&b->dropped, memory_order_relaxed) + 1,
                              memory_order_relaxed);
        return;
    }
    b->events[n] = (struct trace_event){
        .at = weft_now(), .id = id, .kind_and_reason = kind | reason << 8};
    atomic_store_explicit(&b->count, n + 1, memory_order_release); /* pairs: trace_write */
}

static unsigned reason_of(const struct coro *c)
{
    return atomic_load_explicit(&c->wait_reason, memory_order_relaxed); /* written by this thread */
}

void trace_run(struct proc *p, const struct coro *c)
{
    record(p, RUN, c->id, reason_of(c));
}

void trace_leave(struct proc *p, const struct coro *c, enum post post)
{
    if (p)
        record(p, post == POST_EXIT ? EXIT : PARK, c->id, post == POST_EXIT ? 0 : reason_of(c));
}

void trace_ready(struct proc *p, const struct task *task)
{
    if (p && task->kind == TASK_CORO)
        record(p, READY, task_container(task, struct coro, task)->id, 0);
}

void trace_steal(struct proc *p, unsigned victim)
{
    record(p, STEAL, victim, 0);
}

void trace_hand_off(struct proc *p)
{
    record(p, HAND_OFF, 0, 0);
}

static bool is_running(void)
{
    int state = atomic_load_explicit(&rt.state, memory_order_acquire);
    return state == RT_RUNNING || state == RT_STOPPING;
}

int weft_trace_start(void)
{
    int rc = 0;
    lock_take(&trace.lock);
    if (!is_running())
        rc = -ESRCH;
    else if (trace_is_on())
        rc = -EBUSY;
    if (rc == 0) {
        trace.began = weft_now();
        atomic_fetch_add_explicit(&trace.round, 1, memory_order_release); /* pairs: record */
        atomic_store_explicit(&rt.is_tracing, true, memory_order_release);
    }
    lock_release(&trace.lock);
    return rc;
}

int weft_trace_stop(const char *path)
{
    lock_take(&trace.lock);
    int rc = trace_is_on() ? 0 : -ESRCH;
    atomic_store_explicit(&rt.is_tracing, false, memory_order_relaxed);
    if (rc == 0)
        rc = trace_write(path, trace.began,
                         atomic_load_explicit(&trace.round, memory_order_relaxed));
    lock_release(&trace.lock);
    return rc;
}

void trace_init(void)
{
    const char *path = getenv("WEFT_TRACE");
    free(trace.path);
    trace.path = path && *path ? strdup(path) : NULL;
    if (!trace.path)
        return;
    trace.began = weft_now();
    atomic_fetch_add_explicit(&trace.round, 1, memory_order_release);
    atomic_store_explicit(&rt.is_tracing, true, memory_order_release);
}

void trace_done(void)
{
    if (trace_is_on() && trace.path) {
        int rc = weft_trace_stop(trace.path);
        if (rc < 0)
            fprintf(stderr, "weft: cannot write the trace to %s: %s\n", trace.path, strerror(-rc));
    }
    atomic_store_explicit(&rt.is_tracing, false, memory_order_relaxed);
    free(trace.path);
    trace.path = NULL;
    for (int i = 0; i < proc_count(); i++)
        if (rt.procs[i].trace)
            munmap(rt.procs[i].trace, sizeof *rt.procs[i].trace);
}
