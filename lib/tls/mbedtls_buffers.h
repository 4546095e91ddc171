/* mbedtls_buffers.h: record buffers, lent to sessions while they need them.
 *
 * mbedtls gives each connection two buffers of some 17 KB. Between records only the first bytes of
 * them matter, so a session that has nothing buffered gives them back, and the next one, on the
 * same processor, gets them warm. A connection that waits, whether idle between requests or in the
 * middle of a handler, holds none.
 *
 * (The alternative that lost: keep the buffers and give their pages back with madvise. That is two
 * system calls and eight page faults a wake, and the pages at their ends stay.) */
#ifndef TLS_MBEDTLS_BUFFERS_H
#define TLS_MBEDTLS_BUFFERS_H

#include <mbedtls/ssl.h>

enum buffer_kind {
    BUFFER_IN,  /* mbedtls's record that comes in */
    BUFFER_OUT, /* mbedtls's record that goes out */
    BUFFER_RAW, /* what the socket gave, before mbedtls asks for it: BUFFER_RAW_BYTES */
    BUFFER_KINDS,
};

enum { BUFFER_RAW_BYTES = 17 * 1024 };

/* A buffer; NULL when memory is out. conf: any configuration, for a new one: mbedtls alone knows
 * how large it has to be. Any thread; does not park. */
unsigned char *buffer_take(enum buffer_kind kind, const mbedtls_ssl_config *conf);

/* Gives a buffer back. Its content must be nobody's secret any more. Any thread. */
void buffer_give(enum buffer_kind kind, unsigned char *buffer);

#endif
