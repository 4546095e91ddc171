/* Query strings, forms and multipart bodies. */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "fixture.h"

static char folder[64]; /* where files of forms go */

/* Tells a form: fields as name=value, files as name=filename(type):content, one a line. */
static int tell(weft_http *h, void *arg)
{
    const weft_form_opts *opts = arg;
    const weft_field *field;
    int rc = weft_form_read(h, opts);
    if (rc < 0)
        return rc;
    cr_expect_eq(weft_form_read(h, NULL), 0);
    for (size_t i = 0; (field = weft_form_at(h, i)); i++) {
        weft_writef(h, WEFT_FMT "=", WEFT_ARG(field->name));
        if (!field->filename.ptr) {
            weft_writef(h, WEFT_FMT "\n", WEFT_ARG(field->value));
            continue;
        }
        weft_writef(h, WEFT_FMT "(" WEFT_FMT "):", WEFT_ARG(field->filename),
                    WEFT_ARG(field->content_type));
        if (field->path) {
            char content[256];
            struct stat st;
            FILE *file = fopen(field->path, "r");
            cr_assert(file, "%s", field->path);
            cr_expect_eq(fstat(fileno(file), &st), 0);
            cr_expect_eq(st.st_size, field->size);
            cr_expect_eq(st.st_mode & 0777, 0600);
            size_t n = fread(content, 1, sizeof content, file);
            fclose(file);
            weft_write(h, content, n);
        }
        weft_write(h, "\n", 1);
    }
    return weft_flush(h);
}

static int look_up(weft_http *h, void *arg)
{
    (void)arg;
    weft_str a = weft_form(h, "a");
    const weft_field *f = weft_form_file(h, "f");
    cr_expect_null(weft_form_file(h, "a"));
    cr_expect_null(weft_form(h, "f").ptr);
    cr_expect_null(weft_form(h, "none").ptr);
    return weft_textf(h, 200, WEFT_FMT " %lld", WEFT_ARG(a), f ? (long long)f->size : -1LL);
}

/* Tells the parts' sizes, reading a byte at a time. */
static int stream(weft_http *h, void *arg)
{
    weft_multipart *m;
    weft_field part;
    char byte;
    (void)arg;
    int rc = weft_multipart_begin(h, NULL, &m);
    if (rc < 0)
        return rc;
    while ((rc = weft_multipart_next(m, &part)) > 0) {
        ssize_t n;
        long sum = 0;
        if (weft_part_header(m, "x-skip").ptr)
            continue;
        while ((n = weft_part_read(m, &byte, 1)) > 0)
            sum += n;
        if (n < 0)
            return (int)n;
        weft_writef(h, WEFT_FMT ":%ld ", WEFT_ARG(part.name), sum);
    }
    return rc < 0 ? rc : weft_flush(h);
}

static int query(weft_http *h, void *arg)
{
    weft_pairs pairs = weft_query_pairs(h);
    weft_str name, value;
    int rc;
    (void)arg;
    while ((rc = weft_pairs_next(&pairs, &name, &value)) > 0)
        weft_writef(h, WEFT_FMT "=" WEFT_FMT ";", WEFT_ARG(name), WEFT_ARG(value));
    return rc < 0 ? rc : weft_flush(h);
}

static void start(struct fixture *f)
{
    static const weft_form_opts small = {
        .max_fields = 2, .max_name = 4, .max_value = 8, .max_file = 8, .max_part_headers = 100};
    snprintf(folder, sizeof folder, "/tmp/weft-form-%d", (int)getpid());
    cr_assert_eq(mkdir(folder, 0700), 0);
    setenv("TMPDIR", folder, 1);
    f->app = weft_app_new();
    weft_post(f->app, "/tell", tell, NULL);
    weft_post(f->app, "/small", tell, (void *)(uintptr_t)&small);
    weft_post(f->app, "/look", look_up, NULL);
    weft_post(f->app, "/stream", stream, NULL);
    weft_get(f->app, "/query", query, NULL);
    fixture_start(f);
}

/* Stops the server; no request has left a file. */
static void stop(struct fixture *f)
{
    fixture_stop(f);
    DIR *dir = opendir(folder);
    cr_assert(dir);
    struct dirent *entry;
    while ((entry = readdir(dir)))
        cr_expect(entry->d_name[0] == '.', "%s is left", entry->d_name);
    closedir(dir);
    cr_expect_eq(rmdir(folder), 0);
}

#define URLENCODED "application/x-www-form-urlencoded"
#define MULTIPART "multipart/form-data; boundary=XyZ"

/* Posts a body in one piece and expects a status and a text in the answer. */
static void post(struct fixture *f, const char *path, const char *type, const char *body,
                 size_t len, int status, const char *text)
{
    char bytes[8192], line[32];
    int n = snprintf(bytes, sizeof bytes,
                     "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nConnection: close\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     path, type, len);
    memcpy(bytes + n, body, len);
    char *got = client_exchange(f, bytes, (size_t)n + len);
    snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
    cr_expect(strncmp(got, line, strlen(line)) == 0, "%s %s\n%s: %.300s", path, type, body, got);
    cr_expect(strstr(got, text), "%s\n%s\nlacks %s: %s", path, body, text, got);
    free(got);
}

#define POST(f, path, type, body, status, text)                                                    \
    post(f, path, type, body, sizeof(body) - 1, status, text)

Test(form, a_query_gives_all_its_pairs_decoded, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    static const char good[] = "GET /query?a=1&a=2%20x&&b&c=&%64+e=f%3D+g HTTP/1.1\r\nHost: x\r\n"
                               "Connection: close\r\n\r\n";
    char *got = client_exchange(&f, good, sizeof good - 1);
    cr_expect(strstr(got, "a=1;a=2 x;b=;c=;d e=f= g;"), "%s", got);
    free(got);
    static const char bad[] = "GET /query?a=%4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    got = client_exchange(&f, bad, sizeof bad - 1);
    cr_expect(strstr(got, "HTTP/1.1 400 "), "%s", got);
    free(got);
    stop(&f);
}

Test(form, an_urlencoded_body_gives_all_its_fields_decoded, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    POST(&f, "/tell", URLENCODED, "a=1&a=2&b+c=%C3%A4+x&d", 200, "a=1\na=2\nb c=\xc3\xa4 x\nd=\n");
    POST(&f, "/tell", URLENCODED "; charset=UTF-8", "a=1", 200, "a=1\n");
    POST(&f, "/tell", "Application/X-WWW-Form-Urlencoded", "a=1", 200, "a=1\n");
    POST(&f, "/look", URLENCODED, "x=0&a=first&a=second", 200, "first -1");
    POST(&f, "/tell", URLENCODED, "a=%00", 400, "");
    POST(&f, "/tell", URLENCODED, "a=%zz", 400, "");
    POST(&f, "/tell", "text/plain", "a=1", 415, "");
    POST(&f, "/small", URLENCODED, "a=1&b=2&c=3", 413, "");
    POST(&f, "/small", URLENCODED, "abcde=1", 413, "");
    POST(&f, "/small", URLENCODED, "a=123456789", 413, "");
    POST(&f, "/small", URLENCODED, "abcd=12345678&b=2", 200, "");
    stop(&f);
}

#define FIELD(name, value)                                                                         \
    "--XyZ\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define FILE_PART(name, filename, type, content)                                                   \
    "--XyZ\r\nContent-Disposition: form-data; name=\"" name "\"; filename=\"" filename             \
    "\"\r\nContent-Type: " type "\r\n\r\n" content "\r\n"
#define LAST "--XyZ--\r\n"

Test(form, a_multipart_body_gives_fields_and_files, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    POST(&f, "/tell", MULTIPART,
         FIELD("a", "1") FILE_PART("f", "x.txt", "text/plain", "con\r\ntent\r\n--Xy") FIELD("a", "")
             LAST,
         200, "a=1\nf=x.txt(text/plain):con\r\ntent\r\n--Xy\na=\n");
    POST(&f, "/tell", "multipart/form-data; boundary=\"XyZ\"", FIELD("a", "1") LAST, 200, "a=1\n");
    POST(&f, "/tell", MULTIPART, "preamble\r\n" FIELD("a", "1") LAST "epilogue", 200, "a=1\n");
    POST(&f, "/tell", MULTIPART, FIELD("a", "1") "--XyZ--", 200, "a=1\n");
    POST(&f, "/tell", MULTIPART, FILE_PART("f", "", "a/b", "") LAST, 200, "f=(a/b):\n");
    POST(&f, "/tell", MULTIPART, FILE_PART("f", "/etc/../x", "a/b", "c") LAST, 200, "f=x(a/b):c\n");
    POST(&f, "/tell", MULTIPART, FILE_PART("f", "C:\\dir\\y", "a/b", "c") LAST, 200,
         "f=y(a/b):c\n");
    POST(&f, "/tell", MULTIPART, FIELD("q\\\"q", "1") LAST, 200, "q\"q=1\n");
    POST(&f, "/tell", MULTIPART,
         "--XyZ \t\r\ncontent-DISPOSITION:form-data;name=a\r\nX: y\r\n\r\n1\r\n" LAST, 200,
         "a=1\n");
    POST(&f, "/tell", MULTIPART, LAST, 200, "");
    POST(&f, "/look", MULTIPART, FIELD("a", "1") FILE_PART("f", "x", "a/b", "12345") LAST, 200,
         "1 5");
    stop(&f);
}

Test(form, a_multipart_body_that_breaks_a_rule_is_refused, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    POST(&f, "/tell", "multipart/form-data", FIELD("a", "1") LAST, 400, "");
    POST(&f, "/tell", "multipart/form-data; boundary=", FIELD("a", "1") LAST, 400, "");
    POST(&f, "/tell", "multipart/form-data; boundary=\"Xy", FIELD("a", "1") LAST, 400, "");
    POST(&f, "/tell", MULTIPART "; boundary=other", FIELD("a", "1") LAST, 400, "");
    POST(&f, "/tell", "multipart/mixed; boundary=XyZ", FIELD("a", "1") LAST, 415, "");
    POST(&f, "/tell", MULTIPART, "", 400, "");
    POST(&f, "/tell", MULTIPART, "no delimiter at all", 400, "");
    POST(&f, "/tell", MULTIPART, FIELD("a", "1"), 400, "");
    POST(&f, "/tell", MULTIPART, FIELD("a", "1") "--XyZ-", 400, "");
    POST(&f, "/tell", MULTIPART, FIELD("a", "1") "--XyZ!\r\n", 400, "");
    POST(&f, "/tell", MULTIPART, "--XyZ\r\n\r\n1\r\n" LAST, 400, "");
    POST(&f, "/tell", MULTIPART, "--XyZ\r\nContent-Disposition: file; name=a\r\n\r\n1\r\n" LAST,
         400, "");
    POST(&f, "/tell", MULTIPART, "--XyZ\r\nContent-Disposition: form-data\r\n\r\n1\r\n" LAST, 400,
         "");
    POST(&f, "/tell", MULTIPART,
         "--XyZ\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n1\r\n" LAST, 400, "");
    POST(&f, "/tell", MULTIPART,
         "--XyZ\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\n1\r\n" LAST, 400, "");
    POST(&f, "/tell", MULTIPART, "--XyZ\nContent-Disposition: form-data; name=a\n\n1\n--XyZ--\n",
         400, "");
    POST(&f, "/tell", MULTIPART, FIELD("a\0b", "1") LAST, 400, "");
    POST(&f, "/small", MULTIPART, FIELD("a", "1") FIELD("a", "1") FIELD("a", "1") LAST, 413, "");
    POST(&f, "/small", MULTIPART, FIELD("abcde", "1") LAST, 413, "");
    POST(&f, "/small", MULTIPART, FIELD("a", "123456789") LAST, 413, "");
    POST(&f, "/small", MULTIPART, FILE_PART("f", "x", "a/b", "123456789") LAST, 413, "");
    POST(&f, "/small", MULTIPART,
         "--XyZ\r\nContent-Disposition: form-data; name=a\r\nX: "
         "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n\r\n1\r\n" LAST,
         413, "");
    stop(&f);
}

/* Posts a body to /stream or /tell in chunks, the first of `first` bytes, the others of `rest`. */
static char *post_chunks(struct fixture *f, const char *path, const char *body, size_t len,
                         size_t first, size_t rest)
{
    size_t room = len * 8 + 512;
    char *bytes = malloc(room);
    int n = snprintf(bytes, room,
                     "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: " MULTIPART
                     "\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
                     path);
    for (size_t at = 0, size = first; at < len; at += size, size = rest) {
        size = size < len - at ? size : len - at;
        n += snprintf(bytes + n, room - (size_t)n, "%zx\r\n", size);
        memcpy(bytes + n, body + at, size);
        n += (int)size;
        n += snprintf(bytes + n, room - (size_t)n, "\r\n");
    }
    n += snprintf(bytes + n, room - (size_t)n, "0\r\n\r\n");
    char *got = client_exchange(f, bytes, (size_t)n);
    free(bytes);
    return got;
}

Test(form, a_multipart_body_may_be_split_anywhere, .timeout = 120)
{
    static const char body[] = "x\r\n" FIELD("a", "\r\n--Xy\r\n--X\r\r\n") FILE_PART(
        "f", "x.txt", "text/plain", "\r\n\r\n") "--XyZ\r\nX-Skip: 1\r\nContent-Disposition: "
                                                "form-data; name=s\r\n\r\nskipped\r\n" LAST "e";
    struct fixture f = {0};
    start(&f);
    for (size_t at = 1; at < sizeof body - 1; at++) {
        char *got = post_chunks(&f, "/stream", body, sizeof body - 1, at, sizeof body);
        cr_expect(strstr(got, "a:14 f:4 "), "split at %zu: %s", at, got);
        free(got);
    }
    char *got = post_chunks(&f, "/stream", body, sizeof body - 1, 1, 1);
    cr_expect(strstr(got, "a:14 f:4 "), "byte by byte: %s", got);
    free(got);
    stop(&f);
}

Test(form, a_large_part_goes_through_one_window, .timeout = 60)
{
    enum { LARGE = 300000 };
    struct fixture f = {0};
    char *body = malloc(LARGE + 512);
    start(&f);
    int n = sprintf(body, "--XyZ\r\nContent-Disposition: form-data; name=a\r\n\r\n");
    for (int i = 0; i < LARGE; i++)
        body[n++] = i % 3 ? '\r' : '\n';
    n += sprintf(body + n, "\r\n" LAST);
    char *got = post_chunks(&f, "/stream", body, (size_t)n, 1000, 20000);
    cr_expect(strstr(got, "a:300000 "), "%s", got);
    free(got);
    free(body);
    stop(&f);
}
