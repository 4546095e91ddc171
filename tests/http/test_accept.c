#include <criterion/criterion.h>

#include "accept.h"

Test(accept, weights_are_of_the_coding_named_then_of_the_star)
{
    cr_expect_eq(accept_weight(WEFT_STR("gzip"), WEFT_STR("gzip")), 1000);
    cr_expect_eq(accept_weight(WEFT_STR("br, GZIP ; Q=0.5"), WEFT_STR("gzip")), 500);
    cr_expect_eq(accept_weight(WEFT_STR("*;q=0.123, gzip;q=0"), WEFT_STR("gzip")), 0);
    cr_expect_eq(accept_weight(WEFT_STR("*;q=0.123, gzip;q=0"), WEFT_STR("br")), 123);
    cr_expect_eq(accept_weight(WEFT_STR("x-gzip;a=b;q=1.000"), WEFT_STR("gzip")), 1000);
    cr_expect_eq(accept_weight(WEFT_STR("gzipped"), WEFT_STR("gzip")), ACCEPT_ABSENT);
    cr_expect_eq(accept_weight(WEFT_STR(""), WEFT_STR("gzip")), ACCEPT_ABSENT);
}

Test(accept, a_malformed_weight_is_a_refusal)
{
    static const char *const bad[] = {"gzip;q=",   "gzip;q=2",   "gzip;q=1.5", "gzip;q=0.1234",
                                      "gzip;q=.5", "gzip;q=0,5", "gzip;q=a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_eq(accept_weight(weft_cstr(bad[i]), WEFT_STR("gzip")), 0, "%s", bad[i]);
}

Test(accept, the_best_coding_wins_and_ours_decides_between_equals)
{
    static const struct {
        const char *list, *chosen;
        bool must;
    } cases[] = {
        {"gzip, deflate, br, zstd", "zstd", false},
        {"gzip, br", "br", false},
        {"gzip;q=1, br;q=0.9", "gzip", false},
        {"*", "zstd", false},
        {"*;q=0.1, zstd;q=0", "br", false},
        {"identity", "", false},
        {"identity;q=1, gzip;q=0.5", "", false},
        {"identity;q=0.5, gzip;q=0.5", "gzip", false},
        {"gzip, identity;q=0", "gzip", true},
        {"gzip, *;q=0", "gzip", true},
        {"deflate", "", false},
        {"gzip;q=0", "", false},
        {"", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool must;
        weft_str got = accept_coding(weft_cstr(cases[i].list), "zstd, br, gzip", &must);
        cr_expect(weft_str_eq(got, weft_cstr(cases[i].chosen)), "%s: " WEFT_FMT, cases[i].list,
                  WEFT_ARG(got));
        cr_expect_eq(must, cases[i].must, "%s", cases[i].list);
    }
}
