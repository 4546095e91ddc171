/* file.c: answers from files: which one a path means, what the client may have of it, and how it
 * goes out.
 *
 * A file that is in memory goes into the output buffer behind its head. Another is sent by
 * sendfile, its head held back by the kernel so that both begin in one segment. With middleware
 * around, what is in memory is held until the chain has returned, and headers are set one by one;
 * without it they are copied as one block. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft/files.h>

#include "conditional.h"
#include "encoding.h"
#include "exchange.h"
#include "filecache.h"
#include "listing.h"
#include "multirange.h"
#include "url.h"

static const int64_t TRUST_NS = 1 * WEFT_SEC;
static const char INDEX[] = "index.html";

/* A file on its way to the client. */
struct sending {
    const weft_static_opts *opts;
    const struct file *file;  /* whose bytes go out */
    const struct file *plain; /* that was asked for: the same, or a precompressed one's original */
    enum encoding encoding;
    int status;
    int n_ranges; /* 0: the whole */
    struct range ranges[RANGE_MAX];
};

static int64_t trust_of(const weft_static_opts *o)
{
    return o->trust ? o->trust : TRUST_NS;
}

/* ---- headers ---- */

static bool has_middleware(const weft_http *h)
{
    return h->endpoint && h->endpoint->step_count > 1;
}

struct field {
    const char *name, *value;
};

/* Adds headers as one block. Only where nobody else has set, or will set, one of their names. */
static int add_block(weft_http *h, const struct field *fields, int count)
{
    size_t lens[8], len = 0;
    for (int i = 0; i < count; i++) {
        lens[i] = strlen(fields[i].value);
        len += strlen(fields[i].name) + lens[i] + 4;
    }
    struct answer_header *block = arena_alloc(&h->arena, sizeof *block + len);
    if (!block)
        return -ENOMEM;
    *block = (struct answer_header){NULL, 0, (uint32_t)len};
    char *to = block->line;
    for (int i = 0; i < count; i++) {
        to = stpcpy(to, fields[i].name);
        to = mempcpy(to, ": ", 2);
        to = mempcpy(to, fields[i].value, lens[i]);
        to = mempcpy(to, "\r\n", 2);
    }
    *h->last_header = block;
    h->last_header = &block->next;
    return 0;
}

static int set_fields(weft_http *h, const struct field *fields, int count)
{
    int rc = 0;
    if (!h->headers && !has_middleware(h))
        return add_block(h, fields, count);
    for (int i = 0; rc == 0 && i < count; i++) {
        bool is_list = strcmp(fields[i].name, "Vary") == 0;
        rc = (is_list ? weft_add_header : weft_set_header)(h, fields[i].name, fields[i].value);
    }
    return rc;
}

static bool has_header(const weft_http *h, const char *name)
{
    size_t len = strlen(name);
    for (const struct answer_header *a = h->headers; a; a = a->next)
        if (a->name_len == len && strncasecmp(a->line, name, len) == 0)
            return true;
    return false;
}

/* The headers of 200, 206 and 304 (RFC 9110 section 15.4.5), and those of the content. */
static int set_headers(weft_http *h, const struct sending *s)
{
    struct field fields[8];
    char etag[sizeof s->file->etag + 2], content_range[80];
    bool has_content = s->status == 200 || s->status == 206;
    int count = 0, rc = 0;
    if (s->opts->cache_control && !has_header(h, "Cache-Control"))
        rc = weft_set_header(h, "Cache-Control", s->opts->cache_control);
    if (rc < 0)
        return rc;
    snprintf(etag, sizeof etag, "%s%s", s->file->is_settled ? "" : "W/", s->file->etag);
    fields[count++] = (struct field){"ETag", etag};
    fields[count++] = (struct field){"Last-Modified", s->file->modified_text};
    if (s->plain->siblings)
        fields[count++] = (struct field){"Vary", "Accept-Encoding"};
    if (has_content && s->encoding)
        fields[count++] = (struct field){"Content-Encoding", encoding_name(s->encoding)};
    if (has_content)
        fields[count++] = (struct field){"Accept-Ranges", "bytes"};
    if (s->n_ranges == 1 || s->status == 416) {
        if (s->status == 416)
            snprintf(content_range, sizeof content_range, "bytes */%lld", (long long)s->file->size);
        else
            range_format(content_range, s->ranges[0], s->file->size);
        fields[count++] = (struct field){"Content-Range", content_range};
    }
    /* The type that the handler has set goes first, and several ranges have one of their own. */
    if (has_content && s->n_ranges <= 1 && !has_header(h, "Content-Type"))
        fields[count++] = (struct field){"Content-Type", s->plain->type};
    return set_fields(h, fields, count);
}

/* ---- the body ---- */

static int send_range(weft_http *h, const struct file *f, struct range r)
{
    if (!f->bytes)
        return answer_send_fd(h, f->fd, r.from, r.len);
    h->sent_body = r.len;
    return h->is_head_request ? 0 : wire_put(h, f->bytes + r.from, (size_t)r.len);
}

static int send_one(weft_http *h, const struct sending *s)
{
    const struct file *f = s->file;
    struct range r = s->n_ranges ? s->ranges[0] : (struct range){0, f->size};
    if (f->bytes && has_middleware(h)) /* its type is a header already */
        return weft_bytes(h, s->status, "", f->bytes + r.from, (size_t)r.len);
    int rc = weft_set_status(h, s->status);
    if (rc == 0)
        rc = answer_start_sized(h, r.len);
    return rc < 0 ? rc : send_range(h, f, r);
}

static int send_several(weft_http *h, const struct sending *s)
{
    struct multirange m;
    const char *type = s->plain->type;
    char content_type[80];
    multirange_init(&m, s->ranges, s->n_ranges, s->file->size, type);
    snprintf(content_type, sizeof content_type, "multipart/byteranges; boundary=%s", m.boundary);
    int rc = weft_set_header(h, "Content-Type", content_type);
    if (rc == 0)
        rc = weft_set_status(h, 206);
    if (rc == 0)
        rc = answer_start_sized(h, m.length);
    for (int i = 0; rc == 0 && i <= s->n_ranges && !h->is_head_request; i++) {
        char head[MULTIRANGE_HEAD_MAX];
        rc = wire_put(h, head, multirange_head(&m, i, head));
        if (rc == 0 && i < s->n_ranges)
            rc = send_range(h, s->file, s->ranges[i]);
    }
    h->sent_body = m.length;
    return rc;
}

/* ---- what the client may have ---- */

/* Chooses the representation: the file itself, or a precompressed one beside it, whose reference
 * is in *ret_other. */
static void choose(const weft_static_opts *o, weft_str name, const struct conditions *c,
                   struct sending *s, struct file **ret_other)
{
    enum encoding e = encoding_choose(c->accept_encoding, s->plain->siblings);
    size_t room = name.len + sizeof ".zst";
    char *path = e ? malloc(room) : NULL;
    if (!path)
        return;
    snprintf(path, room, "%s%s", name.ptr, file_sibling_ending((int)e));
    if (file_get(o->root, weft_cstr(path), false, trust_of(o), ret_other) == 0) {
        s->file = *ret_other;
        s->encoding = e;
    }
    free(path);
}

/* Decides the status and the ranges. */
static void judge(weft_http *h, const struct conditions *c, struct sending *s)
{
    const struct file *f = s->file;
    struct validators v = {weft_cstr(f->etag), !f->is_settled, f->modified};
    bool is_get = h->head.parser.method == HTTP_GET;
    s->status = is_get || h->is_head_request ? conditions_check(c, &v) : 0;
    if (s->status)
        return;
    s->status = 200;
    if (is_get && c->range.ptr && conditions_allow_range(c, &v))
        s->status = range_parse(c->range, f->size, s->ranges, &s->n_ranges);
}

static int answer_file(weft_http *h, const weft_static_opts *o, weft_str name,
                       const struct file *plain)
{
    struct sending s = {.opts = o, .file = plain, .plain = plain};
    struct conditions c;
    struct file *other = NULL;
    int rc = conditions_read(h, &c);
    if (rc < 0)
        return rc;
    if (plain->siblings)
        choose(o, name, &c, &s, &other);
    judge(h, &c, &s);
    rc = set_headers(h, &s);
    if (rc == 0 && s.status != 200 && s.status != 206)
        rc = weft_status(h, s.status);
    else if (rc == 0)
        rc = s.n_ranges > 1 ? send_several(h, &s) : send_one(h, &s);
    file_put(other);
    return rc;
}

/* ---- which file a path means ---- */

/* Makes a relative name of a path: without empty segments, ending in a slash for a folder (or
 * empty for the root), with room for `extra` bytes behind it. Returns its length; -ENOENT for what
 * no file is called by, or must not be asked for; -ENOMEM. */
static ssize_t name_of(weft_http *h, const weft_static_opts *o, weft_str path, size_t extra,
                       char **ret_name)
{
    char *name = arena_alloc(&h->arena, path.len + extra + 1);
    size_t len = 0;
    if (!name)
        return -ENOMEM;
    for (size_t i = 0; i < path.len;) {
        const char *from = path.ptr + i, *slash = memchr(from, '/', path.len - i);
        size_t n = slash ? (size_t)(slash - from) : path.len - i;
        i += n + (slash ? 1 : 0);
        if (n == 0)
            continue;
        bool is_dots = from[0] == '.' && (n == 1 || (n == 2 && from[1] == '.'));
        bool is_well_known = len == 0 && n == 11 && memcmp(from, ".well-known", n) == 0;
        if (is_dots || (from[0] == '.' && !o->hidden && !is_well_known) || memchr(from, '\0', n))
            return -ENOENT;
        memcpy(name + len, from, n);
        len += n;
        if (slash)
            name[len++] = '/';
    }
    name[len] = '\0';
    *ret_name = name;
    return (ssize_t)len;
}

int weft_folder_redirect(weft_http *h, void *arg)
{
    (void)arg;
    weft_str path = weft_path(h), query = weft_query_string(h);
    size_t skip = 0;
    while (skip + 1 < path.len && path.ptr[skip + 1] == '/')
        skip++; /* "//host" would be another site */
    size_t room = path.len + query.len + 3;
    char *location = weft_alloc(h, room);
    if (!location)
        return -ENOMEM;
    snprintf(location, room, WEFT_FMT "/%s" WEFT_FMT, (int)(path.len - skip), path.ptr + skip,
             query.ptr ? "?" : "", WEFT_ARG(query));
    return weft_redirect(h, 301, location);
}

static int answer_folder(weft_http *h, const weft_static_opts *o, char *name, size_t len)
{
    struct file *f;
    const char *index = o->index ? o->index : INDEX;
    int rc = -ENOENT;
    if (*index) {
        strcpy(name + len, index); /* there is room: see weft_send_file_with */
        weft_str whole = {name, len + strlen(index)};
        rc = file_get(o->root, whole, o->precompressed != 0, trust_of(o), &f);
        if (rc == 0) {
            rc = answer_file(h, o, whole, f);
            file_put(f);
            return rc;
        }
        name[len] = '\0';
    }
    if ((rc == -ENOENT || rc == -EISDIR) && o->listing)
        return listing_answer(h, o, name);
    return rc == -EISDIR ? -ENOENT : rc;
}

int weft_send_file_with(weft_http *h, const weft_static_opts *o, weft_str path)
{
    struct file *f;
    char *name;
    size_t index_len = o->index ? strlen(o->index) : sizeof INDEX - 1;
    ssize_t len = name_of(h, o, path, index_len, &name);
    if (len < 0)
        return (int)len;
    if (len == 0 || name[len - 1] == '/')
        return answer_folder(h, o, name, (size_t)len);
    weft_str whole = {name, (size_t)len};
    int rc = file_get(o->root, whole, o->precompressed != 0, trust_of(o), &f);
    if (rc == -EISDIR)
        return weft_folder_redirect(h, NULL); /* so that its relative links work */
    if (rc < 0)
        return rc;
    rc = answer_file(h, o, whole, f);
    file_put(f);
    return rc;
}

int weft_send_file(weft_http *h, const char *root, weft_str path)
{
    weft_static_opts opts = {.root = root};
    return weft_send_file_with(h, &opts, path);
}

/* The last parameter of the pattern is the rest of the path. */
int weft_static_with(weft_http *h, void *opts)
{
    if (h->match.n_params == 0)
        return -EINVAL; /* the pattern has no rest */
    weft_str path = h->match.params[h->match.n_params - 1].value;
    if (url_needs_decode(path)) {
        char *decoded = arena_alloc(&h->arena, path.len);
        ssize_t n = decoded ? url_decode(decoded, path, false) : -ENOMEM;
        if (n < 0)
            return (int)n;
        path = (weft_str){decoded, (size_t)n};
    }
    int rc = weft_send_file_with(h, opts, path);
    return rc == -ENOENT ? 404 : rc == -EACCES ? 403 : rc; /* everyday, not worth a log line */
}

int weft_static(weft_http *h, void *arg)
{
    weft_static_opts opts = {.root = arg};
    return weft_static_with(h, &opts);
}
