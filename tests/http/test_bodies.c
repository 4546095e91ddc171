/* Bodies as streams: constant memory, back-pressure both ways, the least rate, the limits. */
#include <errno.h>
#include <sys/resource.h>

#include "fixture.h"

enum { BLOCK = 64 * 1024, BLOCKS = 1024, ROOM_KB = 24 * 1024 }; /* 64 MB through at most 24 MB */

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

static int take(weft_http *h, void *arg)
{
    char buf[16384];
    int64_t total = 0;
    ssize_t n;
    (void)arg;
    cr_expect_eq(weft_set_max_body(h, -1), -EINVAL);
    cr_expect_eq(weft_set_max_body(h, INT64_MAX), 0);
    while ((n = weft_body_read(h, buf, sizeof buf)) > 0)
        total += n;
    return n < 0 ? (int)n : weft_textf(h, 200, "%lld bytes", (long long)total);
}

static int give(weft_http *h, void *arg)
{
    static char block[BLOCK];
    (void)arg;
    for (int i = 0; i < BLOCKS; i++) {
        int rc = weft_write(h, block, sizeof block);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Gives until it cannot, and reports why. */
static int give_ever(weft_http *h, void *arg)
{
    static char block[BLOCK];
    (void)arg;
    for (;;) {
        int rc = weft_write(h, block, sizeof block);
        if (rc < 0) {
            report(rc);
            return rc;
        }
    }
}

static int whole(weft_http *h, void *arg)
{
    weft_str body;
    if (arg)
        cr_expect_eq(weft_set_max_body(h, 4), 0);
    int rc = weft_body_all(h, &body);
    return rc < 0 ? rc : weft_textf(h, 200, "%zu bytes", body.len);
}

static int by_deadline(weft_http *h, void *arg)
{
    weft_str body;
    (void)arg;
    cr_expect_eq(weft_set_deadline(h, weft_now() + 20 * WEFT_MS), 0);
    int rc = weft_body_all(h, &body);
    report(rc);
    return rc;
}

static void start(struct fixture *f)
{
    cr_assert_eq(pipe(reports), 0);
    f->app = weft_app_new();
    weft_post(f->app, "/take", take, NULL);
    weft_get(f->app, "/give", give, NULL);
    weft_get(f->app, "/give-ever", give_ever, NULL);
    weft_post(f->app, "/whole", whole, NULL);
    weft_post(f->app, "/four", whole, "four");
    weft_post(f->app, "/deadline", by_deadline, NULL);
    fixture_start(f);
}

static long peak_kb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

Test(bodies, a_long_upload_takes_constant_memory, .timeout = 120)
{
    static char block[BLOCK];
    struct fixture f = {0};
    char head[256];
    start(&f);
    long before = peak_kb();
    int fd = client_open(&f);
    int n = snprintf(head, sizeof head,
                     "POST /take HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
                     "Connection: close\r\n\r\n",
                     BLOCK * BLOCKS);
    client_send(fd, head, (size_t)n);
    for (int i = 0; i < BLOCKS; i++)
        client_send(fd, block, sizeof block);
    char *text = client_read_all(fd);
    cr_expect(strstr(text, "67108864 bytes"), "%s", text);
    free(text);
    close(fd);
    cr_expect(peak_kb() - before < ROOM_KB, "%ld KB more", peak_kb() - before);
    fixture_stop(&f);
}

Test(bodies, a_long_chunked_upload_takes_constant_memory, .timeout = 120)
{
    static char chunk[BLOCK + 8];
    struct fixture f = {0};
    static const char head[] = "POST /take HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                               "Connection: close\r\n\r\n";
    start(&f);
    long before = peak_kb();
    int fd = client_open(&f);
    memcpy(chunk, "fff9\r\n", 6); /* BLOCK - 7 bytes */
    memcpy(chunk + 6 + BLOCK - 7, "\r\n", 2);
    client_send(fd, head, sizeof head - 1);
    for (int i = 0; i < BLOCKS; i++)
        client_send(fd, chunk, BLOCK + 1);
    client_send(fd, "0\r\n\r\n", 5);
    char *text = client_read_all(fd);
    cr_expect(strstr(text, "67101696 bytes"), "%s", text);
    free(text);
    close(fd);
    cr_expect(peak_kb() - before < ROOM_KB, "%ld KB more", peak_kb() - before);
    fixture_stop(&f);
}

Test(bodies, a_long_download_takes_constant_memory, .timeout = 120)
{
    static const char request[] = "GET /give HTTP/1.0\r\n\r\n";
    static char block[BLOCK];
    struct fixture f = {0};
    start(&f);
    long before = peak_kb();
    int fd = client_open(&f);
    client_send(fd, request, sizeof request - 1);
    int64_t total = 0;
    for (ssize_t n; (n = recv(fd, block, sizeof block, 0)) > 0;)
        total += n;
    cr_expect(total > (int64_t)BLOCK * BLOCKS, "%lld", (long long)total);
    close(fd);
    cr_expect(peak_kb() - before < ROOM_KB, "%ld KB more", peak_kb() - before);
    fixture_stop(&f);
}

Test(bodies, a_client_that_stops_reading_parks_the_handler_until_the_deadline, .timeout = 60)
{
    static const char request[] = "GET /give-ever HTTP/1.1\r\nHost: x\r\n\r\n";
    struct fixture f = {.opts = {.write_timeout = 30 * WEFT_MS}};
    start(&f);
    int fd = client_open(&f);
    client_send(fd, request, sizeof request - 1);
    cr_expect_eq(reported(), -ETIMEDOUT);
    char *text = client_read_all(fd); /* what was in flight, and then a reset: not whole */
    cr_expect_null(strstr(text, "\r\n0\r\n\r\n"));
    free(text);
    close(fd);
    fixture_stop(&f);
}

/* Sends a byte each millisecond until an answer is there, 20 s at most. */
static char *drip(int fd)
{
    struct timeval a_millisecond = {.tv_usec = 1000}, patience = {.tv_sec = CLIENT_PATIENCE_S};
    char byte;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &a_millisecond, sizeof a_millisecond);
    for (int i = 0; i < 20000 && recv(fd, &byte, 1, MSG_PEEK) < 0; i++)
        client_send(fd, "x", 1);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return client_read_all(fd);
}

Test(bodies, a_body_that_drips_is_too_slow_although_it_never_stops, .timeout = 60)
{
    static const char head[] = "POST /take HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
    struct fixture f = {.opts = {.body_timeout = 200 * WEFT_MS, .min_body_rate = 100000000}};
    start(&f);
    int fd = client_open(&f);
    client_send(fd, head, sizeof head - 1);
    char *text = drip(fd);
    cr_expect(strstr(text, "HTTP/1.1 408 "), "%s", text);
    free(text);
    close(fd);
    fixture_stop(&f);
}

Test(bodies, a_body_is_waited_for_until_the_handlers_deadline, .timeout = 60)
{
    static const char head[] = "POST /deadline HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab";
    struct fixture f = {0};
    start(&f);
    int fd = client_open(&f);
    client_send(fd, head, sizeof head - 1);
    char *text = client_read_all(fd);
    cr_expect(strstr(text, "HTTP/1.1 408 "), "%s", text);
    cr_expect_eq(reported(), -ETIMEDOUT);
    free(text);
    close(fd);
    fixture_stop(&f);
}

static void expect(struct fixture *f, const char *bytes, const char *statuses)
{
    char got[64];
    char *text = client_exchange(f, bytes, strlen(bytes));
    answer_statuses(text, got, sizeof got);
    cr_expect_str_eq(got, statuses, "%s: %s", bytes, text);
    free(text);
}

#define POST(path) "POST " path " HTTP/1.1\r\nHost: x\r\n"

Test(bodies, a_limit_is_the_servers_or_the_requests, .timeout = 60)
{
    struct fixture f = {.opts = {.max_body = 8}};
    start(&f);
    expect(&f, POST("/whole") "Content-Length: 8\r\n\r\n12345678", "200");
    expect(&f, POST("/whole") "Content-Length: 9\r\n\r\n123456789", "413");
    expect(&f, POST("/whole") "Transfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n0\r\n\r\n",
           "413");
    expect(&f, POST("/four") "Content-Length: 4\r\n\r\n1234", "200");
    expect(&f, POST("/four") "Content-Length: 5\r\n\r\n12345", "413");
    expect(&f, POST("/take") "Content-Length: 9\r\n\r\n123456789", "200");
    /* Not asked for by 100 when it would not be read. */
    expect(&f, POST("/whole") "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", "413");
    fixture_stop(&f);
}
