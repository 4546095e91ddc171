/* sha1.h: SHA-1 (RFC 3174), for the one thing that still asks for it: a WebSocket's handshake,
 * where it protects nothing. */
#ifndef HTTP_SHA1_H
#define HTTP_SHA1_H

#include <stddef.h>
#include <stdint.h>

enum { SHA1_BYTES = 20, SHA1_INPUT_MAX = 119 };

/* The digest of at most SHA1_INPUT_MAX bytes. */
void sha1(const void *data, size_t len, uint8_t ret[SHA1_BYTES]);

#endif
