/* Requests as they are sent, bodies both ways, deadlines. */
#include <errno.h>
#include <unistd.h>

#include "peer.h"

static const char empty_ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

static void run(int (*fn)(void *))
{
    for (int procs = 1; procs <= 2; procs++) {
        weft_run_opts opts = {.procs = procs, .leaks = WEFT_LEAKS_FAIL};
        cr_assert_eq(weft_run_with(&opts, fn, NULL), 0);
    }
}

/* Fetches and frees; the status, or the error. */
static int status_of(const weft_fetch_opts *opts)
{
    weft_response *res = NULL;
    int rc = weft_fetch(opts, &res);
    if (rc == 0)
        rc = weft_response_status(res);
    weft_response_free(res);
    return rc;
}

/* ---- what is sent ---- */

static void serve_empty(struct peer *p, weft_conn *c, int number)
{
    char request[PEER_GOT_MAX];
    (void)number;
    while (peer_read_into(p, c, request))
        peer_write(c, empty_ok);
}

static int heads(void *arg)
{
    struct peer p = {.serve = serve_empty};
    char url[128], wanted[512];
    (void)arg;
    peer_start(&p);
    const char *authority = p.url + 7;
    snprintf(url, sizeof url, "%s/a?b=c#d", p.url);
    weft_client *client = weft_client_new(&(weft_client_opts){.user_agent = "me/1"});
    weft_fetch_opts opts = {.url = url, .client = client};
    cr_assert_eq(status_of(&opts), 200);
    snprintf(wanted, sizeof wanted,
             "GET /a?b=c HTTP/1.1\r\nHost: %.60s\r\nUser-Agent: me/1\r\n\r\n", authority);
    cr_expect_str_eq(p.got, wanted);

    opts.method = "PUT";
    opts.headers = (const char *const[]){"X-A", "1", "User-Agent", "you", "x-a", "", NULL};
    cr_assert_eq(status_of(&opts), 200);
    snprintf(wanted, sizeof wanted,
             "PUT /a?b=c HTTP/1.1\r\nHost: %.60s\r\nX-A: 1\r\nUser-Agent: you\r\nx-a: \r\n"
             "Content-Length: 0\r\n\r\n",
             authority);
    cr_expect_str_eq(p.got, wanted);

    opts.method = "BREW";
    opts.headers = (const char *const[]){"Host", "other.example", NULL};
    cr_assert_eq(status_of(&opts), 200);
    cr_expect_str_eq(p.got, "BREW /a?b=c HTTP/1.1\r\nUser-Agent: me/1\r\nHost: other.example\r\n"
                            "\r\n");
    cr_expect_eq(atomic_load(&p.accepted), 1, "one connection served all");
    weft_client_free(client);
    peer_stop(&p);
    return 0;
}

Test(client, sends_what_its_options_say, .timeout = 60)
{
    run(heads);
}

static ssize_t give_none(void *arg, void *buf, size_t len)
{
    (void)arg, (void)buf, (void)len;
    return 0;
}

static int refused(void *arg)
{
    static const char *const bad_headers[][3] = {
        {"Content-Length", "1", NULL},
        {"transfer-encoding", "chunked", NULL},
        {"Connection", "close", NULL},
        {"Upgrade", "x", NULL},
        {"Expect", "100-continue", NULL},
        {"TE", "trailers", NULL},
        {"X A", "1", NULL},
        {"X-A:", "1", NULL},
        {"", "1", NULL},
        {"X-A", "a\r\nB: c", NULL},
        {"X-A", "a\n", NULL},
        {"X-A", "\x7f", NULL},
        {"X-A", NULL, NULL},
        {"Host", "", NULL},
        {"X\r\nY", "1", NULL},
    };
    static const char *const bad_methods[] = {"", "GET ", "G\r\nET", "CONNECT", "a(b"};
    const char *url = "http://127.0.0.1:1/";
    (void)arg;
    for (size_t i = 0; i < sizeof bad_headers / sizeof *bad_headers; i++)
        cr_expect_eq(status_of(&(weft_fetch_opts){.url = url, .headers = bad_headers[i]}), -EINVAL,
                     "%s", bad_headers[i][0]);
    for (size_t i = 0; i < sizeof bad_methods / sizeof *bad_methods; i++)
        cr_expect_eq(status_of(&(weft_fetch_opts){.url = url, .method = bad_methods[i]}), -EINVAL,
                     "%s", bad_methods[i]);
    cr_expect_eq(status_of(&(weft_fetch_opts){.url = NULL}), -EINVAL);
    cr_expect_eq(status_of(&(weft_fetch_opts){.url = "127.0.0.1:1"}), -EINVAL);
    cr_expect_eq(status_of(&(weft_fetch_opts){.url = "gopher://a/"}), -EPROTONOSUPPORT);
    cr_expect_eq(status_of(&(weft_fetch_opts){.url = url, .timeout = -1}), -EINVAL);
    cr_expect_eq(status_of(&(weft_fetch_opts){.url = url, .max_redirects = -2}), -EINVAL);
    cr_expect_eq(
        status_of(&(weft_fetch_opts){.url = url, .body = WEFT_STR("x"), .read_body = give_none}),
        -EINVAL);
    cr_expect_eq(
        status_of(&(weft_fetch_opts){.url = url, .method = "TRACE", .body = WEFT_STR("x")}),
        -EINVAL);
    cr_expect_eq(status_of(&(weft_fetch_opts){.url = url}), -ECONNREFUSED);
    cr_expect_null(weft_client_new(&(weft_client_opts){.max_header_bytes = 1 << 20}));
    cr_expect_null(weft_client_new(&(weft_client_opts){.max_idle = -1}));
    weft_client_free(NULL);
    weft_response_free(NULL);
    return 0;
}

Test(client, refuses_options_that_cannot_be, .timeout = 60)
{
    run(refused);
}

static int by_path(void *arg)
{
    char address[80];
    struct peer p = {.serve = serve_empty};
    (void)arg;
    snprintf(address, sizeof address, "unix:/tmp/weft-client-%d.sock", (int)getpid());
    peer_start_on(&p, address);
    weft_fetch_opts opts = {.url = "http://some.example:81/x", .unix_path = address + 5};
    cr_expect_eq(status_of(&opts), 200);
    cr_expect(strstr(p.got, "GET /x HTTP/1.1\r\nHost: some.example:81\r\nUser-Agent: weft/"));
    opts.unix_path = "/nonexistent";
    cr_expect_eq(status_of(&opts), -ENOENT);
    weft_client_close_idle(NULL);
    peer_stop(&p);
    return 0;
}

Test(client, reaches_servers_on_unix_sockets, .timeout = 60)
{
    run(by_path);
}

/* ---- bodies ---- */

enum { MUCH = 6 << 20 };

static char pattern_at(int64_t i)
{
    return (char)(i * 31 + i / 4099);
}

/* Tells back what comes as it comes, chunked, as long as the client sends. */
static void serve_echo(struct peer *p, weft_conn *c, int number)
{
    char request[PEER_GOT_MAX];
    static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    char buf[5000];
    long length = -1;
    (void)number;
    if (!peer_read_into(p, c, request))
        return;
    char *field = strstr(request, "Content-Length: ");
    if (field)
        length = strtol(field + 16, NULL, 10);
    peer_write(c, head);
    for (long got = 0; length < 0 || got < length;) {
        ssize_t n = weft_conn_read(c, buf, sizeof buf);
        char size[24];
        if (n <= 0)
            return;
        snprintf(size, sizeof size, "%zx\r\n", (size_t)n);
        if (peer_write(c, size) < 0 || weft_conn_write_all(c, buf, (size_t)n) < 0 ||
            peer_write(c, "\r\n") < 0)
            return;
        got += n;
        if (length < 0 && memmem(buf, (size_t)n, "0\r\n\r\n", 5))
            break;
    }
    peer_write(c, "0\r\n\r\n");
}

struct source {
    int64_t at, end;
    size_t piece;
    int error; /* at the end */
};

static ssize_t give(void *arg, void *buf, size_t len)
{
    struct source *s = arg;
    char *to = buf;
    size_t n = 0;
    while (n < len && n < s->piece && s->at < s->end)
        to[n++] = pattern_at(s->at++);
    return n ? (ssize_t)n : s->error;
}

static void expect_pattern(weft_response *res, int64_t length)
{
    static char buf[30000];
    int64_t at = 0;
    ssize_t n;
    while ((n = weft_response_read(res, buf, sizeof buf)) > 0)
        for (ssize_t i = 0; i < n; i++, at++)
            cr_assert_eq(buf[i], pattern_at(at));
    cr_assert_eq(n, 0, "%d", (int)n);
    cr_assert_eq(at, length);
}

static int echo_much(void *arg)
{
    struct peer p = {.serve = serve_echo};
    char *body = malloc(MUCH);
    weft_response *res;
    (void)arg;
    peer_start(&p);
    for (int i = 0; i < MUCH; i++)
        body[i] = pattern_at(i);
    weft_fetch_opts opts = {.url = p.url, .body = {body, MUCH}};
    cr_assert_eq(weft_fetch(&opts, &res), 0);
    expect_pattern(res, MUCH);
    weft_response_free(res);
    struct source source = {.end = MUCH, .piece = 9000};
    opts = (weft_fetch_opts){
        .url = p.url, .read_body = give, .read_body_arg = &source, .body_length = MUCH};
    cr_assert_eq(weft_fetch(&opts, &res), 0);
    expect_pattern(res, MUCH);
    weft_response_free(res);
    free(body);
    peer_stop(&p);
    return 0;
}

/* Neither side has room for all: both have to read while they write. */
Test(client, streams_both_ways_at_once, .timeout = 120)
{
    run(echo_much);
}

static int chunked_upload(void *arg)
{
    struct peer p = {.serve = serve_echo};
    weft_response *res;
    weft_str body;
    (void)arg;
    peer_start(&p);
    struct source source = {.end = 25, .piece = 20};
    weft_fetch_opts opts = {.url = p.url, .read_body = give, .read_body_arg = &source};
    cr_assert_eq(weft_fetch(&opts, &res), 0);
    cr_assert_eq(weft_response_all(res, &body), 0);
    char wanted[64], *at = wanted;
    at += sprintf(at, "0014\r\n");
    for (int i = 0; i < 20; i++)
        *at++ = pattern_at(i);
    at += sprintf(at, "\r\n0005\r\n");
    for (int i = 20; i < 25; i++)
        *at++ = pattern_at(i);
    at += sprintf(at, "\r\n0\r\n\r\n");
    cr_expect(strstr(p.got, "POST / HTTP/1.1\r\n"));
    cr_expect(strstr(p.got, "Transfer-Encoding: chunked\r\n"));
    cr_expect_not(strstr(p.got, "Content-Length"));
    cr_expect(weft_str_eq(body, (weft_str){wanted, (size_t)(at - wanted)}));
    weft_response_free(res);
    peer_stop(&p);
    return 0;
}

Test(client, chunks_a_body_of_unknown_length, .timeout = 60)
{
    run(chunked_upload);
}

static void serve_one_chunk(struct peer *p, weft_conn *c, int number)
{
    static char answer[7000];
    int at = sprintf(answer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1770\r\n");
    (void)number;
    memset(answer + at, 'x', 6000);
    memcpy(answer + at + 6000, "\r\n0\r\n\r\n", 8);
    if (peer_read_head(p, c))
        peer_write(c, answer);
}

static int one_chunk(void *arg)
{
    struct peer p = {.serve = serve_one_chunk};
    weft_response *res;
    weft_str body;
    (void)arg;
    peer_start(&p);
    cr_assert_eq(weft_fetch(&(weft_fetch_opts){.url = p.url}, &res), 0);
    cr_expect_eq(weft_response_all(res, &body), 0);
    cr_expect_eq(body.len, 6000);
    weft_response_free(res);
    weft_client_close_idle(NULL);
    peer_stop(&p);
    return 0;
}

/* The parser has seen its end while most of it is still to be taken. */
Test(client, takes_a_body_whole_that_came_in_one_piece, .timeout = 60)
{
    run(one_chunk);
}

static int source_fails(void *arg)
{
    struct peer p = {.serve = serve_echo};
    weft_response *res;
    char buf[256];
    (void)arg;
    peer_start(&p);
    struct source source = {.end = 100, .piece = 100, .error = -EBADMSG};
    weft_fetch_opts opts = {
        .url = p.url, .read_body = give, .read_body_arg = &source, .body_length = 200};
    int rc = weft_fetch(&opts, &res); /* the head may have come before the failure, or not */
    if (rc == 0) {
        ssize_t n;
        while ((n = weft_response_read(res, buf, sizeof buf)) > 0)
            continue;
        rc = (int)n;
        weft_response_free(res);
    }
    cr_expect_eq(rc, -EBADMSG, "%d", rc);
    source = (struct source){.end = 100, .piece = 100}; /* it ends before the promised length */
    rc = weft_fetch(&opts, &res);
    if (rc == 0) {
        ssize_t n;
        while ((n = weft_response_read(res, buf, sizeof buf)) > 0)
            continue;
        rc = (int)n;
        weft_response_free(res);
    }
    cr_expect_eq(rc, -EIO, "%d", rc);
    peer_stop(&p);
    return 0;
}

Test(client, tells_what_went_wrong_with_the_bodys_source, .timeout = 60)
{
    run(source_fails);
}

/* Refuses without reading the body, and keeps the connection open. */
static void serve_refusal(struct peer *p, weft_conn *c, int number)
{
    char request[PEER_GOT_MAX];
    char byte;
    (void)number;
    if (!peer_read_into(p, c, request))
        return;
    peer_write(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno\n");
    for (int i = 0; i < 30 && weft_conn_read(c, &byte, 1) == 1; i++)
        weft_sleep(WEFT_MS);
}

static int early_answer(void *arg)
{
    struct peer p = {.serve = serve_refusal};
    weft_response *res;
    weft_str body;
    (void)arg;
    peer_start(&p);
    struct source source = {.end = INT64_MAX, .piece = 16000};
    weft_fetch_opts opts = {.url = p.url, .read_body = give, .read_body_arg = &source};
    cr_assert_eq(weft_fetch(&opts, &res), 0);
    cr_expect_eq(weft_response_status(res), 413);
    cr_expect_eq(weft_response_all(res, &body), 0);
    cr_expect(weft_str_eq(body, WEFT_STR("no\n")));
    weft_response_free(res); /* ends a body that never ends */
    cr_expect_eq(status_of(&opts), 413);
    cr_expect_eq(atomic_load(&p.accepted), 2, "the first line was in the middle of a request");
    peer_stop(&p);
    return 0;
}

Test(client, reads_an_answer_that_comes_before_the_body_has_gone, .timeout = 60)
{
    run(early_answer);
}

/* ---- deadlines ---- */

static void serve_slowly(struct peer *p, weft_conn *c, int number)
{
    char request[PEER_GOT_MAX];
    char byte;
    (void)number;
    if (!peer_read_into(p, c, request))
        return;
    if (strstr(request, "/head"))
        peer_write(c, "HTTP/1.1 200 OK\r\nContent-Le");
    if (strstr(request, "/body"))
        peer_write(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    while (strstr(request, "/drip") && peer_write(c, "HTTP/1.1 100 Continue\r\n\r\n") == 0)
        weft_sleep(WEFT_MS);
    (void)!weft_conn_read(c, &byte, 1);
}

static int fetch_slowly(struct peer *p, const char *path, weft_fetch_opts opts)
{
    char url[128], buf[16];
    weft_response *res;
    ssize_t n;
    snprintf(url, sizeof url, "%s%s", p->url, path);
    opts.url = url;
    int rc = weft_fetch(&opts, &res);
    if (rc < 0)
        return rc;
    while ((n = weft_response_read(res, buf, sizeof buf)) > 0)
        continue;
    weft_response_free(res);
    return (int)n;
}

static int fetch_under_context(void *arg)
{
    return fetch_slowly(arg, "/body", (weft_fetch_opts){.timeout = 0});
}

static void cancel_soon(void *arg)
{
    weft_sleep(2 * WEFT_MS);
    weft_ctx_cancel(arg);
    weft_ctx_unref(arg);
}

static int too_slow(void *arg)
{
    static const int64_t little = 5 * WEFT_MS;
    struct peer p = {.serve = serve_slowly};
    (void)arg;
    peer_start(&p);
    cr_expect_eq(fetch_slowly(&p, "/none", (weft_fetch_opts){.header_timeout = little}),
                 -ETIMEDOUT);
    cr_expect_eq(fetch_slowly(&p, "/head", (weft_fetch_opts){.header_timeout = little}),
                 -ETIMEDOUT);
    cr_expect_eq(fetch_slowly(&p, "/head", (weft_fetch_opts){.timeout = little}), -ETIMEDOUT);
    cr_expect_eq(fetch_slowly(&p, "/body", (weft_fetch_opts){.idle_timeout = little}), -ETIMEDOUT);
    cr_expect_eq(fetch_slowly(&p, "/body", (weft_fetch_opts){.timeout = 20 * WEFT_MS}), -ETIMEDOUT);
    int rc = fetch_slowly(&p, "/drip", (weft_fetch_opts){.header_timeout = little});
    cr_expect(rc == -ETIMEDOUT || rc == -EPROTO, "interim answers do not win time: %d", rc);
    cr_expect_eq(weft_with_timeout(20 * WEFT_MS, fetch_under_context, &p), -ETIMEDOUT);
    weft_ctx *ctx;
    cr_assert_eq(weft_ctx_new(NULL, WEFT_NO_DEADLINE, &ctx), 0);
    weft_ctx *old = weft_ctx_enter(ctx);
    weft_go(cancel_soon, weft_ctx_ref(ctx));
    cr_expect_eq(fetch_slowly(&p, "/none", (weft_fetch_opts){.timeout = 0}), -ECANCELED);
    weft_ctx_leave(old);
    weft_ctx_unref(ctx);
    peer_stop(&p);
    return 0;
}

Test(client, gives_up_in_time, .timeout = 60)
{
    run(too_slow);
}

static int mend(void *arg)
{
    struct peer p = {.serve = serve_slowly};
    weft_response *res;
    char buf[16], url[128];
    (void)arg;
    peer_start(&p);
    snprintf(url, sizeof url, "%s/body", p.url);
    weft_fetch_opts opts = {.url = url, .idle_timeout = 5 * WEFT_MS};
    cr_assert_eq(weft_fetch(&opts, &res), 0);
    cr_expect_eq(weft_response_length(res), 9);
    cr_expect_eq(weft_response_read(res, buf, 2), 2);
    cr_expect_eq(weft_response_read(res, buf, sizeof buf), 1);
    cr_expect_eq(weft_response_read(res, buf, sizeof buf), -ETIMEDOUT);
    cr_expect_eq(weft_response_read(res, buf, sizeof buf), -ETIMEDOUT, "an error sticks");
    weft_response_free(res);
    peer_stop(&p);
    return 0;
}

Test(client, a_read_that_failed_fails_again, .timeout = 60)
{
    run(mend);
}
