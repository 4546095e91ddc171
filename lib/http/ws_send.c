/* ws_send.c: messages and control frames on their way out, one whole frame each. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ws.h"

bool ws_is_code(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static int send_locked(weft_ws *ws, enum ws_opcode opcode, const void *data, size_t len)
{
    weft_str out = {data, len};
    bool is_compressed = ws->deflate && opcode < WS_CLOSE && len >= WS_COMPRESS_WORTH;
    if (ws->out_error)
        return ws->out_error;
    if (ws->is_close_sent)
        return opcode == WS_CLOSE ? -EALREADY : -EPIPE;
    if (is_compressed) {
        int rc = ws_deflate_message(ws->deflate, data, len, &out);
        if (rc < 0)
            return rc;
    }
    if (opcode == WS_CLOSE)
        ws->is_close_sent = true;
    return ws_frames_write(ws->frames, opcode, is_compressed, out.ptr, out.len);
}

int ws_send_frame(weft_ws *ws, enum ws_opcode opcode, const void *data, size_t len)
{
    weft_mutex_lock(&ws->sending);
    int rc = send_locked(ws, opcode, data, len);
    weft_mutex_unlock(&ws->sending);
    return rc;
}

int weft_ws_send(weft_ws *ws, weft_ws_type type, const void *data, size_t len)
{
    struct utf8 utf8 = {0};
    if (type != WEFT_WS_TEXT && type != WEFT_WS_BINARY)
        return -EINVAL;
    if (type == WEFT_WS_TEXT && !(utf8_feed(&utf8, data, len) && utf8_is_whole(&utf8)))
        return -EILSEQ;
    return ws_send_frame(ws, (enum ws_opcode)type, data, len);
}

int weft_ws_text(weft_ws *ws, const char *text)
{
    return weft_ws_send(ws, WEFT_WS_TEXT, text, strlen(text));
}

int weft_ws_textf(weft_ws *ws, const char *format, ...)
{
    char local[1024], *text = local;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(local, sizeof local, format, args), rc = n < 0 ? -EINVAL : 0;
    va_end(args);
    if (rc == 0 && (size_t)n >= sizeof local) {
        text = malloc((size_t)n + 1);
        if (text)
            vsnprintf(text, (size_t)n + 1, format, again);
        else
            rc = -ENOMEM;
    }
    va_end(again);
    if (rc == 0)
        rc = weft_ws_send(ws, WEFT_WS_TEXT, text, (size_t)n);
    if (text != local)
        free(text);
    return rc;
}

int weft_ws_ping(weft_ws *ws, const void *data, size_t len)
{
    return len > WS_CONTROL_MAX ? -EINVAL : ws_send_frame(ws, WS_PING, data, len);
}

int weft_ws_close(weft_ws *ws, int code, const char *reason)
{
    uint8_t payload[WS_CONTROL_MAX];
    struct utf8 utf8 = {0};
    size_t len = reason ? strlen(reason) : 0;
    if (!ws_is_code(code) || len > sizeof payload - 2 ||
        !(utf8_feed(&utf8, reason, len) && utf8_is_whole(&utf8)))
        return -EINVAL;
    payload[0] = (uint8_t)(code >> 8);
    payload[1] = (uint8_t)code;
    if (len)
        memcpy(payload + 2, reason, len);
    return ws_send_frame(ws, WS_CLOSE, payload, len + 2);
}
