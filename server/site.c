/* site.c: each route of the file becomes a group of the application, with what it leads to in it.
 */
#include "site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers.h"
#include "module.h"
#include "mount.h"
#include "mounted.h"

enum { HSTS_BYTES = 64, TRUSTED_MAX = 64 };

struct site {
    weft_app *app;
    const struct config *config;
    const char *trusted[TRUSTED_MAX + 1]; /* ended by NULL */
    char hsts[HSTS_BYTES];
    struct mounted *mounted; /* all that routes need to live */
};

static int mount_all(struct site *site, weft_app *app, const char *list,
                     struct config_route *routes, unsigned count)
{
    char place[128];
    for (unsigned i = 0; i < count; i++) {
        snprintf(place, sizeof place, "%s[%u]", list, i);
        int rc = mount_route(site->config, place, &routes[i], app, &site->mounted);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Plain requests are sent to where TLS is spoken: the port of the first TLS address. */
static int to_https(weft_http *h, void *arg)
{
    const struct site *site = arg;
    weft_str host = weft_host(h), target = weft_target(h);
    if (weft_str_eq(weft_scheme(h), WEFT_STR("https")))
        return weft_next(h);
    if (!host.len || target.ptr[0] != '/')
        return 400;
    const char *colon = memrchr(host.ptr, ':', host.len);
    if (colon && host.ptr[host.len - 1] != ']')
        host.len = (size_t)(colon - host.ptr);
    const char *port = strrchr(site->config->tls->listen.items[0], ':');
    if (!port || strcmp(port, ":443") == 0)
        port = "";
    size_t room = host.len + target.len + sizeof "https://" + strlen(port);
    char *location = weft_alloc(h, room);
    if (!location)
        return -ENOMEM;
    snprintf(location, room, "https://" WEFT_FMT "%s" WEFT_FMT, WEFT_ARG(host), port,
             WEFT_ARG(target));
    return weft_redirect(h, 308, location);
}

static int build(struct site *site, weft_access_log *access)
{
    const struct config *c = site->config;
    int rc = c->admin ? weft_app_measure(site->app) : 0;
    if (rc == 0 && access)
        rc = weft_use(site->app, weft_mw_access_log, access);
    if (rc == 0 && c->tls && c->tls->redirect == SWITCH_ON)
        rc = weft_use(site->app, to_https, site);
    if (rc == 0)
        rc = mount_middleware(c, "", &c->use, site->app, &site->mounted);
    if (rc == 0)
        rc = mount_all(site, site->app, "routes", c->routes, c->n_routes);
    for (unsigned i = 0; i < c->n_hosts && rc == 0; i++) {
        char place[128];
        const struct config_host *h = &c->hosts[i];
        for (unsigned j = 0; j < h->names.count && rc == 0; j++) {
            weft_app *host = weft_app_host(site->app, h->names.items[j]);
            snprintf(place, sizeof place, "hosts[%u]", i);
            rc = host ? mount_middleware(c, place, &h->use, host, &site->mounted) : -ENOMEM;
            snprintf(place, sizeof place, "hosts[%u].routes", i);
            if (rc == 0)
                rc = mount_all(site, host, place, h->routes, h->n_routes);
        }
    }
    return rc;
}

struct site *site_new(const struct config *config, weft_access_log *access)
{
    struct site *site = calloc(1, sizeof *site);
    if (!site)
        return NULL;
    site->config = config;
    for (unsigned i = 0; i < config->trusted_proxies.count && i < TRUSTED_MAX; i++)
        site->trusted[i] = config->trusted_proxies.items[i];
    site->app = weft_app_new();
    int rc = site->app ? build(site, access) : -ENOMEM;
    if (rc == 0)
        return site;
    if (rc == -ENOMEM)
        fprintf(stderr, "weft: out of memory\n");
    site_free(site);
    return NULL;
}

void site_free(struct site *site)
{
    if (!site)
        return;
    weft_app_free(site->app);
    mounted_free(site->mounted);
    free(site);
}

weft_app *site_app(const struct site *site)
{
    return site->app;
}

void site_each_proxy(const struct site *site, void (*visit)(void *proxy, void *arg), void *arg)
{
    mount_each_proxy(site->mounted, visit, arg);
}

static int min_version(const char *version)
{
    return version && strcmp(version, "1.3") == 0 ? WEFT_TLS_1_3 : 0; /* 0: the default, 1.2 */
}

/* Sockets that speak TLS. `hsts` has room for the header's value. */
static void tls_opts(const struct config *c, char hsts[HSTS_BYTES], weft_tls_opts *o)
{
    static const int auths[] = {[CLIENT_AUTH_NONE] = WEFT_TLS_CLIENT_NONE,
                                [CLIENT_AUTH_OPTIONAL] = WEFT_TLS_CLIENT_OPTIONAL,
                                [CLIENT_AUTH_REQUIRED] = WEFT_TLS_CLIENT_REQUIRED};
    const struct config_tls *t = c->tls;
    o->cert = t->certificates[0].cert;
    o->key = t->certificates[0].key;
    for (unsigned i = 1; i < t->n_certificates && i <= WEFT_TLS_MAX_CERTS; i++)
        o->certs[i - 1] = (weft_tls_cert){t->certificates[i].cert, t->certificates[i].key};
    o->client_ca = t->client_ca;
    o->client_auth = auths[t->client_auth];
    o->min_version = min_version(t->min_version);
    o->no_watch = c->user != NULL; /* it may not read the keys any more; a reload does */
    if (t->hsts.value) {
        snprintf(hsts, HSTS_BYTES, "max-age=%lld", (long long)(t->hsts.value / WEFT_SEC));
        o->hsts = hsts;
    }
}

void site_serve_opts(const struct site *site, weft_serve_opts *o)
{
    const struct config *c = site->config;
    o->threads = (int)c->threads;
    o->max_body = c->limits.body.value;
    o->max_header_bytes = (size_t)c->limits.header.value;
    o->max_headers = (int)c->limits.headers;
    o->max_connections = (int)c->limits.connections;
    o->header_timeout = c->timeouts.header.value;
    o->body_timeout = c->timeouts.body.value;
    o->idle_timeout = c->timeouts.idle.value;
    o->write_timeout = c->timeouts.write.value;
    o->handler_timeout = c->timeouts.handler.value;
    o->drain_timeout = c->timeouts.drain.value;
    o->trusted_proxies = site->trusted;
    o->proxy_protocol = c->proxy_protocol == SWITCH_ON;
    if (c->tls)
        tls_opts(c, (char *)(uintptr_t)site->hsts, &o->tls);
}
