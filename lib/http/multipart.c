/* multipart.c: bodies in parts (RFC 2046 section 5.1, RFC 7578), read through one window.
 *
 *      0 ... at            safe               end        WINDOW_BYTES
 *      read  | of the part | not looked at yet | free
 *
 * Every byte up to `safe` is known to be of the current part: no delimiter begins in it. Where the
 * reader stands:
 *
 *   PREAMBLE -> HEADERS    the first delimiter; what came before is nothing
 *   HEADERS  -> CONTENT    an empty line: the part is described
 *   CONTENT  -> HEADERS    a delimiter
 *   CONTENT  -> END        the delimiter with -- behind it; what comes after is nothing
 * An error sticks. Lines end in CRLF and nothing else. */
#include <errno.h>
#include <unistd.h>
#include <weft/form.h>

#include "exchange.h"
#include "form.h"
#include "params.h"
#include "token.h"

enum {
    WINDOW_BYTES = 16 * 1024 + 512, /* the longest headers, and a delimiter */
    BOUNDARY_MAX = 70,              /* RFC 2046 section 5.1.1 */
};

enum place { PREAMBLE, HEADERS, CONTENT, END };

struct weft_multipart {
    weft_http *h;
    struct form_limits limits;
    enum place place;
    int error;
    int parts;
    unsigned at, safe, end;
    bool is_body_over;
    unsigned delimiter_len;
    char delimiter[BOUNDARY_MAX + 4]; /* CR LF - - boundary */
    weft_str headers;                 /* of the current part, a copy */
    char window[WINDOW_BYTES];
};

/* ---- the boundary ---- */

static bool is_boundary(weft_str text)
{
    if (text.len == 0 || text.len > BOUNDARY_MAX || text.ptr[text.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char ch = text.ptr[i], lower = (char)(ch | 32);
        bool is_alnum = (ch >= '0' && ch <= '9') || (lower >= 'a' && lower <= 'z');
        if (!is_alnum && (ch == 0 || !strchr("'()+_,-./:=? ", ch)))
            return false;
    }
    return true;
}

/* Returns 0; -EPROTO for another type; -EINVAL without a boundary. */
static int find_boundary(weft_http *h, weft_str *ret_boundary)
{
    weft_str type, name, value, found = {NULL, 0};
    bool is_quoted;
    struct params p = params_begin(weft_header(h, "content-type"), &type);
    if (!token_eq(type, WEFT_STR("multipart/form-data")))
        return -EPROTO;
    while (params_next(&p, &name, &value, &is_quoted)) {
        if (!token_eq(name, WEFT_STR("boundary")))
            continue;
        if (found.ptr)
            return -EINVAL; /* two voices on where a part ends */
        found = value;
    }
    if (p.is_broken || !is_boundary(found))
        return -EINVAL;
    *ret_boundary = found;
    return 0;
}

int weft_multipart_begin(weft_http *h, const weft_form_opts *opts, weft_multipart **ret_multipart)
{
    weft_str boundary = {NULL, 0};
    struct form_limits limits;
    int rc = form_limits(opts, &limits);
    if (rc == 0)
        rc = find_boundary(h, &boundary);
    if (rc < 0)
        return form_refuse(h, rc);
    weft_multipart *m = arena_alloc(&h->arena, sizeof *m);
    if (!m)
        return -ENOMEM;
    m->h = h;
    m->limits = limits;
    m->place = PREAMBLE;
    m->error = m->parts = 0;
    m->is_body_over = false;
    m->headers = (weft_str){NULL, 0};
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary.ptr, boundary.len);
    m->delimiter_len = (unsigned)boundary.len + 4;
    /* The first delimiter may be the body's first line: as if an empty line stood before it. */
    memcpy(m->window, "\r\n", 2);
    m->at = m->safe = 0;
    m->end = 2;
    *ret_multipart = m;
    return 0;
}

/* ---- the window ---- */

static int fail(weft_multipart *m, int error)
{
    m->error = form_refuse(m->h, error);
    return m->error;
}

/* Reads more into the window. Returns 0, or an error that sticks; -EINVAL when the body is over. */
static int fill(weft_multipart *m)
{
    if (m->at > 0) {
        memmove(m->window, m->window + m->at, m->end - m->at);
        m->safe -= m->at;
        m->end -= m->at;
        m->at = 0;
    }
    if (m->end == WINDOW_BYTES)
        return fail(m, -E2BIG);
    ssize_t n = m->is_body_over ? 0
                                : weft_body_read(m->h, m->window + m->end, WINDOW_BYTES - m->end);
    if (n < 0)
        return m->error = (int)n;
    m->is_body_over = n == 0;
    m->end += (unsigned)n;
    return n == 0 ? fail(m, -EINVAL) : 0;
}

/* Moves `safe` on. Returns whether a delimiter begins there; false when more must be read to know
 * more. */
static bool look(weft_multipart *m)
{
    const char *from = m->window + m->safe;
    size_t len = m->end - m->safe;
    const char *found = memmem(from, len, m->delimiter, m->delimiter_len);
    if (found) {
        m->safe = (unsigned)(found - m->window);
        return true;
    }
    /* A delimiter may begin in the last bytes, with a CR. */
    size_t tail = len < m->delimiter_len - 1 ? len : m->delimiter_len - 1;
    const char *cr = memchr(from + len - tail, '\r', tail);
    m->safe = cr ? (unsigned)(cr - m->window) : m->end;
    return false;
}

/* Waits until there are bytes of the part. Returns how many; 0 at its end: a delimiter is at `at`.
 */
static ssize_t content(weft_multipart *m)
{
    while (m->at == m->safe) {
        if (look(m) && m->at == m->safe)
            return 0;
        if (m->at == m->safe && fill(m) < 0)
            return m->error;
    }
    return m->safe - m->at;
}

/* A line from `from` bytes behind `at` on, its end read if need be. Returns its length without
 * CRLF, or an error. */
static ssize_t line(weft_multipart *m, size_t from, size_t max)
{
    for (;;) {
        const char *begin = m->window + m->at + from;
        size_t len = m->end - m->at - from;
        const char *lf = memchr(begin, '\n', len);
        if (lf) {
            size_t line_len = (size_t)(lf - begin);
            if (line_len == 0 || lf[-1] != '\r')
                return fail(m, -EINVAL);
            return line_len - 1 > max ? fail(m, -E2BIG) : (ssize_t)line_len - 1;
        }
        if (len > max + 2)
            return fail(m, -E2BIG);
        if (fill(m) < 0)
            return m->error;
    }
}

static void advance(weft_multipart *m, size_t len)
{
    m->at += (unsigned)len;
    if (m->safe < m->at)
        m->safe = m->at;
}

/* ---- headers ---- */

/* Past a delimiter: the end, or white space and the part's headers. Returns 1, 0 or an error. */
static int enter_part(weft_multipart *m)
{
    enum { PADDING_MAX = 128 };
    advance(m, m->delimiter_len);
    while (m->end - m->at < 2)
        if (fill(m) < 0)
            return m->error;
    if (memcmp(m->window + m->at, "--", 2) == 0) {
        m->place = END;
        return 0;
    }
    ssize_t padding = line(m, 0, PADDING_MAX);
    if (padding < 0)
        return (int)padding;
    for (ssize_t i = 0; i < padding; i++)
        if (m->window[m->at + (size_t)i] != ' ' && m->window[m->at + (size_t)i] != '\t')
            return fail(m, -EINVAL);
    if (m->parts++ == m->limits.max_fields)
        return fail(m, -E2BIG);
    advance(m, (size_t)padding + 2);
    m->place = HEADERS;
    return 1;
}

/* Reads the lines up to the empty one and keeps a copy. */
static int read_headers(weft_multipart *m)
{
    size_t len = 0, max = m->limits.max_part_headers;
    for (;;) {
        ssize_t n = line(m, len, max - len);
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        const char *begin = m->window + m->at + len;
        const char *colon = memchr(begin, ':', (size_t)n);
        if (!colon || !token_is((weft_str){begin, (size_t)(colon - begin)}))
            return fail(m, -EINVAL); /* a folded line, too */
        for (ssize_t i = 0; i < n; i++)
            if (((unsigned char)begin[i] < 32 && begin[i] != '\t') || begin[i] == 127)
                return fail(m, -EINVAL);
        len += (size_t)n + 2;
        if (len > max)
            return fail(m, -E2BIG);
    }
    char *copy = arena_alloc(&m->h->arena, len + 1);
    if (!copy)
        return fail(m, -ENOMEM);
    memcpy(copy, m->window + m->at, len);
    m->headers = (weft_str){copy, len};
    advance(m, len + 2);
    m->place = CONTENT;
    return 0;
}

weft_str weft_part_header(weft_multipart *m, const char *name)
{
    weft_str rest = m->headers, wanted = weft_cstr(name);
    while (rest.len) {
        const char *end = memchr(rest.ptr, '\r', rest.len);
        const char *colon = memchr(rest.ptr, ':', rest.len);
        weft_str found = {rest.ptr, (size_t)(colon - rest.ptr)};
        if (token_eq(found, wanted))
            return token_trim((weft_str){colon + 1, (size_t)(end - colon - 1)});
        rest.len -= (size_t)(end + 2 - rest.ptr);
        rest.ptr = end + 2;
    }
    return (weft_str){NULL, 0};
}

/* A parameter's value as it is meant; "" has a pointer. */
static int take_value(weft_multipart *m, weft_str value, bool is_quoted, weft_str *ret)
{
    if (ret->ptr)
        return fail(m, -EINVAL); /* twice */
    char *copy = arena_alloc(&m->h->arena, value.len + 1);
    if (!copy)
        return fail(m, -ENOMEM);
    size_t len = value.len;
    if (is_quoted)
        len = params_unquote(copy, value);
    else
        memcpy(copy, value.ptr, len);
    copy[len] = '\0';
    *ret = (weft_str){copy, len};
    return len > m->limits.max_name ? fail(m, -E2BIG) : 0;
}

/* A file's name without the folders that some clients send (RFC 7578 section 4.2). */
static weft_str without_folders(weft_str name)
{
    for (size_t i = name.len; i > 0; i--)
        if (name.ptr[i - 1] == '/' || name.ptr[i - 1] == '\\')
            return (weft_str){name.ptr + i, name.len - i};
    return name;
}

static int describe(weft_multipart *m, weft_field *ret_part)
{
    weft_str kind, name, value;
    weft_field part = {.name = {NULL, 0}};
    bool is_quoted;
    struct params p = params_begin(weft_part_header(m, "content-disposition"), &kind);
    if (!token_eq(kind, WEFT_STR("form-data")))
        return fail(m, -EINVAL);
    while (params_next(&p, &name, &value, &is_quoted)) {
        int rc = 0;
        if (token_eq(name, WEFT_STR("name")))
            rc = take_value(m, value, is_quoted, &part.name);
        else if (token_eq(name, WEFT_STR("filename")))
            rc = take_value(m, value, is_quoted, &part.filename);
        if (rc < 0) /* filename* is not for forms: RFC 7578 section 4.2 */
            return rc;
    }
    if (p.is_broken || !part.name.ptr)
        return fail(m, -EINVAL);
    if (part.filename.ptr)
        part.filename = without_folders(part.filename);
    part.content_type = weft_part_header(m, "content-type");
    *ret_part = part;
    return 1;
}

int weft_multipart_next(weft_multipart *m, weft_field *ret_part)
{
    ssize_t n;
    if (m->error)
        return m->error;
    if (m->place == END)
        return 0;
    while ((n = content(m)) > 0)
        advance(m, (size_t)n);
    int rc = n < 0 ? (int)n : enter_part(m);
    if (rc <= 0)
        return rc;
    rc = read_headers(m);
    return rc < 0 ? rc : describe(m, ret_part);
}

/* ---- contents ---- */

ssize_t weft_part_read(weft_multipart *m, void *buf, size_t len)
{
    if (m->error)
        return m->error;
    if (m->place != CONTENT || len == 0)
        return 0;
    ssize_t n = content(m);
    if (n <= 0)
        return n;
    size_t taken = len < (size_t)n ? len : (size_t)n;
    memcpy(buf, m->window + m->at, taken);
    advance(m, taken);
    return (ssize_t)taken;
}

int weft_part_all(weft_multipart *m, size_t max, weft_str *ret_content)
{
    size_t room = max < 1024 ? max : 1024, len = 0;
    char *all = arena_alloc(&m->h->arena, room + 1);
    ssize_t n = 0;
    if (m->error || !all)
        return m->error ? m->error : -ENOMEM;
    while (m->place == CONTENT && (n = content(m)) > 0) {
        if ((size_t)n > max - len)
            return fail(m, -EMSGSIZE);
        if ((size_t)n > room - len) {
            size_t larger = room * 2 > len + (size_t)n ? room * 2 : len + (size_t)n;
            char *moved = arena_alloc(&m->h->arena, larger + 1);
            if (!moved)
                return -ENOMEM;
            memcpy(moved, all, len);
            all = moved;
            room = larger;
        }
        n = weft_part_read(m, all + len, (size_t)n);
        len += (size_t)n;
    }
    if (n < 0)
        return (int)n;
    all[len] = '\0';
    *ret_content = (weft_str){all, len};
    return 0;
}

int weft_part_save(weft_multipart *m, int fd, int64_t max, int64_t *ret_size)
{
    int64_t size = 0;
    ssize_t n;
    if (m->error)
        return m->error;
    while (m->place == CONTENT && (n = content(m)) != 0) {
        if (n < 0)
            return (int)n;
        if (size + n > max)
            return fail(m, -EMSGSIZE);
        ssize_t written = write(fd, m->window + m->at, (size_t)n);
        int error = written < 0 ? -errno : 0;
        if (error == -EINTR)
            continue;
        if (error < 0)
            return fail(m, error);
        advance(m, (size_t)written);
        size += written;
    }
    if (ret_size)
        *ret_size = size;
    return 0;
}
