/* mbedtls_hello.h: a look at the client's first message before mbedtls reads it.
 *
 * In TLS 1.3 mbedtls takes the first cipher of the client's list that it has, whatever it costs the
 * server: OpenSSL names AES-256 first, which mbedtls encrypts a third slower than ChaCha20. So a
 * server's context has a configuration for each cipher, and the message says which. */
#ifndef TLS_MBEDTLS_HELLO_H
#define TLS_MBEDTLS_HELLO_H

#include <stddef.h>

/* In the order of preference: the cheapest first (bench/tls_primitives.c). */
enum hello_cipher { HELLO_CHACHA20, HELLO_AES_128, HELLO_AES_256, HELLO_UNKNOWN };

/* The best cipher of TLS 1.3 that a ClientHello offers (RFC 8446 section 4.1.2), in the first
 * record of what has come. HELLO_UNKNOWN when it offers none, is not whole up to its list of
 * ciphers, or is no ClientHello at all: mbedtls then says what is wrong with it. */
enum hello_cipher hello_best_cipher(const unsigned char *bytes, size_t len);

#endif
