#include <criterion/criterion.h>
#include <errno.h>

#include "weburl.h"

static struct arena arena;
static char first[4096];

static int parse(const char *text, struct weburl *ret)
{
    arena_init(&arena, first, sizeof first);
    return weburl_parse(weft_cstr(text), &arena, ret);
}

static int str_is(weft_str s, const char *text)
{
    return weft_str_eq(s, weft_cstr(text));
}

Test(weburl, reads_what_a_request_needs)
{
    static const struct {
        const char *url, *address, *authority, *target, *text;
    } cases[] = {
        {"http://a", "a:80", "a", "/", "http://a/"},
        {"HTTP://Example.ORG:80/A?b=C#frag", "example.org:80", "example.org", "/A?b=C",
         "http://example.org/A?b=C"},
        {"https://a:8443?x", "a:8443", "a:8443", "/?x", "https://a:8443/?x"},
        {"https://a/", "a:443", "a", "/", "https://a/"},
        {"http://[::1]:90/x", "[::1]:90", "[::1]:90", "/x", "http://[::1]:90/x"},
        {"http://a:/", "a:80", "a", "/", "http://a/"},
        {"http://a/%20/..", "a:80", "a", "/%20/..", "http://a/%20/.."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weburl u;
        cr_assert_eq(parse(cases[i].url, &u), 0, "%s", cases[i].url);
        cr_expect_str_eq(u.address, cases[i].address);
        cr_expect(str_is(u.authority, cases[i].authority), "%s", cases[i].url);
        cr_expect(str_is(u.target, cases[i].target), "%s", cases[i].url);
        cr_expect(str_is(u.text, cases[i].text), "%s", cases[i].url);
        arena_reset(&arena);
    }
}

Test(weburl, refuses_what_could_be_misread)
{
    static const char *const bad[] = {"",
                                      "a",
                                      "/a",
                                      "http:",
                                      "http:/a",
                                      "http://",
                                      "http:///a",
                                      "http://:80/",
                                      "http://a b/",
                                      "http://a/ b",
                                      "http://a\r\nX: y/",
                                      "http://a:0/",
                                      "http://a:65536/",
                                      "http://a:8x/",
                                      "http://a:-1/",
                                      "http://user:pw@a/",
                                      "http://[::1/",
                                      "http://[]/",
                                      "http://[x]/",
                                      "http://a\\@b/",
                                      "http://a/\x7f",
                                      "http://a/\xc3\xa4",
                                      "http://a:123456/",
                                      "http://a_\"/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct weburl u;
        cr_expect_eq(parse(bad[i], &u), -EINVAL, "%s", bad[i]);
    }
    struct weburl u;
    cr_expect_eq(parse("ftp://a/", &u), -EPROTONOSUPPORT);
    cr_expect_eq(parse("javascript:1", &u), -EPROTONOSUPPORT);
}

Test(weburl, references_resolve_as_RFC_3986_section_5_4_has_it)
{
    static const char *const cases[][2] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g/"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q"},
        {"g#s", "http://a/b/c/g"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"https://x:444/y", "https://x:444/y"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weburl base, u;
        cr_assert_eq(parse("http://a/b/c/d;p?q", &base), 0);
        cr_assert_eq(weburl_resolve(&base, weft_cstr(cases[i][0]), &arena, &u), 0);
        cr_expect(str_is(u.text, cases[i][1]), "%s gives " WEFT_FMT, cases[i][0], WEFT_ARG(u.text));
        arena_reset(&arena);
    }
}

Test(weburl, an_origin_is_scheme_host_and_port)
{
    struct weburl a, b;
    arena_init(&arena, first, sizeof first);
    cr_assert_eq(weburl_parse(WEFT_STR("http://A/x"), &arena, &a), 0);
    cr_assert_eq(weburl_parse(WEFT_STR("http://a:80/y"), &arena, &b), 0);
    cr_expect(weburl_same_origin(&a, &b));
    cr_assert_eq(weburl_parse(WEFT_STR("https://a:80/y"), &arena, &b), 0);
    cr_expect(!weburl_same_origin(&a, &b));
    cr_assert_eq(weburl_parse(WEFT_STR("http://a:81/y"), &arena, &b), 0);
    cr_expect(!weburl_same_origin(&a, &b));
    arena_reset(&arena);
}
