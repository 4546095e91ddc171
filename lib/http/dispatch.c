/* dispatch.c: a request's way through an application: its host, its route, the chain. */
#include <errno.h>
#include <stdio.h>

#include "app.h"
#include "assert.h"
#include "metrics.h"
#include "slashes.h"
#include "url.h"

/* ---- answers that come by themselves ---- */

static int set_allow(weft_http *h, const weft_app *root)
{
    char allow[512] = "";
    struct host_walk walk;
    const struct router *router;
    weft_str path = weft_path(h);
    if (root->hosts) {
        hosts_walk(&walk, weft_client_host(h));
        while ((router = hosts_next(root->hosts, &walk)))
            router_allow(router, path, allow, sizeof allow);
    }
    router_allow(root->router, path, allow, sizeof allow);
    allow_add(allow, sizeof allow, "OPTIONS");
    return weft_set_header(h, "Allow", allow);
}

int answer_not_found(weft_http *h, void *arg)
{
    (void)h, (void)arg;
    return 404;
}

int answer_bad_path(weft_http *h, void *arg)
{
    (void)h, (void)arg;
    return 400;
}

/* Under its address: the path that a request is sent to, for answer_moved. */
static const char moved_key;

int answer_moved(weft_http *h, void *arg)
{
    const weft_str *path = weft_value(h, &moved_key);
    weft_str query = weft_query_string(h);
    size_t room = path->len + query.len + 2;
    char *location = arena_alloc(&h->arena, room);
    (void)arg;
    if (!location)
        return -ENOMEM;
    snprintf(location, room, WEFT_FMT "%s" WEFT_FMT, WEFT_ARG(*path), query.ptr ? "?" : "",
             WEFT_ARG(query));
    return weft_redirect(h, 308, location);
}

int answer_no_method(weft_http *h, void *arg)
{
    int rc = set_allow(h, arg);
    return rc < 0 ? rc : 405;
}

int answer_options(weft_http *h, void *arg)
{
    int rc = set_allow(h, arg);
    return rc < 0 ? rc : 204;
}

/* ---- the chain ---- */

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

int weft_at_end(weft_http *h, void (*fn)(weft_http *h, void *arg), void *arg)
{
    struct at_end *end = arena_alloc(&h->arena, sizeof *end);
    if (!end)
        return -ENOMEM;
    *end = (struct at_end){h->at_end, fn, arg};
    h->at_end = end;
    return 0;
}

int weft_set_value(weft_http *h, const void *key, void *value)
{
    struct request_value *v = arena_alloc(&h->arena, sizeof *v);
    if (!v)
        return -ENOMEM;
    *v = (struct request_value){h->values, key, value};
    h->values = v;
    return 0;
}

void *weft_value(weft_http *h, const void *key)
{
    const struct request_value *v = h->values;
    while (v && v->key != key)
        v = v->next;
    return v ? v->value : NULL;
}

static void run_ends(weft_http *h)
{
    while (h->at_end) {
        struct at_end *end = h->at_end;
        h->at_end = end->next;
        end->fn(h, end->arg);
    }
}

/* ---- the route ---- */

/* Looks the path up in the routers of the host, from the most specific on, and in the one for any.
 * The first that has the path and the method wins; else the first that has the path. */
static enum router_result find_by_host(weft_http *h, const weft_app *app, weft_str method,
                                       weft_str path, struct router_match *ret)
{
    struct host_walk walk;
    const struct router *router;
    void *without_method = NULL;
    hosts_walk(&walk, weft_client_host(h));
    do {
        router = hosts_next(app->hosts, &walk);
        enum router_result got = router_find(router ? router : app->router, method, path, ret);
        if (got == ROUTER_FOUND)
            return got;
        if (got == ROUTER_NO_METHOD && !without_method)
            without_method = ret->target;
    } while (router);
    ret->target = without_method;
    return without_method ? ROUTER_NO_METHOD : ROUTER_NO_PATH;
}

static enum router_result find(weft_http *h, const weft_app *app, weft_str method, weft_str path)
{
    if (weft_unlikely(app->hosts != NULL))
        return find_by_host(h, app, method, path, &h->match);
    return router_find(app->router, method, path, &h->match);
}

/* The path has no route as it stands: looks for what the settings for slashes allow. Returns as
 * find does; *ret_location is set when the client shall be sent there. */
static enum router_result find_otherwise(weft_http *h, const weft_app *app, weft_str method,
                                         weft_str path, weft_str *ret_location)
{
    enum router_result got = ROUTER_NO_PATH;
    bool redirects = false;
    weft_str other;
    struct slashes_try try = {.duplicate = app->paths.duplicate_slashes != WEFT_SLASH_STRICT,
                              .trailing = app->paths.trailing_slash != WEFT_SLASH_STRICT};
    char *buf = try.duplicate || try.trailing ? arena_alloc(&h->arena, path.len + 1) : NULL;
    while (buf && got == ROUTER_NO_PATH && slashes_next(&try, path, buf, &other))
        got = find(h, app, method, other);
    if (got == ROUTER_NO_PATH)
        return got;
    redirects = (try.merged && app->paths.duplicate_slashes == WEFT_SLASH_REDIRECT) ||
                (try.toggled && app->paths.trailing_slash == WEFT_SLASH_REDIRECT);
    if (redirects && !slashes_is_local(other))
        return ROUTER_NO_PATH;
    if (redirects)
        *ret_location = other;
    return got;
}

/* What answers the request. */
static const struct endpoint *find_endpoint(const weft_app *app, weft_http *h, weft_str path)
{
    weft_str method = weft_method(h), location = {NULL, 0};
    bool is_options = h->head.parser.method == HTTP_OPTIONS;
    enum router_result got = find(h, app, method, path);
    if (weft_unlikely(got == ROUTER_NO_PATH))
        got = find_otherwise(h, app, method, path, &location);
    if (weft_unlikely(location.ptr != NULL)) {
        weft_str *kept = arena_alloc(&h->arena, sizeof *kept);
        if (!kept || weft_set_value(h, &moved_key, kept) < 0)
            return app->not_found;
        *kept = location;
        return app->moved;
    }
    const struct endpoint *target = h->match.target;
    switch (got) {
    case ROUTER_FOUND: return target;
    case ROUTER_NO_METHOD: return is_options ? target->options : target->no_method;
    case ROUTER_NO_PATH: break;
    }
    return is_options && path.ptr[0] == '*' ? app->options : app->not_found;
}

void app_dispatch(weft_app *app, weft_http *h)
{
    weft_str path = weft_path(h);
    int64_t began = weft_unlikely(app->metrics != NULL) ? weft_now() : 0;
    h->match.n_params = 0;
    h->step = 0;
    /* A path that does not decode cannot be anybody's (RFC 3986 section 2.1); checked once, here.
     */
    bool is_broken = weft_unlikely(url_needs_decode(path)) && !url_is_decodable(path);
    h->endpoint = is_broken ? app->bad_path : find_endpoint(app, h, path);
    run_step(h);
    answer_finish(h);
    if (weft_unlikely(app->metrics != NULL))
        metrics_note(app->metrics, h, began);
    if (weft_unlikely(h->at_end != NULL))
        run_ends(h);
}
