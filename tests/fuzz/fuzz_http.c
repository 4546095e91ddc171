/* fuzz_http.c: a stream of requests against the whole server, and against a reader of requests that
 * is slow and obvious (reference.h). What the server has taken for a request must be the one that
 * the reference reads there: same method, target and body, one after the other. The server may
 * refuse more; it must never see what the reference does not. The same bytes in pieces must mean
 * the same. */
#include "reference.h"
#include "server.h"

enum { SEEN_MAX = 64, PIECES = 3 };

static struct seen {
    struct reference_request requests[SEEN_MAX];
    size_t count;
} seen;

static weft_app *app;

static uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * 16777619U;
    return hash;
}

static int take(weft_http *h, void *arg)
{
    char buf[512];
    ssize_t n;
    struct reference_request r = {.body_hash = 2166136261U};
    (void)arg;
    while ((n = weft_body_read(h, buf, sizeof buf)) > 0) {
        r.body_hash = hash_bytes(r.body_hash, buf, (size_t)n);
        r.body_len += (size_t)n;
    }
    if (n < 0)
        return (int)n;
    weft_str method = weft_method(h), target = weft_target(h);
    r.head_hash = hash_bytes(2166136261U, method.ptr, method.len);
    r.head_hash = hash_bytes(r.head_hash, " ", 1);
    r.head_hash = hash_bytes(r.head_hash, target.ptr, target.len);
    if (seen.count < SEEN_MAX)
        seen.requests[seen.count++] = r;
    return weft_text(h, 200, "taken");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    if (!freopen("/dev/null", "w", stdout))
        return -1;
    app = weft_app_new();
    weft_any(app, "/{rest...}", take, NULL);
    fuzz_start_runtime();
    return 0;
}

static size_t ask(const uint8_t *data, size_t size, size_t piece)
{
    static const weft_serve_opts serve = {.max_body = 1 << 16, .quiet = 1};
    weft_test_opts opts = {.len = size, .piece = piece, .serve = &serve, .timeout = 2 * WEFT_SEC};
    seen.count = 0;
    weft_test_response r = weft_test_request_opts(app, (const char *)data, &opts);
    weft_test_response_free(&r);
    return seen.count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct seen whole;
    size_t at = 0;
    if (size == 0 || size > 4096)
        return 0;
    ask(data, size, 0);
    whole = seen;
    for (size_t i = 0; i < whole.count; i++) {
        struct reference_request r;
        FUZZ_CHECK(reference_next(data, size, &at, &r));
        r.head_hash = hash_bytes(2166136261U, r.method, r.method_len);
        r.head_hash = hash_bytes(r.head_hash, " ", 1);
        r.head_hash = hash_bytes(r.head_hash, r.target, r.target_len);
        FUZZ_CHECK(r.head_hash == whole.requests[i].head_hash);
        FUZZ_CHECK(r.body_len == whole.requests[i].body_len);
        FUZZ_CHECK(hash_bytes(2166136261U, r.body, r.body_len) == whole.requests[i].body_hash);
        free(r.body);
    }
    FUZZ_PLANTED(whole.count < 2 || whole.requests[1].body_len == 0);
    size_t piece = 1 + size / 64 + data[size - 1] % PIECES;
    FUZZ_CHECK(ask(data, size, piece) == whole.count);
    FUZZ_CHECK(memcmp(seen.requests, whole.requests, whole.count * sizeof seen.requests[0]) == 0);
    return 0;
}
