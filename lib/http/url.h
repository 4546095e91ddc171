/* url.h: percent-encoding (RFC 3986 section 2.1) and query strings. */
#ifndef HTTP_URL_H
#define HTTP_URL_H

#include <stdbool.h>
#include <weft/base.h>

static inline bool url_needs_decode(weft_str s)
{
    return s.len && memchr(s.ptr, '%', s.len) != NULL;
}

/* Decodes into `dst` (at least src.len bytes, may be src's own). Returns the length, or -EINVAL for
 * an escape that is none and for an encoded NUL. */
ssize_t url_decode(char *dst, weft_str src, bool plus_is_space);

/* Whether url_decode can decode it. */
bool url_is_decodable(weft_str s);

/* Takes the next name=value off `rest`, both as sent. Returns false at the end. */
bool url_query_next(weft_str *rest, weft_str *ret_name, weft_str *ret_value);

#endif
