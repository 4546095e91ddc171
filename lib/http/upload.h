/* upload.h: the body of a request on its way to a server, in a coroutine of its own: the answer may
 * begin, and go on, before the body has ended, and a server that answers while it reads must not
 * find both sides waiting for each other. */
#ifndef HTTP_UPLOAD_H
#define HTTP_UPLOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <weft/context.h>
#include <weft/net.h>
#include <weft/sync.h>

enum { UPLOAD_BYTES = 16 * 1024, UPLOAD_CHUNK_HEAD = 6 /* "0000\r\n" */ };

/* Gives the next bytes, at most `len`; 0 at the end, or a negative errno. May park. */
typedef ssize_t upload_source(void *arg, void *buf, size_t len);

struct upload {
    weft_conn *conn;
    upload_source *source;
    void *arg;
    int64_t left;          /* of a sized body; -1: chunked */
    int64_t write_timeout; /* ns for one wait */
    weft_ctx *ctx;         /* NULL: none runs, or it has been joined */
    weft_wg running;
    bool is_whole;        /* after the end: all of it went out */
    int error;            /* after the end: why not */
    bool is_source_error; /* it was the source's: the answer is not waited for */
};

/* Starts. Returns 0; -ENOMEM: nothing runs. When the source fails, the connection is shut down, so
 * that who waits for the answer is told; then see upload_end. */
WEFT_MUST_USE int upload_start(struct upload *u, weft_conn *conn, upload_source *source, void *arg,
                               int64_t length, int64_t write_timeout);

/* Ends it, wherever it is, and waits until it has. Returns whether the whole body went out. Nothing
 * when none was started: then true. Parks. */
bool upload_end(struct upload *u);

#endif
