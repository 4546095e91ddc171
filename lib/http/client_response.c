/* client_response.c: a response as its reader sees it. */
#include <errno.h>
#include <stdlib.h>

#include "client.h"

void response_release(weft_response *res)
{
    bool is_whole = upload_end(&res->upload);
    call_release(&res->call, is_whole);
}

int weft_response_status(const weft_response *res)
{
    return reply_status(&res->call.reply);
}

weft_str weft_response_url(const weft_response *res)
{
    return res->url.text;
}

weft_str weft_response_header(const weft_response *res, const char *name)
{
    return reply_find(&res->call.reply, weft_cstr(name));
}

int weft_response_header_at(const weft_response *res, size_t i, weft_str *ret_name,
                            weft_str *ret_value)
{
    const struct reply *r = &res->call.reply;
    if (i >= r->header_count)
        return 0;
    *ret_name = reply_slice(r, r->headers[i].name);
    *ret_value = reply_slice(r, r->headers[i].value);
    return 1;
}

int64_t weft_response_length(const weft_response *res)
{
    return res->call.reply.length;
}

ssize_t weft_response_read(weft_response *res, void *buf, size_t len)
{
    ssize_t n = call_read(&res->call, buf, len);
    if (n < 0) {
        bool is_whole = upload_end(&res->upload);
        if (!is_whole && res->upload.is_source_error) /* why there is no answer */
            n = res->call.error = res->upload.error;
    }
    if (n < 0 || (res->call.is_done && res->call.span.len == 0))
        response_release(res);
    return n;
}

static int grow(weft_response *res, size_t *room)
{
    size_t max = (size_t)res->opts.max_body;
    size_t larger = *room ? *room * 2 : 4096;
    if (larger > max)
        larger = max;
    char *whole = realloc(res->whole, larger + 1);
    if (!whole)
        return -ENOMEM;
    res->whole = whole;
    *room = larger;
    return 0;
}

int weft_response_all(weft_response *res, weft_str *ret_body)
{
    size_t len = 0, room = 0;
    int64_t left = res->call.reply.body == REPLY_SIZED ? res->call.left : 0;
    if (left > res->opts.max_body)
        return -EMSGSIZE;
    if (res->whole)
        return -EALREADY;
    room = (size_t)left;
    if (!(res->whole = malloc(room + 1)))
        return -ENOMEM;
    for (;;) {
        char probe;
        bool is_full = len == room, has_ended = res->call.is_done && res->call.span.len == 0;
        if (is_full && !has_ended && room < (size_t)res->opts.max_body) {
            int rc = grow(res, &room);
            if (rc < 0)
                return rc;
            is_full = false;
        }
        ssize_t n = weft_response_read(res, is_full ? &probe : res->whole + len,
                                       is_full ? 1 : room - len);
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        if (is_full)
            return -EMSGSIZE;
        len += (size_t)n;
    }
    res->whole[len] = '\0';
    *ret_body = (weft_str){res->whole, len};
    return 0;
}

weft_str weft_response_trailer(const weft_response *res, const char *name)
{
    return reply_find_trailer(&res->call.reply, weft_cstr(name));
}

void weft_response_free(weft_response *res)
{
    if (!res)
        return;
    weft_str rest;
    if (res->call.line && !res->call.error && !res->call.is_done &&
        res->call.in_at < res->call.in_len)
        (void)!call_next(&res->call, res->call.head_len,
                         &rest); /* what is here is the end, perhaps */
    response_release(res);
    reply_done(&res->call.reply);
    origin_unref(res->origin);
    arena_reset(&res->arena);
    free(res->whole);
    free(res);
}
