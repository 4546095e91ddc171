#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <weft/weft.h>

#include "admin.h"
#include "config.h"
#include "crash.h"
#include "logs.h"
#include "privileges.h"
#include "site.h"
#include "sockets.h"

enum { STATUS_WRONG = 2 };

static const int64_t ALIVE_EVERY_NS = 1 * WEFT_SEC;

struct worker_life {
    const struct config *config;
    int channel;
    weft_timer *alive;
};

static void tell(const struct worker_life *life, char what)
{
    ssize_t ignored = write(life->channel, &what, 1);
    (void)ignored;
}

/* In a coroutine of its own each time: that it runs is the sign of life. */
static void tell_alive(void *life)
{
    tell(life, WORKER_SAYS_ALIVE);
}

static int on_bound(void *arg)
{
    const struct worker_life *life = arg;
    int rc = 0;
    if (life->config->user)
        rc = privileges_drop(life->config->user, life->config->group);
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0); /* after the change of user, which clears it */
    return rc;
}

static void on_ready(void *arg)
{
    struct worker_life *life = arg;
    weft_timer_set(life->alive, ALIVE_EVERY_NS, ALIVE_EVERY_NS);
    tell(life, WORKER_SAYS_READY);
}

/* Where there is TLS, its sockets come first and the plain ones are others beside them. The admin
 * pages have a socket and an application of their own. */
static void place_sockets(const struct sockets *sockets, bool has_tls, weft_app *admin,
                          weft_serve_opts *opts, weft_also also[WEFT_MAX_LISTEN])
{
    for (int i = 0; i < sockets->count; i++) {
        const struct listening *l = &sockets->items[i];
        bool is_admin = l->kind == SOCKET_ADMIN;
        if (is_admin && !admin)
            continue;
        if (!is_admin && (l->kind == SOCKET_TLS) == has_tls && opts->n_listen_fds < WEFT_MAX_LISTEN)
            opts->listen_fds[opts->n_listen_fds++] = l->fd;
        else if (opts->n_also < WEFT_MAX_LISTEN)
            also[opts->n_also++] = (weft_also){
                .app = is_admin ? admin : NULL, .listen_fd = l->fd, .plain = 1};
    }
}

static int serve(struct worker_life *life, const struct sockets *sockets)
{
    weft_serve_opts opts = {.quiet = 1,
                            .drain_grace = WORKER_DRAIN_GRACE_NS,
                            .on_bound = on_bound,
                            .on_bound_arg = life,
                            .on_ready = on_ready,
                            .on_ready_arg = life};
    struct logs *logs = NULL;
    struct site *site = NULL;
    struct admin *admin = NULL;
    if (logs_open(life->config, &logs) == 0)
        site = site_new(life->config, logs_access(logs));
    if (site && life->config->admin && !(admin = admin_new(site))) {
        fprintf(stderr, "weft: out of memory\n");
        site_free(site);
        site = NULL;
    }
    if (!site) {
        logs_close(logs);
        return STATUS_WRONG;
    }
    weft_also also[WEFT_MAX_LISTEN];
    site_serve_opts(site, &opts);
    opts.also = also;
    place_sockets(sockets, life->config->tls != NULL, admin ? admin_app(admin) : NULL, &opts, also);
    int status = weft_app_main_opts(site_app(site), &opts);
    admin_free(admin);
    site_free(site);
    logs_close(logs);
    return status;
}

int worker_main(const char *config_path)
{
    const char *text = getenv(WORKER_SOCKETS), *channel = getenv(WORKER_CHANNEL);
    struct sockets sockets;
    if (!text || !channel || sockets_read(&sockets, text) < 0) {
        fprintf(stderr, "weft: 'worker' is what the server calls itself; try weft serve\n");
        return STATUS_WRONG;
    }
    unsetenv(WORKER_SOCKETS);
    unsetenv(WORKER_CHANNEL);
    crash_report_install();
    struct config *config = config_load(config_path);
    if (!config || logs_redirect_errors(config) < 0) {
        config_free(config);
        return STATUS_WRONG;
    }
    struct worker_life life = {.config = config, .channel = (int)strtol(channel, NULL, 10)};
    life.alive = weft_timer_new(tell_alive, &life);
    int status = life.alive ? serve(&life, &sockets) : STATUS_WRONG;
    weft_timer_free(life.alive);
    config_free(config);
    return status;
}
