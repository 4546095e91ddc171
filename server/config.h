/* config.h: what weft.yaml says, as data. See docs/weft.yaml for what each key means.
 *
 * Text is as the file has it; what has a unit (durations, sizes) has been read into the field
 * beside it by config_load, which has checked everything that can be checked without serving. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "tree.h"

/* A duration or a size: as written, or NULL; and in nanoseconds or bytes, 0 when not written. */
struct config_quantity {
    char *text;
    int64_t value;
};

struct config_list {
    char **items;
    unsigned count;
};

enum config_switch { SWITCH_UNSET, SWITCH_OFF, SWITCH_ON };
enum config_format { FORMAT_COMMON, FORMAT_COMBINED, FORMAT_JSON };
enum config_balance { BALANCE_ROUND_ROBIN, BALANCE_LEAST, BALANCE_RANDOM, BALANCE_HASH };
enum config_client_auth { CLIENT_AUTH_NONE, CLIENT_AUTH_OPTIONAL, CLIENT_AUTH_REQUIRED };

struct config_rate {
    uint32_t per_second, burst;
};

struct config_cors {
    struct config_list origins, methods, headers;
    enum config_switch credentials;
    struct config_quantity max_age;
};

struct config_basic_auth {
    char *realm;
    /* `users`, a mapping of names to passwords, is read from the tree. */
};

/* Middleware, of the whole server, of a host or of a route. They add up, from the outermost in. */
struct config_use {
    enum config_switch compress, security_headers, request_id;
    struct config_quantity timeout, max_body;
    struct config_rate *rate_limit;
    struct config_cors *cors;
    struct config_basic_auth *basic_auth;
    /* `headers`, a mapping of what answers get, is read from the tree. */
};

struct config_health {
    char *path;
    struct config_quantity interval, timeout;
    uint32_t rise, fall;
};

struct config_upstream {
    enum config_balance balance;
    char *hash_on; /* "client", "header:NAME" or "cookie:NAME" */
    struct config_quantity connect_timeout, timeout;
    struct config_health *health;
    uint32_t *retries; /* NULL: the default */
    uint32_t max_idle;
    enum config_switch pass_host, strip_prefix;
};

struct config_respond {
    uint32_t status;
    char *body, *type;
};

/* A route: a path, and exactly one of what it leads to. */
struct config_route {
    char *path;
    struct config_list methods;

    char *root; /* key "static" */
    char *index;
    enum config_switch listing, precompressed;
    char *cache_control;

    char *module; /* with `options`, a mapping, in the tree */

    struct config_list proxy;
    struct config_upstream *upstream;

    char *redirect;
    uint32_t status; /* of the redirect */

    struct config_respond *respond;

    char *handler; /* a built-in one's name */

    struct config_use use;
};

struct config_host {
    struct config_list names;
    struct config_route *routes;
    unsigned n_routes;
    struct config_use use;
};

struct config_timeouts {
    struct config_quantity header, body, idle, write, handler, drain;
};

struct config_limits {
    struct config_quantity body, header;
    uint32_t headers, connections;
};

struct config_certificate {
    char *cert, *key;
};

struct config_tls {
    struct config_list listen;
    struct config_certificate *certificates;
    unsigned n_certificates;
    char *client_ca;
    enum config_client_auth client_auth;
    char *min_version;
    struct config_quantity hsts;
    enum config_switch redirect; /* plain requests go to https */
};

struct config_log {
    char *access, *error; /* "off", "stderr", "stdout" or a file's path */
    enum config_format format;
};

struct config_admin {
    char *listen;
    char *mode_text; /* of a unix socket's file, in octal */
    unsigned mode;   /* default 0600 */
};

struct config {
    struct config_list listen;
    uint32_t threads;
    char *user, *group;
    char *pid_file;
    struct config_list trusted_proxies;
    enum config_switch proxy_protocol;
    struct config_timeouts timeouts;
    struct config_limits limits;
    struct config_tls *tls;
    struct config_log log;
    struct config_admin *admin;
    struct config_use use;
    struct config_host *hosts;
    unsigned n_hosts;
    struct config_route *routes;
    unsigned n_routes;

    struct tree *tree;
};

/* Reads and checks a file. Returns the configuration, or NULL after one line a mistake on stderr:
 * "path:line:column: what was found, what was expected". */
struct config *config_load(const char *path);
void config_free(struct config *config);

/* Says a mistake that shows up later, at a place like "routes[2].module". Returns -EINVAL. */
int config_wrong(const struct config *config, const char *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
