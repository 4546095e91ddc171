/* mbedtls_lend.c: which buffers a session holds, and its way to the socket.
 *
 * mbedtls has eight pointers into its buffer for what comes in and seven into the other. Lending
 * moves them all by the distance between the buffers. What must survive without a buffer is the
 * counter of records in its first eight bytes; everything else is in the context's fields, as long
 * as no record is under way: `holds_record` lists what that means in mbedtls 3.6. */
#include <errno.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/platform_util.h>

#include "assert.h"
#include "mbedtls_buffers.h"
#include "mbedtls_session.h"
#include "sys.h"

#if defined(MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH)
static const bool CAN_LEND = false; /* there mbedtls resizes each connection's buffers itself */
#else
static const bool CAN_LEND = true;
#endif

#define SSL(field) s->ssl.MBEDTLS_PRIVATE(field)

static unsigned char *moved(unsigned char *p, uintptr_t from, unsigned char *to)
{
    return to + ((uintptr_t)p - from);
}

static void in_point_to(struct tls_session *s, unsigned char *buffer)
{
    uintptr_t from = (uintptr_t)SSL(in_buf);
    SSL(in_ctr) = moved(SSL(in_ctr), from, buffer);
    SSL(in_hdr) = moved(SSL(in_hdr), from, buffer);
    SSL(in_cid) = moved(SSL(in_cid), from, buffer);
    SSL(in_len) = moved(SSL(in_len), from, buffer);
    SSL(in_iv) = moved(SSL(in_iv), from, buffer);
    SSL(in_msg) = moved(SSL(in_msg), from, buffer);
    SSL(in_buf) = buffer;
}

static void out_point_to(struct tls_session *s, unsigned char *buffer)
{
    uintptr_t from = (uintptr_t)SSL(out_buf);
    SSL(out_ctr) = moved(SSL(out_ctr), from, buffer);
    SSL(out_hdr) = moved(SSL(out_hdr), from, buffer);
    SSL(out_cid) = moved(SSL(out_cid), from, buffer);
    SSL(out_len) = moved(SSL(out_len), from, buffer);
    SSL(out_iv) = moved(SSL(out_iv), from, buffer);
    SSL(out_msg) = moved(SSL(out_msg), from, buffer);
    SSL(out_buf) = buffer;
}

/* Part of a record, of a fragmented handshake message or of data that nobody has read yet. */
static bool holds_record(const struct tls_session *s)
{
    return SSL(in_offt) || SSL(in_left) || SSL(in_msglen) || SSL(in_hslen) ||
           SSL(badmac_seen_or_in_hsfraglen) || SSL(keep_current_message);
}

int session_lend(struct tls_session *s, bool reads)
{
    if (!s->has_out) {
        unsigned char *out = buffer_take(BUFFER_OUT, &s->ctx->config);
        if (!out)
            return -ENOMEM;
        out_point_to(s, out);
        s->has_out = true;
    }
    if (!reads)
        return 0;
    if (!s->has_in) {
        unsigned char *in = buffer_take(BUFFER_IN, &s->ctx->config);
        if (!in)
            return -ENOMEM;
        in_point_to(s, in);
        memcpy(in, s->counter, sizeof s->counter);
        s->in_used = 0;
        s->has_in = true;
    }
    if (!s->raw) {
        s->raw = buffer_take(BUFFER_RAW, NULL);
        s->raw_at = s->raw_len = 0;
    }
    return s->raw ? 0 : -ENOMEM;
}

void session_release(struct tls_session *s)
{
    if (s->raw && s->raw_at == s->raw_len) {
        buffer_give(BUFFER_RAW, s->raw);
        s->raw = NULL;
    }
    if (!CAN_LEND)
        return;
    if (s->has_out && SSL(out_left) == 0) {
        buffer_give(BUFFER_OUT, SSL(out_buf)); /* it holds what went out, encrypted */
        s->has_out = false;
    }
    if (s->has_in && !holds_record(s)) {
        unsigned char *in = SSL(in_buf);
        memcpy(s->counter, in, sizeof s->counter);
        mbedtls_platform_zeroize(in, s->in_used); /* plain text of this connection */
        buffer_give(BUFFER_IN, in);
        s->has_in = false;
    }
}

/* Exported by mbedtls, though in none of its public headers: what it calls itself for TLS 1.2. */
void mbedtls_ssl_handshake_wrapup_free_hs_transform(mbedtls_ssl_context *ssl) __attribute__((weak));

void session_forget_handshake(struct tls_session *s)
{
    if (SSL(handshake) && mbedtls_ssl_handshake_wrapup_free_hs_transform)
        mbedtls_ssl_handshake_wrapup_free_hs_transform(&s->ssl);
}

/* Reads ahead: one system call for a record's head, its body and what follows. */
static int raw_fill(struct tls_session *s)
{
    weft_conn *c = s->conn;
    ssize_t n = s->is_socket_drained ? -EAGAIN : -EINTR;
    while (n == -EINTR)
        n = sys_recv(c->desc.fd, s->raw, BUFFER_RAW_BYTES);
    if (n == -EAGAIN) {
        s->is_socket_drained = s->is_starved = true;
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    if (n < 0) {
        s->io_error = (int)n;
        return MBEDTLS_ERR_NET_RECV_FAILED;
    }
    s->is_socket_drained = n > 0 && n < BUFFER_RAW_BYTES &&
                           !atomic_load_explicit(&c->desc.is_ending, memory_order_acquire);
    s->raw_at = 0;
    s->raw_len = (uint32_t)n;
    return (int)n;
}

void session_peek(struct tls_session *s)
{
    if (s->raw_at == s->raw_len)
        (void)raw_fill(s); /* mbedtls meets the same error, or the end, when it reads */
}

int session_recv(void *session, unsigned char *buf, size_t len)
{
    struct tls_session *s = session;
    if (s->raw_at == s->raw_len) {
        int rc = raw_fill(s);
        if (rc <= 0)
            return rc;
    }
    uint32_t n = s->raw_len - s->raw_at;
    if (n > len)
        n = (uint32_t)len;
    memcpy(buf, s->raw + s->raw_at, n);
    s->raw_at += n;
    uint32_t end = (uint32_t)(buf + n - SSL(in_buf));
    if (end > s->in_used)
        s->in_used = end;
    return (int)n;
}

int session_send(void *session, const unsigned char *buf, size_t len)
{
    struct tls_session *s = session;
    struct iovec iov = {(void *)(uintptr_t)buf, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;
    do
        n = sys_sendmsg(s->conn->desc.fd, &msg, s->has_more ? MSG_MORE : 0);
    while (n == -EINTR);
    if (n == -EAGAIN)
        return MBEDTLS_ERR_SSL_WANT_WRITE;
    if (n >= 0)
        return (int)n;
    s->io_error = (int)n;
    return MBEDTLS_ERR_NET_SEND_FAILED;
}

void session_note_drained(struct tls_session *s)
{
    bool has_buffered = s->raw_at < s->raw_len || holds_record(s);
    s->was_drained = s->is_starved || (s->is_socket_drained && !has_buffered);
    s->conn->is_drained = s->was_drained;
}
