#include "admin_events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT_MAX = 64 * 1024, ROUTES_SHOWN = 40, QUOTED_MAX = 200 };

static const int64_t EVERY_NS = WEFT_SEC;

/* One client's stream. Rates and latencies are of the time since its last event. */
struct stream {
    const struct site *site;
    int64_t at;
    weft_app_metrics was, now;
    weft_histogram between;
    weft_route_metrics route;
    size_t len;
    char text[TEXT_MAX];
};

static void __attribute__((format(printf, 2, 3))) put(struct stream *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(s->text + s->len, sizeof s->text - s->len, format, args);
    va_end(args);
    if (n > 0)
        s->len += (size_t)n < sizeof s->text - s->len ? (size_t)n : sizeof s->text - s->len - 1;
}

static void put_text(struct stream *s, const char *text)
{
    char quoted[6 * QUOTED_MAX + 3];
    weft_str cut = weft_cstr(text);
    if (cut.len > QUOTED_MAX)
        cut.len = QUOTED_MAX;
    quoted[weft_json_quote(quoted, cut)] = '\0';
    put(s, "%s", quoted);
}

static long long resident_bytes(void)
{
    char text[100] = "";
    long long size = 0, resident = 0;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0)
        sscanf(text, "%lld %lld", &size, &resident);
    if (fd >= 0)
        close(fd);
    return resident * sysconf(_SC_PAGESIZE);
}

static void put_scheduler(struct stream *s)
{
    weft_stats of = {0};
    int procs = weft_num_procs();
    weft_get_stats(-1, &of);
    put(s, "\"threads\":%d,\"queued\":%u,\"procs\":[", of.threads, of.queued);
    for (int i = 0; i < procs && weft_get_stats(i, &of) == 0; i++)
        put(s,
            "%s{\"spawned\":%llu,\"switches\":%llu,\"steals\":%llu,\"hand_offs\":%llu,"
            "\"polls\":%llu,\"queued\":%u}",
            i ? "," : "", (unsigned long long)of.spawned, (unsigned long long)of.switches,
            (unsigned long long)of.steals, (unsigned long long)of.hand_offs,
            (unsigned long long)of.polls, of.queued);
    put(s, "]");
}

static void put_latency(struct stream *s)
{
    static const double quantiles[] = {0.5, 0.9, 0.99, 0.999};
    for (int i = 0; i < WEFT_HISTOGRAM_BUCKETS; i++)
        s->between.buckets[i] = s->now.latency.buckets[i] - s->was.latency.buckets[i];
    s->between.count = s->now.latency.count - s->was.latency.count;
    put(s, ",\"latency_ns\":[");
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        put(s, "%s%lld", i ? "," : "",
            (long long)weft_histogram_quantile(&s->between, quantiles[i]));
    put(s, "]");
}

static void put_routes(struct stream *s)
{
    int shown = 0;
    put(s, ",\"routes\":[");
    for (int i = 0; shown < ROUTES_SHOWN && weft_app_route_metrics(site_app(s->site), i, &s->route);
         i++) {
        const weft_route_metrics *r = &s->route;
        uint64_t classes[WEFT_METRIC_CLASSES] = {0}, all = 0;
        for (int m = 0; m < WEFT_METRIC_METHODS; m++)
            for (int c = 0; c < WEFT_METRIC_CLASSES; c++) {
                classes[c] += r->requests[m][c];
                all += r->requests[m][c];
            }
        if (!all)
            continue;
        put(s, "%s{\"host\":", shown++ ? "," : "");
        put_text(s, r->host);
        put(s, ",\"route\":");
        put_text(s, r->pattern);
        put(s, ",\"requests\":%llu,\"c4\":%llu,\"c5\":%llu,\"p50\":%lld,\"p99\":%lld}",
            (unsigned long long)all, (unsigned long long)classes[3], (unsigned long long)classes[4],
            (long long)weft_histogram_quantile(&r->latency, 0.5),
            (long long)weft_histogram_quantile(&r->latency, 0.99));
    }
    put(s, "]");
}

static void put_proxy(void *proxy, void *stream)
{
    struct stream *s = stream;
    weft_proxy_state u;
    for (int i = 0; weft_proxy_upstream_state(proxy, i, &u); i++) {
        put(s, "%s{\"url\":", s->text[s->len - 1] == '[' ? "" : ",");
        put_text(s, u.url);
        put(s, ",\"up\":%d,\"well\":%d,\"in_flight\":%d,\"requests\":%llu,\"failures\":%llu}",
            u.is_up, u.is_well, u.in_flight, (unsigned long long)u.requests,
            (unsigned long long)u.failures);
    }
}

static void make(struct stream *s)
{
    int64_t now = weft_now();
    weft_app_metrics_get(site_app(s->site), &s->now);
    s->len = 0;
    put(s, "{\"version\":\"%s\",\"pid\":%d,\"elapsed_ns\":%lld,\"rss\":%lld,", weft_version(),
        (int)getpid(), (long long)(now - s->at), resident_bytes());
    put(s,
        "\"connections\":%llu,\"accepted\":%llu,\"refused\":%llu,\"received\":%llu,\"sent\":%llu,",
        (unsigned long long)(s->now.accepted - s->now.closed), (unsigned long long)s->now.accepted,
        (unsigned long long)s->now.refused, (unsigned long long)s->now.received,
        (unsigned long long)s->now.sent);
    put(s, "\"requests\":[");
    for (int i = 0; i < WEFT_METRIC_CLASSES; i++)
        put(s, "%s%llu", i ? "," : "", (unsigned long long)s->now.requests[i]);
    put(s, "],");
    put_scheduler(s);
    put_latency(s);
    put_routes(s);
    put(s, ",\"upstreams\":[");
    site_each_proxy(s->site, put_proxy, s);
    put(s, "]}");
    s->was = s->now;
    s->at = now;
}

int admin_events(weft_http *h, const struct site *site)
{
    struct stream *s = calloc(1, sizeof *s);
    int rc = s ? weft_sse_begin(h) : -ENOMEM;
    if (rc == 0) {
        s->site = site;
        s->at = weft_now();
    }
    while (rc == 0) {
        make(s);
        if (s->len < sizeof s->text - 1)
            rc = weft_sse_send(h, "state", "%s", s->text);
        if (rc == 0)
            rc = weft_sleep(EVERY_NS);
    }
    free(s);
    return rc;
}
