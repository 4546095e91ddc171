#include "weburl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { URL_MAX = 8192, HOST_LEN_MAX = 253 };

/* Bytes that a URL may have; everything else has to be percent-encoded. */
static bool is_url_text(weft_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char ch = (unsigned char)text.ptr[i];
        if (ch <= ' ' || ch >= 127 || ch == '"' || ch == '<' || ch == '>' || ch == '\\' ||
            ch == '^' || ch == '`' || ch == '{' || ch == '|' || ch == '}')
            return false;
    }
    return true;
}

static bool is_host_char(unsigned char ch)
{
    return (ch >= '0' && ch <= '9') || ((ch | 32) >= 'a' && (ch | 32) <= 'z') ||
           (ch && strchr("-._~", ch));
}

/* host [ ":" port ]; the host without its brackets' check: weft_dial reads the number. */
static int split_authority(weft_str authority, weft_str *ret_host, weft_str *ret_port)
{
    size_t at = 0;
    if (authority.len && authority.ptr[0] == '[') {
        while (at < authority.len && authority.ptr[at] != ']')
            at++;
        for (size_t i = 1; i < at; i++)
            if (!authority.ptr[i] || !strchr("0123456789abcdefABCDEF:.", authority.ptr[i]))
                return -EINVAL;
        if (at == authority.len || at++ == 1)
            return -EINVAL;
    } else {
        while (at < authority.len && is_host_char((unsigned char)authority.ptr[at]))
            at++;
    }
    if (at == 0 || at > HOST_LEN_MAX + 2)
        return -EINVAL;
    *ret_host = (weft_str){authority.ptr, at};
    *ret_port = (weft_str){authority.ptr + at, 0};
    if (at == authority.len)
        return 0;
    if (authority.ptr[at++] != ':')
        return -EINVAL;
    *ret_port = (weft_str){authority.ptr + at, authority.len - at};
    for (size_t i = 0; i < ret_port->len; i++)
        if (ret_port->ptr[i] < '0' || ret_port->ptr[i] > '9')
            return -EINVAL;
    return ret_port->len > 5 ? -EINVAL : 0;
}

static size_t find_any(weft_str text, const char *set)
{
    size_t i = 0;
    while (i < text.len && (!text.ptr[i] || !strchr(set, text.ptr[i])))
        i++;
    return i;
}

static weft_str from(weft_str text, size_t at)
{
    return (weft_str){text.ptr + at, text.len - at};
}

/* "scheme:" in front; the length of the scheme, 0 when there is none. */
static size_t scheme_len(weft_str text)
{
    size_t i = 0;
    while (i < text.len &&
           (((text.ptr[i] | 32) >= 'a' && (text.ptr[i] | 32) <= 'z') ||
            (i && ((text.ptr[i] >= '0' && text.ptr[i] <= '9') || text.ptr[i] == '+' ||
                   text.ptr[i] == '-' || text.ptr[i] == '.'))))
        i++;
    return i < text.len && text.ptr[i] == ':' ? i : 0;
}

/* Puts the parts together. */
static int assemble(bool is_https, weft_str host, weft_str port, weft_str target,
                    struct arena *arena, struct weburl *ret)
{
    unsigned own = is_https ? 443 : 80, number = own;
    for (size_t i = 0; i < port.len; i++)
        number = (i ? number * 10 : 0) + (unsigned)(port.ptr[i] - '0');
    if (number == 0 || number > 65535)
        return -EINVAL;
    size_t size = host.len + target.len + 32;
    char *text = arena_alloc(arena, size), *address = arena_alloc(arena, host.len + 8);
    if (!text || !address)
        return -ENOMEM;
    char shown[8] = "";
    if (number != own)
        snprintf(shown, sizeof shown, ":%u", number);
    const char *scheme = is_https ? "https://" : "http://";
    const char *root = target.len && target.ptr[0] == '/' ? "" : "/";
    int n = snprintf(text, size, "%s" WEFT_FMT "%s%s" WEFT_FMT, scheme, WEFT_ARG(host), shown, root,
                     WEFT_ARG(target));
    size_t authority_at = strlen(scheme), authority_len = host.len + strlen(shown);
    for (size_t i = authority_at; i < authority_at + host.len; i++) /* hosts have no case */
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] | 32);
    snprintf(address, host.len + 8, "%.*s:%u", (int)host.len, text + authority_at, number);
    ret->is_https = is_https;
    ret->text = (weft_str){text, (size_t)n};
    ret->authority = (weft_str){text + authority_at, authority_len};
    ret->target = from(ret->text, authority_at + authority_len);
    ret->address = address;
    return 0;
}

int weburl_parse(weft_str text, struct arena *arena, struct weburl *ret_url)
{
    weft_str host, port;
    text.len = find_any(text, "#");
    if (text.len > URL_MAX || !is_url_text(text))
        return -EINVAL;
    size_t scheme = scheme_len(text);
    bool is_https = scheme == 5 && strncasecmp(text.ptr, "https", 5) == 0;
    if (scheme == 0)
        return -EINVAL;
    if (!is_https && (scheme != 4 || strncasecmp(text.ptr, "http", 4) != 0))
        return -EPROTONOSUPPORT;
    weft_str rest = from(text, scheme + 1);
    if (rest.len < 2 || memcmp(rest.ptr, "//", 2) != 0)
        return -EINVAL;
    rest = from(rest, 2);
    size_t end = find_any(rest, "/?");
    int rc = split_authority((weft_str){rest.ptr, end}, &host, &port);
    return rc < 0 ? rc : assemble(is_https, host, port, from(rest, end), arena, ret_url);
}

/* RFC 3986 section 5.2.4, in place: the result is never longer. */
static size_t remove_dots(char *path, size_t len)
{
    size_t out = 0;
    for (size_t at = 0; at < len;) {
        size_t end = at + 1;
        while (end < len && path[end] != '/')
            end++;
        size_t n = end - at; /* "/segment" */
        bool is_dot = n == 2 && path[at + 1] == '.';
        bool is_up = n == 3 && path[at + 1] == '.' && path[at + 2] == '.';
        if (is_up)
            while (out && path[--out] != '/')
                continue;
        if (is_dot || is_up) {
            if (end == len)
                path[out++] = '/';
        } else {
            memmove(path + out, path + at, n);
            out += n;
        }
        at = end;
    }
    return out;
}

/* The target of a reference that has no authority of its own. */
static int merge(weft_str base, weft_str ref, struct arena *arena, weft_str *ret_target)
{
    size_t query = find_any(base, "?"), keep = query;
    char *target = arena_alloc(arena, base.len + ref.len + 1);
    if (!target)
        return -ENOMEM;
    if (ref.len == 0)
        keep = base.len;
    else if (ref.ptr[0] == '/')
        keep = 0;
    else if (ref.ptr[0] != '?')
        while (keep && base.ptr[keep - 1] != '/')
            keep--;
    memcpy(target, base.ptr, keep);
    memcpy(target + keep, ref.ptr, ref.len);
    weft_str joined = {target, keep + ref.len};
    size_t path = find_any(joined, "?");
    size_t clean = remove_dots(target, path);
    memmove(target + clean, target + path, joined.len - path);
    *ret_target = (weft_str){target, joined.len - path + clean};
    return 0;
}

int weburl_resolve(const struct weburl *base, weft_str reference, struct arena *arena,
                   struct weburl *ret_url)
{
    weft_str host, port, target;
    reference.len = find_any(reference, "#");
    if (reference.len > URL_MAX || !is_url_text(reference))
        return -EINVAL;
    if (scheme_len(reference))
        return weburl_parse(reference, arena, ret_url);
    if (reference.len >= 2 && memcmp(reference.ptr, "//", 2) == 0) {
        weft_str scheme = base->is_https ? WEFT_STR("https:") : WEFT_STR("http:");
        char *text = arena_alloc(arena, scheme.len + reference.len);
        if (!text)
            return -ENOMEM;
        memcpy(text, scheme.ptr, scheme.len);
        memcpy(text + scheme.len, reference.ptr, reference.len);
        return weburl_parse((weft_str){text, scheme.len + reference.len}, arena, ret_url);
    }
    int rc = merge(base->target, reference, arena, &target);
    if (rc == 0)
        rc = split_authority(base->authority, &host, &port);
    return rc < 0 ? rc : assemble(base->is_https, host, port, target, arena, ret_url);
}

bool weburl_same_origin(const struct weburl *a, const struct weburl *b)
{
    return a->is_https == b->is_https && strcmp(a->address, b->address) == 0;
}
