/* When a request's context ends, and what that does to its handler and to its answer. */
#include <errno.h>

#include "fixture.h"

enum { LONG_ANSWER = 900000 };

static int reports[2]; /* what waits in handlers have returned */

static void report(int rc)
{
    cr_assert_eq(write(reports[1], &rc, sizeof rc), (ssize_t)sizeof rc);
}

static int reported(void)
{
    int rc = 1;
    cr_assert_eq(read(reports[0], &rc, sizeof rc), (ssize_t)sizeof rc);
    return rc;
}

/* The handlers say that they have begun by a report of 1. */
static int sleeper(weft_http *h, void *arg)
{
    (void)arg;
    report(1);
    int rc = weft_sleep(60 * WEFT_SEC);
    report(rc);
    return rc < 0 ? rc : weft_text(h, 200, "slept");
}

static int receiver(weft_http *h, void *arg)
{
    weft_chan *never = weft_chan_new(sizeof(int), 0);
    int value;
    (void)arg;
    report(1);
    int rc = weft_chan_recv(never, &value);
    report(rc);
    weft_chan_free(never);
    return rc < 0 ? rc : weft_text(h, 200, "received");
}

static int computer(weft_http *h, void *arg)
{
    int64_t until = weft_now() + 20 * WEFT_SEC;
    (void)arg;
    report(1);
    while (weft_ctx_error(weft_ctx_current()) == 0 && weft_now() < until)
        continue;
    report(weft_ctx_error(weft_ctx_current()));
    return weft_text(h, 200, "computed");
}

static int stubborn(weft_http *h, void *arg)
{
    (void)arg;
    report(1);
    report(weft_sleep(60 * WEFT_SEC));
    char *body = weft_alloc(h, LONG_ANSWER);
    cr_assert(body);
    memset(body, 'z', LONG_ANSWER);
    return weft_bytes(h, 200, "text/plain", body, LONG_ANSWER);
}

static int brief(weft_http *h, void *arg)
{
    (void)arg;
    int rc = weft_sleep(WEFT_MS);
    return rc < 0 ? rc : weft_text(h, 200, "brief");
}

static int shortened(weft_http *h, void *arg)
{
    bool is_made = arg != NULL;
    if (is_made)
        cr_expect(weft_ctx_current() != NULL);
    int rc = weft_set_deadline(h, weft_now() + 5 * WEFT_MS);
    return rc < 0 ? rc : weft_sleep(60 * WEFT_SEC);
}

static int lengthened(weft_http *h, void *arg)
{
    (void)arg;
    cr_expect(weft_ctx_current() != NULL);
    cr_expect_eq(weft_set_deadline(h, WEFT_NO_DEADLINE), 0);
    cr_expect_eq(weft_ctx_deadline(weft_ctx_current()), WEFT_NO_DEADLINE);
    cr_expect_eq(weft_set_deadline(h, weft_now() + 60 * WEFT_SEC), 0);
    int rc = weft_sleep(30 * WEFT_MS);
    return rc < 0 ? rc : weft_text(h, 200, "lengthened");
}

static void child(void *arg)
{
    (void)arg;
    report(weft_sleep(60 * WEFT_SEC));
}

static int parent(weft_http *h, void *arg)
{
    (void)arg;
    int rc = weft_go(child, NULL);
    return rc < 0 ? rc : weft_text(h, 200, "spawned");
}

static int upgraded(weft_http *h, void *arg)
{
    weft_conn *c;
    weft_str early;
    char byte;
    (void)arg;
    int rc = weft_upgrade(h, "raw", &c, &early);
    if (rc < 0)
        return rc;
    report(1);
    report((int)weft_conn_read(c, &byte, 1));
    return 0;
}

static void start(struct fixture *f)
{
    cr_assert_eq(pipe(reports), 0);
    f->app = weft_app_new();
    weft_get(f->app, "/sleep", sleeper, NULL);
    weft_get(f->app, "/receive", receiver, NULL);
    weft_get(f->app, "/compute", computer, NULL);
    weft_get(f->app, "/stubborn", stubborn, NULL);
    weft_get(f->app, "/brief", brief, NULL);
    weft_get(f->app, "/shortened", shortened, NULL);
    weft_get(f->app, "/shortened-made", shortened, "made");
    weft_get(f->app, "/lengthened", lengthened, NULL);
    weft_get(f->app, "/parent", parent, NULL);
    weft_get(f->app, "/raw", upgraded, NULL);
    fixture_start(f);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

/* Asks, waits until the handler runs, and goes away. What its wait has returned. */
static int abandon(struct fixture *f, const char *bytes)
{
    int fd = client_open(f);
    client_send(fd, bytes, strlen(bytes));
    cr_assert_eq(reported(), 1);
    close(fd);
    return reported();
}

Test(request_context, ends_when_the_client_goes_while_the_handler_sleeps, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    cr_expect_eq(abandon(&f, GET("/sleep")), -ECANCELED);
    fixture_stop(&f);
}

Test(request_context, ends_when_the_client_goes_while_the_handler_waits_on_a_channel, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    cr_expect_eq(abandon(&f, GET("/receive")), -ECANCELED);
    fixture_stop(&f);
}

Test(request_context, ends_when_the_client_goes_while_the_handler_computes, .timeout = 60)
{
    struct fixture f = {.opts = {.threads = 1}};
    start(&f);
    cr_expect_eq(abandon(&f, GET("/compute")), -ECANCELED);
    fixture_stop(&f);
}

Test(request_context, ends_with_the_client_although_bytes_of_his_wait_unread, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    cr_expect_eq(abandon(&f, GET("/sleep") GET("/brief") GET("/brief")), -ECANCELED);
    fixture_stop(&f);
}

Test(request_context, that_is_asked_for_after_the_client_has_gone_has_ended, .timeout = 60)
{
    struct fixture f = {.opts = {.threads = 1}};
    start(&f);
    int fd = client_open(&f);
    client_send(fd, GET("/sleep"), strlen(GET("/sleep")));
    close(fd); /* before the handler runs, or after: it is told */
    cr_assert_eq(reported(), 1);
    cr_expect_eq(reported(), -ECANCELED);
    fixture_stop(&f);
}

Test(request_context, ends_by_a_half_close_and_the_whole_answer_is_still_sent, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    int fd = client_open(&f);
    client_send(fd, GET("/stubborn"), strlen(GET("/stubborn")));
    cr_assert_eq(reported(), 1);
    shutdown(fd, SHUT_WR);
    cr_expect_eq(reported(), -ECANCELED);
    char *text = client_read_all(fd);
    const char *body = strstr(text, "\r\n\r\n");
    cr_assert(body, "%.300s", text);
    cr_expect_eq(strlen(body + 4), LONG_ANSWER);
    free(text);
    close(fd);
    fixture_stop(&f);
}

static void expect(struct fixture *f, const char *bytes, const char *statuses)
{
    char got[64];
    int fd = client_open(f);
    client_send(fd, bytes, strlen(bytes));
    char *text = client_read_all(fd); /* the last request asks for the end */
    answer_statuses(text, got, sizeof got);
    cr_expect_str_eq(got, statuses, "%s: %s", bytes, text);
    free(text);
    close(fd);
}

#define LAST(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

Test(request_context, ends_when_the_deadline_passes, .timeout = 60)
{
    struct fixture f = {.opts = {.handler_timeout = 10 * WEFT_MS}};
    start(&f);
    expect(&f, LAST("/sleep"), "504");
    cr_expect_eq(reported(), 1);
    cr_expect_eq(reported(), -ETIMEDOUT);
    expect(&f, LAST("/lengthened"), "200");
    fixture_stop(&f);
}

Test(request_context, ends_at_a_deadline_of_the_handlers_own, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    expect(&f, LAST("/shortened"), "504");
    expect(&f, LAST("/shortened-made"), "504");
    fixture_stop(&f);
}

Test(request_context, is_a_new_one_for_each_request_of_a_connection, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    expect(&f, GET("/brief") GET("/shortened") GET("/brief") GET("/shortened-made") LAST("/brief"),
           "200 504 200 504 200");
    fixture_stop(&f);
}

Test(request_context, ends_for_what_the_handler_leaves_behind, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    expect(&f, GET("/parent") LAST("/brief"), "200 200");
    cr_expect_eq(reported(), -ECANCELED);
    fixture_stop(&f);
}

Test(request_context, of_an_upgraded_connection_ends_as_the_server_drains, .timeout = 60)
{
    static const char ask[] = "GET /raw HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
                              "Upgrade: raw\r\n\r\n";
    struct fixture f = {.opts = {.drain_timeout = 20 * WEFT_SEC}};
    start(&f);
    int fd = client_open(&f);
    client_send(fd, ask, sizeof ask - 1);
    cr_assert_eq(reported(), 1);
    fixture_stop(&f);
    cr_expect_eq(reported(), -ECANCELED);
    close(fd);
}

Test(request_context, of_an_upgraded_connection_leaves_the_streams_end_to_its_reader, .timeout = 60)
{
    static const char ask[] = "GET /raw HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
                              "Upgrade: raw\r\n\r\n";
    struct fixture f = {0};
    start(&f);
    int fd = client_open(&f);
    client_send(fd, ask, sizeof ask - 1);
    cr_assert_eq(reported(), 1);
    shutdown(fd, SHUT_WR);
    cr_expect_eq(reported(), 0);
    close(fd);
    fixture_stop(&f);
}

Test(request_context, ends_with_the_drains_patience, .timeout = 60)
{
    struct fixture f = {.opts = {.drain_timeout = 10 * WEFT_MS}};
    start(&f);
    int fd = client_open(&f);
    client_send(fd, GET("/sleep"), strlen(GET("/sleep")));
    cr_assert_eq(reported(), 1);
    fixture_stop(&f);
    cr_expect_eq(reported(), -ECANCELED);
    close(fd);
}
