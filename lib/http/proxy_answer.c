/* proxy_answer.c: an upstream's answer on its way to the client.
 *
 * The head goes into the output buffer in runs of lines as they came, the body behind it: an answer
 * that came in one read leaves in one write. Chunks are decoded and made anew, one for each read:
 * how the upstream frames is its own affair. Where a filter stands before the wire, or middleware
 * has set headers, lines go over one by one. */
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "proxy.h"
#include "token.h"

static bool is_of_connection(weft_str name)
{
    switch (name.len) {
    case 2: return token_eq(name, WEFT_STR("te"));
    case 7: return token_eq(name, WEFT_STR("upgrade"));
    case 10:
        return token_eq(name, WEFT_STR("connection")) || token_eq(name, WEFT_STR("keep-alive"));
    case 16: return token_eq(name, WEFT_STR("proxy-connection"));
    case 17: return token_eq(name, WEFT_STR("transfer-encoding"));
    default: return false;
    }
}

/* Middleware has set one of that name: its word counts. */
static bool is_overridden(const weft_http *h, weft_str name)
{
    for (struct answer_header *a = h->headers; a; a = a->next)
        if (a->name_len == name.len && strncasecmp(a->line, name.ptr, name.len) == 0)
            return true;
    return false;
}

struct passing {
    weft_http *h;
    const struct reply *reply;
    struct nominated nominated;
    bool has_date;
};

static void find_nominated(struct passing *p)
{
    const struct reply *r = p->reply;
    p->nominated.count = 0;
    for (unsigned i = 0; i < r->header_count; i++)
        if (r->headers[i].name.len == 10 &&
            token_eq(reply_slice(r, r->headers[i].name), WEFT_STR("connection")))
            nominated_add(&p->nominated, reply_slice(r, r->headers[i].value));
}

static bool goes_over(struct passing *p, weft_str name)
{
    if (is_of_connection(name) || (p->nominated.count && nominated_has(&p->nominated, name)))
        return false;
    p->has_date = p->has_date || (name.len == 4 && token_eq(name, WEFT_STR("date")));
    return !p->h->headers || !is_overridden(p->h, name);
}

/* The lines that go over, in runs. head_end: behind the empty line. */
static void put_lines(struct passing *p, const char *head_end)
{
    const struct reply *r = p->reply;
    const char *run = NULL;
    for (unsigned i = 0; i < r->header_count; i++) {
        weft_str name = reply_slice(r, r->headers[i].name);
        bool goes = goes_over(p, name);
        if (goes && !run)
            run = name.ptr;
        if (!goes && run) {
            wire_put(p->h, run, (size_t)(name.ptr - run));
            run = NULL;
        }
    }
    if (run)
        wire_put(p->h, run, (size_t)(head_end - 2 - run));
}

#define PUT(h, literal) wire_put(h, literal, sizeof(literal) - 1)

static void put_status(weft_http *h, const struct reply *r)
{
    char line[16] = "HTTP/1.1 ";
    int status = reply_status(r);
    weft_str reason = reply_slice(r, r->reason);
    for (int i = 11; i >= 9; i--, status /= 10)
        line[i] = (char)('0' + status % 10);
    line[12] = ' ';
    wire_put(h, line, 13);
    wire_put(h, reason.ptr, reason.len);
    PUT(h, "\r\n");
}

int proxy_pass_interim(weft_http *h, struct call *c)
{
    struct passing p = {.h = h, .reply = &c->reply};
    /* 100 is for weft, who has sent the client his own; HTTP/1.0 knows none of them. */
    if (reply_status(&c->reply) == 100 || h->head.parser.http_minor == 0)
        return 0;
    struct answer_header *of_final = h->headers;
    h->headers = NULL;
    find_nominated(&p);
    put_status(h, &c->reply);
    put_lines(&p, c->in + c->head_len);
    PUT(h, "\r\n");
    h->headers = of_final;
    return wire_flush(h);
}

int proxy_pass_switch(weft_http *h, struct call *c)
{
    struct passing p = {.h = h, .reply = &c->reply};
    weft_str protocol = reply_find(&c->reply, WEFT_STR("upgrade"));
    find_nominated(&p);
    put_status(h, &c->reply);
    put_lines(&p, c->in + c->head_len);
    for (struct answer_header *a = h->headers; a; a = a->next)
        wire_put(h, a->line, a->len);
    PUT(h, "Connection: Upgrade\r\nUpgrade: ");
    wire_put(h, protocol.ptr, protocol.len);
    PUT(h, "\r\n\r\n");
    return wire_flush(h);
}

/* ---- the final head ---- */

static void put_head(weft_http *h, struct call *c)
{
    const struct reply *r = &c->reply;
    struct passing p = {.h = h, .reply = r};
    char date[DATE_LEN];
    bool is_known = r->body == REPLY_SIZED || r->body == REPLY_NONE;
    if (atomic_load_explicit(&h->server->is_draining, memory_order_relaxed)) /* a hint */
        h->keeps_alive = false;
    h->is_chunked = !is_known && h->head.parser.http_minor == 1;
    if (!is_known && !h->is_chunked)
        h->keeps_alive = false; /* HTTP/1.0: the body ends with the connection */
    find_nominated(&p);
    put_status(h, r);
    put_lines(&p, c->in + c->head_len);
    for (struct answer_header *a = h->headers; a; a = a->next)
        wire_put(h, a->line, a->len);
    if (!p.has_date) {
        date_now(date);
        PUT(h, "Date: ");
        wire_put(h, date, DATE_LEN);
        PUT(h, "\r\n");
    }
    if (h->is_chunked)
        PUT(h, "Transfer-Encoding: chunked\r\n");
    if (!h->keeps_alive)
        PUT(h, "Connection: close\r\n");
    else if (h->head.parser.http_minor == 0)
        PUT(h, "Connection: keep-alive\r\n");
    PUT(h, "Via: 1.1 weft\r\n\r\n");
    h->answer = ANSWER_SENT;
    h->status = reply_status(r);
}

/* ---- the body ---- */

static void put_piece(weft_http *h, weft_str piece)
{
    char size[24];
    h->sent_body += (int64_t)piece.len;
    if (!h->is_chunked) {
        wire_put(h, piece.ptr, piece.len);
        return;
    }
    int n = snprintf(size, sizeof size, "%zx\r\n", piece.len);
    wire_put(h, size, (size_t)n);
    wire_put(h, piece.ptr, piece.len);
    PUT(h, "\r\n");
}

/* Whether a trailer field may go over: none that says how the message is framed or where it goes
 * (RFC 9110 section 6.5.1). */
static bool is_plain_trailer(weft_str name)
{
    return !is_of_connection(name) && !token_eq(name, WEFT_STR("content-length")) &&
           !token_eq(name, WEFT_STR("host")) && !token_eq(name, WEFT_STR("trailer")) &&
           !token_eq(name, WEFT_STR("set-cookie"));
}

static void put_end(weft_http *h, const struct reply *r)
{
    if (!h->is_chunked)
        return;
    PUT(h, "0\r\n");
    for (unsigned i = 0; r->trailers && i < r->trailers->count; i++) {
        weft_str name = reply_trailer_slice(r, r->trailers->fields[i].name);
        weft_str value = token_trim(reply_trailer_slice(r, r->trailers->fields[i].value));
        if (!is_plain_trailer(name))
            continue;
        wire_put(h, name.ptr, name.len);
        PUT(h, ": ");
        wire_put(h, value.ptr, value.len);
        PUT(h, "\r\n");
    }
    PUT(h, "\r\n");
}

/* Piece by piece; what there is goes out before more is waited for, so that events come as they are
 * sent. The client's pace is the upstream's: nothing is read that has not been written. */
static int pass_body(weft_http *h, struct call *c)
{
    weft_str piece;
    for (;;) {
        if (!call_has_more(c) && wire_flush(h) < 0)
            return h->out_error;
        int rc = call_next(c, 0, &piece);
        if (rc < 0) {
            h->is_cut = true; /* the client must not take what came for whole */
            return rc;
        }
        if (piece.len)
            put_piece(h, piece);
        if (h->out_error)
            return h->out_error;
        if (c->is_done)
            break;
    }
    put_end(h, &c->reply);
    return h->out_error;
}

/* ---- through a filter ---- */

static const char *terminated(weft_http *h, weft_str text)
{
    char *copy = arena_alloc(&h->arena, text.len + 1);
    if (copy) {
        memcpy(copy, text.ptr, text.len);
        copy[text.len] = '\0';
    }
    return copy;
}

static int set_header(weft_http *h, weft_str name, weft_str value)
{
    const char *n = terminated(h, name), *v = terminated(h, value);
    return n && v ? weft_add_header(h, n, v) : -ENOMEM;
}

static int set_headers(weft_http *h, struct call *c)
{
    const struct reply *r = &c->reply;
    struct passing p = {.h = h, .reply = r};
    bool goes[REPLY_MAX_HEADERS]; /* all found before the first is set, which overrides */
    find_nominated(&p);
    for (unsigned i = 0; i < r->header_count; i++) {
        weft_str name = reply_slice(r, r->headers[i].name);
        goes[i] = goes_over(&p, name) && !token_eq(name, WEFT_STR("date")) &&
                  !token_eq(name, WEFT_STR("content-length"));
    }
    int rc = 0;
    for (unsigned i = 0; i < r->header_count && rc == 0; i++)
        if (goes[i])
            rc = set_header(h, reply_slice(r, r->headers[i].name),
                            reply_slice(r, r->headers[i].value));
    return rc == 0 ? weft_add_header(h, "Via", "1.1 weft") : rc;
}

static int pass_filtered(weft_http *h, struct call *c)
{
    weft_str piece;
    int rc = set_headers(h, c);
    if (rc == 0)
        rc = weft_set_status(h, reply_status(&c->reply));
    while (rc == 0) {
        rc = call_next(c, 0, &piece);
        if (rc == 0 && (piece.len || c->is_done))
            rc = weft_write(h, piece.ptr, piece.len);
        if (rc < 0 || c->is_done)
            break;
        if (!call_has_more(c))
            rc = weft_flush(h);
    }
    if (rc < 0 && h->answer != ANSWER_NONE)
        h->is_cut = true;
    return rc;
}

int proxy_pass_answer(weft_http *h, struct call *c)
{
    int status = reply_status(&c->reply);
    call_begin_body(c);
    if (weft_unlikely(h->filter != NULL) && !c->is_done && status < 600)
        return pass_filtered(h, c);
    put_head(h, c);
    return c->is_done ? h->out_error : pass_body(h, c);
}
