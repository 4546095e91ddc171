/* mbedtls_handshake.c: a session from its first byte until it is open.
 *
 * The handshake runs in the connection's coroutine. It computes for one to four milliseconds (a
 * signature and a key exchange) and waits for the peer once or twice; how many compute at once is
 * bounded, so that processors stay free for connections that are open, and who only waits holds no
 * turn and no buffers: a peer that is slow on purpose costs its coroutine and its session, some
 * 25 KB, until its deadline.
 *
 * Considered and lost: handing the computing to threads of its own (weft_blocking). Open
 * connections were served no sooner, since the threads take the processors' CPUs; half as many
 * turns as processors was better, with 2 CPUs under full handshakes from four clients: half of the
 * small requests on open connections within 70 us, against 110 to 690 by threads and 600 to 1,100
 * without a limit. */
#include <errno.h>
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <stdlib.h>

#include "assert.h"
#include "mbedtls_buffers.h"
#include "mbedtls_session.h"
#include "sys.h"

void session_free(struct tls_session *s)
{
    if (!s)
        return;
    if (s->has_in && s->in_used) /* what nobody has read */
        mbedtls_platform_zeroize(s->ssl.MBEDTLS_PRIVATE(in_buf), s->in_used);
    if (s->has_in)
        buffer_give(BUFFER_IN, s->ssl.MBEDTLS_PRIVATE(in_buf));
    if (s->has_out)
        buffer_give(BUFFER_OUT, s->ssl.MBEDTLS_PRIVATE(out_buf));
    if (s->raw)
        buffer_give(BUFFER_RAW, s->raw);
    s->ssl.MBEDTLS_PRIVATE(in_buf) = s->ssl.MBEDTLS_PRIVATE(out_buf) = NULL;
    mbedtls_ssl_free(&s->ssl);
    tls_context_unref(s->ctx);
    free(s->server_name);
    free(s->peer_subject);
    if (s->conn) {
        s->conn->stream = NULL;
        s->conn->stream_state = NULL;
    }
    free(s);
}

/* A session on c, which goes through it from here on. */
static int session_new(weft_conn *c, struct tls_context *ctx, struct tls_session **ret_session)
{
    struct tls_session *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->conn = c;
    s->ctx = tls_context_ref(ctx);
    mbedtls_ssl_init(&s->ssl);
    if (mbedtls_ssl_setup(&s->ssl, &ctx->config) != 0) {
        s->conn = NULL;
        session_free(s);
        return -ENOMEM;
    }
    s->has_in = s->has_out = true;
    mbedtls_ssl_set_bio(&s->ssl, s, session_send, session_recv, NULL);
    mbedtls_ssl_set_user_data_p(&s->ssl, s);
    c->stream = &session_stream;
    c->stream_state = s;
    *ret_session = s;
    return 0;
}

/* A record of the handshake begins with 22; what begins with a letter is likely "GET /". */
static bool speaks_http(const struct tls_session *s)
{
    return s->raw_len > 0 && s->ssl.MBEDTLS_PRIVATE(state) <= MBEDTLS_SSL_CLIENT_HELLO &&
           s->raw[0] >= 'A' && s->raw[0] <= 'Z';
}

/* Computes as far as it goes without waiting. Returns 0 when the handshake is over. */
static int compute(struct tls_session *s)
{
    int rc = session_lend(s, true);
    if (rc < 0)
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    s->is_starved = false;
    return mbedtls_ssl_handshake(&s->ssl);
}

/* One turn: waits for it, computes, and gives it on. */
static int take_turn(struct tls_session *s, int64_t deadline, int *ret_rc)
{
    weft_sem *computing = &s->ctx->computing;
    int rc = weft_sem_acquire_until(computing, 1, deadline);
    if (rc < 0)
        return rc;
    *ret_rc = compute(s);
    weft_sem_release(computing, 1);
    return 0;
}

static int handshake(struct tls_session *s, int64_t deadline)
{
    weft_conn *c = s->conn;
    poll_set_deadline(&c->desc, POLL_READ, deadline);
    poll_set_deadline(&c->desc, POLL_WRITE, deadline);
    for (;;) {
        int result = 0;
        int rc = take_turn(s, deadline, &result);
        if (rc < 0)
            return rc;
        bool wants_read = result == MBEDTLS_ERR_SSL_WANT_READ;
        if (result == 0)
            return 0;
        if (!wants_read && result != MBEDTLS_ERR_SSL_WANT_WRITE)
            return session_errno(s, result);
        if (wants_read && !s->is_starved)
            continue;
        session_release(s);
        rc = poll_park(&c->desc, wants_read ? POLL_READ : POLL_WRITE);
        if (rc < 0)
            return rc;
        s->is_socket_drained = false;
    }
}

/* Keeps what a handler may ask about the peer's certificate. */
static int keep_peer(struct tls_session *s)
{
    enum { SUBJECT_BYTES = 1024, HASH_BYTES = 32 };
    char subject[SUBJECT_BYTES];
    unsigned char hash[HASH_BYTES];
    const mbedtls_x509_crt *cert = mbedtls_ssl_get_peer_cert(&s->ssl);
    if (!cert || s->ctx->is_insecure)
        return 0;
    if (mbedtls_ssl_get_verify_result(&s->ssl) != 0)
        return -EKEYREJECTED;
    if (mbedtls_x509_dn_gets(subject, sizeof subject, &cert->subject) < 0)
        return -EPROTO;
    if (mbedtls_sha256(cert->raw.p, cert->raw.len, hash, 0) != 0)
        return -EPROTO;
    for (int i = 0; i < HASH_BYTES; i++)
        snprintf(s->peer_sha256 + 2 * i, 3, "%02x", hash[i]);
    s->peer_subject = strdup(subject);
    return s->peer_subject ? 0 : -ENOMEM;
}

static int run(struct tls_session *s, int64_t deadline)
{
    weft_conn *c = s->conn;
    int rc = handshake(s, deadline);
    if (rc == 0)
        rc = keep_peer(s);
    if (rc == 0) {
        session_forget_handshake(s);
        s->state = SESSION_OPEN;
    }
    poll_set_deadline(&c->desc, POLL_READ, WEFT_NO_DEADLINE);
    poll_set_deadline(&c->desc, POLL_WRITE, WEFT_NO_DEADLINE);
    session_note_drained(s);
    if (rc < 0) {
        s->state = SESSION_BROKEN;
        s->error = rc;
    }
    return rc;
}

/* Takes the configuration for the client's best cipher. */
static void choose_cipher(struct tls_session *s)
{
    if (session_lend(s, true) < 0)
        return; /* the handshake says so */
    session_peek(s);
    enum hello_cipher best = hello_best_cipher(s->raw, s->raw_len);
    if (best != HELLO_UNKNOWN)
        s->ssl.MBEDTLS_PRIVATE(conf) = &s->ctx->by_cipher[best];
}

int tls_accept(weft_conn *c, struct tls_context *ctx, int64_t deadline)
{
    static const char plain[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                                "Content-Length: 36\r\nConnection: close\r\n\r\n"
                                "This address speaks HTTPS, not HTTP\n";
    struct tls_session *s;
    int rc = session_new(c, ctx, &s);
    if (rc < 0)
        return rc;
    choose_cipher(s);
    rc = run(s, deadline);
    if (rc < 0 && s->raw && speaks_http(s)) {
        ssize_t ignored = sys_send(c->desc.fd, plain, sizeof plain - 1); /* if it fits */
        (void)ignored;
        rc = -ENOMSG;
    }
    session_release(s);
    return rc;
}

int tls_connect(weft_conn *c, struct tls_context *ctx, const char *name, int64_t deadline)
{
    struct tls_session *s;
    int rc = session_new(c, ctx, &s);
    if (rc < 0)
        return rc;
    rc = mbedtls_ssl_set_hostname(&s->ssl, name);
    if (rc == 0)
        rc = run(s, deadline);
    else
        rc = rc == MBEDTLS_ERR_SSL_ALLOC_FAILED ? -ENOMEM : -EINVAL;
    session_release(s);
    return rc;
}
