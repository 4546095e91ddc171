/* reply.h: reads what a server answers: the head of a response with llhttp, what llhttp leaves to
 * its user, and a chunked body with its trailers. */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "head.h"

enum {
    REPLY_MAX_BYTES = 60 * 1024, /* a head at most: its offsets fit 16 bits */
    REPLY_MAX_HEADERS = 128,
    REPLY_MAX_TRAILERS = 32,
    REPLY_TRAILER_BYTES = 4096,
};

/* How a response's body ends (RFC 9112 section 6.3). */
enum reply_body { REPLY_NONE, REPLY_SIZED, REPLY_CHUNKED, REPLY_TO_END };

/* Fields behind a chunked body; allocated when the first one comes. */
struct reply_trailers {
    uint16_t count, len;
    bool is_value_next;
    struct head_header fields[REPLY_MAX_TRAILERS];
    char bytes[REPLY_TRAILER_BYTES];
};

struct reply {
    llhttp_t parser;  /* also decodes a chunked body afterwards */
    const char *base; /* the head's first byte */
    uint32_t fed;     /* bytes given to the parser so far */
    uint32_t max_bytes;
    uint16_t header_count;
    bool is_value_next;
    bool is_complete;
    bool is_too_large;
    bool is_message_complete;
    bool keeps_alive;     /* the server will read another request */
    enum reply_body body; /* set by reply_check, like what follows */
    int64_t length;       /* Content-Length, also of an answer to HEAD; -1: none */
    struct head_span reason;
    weft_str data;                   /* decoded body in the buffer, see reply_decode */
    struct reply_trailers *trailers; /* or NULL */
    struct head_header headers[REPLY_MAX_HEADERS];
};

/* Prepares for a new response, the first or one after an interim one. */
void reply_begin(struct reply *r, uint32_t max_bytes);

/* Frees the trailers. */
void reply_done(struct reply *r);

/* Parses what is new of the `len` bytes at `base`, the head's first. Returns 1 when the head is
 * complete, its length in *ret_len; 0 when more bytes are needed; -EPROTO for what is no response;
 * -EMSGSIZE when it is too large. */
int reply_parse(struct reply *r, const char *base, size_t len, uint32_t *ret_len);

/* What has to hold of a complete head beyond its grammar, and how the body ends. Returns 0, or
 * -EPROTO where two readings are possible: then the connection cannot be trusted. */
int reply_check(struct reply *r, bool is_head_request);

/* Decodes the next `len` bytes of a chunked body at `from`, in place: the data that they hold is
 * moved together, and is r->data. Returns how many bytes were used: all of them, or up to the
 * message's end (is_message_complete); -EPROTO; -EMSGSIZE for too many trailers; -ENOMEM. */
ssize_t reply_decode(struct reply *r, char *from, size_t len);

/* The value of the first header of that name, in any case; {NULL, 0} when absent. */
weft_str reply_find(const struct reply *r, weft_str name);
weft_str reply_find_trailer(const struct reply *r, weft_str name);

static inline int reply_status(const struct reply *r)
{
    return r->parser.status_code;
}

/* A span of the head; an empty one has no place of its own. */
static inline weft_str reply_slice(const struct reply *r, struct head_span span)
{
    weft_str s = {span.len ? r->base + span.at : "", span.len};
    return s;
}

static inline weft_str reply_trailer_slice(const struct reply *r, struct head_span span)
{
    weft_str s = {r->trailers->bytes + span.at, span.len};
    return s;
}

#endif
