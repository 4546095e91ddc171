/* conn_stream.c: waiting writes over a connection's stream (TLS), which has records where a socket
 * has bytes: small pieces are gathered so that they share one, and a file is read and written. */
#include <errno.h>
#include <weft/rt.h>

#include "conn.h"
#include "sys.h"

enum {
    RECORD_BYTES = 16 * 1024, /* the most that one record of TLS carries (RFC 8446 section 5.1) */
    TURN_BYTES = 256 * 1024,  /* encrypted at most before others get their turn */
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

int stream_writev_all(weft_conn *c, const struct iovec *iov, int count)
{
    char record[RECORD_BYTES];
    size_t gathered = 0;
    for (int i = 0; i < count; i++) {
        const char *from = iov[i].iov_base;
        size_t left = iov[i].iov_len;
        while (left) {
            int rc = 0;
            if (gathered == 0 && left >= sizeof record) {
                rc = stream_write_all(c, from, left);
                left = 0;
            } else {
                size_t room = sizeof record - gathered, n = left < room ? left : room;
                memcpy(record + gathered, from, n);
                gathered += n;
                from += n;
                left -= n;
                if (gathered == sizeof record) {
                    rc = stream_write_all(c, record, gathered);
                    gathered = 0;
                }
            }
            if (rc < 0)
                return rc;
        }
    }
    return gathered ? stream_write_all(c, record, gathered) : 0;
}

int stream_sendfile(weft_conn *c, int fd, int64_t *offset, int64_t len)
{
    char record[RECORD_BYTES];
    int64_t end = *offset + len;
    size_t turn = 0;
    while (*offset < end) {
        int64_t left = end - *offset;
        ssize_t n = sys_pread(fd, record, left < RECORD_BYTES ? (size_t)left : RECORD_BYTES,
                              (off_t)*offset);
        if (n == -EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? -EIO : (int)n;
        int rc = stream_write_all(c, record, (size_t)n);
        if (rc < 0)
            return rc;
        *offset += n;
        turn += (size_t)n;
        if (turn >= TURN_BYTES) {
            weft_yield();
            turn = 0;
        }
    }
    return 0;
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
