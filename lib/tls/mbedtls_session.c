/* mbedtls_session.c: reading and writing over an open session: the connection's stream operations.
 *
 * Each works on a lent buffer and gives it back when nothing is left in it, before the coroutine
 * may park. None parks itself. */
#include "mbedtls_session.h"

#include <errno.h>
#include <mbedtls/net_sockets.h>
#include <stdlib.h>

#include "assert.h"

enum {
    EMPTY_RECORDS_MAX = 32, /* without data, in one read: more is an attack */
    RECORD_MAX = 16 * 1024, /* plain text in one record (RFC 8446 section 5.1) */
    WRITE_MAX = 64 * 1024,  /* what one call encrypts before it lets others decide */
};

int session_errno(const struct tls_session *s, int rc)
{
    if (s->io_error)
        return s->io_error;
    switch (rc) {
    case MBEDTLS_ERR_SSL_CONN_EOF: return -ECONNRESET;
    case MBEDTLS_ERR_SSL_ALLOC_FAILED: return -ENOMEM;
    case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
    case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
    case MBEDTLS_ERR_SSL_BAD_CERTIFICATE: return -EKEYREJECTED;
    default: return -EPROTO;
    }
}

static int session_fail(struct tls_session *s, int error)
{
    s->state = SESSION_BROKEN;
    s->error = error;
    s->is_starved = false;
    return error;
}

/* One record's data at most, or the reason why there is none. */
static ssize_t read_record(struct tls_session *s, void *buf, size_t len)
{
    if (s->state == SESSION_ENDED)
        return 0;
    if (s->state == SESSION_BROKEN)
        return s->error;
    for (int i = 0; i < EMPTY_RECORDS_MAX; i++) {
        s->is_starved = false;
        int n = mbedtls_ssl_read(&s->ssl, buf, len);
        if (n > 0)
            return n;
        if (n == MBEDTLS_ERR_SSL_WANT_READ && s->is_starved)
            return -EAGAIN;
        if (n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
            s->state = SESSION_ENDED;
            return 0;
        }
        if (n == 0) /* the socket ended without a close_notify: perhaps somebody cut it */
            return session_fail(s, -ECONNRESET);
        if (n != MBEDTLS_ERR_SSL_WANT_READ && n != MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
            return session_fail(s, session_errno(s, n));
    }
    return session_fail(s, -EPROTO);
}

static ssize_t stream_try_read(weft_conn *c, void *buf, size_t len)
{
    struct tls_session *s = c->stream_state;
    if (len == 0)
        return 0;
    lock_take(&s->lock);
    if (s->was_drained) /* readiness has come since */
        s->is_socket_drained = false;
    ssize_t n = session_lend(s, true);
    if (n == 0) {
        n = read_record(s, buf, len);
        session_note_drained(s);
    }
    session_release(s);
    lock_release(&s->lock);
    return n;
}

static ssize_t write_record(struct tls_session *s, const unsigned char *buf, size_t len)
{
    if (s->state == SESSION_BROKEN)
        return s->error;
    if (s->has_sent_end)
        return -EPIPE;
    int rc = session_lend(s, false);
    if (rc < 0)
        return rc;
    s->has_more = len > RECORD_MAX;
    rc = mbedtls_ssl_write(&s->ssl, buf, len);
    s->has_more = false;
    if (rc > 0)
        return rc;
    return rc == MBEDTLS_ERR_SSL_WANT_WRITE ? -EAGAIN : session_fail(s, session_errno(s, rc));
}

static ssize_t stream_try_write(weft_conn *c, const void *buf, size_t len)
{
    struct tls_session *s = c->stream_state;
    const unsigned char *from = buf;
    size_t done = 0;
    while (done < len && done < WRITE_MAX) {
        lock_take(&s->lock);
        ssize_t n = write_record(s, from + done, len - done);
        session_release(s);
        lock_release(&s->lock);
        if (n == -EAGAIN)
            break;
        if (n < 0)
            return n;
        done += (size_t)n;
    }
    return done ? (ssize_t)done : -EAGAIN;
}

static int stream_try_end(weft_conn *c)
{
    struct tls_session *s = c->stream_state;
    int rc = 0;
    lock_take(&s->lock);
    bool is_said = s->state == SESSION_BROKEN || s->state == SESSION_HANDSHAKE || s->has_sent_end;
    if (!is_said && (rc = session_lend(s, false)) == 0) {
        rc = mbedtls_ssl_close_notify(&s->ssl);
        if (rc == MBEDTLS_ERR_SSL_WANT_WRITE)
            rc = -EAGAIN;
        else if (rc < 0)
            rc = session_fail(s, session_errno(s, rc));
        s->has_sent_end = rc == 0;
    }
    session_release(s);
    lock_release(&s->lock);
    return rc;
}

static void stream_close(weft_conn *c)
{
    if (!c->is_cut)
        (void)stream_try_end(c); /* a peer that takes nothing more does without */
    session_free(c->stream_state);
}

const struct conn_stream session_stream = {
    .try_read = stream_try_read,
    .try_write = stream_try_write,
    .try_end = stream_try_end,
    .close = stream_close,
};

int weft_conn_tls(const weft_conn *c, weft_tls_info *ret_info)
{
    if (c->stream != &session_stream)
        return -ENOTCONN;
    const struct tls_session *s = c->stream_state;
    *ret_info = (weft_tls_info){
        .version = mbedtls_ssl_get_version(&s->ssl),
        .cipher = mbedtls_ssl_get_ciphersuite(&s->ssl),
        .alpn = mbedtls_ssl_get_alpn_protocol(&s->ssl),
        .server_name = s->server_name,
        .peer_subject = s->peer_subject,
        .peer_sha256 = s->peer_subject ? s->peer_sha256 : NULL,
    };
    return 0;
}
