/* weft/proxy.h: a handler that passes requests on to other servers, and their answers back.
 *
 *     weft_proxy *proxy = weft_proxy_new(&(weft_proxy_opts){
 *         .upstreams = {{"http://10.0.0.1:9000"}, {"http://10.0.0.2:9000"}},
 *         .balance = WEFT_BALANCE_LEAST,
 *         .health_path = "/healthz",
 *     }, NULL, 0);
 *     weft_any(app, "/{path...}", weft_proxy_handler, proxy);
 *
 * Bodies stream both ways with back-pressure; WebSocket and other upgrades, and server-sent events,
 * pass. docs/proxy.md says what is done to headers, and when a request is tried again. */
#ifndef WEFT_PROXY_H
#define WEFT_PROXY_H

#include <weft/http.h>
#include <weft/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { WEFT_PROXY_MAX_UPSTREAMS = 64 };

/* Which upstream a request goes to. */
enum {
    WEFT_BALANCE_ROUND_ROBIN, /* in turn, by weight */
    WEFT_BALANCE_LEAST,       /* to the one with the fewest requests under way for its weight */
    WEFT_BALANCE_TWO_CHOICES, /* to the less busy of two taken at random */
    WEFT_BALANCE_HASH,        /* by hash_on, consistently: an upstream that goes or comes moves only
                               * its own share of the keys */
};

/* Who tells upstreams whom a request is from. */
enum {
    WEFT_TELL_X_FORWARDED = 1, /* X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host */
    WEFT_TELL_FORWARDED = 2,   /* Forwarded (RFC 7239) */
    WEFT_TELL_NOTHING = 4,
};

typedef struct weft_proxy_upstream {
    const char *url; /* "http://host:port", "https://host", "unix:/path"; a path in the URL is put
                      * before the request's */
    int weight;      /* its share; default 1, at most 100 */
} weft_proxy_upstream;

/* A zero field means its default, never "no limit". Durations are nanoseconds. Nothing of it is
 * kept, but what `tls` points to must stay. */
typedef struct weft_proxy_opts {
    weft_proxy_upstream upstreams[WEFT_PROXY_MAX_UPSTREAMS]; /* ended by one without a URL */
    int balance;                                             /* WEFT_BALANCE_...; default in turn */
    const char *hash_on; /* "client" (its address, the default), "header:NAME", "cookie:NAME" */
    const char *host;    /* sent as Host; default the client's; "": the upstream's own */
    const char *strip_prefix; /* taken off the request's path, as "/api"; default nothing */
    int tell;                 /* WEFT_TELL_..., several; default X-Forwarded-... */

    int max_idle;            /* connections kept to an upstream; default 64 */
    int max_per_upstream;    /* in use at once, more wait; default 1024 */
    int64_t keep_timeout;    /* how long an unused one is kept; default 55 s */
    int64_t connect_timeout; /* name, connection, TLS; default 5 s */
    int64_t header_timeout;  /* from the request sent to the answer's head; default 60 s */
    int64_t idle_timeout;    /* a wait for the next bytes, either way; default 60 s */
    int64_t tunnel_timeout;  /* an upgraded connection without bytes either way; default 1 h */
    size_t max_header_bytes; /* of an answer's head; default 16 KB, at most 24 KB */
    int retries;             /* other upstreams tried where that is safe; default 2; -1: none */
    weft_tls_dial_opts tls;  /* for "https" upstreams */

    int max_fails;           /* failures in a row that rest an upstream; default 5; -1: never */
    int64_t rest;            /* how long at first, doubled each time up to 16-fold; default 1 s */
    const char *health_path; /* asked for by GET: 2xx and 3xx are well; default: not asked */
    int64_t health_interval; /* default 5 s */
    int64_t health_timeout;  /* default 2 s */
    int health_rise;         /* answers in a row that bring an upstream back; default 2 */
    int health_fall;         /* failures in a row that take it out; default 3 */
} weft_proxy_opts;

typedef struct weft_proxy weft_proxy;

/* Makes a proxy. NULL when an option cannot be, or memory is out: then why is in `err`, terminated,
 * at most `err_size` bytes (NULL, 0: on stderr). Never parks; any thread. */
WEFT_API weft_proxy *weft_proxy_new(const weft_proxy_opts *opts, char *err, size_t err_size);

/* Closes what is kept and frees it; no request may be under way. NULL-safe. Not in a coroutine that
 * serves through it. May park, until a health check that runs has ended. */
WEFT_API void weft_proxy_free(weft_proxy *proxy);

/* The handler: passes the request on. `proxy` is a weft_proxy. Answers 502 when the upstream cannot
 * be reached, or answers what is no HTTP; 503 with Retry-After when all of them rest; 504 when it
 * takes too long. An upstream that fails in the middle of its answer has the client's connection
 * cut. Parks. */
WEFT_API int weft_proxy_handler(weft_http *h, void *proxy);

/* How an upstream is, for reports. */
typedef struct weft_proxy_state {
    const char *url;   /* as given; lives as long as the proxy */
    int is_up;         /* requests go there */
    int is_well;       /* as health checks have it; 1 without them */
    int in_flight;     /* requests under way */
    uint64_t requests; /* answered, or failed */
    uint64_t failures; /* not reached, broken, or too late */
} weft_proxy_state;

/* Gives the state of upstream `i` from 0. Returns 1, or 0 past the last. Never parks; any thread.
 */
WEFT_API int weft_proxy_upstream_state(const weft_proxy *proxy, int i, weft_proxy_state *ret_state);

#ifdef __cplusplus
}
#endif
#endif
