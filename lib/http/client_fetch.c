/* client_fetch.c: sends requests: on a kept line first, once more on a new one where that is safe,
 * and on to where redirects lead. */
#include <errno.h>
#include <stdlib.h>

#include "client.h"

enum {
    WHOLE_BODY_MAX = 64 * 1024,    /* more than that is sent while the answer is read already */
    REDIRECT_DRAIN_MAX = 64 * 1024 /* of a redirect's own body, to keep its line */
};

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t after(int64_t ns)
{
    int64_t now = weft_now();
    return ns < WEFT_NO_DEADLINE - now ? now + ns : WEFT_NO_DEADLINE;
}

/* The rest of a body of bytes, as an upload's source. */
static ssize_t give_bytes(void *arg, void *buf, size_t len)
{
    weft_str *rest = arg;
    size_t n = len < rest->len ? len : rest->len;
    memcpy(buf, rest->ptr, n);
    rest->ptr += n;
    rest->len -= n;
    return (ssize_t)n;
}

/* Sends the head, and what body there is: in one write when it is small. */
static int send_request(weft_response *res, weft_str head)
{
    weft_conn *conn = res->call.line->conn;
    bool is_small = !res->has_stream && res->body.len <= WHOLE_BODY_MAX;
    struct iovec iov[2] = {{(void *)(uintptr_t)head.ptr, head.len},
                           {(void *)(uintptr_t)res->body.ptr, res->body.len}};
    weft_conn_set_write_deadline(conn, earlier(after(res->opts.idle_timeout), res->deadline));
    int rc = weft_conn_writev_all(conn, iov, is_small && res->body.len ? 2 : 1);
    if (rc < 0 || is_small)
        return rc;
    if (!res->has_stream) {
        weft_str *rest = arena_alloc(&res->arena, sizeof *rest);
        if (!rest)
            return -ENOMEM;
        *rest = res->body;
        return upload_start(&res->upload, conn, give_bytes, rest, (int64_t)rest->len,
                            res->opts.idle_timeout);
    }
    int64_t length = res->opts.body_length ? res->opts.body_length : -1;
    return upload_start(&res->upload, conn, res->opts.read_body, res->opts.read_body_arg, length,
                        res->opts.idle_timeout);
}

/* Reads heads up to the final one. 101 was not asked for. */
static int read_answer(weft_response *res)
{
    int64_t until = earlier(after(res->opts.header_timeout), res->deadline);
    for (int i = 0; i < CALL_INTERIM_MAX; i++) {
        int rc = call_read_head(&res->call, until);
        if (rc < 0)
            return rc;
        if (!call_is_interim(&res->call))
            return reply_status(&res->call.reply) == 101 ? -EPROTO : 0;
    }
    return -EPROTO;
}

/* One try on a line that has been taken. A server may answer and close without having read all: a
 * failure to send is told only when no answer can be read. */
static int try_on(weft_response *res, struct line *l, weft_str head)
{
    uint32_t max_head = (uint32_t)client_opts(res->client)->max_header_bytes;
    call_begin(&res->call, l, res->in, max_head + CLIENT_BODY_ROOM, max_head);
    res->call.is_head_request = weft_str_eq(res->method, WEFT_STR("HEAD"));
    res->call.deadline = res->deadline;
    res->call.idle_timeout = res->opts.idle_timeout;
    res->upload = (struct upload){0};
    int sent = send_request(res, head);
    bool may_answer = sent == 0 || sent == -EPIPE || sent == -ECONNRESET;
    int rc = may_answer ? read_answer(res) : sent;
    if (rc == 0) {
        call_begin_body(&res->call);
        if (sent < 0)
            res->upload.error = sent; /* not all of the request went out */
        return 0;
    }
    bool has_sent = upload_end(&res->upload);
    if (!has_sent && res->upload.is_source_error)
        rc = res->upload.error;
    call_end(&res->call, false);
    return rc;
}

static int exchange(weft_response *res, weft_str head)
{
    for (int attempt = 0;; attempt++) {
        struct line *l;
        int rc = origin_take(res->origin, attempt > 0, res->deadline, &l);
        if (rc < 0)
            return rc;
        bool was_reused = l->is_reused;
        if (was_reused && !res->is_repeatable && !line_is_silent(l)) {
            line_drop(l);
            continue;
        }
        rc = try_on(res, l, head);
        bool is_age = rc == -ECONNRESET || rc == -EPIPE;
        if (!is_age || !was_reused || res->call.has_begun || !res->is_repeatable)
            return rc;
    }
}

/* Sends the request as it stands now, and reads the answer's head. */
static int fetch_one(weft_response *res)
{
    const char *path = res->opts.unix_path;
    weft_str head;
    int rc = request_head(res, &head);
    if (rc < 0)
        return rc;
    const char *network = res->url.is_https ? "tls" : path ? "unix" : "tcp";
    if (res->url.is_https && path)
        return -EPROTONOSUPPORT;
    origin_unref(res->origin);
    res->origin = client_origin(res->client, network, path ? path : res->url.address);
    return res->origin ? exchange(res, head) : -ENOMEM;
}

/* A redirect's own body is read, if it is short, so that its line is kept. */
static void drain_redirect(weft_response *res)
{
    weft_str piece;
    size_t len = 0;
    while (!res->call.is_done && len < REDIRECT_DRAIN_MAX) {
        if (call_next(&res->call, 0, &piece) < 0)
            break;
        len += piece.len;
    }
    response_release(res);
    reply_done(&res->call.reply);
}

static int fetch(weft_response *res)
{
    int rc = weburl_parse(weft_cstr(res->opts.url), &res->arena, &res->url);
    if (rc == 0)
        rc = fetch_one(res);
    for (int count = 0; rc == 0; count++) {
        rc = request_redirect(res);
        if (rc == 0)
            return 0;
        if (rc > 0 && count == res->opts.max_redirects)
            rc = -ELOOP;
        if (rc < 0)
            break;
        drain_redirect(res);
        rc = fetch_one(res);
    }
    return rc;
}

int weft_fetch(const weft_fetch_opts *opts, weft_response **ret_res)
{
    weft_client *client = client_or_shared(opts->client);
    size_t room = client_opts(client)->max_header_bytes + CLIENT_BODY_ROOM;
    weft_response *res = malloc(sizeof *res + room);
    if (!res)
        return -ENOMEM;
    memset(res, 0, offsetof(weft_response, call));
    res->call.line = NULL;
    res->call.reply.trailers = NULL;
    res->upload = (struct upload){0};
    res->whole = NULL;
    res->client = client;
    res->opts = *opts;
    arena_init(&res->arena, res->first_arena, sizeof res->first_arena);
    int rc = request_check(res);
    res->deadline = after(res->opts.timeout);
    if (rc == 0)
        rc = fetch(res);
    if (rc < 0) {
        weft_response_free(res);
        return rc;
    }
    if (res->call.is_done)
        response_release(res);
    *ret_res = res;
    return 0;
}
