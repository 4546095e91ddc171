/* proxy_health.c: which upstreams can be asked.
 *
 * Passive, by what requests meet. max_fails failures in a row rest an upstream (the circuit breaker
 * opens); when its time has passed one request is let through:
 *
 *   fails < max_fails               it can be asked
 *   rests_until > now               it rests: nobody asks it
 *   rests_until <= now, not 0       who moves rests_until on by a rest may ask it once
 *
 * An answer of any status ends it all; another failure rests it twice as long. Active, where a path
 * is given: health checks at an interval, each upstream by itself, on connections of their own. An
 * upstream has to be well in both senses. */
#include <errno.h>
#include <stdio.h>
#include <weft/client.h>
#include <weft/group.h>
#include <weft/rt.h>

#include "proxy.h"

enum { DOUBLINGS_MAX = 4, CHECKS_AT_ONCE = 16 };

static int64_t rest_of(const weft_proxy *p, int rests)
{
    return p->opts.rest << (rests < DOUBLINGS_MAX ? rests : DOUBLINGS_MAX);
}

bool health_is_up(const struct upstream *u)
{
    /* relaxed, both: a state that may change at any moment anyway */
    return !atomic_load_explicit(&u->is_ill, memory_order_relaxed) &&
           atomic_load_explicit(&u->rests_until, memory_order_relaxed) == 0;
}

bool health_may_ask(weft_proxy *p, struct upstream *u)
{
    if (atomic_load_explicit(&u->is_ill, memory_order_relaxed))
        return false;
    int64_t until = atomic_load_explicit(&u->rests_until, memory_order_relaxed);
    if (weft_likely(until == 0))
        return true;
    int64_t now = weft_now();
    int64_t next = now + rest_of(p, atomic_load_explicit(&u->rests, memory_order_relaxed));
    /* relaxed: the word is all there is to it; one of those who meet here gets it */
    return now >= until &&
           atomic_compare_exchange_strong_explicit(&u->rests_until, &until, next,
                                                   memory_order_relaxed, memory_order_relaxed);
}

static void note_failure(weft_proxy *p, struct upstream *u)
{
    atomic_fetch_add_explicit(&u->failures, 1, memory_order_relaxed);
    int fails = atomic_fetch_add_explicit(&u->fails, 1, memory_order_relaxed) + 1;
    if (p->opts.max_fails < 0 || fails < p->opts.max_fails)
        return;
    int64_t until = atomic_load_explicit(&u->rests_until, memory_order_relaxed);
    int rests = atomic_load_explicit(&u->rests, memory_order_relaxed);
    int64_t next = weft_now() + rest_of(p, rests);
    if (until == 0 &&
        atomic_compare_exchange_strong_explicit(&u->rests_until, &until, next, memory_order_relaxed,
                                                memory_order_relaxed))
        fprintf(stderr, "weft: proxy: %s rests after %d failures in a row\n", u->url, fails);
    if (rests < DOUBLINGS_MAX) /* relaxed: about doubling is enough */
        atomic_store_explicit(&u->rests, rests + 1, memory_order_relaxed);
}

void health_note(weft_proxy *p, struct upstream *u, bool is_well)
{
    atomic_fetch_add_explicit(&u->requests, 1, memory_order_relaxed); /* statistics */
    if (!is_well) {
        note_failure(p, u);
        return;
    }
    if (weft_likely(atomic_load_explicit(&u->fails, memory_order_relaxed) == 0))
        return;
    atomic_store_explicit(&u->fails, 0, memory_order_relaxed);
    atomic_store_explicit(&u->rests, 0, memory_order_relaxed);
    if (atomic_exchange_explicit(&u->rests_until, 0, memory_order_relaxed) != 0)
        fprintf(stderr, "weft: proxy: %s answers again\n", u->url);
}

/* ---- health checks ---- */

struct check {
    weft_proxy *proxy;
    struct upstream *upstream;
    weft_client *client;
};

static bool is_well_now(const struct check *k)
{
    const struct upstream *u = k->upstream;
    const weft_proxy_opts *o = &k->proxy->opts;
    bool is_unix = strcmp(u->origin->network, "unix") == 0;
    bool is_tls = strcmp(u->origin->network, "tls") == 0;
    char url[1024];
    weft_response *res;
    int n = snprintf(url, sizeof url, "%s://%s%s%s", is_tls ? "https" : "http", u->authority,
                     u->base, k->proxy->health_path);
    if (n < 0 || (size_t)n >= sizeof url)
        return false;
    weft_fetch_opts fetch = {.url = url,
                             .client = k->client,
                             .timeout = o->health_timeout,
                             .max_redirects = -1,
                             .unix_path = is_unix ? u->origin->address : NULL};
    if (weft_fetch(&fetch, &res) < 0)
        return false;
    int status = weft_response_status(res);
    weft_response_free(res);
    return status >= 200 && status < 400;
}

static int check_run(void *arg)
{
    struct check *k = arg;
    struct upstream *u = k->upstream;
    const weft_proxy_opts *o = &k->proxy->opts;
    bool is_well = is_well_now(k);
    u->well_in_row = is_well ? u->well_in_row + 1 : 0;
    u->ill_in_row = is_well ? 0 : u->ill_in_row + 1;
    bool was_ill = atomic_load_explicit(&u->is_ill, memory_order_relaxed);
    bool is_ill = was_ill ? u->well_in_row < o->health_rise : u->ill_in_row >= o->health_fall;
    if (is_ill != was_ill)
        fprintf(stderr, "weft: proxy: %s is %s\n", u->url,
                is_ill ? "ill: taken out" : "well again");
    atomic_store_explicit(&u->is_ill, is_ill, memory_order_relaxed);
    return 0;
}

/* A round of checks, in the timer's coroutine. */
static void check_all(void *arg)
{
    weft_proxy *p = arg;
    struct check checks[WEFT_PROXY_MAX_UPSTREAMS];
    weft_client_opts opts = {.max_idle = 1, .max_idle_per_host = 1, .tls = p->opts.tls};
    weft_client *client = weft_client_new(&opts);
    weft_group group;
    weft_group_init(&group, (weft_group_opts){.limit = CHECKS_AT_ONCE, .keeps_going = 1});
    for (int i = 0; client && i < p->count; i++) {
        checks[i] = (struct check){p, &p->upstreams[i], client};
        weft_group_go(&group, check_run, &checks[i]);
    }
    (void)weft_group_wait(&group);
    weft_client_free(client);
}

void health_start(weft_proxy *p)
{
    /* relaxed: who sees the old value looks again under the lock */
    if (weft_likely(!p->health_path) ||
        weft_likely(atomic_load_explicit(&p->checker_run, memory_order_relaxed) == rt_run_id()))
        return;
    lock_take(&p->checker_lock);
    if (atomic_load_explicit(&p->checker_run, memory_order_relaxed) !=
        rt_run_id()) { /* an earlier run's timer has gone with it */
        if (!p->checker)
            p->checker = weft_timer_new(check_all, p);
        if (p->checker && weft_timer_set(p->checker, 0, p->opts.health_interval) == 0)
            atomic_store_explicit(&p->checker_run, rt_run_id(), memory_order_relaxed);
    }
    lock_release(&p->checker_lock);
}

void health_stop(weft_proxy *p)
{
    if (!p->checker)
        return;
    weft_timer_stop_wait(p->checker);
    weft_timer_free(p->checker);
    p->checker = NULL;
}
