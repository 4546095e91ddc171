/* weft/base.h: the few types that every other header of weft uses.
 *
 * Rules that hold everywhere: a call returns 0 or a count on success and a negative errno on
 * failure, and never makes the caller read errno; durations and points in time are int64_t
 * nanoseconds; text is a weft_str, which owns nothing and is not terminated. */
#ifndef WEFT_BASE_H
#define WEFT_BASE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_API __attribute__((visibility("default")))
#define WEFT_PRINTF(format_at, first_arg) __attribute__((format(printf, format_at, first_arg)))
#define WEFT_MUST_USE __attribute__((warn_unused_result))

#define WEFT_US INT64_C(1000)        /* a microsecond in nanoseconds */
#define WEFT_MS INT64_C(1000000)     /* a millisecond in nanoseconds */
#define WEFT_SEC INT64_C(1000000000) /* a second in nanoseconds */

#define WEFT_NO_DEADLINE INT64_MAX /* a point of weft_now() that does not come */

/* A slice of text: `len` bytes at `ptr`, not terminated, owned by somebody else. Absent text is
 * {NULL, 0}; present and empty text has a pointer. */
typedef struct weft_str {
    const char *ptr;
    size_t len;
} weft_str;

/* The slice of a string literal, usable in expressions and in initialisers. */
#ifdef __cplusplus
#define WEFT_STR(literal) (weft_str{"" literal, sizeof(literal) - 1})
#else
#define WEFT_STR(literal) ((weft_str){"" literal, sizeof(literal) - 1})
#endif

/* printf("name: " WEFT_FMT "\n", WEFT_ARG(name)) */
#define WEFT_FMT "%.*s"
#define WEFT_ARG(s) (int)(s).len, (s).ptr

/* The slice over a terminated string; NULL gives {NULL, 0}. */
static inline weft_str weft_cstr(const char *text)
{
    weft_str s;
    s.ptr = text;
    s.len = text ? strlen(text) : 0;
    return s;
}

/* Whether two slices hold the same bytes. */
static inline int weft_str_eq(weft_str a, weft_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* The monotonic clock, nanoseconds since an arbitrary start. Never parks; any thread. */
WEFT_API int64_t weft_now(void);

/* The version of these headers. */
#define WEFT_HEADER_VERSION "0.1.0"

/* The version of the library that is running, as "MAJOR.MINOR.PATCH"; a static string. */
WEFT_API const char *weft_version(void);

#ifdef __cplusplus
}
#endif
#endif
