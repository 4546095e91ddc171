/* json_body.c: yyjson over the request's memory; the one file that knows yyjson. */
#include <errno.h>
#include <weft/json.h>

#include "exchange.h"
#include "params.h"
#include "token.h"

static void *alloc_in(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void *realloc_in(void *arena, void *old, size_t old_size, size_t size)
{
    if (size <= old_size)
        return old;
    void *larger = arena_alloc(arena, size);
    if (larger && old)
        memcpy(larger, old, old_size);
    return larger;
}

static void free_in(void *arena, void *old)
{
    (void)arena, (void)old; /* all at once, at the request's end */
}

yyjson_alc weft_json_alc(weft_http *h)
{
    return (yyjson_alc){alloc_in, realloc_in, free_in, &h->arena};
}

/* application/json, and types that are JSON by their suffix (RFC 6839 section 3.1). */
static bool is_json(weft_http *h)
{
    weft_str type;
    static const weft_str suffix = {"+json", 5};
    params_begin(weft_header(h, "content-type"), &type);
    if (token_eq(type, WEFT_STR("application/json")))
        return true;
    return type.len > suffix.len && memchr(type.ptr, '/', type.len) &&
           token_eq((weft_str){type.ptr + type.len - suffix.len, suffix.len}, suffix);
}

int weft_json_body(weft_http *h, yyjson_doc **ret_doc)
{
    weft_str body;
    if (!is_json(h)) {
        answer_fault(h, -EPROTO, 415);
        return -EPROTO;
    }
    int rc = weft_body_all(h, &body);
    if (rc < 0)
        return rc;
    yyjson_alc alc = weft_json_alc(h);
    yyjson_read_err err;
    /* In place: the body is the handler's, and has room for what the parser appends. */
    _Static_assert(BODY_PADDING >= YYJSON_PADDING_SIZE, "room behind a body");
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)body.ptr, body.len, YYJSON_READ_INSITU,
                                       &alc, &err);
    if (!doc) {
        if (err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
            return -ENOMEM;
        answer_fault(h, -EINVAL, 400);
        return -EINVAL;
    }
    *ret_doc = doc;
    return 0;
}

int weft_json_doc(weft_http *h, int status, const yyjson_mut_doc *doc)
{
    yyjson_alc alc = weft_json_alc(h);
    yyjson_write_err err;
    size_t len;
    char *text = yyjson_mut_write_opts(doc, YYJSON_WRITE_NOFLAG, &alc, &len, &err);
    if (!text)
        return err.code == YYJSON_WRITE_ERROR_MEMORY_ALLOCATION ? -ENOMEM : -EINVAL;
    return weft_bytes(h, status, "application/json", text, len);
}
