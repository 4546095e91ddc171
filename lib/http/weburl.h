/* weburl.h: the URLs of requests (RFC 3986, RFC 9110 section 4.2): absolute ones, and references to
 * be resolved against one. */
#ifndef HTTP_WEBURL_H
#define HTTP_WEBURL_H

#include <stdbool.h>
#include <weft/base.h>

#include "arena.h"

struct weburl {
    bool is_https;
    weft_str text;      /* "http://host:port/path?query": without a fragment, never an empty path */
    weft_str authority; /* what Host says: the port left out where it is the scheme's own */
    weft_str target;    /* path and query, what the request line says */
    char *address;      /* "host:port", "[ipv6]:port", terminated: what weft_dial takes */
};

/* Reads an absolute URL; what it needs comes from the arena. Returns 0; -EINVAL; -EPROTONOSUPPORT
 * for another scheme than http and https; -ENOMEM. Userinfo is refused (RFC 9110 section 4.2.4). */
WEFT_MUST_USE int weburl_parse(weft_str text, struct arena *arena, struct weburl *ret_url);

/* Resolves a reference, as Location has it, against `base` (RFC 3986 section 5). Else as
 * weburl_parse. */
WEFT_MUST_USE int weburl_resolve(const struct weburl *base, weft_str reference, struct arena *arena,
                                 struct weburl *ret_url);

/* Whether both lead to the same origin: scheme, host and port (RFC 6454 section 5). */
bool weburl_same_origin(const struct weburl *a, const struct weburl *b);

#endif
