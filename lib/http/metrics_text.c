/* metrics_text.c: the counters in Prometheus's text format, and the answers to probes. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weft/debug.h>
#include <weft/rt.h>

#include "app.h"
#include "metrics.h"

/* A label's value: backslash, quote and line feed are escaped. */
static void put_label(weft_http *h, const char *name, const char *value)
{
    weft_writef(h, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '\n')
            weft_write(h, "\\n", 2);
        else if (*value == '\\' || *value == '"')
            weft_writef(h, "\\%c", *value);
        else
            weft_write(h, value, 1);
    }
    weft_write(h, "\"", 1);
}

static void put_head(weft_http *h, const char *name, const char *type, const char *help)
{
    weft_writef(h, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_number(weft_http *h, const char *name, const char *type, const char *help,
                       uint64_t value)
{
    put_head(h, name, type, help);
    weft_writef(h, "%s %llu\n", name, (unsigned long long)value);
}

static void put_route(weft_http *h, const char *name, const weft_route_metrics *r)
{
    weft_writef(h, "%s{", name);
    put_label(h, "host", r->host);
    weft_write(h, ",", 1);
    put_label(h, "route", r->pattern);
}

static void put_requests(weft_http *h, const weft_app *app, weft_route_metrics *r)
{
    static const char name[] = "weft_http_requests_total";
    put_head(h, name, "counter", "Requests answered.");
    for (int i = 0; weft_app_route_metrics(app, i, r); i++)
        for (int m = 0; m < WEFT_METRIC_METHODS; m++)
            for (int c = 0; c < WEFT_METRIC_CLASSES; c++) {
                if (!r->requests[m][c])
                    continue;
                put_route(h, name, r);
                weft_writef(h, ",method=\"%s\",class=\"%dxx\"} %llu\n", weft_metric_method(m),
                            c + 1, (unsigned long long)r->requests[m][c]);
            }
}

/* Every power of two from 16 us to 69 s: the fine buckets add up to these exactly. */
static void put_latencies(weft_http *h, const weft_app *app, weft_route_metrics *r)
{
    put_head(h, "weft_http_request_duration_seconds", "histogram",
             "From a request's head to its answer.");
    for (int i = 0; weft_app_route_metrics(app, i, r); i++) {
        uint64_t below = 0;
        if (!r->latency.count)
            continue;
        for (int b = 0; b < WEFT_HISTOGRAM_BUCKETS - 1; b++) {
            int64_t bound = weft_histogram_bound(b);
            below += r->latency.buckets[b];
            if ((bound & (bound - 1)) || bound < 1 << 14 || bound > (int64_t)1 << 36)
                continue;
            put_route(h, "weft_http_request_duration_seconds_bucket", r);
            weft_writef(h, ",le=\"%.12g\"} %llu\n", (double)bound / 1e9, (unsigned long long)below);
        }
        put_route(h, "weft_http_request_duration_seconds_bucket", r);
        weft_writef(h, ",le=\"+Inf\"} %llu\n", (unsigned long long)r->latency.count);
        put_route(h, "weft_http_request_duration_seconds_sum", r);
        weft_writef(h, "} %.9f\n", (double)r->latency.sum / 1e9);
        put_route(h, "weft_http_request_duration_seconds_count", r);
        weft_writef(h, "} %llu\n", (unsigned long long)r->latency.count);
    }
}

static void put_app(weft_http *h, const weft_app *app)
{
    weft_app_metrics *m = weft_alloc(h, sizeof *m);
    weft_route_metrics *r = weft_alloc(h, sizeof *r);
    if (!m || !r)
        return;
    put_requests(h, app, r);
    put_latencies(h, app, r);
    weft_app_metrics_get(app, m);
    put_number(h, "weft_http_connections", "gauge", "Connections that are open.",
               m->accepted - m->closed);
    put_number(h, "weft_http_connections_accepted_total", "counter", "Connections taken.",
               m->accepted);
    put_number(h, "weft_http_connections_refused_total", "counter",
               "Connections refused because there were too many.", m->refused);
    put_number(h, "weft_http_request_body_bytes_total", "counter", "Bytes of bodies read.",
               m->received);
    put_number(h, "weft_http_response_body_bytes_total", "counter", "Bytes of bodies sent.",
               m->sent);
}

static void put_scheduler(weft_http *h)
{
    static const struct {
        const char *name, *type, *help;
    } rows[] = {
        {"weft_sched_spawned_total", "counter", "Coroutines spawned."},
        {"weft_sched_switches_total", "counter", "Times that a coroutine was entered."},
        {"weft_sched_steals_total", "counter", "Times that work came from another processor."},
        {"weft_sched_hand_offs_total", "counter", "Times that a processor was handed on."},
        {"weft_sched_polls_total", "counter", "Looks into the netpoller."},
        {"weft_sched_queued", "gauge", "Tasks in the run queue."},
    };
    weft_stats s;
    int procs = weft_num_procs();
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        put_head(h, rows[row].name, rows[row].type, rows[row].help);
        for (int i = 0; i < procs && weft_get_stats(i, &s) == 0; i++) {
            uint64_t values[] = {s.spawned, s.switches, s.steals, s.hand_offs, s.polls, s.queued};
            weft_writef(h, "%s{processor=\"%d\"} %llu\n", rows[row].name, i,
                        (unsigned long long)values[row]);
        }
    }
    put_number(h, "weft_sched_processors", "gauge", "Processors.", (uint64_t)procs);
    if (weft_get_stats(-1, &s) == 0)
        put_number(h, "weft_sched_threads", "gauge", "Threads that run coroutines, or rest.",
                   (uint64_t)s.threads);
}

static void put_process(weft_http *h)
{
    char text[100] = "";
    unsigned long long size = 0, resident = 0;
    struct rusage use;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
        sscanf(text, "%llu %llu", &size, &resident);
    if (fd >= 0)
        close(fd);
    unsigned long long page = (unsigned long long)sysconf(_SC_PAGESIZE);
    put_number(h, "process_resident_memory_bytes", "gauge", "Memory in use.", resident * page);
    put_number(h, "process_virtual_memory_bytes", "gauge", "Addresses in use.", size * page);
    getrusage(RUSAGE_SELF, &use);
    put_head(h, "process_cpu_seconds_total", "counter", "CPU time, user and system.");
    weft_writef(h, "process_cpu_seconds_total %.6f\n",
                (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                    (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
    put_head(h, "weft_info", "gauge", "The version that runs.");
    weft_writef(h, "weft_info{version=\"%s\"} 1\n", weft_version());
}

int weft_metrics_handler(weft_http *h, void *app)
{
    weft_set_header(h, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    weft_set_header(h, "Cache-Control", "no-store");
    put_app(h, app);
    put_scheduler(h);
    put_process(h);
    return weft_flush(h);
}

int weft_healthz_handler(weft_http *h, void *unused)
{
    (void)unused;
    weft_set_header(h, "Cache-Control", "no-store");
    return weft_text(h, 200, "ok\n");
}

int weft_readyz_handler(weft_http *h, void *unused)
{
    (void)unused;
    /* relaxed: soon is early enough */
    bool drains = atomic_load_explicit(&h->server->is_draining, memory_order_relaxed);
    weft_set_header(h, "Cache-Control", "no-store");
    return drains ? weft_text(h, 503, "draining\n") : weft_text(h, 200, "ready\n");
}
