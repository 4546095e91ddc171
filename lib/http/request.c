/* request.c: what a handler asks about its request. */
#include "exchange.h"
#include "token.h"
#include "url.h"

void target_split(weft_str target, weft_str *ret_path, weft_str *ret_query)
{
    const char *slashes;
    *ret_query = (weft_str){NULL, 0};
    if (target.ptr && target.len && target.ptr[0] != '/' && target.ptr[0] != '*' &&
        (slashes = memmem(target.ptr, target.len, "://", 3))) { /* absolute-form */
        target.len -= (size_t)(slashes + 3 - target.ptr);
        target.ptr = slashes + 3;
        while (target.len && *target.ptr != '/' && *target.ptr != '?') {
            target.ptr++;
            target.len--;
        }
        if (!target.len || *target.ptr == '?') { /* an empty path is "/" */
            *ret_path = WEFT_STR("/");
            if (target.len)
                *ret_query = (weft_str){target.ptr + 1, target.len - 1};
            return;
        }
    }
    const char *mark = memchr(target.ptr, '?', target.len);
    *ret_path = target;
    if (mark) {
        ret_path->len = (size_t)(mark - target.ptr);
        *ret_query = (weft_str){mark + 1, target.len - ret_path->len - 1};
    }
}

weft_str weft_method(weft_http *h)
{
    const char *name = llhttp_method_name((llhttp_method_t)h->head.parser.method);
    return weft_cstr(name);
}

weft_str weft_target(weft_http *h)
{
    return head_slice(&h->head, h->head.target);
}

weft_str weft_path(weft_http *h)
{
    weft_str path, query;
    target_split(weft_target(h), &path, &query);
    return path;
}

weft_str weft_host(weft_http *h)
{
    weft_str target = weft_target(h);
    const char *slashes;
    if (target.len && target.ptr[0] != '/' && target.ptr[0] != '*' &&
        (slashes = memmem(target.ptr, target.len, "://", 3))) {
        const char *host = slashes + 3, *end = target.ptr + target.len, *at = host;
        while (at < end && *at != '/' && *at != '?')
            at++;
        return (weft_str){host, (size_t)(at - host)};
    }
    return head_find(&h->head, "host", 4);
}

weft_str weft_query_string(weft_http *h)
{
    weft_str path, query;
    target_split(weft_target(h), &path, &query);
    return query;
}

/* A decoded slice; text without escapes is given as it stands. {NULL, 0} when it does not decode.
 */
static weft_str decoded(weft_http *h, weft_str raw, bool plus_is_space)
{
    if (!url_needs_decode(raw) && !(plus_is_space && memchr(raw.ptr, '+', raw.len)))
        return raw;
    char *text = arena_alloc(&h->arena, raw.len);
    if (!text)
        return (weft_str){NULL, 0};
    ssize_t n = url_decode(text, raw, plus_is_space);
    return n < 0 ? (weft_str){NULL, 0} : (weft_str){text, (size_t)n};
}

weft_str weft_param(weft_http *h, const char *name)
{
    size_t len = strlen(name);
    for (int i = 0; i < h->match.n_params; i++) {
        const struct router_param *p = &h->match.params[i];
        if (p->name.len == len && memcmp(p->name.ptr, name, len) == 0)
            return decoded(h, p->value, false);
    }
    return (weft_str){NULL, 0};
}

weft_str weft_query(weft_http *h, const char *name)
{
    weft_str rest = weft_query_string(h), raw_name, raw_value;
    weft_str wanted = weft_cstr(name);
    while (url_query_next(&rest, &raw_name, &raw_value)) {
        weft_str found = decoded(h, raw_name, true);
        if (found.ptr && weft_str_eq(found, wanted))
            return decoded(h, raw_value, true);
    }
    return (weft_str){NULL, 0};
}

weft_str weft_header(weft_http *h, const char *name)
{
    return head_find(&h->head, name, strlen(name));
}

int weft_header_at(weft_http *h, size_t i, weft_str *ret_name, weft_str *ret_value)
{
    if (i >= h->head.header_count)
        return 0;
    const struct head_header *header = &h->head.headers[i];
    *ret_name = head_slice(&h->head, header->name);
    *ret_value = header->value.len ? head_slice(&h->head, header->value) : WEFT_STR("");
    return 1;
}

int weft_header_next(weft_http *h, const char *name, size_t *at, weft_str *ret_value)
{
    weft_str wanted = weft_cstr(name), found;
    while (weft_header_at(h, *at, &found, ret_value)) {
        ++*at;
        if (token_eq(found, wanted))
            return 1;
    }
    return 0;
}

weft_str weft_peer(weft_http *h)
{
    enum { ROOM = 64 };
    char *text = arena_alloc(&h->arena, ROOM);
    if (!text)
        return (weft_str){NULL, 0};
    return (weft_str){text, weft_conn_peer(h->conn, text, ROOM)};
}

weft_str weft_scheme(weft_http *h)
{
    return h->conn->stream ? WEFT_STR("https") : WEFT_STR("http");
}

int weft_tls(weft_http *h, weft_tls_info *ret_info)
{
    return weft_conn_tls(h->conn, ret_info);
}

void *weft_alloc(weft_http *h, size_t size)
{
    return arena_alloc(&h->arena, size);
}
