/* How an application finds what answers: hosts, slashes, methods, groups. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <weft/weft.h>

static int say(weft_http *h, void *arg)
{
    weft_str p = weft_param(h, "p");
    return weft_textf(h, 200, "%s " WEFT_FMT, (const char *)arg, WEFT_ARG(p));
}

static int stamp(weft_http *h, void *arg)
{
    int rc = weft_next(h);
    weft_set_header(h, "X-Group", arg);
    return rc;
}

/* Asks, and gives "status body", "status Location" or "status Allow". */
static const char *ask(weft_app *app, const char *method, const char *target, const char *host)
{
    static char text[300];
    char raw[400];
    snprintf(raw, sizeof raw, "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", method, target, host);
    weft_test_response r = weft_test_request(app, raw);
    weft_str told = r.status == 200 ? r.body : weft_test_header(&r, "Location");
    if (!told.ptr)
        told = weft_test_header(&r, "Allow");
    snprintf(text, sizeof text, "%d " WEFT_FMT, r.status, WEFT_ARG(told));
    weft_test_response_free(&r);
    return text;
}

Test(routing, hosts_have_routes_of_their_own_before_the_applications)
{
    weft_app *app = weft_app_new();
    weft_get(app, "/", say, "any");
    weft_get(app, "/only", say, "only");
    weft_get(weft_app_host(app, "api.example.org"), "/", say, "api");
    weft_post(weft_app_host(app, "API.example.org"), "/only", say, "post");
    weft_get(weft_app_group(weft_app_host(app, "*.example.org"), "/v1"), "/{p}", say, "wild");
    cr_expect_str_eq(ask(app, "GET", "/", "x"), "200 any ");
    cr_expect_str_eq(ask(app, "GET", "/", "api.Example.org:8080"), "200 api ");
    cr_expect_str_eq(ask(app, "GET", "/v1/a", "api.example.org"), "200 wild a");
    cr_expect_str_eq(ask(app, "GET", "/v1/a", "x.y.example.org"), "200 wild a");
    cr_expect_str_eq(ask(app, "GET", "/v1/a", "example.org"), "404 ");
    cr_expect_str_eq(ask(app, "GET", "/only", "api.example.org"), "200 only ");
    cr_expect_str_eq(ask(app, "POST", "/only", "api.example.org"), "200 post ");
    cr_expect_str_eq(ask(app, "PUT", "/only", "api.example.org"), "405 POST, GET, HEAD, OPTIONS");
    cr_expect_str_eq(ask(app, "GET", "http://api.example.org/", "api.example.org"), "200 api ");
    weft_app_free(app);
}

Test(routing, other_slashes_have_no_route_unless_the_application_says)
{
    static const weft_path_opts redirect = {WEFT_SLASH_REDIRECT, WEFT_SLASH_REDIRECT};
    static const weft_path_opts same = {WEFT_SLASH_SAME, WEFT_SLASH_SAME};
    weft_app *app = weft_app_new();
    weft_get(app, "/a", say, "a");
    weft_get(app, "/b/", say, "b");
    weft_get(app, "/c/{p}", say, "c");
    cr_expect_str_eq(ask(app, "GET", "/a/", "x"), "404 ");
    cr_expect_str_eq(ask(app, "GET", "/b", "x"), "404 ");
    cr_expect_str_eq(ask(app, "GET", "//a", "x"), "404 ");
    cr_assert_eq(weft_app_paths(app, &redirect), 0);
    cr_expect_str_eq(ask(app, "GET", "/a/?q=1", "x"), "308 /a?q=1");
    cr_expect_str_eq(ask(app, "GET", "/b", "x"), "308 /b/");
    cr_expect_str_eq(ask(app, "GET", "//c///%2f", "x"), "308 /c/%2f");
    cr_expect_str_eq(ask(app, "GET", "/c//x/", "x"), "308 /c/x");
    cr_expect_str_eq(ask(app, "GET", "//none", "x"), "404 ");
    cr_expect_str_eq(ask(app, "PUT", "/a/", "x"), "308 /a");
    cr_assert_eq(weft_app_paths(app, &same), 0);
    cr_expect_str_eq(ask(app, "GET", "/a/?q=1", "x"), "200 a ");
    cr_expect_str_eq(ask(app, "GET", "/b", "x"), "200 b ");
    cr_expect_str_eq(ask(app, "GET", "//c///%2f", "x"), "200 c /");
    cr_expect_str_eq(ask(app, "PUT", "/a/", "x"), "405 OPTIONS");
    weft_app_free(app);
}

Test(routing, a_redirect_never_leaves_the_host)
{
    static const weft_path_opts trailing = {.trailing_slash = WEFT_SLASH_REDIRECT};
    weft_app *app = weft_app_new();
    weft_get(app, "/{p}", say, "p");
    weft_get(app, "//evil.example/x", say, "evil");
    weft_app_paths(app, &trailing);
    cr_expect_str_eq(ask(app, "GET", "//evil.example/x/", "x"), "404 ");
    cr_expect_str_eq(ask(app, "GET", "/fine/", "x"), "308 /fine");
    weft_app_free(app);
}

Test(routing, parameters_are_decoded_once_and_a_segment_at_a_time)
{
    weft_app *app = weft_app_new();
    weft_get(app, "/a/{p}", say, "a");
    weft_get(app, "/r/{p...}", say, "r");
    cr_expect_str_eq(ask(app, "GET", "/a/b%2Fc%20d", "x"), "200 a b/c d");
    cr_expect_str_eq(ask(app, "GET", "/a/%252F", "x"), "200 a %2F");
    cr_expect_str_eq(ask(app, "GET", "/a/%3Fq%23", "x"), "200 a ?q#");
    cr_expect_str_eq(ask(app, "GET", "/a/x+y", "x"), "200 a x+y");
    cr_expect_str_eq(ask(app, "GET", "/r/x/y%2Fz/", "x"), "200 r x/y/z/");
    cr_expect_str_eq(ask(app, "GET", "/%61/b", "x"), "200 a b");
    cr_expect_str_eq(ask(app, "GET", "/a/%zz", "x"), "400 ");
    cr_expect_str_eq(ask(app, "GET", "/a/%00", "x"), "400 ");
    weft_app_free(app);
}

Test(routing, methods_come_by_themselves_through_the_groups_middleware)
{
    weft_app *app = weft_app_new(), *group = weft_app_group(app, "/g");
    weft_use(group, stamp, "g");
    weft_get(group, "/a", say, "a");
    weft_delete(group, "/a", say, "a");
    cr_expect_str_eq(ask(app, "OPTIONS", "/g/a", "x"), "204 GET, HEAD, DELETE, OPTIONS");
    cr_expect_str_eq(ask(app, "PUT", "/g/a", "x"), "405 GET, HEAD, DELETE, OPTIONS");
    weft_test_response r = weft_test_request(app, "OPTIONS /g/a HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_expect(weft_str_eq(weft_test_header(&r, "X-Group"), WEFT_STR("g")));
    weft_test_response_free(&r);
    weft_app_free(app);
}

Test(routing, what_comes_by_itself_goes_through_the_applications_middleware)
{
    static const weft_path_opts redirect = {WEFT_SLASH_REDIRECT, WEFT_SLASH_REDIRECT};
    static const char *const targets[] = {"/a/", "/none", "/%zz", "*"};
    static const int statuses[] = {308, 404, 400, 204};
    weft_app *app = weft_app_new();
    weft_use(app, stamp, "root");
    weft_get(app, "/a", say, "a");
    weft_app_paths(app, &redirect);
    for (int i = 0; i < 4; i++) {
        char raw[100];
        snprintf(raw, sizeof raw, "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", i == 3 ? "OPTIONS" : "GET",
                 targets[i]);
        weft_test_response r = weft_test_request(app, raw);
        cr_expect_eq(r.status, statuses[i], "%s", targets[i]);
        cr_expect(weft_str_eq(weft_test_header(&r, "X-Group"), WEFT_STR("root")), "%s", targets[i]);
        weft_test_response_free(&r);
    }
    weft_app_free(app);
}

static int refused(weft_app *app)
{
    weft_test_response r = weft_test_request(app, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    int error = r.error;
    weft_test_response_free(&r);
    weft_app_free(app);
    return error;
}

Test(routing, mistakes_are_refused_when_the_application_starts)
{
    weft_app *app = weft_app_new();
    weft_app_host(app, "example.org:80");
    cr_expect_eq(refused(app), -EINVAL, "a port");
    app = weft_app_new();
    weft_app_host(weft_app_group(app, "/g"), "example.org");
    cr_expect_eq(refused(app), -EINVAL, "a host in a group");
    app = weft_app_new();
    weft_app_paths(app, &(weft_path_opts){.trailing_slash = 9});
    cr_expect_eq(refused(app), -EINVAL, "no setting");
    app = weft_app_new();
    weft_get(weft_app_host(app, "a.org"), "/{x}", say, "");
    weft_get(weft_app_host(app, "A.org"), "/{y}", say, "");
    cr_expect_eq(refused(app), -EINVAL, "one host, one set of routes");
    app = weft_app_new();
    weft_get(weft_app_host(app, "a.org"), "/{x}", say, "");
    weft_get(weft_app_host(app, "b.org"), "/{y}", say, "");
    cr_expect_eq(refused(app), 0, "two hosts");
}

static int huge_header(weft_http *h, void *arg)
{
    char value[8000];
    (void)arg;
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0; i < 3; i++)
        weft_add_header(h, "X-Huge", value);
    return weft_text(h, 200, "ok");
}

Test(routing, headers_that_do_not_fit_are_an_error_and_not_silence)
{
    weft_app *app = weft_app_new(), *group = weft_app_group(app, "/g");
    weft_use(group, stamp, "g");
    weft_get(app, "/huge", huge_header, NULL);
    weft_get(group, "/huge", huge_header, NULL);
    cr_expect_str_eq(ask(app, "GET", "/huge", "x"), "500 ");
    cr_expect_str_eq(ask(app, "GET", "/g/huge", "x"), "500 ");
    weft_app_free(app);
}
