/* upgrade.c: a connection that leaves HTTP: its handler has the socket until it returns. */
#include <errno.h>
#include <weft/stream.h>

#include "exchange.h"
#include "request_context.h"
#include "token.h"

/* Whether the request asks for it: Connection names Upgrade, and Upgrade the protocol, alone or in
 * a list (RFC 9110 section 7.8). */
static bool is_asked(const weft_http *h, weft_str protocol)
{
    return h->head.parser.http_minor == 1 &&
           head_lists(&h->head, "connection", WEFT_STR("upgrade")) &&
           head_lists(&h->head, "upgrade", protocol);
}

static int put_switch(weft_http *h, weft_str protocol)
{
    static const weft_str begin = {"HTTP/1.1 101 Switching Protocols\r\n"
                                   "Connection: Upgrade\r\nUpgrade: ",
                                   64};
    size_t room = begin.len + protocol.len + 4;
    for (struct answer_header *a = h->headers; a; a = a->next)
        room += a->len;
    if (room > OUT_BYTES)
        return -EMSGSIZE;
    int rc = wire_reserve(h, room);
    if (rc < 0)
        return rc;
    wire_put(h, begin.ptr, begin.len);
    wire_put(h, protocol.ptr, protocol.len);
    wire_put(h, "\r\n", 2);
    for (struct answer_header *a = h->headers; a; a = a->next)
        wire_put(h, a->line, a->len);
    wire_put(h, "\r\n", 2);
    h->answer = ANSWER_SENT;
    h->status = 101;
    h->is_upgraded = true;
    h->keeps_alive = false;
    return wire_flush(h);
}

int weft_upgrade(weft_http *h, const char *protocol, weft_conn **ret_conn, weft_str *ret_early)
{
    weft_str name = weft_cstr(protocol);
    if (h->answer != ANSWER_NONE)
        return -EALREADY;
    if (!token_is(name) || name.len > 64)
        return -EINVAL;
    if (!is_asked(h, name))
        return -EPROTO;
    if (!h->is_body_done)
        return -EBUSY;
    /* Only the handler knows what the end of the client's stream means now: he reads it. */
    int rc = request_context_bind(h, CONN_ENDS_BY_DRAIN);
    if (rc == 0)
        rc = put_switch(h, name);
    if (rc < 0)
        return rc;
    weft_conn_set_read_deadline(h->conn, WEFT_NO_DEADLINE);
    weft_conn_set_write_deadline(h->conn, WEFT_NO_DEADLINE);
    conn_set_write_patience(h->conn, 0);
    weft_set_deadline(h, WEFT_NO_DEADLINE);
    *ret_conn = h->conn;
    *ret_early = (weft_str){h->in + h->in_at, h->in_len - h->in_at};
    h->in_at = h->in_len;
    return 0;
}
