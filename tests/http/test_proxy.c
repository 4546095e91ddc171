/* What the proxy makes of requests and of answers, byte for byte: a scripted upstream on one side,
 * raw requests on the other. */
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

/* An application that is nothing but a proxy. */
struct front {
    weft_app *app;
    weft_proxy *proxy;
};

static struct front front_to(const weft_proxy_opts *opts)
{
    struct front f = {weft_app_new(), weft_proxy_new(opts, NULL, 0)};
    cr_assert_not_null(f.proxy);
    weft_any(f.app, "/{path...}", weft_proxy_handler, f.proxy);
    return f;
}

static void front_end(struct front *f)
{
    weft_app_free(f->app);
    weft_proxy_free(f->proxy);
}

static void serve_empty(struct peer *p, weft_conn *c, int number)
{
    (void)number;
    char byte;
    if (!peer_read_head(p, c))
        return;
    peer_write(c, empty_ok);
    while (weft_conn_read(c, &byte, 1) == 1) /* a body */
        continue;
}

/* ---- requests ---- */

struct sent {
    const char *why;
    weft_proxy_opts opts; /* the upstream's URL is the peer's, with `base` behind */
    const char *base;
    const char *raw;    /* from the client; "Host: x" goes without saying */
    const char *wanted; /* at the upstream */
    int is_trusted;
};

#define GET_AND_HOST "GET / HTTP/1.1\r\nHost: x\r\n"
#define TOLD "X-Forwarded-Proto: http\r\nX-Forwarded-Host: x\r\nVia: 1.1 weft\r\n\r\n"

static const struct sent sent[] = {
    {"a plain request",
     {0},
     "",
     "GET /a/%20b?c=d%2F HTTP/1.1\r\nHost: x\r\nA: 1\r\nB:  2\r\n\r\n",
     "GET /a/%20b?c=d%2F HTTP/1.1\r\nHost: x\r\nA: 1\r\nB:  2\r\n" TOLD,
     0},
    {"what belongs to the connection goes",
     {0},
     "",
     GET_AND_HOST
     "Connection: keep-alive, X-Mine\r\nX-A: 1\r\nKeep-Alive: timeout=5\r\nx-mine: 2\r\n"
     "TE: trailers\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nX-B: 3\r\n\r\n",
     GET_AND_HOST "X-A: 1\r\nX-B: 3\r\n" TOLD,
     0},
    {"what frames the message cannot be named away",
     {0},
     "",
     "POST / HTTP/1.1\r\nHost: x\r\nConnection: Content-Length\r\nContent-Length: 3\r\n\r\nabc",
     "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n" TOLD,
     0},
    {"what the client says of others is not believed",
     {0},
     "",
     GET_AND_HOST
     "X-Forwarded-For: 1.2.3.4\r\nx_forwarded_for: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n"
     "X-Forwarded-Proto: https\r\nX-Forwarded-Host: bank\r\nX-C: 1\r\n\r\n",
     GET_AND_HOST "X-C: 1\r\n" TOLD,
     0},
    {"unless it is trusted",
     {0},
     "",
     GET_AND_HOST "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n"
                  "X-Forwarded-For: 5.6.7.8\r\nX-C: 1\r\n\r\n",
     GET_AND_HOST "X-Forwarded-Proto: https\r\nX-C: 1\r\nX-Forwarded-For: 1.2.3.4, 5.6.7.8\r\n"
                  "X-Forwarded-Host: x\r\nVia: 1.1 weft\r\n\r\n",
     1},
    {"Forwarded",
     {.tell = WEFT_TELL_FORWARDED},
     "",
     GET_AND_HOST "\r\n",
     GET_AND_HOST "Forwarded: for=unknown;host=\"x\";proto=http\r\nVia: 1.1 weft\r\n\r\n",
     0},
    {"nothing",
     {.tell = WEFT_TELL_NOTHING},
     "",
     GET_AND_HOST "\r\n",
     GET_AND_HOST "Via: 1.1 weft\r\n\r\n",
     0},
    {"another host",
     {.host = "inside", .tell = WEFT_TELL_NOTHING},
     "",
     GET_AND_HOST "\r\n",
     "GET / HTTP/1.1\r\nHost: inside\r\nVia: 1.1 weft\r\n\r\n",
     0},
    {"a prefix off, a base on",
     {.strip_prefix = "/api/", .tell = WEFT_TELL_NOTHING},
     "/v1/",
     "GET /api/users?x HTTP/1.1\r\nHost: x\r\n\r\n",
     "GET /v1/users?x HTTP/1.1\r\nHost: x\r\nVia: 1.1 weft\r\n\r\n",
     0},
    {"the prefix alone",
     {.strip_prefix = "/api", .tell = WEFT_TELL_NOTHING},
     "",
     "GET /api HTTP/1.1\r\nHost: x\r\n\r\n",
     "GET / HTTP/1.1\r\nHost: x\r\nVia: 1.1 weft\r\n\r\n",
     0},
    {"no prefix of a longer name",
     {.strip_prefix = "/api", .tell = WEFT_TELL_NOTHING},
     "",
     "GET /apix HTTP/1.1\r\nHost: x\r\n\r\n",
     "GET /apix HTTP/1.1\r\nHost: x\r\nVia: 1.1 weft\r\n\r\n",
     0},
    {"absolute-form",
     {.tell = WEFT_TELL_NOTHING},
     "",
     "GET http://other:8/p?q HTTP/1.1\r\nHost: x\r\n\r\n",
     "GET /p?q HTTP/1.1\r\nHost: other:8\r\nVia: 1.1 weft\r\n\r\n",
     0},
    {"HTTP/1.0",
     {.tell = WEFT_TELL_NOTHING},
     "",
     "GET / HTTP/1.0\r\nHost: x\r\nA: b\r\n\r\n",
     "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nVia: 1.0 weft\r\n\r\n",
     0},
    {"HEAD",
     {.tell = WEFT_TELL_NOTHING},
     "",
     "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
     "HEAD / HTTP/1.1\r\nHost: x\r\nVia: 1.1 weft\r\n\r\n",
     0},
    {"chunks stay chunks",
     {.tell = WEFT_TELL_NOTHING},
     "",
     "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nVia: 1.1 weft\r\n\r\n",
     0},
};

static void expect_sent(const struct sent *s)
{
    struct peer p = {.serve = serve_empty};
    char url[160];
    weft_proxy_opts opts = s->opts;
    const char *trusted[] = {"unix:", NULL};
    weft_serve_opts serve = {.trusted_proxies = s->is_trusted ? trusted : NULL};
    peer_start(&p);
    snprintf(url, sizeof url, "%s%s", p.url, s->base);
    opts.upstreams[0].url = url;
    struct front f = front_to(&opts);
    weft_test_response r = weft_test_request_opts(f.app, s->raw,
                                                  &(weft_test_opts){.serve = &serve});
    cr_expect_eq(r.status, 200, "%s: %d", s->why, r.status);
    cr_expect_str_eq(p.got, s->wanted, "%s sends:\n%s", s->why, p.got);
    weft_test_response_free(&r);
    front_end(&f);
    peer_stop(&p);
}

static int all_sent(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++)
        expect_sent(&sent[i]);
    return 0;
}

Test(proxy, passes_requests_on_as_RFC_9110_has_it, .timeout = 60)
{
    run(all_sent);
}

/* ---- answers ---- */

struct answered {
    const char *why, *bytes; /* from the upstream, which closes behind */
    const char *raw;         /* the client's request; NULL: a plain GET */
    int status, error;
    const char *head; /* a piece of the client's head; behind '!': one it must not have */
    const char *lacks;
    const char *body;
};

static const struct answered answers[] = {
    {"a length", "HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi", NULL, 200, 0,
     "HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX-A: b\r\nDate: ", "Transfer-Encoding", "hi"},
    {"its own Date stays", "HTTP/1.1 200 OK\r\nDate: then\r\nContent-Length: 0\r\n\r\n", NULL, 200,
     0, "\r\nDate: then\r\nContent-Length: 0\r\nVia: 1.1 weft\r\n", "GMT", ""},
    {"of the connection",
     "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Own\r\nKeep-Alive: timeout=3\r\nX-Own: 1\r\n"
     "X-A: 2\r\nContent-Length: 0\r\n\r\n",
     NULL, 200, 0, "HTTP/1.1 200 OK\r\nX-A: 2\r\nContent-Length: 0\r\n", "imeout", ""},
    {"the length cannot be named away",
     "HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 2\r\n\r\nhi", NULL, 200, 0,
     "Content-Length: 2\r\n", "Connection", "hi"},
    {"close is the upstream's affair",
     "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", NULL, 200, 0,
     "Content-Length: 2\r\n", "close", "hi"},
    {"chunks are made anew",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
     NULL, 200, 0, "Transfer-Encoding: chunked\r\n", "Content-Length", "abc"},
    {"no length", "HTTP/1.1 200 OK\r\n\r\nto the end", NULL, 200, 0,
     "Transfer-Encoding: chunked\r\n", NULL, "to the end"},
    {"no length for 1.0", "HTTP/1.1 200 OK\r\n\r\nto the end", "GET / HTTP/1.0\r\n\r\n", 200, 0,
     "Connection: close\r\n", "Transfer-Encoding", "to the end"},
    {"chunks for 1.0", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n",
     "GET / HTTP/1.0\r\n\r\n", 200, 0, "Connection: close\r\n", "Transfer-Encoding", "c"},
    {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
     200, 0, "Content-Length: 5\r\n", NULL, ""},
    {"204", "HTTP/1.1 204 None\r\n\r\n", NULL, 204, 0, "HTTP/1.1 204 None\r\n", "Transfer", ""},
    {"304", "HTTP/1.1 304 Same\r\nETag: \"a\"\r\nContent-Length: 7\r\n\r\n", NULL, 304, 0,
     "ETag: \"a\"\r\nContent-Length: 7\r\n", "Transfer", ""},
    {"an odd status", "HTTP/1.1 799 Odd\r\nContent-Length: 1\r\n\r\nx", NULL, 799, 0,
     "HTTP/1.1 799 Odd\r\n", NULL, "x"},
    {"several of one name",
     "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n", NULL,
     200, 0, "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n", NULL, ""},
    {"100 is not passed on",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL, 200, 0,
     "HTTP/1.1 200 OK\r\n", NULL, ""},

    {"no HTTP", "hello\r\n", NULL, 502, 0, "HTTP/1.1 502 ", NULL, NULL},
    {"nothing", "", NULL, 502, 0, "HTTP/1.1 502 ", NULL, NULL},
    {"half a head", "HTTP/1.1 200 O", NULL, 502, 0, "HTTP/1.1 502 ", NULL, NULL},
    {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     NULL, 502, 0, "HTTP/1.1 502 ", NULL, NULL},
    {"101 for nobody", "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", NULL, 502, 0,
     "HTTP/1.1 502 ", NULL, NULL},
    {"cut short", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", NULL, 200, -ECONNRESET,
     "Content-Length: 5\r\n", NULL, NULL},
    {"cut in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", NULL, 200,
     -ECONNRESET, "chunked", NULL, NULL},
    {"a broken chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc", NULL, 200,
     -ECONNRESET, "chunked", NULL, NULL},
};

static void serve_answer(struct peer *p, weft_conn *c, int number)
{
    const struct answered *a = p->arg;
    (void)number;
    if (peer_read_head(p, c))
        peer_write(c, a->bytes);
}

static int set_header(weft_http *h, void *arg)
{
    (void)arg;
    int rc = weft_set_header(h, "X-Front", "1");
    return rc < 0 ? rc : weft_next(h);
}

static void expect_answer(const struct answered *a, int is_wrapped)
{
    struct peer p = {.serve = serve_answer, .arg = (void *)(uintptr_t)a};
    peer_start(&p);
    struct front f = front_to(&(weft_proxy_opts){.upstreams = {{p.url, 1}}});
    if (is_wrapped)
        weft_use(f.app, set_header, NULL);
    weft_test_response r = weft_test_request(f.app,
                                             a->raw ? a->raw : "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    char head[2048];
    snprintf(head, sizeof head, WEFT_FMT, WEFT_ARG(r.head));
    cr_expect_eq(r.status, a->status, "%s: %d", a->why, r.status);
    cr_expect_eq(r.error, a->error, "%s: %d", a->why, r.error);
    cr_expect(is_wrapped || strstr(head, a->head), "%s lacks '%s':\n%s", a->why, a->head, head);
    if (a->lacks)
        cr_expect_not(strstr(head, a->lacks), "%s has '%s':\n%s", a->why, a->lacks, head);
    if (a->body)
        cr_expect(weft_str_eq(r.body, weft_cstr(a->body)), "%s: " WEFT_FMT, a->why,
                  WEFT_ARG(r.body));
    if (is_wrapped)
        cr_expect(strstr(head, "X-Front: 1\r\n"), "%s", a->why);
    weft_test_response_free(&r);
    front_end(&f);
    peer_stop(&p);
}

static int all_answers(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        expect_answer(&answers[i], 0);
        expect_answer(&answers[i], 1);
    }
    return 0;
}

Test(proxy, passes_answers_back_as_RFC_9110_has_it, .timeout = 60)
{
    run(all_answers);
}

static const char with_trailers[] =
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
    "0\r\nX-Sum: 1\r\nSet-Cookie: a\r\n\r\n";

static int extras(void *arg)
{
    struct answered a = {.bytes = with_trailers};
    struct peer p = {.serve = serve_answer, .arg = &a};
    (void)arg;
    peer_start(&p);
    struct front f = front_to(&(weft_proxy_opts){.upstreams = {{p.url, 1}}});
    weft_test_response r = weft_test_request(f.app, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_expect_eq(r.interim, 103);
    cr_expect_eq(r.status, 200);
    cr_expect(weft_str_eq(r.trailers, WEFT_STR("X-Sum: 1\r\n")), WEFT_FMT, WEFT_ARG(r.trailers));
    weft_test_response_free(&r);
    r = weft_test_request(f.app, "GET / HTTP/1.0\r\nHost: x\r\n\r\n");
    cr_expect_eq(r.interim, 0, "HTTP/1.0 knows no interim answers");
    cr_expect(weft_str_eq(r.body, WEFT_STR("x")));
    weft_test_response_free(&r);
    front_end(&f);
    peer_stop(&p);
    return 0;
}

Test(proxy, passes_interim_answers_and_trailers, .timeout = 60)
{
    run(extras);
}

/* ---- options ---- */

static int bad_options(void *arg)
{
    static const char *const bad_urls[] = {"127.0.0.1:80", "ftp://a",      "unix:relative",
                                           "http://a b",   "http://u:p@a", ""};
    char err[128];
    (void)arg;
    cr_expect_null(weft_proxy_new(&(weft_proxy_opts){.balance = 0}, err, sizeof err));
    cr_expect_str_eq(err, "there is no upstream");
    for (size_t i = 0; i < sizeof bad_urls / sizeof *bad_urls; i++) {
        weft_proxy_opts opts = {.upstreams = {{"http://good", 1}, {bad_urls[i], 1}}};
        cr_expect_null(weft_proxy_new(&opts, err, sizeof err), "%s", bad_urls[i]);
        cr_expect(strstr(err, "cannot be an upstream: "), "%s", err);
    }
    weft_proxy_opts opts = {.upstreams = {{"http://good", 101}}};
    cr_expect_null(weft_proxy_new(&opts, err, sizeof err));
    opts = (weft_proxy_opts){.upstreams = {{"http://good", 1}}, .hash_on = "moon"};
    cr_expect_null(weft_proxy_new(&opts, err, sizeof err));
    opts = (weft_proxy_opts){.upstreams = {{"http://good", 1}}, .health_path = "x"};
    cr_expect_null(weft_proxy_new(&opts, err, sizeof err));
    opts = (weft_proxy_opts){.upstreams = {{"http://good", 1}}, .max_header_bytes = 1 << 20};
    cr_expect_null(weft_proxy_new(&opts, err, sizeof err));
    opts = (weft_proxy_opts){.upstreams = {{"http://good", 1}}, .host = "a\r\nb"};
    cr_expect_null(weft_proxy_new(&opts, err, sizeof err));
    weft_proxy_free(NULL);
    return 0;
}

Test(proxy, says_which_option_cannot_be, .timeout = 60)
{
    run(bad_options);
}
