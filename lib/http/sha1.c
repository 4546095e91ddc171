#include "sha1.h"

#include <string.h>

#include "assert.h"

enum { BLOCK = 64, ROUNDS = 80, LENGTH_BYTES = 8 };

static uint32_t rotate(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

static uint32_t load(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void block_add(uint32_t state[5], const uint8_t *block)
{
    uint32_t w[ROUNDS];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < ROUNDS; i++)
        w[i] = i < 16 ? load(block + 4 * i)
                      : rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < ROUNDS; i++) {
        uint32_t f = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                     : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                     : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                              : (b ^ c ^ d) + 0xca62c1d6;
        uint32_t next = rotate(a, 5) + f + e + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

void sha1(const void *data, size_t len, uint8_t ret[SHA1_BYTES])
{
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t padded[2 * BLOCK] = {0};
    weft_assert(len <= SHA1_INPUT_MAX);
    memcpy(padded, data, len);
    padded[len] = 0x80;
    size_t end = len + 1 + LENGTH_BYTES <= BLOCK ? BLOCK : 2 * BLOCK;
    padded[end - 2] = (uint8_t)(len * 8 >> 8);
    padded[end - 1] = (uint8_t)(len * 8);
    for (size_t i = 0; i < end; i += BLOCK)
        block_add(state, padded + i);
    for (int i = 0; i < SHA1_BYTES; i++)
        ret[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}
