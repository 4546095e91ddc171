/* wire.c: the output buffer: answers gather in it, and a batch goes out in one write. */
#include <errno.h>

#include "assert.h"
#include "exchange.h"
#include "request_context.h"

int wire_flush(weft_http *h)
{
    if (h->out_error || h->out_len == 0)
        return h->out_error;
    ssize_t n = conn_try_write(h->conn, h->out, h->out_len);
    if (weft_likely(n == (ssize_t)h->out_len)) {
        h->out_len = 0;
        return 0;
    }
    if (n >= 0) { /* it has to wait */
        struct own_wait wait;
        own_wait_begin(h, &wait);
        n = weft_conn_write_all(h->conn, h->out + n, h->out_len - (size_t)n);
        own_wait_end(&wait);
    }
    h->out_error = (int)n;
    h->out_len = 0;
    return h->out_error;
}

int wire_flush_more(weft_http *h)
{
    if (h->out_error || h->out_len == 0)
        return h->out_error;
    struct own_wait wait;
    own_wait_begin(h, &wait);
    h->out_error = conn_write_more(h->conn, h->out, h->out_len);
    own_wait_end(&wait);
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
    struct own_wait wait;
    own_wait_begin(h, &wait);
    h->out_error = weft_conn_writev_all(h->conn, iov, 2);
    own_wait_end(&wait);
    h->out_len = 0;
    return h->out_error;
}
