/* The look at a ClientHello: the best cipher is found, and nothing is read past the end. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mbedtls_hello.h"

enum { HELLO_MAX = 256 };

/* A ClientHello up to its ciphers. Returns its length. */
static size_t hello(unsigned char *to, size_t session_len, const uint16_t *ciphers, size_t count)
{
    size_t n = 0;
    memset(to, 0, HELLO_MAX);
    to[0] = 22;
    to[1] = 3;
    to[5] = 1;
    n = 5 + 4 + 2 + 32;
    to[n++] = (unsigned char)session_len;
    n += session_len;
    to[n++] = (unsigned char)(count * 2 >> 8);
    to[n++] = (unsigned char)(count * 2);
    for (size_t i = 0; i < count; i++) {
        to[n++] = (unsigned char)(ciphers[i] >> 8);
        to[n++] = (unsigned char)ciphers[i];
    }
    return n;
}

/* The look at a copy that ends where the memory does, so that a sanitizer sees a step too far. */
static enum hello_cipher look(const unsigned char *bytes, size_t len)
{
    unsigned char *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    enum hello_cipher best = hello_best_cipher(copy, len);
    free(copy);
    return best;
}

Test(hello, finds_the_cheapest_cipher_in_any_order)
{
    static const uint16_t openssl[] = {0x1302, 0x1303, 0x1301, 0xc02b};
    static const uint16_t aes[] = {0xc02b, 0x1302, 0x1301};
    static const uint16_t strong[] = {0x1302};
    static const uint16_t old[] = {0xc02b, 0xc02f, 0x009c, 0x0303};
    unsigned char bytes[HELLO_MAX];
    cr_expect_eq(look(bytes, hello(bytes, 32, openssl, 4)), HELLO_CHACHA20);
    cr_expect_eq(look(bytes, hello(bytes, 0, aes, 3)), HELLO_AES_128);
    cr_expect_eq(look(bytes, hello(bytes, 32, strong, 1)), HELLO_AES_256);
    cr_expect_eq(look(bytes, hello(bytes, 32, old, 4)), HELLO_UNKNOWN);
}

Test(hello, knows_nothing_of_one_that_is_not_whole)
{
    static const uint16_t ciphers[] = {0x1302, 0x1303, 0x1301};
    unsigned char bytes[HELLO_MAX];
    size_t len = hello(bytes, 32, ciphers, 3);
    for (size_t cut = 0; cut < len; cut++)
        cr_expect_eq(look(bytes, cut), HELLO_UNKNOWN);
    bytes[0] = 23;
    cr_expect_eq(look(bytes, len), HELLO_UNKNOWN);
    bytes[0] = 22;
    bytes[5] = 2;
    cr_expect_eq(look(bytes, len), HELLO_UNKNOWN);
}

Test(hello, reads_no_length_past_the_end)
{
    static const uint16_t ciphers[] = {0x1302, 0x1303, 0x1301};
    unsigned char bytes[HELLO_MAX];
    size_t len = hello(bytes, 32, ciphers, 3);
    for (size_t at = 0; at < len; at++)
        for (int value = 0; value < 256; value += 5) {
            unsigned char changed[HELLO_MAX];
            memcpy(changed, bytes, len);
            changed[at] = (unsigned char)value;
            cr_expect(look(changed, len) <= HELLO_UNKNOWN);
        }
}
