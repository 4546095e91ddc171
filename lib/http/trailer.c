#include "trailer.h"

#include <errno.h>
#include <strings.h>
#include <weft/stream.h>

#include "exchange.h"
#include "token.h"

enum { BYTES_MAX = 4096, COUNT_MAX = 32 };

struct trailer {
    uint16_t name_at, name_len, value_at, value_len;
};

/* The parser gives pieces, from a buffer that is overwritten: they are gathered here. */
struct trailers {
    unsigned count;
    unsigned len;
    bool is_in_value; /* the next piece of a name begins a new trailer */
    struct trailer all[COUNT_MAX];
    char bytes[BYTES_MAX];
};

static struct trailers *made(struct trailers **trailers, struct arena *arena)
{
    if (!*trailers) {
        *trailers = arena_alloc(arena, sizeof **trailers);
        if (*trailers)
            (*trailers)->count = (*trailers)->len = (*trailers)->is_in_value = 0;
    }
    return *trailers;
}

int trailers_add_name(struct trailers **trailers, struct arena *arena, const char *at, size_t len)
{
    struct trailers *t = made(trailers, arena);
    if (!t)
        return -ENOMEM;
    bool is_new = t->count == 0 || t->is_in_value;
    if (len > BYTES_MAX - t->len || (is_new && t->count == COUNT_MAX))
        return -E2BIG;
    if (is_new)
        t->all[t->count++] = (struct trailer){.name_at = (uint16_t)t->len};
    t->is_in_value = false;
    memcpy(t->bytes + t->len, at, len);
    t->len += (unsigned)len;
    t->all[t->count - 1].name_len = (uint16_t)(t->all[t->count - 1].name_len + len);
    return 0;
}

int trailers_add_value(struct trailers **trailers, struct arena *arena, const char *at, size_t len)
{
    struct trailers *t = made(trailers, arena);
    if (!t)
        return -ENOMEM;
    if (len > BYTES_MAX - t->len || t->count == 0)
        return -E2BIG;
    struct trailer *last = &t->all[t->count - 1];
    if (!t->is_in_value)
        last->value_at = (uint16_t)t->len;
    t->is_in_value = true;
    memcpy(t->bytes + t->len, at, len);
    t->len += (unsigned)len;
    last->value_len = (uint16_t)(last->value_len + len);
    return 0;
}

weft_str weft_trailer(weft_http *h, const char *name)
{
    const struct trailers *t = h->trailers;
    weft_str wanted = weft_cstr(name);
    for (unsigned i = 0; t && h->is_body_done && i < t->count; i++) {
        const struct trailer *one = &t->all[i];
        if (token_eq((weft_str){t->bytes + one->name_at, one->name_len}, wanted))
            return token_trim((weft_str){t->bytes + one->value_at, one->value_len});
    }
    return (weft_str){NULL, 0};
}

/* What tells how to frame, route, control, authenticate or read a message cannot come after it (RFC
 * 9110 section 6.5.1). */
static bool is_for_heads_only(const char *name)
{
    static const char *const names[] = {
        "age",
        "authorization",
        "cache-control",
        "content-encoding",
        "content-range",
        "content-type",
        "expires",
        "host",
        "location",
        "max-forwards",
        "proxy-connection",
        "retry-after",
        "set-cookie",
        "te",
        "trailer",
        "upgrade",
        "vary",
        "www-authenticate",
        "connection",
        "keep-alive",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

int weft_add_trailer(weft_http *h, const char *name, const char *value)
{
    struct answer_header *field;
    if (h->answer == ANSWER_SENT || h->answer == ANSWER_HELD)
        return -EALREADY;
    if (is_for_heads_only(name))
        return -EINVAL;
    int rc = answer_field(h, name, weft_cstr(value), &field);
    if (rc < 0)
        return rc;
    *h->last_trailer = field;
    h->last_trailer = &field->next;
    return 0;
}

void trailers_put(weft_http *h)
{
    wire_put(h, "0\r\n", 3);
    for (struct answer_header *a = h->answer_trailers; a; a = a->next)
        wire_put(h, a->line, a->len);
    wire_put(h, "\r\n", 2);
}
