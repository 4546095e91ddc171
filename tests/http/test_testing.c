/* weft_test_request and weft_test_server_start as a handler's author uses them. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/weft.h>

#define HOST " HTTP/1.1\r\nHost: x\r\n"

static int hello(weft_http *h, void *arg)
{
    (void)arg;
    weft_set_header(h, "X-Who", "me");
    return weft_textf(h, 200, "Hello, " WEFT_FMT "\n", WEFT_ARG(weft_param(h, "name")));
}

static int echo(weft_http *h, void *arg)
{
    (void)arg;
    weft_str body;
    int rc = weft_body_all(h, &body);
    return rc < 0 ? rc : weft_bytes(h, 200, "application/octet-stream", body.ptr, body.len);
}

static int stream(weft_http *h, void *arg)
{
    char block[1000];
    int *blocks = arg;
    memset(block, 's', sizeof block);
    for (int i = 0; i < *blocks; i++) {
        int rc = weft_write(h, block, sizeof block);
        if (rc == 0 && i % 7 == 0)
            rc = weft_flush(h);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int cut(weft_http *h, void *arg)
{
    (void)arg;
    weft_write(h, "begun", 5);
    weft_flush(h);
    return -EIO;
}

static int stuck(weft_http *h, void *arg)
{
    (void)arg;
    weft_sleep(5 * WEFT_SEC);
    return weft_text(h, 200, "late");
}

static int take_over(weft_http *h, void *arg)
{
    (void)arg;
    weft_conn *c;
    weft_str early;
    int rc = weft_upgrade(h, "echo", &c, &early);
    return rc < 0 ? rc : weft_conn_write_all(c, early.ptr, early.len);
}

static int blocks = 100;

static weft_app *site(void)
{
    weft_app *app = weft_app_new();
    weft_get(app, "/hello/{name}", hello, NULL);
    weft_post(app, "/echo", echo, NULL);
    weft_get(app, "/stream", stream, &blocks);
    weft_get(app, "/cut", cut, NULL);
    weft_get(app, "/stuck", stuck, NULL);
    weft_get(app, "/upgrade", take_over, NULL);
    return app;
}

Test(testing, an_answer_is_there_with_its_status_headers_and_body)
{
    weft_app *app = site();
    weft_test_response r = weft_test_request(app, "GET /hello/you" HOST "\r\n");
    cr_assert_eq(r.status, 200);
    cr_assert_eq(r.error, 0);
    cr_assert_str_eq(r.body.ptr, "Hello, you\n");
    cr_assert(weft_str_eq(weft_test_header(&r, "x-WHO"), WEFT_STR("me")));
    cr_assert_null(weft_test_header(&r, "X-Wh").ptr);
    cr_assert_null(r.next);
    weft_test_response_free(&r);
    cr_assert_eq(r.status, 0);
    weft_test_response_free(&r);
    weft_app_free(app);
}

Test(testing, several_requests_give_several_answers_in_order)
{
    weft_app *app = site();
    weft_test_response r = weft_test_request(app, "POST /echo" HOST "Content-Length: 3\r\n\r\nabc"
                                                  "HEAD /hello/a" HOST "\r\n"
                                                  "GET /none" HOST "\r\n");
    cr_assert_eq(r.status, 200);
    cr_assert_str_eq(r.body.ptr, "abc");
    cr_assert_eq(r.next->status, 200);
    cr_assert_eq(r.next->body.len, 0);
    cr_assert(weft_str_eq(weft_test_header(r.next, "Content-Length"), WEFT_STR("9")));
    cr_assert_eq(r.next->next->status, 404);
    cr_assert_null(r.next->next->next);
    weft_test_response_free(&r);
    weft_app_free(app);
}

Test(testing, bodies_stream_both_ways_without_a_deadlock, .timeout = 60)
{
    enum { BIG = 900000 };
    static char raw[2 * BIG + 400];
    weft_app *app = site();
    size_t len = 0;
    for (int i = 0; i < 2; i++) {
        len += (size_t)sprintf(raw + len, "POST /echo" HOST "Content-Length: %d\r\n\r\n", BIG);
        memset(raw + len, 'b', BIG);
        len += BIG;
    }
    weft_test_response r = weft_test_request_opts(app, raw, &(weft_test_opts){.len = len});
    cr_assert_eq(r.body.len, BIG);
    cr_assert_eq(r.next->body.len, BIG);
    weft_test_response_free(&r);
    r = weft_test_request(app, "GET /stream" HOST "\r\nGET /hello/x" HOST "\r\n");
    cr_assert_eq(r.body.len, 100000);
    cr_assert_eq(r.next->status, 200);
    weft_test_response_free(&r);
    weft_app_free(app);
}

Test(testing, requests_may_be_sent_in_pieces, .timeout = 60)
{
    static const char raw[] = "POST /echo" HOST "Content-Length: 5\r\n\r\nhello"
                              "POST /echo" HOST "Transfer-Encoding: chunked\r\n\r\n"
                              "3\r\nwor\r\n2\r\nld\r\n0\r\n\r\n"
                              "nonsense\r\n\r\n";
    weft_app *app = weft_app_new();
    weft_post(app, "/echo", echo, NULL);
    for (size_t piece = 1; piece < 20; piece++) {
        weft_test_opts opts = {.piece = piece};
        weft_test_response r = weft_test_request_opts(app, raw, &opts);
        cr_assert_eq(r.status, 200, "%zu: %d", piece, r.error);
        cr_assert(weft_str_eq(r.body, WEFT_STR("hello")));
        cr_assert(weft_str_eq(r.next->body, WEFT_STR("world")));
        cr_assert_eq(r.next->next->status, 400);
        weft_test_response_free(&r);
    }
    weft_app_free(app);
}

Test(testing, refused_cut_and_late_answers_are_told_apart)
{
    weft_app *app = site();
    weft_test_response r = weft_test_request(app, "GET /hello/x HTTP/1.1\r\n\r\n");
    cr_expect_eq(r.status, 400);
    weft_test_response_free(&r);
    r = weft_test_request(app, "GET /cut" HOST "\r\n");
    cr_expect_eq(r.status, 200);
    cr_expect_eq(r.error, -ECONNRESET);
    cr_expect_str_eq(r.body.ptr, "begun");
    weft_test_response_free(&r);
    r = weft_test_request_opts(app, "GET /stuck" HOST "\r\n",
                               &(weft_test_opts){.timeout = 20 * WEFT_MS});
    cr_expect_eq(r.status, 0);
    cr_expect_eq(r.error, -ETIMEDOUT);
    weft_test_response_free(&r);
    r = weft_test_request(app, "POST /echo" HOST "Content-Length: 9\r\n\r\nshort");
    cr_expect(r.status == 400 || r.error == -ECONNRESET);
    weft_test_response_free(&r);
    weft_get(app, "hello", hello, NULL);
    r = weft_test_request(app, "GET /hello/x" HOST "\r\n");
    cr_expect_eq(r.error, -EINVAL);
    weft_app_free(app);
}

Test(testing, an_upgraded_connection_gives_what_came_behind_101)
{
    weft_app *app = site();
    weft_test_response r = weft_test_request(
        app, "GET /upgrade" HOST "Connection: Upgrade\r\nUpgrade: echo\r\n\r\nraw bytes");
    cr_expect_eq(r.status, 101);
    cr_expect_str_eq(r.body.ptr, "raw bytes");
    weft_test_response_free(&r);
    weft_app_free(app);
}

static int ask_inside(void *arg)
{
    weft_test_response r = weft_test_request(arg, "GET /hello/inside" HOST "\r\n");
    int status = r.status;
    weft_test_response_free(&r);
    return status;
}

Test(testing, it_works_inside_of_a_runtime_too)
{
    weft_app *app = site();
    cr_assert_eq(weft_run(ask_inside, app), 200);
    weft_app_free(app);
}

Test(testing, a_server_has_a_port_of_its_own_and_stops, .timeout = 60)
{
    static const char request[] = "GET /hello/net HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    char text[1000] = "";
    size_t len = 0;
    ssize_t n;
    weft_app *app = site();
    for (int round = 0; round < 2; round++) {
        weft_test_server *server = weft_test_server_start(app, NULL);
        cr_assert_not_null(server);
        struct sockaddr_in in = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)weft_test_server_port(server)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        cr_assert_eq(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
        cr_assert_eq(send(fd, request, sizeof request - 1, 0), (ssize_t)sizeof request - 1);
        for (len = 0; (n = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0;)
            len += (size_t)n;
        text[len] = '\0';
        cr_expect(strstr(text, "Hello, net\n"), "%s", text);
        close(fd);
        weft_test_response r = weft_test_request(app, "GET /hello/beside" HOST "\r\n");
        cr_expect_eq(r.status, 200, "a thread beside the runtime that serves");
        weft_test_response_free(&r);
        cr_assert_eq(weft_test_server_stop(server), 0);
    }
    cr_assert_eq(weft_test_server_stop(NULL), 0);
    weft_app_stop();
    weft_get(app, "wrong", hello, NULL);
    cr_expect_null(weft_test_server_start(app, NULL));
    weft_app_free(app);
}
