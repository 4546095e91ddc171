/* Linked with --wrap for the calls that get memory: matching asks for none, and building an
 * application lives through any of them failing. */
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "exchange.h"
#include "hosts.h"
#include "router.h"

static long allocations, fails_at = -1; /* of the thread that tests; the only one */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *ptr, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *ptr, size_t size);

static bool fails(void)
{
    return allocations++ == fails_at;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *ptr, size_t size)
{
    return fails() ? NULL : __real_realloc(ptr, size);
}

static int handler(weft_http *h, void *arg)
{
    (void)h, (void)arg;
    return 204;
}

Test(no_allocation, a_match_asks_for_no_memory)
{
    static const char *const patterns[] = {"/a/{b}/c", "/a/{b}/{rest...}", "/caf\xc3\xa9", "/x"};
    static const char *const paths[] = {"/a/1/c", "/a/1/2/3", "/caf%C3%A9", "/x", "/none", "/a"};
    char err[200], allow[100] = "";
    struct router *r = router_new();
    struct hosts *hosts = hosts_new();
    struct host_walk walk;
    struct router_match match;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        cr_assert_eq(router_add(r, WEFT_STR("GET"), weft_cstr(patterns[i]), r, err, sizeof err), 0);
    cr_assert(hosts_add(hosts, "*.example.org"));
    long before = allocations;
    int found = 0;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        found += router_find(r, WEFT_STR("HEAD"), weft_cstr(paths[i]), &match) == ROUTER_FOUND;
    router_find(r, WEFT_STR("PUT"), WEFT_STR("/x"), &match);
    router_allow(r, WEFT_STR("/x"), allow, sizeof allow);
    hosts_walk(&walk, WEFT_STR("a.b.Example.org:80"));
    bool has_host = hosts_next(hosts, &walk) != NULL;
    long asked = allocations - before;
    cr_expect_eq(asked, 0);
    cr_expect_eq(found, 4);
    cr_expect(has_host);
    hosts_free(hosts);
    router_free(r);
}

/* Builds and frees an application. Returns whether it was made ready. */
static bool build(void)
{
    weft_app *app = weft_app_new();
    weft_app *group = app ? weft_app_group(app, "/g") : NULL;
    weft_app *host = app ? weft_app_host(app, "*.example.org") : NULL;
    if (app) {
        weft_get(app, "/a/{b}", handler, NULL);
        weft_post(app, "/a/{b}", handler, NULL);
    }
    if (group) {
        weft_use(group, weft_mw_cors, NULL);
        weft_get(group, "/c/{d...}", handler, NULL);
    }
    if (host)
        weft_get(host, "/", handler, NULL);
    bool is_ready = group && host && app_prepare(app) == 0;
    weft_app_free(app);
    return is_ready;
}

Test(no_allocation, an_application_is_refused_when_any_memory_for_it_cannot_be_had)
{
    bool is_ready = false;
    long tries = 0;
    for (; !is_ready && tries < 1000; tries++) {
        allocations = 0;
        fails_at = tries;
        is_ready = build();
        fails_at = -1;
        cr_assert_eq(is_ready, allocations <= tries, "failing %ld of %ld", tries, allocations);
    }
    cr_expect(is_ready);
    cr_expect(tries > 30, "%ld", tries);
}
