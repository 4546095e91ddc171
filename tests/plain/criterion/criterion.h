/* criterion.h: the part of Criterion's face that our tests use, for builds in which Criterion
 * itself does not run: its arena takes addresses that the thread sanitizer has for itself. Each
 * test runs in a process of its own; the closing line is Criterion's. */
#ifndef TESTS_PLAIN_CRITERION_H
#define TESTS_PLAIN_CRITERION_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct plain_test {
    const char *suite, *name;
    void (*run)(void);
    double timeout; /* seconds; 0 for the default */
    struct plain_test *next;
};

static struct plain_test *plain_tests;
static bool plain_failed;

#define Test(suite_, name_, ...)                                                                   \
    static void suite_##_##name_##_run(void);                                                      \
    static struct plain_test suite_##_##name_##_test = {                                           \
        .suite = #suite_, .name = #name_, .run = suite_##_##name_##_run, ##__VA_ARGS__};           \
    __attribute__((constructor)) static void suite_##_##name_##_add(void)                          \
    {                                                                                              \
        suite_##_##name_##_test.next = plain_tests;                                                \
        plain_tests = &suite_##_##name_##_test;                                                    \
    }                                                                                              \
    static void suite_##_##name_##_run(void)

#define PLAIN_CHECK(ends, claim, text)                                                             \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            fprintf(stderr, "%s:%d: this should hold: %s\n", __FILE__, __LINE__, text);            \
            plain_failed = true;                                                                   \
            if (ends)                                                                              \
                _exit(1);                                                                          \
        }                                                                                          \
    } while (0)

#define cr_assert(c, ...) PLAIN_CHECK(1, (c), #c)
#define cr_assert_not(c, ...) PLAIN_CHECK(1, !(c), "not " #c)
#define cr_assert_null(p, ...) PLAIN_CHECK(1, (p) == NULL, #p " is NULL")
#define cr_assert_not_null(p, ...) PLAIN_CHECK(1, (p) != NULL, #p " is not NULL")
#define cr_assert_eq(a, b, ...) PLAIN_CHECK(1, (a) == (b), #a " == " #b)
#define cr_assert_neq(a, b, ...) PLAIN_CHECK(1, (a) != (b), #a " != " #b)
#define cr_assert_lt(a, b, ...) PLAIN_CHECK(1, (a) < (b), #a " < " #b)
#define cr_assert_leq(a, b, ...) PLAIN_CHECK(1, (a) <= (b), #a " <= " #b)
#define cr_assert_gt(a, b, ...) PLAIN_CHECK(1, (a) > (b), #a " > " #b)
#define cr_assert_geq(a, b, ...) PLAIN_CHECK(1, (a) >= (b), #a " >= " #b)
#define cr_assert_str_eq(a, b, ...) PLAIN_CHECK(1, strcmp(a, b) == 0, #a " equals " #b)
#define cr_assert_str_neq(a, b, ...) PLAIN_CHECK(1, strcmp(a, b) != 0, #a " differs from " #b)
#define cr_expect(c, ...) PLAIN_CHECK(0, (c), #c)
#define cr_expect_not(c, ...) PLAIN_CHECK(0, !(c), "not " #c)
#define cr_expect_null(p, ...) PLAIN_CHECK(0, (p) == NULL, #p " is NULL")
#define cr_expect_not_null(p, ...) PLAIN_CHECK(0, (p) != NULL, #p " is not NULL")
#define cr_expect_eq(a, b, ...) PLAIN_CHECK(0, (a) == (b), #a " == " #b)
#define cr_expect_neq(a, b, ...) PLAIN_CHECK(0, (a) != (b), #a " != " #b)
#define cr_expect_lt(a, b, ...) PLAIN_CHECK(0, (a) < (b), #a " < " #b)
#define cr_expect_leq(a, b, ...) PLAIN_CHECK(0, (a) <= (b), #a " <= " #b)
#define cr_expect_gt(a, b, ...) PLAIN_CHECK(0, (a) > (b), #a " > " #b)
#define cr_expect_geq(a, b, ...) PLAIN_CHECK(0, (a) >= (b), #a " >= " #b)
#define cr_expect_str_eq(a, b, ...) PLAIN_CHECK(0, strcmp(a, b) == 0, #a " equals " #b)
#define cr_expect_str_neq(a, b, ...) PLAIN_CHECK(0, strcmp(a, b) != 0, #a " differs from " #b)

int main(void)
{
    int passed = 0, failed = 0, crashed = 0;
    for (struct plain_test *t = plain_tests; t; t = t->next) {
        int status;
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            alarm(t->timeout > 0 ? (unsigned)t->timeout : 60);
            t->run();
            exit(plain_failed);
        }
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            passed++;
            continue;
        }
        fprintf(stderr, "[FAIL] %s::%s\n", t->suite, t->name);
        failed += WIFEXITED(status);
        crashed += !WIFEXITED(status);
    }
    fprintf(stderr, "[====] Synthesis: Tested: %d | Passing: %d | Failing: %d | Crashing: %d\n",
            passed + failed + crashed, passed, failed, crashed);
    return failed + crashed != 0;
}

#endif
