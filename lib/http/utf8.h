/* utf8.h: whether text that comes in pieces is UTF-8 (RFC 3629): no overlong forms, no surrogates,
 * nothing above U+10FFFF. */
#ifndef HTTP_UTF8_H
#define HTTP_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Between two pieces; starts as zeros. */
struct utf8 {
    uint8_t left;      /* bytes that the character begun still needs */
    uint8_t low, high; /* within which the next of them must be */
};

/* Takes the next piece. Returns false for what no text of UTF-8 can begin with. */
bool utf8_feed(struct utf8 *u, const void *data, size_t len);

/* Whether what has been taken ends with a whole character. */
static inline bool utf8_is_whole(const struct utf8 *u)
{
    return u->left == 0;
}

#endif
