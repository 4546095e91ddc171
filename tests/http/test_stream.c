/* Answers in pieces: events, hints, trailers, and what has no body. */
#include <errno.h>
#include <weft/stream.h>

#include "fixture.h"

static int reports[2];

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

static int events(weft_http *h, void *arg)
{
    char data[3001];
    (void)arg;
    memset(data, 'x', 3000);
    data[3000] = '\0';
    cr_expect_eq(weft_sse_comment(h, "early"), -EINVAL);
    cr_expect_eq(weft_sse_begin(h), 0);
    cr_expect_eq(weft_sse_begin(h), -EALREADY);
    cr_expect_eq(weft_sse_send(h, "tick", "%d", 1), 0);
    cr_expect_eq(weft_sse_send(h, NULL, "a\nb\r\nc\rd\n"), 0);
    cr_expect_eq(weft_sse_send(h, "a\nb", "x"), -EINVAL);
    cr_expect_eq(weft_sse_send(h, NULL, "%s", data), 0);
    weft_sse_event e = {.event = "e", .id = "7", .retry_ms = 1500, .data = WEFT_STR("")};
    cr_expect_eq(weft_sse_send_event(h, &e), 0);
    e.id = "7\r8";
    cr_expect_eq(weft_sse_send_event(h, &e), -EINVAL);
    cr_expect_eq(weft_sse_comment(h, "still\nhere"), 0);
    return weft_sse_comment(h, NULL);
}

static int endless(weft_http *h, void *arg)
{
    (void)arg;
    int rc = weft_sse_begin(h);
    report(1);
    while (rc == 0) {
        rc = weft_sse_send(h, NULL, "tick");
        if (rc == 0)
            rc = weft_sleep(60 * WEFT_SEC);
    }
    report(rc);
    return rc;
}

static int hints(weft_http *h, void *arg)
{
    (void)arg;
    cr_expect_eq(weft_early_hints(h, "</a.css>; rel=preload"), 0);
    cr_expect_eq(weft_early_hints(h, "</a\r\nX: y"), -EINVAL);
    cr_expect_eq(weft_text(h, 200, "hinted"), 0);
    cr_expect_eq(weft_early_hints(h, "</b.css>"), -EALREADY);
    return 0;
}

static int trailers(weft_http *h, void *arg)
{
    weft_str body;
    (void)arg;
    cr_expect_null(weft_trailer(h, "x-sum").ptr);
    int rc = weft_body_all(h, &body);
    if (rc < 0)
        return rc;
    weft_writef(h, "got " WEFT_FMT, WEFT_ARG(weft_trailer(h, "x-sum")));
    cr_expect_eq(weft_add_trailer(h, "X-Count", "3"), 0);
    cr_expect_eq(weft_add_trailer(h, "X-Other", "a b"), 0);
    cr_expect_eq(weft_add_trailer(h, "Content-Length", "3"), -EINVAL);
    cr_expect_eq(weft_add_trailer(h, "Set-Cookie", "a=b"), -EINVAL);
    cr_expect_eq(weft_add_trailer(h, "X-Bad", "a\r\nb: c"), -EINVAL);
    return 0;
}

static int status(weft_http *h, void *arg)
{
    return weft_bytes(h, (int)(intptr_t)arg, "text/plain", "body", 4);
}

static int streamed_status(weft_http *h, void *arg)
{
    int rc = weft_set_status(h, (int)(intptr_t)arg);
    return rc < 0 ? rc : weft_write(h, "body", 4);
}

static void start(struct fixture *f)
{
    cr_assert_eq(pipe(reports), 0);
    f->app = weft_app_new();
    weft_get(f->app, "/events", events, NULL);
    weft_get(f->app, "/endless", endless, NULL);
    weft_get(f->app, "/hints", hints, NULL);
    weft_post(f->app, "/trailers", trailers, NULL);
    weft_get(f->app, "/204", status, (void *)204);
    weft_get(f->app, "/304", status, (void *)304);
    weft_get(f->app, "/200", status, (void *)200);
    weft_get(f->app, "/streamed/200", streamed_status, (void *)200);
    weft_get(f->app, "/205", status, (void *)205);
    weft_get(f->app, "/streamed/204", streamed_status, (void *)204);
    weft_get(f->app, "/streamed/304", streamed_status, (void *)304);
    fixture_start(f);
}

static char *ask(struct fixture *f, const char *bytes)
{
    return client_exchange(f, bytes, strlen(bytes));
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

/* A chunked body without its framing. */
static void unchunk(char *text)
{
    char *from = strstr(text, "\r\n\r\n"), *to;
    cr_assert(from, "%s", text);
    from += 4;
    to = from;
    for (;;) {
        long len = strtol(from, &from, 16);
        from += 2;
        memmove(to, from, (size_t)len);
        to += len;
        from += len + 2;
        if (len == 0)
            break;
    }
    *to = '\0';
}

Test(stream, events_are_lines_of_fields, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    int fd = client_open(&f);
    client_send(fd, GET("/events"), strlen(GET("/events")));
    char text[8192];
    size_t len = 0;
    while (len < 5 || memcmp(text + len - 5, "0\r\n\r\n", 5) != 0) {
        ssize_t n = recv(fd, text + len, sizeof text - 1 - len, 0);
        cr_assert(n > 0);
        len += (size_t)n;
    }
    text[len] = '\0';
    cr_expect(strstr(text, "Content-Type: text/event-stream\r\n"), "%s", text);
    cr_expect(strstr(text, "Cache-Control: no-store\r\n"), "%s", text);
    unchunk(text);
    static const char first[] = "event: tick\ndata: 1\n\n"
                                "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"
                                "data: xxx";
    static const char last[] = "xxx\n\nevent: e\nid: 7\nretry: 1500\ndata: \n\n"
                               ": still\n: here\n\n: \n\n";
    const char *body = strstr(text, "\r\n\r\n") + 4;
    cr_expect(strncmp(body, first, strlen(first)) == 0, "%s", body);
    cr_expect_str_eq(body + strlen(body) - strlen(last), last);
    close(fd);
    fixture_stop(&f);
}

Test(stream, events_end_when_the_client_goes, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    int fd = client_open(&f);
    client_send(fd, GET("/endless"), strlen(GET("/endless")));
    cr_assert_eq(reported(), 1);
    close(fd);
    cr_expect_eq(reported(), -ECANCELED);
    fixture_stop(&f);
}

Test(stream, events_end_well_when_the_server_drains, .timeout = 60)
{
    struct fixture f = {.opts = {.drain_timeout = 30 * WEFT_SEC}};
    start(&f);
    int fd = client_open(&f);
    client_send(fd, GET("/endless"), strlen(GET("/endless")));
    cr_assert_eq(reported(), 1);
    fixture_stop(&f);
    cr_expect_eq(reported(), -ECANCELED);
    char *text = client_read_all(fd);
    cr_expect(strstr(text, "\r\n0\r\n\r\n"), "%s", text);
    free(text);
    close(fd);
}

Test(stream, hints_go_out_before_the_answer, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    char *text = ask(&f, GET("/hints"));
    static const char begin[] = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
                                "HTTP/1.1 200 OK\r\n";
    cr_expect(strncmp(text, begin, strlen(begin)) == 0, "%s", text);
    cr_expect(strstr(text, "\r\n\r\nhinted"), "%s", text);
    free(text);
    text = ask(&f, "GET /hints HTTP/1.0\r\n\r\n");
    cr_expect(strncmp(text, "HTTP/1.1 200 ", 13) == 0, "%s", text);
    free(text);
    fixture_stop(&f);
}

#define CHUNKED                                                                                    \
    "POST /trailers HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"

Test(stream, trailers_come_and_go_behind_a_chunked_body, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    char *text = ask(&f, CHUNKED "X-Other: 1\r\nX-SUM:  abc \r\nX-Empty:\r\n\r\n" GET("/200"));
    cr_expect(strstr(text, "got abc\r\n0\r\nX-Count: 3\r\nX-Other: a b\r\n\r\nHTTP/1.1 200 "), "%s",
              text);
    free(text);
    text = ask(&f, "POST /trailers HTTP/1.0\r\nContent-Length: 1\r\n\r\nx");
    cr_expect(strstr(text, "\r\n\r\ngot "), "%s", text);
    cr_expect_null(strstr(text, "X-Count"), "%s", text);
    free(text);
    fixture_stop(&f);
}

Test(stream, trailers_have_a_limit, .timeout = 60)
{
    struct fixture f = {0};
    char bytes[8192];
    start(&f);
    int n = sprintf(bytes, "%sX-Long: ", CHUNKED);
    memset(bytes + n, 'l', 5000);
    strcpy(bytes + n + 5000, "\r\n\r\n" GET("/200"));
    char *text = ask(&f, bytes), statuses[64];
    answer_statuses(text, statuses, sizeof statuses);
    cr_expect_str_eq(statuses, "431");
    free(text);
    n = sprintf(bytes, "%s", CHUNKED);
    for (int i = 0; i < 33; i++)
        n += sprintf(bytes + n, "A%d: b\r\n", i);
    strcpy(bytes + n, "\r\n" GET("/200"));
    text = ask(&f, bytes);
    answer_statuses(text, statuses, sizeof statuses);
    cr_expect_str_eq(statuses, "431");
    free(text);
    fixture_stop(&f);
}

Test(stream, what_has_no_body_sends_none, .timeout = 60)
{
    static const char *const paths[] = {"/204", "/304", "/streamed/204", "/streamed/304"};
    struct fixture f = {0};
    char bytes[256], statuses[64], wanted[16];
    start(&f);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const char *number = strrchr(paths[i], '/') + 1;
        snprintf(bytes, sizeof bytes, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n" GET("/200"), paths[i]);
        char *text = ask(&f, bytes);
        answer_statuses(text, statuses, sizeof statuses);
        snprintf(wanted, sizeof wanted, "%s 200", number);
        cr_expect_str_eq(statuses, wanted, "%s: %s", paths[i], text);
        char *end = strstr(text, "\r\n\r\n");
        cr_expect(end && strncmp(end + 4, "HTTP/1.1 200 ", 13) == 0, "%s: %s", paths[i], text);
        if (end)
            *end = '\0';
        cr_expect_null(strstr(text, "Transfer-Encoding"), "%s", text);
        if (strcmp(number, "204") == 0)
            cr_expect_null(strstr(text, "Content-Length"), "%s", text);
        free(text);
    }
    char *text = ask(&f, "HEAD /200 HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_expect(strstr(text, "Content-Length: 4\r\n"), "%s", text);
    cr_expect_null(strstr(text, "body"), "%s", text);
    free(text);
    text = ask(&f, GET("/205") GET("/200"));
    cr_expect(strstr(text, "Content-Length: 0\r\n"), "%s", text);
    answer_statuses(text, statuses, sizeof statuses);
    cr_expect_str_eq(statuses, "205 200", "%s", text);
    free(text);
    text = ask(&f, "HEAD /streamed/200 HTTP/1.1\r\nHost: x\r\n\r\n" GET("/200"));
    answer_statuses(text, statuses, sizeof statuses);
    cr_expect_str_eq(statuses, "200 200", "%s", text);
    cr_expect(strstr(text, "Transfer-Encoding: chunked\r\n"), "%s", text);
    free(text);
    fixture_stop(&f);
}

Test(stream, the_body_is_asked_for_when_it_is_read, .timeout = 60)
{
    static const char head[] = "POST /trailers HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                               "Content-Length: 4\r\n\r\n";
    struct fixture f = {0};
    char got[512];
    start(&f);
    int fd = client_open(&f);
    client_send(fd, head, sizeof head - 1);
    cr_assert_eq(recv(fd, got, 25, MSG_WAITALL), 25);
    cr_expect(memcmp(got, "HTTP/1.1 100 Continue\r\n\r\n", 25) == 0);
    client_send(fd, "body", 4);
    cr_assert_eq(recv(fd, got, 13, MSG_WAITALL), 13);
    cr_expect(memcmp(got, "HTTP/1.1 200 ", 13) == 0);
    close(fd);
    /* A handler that does not want it answers at once, and the connection ends: nobody knows
     * whether the body comes. */
    char *text = ask(&f, "POST /none HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                         "Content-Length: 4\r\n\r\n");
    cr_expect(strncmp(text, "HTTP/1.1 404 ", 13) == 0, "%s", text);
    cr_expect(strstr(text, "Connection: close\r\n"), "%s", text);
    free(text);
    fixture_stop(&f);
}
