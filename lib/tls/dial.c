/* dial.c: connecting out, by TLS or without.
 *
 * A client's context takes milliseconds to make (the system's store has some 140 authorities), so
 * contexts are kept: those of the last few different options, each until one of its files changes.
 * The lock guards the table; contexts themselves are immutable and counted. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <weft/rt.h>

#include "conn.h"
#include "lock.h"
#include "tls.h"

enum { KEPT = 8, FILES = 3, KEY_BYTES = 2048, HOST_BYTES = 256 };

static const int64_t TIMEOUT_NS = 30 * WEFT_SEC; /* of dialling and the handshake together */

/* What a context was made from. */
struct recipe {
    char key[KEY_BYTES]; /* the options as text */
    struct timespec changed[FILES];
};

static struct {
    struct lock lock;
    int next; /* the one to replace */
    struct kept {
        struct recipe recipe;
        struct tls_context *ctx; /* NULL: free */
    } kept[KEPT];
} cache;

/* A context that is wanted, made where blocking is allowed. */
struct order {
    const weft_tls_dial_opts *opts;
    struct recipe recipe;
    struct tls_context *ctx;
};

static const char *default_store(void)
{
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine */
        "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
        "/etc/ssl/ca-bundle.pem",             /* openSUSE */
        "/etc/ssl/cert.pem",                  /* BSD */
    };
    const char *named = getenv("SSL_CERT_FILE");
    struct stat st;
    if (named && *named)
        return named;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (stat(places[i], &st) == 0)
            return places[i];
    return places[0];
}

static int recipe_write(struct recipe *r, const weft_tls_dial_opts *o)
{
    const char *files[FILES] = {o->insecure ? NULL : o->ca_file, o->cert, o->key};
    int n = snprintf(r->key, sizeof r->key, "%d %x", o->insecure, (unsigned)o->min_version);
    for (int i = 0; i < FILES; i++) {
        struct stat st = {0};
        if (files[i] && stat(files[i], &st) < 0)
            return -errno;
        r->changed[i] = st.st_mtim;
        if (n < KEY_BYTES)
            n += snprintf(r->key + n, sizeof r->key - (size_t)n, "\n%s", files[i] ? files[i] : "");
    }
    for (int i = 0; i < WEFT_TLS_MAX_ALPN && o->alpn[i]; i++)
        if (n < KEY_BYTES)
            n += snprintf(r->key + n, sizeof r->key - (size_t)n, "\n%s", o->alpn[i]);
    return n < KEY_BYTES ? 0 : -EINVAL;
}

static bool recipes_equal(const struct recipe *a, const struct recipe *b)
{
    return strcmp(a->key, b->key) == 0 && memcmp(a->changed, b->changed, sizeof a->changed) == 0;
}

static struct tls_context *cache_find(const struct recipe *recipe)
{
    struct tls_context *found = NULL;
    lock_take(&cache.lock);
    for (int i = 0; i < KEPT && !found; i++)
        if (cache.kept[i].ctx && recipes_equal(&cache.kept[i].recipe, recipe))
            found = tls_context_ref(cache.kept[i].ctx);
    lock_release(&cache.lock);
    return found;
}

static void cache_put(const struct order *order)
{
    lock_take(&cache.lock);
    struct kept *kept = &cache.kept[cache.next];
    struct tls_context *old = kept->ctx;
    cache.next = (cache.next + 1) % KEPT;
    kept->recipe = order->recipe;
    kept->ctx = tls_context_ref(order->ctx);
    lock_release(&cache.lock);
    tls_context_unref(old);
}

static int find_or_make(void *arg)
{
    struct order *order = arg;
    int rc = recipe_write(&order->recipe, order->opts);
    if (rc < 0)
        return rc;
    order->ctx = cache_find(&order->recipe);
    if (order->ctx)
        return 0;
    rc = tls_client_new(order->opts, &order->ctx);
    if (rc == 0)
        cache_put(order);
    return rc;
}

/* The host of host:port or [ipv6]:port. */
static int host_of(const char *address, char host[HOST_BYTES])
{
    const char *end = strrchr(address, ':');
    if (address[0] == '[') {
        end = strchr(address, ']');
        address++;
    }
    if (!end || end == address || end - address >= HOST_BYTES)
        return -EINVAL;
    memcpy(host, address, (size_t)(end - address));
    host[end - address] = '\0';
    return 0;
}

static int connect_and_shake(const char *address, const char *name, struct tls_context *ctx,
                             const weft_dial_opts *opts, weft_conn **ret_conn)
{
    weft_conn *c;
    int64_t now = weft_now();
    int64_t until = opts->timeout < WEFT_NO_DEADLINE - now ? now + opts->timeout : WEFT_NO_DEADLINE;
    int rc = conn_dial("tcp", address, opts, &c);
    if (rc < 0)
        return rc;
    rc = tls_connect(c, ctx, name, until);
    if (rc < 0) {
        weft_conn_close(c);
        return rc;
    }
    *ret_conn = c;
    return 0;
}

static int dial_tls(const char *address, const weft_tls_dial_opts *tls, const weft_dial_opts *opts,
                    weft_conn **ret_conn)
{
    weft_tls_dial_opts o = *tls;
    char host[HOST_BYTES];
    int rc = host_of(address, host);
    if (rc < 0)
        return rc;
    if (!o.ca_file)
        o.ca_file = default_store();
    struct order order = {.opts = &o};
    rc = weft_blocking(find_or_make, &order);
    if (rc < 0)
        return rc;
    rc = connect_and_shake(address, o.server_name ? o.server_name : host, order.ctx, opts,
                           ret_conn);
    tls_context_unref(order.ctx);
    return rc;
}

int weft_dial_tls(const char *address, const weft_tls_dial_opts *opts, weft_conn **ret_conn)
{
    static const weft_tls_dial_opts defaults;
    const weft_tls_dial_opts *tls = opts ? opts : &defaults;
    weft_dial_opts dial = {.timeout = tls->timeout ? tls->timeout : TIMEOUT_NS};
    return dial.timeout < 0 ? -EINVAL : dial_tls(address, tls, &dial, ret_conn);
}

int weft_dial_with(const char *network, const char *address, const weft_dial_opts *opts,
                   weft_conn **ret_conn)
{
    static const weft_tls_dial_opts defaults;
    weft_dial_opts dial = *opts;
    if (strcmp(network, "tls") != 0)
        return conn_dial(network, address, opts, ret_conn);
    if (dial.timeout == 0)
        dial.timeout = TIMEOUT_NS;
    return dial.timeout < 0 ? -EINVAL : dial_tls(address, &defaults, &dial, ret_conn);
}

int weft_dial(const char *network, const char *address, weft_conn **ret_conn)
{
    return weft_dial_with(network, address, &(weft_dial_opts){0}, ret_conn);
}
