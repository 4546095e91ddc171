/* Whom a request is from, when proxies are before the server. The test's client is the proxy: it
 * connects through a unix socket. */
#include "fixture.h"

static int tell(weft_http *h, void *arg)
{
    (void)arg;
    weft_str a = weft_client_address(h), s = weft_client_scheme(h), host = weft_client_host(h);
    return weft_textf(h, 200, "[" WEFT_FMT " " WEFT_FMT " " WEFT_FMT "]", WEFT_ARG(a), WEFT_ARG(s),
                      WEFT_ARG(host));
}

static void start(struct fixture *f)
{
    f->app = weft_app_new();
    weft_get(f->app, "/", tell, NULL);
    fixture_start(f);
}

static void expect(struct fixture *f, const char *before, const char *headers, const char *told)
{
    char bytes[2048];
    int n = snprintf(bytes, sizeof bytes,
                     "%sGET / HTTP/1.1\r\nHost: own\r\n%sConnection: close\r\n\r\n", before,
                     headers);
    char *text = client_exchange(f, bytes, (size_t)n);
    if (told)
        cr_expect(strstr(text, told), "%s%s\n%s", before, headers, text);
    else
        cr_expect_str_eq(text, "", "%s%s\n%s", before, headers, text);
    free(text);
}

static const char *const proxies[] = {"unix:", "10.0.0.0/8", "2001:db8::/32", NULL};

Test(forwarded, nobody_is_believed_by_default, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    expect(&f, "", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n",
           "[unix: http own]");
    expect(&f, "", "Forwarded: for=192.0.2.1;proto=https;host=x\r\n", "[unix: http own]");
    fixture_stop(&f);
}

Test(forwarded, x_forwarded_for_is_believed_as_far_as_its_authors, .timeout = 60)
{
    struct fixture f = {.opts = {.trusted_proxies = proxies}};
    start(&f);
    expect(&f, "", "", "[unix: http own]");
    expect(&f, "", "X-Forwarded-For: 192.0.2.1\r\n", "[192.0.2.1 http own]");
    expect(&f, "", "X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\n", "[192.0.2.1 http own]");
    expect(&f, "", "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.1.1.1, [2001:db8::7]:80\r\n",
           "[192.0.2.1 http own]");
    expect(&f, "", "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 192.0.2.1,10.0.0.1\r\n",
           "[192.0.2.1 http own]");
    expect(&f, "", "X-Forwarded-For: 10.0.0.1\r\n", "[10.0.0.1 http own]");
    expect(&f, "", "X-Forwarded-For: 192.0.2.1, unknown\r\n", "[unix: http own]");
    expect(&f, "", "X-Forwarded-For: 192.0.2.1, junk, 10.0.0.1\r\n", "[10.0.0.1 http own]");
    expect(&f, "", "X-Forwarded-For: 192.0.2.1:4711\r\n", "[192.0.2.1 http own]");
    expect(&f, "", "Forwarded: for=192.0.2.1\r\n", "[unix: http own]"); /* the client's, maybe */
    expect(&f, "",
           "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: HTTPS\r\n"
           "X-Forwarded-Host: example.org:8\r\n",
           "[192.0.2.1 https example.org:8]");
    expect(&f, "", "X-Forwarded-Proto: https\r\n", "[unix: https own]");
    expect(&f, "", "X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\nX-Forwarded-Proto: https, http\r\n",
           "[192.0.2.1 http own]");
    expect(&f, "", "X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a b\r\n", "[unix: http own]");
    fixture_stop(&f);
}

Test(forwarded, forwarded_is_believed_as_far_as_its_authors, .timeout = 60)
{
    struct fixture f = {
        .opts = {.trusted_proxies = proxies, .proxy_headers = WEFT_PROXY_FORWARDED}};
    start(&f);
    expect(&f, "", "Forwarded: for=192.0.2.1;proto=https;host=example.org\r\n",
           "[192.0.2.1 https example.org]");
    expect(&f, "", "Forwarded: FOR=\"192.0.2.1:4711\"; by=_x ; Proto=http\r\n",
           "[192.0.2.1 http own]");
    expect(&f, "",
           "Forwarded: for=6.6.6.6;host=evil, for=\"[2001:db9::1]\";host=a.example, "
           "for=\"[2001:db8::1]:80\";proto=https\r\n",
           "[2001:db9::1 https a.example]");
    expect(&f, "", "Forwarded: for=6.6.6.6\r\nForwarded: for=192.0.2.1\r\n",
           "[192.0.2.1 http own]");
    expect(&f, "", "Forwarded: for=\"6.6.6.6, for=192.0.2.1\r\n", "[unix: http own]");
    expect(&f, "", "Forwarded: for=\"_a,\\\"b\", for=192.0.2.1\r\n", "[192.0.2.1 http own]");
    expect(&f, "", "Forwarded: for=unknown;proto=https\r\n", "[unix: https own]");
    expect(&f, "", "X-Forwarded-For: 6.6.6.6\r\n", "[unix: http own]");
    fixture_stop(&f);
}

Test(forwarded, a_trusted_proxys_connection_begins_with_the_proxy_protocol, .timeout = 60)
{
    struct fixture f = {.opts = {.trusted_proxies = proxies, .proxy_protocol = 1}};
    start(&f);
    expect(&f, "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n", "", "[192.0.2.1 http own]");
    expect(&f, "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n", "X-Forwarded-For: 6.6.6.6\r\n",
           "[192.0.2.1 http own]"); /* who connected is no proxy of ours */
    expect(&f, "PROXY TCP4 10.0.0.1 198.51.100.1 1 2\r\n", "X-Forwarded-For: 192.0.2.9\r\n",
           "[192.0.2.9 http own]");
    expect(&f, "PROXY UNKNOWN\r\n", "", "[unix: http own]");
    expect(&f, "", "", NULL);
    expect(&f, "PROXY TCP4 192.0.2.1\r\n", "", NULL);
    fixture_stop(&f);
}

static const char *const others[] = {"192.0.2.0/24", NULL};

Test(forwarded, others_connections_begin_with_the_request, .timeout = 60)
{
    struct fixture f = {.opts = {.trusted_proxies = others, .proxy_protocol = 1}};
    start(&f);
    expect(&f, "", "", "[unix: http own]");
    expect(&f, "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n", "", "HTTP/1.1 501 ");
    fixture_stop(&f);
}

Test(forwarded, a_range_that_is_none_refuses_to_start)
{
    static const char *const wrong[] = {"10.0.0.1/8", NULL};
    weft_serve_opts opts = {.listen = {"127.0.0.1:0"}, .trusted_proxies = wrong};
    weft_app *app = weft_app_new();
    cr_expect_eq(weft_app_main_opts(app, &opts), 2);
    weft_app_free(app);
}
