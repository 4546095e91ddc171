/* sse.c: server-sent events (HTML, section 9.2.6): lines of "field: value", an empty one behind
 * each event. */
#include <errno.h>
#include <stdio.h>
#include <weft/context.h>
#include <weft/stream.h>

#include "exchange.h"
#include "request_context.h"

int weft_sse_begin(weft_http *h)
{
    if (h->answer != ANSWER_NONE)
        return -EALREADY;
    int rc = request_context_bind(h, CONN_ENDS_BY_PEER | CONN_ENDS_BY_DRAIN);
    if (rc == 0)
        rc = weft_set_deadline(h, WEFT_NO_DEADLINE);
    if (rc == 0)
        rc = weft_set_header(h, "Content-Type", "text/event-stream");
    if (rc == 0)
        rc = weft_set_header(h, "Cache-Control", "no-store");
    if (rc == 0)
        rc = weft_set_header(h, "X-Accel-Buffering", "no"); /* nginx and others hold it back */
    if (rc < 0)
        return rc;
    h->is_endless = true;
    return weft_flush(h);
}

static bool has_line_end(const char *text)
{
    return text && strpbrk(text, "\r\n");
}

/* The stream's error, or that of the context that it has begun under. */
static int error_of(weft_http *h)
{
    if (h->answer != ANSWER_OPEN || !h->is_endless)
        return -EINVAL;
    return weft_ctx_error(h->ctx);
}

static int put_field(weft_http *h, const char *name, weft_str value)
{
    int rc = weft_write(h, name, strlen(name));
    if (rc == 0)
        rc = weft_write(h, value.ptr, value.len);
    return rc < 0 ? rc : weft_write(h, "\n", 1);
}

/* Sends what was put. That the client has gone is found out by whoever looks first. */
static int finish(weft_http *h, int rc)
{
    if (rc == 0)
        rc = weft_write(h, "\n", 1);
    if (rc == 0)
        rc = weft_flush(h);
    return h->out_error == -EPIPE || h->out_error == -ECONNRESET ? -ECANCELED : rc;
}

/* A line each: CR LF, LF and CR all end one. */
static int put_lines(weft_http *h, const char *name, weft_str text)
{
    for (;;) {
        size_t len = 0;
        while (len < text.len && text.ptr[len] != '\n' && text.ptr[len] != '\r')
            len++;
        int rc = put_field(h, name, (weft_str){text.ptr, len});
        if (rc < 0 || len == text.len)
            return rc;
        bool is_pair = text.ptr[len] == '\r' && len + 1 < text.len && text.ptr[len + 1] == '\n';
        len += is_pair ? 2 : 1;
        text.ptr += len;
        text.len -= len;
    }
}

int weft_sse_send_event(weft_http *h, const weft_sse_event *e)
{
    char number[32];
    int rc = error_of(h);
    if (rc == 0 && (has_line_end(e->event) || has_line_end(e->id) || e->retry_ms < 0))
        rc = -EINVAL;
    if (rc == 0 && e->event)
        rc = put_field(h, "event: ", weft_cstr(e->event));
    if (rc == 0 && e->id)
        rc = put_field(h, "id: ", weft_cstr(e->id));
    if (rc == 0 && e->retry_ms) {
        snprintf(number, sizeof number, "%lld", (long long)e->retry_ms);
        rc = put_field(h, "retry: ", weft_cstr(number));
    }
    if (rc == 0 && e->data.ptr)
        rc = put_lines(h, "data: ", e->data);
    return finish(h, rc);
}

int weft_sse_send(weft_http *h, const char *event, const char *format, ...)
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
        text = malloc((size_t)n + 1); /* not the arena: there may be events for days */
        if (text)
            vsnprintf(text, (size_t)n + 1, format, again);
        else
            rc = -ENOMEM;
    }
    va_end(again);
    if (rc == 0)
        rc = weft_sse_send_event(h, &(weft_sse_event){.event = event, .data = {text, (size_t)n}});
    if (text != local)
        free(text);
    return rc;
}

int weft_sse_comment(weft_http *h, const char *text)
{
    int rc = error_of(h);
    if (rc == 0)
        rc = put_lines(h, ": ", weft_cstr(text ? text : ""));
    return finish(h, rc);
}
