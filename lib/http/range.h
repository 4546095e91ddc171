/* range.h: the Range header (RFC 9110 section 14). */
#ifndef HTTP_RANGE_H
#define HTTP_RANGE_H

#include <stdint.h>
#include <weft/base.h>

enum {
    RANGE_MAX = 16,     /* ranges of one request; one that asks for more gets the whole */
    RANGE_MIN_GAP = 96, /* ranges nearer to each other are made one: a part's head is as long */
};

struct range {
    int64_t from, len;
};

/* Reads the value of Range for a content of `size` bytes. Ranges that overlap or nearly touch are
 * made one, where the first of them stood.
 *
 * Returns 206 with at least one range in `ret`; 416 when none of them fits; 200 when the header is
 * to be ignored: another unit, no valid list, too many ranges (section 14.2). */
int range_parse(weft_str text, int64_t size, struct range ret[RANGE_MAX], int *ret_count);

#endif
