/* The strictness suite: requests as bytes, valid and not, each with where its rule comes from, in
 * strict/: which statuses answer it, and whether the connection goes on. Whole, byte by byte, and
 * cut at each line end, they mean the same; and nothing that is wrong ever yields a second request.
 */
#include <sched.h>

#include "fixture.h"
#include "head.h"
#include "strict/case.h"
#include "strict/chunks.h"
#include "strict/fields.h"
#include "strict/framing.h"
#include "strict/lines.h"

enum { SHORT = 1024 }; /* bytes of a case that is cheap to take apart */

#define ALIVE "GET /alive HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

struct group {
    const struct strict_case *cases;
    size_t count;
};

#define GROUP(cases)                                                                               \
    {                                                                                              \
        cases, sizeof cases / sizeof *cases                                                        \
    }

static const struct group groups[] = {GROUP(line_cases), GROUP(field_cases), GROUP(framing_cases),
                                      GROUP(chunk_cases)};

static int answer(weft_http *h, void *arg)
{
    weft_str body;
    (void)arg;
    int rc = weft_body_all(h, &body);
    return rc < 0 ? rc : weft_bytes(h, 200, "text/plain", body.ptr, body.len);
}

static int status(weft_http *h, void *arg)
{
    return weft_status(h, (int)(intptr_t)arg);
}

static void start(struct fixture *f)
{
    f->app = weft_app_new();
    weft_get(f->app, "/", answer, NULL);
    weft_post(f->app, "/", answer, NULL);
    weft_get(f->app, "/hi", answer, NULL);
    weft_get(f->app, "/smuggled", status, (void *)299);
    weft_get(f->app, "/alive", status, (void *)298);
    fixture_start(f);
}

/* Sends a case in pieces: up to `cut`, and from there in pieces of `size` bytes. */
static void run(struct fixture *f, const struct strict_case *c, size_t cut, size_t size)
{
    char statuses[64], wanted[64];
    int fd = client_open(f);
    client_send(fd, c->bytes, cut);
    for (size_t at = cut, n; at < c->len; at += n) {
        n = size < c->len - at ? size : c->len - at;
        sched_yield(); /* the server may have read what came; it makes no difference */
        client_send(fd, c->bytes + at, n);
    }
    if (c->then == UNFINISHED)
        shutdown(fd, SHUT_WR);
    else
        client_send(fd, ALIVE, sizeof ALIVE - 1);
    char *text = client_read_all(fd);
    answer_statuses(text, statuses, sizeof statuses);
    if (strncmp(statuses, "100 ", 4) == 0) /* only when the body has not come by then */
        memmove(statuses, statuses + 4, strlen(statuses + 4) + 1);
    snprintf(wanted, sizeof wanted, "%s%s", c->statuses, c->then == GOES_ON ? " 298" : "");
    cr_expect_str_eq(statuses, wanted, "%s, cut at %zu: expected '%s', got '%s'", c->rule, cut,
                     wanted, statuses);
    free(text);
    close(fd);
}

Test(strict, each_request_gets_the_statuses_of_its_rule, .timeout = 240)
{
    struct fixture f = {0};
    size_t count = 0;
    start(&f);
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (size_t i = 0; i < groups[g].count; i++, count++)
            run(&f, &groups[g].cases[i], groups[g].cases[i].len, 1);
    cr_expect(count >= 200, "%zu cases", count);
    fixture_stop(&f);
}

Test(strict, requests_that_come_byte_by_byte_are_the_same, .timeout = 240)
{
    struct fixture f = {0};
    start(&f);
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (size_t i = 0; i < groups[g].count; i++)
            if (groups[g].cases[i].len <= SHORT)
                run(&f, &groups[g].cases[i], 0, 1);
    fixture_stop(&f);
}

static bool is_line_end(char ch)
{
    return ch == '\r' || ch == '\n';
}

Test(strict, requests_that_are_cut_at_a_line_end_are_the_same, .timeout = 240)
{
    struct fixture f = {0};
    start(&f);
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        for (size_t i = 0; i < groups[g].count; i++) {
            const struct strict_case *c = &groups[g].cases[i];
            for (size_t cut = 1; cut < c->len && c->len <= SHORT; cut++)
                if (is_line_end(c->bytes[cut - 1]) || is_line_end(c->bytes[cut]))
                    run(&f, c, cut, c->len);
        }
    }
    fixture_stop(&f);
}

/* What a head comes to: the parser's result, then the checks'. `step`: bytes that come at once. */
static int verdict(const struct strict_case *c, size_t first, size_t step, uint32_t *ret_len)
{
    static struct head head;
    int rc = HEAD_PARTIAL;
    *ret_len = 0;
    head_begin(&head, HEAD_MAX_BYTES, HEAD_MAX_HEADERS);
    for (size_t len = first; rc == HEAD_PARTIAL && len <= c->len; len += step) {
        rc = head_parse(&head, c->bytes, len, ret_len);
        if (len < c->len && len + step > c->len)
            step = c->len - len;
    }
    return rc == HEAD_COMPLETE ? head_check(&head) : rc;
}

/* Without a socket, so that the cuts are where they are meant. */
Test(strict, a_head_that_is_cut_anywhere_is_the_same, .timeout = 240)
{
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        for (size_t i = 0; i < groups[g].count; i++) {
            const struct strict_case *c = &groups[g].cases[i];
            uint32_t whole_len, len;
            if (c->len == 0 || c->len > SHORT)
                continue;
            int whole = verdict(c, c->len, 1, &whole_len);
            for (size_t cut = 1; cut < c->len; cut++) {
                int rc = verdict(c, cut, c->len - cut, &len);
                cr_expect(rc == whole && len == whole_len, "%s, cut at %zu: %d, not %d", c->rule,
                          cut, rc, whole);
            }
            int rc = verdict(c, 1, 1, &len);
            cr_expect(rc == whole && len == whole_len, "%s, byte by byte: %d, not %d", c->rule, rc,
                      whole);
        }
    }
}
