/* ws_frame.c: frames, by wslay: the only place that knows it.
 *
 * wslay calls back for bytes, in and out. Both callbacks may park: it holds no lock and no
 * thread-local meanwhile. Reading and writing go on at once, in two coroutines, so each has a
 * context of its own. */
#include <errno.h>
#include <stdlib.h>
#include <wslay/wslay.h>

#include "conn.h"
#include "ws.h"

struct ws_frames {
    weft_ws *ws;
    struct wslay_frame_context *in, *out;
    uint64_t left;    /* bytes of the frame that comes in which are not read yet */
    bool is_in_frame; /* its first piece has been given */
};

static ssize_t on_recv(uint8_t *buf, size_t len, int flags, void *arg)
{
    struct ws_frames *f = arg;
    (void)flags;
    ssize_t n = ws_read(f->ws, buf, len);
    f->ws->io_error = n > 0 ? 0 : n == 0 ? -ECONNRESET : (int)n;
    return n > 0 ? n : -1;
}

/* The head comes first, with the flag that more follows; it waits for the payload. */
static ssize_t on_send(const uint8_t *data, size_t len, int flags, void *arg)
{
    struct ws_frames *f = arg;
    weft_ws *ws = f->ws;
    if (flags & WSLAY_MSG_MORE) {
        memcpy(ws->head, data, len);
        ws->head_len = len;
        return (ssize_t)len;
    }
    struct iovec iov[2] = {{ws->head, ws->head_len}, {(void *)(uintptr_t)data, len}};
    int skip = ws->head_len ? 0 : 1;
    ws->out_error = weft_conn_writev_all(ws->conn, iov + skip, 2 - skip);
    ws->head_len = 0;
    return ws->out_error < 0 ? -1 : (ssize_t)len;
}

void ws_frames_free(struct ws_frames *f)
{
    if (!f)
        return;
    if (f->in)
        wslay_frame_context_free(f->in);
    if (f->out)
        wslay_frame_context_free(f->out);
    free(f);
}

struct ws_frames *ws_frames_new(weft_ws *ws)
{
    const struct wslay_frame_callbacks callbacks = {on_send, on_recv, NULL};
    struct ws_frames *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->ws = ws;
    if (wslay_frame_context_init(&f->in, &callbacks, f) < 0)
        f->in = NULL;
    if (!f->in || wslay_frame_context_init(&f->out, &callbacks, f) < 0) {
        f->out = NULL;
        ws_frames_free(f);
        return NULL;
    }
    return f;
}

int ws_frames_read(struct ws_frames *f, struct ws_piece *ret)
{
    struct wslay_frame_iocb io = {0};
    ssize_t n;
    do { /* it wants more when it has only part of a head */
        f->ws->io_error = 0;
        n = wslay_frame_recv(f->in, &io);
    } while (n == WSLAY_ERR_WANT_READ && f->ws->io_error == 0);
    if (n < 0)
        return n == WSLAY_ERR_WANT_READ ? f->ws->io_error : -EPROTO;
    ret->is_first = !f->is_in_frame;
    if (ret->is_first)
        f->left = io.payload_length;
    f->left -= (uint64_t)n;
    ret->is_last = f->left == 0;
    f->is_in_frame = !ret->is_last;
    ret->opcode = (enum ws_opcode)io.opcode;
    ret->is_final = io.fin;
    ret->is_masked = io.mask;
    ret->is_compressed = wslay_get_rsv1(io.rsv);
    ret->has_reserved = wslay_get_rsv2(io.rsv) || wslay_get_rsv3(io.rsv);
    ret->frame_len = io.payload_length;
    ret->data = io.data;
    ret->len = (size_t)n;
    return 0;
}

int ws_frames_write(struct ws_frames *f, enum ws_opcode opcode, bool is_compressed,
                    const void *data, size_t len)
{
    struct wslay_frame_iocb io = {
        .fin = 1,
        .rsv = is_compressed ? WSLAY_RSV1_BIT : WSLAY_RSV_NONE,
        .opcode = (uint8_t)opcode,
        .payload_length = len,
        .data = data,
        .data_length = len,
    };
    ssize_t n = wslay_frame_send(f->out, &io);
    if (n == (ssize_t)len)
        return 0;
    if (f->ws->out_error == 0)
        f->ws->out_error = -EIO;
    return f->ws->out_error;
}
