/* test_request.c: an application asked without a network: the server's connection and the client's
 * are the two ends of a socket pair, in one runtime. */
#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/rt.h>

#include "exchange.h"
#include "testing.h"

static const int64_t TIMEOUT_NS = 10 * WEFT_SEC;
static const int64_t LOOK_NS = 1 * WEFT_MS;

struct trial {
    weft_app *app;
    const char *raw;
    size_t len;
    weft_test_opts opts;
    struct http_server *server;
    struct test_requests requests;
    weft_conn *client;
    _Atomic(int) writers;
    _Atomic(bool) is_over; /* nobody reads answers any more */
    weft_test_response response;
    sem_t done;
};

/* Whether the server has read all that was sent, or never will. */
static bool is_read(const struct trial *t)
{
    int unread = 0;
    if (!t->opts.piece || ioctl(t->client->desc.fd, SIOCOUTQ, &unread) < 0 || unread == 0)
        return true;
    return atomic_load_explicit(&t->is_over, memory_order_acquire); /* pairs: run_trial */
}

/* Sends the requests; answers may be in the way of that, so that it is a coroutine of its own. */
static void write_requests(void *arg)
{
    struct trial *t = arg;
    size_t piece = t->opts.piece ? t->opts.piece : t->len;
    int rc = 0;
    for (size_t at = 0; at < t->len && rc == 0; at += piece) {
        rc = weft_conn_write_all(t->client, t->raw + at, piece < t->len - at ? piece : t->len - at);
        while (rc == 0 && !is_read(t))
            weft_yield();
    }
    if (rc == 0 && !t->requests.is_whole)
        weft_conn_shutdown_write(t->client);
    atomic_fetch_sub_explicit(&t->writers, 1, memory_order_release); /* pairs: wait_for_zero */
}

static bool wait_for_zero(_Atomic(int) *count, int64_t until)
{
    while (atomic_load_explicit(count, memory_order_acquire) != 0) {
        if (weft_now() >= until)
            return false;
        weft_sleep(LOOK_NS);
    }
    return true;
}

static int make_pair(struct trial *t)
{
    int fds[2];
    weft_conn *served = NULL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    int rc = conn_new(fds[0], NULL, &served);
    if (rc == 0)
        rc = conn_new(fds[1], NULL, &t->client);
    if (rc < 0) {
        served ? weft_conn_close(served) : (void)close(fds[0]);
        close(fds[1]);
        return rc;
    }
    rc = conn_register(t->client);
    if (rc < 0) {
        weft_conn_close(served);
        weft_conn_close(t->client);
        return rc;
    }
    server_accept(served, t->server);
    return 0;
}

/* Asks and reads. What the server holds is waited for: it must not outlive the trial. */
static int run_trial(struct trial *t)
{
    int64_t timeout = t->opts.timeout ? t->opts.timeout : TIMEOUT_NS, until = weft_now() + timeout;
    int rc = make_pair(t);
    if (rc < 0)
        return rc;
    weft_conn_set_read_deadline(t->client, until);
    weft_conn_set_write_deadline(t->client, until);
    atomic_init(&t->writers, 1);
    rc = weft_go(write_requests, t);
    if (rc == 0)
        test_answers_read(t->client, &t->requests, &t->response);
    else
        atomic_init(&t->writers, 0);
    atomic_store_explicit(&t->is_over, true, memory_order_release);
    shutdown(t->client->desc.fd, SHUT_RDWR); /* a writer that still waits gives up */
    wait_for_zero(&t->writers, INT64_MAX);
    weft_conn_close(t->client);
    if (!wait_for_zero(&t->server->active, weft_now() + timeout)) {
        t->server = NULL; /* a handler goes on; its server is left to it */
        if (rc == 0 && !t->response.error)
            t->response.error = -ETIMEDOUT;
    }
    return rc;
}

static void trial_start(void *arg)
{
    struct trial *t = arg;
    int rc = run_trial(t);
    if (rc < 0)
        t->response.error = rc;
}

static int as_main(void *arg)
{
    trial_start(arg);
    return 0;
}

/* From a thread beside a runtime that runs. */
static void as_guest(void *arg)
{
    struct trial *t = arg;
    trial_start(t);
    sem_post(&t->done);
}

static int run_anywhere(struct trial *t)
{
    static const weft_run_opts opts = {.procs = 1, .leaks = WEFT_LEAKS_IGNORE};
    if (weft_in_coroutine()) {
        trial_start(t);
        return 0;
    }
    if (weft_num_procs() == 0)
        return weft_run_with(&opts, as_main, t);
    sem_init(&t->done, 0, 0);
    int rc = weft_go(as_guest, t);
    while (rc == 0 && sem_wait(&t->done) < 0)
        continue; /* a signal */
    sem_destroy(&t->done);
    return rc;
}

weft_test_response weft_test_request_opts(weft_app *app, const char *raw,
                                          const weft_test_opts *opts)
{
    static const weft_test_opts defaults;
    static const weft_serve_opts serve_defaults;
    struct trial t = {.app = app, .raw = raw, .opts = opts ? *opts : defaults};
    t.len = t.opts.len ? t.opts.len : strlen(raw);
    t.server = calloc(1, sizeof *t.server);
    int rc = t.server && app ? 0 : -ENOMEM;
    if (rc == 0)
        rc = server_init(t.server, app, t.opts.serve ? t.opts.serve : &serve_defaults);
    if (rc == 0)
        rc = app_prepare(app);
    if (rc == 0)
        rc = test_requests_parse(raw, t.len, &t.requests);
    if (rc == 0)
        rc = run_anywhere(&t);
    free(t.requests.is_head);
    free(t.server);
    if (rc < 0)
        t.response.error = rc;
    return t.response;
}

weft_test_response weft_test_request(weft_app *app, const char *raw)
{
    return weft_test_request_opts(app, raw, NULL);
}
