/* router.h: patterns of paths, and which of them fits a path best.
 *
 * A pattern is a path whose segments are text, `{name}` (one segment, not empty) or, last,
 * `{name...}` (the rest, which may be empty). Segment by segment from the left text beats {name},
 * and that beats {rest...}; with backtracking, so that the best pattern that fits as a whole wins.
 * Where paths are equal, a pattern with the method named beats one for any.
 * A path is taken as it was sent: cut at its slashes first and decoded segment by segment then, so
 * that an encoded slash stays inside of its segment. Patterns are written decoded.
 * Built before serving, immutable then: any number of threads may look up. */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include <weft/base.h>

enum { ROUTER_MAX_PARAMS = 16, ROUTER_MAX_SEGMENTS = 64 };

struct router;

struct router_param {
    weft_str name;
    weft_str value; /* a slice of the path, still percent-encoded */
};

struct router_match {
    void *target;
    int n_params;
    struct router_param params[ROUTER_MAX_PARAMS];
};

enum router_result { ROUTER_FOUND, ROUTER_NO_PATH, ROUTER_NO_METHOD };

/* NULL when memory is out. */
struct router *router_new(void);
void router_free(struct router *r);

/* Adds a pattern for a method (empty: any; a pattern with the method named goes first). Both are
 * copied. Returns 0; -EINVAL or -EEXIST with what is wrong in `err`; -ENOMEM. */
int router_add(struct router *r, weft_str method, weft_str pattern, void *target, char *err,
               size_t err_size);

/* Finds the target for a request; HEAD falls back to GET. With ROUTER_NO_METHOD the target is that
 * of the most specific pattern for the path. Allocates nothing. */
enum router_result router_find(const struct router *r, weft_str method, weft_str path,
                               struct router_match *ret_match);

/* Adds the methods that the path has to a list as Allow has it, "GET, HEAD, POST", those it lacks.
 * `buf` is terminated, and stays so; what does not fit is left out. Allocates nothing. */
void router_allow(const struct router *r, weft_str path, char *buf, size_t size);

/* Adds one method to such a list, if it is not there. */
void allow_add(char *buf, size_t size, const char *method);

#endif
