/* multirange.h: bodies of several ranges, multipart/byteranges (RFC 9110 section 14.6). */
#ifndef HTTP_MULTIRANGE_H
#define HTTP_MULTIRANGE_H

#include <stddef.h>

#include "range.h"

enum { MULTIRANGE_HEAD_MAX = 320 };

struct multirange {
    const struct range *ranges; /* borrowed, as the type */
    int count;
    int64_t size; /* of the whole */
    const char *type;
    char boundary[24];
    int64_t length; /* of the body, in bytes */
};

/* "bytes 0-99/1000", terminated. */
void range_format(char buf[80], struct range r, int64_t size);

/* A body of the ranges of a content of `size` bytes and of `type` (shorter than 128). */
void multirange_init(struct multirange *m, const struct range *ranges, int count, int64_t size,
                     const char *type);

/* Writes what stands before part `i`, or behind the last for i == count. Returns its length. */
size_t multirange_head(const struct multirange *m, int i, char buf[MULTIRANGE_HEAD_MAX]);

#endif
