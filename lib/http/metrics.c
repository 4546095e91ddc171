/* metrics.c: counting answers, a shard a processor, and adding them up. */
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>

#include "app.h"

enum { FIRST_LOG = 6, LAST_LOG = 36, SUB_LOG = 4, SUBS = 1 << SUB_LOG };

_Static_assert(WEFT_HISTOGRAM_BUCKETS == (LAST_LOG - FIRST_LOG + 1) * SUBS + 2,
               "a bucket below, sixteen a power of two, one beyond");

/* ---- histograms ---- */

/* The bucket of a duration. Bounds belong to the bucket below them, as Prometheus has it. */
static uint32_t bucket_of(int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns - 1 : 0;
    if (v < 1u << FIRST_LOG)
        return 0;
    uint32_t log = 63 - (uint32_t)__builtin_clzll(v);
    if (log > LAST_LOG)
        return WEFT_HISTOGRAM_BUCKETS - 1;
    return 1 + (log - FIRST_LOG) * SUBS + ((uint32_t)(v >> (log - SUB_LOG)) & (SUBS - 1));
}

int64_t weft_histogram_bound(int i)
{
    if (i <= 0)
        return 1 << FIRST_LOG;
    if (i >= WEFT_HISTOGRAM_BUCKETS - 1)
        return INT64_MAX;
    int log = FIRST_LOG + (i - 1) / SUBS, sub = (i - 1) % SUBS;
    return (int64_t)(SUBS + sub + 1) << (log - SUB_LOG);
}

int64_t weft_histogram_quantile(const weft_histogram *histogram, double q)
{
    uint64_t seen = 0;
    double wanted = q * (double)histogram->count;
    for (int i = 0; i < WEFT_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen && (double)seen >= wanted)
            return i == WEFT_HISTOGRAM_BUCKETS - 1 ? (int64_t)1 << (LAST_LOG + 1)
                                                   : weft_histogram_bound(i);
    }
    return 0;
}

/* ---- routes ---- */

struct metrics *metrics_new(void)
{
    struct metrics *m = calloc(1, sizeof *m);
    if (m && metrics_reset(m) == 0)
        return m;
    metrics_free(m);
    return NULL;
}

static void forget(struct metrics *m)
{
    for (int i = 0; i < SHARDS_MAX; i++) {
        free(atomic_load_explicit(&m->shards[i], memory_order_relaxed)); /* nobody serves */
        atomic_store_explicit(&m->shards[i], NULL, memory_order_relaxed);
    }
    for (uint32_t i = 0; i < m->label_count; i++) {
        free(m->labels[i].host);
        free(m->labels[i].pattern);
    }
    free(m->labels);
    m->labels = NULL;
    m->label_count = 0;
}

void metrics_free(struct metrics *m)
{
    if (m)
        forget(m);
    free(m);
}

int metrics_reset(struct metrics *m)
{
    forget(m);
    m->labels = calloc(ROUTES_MEASURED_MAX, sizeof *m->labels);
    if (!m->labels)
        return -ENOMEM;
    int rc = metrics_route(m, "", "");
    return rc < 0 ? rc : metrics_route(m, "", "malformed") < 0 ? -ENOMEM : 0;
}

int metrics_route(struct metrics *m, const char *host, const char *pattern)
{
    if (m->label_count == ROUTES_MEASURED_MAX - 1)
        host = "", pattern = "other";
    for (uint32_t i = m->label_count; i-- > 0;)
        if (strcmp(m->labels[i].pattern, pattern) == 0 && strcmp(m->labels[i].host, host) == 0)
            return (int)i;
    if (m->label_count == ROUTES_MEASURED_MAX)
        return ROUTES_MEASURED_MAX - 1;
    struct route_label label = {.host = strdup(host), .pattern = strdup(pattern)};
    if (!label.host || !label.pattern) {
        free(label.host);
        free(label.pattern);
        return -ENOMEM;
    }
    m->labels[m->label_count] = label;
    return (int)m->label_count++;
}

/* ---- counting ---- */

/* relaxed: a statistic; alone, there is one writer, who holds the processor, and who gets it after
 * him sees what he wrote */
static void add(_Atomic(uint64_t) *counter, uint64_t n, bool is_alone)
{
    if (weft_likely(is_alone))
        atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                              memory_order_relaxed);
    else
        atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint32_t method_index(const weft_http *h)
{
    switch (h->head.parser.method) {
    case HTTP_GET: return 0;
    case HTTP_HEAD: return 1;
    case HTTP_POST: return 2;
    case HTTP_PUT: return 3;
    case HTTP_PATCH: return 4;
    case HTTP_DELETE: return 5;
    case HTTP_OPTIONS: return 6;
    default: return WEFT_METRIC_METHODS - 1;
    }
}

const char *weft_metric_method(int i)
{
    static const char *const names[] = {"GET",   "HEAD",   "POST",    "PUT",
                                        "PATCH", "DELETE", "OPTIONS", "other"};
    return i >= 0 && i < WEFT_METRIC_METHODS ? names[i] : "other";
}

/* The shard of number `i`; NULL when memory is out. */
static struct metrics_shard *shard_of(struct metrics *m, unsigned i)
{
    struct metrics_shard *s = atomic_load_explicit(&m->shards[i], memory_order_acquire);
    struct metrics_shard *other = NULL;
    if (weft_likely(s != NULL))
        return s;
    s = calloc(1, sizeof *s + m->label_count * sizeof *s->routes);
    /* The shared one may be made by several at once. Pairs: the acquires here and of readers. */
    if (s && !atomic_compare_exchange_strong_explicit(&m->shards[i], &other, s,
                                                      memory_order_acq_rel, memory_order_acquire)) {
        free(s);
        return other;
    }
    return s;
}

void metrics_note(struct metrics *m, weft_http *h, int64_t began)
{
    uint32_t route = h->endpoint ? h->endpoint->route : ROUTE_MALFORMED;
    uint32_t class = (uint32_t)h->status / 100 - 1, method = method_index(h);
    int64_t took = began && !h->is_endless && !h->is_upgraded ? weft_now() - began : -1;
    uint32_t bucket = bucket_of(took);
    struct pin pin;
    struct proc *p = proc_pin(&pin);
    struct metrics_shard *s = shard_of(m, p ? p->index : SHARD_SHARED);
    if (weft_unlikely(!s || class >= WEFT_METRIC_CLASSES)) {
        atomic_fetch_add_explicit(&m->lost, 1, memory_order_relaxed);
    } else {
        struct route_counts *r = &s->routes[route];
        add(&r->requests[method][class], 1, p);
        add(&s->received, (uint64_t)(h->body_read > 0 ? h->body_read : 0), p);
        add(&s->sent, (uint64_t)(h->sent_body > 0 ? h->sent_body : 0), p);
        if (took >= 0) {
            add(&r->buckets[bucket], 1, p);
            add(&r->sum, (uint64_t)took, p);
        }
    }
    proc_unpin(&pin);
}

/* ---- adding up ---- */

int weft_app_measure(weft_app *app)
{
    if (app->parent)
        return -EINVAL;
    if (!app->metrics)
        app->metrics = metrics_new();
    app->is_ready = false;
    return app->metrics ? 0 : -ENOMEM;
}

static void add_latency(weft_histogram *to, const struct route_counts *r)
{
    for (int i = 0; i < WEFT_HISTOGRAM_BUCKETS; i++) {
        uint64_t n = atomic_load_explicit(&r->buckets[i], memory_order_relaxed);
        to->buckets[i] += n;
        to->count += n; /* so that the buckets always add up to it */
    }
    to->sum += atomic_load_explicit(&r->sum, memory_order_relaxed);
}

static struct metrics_shard *shard_at(const struct metrics *m, int i)
{
    return atomic_load_explicit(&m->shards[i], memory_order_acquire); /* pairs: shard_of */
}

int weft_app_route_metrics(const weft_app *app, int i, weft_route_metrics *ret)
{
    const struct metrics *m = app->metrics;
    if (!m || i < 0 || (uint32_t)i >= m->label_count)
        return 0;
    *ret = (weft_route_metrics){.host = m->labels[i].host, .pattern = m->labels[i].pattern};
    for (int shard = 0; shard < SHARDS_MAX; shard++) {
        const struct metrics_shard *s = shard_at(m, shard);
        if (!s)
            continue;
        const struct route_counts *r = &s->routes[i];
        for (int j = 0; j < WEFT_METRIC_METHODS * WEFT_METRIC_CLASSES; j++)
            ret->requests[j / WEFT_METRIC_CLASSES][j % WEFT_METRIC_CLASSES] += atomic_load_explicit(
                &r->requests[j / WEFT_METRIC_CLASSES][j % WEFT_METRIC_CLASSES],
                memory_order_relaxed);
        add_latency(&ret->latency, r);
    }
    return 1;
}

void weft_app_metrics_get(const weft_app *app, weft_app_metrics *ret)
{
    const struct metrics *m = app->metrics;
    memset(ret, 0, sizeof *ret);
    if (!m)
        return;
    /* closed first: never more than accepted */
    ret->closed = atomic_load_explicit(&m->closed, memory_order_acquire);
    ret->accepted = atomic_load_explicit(&m->accepted, memory_order_relaxed);
    ret->refused = atomic_load_explicit(&m->refused, memory_order_relaxed);
    for (int i = 0; i < SHARDS_MAX; i++) {
        const struct metrics_shard *s = shard_at(m, i);
        if (!s)
            continue;
        ret->received += atomic_load_explicit(&s->received, memory_order_relaxed);
        ret->sent += atomic_load_explicit(&s->sent, memory_order_relaxed);
        for (uint32_t r = 0; r < m->label_count; r++) {
            for (int j = 0; j < WEFT_METRIC_METHODS; j++)
                for (int c = 0; c < WEFT_METRIC_CLASSES; c++)
                    ret->requests[c] += atomic_load_explicit(&s->routes[r].requests[j][c],
                                                             memory_order_relaxed);
            add_latency(&ret->latency, &s->routes[r]);
        }
    }
}
