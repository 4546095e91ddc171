/* proxy_protocol.h: the header by which a proxy says, before the first byte of a connection, whom
 * it is for: HAProxy's PROXY protocol, versions 1 (a line of text) and 2 (binary). */
#ifndef NET_PROXY_PROTOCOL_H
#define NET_PROXY_PROTOCOL_H

#include "address.h"
#include "conn.h"

enum { PROXY_HEADER_MAX = 4096 }; /* with what version 2 may append; more is refused */

/* Reads a header that begins at `bytes`. Returns its length, with the source in *ret_source (its
 * family AF_UNSPEC when the header says none: the proxy's own connection, or an unknown one); 0
 * when more bytes are needed; -EINVAL for what is no header. */
int proxy_header_parse(const void *bytes, size_t len, union address *ret_source);

/* Reads the header off a connection, and no byte more, and makes its source the connection's peer.
 * Returns 0; -EINVAL; -ECONNRESET when the stream ends before; weft_conn_read's errors. Parks. */
WEFT_MUST_USE int proxy_header_read(weft_conn *c);

#endif
