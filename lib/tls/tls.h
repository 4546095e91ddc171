/* tls.h: what the layers above need of a TLS library. Everything that knows mbedtls is in the files
 * mbedtls_*; another library would implement this header in their place.
 *
 *   context   what many sessions share: certificates, keys, authorities, ciphers. Immutable;
 * counted: whoever got one gives it back, and a session holds one. session   the state of one
 * connection, behind the connection's stream operations (net/conn.h).
 *
 * Why text: what is wrong with a file is said to a person, so the makers of contexts write one line
 * that names the file. */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include <stdbool.h>
#include <weft/tls.h>

enum { TLS_WHY_BYTES = 512 };

struct tls_context;

/* Reads and checks a server's files: certificates in their time, keys that belong to them.
 *
 * before: the context that this one follows, whose session tickets stay good; or NULL.
 * why: TLS_WHY_BYTES for the line that says what is wrong.
 * Returns 0; -EINVAL for files or options that are wrong; -ENOMEM. Blocks the thread. */
WEFT_MUST_USE int tls_server_new(const weft_tls_opts *opts, const struct tls_context *before,
                                 char *why, struct tls_context **ret_ctx);

/* Reads a client's authorities (opts->ca_file must be set unless insecure) and its certificate.
 * Returns 0 or weft_dial_tls's errors. Blocks the thread. */
WEFT_MUST_USE int tls_client_new(const weft_tls_dial_opts *opts, struct tls_context **ret_ctx);

struct tls_context *tls_context_ref(struct tls_context *ctx);
void tls_context_unref(struct tls_context *ctx);

/* The server's side of a handshake on a connection that is readable, in its coroutine; parks. On
 * return the connection goes on over TLS; after a failure it can only be closed.
 *
 * deadline: a point of weft_now(). The context stays the caller's; the session takes its own
 * reference.
 * Returns 0; -EPROTO; -EKEYREJECTED for a client certificate that does not verify; -ENOMSG for a
 * client that speaks plain HTTP (it has been told so); -ETIMEDOUT; -ENOMEM; the socket's errors. */
WEFT_MUST_USE int tls_accept(weft_conn *c, struct tls_context *ctx, int64_t deadline);

/* The client's side; `name` is asked for and verified. Else as tls_accept. */
WEFT_MUST_USE int tls_connect(weft_conn *c, struct tls_context *ctx, const char *name,
                              int64_t deadline);

#endif
