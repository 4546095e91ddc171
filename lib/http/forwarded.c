/* forwarded.c: whom a request is really from: Forwarded (RFC 7239) or X-Forwarded-For.
 *
 * Each proxy appends whom it got the request from, so that the list is believed from its end on and
 * only as far as its authors are trusted:
 *
 *     X-Forwarded-For: a, b, c       the connection's peer says c; c, if trusted, says b; ...
 *
 * The first that is not trusted is the client. What stands before him he may have invented. */
#include "forwarded.h"

#include <errno.h>

#include "exchange.h"
#include "params.h"
#include "token.h"

enum { HOPS_MAX = 32 }; /* the last ones count */

/* What a proxy says of the connection it got the request over. */
struct hop {
    struct ip from; /* AF_UNSPEC: it does not say, or not so that one understands */
    weft_str scheme, host;
};

struct hops {
    unsigned count; /* may be more than there is room for: a ring */
    struct hop all[HOPS_MAX];
};

int trusted_parse(const char *const *list, struct trusted *ret)
{
    ret->count = 0;
    for (; list && *list; list++) {
        if (ret->count == TRUSTED_MAX)
            return -E2BIG;
        int rc = cidr_parse(*list, &ret->all[ret->count]);
        if (rc < 0)
            return rc;
        ret->count++;
    }
    return 0;
}

static struct hop *hop_new(struct hops *hops)
{
    struct hop *hop = &hops->all[hops->count++ % HOPS_MAX];
    *hop = (struct hop){.from = {.family = AF_UNSPEC}};
    return hop;
}

/* Counted from the last, 0; NULL when there are not as many. */
static struct hop *hop_from_end(struct hops *hops, unsigned i)
{
    if (i >= hops->count || i >= HOPS_MAX)
        return NULL;
    return &hops->all[(hops->count - 1 - i) % HOPS_MAX];
}

static weft_str checked_scheme(weft_str scheme)
{
    if (token_eq(scheme, WEFT_STR("https")))
        return WEFT_STR("https");
    return token_eq(scheme, WEFT_STR("http")) ? WEFT_STR("http") : (weft_str){NULL, 0};
}

static weft_str checked_host(weft_str host)
{
    return head_host_is_valid(host) ? host : (weft_str){NULL, 0};
}

/* ---- Forwarded ---- */

/* A quoted value with its quotes and escapes taken off; {NULL, 0} when memory is out. */
static weft_str plain(weft_http *h, weft_str value, bool is_quoted)
{
    if (!is_quoted || !memchr(value.ptr, '\\', value.len))
        return value;
    char *copy = arena_alloc(&h->arena, value.len);
    return copy ? (weft_str){copy, params_unquote(copy, value)} : (weft_str){NULL, 0};
}

/* The length of the list's first element; commas between quotes are part of it. */
static size_t element_len(weft_str list)
{
    bool is_quoted = false;
    for (size_t i = 0; i < list.len; i++) {
        char ch = list.ptr[i];
        if (is_quoted && ch == '\\')
            i++;
        else if (ch == '"')
            is_quoted = !is_quoted;
        else if (ch == ',' && !is_quoted)
            return i;
    }
    return list.len;
}

/* An element: for=...;proto=...;host=... in any order. Returns false when it is none. */
static bool add_element(weft_http *h, weft_str element, struct hops *hops)
{
    weft_str name, value;
    bool is_quoted;
    struct hop *hop = hop_new(hops);
    /* params begin with a semicolon: the byte before the first one is white space or a comma. */
    char *text = arena_alloc(&h->arena, element.len + 1);
    if (!text)
        return false;
    text[0] = ';';
    memcpy(text + 1, element.ptr, element.len);
    struct params p = {.rest = {text, element.len + 1}};
    while (params_next(&p, &name, &value, &is_quoted)) {
        value = plain(h, value, is_quoted);
        if (token_eq(name, WEFT_STR("for"))) {
            if (!ip_parse_with_port(value, &hop->from))
                hop->from.family = AF_UNSPEC; /* "unknown", or a name of the proxy's own */
        } else if (token_eq(name, WEFT_STR("proto"))) {
            hop->scheme = checked_scheme(value);
        } else if (token_eq(name, WEFT_STR("host"))) {
            hop->host = checked_host(value);
        }
    }
    return !p.is_broken;
}

/* A header that is broken anywhere is not believed at all: an open quote of the client's would
 * swallow what the proxy has appended. */
static void read_forwarded(weft_http *h, struct hops *hops)
{
    size_t at = 0;
    weft_str list;
    while (weft_header_next(h, "forwarded", &at, &list)) {
        while (list.len) {
            size_t len = element_len(list);
            weft_str element = token_trim((weft_str){list.ptr, len});
            len += len < list.len ? 1 : 0;
            list.ptr += len;
            list.len -= len;
            if (element.len && !add_element(h, element, hops)) {
                hops->count = 0;
                return;
            }
        }
    }
}

/* ---- X-Forwarded-For, -Proto, -Host ---- */

static unsigned count_elements(weft_http *h, const char *name)
{
    size_t at = 0;
    unsigned count = 0;
    weft_str list, element;
    while (weft_header_next(h, name, &at, &list))
        while (token_list_next(&list, &element))
            count++;
    return count;
}

/* Puts what stands in a list at the hops it belongs to. One element only is of the nearest proxy,
 * who has overwritten what was there: it is for all. */
static void read_list(weft_http *h, const char *name, struct hops *hops,
                      void (*put)(struct hop *hop, weft_str element))
{
    size_t at = 0;
    weft_str list, element;
    unsigned count = count_elements(h, name), i = 0;
    while (weft_header_next(h, name, &at, &list)) {
        while (token_list_next(&list, &element)) {
            struct hop *hop = hop_from_end(hops, count - 1 - i++);
            if (count == 1)
                for (unsigned k = 0; (hop = hop_from_end(hops, k)); k++)
                    put(hop, element);
            else if (hop)
                put(hop, element);
        }
    }
}

static void put_scheme(struct hop *hop, weft_str element)
{
    hop->scheme = checked_scheme(element);
}

static void put_host(struct hop *hop, weft_str element)
{
    hop->host = checked_host(element);
}

static void read_x_forwarded(weft_http *h, struct hops *hops)
{
    size_t at = 0;
    weft_str list, element;
    while (weft_header_next(h, "x-forwarded-for", &at, &list)) {
        while (token_list_next(&list, &element)) {
            struct hop *hop = hop_new(hops);
            if (!ip_parse_with_port(element, &hop->from))
                hop->from.family = AF_UNSPEC;
        }
    }
    if (hops->count == 0 &&
        (weft_header(h, "x-forwarded-proto").ptr || weft_header(h, "x-forwarded-host").ptr))
        hop_new(hops); /* a proxy that tells these only */
    read_list(h, "x-forwarded-proto", hops, put_scheme);
    read_list(h, "x-forwarded-host", hops, put_host);
}

/* ---- whom it is from ---- */

/* What the connection itself says, and then what trusted proxies say. */
static struct hop client_of(weft_http *h)
{
    struct hop client = {.from = conn_peer_ip(h->conn), .scheme = {NULL, 0}, .host = {NULL, 0}};
    const struct trusted *trusted = &h->server->trusted;
    struct hops hops = {.count = 0};
    struct hop *hop;
    if (weft_likely(!trusted_has(trusted, &client.from)))
        return client;
    if (h->server->opts.proxy_headers == WEFT_PROXY_FORWARDED)
        read_forwarded(h, &hops);
    else
        read_x_forwarded(h, &hops);
    for (unsigned i = 0; trusted_has(trusted, &client.from) && (hop = hop_from_end(&hops, i));
         i++) {
        if (hop->scheme.ptr)
            client.scheme = hop->scheme;
        if (hop->host.ptr)
            client.host = hop->host;
        if (hop->from.family == AF_UNSPEC)
            break; /* nobody says who: the nearest that is known stays */
        client.from = hop->from;
    }
    return client;
}

weft_str weft_client_address(weft_http *h)
{
    struct hop client = client_of(h);
    char *text = arena_alloc(&h->arena, INET6_ADDRSTRLEN);
    if (!text)
        return (weft_str){NULL, 0};
    return (weft_str){text, ip_format(&client.from, text, INET6_ADDRSTRLEN)};
}

weft_str weft_client_scheme(weft_http *h)
{
    weft_str scheme = client_of(h).scheme;
    return scheme.ptr ? scheme : weft_scheme(h);
}

weft_str weft_client_host(weft_http *h)
{
    weft_str host = client_of(h).host;
    return host.ptr ? host : weft_host(h);
}
