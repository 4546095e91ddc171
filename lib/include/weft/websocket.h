/* weft/websocket.h: WebSockets (RFC 6455), as messages that a handler receives and sends.
 *
 *     static int echo(weft_http *h, void *arg)
 *     {
 *         weft_ws *ws;
 *         weft_ws_message m;
 *         int rc = weft_ws_accept(h, NULL, &ws);
 *         if (rc)
 *             return rc;
 *         while ((rc = weft_ws_recv(ws, &m)) > 0)
 *             weft_ws_send(ws, m.type, m.data.ptr, m.data.len);
 *         return 0;
 *     }
 *
 * One coroutine receives, the handler's own as a rule. Any coroutine may send, and close, while the
 * handler runs: messages go out whole, one after the other. When the handler returns, the socket
 * is closed as the protocol wants it, and gone; whoever else has it must have let go by then.
 *
 * While a coroutine receives, pings are answered, and a peer that is silent is sent one; so a
 * handler that only sends should have another coroutine send and receive itself. */
#ifndef WEFT_WEBSOCKET_H
#define WEFT_WEBSOCKET_H

#include <weft/http.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_ws weft_ws;

/* A message's type; the numbers are the protocol's. */
typedef enum weft_ws_type { WEFT_WS_TEXT = 1, WEFT_WS_BINARY = 2 } weft_ws_type;

typedef struct weft_ws_message {
    weft_ws_type type;
    weft_str data; /* UTF-8 if it is text; the socket's until the next weft_ws_recv */
} weft_ws_message;

/* Codes of a close (section 7.4.1); an application's own are 4000 to 4999. */
enum {
    WEFT_WS_NORMAL = 1000,
    WEFT_WS_GOING_AWAY = 1001,
    WEFT_WS_PROTOCOL_ERROR = 1002,
    WEFT_WS_UNSUPPORTED = 1003,
    WEFT_WS_NO_CODE = 1005,  /* the peer's close named none; never sent */
    WEFT_WS_ABNORMAL = 1006, /* the connection broke without one; never sent */
    WEFT_WS_INVALID_DATA = 1007,
    WEFT_WS_POLICY = 1008,
    WEFT_WS_TOO_BIG = 1009,
    WEFT_WS_INTERNAL = 1011,
};

/* A zero field means its default. Durations are nanoseconds, sizes bytes. */
typedef struct weft_ws_opts {
    const char *protocols; /* subprotocols that are spoken, the best first: "chat.2, chat"; none */
    const char *origins;   /* pages that may connect: "https://a.example, https://b.example", or
                            * "*"; default those of the host that the request names. A client that
                            * sends no Origin is no page, and may */
    size_t max_message;    /* a received message, decompressed; default 1 MB */
    int compress;          /* 1: permessage-deflate (RFC 7692) with who offers it */
    int64_t ping_interval; /* of silence, before a ping; as long again without an answer, and the
                            * peer is given up; default 30 s; below 0: no pings */
    int64_t write_timeout; /* a wait for the peer to take bytes; default 30 s */
    int64_t close_timeout; /* a wait for the peer's close behind ours; default 2 s */
} weft_ws_opts;

/* Takes the request's connection over as a WebSocket (section 4.2). opts may be NULL. The socket
 * lives until the handler returns.
 *
 * Returns 0; a status to be returned by the handler when the request is none to accept, with the
 * headers it needs: 426 (no WebSocket, or another version), 400, 403 (another page's); a negative
 * errno: -EINVAL for protocols that are no tokens, -ENOMEM, those of weft_upgrade. Parks. */
WEFT_API int weft_ws_accept(weft_http *h, const weft_ws_opts *opts, weft_ws **ret_ws);

/* The subprotocol that was agreed on; {NULL, 0} for none. */
WEFT_API weft_str weft_ws_protocol(const weft_ws *ws);

/* Receives the next message, put together from its fragments; parks.
 *
 * Returns 1; 0 when the peer has closed (weft_ws_close_code tells why), or after weft_ws_close when
 * he has answered it; -ECONNRESET when he has gone without; -ETIMEDOUT when he has answered no ping
 * and is given up; -EMSGSIZE past max_message, -EPROTO for what breaks the protocol, -EILSEQ for
 * text that is not UTF-8: he was told by a close of 1009, 1002, 1007; -ENOMEM. -ECANCELED or
 * -ETIMEDOUT when the caller's context ends, as it does when the server drains: the socket is good
 * still. All but the last stick. One coroutine at a time. */
WEFT_API int weft_ws_recv(weft_ws *ws, weft_ws_message *ret_message);

/* Sends a message; parks while others send, and while the peer does not take it. The data stay the
 * caller's. Returns 0; -EILSEQ for text that is not UTF-8; -EPIPE after a close was sent; -ENOMEM;
 * the connection's errors, which stick: -ECANCELED among them, when the caller's context ends with
 * a message half sent. Any coroutine. */
WEFT_API int weft_ws_send(weft_ws *ws, weft_ws_type type, const void *data, size_t len);

/* The same for text that is terminated, and from a format. */
WEFT_API int weft_ws_text(weft_ws *ws, const char *text);
WEFT_API int weft_ws_textf(weft_ws *ws, const char *format, ...) WEFT_PRINTF(2, 3);

/* Sends a ping of at most 125 bytes. Returns as weft_ws_send; -EINVAL. Any coroutine. Parks. */
WEFT_API int weft_ws_ping(weft_ws *ws, const void *data, size_t len);

/* Sends a close, of a code that may be sent and a reason of at most 123 bytes of UTF-8 (NULL:
 * none), and waits for nothing: the coroutine that receives gets what is still under way, and then
 * 0. Returns 0; -EALREADY when one was sent; -EINVAL; else as weft_ws_send. Any coroutine. Parks.
 */
WEFT_API int weft_ws_close(weft_ws *ws, int code, const char *reason);

/* The peer's code and reason once weft_ws_recv has returned 0, until the handler returns;
 * WEFT_WS_NO_CODE when he gave none, WEFT_WS_ABNORMAL before his close has come. For the
 * coroutine that receives. Do not park. */
WEFT_API int weft_ws_close_code(const weft_ws *ws);
WEFT_API weft_str weft_ws_close_reason(const weft_ws *ws);

#ifdef __cplusplus
}
#endif
#endif
