/* hosts.h: routers by host.
 *
 * A host pattern is a name, "api.example.org", an address, "[::1]", or "*.example.org", any name
 * with at least one label more. For a request the exact name comes first, then the wildcards from
 * the longest on. Names are compared without regard to case and to a dot at the end. Built before
 * serving, immutable then. */
#ifndef HTTP_HOSTS_H
#define HTTP_HOSTS_H

#include <stdbool.h>
#include <weft/base.h>

#include "router.h"

enum { HOST_MAX = 255 }; /* bytes of a name (RFC 1035 section 2.3.4) */

struct hosts;

/* Where a walk over the routers of one request's host stands. */
struct host_walk {
    size_t at, len; /* the next key is name[at..len) */
    char name[HOST_MAX];
};

/* NULL when memory is out. */
struct hosts *hosts_new(void);
void hosts_free(struct hosts *hosts);

bool hosts_is_pattern(const char *pattern);

/* The router for a valid pattern, made when it is the first of its name; NULL when memory is out.
 * It belongs to `hosts`. */
struct router *hosts_add(struct hosts *hosts, const char *pattern);

/* Begins a walk for a request's host, which may have a port. Allocates nothing. */
void hosts_walk(struct host_walk *walk, weft_str host);

/* The next router that is for this host, the most specific first; NULL when there is none left. */
const struct router *hosts_next(const struct hosts *hosts, struct host_walk *walk);

#endif
