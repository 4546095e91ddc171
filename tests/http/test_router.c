#include <criterion/criterion.h>
#include <errno.h>

#include "router.h"

static struct router *with(const char *const patterns[])
{
    char err[256];
    struct router *r = router_new();
    for (int i = 0; patterns[i]; i++)
        cr_assert_eq(router_add(r, WEFT_STR("GET"), weft_cstr(patterns[i]),
                                (void *)(uintptr_t)patterns[i], err, sizeof err),
                     0, "%s", patterns[i]);
    return r;
}

static const char *find(struct router *r, const char *path, struct router_match *m)
{
    return router_find(r, WEFT_STR("GET"), weft_cstr(path), m) == ROUTER_FOUND ? m->target : "none";
}

Test(router, the_most_specific_pattern_wins_whatever_the_order)
{
    static const char *const patterns[] = {"/{rest...}",        "/users/{id}", "/users/me", "/",
                                           "/users/{id}/posts", "/users/",     "/a/{x...}", NULL};
    struct router *r = with(patterns);
    struct router_match m;
    cr_assert_str_eq(find(r, "/", &m), "/");
    cr_assert_str_eq(find(r, "/users/me", &m), "/users/me");
    cr_assert_str_eq(find(r, "/users/7", &m), "/users/{id}");
    cr_assert_str_eq(find(r, "/users/", &m), "/users/");
    cr_assert_str_eq(find(r, "/users/me/posts", &m), "/users/{id}/posts");
    cr_assert(weft_str_eq(m.params[0].value, WEFT_STR("me")));
    cr_assert_str_eq(find(r, "/users/7/x", &m), "/{rest...}");
    cr_assert(weft_str_eq(m.params[0].value, WEFT_STR("users/7/x")));
    cr_assert_str_eq(find(r, "/a/", &m), "/a/{x...}");
    cr_assert_eq(m.params[0].value.len, 0);
    cr_assert_str_eq(find(r, "/a", &m), "/{rest...}");
    router_free(r);
}

Test(router, segments_are_compared_decoded)
{
    static const char *const patterns[] = {"/caf\xc3\xa9", "/a b/{x}", NULL};
    struct router *r = with(patterns);
    struct router_match m;
    cr_assert_str_eq(find(r, "/caf%C3%A9", &m), "/caf\xc3\xa9");
    cr_assert_str_eq(find(r, "/a%20b/c%2Fd", &m), "/a b/{x}");
    cr_assert(weft_str_eq(m.params[0].value, WEFT_STR("c%2Fd")));
    cr_assert_str_eq(find(r, "/a%2", &m), "none");
    router_free(r);
}

static int add(struct router *r, const char *method, const char *pattern, char *err)
{
    return router_add(r, weft_cstr(method), weft_cstr(pattern), r, err, 256);
}

Test(router, conflicts_are_refused_with_both_patterns_named)
{
    char err[256] = "";
    struct router *r = router_new();
    cr_assert_eq(add(r, "GET", "/posts/{id}", err), 0);
    cr_assert_eq(add(r, "GET", "/posts/{name}", err), -EEXIST);
    cr_assert_eq(add(r, "GET", "/{what}/latest", err), -EEXIST);
    cr_assert(strstr(err, "/posts/{id}") && strstr(err, "/{what}/latest"), "%s", err);
    cr_assert_eq(add(r, "POST", "/{what}/latest", err), 0, "another method is no conflict");
    cr_assert_eq(add(r, "GET", "/{what}/{id}", err), 0, "wider is no conflict");
    router_free(r);
}

Test(router, broken_patterns_are_refused)
{
    static const char *const bad[] = {"",          "x",        "/{",     "/{}", "/a{b}",
                                      "/{a...}/b", "/{a}/{a}", "/{...}", "/}",  "/a%20b"};
    struct router *r = router_new();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char err[256] = "";
        cr_assert_eq(add(r, "GET", bad[i], err), -EINVAL, "%s", bad[i]);
        cr_assert_neq(err[0], 0);
    }
    router_free(r);
}

Test(router, methods_fall_back_and_are_listed)
{
    char err[256], allow[128] = "";
    struct router_match m;
    struct router *r = router_new();
    cr_assert_eq(add(r, "GET", "/a", err), 0);
    cr_assert_eq(add(r, "POST", "/a", err), 0);
    cr_assert_eq(add(r, "", "/any", err), 0);
    cr_assert_eq(router_find(r, WEFT_STR("HEAD"), WEFT_STR("/a"), &m), ROUTER_FOUND);
    cr_assert_eq(router_find(r, WEFT_STR("PUT"), WEFT_STR("/a"), &m), ROUTER_NO_METHOD);
    cr_assert_eq(router_find(r, WEFT_STR("PUT"), WEFT_STR("/b"), &m), ROUTER_NO_PATH);
    cr_assert_eq(router_find(r, WEFT_STR("BREW"), WEFT_STR("/any"), &m), ROUTER_FOUND);
    router_allow(r, WEFT_STR("/a"), allow, sizeof allow);
    cr_assert_str_eq(allow, "GET, HEAD, POST");
    router_free(r);
}

Test(router, an_encoded_slash_stays_inside_of_its_segment)
{
    static const char *const patterns[] = {"/a/{x}", "/a/b/c", "/r/{rest...}", NULL};
    struct router *r = with(patterns);
    struct router_match m;
    cr_assert_str_eq(find(r, "/a/b%2Fc", &m), "/a/{x}");
    cr_assert(weft_str_eq(m.params[0].value, WEFT_STR("b%2Fc")));
    cr_assert_str_eq(find(r, "/a%2Fb/c", &m), "none");
    cr_assert_str_eq(find(r, "/r/b%2fc/d", &m), "/r/{rest...}");
    cr_assert_eq(m.n_params, 1);
    cr_assert_str_eq(find(r, "/a/%252F", &m), "/a/{x}");
    cr_assert(weft_str_eq(m.params[0].value, WEFT_STR("%252F")), "decoded once, later");
    router_free(r);
}

Test(router, methods_that_overlap_conflict_when_only_paths_could_decide)
{
    char err[256] = "";
    struct router *r = router_new();
    cr_assert_eq(add(r, "GET", "/a/{x}", err), 0);
    cr_assert_eq(add(r, "", "/{y}/b", err), -EEXIST);
    cr_assert_eq(add(r, "HEAD", "/{y}/b", err), -EEXIST, "HEAD is answered by GET");
    cr_assert_eq(add(r, "", "/a/{z}", err), 0, "the method decides");
    cr_assert_eq(add(r, "HEAD", "/a/{z}", err), 0, "the method decides");
    cr_assert_eq(add(r, "POST", "/{y}/b", err), -EEXIST, "any of /a/{z} is POST too");
    cr_assert_eq(add(r, "POST", "/{y}/c/d", err), 0);
    router_free(r);
}

Test(router, allow_lists_every_pattern_that_fits_and_each_method_once)
{
    char err[256], allow[64] = "", tiny[12] = "";
    struct router *r = router_new();
    cr_assert_eq(add(r, "UNLOCK", "/a/b", err), 0);
    cr_assert_eq(add(r, "LOCK", "/a/{x}", err), 0, "no part of UNLOCK");
    cr_assert_eq(add(r, "GET", "/{rest...}", err), 0);
    cr_assert_eq(add(r, "GET", "/a/b", err), 0);
    cr_assert_eq(add(r, "PUT", "/a/b/c", err), 0);
    router_allow(r, WEFT_STR("/a/%62"), allow, sizeof allow);
    cr_assert_str_eq(allow, "UNLOCK, GET, HEAD, LOCK");
    router_allow(r, WEFT_STR("/a/b"), tiny, sizeof tiny);
    cr_assert_str_eq(tiny, "UNLOCK, GET");
    router_free(r);
}

Test(router, a_wrong_method_tells_the_most_specific_pattern_of_the_path)
{
    char err[256];
    struct router_match m;
    struct router *r = router_new();
    int wide = 0, narrow = 0;
    cr_assert_eq(router_add(r, WEFT_STR("GET"), WEFT_STR("/{x}"), &wide, err, sizeof err), 0);
    cr_assert_eq(router_add(r, WEFT_STR("GET"), WEFT_STR("/a"), &narrow, err, sizeof err), 0);
    cr_assert_eq(router_find(r, WEFT_STR("PUT"), WEFT_STR("/a"), &m), ROUTER_NO_METHOD);
    cr_assert_eq(m.target, &narrow);
    router_free(r);
}
