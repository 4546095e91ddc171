/* mw_access_log.c: a line for each answer, in the formats of the Common Log Format's family or as
 * JSON. Lines are made by who answers and written by log_writer's thread. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <weft/middleware.h>

#include "exchange.h"
#include "log_writer.h"

enum {
    BUFFER_BYTES = 1 << 20,
    BUFFER_LEAST = 64 * 1024,
    LINE_MAX_BYTES = 14 * 1024,
    TARGET_MAX = 1024, /* bytes that are logged of what the client chose */
    TEXT_MAX = 300,
};

struct weft_access_log {
    struct log_writer *writer;
    char *path; /* NULL: standard output */
    int format;
};

/* A request between its beginning and its line. */
struct entry {
    weft_access_log *log;
    struct timespec began; /* of the wall clock */
    int64_t began_ns;      /* of weft_now() */
};

struct line {
    size_t len;
    char text[LINE_MAX_BYTES];
};

/* ---- a line ---- */

static void add(struct line *l, weft_str text)
{
    size_t room = sizeof l->text - 1 - l->len, n = text.len < room ? text.len : room;
    if (n)
        memcpy(l->text + l->len, text.ptr, n);
    l->len += n;
}

static void __attribute__((format(printf, 2, 3))) addf(struct line *l, const char *format, ...)
{
    size_t room = sizeof l->text - l->len;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(l->text + l->len, room, format, args);
    va_end(args);
    if (n > 0)
        l->len += (size_t)n < room ? (size_t)n : room - 1;
}

/* Text of the client between quotes: what could end the quotes or the line, or steer a terminal,
 * is written as \xHH, as others do. "-" when absent. */
static void add_quoted(struct line *l, weft_str text, size_t max)
{
    if (!text.len) {
        add(l, WEFT_STR("-"));
        return;
    }
    for (size_t i = 0; i < text.len && i < max; i++) {
        unsigned char ch = (unsigned char)text.ptr[i];
        if (ch < 32 || ch >= 127 || ch == '"' || ch == '\\')
            addf(l, "\\x%02X", ch);
        else
            add(l, (weft_str){text.ptr + i, 1});
    }
}

static void add_json(struct line *l, const char *name, weft_str text, size_t max)
{
    if (text.len > max)
        text.len = max;
    addf(l, ",\"%s\":", name);
    if (text.ptr && text.len * 6 + 2 < sizeof l->text - l->len)
        l->len += weft_json_quote(l->text + l->len, text);
    else
        add(l, WEFT_STR("null"));
}

static void make_common(struct line *l, weft_http *h, const struct entry *e, bool is_combined)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm;
    weft_str client = weft_client_address(h);
    gmtime_r(&e->began.tv_sec, &tm);
    add(l, client.len ? client : WEFT_STR("-"));
    add(l, WEFT_STR(" - "));
    weft_str user = weft_user(h);
    if (user.len && memchr(user.ptr, ' ', user.len))
        user = WEFT_STR("?"); /* the field has no quotes: a space in it would shift the others */
    add_quoted(l, user, TEXT_MAX);
    addf(l, " [%02d/%.3s/%04d:%02d:%02d:%02d +0000] \"", tm.tm_mday, months + 3 * tm.tm_mon,
         tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    add(l, weft_method(h));
    add(l, WEFT_STR(" "));
    add_quoted(l, weft_target(h), TARGET_MAX);
    addf(l, " HTTP/1.%d\" %d ", h->head.parser.http_minor, h->status);
    if (h->sent_body)
        addf(l, "%lld", (long long)h->sent_body);
    else
        add(l, WEFT_STR("-"));
    if (!is_combined)
        return;
    add(l, WEFT_STR(" \""));
    add_quoted(l, weft_header(h, "Referer"), TEXT_MAX);
    add(l, WEFT_STR("\" \""));
    add_quoted(l, weft_header(h, "User-Agent"), TEXT_MAX);
    add(l, WEFT_STR("\""));
}

static void make_json(struct line *l, weft_http *h, const struct entry *e)
{
    struct tm tm;
    gmtime_r(&e->began.tv_sec, &tm);
    addf(l, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\"", tm.tm_year + 1900, tm.tm_mon + 1,
         tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, e->began.tv_nsec / 1000000);
    add_json(l, "client", weft_client_address(h), TEXT_MAX);
    add_json(l, "user", weft_user(h), 64);
    add_json(l, "method", weft_method(h), 32);
    add_json(l, "host", weft_host(h), 100);
    add_json(l, "target", weft_target(h), TARGET_MAX);
    addf(l, ",\"protocol\":\"HTTP/1.%d\",\"status\":%d,\"bytes\":%lld,\"duration_us\":%lld",
         h->head.parser.http_minor, h->status, (long long)h->sent_body,
         (long long)((weft_now() - e->began_ns) / WEFT_US));
    add_json(l, "referer", weft_header(h, "Referer"), TEXT_MAX);
    add_json(l, "user_agent", weft_header(h, "User-Agent"), TEXT_MAX);
    add_json(l, "request_id", weft_request_id(h), 128);
    if (h->is_cut)
        add(l, WEFT_STR(",\"cut\":true"));
    add(l, WEFT_STR("}"));
}

static void log_answer(weft_http *h, void *arg)
{
    const struct entry *e = arg;
    struct line l;
    l.len = 0;
    if (e->log->format == WEFT_LOG_JSON)
        make_json(&l, h, e);
    else
        make_common(&l, h, e, e->log->format == WEFT_LOG_COMBINED);
    l.text[l.len++] = '\n'; /* add and addf leave room for it */
    log_writer_put(e->log->writer, l.text, l.len);
}

/* ---- a log ---- */

static int open_path(const char *path)
{
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640)
                  : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    return fd < 0 ? -errno : fd;
}

int weft_access_log_open(const weft_access_log_opts *opts, weft_access_log **ret_log)
{
    static const weft_access_log_opts defaults;
    const weft_access_log_opts *o = opts ? opts : &defaults;
    size_t bytes = o->buffer_bytes ? o->buffer_bytes : BUFFER_BYTES;
    if (o->format < WEFT_LOG_COMBINED || o->format > WEFT_LOG_JSON)
        return -EINVAL;
    weft_access_log *log = calloc(1, sizeof *log);
    int fd = log ? open_path(o->path) : -ENOMEM;
    int rc = fd < 0 ? fd : 0;
    if (rc == 0 && o->path && !(log->path = strdup(o->path)))
        rc = -ENOMEM;
    if (rc == 0)
        rc = log_writer_open(fd, bytes < BUFFER_LEAST ? BUFFER_LEAST : bytes, &log->writer);
    if (rc < 0) {
        if (fd >= 0)
            close(fd);
        if (log)
            free(log->path);
        free(log);
        return rc;
    }
    log->format = o->format;
    *ret_log = log;
    return 0;
}

int weft_access_log_reopen(weft_access_log *log)
{
    int fd = open_path(log->path);
    if (fd < 0)
        return fd;
    log_writer_switch(log->writer, fd);
    return 0;
}

int weft_access_log_flush(weft_access_log *log, int64_t timeout)
{
    return log_writer_flush(log->writer, timeout);
}

uint64_t weft_access_log_dropped(const weft_access_log *log)
{
    return log_writer_dropped(log->writer);
}

void weft_access_log_close(weft_access_log *log)
{
    if (!log)
        return;
    log_writer_close(log->writer);
    free(log->path);
    free(log);
}

/* The log of who named none: on standard output until the process ends. */
static weft_access_log *shared;
static pthread_once_t shared_once = PTHREAD_ONCE_INIT;

static void close_shared(void)
{
    weft_access_log_close(shared);
}

static void open_shared(void)
{
    int rc = weft_access_log_open(NULL, &shared);
    if (rc < 0)
        fprintf(stderr, "weft: there is no access log: %s\n", strerror(-rc));
    else
        atexit(close_shared);
}

int weft_mw_access_log(weft_http *h, void *arg)
{
    weft_access_log *log = arg;
    if (!log) {
        pthread_once(&shared_once, open_shared);
        log = shared;
    }
    struct entry *e = log ? weft_alloc(h, sizeof *e) : NULL;
    if (e) { /* without memory the request is answered all the same */
        e->log = log;
        e->began_ns = weft_now();
        clock_gettime(CLOCK_REALTIME, &e->began);
        weft_at_end(h, log_answer, e);
    }
    return weft_next(h);
}
