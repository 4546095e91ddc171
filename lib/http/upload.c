#include "upload.h"

#include <errno.h>
#include <weft/rt.h>

#include "conn.h"
#include "sys.h"

static const char hex[] = "0123456789abcdef";

/* Puts the frame around `len` bytes that stand behind room for a chunk's head. */
static size_t frame(char *buf, size_t len)
{
    for (int i = 3, left = (int)len; i >= 0; i--, left >>= 4)
        buf[i] = hex[left & 15];
    memcpy(buf + 4, "\r\n", 2);
    memcpy(buf + UPLOAD_CHUNK_HEAD + len, "\r\n", 2);
    return len + UPLOAD_CHUNK_HEAD + 2;
}

static int put(struct upload *u, const char *bytes, size_t len)
{
    int64_t now = weft_now();
    weft_conn_set_write_deadline(u->conn, u->write_timeout < WEFT_NO_DEADLINE - now
                                              ? now + u->write_timeout
                                              : WEFT_NO_DEADLINE);
    return weft_conn_write_all(u->conn, bytes, len);
}

/* One piece. Returns 1 when there may be more, 0 at the end, or an error. */
static int pass_on(struct upload *u, char *buf)
{
    bool is_chunked = u->left < 0;
    size_t room = UPLOAD_BYTES, at = is_chunked ? UPLOAD_CHUNK_HEAD : 0;
    if (!is_chunked && (int64_t)room > u->left)
        room = (size_t)u->left;
    if (room == 0)
        return 0;
    ssize_t n = u->source(u->arg, buf + at, room);
    if (n < 0 || (n == 0 && !is_chunked)) {
        u->is_source_error = true;
        return n < 0 ? (int)n : -EIO; /* it has promised more */
    }
    if (n == 0)
        return put(u, "0\r\n\r\n", 5);
    int rc = put(u, buf, is_chunked ? frame(buf, (size_t)n) : (size_t)n);
    if (!is_chunked)
        u->left -= n;
    return rc < 0 ? rc : 1;
}

static void run(void *arg)
{
    struct upload *u = arg;
    char buf[UPLOAD_BYTES + UPLOAD_CHUNK_HEAD + 2];
    int rc;
    weft_ctx *parent = weft_ctx_enter(u->ctx);
    while ((rc = pass_on(u, buf)) > 0)
        continue;
    u->error = rc;
    u->is_whole = rc == 0;
    if (u->is_source_error)
        (void)sys_shutdown(u->conn->desc.fd);
    weft_ctx_leave(parent);
    weft_wg_done(&u->running);
}

int upload_start(struct upload *u, weft_conn *conn, upload_source *source, void *arg,
                 int64_t length, int64_t write_timeout)
{
    static const weft_go_opts opts = {.name = "request body on its way"};
    *u = (struct upload){.conn = conn,
                         .source = source,
                         .arg = arg,
                         .left = length,
                         .write_timeout = write_timeout,
                         .running = WEFT_WG_INIT};
    int rc = weft_ctx_new(weft_ctx_current(), WEFT_NO_DEADLINE, &u->ctx);
    if (rc < 0)
        return rc;
    weft_wg_add(&u->running, 1);
    rc = weft_go_with(&opts, run, u);
    if (rc < 0) {
        weft_ctx_unref(u->ctx);
        u->ctx = NULL;
    }
    return rc;
}

bool upload_end(struct upload *u)
{
    if (!u->ctx)
        return u->error == 0;
    weft_ctx_cancel(u->ctx);
    weft_ctx *own = weft_ctx_enter(NULL); /* it must have ended, whatever happens to the caller */
    int rc = weft_wg_wait(&u->running);
    (void)rc;
    weft_ctx_leave(own);
    weft_ctx_unref(u->ctx);
    u->ctx = NULL;
    return u->is_whole;
}
