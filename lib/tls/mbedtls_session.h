/* mbedtls_session.h: one connection's TLS, as mbedtls has it. */
#ifndef TLS_MBEDTLS_SESSION_H
#define TLS_MBEDTLS_SESSION_H

#include <mbedtls/ssl.h>
#include <stdbool.h>

#include "conn.h"
#include "lock.h"
#include "mbedtls_context.h"

/* Where a session stands.
 *
 *   HANDSHAKE -> OPEN     session_handshake
 *   OPEN      -> ENDED    session_read        the peer's close_notify
 *   any       -> BROKEN   session_fail        an error, after which nothing more is said or read
 * ENDED is about reading only: writing goes on (RFC 8446 section 6.1). */
enum session_state { SESSION_HANDSHAKE, SESSION_OPEN, SESSION_ENDED, SESSION_BROKEN };

enum {
    SESSION_COUNTER_BYTES = 8, /* mbedtls keeps the number of records in the buffer's first bytes */
    SESSION_NAME_BYTES = 256,  /* a host name has 253 at most */
};

/* Who may touch it: during the handshake the coroutine that does it; after that whoever has `lock`,
 * for one coroutine may read while another writes, and a read may have to write an alert. */
struct tls_session {
    mbedtls_ssl_context ssl;
    struct lock lock;
    weft_conn *conn;
    struct tls_context *ctx; /* counted */
    uint8_t state;           /* enum session_state */
    bool has_in, has_out;    /* record buffers are lent to it */
    bool is_socket_drained;  /* the last read from the socket was short */
    bool was_drained;        /* what we said in conn->is_drained; false there now: it was woken */
    bool is_starved;         /* mbedtls asked for bytes that were not there */
    bool has_more;           /* another record follows at once: TCP need not hurry with this one */
    bool has_sent_end;       /* our close_notify is out */
    int io_error;            /* the socket's error, behind mbedtls's */
    int error;               /* BROKEN: what every call gives */
    unsigned char *raw;      /* lent, while it has bytes or an operation runs */
    uint32_t raw_at, raw_len;
    uint32_t in_used; /* how much of the lent record has been written to */
    unsigned char counter[SESSION_COUNTER_BYTES];
    char *server_name;  /* the client's wish; NULL */
    char *peer_subject; /* NULL: no verified certificate */
    char peer_sha256[65];
};

/* Lends the buffers that a read (in, raw, out: it may answer with an alert) or a write needs.
 * Returns 0 or -ENOMEM. Never parks, as session_release. */
int session_lend(struct tls_session *s, bool reads);

/* Gives back every buffer that holds nothing. */
void session_release(struct tls_session *s);

/* The handshake is over: frees what only it needed, 5 KB that mbedtls 3.6 keeps for TLS 1.3 as long
 * as the connection lives and never looks at again. */
void session_forget_handshake(struct tls_session *s);

/* mbedtls's way to the socket; neither parks. */
int session_recv(void *session, unsigned char *buf, size_t len);
int session_send(void *session, const unsigned char *buf, size_t len);

/* Reads what the socket has into an empty raw buffer, for a look before mbedtls gets it. */
void session_peek(struct tls_session *s);

/* The errno for what mbedtls returned. */
int session_errno(const struct tls_session *s, int rc);

/* Says whether the connection can be read before readiness comes. */
void session_note_drained(struct tls_session *s);

/* The connection's stream operations over a session that is open. */
extern const struct conn_stream session_stream;

/* Frees a session. The connection forgets it. */
void session_free(struct tls_session *s);

#endif
