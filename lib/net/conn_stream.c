/* conn_stream.c: waiting writes over a connection's stream (TLS), which has records where a socket
 * has bytes: small pieces are gathered so that they share one, and a file is read and written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/rt.h>

#include "conn.h"
#include "sys.h"

enum {
    RECORD_BYTES = 16 * 1024, /* the most that one record of TLS carries (RFC 8446 section 5.1) */
    FILE_BYTES = 4 * RECORD_BYTES,
    TURN_BYTES = 256 * 1024, /* encrypted at most before others get their turn */
};

int stream_write_all(weft_conn *c, const void *buf, size_t len)
{
    const char *from = buf;
    size_t turn = 0;
    while (len) {
        ssize_t n = c->stream->try_write(c, from, len);
        if (n >= 0) {
            from += n;
            len -= (size_t)n;
            turn += (size_t)n;
        } else if (n == -EAGAIN) {
            int rc = conn_wait_writable(c);
            if (rc < 0)
                return rc;
            turn = 0;
        } else {
            return (int)n;
        }
        if (turn >= TURN_BYTES && len) {
            weft_yield();
            turn = 0;
        }
    }
    return 0;
}

/* Copies slices into `record` until it is full. Returns how much is in it. */
static size_t gather(char *record, struct iovec *iov, int count, int *at)
{
    size_t len = 0;
    for (; *at < count && len < RECORD_BYTES; *at += iov[*at].iov_len == 0) {
        struct iovec *v = &iov[*at];
        size_t n = v->iov_len < RECORD_BYTES - len ? v->iov_len : RECORD_BYTES - len;
        memcpy(record + len, v->iov_base, n);
        v->iov_base = (char *)v->iov_base + n;
        v->iov_len -= n;
        len += n;
    }
    return len;
}

int stream_writev_all(weft_conn *c, struct iovec *iov, int count)
{
    char *record = NULL; /* not on the stack: it may be a small one */
    int rc = 0;
    for (int i = 0; i < count && rc == 0;) {
        if (iov[i].iov_len >= RECORD_BYTES || i + 1 == count) {
            rc = stream_write_all(c, iov[i].iov_base, iov[i].iov_len);
            i++;
        } else if (record || (record = malloc(RECORD_BYTES))) {
            size_t len = gather(record, iov, count, &i);
            rc = stream_write_all(c, record, len);
        } else {
            rc = -ENOMEM;
        }
    }
    free(record);
    return rc;
}

int stream_sendfile(weft_conn *c, int fd, int64_t *offset, int64_t len)
{
    int64_t end = *offset + len;
    size_t turn = 0;
    int rc = 0;
    char *block = malloc(FILE_BYTES);
    if (!block)
        return -ENOMEM;
    while (*offset < end && rc == 0) {
        int64_t left = end - *offset;
        ssize_t n = sys_pread(fd, block, left < FILE_BYTES ? (size_t)left : FILE_BYTES,
                              (off_t)*offset);
        if (n == -EINTR)
            continue;
        rc = n > 0 ? stream_write_all(c, block, (size_t)n) : n == 0 ? -EIO : (int)n;
        if (rc < 0)
            break;
        *offset += n;
        turn += (size_t)n;
        if (turn >= TURN_BYTES) {
            weft_yield();
            turn = 0;
        }
    }
    free(block);
    return rc;
}

int stream_end(weft_conn *c)
{
    for (;;) {
        int rc = c->stream->try_end(c);
        if (rc != -EAGAIN)
            return rc;
        rc = conn_wait_writable(c);
        if (rc < 0)
            return rc;
    }
}
