/* test_answers.c: requests and answers as a client sees them. It is written apart from the code
 * that it is there to test. */
#include <errno.h>
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "testing.h"

enum { TEXT_MAX = 64 << 20, READ_BYTES = 16 * 1024 };

/* Bytes that grow. */
struct text {
    char *ptr;
    size_t len, cap;
};

/* One answer with what it points to; the first holds the others. */
struct answer {
    weft_test_response public;
    struct answer *next;
    struct text head, body, trailers;
};

/* The stream, and what of it has not been used. */
struct input {
    weft_conn *c;
    struct text buf;
    size_t at;
    int error; /* sticky: -ECONNRESET at the stream's end */
};

static int text_add(struct text *t, const char *bytes, size_t len)
{
    if (t->len + len > TEXT_MAX)
        return -EFBIG;
    if (t->len + len + 1 > t->cap) {
        size_t cap = (t->len + len + 1) * 2;
        char *larger = realloc(t->ptr, cap);
        if (!larger)
            return -ENOMEM;
        t->ptr = larger;
        t->cap = cap;
    }
    if (len)
        memcpy(t->ptr + t->len, bytes, len);
    t->len += len;
    t->ptr[t->len] = '\0';
    return 0;
}

static weft_str slice(const struct text *t)
{
    return t->ptr ? (weft_str){t->ptr, t->len} : WEFT_STR("");
}

/* ---- requests ---- */

struct counting {
    llhttp_t parser;
    struct test_requests *into;
    size_t ended;
};

static int on_head(llhttp_t *parser)
{
    struct counting *counting = (struct counting *)parser;
    struct test_requests *r = counting->into;
    bool *larger = realloc(r->is_head, (r->count + 1) * sizeof *larger);
    if (!larger)
        return HPE_USER;
    r->is_head = larger;
    r->is_head[r->count++] = parser->method == HTTP_HEAD;
    return 0;
}

static int on_end(llhttp_t *parser)
{
    ((struct counting *)parser)->ended++;
    return 0;
}

int test_requests_parse(const char *raw, size_t len, struct test_requests *ret)
{
    llhttp_settings_t settings;
    struct counting counting = {.into = ret};
    *ret = (struct test_requests){.is_head = NULL};
    llhttp_settings_init(&settings);
    settings.on_headers_complete = on_head;
    settings.on_message_complete = on_end;
    llhttp_init(&counting.parser, HTTP_REQUEST, &settings);
    llhttp_errno_t err = llhttp_execute(&counting.parser, raw, len);
    if (err == HPE_USER) {
        free(ret->is_head);
        return -ENOMEM;
    }
    ret->is_whole = err == HPE_OK && counting.ended == ret->count && ret->count > 0;
    return 0;
}

/* ---- the stream ---- */

static int fill(struct input *in)
{
    char block[READ_BYTES];
    if (in->at == in->buf.len)
        in->at = in->buf.len = 0;
    if (in->error)
        return in->error;
    ssize_t n = weft_conn_read(in->c, block, sizeof block);
    if (n > 0)
        return in->error = text_add(&in->buf, block, (size_t)n);
    return in->error = n == 0 ? -ECONNRESET : (int)n;
}

/* Moves a line, its end included, to `to`. Returns the length without the end or an error. */
static ssize_t line_next(struct input *in, struct text *to)
{
    for (;;) {
        const char *from = in->buf.ptr + in->at;
        const char *end = in->at < in->buf.len ? memchr(from, '\n', in->buf.len - in->at) : NULL;
        if (end) {
            size_t len = (size_t)(end + 1 - from);
            int rc = text_add(to, from, len);
            in->at += len;
            if (rc < 0)
                return rc;
            return len > 1 && end[-1] == '\r' ? (ssize_t)len - 2 : -EPROTO;
        }
        int rc = fill(in);
        if (rc < 0)
            return rc;
    }
}

/* Moves `len` bytes, or with SIZE_MAX all until the stream's end, to `to`. */
static int bytes_next(struct input *in, size_t len, struct text *to)
{
    size_t left = len;
    while (left) {
        size_t n = in->buf.len - in->at;
        if (n > left)
            n = left;
        int rc = n ? text_add(to, in->buf.ptr + in->at, n) : fill(in);
        in->at += n;
        left -= n;
        if (rc == -ECONNRESET && len == SIZE_MAX)
            return 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- answers ---- */

static weft_str header_find(weft_str head, const char *name)
{
    size_t len = strlen(name);
    while (head.len) {
        const char *end = memchr(head.ptr, '\n', head.len);
        size_t line = end ? (size_t)(end + 1 - head.ptr) : head.len;
        if (line > len && head.ptr[len] == ':' && strncasecmp(head.ptr, name, len) == 0) {
            weft_str value = {head.ptr + len + 1, line - len - 1};
            while (value.len && strchr(" \t", value.ptr[0]))
                value.ptr++, value.len--;
            while (value.len && strchr("\r\n \t", value.ptr[value.len - 1]))
                value.len--;
            return value;
        }
        head.ptr += line;
        head.len -= line;
    }
    return (weft_str){NULL, 0};
}

weft_str weft_test_header(const weft_test_response *r, const char *name)
{
    return header_find(r->head, name);
}

static int chunks_next(struct input *in, struct answer *a)
{
    for (;;) {
        struct text line = {NULL, 0, 0};
        ssize_t len = line_next(in, &line);
        char *end = NULL;
        unsigned long size = len > 0 ? strtoul(line.ptr, &end, 16) : 0;
        int rc = len < 0 ? (int)len : len == 0 || end == line.ptr ? -EPROTO : 0;
        free(line.ptr);
        if (rc == 0 && size == 0)
            break;
        if (rc == 0)
            rc = bytes_next(in, size, &a->body);
        line = (struct text){NULL, 0, 0};
        if (rc == 0 && line_next(in, &line) != 0)
            rc = in->error ? in->error : -EPROTO;
        free(line.ptr);
        if (rc < 0)
            return rc;
    }
    ssize_t len;
    while ((len = line_next(in, &a->trailers)) > 0)
        continue;
    if (len == 0)
        a->trailers.len -= 2; /* the line that ends them */
    return (int)len;
}

static int body_next(struct input *in, struct answer *a, bool is_head)
{
    weft_str head = slice(&a->head);
    weft_str coding = header_find(head, "Transfer-Encoding");
    weft_str length = header_find(head, "Content-Length");
    int status = a->public.status;
    if (status == 101)
        return bytes_next(in, SIZE_MAX, &a->body);
    if (is_head || status == 204 || status == 304)
        return 0;
    if (coding.ptr)
        return chunks_next(in, a);
    if (!length.ptr)
        return bytes_next(in, SIZE_MAX, &a->body);
    return bytes_next(in, strtoul(length.ptr, NULL, 10), &a->body);
}

/* Reads one answer with the interim ones before it. */
static int answer_next(struct input *in, struct answer *a, bool is_head)
{
    int major, minor, status;
    for (;;) {
        ssize_t len;
        a->head.len = 0;
        while ((len = line_next(in, &a->head)) > 0)
            continue;
        if (len < 0)
            return (int)len;
        if (sscanf(a->head.ptr, "HTTP/%1d.%1d %3d", &major, &minor, &status) != 3)
            return -EPROTO;
        if (status >= 200 || status == 101)
            break;
        a->public.interim = status;
    }
    a->public.status = status;
    return body_next(in, a, is_head);
}

static void answer_seal(struct answer *a, int rc)
{
    a->public.error = rc;
    a->public.head = slice(&a->head);
    a->public.body = slice(&a->body);
    a->public.trailers = slice(&a->trailers);
}

void test_answers_read(weft_conn *c, const struct test_requests *requests, weft_test_response *ret)
{
    struct input in = {.c = c};
    struct answer *first = NULL, **last = &first, *before = NULL;
    size_t count = 0;
    int rc = 0;
    while (rc == 0 && (count < requests->count || !requests->is_whole)) {
        struct answer *a = calloc(1, sizeof *a);
        rc = a ? answer_next(&in, a, count < requests->count && requests->is_head[count]) : -ENOMEM;
        if (!a || (rc < 0 && first && a->head.len == 0)) { /* the end between two answers */
            free(a);
            break;
        }
        answer_seal(a, rc);
        *last = a;
        last = &a->next;
        if (before)
            before->public.next = &a->public;
        before = a;
        count++;
    }
    free(in.buf.ptr);
    *ret = first ? first->public : (weft_test_response){.error = rc};
    ret->memory = first;
}

void weft_test_response_free(weft_test_response *r)
{
    struct answer *a = r ? r->memory : NULL;
    while (a) {
        struct answer *next = a->next;
        free(a->head.ptr);
        free(a->body.ptr);
        free(a->trailers.ptr);
        free(a);
        a = next;
    }
    if (r)
        *r = (weft_test_response){.status = 0};
}
