/* trace.c: the execution trace: a buffer a processor, written out as the JSON that Perfetto and
 * Chrome read. Its times are microseconds since the trace began; a "thread" in it is a processor.
 */
#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <weft/debug.h>

enum { EVENTS_MAX = 1 << 20 };

enum kind { RUN, PARK, EXIT, READY, STEAL, HAND_OFF };

struct event {
    int64_t at;
    uint64_t id; /* of the coroutine; STEAL: the victim's index */
    uint32_t kind_and_reason;
};

/* Written by the processor's holder; `round` is the trace that `count` belongs to. */
struct trace_buffer {
    _Atomic(uint32_t) round;
    _Atomic(uint32_t) count;
    _Atomic(uint64_t) dropped;
    struct event events[EVENTS_MAX];
};

static struct {
    struct lock lock;
    _Atomic(uint32_t) round; /* of the trace that is being recorded, or the last */
    int64_t began;
    char *path; /* WEFT_TRACE */
} trace;

static void record(struct proc *p, enum kind kind, uint64_t id, unsigned reason)
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
    b->events[n] = (struct event){
        .at = weft_now(), .id = id, .kind_and_reason = kind | reason << 8};
    atomic_store_explicit(&b->count, n + 1, memory_order_release); /* pairs: write_proc */
}

void trace_run(struct proc *p, const struct coro *c)
{
    record(p, RUN, c->id, 0);
}

void trace_leave(struct proc *p, const struct coro *c, enum post post)
{
    if (p)
        record(p, post == POST_EXIT ? EXIT : PARK, c->id, post == POST_EXIT ? 0 : c->wait_reason);
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

/* ---- writing it out ---- */

static double us(const struct event *e)
{
    return (double)(e->at - trace.began) / (double)WEFT_US;
}

/* A slice of time in which a processor ran a coroutine. */
static void write_slice(FILE *f, unsigned proc, const struct event *from, double until,
                        const char *then)
{
    fprintf(f,
            "{\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"ts\":%.3f,\"dur\":%.3f,"
            "\"name\":\"coroutine %" PRIu64 "\",\"args\":{\"then\":\"%s\"}},\n",
            proc, us(from), until - us(from), from->id, then);
}

/* A wait, on a track of the coroutine's own: begins with a park and ends with the next run. */
static void write_wait(FILE *f, char phase, const struct event *e, const char *reason)
{
    fprintf(f,
            "{\"ph\":\"%c\",\"cat\":\"wait\",\"pid\":2,\"tid\":1,\"id\":\"%" PRIu64
            "\",\"ts\":%.3f,\"name\":\"%s\"},\n",
            phase, e->id, us(e), reason);
}

static void write_instant(FILE *f, unsigned proc, const struct event *e, const char *name)
{
    fprintf(f,
            "{\"ph\":\"i\",\"s\":\"t\",\"pid\":1,\"tid\":%u,\"ts\":%.3f,\"name\":\"%s %" PRIu64
            "\"},\n",
            proc, us(e), name, e->id);
}

/* An arrow, from who readies a coroutine to where it runs next. */
static void write_arrow(FILE *f, char phase, unsigned proc, const struct event *e)
{
    fprintf(f,
            "{\"ph\":\"%c\",\"cat\":\"wake\",\"bp\":\"e\",\"pid\":1,\"tid\":%u,\"id\":%" PRIu64
            ",\"ts\":%.3f,\"name\":\"wake\"},\n",
            phase, proc, e->id, us(e));
}

static void write_proc(FILE *f, const struct proc *p, const struct trace_buffer *b)
{
    uint32_t count = atomic_load_explicit(&b->count, memory_order_acquire);
    const struct event *running = NULL;
    fprintf(f,
            "{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\","
            "\"args\":{\"name\":\"processor %u\"}},\n",
            p->index, p->index);
    for (uint32_t i = 0; i < count; i++) {
        const struct event *e = &b->events[i];
        const char *reason = wait_reason_text(e->kind_and_reason >> 8);
        switch ((enum kind)(e->kind_and_reason & 0xff)) {
        case RUN:
            running = e;
            write_arrow(f, 'f', p->index, e);
            write_wait(f, 'e', e, "");
            break;
        case PARK:
            if (running)
                write_slice(f, p->index, running, us(e), reason);
            write_wait(f, 'b', e, reason);
            running = NULL;
            break;
        case EXIT:
            if (running)
                write_slice(f, p->index, running, us(e), "ends");
            running = NULL;
            break;
        case HAND_OFF:
            if (running)
                write_slice(f, p->index, running, us(e), "goes on without a processor");
            write_instant(f, p->index, e, "hand-off");
            running = NULL;
            break;
        case READY:
            write_instant(f, p->index, e, "ready");
            write_arrow(f, 's', p->index, e);
            break;
        case STEAL: write_instant(f, p->index, e, "steal from processor"); break;
        }
    }
    if (running) /* still runs as the trace ends */
        write_slice(f, p->index, running, (double)(weft_now() - trace.began) / (double)WEFT_US,
                    "runs on");
    uint64_t dropped = atomic_load_explicit(&b->dropped, memory_order_relaxed);
    if (dropped)
        fprintf(stderr, "weft: the trace of processor %u lacks its last %" PRIu64 " events\n",
                p->index, dropped);
}

static int write_all(const char *path)
{
    uint32_t round = atomic_load_explicit(&trace.round, memory_order_relaxed);
    FILE *f = fopen(path, "we");
    if (!f)
        return -errno;
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", f);
    int count = proc_count();
    for (int i = 0; i < count; i++) {
        struct trace_buffer *b = __atomic_load_n(&rt.procs[i].trace, __ATOMIC_ACQUIRE);
        if (b && atomic_load_explicit(&b->round, memory_order_acquire) == round)
            write_proc(f, &rt.procs[i], b);
    }
    fputs("{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"processors\"}},\n"
          "{\"ph\":\"M\",\"pid\":2,\"name\":\"process_name\",\"args\":{\"name\":\"coroutines\"}}\n"
          "]}\n",
          f);
    bool failed = ferror(f);
    return fclose(f) < 0 || failed ? -EIO : 0;
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
        rc = write_all(path);
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
