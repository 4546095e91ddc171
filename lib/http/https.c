#include "https.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <weft/rt.h>

/* The host that the client asked for, without its port. */
static weft_str host_without_port(weft_str host)
{
    size_t len = host.len;
    while (len && host.ptr[len - 1] >= '0' && host.ptr[len - 1] <= '9')
        len--;
    if (len && host.ptr[len - 1] == ':' && len < host.len)
        host.len = len - 1;
    return host;
}

static int redirect(weft_http *h, void *arg)
{
    const struct https *https = arg;
    weft_str host = host_without_port(weft_header(h, "Host"));
    weft_str path, query, target = weft_target(h);
    char port[8] = "";
    if (host.len == 0)
        return 400; /* HTTP/1.0 without one */
    if (https->port != 443 && https->port != 0)
        snprintf(port, sizeof port, ":%d", https->port);
    target_split(target, &path, &query);
    size_t room = host.len + path.len + query.len + sizeof "https://:65535?";
    char *location = weft_alloc(h, room);
    if (!location)
        return -ENOMEM;
    snprintf(location, room, "https://" WEFT_FMT "%s" WEFT_FMT "%s" WEFT_FMT, WEFT_ARG(host), port,
             WEFT_ARG(path), query.ptr ? "?" : "", WEFT_ARG(query));
    return weft_redirect(h, 308, location);
}

static int open_redirect(struct https *https, const struct http_server *server)
{
    weft_serve_opts opts = server->opts;
    memset(&opts.tls, 0, sizeof opts.tls);
    https->redirect_app = weft_app_new();
    if (!https->redirect_app)
        return -ENOMEM;
    weft_any(https->redirect_app, "/{path...}", redirect, https);
    int rc = server_init(&https->redirect, https->redirect_app, &opts);
    return rc < 0 ? rc : app_prepare(https->redirect_app);
}

static bool are_options_valid(const weft_tls_opts *o)
{
    return o->handshake_timeout >= 0 && o->max_handshakes >= 0 && o->ticket_lifetime >= 0 &&
           o->client_auth >= WEFT_TLS_CLIENT_NONE && o->client_auth <= WEFT_TLS_CLIENT_REQUIRED &&
           (!o->hsts || strpbrk(o->hsts, "\r\n") == NULL);
}

int https_open(struct https *https, struct http_server *server)
{
    char why[TLS_WHY_BYTES] = "an option is out of its range";
    weft_tls_opts *o = &server->opts.tls;
    https->is_on = o->cert || o->certs[0].cert;
    if (!https->is_on)
        return 0;
    if (o->handshake_timeout == 0)
        o->handshake_timeout = 10 * WEFT_SEC;
    int rc = are_options_valid(o) ? store_open(&https->store, o, why) : -EINVAL;
    if (rc < 0) {
        fprintf(stderr, "weft: TLS: %s\n", why);
        return rc;
    }
    server->tls = &https->store;
    return o->redirect[0] ? open_redirect(https, server) : 0;
}

void https_set_address(struct https *https, const char *address)
{
    const char *colon = strncmp(address, "unix:", 5) == 0 ? NULL : strrchr(address, ':');
    https->port = colon ? atoi(colon + 1) : 0;
}

/* What is asked of the file system, where blocking is allowed. */
struct look {
    struct tls_store *store;
    bool is_told;
    char why[TLS_WHY_BYTES];
};

enum { LOOK_UNCHANGED = 0, LOOK_RELOADED = 1 };

static int look(void *arg)
{
    struct look *l = arg;
    if (!store_has_changed(l->store) && !l->is_told)
        return LOOK_UNCHANGED;
    int rc = store_reload(l->store, l->why);
    return rc < 0 ? rc : LOOK_RELOADED;
}

void https_look(struct https *https, bool is_told)
{
    struct look l = {.store = &https->store, .is_told = is_told};
    if (!https->is_on || (!is_told && https->store.opts.no_watch))
        return;
    int rc = weft_blocking(look, &l);
    if (rc < 0)
        fprintf(stderr, "weft: TLS: %s; going on with the certificates as they were\n", l.why);
    else if (rc == LOOK_RELOADED)
        fprintf(stderr, "weft: TLS: certificates read again\n");
}

void https_close(struct https *https)
{
    if (https->is_on)
        store_close(&https->store);
    weft_app_free(https->redirect_app);
    https->redirect_app = NULL;
}

void https_on_hello(weft_conn *c, enum conn_wake why)
{
    struct http_server *s = c->owner;
    int rc = -ETIMEDOUT; /* nothing came, or the server drains */
    if (why == CONN_READABLE) {
        struct tls_context *ctx = store_get(s->tls);
        rc = tls_accept(c, ctx, weft_now() + s->opts.tls.handshake_timeout);
        tls_context_unref(ctx);
    }
    if (rc < 0)
        server_close(s, c);
    else
        server_on_wake(c, CONN_READABLE);
}
