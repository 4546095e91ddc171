#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>

#include "jsonfmt.h"

static ssize_t format(char *buf, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    ssize_t n = jsonfmt(buf, size, fmt, args);
    va_end(args);
    return n;
}

#define EXPECT(text, ...)                                                                          \
    do {                                                                                           \
        char buf[256];                                                                             \
        ssize_t n = format(buf, sizeof buf, __VA_ARGS__);                                          \
        cr_assert_eq(n, (ssize_t)strlen(text), "%s: %zd", text, n);                                \
        cr_assert_eq(memcmp(buf, text, strlen(text)), 0, "%.*s", (int)n, buf);                     \
    } while (0)

Test(jsonfmt, formats_numbers_and_words)
{
    EXPECT("{\"a\":-1,\"b\":18446744073709551615}", "{\"a\":%d,\"b\":%llu}", -1, ~0ULL);
    EXPECT("[1.50,true,false,100%]", "[%.2f,%b,%b,100%%]", 1.5, 1, 0);
    EXPECT("7 8", "%zu %ld", (size_t)7, 8L);
    EXPECT("null", "%g", NAN);
}

Test(jsonfmt, quotes_and_escapes)
{
    EXPECT("\"a\\\"b\\\\c\\n\\u0001\"", "%J", WEFT_STR("a\"b\\c\n\x01"));
    EXPECT("null", "%J", ((weft_str){NULL, 0}));
    EXPECT("\"\"", "%J", WEFT_STR(""));
    EXPECT("\"J\xc3\xb6rg \xf0\x9f\x90\x99\"", "%J", WEFT_STR("J\xc3\xb6rg \xf0\x9f\x90\x99"));
}

Test(jsonfmt, replaces_what_is_not_utf8)
{
    EXPECT("\"a\xef\xbf\xbd"
           "b\"",
           "%J",
           WEFT_STR("a\xff"
                    "b"));
    EXPECT("\"\xef\xbf\xbd\xef\xbf\xbd\"", "%J", WEFT_STR("\xc0\x80"));
    EXPECT("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", "%J", WEFT_STR("\xed\xa0\x80"));
}

Test(jsonfmt, never_writes_past_its_room_and_tells_the_length)
{
    char buf[8] = "zzzzzzz";
    cr_assert_eq(format(buf, 3, "%J", WEFT_STR("abcdef")), 8);
    cr_assert_eq(memcmp(buf, "\"abzzzz", 7), 0);
}

Test(jsonfmt, refuses_unknown_conversions)
{
    char buf[8];
    cr_assert_eq(format(buf, sizeof buf, "%n"), -EINVAL);
    cr_assert_eq(format(buf, sizeof buf, "%"), -EINVAL);
}
