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

struct site {
    weft_app *app;
    const struct config *config;
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

static int build(struct site *site)
{
    const struct config *c = site->config;
    int rc = mount_middleware(c, "", &c->use, site->app, &site->mounted);
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

struct site *site_new(const struct config *config)
{
    struct site *site = calloc(1, sizeof *site);
    if (!site)
        return NULL;
    site->config = config;
    site->app = weft_app_new();
    int rc = site->app ? build(site) : -ENOMEM;
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

void site_serve_opts(const struct config *c, weft_serve_opts *o)
{
    o->threads = (int)c->threads;
    o->max_body = c->limits.body.value;
    o->max_header_bytes = (size_t)c->limits.header.value;
    o->max_headers = (int)c->limits.headers;
    o->max_connections = (int)c->limits.connections;
    o->header_timeout = c->timeouts.header.value;
    o->body_timeout = c->timeouts.body.value;
    o->idle_timeout = c->timeouts.idle.value;
    o->write_timeout = c->timeouts.write.value;
    o->drain_timeout = c->timeouts.drain.value;
}
