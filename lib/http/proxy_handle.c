/* proxy_handle.c: a request's way through the proxy.
 *
 * An upstream is chosen, a line to it taken, head and (small) body written in one go, and the
 * answer's head read. Up to then it may be tried again: on a new line when a kept one has died
 * before a byte of the answer came, and at another upstream. Where nothing was sent that is always
 * safe; else only when the method is idempotent and its body can be sent again.
 *
 * The wait for the answer's head begins outside of the request's context, which is then not made
 * for the many that are answered at once; it is what notices that the client has gone. */
#include <errno.h>
#include <stdio.h>

#include "scratch.h"
#include "proxy.h"
#include "request_context.h"

static const int64_t QUICK_NS = 100 * WEFT_MS;
static const int64_t LOG_EVERY_NS = 1 * WEFT_SEC;

/* One request. */
struct passage {
    weft_proxy *proxy;
    weft_http *h;
    struct upstream *upstream;
    weft_str body;   /* whole, in memory */
    bool has_stream; /* the body comes while it is sent */
    bool is_upgrade;
    bool is_repeatable; /* sending it twice does no harm, and is possible */
    bool was_sent;      /* something of it, to this upstream */
    struct upload upload;
    struct call call; /* its buffer has the request's head before */
};

/* RFC 9110 section 9.2.2. */
static bool is_idempotent(const weft_http *h)
{
    switch (h->head.parser.method) {
    case HTTP_GET:
    case HTTP_HEAD:
    case HTTP_PUT:
    case HTTP_DELETE:
    case HTTP_OPTIONS:
    case HTTP_TRACE: return true;
    default: return false;
    }
}

static int64_t after(int64_t ns)
{
    int64_t now = weft_now();
    return ns < WEFT_NO_DEADLINE - now ? now + ns : WEFT_NO_DEADLINE;
}

/* A body that has come with its head is taken whole; what is still to come is passed on as it
 * comes. Returns 0 or the body's error. */
static int look_at_body(struct passage *t)
{
    weft_http *h = t->h;
    t->body = (weft_str){NULL, 0};
    t->has_stream = false;
    if (weft_likely(h->is_body_done))
        return 0;
    if (h->body == BODY_SIZED && h->body_left <= (int64_t)(h->in_len - h->in_at))
        return weft_body_all(h, &t->body);
    if (h->body == BODY_SIZED && h->body_left > h->body_limit)
        return weft_body_all(h, &t->body); /* refuses it */
    t->has_stream = true;
    return 0;
}

static ssize_t read_body(void *arg, void *buf, size_t len)
{
    struct passage *t = arg;
    return weft_body_read(t->h, buf, len);
}

/* ---- on a line ---- */

static int send_request(struct passage *t, ssize_t head_len)
{
    weft_http *h = t->h;
    weft_conn *conn = t->call.line->conn;
    if (h->out_len && wire_flush(h) < 0) /* answers to earlier requests do not wait for this one */
        return h->out_error;
    size_t len = (size_t)head_len;
    t->was_sent = true;
    if (weft_likely(!t->body.len)) {
        ssize_t n = conn_try_write(conn, t->call.in, len);
        if (n < 0 || (size_t)n == len)
            return n < 0 ? (int)n : 0;
        return weft_conn_write_all(conn, t->call.in + n, len - (size_t)n);
    }
    struct iovec iov[2] = {{t->call.in, len}, {(void *)(uintptr_t)t->body.ptr, t->body.len}};
    return weft_conn_writev_all(conn, iov, 2);
}

static int start_upload(struct passage *t)
{
    weft_http *h = t->h;
    int rc = body_let_beside(h);
    if (rc == 0)
        rc = upload_start(&t->upload, t->call.line->conn, read_body, t,
                          h->body == BODY_SIZED ? h->body_left : -1, t->proxy->opts.idle_timeout);
    return rc;
}

/* The final head. Most come at once; for the others the client is watched. */
static int read_head(struct passage *t)
{
    int64_t until = after(t->proxy->opts.header_timeout), quick = after(QUICK_NS);
    for (int i = 0; i < CALL_INTERIM_MAX; i++) {
        struct own_wait wait;
        own_wait_begin(t->h, &wait);
        int rc = call_read_head(&t->call, quick < until ? quick : until);
        own_wait_end(&wait);
        if (rc == -ETIMEDOUT && quick < until)
            rc = call_read_head(&t->call, until);
        if (rc == 0 && call_is_interim(&t->call))
            rc = proxy_pass_interim(t->h, &t->call);
        else if (rc == 0)
            return reply_status(&t->call.reply) == 101 && !t->is_upgrade ? -EPROTO : 0;
        if (rc < 0)
            return rc;
    }
    return -EPROTO;
}

/* Lets go of what a try has, and says what was wrong with it. */
static int give_up(struct passage *t, int rc)
{
    bool is_whole = upload_end(&t->upload);
    t->h->is_body_beside = false;
    if (!is_whole && t->upload.is_source_error)
        rc = t->upload.error;
    call_end(&t->call, false);
    return rc;
}

/* Sends the request on a line and reads the answer's head. A server may answer and close without
 * reading all: a failure to send is told only when no answer can be read. */
static int try_on(struct passage *t, struct line *l)
{
    const weft_proxy_opts *o = &t->proxy->opts;
    conn_set_write_patience(l->conn, o->idle_timeout);
    call_begin(&t->call, l, NULL, SCRATCH_BYTES, (uint32_t)o->max_header_bytes);
    t->call.is_head_request = t->h->is_head_request;
    t->call.deadline = WEFT_NO_DEADLINE;
    t->call.idle_timeout = o->idle_timeout;
    t->upload = (struct upload){0};
    bool is_chunked = t->has_stream && t->h->body == BODY_CHUNKED;
    ssize_t len = call_take_buffer(&t->call);
    if (len == 0)
        len = proxy_put_head(t->proxy, t->h, t->upstream, t->is_upgrade, is_chunked, t->call.in,
                             SCRATCH_BYTES);
    int sent = len < 0 ? (int)len : send_request(t, len);
    if (sent == 0 && t->has_stream)
        sent = start_upload(t);
    bool may_answer = sent == 0 || sent == -EPIPE || sent == -ECONNRESET;
    int rc = may_answer ? read_head(t) : sent;
    if (rc < 0)
        return give_up(t, rc);
    if (sent < 0)
        t->upload.error = sent; /* not all of the request went out */
    return 0;
}

static int try_upstream(struct passage *t)
{
    for (bool is_fresh = false;; is_fresh = true) {
        struct line *l;
        int rc = origin_take(t->upstream->origin, is_fresh, after(t->proxy->opts.header_timeout),
                             &l);
        if (rc < 0)
            return rc;
        bool was_reused = l->is_reused;
        if (was_reused && !t->is_repeatable && !line_is_silent(l)) {
            line_drop(l);
            continue;
        }
        rc = try_on(t, l);
        bool is_age = rc == -ECONNRESET || rc == -EPIPE;
        if (weft_likely(!is_age) || !was_reused || t->call.has_begun || !t->is_repeatable)
            return rc;
    }
}

/* ---- what becomes of it ---- */

/* Whether a failure is no fault of the upstream: the client's, or our own want of something. */
static bool is_ours(const struct passage *t, int rc)
{
    const weft_http *h = t->h;
    return rc == -ECANCELED || rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE ||
           rc == -EADDRNOTAVAIL || (h->body_error && rc == h->body_error) ||
           (h->out_error && rc == h->out_error);
}

static int status_of(int rc)
{
    switch (rc) {
    case -ETIMEDOUT: return 504;
    case -ENOMEM:
    case -EMFILE:
    case -ENFILE:
    case -EADDRNOTAVAIL: return 503;
    default: return 502;
    }
}

/* At most a line a second and upstream: it may be in trouble for a while. */
static void log_failure(struct upstream *u, int rc, const char *when)
{
    int64_t now = weft_now(), last = atomic_load_explicit(&u->logged_at, memory_order_relaxed);
    if (last && now - last < LOG_EVERY_NS)
        return;
    /* relaxed: one line more or less */
    if (atomic_compare_exchange_strong_explicit(&u->logged_at, &last, now, memory_order_relaxed,
                                                memory_order_relaxed))
        fprintf(stderr, "weft: proxy: %s: %s%s\n", u->url,
                rc == -EPROTO     ? "answered what is no HTTP"
                : rc == -EMSGSIZE ? "answered with a head that is too large"
                                  : strerror(-rc),
                when);
}

/* The head has come: passes the answer on. Returns what the handler returns. */
static int pass(struct passage *t)
{
    weft_http *h = t->h;
    health_note(t->proxy, t->upstream, true);
    if (reply_status(&t->call.reply) == 101) {
        int rc = proxy_tunnel(t->proxy, h, &t->call);
        call_end(&t->call, false);
        return rc;
    }
    int rc = proxy_pass_answer(h, &t->call);
    bool is_broken = t->call.error && !is_ours(t, t->call.error);
    call_end(&t->call, upload_end(&t->upload));
    h->is_body_beside = false;
    if (is_broken) {
        health_note(t->proxy, t->upstream, false);
        log_failure(t->upstream, rc, ", in the middle of an answer");
    }
    return rc;
}

/* Tries one upstream after the other. */
static int handle(struct passage *t)
{
    weft_proxy *p = t->proxy;
    uint64_t tried = 0;
    int left = p->opts.retries < 0 ? 0 : p->opts.retries, status = 503;
    for (;;) {
        int i = balance_choose(p, t->h, tried);
        if (i < 0)
            break;
        struct upstream *u = t->upstream = &p->upstreams[i];
        tried |= UINT64_C(1) << i;
        t->was_sent = false;
        atomic_fetch_add_explicit(&u->in_flight, 1, memory_order_relaxed); /* a statistic */
        int rc = try_upstream(t);
        if (rc == 0)
            rc = pass(t);
        atomic_fetch_sub_explicit(&u->in_flight, 1, memory_order_relaxed);
        if (weft_likely(t->h->answer != ANSWER_NONE))
            return rc;
        if (is_ours(t, rc) && status_of(rc) != 503)
            return rc;
        if (!is_ours(t, rc)) {
            health_note(p, u, false);
            log_failure(u, rc, "");
        }
        status = status_of(rc);
        bool may_repeat = !t->was_sent || (t->is_repeatable && rc != -ETIMEDOUT);
        if (!may_repeat || left-- == 0)
            break;
    }
    if (status == 503)
        weft_set_header(t->h, "Retry-After", "1");
    return status;
}

int weft_proxy_handler(weft_http *h, void *proxy)
{
    struct passage t;
    t.proxy = proxy;
    t.h = h;
    health_start(t.proxy);
    int rc = look_at_body(&t);
    if (rc < 0)
        return rc;
    t.is_repeatable = !t.has_stream && is_idempotent(h);
    t.is_upgrade = (h->head.parser.flags & F_UPGRADE) && h->is_body_done &&
                   h->head.parser.http_minor == 1 &&
                   head_lists(&h->head, "connection", WEFT_STR("upgrade"));
    return handle(&t);
}
