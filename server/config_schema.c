/* config_schema.c: the keys of weft.yaml. A key that is added here stands in docs/weft.yaml too; a
 * test compares the two. */
#include "config_schema.h"

enum { LIST_MAX = 1024 };

static const cyaml_strval_t switches[] = {
    {"true", SWITCH_ON}, {"false", SWITCH_OFF}, {"yes", SWITCH_ON},
    {"no", SWITCH_OFF},  {"on", SWITCH_ON},     {"off", SWITCH_OFF},
};
static const cyaml_strval_t formats[] = {
    {"common", FORMAT_COMMON}, {"combined", FORMAT_COMBINED}, {"json", FORMAT_JSON}};
static const cyaml_strval_t balances[] = {{"round_robin", BALANCE_ROUND_ROBIN},
                                          {"least_connections", BALANCE_LEAST},
                                          {"random", BALANCE_RANDOM},
                                          {"hash", BALANCE_HASH}};
static const cyaml_strval_t client_auths[] = {{"none", CLIENT_AUTH_NONE},
                                              {"optional", CLIENT_AUTH_OPTIONAL},
                                              {"required", CLIENT_AUTH_REQUIRED}};

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* A table reads best a line a key. */
/* clang-format off */
#define OPTIONAL CYAML_FLAG_OPTIONAL
#define TEXT(key, type, member) \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | OPTIONAL, type, member, 0, CYAML_UNLIMITED)
#define TEXT_NEEDED(key, type, member) \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, type, member, 0, CYAML_UNLIMITED)
#define QUANTITY(key, type, member) TEXT(key, type, member.text)
#define NUMBER(key, type, member) CYAML_FIELD_UINT(key, OPTIONAL, type, member)
#define WORD(key, type, member, words) \
    CYAML_FIELD_ENUM(key, OPTIONAL | CYAML_FLAG_STRICT, type, member, words, COUNT_OF(words))
#define SWITCH(key, type, member) WORD(key, type, member, switches)
#define LIST(key, type, member) \
    CYAML_FIELD_SEQUENCE_COUNT(key, CYAML_FLAG_POINTER | OPTIONAL, type, member.items, \
                               member.count, &text_schema, 1, LIST_MAX)
#define MAPPINGS(key, type, member, count, schema) \
    CYAML_FIELD_SEQUENCE_COUNT(key, CYAML_FLAG_POINTER | OPTIONAL, type, member, count, schema, 0, \
                               LIST_MAX)
#define MAPPING(key, type, member, fields) CYAML_FIELD_MAPPING(key, OPTIONAL, type, member, fields)
#define MAPPING_PTR(key, type, member, fields) \
    CYAML_FIELD_MAPPING_PTR(key, CYAML_FLAG_POINTER | OPTIONAL, type, member, fields)
#define FREE_MAPPING(key) CYAML_FIELD_IGNORE(key, CYAML_FLAG_OPTIONAL)

static const cyaml_schema_value_t text_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)};

static const cyaml_schema_field_t rate_fields[] = {
    CYAML_FIELD_UINT("per_second", CYAML_FLAG_DEFAULT, struct config_rate, per_second),
    NUMBER("burst", struct config_rate, burst),
    CYAML_FIELD_END};

static const cyaml_schema_field_t cors_fields[] = {
    LIST("origins", struct config_cors, origins),
    LIST("methods", struct config_cors, methods),
    LIST("headers", struct config_cors, headers),
    SWITCH("credentials", struct config_cors, credentials),
    QUANTITY("max_age", struct config_cors, max_age),
    CYAML_FIELD_END};

static const cyaml_schema_field_t basic_auth_fields[] = {
    TEXT("realm", struct config_basic_auth, realm),
    CYAML_FIELD_IGNORE("users", CYAML_FLAG_DEFAULT),
    CYAML_FIELD_END};

#define USE(type) \
    SWITCH("compress", type, use.compress), \
    SWITCH("security_headers", type, use.security_headers), \
    SWITCH("request_id", type, use.request_id), \
    QUANTITY("timeout", type, use.timeout), \
    QUANTITY("max_body", type, use.max_body), \
    MAPPING_PTR("rate_limit", type, use.rate_limit, rate_fields), \
    MAPPING_PTR("cors", type, use.cors, cors_fields), \
    MAPPING_PTR("basic_auth", type, use.basic_auth, basic_auth_fields), \
    FREE_MAPPING("headers")

static const cyaml_schema_field_t health_fields[] = {
    TEXT_NEEDED("path", struct config_health, path),
    QUANTITY("interval", struct config_health, interval),
    QUANTITY("timeout", struct config_health, timeout),
    NUMBER("rise", struct config_health, rise),
    NUMBER("fall", struct config_health, fall),
    CYAML_FIELD_END};

static const cyaml_schema_field_t upstream_fields[] = {
    WORD("balance", struct config_upstream, balance, balances),
    TEXT("hash_on", struct config_upstream, hash_on),
    QUANTITY("connect_timeout", struct config_upstream, connect_timeout),
    QUANTITY("timeout", struct config_upstream, timeout),
    MAPPING_PTR("health", struct config_upstream, health, health_fields),
    CYAML_FIELD_UINT_PTR("retries", CYAML_FLAG_POINTER | OPTIONAL, struct config_upstream, retries),
    NUMBER("max_idle", struct config_upstream, max_idle),
    SWITCH("pass_host", struct config_upstream, pass_host),
    SWITCH("strip_prefix", struct config_upstream, strip_prefix),
    CYAML_FIELD_END};

static const cyaml_schema_field_t respond_fields[] = {
    NUMBER("status", struct config_respond, status),
    TEXT("body", struct config_respond, body),
    TEXT("type", struct config_respond, type),
    CYAML_FIELD_END};

static const cyaml_schema_field_t route_fields[] = {
    TEXT_NEEDED("path", struct config_route, path),
    LIST("methods", struct config_route, methods),
    TEXT("static", struct config_route, root),
    TEXT("index", struct config_route, index),
    SWITCH("listing", struct config_route, listing),
    SWITCH("precompressed", struct config_route, precompressed),
    TEXT("cache_control", struct config_route, cache_control),
    TEXT("module", struct config_route, module),
    FREE_MAPPING("options"),
    LIST("proxy", struct config_route, proxy),
    MAPPING_PTR("upstream", struct config_route, upstream, upstream_fields),
    TEXT("redirect", struct config_route, redirect),
    NUMBER("status", struct config_route, status),
    MAPPING_PTR("respond", struct config_route, respond, respond_fields),
    TEXT("handler", struct config_route, handler),
    USE(struct config_route),
    CYAML_FIELD_END};

static const cyaml_schema_value_t route_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_route, route_fields)};

static const cyaml_schema_field_t host_fields[] = {
    CYAML_FIELD_SEQUENCE_COUNT("names", CYAML_FLAG_POINTER, struct config_host, names.items,
                               names.count, &text_schema, 1, LIST_MAX),
    MAPPINGS("routes", struct config_host, routes, n_routes, &route_schema),
    USE(struct config_host),
    CYAML_FIELD_END};

static const cyaml_schema_value_t host_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_host, host_fields)};

static const cyaml_schema_field_t timeout_fields[] = {
    QUANTITY("header", struct config_timeouts, header),
    QUANTITY("body", struct config_timeouts, body),
    QUANTITY("idle", struct config_timeouts, idle),
    QUANTITY("write", struct config_timeouts, write),
    QUANTITY("handler", struct config_timeouts, handler),
    QUANTITY("drain", struct config_timeouts, drain),
    CYAML_FIELD_END};

static const cyaml_schema_field_t limit_fields[] = {
    QUANTITY("body", struct config_limits, body),
    QUANTITY("header", struct config_limits, header),
    NUMBER("headers", struct config_limits, headers),
    NUMBER("connections", struct config_limits, connections),
    CYAML_FIELD_END};

static const cyaml_schema_field_t certificate_fields[] = {
    TEXT_NEEDED("cert", struct config_certificate, cert),
    TEXT_NEEDED("key", struct config_certificate, key),
    CYAML_FIELD_END};

static const cyaml_schema_value_t certificate_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct config_certificate, certificate_fields)};

static const cyaml_schema_field_t tls_fields[] = {
    CYAML_FIELD_SEQUENCE_COUNT("listen", CYAML_FLAG_POINTER, struct config_tls, listen.items,
                               listen.count, &text_schema, 1, LIST_MAX),
    CYAML_FIELD_SEQUENCE_COUNT("certificates", CYAML_FLAG_POINTER, struct config_tls, certificates,
                               n_certificates, &certificate_schema, 1, LIST_MAX),
    TEXT("client_ca", struct config_tls, client_ca),
    WORD("client_auth", struct config_tls, client_auth, client_auths),
    TEXT("min_version", struct config_tls, min_version),
    QUANTITY("hsts", struct config_tls, hsts),
    SWITCH("redirect", struct config_tls, redirect),
    CYAML_FIELD_END};

static const cyaml_schema_field_t log_fields[] = {
    TEXT("access", struct config_log, access),
    WORD("format", struct config_log, format, formats),
    TEXT("error", struct config_log, error),
    CYAML_FIELD_END};

static const cyaml_schema_field_t admin_fields[] = {
    TEXT_NEEDED("listen", struct config_admin, listen),
    TEXT("mode", struct config_admin, mode_text),
    CYAML_FIELD_END};

static const cyaml_schema_field_t fields[] = {
    LIST("listen", struct config, listen),
    NUMBER("threads", struct config, threads),
    TEXT("user", struct config, user),
    TEXT("group", struct config, group),
    TEXT("pid_file", struct config, pid_file),
    LIST("trusted_proxies", struct config, trusted_proxies),
    SWITCH("proxy_protocol", struct config, proxy_protocol),
    MAPPING("timeouts", struct config, timeouts, timeout_fields),
    MAPPING("limits", struct config, limits, limit_fields),
    MAPPING_PTR("tls", struct config, tls, tls_fields),
    MAPPING("log", struct config, log, log_fields),
    MAPPING_PTR("admin", struct config, admin, admin_fields),
    USE(struct config),
    MAPPINGS("hosts", struct config, hosts, n_hosts, &host_schema),
    MAPPINGS("routes", struct config, routes, n_routes, &route_schema),
    CYAML_FIELD_END};
/* clang-format on */

const cyaml_schema_value_t config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, fields)};
