/* weft/stream.h: answers that are more than one whole message: events, hints before the answer,
 * trailers behind it, connections that go on in another protocol. */
#ifndef WEFT_STREAM_H
#define WEFT_STREAM_H

#include <weft/http.h>
#include <weft/net.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- server-sent events (HTML, section 9.2) ---- */

/* Begins an answer of events, text/event-stream, and sends its head; headers may be set before. It
 * has no end by time: the handler timeout does not hold, and each wait ends, with -ECANCELED, when
 * the client goes away and when the server drains. Return what weft_sse_send returns: the stream
 * then ends as it should, and the client connects again if it is still there. Returns 0; -EALREADY
 * when an answer has been made; -ENOMEM; the connection's errors. Parks. */
WEFT_API int weft_sse_begin(weft_http *h);

/* Sends an event: its type (NULL: a plain message) and its data, which may have several lines.
 * Returns 0; -ECANCELED as soon as the client has gone or the server drains; -ETIMEDOUT when the
 * client does not take it; -EINVAL for a type with a line end; -ENOMEM. Parks. */
WEFT_API int weft_sse_send(weft_http *h, const char *event, const char *format, ...)
    WEFT_PRINTF(3, 4);

/* An event with all that it can have; a zero field is left out. */
typedef struct weft_sse_event {
    const char *event;
    const char *id;   /* what the client tells in Last-Event-ID when it connects again */
    int64_t retry_ms; /* after how many milliseconds it does */
    weft_str data;
} weft_sse_event;

/* Sends it. Returns as weft_sse_send; -EINVAL also for an id with a line end. Parks. */
WEFT_API int weft_sse_send_event(weft_http *h, const weft_sse_event *event);

/* Sends a comment, which clients skip: a sign of life that keeps proxies from giving up (each 15 s
 * is usual). NULL: an empty one. Returns as weft_sse_send. Parks. */
WEFT_API int weft_sse_comment(weft_http *h, const char *text);

/* ---- before and behind an answer ---- */

/* Sends 103 Early Hints (RFC 8297) with a Link header at once, "</style.css>; rel=preload;
 * as=style", before the answer, which may take its time: a browser begins to load. Not sent to
 * HTTP/1.0. Returns 0; -EINVAL as weft_set_header; -EALREADY when an answer has been made; the
 * connection's errors. Parks. */
WEFT_API int weft_early_hints(weft_http *h, const char *link);

/* Adds a trailer to an answer of unknown length (weft_write), which may have begun: it goes out
 * behind the body (RFC 9110 section 6.5). Both are copied. Where there are no chunks, to HTTP/1.0
 * and in whole answers, it is left out: a trailer is never needed to understand an answer.
 * Returns 0; -EINVAL as weft_set_header and for a field that tells how to read or route the message
 * (section 6.5.1); -EALREADY when the body has ended; -ENOMEM. Never parks. */
WEFT_API int weft_add_trailer(weft_http *h, const char *name, const char *value);

/* ---- another protocol ---- */

/* Takes the connection over for another protocol (RFC 9110 section 7.8): answers 101 with
 * `protocol`, a token like "websocket", in Upgrade, and the headers set so far. From then on the
 * handler speaks that protocol by weft_conn_read, weft_conn_write_all and so on; the connection is
 * closed when it returns (return 0). The limits of requests hold no more: it sets deadlines of its
 * own.
 *
 * ret_early: what the client has sent behind its request and weft has read; it comes before what
 * weft_conn_read gives, and lives as long as the request.
 *
 * Returns 0; -EPROTO when the request does not ask for this protocol, or in HTTP/1.0: nothing was
 * sent, and 426 with Upgrade is a good answer; -EBUSY when its body has not been read; -EALREADY
 * when an answer has been made; -EINVAL for a protocol that is no token; -EMSGSIZE for headers past
 * 16 KB; the connection's errors. Parks. */
WEFT_API int weft_upgrade(weft_http *h, const char *protocol, weft_conn **ret_conn,
                          weft_str *ret_early);

#ifdef __cplusplus
}
#endif
#endif
