/* at_sizes.h: runs a test's body in a runtime of 1, 2 and 8 processors; one that leaks fails. */
#ifndef TESTS_AT_SIZES_H
#define TESTS_AT_SIZES_H

#include <criterion/criterion.h>
#include <weft/weft.h>

static inline void at_all_sizes(int (*fn)(void *), void *arg)
{
    static const int sizes[] = {1, 2, 8};
    for (int i = 0; i < 3; i++) {
        weft_run_opts opts = {.procs = sizes[i], .leaks = WEFT_LEAKS_FAIL};
        int rc = weft_run_with(&opts, fn, arg);
        cr_assert_eq(rc, 0, "with %d processors: %d", sizes[i], rc);
    }
}

#endif
