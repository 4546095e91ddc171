/* stream.c: bodies of unknown length. Small writes gather in one chunk in the output buffer; its
 * size is written, in four hexadecimal digits, when the chunk is closed. */
#include <errno.h>
#include <stdio.h>

#include "exchange.h"
#include "trailer.h"

enum {
    CHUNK_HEAD = 6,   /* "0000\r\n" */
    CHUNK_TAIL = 2,   /* "\r\n" */
    CHUNK_WORTH = 64, /* a chunk is not begun with less room than that */
};

static int stream_open(weft_http *h)
{
    static const weft_str type = {"text/plain; charset=utf-8", 25};
    int rc = answer_head(h, h->status, type, -1);
    if (rc == 0 || h->out_error) /* without a byte of the head, another answer may follow */
        h->answer = ANSWER_OPEN;
    return rc;
}

static void chunk_close(weft_http *h)
{
    static const char hex[] = "0123456789abcdef";
    if (!h->chunk_at)
        return;
    char *size = h->out + h->chunk_at - 1;
    uint32_t len = h->out_len - (h->chunk_at - 1) - CHUNK_HEAD;
    for (int i = 3; i >= 0; i--, len >>= 4)
        size[i] = hex[len & 15];
    memcpy(h->out + h->out_len, "\r\n", CHUNK_TAIL);
    h->out_len += CHUNK_TAIL;
    h->chunk_at = 0;
}

/* How many bytes of body fit now; opens a chunk, or sends, if that is needed for more than none. */
static int stream_room(weft_http *h, size_t *ret_room)
{
    uint32_t reserve = h->is_chunked ? CHUNK_TAIL : 0;
    if (h->out_len + reserve >= OUT_BYTES ||
        (!h->chunk_at && h->out_len + CHUNK_WORTH > OUT_BYTES)) {
        chunk_close(h);
        int rc = wire_flush(h);
        if (rc < 0)
            return rc;
    }
    if (h->is_chunked && !h->chunk_at) {
        h->chunk_at = h->out_len + 1; /* 0 means none */
        memcpy(h->out + h->out_len, "0000\r\n", CHUNK_HEAD);
        h->out_len += CHUNK_HEAD;
    }
    *ret_room = OUT_BYTES - reserve - h->out_len;
    return 0;
}

int stream_emit(weft_http *h, const void *data, size_t len)
{
    const char *from = data;
    if (h->out_error)
        return h->out_error;
    h->sent_body += (int64_t)len;
    while (len) {
        size_t room;
        int rc = stream_room(h, &room);
        if (rc < 0)
            return rc;
        size_t n = len < room ? len : room;
        memcpy(h->out + h->out_len, from, n);
        h->out_len += (uint32_t)n;
        from += n;
        len -= n;
    }
    return 0;
}

static int filter_write(weft_http *h, const void *data, size_t len, enum filter_step step)
{
    return h->out_error ? h->out_error : h->filter->write(h->filter, h, data, len, step);
}

int weft_write(weft_http *h, const void *data, size_t len)
{
    if (h->answer == ANSWER_HELD || h->answer == ANSWER_SENT)
        return -EALREADY;
    if (h->answer == ANSWER_NONE) {
        int rc = stream_open(h);
        if (rc < 0)
            return rc;
    }
    if (h->has_no_body)
        return h->out_error;
    if (weft_unlikely(h->is_filtered))
        return filter_write(h, data, len, FILTER_WRITE);
    return stream_emit(h, data, len);
}

int weft_writef(weft_http *h, const char *format, ...)
{
    char local[1024];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(local, sizeof local, format, args);
    va_end(args);
    int rc = n < 0 ? -EINVAL : 0;
    char *text = local;
    if (rc == 0 && (size_t)n >= sizeof local) {
        text = arena_alloc(&h->arena, (size_t)n + 1);
        if (text)
            vsnprintf(text, (size_t)n + 1, format, again);
        else
            rc = -ENOMEM;
    }
    va_end(again);
    return rc < 0 ? rc : weft_write(h, text, (size_t)n);
}

int weft_flush(weft_http *h)
{
    if (h->answer == ANSWER_NONE) {
        int rc = stream_open(h);
        if (rc < 0)
            return rc;
    }
    if (weft_unlikely(h->is_filtered) && h->answer == ANSWER_OPEN && !h->has_no_body) {
        int rc = filter_write(h, NULL, 0, FILTER_FLUSH);
        if (rc < 0)
            return rc;
    }
    chunk_close(h);
    return wire_flush(h);
}

void stream_finish(weft_http *h)
{
    h->answer = ANSWER_SENT;
    if (weft_unlikely(h->is_filtered) && !h->has_no_body &&
        filter_write(h, NULL, 0, FILTER_FINISH) < 0) {
        h->is_cut = true; /* the client must not take what came for whole */
        return;
    }
    chunk_close(h);
    if (h->is_chunked && !h->has_no_body)
        trailers_put(h);
}
