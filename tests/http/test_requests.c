/* Requests as bytes, valid and not, each with where its rule comes from: which statuses answer it,
 * and that an invalid one never yields a second request. */
#include "fixture.h"

struct request {
    const char *rule;
    const char *bytes;
    const char *statuses; /* of all answers, in order */
    size_t len;           /* 0: strlen(bytes) */
};

#define HOST "Host: x\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define NEXT "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

static const struct request requests[] = {
    /* valid */
    {"9112 3", GET "\r\n", "200", 0},
    {"9112 3: pipelining", GET "\r\n" GET "\r\n" GET "\r\n", "200 200 200", 0},
    {"9112 2.2: an empty line before the request line", "\r\n" GET "\r\n", "200", 0},
    {"9112 3.2.2: absolute-form", "GET http://x/ HTTP/1.1\r\n" HOST "\r\n", "200", 0},
    {"9112 3.2.2: absolute-form without a path", "GET http://x HTTP/1.1\r\n" HOST "\r\n", "200", 0},
    {"9112 3.2.4: asterisk-form", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "204", 0},
    {"9110 9.3.7: OPTIONS", "OPTIONS / HTTP/1.1\r\n" HOST "\r\n", "204", 0},
    {"9110 9.3.2: HEAD", "HEAD / HTTP/1.1\r\n" HOST "\r\n", "200", 0},
    {"9112 6.3: a sized body, then the next", POST "Content-Length: 3\r\n\r\nabc" GET "\r\n",
     "200 200", 0},
    {"9112 7.1: a chunked body, then the next", CHUNKED "3\r\nabc\r\n0\r\n\r\n" GET "\r\n",
     "200 200", 0},
    {"9112 7.1: chunk sizes in any case, with zeros", CHUNKED "00A\r\n0123456789\r\n0\r\n\r\n",
     "200", 0},
    {"9112 7.1.1: a chunk extension", CHUNKED "1;a=b\r\nx\r\n0\r\n\r\n", "200", 0},
    {"9112 7.1.2: trailers", CHUNKED "1\r\nx\r\n0\r\nX-T: y\r\n\r\n" GET "\r\n", "200 200", 0},
    {"9112 7: chunked in any case", POST "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", "200", 0},
    {"9112 9.3: close", GET "Connection: close\r\n\r\n" NEXT, "200", 0},
    {"9112 9.3: close among other options", GET "Connection: x, close\r\n\r\n" NEXT, "200", 0},
    {"9112 9.3: 1.0 closes", "GET / HTTP/1.0\r\n\r\n" NEXT, "200", 0},
    {"9112 9.3: 1.0 with keep-alive",
     "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n", "200 200", 0},
    {"9110 10.1.1: 100-continue with the body behind it",
     POST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx", "200", 0},
    {"9110 5.5: an empty value", GET "X-Empty:\r\n\r\n", "200", 0},
    {"9110 5.5: white space around a value", GET "X-A: \t b \t \r\n\r\n", "200", 0},
    {"9110 5.5: obs-text", GET "X-A: \xe9\r\n\r\n", "200", 0},
    {"9110 7.2: a port", "GET / HTTP/1.1\r\nHost: x:80\r\n\r\n", "200", 0},
    {"9110 7.2: an IPv6 literal", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "200", 0},
    {"9110 7.2: Host in any case", "GET / HTTP/1.1\r\nhOsT: x\r\n\r\n", "200", 0},
    {"9110 9.1: a method that has no route", "DELETE / HTTP/1.1\r\n" HOST "\r\n", "405", 0},
    {"a path without a route", "GET /none HTTP/1.1\r\n" HOST "\r\n", "404", 0},
    {"3986 2.1: an escape", "GET /%68i HTTP/1.1\r\n" HOST "\r\n", "200", 0},
    /* Host */
    {"9112 3.2: no Host", "GET / HTTP/1.1\r\n\r\n" NEXT, "400", 0},
    {"9112 3.2: two Hosts", GET HOST "\r\n" NEXT, "400", 0},
    {"9112 3.2: two Hosts in 1.0", "GET / HTTP/1.0\r\n" HOST HOST "\r\n" NEXT, "400", 0},
    {"9112 3.2: an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n" NEXT, "400", 0},
    {"9112 3.2: Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n" NEXT, "400", 0},
    {"9112 3.2: Host with a path", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n" NEXT, "400", 0},
    {"9112 3.2: Host with user information", "GET / HTTP/1.1\r\nHost: u@x\r\n\r\n" NEXT, "400", 0},
    {"9112 3.2: a list of hosts", "GET / HTTP/1.1\r\nHost: x, y:z\r\n\r\n" NEXT, "400", 0},
    {"9112 3.2: Host with a bad port", "GET / HTTP/1.1\r\nHost: x:8a\r\n\r\n" NEXT, "400", 0},
    {"9112 3.2: an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n" NEXT, "400", 0},
    /* the request line */
    {"9112 3: no target", "GET HTTP/1.1\r\n" HOST "\r\n" NEXT, "400", 0},
    {"9112 3.2: a relative target", "GET a HTTP/1.1\r\n" HOST "\r\n" NEXT, "400", 0},
    {"9112 3.2: a fragment", "GET /#a HTTP/1.1\r\n" HOST "\r\n" NEXT, "400", 0},
    {"9112 3.2: another scheme", "GET ftp://x/ HTTP/1.1\r\n" HOST "\r\n" NEXT, "400", 0},
    {"9112 3.2: absolute-form without a host", "GET http:/// HTTP/1.1\r\n" HOST "\r\n" NEXT, "400",
     0},
    {"9112 3.2.4: asterisk with GET", "GET * HTTP/1.1\r\n" HOST "\r\n" NEXT, "400", 0},
    {"9112 3.2.3: CONNECT", "CONNECT x:80 HTTP/1.1\r\n" HOST "\r\n" NEXT, "501", 0},
    {"3986 2.1: a broken escape", "GET /%zz HTTP/1.1\r\n" HOST "\r\n", "400", 0},
    {"an encoded NUL", "GET /%00 HTTP/1.1\r\n" HOST "\r\n", "400", 0},
    {"9110 9.1: an unknown method", "BREW / HTTP/1.1\r\n" HOST "\r\n" NEXT, "501", 0},
    {"9110 9.1: methods are case-sensitive", "get / HTTP/1.1\r\n" HOST "\r\n" NEXT, "501", 0},
    {"9110 9.1: no token", "G@T / HTTP/1.1\r\n" HOST "\r\n" NEXT, "400", 0},
    {"9110 15.6.6: another major version", "GET / HTTP/3.0\r\n" HOST "\r\n" NEXT, "505", 0},
    {"9110 15.6.6: 2.0 in text", "GET / HTTP/2.0\r\n" HOST "\r\n" NEXT, "505", 0},
    {"9110 2.5: an unknown minor version", "GET / HTTP/1.2\r\n" HOST "\r\n" NEXT, "505", 0},
    {"9112 2.3: no version", "GET / HTTP/1\r\n" HOST "\r\n" NEXT, "400", 0},
    {"9112 2.3: small letters", "GET / http/1.1\r\n" HOST "\r\n" NEXT, "400", 0},
    {"1945: 0.9", "GET /\r\n\r\n" NEXT, "400", 0},
    {"9112 3: two spaces", "GET  / HTTP/1.1\r\n" HOST "\r\n" NEXT, "400", 0},
    {"9112 3: a tab", "GET\t/ HTTP/1.1\r\n" HOST "\r\n" NEXT, "400", 0},
    {"not HTTP at all", "\x16\x03\x01\x02\r\n\r\n", "400", 0},
    {"9113 3.4: the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505", 0},
    /* headers */
    {"9112 5.1: a space before the colon", GET "X-A : b\r\n\r\n" NEXT, "400", 0},
    {"9112 5.2: obs-fold", GET "X-A: b\r\n c\r\n\r\n" NEXT, "400", 0},
    {"9112 5.2: a fold as the first header", "GET / HTTP/1.1\r\n Host: x\r\n\r\n" NEXT, "400", 0},
    {"9112 5: no colon", GET "X-A\r\n\r\n" NEXT, "400", 0},
    {"9112 5: no name", GET ": b\r\n\r\n" NEXT, "400", 0},
    {"9110 5.6.2: a name that is no token", GET "X(A): b\r\n\r\n" NEXT, "400", 0},
    {"9110 5.5: NUL in a value", GET "X-A: b\0c\r\n\r\n" NEXT, "400",
     sizeof(GET "X-A: b\0c\r\n\r\n" NEXT) - 1},
    {"9110 5.6.2: NUL in a name", GET "X\0A: b\r\n\r\n" NEXT, "400",
     sizeof(GET "X\0A: b\r\n\r\n" NEXT) - 1},
    {"9110 5.5: a control character in a value", GET "X-A: b\x01\r\n\r\n" NEXT, "400", 0},
    /* line ends */
    {"9112 2.2: bare LF after the request line", "GET / HTTP/1.1\n" HOST "\r\n" NEXT, "400", 0},
    {"9112 2.2: bare LF after a header", "GET / HTTP/1.1\r\nHost: x\n\r\n" NEXT, "400", 0},
    {"9112 2.2: bare LF at the end", GET "\n" NEXT, "400", 0},
    {"9112 2.2: bare CR in a value", GET "X-A: b\rc\r\n\r\n" NEXT, "400", 0},
    {"9112 2.2: bare CR in the request line", "GET /\r HTTP/1.1\r\n" HOST "\r\n" NEXT, "400", 0},
    {"9112 2.2: CR CR LF", "GET / HTTP/1.1\r\r\n" HOST "\r\n" NEXT, "400", 0},
    /* framing */
    {"9112 6.1: CL and TE",
     POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT, "400", 0},
    {"9112 6.1: TE and CL",
     POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" NEXT, "400", 0},
    {"9112 6.1: TE in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT,
     "400", 0},
    {"9112 6.1: another coding", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" NEXT,
     "501", 0},
    {"9112 6.3: chunked is not last", POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" NEXT,
     "400", 0},
    {"9112 6.1: identity", POST "Transfer-Encoding: identity\r\n\r\n" NEXT, "501", 0},
    {"9112 6.1: two codings",
     POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
          "0\r\n\r\n" NEXT,
     "400", 0},
    {"9112 6.1: a tab before chunked is white space",
     POST "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n", "200", 0},
    {"9112 6.1: a vertical tab is not",
     POST "Transfer-Encoding: \x0b"
          "chunked\r\n\r\n0\r\n\r\n" NEXT,
     "400", 0},
    {"9112 6.1: xchunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" NEXT, "501", 0},
    {"9112 6.2: two lengths", POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx" NEXT, "400",
     0},
    {"9112 6.3: the same length twice", POST "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx" NEXT,
     "400", 0},
    {"9110 8.6: a list of lengths", POST "Content-Length: 1, 1\r\n\r\nx" NEXT, "400", 0},
    {"9110 8.6: a sign", POST "Content-Length: +1\r\n\r\nx" NEXT, "400", 0},
    {"9110 8.6: a negative length", POST "Content-Length: -1\r\n\r\nx" NEXT, "400", 0},
    {"9110 8.6: hexadecimal", POST "Content-Length: 0x1\r\n\r\nx" NEXT, "400", 0},
    {"9110 8.6: no number", POST "Content-Length: a\r\n\r\nx" NEXT, "400", 0},
    {"9110 8.6: empty", POST "Content-Length:\r\n\r\nx" NEXT, "400", 0},
    {"9110 8.6: past 64 bits", POST "Content-Length: 18446744073709551617\r\n\r\nx" NEXT, "400", 0},
    {"9110 15.5.14: too long a body", POST "Content-Length: 1048577\r\n\r\n", "413", 0},
    {"9112 7.1: no chunk size", CHUNKED "\r\nx\r\n0\r\n\r\n" NEXT, "400", 0},
    {"9112 7.1: a negative chunk size", CHUNKED "-1\r\nx\r\n0\r\n\r\n" NEXT, "400", 0},
    {"9112 7.1: 0x before a chunk size", CHUNKED "0x1\r\nx\r\n0\r\n\r\n" NEXT, "400", 0},
    {"9112 7.1: a chunk size past 64 bits", CHUNKED "10000000000000001\r\nx\r\n0\r\n\r\n" NEXT,
     "400", 0},
    {"9112 7.1: a space in a chunk size", CHUNKED "1 \r\nx\r\n0\r\n\r\n" NEXT, "400", 0},
    {"9112 7.1: bare LF after a chunk size", CHUNKED "1\nx\r\n0\r\n\r\n" NEXT, "400", 0},
    {"9112 7.1: bare LF after chunk data", CHUNKED "1\r\nx\n0\r\n\r\n" NEXT, "400", 0},
    {"9112 7.1: data longer than its chunk", CHUNKED "1\r\nxy\r\n0\r\n\r\n" NEXT, "400", 0},
    {"9112 7.1.1: bare LF in an extension", CHUNKED "1;a\nx\r\n0\r\n\r\n" NEXT, "400", 0},
    {"9112 7.1.2: a broken trailer", CHUNKED "0\r\nX : y\r\n\r\n" NEXT, "400", 0},
    {"9112 8: a chunked body that ends early", CHUNKED "5\r\nab", "400", 0},
    {"9112 8: a sized body that ends early", POST "Content-Length: 5\r\n\r\nab", "400", 0},
    {"9112 8: a head that ends early", "GET / HTTP/1.1\r\nHost", "", 0},
    {"9110 10.1.1: another expectation", GET "Expect: tea\r\n\r\n" NEXT, "417", 0},
};

static int answer(weft_http *h, void *arg)
{
    weft_str body;
    (void)arg;
    int rc = weft_body_all(h, &body);
    return rc < 0 ? rc : weft_bytes(h, 200, "text/plain", body.ptr, body.len);
}

static int smuggled(weft_http *h, void *arg)
{
    (void)arg;
    return weft_status(h, 299);
}

static void start(struct fixture *f)
{
    f->app = weft_app_new();
    weft_get(f->app, "/", answer, NULL);
    weft_post(f->app, "/", answer, NULL);
    weft_get(f->app, "/hi", answer, NULL);
    weft_get(f->app, "/smuggled", smuggled, NULL);
    fixture_start(f);
}

Test(requests, each_gets_the_statuses_of_its_rule, .timeout = 240)
{
    struct fixture f = {0};
    char statuses[64];
    start(&f);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        const struct request *r = &requests[i];
        char *text = client_exchange(&f, r->bytes, r->len ? r->len : strlen(r->bytes));
        answer_statuses(text, statuses, sizeof statuses);
        cr_expect_str_eq(statuses, r->statuses, "%s: expected '%s', got '%s'", r->rule, r->statuses,
                         statuses);
        if (r->statuses[0] >= '4')
            cr_expect(strstr(text, "Connection: close") || strchr("45", r->statuses[0]), "%s",
                      r->rule);
        free(text);
    }
    fixture_stop(&f);
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
