/* fuzz_range.c: header lines (Range, If-Range, If-None-Match...) against a file whose bytes tell
 * where they stand. Whatever is answered, a byte that is sent must be the file's at the place that
 * Content-Range says, and no more than the file must come for one range. */
#include "server.h"

enum { FILE_BYTES = 5000 };

static weft_app *app;
static char folder[] = "/tmp/weft-fuzz-XXXXXX";

static unsigned char byte_at(size_t i)
{
    return (unsigned char)(i * 7 + i / 256);
}

static void remove_folder(void)
{
    char path[64];
    snprintf(path, sizeof path, "%s/f.bin", folder);
    unlink(path);
    rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char path[64];
    (void)argc, (void)argv;
    if (!mkdtemp(folder))
        return -1;
    atexit(remove_folder);
    snprintf(path, sizeof path, "%s/f.bin", folder);
    FILE *file = fopen(path, "we");
    for (size_t i = 0; file && i < FILE_BYTES; i++)
        fputc(byte_at(i), file);
    if (!file || fclose(file) != 0)
        return -1;
    app = weft_app_new();
    weft_get(app, "/{path...}", weft_static, folder);
    fuzz_start_runtime();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char raw[4096];
    if (size > 2000 || memchr(data, '\0', size))
        return 0;
    int len = snprintf(raw, sizeof raw, "GET /f.bin HTTP/1.1\r\nHost: x\r\n%.*s\r\n\r\n", (int)size,
                       (const char *)data);
    weft_test_opts opts = {.len = (size_t)len};
    weft_test_response r = weft_test_request_opts(app, raw, &opts);
    weft_str range = weft_test_header(&r, "Content-Range");
    unsigned long long from = 0, to = FILE_BYTES - 1, all = FILE_BYTES;
    char text[128];
    snprintf(text, sizeof text, "%.*s", (int)range.len, range.ptr ? range.ptr : "");
    if (r.status == 206 && range.ptr) {
        FUZZ_CHECK(sscanf(text, "bytes %llu-%llu/%llu", &from, &to, &all) == 3);
        FUZZ_CHECK(all == FILE_BYTES && from <= to && to < all);
        FUZZ_PLANTED(from < 100);
    }
    if (r.status == 200 || (r.status == 206 && range.ptr)) {
        FUZZ_CHECK(r.body.len == to - from + 1);
        for (size_t i = 0; i < r.body.len; i++)
            FUZZ_CHECK((unsigned char)r.body.ptr[i] == byte_at(from + i));
    }
    FUZZ_CHECK(r.body.len <= 3 * FILE_BYTES); /* several ranges do not add up to a flood */
    weft_test_response_free(&r);
    return 0;
}
