/* mw_body_limit.c: another limit of request bodies for what is inside. */
#include <weft/middleware.h>

int weft_mw_body_limit(weft_http *h, void *arg)
{
    const int64_t *bytes = arg;
    int rc = weft_set_max_body(h, *bytes);
    return rc < 0 ? rc : weft_next(h);
}
