#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/weft.h>

#include "log_writer.h"

#define HOST " HTTP/1.1\r\nHost: x.example\r\n"

static const int64_t PATIENCE = 10 * WEFT_SEC;

static int hello(weft_http *h, void *arg)
{
    (void)arg;
    weft_set_user(h, WEFT_STR("ann"));
    return weft_text(h, 200, "hello");
}

static int streams(weft_http *h, void *arg)
{
    (void)arg;
    weft_set_status(h, 201);
    return weft_write(h, "0123456789", 10);
}

/* A log in a file of its own. */
struct logged {
    char path[40];
    weft_access_log *log;
    weft_app *app;
};

static void logged_open(struct logged *l, int format)
{
    strcpy(l->path, "/tmp/weft-log-XXXXXX");
    close(mkstemp(l->path));
    weft_access_log_opts opts = {.path = l->path, .format = format};
    cr_assert_eq(weft_access_log_open(&opts, &l->log), 0);
    l->app = weft_app_new();
    weft_use(l->app, weft_mw_access_log, l->log);
    weft_use(l->app, weft_mw_request_id, NULL);
    weft_get(l->app, "/hello", hello, NULL);
    weft_get(l->app, "/stream", streams, NULL);
}

static void logged_close(struct logged *l)
{
    weft_access_log_close(l->log);
    weft_app_free(l->app);
    unlink(l->path);
}

static const char *contents(const char *path)
{
    static char text[20000];
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* What the log holds after these requests. */
static const char *after(struct logged *l, const char *raw)
{
    weft_test_response r = weft_test_request(l->app, raw);
    weft_test_response_free(&r);
    cr_assert_eq(weft_access_log_flush(l->log, PATIENCE), 0);
    return contents(l->path);
}

/* The text with what stands in brackets taken out: the time differs. */
static const char *without_time(const char *line)
{
    static char text[2000];
    const char *open = strchr(line, '['), *shut = strchr(line, ']');
    cr_assert(open && shut && shut - open == 27, "%s", line);
    snprintf(text, sizeof text, "%.*s%s", (int)(open + 1 - line), line, shut);
    return text;
}

Test(access_log, common_and_combined_lines_have_their_form)
{
    struct logged l;
    logged_open(&l, WEFT_LOG_COMMON);
    cr_expect_str_eq(without_time(after(&l, "GET /hello?a=%20" HOST "\r\n")),
                     "unix: - ann [] \"GET /hello?a=%20 HTTP/1.1\" 200 5\n");
    logged_close(&l);
    logged_open(&l, WEFT_LOG_COMBINED);
    cr_expect_str_eq(without_time(after(&l, "GET /stream" HOST "User-Agent: me/1\r\n"
                                            "Referer: http://r/\r\n\r\n")),
                     "unix: - - [] \"GET /stream HTTP/1.1\" 201 10 \"http://r/\" \"me/1\"\n");
    logged_close(&l);
    logged_open(&l, WEFT_LOG_COMBINED);
    cr_expect_str_eq(without_time(after(&l, "HEAD /hello" HOST "\r\n")),
                     "unix: - ann [] \"HEAD /hello HTTP/1.1\" 200 - \"-\" \"-\"\n");
    logged_close(&l);
}

Test(access_log, nothing_of_the_client_can_forge_a_line)
{
    struct logged l;
    logged_open(&l, WEFT_LOG_COMBINED);
    const char *text = after(&l, "GET /none" HOST "User-Agent: a\" 200 \\ \x1b\xc3\xa9\r\n\r\n");
    (void)text;
    text = after(&l, "GET /none" HOST "User-Agent: a\" 200 \\ \xc3\xa9\r\n\r\n");
    cr_expect(strstr(text, "\"a\\x22 200 \\x5C \\xC3\\xA9\"\n"), "%s", text);
    logged_close(&l);
}

Test(access_log, json_lines_have_every_field)
{
    struct logged l;
    logged_open(&l, WEFT_LOG_JSON);
    const char *text = after(&l, "GET /hello" HOST "X-Request-Id: r7\r\nUser-Agent: \"q\"\r\n\r\n");
    cr_expect_eq(strncmp(text, "{\"time\":\"20", 11), 0, "%s", text);
    cr_expect(strstr(text, "Z\",\"client\":\"unix:\",\"user\":\"ann\",\"method\":\"GET\","
                           "\"host\":\"x.example\",\"target\":\"/hello\",\"protocol\":\"HTTP/1.1\","
                           "\"status\":200,\"bytes\":5,\"duration_us\":"),
              "%s", text);
    cr_expect(
        strstr(text, "\"referer\":null,\"user_agent\":\"\\\"q\\\"\",\"request_id\":\"r7\"}\n"),
        "%s", text);
    logged_close(&l);
}

Test(access_log, a_file_that_was_moved_away_is_left_when_it_is_opened_again)
{
    struct logged l;
    char moved[60];
    logged_open(&l, WEFT_LOG_COMMON);
    snprintf(moved, sizeof moved, "%s.1", l.path);
    after(&l, "GET /hello?before" HOST "\r\n");
    cr_assert_eq(rename(l.path, moved), 0);
    after(&l, "GET /hello?between" HOST "\r\n");
    cr_assert_eq(weft_access_log_reopen(l.log), 0);
    const char *text = after(&l, "GET /hello?behind" HOST "\r\n");
    cr_expect(strstr(text, "behind") && !strstr(text, "before"), "%s", text);
    text = contents(moved);
    cr_expect(strstr(text, "before") && strstr(text, "between") && !strstr(text, "behind"), "%s",
              text);
    unlink(moved);
    logged_close(&l);
}

Test(access_log, a_path_that_cannot_be_opened_and_a_format_that_is_none_are_refused)
{
    weft_access_log *log;
    cr_expect_eq(weft_access_log_open(&(weft_access_log_opts){.path = "/none/of/it"}, &log),
                 -ENOENT);
    cr_expect_eq(weft_access_log_open(&(weft_access_log_opts){.format = 7}, &log), -EINVAL);
    weft_access_log_close(NULL);
}

Test(log_writer, a_reader_that_stands_still_holds_up_nobody_and_losses_are_counted)
{
    int fds[2];
    char line[1000], block[4096];
    struct log_writer *w;
    size_t total = 0;
    ssize_t n;
    memset(line, 'l', sizeof line);
    line[sizeof line - 1] = '\n';
    cr_assert_eq(pipe(fds), 0);
    cr_assert_eq(fcntl(fds[1], F_SETPIPE_SZ, 4096), 4096); /* less than the first batch */
    cr_assert_eq(log_writer_open(fds[1], 64 * 1024, &w), 0);
    for (int i = 0; i < 1000; i++) /* more than pipe and buffers hold, and nobody reads */
        log_writer_put(w, line, sizeof line);
    uint64_t dropped = log_writer_dropped(w);
    cr_expect(dropped > 0);
    cr_expect_eq(log_writer_flush(w, WEFT_MS), -ETIMEDOUT);
    size_t kept = (1000 - dropped) * sizeof line;
    while (total < kept && (n = read(fds[0], block, sizeof block)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            cr_assert_eq(block[i], (total + (size_t)i) % 1000 == 999 ? '\n' : 'l', "a torn line");
        total += (size_t)n;
    }
    cr_expect_eq(total, kept);
    cr_expect_eq(log_writer_flush(w, PATIENCE), 0);
    log_writer_close(w);
    close(fds[0]);
}

Test(log_writer, an_error_of_the_disk_is_reported)
{
    struct log_writer *w;
    int fd = open("/dev/full", O_WRONLY);
    cr_assert_geq(fd, 0);
    cr_assert_eq(log_writer_open(fd, 64 * 1024, &w), 0);
    log_writer_put(w, "line\n", 5);
    cr_expect_eq(log_writer_flush(w, PATIENCE), -ENOSPC);
    log_writer_close(w);
}
