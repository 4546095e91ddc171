/* mbedtls_context.h: what many sessions share, as mbedtls has it. */
#ifndef TLS_MBEDTLS_CONTEXT_H
#define TLS_MBEDTLS_CONTEXT_H

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/x509_crt.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <weft/sync.h>

#include "mbedtls_hello.h"
#include "tls.h"

enum { CONTEXT_MAX_PAIRS = WEFT_TLS_MAX_CERTS + 1 };

/* A certificate chain and its key. */
struct tls_pair {
    mbedtls_x509_crt chain;
    mbedtls_pk_context key;
};

/* Ticket keys, which outlive a reload. */
struct tls_tickets {
    _Atomic(int) refs;
    mbedtls_ssl_ticket_context keys; /* locks itself */
};

struct tls_context {
    _Atomic(int) refs;
    mbedtls_ssl_config config; /* immutable once a session uses it */
    /* A server's: the same with one cipher of TLS 1.3 only. Copies, which own nothing. */
    mbedtls_ssl_config by_cipher[HELLO_UNKNOWN];
    int n_pairs;
    struct tls_pair *pairs[CONTEXT_MAX_PAIRS];
    mbedtls_x509_crt authorities;
    struct tls_tickets *tickets;             /* NULL: none */
    const char *alpn[WEFT_TLS_MAX_ALPN + 1]; /* into alpn_text */
    char alpn_text[256];
    weft_sem computing; /* handshakes that may compute at once */
    bool is_insecure;
};

/* Initialises mbedtls's process-wide state once. Returns 0 or -ENOMEM. Any thread. */
int context_library_init(void);

/* A context with everything initialised and nothing set; the caller has its reference. NULL when
 * memory is out. endpoint: MBEDTLS_SSL_IS_SERVER or MBEDTLS_SSL_IS_CLIENT. */
struct tls_context *context_new(int endpoint);

/* Sets the options that both sides have. Returns 0 or -EINVAL. */
int context_set_common(struct tls_context *ctx, int min_version, const char *const *alpn);

/* Makes the configurations by cipher, when everything else is set. */
void context_split_by_cipher(struct tls_context *ctx);

/* Reads a certificate and its key into the context. Returns 0; -ENOENT, -EACCES and others of
 * open(2); -EBADMSG; with a line in `why`. Blocks. */
int context_add_pair(struct tls_context *ctx, const char *cert, const char *key, char *why);

/* Reads authorities. As context_add_pair. */
int context_add_authorities(struct tls_context *ctx, const char *path, char *why);

/* The kernel's random numbers, for mbedtls; never fails on a system that is up. */
int context_random(void *unused, unsigned char *buf, size_t len);

/* Chooses the certificates for the name that a client asks for; mbedtls's callback. */
int context_choose(void *context, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len);

/* Whether a certificate is for a host name. Exact, or by a wildcard as its whole first label
 * (RFC 6125 section 6.4.3). `exact` tells which of the two is wanted. */
bool context_cert_matches(const mbedtls_x509_crt *cert, const char *name, size_t len, bool exact);

#endif
