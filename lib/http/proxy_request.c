/* proxy_request.c: the head of a request as the upstream gets it.
 *
 * Lines that stay as they are go over in runs, as the client has sent them: the parser has found
 * nothing wrong with them, and nothing is read into them. What belongs to the connection is left
 * out (RFC 9110 section 7.6.1), and what weft itself says is put behind. */
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "proxy.h"
#include "token.h"

/* The options that are none, and what frames the message: without its length the rest of it would
 * be another message to who reads it next. */
static bool is_not_to_be_named(weft_str name)
{
    return token_eq(name, WEFT_STR("close")) || token_eq(name, WEFT_STR("keep-alive")) ||
           token_eq(name, WEFT_STR("content-length"));
}

void nominated_add(struct nominated *n, weft_str value)
{
    weft_str name;
    while (token_list_next(&value, &name))
        if (!is_not_to_be_named(name) && n->count < PROXY_NOMINATED_MAX)
            n->names[n->count++] = name;
}

bool nominated_has(const struct nominated *n, weft_str name)
{
    for (int i = 0; i < n->count; i++)
        if (token_eq(n->names[i], name))
            return true;
    return false;
}

/* ---- the buffer ---- */

struct text {
    char *at, *end;
    bool is_full;
};

static void put(struct text *t, const char *bytes, size_t len)
{
    if (len > (size_t)(t->end - t->at)) {
        t->is_full = true;
        return;
    }
    memcpy(t->at, bytes, len);
    t->at += len;
}

static void put_str(struct text *t, weft_str s)
{
    put(t, s.ptr, s.len);
}

#define PUT(text, literal) put(text, literal, sizeof(literal) - 1)

/* ---- which headers stay ---- */

enum kind {
    STAYS,
    GOES,          /* of the connection, or said by weft itself */
    FORWARDED_FOR, /* and the others that tell whom a request is from */
    FORWARDED_HOST,
    FORWARDED_PROTO,
    FORWARDED,
};

/* Servers that make variables of headers take an underscore for a hyphen: so does this, lest
 * X_Forwarded_For be believed. `name` is in lower case. */
static bool is(weft_str s, const char *name)
{
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.ptr[i] == '_' ? '-' : s.ptr[i];
        ch = ch >= 'A' && ch <= 'Z' ? (char)(ch | 32) : ch;
        if (ch != name[i])
            return false;
    }
    return true;
}

static enum kind kind_of(weft_str name)
{
    switch (name.len) {
    case 2: return is(name, "te") ? GOES : STAYS;
    case 4: return is(name, "host") ? GOES : STAYS;
    case 6: return is(name, "expect") ? GOES : STAYS;
    case 7: return is(name, "upgrade") || is(name, "trailer") ? GOES : STAYS;
    case 9: return is(name, "forwarded") ? FORWARDED : STAYS;
    case 10: return is(name, "connection") || is(name, "keep-alive") ? GOES : STAYS;
    case 15: return is(name, "x-forwarded-for") ? FORWARDED_FOR : STAYS;
    case 16:
        return is(name, "x-forwarded-host")   ? FORWARDED_HOST
               : is(name, "proxy-connection") ? GOES
                                              : STAYS;
    case 17:
        return is(name, "x-forwarded-proto")   ? FORWARDED_PROTO
               : is(name, "transfer-encoding") ? GOES
                                               : STAYS;
    case 19: return is(name, "proxy-authorization") ? GOES : STAYS;
    default: return STAYS;
    }
}

/* ---- whom it is from ---- */

struct told {
    bool is_trusted; /* the peer is a proxy that is believed */
    bool has_host, has_proto, has_for;
};

/* The peer's address; none for a unix socket's. */
static size_t peer_text(weft_http *h, char buf[64])
{
    struct ip ip = conn_peer_ip(h->conn);
    return ip.family == AF_INET || ip.family == AF_INET6 ? ip_format(&ip, buf, 64) : 0;
}

static weft_str scheme_of(weft_http *h)
{
    return h->conn->stream ? WEFT_STR("https") : WEFT_STR("http");
}

/* The list that trusted proxies have begun, in one line, with the peer's address behind. */
static void put_forwarded_for(struct text *t, weft_http *h, const struct told *told)
{
    char *start = t->at, ip[64];
    size_t len = peer_text(h, ip);
    bool has_any = false;
    PUT(t, "X-Forwarded-For: ");
    for (unsigned i = 0; told->has_for && i < h->head.header_count; i++) {
        weft_str name = head_slice(&h->head, h->head.headers[i].name);
        weft_str value = head_slice(&h->head, h->head.headers[i].value);
        if (kind_of(name) != FORWARDED_FOR || value.len == 0)
            continue;
        if (has_any)
            PUT(t, ", ");
        put_str(t, value);
        has_any = true;
    }
    if (len && has_any)
        PUT(t, ", ");
    put(t, ip, len);
    PUT(t, "\r\n");
    if (!len && !has_any)
        t->at = start;
}

/* Forwarded: for=192.0.2.1;host="example.org";proto=http (RFC 7239 section 4). */
static void put_forwarded(struct text *t, weft_http *h, weft_str host)
{
    char ip[64];
    size_t len = peer_text(h, ip);
    PUT(t, "Forwarded: for=");
    if (len == 0)
        PUT(t, "unknown");
    bool has_colon = memchr(ip, ':', len) != NULL; /* RFC 7239 section 6: IPv6 is quoted */
    if (has_colon)
        PUT(t, "\"[");
    put(t, ip, len);
    if (has_colon)
        PUT(t, "]\"");
    if (host.len && !memchr(host.ptr, '"', host.len) && !memchr(host.ptr, '\\', host.len)) {
        PUT(t, ";host=\"");
        put_str(t, host);
        PUT(t, "\"");
    }
    PUT(t, ";proto=");
    put_str(t, scheme_of(h));
    PUT(t, "\r\n");
}

static void put_origin(struct text *t, weft_proxy *p, weft_http *h, weft_str host,
                       const struct told *told)
{
    if (p->opts.tell & WEFT_TELL_X_FORWARDED) {
        put_forwarded_for(t, h, told);
        if (!told->has_proto) {
            PUT(t, "X-Forwarded-Proto: ");
            put_str(t, scheme_of(h));
            PUT(t, "\r\n");
        }
        if (!told->has_host && host.len) {
            PUT(t, "X-Forwarded-Host: ");
            put_str(t, host);
            PUT(t, "\r\n");
        }
    }
    if (p->opts.tell & WEFT_TELL_FORWARDED)
        put_forwarded(t, h, host);
}

/* ---- the head ---- */

/* The target as origin-form, the prefix taken off and the upstream's base put before. */
static void put_target(struct text *t, weft_proxy *p, weft_http *h, const struct upstream *u)
{
    weft_str path, query, prefix = weft_cstr(p->prefix);
    target_split(weft_target(h), &path, &query);
    put(t, u->base, strlen(u->base));
    if (prefix.len && path.len >= prefix.len && memcmp(path.ptr, prefix.ptr, prefix.len) == 0 &&
        (path.len == prefix.len || path.ptr[prefix.len] == '/')) {
        path.ptr += prefix.len;
        path.len -= prefix.len;
        if (path.len == 0)
            PUT(t, "/");
    }
    put_str(t, path);
    if (query.ptr) {
        PUT(t, "?");
        put_str(t, query);
    }
}

/* The host that the client has named: in the target, if it is absolute (RFC 9112 section 3.2.2). */
static weft_str host_of(weft_http *h)
{
    weft_str target = weft_target(h);
    const char *slashes;
    if (target.len && target.ptr[0] != '/' && target.ptr[0] != '*' &&
        (slashes = memmem(target.ptr, target.len, "://", 3))) {
        weft_str rest = {slashes + 3, target.len - (size_t)(slashes + 3 - target.ptr)};
        size_t len = 0;
        while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?')
            len++;
        return (weft_str){rest.ptr, len};
    }
    return head_find(&h->head, "host", 4);
}

static void put_host(struct text *t, weft_proxy *p, const struct upstream *u, weft_str host)
{
    weft_str said = host;
    if (p->host)
        said = weft_cstr(p->host[0] ? p->host : u->authority);
    else if (!host.ptr) /* HTTP/1.0 */
        said = weft_cstr(u->authority);
    PUT(t, "Host: ");
    put_str(t, said);
    PUT(t, "\r\n");
}

/* Whether a header's line goes over; what it tells is noted. */
static bool goes_over(weft_proxy *p, weft_str name, const struct nominated *nominated,
                      struct told *told)
{
    enum kind kind = kind_of(name);
    if (weft_likely(kind == STAYS))
        return !nominated->count || !nominated_has(nominated, name);
    if (kind == GOES || !told->is_trusted)
        return false;
    bool is_ours = p->opts.tell & WEFT_TELL_X_FORWARDED;
    told->has_for = told->has_for || kind == FORWARDED_FOR;
    told->has_proto = told->has_proto || kind == FORWARDED_PROTO;
    told->has_host = told->has_host || kind == FORWARDED_HOST;
    return kind != FORWARDED_FOR || !is_ours;
}

static void put_headers(struct text *t, weft_proxy *p, weft_http *h, struct told *told)
{
    const struct head *head = &h->head;
    struct nominated nominated = {.count = 0};
    for (unsigned i = 0; i < head->header_count; i++)
        if (head->headers[i].name.len == 10 &&
            token_eq(head_slice(head, head->headers[i].name), WEFT_STR("connection")))
            nominated_add(&nominated, head_slice(head, head->headers[i].value));
    const char *run = NULL; /* where lines begin that all go over */
    for (unsigned i = 0; i < head->header_count; i++) {
        weft_str name = head_slice(head, head->headers[i].name);
        bool goes = goes_over(p, name, &nominated, told);
        if (goes && !run)
            run = name.ptr;
        if (!goes && run) {
            put(t, run, (size_t)(name.ptr - run));
            run = NULL;
        }
    }
    if (run) /* up to the empty line */
        put(t, run, (size_t)(h->in + h->body_at - 2 - run));
}

static void put_upgrade(struct text *t, weft_http *h)
{
    weft_str protocols = head_find(&h->head, "upgrade", 7);
    PUT(t, "Connection: Upgrade\r\nUpgrade: ");
    put_str(t, protocols);
    PUT(t, "\r\n");
}

ssize_t proxy_put_head(weft_proxy *p, weft_http *h, const struct upstream *u, bool is_upgrade,
                       bool is_chunked, char *buf, size_t size)
{
    struct text t = {buf, buf + size, false};
    struct ip peer = conn_peer_ip(h->conn);
    struct told told = {.is_trusted = trusted_has(&h->server->trusted, &peer)};
    weft_str host = host_of(h);
    put_str(&t, weft_method(h));
    PUT(&t, " ");
    put_target(&t, p, h, u);
    PUT(&t, " HTTP/1.1\r\n");
    put_host(&t, p, u, host);
    put_headers(&t, p, h, &told);
    put_origin(&t, p, h, host, &told);
    if (is_chunked)
        PUT(&t, "Transfer-Encoding: chunked\r\n");
    if (is_upgrade)
        put_upgrade(&t, h);
    if (h->head.parser.http_minor == 1)
        PUT(&t, "Via: 1.1 weft\r\n\r\n");
    else
        PUT(&t, "Via: 1.0 weft\r\n\r\n");
    return t.is_full ? -EMSGSIZE : t.at - buf;
}
