/* fuzz_cookie.c: a Cookie header, and cookies set from its parts. What is set must be one line that
 * reads back as it was. */
#include "server.h"

static weft_app *app;
static char name[256], value[512];

static int play(weft_http *h, void *arg)
{
    (void)arg;
    weft_str got = weft_cookie(h, "a");
    FUZZ_CHECK(got.len <= 4096);
    FUZZ_PLANTED(got.len != 5);
    int rc = weft_set_cookie(h, &(weft_cookie_opts){.name = name, .value = value});
    FUZZ_CHECK(rc == 0 || rc == -22 || rc == -12);
    return weft_text(h, 200, rc == 0 ? "set" : "refused");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    app = weft_app_new();
    weft_get(app, "/", play, NULL);
    fuzz_start_runtime();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char raw[4096];
    const char *piece;
    if (size > 2000 || memchr(data, '\0', size) || memchr(data, '\r', size))
        return 0;
    size_t len = fuzz_piece(&data, &size, '\n', &piece);
    snprintf(name, sizeof name, "%.*s", (int)len, piece);
    len = fuzz_piece(&data, &size, '\n', &piece);
    snprintf(value, sizeof value, "%.*s", (int)len, piece);
    if (memchr(data, '\n', size))
        return 0;
    int n = snprintf(raw, sizeof raw, "GET / HTTP/1.1\r\nHost: x\r\nCookie: %.*s\r\n\r\n",
                     (int)size, (const char *)data);
    weft_test_opts opts = {.len = (size_t)n};
    weft_test_response r = weft_test_request_opts(app, raw, &opts);
    weft_str set = weft_test_header(&r, "Set-Cookie");
    if (r.status == 200 && weft_str_eq(r.body, WEFT_STR("set"))) {
        size_t name_len = strlen(name);
        FUZZ_CHECK(set.len > name_len && memcmp(set.ptr, name, name_len) == 0);
        FUZZ_CHECK(set.ptr[name_len] == '=');
        FUZZ_CHECK(!memchr(set.ptr, '\n', set.len) && !memchr(set.ptr, '\r', set.len));
    }
    weft_test_response_free(&r);
    return 0;
}
