/* How handlers' answers reach the client, and how a server ends. */
#include <errno.h>

#include "fixture.h"

static int slow(weft_http *h, void *arg)
{
    (void)arg;
    weft_sleep(100 * WEFT_MS);
    return weft_text(h, 200, "slow");
}

static int result(weft_http *h, void *arg)
{
    (void)h;
    return (int)(intptr_t)arg;
}

static int fail_midway(weft_http *h, void *arg)
{
    (void)arg;
    weft_write(h, "begun", 5);
    weft_flush(h);
    return -EIO;
}

static int stream(weft_http *h, void *arg)
{
    char block[1000];
    (void)arg;
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 100; i++) {
        int rc = weft_write(h, block, sizeof block);
        if (rc < 0)
            return rc;
    }
    return weft_writef(h, "%s", "end");
}

static int large(weft_http *h, void *arg)
{
    (void)arg;
    char *body = weft_alloc(h, 300000);
    memset(body, 'y', 300000);
    return weft_bytes(h, 200, "application/octet-stream", body, 300000);
}

static int headers(weft_http *h, void *arg)
{
    (void)arg;
    cr_expect_eq(weft_set_header(h, "X-A", "1"), 0);
    cr_expect_eq(weft_set_header(h, "x-a", "2"), 0);
    cr_expect_eq(weft_add_header(h, "X-A", "3"), 0);
    cr_expect_eq(weft_set_header(h, "X-B", "a\r\nEvil: 1"), -EINVAL);
    cr_expect_eq(weft_set_header(h, "X B", "a"), -EINVAL);
    cr_expect_eq(weft_set_header(h, "", "a"), -EINVAL);
    cr_expect_eq(weft_set_header(h, "Content-Length", "1"), -EINVAL);
    cr_expect_eq(weft_text(h, 200, "ok"), 0);
    cr_expect_eq(weft_text(h, 200, "twice"), -EALREADY);
    return 0;
}

static int stamp(weft_http *h, void *arg)
{
    int rc = weft_next(h);
    int set = weft_set_header(h, "X-Stamp", arg);
    return rc ? rc : set;
}

static int parts(weft_http *h, void *arg)
{
    (void)arg;
    weft_str id = weft_param(h, "id"), q = weft_query(h, "q"), none = weft_query(h, "none");
    cr_expect_null(none.ptr);
    return weft_json(h, 200, "[%J,%J,%J]", id, q, weft_header(h, "x-thing"));
}

static weft_app *site(void)
{
    weft_app *app = weft_app_new();
    weft_get(app, "/slow", slow, NULL);
    weft_get(app, "/none", result, NULL);
    weft_get(app, "/teapot", result, (void *)418);
    weft_get(app, "/missing", result, (void *)-ENOENT);
    weft_get(app, "/denied", result, (void *)-EACCES);
    weft_get(app, "/midway", fail_midway, NULL);
    weft_get(app, "/stream", stream, NULL);
    weft_get(app, "/large", large, NULL);
    weft_get(app, "/headers", headers, NULL);
    weft_get(app, "/parts/{id}", parts, NULL);
    weft_app *group = weft_app_group(app, "/g");
    weft_use(group, stamp, "inner");
    weft_get(group, "/missing", result, (void *)-ENOENT);
    weft_get(group, "/stream", stream, NULL);
    weft_get(group, "/large", large, NULL);
    return app;
}

static char *get(struct fixture *f, const char *line)
{
    char bytes[512];
    int n = snprintf(bytes, sizeof bytes,
                     "%s\r\nHost: x\r\nX-Thing: t\r\nConnection: close\r\n\r\n", line);
    return client_exchange(f, bytes, (size_t)n);
}

static void expect(struct fixture *f, const char *line, const char *const pieces[])
{
    char *text = get(f, line);
    for (int i = 0; pieces[i]; i++) {
        const char *piece = pieces[i];
        if (piece[0] == '!')
            cr_expect_not(strstr(text, piece + 1), "%s has '%s':\n%.400s", line, piece + 1, text);
        else
            cr_expect(strstr(text, piece), "%s lacks '%s':\n%.400s", line, piece, text);
    }
    free(text);
}

#define EXPECT(f, line, ...) expect(f, line, (const char *const[]){__VA_ARGS__, NULL})

Test(serving, answers_are_what_handlers_said, .timeout = 60)
{
    struct fixture f = {.app = site()};
    fixture_start(&f);
    EXPECT(&f, "GET /none HTTP/1.1", "HTTP/1.1 500 ");
    EXPECT(&f, "GET /teapot HTTP/1.1", "HTTP/1.1 418 ");
    EXPECT(&f, "GET /missing HTTP/1.1", "HTTP/1.1 404 ", "\r\n\r\nNot Found\n");
    EXPECT(&f, "GET /denied HTTP/1.1", "HTTP/1.1 403 ");
    EXPECT(&f, "GET /headers HTTP/1.1", "X-A: 3\r\n", "x-a: 2\r\n", "!X-A: 1", "!Evil", "!twice");
    EXPECT(&f, "GET /parts/a%2Fb?x=&q=1+2%26 HTTP/1.1", "[\"a/b\",\"1 2&\",\"t\"]");
    EXPECT(&f, "HEAD /large HTTP/1.1", "Content-Length: 300000\r\n", "!yyy");
    EXPECT(&f, "HEAD /stream HTTP/1.1", "HTTP/1.1 200 ", "!x\nx", "!end");
    EXPECT(&f, "POST /none HTTP/1.1", "HTTP/1.1 405 ", "Allow: GET, HEAD, OPTIONS\r\n");
    fixture_stop(&f);
}

Test(serving, middleware_sets_headers_after_the_handler, .timeout = 60)
{
    struct fixture f = {.app = site()};
    fixture_start(&f);
    EXPECT(&f, "GET /g/missing HTTP/1.1", "HTTP/1.1 404 ", "X-Stamp: inner\r\n");
    EXPECT(&f, "GET /g/large HTTP/1.1", "HTTP/1.1 200 ", "X-Stamp: inner\r\n", "yyyy");
    fixture_stop(&f);
}

Test(serving, streams_are_chunked_for_1_1_and_closed_for_1_0, .timeout = 60)
{
    struct fixture f = {.app = site()};
    fixture_start(&f);
    EXPECT(&f, "GET /stream HTTP/1.1", "Transfer-Encoding: chunked\r\n", "end\r\n0\r\n\r\n");
    EXPECT(&f, "GET /stream HTTP/1.0", "!Transfer-Encoding", "!Content-Length", "xxxend",
           "Connection: close\r\n");
    char *text = get(&f, "GET /stream HTTP/1.0");
    size_t len = strlen(strstr(text, "\r\n\r\n") + 4);
    cr_expect_eq(len, 100003, "%zu", len);
    free(text);
    fixture_stop(&f);
}

Test(serving, a_failure_after_the_head_cuts_the_connection, .timeout = 60)
{
    struct fixture f = {.app = site()};
    fixture_start(&f);
    EXPECT(&f, "GET /midway HTTP/1.1", "begun", "!0\r\n\r\n");
    fixture_stop(&f);
}

Test(serving, a_drain_finishes_what_is_in_flight, .timeout = 60)
{
    static const char request[] = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
    struct fixture f = {.app = site()};
    fixture_start(&f);
    int idle = client_open(&f), busy = client_open(&f);
    client_send(idle, "GET /teapot HTTP/1.1\r\nHost: x\r\n\r\n", 34);
    char byte;
    cr_assert_eq(recv(idle, &byte, 1, 0), 1);
    client_send(busy, request, sizeof request - 1);
    usleep(20000); /* long enough, as a rule, for the request to be in flight; either way it is
                      answered */
    fixture_stop(&f);
    char *text = client_read_all(busy);
    cr_expect(strstr(text, "HTTP/1.1 200 ") || !*text, "%s", text);
    free(text);
    text = client_read_all(idle);
    free(text);
    close(idle);
    close(busy);
}

/* A socket that listens on `f`'s address, as a supervisor hands one on. */
static int listening_socket(struct fixture *f)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(f->address, sizeof f->address, "unix:/tmp/weft-adopted-%d.sock", (int)getpid());
    memcpy(un.sun_path, f->address + 5, strlen(f->address + 5));
    unlink(un.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    cr_assert_eq(listen(fd, 16), 0);
    return fd;
}

Test(serving, an_adopted_socket_outlives_a_drain_that_lets_idle_clients_ask_once_more,
     .timeout = 60)
{
    static const char request[] = "GET /teapot HTTP/1.1\r\nHost: x\r\n\r\n";
    struct fixture f = {.app = site(), .opts = {.drain_grace = 30 * WEFT_SEC}};
    int mine = listening_socket(&f);
    f.opts.listen_fds[0] = dup(mine);
    f.opts.n_listen_fds = 1;
    fixture_serve_on(&f);

    int idle = client_open(&f);
    char answer[512] = "";
    client_send(idle, request, sizeof request - 1);
    cr_assert_gt(recv(idle, answer, sizeof answer - 1, 0), 0);
    cr_expect(!strstr(answer, "Connection: close"), "%s", answer);

    kill(getpid(), SIGTERM);
    while (!strstr(answer, "Connection: close")) { /* once the signal has been seen */
        memset(answer, 0, sizeof answer);
        client_send(idle, request, sizeof request - 1);
        cr_assert_gt(recv(idle, answer, sizeof answer - 1, 0), 0, "no request is lost");
    }
    cr_expect_eq(recv(idle, answer, sizeof answer, 0), 0);
    close(idle);
    pthread_join(f.thread, NULL);
    cr_expect_eq(f.status, 0);

    int after = client_open(&f); /* still listened to, by us */
    close(after);
    close(mine);
    unlink(f.address + 5);
    weft_app_free(f.app);
}

static int from_admin(weft_http *h, void *arg)
{
    (void)arg;
    return weft_text(h, 200, "admin\n");
}

Test(serving, another_application_has_an_address_of_its_own, .timeout = 60)
{
    struct fixture f = {.app = site()}, other = {.app = weft_app_new()};
    weft_get(other.app, "/", from_admin, NULL);
    snprintf(other.address, sizeof other.address, "unix:/tmp/weft-also-%d.sock", (int)getpid());
    weft_also also[] = {{.app = other.app, .listen = other.address}};
    f.opts.also = also;
    f.opts.n_also = 1;
    fixture_start(&f);
    EXPECT(&f, "GET /teapot HTTP/1.1", "HTTP/1.1 418 ");
    EXPECT(&f, "GET / HTTP/1.1", "HTTP/1.1 404 ");
    EXPECT(&other, "GET / HTTP/1.1", "HTTP/1.1 200 ", "admin");
    EXPECT(&other, "GET /teapot HTTP/1.1", "HTTP/1.1 404 ");
    int idle = client_open(&other);
    fixture_stop(&f); /* its connections end with the others */
    char *text = client_read_all(idle);
    cr_expect_str_eq(text, "");
    free(text);
    close(idle);
    weft_app_free(other.app);
}

Test(serving, a_descriptor_that_does_not_listen_is_refused)
{
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    weft_serve_opts opts = {.listen_fds = {pair[0]}, .n_listen_fds = 1};
    weft_app *app = site();
    cr_expect_eq(weft_app_main_opts(app, &opts), 2);
    weft_app_free(app);
}

Test(serving, wrong_routes_are_refused_at_start)
{
    weft_serve_opts opts = {.listen = {"127.0.0.1:0"}};
    weft_app *app = weft_app_new();
    weft_get(app, "/{a}", result, NULL);
    weft_get(app, "/{b}", result, NULL);
    cr_expect_eq(weft_app_main_opts(app, &opts), 2);
    weft_app_free(app);
}
