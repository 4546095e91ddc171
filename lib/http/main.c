/* main.c: an application served from start to drain. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <weft/rt.h>
#include <unistd.h>

#include "exchange.h"
#include "https.h"
#include "listener.h"
#include "lock.h"

enum { STATUS_OK = 0, STATUS_FAILED = 1, STATUS_REFUSED = 2 };

static const int64_t DRAIN_LOOK_NS = 5 * WEFT_MS;
static const int64_t CERTIFICATE_LOOK_NS = 2 * WEFT_SEC;

/* What a handler whose context has ended at the drain's end has to return. */
static const int64_t CUT_NS = 200 * WEFT_MS;

/* An address, and who serves what connects there. */
struct place {
    struct listener *listener;
    struct http_server *server;
};

enum {
    PLACES_MAX = 3 * WEFT_MAX_LISTEN + WEFT_TLS_MAX_REDIRECT,
    SERVERS_MAX = 2 + WEFT_MAX_LISTEN,
};

struct service {
    struct http_server server;
    struct http_server also[WEFT_MAX_LISTEN];
    struct https https;
    struct http_server *servers[SERVERS_MAX]; /* all of them */
    int n_servers;
    struct place places[PLACES_MAX];
    int n_places;
    int n_adopted; /* of the sockets that were given, the first ones, which listeners have */
    int signal_fd;
    int status;
};

/* Where the signal handler writes; the one thing it can reach. */
static volatile sig_atomic_t signal_fd = -1;

/* What is written there, and adds up: SIGHUP, for which certificates are read again, or any wish to
 * stop. */
static const uint64_t TELL_RELOAD = 1, TELL_STOP = 1 << 16;

static void on_signal(int sig)
{
    int saved = errno;
    ssize_t ignored = write(signal_fd, sig == SIGHUP ? &TELL_RELOAD : &TELL_STOP, sizeof TELL_STOP);
    (void)ignored;
    errno = saved;
}

/* Guards against a descriptor that is closed, and is another's, just when it is written to. */
static struct lock stop_lock;

void weft_app_stop(void)
{
    lock_take(&stop_lock);
    if (signal_fd >= 0) {
        ssize_t ignored = write(signal_fd, &TELL_STOP, sizeof TELL_STOP);
        (void)ignored;
    }
    lock_release(&stop_lock);
}

static int refuse(const char *what, const char *about, int rc)
{
    const char *why = rc == -EINVAL
                          ? "not an address like host:port, [ipv6]:port, :port or unix:PATH"
                          : strerror(-rc);
    fprintf(stderr, "weft: %s%s: %s\n", what, about, why);
    return STATUS_REFUSED;
}

static int refuse_fd(int fd, int rc)
{
    fprintf(stderr, "weft: cannot listen on descriptor %d: %s\n", fd,
            rc == -EINVAL ? "it is no listening stream socket" : strerror(-rc));
    return STATUS_REFUSED;
}

/* Listens on `address`, or takes `fd` over when that is NULL. */
static int add_place(struct service *s, struct http_server *server, const char *address, int fd)
{
    struct place *place = &s->places[s->n_places];
    int rc = address ? listener_open(address, &place->listener)
                     : listener_adopt(fd, &place->listener);
    if (rc < 0)
        return address ? refuse("cannot listen on ", address, rc) : refuse_fd(fd, rc);
    place->server = server;
    s->n_places++;
    s->n_adopted += address == NULL;
    return STATUS_OK;
}

static int open_listeners(struct service *s)
{
    const weft_serve_opts *o = &s->server.opts;
    int status = STATUS_OK;
    for (int i = 0; i < WEFT_MAX_LISTEN && o->listen[i] && status == STATUS_OK; i++)
        status = add_place(s, &s->server, o->listen[i], -1);
    for (int i = 0; i < o->n_listen_fds && status == STATUS_OK; i++)
        status = add_place(s, &s->server, NULL, o->listen_fds[i]);
    if (status == STATUS_OK && s->https.is_on && s->n_places)
        https_set_address(&s->https, listener_address(s->places[0].listener));
    for (int i = 0; i < o->n_also && status == STATUS_OK; i++)
        status = add_place(s, &s->also[i], o->also[i].listen, o->also[i].listen_fd);
    const char *const *redirect = o->tls.redirect;
    for (int i = 0; s->https.is_on && i < WEFT_TLS_MAX_REDIRECT && redirect[i]; i++)
        if (status == STATUS_OK)
            status = add_place(s, &s->https.redirect, redirect[i], -1);
    if (status == STATUS_OK && !s->n_places) {
        fprintf(stderr, "weft: no address to listen on\n");
        return STATUS_REFUSED;
    }
    return status;
}

/* Makes the servers of the further addresses. Returns 0 or an error that has been said. */
static int open_also(struct service *s)
{
    const weft_serve_opts *o = &s->server.opts;
    for (int i = 0; i < o->n_also; i++) {
        const weft_also *also = &o->also[i];
        int rc = server_init(&s->also[i], also->app ? also->app : s->server.app, o);
        if (rc == 0 && also->app)
            rc = app_prepare(also->app);
        if (rc < 0)
            return rc;
        s->also[i].tls = also->plain ? NULL : s->server.tls;
        s->servers[s->n_servers++] = &s->also[i];
    }
    s->servers[s->n_servers++] = &s->server;
    if (s->https.redirect_app)
        s->servers[s->n_servers++] = &s->https.redirect;
    return 0;
}

static void print_addresses(const struct service *s)
{
    for (int i = 0; i < s->n_places; i++) {
        const struct place *place = &s->places[i];
        const char *address = listener_address(place->listener);
        bool is_unix = strncmp(address, "unix:", 5) == 0;
        printf("weft: %s on %s%s\n",
               place->server == &s->https.redirect ? "redirecting" : "serving",
               is_unix               ? ""
               : !place->server->tls ? "http://"
                                     : "https://",
               address);
    }
    fflush(stdout);
}

static bool is_ours(const struct service *s, const void *owner)
{
    for (int i = 0; i < s->n_servers; i++)
        if (owner == s->servers[i])
            return true;
    return false;
}

static void interrupt(weft_conn *c, void *service)
{
    if (is_ours(service, c->owner))
        conn_interrupt(c);
}

/* Upgraded connections and streams of events have no end of their own. */
static void end_endless(weft_conn *c, void *service)
{
    if (is_ours(service, c->owner))
        conn_drain(c);
}

static int count_active(struct service *s)
{
    int active = 0;
    for (int i = 0; i < s->n_servers; i++)
        active += atomic_load_explicit(&s->servers[i]->active, memory_order_acquire);
    return active;
}

/* Waits until no connection is left, at most until a point of weft_now() or another signal, with
 * the idle ones closed from `idle_until` on. Returns how many are left. */
static int wait_for_last(struct service *s, struct poll_desc *signals, int64_t idle_until,
                         int64_t until)
{
    for (;;) {
        conn_each(end_endless, s); /* again: they change under way */
        if (weft_now() >= idle_until)
            conn_each(interrupt, s);
        int active = count_active(s);
        if (active == 0)
            return 0;
        poll_set_deadline(signals, POLL_READ, weft_now() + DRAIN_LOOK_NS);
        int rc = poll_park(signals, POLL_READ);
        if (rc == 0 || weft_now() >= until)
            return active;
    }
}

/* Accepting stops, idle connections close after the grace, requests in flight finish within the
 * drain timeout; then their contexts end. A second signal ends the wait. */
static void drain(struct service *s, struct poll_desc *signals)
{
    for (int i = 0; i < s->n_places; i++)
        listener_stop(s->places[i].listener);
    for (int i = 0; i < s->n_servers; i++)
        atomic_store_explicit(&s->servers[i]->is_draining, true, memory_order_release);
    const weft_serve_opts *opts = &s->server.opts;
    int64_t began = weft_now();
    int active = wait_for_last(s, signals, began + opts->drain_grace, began + opts->drain_timeout);
    if (!active)
        return;
    fprintf(stderr, "weft: %d connections were still busy and are cut\n", active);
    weft_ctx_cancel(s->server.ctx);
    wait_for_last(s, signals, 0, weft_now() + CUT_NS);
}

/* Waits for a signal to stop; certificates are looked after meanwhile. */
static int wait_for_stop(struct service *s, struct poll_desc *signals)
{
    for (;;) {
        uint64_t told = 0;
        if (s->https.is_on)
            poll_set_deadline(signals, POLL_READ, weft_now() + CERTIFICATE_LOOK_NS);
        int rc = poll_park(signals, POLL_READ);
        if (rc == 0 && read(s->signal_fd, &told, sizeof told) < 0)
            rc = -errno;
        if (rc < 0 && rc != -ETIMEDOUT)
            return rc;
        if (told >= TELL_STOP)
            return 0;
        https_look(&s->https, told != 0);
    }
}

/* Serves until a signal comes, then drains. */
static int serve_until(struct service *s, struct poll_desc *signals)
{
    int rc = 0;
    for (int i = 0; i < s->n_places && rc == 0; i++)
        rc = listener_start(s->places[i].listener, server_accept, s->places[i].server);
    if (rc == 0) {
        if (!s->server.opts.quiet)
            print_addresses(s);
        if (s->server.opts.on_ready)
            s->server.opts.on_ready(s->server.opts.on_ready_arg);
        rc = wait_for_stop(s, signals);
    }
    if (s->https.is_on)
        signal(SIGHUP, SIG_IGN); /* too late for new certificates */
    drain(s, signals);
    return rc;
}

static int serve(void *arg)
{
    struct service *s = arg;
    struct poll_desc *signals = poll_new(s->signal_fd);
    int rc = signals ? poll_open(signals, proc_near()) : -ENOMEM;
    if (rc == 0)
        rc = weft_ctx_new(NULL, WEFT_NO_DEADLINE, &s->server.ctx);
    for (int i = 0; i < s->n_servers; i++)
        s->servers[i]->ctx = s->server.ctx;
    if (rc == 0)
        rc = serve_until(s, signals);
    if (signals)
        poll_close(signals);
    weft_ctx_unref(s->server.ctx);
    poll_free(signals);
    if (rc < 0)
        fprintf(stderr, "weft: serving failed: %s\n", strerror(-rc));
    return rc < 0 ? STATUS_FAILED : STATUS_OK;
}

static int run(struct service *s)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old_term, old_int, old_pipe, old_hup;
    s->signal_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->signal_fd < 0)
        return refuse("cannot start", "", -errno);
    signal_fd = s->signal_fd;
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, &old_term);
    sigaction(SIGINT, &action, &old_int);
    sigaction(SIGHUP, s->https.is_on ? &action : NULL, &old_hup);
    sigaction(SIGPIPE, &ignore, &old_pipe);
    weft_run_opts opts = {.procs = s->server.opts.threads};
    int status = weft_run_with(&opts, serve, s);
    sigaction(SIGTERM, &old_term, NULL);
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGHUP, &old_hup, NULL);
    sigaction(SIGPIPE, &old_pipe, NULL);
    lock_take(&stop_lock);
    signal_fd = -1;
    close(s->signal_fd);
    lock_release(&stop_lock);
    return status < 0 ? refuse("cannot start", "", status) : status;
}

/* Sockets that were given are ours, also when it did not come to serving them. */
static void close_rest(int n_adopted, const weft_serve_opts *o)
{
    int at = 0;
    for (int i = 0; i < o->n_listen_fds && i < WEFT_MAX_LISTEN; i++)
        if (at++ >= n_adopted)
            close(o->listen_fds[i]);
    for (int i = 0; i < o->n_also && i < WEFT_MAX_LISTEN; i++)
        if (!o->also[i].listen && at++ >= n_adopted)
            close(o->also[i].listen_fd);
}

int weft_app_main_opts(weft_app *app, const weft_serve_opts *opts)
{
    struct service *s = calloc(1, sizeof *s);
    if (!app || !s) {
        close_rest(0, opts);
        free(s);
        return refuse("cannot start", "", -ENOMEM);
    }
    int status = STATUS_REFUSED;
    if (server_init(&s->server, app, opts) < 0)
        fprintf(stderr, "weft: an option of the server is out of its range\n");
    else if (app_prepare(app) == 0 && https_open(&s->https, &s->server) == 0 && open_also(s) == 0)
        status = open_listeners(s);
    if (status == STATUS_OK && opts->on_bound) {
        int rc = opts->on_bound(opts->on_bound_arg);
        if (rc < 0)
            status = refuse("cannot start", "", rc);
    }
    if (status == STATUS_OK)
        status = run(s);
    for (int i = 0; i < s->n_places; i++)
        listener_free(s->places[i].listener);
    close_rest(s->n_adopted, opts);
    https_close(&s->https);
    free(s);
    return status;
}

int weft_app_main(weft_app *app, const char *address)
{
    weft_serve_opts opts = {.listen = {address}};
    return weft_app_main_opts(app, &opts);
}
