#include <time.h>
#include <weft/base.h>

#ifndef WEFT_VERSION
#define WEFT_VERSION "0.1.0"
#endif

int64_t weft_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * WEFT_SEC + t.tv_nsec;
}

const char *weft_version(void)
{
    return WEFT_VERSION;
}
