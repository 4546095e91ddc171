/* weft/metrics.h: counting what an application answers, and telling it to who looks after it.
 *
 *     weft_app_measure(app);
 *     weft_get(app, "/metrics", weft_metrics_handler, app);
 *     weft_get(app, "/readyz", weft_readyz_handler, NULL);
 *
 * Each processor counts on its own: answering shares no memory for it. docs/observe.md has the
 * table of what is counted. */
#ifndef WEFT_METRICS_H
#define WEFT_METRICS_H

#include <weft/http.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counts the requests of `app` (not of a group alone) from its next start on, and its connections:
 * by route, method and class of status, with their latencies. A route is its host and pattern, not
 * the path that was asked for: clients cannot add to what is counted. At most 1022 routes are told
 * apart, what is more counts as "other". Takes some 4 KB a route and processor that answered it.
 * Returns 0; -EINVAL for a group; -ENOMEM. Before serving only. */
WEFT_API int weft_app_measure(weft_app *app);

/* Buckets of a histogram: the first is up to 64 ns; then each power of two is 16 of them, so that
 * a bound is at most 1/16 above what was measured; the last is for all beyond 2^37 ns, 137 s. */
enum { WEFT_HISTOGRAM_BUCKETS = 498 };

/* Durations in nanoseconds. Differences of two, field by field, are what came between. */
typedef struct weft_histogram {
    uint64_t buckets[WEFT_HISTOGRAM_BUCKETS];
    uint64_t count, sum;
} weft_histogram;

/* The largest duration, in nanoseconds, of bucket `i`; INT64_MAX for the last. Any thread. */
WEFT_API int64_t weft_histogram_bound(int i);

/* A duration that `q` of all (0 to 1) do not exceed: at most 1/16 too long from 64 ns on. 0 when
 * there is none. Any thread. */
WEFT_API int64_t weft_histogram_quantile(const weft_histogram *histogram, double q);

/* Methods are told apart by number: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, any other. */
enum { WEFT_METRIC_METHODS = 8, WEFT_METRIC_CLASSES = 5 };
WEFT_API const char *weft_metric_method(int i);

/* What one route has answered. */
typedef struct weft_route_metrics {
    const char *host;    /* "" for any; lives until the application starts anew or is freed */
    const char *pattern; /* "" for requests without a route; as long */
    uint64_t requests[WEFT_METRIC_METHODS][WEFT_METRIC_CLASSES]; /* classes from 1xx on */
    /* From a request's complete head to its answer, which is sent or about to be. Answers without
     * an end of their own (events, upgrades) are left out. */
    weft_histogram latency;
} weft_route_metrics;

/* Gives the counts of route `i` from 0: 0 are requests without a route ("", for instance 404), 1
 * those that no handler saw because they were malformed ("malformed"). Counts go on meanwhile.
 * Returns 1; 0 past the last, and when the application is not measured or has not started. Never
 * parks; any thread. */
WEFT_API int weft_app_route_metrics(const weft_app *app, int i, weft_route_metrics *ret);

/* What an application has done in all. */
typedef struct weft_app_metrics {
    uint64_t accepted, refused, closed;     /* connections; refused ones (503) are among neither */
    uint64_t received, sent;                /* bytes of bodies, without framing */
    uint64_t requests[WEFT_METRIC_CLASSES]; /* by class of status */
    weft_histogram latency;
} weft_app_metrics;

/* Gives the sums; all zero when it is not measured. Never parks; any thread. */
WEFT_API void weft_app_metrics_get(const weft_app *app, weft_app_metrics *ret);

/* A handler: everything in Prometheus's text format, version 0.0.4: of `app` (the handler's
 * argument, a weft_app that is measured), of the scheduler and of the process. */
WEFT_API int weft_metrics_handler(weft_http *h, void *app);

/* Handlers for probes: "ok" as long as the process answers; and "ready", or 503 with "draining"
 * from when the server that was asked has begun to drain. */
WEFT_API int weft_healthz_handler(weft_http *h, void *unused);
WEFT_API int weft_readyz_handler(weft_http *h, void *unused);

#ifdef __cplusplus
}
#endif
#endif
