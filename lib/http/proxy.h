/* proxy.h: the inside of the reverse proxy, whose public face is weft/proxy.h.
 *
 *   proxy.c           the proxy as an object: its options, its upstreams
 *   proxy_handle.c    a request: chooses, sends, tries again, gives up with the right status
 *   proxy_request.c   the head that goes to the upstream
 *   proxy_answer.c    the answer on its way back
 *   proxy_tunnel.c    a connection that has left HTTP
 *   proxy_balance.c   which upstream is next
 *   proxy_health.c    which of them can be asked: failures in a row, and health checks */
#ifndef HTTP_PROXY_H
#define HTTP_PROXY_H

#include <stdatomic.h>
#include <weft/proxy.h>
#include <weft/timer.h>

#include "call.h"
#include "exchange.h"
#include "upload.h"

enum {
    PROXY_HEAD_MAX = 24 * 1024, /* of an answer; a buffer holds some of its body, too */
    PROXY_NOMINATED_MAX = 16,   /* header names that a Connection header may take off */
};

struct upstream {
    char *url;             /* as given */
    struct origin *origin; /* a reference */
    char *authority;       /* its own Host */
    char *base;            /* "/path" put before each request's, or "" */
    int weight;
    _Atomic(int) in_flight;
    _Atomic(uint64_t) requests, failures;
    _Atomic(int64_t) logged_at;

    /* Passive: failures in a row rest it; see proxy_health.c. */
    _Atomic(int) fails, rests;
    _Atomic(int64_t) rests_until; /* 0: it does not rest */
    /* Active: by the checker alone, but is_ill. */
    _Atomic(bool) is_ill;
    int well_in_row, ill_in_row;
};

/* A point of the hash's ring. */
struct ring_point {
    uint32_t at;
    uint16_t upstream;
};

enum hash_on { HASH_CLIENT, HASH_HEADER, HASH_COOKIE };

struct weft_proxy {
    weft_proxy_opts opts; /* defaults filled in; its texts are copies; immutable */
    int count;
    struct upstream *upstreams;
    uint16_t *turns; /* round robin's order: each upstream as often as it weighs */
    uint32_t turn_count;
    _Atomic(uint32_t) turn;
    struct ring_point *ring; /* sorted */
    uint32_t ring_count;
    enum hash_on hash_on;
    char *hash_name, *host, *prefix, *health_path;

    struct lock checker_lock;
    _Atomic(uint64_t) checker_run; /* the weft_run in which the timer was set */
    weft_timer *checker;
};

/* ---- proxy_balance.c ---- */

/* Prepares the order of turns and the ring. Returns 0; -ENOMEM. */
WEFT_MUST_USE int balance_prepare(weft_proxy *p);

/* The upstream for a request, of those that can be asked and are not in `tried` (a bit each); -1
 * when there is none. Does not park. */
int balance_choose(weft_proxy *p, weft_http *h, uint64_t tried);

/* ---- proxy_health.c ---- */

/* Whether requests may go there now. One that has rested long enough may be asked once: then the
 * caller has to ask it. */
bool health_may_ask(weft_proxy *p, struct upstream *u);

/* The same without the promise. */
bool health_is_up(const struct upstream *u);

/* A request to u has been answered, or has failed through u's fault. */
void health_note(weft_proxy *p, struct upstream *u, bool is_well);

/* Starts the health checks in this weft_run, if they are asked for and do not run yet. */
void health_start(weft_proxy *p);
void health_stop(weft_proxy *p);

/* ---- proxy_request.c ---- */

/* Puts the request's head for `u` into `buf`. upgrade: it asks to leave HTTP. chunked: its body has
 * no length. Returns its length; -EMSGSIZE. */
WEFT_MUST_USE ssize_t proxy_put_head(weft_proxy *p, weft_http *h, const struct upstream *u,
                                     bool is_upgrade, bool is_chunked, char *buf, size_t size);

/* Names that this message's Connection header takes off it (RFC 9110 section 7.6.1). */
struct nominated {
    int count;
    weft_str names[PROXY_NOMINATED_MAX];
};

/* Adds a Connection header's value to them. */
void nominated_add(struct nominated *n, weft_str value);
bool nominated_has(const struct nominated *n, weft_str name);

/* ---- proxy_answer.c ---- */

/* Passes an interim answer on (RFC 9110 section 15.2). Parks. */
int proxy_pass_interim(weft_http *h, struct call *c);

/* Passes the final answer on, head and body. is_beside: the request's body is read meanwhile by
 * another coroutine. Returns 0; an error that is the upstream's or the client's: then h->is_cut, if
 * the head has gone out. Parks. */
int proxy_pass_answer(weft_http *h, struct call *c);

/* Puts the head of 101 into h's output, as the upstream has it. */
int proxy_pass_switch(weft_http *h, struct call *c);

/* ---- proxy_tunnel.c ---- */

/* The upstream has answered 101: passes bytes both ways until both have ended, or nothing has come
 * for the tunnel's timeout. Parks. */
int proxy_tunnel(weft_proxy *p, weft_http *h, struct call *c);

#endif
