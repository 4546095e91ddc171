/* ws_recv.c: messages on their way in, put together from their frames, and the control frames
 * between them.
 *
 * What is checked of a frame (RFC 6455 sections 5.1 to 5.5): it is masked, its reserved bits mean
 * something, its opcode is known, a message is not begun within another nor continued without one.
 * wslay has checked that lengths are as short as can be and control frames short and whole. */
#include <errno.h>
#include <stdlib.h>
#include <weft/context.h>

#include "conn.h"
#include "ws.h"

ssize_t ws_read(weft_ws *ws, void *buf, size_t len)
{
    if (ws->early.len) {
        size_t n = len < ws->early.len ? len : ws->early.len;
        memcpy(buf, ws->early.ptr, n);
        ws->early.ptr += n;
        ws->early.len -= n;
        return (ssize_t)n;
    }
    for (;;) {
        if (ws->opts.ping_interval > 0)
            weft_conn_set_read_deadline(ws->conn, weft_now() + ws->opts.ping_interval);
        ssize_t n = weft_conn_read(ws->conn, buf, len);
        if (n != -ETIMEDOUT || weft_ctx_error(weft_ctx_current()) != 0) {
            ws->is_ping_out = ws->is_ping_out && n < 0;
            return n;
        }
        if (ws->is_ping_out) {
            ws->error = -ETIMEDOUT;
            return -ETIMEDOUT;
        }
        ws->is_ping_out = true;
        int rc = ws_send_frame(ws, WS_PING, NULL, 0);
        if (rc < 0 && rc != -EPIPE)
            return rc;
    }
}

/* Ends the way in: the peer is told `code`, unless one was sent already. */
static int fail(weft_ws *ws, int error, int code)
{
    ws->error = error;
    weft_ws_close(ws, code, NULL);
    return error;
}

int ws_message_grow(weft_ws *ws, size_t more)
{
    if (more > ws->opts.max_message - ws->len)
        return -EMSGSIZE;
    if (more <= ws->room - ws->len)
        return 0;
    size_t room = ws->room ? ws->room : 1024;
    while (room < ws->len + more)
        room *= 2;
    char *larger = realloc(ws->message, room);
    if (!larger)
        return -ENOMEM;
    ws->message = larger;
    ws->room = room;
    return 0;
}

/* ---- control frames ---- */

static int on_close(weft_ws *ws)
{
    const uint8_t *at = ws->control;
    size_t len = ws->control_len;
    struct utf8 utf8 = {0};
    int code = len >= 2 ? at[0] << 8 | at[1] : WEFT_WS_NO_CODE;
    if (len == 1 || (len >= 2 && !ws_is_code(code)))
        return fail(ws, -EPROTO, WEFT_WS_PROTOCOL_ERROR);
    if (len > 2 && !(utf8_feed(&utf8, at + 2, len - 2) && utf8_is_whole(&utf8)))
        return fail(ws, -EILSEQ, WEFT_WS_INVALID_DATA);
    ws->is_closed = true;
    ws->close_code = code;
    ws->close_reason = len > 2 ? (weft_str){(const char *)at + 2, len - 2} : WEFT_STR("");
    ws_send_frame(ws, WS_CLOSE, at, len < 2 ? 0 : 2); /* the same code back (section 5.5.1) */
    return 0;
}

/* Gathers a control frame, and acts on it when it is whole. */
static int take_control(weft_ws *ws, const struct ws_piece *p)
{
    if (p->is_first)
        ws->control_len = 0;
    if (p->len)
        memcpy(ws->control + ws->control_len, p->data, p->len);
    ws->control_len += p->len;
    if (!p->is_last || p->opcode == WS_PONG)
        return 0;
    if (p->opcode == WS_CLOSE)
        return on_close(ws);
    int rc = ws_send_frame(ws, WS_PONG, ws->control, ws->control_len);
    return rc == -EPIPE ? 0 : rc;
}

/* ---- data frames ---- */

static int append(weft_ws *ws, const void *data, size_t len)
{
    int rc = ws_message_grow(ws, len);
    if (rc == 0 && len) {
        memcpy(ws->message + ws->len, data, len);
        ws->len += len;
    }
    return rc;
}

/* Takes a piece of a message. Returns 1 when that is whole; 0; an error. */
static int take_data(weft_ws *ws, const struct ws_piece *p)
{
    size_t before = ws->len;
    bool is_end = p->is_last && p->is_final;
    int rc;
    if (p->is_first && p->frame_len > ws->opts.max_message) /* long before it has come */
        return fail(ws, -EMSGSIZE, WEFT_WS_TOO_BIG);
    rc = ws->is_compressed ? ws_inflate_piece(ws, p->data, p->len, is_end)
                           : append(ws, p->data, p->len);
    if (rc == -EMSGSIZE)
        return fail(ws, rc, WEFT_WS_TOO_BIG);
    if (rc == -EBADMSG)
        return fail(ws, -EPROTO, WEFT_WS_INVALID_DATA);
    if (rc < 0)
        return fail(ws, rc, WEFT_WS_INTERNAL);
    if (ws->type == WEFT_WS_TEXT &&
        (!utf8_feed(&ws->utf8, ws->message + before, ws->len - before) ||
         (is_end && !utf8_is_whole(&ws->utf8))))
        return fail(ws, -EILSEQ, WEFT_WS_INVALID_DATA);
    ws->is_open = !is_end;
    return is_end;
}

/* Whether a frame's first piece may stand here; begins its message if it begins one. */
static bool frame_begin(weft_ws *ws, const struct ws_piece *p)
{
    if (!p->is_masked || p->has_reserved)
        return false;
    if (p->opcode >= WS_CLOSE)
        return p->opcode <= WS_PONG && !p->is_compressed;
    if (p->opcode == WS_CONTINUATION)
        return ws->is_open && !p->is_compressed;
    if (p->opcode > WS_BINARY || ws->is_open || (p->is_compressed && !ws->deflate))
        return false;
    ws->is_open = true;
    ws->type = (weft_ws_type)p->opcode;
    ws->is_compressed = p->is_compressed;
    ws->len = 0;
    ws->utf8 = (struct utf8){0};
    return true;
}

int weft_ws_recv(weft_ws *ws, weft_ws_message *ret_message)
{
    struct ws_piece p;
    if (!ws->is_open && ws->room > WS_KEEP_BYTES) {
        free(ws->message);
        ws->message = NULL;
        ws->room = 0;
    }
    while (!ws->is_closed) {
        if (ws->error)
            return ws->error;
        int rc = ws_frames_read(ws->frames, &p);
        if (rc == -EPROTO)
            return fail(ws, -EPROTO, WEFT_WS_PROTOCOL_ERROR);
        if (rc == -ECANCELED || (rc == -ETIMEDOUT && !ws->error))
            return rc; /* the caller's context: the socket goes on */
        if (rc < 0)
            return ws->error = rc;
        if (p.is_first && !frame_begin(ws, &p))
            return fail(ws, -EPROTO, WEFT_WS_PROTOCOL_ERROR);
        rc = p.opcode >= WS_CLOSE ? take_control(ws, &p) : take_data(ws, &p);
        if (rc < 0)
            return ws->error = rc;
        if (rc == 1) {
            *ret_message = (weft_ws_message){ws->type, {ws->message, ws->len}};
            if (ws->len == 0)
                ret_message->data = WEFT_STR("");
            return 1;
        }
    }
    return 0;
}

int weft_ws_close_code(const weft_ws *ws)
{
    return ws->close_code;
}

weft_str weft_ws_close_reason(const weft_ws *ws)
{
    return ws->close_reason;
}
