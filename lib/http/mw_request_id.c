/* mw_request_id.c: an id for each request, for logs on both sides. */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/random.h>
#include <weft/middleware.h>

enum { ID_MAX = 128 };

static const char key; /* its address is unique */

/* Where made ids begin, and where they are: a random start each process, counted from there. */
static _Atomic(uint64_t) prefix, counter;

/* A bijection that spreads neighbours: the finaliser of the SplitMix64 generator. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

/* The process's own part, made by who comes first; it is never 0. */
static uint64_t prefix_get(void)
{
    /* relaxed: the value is all that is passed on */
    uint64_t mine = atomic_load_explicit(&prefix, memory_order_relaxed), none = 0;
    if (mine)
        return mine;
    if (getrandom(&mine, sizeof mine, 0) != sizeof mine || mine == 0)
        mine = mix((uint64_t)weft_now()) | 1;
    if (!atomic_compare_exchange_strong_explicit(&prefix, &none, mine, memory_order_relaxed,
                                                 memory_order_relaxed))
        mine = none;
    return mine;
}

static bool is_id(weft_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char ch = text.ptr[i], lower = (char)(ch | 32);
        if (!(lower >= 'a' && lower <= 'z') && !(ch >= '0' && ch <= '9') &&
            !memchr("-._~+/=:@", ch, 9))
            return false;
    }
    return text.len > 0 && text.len <= ID_MAX;
}

weft_str weft_request_id(weft_http *h)
{
    const char *id = weft_value(h, &key);
    return weft_cstr(id);
}

int weft_mw_request_id(weft_http *h, void *arg)
{
    static const weft_request_id_opts defaults;
    const weft_request_id_opts *opts = arg ? arg : &defaults;
    const char *header = opts->header ? opts->header : "X-Request-Id";
    weft_str incoming = weft_header(h, header);
    bool is_taken = !opts->ignores_incoming && incoming.ptr && is_id(incoming);
    char *id = weft_alloc(h, ID_MAX + 1);
    if (!id)
        return -ENOMEM;
    if (is_taken) {
        snprintf(id, ID_MAX + 1, WEFT_FMT, WEFT_ARG(incoming));
    } else {
        uint64_t number = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
        uint64_t start = prefix_get();
        snprintf(id, ID_MAX + 1, "%016llx%016llx", (unsigned long long)start,
                 (unsigned long long)mix(start + number));
    }
    int rc = weft_set_value(h, &key, id);
    if (rc == 0)
        rc = weft_set_header(h, header, id);
    return rc < 0 ? rc : weft_next(h);
}
