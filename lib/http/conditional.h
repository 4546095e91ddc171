/* conditional.h: conditional requests (RFC 9110 section 13): whether what the client has, or
 * expects, is what there is. */
#ifndef HTTP_CONDITIONAL_H
#define HTTP_CONDITIONAL_H

#include <stdbool.h>
#include <weft/http.h>

/* The headers of a request that choose among representations, or say which the client has; absent
 * ones are {NULL, 0}. */
struct conditions {
    weft_str match, none_match, modified_since, unmodified_since;
    weft_str if_range, range;
    weft_str accept_encoding;
};

/* What a representation is known by. */
struct validators {
    weft_str etag;    /* opaque, with its quotes and without W/ */
    bool is_weak;     /* its bytes may change under the same tag: W/ goes before it */
    int64_t modified; /* seconds of Unix time */
};

/* Reads the request's conditions, in one pass over its headers. Lists that come in several lines
 * are joined. Returns 0 or -ENOMEM. */
int conditions_read(weft_http *h, struct conditions *ret);

/* Evaluates them in the order of section 13.2.2. Returns 0 to go on, 304 or 412. Only for GET and
 * HEAD. */
int conditions_check(const struct conditions *c, const struct validators *v);

/* Whether a Range header counts (section 13.1.5): there is no If-Range, or it names just this
 * representation by a strong validator. */
bool conditions_allow_range(const struct conditions *c, const struct validators *v);

#endif
