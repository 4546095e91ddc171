/* serve.c: a connection's coroutine: it reads heads, has them answered in order, and lets the
 * connection go when there is nothing left to read.
 *
 * One read and one write a request, or a batch of pipelined ones: answers gather in the output
 * buffer and go out when the input is used up. */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "app.h"
#include "assert.h"
#include "exchange.h"
#include "https.h"
#include "metrics.h"
#include "proxy_protocol.h"
#include "request_context.h"
#include "sys.h"

enum { DESCRIPTOR_RESERVE = 64, LINGER_BYTES = 1 << 20 };

static const int64_t LINGER_NS = 2 * WEFT_SEC;

/* What the loop does next with the connection. */
enum next { NEXT_REQUEST, NEXT_IDLE, NEXT_CLOSE, NEXT_LINGER };

/* For deadlines of many seconds; a quarter of the precise clock's cost. */
static int64_t now_coarse(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (int64_t)t.tv_sec * WEFT_SEC + t.tv_nsec;
}

static bool is_draining(const struct http_server *s)
{
    return atomic_load_explicit(&s->is_draining, memory_order_relaxed); /* a hint to close soon */
}

/* Ends the connection so that the client reads the answer: bytes of his that nobody read would
 * make the kernel reset it (RFC 9112 section 9.6). */
static void linger(weft_http *h)
{
    char unread[4096];
    if (wire_flush(h) < 0 || weft_conn_shutdown_write(h->conn) < 0)
        return;
    weft_conn_set_read_deadline(h->conn, weft_now() + LINGER_NS);
    for (size_t left = LINGER_BYTES; left > sizeof unread;) {
        ssize_t n = weft_conn_read(h->conn, unread, sizeof unread);
        if (n <= 0)
            break;
        left -= (size_t)n;
    }
}

void server_close(struct http_server *s, weft_conn *c)
{
    struct metrics *m = s->app->metrics;
    weft_conn_close(c);
    if (m) /* pairs: weft_app_metrics_get */
        atomic_fetch_add_explicit(&m->closed, 1, memory_order_release);
    atomic_fetch_sub_explicit(&s->active, 1, memory_order_release); /* pairs: the drain in main.c */
}

static void finish(weft_http *h, enum next how)
{
    struct http_server *s = h->server;
    if (h->is_cut) { /* a reset: even an answer that ends with the connection is seen as broken */
        wire_flush(h);
        conn_cut(h->conn);
    } else if (how == NEXT_LINGER) {
        linger(h);
    } else {
        wire_flush(h);
    }
    arena_reset(&h->arena);
    server_close(s, h->conn);
}

/* Answers what no handler sees. */
static enum next refuse_request(weft_http *h, int status)
{
    answer_refuse(h, status);
    if (h->server->app->metrics)
        metrics_note(h->server->app->metrics, h, 0);
    return NEXT_LINGER;
}

/* Answers the request whose head is complete. */
static enum next serve_request(weft_http *h)
{
    struct http_server *s = h->server;
    h->keeps_alive = llhttp_should_keep_alive(&h->head.parser) && !is_draining(s);
    h->is_head_request = h->head.parser.method == HTTP_HEAD;
    h->endpoint = NULL;
    answer_begin(h);
    if (weft_unlikely(s->opts.tls.hsts && h->conn->stream))
        weft_set_header(h, "Strict-Transport-Security", s->opts.tls.hsts);
    int refused = head_check(&h->head);
    if (!refused)
        refused = body_begin(h);
    if (weft_unlikely(refused))
        return refuse_request(h, refused);
    request_context_begin(h, s->times_handlers ? now_coarse() + s->opts.handler_timeout : 0);
    app_dispatch(s->app, h);
    request_context_end(h);
    h->conn->served++;
    enum next next = NEXT_REQUEST;
    if (!h->is_body_done && !body_drain(h))
        next = NEXT_LINGER;
    else if (h->is_upgraded) /* what was written last must arrive */
        next = NEXT_LINGER;
    else if (!h->keeps_alive)
        next = h->in_at < h->in_len ? NEXT_LINGER : NEXT_CLOSE;
    if (h->is_cut || h->out_error)
        next = NEXT_CLOSE;
    arena_reset(&h->arena);
    return next;
}

/* Makes the head's first byte the buffer's first: spans are offsets and stay true. */
static void move_to_front(weft_http *h)
{
    memmove(h->in, h->in + h->head_at, h->in_len - h->head_at);
    h->in_len -= h->head_at;
    h->in_at -= h->head_at;
    h->head_at = 0;
}

static enum next refuse(weft_http *h, int status)
{
    answer_begin(h);
    body_begin(h);
    return refuse_request(h, status);
}

/* The head is not whole yet: reads more of it. header_until: its deadline, 0 before its first
 * byte. */
static enum next read_head(weft_http *h, int64_t *header_until)
{
    bool has_begun = h->in_at < h->in_len;
    if (wire_flush(h) < 0)
        return NEXT_CLOSE;
    if (!has_begun) {
        h->head_at = h->in_at = h->in_len = 0;
        *header_until = 0;
        if (h->conn->is_drained)
            return NEXT_IDLE;
    } else if (*header_until == 0) {
        *header_until = now_coarse() + h->server->opts.header_timeout;
    }
    if (h->in_len == IN_BYTES || h->head_at > IN_BYTES / 2)
        move_to_front(h);
    if (has_begun)
        weft_conn_set_read_deadline(h->conn, *header_until);
    ssize_t n = has_begun ? weft_conn_read(h->conn, h->in + h->in_len, IN_BYTES - h->in_len)
                          : conn_try_read(h->conn, h->in + h->in_len, IN_BYTES - h->in_len);
    if (n == -EAGAIN)
        return NEXT_IDLE;
    if (n == -ETIMEDOUT)
        return refuse(h, 408);
    if (n <= 0) /* the client has gone; a head that he did not finish is nothing */
        return NEXT_CLOSE;
    h->in_len += (uint32_t)n;
    return NEXT_REQUEST;
}

static enum next serve_next(weft_http *h, int64_t *header_until)
{
    uint32_t len;
    if (h->in_at == h->in_len)
        return read_head(h, header_until);
    h->head_at = h->in_at;
    head_begin(&h->head, (uint32_t)h->server->opts.max_header_bytes,
               (uint16_t)h->server->opts.max_headers);
    for (;;) {
        int rc = head_parse(&h->head, h->in + h->head_at, h->in_len - h->head_at, &len);
        if (weft_likely(rc == HEAD_COMPLETE))
            break;
        if (rc != HEAD_PARTIAL)
            return refuse(h, rc);
        enum next next = read_head(h, header_until);
        if (next != NEXT_REQUEST)
            return next;
    }
    *header_until = 0;
    h->in_at = h->body_at = h->head_at + len;
    if (weft_unlikely(h->in_at > HEAD_MAX_BYTES)) { /* a chunked body needs room behind the head */
        move_to_front(h);
        h->in_at = h->body_at = len;
        h->head.base = h->in;
    }
    return serve_request(h);
}

void server_on_wake(weft_conn *c, enum conn_wake why)
{
    char in[IN_BYTES], out[OUT_BYTES], first_arena[FIRST_ARENA_BYTES];
    weft_http h;
    int64_t header_until = 0;
    enum next next = NEXT_REQUEST;

    h.conn = c;
    h.server = c->owner;
    h.in = in;
    h.head_at = h.in_at = h.in_len = 0;
    h.out = out;
    h.out_len = 0;
    h.out_error = 0;
    h.is_cut = false;
    arena_init(&h.arena, first_arena, sizeof first_arena);
    request_context_init(&h);
    if (why != CONN_READABLE)
        next = NEXT_CLOSE; /* idle too long, or the server drains */
    while (next == NEXT_REQUEST)
        next = serve_next(&h, &header_until);
    if (next == NEXT_IDLE)
        conn_idle(c, server_on_wake, now_coarse() + h.server->opts.idle_timeout);
    else
        finish(&h, next);
}

typedef void on_wake(weft_conn *c, enum conn_wake why);

static on_wake *first_wake(const struct http_server *s)
{
    return s->tls ? https_on_hello : server_on_wake;
}

/* The first bytes of a trusted proxy's connection: whom it is for. */
static void on_proxy(weft_conn *c, enum conn_wake why)
{
    struct http_server *s = c->owner;
    if (why == CONN_READABLE && proxy_header_read(c) == 0) {
        first_wake(s)(c, CONN_READABLE);
        return;
    }
    server_close(s, c);
}

static bool begins_with_proxy(const struct http_server *s, const weft_conn *c)
{
    struct ip peer = conn_peer_ip(c);
    return s->opts.proxy_protocol && trusted_has(&s->trusted, &peer);
}

void server_accept(weft_conn *c, void *server)
{
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                               "Retry-After: 1\r\nConnection: close\r\n\r\n";
    struct http_server *s = server;
    struct metrics *m = s->app->metrics;
    int active = atomic_fetch_add_explicit(&s->active, 1, memory_order_relaxed);
    if (active >= s->opts.max_connections) {
        if (!s->tls) {
            ssize_t ignored = sys_send(c->desc.fd, busy, sizeof busy - 1); /* if it fits */
            (void)ignored;
        }
        weft_conn_close(c);
        if (m) /* relaxed: a statistic */
            atomic_fetch_add_explicit(&m->refused, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&s->active, 1, memory_order_release);
        return;
    }
    if (m) /* relaxed: a statistic */
        atomic_fetch_add_explicit(&m->accepted, 1, memory_order_relaxed);
    c->owner = s;
    conn_set_write_patience(c, s->opts.write_timeout);
    conn_idle(c, weft_unlikely(begins_with_proxy(s, c)) ? on_proxy : first_wake(s),
              now_coarse() + s->opts.header_timeout);
}

static void set_default(int64_t *value, int64_t by_default)
{
    if (*value == 0)
        *value = by_default;
}

int server_init(struct http_server *s, weft_app *app, const weft_serve_opts *opts)
{
    struct rlimit files = {.rlim_cur = 1024};
    s->app = app;
    s->opts = *opts;
    atomic_init(&s->active, 0);
    atomic_init(&s->is_draining, false);
    s->tls = NULL;
    weft_serve_opts *o = &s->opts;
    getrlimit(RLIMIT_NOFILE, &files);
    if (o->max_connections == 0) {
        rlim_t most = files.rlim_cur > 2 * DESCRIPTOR_RESERVE ? files.rlim_cur - DESCRIPTOR_RESERVE
                                                              : DESCRIPTOR_RESERVE;
        o->max_connections = most > 1 << 30 ? 1 << 30 : (int)most;
    }
    s->ctx = NULL;
    s->times_handlers = o->handler_timeout != 0;
    set_default(&o->max_body, 1 << 20);
    set_default(&o->handler_timeout, 300 * WEFT_SEC);
    set_default(&o->min_body_rate, 240);
    set_default(&o->header_timeout, 10 * WEFT_SEC);
    set_default(&o->body_timeout, 20 * WEFT_SEC);
    set_default(&o->idle_timeout, 75 * WEFT_SEC);
    set_default(&o->write_timeout, 30 * WEFT_SEC);
    set_default(&o->drain_timeout, 10 * WEFT_SEC);
    if (o->max_header_bytes == 0)
        o->max_header_bytes = HEAD_MAX_BYTES;
    if (o->max_headers == 0)
        o->max_headers = HEAD_MAX_HEADERS;
    bool is_valid = o->max_header_bytes <= HEAD_MAX_BYTES && o->max_headers > 0 &&
                    o->max_headers <= HEAD_MAX_HEADERS && o->max_connections > 0 &&
                    o->max_body >= 0 && o->threads >= 0 && o->threads <= 256 &&
                    o->header_timeout > 0 && o->body_timeout > 0 && o->idle_timeout > 0 &&
                    o->write_timeout > 0 && o->handler_timeout > 0 && o->min_body_rate >= -1 &&
                    o->drain_timeout > 0 && o->drain_grace >= 0 && o->n_listen_fds >= 0 &&
                    o->n_listen_fds <= WEFT_MAX_LISTEN && o->n_also >= 0 &&
                    o->n_also <= WEFT_MAX_LISTEN;
    is_valid = is_valid && trusted_parse(o->trusted_proxies, &s->trusted) == 0 &&
               o->proxy_headers <= WEFT_PROXY_FORWARDED;
    return is_valid ? 0 : -EINVAL;
}
