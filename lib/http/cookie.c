/* cookie.c: cookies as they come and as they are set. */
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <weft/cookie.h>

#include "exchange.h"
#include "token.h"

enum {
    PAIR_MAX = 4096, /* bytes of name and value that browsers keep: 6265bis section 5.6 */
    ATTRIBUTE_MAX = 1024,
    LINE_MAX_BYTES = PAIR_MAX + 2 * ATTRIBUTE_MAX + 256,
};

/* ---- as they come ---- */

/* Takes the next pair off a Cookie header's value (RFC 6265 section 4.2.1); what is no pair, as
 * clients send it, is passed over. */
static bool pair_next(weft_str *rest, weft_str *ret_name, weft_str *ret_value)
{
    while (rest->len) {
        const char *end = memchr(rest->ptr, ';', rest->len);
        size_t len = end ? (size_t)(end - rest->ptr) : rest->len;
        weft_str pair = token_trim((weft_str){rest->ptr, len});
        len += end ? 1 : 0;
        rest->ptr += len;
        rest->len -= len;
        const char *equals = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;
        if (!equals || equals == pair.ptr)
            continue;
        *ret_name = token_trim((weft_str){pair.ptr, (size_t)(equals - pair.ptr)});
        weft_str value = token_trim(
            (weft_str){equals + 1, (size_t)(pair.ptr + pair.len - equals - 1)});
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
            value = (weft_str){value.ptr + 1, value.len - 2};
        *ret_value = value;
        return true;
    }
    return false;
}

/* One header as a rule, but more are allowed where a proxy has taken them from HTTP/2. */
static bool cookie_next(weft_http *h, size_t *header, weft_str *rest, weft_str *ret_name,
                        weft_str *ret_value)
{
    while (!pair_next(rest, ret_name, ret_value))
        if (!weft_header_next(h, "cookie", header, rest))
            return false;
    return true;
}

int weft_cookie_at(weft_http *h, size_t i, weft_str *ret_name, weft_str *ret_value)
{
    size_t header = 0;
    weft_str rest = {NULL, 0}, name, value;
    while (cookie_next(h, &header, &rest, &name, &value)) {
        if (i-- == 0) {
            *ret_name = name;
            *ret_value = value;
            return 1;
        }
    }
    return 0;
}

weft_str weft_cookie(weft_http *h, const char *name)
{
    size_t header = 0;
    weft_str rest = {NULL, 0}, found, value, wanted = weft_cstr(name);
    while (cookie_next(h, &header, &rest, &found, &value))
        if (weft_str_eq(found, wanted))
            return value;
    return (weft_str){NULL, 0};
}

/* ---- as they are set ---- */

/* cookie-octet (RFC 6265 section 4.1.1), all of it perhaps between quotes. */
static bool is_value(weft_str value)
{
    if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
        value = (weft_str){value.ptr + 1, value.len - 2};
    for (size_t i = 0; i < value.len; i++) {
        unsigned char ch = (unsigned char)value.ptr[i];
        if (ch <= ' ' || ch >= 127 || ch == '"' || ch == ',' || ch == ';' || ch == '\\')
            return false;
    }
    return true;
}

/* av-octet: what a path or domain may hold. */
static bool is_attribute(const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || (unsigned char)text[i] >= 127 || text[i] == ';')
            return false;
    return len > 0 && len < ATTRIBUTE_MAX;
}

static bool is_allowed(const weft_cookie_opts *c)
{
    weft_str name = weft_cstr(c->name), value = weft_cstr(c->value);
    if (!token_is(name) || !value.ptr || !is_value(value) || name.len + value.len > PAIR_MAX)
        return false;
    if ((c->domain && !is_attribute(c->domain)) ||
        (c->path && (c->path[0] != '/' || !is_attribute(c->path))))
        return false;
    if (c->same_site < WEFT_SAME_SITE_UNSET || c->same_site > WEFT_SAME_SITE_NONE ||
        c->expires < 0 || c->expires > INT64_C(253402300799)) /* the year 9999 */
        return false;
    bool needs_secure = c->partitioned || c->same_site == WEFT_SAME_SITE_NONE ||
                        strncasecmp(c->name, "__Secure-", 9) == 0;
    if (strncasecmp(c->name, "__Host-", 7) == 0) { /* browsers compare without case: bis 4.1.3 */
        needs_secure = true;
        if (c->domain || !c->path || strcmp(c->path, "/") != 0)
            return false;
    }
    return c->secure || !needs_secure;
}

static size_t add(char *line, size_t len, const char *attribute, const char *value)
{
    return len + (size_t)snprintf(line + len, LINE_MAX_BYTES - len, "; %s%s", attribute, value);
}

int weft_set_cookie(weft_http *h, const weft_cookie_opts *c)
{
    static const char *const sites[] = {NULL, "Lax", "Strict", "None"};
    char line[LINE_MAX_BYTES], number[32], date[DATE_LEN + 1];
    if (!c->name || !is_allowed(c))
        return -EINVAL;
    size_t len = (size_t)snprintf(line, sizeof line, "%s=%s", c->name, c->value);
    if (c->domain)
        len = add(line, len, "Domain=", c->domain);
    if (c->path)
        len = add(line, len, "Path=", c->path);
    if (c->max_age) { /* 0 and below are the same to browsers; "-1" is not in the grammar */
        snprintf(number, sizeof number, "%lld", c->max_age > 0 ? (long long)c->max_age : 0LL);
        len = add(line, len, "Max-Age=", number);
    }
    if (c->expires) {
        date_format(date, c->expires);
        date[DATE_LEN] = '\0';
        len = add(line, len, "Expires=", date);
    }
    if (c->secure)
        len = add(line, len, "Secure", "");
    if (c->http_only)
        len = add(line, len, "HttpOnly", "");
    if (sites[c->same_site])
        len = add(line, len, "SameSite=", sites[c->same_site]);
    if (c->partitioned)
        add(line, len, "Partitioned", "");
    return weft_add_header(h, "Set-Cookie", line);
}
