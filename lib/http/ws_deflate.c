/* ws_deflate.c: permessage-deflate (RFC 7692), each message for itself.
 *
 * Without a context that goes on from one message to the next, compression is a little worse, and a
 * socket that is idle needs no window. Windows of ours are 4 KB, whatever more the peer would take:
 * 32 KB of memory instead of 256, and messages are short. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "token.h"
#include "ws.h"

enum { WINDOW_BITS = 12, WINDOW_BITS_LEAST = 9, WINDOW_BITS_MOST = 15, MEMORY_LEVEL = 5 };
enum { INFLATE_STEP = 4096 };

/* What a flushed block ends with, and a message leaves out (section 7.2.1). */
static const uint8_t TAIL[4] = {0x00, 0x00, 0xff, 0xff};

struct ws_deflate {
    z_stream out, in;
    bool has_out, has_in; /* made at their first use */
    int window_bits;
    uint8_t *buf;
    size_t room;
};

/* ---- what is agreed on ---- */

/* Takes the next part of "a; b=c; d" off. Returns false at the end. */
static bool part_next(weft_str *rest, weft_str *ret_name, weft_str *ret_value)
{
    if (!rest->len)
        return false;
    const char *mark = memchr(rest->ptr, ';', rest->len);
    weft_str part = {rest->ptr, mark ? (size_t)(mark - rest->ptr) : rest->len};
    rest->ptr += part.len + (mark ? 1 : 0);
    rest->len -= part.len + (mark ? 1 : 0);
    const char *equals = memchr(part.ptr, '=', part.len);
    size_t name_len = equals ? (size_t)(equals - part.ptr) : part.len;
    *ret_name = token_trim((weft_str){part.ptr, name_len});
    *ret_value = (weft_str){NULL, 0};
    if (equals)
        *ret_value = token_trim((weft_str){equals + 1, part.len - name_len - 1});
    if (ret_value->len >= 2 && ret_value->ptr[0] == '"' &&
        ret_value->ptr[ret_value->len - 1] == '"')
        *ret_value = (weft_str){ret_value->ptr + 1, ret_value->len - 2};
    return true;
}

/* 8 to 15, or -1. */
static int bits_of(weft_str value)
{
    if (value.len == 1 && (value.ptr[0] == '8' || value.ptr[0] == '9'))
        return value.ptr[0] - '0';
    if (value.len == 2 && value.ptr[0] == '1' && value.ptr[1] >= '0' && value.ptr[1] <= '5')
        return 10 + value.ptr[1] - '0';
    return -1;
}

/* Whether an offer can be met; *ret_bits: the window that it allows us, 0 when it says nothing. */
static bool offer_fits(weft_str offer, int *ret_bits)
{
    static const char *const names[] = {"server_no_context_takeover", "client_no_context_takeover",
                                        "server_max_window_bits", "client_max_window_bits"};
    enum { SERVER_BITS = 2, CLIENT_BITS = 3, COUNT = 4 };
    unsigned seen = 0;
    weft_str name, value;
    *ret_bits = 0;
    if (!part_next(&offer, &name, &value) || value.ptr ||
        !token_eq(name, WEFT_STR("permessage-deflate")))
        return false;
    while (part_next(&offer, &name, &value)) {
        int which = 0;
        while (which < COUNT && !token_eq(name, weft_cstr(names[which])))
            which++;
        if (which == COUNT || (seen & 1U << which))
            return false; /* section 7: unknown, or twice */
        seen |= 1U << which;
        bool needs_bits = which == SERVER_BITS || (which == CLIENT_BITS && value.ptr);
        if (needs_bits ? bits_of(value) < 0 : value.ptr != NULL)
            return false;
        if (which == SERVER_BITS)
            *ret_bits = bits_of(value);
    }
    return *ret_bits == 0 || *ret_bits >= WINDOW_BITS_LEAST; /* zlib has no window of 8 bits */
}

struct ws_deflate *ws_deflate_choose(weft_str offers, char ret_answer[128])
{
    weft_str offer;
    int bits = -1;
    while (bits < 0 && token_list_next(&offers, &offer))
        if (!offer_fits(offer, &bits))
            bits = -1;
    struct ws_deflate *d = bits < 0 ? NULL : calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->window_bits = bits && bits < WINDOW_BITS ? bits : WINDOW_BITS;
    int n = snprintf(ret_answer, 128,
                     "permessage-deflate; server_no_context_takeover; "
                     "client_no_context_takeover");
    if (bits)
        snprintf(ret_answer + n, 128 - (size_t)n, "; server_max_window_bits=%d", bits);
    return d;
}

void ws_deflate_free(struct ws_deflate *d)
{
    if (!d)
        return;
    if (d->has_out)
        deflateEnd(&d->out);
    if (d->has_in)
        inflateEnd(&d->in);
    free(d->buf);
    free(d);
}

/* ---- out ---- */

int ws_deflate_message(struct ws_deflate *d, const void *data, size_t len, weft_str *ret)
{
    if (!d->has_out && deflateInit2(&d->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -d->window_bits,
                                    MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    if (len > UINT_MAX / 2)
        return -EMSGSIZE;
    d->has_out = true;
    deflateReset(&d->out);
    size_t bound = deflateBound(&d->out, len) + 16; /* and what the flush adds */
    if (bound > d->room || d->room > WS_KEEP_BYTES) {
        free(d->buf);
        d->room = 0;
        d->buf = malloc(bound);
        if (!d->buf)
            return -ENOMEM;
        d->room = bound;
    }
    d->out.next_in = (Bytef *)(uintptr_t)data;
    d->out.avail_in = (uInt)len;
    d->out.next_out = d->buf;
    d->out.avail_out = (uInt)d->room;
    if (deflate(&d->out, Z_SYNC_FLUSH) != Z_OK || d->out.avail_in || d->out.avail_out == 0)
        return -ENOMEM;
    *ret = (weft_str){(const char *)d->buf, d->room - d->out.avail_out - sizeof TAIL};
    return 0;
}

/* ---- in ---- */

static int inflate_some(weft_ws *ws, z_stream *z, const void *data, size_t len)
{
    z->next_in = (Bytef *)(uintptr_t)data;
    z->avail_in = (uInt)len;
    do {
        /* One byte more than is allowed tells a message that is too long. */
        size_t allowed = ws->opts.max_message - ws->len;
        size_t step = allowed < INFLATE_STEP ? allowed : INFLATE_STEP;
        char beyond;
        if (step) {
            int rc = ws_message_grow(ws, step);
            if (rc < 0)
                return rc;
        }
        z->next_out = (Bytef *)(step ? ws->message + ws->len : &beyond);
        z->avail_out = step ? (uInt)step : 1;
        int rc = inflate(z, Z_SYNC_FLUSH);
        size_t got = (step ? step : 1) - z->avail_out;
        if (!step && got)
            return -EMSGSIZE;
        ws->len += got;
        if (rc == Z_STREAM_END) { /* a last block: what follows is another stream's */
            inflateReset(z);
            continue;
        }
        if (rc == Z_BUF_ERROR)
            return 0; /* all of it is in */
        if (rc != Z_OK)
            return rc == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
    } while (z->avail_in || z->avail_out == 0);
    return 0;
}

int ws_inflate_piece(weft_ws *ws, const void *data, size_t len, bool is_last)
{
    struct ws_deflate *d = ws->deflate;
    if (!d->has_in && inflateInit2(&d->in, -WINDOW_BITS_MOST) != Z_OK)
        return -ENOMEM;
    d->has_in = true;
    int rc = len ? inflate_some(ws, &d->in, data, len) : 0;
    if (rc == 0 && is_last) {
        rc = inflate_some(ws, &d->in, TAIL, sizeof TAIL);
        inflateReset(&d->in);
    }
    return rc;
}
