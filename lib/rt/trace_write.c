/* trace_write.c: writes a trace as the JSON that Perfetto and Chrome read.
 *
 * Its times are microseconds since the trace began. Process 1 has a "thread" a processor, with a
 * slice for each turn of a coroutine, instants for what the scheduler did, and arrows from who
 * readied a coroutine to where it ran. Process 2 has a track a coroutine, with its waits. The
 * processors' events are merged by time, so that every end has its beginning before it. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "coro.h"
#include "proc.h"
#include "trace_buffer.h"

/* What is known of one coroutine, so far. */
struct track {
    uint64_t id;    /* 0: an empty slot */
    uint8_t reason; /* what it waits for; WAIT_NONE: nothing */
    bool is_readied;
};

/* One processor's events, and how far they have been written. */
struct lane {
    const struct trace_event *at, *end;
    const struct trace_event *running; /* its RUN, while one runs */
};

struct trace_writer {
    FILE *file;
    int64_t began;
    struct lane lanes[PROCS_MAX];
    int lane_count;
    struct track *tracks; /* hashed by id; more slots than coroutines */
    size_t mask;
};

static double us(const struct trace_writer *w, int64_t at)
{
    return (double)(at - w->began) / (double)WEFT_US;
}

/* The track of a coroutine; the first time it is made. */
static struct track *track_of(struct trace_writer *w, uint64_t id)
{
    size_t i = (size_t)(id * UINT64_C(0x9e3779b97f4a7c15)) >> 20 & w->mask;
    while (w->tracks[i].id && w->tracks[i].id != id)
        i = (i + 1) & w->mask;
    w->tracks[i].id = id;
    return &w->tracks[i];
}

/* A slice of time in which a processor ran a coroutine. */
static void write_slice(struct trace_writer *w, int lane, int64_t until, const char *then)
{
    const struct trace_event *from = w->lanes[lane].running;
    w->lanes[lane].running = NULL;
    if (from)
        fprintf(w->file,
                "{\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,"
                "\"name\":\"coroutine %" PRIu64 "\",\"args\":{\"then\":\"%s\"}},\n",
                lane, us(w, from->at), us(w, until) - us(w, from->at), from->id, then);
}

/* One end of a wait, on the coroutine's own track: 'b' or 'e'. */
static void write_wait(struct trace_writer *w, char phase, uint64_t id, int64_t at, unsigned reason)
{
    bool is_network = reason == WAIT_READ || reason == WAIT_WRITE;
    fprintf(w->file,
            "{\"ph\":\"%c\",\"cat\":\"%s\",\"pid\":2,\"tid\":1,\"id\":\"%" PRIu64
            "\",\"ts\":%.3f,\"name\":\"%s\"},\n",
            phase, is_network ? "network" : "wait", id, us(w, at), wait_reason_text(reason));
}

static void write_instant(struct trace_writer *w, int lane, const struct trace_event *e,
                          const char *name)
{
    fprintf(w->file,
            "{\"ph\":\"i\",\"s\":\"t\",\"pid\":1,\"tid\":%d,\"ts\":%.3f,\"name\":\"%s %" PRIu64
            "\"},\n",
            lane, us(w, e->at), name, e->id);
}

/* One end of an arrow: 's' or 'f'. */
static void write_arrow(struct trace_writer *w, char phase, int lane, const struct trace_event *e)
{
    fprintf(w->file,
            "{\"ph\":\"%c\",\"cat\":\"wake\",\"bp\":\"e\",\"pid\":1,\"tid\":%d,\"id\":%" PRIu64
            ",\"ts\":%.3f,\"name\":\"wake\"},\n",
            phase, lane, e->id, us(w, e->at));
}

static void write_run(struct trace_writer *w, int lane, const struct trace_event *e)
{
    struct track *t = track_of(w, e->id);
    w->lanes[lane].running = e;
    if (t->reason)
        write_wait(w, 'e', e->id, e->at, t->reason);
    if (t->is_readied)
        write_arrow(w, 'f', lane, e);
    t->reason = WAIT_NONE;
    t->is_readied = false;
}

static void write_park(struct trace_writer *w, int lane, const struct trace_event *e)
{
    unsigned reason = e->kind_and_reason >> 8;
    write_slice(w, lane, e->at, wait_reason_text(reason));
    write_wait(w, 'b', e->id, e->at, reason);
    track_of(w, e->id)->reason = (uint8_t)reason;
}

static void write_ready(struct trace_writer *w, int lane, const struct trace_event *e)
{
    write_instant(w, lane, e, "ready");
    write_arrow(w, 's', lane, e);
    track_of(w, e->id)->is_readied = true;
}

static void write_event(struct trace_writer *w, int lane, const struct trace_event *e)
{
    switch ((enum trace_kind)(e->kind_and_reason & 0xff)) {
    case RUN: write_run(w, lane, e); break;
    case PARK: write_park(w, lane, e); break;
    case EXIT: write_slice(w, lane, e->at, "ends"); break;
    case HAND_OFF:
        write_slice(w, lane, e->at, "goes on without a processor");
        write_instant(w, lane, e, "hand-off from processor");
        break;
    case READY: write_ready(w, lane, e); break;
    case STEAL: write_instant(w, lane, e, "steal from processor"); break;
    }
}

/* The lane whose next event is the earliest; -1 when all are written. */
static int earliest(const struct trace_writer *w)
{
    int found = -1;
    for (int i = 0; i < w->lane_count; i++)
        if (w->lanes[i].at < w->lanes[i].end &&
            (found < 0 || w->lanes[i].at->at < w->lanes[found].at->at))
            found = i;
    return found;
}

/* What still runs or waits ends with the trace. */
static void write_ends(struct trace_writer *w, int64_t now)
{
    for (int i = 0; i < w->lane_count; i++)
        write_slice(w, i, now, "runs on");
    for (size_t i = 0; i <= w->mask; i++)
        if (w->tracks[i].reason)
            write_wait(w, 'e', w->tracks[i].id, now, w->tracks[i].reason);
}

/* Finds the events of `round`. Returns 0 or -ENOMEM. */
static int writer_init(struct trace_writer *w, int64_t began, uint32_t round)
{
    size_t events = 0;
    w->began = began;
    w->lane_count = proc_count();
    for (int i = 0; i < w->lane_count; i++) {
        struct trace_buffer *b = __atomic_load_n(&rt.procs[i].trace, __ATOMIC_ACQUIRE);
        if (!b || atomic_load_explicit(&b->round, memory_order_acquire) != round)
            continue;
        uint32_t count = atomic_load_explicit(&b->count, memory_order_acquire);
        w->lanes[i] = (struct lane){b->events, b->events + count, NULL};
        events += count;
        uint64_t dropped = atomic_load_explicit(&b->dropped, memory_order_relaxed);
        if (dropped)
            fprintf(stderr, "weft: the trace of processor %d lacks its last %" PRIu64 " events\n",
                    i, dropped);
    }
    w->mask = 15;
    while (w->mask < 2 * events)
        w->mask = 2 * w->mask + 1;
    w->tracks = calloc(w->mask + 1, sizeof *w->tracks);
    return w->tracks ? 0 : -ENOMEM;
}

static void write_all(struct trace_writer *w)
{
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", w->file);
    for (int i = 0; i < w->lane_count; i++)
        fprintf(w->file,
                "{\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"name\":\"thread_name\","
                "\"args\":{\"name\":\"processor %d\"}},\n",
                i, i);
    for (int lane; (lane = earliest(w)) >= 0;)
        write_event(w, lane, w->lanes[lane].at++);
    write_ends(w, weft_now());
    fputs("{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"processors\"}},\n"
          "{\"ph\":\"M\",\"pid\":2,\"name\":\"process_name\",\"args\":{\"name\":\"coroutines\"}}\n"
          "]}\n",
          w->file);
}

int trace_write(const char *path, int64_t began, uint32_t round)
{
    struct trace_writer *w = calloc(1, sizeof *w);
    int rc = w ? writer_init(w, began, round) : -ENOMEM;
    if (rc == 0) {
        w->file = fopen(path, "we");
        rc = w->file ? 0 : -errno;
    }
    if (rc == 0) {
        write_all(w);
        bool failed = ferror(w->file);
        rc = fclose(w->file) < 0 || failed ? -EIO : 0;
    }
    if (w)
        free(w->tracks);
    free(w);
    return rc;
}
