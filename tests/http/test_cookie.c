/* Cookies as they come and as they are set. */
#include <errno.h>

#include "fixture.h"

static int tell(weft_http *h, void *arg)
{
    weft_str name, value;
    (void)arg;
    for (size_t i = 0; weft_cookie_at(h, i, &name, &value); i++)
        weft_writef(h, WEFT_FMT "=" WEFT_FMT ";", WEFT_ARG(name), WEFT_ARG(value));
    value = weft_cookie(h, "a");
    return weft_writef(h, " a is %.*s", value.ptr ? (int)value.len : 4,
                       value.ptr ? value.ptr : "none");
}

/* Sets a cookie; what it should have returned is checked here, what went out by the client. */
struct set {
    weft_cookie_opts cookie;
    int rc;
    const char *line; /* NULL: none */
};

#define A .name = "a", .value = "1"

static const struct set sets[] = {
    {{A}, 0, "Set-Cookie: a=1\r\n"},
    {{.name = "a", .value = ""}, 0, "Set-Cookie: a=\r\n"},
    {{.name = "a", .value = "\"x!#\""}, 0, "Set-Cookie: a=\"x!#\"\r\n"},
    {{A, .domain = "example.org", .path = "/x", .max_age = 60, .expires = 784111777, .secure = 1,
      .http_only = 1, .same_site = WEFT_SAME_SITE_STRICT, .partitioned = 1},
     0,
     "Set-Cookie: a=1; Domain=example.org; Path=/x; Max-Age=60; "
     "Expires=Sun, 06 Nov 1994 08:49:37 GMT; Secure; HttpOnly; SameSite=Strict; Partitioned\r\n"},
    {{A, .max_age = -1}, 0, "Set-Cookie: a=1; Max-Age=0\r\n"},
    {{A, .same_site = WEFT_SAME_SITE_LAX}, 0, "Set-Cookie: a=1; SameSite=Lax\r\n"},
    {{A, .same_site = WEFT_SAME_SITE_NONE, .secure = 1},
     0,
     "Set-Cookie: a=1; Secure; SameSite=None\r\n"},
    {{.name = "__Host-a", .value = "1", .path = "/", .secure = 1},
     0,
     "Set-Cookie: __Host-a=1; Path=/; Secure\r\n"},
    {{.name = "__Secure-a", .value = "1", .secure = 1}, 0, "Set-Cookie: __Secure-a=1; Secure\r\n"},
    {{A, .same_site = WEFT_SAME_SITE_NONE}, -EINVAL, NULL},
    {{A, .partitioned = 1}, -EINVAL, NULL},
    {{.name = "__Secure-a", .value = "1"}, -EINVAL, NULL},
    {{.name = "__Host-a", .value = "1", .path = "/"}, -EINVAL, NULL},
    {{.name = "__Host-a", .value = "1", .secure = 1}, -EINVAL, NULL},
    {{.name = "__host-a", .value = "1", .path = "/x", .secure = 1}, -EINVAL, NULL},
    {{.name = "__Host-a", .value = "1", .path = "/", .secure = 1, .domain = "x"}, -EINVAL, NULL},
    {{.name = "", .value = "1"}, -EINVAL, NULL},
    {{.name = NULL, .value = "1"}, -EINVAL, NULL},
    {{.name = "a", .value = NULL}, -EINVAL, NULL},
    {{.name = "a b", .value = "1"}, -EINVAL, NULL},
    {{.name = "a=b", .value = "1"}, -EINVAL, NULL},
    {{.name = "a", .value = "1; Domain=evil"}, -EINVAL, NULL},
    {{.name = "a", .value = "1 2"}, -EINVAL, NULL},
    {{.name = "a", .value = "1,2"}, -EINVAL, NULL},
    {{.name = "a", .value = "1\r\nX: y"}, -EINVAL, NULL},
    {{.name = "a", .value = "\xc3\xa4"}, -EINVAL, NULL},
    {{.name = "a", .value = "\"1"}, -EINVAL, NULL},
    {{A, .path = "x"}, -EINVAL, NULL},
    {{A, .path = "/;x"}, -EINVAL, NULL},
    {{A, .path = "/\r\nX: y"}, -EINVAL, NULL},
    {{A, .domain = ""}, -EINVAL, NULL},
    {{A, .domain = "x;y"}, -EINVAL, NULL},
    {{A, .expires = -1}, -EINVAL, NULL},
    {{A, .same_site = (enum weft_same_site)9}, -EINVAL, NULL},
};

static int set(weft_http *h, void *arg)
{
    char text[8];
    (void)arg;
    weft_str query = weft_query_string(h);
    snprintf(text, sizeof text, WEFT_FMT, WEFT_ARG(query));
    const struct set *s = &sets[atoi(text)];
    cr_expect_eq(weft_set_cookie(h, &s->cookie), s->rc, "cookie %s", text);
    return weft_text(h, 200, "");
}

static int too_long(weft_http *h, void *arg)
{
    static char value[5000];
    (void)arg;
    memset(value, 'v', 4095);
    cr_expect_eq(weft_set_cookie(h, &(weft_cookie_opts){.name = "a", .value = value}), 0);
    memset(value, 'v', 4096);
    cr_expect_eq(weft_set_cookie(h, &(weft_cookie_opts){.name = "a", .value = value}), -EINVAL);
    cr_expect_eq(weft_set_cookie(h, &(weft_cookie_opts){.name = "b", .value = "1"}), 0);
    return weft_text(h, 200, "");
}

static void start(struct fixture *f)
{
    f->app = weft_app_new();
    weft_get(f->app, "/tell", tell, NULL);
    weft_get(f->app, "/set", set, NULL);
    weft_get(f->app, "/long", too_long, NULL);
    fixture_start(f);
}

static char *get(struct fixture *f, const char *target, const char *headers)
{
    char bytes[1024];
    int n = snprintf(bytes, sizeof bytes,
                     "GET %s HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\n\r\n", target, headers);
    return client_exchange(f, bytes, (size_t)n);
}

static void expect_cookies(struct fixture *f, const char *headers, const char *told)
{
    char *text = get(f, "/tell", headers);
    cr_expect(strstr(text, told), "%s\n%s", headers, text);
    free(text);
}

Test(cookie, what_clients_send_is_read, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    expect_cookies(&f, "", " a is none");
    expect_cookies(&f, "Cookie: a=1\r\n", "a=1; a is 1");
    expect_cookies(&f, "Cookie: b=2; a=1; a=3\r\n", "b=2;a=1;a=3; a is 1");
    expect_cookies(&f, "Cookie: A=1;a=x=y;;c\r\n", "A=1;a=x=y; a is x=y");
    expect_cookies(&f, "Cookie: a=\"q q\"; =x; b=\r\n", "a=q q;b=; a is q q");
    expect_cookies(&f, "Cookie: b=1\r\ncookie: a=2\r\n", "b=1;a=2; a is 2");
    fixture_stop(&f);
}

Test(cookie, only_what_browsers_keep_is_set, .timeout = 60)
{
    struct fixture f = {0};
    char target[32];
    start(&f);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        snprintf(target, sizeof target, "/set?%zu", i);
        char *text = get(&f, target, "");
        const char *line = strstr(text, "Set-Cookie");
        if (sets[i].line)
            cr_expect(line && strncmp(line, sets[i].line, strlen(sets[i].line)) == 0, "%zu: %s", i,
                      text);
        else
            cr_expect_null(line, "%zu: %s", i, text);
        cr_expect_null(strstr(text, "X: y"));
        free(text);
    }
    char *text = get(&f, "/long", "");
    cr_expect(strstr(text, "Set-Cookie: b=1\r\n"), "%s", text);
    free(text);
    fixture_stop(&f);
}
