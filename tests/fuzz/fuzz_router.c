/* fuzz_router.c: patterns, then paths, a line each. What the router finds must fit by the obvious
 * way of fitting, and where nothing is found, nothing may fit. */
#include "fuzz.h"
#include "router.h"

enum { PATTERNS_MAX = 16, SEGMENTS_MAX = ROUTER_MAX_SEGMENTS };

/* Whether a path fits a pattern, both without percent signs, segment by segment. */
static bool fits(weft_str pattern, weft_str path)
{
    while (pattern.len && path.len) {
        FUZZ_CHECK(pattern.ptr[0] == '/');
        const char *end = memchr(pattern.ptr + 1, '/', pattern.len - 1);
        size_t part = end ? (size_t)(end - pattern.ptr) : pattern.len;
        const char *path_end = memchr(path.ptr + 1, '/', path.len - 1);
        size_t path_part = path_end ? (size_t)(path_end - path.ptr) : path.len;
        bool is_param = part > 2 && pattern.ptr[1] == '{';
        if (is_param && part > 5 && memcmp(pattern.ptr + part - 4, "...}", 4) == 0)
            return true;
        if (is_param ? path_part < 2
                     : part != path_part || memcmp(pattern.ptr, path.ptr, part) != 0)
            return false;
        pattern.ptr += part;
        pattern.len -= part;
        path.ptr += path_part;
        path.len -= path_part;
    }
    return pattern.len == 0 && path.len == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_str patterns[PATTERNS_MAX];
    size_t count = 0;
    struct router *router = router_new();
    if (!router || size > 2048) {
        router_free(router);
        return 0;
    }
    while (size && count < PATTERNS_MAX) {
        const char *line;
        char err[512];
        size_t len = fuzz_piece(&data, &size, '\n', &line);
        if (len == 0)
            break; /* an empty line: paths follow */
        weft_str pattern = {line, len};
        if (memchr(line, '%', len) || memchr(line, '\0', len))
            continue;
        if (router_add(router, WEFT_STR("GET"), pattern, &patterns[count], err, sizeof err) == 0)
            patterns[count++] = pattern;
    }
    while (size) {
        struct router_match match;
        const char *line;
        size_t len = fuzz_piece(&data, &size, '\n', &line);
        weft_str path = {line, len};
        if (len == 0 || line[0] != '/' || memchr(line, '%', len))
            continue;
        enum router_result found = router_find(router, WEFT_STR("GET"), path, &match);
        if (found == ROUTER_FOUND)
            FUZZ_CHECK(fits(*(weft_str *)match.target, path));
        for (size_t i = 0; found == ROUTER_NO_PATH && i < count; i++)
            FUZZ_CHECK(!fits(patterns[i], path));
        FUZZ_PLANTED(found != ROUTER_FOUND || match.n_params < 2);
    }
    router_free(router);
    return 0;
}
