/* mw_cors.c: cross-origin resource sharing, as the Fetch standard has it (section 3.2). */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <weft/middleware.h>

#include "token.h"

enum { MAX_AGE_S = 600 };

/* Whether a pattern of an origin fits, perhaps one with a star before its host. The star is for
 * labels only, so that it cannot reach over a port or a path. */
static bool origin_fits(weft_str pattern, weft_str origin)
{
    const char *star = memchr(pattern.ptr, '*', pattern.len);
    if (!star)
        return weft_str_eq(pattern, origin);
    size_t before = (size_t)(star - pattern.ptr), after = pattern.len - before - 1;
    if (origin.len <= before + after || memcmp(origin.ptr, pattern.ptr, before) != 0 ||
        memcmp(origin.ptr + origin.len - after, star + 1, after) != 0)
        return false;
    for (size_t i = before; i < origin.len - after; i++) {
        char ch = origin.ptr[i], lower = (char)(ch | 32);
        if (!(lower >= 'a' && lower <= 'z') && !(ch >= '0' && ch <= '9') && ch != '-' && ch != '.')
            return false;
    }
    return true;
}

static bool is_any(const weft_cors_opts *opts)
{
    return !opts->origins || strcmp(opts->origins, "*") == 0;
}

static bool is_allowed(const weft_cors_opts *opts, weft_str origin)
{
    weft_str rest = weft_cstr(opts->origins), pattern;
    if (is_any(opts))
        return !opts->credentials;
    while (token_list_next(&rest, &pattern))
        if (!weft_str_eq(pattern, WEFT_STR("*")) && origin_fits(pattern, origin))
            return true;
    return false;
}

static void warn_of_credentials(void)
{
    static _Atomic(bool) is_said;
    if (!atomic_exchange_explicit(&is_said, true, memory_order_relaxed))
        fprintf(stderr, "weft: CORS with credentials needs a list of origins; with any, it lets "
                        "nobody in\n");
}

/* The headers that both answers have. */
static int set_allowed(weft_http *h, const weft_cors_opts *opts, weft_str origin)
{
    int rc = is_any(opts) ? weft_set_header(h, "Access-Control-Allow-Origin", "*")
                          : weft_set_header_fmt(h, "Access-Control-Allow-Origin", WEFT_FMT,
                                                WEFT_ARG(origin));
    if (rc == 0 && opts->credentials)
        rc = weft_set_header(h, "Access-Control-Allow-Credentials", "true");
    return rc;
}

static int answer_preflight(weft_http *h, const weft_cors_opts *opts, weft_str origin)
{
    weft_str asked = weft_header(h, "Access-Control-Request-Headers");
    int rc = weft_add_header(h, "Vary",
                             "Access-Control-Request-Method, Access-Control-Request-Headers");
    if (rc < 0 || !is_allowed(opts, origin))
        return rc < 0 ? rc : 403;
    rc = set_allowed(h, opts, origin);
    if (rc == 0)
        rc = weft_set_header(h, "Access-Control-Allow-Methods",
                             opts->methods ? opts->methods : "GET, HEAD, POST, PUT, PATCH, DELETE");
    if (rc == 0 && opts->headers)
        rc = weft_set_header(h, "Access-Control-Allow-Headers", opts->headers);
    else if (rc == 0 && asked.len)
        rc = weft_set_header_fmt(h, "Access-Control-Allow-Headers", WEFT_FMT, WEFT_ARG(asked));
    if (rc == 0)
        rc = weft_set_header_fmt(h, "Access-Control-Max-Age", "%d",
                                 opts->max_age ? opts->max_age : MAX_AGE_S);
    return rc < 0 ? rc : weft_status(h, 204);
}

int weft_mw_cors(weft_http *h, void *arg)
{
    static const weft_cors_opts defaults;
    const weft_cors_opts *opts = arg ? arg : &defaults;
    weft_str origin = weft_header(h, "Origin");
    int rc = 0;
    if (is_any(opts) && opts->credentials)
        warn_of_credentials();
    if (!is_any(opts)) /* also without Origin: a cache must not give that answer to a script */
        rc = weft_add_header(h, "Vary", "Origin");
    if (rc < 0)
        return rc;
    if (!origin.ptr)
        return weft_next(h);
    if (weft_str_eq(weft_method(h), WEFT_STR("OPTIONS")) &&
        weft_header(h, "Access-Control-Request-Method").ptr)
        return answer_preflight(h, opts, origin);
    if (is_allowed(opts, origin)) {
        rc = set_allowed(h, opts, origin);
        if (rc == 0 && opts->exposed)
            rc = weft_set_header(h, "Access-Control-Expose-Headers", opts->exposed);
    }
    return rc < 0 ? rc : weft_next(h);
}
