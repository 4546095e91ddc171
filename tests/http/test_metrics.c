/* Counting answers: exact whoever answers, by routes and not by paths, with latencies whose error
 * is bounded. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <weft/weft.h>

enum { CLIENTS = 48, ROUNDS = 20, PIPELINED = 4, BLOCKING = 16 };

static const char pipelined[] =
    "GET /items/1 HTTP/1.1\r\nHost: x\r\n\r\n"
    "GET /items/2 HTTP/1.1\r\nHost: x\r\n\r\n"
    "POST /items/3 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345"
    "GET /none HTTP/1.1\r\nHost: x\r\n\r\n";

/* Holds its thread so long that the processor is taken from it. */
static int block(weft_http *h, void *arg)
{
    (void)arg;
    usleep(25000);
    return weft_text(h, 200, "held");
}

static int item(weft_http *h, void *arg)
{
    weft_str body;
    (void)arg;
    weft_yield();
    int rc = weft_body_all(h, &body);
    return rc < 0 ? rc : weft_text(h, 200, "seven b");
}

static weft_app *app_new(void)
{
    weft_app *app = weft_app_new();
    weft_get(app, "/items/{id}", item, NULL);
    weft_post(app, "/items/{id}", item, NULL);
    weft_get(app, "/block", block, NULL);
    weft_get(app, "/metrics", weft_metrics_handler, app);
    weft_get(app, "/healthz", weft_healthz_handler, NULL);
    weft_get(app, "/readyz", weft_readyz_handler, NULL);
    cr_assert_eq(weft_app_measure(app), 0);
    return app;
}

static int find(const weft_app *app, const char *pattern, weft_route_metrics *ret)
{
    for (int i = 0; weft_app_route_metrics(app, i, ret); i++)
        if (strcmp(ret->pattern, pattern) == 0)
            return 1;
    return 0;
}

struct load {
    weft_app *app;
    weft_wg wg;
};

static void client(void *arg)
{
    struct load *load = arg;
    for (int i = 0; i < ROUNDS; i++) {
        weft_test_response r = weft_test_request(load->app, pipelined);
        cr_assert_eq(r.status, 200);
        weft_test_response_free(&r);
    }
    weft_wg_done(&load->wg);
}

static int run_clients(void *app)
{
    struct load load = {.app = app};
    weft_wg_add(&load.wg, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        cr_assert_eq(weft_go(client, &load), 0);
    return weft_wg_wait(&load.wg);
}

Test(metrics, counts_are_exact_while_all_processors_answer, .timeout = 60)
{
    weft_app *app = app_new();
    static weft_route_metrics r;
    static weft_app_metrics before, all;
    weft_run_opts opts = {.procs = 4};
    const uint64_t rounds = CLIENTS * ROUNDS;
    /* The first request starts the application; others may then come at once. */
    weft_test_response first = weft_test_request(app, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    weft_test_response_free(&first);
    weft_app_metrics_get(app, &before);
    cr_assert_eq(weft_run_with(&opts, run_clients, app), 0);
    cr_assert(find(app, "/items/{id}", &r));
    cr_assert_eq(r.requests[0][1], 2 * rounds); /* GET, 2xx */
    cr_assert_eq(r.requests[2][1], rounds);     /* POST */
    cr_assert_eq(r.latency.count, 3 * rounds);
    cr_assert(find(app, "", &r));
    cr_assert_eq(r.requests[0][3], rounds); /* 404 */
    weft_app_metrics_get(app, &all);
    cr_assert_eq(all.requests[1] - before.requests[1], 3 * rounds);
    cr_assert_eq(all.requests[3] - before.requests[3], rounds);
    cr_assert_eq(all.received, 5 * rounds);
    cr_assert_eq(all.sent - before.sent, rounds * (3 * 7 + strlen("Not Found\n")));
    cr_assert_eq(all.latency.count - before.latency.count, PIPELINED * rounds);
    weft_app_free(app);
}

static void blocking_client(void *arg)
{
    struct load *load = arg;
    weft_test_response r = weft_test_request(load->app, "GET /block HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(r.status, 200);
    weft_test_response_free(&r);
    weft_wg_done(&load->wg);
}

static int run_blocking_clients(void *app)
{
    struct load load = {.app = app};
    weft_wg_add(&load.wg, BLOCKING);
    for (int i = 0; i < BLOCKING; i++)
        cr_assert_eq(weft_go(blocking_client, &load), 0);
    return weft_wg_wait(&load.wg);
}

Test(metrics, handlers_that_lose_their_processor_are_counted_too, .timeout = 60)
{
    weft_app *app = app_new();
    static weft_route_metrics r;
    weft_run_opts opts = {.procs = 2};
    weft_test_response first = weft_test_request(app, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n");
    weft_test_response_free(&first);
    cr_assert_eq(weft_run_with(&opts, run_blocking_clients, app), 0);
    cr_assert(find(app, "/block", &r));
    cr_assert_eq(r.requests[0][1], BLOCKING);
    cr_assert_eq(r.latency.count, BLOCKING);
    weft_app_free(app);
}

Test(metrics, a_path_adds_no_route_and_malformed_requests_are_one, .timeout = 60)
{
    weft_app *app = app_new();
    static weft_route_metrics r;
    weft_test_response answer = weft_test_request(app, "GET /made/up HTTP/1.1\r\nHost: x\r\n\r\n");
    weft_test_response_free(&answer);
    answer = weft_test_request(app, "BAD\r\n\r\n");
    cr_assert_eq(answer.status, 400);
    weft_test_response_free(&answer);
    cr_assert_not(find(app, "/made/up", &r));
    cr_assert(find(app, "malformed", &r));
    uint64_t malformed = 0;
    for (int i = 0; i < WEFT_METRIC_METHODS; i++)
        malformed += r.requests[i][3];
    cr_assert_eq(malformed, 1);
    weft_app_free(app);
}

Test(metrics, more_routes_than_are_told_apart_count_together)
{
    enum { ROUTES = 1100 };
    static weft_route_metrics r;
    static char patterns[ROUTES][16];
    weft_app *app = app_new();
    for (int i = 0; i < ROUTES; i++) {
        snprintf(patterns[i], sizeof patterns[i], "/r%d", i);
        weft_get(app, patterns[i], item, NULL);
    }
    weft_test_response answer = weft_test_request(app, "GET /r1099 HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(answer.status, 200);
    weft_test_response_free(&answer);
    cr_assert(find(app, "other", &r));
    cr_assert_eq(r.requests[0][1], 1);
    cr_assert_eq(weft_app_route_metrics(app, 1024, &r), 0);
    weft_app_free(app);
}

Test(metrics, a_quantile_is_never_too_short_and_at_most_a_sixteenth_too_long)
{
    static weft_histogram one;
    for (int i = 1; i < WEFT_HISTOGRAM_BUCKETS - 1; i++) {
        int64_t below = weft_histogram_bound(i - 1), bound = weft_histogram_bound(i);
        cr_assert_gt(bound, below);
        cr_assert_leq((bound - below) * 16, below);
        one.buckets[i] = one.count = 1;
        cr_assert_eq(weft_histogram_quantile(&one, 0.5), bound);
        one.buckets[i] = 0;
    }
    one.count = 0;
    cr_assert_eq(weft_histogram_quantile(&one, 0.99), 0);
}

Test(metrics, a_group_is_not_measured_alone)
{
    weft_app *app = app_new();
    cr_assert_eq(weft_app_measure(weft_app_group(app, "/x")), -EINVAL);
    weft_app_free(app);
}

Test(metrics, probes_answer, .timeout = 60)
{
    weft_app *app = app_new();
    weft_test_response r = weft_test_request(app, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
                                                  "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert(weft_str_eq(r.body, WEFT_STR("ok\n")));
    cr_assert(weft_str_eq(r.next->body, WEFT_STR("ready\n")));
    weft_test_response_free(&r);
    weft_app_free(app);
}
