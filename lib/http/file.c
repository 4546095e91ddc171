/* file.c: answers from files: opened below a root that neither .. nor links leave, validated in the
 * order of RFC 9110 section 13.2.2, whole or in one range (section 14). */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "exchange.h"
#include "mime.h"

struct file {
    int fd;
    struct stat st;
    char etag[64];
};

struct range {
    int64_t from, length;
};

/* Opens `path` below `root`. Returns the descriptor or a negative errno. */
static int open_below(const char *root, const char *path)
{
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, /* a FIFO must not wait for its writer */
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    long fd;
    int err = 0, tries = 8; /* EAGAIN: something was renamed meanwhile */
    do {
        fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
        err = fd < 0 ? errno : 0;
    } while (err == EAGAIN && tries--);
    close(dir);
    if (fd >= 0)
        return (int)fd;
    /* Out of the root, a link in a circle, a file as a folder: there is no such page. */
    return err == EXDEV || err == ELOOP || err == ENOTDIR || err == ENAMETOOLONG ? -ENOENT : -err;
}

static int file_open(const char *root, const char *path, struct file *ret)
{
    ret->fd = open_below(root, path);
    if (ret->fd < 0)
        return ret->fd;
    if (fstat(ret->fd, &ret->st) < 0) {
        int err = errno;
        close(ret->fd);
        return -err;
    }
    snprintf(ret->etag, sizeof ret->etag, "\"%llx-%llx-%llx\"", (unsigned long long)ret->st.st_ino,
             (unsigned long long)ret->st.st_size,
             (unsigned long long)ret->st.st_mtim.tv_sec * 1000000000ULL +
                 (unsigned long long)ret->st.st_mtim.tv_nsec);
    return 0;
}

/* Whether a list of entity tags names ours. Weak ones match only where that is allowed. */
static bool etag_listed(weft_str list, const char *etag, bool allows_weak)
{
    weft_str ours = weft_cstr(etag);
    if (list.len == 1 && list.ptr[0] == '*')
        return true;
    while (list.len) {
        bool is_weak = list.len > 2 && memcmp(list.ptr, "W/", 2) == 0;
        size_t skip = is_weak ? 2 : 0;
        if (list.ptr[skip] != '"') {
            list.ptr++;
            list.len--;
            continue;
        }
        const char *end = memchr(list.ptr + skip + 1, '"', list.len - skip - 1);
        if (!end)
            return false;
        weft_str one = {list.ptr + skip, (size_t)(end + 1 - list.ptr) - skip};
        if (weft_str_eq(one, ours) && (allows_weak || !is_weak))
            return true;
        list.len -= (size_t)(end + 1 - list.ptr);
        list.ptr = end + 1;
    }
    return false;
}

/* Evaluates the preconditions. Returns 0 to go on, 304 or 412. */
static int precondition(weft_http *h, const struct file *f)
{
    int64_t since;
    weft_str match = weft_header(h, "If-Match");
    weft_str unmodified = weft_header(h, "If-Unmodified-Since");
    weft_str none_match = weft_header(h, "If-None-Match");
    weft_str modified = weft_header(h, "If-Modified-Since");
    if (match.ptr) {
        if (!etag_listed(match, f->etag, false))
            return 412;
    } else if (unmodified.ptr && date_parse(unmodified, &since) && f->st.st_mtime > since) {
        return 412;
    }
    if (none_match.ptr)
        return etag_listed(none_match, f->etag, true) ? 304 : 0;
    if (modified.ptr && date_parse(modified, &since) && f->st.st_mtime <= since)
        return 304;
    return 0;
}

/* Takes a number off a slice. Returns false when there is none. */
static bool number_next(weft_str *s, int64_t *ret)
{
    int64_t n = 0;
    size_t i = 0;
    for (; i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9'; i++) {
        if (n > (INT64_MAX - 9) / 10)
            return false;
        n = n * 10 + (s->ptr[i] - '0');
    }
    s->ptr += i;
    s->len -= i;
    *ret = n;
    return i > 0;
}

/* Reads Range. Returns 206 for one range that fits, 416 for one that does not, 200 to ignore it:
 * several ranges, another unit, or nonsense are answered with the whole (RFC 9110 section 14.2). */
static int range_parse(weft_str text, int64_t size, struct range *ret)
{
    int64_t from, to;
    if (text.len < 7 || memcmp(text.ptr, "bytes=", 6) != 0 || memchr(text.ptr, ',', text.len))
        return 200;
    text.ptr += 6;
    text.len -= 6;
    bool has_from = number_next(&text, &from);
    if (!text.len || text.ptr[0] != '-')
        return 200;
    text.ptr++;
    text.len--;
    bool has_to = number_next(&text, &to);
    if (text.len || (!has_from && !has_to) || (has_from && has_to && to < from))
        return 200;
    if (!has_from) { /* the last `to` bytes */
        if (to == 0 || size == 0)
            return 416;
        from = to < size ? size - to : 0;
        to = size - 1;
    } else if (!has_to || to >= size) {
        to = size - 1;
    }
    if (from >= size)
        return 416;
    *ret = (struct range){from, to - from + 1};
    return 206;
}

static int wanted_range(weft_http *h, const struct file *f, struct range *ret)
{
    int64_t date;
    weft_str range = weft_header(h, "Range"), condition = weft_header(h, "If-Range");
    if (!range.ptr || h->head.parser.method != HTTP_GET)
        return 200;
    if (condition.ptr && condition.len) {
        bool is_tag = condition.ptr[0] == '"' || condition.ptr[0] == 'W';
        bool holds = is_tag ? etag_listed(condition, f->etag, false) && condition.ptr[0] == '"'
                            : date_parse(condition, &date) && date == f->st.st_mtime;
        if (!holds)
            return 200;
    }
    return range_parse(range, f->st.st_size, ret);
}

static int answer_file(weft_http *h, const struct file *f, weft_str name)
{
    char date[DATE_LEN + 1];
    struct range range = {0, f->st.st_size};
    date_format(date, f->st.st_mtime);
    date[DATE_LEN] = '\0';
    int rc = weft_set_header(h, "ETag", f->etag);
    if (rc == 0)
        rc = weft_set_header(h, "Last-Modified", date);
    if (rc < 0)
        return rc;
    int status = precondition(h, f);
    if (status)
        return weft_status(h, status);
    status = wanted_range(h, f, &range);
    if (status == 416) {
        rc = weft_set_header_fmt(h, "Content-Range", "bytes */%lld", (long long)f->st.st_size);
        return rc < 0 ? rc : weft_status(h, 416);
    }
    if (status == 206)
        rc = weft_set_header_fmt(h, "Content-Range", "bytes %lld-%lld/%lld", (long long)range.from,
                                 (long long)(range.from + range.length - 1),
                                 (long long)f->st.st_size);
    if (rc == 0)
        rc = weft_set_header(h, "Accept-Ranges", "bytes");
    if (rc == 0)
        rc = weft_set_header(h, "Content-Type", mime_type(name));
    if (rc == 0)
        rc = weft_set_status(h, status);
    if (rc == 0)
        rc = answer_start_sized(h, range.length);
    return rc < 0 ? rc : answer_send_fd(h, f->fd, range.from, range.length);
}

/* A folder's page is at its path with a slash, so that relative links work. */
static int redirect_to_folder(weft_http *h)
{
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

int weft_send_file(weft_http *h, const char *root, weft_str path)
{
    static const char index[] = "index.html";
    char *name = weft_alloc(h, path.len + sizeof index + 2);
    if (!name)
        return -ENOMEM;
    if (path.len && memchr(path.ptr, '\0', path.len))
        return -EINVAL;
    size_t len = 0;
    for (size_t i = 0; i < path.len; i++) /* relative, without empty segments */
        if (path.ptr[i] != '/' || (len && name[len - 1] != '/'))
            name[len++] = path.ptr[i];
    bool is_folder = len == 0 || name[len - 1] == '/';
    if (is_folder) {
        memcpy(name + len, index, sizeof index - 1);
        len += sizeof index - 1;
    }
    name[len] = '\0';

    struct file f;
    int rc = file_open(root, name, &f);
    if (rc < 0)
        return rc;
    if (S_ISDIR(f.st.st_mode))
        rc = redirect_to_folder(h);
    else if (!S_ISREG(f.st.st_mode))
        rc = -ENOENT;
    else
        rc = answer_file(h, &f, (weft_str){name, len});
    close(f.fd);
    return rc;
}

/* The last parameter of the pattern is the rest of the path. */
int weft_static(weft_http *h, void *arg)
{
    if (h->match.n_params == 0)
        return -EINVAL; /* the pattern has no rest */
    const struct router_param *rest = &h->match.params[h->match.n_params - 1];
    char *name = weft_alloc(h, rest->name.len + 1);
    if (!name)
        return -ENOMEM;
    memcpy(name, rest->name.ptr, rest->name.len);
    name[rest->name.len] = '\0';
    weft_str path = weft_param(h, name);
    int rc = path.ptr ? weft_send_file(h, arg, path) : -EINVAL;
    return rc == -ENOENT ? 404 : rc == -EACCES ? 403 : rc; /* everyday, not worth a log line */
}
