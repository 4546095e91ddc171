/* app.c: an application: its routes, groups and middleware, and how a request goes through them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "assert.h"
#include "exchange.h"
#include "url.h"

enum { PATTERN_MAX = 1024, MIDDLEWARE_MAX = 32, GROUP_DEPTH_MAX = 16, ERROR_MAX = 512 };

struct route_entry {
    struct route_entry *next;
    char *method; /* "" for any */
    char *pattern;
    struct step handler;
};

struct weft_app {
    weft_app *parent; /* of a group */
    weft_app *next;   /* sibling */
    weft_app *groups;
    char *prefix; /* "" for the application itself */
    struct route_entry *routes, **last_route;
    struct step middleware[MIDDLEWARE_MAX];
    int n_middleware;
    char error[ERROR_MAX]; /* the first mistake made while building; in the root */

    /* Made by app_prepare, in the root. */
    struct router *router;
    struct endpoint **endpoints;
    size_t n_endpoints;
    struct endpoint *not_found, *no_method, *options;
};

static weft_app *root_of(weft_app *app)
{
    while (app->parent)
        app = app->parent;
    return app;
}

static int mistake(weft_app *app, int rc, const char *what, const char *about)
{
    weft_app *root = root_of(app);
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
    return app;
}

static void unprepare(weft_app *app)
{
    for (size_t i = 0; i < app->n_endpoints; i++)
        free(app->endpoints[i]);
    free(app->endpoints);
    router_free(app->router);
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
    free(app->prefix);
    free(app);
}

weft_app *weft_app_group(weft_app *app, const char *prefix)
{
    weft_app *group = weft_app_new();
    size_t len = strlen(prefix);
    if (!group)
        return NULL;
    free(group->prefix);
    group->prefix = strdup(prefix);
    group->parent = app;
    group->next = app->groups;
    app->groups = group;
    if (!group->prefix || prefix[0] != '/' || len < 2 || prefix[len - 1] == '/')
        mistake(app, -EINVAL, "a group's prefix begins with a slash and does not end with one, not",
                prefix);
    return group;
}

int weft_use(weft_app *app, weft_handler *middleware, void *arg)
{
    if (app->n_middleware == MIDDLEWARE_MAX)
        return mistake(app, -ENOMEM, "too much middleware in group", app->prefix);
    app->middleware[app->n_middleware++] = (struct step){middleware, arg};
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
    while (depth--)
        for (int i = 0; i < path[depth]->n_middleware; i++)
            e->steps[e->step_count++] = path[depth]->middleware[i];
    e->steps[e->step_count++] = handler;
    return e;
}

static int add_routes(weft_app *root, weft_app *app, const char *prefix)
{
    char full[PATTERN_MAX];
    for (struct route_entry *r = app->routes; r; r = r->next) {
        int n = snprintf(full, sizeof full, "%s%s%s", prefix, app->prefix, r->pattern);
        if (n < 0 || (size_t)n >= sizeof full)
            return mistake(app, -EINVAL, "too long a route pattern", r->pattern);
        struct endpoint *e = endpoint_new(app, r->handler);
        if (!e)
            return mistake(app, -ENOMEM, "no memory for route", full);
        int rc = router_add(root->router, weft_cstr(r->method), weft_cstr(full), e, root->error,
                            sizeof root->error);
        if (rc < 0)
            return rc == -ENOMEM ? mistake(app, rc, "no memory for route", full) : rc;
    }
    int n = snprintf(full, sizeof full, "%s%s", prefix, app->prefix);
    if (n < 0 || (size_t)n >= sizeof full)
        return mistake(app, -EINVAL, "too long a group prefix", app->prefix);
    for (weft_app *group = app->groups; group; group = group->next) {
        int rc = add_routes(root, group, full);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int answer_not_found(weft_http *h, void *arg)
{
    (void)h, (void)arg;
    return 404;
}

static int set_allow(weft_http *h, weft_app *app)
{
    char allow[256];
    router_allow(app->router, weft_path(h), allow, sizeof allow);
    return weft_set_header(h, "Allow", allow);
}

static int answer_no_method(weft_http *h, void *arg)
{
    int rc = set_allow(h, arg);
    return rc < 0 ? rc : 405;
}

static int answer_options(weft_http *h, void *arg)
{
    int rc = set_allow(h, arg);
    return rc < 0 ? rc : 204;
}

int app_prepare(weft_app *app)
{
    weft_assert(!app->parent);
    unprepare(app);
    app->router = router_new();
    app->not_found = endpoint_new(app, (struct step){answer_not_found, NULL});
    app->no_method = endpoint_new(app, (struct step){answer_no_method, app});
    app->options = endpoint_new(app, (struct step){answer_options, app});
    if (!app->router || !app->not_found || !app->no_method || !app->options)
        mistake(app, -ENOMEM, "no memory for", "the application");
    else if (!app->error[0])
        add_routes(app, app, "");
    if (!app->error[0])
        return 0;
    fprintf(stderr, "weft: %s\n", app->error);
    return -EINVAL;
}

/* ---- a request's way ---- */

static int run_step(weft_http *h)
{
    const struct step *step = &h->endpoint->steps[h->step];
    int rc = step->fn(h, step->arg);
    if (rc != 0 || h->answer == ANSWER_NONE)
        answer_result(h, rc);
    return rc;
}

int weft_next(weft_http *h)
{
    weft_assert(h->step + 1 < h->endpoint->step_count);
    h->step++;
    int rc = run_step(h);
    h->step--;
    return rc;
}

/* A path that does not decode cannot be anybody's (RFC 3986 section 2.1); checked once, here. */
static bool is_path_valid(weft_http *h, weft_str path)
{
    if (!url_needs_decode(path))
        return true;
    char *scratch = arena_alloc(&h->arena, path.len);
    return scratch && url_decode(scratch, path, false) >= 0;
}

void app_dispatch(weft_app *app, weft_http *h)
{
    weft_str path = weft_path(h), method = weft_method(h);
    bool is_options = method.len == 7 && h->head.parser.method == HTTP_OPTIONS;
    h->match.n_params = 0;
    h->step = 0;
    if (!is_path_valid(h, path)) {
        h->endpoint = NULL;
        weft_status(h, 400);
        return;
    }
    switch (router_find(app->router, method, path, &h->match)) {
    case ROUTER_FOUND: h->endpoint = h->match.target; break;
    case ROUTER_NO_METHOD: h->endpoint = is_options ? app->options : app->no_method; break;
    case ROUTER_NO_PATH:
        h->endpoint = is_options && path.ptr[0] == '*' ? app->options : app->not_found;
        break;
    }
    run_step(h);
    answer_finish(h);
}
