/* What flows through the proxy while it flows: bodies both ways, events, tunnels, a client that
 * leaves. The proxy is served on a port by the real server; peers and clients are coroutines of
 * the same runtime. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "peer.h"

static char url[96], address[64]; /* of the front */

struct scene {
    void (*serve)(struct peer *p, weft_conn *c, int number);
    void (*play)(struct peer *p);
    weft_proxy_opts opts;
    struct peer peer;
    char socket[64];
    int has_played;
};

static void play(void *arg)
{
    struct scene *s = arg;
    s->play(&s->peer);
    weft_client_close_idle(NULL);
    peer_stop(&s->peer); /* the proxy keeps nothing for long, see run_scene */
    s->has_played = 1;
    kill(getpid(), SIGTERM);
}

static void on_ready(void *arg)
{
    struct scene *s = arg;
    s->peer.serve = s->serve;
    peer_start_on(&s->peer, s->socket); /* known before the proxy is made */
    cr_assert_eq(weft_go(play, s), 0);
}

static int listen_somewhere(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    socklen_t len = sizeof in;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    cr_assert_eq(listen(fd, 64), 0);
    getsockname(fd, (struct sockaddr *)&in, &len);
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(in.sin_port));
    snprintf(url, sizeof url, "http://%s/", address);
    return fd;
}

static void run_scene(struct scene *s)
{
    for (int procs = 1; procs <= 2; procs++) {
        snprintf(s->socket, sizeof s->socket, "unix:/tmp/weft-streams-%d.sock", (int)getpid());
        s->opts.upstreams[0].url = s->socket;
        s->opts.keep_timeout = WEFT_MS;
        weft_app *app = weft_app_new();
        weft_proxy *proxy = weft_proxy_new(&s->opts, NULL, 0);
        cr_assert_not_null(proxy);
        weft_any(app, "/{path...}", weft_proxy_handler, proxy);
        weft_serve_opts opts = {.n_listen_fds = 1,
                                .quiet = 1,
                                .threads = procs,
                                .max_body = 1 << 30,
                                .on_ready = on_ready,
                                .on_ready_arg = s};
        opts.listen_fds[0] = listen_somewhere();
        cr_expect_eq(weft_app_main_opts(app, &opts), 0);
        cr_expect(s->has_played);
        weft_app_free(app);
        weft_proxy_free(proxy);
    }
}

/* ---- bodies both ways ---- */

enum { MUCH = 4 << 20 };

static char pattern_at(int64_t i)
{
    return (char)(i * 31 + i / 4099);
}

struct source {
    int64_t at, end;
};

static ssize_t give(void *arg, void *buf, size_t len)
{
    struct source *s = arg;
    char *to = buf;
    size_t n = 0;
    while (n < len && s->at < s->end)
        to[n++] = pattern_at(s->at++);
    return (ssize_t)n;
}

/* Tells back a body of known length as it comes, or drops it. */
static void serve_echo(struct peer *p, weft_conn *c, int number)
{
    char request[PEER_GOT_MAX], buf[6000], head[128];
    (void)number;
    while (peer_read_into(p, c, request)) {
        char *field = strstr(request, "Content-Length: ");
        long length = field ? strtol(field + 16, NULL, 10) : 0;
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", length);
        peer_write(c, head);
        for (long got = 0; got < length;) {
            size_t want = length - got < (long)sizeof buf ? (size_t)(length - got) : sizeof buf;
            ssize_t n = weft_conn_read(c, buf, want);
            if (n <= 0 || weft_conn_write_all(c, buf, (size_t)n) < 0)
                return;
            got += n;
        }
    }
}

static void echo_through(struct peer *p)
{
    static char buf[20000];
    weft_response *res;
    (void)p;
    for (int64_t length = MUCH; length; length = length == MUCH ? 3 : 0) {
        struct source source = {.end = length};
        weft_fetch_opts opts = {
            .url = url, .read_body = give, .read_body_arg = &source, .body_length = length};
        int64_t at = 0;
        ssize_t n;
        cr_assert_eq(weft_fetch(&opts, &res), 0);
        cr_assert_eq(weft_response_status(res), 200);
        while ((n = weft_response_read(res, buf, sizeof buf)) > 0)
            for (ssize_t i = 0; i < n; i++, at++)
                cr_assert_eq(buf[i], pattern_at(at));
        cr_assert_eq(n, 0, "%d", (int)n);
        cr_assert_eq(at, length);
        weft_response_free(res);
    }
}

Test(proxy_streams, bodies_flow_both_ways_at_once, .timeout = 120)
{
    struct scene s = {.serve = serve_echo, .play = echo_through};
    run_scene(&s);
}

/* ---- events ---- */

static _Atomic(int) seen;

static void serve_events(struct peer *p, weft_conn *c, int number)
{
    char event[64];
    (void)number;
    if (!peer_read_head(p, c))
        return;
    peer_write(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    for (int i = 1; i <= 5; i++) {
        snprintf(event, sizeof event, "data: %d\n\n", i);
        if (peer_write(c, event) < 0)
            return;
        for (int k = 0; atomic_load(&seen) < i && k < 20000; k++) /* the next one waits for this */
            weft_sleep(WEFT_MS);
    }
}

static void watch_events(struct peer *p)
{
    weft_response *res;
    char buf[64], wanted[64];
    (void)p;
    atomic_store(&seen, 0);
    cr_assert_eq(weft_fetch(&(weft_fetch_opts){.url = url}, &res), 0);
    for (int i = 1; i <= 5; i++) {
        ssize_t n = weft_response_read(res, buf, sizeof buf - 1);
        cr_assert_gt(n, 0);
        buf[n] = '\0';
        snprintf(wanted, sizeof wanted, "data: %d\n\n", i);
        cr_expect_str_eq(buf, wanted);
        atomic_store(&seen, i);
    }
    cr_expect_eq(weft_response_read(res, buf, sizeof buf), 0);
    weft_response_free(res);
}

Test(proxy_streams, events_pass_as_they_are_sent, .timeout = 60)
{
    struct scene s = {.serve = serve_events, .play = watch_events};
    run_scene(&s);
}

/* ---- a client that leaves ---- */

static _Atomic(int) gone;

static void serve_until_gone(struct peer *p, weft_conn *c, int number)
{
    char byte;
    (void)number;
    if (!peer_read_head(p, c))
        return;
    cr_expect_eq(weft_conn_read(c, &byte, 1), 0, "the proxy closes");
    atomic_store(&gone, 1);
}

static void leave(struct peer *p)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    weft_conn *c;
    atomic_store(&gone, 0);
    cr_assert_eq(weft_dial("tcp", address, &c), 0);
    cr_assert_eq(weft_conn_write_all(c, request, sizeof request - 1), 0);
    for (int i = 0; atomic_load(&p->requests) == 0 && i < 20000; i++)
        weft_sleep(WEFT_MS);
    weft_conn_close(c);
    for (int i = 0; atomic_load(&gone) == 0 && i < 20000; i++)
        weft_sleep(WEFT_MS);
    cr_expect_eq(atomic_load(&gone), 1);
}

Test(proxy_streams, a_client_that_leaves_frees_the_upstream, .timeout = 60)
{
    struct scene s = {.serve = serve_until_gone, .play = leave};
    run_scene(&s);
}

/* ---- tunnels ---- */

static void serve_tunnel(struct peer *p, weft_conn *c, int number)
{
    char request[PEER_GOT_MAX], buf[4096];
    ssize_t n;
    (void)number;
    if (!peer_read_into(p, c, request))
        return;
    if (!strstr(request, "Connection: Upgrade\r\nUpgrade: echo, other\r\n")) {
        peer_write(c, "HTTP/1.1 426 Upgrade\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    peer_write(c, "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\nX-A: b\r\n\r\n"
                  "early ");
    while ((n = weft_conn_read(c, buf, sizeof buf)) > 0)
        if (weft_conn_write_all(c, buf, (size_t)n) < 0)
            return;
    peer_write(c, "late");
}

static size_t read_up_to(weft_conn *c, char *buf, size_t size, const char *end)
{
    size_t len = 0;
    while (len < size - 1) {
        ssize_t n = weft_conn_read(c, buf + len, size - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
        buf[len] = '\0';
        if (end && len >= strlen(end) && strcmp(buf + len - strlen(end), end) == 0)
            break;
    }
    buf[len] = '\0';
    return len;
}

static void through_tunnel(struct peer *p)
{
    static const char request[] = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade"
                                  "\r\nUpgrade: echo, other\r\n\r\nahead ";
    char buf[4096];
    weft_conn *c;
    (void)p;
    cr_assert_eq(weft_dial("tcp", address, &c), 0);
    weft_conn_set_read_deadline(c, weft_now() + 30 * WEFT_SEC);
    cr_assert_eq(weft_conn_write_all(c, request, sizeof request - 1), 0);
    read_up_to(c, buf, sizeof buf, "early ahead ");
    cr_expect(strstr(buf, "HTTP/1.1 101 Switching\r\n"), "%s", buf);
    cr_expect(strstr(buf, "X-A: b\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ahead "));
    for (int i = 0; i < 50; i++) {
        cr_assert_eq(weft_conn_write_all(c, "ping", 4), 0);
        cr_assert_eq(read_up_to(c, buf, sizeof buf, "ping"), 4);
    }
    cr_assert_eq(weft_conn_shutdown_write(c), 0);
    read_up_to(c, buf, sizeof buf, NULL);
    cr_expect_str_eq(buf, "late", "the half-close went through, and the answer came back");
    weft_conn_close(c);
    /* A refused upgrade is an answer like others. */
    weft_response *res;
    cr_assert_eq(weft_fetch(&(weft_fetch_opts){.url = url}, &res), 0);
    cr_expect_eq(weft_response_status(res), 426);
    weft_response_free(res);
}

Test(proxy_streams, upgraded_connections_are_tunnels, .timeout = 60)
{
    struct scene s = {.serve = serve_tunnel, .play = through_tunnel};
    run_scene(&s);
}

static void idle_tunnel(struct peer *p)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade"
                                  "\r\nUpgrade: echo, other\r\n\r\n";
    char buf[4096];
    weft_conn *c;
    (void)p;
    cr_assert_eq(weft_dial("tcp", address, &c), 0);
    weft_conn_set_read_deadline(c, weft_now() + 30 * WEFT_SEC);
    cr_assert_eq(weft_conn_write_all(c, request, sizeof request - 1), 0);
    read_up_to(c, buf, sizeof buf, NULL);
    cr_expect(strstr(buf, "\r\n\r\nearly "), "%s", buf);
    weft_conn_close(c);
}

Test(proxy_streams, an_idle_tunnel_ends, .timeout = 60)
{
    struct scene s = {
        .serve = serve_tunnel, .play = idle_tunnel, .opts = {.tunnel_timeout = 20 * WEFT_MS}};
    run_scene(&s);
}
