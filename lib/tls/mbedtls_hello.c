#include "mbedtls_hello.h"

#include <stdbool.h>

enum {
    RECORD_HEAD = 5,
    RECORD_HANDSHAKE = 22,
    MESSAGE_HEAD = 4,
    MESSAGE_CLIENT_HELLO = 1,
    VERSION_AND_RANDOM = 2 + 32,
};

/* What is left to read. */
struct view {
    const unsigned char *at;
    size_t len;
};

static bool skip(struct view *v, size_t n)
{
    if (n > v->len)
        return false;
    v->at += n;
    v->len -= n;
    return true;
}

/* The cipher's place in our order (RFC 8446 appendix B.4). */
static enum hello_cipher rank(unsigned char high, unsigned char low)
{
    if (high != 0x13)
        return HELLO_UNKNOWN;
    switch (low) {
    case 0x03: return HELLO_CHACHA20;
    case 0x01: return HELLO_AES_128;
    case 0x02: return HELLO_AES_256;
    default: return HELLO_UNKNOWN;
    }
}

enum hello_cipher hello_best_cipher(const unsigned char *bytes, size_t len)
{
    struct view v = {bytes, len};
    enum hello_cipher best = HELLO_UNKNOWN;
    if (len < RECORD_HEAD + MESSAGE_HEAD || bytes[0] != RECORD_HANDSHAKE ||
        bytes[RECORD_HEAD] != MESSAGE_CLIENT_HELLO)
        return best;
    if (!skip(&v, RECORD_HEAD + MESSAGE_HEAD + VERSION_AND_RANDOM) || v.len == 0)
        return best;
    if (!skip(&v, 1 + (size_t)v.at[0]) || v.len < 2) /* the session's name */
        return best;
    size_t ciphers = (size_t)v.at[0] << 8 | v.at[1];
    if (!skip(&v, 2) || ciphers > v.len)
        return best;
    for (size_t i = 0; i + 1 < ciphers; i += 2) {
        enum hello_cipher found = rank(v.at[i], v.at[i + 1]);
        best = found < best ? found : best;
    }
    return best;
}
