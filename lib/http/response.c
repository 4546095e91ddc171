/* response.c: whole answers, their heads and headers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "assert.h"
#include "exchange.h"
#include "jsonfmt.h"
#include "request_context.h"
#include "token.h"

/* What a head takes beside the user's headers. */
enum { HEAD_ROOM = 320 };

/* What logs call an exchange whose client went away first; nginx's number. */
enum { CLIENT_CLOSED = 499 };

void answer_begin(weft_http *h)
{
    h->answer = ANSWER_NONE;
    h->is_cut = false;
    h->is_chunked = false;
    h->is_endless = false;
    h->is_upgraded = false;
    h->status = 200;
    h->headers = NULL;
    h->last_header = &h->headers;
    h->answer_trailers = NULL;
    h->last_trailer = &h->answer_trailers;
    h->chunk_at = 0;
    h->sent_body = 0;
    h->result = 0;
    h->fault = 0;
    h->failure = NULL;
    h->is_filtered = h->is_failure_logged = false;
    h->filter = NULL;
    h->at_end = NULL;
    h->values = NULL;
}

/* ---- headers ---- */

/* Framing and Date are weft's own: two voices on where a message ends are how smuggling starts. */
static bool is_ours(const char *name, size_t len)
{
    switch (len) { /* most names are none of them by their length alone */
    case 4: return strcasecmp(name, "date") == 0;
    case 10: return strcasecmp(name, "connection") == 0;
    case 14: return strcasecmp(name, "content-length") == 0;
    case 17: return strcasecmp(name, "transfer-encoding") == 0;
    default: return false;
    }
}

static void header_remove(weft_http *h, const char *name, size_t name_len)
{
    struct answer_header **at = &h->headers;
    while (*at) {
        if ((*at)->name_len == name_len && strncasecmp((*at)->line, name, name_len) == 0)
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
    h->last_header = at;
}

int answer_field(weft_http *h, const char *name, weft_str value, struct answer_header **ret)
{
    size_t name_len = strlen(name);
    if (!token_is((weft_str){name, name_len}) || name_len > 256 || is_ours(name, name_len) ||
        value.len > 8192)
        return -EINVAL;
    for (size_t i = 0; i < value.len; i++) { /* obs-text is allowed, control characters are not */
        unsigned char ch = (unsigned char)value.ptr[i];
        if ((ch < 32 && ch != '\t') || ch == 127)
            return -EINVAL;
    }
    size_t len = name_len + 2 + value.len + 2;
    struct answer_header *field = arena_alloc(&h->arena, sizeof *field + len);
    if (!field)
        return -ENOMEM;
    *field = (struct answer_header){NULL, (uint16_t)name_len, (uint32_t)len};
    memcpy(field->line, name, name_len);
    memcpy(field->line + name_len, ": ", 2);
    memcpy(field->line + name_len + 2, value.ptr, value.len);
    memcpy(field->line + len - 2, "\r\n", 2);
    *ret = field;
    return 0;
}

static int header_put(weft_http *h, const char *name, weft_str value, bool replaces)
{
    struct answer_header *header;
    if (h->answer == ANSWER_OPEN || h->answer == ANSWER_SENT)
        return -EALREADY;
    int rc = answer_field(h, name, value, &header);
    if (rc < 0)
        return rc;
    if (replaces)
        header_remove(h, name, header->name_len);
    *h->last_header = header;
    h->last_header = &header->next;
    return 0;
}

int weft_set_header(weft_http *h, const char *name, const char *value)
{
    return header_put(h, name, weft_cstr(value), true);
}

int weft_add_header(weft_http *h, const char *name, const char *value)
{
    return header_put(h, name, weft_cstr(value), false);
}

int weft_set_header_fmt(weft_http *h, const char *name, const char *format, ...)
{
    char value[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(value, sizeof value, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof value)
        return -EINVAL;
    return header_put(h, name, (weft_str){value, (size_t)n}, true);
}

int weft_set_status(weft_http *h, int status)
{
    if (h->answer != ANSWER_NONE)
        return -EALREADY;
    if (status < 200 || status > 599)
        return -EINVAL;
    h->status = status;
    return 0;
}

weft_str weft_answer_header(weft_http *h, const char *name)
{
    size_t len = strlen(name);
    for (struct answer_header *a = h->headers; a; a = a->next)
        if (a->name_len == len && strncasecmp(a->line, name, len) == 0)
            return (weft_str){a->line + len + 2, a->len - len - 4};
    return (weft_str){NULL, 0};
}

int weft_remove_header(weft_http *h, const char *name)
{
    if (h->answer == ANSWER_OPEN || h->answer == ANSWER_SENT)
        return -EALREADY;
    header_remove(h, name, strlen(name));
    return 0;
}

int weft_answer_status(weft_http *h)
{
    return h->answer == ANSWER_NONE ? 0 : h->status;
}

/* ---- the head ---- */

static char *put(char *to, const char *bytes, size_t len)
{
    memcpy(to, bytes, len);
    return to + len;
}

#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static char *put_number(char *to, uint64_t n)
{
    char digits[20];
    int i = sizeof digits;
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    return put(to, digits + i, sizeof digits - (size_t)i);
}

/* RFC 9110 sections 6.4.1, 8.6: these have no body and announce none. */
static bool is_bodyless(int status)
{
    return status == 204 || status == 304 || status < 200;
}

/* Whether the connection ends because of what is unread of the request's body: the client may not
 * send it at all, or it is too much to read for nothing. Who streams may still read it. */
static bool is_end_unknown(const weft_http *h, bool is_whole)
{
    return h->awaits_continue || h->body_error || (is_whole && h->body_left > DRAIN_BODY_BYTES);
}

static int head_put(weft_http *h, int status, weft_str type, int64_t length)
{
    char buf[32];
    weft_str line = status_line(status, buf);
    size_t room = HEAD_ROOM + type.len;
    for (struct answer_header *a = h->headers; a; a = a->next)
        room += a->len;
    if (room > OUT_BYTES) {
        h->headers = NULL; /* the answer that tells of it must not fail too */
        h->last_header = &h->headers;
        return -EOVERFLOW;
    }
    int rc = wire_reserve(h, room);
    if (rc < 0)
        return rc;

    char *start = h->out + h->out_len, *to = put(start, line.ptr, line.len);
    if (status == 205)
        length = 0; /* RFC 9110 section 15.3.6: it says so */
    bool is_known = length >= 0, is_without = is_bodyless(status);
    h->has_no_body = h->is_head_request || is_without || status == 205;
    /* relaxed: a hint to end soon; it may have come while the handler worked */
    if (atomic_load_explicit(&h->server->is_draining, memory_order_relaxed))
        h->keeps_alive = false;
    if (weft_unlikely(!h->is_body_done) && is_end_unknown(h, is_known))
        h->keeps_alive = false;
    h->is_chunked = !is_known && !is_without && h->head.parser.http_minor == 1;
    if (!is_known && !h->is_chunked && !h->has_no_body)
        h->keeps_alive = false; /* HTTP/1.0: the body ends with the connection */
    if (type.len && !is_without && (!h->headers || !weft_answer_header(h, "Content-Type").ptr)) {
        to = PUT(to, "Content-Type: ");
        to = put(to, type.ptr, type.len);
        to = PUT(to, "\r\n");
    }
    if (is_known && !is_without) {
        to = PUT(to, "Content-Length: ");
        to = put_number(to, (uint64_t)length);
        to = PUT(to, "\r\n");
    } else if (h->is_chunked) {
        to = PUT(to, "Transfer-Encoding: chunked\r\n");
    }
    to = PUT(to, "Date: ");
    date_now(to);
    to = PUT(to + DATE_LEN, "\r\n");
    for (struct answer_header *a = h->headers; a; a = a->next)
        to = put(to, a->line, a->len);
    if (!h->keeps_alive)
        to = PUT(to, "Connection: close\r\n");
    else if (h->head.parser.http_minor == 0)
        to = PUT(to, "Connection: keep-alive\r\n");
    to = PUT(to, "\r\n");
    h->out_len += (uint32_t)(to - start);
    h->status = status;
    return 0;
}

int answer_head(weft_http *h, int status, weft_str type, int64_t length)
{
    if (weft_unlikely(h->filter != NULL)) {
        h->is_filtered = h->filter->begin(h->filter, h, status, type, length);
        if (h->is_filtered)
            length = -1;
    }
    return head_put(h, status, type, length);
}

/* ---- whole answers ---- */

/* What the state is after the head was tried: without a byte of it, there is no answer yet. */
static int answer_begun(weft_http *h, int rc, enum answer_state state)
{
    h->answer = rc == 0 || h->out_error ? state : ANSWER_NONE;
    return rc;
}

static int answer_put(weft_http *h, int status, weft_str type, weft_str body)
{
    int rc = 0;
    if (weft_unlikely(h->filter != NULL)) {
        rc = h->filter->whole(h->filter, h, status, type, &body);
        h->filter = NULL;
    }
    if (rc == 0)
        rc = head_put(h, status, type, (int64_t)body.len);
    answer_begun(h, rc, ANSWER_SENT);
    if (rc == 0 && !h->has_no_body) {
        rc = wire_put(h, body.ptr, body.len);
        h->sent_body = (int64_t)body.len;
    }
    return rc;
}

/* owns: the body lives as long as the request and need not be copied. */
static int answer_whole(weft_http *h, int status, weft_str type, weft_str body, bool owns)
{
    if (h->answer != ANSWER_NONE)
        return -EALREADY;
    if (status < 200 || status > 999)
        return -EINVAL;
    if (weft_likely(h->endpoint == NULL || h->endpoint->step_count == 1))
        return answer_put(h, status, type, body);
    /* There is middleware around: it may still set headers. */
    if (!owns && body.len) {
        char *copy = arena_alloc(&h->arena, body.len);
        if (!copy)
            return -ENOMEM;
        memcpy(copy, body.ptr, body.len);
        body.ptr = copy;
    }
    h->answer = ANSWER_HELD;
    h->status = status;
    h->held_type = type;
    h->held_body = body;
    return 0;
}

bool answer_drop(weft_http *h)
{
    static const char *const of_content[] = {
        "Content-Type",        "Content-Encoding", "Content-Range",
        "Content-Disposition", "Cache-Control",    "ETag",
        "Last-Modified",       "Accept-Ranges",    "Expires"};
    if (h->answer != ANSWER_HELD && h->answer != ANSWER_NONE)
        return false;
    bool was_held = h->answer == ANSWER_HELD;
    h->answer = ANSWER_NONE;
    for (size_t i = 0; h->headers && i < sizeof of_content / sizeof *of_content; i++)
        header_remove(h, of_content[i], strlen(of_content[i]));
    return was_held;
}

void answer_finish(weft_http *h)
{
    if (h->answer == ANSWER_HELD) {
        int rc = answer_put(h, h->status, h->held_type, h->held_body);
        if (h->answer == ANSWER_NONE) {
            h->endpoint = NULL; /* the chain has been left: what is answered now goes out */
            answer_result(h, rc);
        }
    } else if (h->answer == ANSWER_OPEN && !h->is_cut) {
        stream_finish(h);
    }
}

static const weft_str type_text = {"text/plain; charset=utf-8", 25};
static const weft_str type_html = {"text/html; charset=utf-8", 24};
static const weft_str type_json = {"application/json", 16};

int weft_text(weft_http *h, int status, const char *text)
{
    return answer_whole(h, status, type_text, weft_cstr(text), false);
}

int weft_html(weft_http *h, int status, const char *html)
{
    return answer_whole(h, status, type_html, weft_cstr(html), false);
}

int weft_bytes(weft_http *h, int status, const char *content_type, const void *data, size_t len)
{
    weft_str type = weft_cstr(content_type);
    char *copy = arena_alloc(&h->arena, type.len + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, type.ptr, type.len);
    for (size_t i = 0; i < type.len; i++)
        if ((unsigned char)copy[i] < 32 || copy[i] == 127)
            return -EINVAL;
    return answer_whole(h, status, (weft_str){copy, type.len}, (weft_str){data, len}, false);
}

int weft_textf(weft_http *h, int status, const char *format, ...)
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
    return rc < 0 ? rc
                  : answer_whole(h, status, type_text, (weft_str){text, (size_t)n}, text != local);
}

int weft_json(weft_http *h, int status, const char *format, ...)
{
    char local[1024];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    ssize_t n = jsonfmt(local, sizeof local, format, args);
    va_end(args);
    int rc = n < 0 ? (int)n : 0;
    char *text = local;
    if (rc == 0 && (size_t)n > sizeof local) {
        text = arena_alloc(&h->arena, (size_t)n);
        if (text)
            jsonfmt(text, (size_t)n, format, again);
        else
            rc = -ENOMEM;
    }
    va_end(again);
    return rc < 0 ? rc
                  : answer_whole(h, status, type_json, (weft_str){text, (size_t)n}, text != local);
}

int weft_status(weft_http *h, int status)
{
    char text[64];
    if (is_bodyless(status))
        return answer_whole(h, status, (weft_str){NULL, 0}, (weft_str){NULL, 0}, true);
    const char *reason = status_reason(status);
    int n = *reason ? snprintf(text, sizeof text, "%s\n", reason)
                    : snprintf(text, sizeof text, "%d\n", status);
    return answer_whole(h, status, type_text, (weft_str){text, (size_t)n}, false);
}

int weft_redirect(weft_http *h, int status, const char *location)
{
    if (status < 300 || status > 399)
        return -EINVAL;
    int rc = weft_set_header(h, "Location", location);
    return rc < 0 ? rc : weft_status(h, status);
}

/* ---- errors ---- */

static int status_of_error(int rc)
{
    switch (rc) {
    case -ENOENT: return 404;
    case -EACCES: return 403;
    case -EINVAL: return 400;
    case -EEXIST: return 409;
    case -EMSGSIZE: return 413;
    case -ETIMEDOUT: return 504;
    case -ENOMEM: return 503;
    case -ENOSPC: return 507;
    default: return 500;
    }
}

static void log_failure(weft_http *h, const char *what)
{
    h->failure = what;
    if (h->is_failure_logged)
        return;
    weft_str method = weft_method(h), target = weft_target(h);
    fprintf(stderr, "weft: " WEFT_FMT " " WEFT_FMT ": %s\n", WEFT_ARG(method),
            (int)(target.len < 200 ? target.len : 200), target.ptr, what);
}

/* The handler gave up because its client has gone, or the server drains. */
static bool is_clients_end(const weft_http *h, int rc)
{
    return rc < 0 &&
           (rc == h->out_error || (rc == -ECANCELED && (h->out_error || request_is_canceled(h))));
}

void answer_fault(weft_http *h, int error, int status)
{
    h->fault = error;
    h->fault_status = status;
}

void answer_result(weft_http *h, int rc)
{
    if (h->answer != ANSWER_NONE && (rc == 0 || rc == h->result))
        return; /* answered; or middleware passes on what was dealt with inside */
    h->result = rc;
    if (h->body_error && rc == h->body_error && h->answer == ANSWER_NONE) {
        /* The client's fault: a body too long, too slow or broken. Its end is unknown. */
        h->keeps_alive = false;
        rc = rc == -EMSGSIZE ? 413 : rc == -ETIMEDOUT ? 408 : rc == -E2BIG ? 431 : 400;
    } else if (rc < 0 && rc == h->fault) {
        rc = h->fault_status;
        answer_drop(h);
    } else if (is_clients_end(h, rc)) {
        rc = CLIENT_CLOSED; /* nobody's failure, and most likely nobody reads it */
    } else if (rc < 0) {
        log_failure(h, strerror(-rc));
    } else if (rc == 0) {
        log_failure(h, "the handler returned 0 without an answer");
        rc = 500;
    }
    if (rc < 0)
        answer_drop(h); /* what it had prepared is not what happened */
    if (h->answer == ANSWER_NONE && weft_status(h, rc < 0 ? status_of_error(rc) : rc) < 0)
        weft_status(h, 500); /* the handler returned something that is no status */
    else if (h->answer == ANSWER_OPEN && !(h->is_endless && rc == CLIENT_CLOSED))
        h->is_cut = true; /* the client must not take the rest for whole */
}

void answer_refuse(weft_http *h, int status)
{
    h->keeps_alive = false;
    h->endpoint = NULL;
    h->is_head_request = false;
    weft_status(h, status);
}

/* ---- files ---- */

int answer_start_sized(weft_http *h, int64_t length)
{
    if (h->answer != ANSWER_NONE)
        return -EALREADY;
    return answer_begun(h, answer_head(h, h->status, (weft_str){NULL, 0}, length), ANSWER_SENT);
}

/* The body from a file through the filter; the head has said that its length is unknown. */
static int send_fd_filtered(weft_http *h, int fd, int64_t offset, int64_t length)
{
    char block[8192];
    h->answer = ANSWER_OPEN;
    while (length) {
        size_t wanted = length < (int64_t)sizeof block ? (size_t)length : sizeof block;
        ssize_t n = pread(fd, block, wanted, offset);
        int rc = n <= 0 ? -EIO : weft_write(h, block, (size_t)n);
        if (rc < 0) {
            h->is_cut = true;
            return rc;
        }
        offset += n;
        length -= n;
    }
    stream_finish(h);
    return h->is_cut ? -EIO : 0;
}

int answer_send_fd(weft_http *h, int fd, int64_t offset, int64_t length)
{
    if (h->has_no_body || length == 0)
        return 0;
    if (weft_unlikely(h->is_filtered))
        return send_fd_filtered(h, fd, offset, length);
    h->sent_body = length;
    if (length <= OUT_BYTES - (int64_t)h->out_len) { /* one write with the head */
        ssize_t n = pread(fd, h->out + h->out_len, (size_t)length, offset);
        if (n == length) {
            h->out_len += (uint32_t)n;
            return 0;
        }
        h->is_cut = true;
        return -EIO;
    }
    int rc = wire_flush_more(h);
    if (rc == 0) {
        struct own_wait wait;
        own_wait_begin(h, &wait);
        rc = weft_conn_sendfile(h->conn, fd, &offset, length, 0);
        own_wait_end(&wait);
    }
    if (rc < 0) {
        h->out_error = rc;
        h->is_cut = true;
    }
    return rc;
}
