/* app.c: an application while it is built: its routes, groups, hosts and middleware. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "app.h"
#include "assert.h"
#include "metrics.h"

enum { PATTERN_MAX = 1024 };

static weft_app *root_of(weft_app *app)
{
    while (app->parent)
        app = app->parent;
    return app;
}

static int mistake(weft_app *app, int rc, const char *what, const char *about)
{
    weft_app *root = root_of(app);
    root->is_ready = false;
    if (!root->error[0])
        snprintf(root->error, sizeof root->error, "%s '%s'", what, about);
    return rc;
}

weft_app *weft_app_new(void)
{
    weft_app *app = calloc(1, sizeof *app);
    if (!app || !(app->prefix = strdup(""))) {
        free(app);
        return NULL;
    }
    app->last_route = &app->routes;
    app->last_group = &app->groups;
    return app;
}

/* Forgets what app_prepare made. */
static void unprepare(weft_app *app)
{
    for (weft_app *group = app->groups; group; group = group->next)
        unprepare(group);
    app->no_method = app->options = app->not_found = app->bad_path = app->moved = NULL;
    for (size_t i = 0; i < app->n_endpoints; i++)
        free(app->endpoints[i]);
    free(app->endpoints);
    router_free(app->router);
    hosts_free(app->hosts);
    app->hosts = NULL;
    app->endpoints = NULL;
    app->n_endpoints = 0;
    app->router = NULL;
}

void weft_app_free(weft_app *app)
{
    if (!app)
        return;
    unprepare(app);
    while (app->groups) {
        weft_app *next = app->groups->next;
        weft_app_free(app->groups);
        app->groups = next;
    }
    while (app->routes) {
        struct route_entry *next = app->routes->next;
        free(app->routes->method);
        free(app->routes->pattern);
        free(app->routes);
        app->routes = next;
    }
    metrics_free(app->metrics);
    free(app->prefix);
    free(app->host);
    free(app);
}

static weft_app *group_new(weft_app *parent)
{
    weft_app *group = weft_app_new();
    if (!group)
        return NULL;
    group->parent = parent;
    root_of(parent)->is_ready = false;
    *parent->last_group = group;
    parent->last_group = &group->next;
    return group;
}

weft_app *weft_app_host(weft_app *app, const char *host)
{
    weft_app *group = group_new(app);
    if (!group)
        return NULL;
    group->host = strdup(host);
    if (!group->host)
        mistake(app, -ENOMEM, "no memory for host", host);
    else if (app->parent)
        mistake(app, -EINVAL, "a host is set on the application itself, not on a group:", host);
    else if (!hosts_is_pattern(host))
        mistake(app, -EINVAL, "a host is a name, or *.name, without a port, not", host);
    return group;
}

int weft_app_paths(weft_app *app, const weft_path_opts *opts)
{
    bool is_valid = opts->trailing_slash >= WEFT_SLASH_STRICT &&
                    opts->trailing_slash <= WEFT_SLASH_SAME &&
                    opts->duplicate_slashes >= WEFT_SLASH_STRICT &&
                    opts->duplicate_slashes <= WEFT_SLASH_SAME;
    if (app->parent)
        return mistake(app, -EINVAL, "slashes are set on the application, not on group",
                       app->prefix);
    if (!is_valid)
        return mistake(app, -EINVAL, "a setting for slashes is none of", "WEFT_SLASH_...");
    app->paths = *opts;
    return 0;
}

weft_app *weft_app_group(weft_app *app, const char *prefix)
{
    weft_app *group = group_new(app);
    size_t len = strlen(prefix);
    if (!group)
        return NULL;
    free(group->prefix);
    group->prefix = strdup(prefix);
    bool is_path = prefix[0] == '/' && len >= 2 && prefix[len - 1] != '/';
    if (!group->prefix || (len && !is_path))
        mistake(app, -EINVAL, "a group's prefix begins with a slash and does not end with one, not",
                prefix);
    return group;
}

int weft_use(weft_app *app, weft_handler *middleware, void *arg)
{
    if (app->n_middleware == MIDDLEWARE_MAX)
        return mistake(app, -ENOMEM, "too much middleware in group", app->prefix);
    app->middleware[app->n_middleware++] = (struct step){middleware, arg};
    root_of(app)->is_ready = false;
    return 0;
}

int weft_route(weft_app *app, const char *method, const char *pattern, weft_handler *handler,
               void *arg)
{
    struct route_entry *entry = calloc(1, sizeof *entry);
    if (entry) {
        entry->method = strdup(method);
        entry->pattern = strdup(pattern);
        entry->handler = (struct step){handler, arg};
    }
    if (!entry || !entry->method || !entry->pattern) {
        if (entry) {
            free(entry->method);
            free(entry->pattern);
        }
        free(entry);
        return mistake(app, -ENOMEM, "no memory for route", pattern);
    }
    *app->last_route = entry;
    app->last_route = &entry->next;
    root_of(app)->is_ready = false;
    return 0;
}

#define METHOD(function, name)                                                                     \
    int function(weft_app *app, const char *pattern, weft_handler *handler, void *arg)             \
    {                                                                                              \
        return weft_route(app, name, pattern, handler, arg);                                       \
    }
METHOD(weft_get, "GET")
METHOD(weft_post, "POST")
METHOD(weft_put, "PUT")
METHOD(weft_patch, "PATCH")
METHOD(weft_delete, "DELETE")
METHOD(weft_any, "")

/* ---- made ready ---- */

/* An endpoint of `app` that ends in `handler`: the middleware from the root down, then it. */
static struct endpoint *endpoint_new(weft_app *app, struct step handler)
{
    weft_app *root = root_of(app), *path[GROUP_DEPTH_MAX];
    int depth = 0, count = 1;
    for (weft_app *a = app; a; a = a->parent) {
        if (depth == GROUP_DEPTH_MAX)
            return NULL;
        path[depth++] = a;
        count += a->n_middleware;
    }
    struct endpoint *e = malloc(sizeof *e + (size_t)count * sizeof *e->steps);
    struct endpoint **all = realloc(root->endpoints, (root->n_endpoints + 1) * sizeof *all);
    if (all)
        root->endpoints = all;
    if (!e || !all) {
        free(e);
        return NULL;
    }
    all[root->n_endpoints++] = e;
    e->step_count = 0;
    e->route = ROUTE_NONE;
    e->options = app->options;
    e->no_method = app->no_method;
    while (depth--)
        for (int i = 0; i < path[depth]->n_middleware; i++)
            e->steps[e->step_count++] = path[depth]->middleware[i];
    e->steps[e->step_count++] = handler;
    return e;
}

/* What the group answers when a path is there and the method is not. */
static int add_defaults(weft_app *root, weft_app *app)
{
    app->options = endpoint_new(app, (struct step){answer_options, root});
    app->no_method = endpoint_new(app, (struct step){answer_no_method, root});
    return app->options && app->no_method ? 0 : -ENOMEM;
}

static int add_groups(weft_app *root, weft_app *app, struct router *router, const char *prefix);

/* Gives an endpoint the number by which its requests are counted. */
static int measure(const weft_app *root, const weft_app *app, const char *pattern,
                   struct endpoint *e)
{
    if (!root->metrics)
        return 0;
    while (app->parent && !app->host)
        app = app->parent;
    int route = metrics_route(root->metrics, app->host ? app->host : "", pattern);
    if (route >= 0)
        e->route = (uint32_t)route;
    return route < 0 ? route : 0;
}

/* Adds the routes of `app` and of its groups to `router`. */
static int add_routes(weft_app *root, weft_app *app, struct router *router, const char *prefix)
{
    char full[PATTERN_MAX];
    if (add_defaults(root, app) < 0)
        return mistake(app, -ENOMEM, "no memory for group", app->prefix);
    for (struct route_entry *r = app->routes; r; r = r->next) {
        int n = snprintf(full, sizeof full, "%s%s%s", prefix, app->prefix, r->pattern);
        if (n < 0 || (size_t)n >= sizeof full)
            return mistake(app, -EINVAL, "too long a route pattern", r->pattern);
        struct endpoint *e = endpoint_new(app, r->handler);
        if (!e || measure(root, app, full, e) < 0)
            return mistake(app, -ENOMEM, "no memory for route", full);
        int rc = router_add(router, weft_cstr(r->method), weft_cstr(full), e, root->error,
                            sizeof root->error);
        if (rc < 0)
            return rc == -ENOMEM ? mistake(app, rc, "no memory for route", full) : rc;
    }
    int n = snprintf(full, sizeof full, "%s%s", prefix, app->prefix);
    if (n < 0 || (size_t)n >= sizeof full)
        return mistake(app, -EINVAL, "too long a group prefix", app->prefix);
    return add_groups(root, app, router, full);
}

static int add_groups(weft_app *root, weft_app *app, struct router *router, const char *prefix)
{
    int rc = 0;
    for (weft_app *group = app->groups; group && rc == 0; group = group->next) {
        struct router *its = router;
        if (group->host) {
            if (!root->hosts)
                root->hosts = hosts_new();
            its = root->hosts ? hosts_add(root->hosts, group->host) : NULL;
        }
        rc = its ? add_routes(root, group, its, prefix)
                 : mistake(app, -ENOMEM, "no memory for host", group->host);
    }
    return rc;
}

int app_prepare(weft_app *app)
{
    weft_assert(!app->parent);
    if (app->is_ready)
        return 0; /* and perhaps being served */
    unprepare(app);
    if (app->metrics && metrics_reset(app->metrics) < 0)
        mistake(app, -ENOMEM, "no memory for", "the metrics");
    app->router = router_new();
    app->not_found = endpoint_new(app, (struct step){answer_not_found, NULL});
    app->bad_path = endpoint_new(app, (struct step){answer_bad_path, NULL});
    app->moved = endpoint_new(app, (struct step){answer_moved, NULL});
    if (!app->router || !app->not_found || !app->bad_path || !app->moved)
        mistake(app, -ENOMEM, "no memory for", "the application");
    else if (!app->error[0])
        add_routes(app, app, app->router, "");
    app->is_ready = !app->error[0];
    if (app->is_ready)
        return 0;
    fprintf(stderr, "weft: %s\n", app->error);
    return -EINVAL;
}
