/* wire.c: the output buffer: answers gather in it, and a batch goes out in one write. */
#include <errno.h>

#include "assert.h"
#include "exchange.h"

static void set_deadline(weft_http *h)
{
    weft_conn_set_write_deadline(h->conn, weft_now() + h->server->opts.write_timeout);
}

int wire_flush(weft_http *h)
{
    if (h->out_error || h->out_len == 0)
        return h->out_error;
    ssize_t n = conn_try_write(h->conn, h->out, h->out_len);
    if (weft_likely(n == (ssize_t)h->out_len)) {
        h->out_len = 0;
        return 0;
    }
    if (n >= 0) { /* it has to wait: only then a deadline is needed */
        set_deadline(h);
        n = weft_conn_write_all(h->conn, h->out + n, h->out_len - (size_t)n);
    }
    h->out_error = (int)n;
    h->out_len = 0;
    return h->out_error;
}

int wire_reserve(weft_http *h, size_t len)
{
    if (h->out_error)
        return h->out_error;
    return len <= OUT_BYTES - h->out_len ? 0 : wire_flush(h);
}

int wire_put(weft_http *h, const void *data, size_t len)
{
    if (h->out_error)
        return h->out_error;
    if (len <= OUT_BYTES - h->out_len) {
        memcpy(h->out + h->out_len, data, len);
        h->out_len += (uint32_t)len;
        return 0;
    }
    struct iovec iov[2] = {{h->out, h->out_len}, {(void *)(uintptr_t)data, len}};
    set_deadline(h);
    h->out_error = weft_conn_writev_all(h->conn, iov, 2);
    h->out_len = 0;
    return h->out_error;
}
