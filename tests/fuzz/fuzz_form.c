/* fuzz_form.c: multipart and urlencoded forms: read the same whole and in pieces, and within their
 * limits. The first byte picks the kind. */
#include "server.h"

enum { TOLD_MAX = 1 << 16 };

static char told[TOLD_MAX]; /* what the last form had */
static size_t told_len;
static weft_app *app;

static void tell(const void *bytes, size_t len)
{
    size_t room = TOLD_MAX - told_len;
    len = len < room ? len : room;
    if (len)
        memcpy(told + told_len, bytes, len);
    told_len += len;
}

static int read_form(weft_http *h, void *arg)
{
    (void)arg;
    weft_form_opts opts = {.max_fields = 8, .max_name = 64, .max_value = 256, .max_file = 512};
    int rc = weft_form_read(h, &opts);
    tell(&rc, sizeof rc);
    for (size_t i = 0; rc == 0; i++) {
        const weft_field *f = weft_form_at(h, i);
        if (!f)
            break;
        FUZZ_CHECK(i < 8 && f->name.len <= 64 && f->value.len <= 256 && f->size <= 512);
        FUZZ_PLANTED(f->filename.len < 3 || f->size == 0);
        tell(f->name.ptr, f->name.len);
        tell(f->value.ptr, f->value.len);
        tell(f->filename.ptr, f->filename.len);
        tell(&f->size, sizeof f->size);
        for (size_t j = 0; j < f->filename.len; j++)
            FUZZ_CHECK(f->filename.ptr[j] != '/');
    }
    return rc < 0 ? rc : weft_text(h, 200, "read");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    app = weft_app_new();
    weft_any(app, "/{rest...}", read_form, NULL);
    fuzz_start_runtime();
    return 0;
}

static int ask(const uint8_t *data, size_t size, size_t piece)
{
    static char raw[8192];
    bool is_multipart = data[0] & 1;
    int head = snprintf(raw, sizeof raw,
                        "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        is_multipart ? "multipart/form-data; boundary=b"
                                     : "application/x-www-form-urlencoded",
                        size - 1);
    memcpy(raw + head, data + 1, size - 1);
    weft_test_opts opts = {.len = (size_t)head + size - 1, .piece = piece};
    told_len = 0;
    weft_test_response r = weft_test_request_opts(app, raw, &opts);
    int status = r.status;
    weft_test_response_free(&r);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char before[TOLD_MAX];
    if (size < 2 || size > 4096)
        return 0;
    int status = ask(data, size, 0);
    size_t len = told_len;
    memcpy(before, told, len);
    FUZZ_CHECK(status == 200 || (status >= 400 && status < 500));
    int again = ask(data, size, 1 + size / 64 + data[size - 1] % 7);
    FUZZ_CHECK(again == status && told_len == len && memcmp(before, told, len) == 0);
    return 0;
}
