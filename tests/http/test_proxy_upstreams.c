/* Which upstream is asked, when another one is, and when none. */
#include <errno.h>

#include "peer.h"

static void run(int (*fn)(void *))
{
    for (int procs = 1; procs <= 2; procs++) {
        weft_run_opts opts = {.procs = procs, .leaks = WEFT_LEAKS_FAIL};
        cr_assert_eq(weft_run_with(&opts, fn, NULL), 0);
    }
}

enum { PEERS = 3 };

struct world {
    struct peer peers[PEERS];
    weft_app *app;
    weft_proxy *proxy;
};

/* What a peer does; of all its connections. */
enum { WELL, HANGS_UP, SLOW, DIES_ON_SECOND };

struct mood {
    _Atomic(int) is;
};

static struct mood moods[PEERS];

static void serve_by_mood(struct peer *p, weft_conn *c, int number)
{
    struct mood *m = p->arg;
    char request[PEER_GOT_MAX], answer[128];
    (void)number;
    for (int served = 0; peer_read_into(p, c, request); served++) {
        int is = atomic_load(&m->is);
        if (is == HANGS_UP || (is == DIES_ON_SECOND && served))
            return;
        while (is == SLOW && atomic_load(&m->is) == SLOW)
            weft_sleep(WEFT_MS);
        snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d",
                 (int)(m - moods));
        peer_write(c, answer);
    }
}

static void world_begin(struct world *w, weft_proxy_opts opts, int count)
{
    memset(w, 0, sizeof *w);
    for (int i = 0; i < count; i++) {
        atomic_store(&moods[i].is, WELL);
        w->peers[i].serve = serve_by_mood;
        w->peers[i].arg = &moods[i];
        peer_start(&w->peers[i]);
        opts.upstreams[i].url = w->peers[i].url;
    }
    w->app = weft_app_new();
    w->proxy = weft_proxy_new(&opts, NULL, 0);
    cr_assert_not_null(w->proxy);
    weft_any(w->app, "/{path...}", weft_proxy_handler, w->proxy);
}

static void world_end(struct world *w, int count)
{
    weft_app_free(w->app);
    weft_proxy_free(w->proxy);
    for (int i = 0; i < count; i++)
        peer_stop(&w->peers[i]);
}

/* The number of the peer that answered; or the status, if it is not 200. */
static int ask_with(struct world *w, const char *method, const char *headers)
{
    char raw[512];
    snprintf(raw, sizeof raw, "%s / HTTP/1.1\r\nHost: x\r\n%s\r\n", method, headers);
    weft_test_response r = weft_test_request(w->app, raw);
    int who = r.status == 200 && r.body.len ? r.body.ptr[0] - '0' : r.status;
    if (r.status == 503)
        cr_expect(weft_str_eq(weft_test_header(&r, "retry-after"), WEFT_STR("1")));
    weft_test_response_free(&r);
    return who;
}

static int ask(struct world *w)
{
    return ask_with(w, "GET", "");
}

/* ---- balance ---- */

static int in_turn(void *arg)
{
    struct world w;
    int count[PEERS] = {0};
    (void)arg;
    world_begin(&w, (weft_proxy_opts){.upstreams = {{NULL, 3}, {NULL, 1}, {NULL, 2}}}, PEERS);
    for (int i = 0; i < 60; i++)
        count[ask(&w)]++;
    cr_expect_eq(count[0], 30);
    cr_expect_eq(count[1], 10);
    cr_expect_eq(count[2], 20);
    for (int i = 0; i < PEERS; i++)
        cr_expect_eq(atomic_load(&w.peers[i].accepted), 1, "its line is kept");
    world_end(&w, PEERS);
    return 0;
}

Test(proxy_upstreams, are_asked_in_turn_by_weight, .timeout = 60)
{
    run(in_turn);
}

static int by_hash(void *arg)
{
    struct world w;
    int first[50], moved = 0, used[PEERS] = {0};
    char headers[64];
    (void)arg;
    world_begin(&w,
                (weft_proxy_opts){.balance = WEFT_BALANCE_HASH,
                                  .hash_on = "cookie:user",
                                  .max_fails = 1,
                                  .rest = 3600 * WEFT_SEC},
                PEERS);
    for (int i = 0; i < 50; i++) {
        snprintf(headers, sizeof headers, "Cookie: a=b; user=u%d; c=d\r\n", i);
        first[i] = ask_with(&w, "GET", headers);
        cr_assert_lt(first[i], PEERS);
        cr_expect_eq(ask_with(&w, "GET", headers), first[i]);
        used[first[i]]++;
    }
    for (int i = 0; i < PEERS; i++)
        cr_expect_gt(used[i], 0);
    atomic_store(&moods[1].is, HANGS_UP);
    for (int i = 0; i < 50; i++) {
        snprintf(headers, sizeof headers, "Cookie: user=u%d\r\n", i);
        int now = ask_with(&w, "GET", headers);
        cr_expect_neq(now, 1);
        if (first[i] != 1)
            moved += now != first[i];
    }
    cr_expect_eq(moved, 0, "an upstream that goes moves only its own keys");
    world_end(&w, PEERS);
    return 0;
}

Test(proxy_upstreams, keep_their_keys, .timeout = 60)
{
    run(by_hash);
}

struct asker {
    struct world *w;
    weft_wg wg;
    _Atomic(int) answered[PEERS];
};

static void ask_one(void *arg)
{
    struct asker *a = arg;
    int who = ask(a->w);
    cr_assert_lt(who, PEERS, "%d", who);
    atomic_fetch_add(&a->answered[who], 1);
    weft_wg_done(&a->wg);
}

static void prefer_the_idle(int balance)
{
    struct world w;
    struct asker a = {.w = &w, .wg = WEFT_WG_INIT};
    world_begin(&w, (weft_proxy_opts){.balance = balance}, 2);
    atomic_store(&moods[0].is, SLOW);
    for (int i = 0; atomic_load(&w.peers[0].requests) < 1; i++) { /* one hangs there */
        cr_assert(i < 200);
        weft_wg_add(&a.wg, 1);
        weft_go(ask_one, &a);
        weft_sleep(WEFT_MS);
    }
    weft_proxy_state other = {.in_flight = 1};
    for (int i = 0; other.in_flight && i < 20000; i++) { /* the others are through */
        weft_sleep(WEFT_MS);
        weft_proxy_upstream_state(w.proxy, 1, &other);
    }
    for (int i = 0; i < 20; i++)
        cr_expect_eq(ask(&w), 1);
    atomic_store(&moods[0].is, WELL);
    cr_assert_eq(weft_wg_wait(&a.wg), 0);
    world_end(&w, 2);
}

static int least(void *arg)
{
    (void)arg;
    prefer_the_idle(WEFT_BALANCE_LEAST);
    return 0;
}

Test(proxy_upstreams, with_the_fewest_requests_are_asked, .timeout = 60)
{
    run(least);
}

static int two_choices(void *arg)
{
    struct world w;
    int count[PEERS] = {0};
    (void)arg;
    world_begin(&w, (weft_proxy_opts){.balance = WEFT_BALANCE_TWO_CHOICES}, PEERS);
    for (int i = 0; i < 90; i++)
        count[ask(&w)]++;
    for (int i = 0; i < PEERS; i++)
        cr_expect_gt(count[i], 5, "%d", count[i]);
    world_end(&w, PEERS);
    return 0;
}

Test(proxy_upstreams, are_all_asked_by_two_choices, .timeout = 60)
{
    run(two_choices);
}

/* ---- failures ---- */

static int fail_over(void *arg)
{
    struct world w;
    (void)arg;
    world_begin(&w, (weft_proxy_opts){.max_fails = -1}, 2);
    atomic_store(&moods[0].is, HANGS_UP);
    for (int i = 0; i < 6; i++)
        cr_expect_eq(ask(&w), 1, "GET is tried at the other one");
    int lost = 0;
    for (int i = 0; i < 6; i++)
        lost += ask_with(&w, "POST", "Content-Length: 0\r\n") == 502;
    cr_expect_eq(lost, 3, "POST is not: %d", lost);
    listener_stop(w.peers[0].listener);
    for (int i = 0; i < 6; i++)
        cr_expect_eq(ask_with(&w, "POST", "Content-Length: 0\r\n"), 1,
                     "nothing was sent to who does not listen");
    weft_app_free(w.app);
    weft_proxy_free(w.proxy);
    listener_free(w.peers[0].listener);
    cr_assert_eq(weft_wg_wait(&w.peers[0].open), 0);
    peer_stop(&w.peers[1]);
    return 0;
}

Test(proxy_upstreams, others_are_tried_where_that_is_safe, .timeout = 60)
{
    run(fail_over);
}

static int old_lines(void *arg)
{
    struct world w;
    (void)arg;
    world_begin(&w, (weft_proxy_opts){.retries = -1}, 1);
    atomic_store(&moods[0].is, DIES_ON_SECOND);
    for (int i = 0; i < 6; i++)
        cr_expect_eq(ask(&w), 0, "a kept line that dies is replaced");
    weft_proxy_state s;
    cr_assert_eq(weft_proxy_upstream_state(w.proxy, 0, &s), 1);
    cr_expect_eq(s.failures, 0, "and is no failure");
    cr_expect_eq(s.requests, 6);
    cr_expect_eq(s.in_flight, 0);
    cr_expect_eq(weft_proxy_upstream_state(w.proxy, 1, &s), 0);
    world_end(&w, 1);
    return 0;
}

Test(proxy_upstreams, kept_lines_that_die_are_replaced, .timeout = 60)
{
    run(old_lines);
}

static int too_late(void *arg)
{
    struct world w;
    (void)arg;
    world_begin(&w, (weft_proxy_opts){.header_timeout = 10 * WEFT_MS, .max_fails = -1}, 2);
    atomic_store(&moods[0].is, SLOW);
    atomic_store(&moods[1].is, SLOW);
    cr_expect_eq(ask(&w), 504);
    atomic_store(&moods[0].is, WELL);
    atomic_store(&moods[1].is, WELL);
    weft_proxy_state s;
    int failures = 0;
    for (int i = 0; weft_proxy_upstream_state(w.proxy, i, &s); i++)
        failures += (int)s.failures;
    cr_expect_eq(failures, 1, "what takes too long is not tried again");
    world_end(&w, 2);
    return 0;
}

Test(proxy_upstreams, that_take_too_long_are_504, .timeout = 60)
{
    run(too_late);
}

/* ---- the circuit breaker ---- */

static int breaker(void *arg)
{
    struct world w;
    weft_proxy_state s;
    (void)arg;
    weft_proxy_opts opts = {.max_fails = 3, .rest = 3600 * WEFT_SEC, .retries = -1};
    world_begin(&w, opts, 1);
    atomic_store(&moods[0].is, HANGS_UP);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(ask(&w), 502);
    weft_proxy_upstream_state(w.proxy, 0, &s);
    cr_expect_eq(s.is_up, 0);
    int before = atomic_load(&w.peers[0].requests);
    cr_expect_eq(ask(&w), 503);
    cr_expect_eq(atomic_load(&w.peers[0].requests), before, "it rests");
    world_end(&w, 1);

    opts.rest = 2 * WEFT_MS;
    world_begin(&w, opts, 1);
    atomic_store(&moods[0].is, HANGS_UP);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(ask(&w), 502);
    atomic_store(&moods[0].is, WELL);
    for (int tries = 0; ask(&w) != 0 && tries < 20000; tries++)
        weft_sleep(WEFT_MS);
    weft_proxy_upstream_state(w.proxy, 0, &s);
    cr_expect_eq(s.is_up, 1);
    for (int i = 0; i < 5; i++)
        cr_expect_eq(ask(&w), 0);
    world_end(&w, 1);
    return 0;
}

Test(proxy_upstreams, rest_after_failures_in_a_row_and_come_back, .timeout = 60)
{
    run(breaker);
}

static int health(void *arg)
{
    struct world w;
    weft_proxy_state s = {0};
    (void)arg;
    world_begin(&w,
                (weft_proxy_opts){.health_path = "/well",
                                  .health_interval = 2 * WEFT_MS,
                                  .health_timeout = 5 * WEFT_SEC,
                                  .max_fails = -1},
                2);
    cr_expect_lt(ask(&w), 2);
    atomic_store(&moods[0].is, HANGS_UP);
    int tries = 0;
    do {
        weft_sleep(WEFT_MS);
        weft_proxy_upstream_state(w.proxy, 0, &s);
    } while (s.is_well && tries++ < 20000);
    cr_expect_eq(s.is_up, 0);
    for (int i = 0; i < 6; i++)
        cr_expect_eq(ask_with(&w, "POST", "Content-Length: 0\r\n"), 1);
    atomic_store(&moods[0].is, WELL);
    do {
        weft_sleep(WEFT_MS);
        weft_proxy_upstream_state(w.proxy, 0, &s);
    } while (!s.is_well && tries++ < 40000);
    int count[2] = {0};
    for (int i = 0; i < 10; i++)
        count[ask(&w)]++;
    cr_expect_eq(count[0], 5);
    world_end(&w, 2);
    return 0;
}

Test(proxy_upstreams, are_taken_out_and_back_by_health_checks, .timeout = 60)
{
    run(health);
}

static int none_left(void *arg)
{
    struct world w;
    (void)arg;
    world_begin(&w, (weft_proxy_opts){.health_path = "/", .health_interval = 2 * WEFT_MS}, 1);
    atomic_store(&moods[0].is, HANGS_UP);
    weft_proxy_state s;
    int tries = 0;
    do { /* the checks begin with the first request */
        int status = ask(&w);
        cr_assert(status == 502 || status == 503, "%d", status);
        weft_sleep(WEFT_MS);
        weft_proxy_upstream_state(w.proxy, 0, &s);
    } while (s.is_well && tries++ < 20000);
    cr_expect_eq(ask(&w), 503);
    world_end(&w, 1);
    return 0;
}

Test(proxy_upstreams, answer_503_when_none_is_left, .timeout = 60)
{
    run(none_left);
}
