/* ws.h: a WebSocket inside: frames (ws_frame.c), messages (ws_recv.c, ws_send.c), compression
 * (ws_deflate.c), the handshake (ws_accept.c).
 *
 * Who may touch what: `sending` guards the way out; the way in belongs to the coroutine that
 * receives. A close goes each way once; after ours nothing is sent, after his nothing is read. */
#ifndef HTTP_WS_H
#define HTTP_WS_H

#include <stdatomic.h>
#include <weft/net.h>
#include <weft/sync.h>
#include <weft/websocket.h>

#include "exchange.h"
#include "utf8.h"

enum ws_opcode { WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING, WS_PONG };

enum {
    WS_CONTROL_MAX = 125,      /* bytes of a control frame's payload (section 5.5) */
    WS_HEAD_MAX = 14,          /* of a frame's head */
    WS_KEEP_BYTES = 64 * 1024, /* of a buffer that is kept from one message to the next */
    WS_COMPRESS_WORTH = 64,    /* shorter messages go out as they are */
};

/* A piece of a frame as it comes in. */
struct ws_piece {
    enum ws_opcode opcode;
    bool is_first, is_last; /* of its frame */
    bool is_final;          /* the frame ends its message */
    bool is_masked, is_compressed, has_reserved;
    uint64_t frame_len;
    const uint8_t *data;
    size_t len;
};

struct ws_frames; /* wslay's state */
struct ws_deflate;

struct weft_ws {
    weft_http *h;
    weft_conn *conn;
    weft_ws_opts opts; /* with the defaults filled in */
    weft_str protocol;
    struct ws_frames *frames;
    struct ws_deflate *deflate; /* NULL: not agreed on */

    /* The way in. */
    weft_str early;     /* what came behind the request and is not read yet */
    int io_error;       /* of the last read, for who called the frames' reader */
    int error;          /* what weft_ws_recv returns from now on; 0: none */
    bool is_ping_out;   /* one was sent for silence, and nothing has come since */
    bool is_open;       /* a message has begun and its last frame has not come */
    bool is_closed;     /* his close has come */
    bool is_compressed; /* the message */
    weft_ws_type type;  /* the message's */
    struct utf8 utf8;
    char *message; /* malloc */
    size_t len, room;
    uint64_t compressed_len;
    uint8_t control[WS_CONTROL_MAX];
    size_t control_len;
    int close_code;
    weft_str close_reason; /* within `control` */

    /* The way out, under `sending`. */
    weft_mutex sending;
    bool is_close_sent;
    int out_error; /* sticks: it is unknown how much of a frame went out */
    uint8_t head[WS_HEAD_MAX];
    size_t head_len;
};

/* ---- ws_frame.c ---- */

/* NULL when memory is out. */
struct ws_frames *ws_frames_new(weft_ws *ws);
void ws_frames_free(struct ws_frames *f);

/* Reads the next piece of a frame; parks. Returns 0; -EPROTO for a broken frame; -ECONNRESET at the
 * end of the stream; the errors of ws_read. What was read of a frame stays when it fails. */
int ws_frames_read(struct ws_frames *f, struct ws_piece *ret);

/* Writes a whole frame in one system call, as a rule; parks. Under `sending`. */
int ws_frames_write(struct ws_frames *f, enum ws_opcode opcode, bool is_compressed,
                    const void *data, size_t len);

/* ---- ws_recv.c ---- */

/* Bytes from the peer, with pings for his silence; parks. Returns the count; 0 at the end of the
 * stream; -ETIMEDOUT when he is given up; -ECANCELED, -ETIMEDOUT as the caller's context ends. */
ssize_t ws_read(weft_ws *ws, void *buf, size_t len);

/* ---- ws_send.c ---- */

/* Sends a frame under the lock. Returns as weft_ws_send. Parks. */
int ws_send_frame(weft_ws *ws, enum ws_opcode opcode, const void *data, size_t len);

/* Whether a close may carry that code (section 7.4). */
bool ws_is_code(int code);

/* ---- ws_deflate.c ---- */

/* Chooses among the offers of Sec-WebSocket-Extensions (RFC 7692 section 7.1), and writes what is
 * answered to `ret_answer`. Returns NULL when none fits, or memory is out. */
struct ws_deflate *ws_deflate_choose(weft_str offers, char ret_answer[128]);
void ws_deflate_free(struct ws_deflate *d);

/* Compresses a whole message; the result is d's until the next call. Under `sending`. Returns 0 or
 * -ENOMEM. */
int ws_deflate_message(struct ws_deflate *d, const void *data, size_t len, weft_str *ret);

/* Appends what a piece of a compressed message gives to ws's message; is_last: it is the message's
 * last. Returns 0; -EMSGSIZE past max_message; -EBADMSG for what does not decompress; -ENOMEM. */
int ws_inflate_piece(weft_ws *ws, const void *data, size_t len, bool is_last);

/* Makes room for `more` bytes in ws's message. Returns 0; -EMSGSIZE; -ENOMEM. */
int ws_message_grow(weft_ws *ws, size_t more);

#endif
