#include "mount.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers.h"
#include "module.h"
#include "mounted.h"

/* ---- what routes lead to ---- */

static int answer_fixed(weft_http *h, void *arg)
{
    const struct config_respond *r = arg;
    const char *body = r->body ? r->body : "";
    return weft_bytes(h, r->status ? (int)r->status : 200,
                      r->type ? r->type : "text/plain; charset=utf-8", body, strlen(body));
}

/* Puts a parameter into a URL: percent-encoded but for what a path may have (RFC 3986 section 3.3).
 */
static size_t encode(char *to, weft_str value)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-._~!$&'()*+,;=:@/";
    static const char hex[] = "0123456789ABCDEF";
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c && strchr(plain, c)) {
            to[len++] = (char)c;
        } else {
            to[len++] = '%';
            to[len++] = hex[c >> 4];
            to[len++] = hex[c & 15];
        }
    }
    return len;
}

/* Redirects to the route's target, in which {name} stands for a parameter of the path. */
static int answer_redirect(weft_http *h, void *arg)
{
    const struct config_route *r = arg;
    weft_str query = weft_query_string(h);
    size_t room = strlen(r->redirect) + 3 * weft_path(h).len + query.len + 2, len = 0;
    char *to = weft_alloc(h, 2 * room), name[64];
    if (!to)
        return -ENOMEM;
    for (const char *at = r->redirect; *at && len < room;) {
        const char *close = *at == '{' ? strchr(at, '}') : NULL;
        if (!close || (size_t)(close - at) >= sizeof name) {
            to[len++] = *at++;
            continue;
        }
        snprintf(name, sizeof name, "%.*s", (int)(close - at - 1), at + 1);
        weft_str value = weft_param(h, name);
        if (len + 3 * value.len < room)
            len += encode(to + len, value);
        at = close + 1;
    }
    if (query.ptr && !strchr(r->redirect, '?')) {
        to[len++] = '?';
        memcpy(to + len, query.ptr, query.len);
        len += query.len;
    }
    to[len] = '\0';
    return weft_redirect(h, r->status ? (int)r->status : 302, to);
}

static int add(weft_app *app, const struct config_route *r, const char *pattern,
               weft_handler *handler, const void *arg)
{
    int rc = 0;
    if (!r->methods.count)
        return weft_any(app, pattern, handler, (void *)(uintptr_t)arg);
    for (unsigned i = 0; i < r->methods.count && rc == 0; i++)
        rc = weft_route(app, r->methods.items[i], pattern, handler, (void *)(uintptr_t)arg);
    return rc;
}

/* Below a route's path, and the path itself. */
static int add_below(weft_app *group, const struct config_route *r, weft_handler *handler,
                     const void *arg)
{
    int rc = add(group, r, "/{path...}", handler, arg);
    return rc < 0 || strcmp(r->path, "/") == 0 ? rc : add(group, r, "", handler, arg);
}

static void drop_proxy(void *proxy)
{
    weft_proxy_free(proxy);
}

void mount_each_proxy(const struct mounted *list, void (*visit)(void *proxy, void *arg), void *arg)
{
    mounted_each(list, drop_proxy, visit, arg);
}

static void set_upstream(weft_proxy_opts *o, const struct config_upstream *u)
{
    static const int balances[] = {[BALANCE_ROUND_ROBIN] = WEFT_BALANCE_ROUND_ROBIN,
                                   [BALANCE_LEAST] = WEFT_BALANCE_LEAST,
                                   [BALANCE_RANDOM] = WEFT_BALANCE_TWO_CHOICES,
                                   [BALANCE_HASH] = WEFT_BALANCE_HASH};
    o->balance = balances[u->balance];
    o->hash_on = u->hash_on;
    o->host = u->pass_host == SWITCH_OFF ? "" : NULL;
    o->connect_timeout = u->connect_timeout.value;
    o->header_timeout = u->timeout.value;
    o->idle_timeout = u->timeout.value;
    o->max_idle = (int)u->max_idle;
    o->retries = u->retries ? (int)*u->retries : 0;
    if (u->retries && *u->retries == 0)
        o->retries = -1; /* the library's word for none */
    if (u->health) {
        o->health_path = u->health->path;
        o->health_interval = u->health->interval.value;
        o->health_timeout = u->health->timeout.value;
        o->health_rise = (int)u->health->rise;
        o->health_fall = (int)u->health->fall;
    }
}

static int mount_proxy(const struct config *config, const char *place, const struct config_route *r,
                       weft_app *group, struct mounted **list)
{
    char err[256], at[128];
    weft_proxy_opts *opts = calloc(1, sizeof *opts); /* large */
    if (!opts)
        return -ENOMEM;
    for (unsigned i = 0; i < r->proxy.count && i < WEFT_PROXY_MAX_UPSTREAMS; i++)
        opts->upstreams[i].url = r->proxy.items[i];
    if (r->upstream)
        set_upstream(opts, r->upstream);
    if (r->upstream && r->upstream->strip_prefix == SWITCH_ON && strcmp(r->path, "/") != 0)
        opts->strip_prefix = r->path;
    weft_proxy *proxy = weft_proxy_new(opts, err, sizeof err);
    free(opts);
    snprintf(at, sizeof at, "%s.proxy", place);
    if (!proxy)
        return config_wrong(config, at, "%s", err);
    int rc = mounted_keep(list, proxy, drop_proxy);
    return rc < 0 ? rc : add_below(group, r, weft_proxy_handler, proxy);
}

static int mount_builtin(const struct config *config, const char *place,
                         const struct config_route *r, weft_app *app)
{
    char at[128];
    weft_handler *handler = handlers_find(r->handler);
    if (handler)
        return add(app, r, r->path, handler, NULL);
    snprintf(at, sizeof at, "%s.handler", place);
    return config_wrong(config, at, "there is no built-in handler '%s'; there are %s", r->handler,
                        handlers_names());
}

static void drop_module(void *module)
{
    module_free(module);
}

static int mount_files(const struct config_route *r, weft_app *group, struct mounted **list)
{
    weft_static_opts *opts = malloc(sizeof *opts);
    if (!opts)
        return -ENOMEM;
    *opts = (weft_static_opts){
        .root = r->root,
        .index = r->index,
        .listing = r->listing == SWITCH_ON,
        .precompressed = r->precompressed == SWITCH_ON,
        .cache_control = r->cache_control,
    };
    int rc = mounted_keep(list, opts, free);
    if (rc == 0)
        rc = weft_get(group, "/{path...}", weft_static_with, opts);
    if (rc == 0 && strcmp(r->path, "/") != 0)
        rc = weft_get(group, "", weft_folder_redirect, NULL);
    return rc;
}

int mount_route(const struct config *config, const char *place, const struct config_route *r,
                weft_app *app, struct mounted **list)
{
    bool is_prefix = r->root || r->module || r->proxy.count;
    const char *prefix = is_prefix && strcmp(r->path, "/") != 0 ? r->path : "";
    weft_app *group = weft_app_group(app, prefix);
    int rc = group ? mount_middleware(config, place, &r->use, group, list) : -ENOMEM;
    if (rc < 0)
        return rc;
    if (r->root)
        return mount_files(r, group, list);
    if (r->module) {
        struct module *module;
        rc = module_load(config, place, r, group, &module);
        return rc < 0 ? rc : mounted_keep(list, module, drop_module);
    }
    if (r->proxy.count)
        return mount_proxy(config, place, r, group, list);
    if (r->redirect)
        return add(group, r, r->path, answer_redirect, r);
    if (r->respond)
        return add(group, r, r->path, answer_fixed, r->respond);
    return mount_builtin(config, place, r, group);
}
