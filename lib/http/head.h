/* head.h: reads the head of a request with llhttp, and checks what llhttp leaves to its user. */
#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include <llhttp.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/base.h>

enum {
    HEAD_MAX_BYTES = 16 * 1024, /* request line and headers; offsets fit 16 bits */
    HEAD_MAX_TARGET = 8 * 1024,
    HEAD_MAX_HEADERS = 100,
    HEAD_MAX_EXTENSIONS = 4 * 1024, /* bytes of chunk extensions beyond their share */
};

/* A slice of the head, by offsets from its first byte, which stay true when the buffer moves. */
struct head_span {
    uint16_t at, len;
};

struct head_header {
    struct head_span name, value;
};

/* A head as it is read, and then as it was. */
struct head {
    llhttp_t parser;  /* also decodes a chunked body afterwards */
    const char *base; /* the head's first byte */
    uint32_t fed;     /* bytes given to the parser so far */
    uint32_t max_bytes;
    uint16_t max_headers;
    uint16_t header_count;
    bool is_value_next; /* the last callback was of a value */
    bool is_complete;
    bool is_refused; /* by the parser, for good; which status is it, is still open */
    bool has_too_many;
    bool is_target_too_long;
    struct head_span target;
    struct head_header headers[HEAD_MAX_HEADERS];

    /* Where the trailers of a chunked body go; see trailer.h. */
    struct trailers **trailers;
    struct arena *arena;

    uint32_t extension_bytes; /* of chunk extensions, less what data has made up for */

    /* A span of a chunked body that the parser stopped at; see body.c. */
    weft_str body_span;
    bool is_message_complete;
};

enum head_result {
    HEAD_PARTIAL = 0, /* more bytes are needed */
    HEAD_COMPLETE = 1,
    /* else the status to refuse the request with: 400, 414, 431, 501, 505 */
};

/* Prepares for a new head. The limits are at most the constants above. */
void head_begin(struct head *head, uint32_t max_bytes, uint16_t max_headers);

/* Parses what is new of the `len` bytes at `base`, the first of which is the head's first. Returns
 * an enum head_result or a status. *ret_len is the head's length when it is complete. */
int head_parse(struct head *head, const char *base, size_t len, uint32_t *ret_len);

/* What has to hold of a complete head beyond its grammar (RFC 9112 sections 3.2 and 6): Host, the
 * target's form, transfer codings, the version. Returns 0 or a status. */
int head_check(struct head *head);

/* The value of the first header of that name (given in lower case); {NULL, 0} when absent. */
weft_str head_find(const struct head *head, const char *name, size_t name_len);

/* Whether any header of that name (in lower case) has `token`, in any case, in its list. */
bool head_lists(const struct head *head, const char *name, weft_str token);

/* Whether it is a host, perhaps with a port (RFC 9110 section 7.2). */
bool head_host_is_valid(weft_str host);

static inline weft_str head_slice(const struct head *head, struct head_span span)
{
    weft_str s = {head->base + span.at, span.len};
    return s;
}

#endif
