/* mw_security.c: headers that make browsers stricter. */
#include <stdio.h>
#include <weft/middleware.h>

/* NULL gives the default; what is empty is not sent. */
static int set(weft_http *h, const char *name, const char *value, const char *by_default)
{
    const char *sent = value ? value : by_default;
    return *sent ? weft_set_header(h, name, sent) : 0;
}

int weft_mw_security(weft_http *h, void *arg)
{
    static const weft_security_opts defaults;
    const weft_security_opts *o = arg ? arg : &defaults;
    int rc = weft_set_header(h, "X-Content-Type-Options", "nosniff");
    if (rc == 0)
        rc = set(h, "X-Frame-Options", o->frame_options, "DENY");
    if (rc == 0)
        rc = set(h, "Referrer-Policy", o->referrer_policy, "strict-origin-when-cross-origin");
    if (rc == 0)
        rc = set(h, "Cross-Origin-Opener-Policy", o->opener_policy, "same-origin");
    if (rc == 0)
        rc = set(h, "Content-Security-Policy", o->content_security_policy, "");
    if (rc == 0)
        rc = set(h, "Permissions-Policy", o->permissions_policy, "");
    if (rc == 0 && o->hsts_seconds > 0)
        rc = weft_set_header_fmt(h, "Strict-Transport-Security", "max-age=%lld; includeSubDomains",
                                 (long long)o->hsts_seconds);
    return rc < 0 ? rc : weft_next(h);
}
