/* reference.c: no state machine, no buffer, no care for speed. */
#include "reference.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct text {
    const uint8_t *ptr;
    size_t len;
};

struct input {
    const uint8_t *data;
    size_t size, at;
};

/* The line at the input's place, without its CRLF. A line feed alone ends no line (section 2.2). */
static bool take_line(struct input *in, struct text *ret)
{
    for (size_t i = in->at; i < in->size; i++) {
        if (in->data[i] == '\n')
            return false;
        if (in->data[i] == '\r') {
            if (i + 1 >= in->size || in->data[i + 1] != '\n')
                return false;
            *ret = (struct text){in->data + in->at, i - in->at};
            in->at = i + 2;
            return true;
        }
    }
    return false;
}

static bool is_token(struct text t)
{
    for (size_t i = 0; i < t.len; i++)
        if (!isalnum(t.ptr[i]) && !(t.ptr[i] && strchr("!#$%&'*+-.^_`|~", t.ptr[i])))
            return false;
    return t.len > 0;
}

static bool equals(struct text t, const char *word)
{
    return t.len == strlen(word) && strncasecmp((const char *)t.ptr, word, t.len) == 0;
}

static struct text trimmed(struct text t)
{
    while (t.len && (t.ptr[0] == ' ' || t.ptr[0] == '\t')) {
        t.ptr++;
        t.len--;
    }
    while (t.len && (t.ptr[t.len - 1] == ' ' || t.ptr[t.len - 1] == '\t'))
        t.len--;
    return t;
}

/* "GET /target HTTP/1.1" (section 3): single spaces, no others. */
static bool read_request_line(struct input *in, struct reference_request *r, int *ret_minor)
{
    struct text line;
    if (!take_line(in, &line))
        return false;
    const uint8_t *first = memchr(line.ptr, ' ', line.len);
    if (!first)
        return false;
    size_t rest = line.len - (size_t)(first + 1 - line.ptr);
    const uint8_t *second = memchr(first + 1, ' ', rest);
    if (!second || (size_t)(line.ptr + line.len - second - 1) != 8)
        return false;
    r->method = line.ptr;
    r->method_len = (size_t)(first - line.ptr);
    r->target = first + 1;
    r->target_len = (size_t)(second - first - 1);
    *ret_minor = second[8] - '0';
    return is_token((struct text){r->method, r->method_len}) && r->target_len > 0 &&
           memcmp(second + 1, "HTTP/1.", 7) == 0 && (*ret_minor == 0 || *ret_minor == 1);
}

struct framing {
    bool has_length, has_coding;
    uint64_t length;
};

static bool read_length(struct text value, struct framing *f)
{
    uint64_t n = 0;
    if (value.len == 0 || value.len > 18 || f->has_length)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (!isdigit(value.ptr[i]))
            return false;
        n = n * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    f->has_length = true;
    f->length = n;
    return true;
}

/* The headers, to the empty line (section 5). */
static bool read_headers(struct input *in, struct framing *f)
{
    for (;;) {
        struct text line;
        if (!take_line(in, &line))
            return false;
        if (line.len == 0)
            return true;
        const uint8_t *colon = memchr(line.ptr, ':', line.len);
        if (!colon)
            return false;
        struct text name = {line.ptr, (size_t)(colon - line.ptr)};
        struct text value = trimmed((struct text){colon + 1, line.len - name.len - 1});
        if (!is_token(name))
            return false;
        for (size_t i = 0; i < value.len; i++)
            if ((value.ptr[i] < ' ' && value.ptr[i] != '\t') || value.ptr[i] == 127)
                return false;
        if (equals(name, "content-length") && !read_length(value, f))
            return false;
        if (equals(name, "transfer-encoding")) {
            if (f->has_coding || !equals(value, "chunked"))
                return false;
            f->has_coding = true;
        }
    }
}

/* The size of a chunk: hexadecimal digits, then perhaps extensions (section 7.1.1). */
static bool read_size(struct text line, uint64_t *ret)
{
    uint64_t n = 0;
    size_t digits = 0;
    while (digits < line.len && isxdigit(line.ptr[digits])) {
        int c = tolower(line.ptr[digits++]);
        if (n >> 56)
            return false;
        n = n * 16 + (uint64_t)(isdigit(c) ? c - '0' : c - 'a' + 10);
    }
    struct text rest = trimmed((struct text){line.ptr + digits, line.len - digits});
    *ret = n;
    return digits > 0 && (rest.len == 0 || rest.ptr[0] == ';');
}

static bool read_chunks(struct input *in, struct reference_request *r)
{
    for (;;) {
        struct text line;
        uint64_t n;
        if (!take_line(in, &line) || !read_size(line, &n))
            return false;
        if (n == 0)
            break;
        if (n + 2 > in->size - in->at || memcmp(in->data + in->at + n, "\r\n", 2) != 0)
            return false;
        memcpy(r->body + r->body_len, in->data + in->at, n);
        r->body_len += n;
        in->at += n + 2;
    }
    struct framing trailers = {0};
    struct input before = *in;
    if (read_headers(in, &trailers))
        return !trailers.has_length && !trailers.has_coding;
    *in = before;
    return false;
}

bool reference_next(const uint8_t *data, size_t size, size_t *at, struct reference_request *ret)
{
    struct input in = {data, size, *at};
    struct reference_request r = {0};
    struct framing f = {0};
    int minor;
    while (in.at < size && (data[in.at] == '\r' || data[in.at] == '\n'))
        in.at++; /* empty lines before a request (section 2.2) */
    if (!read_request_line(&in, &r, &minor) || !read_headers(&in, &f))
        return false;
    if (f.has_coding && (f.has_length || minor == 0))
        return false;
    r.body = malloc(size + 1);
    if (!r.body)
        abort();
    bool is_read = true;
    if (f.has_coding) {
        is_read = read_chunks(&in, &r);
    } else if (f.length > in.size - in.at) {
        is_read = false;
    } else if (f.length) {
        memcpy(r.body, in.data + in.at, f.length);
        r.body_len = f.length;
        in.at += f.length;
    }
    if (!is_read) {
        free(r.body);
        return false;
    }
    *at = in.at;
    *ret = r;
    return true;
}
