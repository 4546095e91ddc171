#include "utf8.h"

#include <string.h>

static const uint64_t HIGH_BITS = UINT64_C(0x8080808080808080);

/* A character's first byte: how many follow, and the bounds of the next. */
static bool begin(struct utf8 *u, uint8_t byte)
{
    u->low = 0x80;
    u->high = 0xbf;
    if (byte < 0x80) {
        u->left = 0;
    } else if (byte >= 0xc2 && byte <= 0xdf) {
        u->left = 1;
    } else if (byte >= 0xe0 && byte <= 0xef) {
        u->left = 2;
        if (byte == 0xe0)
            u->low = 0xa0;
        if (byte == 0xed)
            u->high = 0x9f;
    } else if (byte >= 0xf0 && byte <= 0xf4) {
        u->left = 3;
        if (byte == 0xf0)
            u->low = 0x90;
        if (byte == 0xf4)
            u->high = 0x8f;
    } else {
        return false;
    }
    return true;
}

bool utf8_feed(struct utf8 *u, const void *data, size_t len)
{
    const uint8_t *at = data, *end = at + len;
    while (at < end) {
        uint64_t word;
        if (u->left == 0 && (size_t)(end - at) >= sizeof word) { /* ASCII, eight at a time */
            memcpy(&word, at, sizeof word);
            if (!(word & HIGH_BITS)) {
                at += sizeof word;
                continue;
            }
        }
        if (u->left == 0) {
            if (!begin(u, *at))
                return false;
        } else {
            if (*at < u->low || *at > u->high)
                return false;
            u->left--;
            u->low = 0x80;
            u->high = 0xbf;
        }
        at++;
    }
    return true;
}
