/* Compression as a client meets it: every coding is decoded by its library and compared. */
#include <brotli/decode.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <weft/weft.h>
#include <zlib.h>
#include <zstd.h>

enum { TEXT_BYTES = 20000, ROOM = 1 << 20 };

static char text[TEXT_BYTES + 1], decoded[ROOM];

static int whole(weft_http *h, void *arg)
{
    weft_set_header(h, "ETag", "\"v1\"");
    return weft_bytes(h, 200, arg, text, TEXT_BYTES);
}

static int small(weft_http *h, void *arg)
{
    (void)arg;
    return weft_text(h, 200, "small");
}

static int noise(weft_http *h, void *arg)
{
    static unsigned char bytes[4000];
    unsigned x = 1;
    (void)arg;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)((x = x * 1103515245 + 12345) >> 16);
    return weft_bytes(h, 200, "text/plain", bytes, sizeof bytes);
}

static int streamed(weft_http *h, void *arg)
{
    (void)arg;
    weft_set_header(h, "Content-Type", "application/json; charset=utf-8");
    for (int at = 0; at < TEXT_BYTES; at += 100) {
        int rc = weft_write(h, text + at, 100);
        if (rc == 0 && at % 5000 == 0)
            rc = weft_flush(h);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int marked(weft_http *h, void *arg)
{
    const char *const *pair = arg;
    weft_set_header(h, pair[0], pair[1]);
    return weft_bytes(h, 200, "text/plain", text, TEXT_BYTES);
}

static int partial(weft_http *h, void *arg)
{
    (void)arg;
    weft_set_header(h, "Content-Range", "bytes 0-19999/30000");
    return weft_bytes(h, 206, "text/plain", text, TEXT_BYTES);
}

static int fails_midway(weft_http *h, void *arg)
{
    (void)arg;
    weft_write(h, text, TEXT_BYTES);
    weft_flush(h);
    return -EIO;
}

static const char *const no_transform[] = {"Cache-Control", "public, no-transform"};
static const char *const encoded[] = {"Content-Encoding", "br"};
static const char *const varies[] = {"Vary", "Accept-Language"};

static weft_app *site(weft_compress_opts *opts)
{
    weft_app *app = weft_app_new();
    for (int i = 0; i < TEXT_BYTES; i++)
        text[i] = "the quick brown fox "[i % 20];
    weft_use(app, weft_mw_compress, opts);
    weft_get(app, "/whole", whole, (void *)"text/plain");
    weft_get(app, "/png", whole, (void *)"image/png");
    weft_get(app, "/svg", whole, (void *)"image/svg+xml");
    weft_get(app, "/small", small, NULL);
    weft_get(app, "/noise", noise, NULL);
    weft_get(app, "/stream", streamed, NULL);
    weft_get(app, "/no-transform", marked, (void *)no_transform);
    weft_get(app, "/encoded", marked, (void *)encoded);
    weft_get(app, "/varies", marked, (void *)varies);
    weft_get(app, "/partial", partial, NULL);
    weft_get(app, "/fails", fails_midway, NULL);
    return app;
}

static weft_test_response ask(weft_app *app, const char *line, const char *accept)
{
    char raw[500];
    snprintf(raw, sizeof raw, "%s HTTP/1.1\r\nHost: x\r\nAccept-Encoding: %s\r\n\r\n", line,
             accept);
    return weft_test_request(app, raw);
}

static size_t decode(weft_str body, const char *coding)
{
    size_t len = sizeof decoded;
    if (strcmp(coding, "zstd") == 0) { /* streams do not say their size: by the streaming call */
        ZSTD_DStream *z = ZSTD_createDStream();
        ZSTD_inBuffer in = {body.ptr, body.len, 0};
        ZSTD_outBuffer out = {decoded, sizeof decoded, 0};
        size_t left = ZSTD_decompressStream(z, &out, &in);
        ZSTD_freeDStream(z);
        return left == 0 && in.pos == in.size ? out.pos : 0;
    }
    if (strcmp(coding, "br") == 0)
        return BrotliDecoderDecompress(body.len, (const uint8_t *)body.ptr, &len,
                                       (uint8_t *)decoded) == BROTLI_DECODER_RESULT_SUCCESS
                   ? len
                   : 0;
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)body.ptr,
                  .avail_in = (uInt)body.len,
                  .next_out = (unsigned char *)decoded,
                  .avail_out = sizeof decoded};
    inflateInit2(&z, 15 + 16);
    int got = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return got == Z_STREAM_END ? z.total_out : 0;
}

static bool header_is(const weft_test_response *r, const char *name, const char *value)
{
    weft_str got = weft_test_header(r, name);
    return value ? got.ptr && weft_str_eq(got, weft_cstr(value)) : !got.ptr;
}

static void expect_coding(weft_app *app, const char *line, const char *coding)
{
    weft_test_response r = ask(app, line, coding);
    cr_expect_eq(r.status, 200);
    cr_expect_eq(r.error, 0);
    cr_expect(header_is(&r, "Content-Encoding", coding), "%s of %s", coding, line);
    cr_expect(header_is(&r, "Vary", "Accept-Encoding"));
    cr_expect(r.body.len > 0 && r.body.len < TEXT_BYTES / 4, "%s: %zu", coding, r.body.len);
    cr_expect_eq(decode(r.body, coding), TEXT_BYTES, "%s of %s", coding, line);
    cr_expect_eq(memcmp(decoded, text, TEXT_BYTES), 0);
    weft_test_response_free(&r);
}

Test(compress, whole_and_streamed_bodies_decode_to_what_was_written)
{
    static const char *const codings[] = {"gzip", "br", "zstd"};
    weft_app *app = site(NULL);
    for (int round = 0; round < 2; round++) { /* the second with encoders that were used */
        for (int i = 0; i < 3; i++) {
            expect_coding(app, "GET /whole", codings[i]);
            expect_coding(app, "GET /svg", codings[i]);
            expect_coding(app, "GET /stream", codings[i]);
        }
    }
    weft_app_free(app);
}

Test(compress, a_whole_body_has_its_compressed_length_and_a_weak_tag)
{
    weft_app *app = site(NULL);
    weft_test_response r = ask(app, "GET /whole", "gzip");
    char length[20];
    snprintf(length, sizeof length, "%zu", r.body.len);
    cr_expect(header_is(&r, "Content-Length", length));
    cr_expect(header_is(&r, "ETag", "W/\"v1\""));
    weft_test_response head = ask(app, "HEAD /whole", "gzip");
    cr_expect(header_is(&head, "Content-Length", length), "the same as GET's");
    cr_expect(header_is(&head, "Content-Encoding", "gzip"));
    cr_expect_eq(head.body.len, 0);
    weft_test_response_free(&r);
    weft_test_response_free(&head);
    r = ask(app, "HEAD /stream", "gzip");
    cr_expect(header_is(&r, "Content-Encoding", "gzip"));
    weft_test_response_free(&r);
    weft_app_free(app);
}

Test(compress, what_gains_nothing_or_may_not_goes_as_it_is)
{
    static const struct {
        const char *line, *accept, *vary;
    } cases[] = {
        {"GET /whole", "identity", "Accept-Encoding"},
        {"GET /whole", "gzip;q=0", "Accept-Encoding"},
        {"GET /small", "gzip", NULL},
        {"GET /png", "gzip", NULL},
        {"GET /no-transform", "gzip", NULL},
        {"GET /partial", "gzip", NULL},
        {"GET /noise", "gzip", "Accept-Encoding"},
    };
    weft_app *app = site(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weft_test_response r = ask(app, cases[i].line, cases[i].accept);
        cr_expect(header_is(&r, "Content-Encoding", NULL), "%s", cases[i].line);
        cr_expect(header_is(&r, "Vary", cases[i].vary), "%s", cases[i].line);
        weft_test_response_free(&r);
    }
    weft_test_response r = ask(app, "GET /encoded", "gzip");
    cr_expect(header_is(&r, "Content-Encoding", "br"));
    cr_expect_eq(r.body.len, TEXT_BYTES);
    weft_test_response_free(&r);
    r = ask(app, "GET /small", "gzip, identity;q=0");
    cr_expect(header_is(&r, "Content-Encoding", NULL), "it would get longer");
    weft_test_response_free(&r);
    weft_app_free(app);
}

Test(compress, vary_is_added_to_what_there_is)
{
    weft_app *app = site(NULL);
    weft_test_response r = ask(app, "GET /varies", "gzip");
    cr_expect(header_is(&r, "Vary", "Accept-Language"));
    cr_expect(memmem(r.head.ptr, r.head.len, "Vary: Accept-Encoding\r\n", 23) != NULL);
    weft_test_response_free(&r);
    weft_app_free(app);
}

Test(compress, options_choose_the_codings_and_the_least_length)
{
    weft_compress_opts opts = {.codings = "gzip", .min_bytes = 2, .gzip_level = 9};
    weft_app *app = site(&opts);
    weft_test_response r = ask(app, "GET /whole", "zstd, br, gzip;q=0.1");
    cr_expect(header_is(&r, "Content-Encoding", "gzip"));
    weft_test_response_free(&r);
    r = ask(app, "GET /whole", "zstd");
    cr_expect(header_is(&r, "Content-Encoding", NULL));
    weft_test_response_free(&r);
    weft_app_free(app);
}

Test(compress, a_stream_that_fails_is_cut_and_not_ended)
{
    weft_app *app = site(NULL);
    weft_test_response r = ask(app, "GET /fails", "gzip");
    cr_expect_eq(r.error, -ECONNRESET);
    cr_expect_eq(decode(r.body, "gzip"), 0);
    weft_test_response_free(&r);
    weft_app_free(app);
}

Test(compress, files_are_compressed_and_their_ranges_are_not)
{
    char folder[] = "/tmp/weft-compress-XXXXXX", path[64];
    cr_assert_not_null(mkdtemp(folder));
    weft_app *app = site(NULL);
    snprintf(path, sizeof path, "%s/page.html", folder);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, TEXT_BYTES, file), TEXT_BYTES);
    fclose(file);
    weft_get(app, "/files/{path...}", weft_static, folder);
    expect_coding(app, "GET /files/page.html", "gzip");
    expect_coding(app, "GET /files/page.html", "zstd");
    weft_test_response r = ask(app, "GET /files/page.html", "br");
    cr_expect(header_is(&r, "Accept-Ranges", NULL));
    cr_expect_eq(strncmp(weft_test_header(&r, "ETag").ptr, "W/", 2), 0);
    weft_test_response_free(&r);
    r = weft_test_request(app, "GET /files/page.html HTTP/1.1\r\nHost: x\r\nRange: bytes=0-4999\r\n"
                               "Accept-Encoding: gzip\r\n\r\n");
    cr_expect_eq(r.status, 206);
    cr_expect(header_is(&r, "Content-Encoding", NULL));
    cr_expect_eq(r.body.len, 5000);
    weft_test_response_free(&r);
    weft_app_free(app);
    unlink(path);
    rmdir(folder);
}
