/* forwarded.h: whom a request is really from, told by proxies that are trusted. */
#ifndef HTTP_FORWARDED_H
#define HTTP_FORWARDED_H

#include <stdbool.h>
#include <weft/http.h>

#include "cidr.h"

enum { TRUSTED_MAX = 64 };

/* The proxies that are believed. */
struct trusted {
    int count;
    struct cidr all[TRUSTED_MAX];
};

/* Reads a NULL-terminated list, which may be NULL. Returns 0; -EINVAL; -E2BIG. */
int trusted_parse(const char *const *list, struct trusted *ret);

static inline bool trusted_has(const struct trusted *trusted, const struct ip *ip)
{
    for (int i = 0; i < trusted->count; i++)
        if (cidr_has(&trusted->all[i], ip))
            return true;
    return false;
}

#endif
