/* call.h: one request on a line and its answer: what the client and the proxy have in common.
 *
 * The answer is read into a buffer of the caller's, or into one that is taken for it only while it
 * holds something (base/scratch.h): who waits for an answer, or for its next bytes, has none. The
 * head stays in it until the body is read. After the head the body comes either in pieces of that
 * buffer (call_next), or copied to where the caller wants it (call_read). */
#ifndef HTTP_CALL_H
#define HTTP_CALL_H

#include "origin.h"
#include "reply.h"

enum { CALL_INTERIM_MAX = 16 }; /* 1xx answers before the final one */

struct call {
    struct line *line; /* NULL: none is held */
    char *in;          /* NULL: none is needed at the moment */
    bool is_lent;      /* it is one of scratch_take's */
    uint32_t in_size, in_at, in_len;
    uint32_t head_len;
    bool is_head_request;
    bool is_done;                   /* the body has been read to its end */
    bool has_begun;                 /* a byte of the answer has come */
    int error;                      /* sticky */
    int64_t left;                   /* of a sized body, not read yet */
    int64_t deadline, idle_timeout; /* for all of it; ns for one wait inside of the body */
    weft_str span;                  /* decoded body in the buffer that nobody has taken */
    struct reply reply;
};

/* Starts on a line, which it takes over. in: the caller's buffer; or NULL, with in_size
 * SCRATCH_BYTES: one is taken as it is needed. */
void call_begin(struct call *c, struct line *l, char *in, uint32_t in_size, uint32_t max_head);

/* Reads the next head, interim ones included, until `deadline`. Returns 0; -EPROTO; -EMSGSIZE;
 * -ECONNRESET when the server closes before the head's end (has_begun tells whether it had begun);
 * -ETIMEDOUT, -ECANCELED and the errors of recv. Parks. */
WEFT_MUST_USE int call_read_head(struct call *c, int64_t deadline);

/* Whether the head that was read is an interim one: call_read_head goes on to the next. 101 is
 * final. */
static inline bool call_is_interim(const struct call *c)
{
    int status = reply_status(&c->reply);
    return status < 200 && status != 101;
}

/* Prepares the body of the final head. From then on the head may be overwritten by call_next, but
 * not by call_read. */
void call_begin_body(struct call *c);

/* The next piece of the body, in the buffer until the next call; empty at the end. Parks.
 * keep: bytes at the buffer's beginning that stay (the head's, or 0).
 * Returns 0; -ECONNRESET when the server closes early; -EPROTO; -EMSGSIZE; -ETIMEDOUT; -ECANCELED
 * and the errors of recv. Errors stick. */
WEFT_MUST_USE int call_next(struct call *c, uint32_t keep, weft_str *ret_piece);

/* Copies what is there of the body, at most `len` bytes, at least one unless it has ended. Parks.
 * Returns the count; 0 at the end; the errors of call_next. */
ssize_t call_read(struct call *c, void *buf, size_t len);

/* Whether more of the body is in the buffer already, so that a piece need not go out by itself. */
static inline bool call_has_more(const struct call *c)
{
    return c->is_done || c->in_at < c->in_len;
}

/* Lets go of the line: it is given back when the answer has been read to its end, nothing else
 * came, the server keeps the connection, and is_reusable (the request went out whole); else it is
 * closed. Nothing when none is held. What has been read stays. */
void call_release(struct call *c, bool is_reusable);

/* Has a buffer, for another use before the answer comes. Returns 0; -ENOMEM. */
WEFT_MUST_USE int call_take_buffer(struct call *c);

/* Gives a lent buffer back: nothing in it is needed any more. */
void call_give_buffer(struct call *c);

/* call_release, and frees what the answer had. */
void call_end(struct call *c, bool is_reusable);

#endif
