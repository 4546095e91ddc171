/* config_check.c */
#include "config_check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/base.h>

#include "config_schema.h"
#include "quantity.h"

enum { PLACE_MAX = 256, PATH_MAX_BYTES = 4096 };

struct check {
    struct config *config;
    unsigned mistakes;
};

/* One mistake at a place below `at`: WRONG(k, "routes[0]", "status", "is %u", n). */
static void wrong(struct check *k, const char *at, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void wrong(struct check *k, const char *at, const char *key, const char *format, ...)
{
    char place[PLACE_MAX], text[TREE_MESSAGE_MAX];
    va_list args;
    snprintf(place, sizeof place, "%s%s%s", at, *at && *key && *key != '[' ? "." : "", key);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    config_wrong(k->config, place, "%s", text);
    k->mistakes++;
}

static const char *item_place(char *buf, const char *list, unsigned i)
{
    snprintf(buf, PLACE_MAX, "%s[%u]", list, i);
    return buf;
}

/* ---- values ---- */

static void duration(struct check *k, const char *at, const char *key, struct config_quantity *q)
{
    if (!q->text)
        return;
    if (quantity_duration(q->text, &q->value) < 0 || q->value <= 0)
        wrong(k, at, key, "'%s' is no duration; expected one like 500ms, 10s, 5m or 1h", q->text);
}

static void size(struct check *k, const char *at, const char *key, struct config_quantity *q)
{
    if (!q->text)
        return;
    if (quantity_size(q->text, &q->value) < 0 || q->value <= 0)
        wrong(k, at, key, "'%s' is no size; expected one like 16KB, 1MB or 2GB", q->text);
}

static void port_or_path(struct check *k, const char *at, const char *key, const char *address)
{
    const char *colon = strrchr(address, ':');
    char *end = NULL;
    if (strncmp(address, "unix:", 5) == 0) {
        if (!address[5])
            wrong(k, at, key, "'unix:' wants the path of a socket");
        return;
    }
    long port = colon ? strtol(colon + 1, &end, 10) : -1;
    bool is_bare_v6 = colon && address[0] != '[' && strchr(address, ':') != colon;
    if (!colon || !colon[1] || *end || port < 0 || port > 65535 || is_bare_v6)
        wrong(k, at, key, "'%s' is no address; expected host:port, [ipv6]:port, :port or unix:PATH",
              address);
}

static void addresses(struct check *k, const char *key, const struct config_list *list)
{
    char place[PLACE_MAX];
    for (unsigned i = 0; i < list->count; i++)
        port_or_path(k, item_place(place, key, i), "", list->items[i]);
}

/* A path in the file is relative to the file's folder, wherever weft is started. */
static void resolve(struct check *k, char **path)
{
    char full[PATH_MAX_BYTES];
    const char *file = tree_path(k->config->tree), *slash = strrchr(file, '/');
    if (!*path || **path == '/' || !slash)
        return;
    const char *relative = strncmp(*path, "./", 2) == 0 ? *path + 2 : *path;
    int n = snprintf(full, sizeof full, "%.*s/%s", (int)(slash - file), file, relative);
    char *copy = n > 0 && (size_t)n < sizeof full ? strdup(full) : NULL;
    if (copy) {
        free(*path);
        *path = copy;
    }
}

/* The path in "unix:PATH". */
static void resolve_address(struct check *k, char **address)
{
    char *path = strncmp(*address, "unix:", 5) == 0 ? strdup(*address + 5) : NULL, *full;
    if (!path)
        return;
    resolve(k, &path);
    if (asprintf(&full, "unix:%s", path) >= 0) {
        free(*address);
        *address = full;
    }
    free(path);
}

static void readable(struct check *k, const char *at, const char *key, char **path)
{
    if (!*path)
        return;
    resolve(k, path);
    if (access(*path, R_OK) < 0)
        wrong(k, at, key, "cannot read '%s': %s", *path, strerror(errno));
}

static void folder(struct check *k, const char *at, const char *key, char **path)
{
    struct stat st;
    resolve(k, path);
    if (stat(*path, &st) < 0)
        wrong(k, at, key, "cannot read the folder '%s': %s", *path, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        wrong(k, at, key, "'%s' is no folder", *path);
    else if (access(*path, R_OK | X_OK) < 0)
        wrong(k, at, key, "cannot read the folder '%s': %s", *path, strerror(errno));
}

/* "10.0.0.0/8", "::1" and so on. */
static void network(struct check *k, const char *at, const char *text)
{
    char address[64];
    unsigned char bytes[16];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    bool is_valid = len < sizeof address;
    if (is_valid) {
        snprintf(address, sizeof address, "%.*s", (int)len, text);
        int bits = inet_pton(AF_INET, address, bytes) == 1    ? 32
                   : inet_pton(AF_INET6, address, bytes) == 1 ? 128
                                                              : 0;
        char *end = NULL;
        long prefix = slash ? strtol(slash + 1, &end, 10) : bits;
        is_valid = bits && (!slash || (slash[1] && !*end)) && prefix >= 0 && prefix <= bits;
    }
    if (!is_valid)
        wrong(k, at, "", "'%s' is no network; expected one like 10.0.0.0/8 or ::1", text);
}

static void status(struct check *k, const char *at, const char *key, uint32_t given, uint32_t least,
                   uint32_t most)
{
    if (given && (given < least || given > most))
        wrong(k, at, key, "is %u; expected a status from %u to %u", given, least, most);
}

/* ---- middleware ---- */

static bool has(const struct check *k, const char *at, const char *key)
{
    char place[PLACE_MAX];
    snprintf(place, sizeof place, "%s%s%s", at, *at ? "." : "", key);
    return tree_find(k->config->tree, place) != NULL;
}

/* A mapping of the user's own keys to text. */
static void text_mapping(struct check *k, const char *at, const char *key)
{
    char place[PLACE_MAX];
    const char *name, *value;
    snprintf(place, sizeof place, "%s%s%s", at, *at ? "." : "", key);
    const struct tree_node *node = tree_find(k->config->tree, place);
    if (!node)
        return;
    if (strcmp(tree_describe(node, place, sizeof place), "a mapping") != 0)
        wrong(k, at, key, "expected a mapping (name: value)");
    for (size_t i = 0; tree_entry(k->config->tree, node, i, &name, &value); i++)
        if (!value)
            wrong(k, at, key, "'%s' is no text", name);
}

static void use(struct check *k, const char *at, struct config_use *u)
{
    char below[PLACE_MAX];
    duration(k, at, "timeout", &u->timeout);
    size(k, at, "max_body", &u->max_body);
    text_mapping(k, at, "headers");
    if (u->rate_limit && u->rate_limit->per_second == 0)
        wrong(k, at, "rate_limit", "per_second must be at least 1");
    if (u->cors) {
        snprintf(below, sizeof below, "%s%scors", at, *at ? "." : "");
        duration(k, below, "max_age", &u->cors->max_age);
        if (!u->cors->origins.count)
            wrong(k, below, "", "origins is missing; [ \"*\" ] allows every site");
    }
    if (u->basic_auth) {
        snprintf(below, sizeof below, "%s%sbasic_auth", at, *at ? "." : "");
        text_mapping(k, below, "users");
    }
}

/* ---- routes ---- */

/* What a route can lead to, and the keys that go with that alone. */
static const struct target {
    const char *key;
    const char *with[5];
} targets[] = {
    {"static", {"index", "listing", "precompressed", "cache_control"}},
    {"module", {"options"}},
    {"proxy", {"upstream"}},
    {"redirect", {"status"}},
    {"respond", {NULL}},
    {"handler", {NULL}},
};

static void one_target(struct check *k, const char *at)
{
    const struct target *found = NULL;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        if (!has(k, at, targets[i].key))
            continue;
        if (found)
            wrong(k, at, targets[i].key, "the route has '%s' already; it leads to one thing only",
                  found->key);
        else
            found = &targets[i];
    }
    if (!found) {
        wrong(k, at, "",
              "the route leads nowhere; expected one of static, module, proxy, redirect, respond, "
              "handler");
        return;
    }
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        for (const char *const *with = targets[i].with; *with; with++)
            if (&targets[i] != found && has(k, at, *with))
                wrong(k, at, *with, "'%s' goes with '%s', not with '%s'", *with, targets[i].key,
                      found->key);
}

static void upstream(struct check *k, const char *at, struct config_route *r)
{
    char place[PLACE_MAX], list[PLACE_MAX];
    snprintf(list, sizeof list, "%s.proxy", at);
    for (unsigned i = 0; i < r->proxy.count; i++) {
        const char *url = r->proxy.items[i];
        if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0 &&
            strncmp(url, "unix:/", 6) != 0)
            wrong(k, item_place(place, list, i), "",
                  "'%s' is no upstream; expected http://host:port, https://host:port or unix:/PATH",
                  url);
    }
    struct config_upstream *u = r->upstream;
    if (!u)
        return;
    snprintf(place, sizeof place, "%s.upstream", at);
    duration(k, place, "connect_timeout", &u->connect_timeout);
    duration(k, place, "timeout", &u->timeout);
    if (u->balance == BALANCE_HASH && !u->hash_on)
        wrong(k, place, "balance", "hash wants hash_on: client, header:NAME or cookie:NAME");
    if (u->hash_on && strcmp(u->hash_on, "client") != 0 && strncmp(u->hash_on, "header:", 7) != 0 &&
        strncmp(u->hash_on, "cookie:", 7) != 0)
        wrong(k, place, "hash_on", "is '%s'; expected client, header:NAME or cookie:NAME",
              u->hash_on);
    if (u->health) {
        snprintf(place, sizeof place, "%s.upstream.health", at);
        duration(k, place, "interval", &u->health->interval);
        duration(k, place, "timeout", &u->health->timeout);
        if (u->health->path[0] != '/')
            wrong(k, place, "path", "is '%s'; expected a path that begins with '/'",
                  u->health->path);
    }
}

static void route(struct check *k, const char *at, struct config_route *r)
{
    if (r->path[0] != '/')
        wrong(k, at, "path", "is '%s'; expected a path that begins with '/'", r->path);
    one_target(k, at);
    if (r->root)
        folder(k, at, "static", &r->root);
    readable(k, at, "module", &r->module);
    upstream(k, at, r);
    status(k, at, "status", r->status, 300, 399);
    if (r->respond)
        status(k, at, "respond", r->respond->status, 200, 599);
    use(k, at, &r->use);
}

static void routes(struct check *k, const char *at, struct config_route *list, unsigned count)
{
    char place[PLACE_MAX];
    for (unsigned i = 0; i < count; i++)
        route(k, item_place(place, at, i), &list[i]);
}

static void hosts(struct check *k)
{
    char place[PLACE_MAX], below[PLACE_MAX];
    for (unsigned i = 0; i < k->config->n_hosts; i++) {
        struct config_host *h = &k->config->hosts[i];
        use(k, item_place(place, "hosts", i), &h->use);
        snprintf(below, sizeof below, "hosts[%u].routes", i);
        routes(k, below, h->routes, h->n_routes);
    }
}

/* ---- the server ---- */

static void identity(struct check *k)
{
    const struct config *c = k->config;
    if (c->user && !getpwnam(c->user))
        wrong(k, "", "user", "this machine has no user '%s'", c->user);
    if (c->group && !getgrnam(c->group))
        wrong(k, "", "group", "this machine has no group '%s'", c->group);
    if (c->group && !c->user)
        wrong(k, "", "group", "goes with 'user'");
}

static void tls(struct check *k, struct config_tls *t)
{
    char place[PLACE_MAX];
    if (!t)
        return;
    addresses(k, "tls.listen", &t->listen);
    for (unsigned i = 0; i < t->n_certificates; i++) {
        item_place(place, "tls.certificates", i);
        readable(k, place, "cert", &t->certificates[i].cert);
        readable(k, place, "key", &t->certificates[i].key);
    }
    readable(k, "tls", "client_ca", &t->client_ca);
    if (t->client_auth != CLIENT_AUTH_NONE && !t->client_ca)
        wrong(k, "tls", "client_auth", "wants client_ca, the certificates that sign clients'");
    if (t->min_version && strcmp(t->min_version, "1.2") != 0 && strcmp(t->min_version, "1.3") != 0)
        wrong(k, "tls", "min_version", "is '%s'; expected \"1.2\" or \"1.3\"", t->min_version);
    duration(k, "tls", "hsts", &t->hsts);
}

static void admin(struct check *k, struct config_admin *a)
{
    if (!a)
        return;
    char *end = "";
    a->mode = a->mode_text ? (unsigned)strtoul(a->mode_text, &end, 8) : 0600;
    if (*end || a->mode > 0777)
        wrong(k, "admin", "mode", "'%s' is no file mode; expected one like 0660", a->mode_text);
    resolve_address(k, &a->listen);
    port_or_path(k, "admin", "listen", a->listen);
    bool is_local = strncmp(a->listen, "unix:", 5) == 0 || strncmp(a->listen, "127.", 4) == 0 ||
                    strncmp(a->listen, "[::1]", 5) == 0 ||
                    strncmp(a->listen, "localhost:", 10) == 0;
    if (!is_local)
        wrong(k, "admin", "listen",
              "'%s' can be reached from outside; the admin pages want unix:PATH or a loopback "
              "address",
              a->listen);
}

static void log_target(struct check *k, const char *key, char **target)
{
    static const char *const words[] = {"off", "stderr", "stdout"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!*target || strcmp(*target, words[i]) == 0)
            return;
    resolve(k, target);
    char parent[PATH_MAX_BYTES];
    const char *slash = strrchr(*target, '/');
    int len = slash ? (int)(slash - *target) : 0;
    snprintf(parent, sizeof parent, "%.*s", len, *target);
    if (access(slash ? (len ? parent : "/") : ".", W_OK | X_OK) < 0)
        wrong(k, "log", key, "cannot write to '%s': %s", *target, strerror(errno));
}

static void server(struct check *k)
{
    struct config *c = k->config;
    char place[PLACE_MAX];
    addresses(k, "listen", &c->listen);
    resolve(k, &c->pid_file);
    if (c->threads > 256)
        wrong(k, "", "threads", "is %u; expected 1 to 256", c->threads);
    for (unsigned i = 0; i < c->trusted_proxies.count; i++)
        network(k, item_place(place, "trusted_proxies", i), c->trusted_proxies.items[i]);
    if (c->proxy_protocol == SWITCH_ON && !c->trusted_proxies.count)
        wrong(k, "", "proxy_protocol", "wants trusted_proxies, who may say where clients are");
    struct config_timeouts *t = &c->timeouts;
    duration(k, "timeouts", "header", &t->header);
    duration(k, "timeouts", "body", &t->body);
    duration(k, "timeouts", "idle", &t->idle);
    duration(k, "timeouts", "write", &t->write);
    duration(k, "timeouts", "handler", &t->handler);
    duration(k, "timeouts", "drain", &t->drain);
    struct config_limits *l = &c->limits;
    size(k, "limits", "body", &l->body);
    size(k, "limits", "header", &l->header);
    if (l->header.value > 16 << 10)
        wrong(k, "limits", "header", "is %s; expected at most 16KB", l->header.text);
    if (l->headers > 100)
        wrong(k, "limits", "headers", "is %u; expected at most 100", l->headers);
}

unsigned config_check(struct config *config)
{
    struct check k = {.config = config};
    server(&k);
    identity(&k);
    tls(&k, config->tls);
    admin(&k, config->admin);
    log_target(&k, "access", &config->log.access);
    log_target(&k, "error", &config->log.error);
    use(&k, "", &config->use);
    hosts(&k);
    routes(&k, "routes", config->routes, config->n_routes);
    return k.mistakes;
}
