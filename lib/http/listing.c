#include "listing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "beneath.h"
#include "exchange.h"
#include "url.h"

struct entry {
    const char *name;
    int64_t size;
    int64_t modified; /* Unix seconds */
    bool is_folder;
};

struct list {
    struct entry *entries;
    size_t count, room;
    bool is_cut; /* there are more than are shown */
};

static const char page_begin[] =
    "<!doctype html>\n"
    "<html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\n"
    "<style>\n"
    ":root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--paper:#fbfbf9;"
    "--card:#fff;--hover:#f3f6f5;--accent:#0b6e5f}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8ebef;--soft:#9aa5b3;--line:#2c343f;"
    "--paper:#14181d;--card:#1b2027;--hover:#222932;--accent:#4fd1b8}}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif}\n"
    "main{max-width:56rem;margin:0 auto;padding:2.5rem 1.5rem}\n"
    "h1{font-size:1.35rem;font-weight:600;letter-spacing:-.01em;margin:0 0 1.2rem;"
    "overflow-wrap:anywhere}h1 i{color:var(--soft);font-style:normal;padding:0 .35rem}\n"
    "a{color:var(--accent);text-decoration:none}a:hover{text-decoration:underline}\n"
    "table{width:100%;border-collapse:separate;border-spacing:0;background:var(--card);"
    "border:1px solid var(--line);border-radius:12px;overflow:hidden}\n"
    "th,td{padding:.5rem 1rem;text-align:left;border-top:1px solid var(--line)}\n"
    "thead th{border-top:0}th{color:var(--soft);font-weight:500;font-size:.85rem}\n"
    "tbody tr:hover td{background:var(--hover)}\n"
    "td:first-child{overflow-wrap:anywhere}td a{display:flex;gap:.6rem;align-items:center}\n"
    "svg{flex:0 0 1.1rem;height:1.1rem;fill:none;stroke:var(--soft);stroke-width:1.6}\n"
    ".d svg{fill:var(--accent);fill-opacity:.18;stroke:var(--accent)}.d a{font-weight:600}\n"
    "td+td,th+th{text-align:right;white-space:nowrap;color:var(--soft);font-size:.9rem;"
    "font-variant-numeric:tabular-nums}\n"
    "p{color:var(--soft);font-size:.9rem}\n"
    "@media(max-width:34rem){td:last-child,th:last-child{display:none}}\n"
    "</style>\n"
    "<svg style=display:none><symbol id=d viewBox='0 0 24 24'>"
    "<path d='M3 6.5A1.5 1.5 0 0 1 4.5 5h4.6l2 2.5h8.4A1.5 1.5 0 0 1 21 9v8.5"
    "a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17.5z'/></symbol>"
    "<symbol id=f viewBox='0 0 24 24'><path d='M6 3.5h8l4.5 4.5v12.5h-12.5z"
    "M13.5 3.5V8.5h5'/></symbol></svg>\n";

/* ---- reading the folder ---- */

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->is_folder != y->is_folder)
        return y->is_folder - x->is_folder;
    return strverscmp(x->name, y->name); /* part2 before part10 */
}

/* What an entry is, as the server would serve it. Links are resolved below the root. */
static bool look(const char *root, const char *folder, int dir, const char *name, struct stat *ret)
{
    char path[4096];
    if (fstatat(dir, name, ret, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    if (!S_ISLNK(ret->st_mode))
        return S_ISREG(ret->st_mode) || S_ISDIR(ret->st_mode);
    int n = snprintf(path, sizeof path, "%s%s", folder, name);
    int fd = n > 0 && (size_t)n < sizeof path ? beneath_open(root, path, O_PATH) : -ENOENT;
    if (fd < 0)
        return false;
    bool is_known = fstat(fd, ret) == 0 && (S_ISREG(ret->st_mode) || S_ISDIR(ret->st_mode));
    close(fd);
    return is_known;
}

static int list_add(weft_http *h, struct list *l, const char *name, const struct stat *st)
{
    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : 64;
        struct entry *larger = arena_alloc(&h->arena, room * sizeof *larger);
        if (!larger)
            return -ENOMEM;
        if (l->count)
            memcpy(larger, l->entries, l->count * sizeof *larger);
        l->entries = larger;
        l->room = room;
    }
    size_t len = strlen(name);
    char *copy = arena_alloc(&h->arena, len + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, name, len + 1);
    l->entries[l->count++] = (struct entry){copy, st->st_size, st->st_mtim.tv_sec,
                                            S_ISDIR(st->st_mode)};
    return 0;
}

static int list_read(weft_http *h, const weft_static_opts *o, const char *folder, struct list *l)
{
    struct stat st;
    struct dirent *d;
    int fd = beneath_open(o->root, folder, O_RDONLY | O_DIRECTORY), rc = 0;
    if (fd < 0)
        return fd;
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -ENOMEM;
    }
    while (rc == 0 && (d = readdir(dir))) {
        bool is_dots = strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0;
        if (is_dots || (d->d_name[0] == '.' && !o->hidden) ||
            !look(o->root, folder, fd, d->d_name, &st))
            continue;
        l->is_cut = l->count == LISTING_MAX;
        if (l->is_cut)
            break;
        rc = list_add(h, l, d->d_name, &st);
    }
    closedir(dir);
    if (rc == 0 && l->count)
        qsort(l->entries, l->count, sizeof *l->entries, compare);
    return rc;
}

/* ---- writing the page ---- */

/* The writes' errors stick to the connection: the last one tells. */
static int put_html(weft_http *h, weft_str text)
{
    int rc = 0;
    size_t from = 0;
    for (size_t i = 0; i <= text.len; i++) {
        char ch = i < text.len ? text.ptr[i] : '\0';
        const char *entity = ch == '<'    ? "&lt;"
                             : ch == '>'  ? "&gt;"
                             : ch == '&'  ? "&amp;"
                             : ch == '"'  ? "&quot;"
                             : ch == '\'' ? "&#39;"
                                          : NULL;
        if (!entity && i < text.len)
            continue;
        rc = weft_write(h, text.ptr + from, i - from);
        if (rc == 0 && entity)
            rc = weft_write(h, entity, strlen(entity));
        from = i + 1;
    }
    return rc;
}

/* A name as a segment of a reference (RFC 3986 section 3.3): all but unreserved is escaped. */
static int put_segment(weft_http *h, const char *name)
{
    static const char hex[] = "0123456789ABCDEF";
    char text[3 * 256];
    size_t len = 0;
    for (; *name && len + 3 <= sizeof text; name++) {
        unsigned char ch = (unsigned char)*name;
        bool is_letter = (ch | 32) >= 'a' && (ch | 32) <= 'z';
        if (is_letter || (ch >= '0' && ch <= '9') || strchr("-._~", ch)) {
            text[len++] = (char)ch;
            continue;
        }
        text[len++] = '%';
        text[len++] = hex[ch >> 4];
        text[len++] = hex[ch & 15];
    }
    return weft_write(h, text, len);
}

static int put_size(weft_http *h, int64_t size)
{
    static const char *const units[] = {"KB", "MB", "GB", "TB", "PB", "EB"};
    double shown = (double)size;
    int unit = -1;
    if (size < 1024)
        return weft_writef(h, "%d B", (int)size);
    while (shown >= 1024) {
        shown /= 1024;
        unit++;
    }
    return weft_writef(h, shown < 10 ? "%.1f %s" : "%.0f %s", shown, units[unit]);
}

static int put_entry(weft_http *h, const struct entry *e)
{
    struct tm tm;
    char date[32];
    time_t t = (time_t)e->modified;
    gmtime_r(&t, &tm);
    strftime(date, sizeof date, "%Y-%m-%d %H:%M", &tm);
    weft_writef(h, "<tr%s><td><a href='./", e->is_folder ? " class=d" : "");
    put_segment(h, e->name);
    weft_writef(h, "%s'><svg><use href='#%s'/></svg><span>", e->is_folder ? "/" : "",
                e->is_folder ? "d" : "f");
    put_html(h, weft_cstr(e->name));
    weft_writef(h, "%s</span></a><td>", e->is_folder ? "/" : "");
    if (!e->is_folder)
        put_size(h, e->size);
    return weft_writef(h, "<td>%s\n", date);
}

/* The path that the root of the files is at, "/files/" for the folder "a/b/" at "/files/a/b/":
 * decoded, for people to read. */
static weft_str root_path(weft_http *h, int depth)
{
    weft_str path = weft_path(h);
    for (int i = 0; path.len && i <= depth; i++) {
        while (path.len && path.ptr[path.len - 1] == '/')
            path.len--;
        while (i < depth && path.len && path.ptr[path.len - 1] != '/')
            path.len--;
    }
    char *decoded = arena_alloc(&h->arena, path.len + 1);
    ssize_t n = decoded ? url_decode(decoded, path, false) : -ENOMEM;
    if (n < 0)
        return WEFT_STR("/");
    decoded[n] = '/';
    return (weft_str){decoded, (size_t)n + 1};
}

static int depth_of(const char *folder)
{
    int depth = 0;
    for (const char *at = folder; (at = strchr(at, '/')); at++)
        depth++;
    return depth;
}

/* The way down from the root, each step a link. */
static int put_crumbs(weft_http *h, const char *folder)
{
    int depth = depth_of(folder), rc;
    weft_writef(h, "<h1><a href='./");
    for (int i = 0; i < depth; i++)
        weft_write(h, "../", 3);
    weft_writef(h, "'>");
    put_html(h, root_path(h, depth));
    rc = weft_writef(h, "</a>");
    while (depth-- > 0) {
        size_t len = strcspn(folder, "/");
        weft_writef(h, "<i>\xe2\x80\xba</i><a href='./");
        for (int i = 0; i < depth; i++)
            weft_write(h, "../", 3);
        weft_writef(h, "'>");
        put_html(h, (weft_str){folder, len});
        rc = weft_writef(h, "</a>");
        folder += len + 1;
    }
    return rc == 0 ? weft_writef(h, "</h1>\n") : rc;
}

int listing_answer(weft_http *h, const weft_static_opts *o, const char *name)
{
    struct list l = {0};
    int rc = list_read(h, o, name, &l);
    if (rc == 0)
        rc = weft_set_header(h, "Content-Type", "text/html; charset=utf-8");
    if (rc == 0 && o->cache_control && !weft_answer_header(h, "Cache-Control").ptr)
        rc = weft_set_header(h, "Cache-Control", o->cache_control);
    if (rc == 0)
        rc = weft_write(h, page_begin, sizeof page_begin - 1);
    if (rc < 0)
        return rc;
    weft_writef(h, "<title>");
    put_html(h, root_path(h, depth_of(name)));
    put_html(h, weft_cstr(name));
    weft_writef(h, "</title>\n<main>\n");
    put_crumbs(h, name);
    weft_writef(h, "<table><thead><tr><th>Name<th>Size<th>Modified (UTC)</thead><tbody>\n");
    if (*name)
        weft_writef(h, "<tr class=d><td><a href='../'><svg><use href='#d'/></svg>"
                       "<span>..</span></a><td><td>\n");
    for (size_t i = 0; rc == 0 && i < l.count; i++)
        rc = put_entry(h, &l.entries[i]);
    weft_writef(h, "</tbody></table>\n");
    if (l.is_cut)
        weft_writef(h, "<p>Only %d entries are shown.</p>\n", LISTING_MAX);
    else if (l.count == 0)
        weft_writef(h, "<p>This folder is empty.</p>\n");
    return weft_writef(h, "</main>\n");
}
