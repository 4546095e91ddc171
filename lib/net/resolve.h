/* resolve.h: the addresses of a host by name, without holding a processor.
 *
 * The system's resolver blocks, so it runs in a few coroutines of their own that give their
 * processor away meanwhile. Who asks for a name that is being looked up waits for that answer; who
 * has one that is fresh enough takes it. Numeric addresses and "localhost" never wait. */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "address.h"

enum { RESOLVE_MAX = 8, RESOLVE_HOST_MAX = 253 };

/* The addresses of `host` (no brackets) with `port` in network order, in the order in which they
 * should be tried, in ret[0] to ret[RESOLVE_MAX - 1]. Gives up waiting at `deadline`.
 *
 * Returns their count, at least 1; -ENOENT when there is no such host; -EAGAIN when the name
 * service does not answer for now; -EINVAL for what is no host's name; -ETIMEDOUT; -ECANCELED;
 * -ENOMEM; -EIO for any other failure of the resolver. In a coroutine; parks. */
WEFT_MUST_USE int resolve(weft_str host, in_port_t port, int64_t deadline, union address *ret);

/* What looks a name up: fills ret with at most `max` addresses, returns their count or an error of
 * resolve. Blocks its thread. A test puts its own in the system's place; NULL: the system's. */
typedef int resolve_fn(const char *host, union address *ret, int max);
void resolve_with(resolve_fn *fn);

#endif
