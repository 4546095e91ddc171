#include <criterion/criterion.h>

#include "slashes.h"

static const char *others(const char *path, bool duplicate, bool trailing)
{
    static char text[256];
    char buf[64];
    weft_str other;
    struct slashes_try try = {.duplicate = duplicate, .trailing = trailing};
    text[0] = '\0';
    while (slashes_next(&try, weft_cstr(path), buf, &other)) {
        strcat(text, *text ? " " : "");
        strncat(text, other.ptr, other.len);
    }
    return text;
}

Test(slashes, a_path_is_written_in_its_other_ways_only_as_allowed)
{
    cr_expect_str_eq(others("/a", true, true), "/a/");
    cr_expect_str_eq(others("/a/", true, true), "/a");
    cr_expect_str_eq(others("/a//b", true, true), "/a/b /a//b/ /a/b/");
    cr_expect_str_eq(others("//a///", true, false), "/a/");
    cr_expect_str_eq(others("/a/", true, false), "");
    cr_expect_str_eq(others("/a//b", false, true), "/a//b/");
    cr_expect_str_eq(others("/", true, true), "");
    cr_expect_str_eq(others("//", true, true), "/ /");
    cr_expect_str_eq(others("/a//b/", false, false), "");
}

Test(slashes, a_location_never_names_another_host)
{
    cr_expect(slashes_is_local(WEFT_STR("/")));
    cr_expect(slashes_is_local(WEFT_STR("/a//b")));
    cr_expect_not(slashes_is_local(WEFT_STR("//evil.example")));
    cr_expect_not(slashes_is_local(WEFT_STR("/\\evil.example")));
    cr_expect_not(slashes_is_local(WEFT_STR("")));
}
