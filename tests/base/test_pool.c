/* test_pool.c: the records of lib/base/pool.c. */
#include <criterion/criterion.h>
#include <stdint.h>

#include "pool.h"

/* Of a size that is no multiple of anything. */
struct odd {
    char bytes[13];
};

Test(pool, aligns_every_record_to_eight_bytes)
{
    static struct pool pool = POOL_INIT(struct odd);
    for (int i = 0; i < 5000; i++) {
        char *record = pool_take(&pool);
        cr_assert_not_null(record);
        cr_assert_eq((uintptr_t)record % 8, 0, "record %d is at %p", i, (void *)record);
        memset(record, 1, sizeof(struct odd)); /* as large as it says */
    }
}

Test(pool, gives_a_record_that_was_given_back_again_as_it_was)
{
    static struct pool pool = POOL_INIT(struct odd);
    struct odd *record = pool_take(&pool);
    record->bytes[12] = 'x';
    pool_give(&pool, record);
    struct odd *again = pool_take(&pool);
    cr_assert_eq(again, record);
    cr_assert_eq(again->bytes[12], 'x');
}

static void count(void *record, void *arg)
{
    (void)record;
    ++*(int *)arg;
}

Test(pool, visits_each_record_taken_or_free_once)
{
    static struct pool pool = POOL_INIT(struct odd);
    int visited = 0;
    pool_give(&pool, pool_take(&pool));
    pool_each(&pool, count, &visited);
    cr_assert_geq(visited, 1);
    int free_and_taken = visited;
    cr_assert_not_null(pool_take(&pool));
    visited = 0;
    pool_each(&pool, count, &visited);
    cr_assert_eq(visited, free_and_taken);
}
