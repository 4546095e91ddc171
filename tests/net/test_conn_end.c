/* Contexts that are bound to a connection's end. */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/weft.h>

#include "conn.h"

/* A connection over one end of a pair; the other end is *ret_peer. */
static weft_conn *connected(int *ret_peer)
{
    int pair[2];
    weft_conn *c;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    cr_assert_eq(conn_new(pair[0], NULL, &c), 0);
    cr_assert_eq(conn_register(c), 0);
    *ret_peer = pair[1];
    return c;
}

static weft_ctx *context(void)
{
    weft_ctx *ctx;
    cr_assert_eq(weft_ctx_new(NULL, WEFT_NO_DEADLINE, &ctx), 0);
    return ctx;
}

/* Sleeps under ctx until it ends, 20 s at most. */
static int sleep_under(weft_ctx *ctx)
{
    weft_ctx *old = weft_ctx_enter(ctx);
    int rc = weft_sleep(20 * WEFT_SEC);
    weft_ctx_leave(old);
    return rc;
}

static void done(weft_conn *c, weft_ctx *ctx)
{
    conn_end_bind(c, NULL, 0);
    weft_conn_close(c);
    weft_ctx_unref(ctx);
}

static int peer_closes(void *arg)
{
    int peer;
    weft_conn *c = connected(&peer);
    weft_ctx *ctx = context();
    (void)arg;
    conn_end_bind(c, ctx, CONN_ENDS_BY_PEER);
    conn_end_fire(&c->desc); /* as a late event for the record's last holder would */
    cr_expect_eq(weft_ctx_error(ctx), 0);
    conn_drain(c);
    cr_expect_eq(weft_ctx_error(ctx), 0);
    close(peer);
    cr_expect_eq(sleep_under(ctx), -ECANCELED);
    done(c, ctx);
    return 0;
}

Test(conn_end, a_context_ends_with_the_peer_and_not_before, .timeout = 60)
{
    cr_assert_eq(weft_run(peer_closes, NULL), 0);
}

static int peer_has_closed(void *arg)
{
    int peer;
    weft_conn *c = connected(&peer);
    weft_ctx *ctx = context();
    (void)arg;
    shutdown(peer, SHUT_WR);
    while (!atomic_load(&c->desc.is_ending)) /* until the netpoller has seen it */
        weft_sleep(WEFT_MS);
    conn_end_bind(c, ctx, CONN_ENDS_BY_PEER);
    cr_expect_eq(weft_ctx_error(ctx), -ECANCELED);
    done(c, ctx);
    close(peer);
    return 0;
}

Test(conn_end, a_context_bound_after_the_peers_end_has_ended, .timeout = 60)
{
    cr_assert_eq(weft_run(peer_has_closed, NULL), 0);
}

static int drains(void *arg)
{
    int peer;
    weft_conn *c = connected(&peer);
    weft_ctx *ctx = context();
    (void)arg;
    conn_end_bind(c, ctx, CONN_ENDS_BY_DRAIN);
    close(peer);
    while (!atomic_load(&c->desc.is_ending))
        weft_sleep(WEFT_MS);
    cr_expect_eq(weft_ctx_error(ctx), 0);
    conn_drain(c);
    cr_expect_eq(weft_ctx_error(ctx), -ECANCELED);
    done(c, ctx);
    return 0;
}

Test(conn_end, a_context_bound_to_the_drain_survives_the_peer, .timeout = 60)
{
    cr_assert_eq(weft_run(drains, NULL), 0);
}

static int stalls(void *arg)
{
    int peer;
    static char much[4 << 20];
    weft_conn *c = connected(&peer);
    (void)arg;
    conn_set_write_patience(c, 20 * WEFT_MS);
    cr_expect_eq(weft_conn_write_all(c, much, sizeof much), -ETIMEDOUT);
    weft_conn_close(c);
    close(peer);
    return 0;
}

Test(conn_end, a_write_gives_up_when_the_peer_takes_nothing, .timeout = 60)
{
    cr_assert_eq(weft_run(stalls, NULL), 0);
}
