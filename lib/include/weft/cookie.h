/* weft/cookie.h: cookies (RFC 6265, and what browsers have added since: 6265bis). */
#ifndef WEFT_COOKIE_H
#define WEFT_COOKIE_H

#include <weft/http.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The value of the request's first cookie of that name, as sent, without quotes around it; {NULL,
 * 0} when there is none. Names are told apart by case. Never parks. */
WEFT_API weft_str weft_cookie(weft_http *h, const char *name);

/* Cookie number i from 0, in the order sent. Returns 1, or 0 past the last. Never parks. */
WEFT_API int weft_cookie_at(weft_http *h, size_t i, weft_str *ret_name, weft_str *ret_value);

enum weft_same_site {
    WEFT_SAME_SITE_UNSET, /* the browser's default, as a rule Lax */
    WEFT_SAME_SITE_LAX,
    WEFT_SAME_SITE_STRICT,
    WEFT_SAME_SITE_NONE, /* needs `secure` */
};

/* A cookie to set. A zero field is left out, so that {.name, .value} is a cookie of this host that
 * lasts as long as the browser's session; give an end either by max_age or by expires. */
typedef struct weft_cookie_opts {
    const char *name;  /* a token */
    const char *value; /* printable ASCII without space, quote, comma, semicolon and backslash: text
                        * of other kinds goes encoded, by percent or base64 */
    const char *domain; /* also hosts below it */
    const char *path;
    int64_t max_age; /* seconds from now; below 0: the browser forgets the cookie at once */
    int64_t expires; /* seconds since 1970 */
    enum weft_same_site same_site;
    int secure;      /* 1: over TLS only */
    int http_only;   /* 1: not for scripts */
    int partitioned; /* 1: a jar for each top-level site; needs `secure` */
} weft_cookie_opts;

/* Adds a Set-Cookie header. What a browser would ignore is refused, not sent: a name __Secure-...
 * without `secure`, a name __Host-... without `secure`, with a domain or with another path than
 * "/", same_site none and partitioned without `secure`, more than 4096 bytes of name and value.
 * Returns 0; -EINVAL; else as weft_add_header. Never parks. */
WEFT_API int weft_set_cookie(weft_http *h, const weft_cookie_opts *cookie);

#ifdef __cplusplus
}
#endif
#endif
