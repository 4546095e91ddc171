/* ws_accept.c: a WebSocket's two ends: the handshake (RFC 6455 section 4.2), and what is done when
 * its handler has returned. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <weft/stream.h>

#include "conn.h"
#include "request_context.h"
#include "sha1.h"
#include "token.h"
#include "ws.h"

enum { KEY_LEN = 24, ACCEPT_LEN = 28 };

static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/* ---- what the request says ---- */

/* 16 bytes in base64 (section 4.2.1, item 5). */
static bool is_key(weft_str key)
{
    if (key.len != KEY_LEN || memcmp(key.ptr + KEY_LEN - 2, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < KEY_LEN - 2; i++) {
        char ch = key.ptr[i], lower = (char)(ch | 32);
        if (!(lower >= 'a' && lower <= 'z') && !(ch >= '0' && ch <= '9') && ch != '+' && ch != '/')
            return false;
    }
    return true;
}

static void accept_of(weft_str key, char ret[ACCEPT_LEN + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[KEY_LEN + sizeof GUID];
    uint8_t digest[SHA1_BYTES + 1] = {0}; /* and a byte that makes it threes */
    memcpy(text, key.ptr, KEY_LEN);
    memcpy(text + KEY_LEN, GUID, sizeof GUID);
    sha1(text, sizeof text - 1, digest);
    for (int i = 0; i < ACCEPT_LEN; i += 4) {
        const uint8_t *at = digest + i / 4 * 3;
        uint32_t bits = (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
        for (int k = 0; k < 4; k++)
            ret[i + k] = digits[bits >> (18 - 6 * k) & 63];
    }
    ret[ACCEPT_LEN - 1] = '=';
    ret[ACCEPT_LEN] = '\0';
}

/* Whether the page of that origin may connect (section 10.2). */
static bool is_origin_allowed(weft_http *h, const weft_ws_opts *o)
{
    weft_str origin = weft_header(h, "Origin"), host = weft_header(h, "Host"), one;
    if (!origin.ptr || (o->origins && strcmp(o->origins, "*") == 0))
        return true;
    if (o->origins) {
        weft_str rest = weft_cstr(o->origins);
        while (token_list_next(&rest, &one))
            if (token_eq(one, origin))
                return true;
        return false;
    }
    const char *mark = memmem(origin.ptr, origin.len, "://", 3);
    if (!mark)
        return false;
    one = (weft_str){mark + 3, origin.len - (size_t)(mark + 3 - origin.ptr)};
    return token_eq(one, host);
}

/* The first of ours that the client speaks, too. */
static weft_str protocol_choose(weft_http *h, const char *ours)
{
    weft_str rest = weft_cstr(ours), one;
    while (ours && token_list_next(&rest, &one))
        if (head_lists(&h->head, "sec-websocket-protocol", one))
            return one;
    return (weft_str){NULL, 0};
}

/* Offers that come in several lines are one list. */
static weft_str offers_of(weft_http *h)
{
    weft_str name, value, all = {NULL, 0};
    for (size_t i = 0; weft_header_at(h, i, &name, &value); i++) {
        if (!token_eq(name, WEFT_STR("sec-websocket-extensions")))
            continue;
        char *both = all.ptr ? arena_alloc(&h->arena, all.len + 1 + value.len) : NULL;
        if (!both) {
            all = all.ptr ? all : value;
            continue;
        }
        memcpy(both, all.ptr, all.len);
        both[all.len] = ',';
        memcpy(both + all.len + 1, value.ptr, value.len);
        all = (weft_str){both, all.len + 1 + value.len};
    }
    return all;
}

/* Whether the request asks for a WebSocket that we can give. Returns 0, a status, or an error. */
static int request_check(weft_http *h, const weft_ws_opts *o)
{
    bool asks = h->head.parser.method == HTTP_GET && h->head.parser.http_minor == 1 &&
                head_lists(&h->head, "connection", WEFT_STR("upgrade")) &&
                head_lists(&h->head, "upgrade", WEFT_STR("websocket"));
    weft_str version = weft_header(h, "Sec-WebSocket-Version");
    if (!asks || !weft_str_eq(version, WEFT_STR("13"))) {
        int rc = weft_set_header(h, "Upgrade", "websocket");
        if (rc == 0)
            rc = weft_set_header(h, "Sec-WebSocket-Version", "13"); /* section 4.4 */
        return rc < 0 ? rc : 426;
    }
    if (!is_key(weft_header(h, "Sec-WebSocket-Key")))
        return 400;
    return is_origin_allowed(h, o) ? 0 : 403;
}

/* ---- the socket ---- */

static void socket_free(weft_ws *ws)
{
    ws_frames_free(ws->frames);
    ws_deflate_free(ws->deflate);
    free(ws->message);
}

/* The handler has returned: the socket is closed, and his close awaited, so that the client learns
 * that nothing was lost. */
static void socket_end(weft_http *h, void *arg)
{
    weft_ws *ws = arg;
    struct own_wait wait;
    weft_ws_message ignored;
    bool drains = atomic_load_explicit(&h->server->is_draining, memory_order_relaxed); /* a hint */
    own_wait_begin(h, &wait);
    weft_ws_close(ws,
                  drains          ? WEFT_WS_GOING_AWAY
                  : h->result < 0 ? WEFT_WS_INTERNAL
                                  : WEFT_WS_NORMAL,
                  NULL);
    weft_conn_set_read_deadline(ws->conn, weft_now() + ws->opts.close_timeout);
    ws->opts.ping_interval = -1; /* the deadline is of the whole wait now */
    while (ws->out_error == 0 && weft_ws_recv(ws, &ignored) > 0)
        ;
    own_wait_end(&wait);
    socket_free(ws);
}

static weft_ws *socket_new(weft_http *h, const weft_ws_opts *opts)
{
    weft_ws *ws = arena_alloc(&h->arena, sizeof *ws);
    if (!ws)
        return NULL;
    *ws = (weft_ws){.h = h, .opts = *opts, .close_code = WEFT_WS_ABNORMAL};
    ws->sending = (weft_mutex)WEFT_MUTEX_INIT;
    weft_ws_opts *o = &ws->opts;
    if (o->max_message == 0)
        o->max_message = 1 << 20;
    if (o->ping_interval == 0)
        o->ping_interval = 30 * WEFT_SEC;
    if (o->write_timeout <= 0)
        o->write_timeout = 30 * WEFT_SEC;
    if (o->close_timeout <= 0)
        o->close_timeout = 2 * WEFT_SEC;
    ws->frames = ws_frames_new(ws);
    return ws->frames ? ws : NULL;
}

/* Sets the headers of the 101. */
static int answer_set(weft_http *h, weft_ws *ws)
{
    char accept[ACCEPT_LEN + 1], extensions[128];
    accept_of(weft_header(h, "Sec-WebSocket-Key"), accept);
    ws->protocol = protocol_choose(h, ws->opts.protocols);
    if (ws->opts.compress)
        ws->deflate = ws_deflate_choose(offers_of(h), extensions);
    int rc = weft_set_header(h, "Sec-WebSocket-Accept", accept);
    if (rc == 0 && ws->protocol.ptr)
        rc = weft_set_header_fmt(h, "Sec-WebSocket-Protocol", WEFT_FMT, WEFT_ARG(ws->protocol));
    if (rc == 0 && ws->deflate)
        rc = weft_set_header(h, "Sec-WebSocket-Extensions", extensions);
    return rc;
}

static int protocols_check(const char *protocols)
{
    weft_str rest = weft_cstr(protocols), one;
    while (protocols && token_list_next(&rest, &one))
        if (!token_is(one))
            return -EINVAL;
    return 0;
}

int weft_ws_accept(weft_http *h, const weft_ws_opts *opts, weft_ws **ret_ws)
{
    static const weft_ws_opts defaults = {0};
    const weft_ws_opts *o = opts ? opts : &defaults;
    int rc = protocols_check(o->protocols);
    if (rc == 0)
        rc = request_check(h, o);
    if (rc)
        return rc;
    weft_ws *ws = socket_new(h, o);
    if (!ws)
        return -ENOMEM;
    rc = answer_set(h, ws);
    if (rc == 0)
        rc = weft_at_end(h, socket_end, ws);
    if (rc < 0) {
        socket_free(ws);
        return rc;
    }
    rc = weft_upgrade(h, "websocket", &ws->conn, &ws->early);
    if (rc < 0) { /* nothing to close */
        h->at_end = h->at_end->next;
        socket_free(ws);
        return rc;
    }
    conn_set_write_patience(ws->conn, ws->opts.write_timeout);
    *ret_ws = ws;
    return 0;
}

weft_str weft_ws_protocol(const weft_ws *ws)
{
    return ws->protocol;
}
