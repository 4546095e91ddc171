/* metrics.h: the counters behind weft/metrics.h.
 *
 * A shard belongs to one processor and is written by its holder alone, pinned: plain loads and
 * stores, exact without a lock or a shared line. Readers add the shards up.
 *
 * A coroutine that has lost its processor in a long computation or a blocking call counts in the
 * last shard, which is everybody's, atomically. */
#ifndef HTTP_METRICS_H
#define HTTP_METRICS_H

#include <stdatomic.h>
#include <weft/metrics.h>

#include "proc.h"

enum { SHARDS_MAX = PROCS_MAX + 1, SHARD_SHARED = PROCS_MAX };
enum { ROUTES_MEASURED_MAX = 1024, ROUTE_NONE = 0, ROUTE_MALFORMED = 1 };

struct route_counts {
    _Atomic(uint64_t) requests[WEFT_METRIC_METHODS][WEFT_METRIC_CLASSES];
    _Atomic(uint64_t) buckets[WEFT_HISTOGRAM_BUCKETS];
    _Atomic(uint64_t) sum; /* of latencies, nanoseconds */
};

struct metrics_shard {
    _Atomic(uint64_t) received, sent;
    struct route_counts routes[]; /* as many as there are labels; zero pages until they are used */
};

struct route_label {
    char *host, *pattern;
};

struct metrics {
    _Atomic(uint64_t) accepted, refused, closed; /* once a connection: shared is cheap enough */
    _Atomic(struct metrics_shard *) shards[SHARDS_MAX];
    _Atomic(uint64_t) lost; /* requests that were not counted for want of memory */
    struct route_label *labels;
    uint32_t label_count;
};

struct metrics *metrics_new(void); /* NULL: out of memory */
void metrics_free(struct metrics *m);

/* Forgets routes and counts, before the routes are made anew. */
int metrics_reset(struct metrics *m);

/* The number of a route; the same host and pattern have the same. -ENOMEM. */
int metrics_route(struct metrics *m, const char *host, const char *pattern);

/* Counts the answer to h's request, whose head was complete at `began`; 0: there was none. */
void metrics_note(struct metrics *m, weft_http *h, int64_t began);

#endif
