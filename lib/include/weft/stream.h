/* weft/stream.h: answers that are more than one whole message: connections that go on in another
 * protocol. */
#ifndef WEFT_STREAM_H
#define WEFT_STREAM_H

#include <weft/http.h>
#include <weft/net.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Adds a trailer to an answer of unknown length (weft_write), which may have begun: it goes out
 * behind the body (RFC 9110 section 6.5). Both are copied. Where there are no chunks, to HTTP/1.0
 * and in whole answers, it is left out: a trailer is never needed to understand an answer.
 * Returns 0; -EINVAL as weft_set_header and for a field that tells how to read or route the message
 * (section 6.5.1); -EALREADY when the body has ended; -ENOMEM. Never parks. */
WEFT_API int weft_add_trailer(weft_http *h, const char *name, const char *value);

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
