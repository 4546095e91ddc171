#include <criterion/criterion.h>
#include <errno.h>

#include "url.h"

static void decodes(const char *from, bool plus, const char *to)
{
    char buf[64];
    ssize_t n = url_decode(buf, weft_cstr(from), plus);
    cr_assert_eq(n, (ssize_t)strlen(to), "%s", from);
    cr_assert_eq(memcmp(buf, to, strlen(to)), 0, "%s", from);
}

Test(url, decodes_escapes_once)
{
    decodes("", false, "");
    decodes("abc", false, "abc");
    decodes("a%20b", false, "a b");
    decodes("%2e%2E%2f", false, "../");
    decodes("%2541", false, "%41");
    decodes("a+b", false, "a+b");
    decodes("a+b%2b", true, "a b+");
}

Test(url, refuses_broken_escapes_and_nul)
{
    static const char *const bad[] = {"%", "%2", "a%", "%zz", "%2g", "%00", "a%0"};
    char buf[16];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(url_decode(buf, weft_cstr(bad[i]), false), -EINVAL, "%s", bad[i]);
}

Test(url, takes_a_query_apart)
{
    weft_str rest = WEFT_STR("a=1&&b&c=&=d&e=f=g"), name, value;
    static const char *const pairs[][2] = {
        {"a", "1"}, {"b", ""}, {"c", ""}, {"", "d"}, {"e", "f=g"}};
    for (size_t i = 0; i < 5; i++) {
        cr_assert(url_query_next(&rest, &name, &value));
        cr_assert(weft_str_eq(name, weft_cstr(pairs[i][0])));
        cr_assert(weft_str_eq(value, weft_cstr(pairs[i][1])));
        cr_assert_not_null(value.ptr);
    }
    cr_assert_not(url_query_next(&rest, &name, &value));
}
