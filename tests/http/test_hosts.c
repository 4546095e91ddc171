#include <criterion/criterion.h>

#include "hosts.h"

/* Which patterns a host is looked up in, in order: "*.a.b *.b". */
static const char *walk(const struct hosts *hosts, const char *host, struct router *const routers[],
                        const char *const patterns[])
{
    static char text[512];
    struct host_walk w;
    const struct router *r;
    text[0] = '\0';
    hosts_walk(&w, weft_cstr(host));
    while ((r = hosts_next(hosts, &w)))
        for (int i = 0; patterns[i]; i++)
            if (routers[i] == r) {
                strcat(text, *text ? " " : "");
                strcat(text, patterns[i]);
            }
    return text;
}

Test(hosts, the_exact_name_comes_first_then_the_longest_wildcard)
{
    static const char *const patterns[] = {
        "*.org", "example.org", "*.example.org", "API.example.org", "[::1]", "127.0.0.1", NULL};
    struct router *routers[6];
    struct hosts *hosts = hosts_new();
    for (int i = 0; patterns[i]; i++)
        cr_assert_not_null(routers[i] = hosts_add(hosts, patterns[i]));
    cr_expect_eq(hosts_add(hosts, "EXAMPLE.ORG"), routers[1], "the same host, the same routes");
    struct {
        const char *host, *walk;
    } cases[] = {
        {"example.org", "example.org *.org"},
        {"EXAMPLE.org:8080", "example.org *.org"},
        {"example.org.", "example.org *.org"},
        {"api.Example.Org.:80", "API.example.org *.example.org *.org"},
        {"a.b.example.org", "*.example.org *.org"},
        {"badexample.org", "*.org"},
        {".example.org", ""},
        {"org", ""},
        {"", ""},
        {"[::1]", "[::1]"},
        {"[::1]:443", "[::1]"},
        {"127.0.0.1:1", "127.0.0.1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = walk(hosts, cases[i].host, routers, patterns);
        cr_expect_str_eq(got, cases[i].walk, "%s: %s", cases[i].host, got);
    }
    hosts_free(hosts);
}

Test(hosts, a_host_longer_than_a_name_can_be_is_nobodys)
{
    char host[600];
    struct host_walk w;
    struct hosts *hosts = hosts_new();
    cr_assert_not_null(hosts_add(hosts, "*.org"));
    memset(host, 'a', sizeof host - 5);
    strcpy(host + sizeof host - 5, ".org");
    hosts_walk(&w, weft_cstr(host));
    cr_expect_null(hosts_next(hosts, &w));
    hosts_free(hosts);
}

Test(hosts, patterns_are_names_without_ports)
{
    static const char *const good[] = {"a", "a-b.c_d.org", "*.x", "[::1]", "10.0.0.1", NULL};
    static const char *const bad[] = {"",    "*",     "*.",  "a.*", "a..b", ".a",  "a.", "a:80",
                                      "a/b", "*.*.a", "[x]", "[",   "[]",   "a b", NULL};
    for (int i = 0; good[i]; i++)
        cr_expect(hosts_is_pattern(good[i]), "%s", good[i]);
    for (int i = 0; bad[i]; i++)
        cr_expect_not(hosts_is_pattern(bad[i]), "%s", bad[i]);
}
