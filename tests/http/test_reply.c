/* What a client takes for an answer, and what it refuses: the bytes of one response, then the end
 * of the stream, against what the reader gets. RFC 9112 sections are named where one decides. */
#include <errno.h>

#include "peer.h"

struct reply_case {
    const char *why, *bytes;
    int result; /* weft_fetch's error, or the status */
    const char *body;
    int read_error; /* of the body; 0: it comes whole */
    bool is_kept;   /* the line serves another request */
    const char *method;
};

static const struct reply_case cases[] = {
    {"a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", 0, true, NULL},
    {"no reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", 200, "", 0, true, NULL},
    {"no space", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "", 0, true, NULL},
    {"6.3.8: to the end", "HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", 0, false, NULL},
    {"1.0 to the end", "HTTP/1.0 200 OK\r\n\r\nhi", 200, "hi", 0, false, NULL},
    {"9.3: 1.0 closes", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", 0, false,
     NULL},
    {"9.3: 1.0 keeps if it says so",
     "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", 0, true,
     NULL},
    {"9.6: close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", 200, "hi",
     0, false, NULL},
    {"9.6: close in a list",
     "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", 0, false,
     NULL},
    {"chunked",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n",
     200, "hello", 0, true, NULL},
    {"chunked in any case",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\n\r\nA\r\n0123456789\r\n000\r\n\r\n", 200,
     "0123456789", 0, true, NULL},
    {"chunked, empty", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, "", 0,
     true, NULL},
    {"HEAD has a length and no body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "", 0,
     true, "HEAD"},
    {"HEAD, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, "", 0, true,
     "HEAD"},
    {"HEAD without framing", "HTTP/1.1 200 OK\r\n\r\n", 200, "", 0, true, "HEAD"},
    {"204", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", 0, true, NULL},
    {"304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "", 0,
     true, NULL},
    {"204 that is chunked", "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 204,
     "", 0, false, NULL},
    {"interim ones are skipped",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
     "HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx",
     201, "x", 0, true, NULL},
    {"a status without a name", "HTTP/1.1 799 Odd\r\nContent-Length: 0\r\n\r\n", 799, "", 0, true,
     NULL},

    {"garbage behind a body", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n",
     200, "hi", 0, false, NULL},
    {"garbage behind chunks",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nmore", 200, "x", 0,
     false, NULL},
    {"garbage behind 204", "HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\nabc", 204, "", 0, false,
     NULL},
    {"garbage behind HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "", 0, false,
     "HEAD"},

    {"8: cut short", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 200, "hel", -ECONNRESET,
     false, NULL},
    {"8: cut in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", 200,
     "hel", -ECONNRESET, false, NULL},
    {"8: cut before the last chunk",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", 200, "hel", -ECONNRESET,
     false, NULL},
    {"8: cut in the trailers",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n", 200, "x",
     -ECONNRESET, false, NULL},
    {"a chunk size that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 200,
     "", -EPROTO, false, NULL},
    {"a chunk size with a sign",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n", 200, "", -EPROTO,
     false, NULL},
    {"a chunk size too large",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nx\r\n", 200, "",
     -EPROTO, false, NULL},
    {"a chunk longer than its size",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n", 200, "", -EPROTO,
     false, NULL},
    {"a chunk that ends in a bare LF",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n", 200, "", -EPROTO,
     false, NULL},

    {"6.3: length and coding",
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", -EPROTO,
     NULL, 0, false, NULL},
    {"6.3: coding and length",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", -EPROTO,
     NULL, 0, false, NULL},
    {"6.1: a coding in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     -EPROTO, NULL, 0, false, NULL},
    {"6.1: a coding not known", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", -EPROTO,
     NULL, 0, false, NULL},
    {"6.1: two codings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
     -EPROTO, NULL, 0, false, NULL},
    {"6.1: chunked twice",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     -EPROTO, NULL, 0, false, NULL},
    {"6.1: nearly chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
     -EPROTO, NULL, 0, false, NULL},
    {"6.3: two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
     -EPROTO, NULL, 0, false, NULL},
    {"6.3: a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab", -EPROTO, NULL,
     0, false, NULL},
    {"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", -EPROTO, NULL, 0, false,
     NULL},
    {"a length with a sign", "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx", -EPROTO, NULL, 0,
     false, NULL},
    {"a length past 64 bits", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
     -EPROTO, NULL, 0, false, NULL},
    {"a length past 63 bits", "HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n",
     -EPROTO, NULL, 0, false, NULL},
    {"0.9", "hello", -EPROTO, NULL, 0, false, NULL},
    {"another protocol", "SSH-2.0-OpenSSH\r\n", -EPROTO, NULL, 0, false, NULL},
    {"HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", -EPROTO, NULL, 0, false, NULL},
    {"HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", -EPROTO, NULL, 0, false, NULL},
    {"lower case", "http/1.1 200 OK\r\n\r\n", -EPROTO, NULL, 0, false, NULL},
    {"two digits", "HTTP/1.1 20 OK\r\n\r\n", -EPROTO, NULL, 0, false, NULL},
    {"four digits", "HTTP/1.1 2000 OK\r\n\r\n", -EPROTO, NULL, 0, false, NULL},
    {"status 099", "HTTP/1.1 099 OK\r\n\r\n", -EPROTO, NULL, 0, false, NULL},
    {"a line that ends in a bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", -EPROTO, NULL, 0,
     false, NULL},
    {"a header that ends in a bare LF", "HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n", -EPROTO, NULL,
     0, false, NULL},
    {"a bare CR in a value", "HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 0\r\n\r\n", -EPROTO,
     NULL, 0, false, NULL},
    {"5.1: a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", -EPROTO,
     NULL, 0, false, NULL},
    {"5.2: a folded line", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n", -EPROTO,
     NULL, 0, false, NULL},
    {"a name that is no token", "HTTP/1.1 200 OK\r\nA(: b\r\nContent-Length: 0\r\n\r\n", -EPROTO,
     NULL, 0, false, NULL},
    {"a line without a colon", "HTTP/1.1 200 OK\r\nabc\r\nContent-Length: 0\r\n\r\n", -EPROTO, NULL,
     0, false, NULL},
    {"101 that nobody asked for",
     "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", -EPROTO, NULL, 0, false,
     NULL},
    {"the end at once", "", -ECONNRESET, NULL, 0, false, NULL},
    {"the end in the head", "HTTP/1.1 200 OK\r\nContent-Le", -ECONNRESET, NULL, 0, false, NULL},
    {"the end behind an interim one", "HTTP/1.1 100 Continue\r\n\r\n", -ECONNRESET, NULL, 0, false,
     NULL},
};

/* The first answer is the case's, with the end of the stream behind it unless the line shall serve
 * on; in one write, or byte by byte. */
static void serve_case(struct peer *p, weft_conn *c, int number)
{
    const struct reply_case *rc = p->arg;
    if (!peer_read_head(p, c))
        return;
    if (number == 0 || !rc->is_kept) {
        const char *bytes = atomic_load(&p->requests) == 1 ? rc->bytes
                                                           : "HTTP/1.1 200 OK\r\nContent-Length: "
                                                             "0\r\n\r\n";
        peer_write(c, bytes);
    }
    if (rc->is_kept && peer_read_head(p, c))
        peer_write(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    if (!rc->is_kept)
        return;
    char byte;
    (void)!weft_conn_read(c, &byte, 1);
}

static void expect_case(const struct reply_case *rc, size_t piece)
{
    struct peer p = {.serve = serve_case, .arg = (void *)(uintptr_t)rc};
    weft_client *client = weft_client_new(NULL);
    weft_response *res = NULL;
    char body[256];
    size_t len = 0;
    ssize_t n = 0;
    peer_start(&p);
    weft_fetch_opts opts = {.url = p.url, .client = client, .method = rc->method};
    int got = weft_fetch(&opts, &res);
    cr_expect_eq(got < 0 ? got : weft_response_status(res), rc->result, "%s: %d", rc->why,
                 got < 0 ? got : weft_response_status(res));
    if (got == 0) {
        while (len < sizeof body &&
               (n = weft_response_read(res, body + len,
                                       piece < sizeof body - len ? piece : sizeof body - len)) > 0)
            len += (size_t)n;
        cr_expect_eq(n, rc->read_error, "%s: reading gives %d", rc->why, (int)n);
        if (rc->body)
            cr_expect(weft_str_eq((weft_str){body, len}, weft_cstr(rc->body)), "%s: %.*s", rc->why,
                      (int)len, body);
    } else {
        cr_expect_null(res);
    }
    weft_response_free(res);
    opts.method = NULL;
    if (weft_fetch(&opts, &res) == 0) {
        cr_expect_eq(atomic_load(&p.accepted), rc->is_kept ? 1 : 2, "%s", rc->why);
        weft_response_free(res);
    }
    weft_client_free(client);
    peer_stop(&p);
}

static int all_cases(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_case(&cases[i], 256);
        expect_case(&cases[i], 1);
    }
    return 0;
}

Test(reply, is_taken_or_refused_as_the_RFCs_have_it, .timeout = 60)
{
    weft_run_opts opts = {.procs = 1, .leaks = WEFT_LEAKS_FAIL};
    cr_assert_eq(weft_run_with(&opts, all_cases, NULL), 0);
}

/* ---- cut at every byte ---- */

static const char in_pieces[] = "HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nX-A:  b \r\n"
                                "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n"
                                "0\r\nX-Sum:  5\r\nX-B: c\r\n\r\n";

static void serve_cut(struct peer *p, weft_conn *c, int number)
{
    size_t at = *(size_t *)p->arg;
    (void)number;
    if (!peer_read_head(p, c))
        return;
    weft_conn_write_all(c, in_pieces, at);
    for (int i = 0; i < 4; i++)
        weft_yield();
    weft_conn_write_all(c, in_pieces + at, sizeof in_pieces - 1 - at);
    char byte;
    (void)!weft_conn_read(c, &byte, 1);
}

static int cut_everywhere(void *arg)
{
    (void)arg;
    for (size_t at = 1; at < sizeof in_pieces - 1; at++) {
        struct peer p = {.serve = serve_cut, .arg = &at};
        weft_client *client = weft_client_new(NULL);
        weft_response *res;
        weft_str body;
        peer_start(&p);
        cr_assert_eq(weft_fetch(&(weft_fetch_opts){.url = p.url, .client = client}, &res), 0);
        cr_assert_eq(weft_response_status(res), 200);
        cr_assert(weft_str_eq(weft_response_header(res, "x-a"), WEFT_STR("b")));
        cr_assert_eq(weft_response_all(res, &body), 0);
        cr_assert(weft_str_eq(body, WEFT_STR("abcde")));
        cr_assert(weft_str_eq(weft_response_trailer(res, "x-sum"), WEFT_STR("5")));
        cr_assert(weft_str_eq(weft_response_trailer(res, "X-B"), WEFT_STR("c")));
        cr_assert_null(weft_response_trailer(res, "X-C").ptr);
        weft_response_free(res);
        weft_client_free(client);
        peer_stop(&p);
    }
    return 0;
}

Test(reply, is_the_same_wherever_the_network_cuts_it, .timeout = 60)
{
    weft_run_opts opts = {.procs = 2, .leaks = WEFT_LEAKS_FAIL};
    cr_assert_eq(weft_run_with(&opts, cut_everywhere, NULL), 0);
}

/* ---- limits ---- */

struct flood {
    const char *begin, *line, *end;
    int count;
};

static void serve_flood(struct peer *p, weft_conn *c, int number)
{
    const struct flood *f = p->arg;
    (void)number;
    if (!peer_read_head(p, c) || peer_write(c, f->begin) < 0)
        return;
    for (int i = 0; i < f->count; i++)
        if (peer_write(c, f->line) < 0)
            return;
    peer_write(c, f->end);
}

static int fetch_flood(const struct flood *f, int *ret_read)
{
    struct peer p = {.serve = serve_flood, .arg = (void *)(uintptr_t)f};
    weft_client *client = weft_client_new(NULL);
    weft_response *res;
    weft_str body;
    peer_start(&p);
    int rc = weft_fetch(&(weft_fetch_opts){.url = p.url, .client = client, .max_body = 10000},
                        &res);
    *ret_read = 0;
    if (rc == 0) {
        *ret_read = weft_response_all(res, &body);
        weft_response_free(res);
    }
    weft_client_free(client);
    peer_stop(&p);
    return rc;
}

static int floods(void *arg)
{
    static const char hundred[] = "X-Hundred-Bytes: 01234567890123456789012345678901234567890123456"
                                  "789012345678901234567890123456789\r\n";
    static const char begin[] = "HTTP/1.1 200 OK\r\n";
    static const char chunks[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
    int got;
    (void)arg;
    cr_expect_eq(fetch_flood(&(struct flood){begin, hundred, "\r\n", 100}, &got), 0);
    cr_expect_eq(fetch_flood(&(struct flood){begin, hundred, "\r\n", 200}, &got), -EMSGSIZE);
    cr_expect_eq(fetch_flood(&(struct flood){begin, "A: b\r\n", "\r\n", 500}, &got), -EMSGSIZE);
    cr_expect_eq(fetch_flood(&(struct flood){"HTTP/1.1 200 ", hundred, "", 0}, &got), -ECONNRESET);
    cr_expect_eq(fetch_flood(&(struct flood){"", "HTTP/1.1 100 Continue\r\n\r\n", "", 50}, &got),
                 -EPROTO);
    cr_expect_eq(fetch_flood(&(struct flood){"HTTP/1.1 200 OK\r\n\r\n", hundred, "", 200}, &got),
                 0);
    cr_expect_eq(got, -EMSGSIZE);
    cr_expect_eq(fetch_flood(&(struct flood){chunks, "1\r\ny\r\n", "0\r\n\r\n", 9999}, &got), 0);
    cr_expect_eq(got, 0, "%d", got);
    cr_expect_eq(fetch_flood(&(struct flood){chunks, "1\r\ny\r\n", "0\r\n\r\n", 10000}, &got), 0);
    cr_expect_eq(got, -EMSGSIZE);
    struct flood trailers = {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
                             "A: b\r\n", "\r\n", 32};
    cr_expect_eq(fetch_flood(&trailers, &got), 0);
    cr_expect_eq(got, 0, "%d", got);
    trailers.count = 33;
    cr_expect_eq(fetch_flood(&trailers, &got), 0);
    cr_expect_eq(got, -EMSGSIZE);
    return 0;
}

Test(reply, has_limits_on_all_that_a_server_may_send, .timeout = 60)
{
    weft_run_opts opts = {.procs = 1, .leaks = WEFT_LEAKS_FAIL};
    cr_assert_eq(weft_run_with(&opts, floods, NULL), 0);
}
