/* Files as a client gets them: conditions, ranges, encodings, folders, and what is not there. */
#include <errno.h>
#include <time.h>

#include "fixture.h"
#include "folder.h"

static struct folder www;
static weft_static_opts plain = {.root = www.path},
                        full = {.root = www.path,
                                .listing = 1,
                                .precompressed = 1,
                                .cache_control = "max-age=60",
                                .trust = -1},
                        bare = {.root = www.path, .index = "", .hidden = 1};

static int pass(weft_http *h, void *arg)
{
    (void)arg;
    int rc = weft_next(h);
    weft_set_header(h, "X-After", "yes");
    return rc;
}

static int typed(weft_http *h, void *arg)
{
    weft_set_header(h, "Content-Type", "text/x-mine");
    weft_set_header(h, "Cache-Control", "no-store");
    return weft_send_file_with(h, arg, weft_param(h, "path"));
}

static void site_start(struct fixture *f)
{
    folder_make(&www);
    folder_sub(&www, "sub");
    folder_sub(&www, "empty");
    folder_sub(&www, ".well-known");
    folder_put(&www, "a.txt", "0123456789");
    folder_put(&www, "zero", "");
    folder_put(&www, ".secret", "no");
    folder_put(&www, ".well-known/x", "well");
    folder_put(&www, "sub/index.html", "<p>index</p>");
    folder_put(&www, "app.js", "plain script");
    folder_put(&www, "app.js.gz", "gzipped");
    folder_put(&www, "app.js.br", "brotlied");
    folder_put(&www, "sub/a <b>&'\".txt", "odd");
    folder_link(&www, "a.txt", "link");
    folder_link(&www, "/etc/passwd", "passwd");
    static char large[200000];
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)('a' + i % 26);
    folder_write(&www, "large", large, sizeof large, FOLDER_OLD);
    f->app = weft_app_new();
    weft_get(f->app, "/s/{path...}", weft_static, www.path);
    weft_get(f->app, "/s", weft_folder_redirect, NULL);
    weft_any(f->app, "/p/{path...}", weft_static_with, &plain);
    weft_get(f->app, "/f/{path...}", weft_static_with, &full);
    weft_get(f->app, "/b/{path...}", weft_static_with, &bare);
    weft_get(f->app, "/t/{path...}", typed, &full);
    weft_app *group = weft_app_group(f->app, "/m");
    weft_use(group, pass, NULL);
    weft_get(group, "/{path...}", weft_static_with, &full);
    fixture_start(f);
}

static void site_stop(struct fixture *f)
{
    fixture_stop(f);
    folder_done(&www);
}

/* lines: the request line, and headers behind it, "GET /s/a.txt HTTP/1.1\r\nRange: bytes=0-1". */
static char *get(struct fixture *f, const char *lines)
{
    char bytes[1024];
    int n = snprintf(bytes, sizeof bytes, "%s\r\nHost: x\r\nConnection: close\r\n\r\n", lines);
    return client_exchange(f, bytes, (size_t)n);
}

static void expect(struct fixture *f, const char *lines, const char *const pieces[])
{
    char *text = get(f, lines);
    for (int i = 0; pieces[i]; i++) {
        const char *piece = pieces[i];
        if (piece[0] == '!')
            cr_expect_not(strstr(text, piece + 1), "%s has '%s':\n%.600s", lines, piece + 1, text);
        else
            cr_expect(strstr(text, piece), "%s lacks '%s':\n%.600s", lines, piece, text);
    }
    free(text);
}

#define EXPECT(f, lines, ...) expect(f, lines, (const char *const[]){__VA_ARGS__, NULL})

/* The value of a header in an answer, copied. */
static const char *value_of(const char *text, const char *name)
{
    static char value[256];
    char start[64];
    snprintf(start, sizeof start, "\r\n%s: ", name);
    const char *at = strstr(text, start);
    cr_assert_not_null(at, "%s in %s", name, text);
    at += strlen(start);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

Test(file, a_file_comes_whole_with_its_validators, .timeout = 60)
{
    struct fixture f = {0};
    site_start(&f);
    for (int i = 0; i < 2; i++) { /* from the disk, then from memory */
        EXPECT(&f, "GET /s/a.txt HTTP/1.1", "HTTP/1.1 200 ", "Content-Length: 10\r\n",
               "Content-Type: text/plain; charset=utf-8\r\n", "ETag: \"", "Accept-Ranges: bytes",
               "Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n", "\r\n\r\n0123456789", "!Vary");
        EXPECT(&f, "HEAD /s/a.txt HTTP/1.1", "HTTP/1.1 200 ", "Content-Length: 10\r\n", "!0123");
        EXPECT(&f, "GET /s/zero HTTP/1.1", "HTTP/1.1 200 ", "Content-Length: 0\r\n");
        EXPECT(&f, "GET /s/link HTTP/1.1", "\r\n\r\n0123456789");
        EXPECT(&f, "GET /s/sub/ HTTP/1.1", "<p>index</p>", "text/html; charset=utf-8");
    }
    char *text = get(&f, "GET /s/large HTTP/1.1");
    cr_expect_eq(strlen(strstr(text, "\r\n\r\n") + 4), 200000);
    free(text);
    site_stop(&f);
}

Test(file, what_must_not_be_served_is_not_there, .timeout = 60)
{
    static const char *const gone[] = {"/s/none",
                                       "/s/passwd",
                                       "/s/.secret",
                                       "/s/%2e%2e/x",
                                       "/s/..%2fx",
                                       "/s/sub/../a.txt",
                                       "/s/./a.txt",
                                       "/s/a.txt/",
                                       "/s/a.txt/x",
                                       "/s/empty/",
                                       "/s/.",
                                       "/s/sub/.well-known/x",
                                       "/b/sub/..%2f.secret"};
    struct fixture f = {0};
    char line[128];
    site_start(&f);
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        snprintf(line, sizeof line, "GET %s HTTP/1.1", gone[i]);
        EXPECT(&f, line, "HTTP/1.1 404 ", "!root:");
    }
    EXPECT(&f, "GET /s/.well-known/x HTTP/1.1", "HTTP/1.1 200 ");
    EXPECT(&f, "GET /b/.secret HTTP/1.1", "HTTP/1.1 200 ");
    EXPECT(&f, "GET /b/sub/ HTTP/1.1", "HTTP/1.1 404 ");
    EXPECT(&f, "GET /s//sub//index.html HTTP/1.1", "HTTP/1.1 200 ");
    if (geteuid() != 0) {
        chmod(folder_at(&www, "a.txt"), 0);
        EXPECT(&f, "GET /f/a.txt HTTP/1.1", "HTTP/1.1 403 ");
    }
    site_stop(&f);
}

Test(file, a_folder_without_its_slash_is_redirected, .timeout = 60)
{
    struct fixture f = {0};
    site_start(&f);
    EXPECT(&f, "GET /s/sub?q=1 HTTP/1.1", "HTTP/1.1 301 ", "Location: /s/sub/?q=1\r\n");
    EXPECT(&f, "GET /s?q=1 HTTP/1.1", "HTTP/1.1 301 ", "Location: /s/?q=1\r\n");
    site_stop(&f);
}

Test(file, conditions_are_judged_in_the_order_of_rfc_9110, .timeout = 60)
{
    struct fixture f = {0};
    char lines[512], etag[128];
    site_start(&f);
    char *text = get(&f, "GET /s/a.txt HTTP/1.1");
    snprintf(etag, sizeof etag, "%s", value_of(text, "ETag"));
    free(text);
    static const struct {
        const char *headers; /* $ is the entity tag */
        const char *status;
    } rows[] = {
        {"If-None-Match: $", "304"},
        {"If-None-Match: W/$", "304"},
        {"If-None-Match: \"a\", \"b,c\" ,$", "304"},
        {"If-None-Match: \"a\"\r\nIf-None-Match: $", "304"},
        {"If-None-Match: *", "304"},
        {"If-None-Match: \"other\"", "200"},
        {"If-None-Match: garbage", "200"},
        {"If-None-Match: \"", "200"},
        {"If-None-Match:", "200"},
        {"If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT", "304"},
        {"If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT", "200"},
        {"If-Modified-Since: Tuesday, 14-Nov-23 22:13:20 GMT", "304"},
        {"If-Modified-Since: nonsense", "200"},
        /* 13.1.3: If-None-Match goes first */
        {"If-None-Match: \"other\"\r\nIf-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT", "200"},
        {"If-Match: $", "200"},
        {"If-Match: *", "200"},
        {"If-Match: \"other\"", "412"},
        {"If-Match: W/$", "412"}, /* 13.1.1: the strong comparison */
        {"If-Unmodified-Since: Tue, 14 Nov 2023 22:13:20 GMT", "200"},
        {"If-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT", "412"},
        /* 13.1.4: If-Match goes first */
        {"If-Match: $\r\nIf-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT", "200"},
        {"If-Match: $\r\nIf-None-Match: $", "304"},
        {"If-Match: \"other\"\r\nIf-None-Match: $", "412"},
        /* 13.1.5 and 14.2 */
        {"Range: bytes=2-4", "206"},
        {"Range: bytes=2-4\r\nIf-Range: $", "206"},
        {"Range: bytes=2-4\r\nIf-Range: W/$", "200"},
        {"Range: bytes=2-4\r\nIf-Range: \"other\"", "200"},
        {"Range: bytes=2-4\r\nIf-Range: Tue, 14 Nov 2023 22:13:20 GMT", "206"},
        {"Range: bytes=2-4\r\nIf-Range: Tue, 14 Nov 2023 22:13:21 GMT", "200"},
        {"Range: bytes=2-4\r\nIf-None-Match: $", "304"},
        {"Range: bytes=10-", "416"},
        {"Range: bytes=10-\r\nIf-Range: \"other\"", "200"},
        {"Range: pages=1-2", "200"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len = (size_t)snprintf(lines, sizeof lines, "GET /p/a.txt HTTP/1.1\r\n");
        for (const char *at = rows[i].headers; *at; at++)
            len += (size_t)snprintf(lines + len, sizeof lines - len, *at == '$' ? "%s" : "%.1s",
                                    *at == '$' ? etag : at);
        text = get(&f, lines);
        cr_expect(strncmp(text + 9, rows[i].status, 3) == 0, "%s: %.400s", lines, text);
        if (strcmp(rows[i].status, "304") == 0)
            cr_expect(strstr(text, etag) && !strstr(text, "Content-"), "%s", text);
        free(text);
    }
    snprintf(lines, sizeof lines,
             "POST /p/a.txt HTTP/1.1\r\nContent-Length: 0\r\n"
             "Range: bytes=0-1\r\nIf-None-Match: %s",
             etag);
    EXPECT(&f, lines, "HTTP/1.1 200 ", "0123456789"); /* conditions are of GET and HEAD here */
    site_stop(&f);
}

Test(file, a_young_file_has_a_weak_tag, .timeout = 60)
{
    struct fixture f = {0};
    site_start(&f);
    folder_write(&www, "young", "new", 3, 0);
    char *text = get(&f, "GET /s/young HTTP/1.1\r\nRange: bytes=0-0");
    const char *etag = value_of(text, "ETag");
    char lines[256];
    cr_expect(strncmp(etag, "W/\"", 3) == 0, "%s", etag);
    snprintf(lines, sizeof lines, "GET /s/young HTTP/1.1\r\nIf-Match: %s", etag);
    EXPECT(&f, lines, "HTTP/1.1 412 ");
    snprintf(lines, sizeof lines, "GET /s/young HTTP/1.1\r\nIf-None-Match: %s", etag);
    EXPECT(&f, lines, "HTTP/1.1 304 ");
    snprintf(lines, sizeof lines, "GET /s/young HTTP/1.1\r\nRange: bytes=0-0\r\nIf-Range: %s",
             etag + 2);
    EXPECT(&f, lines, "HTTP/1.1 200 ");
    free(text);
    site_stop(&f);
}

Test(file, a_file_from_the_future_was_modified_now, .timeout = 60)
{
    struct fixture f = {0};
    site_start(&f);
    folder_write(&www, "ahead", "soon", 4, FOLDER_OLD * INT64_C(2));
    char *text = get(&f, "GET /s/ahead HTTP/1.1");
    struct tm modified = {0}, date = {0};
    const char *form = "%a, %d %b %Y %H:%M:%S GMT";
    cr_assert_not_null(strptime(value_of(text, "Last-Modified"), form, &modified), "%s", text);
    cr_assert_not_null(strptime(value_of(text, "Date"), form, &date), "%s", text);
    cr_expect_leq(timegm(&modified), timegm(&date), "%s", text);
    free(text);
    site_stop(&f);
}

Test(file, ranges_come_alone_or_as_parts, .timeout = 60)
{
    struct fixture f = {0};
    site_start(&f);
    EXPECT(&f, "GET /s/a.txt HTTP/1.1\r\nRange: bytes=2-4", "Content-Range: bytes 2-4/10\r\n",
           "Content-Length: 3\r\n", "\r\n\r\n234");
    EXPECT(&f, "HEAD /s/a.txt HTTP/1.1\r\nRange: bytes=2-4", "HTTP/1.1 200 ", "!Content-Range");
    EXPECT(&f, "GET /s/a.txt HTTP/1.1\r\nRange: bytes=20-", "HTTP/1.1 416 ",
           "Content-Range: bytes */10\r\n");
    EXPECT(&f, "GET /s/large HTTP/1.1\r\nRange: bytes=100000-100003", "\r\n\r\nefgh");
    static const char *const sites[] = {"s", "m"};
    for (int i = 0; i < 2; i++) {
        char lines[128], end[96], boundary[64];
        snprintf(lines, sizeof lines, "GET /%s/large HTTP/1.1\r\nRange: bytes=0-1,150000-150001,-2",
                 sites[i]);
        char *text = get(&f, lines), *body = strstr(text, "\r\n\r\n") + 4;
        const char *type = value_of(text, "Content-Type");
        cr_assert(strncmp(type, "multipart/byteranges; boundary=", 31) == 0, "%s", type);
        snprintf(boundary, sizeof boundary, "%s", type + 31);
        cr_expect_eq(strlen(body), (size_t)atoi(value_of(text, "Content-Length")));
        cr_expect(strncmp(body, "--", 2) == 0 && strstr(body, boundary) == body + 2);
        cr_expect(strstr(body, "Content-Type: application/octet-stream\r\n"
                               "Content-Range: bytes 0-1/200000\r\n\r\nab\r\n--"),
                  "%s", text);
        cr_expect(strstr(body, "Content-Range: bytes 150000-150001/200000\r\n\r\ngh\r\n--"));
        snprintf(end, sizeof end, "\r\n\r\ngh\r\n--%s--\r\n", boundary);
        cr_expect(strlen(body) > strlen(end) && strcmp(body + strlen(body) - strlen(end), end) == 0,
                  "%s", text);
        free(text);
    }
    site_stop(&f);
}

Test(file, a_precompressed_sibling_goes_to_who_takes_it, .timeout = 60)
{
    struct fixture f = {0};
    site_start(&f);
    for (int i = 0; i < 2; i++) {
        EXPECT(&f, "GET /f/app.js HTTP/1.1\r\nAccept-Encoding: gzip, br", "brotlied",
               "Content-Encoding: br\r\n", "Vary: Accept-Encoding\r\n",
               "Content-Type: text/javascript; charset=utf-8\r\n", "Content-Length: 8\r\n",
               "Cache-Control: max-age=60\r\n");
        EXPECT(&f, "GET /f/app.js HTTP/1.1\r\nAccept-Encoding: gzip, br;q=0", "gzipped");
        EXPECT(&f, "GET /f/app.js HTTP/1.1\r\nAccept-Encoding: zstd", "plain script",
               "Vary: Accept-Encoding\r\n", "!Content-Encoding");
        EXPECT(&f, "GET /f/app.js HTTP/1.1\r\nAccept-Encoding: br\r\nRange: bytes=0-1",
               "\r\n\r\nbr", "Content-Range: bytes 0-1/8\r\n", "Content-Encoding: br\r\n");
        EXPECT(&f, "GET /f/a.txt HTTP/1.1\r\nAccept-Encoding: br", "0123456789", "!Vary");
        EXPECT(&f, "GET /s/app.js HTTP/1.1\r\nAccept-Encoding: br", "plain script", "!Vary");
    }
    /* a sibling of another representation has another tag */
    char *a = get(&f, "GET /f/app.js HTTP/1.1\r\nAccept-Encoding: br"), tag[128], lines[256];
    snprintf(tag, sizeof tag, "%s", value_of(a, "ETag"));
    snprintf(lines, sizeof lines, "GET /f/app.js HTTP/1.1\r\nIf-None-Match: %s", tag);
    EXPECT(&f, lines, "HTTP/1.1 200 ");
    snprintf(lines, sizeof lines,
             "GET /f/app.js HTTP/1.1\r\nAccept-Encoding: br\r\nIf-None-Match: %s", tag);
    EXPECT(&f, lines, "HTTP/1.1 304 ", "Vary: Accept-Encoding\r\n", "Cache-Control: max-age=60");
    free(a);
    site_stop(&f);
}

Test(file, headers_of_the_handler_and_of_middleware_hold, .timeout = 60)
{
    struct fixture f = {0};
    site_start(&f);
    EXPECT(&f, "GET /t/a.txt HTTP/1.1", "Content-Type: text/x-mine\r\n", "!text/plain",
           "Cache-Control: no-store\r\n", "!max-age", "0123456789");
    EXPECT(&f, "GET /m/a.txt HTTP/1.1", "X-After: yes\r\n", "0123456789", "ETag: \"",
           "Content-Type: text/plain; charset=utf-8\r\n", "Content-Length: 10\r\n");
    EXPECT(&f, "HEAD /m/a.txt HTTP/1.1", "X-After: yes\r\n", "Content-Length: 10\r\n", "!0123");
    EXPECT(&f, "GET /m/none HTTP/1.1", "HTTP/1.1 404 ", "X-After: yes\r\n");
    EXPECT(&f, "GET /m/a.txt HTTP/1.1\r\nRange: bytes=1-2", "HTTP/1.1 206 ", "\r\n\r\n12");
    site_stop(&f);
}

Test(file, a_folder_is_listed_with_its_names_escaped, .timeout = 60)
{
    struct fixture f = {0};
    site_start(&f);
    EXPECT(&f, "GET /f/ HTTP/1.1", "HTTP/1.1 200 ", "text/html; charset=utf-8", "href='./sub/'",
           "href='./a.txt'", "10 B", "195 KB", "2023-11-14 22:13", "href='./link'", "!passwd",
           "!.secret", "!href='../'");
    EXPECT(&f, "GET /f/empty/ HTTP/1.1", "This folder is empty", "href='../'",
           "<title>/f/empty/</title>", "<h1><a href='./../'>/f/</a>", "<a href='./'>empty</a>");
    EXPECT(&f, "GET /%66//empty// HTTP/1.1", "<title>/f/empty/</title>");
    EXPECT(&f, "GET /f/empty HTTP/1.1", "HTTP/1.1 301 ");
    unlink(folder_at(&www, "sub/index.html"));
    EXPECT(&f, "GET /f/sub/ HTTP/1.1", "a &lt;b&gt;&amp;&#39;&quot;.txt",
           "href='./a%20%3Cb%3E%26%27%22.txt'", "!a <b>");
    EXPECT(&f, "GET /f/none/ HTTP/1.1", "HTTP/1.1 404 ");
    site_stop(&f);
}

Test(file, a_change_shows_when_the_disk_is_asked, .timeout = 60)
{
    struct fixture f = {0};
    site_start(&f);
    EXPECT(&f, "GET /f/a.txt HTTP/1.1", "0123456789");
    folder_put(&www, "new", "a new content");
    char from[4200];
    snprintf(from, sizeof from, "%s", folder_at(&www, "new"));
    cr_assert_eq(rename(from, folder_at(&www, "a.txt")), 0);
    EXPECT(&f, "GET /f/a.txt HTTP/1.1", "a new content", "!0123");
    unlink(folder_at(&www, "a.txt"));
    EXPECT(&f, "GET /f/a.txt HTTP/1.1", "HTTP/1.1 404 ");
    unlink(folder_at(&www, "app.js.br"));
    EXPECT(&f, "GET /f/app.js HTTP/1.1\r\nAccept-Encoding: gzip, br", "gzipped");
    site_stop(&f);
}

/* Reads what comes of a large file, cuts the file short midway, reads the rest: the connection must
 * end before the length that was announced. */
Test(file, a_file_cut_short_while_it_is_sent_breaks_the_connection, .timeout = 60)
{
    enum { SIZE = 64 << 20, KEPT = 1 << 20 };
    static const char request[] = "GET /s/huge HTTP/1.1\r\nHost: x\r\n\r\n";
    static char buf[65536];
    struct fixture f = {0};
    site_start(&f);
    folder_write(&www, "huge", "", 0, FOLDER_OLD);
    cr_assert_eq(truncate(folder_at(&www, "huge"), SIZE), 0);
    int fd = client_open(&f);
    client_send(fd, request, sizeof request - 1);
    ssize_t n = recv(fd, buf, 1024, 0);
    cr_assert_gt(n, 0);
    cr_assert_eq(truncate(folder_at(&www, "huge"), KEPT), 0);
    int64_t got = n;
    while ((n = recv(fd, buf, sizeof buf, 0)) > 0)
        got += n;
    cr_expect(got < SIZE, "%lld", (long long)got);
    cr_expect_eq(strstr(buf, "HTTP/1.1"), NULL); /* no second answer in the body's place */
    close(fd);
    EXPECT(&f, "GET /s/a.txt HTTP/1.1", "0123456789"); /* the server goes on */
    site_stop(&f);
}
