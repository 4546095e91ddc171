/* proxy.c: the proxy as an object: its options checked, its upstreams made. */
#include "proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "token.h"
#include "weburl.h"

enum { WEIGHT_MAX = 100, HASH_NAME_MAX = 128 };

static void set_default(int64_t *value, int64_t by_default)
{
    if (*value == 0)
        *value = by_default;
}

static void set_default_int(int *value, int by_default)
{
    if (*value == 0)
        *value = by_default;
}

static void fill_defaults(weft_proxy_opts *o)
{
    set_default_int(&o->tell, WEFT_TELL_X_FORWARDED);
    set_default_int(&o->max_idle, 64);
    set_default_int(&o->max_per_upstream, 1024);
    set_default(&o->keep_timeout, 55 * WEFT_SEC);
    set_default(&o->connect_timeout, 5 * WEFT_SEC);
    set_default(&o->header_timeout, 60 * WEFT_SEC);
    set_default(&o->idle_timeout, 60 * WEFT_SEC);
    set_default(&o->tunnel_timeout, 3600 * WEFT_SEC);
    if (o->max_header_bytes == 0)
        o->max_header_bytes = 16 * 1024;
    set_default_int(&o->retries, 2);
    set_default_int(&o->max_fails, 5);
    set_default(&o->rest, 1 * WEFT_SEC);
    set_default(&o->health_interval, 5 * WEFT_SEC);
    set_default(&o->health_timeout, 2 * WEFT_SEC);
    set_default_int(&o->health_rise, 2);
    set_default_int(&o->health_fall, 3);
}

/* What is wrong with the options; NULL: nothing. */
static const char *mistake_in(const weft_proxy_opts *o)
{
    if (o->balance < WEFT_BALANCE_ROUND_ROBIN || o->balance > WEFT_BALANCE_HASH)
        return "balance is none of WEFT_BALANCE_...";
    if (o->tell < 0 || o->tell > 7)
        return "tell is none of WEFT_TELL_...";
    if (o->max_header_bytes > PROXY_HEAD_MAX)
        return "max_header_bytes is more than 24 KB";
    if (o->keep_timeout < 0 || o->connect_timeout < 0 || o->header_timeout < 0 ||
        o->idle_timeout < 0 || o->tunnel_timeout < 0 || o->rest < 0 || o->health_interval < 0 ||
        o->health_timeout < 0)
        return "a duration is negative";
    if (o->max_idle < 0 || o->max_per_upstream < 0 || o->retries < -1 || o->max_fails < -1 ||
        o->health_rise < 0 || o->health_fall < 0)
        return "a number is negative";
    if (o->health_path && o->health_path[0] != '/')
        return "health_path does not begin with a slash";
    if (o->strip_prefix && o->strip_prefix[0] && o->strip_prefix[0] != '/')
        return "strip_prefix does not begin with a slash";
    for (const char *ch = o->host; ch && *ch; ch++)
        if (*ch <= ' ' || *ch == 127)
            return "host cannot be a Host";
    return NULL;
}

/* "client", "header:NAME", "cookie:NAME". Returns 0; -EINVAL; -ENOMEM. */
static int read_hash_on(weft_proxy *p, const char *text)
{
    p->hash_on = HASH_CLIENT;
    if (!text || strcmp(text, "client") == 0)
        return 0;
    const char *colon = strchr(text, ':');
    if (!colon || !token_is(weft_cstr(colon + 1)) || strlen(colon + 1) > HASH_NAME_MAX)
        return -EINVAL;
    if (strncmp(text, "header:", 7) == 0)
        p->hash_on = HASH_HEADER;
    else if (strncmp(text, "cookie:", 7) == 0)
        p->hash_on = HASH_COOKIE;
    else
        return -EINVAL;
    p->hash_name = strdup(colon + 1);
    return p->hash_name ? 0 : -ENOMEM;
}

/* A URL's path without its last slash, and without a query, which has no meaning there. */
static char *base_of(weft_str target)
{
    const char *mark = memchr(target.ptr, '?', target.len);
    if (mark)
        target.len = (size_t)(mark - target.ptr);
    if (target.len && target.ptr[target.len - 1] == '/')
        target.len--;
    return strndup(target.ptr, target.len);
}

static int make_origin(weft_proxy *p, struct upstream *u, const char *network, const char *address)
{
    struct origin_limits limits = {
        .max_idle = p->opts.max_idle,
        .max_in_use = p->opts.max_per_upstream,
        .idle_timeout = p->opts.keep_timeout,
        .connect_timeout = p->opts.connect_timeout,
        .tls = &p->opts.tls,
    };
    u->origin = origin_new(network, address, &limits, NULL);
    return u->origin ? 0 : -ENOMEM;
}

static int make_upstream(weft_proxy *p, struct upstream *u, const weft_proxy_upstream *given)
{
    char first[256];
    struct arena arena;
    struct weburl url;
    u->weight = given->weight ? given->weight : 1;
    if (u->weight < 0 || u->weight > WEIGHT_MAX)
        return -EINVAL;
    if (!(u->url = strdup(given->url)))
        return -ENOMEM;
    if (strncmp(given->url, "unix:", 5) == 0) {
        const char *path = given->url + 5;
        if (path[0] != '/' || strlen(path) > 107) /* sun_path */
            return -EINVAL;
        u->authority = strdup("localhost");
        u->base = strdup("");
        return u->authority && u->base ? make_origin(p, u, "unix", path) : -ENOMEM;
    }
    arena_init(&arena, first, sizeof first);
    int rc = weburl_parse(weft_cstr(given->url), &arena, &url);
    if (rc == 0) {
        u->authority = strndup(url.authority.ptr, url.authority.len);
        u->base = base_of(url.target);
        rc = u->authority && u->base ? make_origin(p, u, url.is_https ? "tls" : "tcp", url.address)
                                     : -ENOMEM;
    }
    arena_reset(&arena);
    return rc;
}

static int copy_text(char **to, const char *from)
{
    if (from && !(*to = strdup(from)))
        return -ENOMEM;
    return 0;
}

static int fail(char *err, size_t err_size, const char *what, const char *about)
{
    if (err_size)
        snprintf(err, err_size, "%s%s", what, about);
    else
        fprintf(stderr, "weft: proxy: %s%s\n", what, about);
    return -EINVAL;
}

static int fill(weft_proxy *p, const weft_proxy_opts *opts, char *err, size_t err_size)
{
    const char *mistake = mistake_in(&p->opts);
    if (mistake)
        return fail(err, err_size, mistake, "");
    int rc = read_hash_on(p, opts->hash_on);
    if (rc == -EINVAL)
        return fail(err, err_size,
                    "hash_on is none of client, header:NAME, cookie:NAME: ", opts->hash_on);
    while (p->count < WEFT_PROXY_MAX_UPSTREAMS && opts->upstreams[p->count].url)
        p->count++;
    if (p->count == 0)
        return fail(err, err_size, "there is no upstream", "");
    p->upstreams = calloc((size_t)p->count, sizeof *p->upstreams);
    if (!p->upstreams || rc < 0)
        return fail(err, err_size, "memory is out", "");
    for (int i = 0; i < p->count; i++) {
        rc = make_upstream(p, &p->upstreams[i], &opts->upstreams[i]);
        if (rc < 0)
            return fail(err, err_size,
                        rc == -ENOMEM ? "memory is out for " : "cannot be an upstream: ",
                        opts->upstreams[i].url);
    }
    if (copy_text(&p->host, opts->host) < 0 || copy_text(&p->prefix, opts->strip_prefix) < 0 ||
        copy_text(&p->health_path, opts->health_path) < 0 || balance_prepare(p) < 0)
        return fail(err, err_size, "memory is out", "");
    size_t len = p->prefix ? strlen(p->prefix) : 0;
    if (len && p->prefix[len - 1] == '/')
        p->prefix[len - 1] = '\0';
    return 0;
}

weft_proxy *weft_proxy_new(const weft_proxy_opts *opts, char *err, size_t err_size)
{
    weft_proxy *p = calloc(1, sizeof *p);
    if (!p) {
        fail(err, err_size, "memory is out", "");
        return NULL;
    }
    p->opts = *opts;
    fill_defaults(&p->opts);
    if (fill(p, opts, err, err_size) == 0)
        return p;
    weft_proxy_free(p);
    return NULL;
}

void weft_proxy_free(weft_proxy *p)
{
    if (!p)
        return;
    health_stop(p);
    for (int i = 0; p->upstreams && i < p->count; i++) {
        struct upstream *u = &p->upstreams[i];
        if (u->origin)
            origin_close(u->origin);
        origin_unref(u->origin);
        free(u->url);
        free(u->authority);
        free(u->base);
    }
    free(p->upstreams);
    free(p->turns);
    free(p->ring);
    free(p->hash_name);
    free(p->host);
    free(p->prefix);
    free(p->health_path);
    free(p);
}

int weft_proxy_upstream_state(const weft_proxy *p, int i, weft_proxy_state *ret_state)
{
    if (i < 0 || i >= p->count)
        return 0;
    const struct upstream *u = &p->upstreams[i];
    *ret_state = (weft_proxy_state){
        .url = u->url,
        .is_up = health_is_up(u),
        .is_well = !atomic_load_explicit(&u->is_ill, memory_order_relaxed), /* all: statistics */
        .in_flight = atomic_load_explicit(&u->in_flight, memory_order_relaxed),
        .requests = atomic_load_explicit(&u->requests, memory_order_relaxed),
        .failures = atomic_load_explicit(&u->failures, memory_order_relaxed),
    };
    return 1;
}
