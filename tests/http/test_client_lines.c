/* Kept connections, what is done when they die, and redirects. */
#include <errno.h>

#include "peer.h"

static const char empty_ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

static void run(int (*fn)(void *))
{
    for (int procs = 1; procs <= 2; procs++) {
        weft_run_opts opts = {.procs = procs, .leaks = WEFT_LEAKS_FAIL};
        cr_assert_eq(weft_run_with(&opts, fn, NULL), 0);
    }
}

static int status_of(const weft_fetch_opts *opts)
{
    weft_response *res = NULL;
    int rc = weft_fetch(opts, &res);
    if (rc == 0)
        rc = weft_response_status(res);
    weft_response_free(res);
    return rc;
}

/* Waits for what others do, bounded. */
static void until(const _Atomic(int) *value, int wanted)
{
    for (int i = 0; atomic_load(value) != wanted; i++) {
        cr_assert(i < 20000);
        weft_sleep(WEFT_MS);
    }
}

/* ---- keeping ---- */

struct crowd {
    struct peer *peer;
    weft_client *client;
    _Atomic(int) waiting, most;
    _Atomic(int) gate;
    weft_wg done;
};

static void serve_gated(struct peer *p, weft_conn *c, int number)
{
    char request[PEER_GOT_MAX];
    struct crowd *crowd = p->arg;
    (void)number;
    while (peer_read_into(p, c, request)) {
        int now = atomic_fetch_add(&crowd->waiting, 1) + 1;
        if (now > atomic_load(&crowd->most))
            atomic_store(&crowd->most, now);
        while (!atomic_load(&crowd->gate))
            weft_sleep(WEFT_MS);
        atomic_fetch_sub(&crowd->waiting, 1);
        peer_write(c, empty_ok);
    }
}

static void fetch_one(void *arg)
{
    struct crowd *crowd = arg;
    weft_fetch_opts opts = {.url = crowd->peer->url, .client = crowd->client};
    cr_assert_eq(status_of(&opts), 200);
    weft_wg_done(&crowd->done);
}

static void fetch_many(struct crowd *crowd, int count)
{
    for (int i = 0; i < count; i++) {
        weft_wg_add(&crowd->done, 1);
        weft_go(fetch_one, crowd);
    }
}

static int bounded(void *arg)
{
    struct crowd crowd = {.done = WEFT_WG_INIT};
    struct peer p = {.serve = serve_gated, .arg = &crowd};
    (void)arg;
    peer_start(&p);
    crowd.peer = &p;
    crowd.client = weft_client_new(&(weft_client_opts){.max_per_host = 6, .max_idle_per_host = 2});
    fetch_many(&crowd, 20);
    until(&crowd.waiting, 6);
    atomic_store(&crowd.gate, 1);
    cr_assert_eq(weft_wg_wait(&crowd.done), 0);
    cr_expect_eq(atomic_load(&crowd.most), 6);
    int before = atomic_load(&p.accepted);
    atomic_store(&crowd.gate, 0);
    fetch_many(&crowd, 4);
    until(&crowd.waiting, 4);
    cr_expect_eq(atomic_load(&p.accepted), before + 2, "two were kept: %d, then %d", before,
                 atomic_load(&p.accepted));
    atomic_store(&crowd.gate, 1);
    cr_assert_eq(weft_wg_wait(&crowd.done), 0);
    weft_client_free(crowd.client);
    peer_stop(&p);
    return 0;
}

Test(client_lines, are_bounded_in_use_and_idle, .timeout = 60)
{
    run(bounded);
}

/* Closes behind each answer, without saying so before. */
static void serve_once(struct peer *p, weft_conn *c, int number)
{
    char request[PEER_GOT_MAX];
    (void)number;
    if (peer_read_into(p, c, request))
        peer_write(c, empty_ok);
}

/* Sends an answer that nobody has asked for behind each. */
static void serve_twice(struct peer *p, weft_conn *c, int number)
{
    char request[PEER_GOT_MAX];
    char byte;
    (void)number;
    if (!peer_read_into(p, c, request))
        return;
    peer_write(c, empty_ok);
    if (strstr(request, "/late")) /* when the line is idle already, as a rule */
        weft_sleep(2 * WEFT_MS);
    peer_write(c, "HTTP/1.1 500 Poison\r\nContent-Length: 0\r\n\r\n");
    atomic_fetch_add((_Atomic(int) *)p->arg, 1);
    (void)!weft_conn_read(c, &byte, 1);
}

static int dead_lines(void *arg)
{
    struct peer p = {.serve = serve_once};
    weft_client *client = weft_client_new(NULL);
    (void)arg;
    peer_start(&p);
    for (int i = 0; i < 50; i++) {
        weft_fetch_opts opts = {.url = p.url, .client = client, .method = i % 2 ? "POST" : "GET"};
        if (i % 2) /* who may not ask twice must find out before */
            cr_assert_eq(weft_wg_wait(&p.open), 0);
        cr_assert_eq(status_of(&opts), 200);
    }
    peer_stop(&p);

    _Atomic(int) poisoned = 0;
    p = (struct peer){.serve = serve_twice, .arg = &poisoned};
    peer_start(&p);
    for (int i = 0; i < 20; i++) {
        char url[128];
        snprintf(url, sizeof url, "%s/%s", p.url, i % 2 ? "late" : "now");
        weft_fetch_opts opts = {.url = url, .client = client, .method = "POST"};
        cr_assert_eq(status_of(&opts), 200);
        until(&poisoned, i + 1);
    }
    weft_client_free(client);
    peer_stop(&p);
    return 0;
}

Test(client_lines, that_the_server_closed_or_poisoned_are_not_used, .timeout = 60)
{
    run(dead_lines);
}

/* Answers the first request of a connection, and hangs up on the second, having read it. */
static void serve_then_die(struct peer *p, weft_conn *c, int number)
{
    char request[PEER_GOT_MAX];
    (void)number;
    if (!peer_read_into(p, c, request))
        return;
    peer_write(c, empty_ok);
    if (!peer_read_into(p, c, request))
        return;
    if (strstr(request, "/byte"))
        peer_write(c, "H");
}

static ssize_t give_once(void *arg, void *buf, size_t len)
{
    int *given = arg;
    (void)len;
    memcpy(buf, "x", 1);
    return (*given)++ ? 0 : 1;
}

static int second_fetch(struct peer *p, const weft_fetch_opts *opts)
{
    weft_client *client = weft_client_new(NULL);
    weft_fetch_opts first = {.url = p->url, .client = client}, second = *opts;
    char url[128];
    cr_assert_eq(status_of(&first), 200);
    snprintf(url, sizeof url, "%s%s", p->url, opts->url);
    second.url = url;
    second.client = client;
    int rc = status_of(&second);
    weft_client_free(client);
    return rc;
}

static int retries(void *arg)
{
    struct peer p = {.serve = serve_then_die};
    int given = 0;
    (void)arg;
    peer_start(&p);
    cr_expect_eq(second_fetch(&p, &(weft_fetch_opts){.url = "/"}), 200);
    cr_expect_eq(
        second_fetch(&p, &(weft_fetch_opts){.url = "/", .method = "PUT", .body = WEFT_STR("x")}),
        200);
    cr_expect_eq(second_fetch(&p, &(weft_fetch_opts){.url = "/", .method = "POST"}), -ECONNRESET);
    cr_expect_eq(
        second_fetch(&p, &(weft_fetch_opts){.url = "/", .method = "POST", .is_repeatable = 1}),
        200);
    cr_expect_eq(second_fetch(&p, &(weft_fetch_opts){.url = "/",
                                                     .method = "PUT",
                                                     .read_body = give_once,
                                                     .read_body_arg = &given}),
                 -ECONNRESET);
    cr_expect_eq(second_fetch(&p, &(weft_fetch_opts){.url = "/byte"}), -ECONNRESET);
    peer_stop(&p);
    return 0;
}

Test(client_lines, that_die_are_replaced_once_where_that_is_safe, .timeout = 60)
{
    run(retries);
}

static void serve_death(struct peer *p, weft_conn *c, int number)
{
    char request[PEER_GOT_MAX];
    (void)peer_read_into(p, c, request);
    if (number == 0)
        peer_write(c, empty_ok);
    if (number == 0)
        (void)peer_read_into(p, c, request);
}

static int no_endless_retry(void *arg)
{
    struct peer p = {.serve = serve_death};
    (void)arg;
    peer_start(&p);
    cr_expect_eq(second_fetch(&p, &(weft_fetch_opts){.url = "/"}), -ECONNRESET);
    cr_expect_eq(atomic_load(&p.requests), 3);
    peer_stop(&p);
    return 0;
}

Test(client_lines, a_new_line_that_dies_is_not_replaced, .timeout = 60)
{
    run(no_endless_retry);
}

static int another_run(void *arg)
{
    struct peer *p = arg;
    weft_fetch_opts opts = {.url = "http://some.example/", .unix_path = p->url + 12};
    peer_start_on(p, p->url + 7);
    cr_expect_eq(status_of(&opts), 200);
    if (p->arg)
        weft_client_close_idle(NULL);
    listener_stop(p->listener);
    listener_free(p->listener);
    return 0;
}

Test(client_lines, of_a_runtime_that_has_ended_are_not_used, .timeout = 60)
{
    struct peer p = {.serve = serve_once};
    weft_run_opts opts = {.procs = 1, .leaks = WEFT_LEAKS_IGNORE};
    snprintf(p.url, sizeof p.url, "http://unix:/tmp/weft-lines-%d.sock", (int)getpid());
    char url[96];
    memcpy(url, p.url, sizeof url);
    for (int i = 0; i < 3; i++) {
        memcpy(p.url, url, sizeof url);
        p.arg = i == 2 ? &p : NULL;
        cr_assert_eq(weft_run_with(&opts, another_run, &p), 0);
    }
}

/* ---- redirects ---- */

struct redirect {
    const char *why, *method, *body, *status_and_location;
    int result;
    const char *sent; /* what the second request begins with */
    const char *lacks;
};

static void serve_redirect(struct peer *p, weft_conn *c, int number)
{
    char request[PEER_GOT_MAX];
    const struct redirect *r = p->arg;
    char head[512];
    (void)number;
    while (peer_read_into(p, c, request)) {
        const char *length = strstr(request, "Content-Length: ");
        char body[16];
        if (length && length[16] != '0')
            (void)!weft_conn_read(c, body, (size_t)(length[16] - '0'));
        if (atomic_load(&p->requests) == 1 || strstr(r->why, "for ever"))
            snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: 5\r\n\r\nmoved",
                     r->status_and_location);
        else
            snprintf(head, sizeof head, "%s", empty_ok);
        peer_write(c, head);
    }
}

static const struct redirect redirects[] = {
    {"301 keeps GET", "GET", NULL, "301 M\r\nLocation: /b?c", 200, "GET /b?c ", NULL},
    {"relative", "GET", NULL, "302 M\r\nLocation: x/../y", 200, "GET /dir/y ", NULL},
    {"302 turns POST into GET", "POST", "abc", "302 M\r\nLocation: /b", 200, "GET /b ", "Content-"},
    {"301 keeps PUT and its body", "PUT", "abc", "301 M\r\nLocation: /b", 200, "PUT /b ", NULL},
    {"303 turns PUT into GET", "PUT", "abc", "303 M\r\nLocation: /b", 200, "GET /b ", "Content-"},
    {"303 keeps HEAD", "HEAD", NULL, "303 M\r\nLocation: /b", 200, "HEAD /b ", NULL},
    {"307 repeats POST", "POST", "abc", "307 M\r\nLocation: /b", 200, "POST /b ", NULL},
    {"308 repeats DELETE", "DELETE", NULL, "308 M\r\nLocation: /b", 200, "DELETE /b ", NULL},
    {"the same origin keeps credentials", "GET", NULL, "302 M\r\nLocation: /b", 200, "GET /b ",
     NULL},
    {"304 is none", "GET", NULL, "304 N\r\nLocation: /b", 304, "GET /dir/a ", NULL},
    {"300 is none", "GET", NULL, "300 N\r\nLocation: /b", 300, "GET /dir/a ", NULL},
    {"no Location", "GET", NULL, "302 M\r\nX: y", 302, "GET /dir/a ", NULL},
    {"another scheme", "GET", NULL, "302 M\r\nLocation: ftp://a/", -EPROTONOSUPPORT, "GET /dir/a ",
     NULL},
    {"nonsense", "GET", NULL, "302 M\r\nLocation: http://a b/", -EINVAL, "GET /dir/a ", NULL},
    {"for ever", "GET", NULL, "302 M\r\nLocation: /b", -ELOOP, "GET /b ", NULL},
};

static int follow(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof redirects / sizeof *redirects; i++) {
        const struct redirect *r = &redirects[i];
        struct peer p = {.serve = serve_redirect, .arg = (void *)(uintptr_t)r};
        weft_client *client = weft_client_new(NULL);
        char url[128];
        peer_start(&p);
        snprintf(url, sizeof url, "%s/dir/a", p.url);
        weft_fetch_opts opts = {.url = url,
                                .client = client,
                                .method = r->method,
                                .body = weft_cstr(r->body),
                                .headers = (const char *const[]){
                                    "Authorization", "secret", "Content-Type", "text/plain", NULL}};
        int got = status_of(&opts);
        cr_expect_eq(got, r->result, "%s: %d", r->why, got);
        cr_expect_eq(strncmp(p.got, r->sent, strlen(r->sent)), 0, "%s sent %.60s", r->why, p.got);
        cr_expect(strstr(p.got, "Authorization: secret"), "%s", r->why);
        if (r->lacks)
            cr_expect_not(strstr(p.got, r->lacks), "%s sent %s", r->why, p.got);
        weft_client_free(client);
        peer_stop(&p);
    }
    return 0;
}

Test(client_lines, redirects_lead_where_RFC_9110_says, .timeout = 60)
{
    run(follow);
}

static void serve_away(struct peer *p, weft_conn *c, int number)
{
    char request[PEER_GOT_MAX];
    char head[256];
    (void)number;
    if (!peer_read_into(p, c, request))
        return;
    snprintf(head, sizeof head, "HTTP/1.1 307 M\r\nLocation: %s/there\r\nContent-Length: 0\r\n\r\n",
             (const char *)p->arg);
    peer_write(c, head);
}

static int cross_origin(void *arg)
{
    struct peer there = {.serve = serve_once}, here = {.serve = serve_away};
    weft_client *client = weft_client_new(NULL);
    weft_response *res;
    char url[128];
    (void)arg;
    peer_start(&there);
    here.arg = there.url;
    peer_start(&here);
    weft_fetch_opts opts = {.url = here.url,
                            .client = client,
                            .headers = (const char *const[]){"Authorization", "secret", "Cookie",
                                                             "a=b", "X-Plain", "1", NULL}};
    cr_assert_eq(weft_fetch(&opts, &res), 0);
    snprintf(url, sizeof url, "%s/there", there.url);
    cr_expect(weft_str_eq(weft_response_url(res), weft_cstr(url)));
    weft_response_free(res);
    cr_expect(strstr(here.got, "Authorization: secret\r\nCookie: a=b\r\n"));
    cr_expect_not(strstr(there.got, "secret"));
    cr_expect_not(strstr(there.got, "Cookie"));
    cr_expect(strstr(there.got, "X-Plain: 1\r\n"));
    opts.max_redirects = -1;
    cr_expect_eq(status_of(&opts), 307);
    int given = 0;
    opts = (weft_fetch_opts){
        .url = here.url, .client = client, .read_body = give_once, .read_body_arg = &given};
    cr_expect_eq(status_of(&opts), 307, "what a stream gave cannot be sent again");
    weft_client_free(client);
    peer_stop(&here);
    peer_stop(&there);
    return 0;
}

Test(client_lines, credentials_stay_with_their_origin, .timeout = 60)
{
    run(cross_origin);
}
