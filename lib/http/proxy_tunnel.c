/* proxy_tunnel.c: a connection that has left HTTP: bytes both ways until both ends have ended.
 *
 * One coroutine a direction; each end of stream is passed on as a half-close. A tunnel is idle when
 * nothing has come either way for its timeout; once one direction has ended, the other has less. */
#include <errno.h>
#include <weft/rt.h>

#include "scratch.h"
#include "proxy.h"
#include "request_context.h"
#include "sys.h"

static const int64_t HALF_OPEN_NS = 30 * WEFT_SEC;

struct tunnel {
    _Atomic(int64_t) last;    /* when something came, either way; relaxed: a fact by itself */
    _Atomic(int64_t) timeout; /* the same */
    weft_wg running;
};

struct pump {
    struct tunnel *tunnel;
    weft_conn *from, *to;
    weft_str first;    /* what of it has been read already */
    struct call *call; /* whose buffer that is in, or NULL */
};

/* Waits for bytes as long as either direction is alive. */
static int wait_for_more(struct pump *p)
{
    struct tunnel *t = p->tunnel;
    for (;;) {
        int64_t until = atomic_load_explicit(&t->last, memory_order_relaxed) +
                        atomic_load_explicit(&t->timeout, memory_order_relaxed);
        if (weft_now() >= until)
            return -ETIMEDOUT;
        weft_conn_set_read_deadline(p->from, until);
        int rc = conn_wait_readable(p->from);
        if (rc != -ETIMEDOUT || weft_ctx_error(weft_ctx_current()))
            return rc;
    }
}

/* Passes on what there is. Returns 1; 0 at the end of the stream; -EAGAIN when there is nothing. It
 * has a buffer only meanwhile: most tunnels are idle most of the time. */
static int pass_some(struct pump *p)
{
    char *buf = scratch_take();
    if (!buf)
        return -ENOMEM;
    ssize_t n = conn_try_read(p->from, buf, SCRATCH_BYTES);
    int rc = (int)n;
    if (n > 0) {
        atomic_store_explicit(&p->tunnel->last, weft_now(), memory_order_relaxed);
        rc = weft_conn_write_all(p->to, buf, (size_t)n);
        rc = rc < 0 ? rc : 1;
    }
    scratch_give(buf);
    return rc;
}

/* Returns 0 at the end of the stream, or an error. */
static int pump_all(struct pump *p)
{
    int rc = p->first.len ? weft_conn_write_all(p->to, p->first.ptr, p->first.len) : 0;
    if (p->call)
        call_give_buffer(p->call);
    if (rc < 0)
        return rc;
    do {
        rc = pass_some(p);
        bool is_dry = rc == -EAGAIN;
        if (is_dry)
            rc = wait_for_more(p);
        if (rc == 0 && !is_dry)
            return 0;
    } while (rc >= 0 || rc == -EINTR);
    return rc;
}

static void pump_run(struct pump *p)
{
    struct tunnel *t = p->tunnel;
    int rc = pump_all(p);
    if (rc == 0 && weft_conn_shutdown_write(p->to) == 0) {
        int64_t timeout = atomic_load_explicit(&t->timeout, memory_order_relaxed);
        if (timeout > HALF_OPEN_NS)
            atomic_store_explicit(&t->timeout, HALF_OPEN_NS, memory_order_relaxed);
        return;
    }
    /* Broken: whoever waits at either end shall know. */
    (void)sys_shutdown(p->from->desc.fd);
    (void)sys_shutdown(p->to->desc.fd);
}

static void run_beside(void *arg)
{
    struct pump *p = arg;
    struct tunnel *t = p->tunnel;
    pump_run(p);
    weft_wg_done(&t->running);
}

int proxy_tunnel(weft_proxy *p, weft_http *h, struct call *c)
{
    static const weft_go_opts opts = {.name = "tunnel to an upstream"};
    weft_conn *client = h->conn, *upstream = c->line->conn;
    struct tunnel t = {.running = WEFT_WG_INIT};
    struct pump out = {&t, client, upstream, {h->in + h->in_at, h->in_len - h->in_at}, NULL};
    struct pump back = {&t, upstream, client, {c->in + c->in_at, c->in_len - c->in_at}, c};
    /* The end of the client's stream is the tunnel's affair; a drain ends it. */
    int rc = request_context_bind(h, CONN_ENDS_BY_DRAIN);
    if (rc == 0)
        rc = proxy_pass_switch(h, c);
    if (rc < 0)
        return rc;
    h->answer = ANSWER_SENT;
    h->status = 101;
    h->is_upgraded = true;
    h->keeps_alive = false;
    h->in_at = h->in_len;
    weft_set_deadline(h, WEFT_NO_DEADLINE);
    conn_set_write_patience(client, p->opts.tunnel_timeout);
    conn_set_write_patience(upstream, p->opts.tunnel_timeout);
    atomic_store_explicit(&t.last, weft_now(), memory_order_relaxed);
    atomic_store_explicit(&t.timeout, p->opts.tunnel_timeout, memory_order_relaxed);
    weft_wg_add(&t.running, 1);
    rc = weft_go_with(&opts, run_beside, &out);
    if (rc < 0) {
        h->is_cut = true;
        return rc;
    }
    pump_run(&back);
    weft_ctx *own = weft_ctx_enter(NULL); /* it uses this frame */
    rc = weft_wg_wait(&t.running);
    weft_ctx_leave(own);
    return rc;
}
