/* slashes.h: the other ways to write a path that differ from it in slashes only. */
#ifndef HTTP_SLASHES_H
#define HTTP_SLASHES_H

#include <stdbool.h>
#include <weft/base.h>

/* What may be changed, and what has been in the last path given. */
struct slashes_try {
    bool duplicate, trailing; /* may be changed */
    bool merged, toggled;     /* have been */
    int step;
};

/* The next other way to write `path`, into `buf` of path.len + 1 bytes: with duplicate slashes
 * merged, with a slash more or less at the end, with both. Returns false after the last. */
bool slashes_next(struct slashes_try *try, weft_str path, char *buf, weft_str *ret_other);

/* Whether a path can be a Location and stay on this host: "//x", and "/\\x" to browsers, name
 * another one. */
bool slashes_is_local(weft_str path);

#endif
