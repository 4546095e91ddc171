#include <criterion/criterion.h>
#include <string.h>

#include "scratch.h"

Test(scratch, gives_the_one_used_last)
{
    void *a = scratch_take(), *b = scratch_take();
    cr_assert_not_null(a);
    cr_assert_neq(a, b);
    scratch_give(a);
    scratch_give(b);
    cr_assert_eq(scratch_take(), b);
    cr_assert_eq(scratch_take(), a);
    scratch_give(a);
    scratch_give(b);
    scratch_give(NULL);
}

Test(scratch, outlives_a_burst)
{
    enum { BURST = 3 * SCRATCH_KEPT };
    char *all[BURST];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < BURST; i++) {
            cr_assert_not_null(all[i] = scratch_take());
            memset(all[i], i, SCRATCH_BYTES);
        }
        for (int i = 0; i < BURST; i++) {
            cr_assert_eq(all[i][SCRATCH_BYTES - 1], (char)i, "each is its own");
            scratch_give(all[i]);
        }
    }
}
