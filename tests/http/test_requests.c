/* Requests that are valid, and what they may not exceed: cuts, limits, times. What is not valid is
 * in test_strict.c. */
#include "fixture.h"

#define HOST "Host: x\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static int answer(weft_http *h, void *arg)
{
    weft_str body;
    (void)arg;
    int rc = weft_body_all(h, &body);
    return rc < 0 ? rc : weft_bytes(h, 200, "text/plain", body.ptr, body.len);
}

static void start(struct fixture *f)
{
    f->app = weft_app_new();
    weft_get(f->app, "/", answer, NULL);
    weft_post(f->app, "/", answer, NULL);
    fixture_start(f);
}

/* The same bytes, cut in two at every place, mean the same. */
Test(requests, a_cut_at_any_byte_changes_nothing, .timeout = 240)
{
    static const char bytes[] = CHUNKED "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n" POST
                                        "Content-Length: 4\r\n\r\nwxyz" GET "\r\n";
    struct fixture f = {0};
    char statuses[64];
    start(&f);
    for (size_t cut = 1; cut < sizeof bytes - 1; cut++) {
        int fd = client_open(&f);
        client_send(fd, bytes, cut);
        sched_yield();
        client_send(fd, bytes + cut, sizeof bytes - 1 - cut);
        shutdown(fd, SHUT_WR);
        char *text = client_read_all(fd);
        answer_statuses(text, statuses, sizeof statuses);
        cr_expect_str_eq(statuses, "200 200 200", "cut at %zu: %s", cut, text);
        cr_expect(strstr(text, "abcde") && strstr(text, "wxyz"), "cut at %zu", cut);
        free(text);
        close(fd);
    }
    fixture_stop(&f);
}

static void refuses(struct fixture *f, const char *head, char fill, size_t count,
                    const char *expected)
{
    char statuses[32], *bytes = malloc(strlen(head) + count + 1);
    size_t len = strlen(head);
    memcpy(bytes, head, len);
    memset(bytes + len, fill, count);
    char *text = client_exchange(f, bytes, len + count);
    answer_statuses(text, statuses, sizeof statuses);
    cr_expect_str_eq(statuses, expected, "%.40s...", head);
    free(text);
    free(bytes);
}

Test(requests, limits_have_their_statuses, .timeout = 60)
{
    struct fixture f = {0};
    char many[8192] = GET, statuses[32];
    start(&f);
    refuses(&f, "GET /", 'a', 9000, "414");
    refuses(&f, "GET /", 'a', 20000, "414");
    refuses(&f, GET "X: ", 'a', 20000, "431");
    refuses(&f, "", 'A', 20000, "400");
    for (int i = 0; i < 101; i++)
        strcat(many, "A: b\r\n");
    strcat(many, "\r\n");
    char *text = client_exchange(&f, many, strlen(many));
    answer_statuses(text, statuses, sizeof statuses);
    cr_expect_str_eq(statuses, "431");
    free(text);
    fixture_stop(&f);
}

Test(requests, a_slow_head_is_answered_408, .timeout = 60)
{
    struct fixture f = {.opts.header_timeout = 50 * WEFT_MS};
    start(&f);
    int fd = client_open(&f);
    client_send(fd, "GET / HT", 8);
    char *text = client_read_all(fd);
    cr_expect(strstr(text, "HTTP/1.1 408 "), "%s", text);
    free(text);
    close(fd);
    fixture_stop(&f);
}

Test(requests, a_slow_body_is_answered_408, .timeout = 60)
{
    struct fixture f = {.opts.body_timeout = 50 * WEFT_MS};
    start(&f);
    int fd = client_open(&f);
    client_send(fd, POST "Content-Length: 9\r\n\r\nabc", strlen(POST) + 24);
    char *text = client_read_all(fd);
    cr_expect(strstr(text, "HTTP/1.1 408 "), "%s", text);
    free(text);
    close(fd);
    fixture_stop(&f);
}

Test(requests, an_idle_connection_is_closed_in_silence, .timeout = 60)
{
    struct fixture f = {.opts.idle_timeout = 50 * WEFT_MS};
    char statuses[32];
    start(&f);
    int fd = client_open(&f);
    client_send(fd, GET "\r\n", strlen(GET) + 2);
    char *text = client_read_all(fd);
    answer_statuses(text, statuses, sizeof statuses);
    cr_expect_str_eq(statuses, "200");
    free(text);
    close(fd);
    fixture_stop(&f);
}
