/* Middleware as a client meets it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

#define HOST " HTTP/1.1\r\nHost: x\r\n"

static int ok(weft_http *h, void *arg)
{
    (void)arg;
    weft_str user = weft_user(h), id = weft_request_id(h);
    return weft_textf(h, 200, WEFT_FMT "|" WEFT_FMT, WEFT_ARG(user), WEFT_ARG(id));
}

static int result(weft_http *h, void *arg)
{
    (void)h;
    return *(int *)arg;
}

static weft_app *with(weft_handler *middleware, void *arg)
{
    weft_app *app = weft_app_new();
    weft_use(app, middleware, arg);
    weft_any(app, "/", ok, NULL);
    return app;
}

/* The status of a GET with one header line ("" for none), and the answer in *r when that is asked
 * for. */
static int ask(weft_app *app, const char *header, weft_test_response *r)
{
    char raw[3000];
    weft_test_response mine;
    snprintf(raw, sizeof raw, "GET /" HOST "%s%s\r\n", header, *header ? "\r\n" : "");
    mine = weft_test_request(app, raw);
    int status = mine.status;
    if (r)
        *r = mine;
    else
        weft_test_response_free(&mine);
    return status;
}

static bool has(const weft_test_response *r, const char *name, const char *value)
{
    weft_str got = weft_test_header(r, name);
    return value ? got.ptr && weft_str_eq(got, weft_cstr(value)) : !got.ptr;
}

/* ---- request id ---- */

Test(request_id, is_made_or_taken_over_when_it_is_one)
{
    weft_app *app = with(weft_mw_request_id, NULL);
    weft_test_response a, b;
    cr_assert_eq(ask(app, "", &a), 200);
    cr_assert_eq(ask(app, "", &b), 200);
    weft_str id = weft_test_header(&a, "X-Request-Id");
    cr_expect_eq(id.len, 32);
    cr_expect_not(weft_str_eq(id, weft_test_header(&b, "X-Request-Id")), "two requests, one id");
    cr_expect_eq(strncmp(a.body.ptr + 1, id.ptr, 32), 0);
    weft_test_response_free(&a);
    weft_test_response_free(&b);
    ask(app, "X-Request-Id: abc-1.2_3~", &a);
    cr_expect(has(&a, "X-Request-Id", "abc-1.2_3~"));
    weft_test_response_free(&a);
    ask(app, "X-Request-Id: <script>", &a);
    cr_expect_eq(weft_test_header(&a, "X-Request-Id").len, 32);
    weft_test_response_free(&a);
    char line[300] = "X-Request-Id: ";
    memset(line + 14, 'a', 129);
    ask(app, line, &a);
    cr_expect_eq(weft_test_header(&a, "X-Request-Id").len, 32, "too long to take over");
    weft_test_response_free(&a);
    weft_app_free(app);
}

Test(request_id, options_name_the_header_and_ignore_the_clients)
{
    weft_request_id_opts opts = {.header = "Trace", .ignores_incoming = 1};
    weft_app *app = with(weft_mw_request_id, &opts);
    weft_test_response r;
    ask(app, "Trace: mine", &r);
    cr_expect_eq(weft_test_header(&r, "Trace").len, 32);
    weft_test_response_free(&r);
    weft_app_free(app);
}

/* ---- timeout ---- */

static int sleepy(weft_http *h, void *arg)
{
    int rc = weft_sleep(*(int64_t *)arg);
    return rc < 0 ? rc : weft_text(h, 200, "woke");
}

static int sleeps_after(weft_http *h, void *arg)
{
    int rc = weft_next(h);
    (void)arg;
    return rc ? rc : weft_sleep(3 * WEFT_MS);
}

Test(timeout, a_handler_that_waits_too_long_is_a_504)
{
    static int64_t patience = 5 * WEFT_MS, hour = 3600 * WEFT_SEC, moment = 1;
    weft_app *app = weft_app_new(), *quick = weft_app_group(app, "/q");
    weft_use(app, sleeps_after, NULL);
    weft_use(quick, weft_mw_timeout, &patience);
    weft_get(quick, "/long", sleepy, &hour);
    weft_app *outer = weft_app_group(app, "/o");
    weft_use(outer, weft_mw_timeout, &hour);
    weft_get(outer, "/short", sleepy, &moment);
    weft_test_response r = weft_test_request(app, "GET /q/long" HOST "\r\n");
    cr_expect_eq(r.status, 504);
    weft_test_response_free(&r);
    r = weft_test_request(app, "GET /o/short" HOST "\r\n");
    cr_expect_eq(r.status, 200);
    weft_test_response_free(&r);
    weft_app_free(app);
}

static int64_t left_after;

static int measures(weft_http *h, void *arg)
{
    (void)arg;
    int rc = weft_next(h);
    left_after = weft_ctx_deadline(weft_ctx_current()) - weft_now();
    return rc;
}

Test(timeout, the_time_is_given_back_to_what_runs_outside)
{
    static int64_t minute = 60 * WEFT_SEC, moment = 1;
    weft_app *app = weft_app_new();
    weft_use(app, measures, NULL);
    weft_use(app, weft_mw_timeout, &minute);
    weft_get(app, "/", sleepy, &moment);
    cr_expect_eq(ask(app, "", NULL), 200);
    cr_expect(left_after > 2 * minute, "the default is five minutes");
    weft_app_free(app);
}

/* ---- CORS ---- */

Test(cors, any_origin_may_read_by_default)
{
    weft_app *app = with(weft_mw_cors, NULL);
    weft_test_response r;
    ask(app, "Origin: https://a.example", &r);
    cr_expect(has(&r, "Access-Control-Allow-Origin", "*"));
    cr_expect(has(&r, "Access-Control-Allow-Credentials", NULL));
    cr_expect(has(&r, "Vary", NULL));
    weft_test_response_free(&r);
    ask(app, "", &r);
    cr_expect(has(&r, "Access-Control-Allow-Origin", NULL));
    weft_test_response_free(&r);
    weft_app_free(app);
}

Test(cors, only_listed_origins_are_named_and_caches_know)
{
    static weft_cors_opts opts = {.origins = "https://a.example, https://*.b.example",
                                  .credentials = 1,
                                  .exposed = "X-Total"};
    static const struct {
        const char *origin;
        bool is_allowed;
    } cases[] = {
        {"https://a.example", true},        {"https://x.b.example", true},
        {"https://x.y.b.example", true},    {"https://b.example", false},
        {"https://.b.example", false},      {"https://evil/.b.example", false},
        {"https://x.b.example:81", false},  {"http://a.example", false},
        {"https://a.example.evil", false},  {"null", false},
        {"https://e:1@x.b.example", false}, {"https://a.exampl", false},
    };
    weft_app *app = with(weft_mw_cors, &opts);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[100];
        weft_test_response r;
        snprintf(line, sizeof line, "Origin: %s", cases[i].origin);
        cr_expect_eq(ask(app, line, &r), 200);
        const char *named = cases[i].is_allowed ? cases[i].origin : NULL;
        cr_expect(has(&r, "Access-Control-Allow-Origin", named), "%s", cases[i].origin);
        cr_expect(has(&r, "Access-Control-Allow-Credentials", named ? "true" : NULL));
        cr_expect(has(&r, "Access-Control-Expose-Headers", named ? "X-Total" : NULL));
        cr_expect(has(&r, "Vary", "Origin"));
        weft_test_response_free(&r);
    }
    weft_app_free(app);
}

Test(cors, credentials_with_any_origin_let_nobody_in)
{
    static weft_cors_opts opts = {.credentials = 1};
    weft_app *app = with(weft_mw_cors, &opts);
    weft_test_response r;
    ask(app, "Origin: https://a.example", &r);
    cr_expect(has(&r, "Access-Control-Allow-Origin", NULL));
    weft_test_response_free(&r);
    weft_app_free(app);
}

Test(cors, a_preflight_is_answered_in_a_group_that_has_no_options_route)
{
    weft_app *app = weft_app_new(), *api = weft_app_group(app, "/api");
    weft_use(api, weft_mw_cors, NULL);
    weft_put(api, "/a", ok, NULL);
    weft_test_response r = weft_test_request(
        app, "OPTIONS /api/a" HOST "Origin: https://a.example\r\n"
             "Access-Control-Request-Method: PUT\r\n"
             "Access-Control-Request-Headers: content-type, x-a\r\n\r\n");
    cr_expect_eq(r.status, 204);
    cr_expect(has(&r, "Access-Control-Allow-Origin", "*"));
    cr_expect(has(&r, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE"));
    cr_expect(has(&r, "Access-Control-Allow-Headers", "content-type, x-a"));
    cr_expect(has(&r, "Access-Control-Max-Age", "600"));
    weft_test_response_free(&r);
    r = weft_test_request(app, "OPTIONS /api/a" HOST "Origin: https://a.example\r\n\r\n");
    cr_expect(has(&r, "Allow", "PUT, OPTIONS"), "no preflight without a method");
    weft_test_response_free(&r);
    weft_app_free(app);
}

Test(cors, a_preflight_of_another_origin_is_refused)
{
    static weft_cors_opts opts = {.origins = "https://a.example"};
    weft_app *app = with(weft_mw_cors, &opts);
    weft_test_response r = weft_test_request(app, "OPTIONS /" HOST "Origin: https://b.example\r\n"
                                                  "Access-Control-Request-Method: PUT\r\n\r\n");
    cr_expect_eq(r.status, 403);
    cr_expect(has(&r, "Access-Control-Allow-Origin", NULL));
    weft_test_response_free(&r);
    weft_app_free(app);
}

/* ---- who it is ---- */

Test(auth, a_name_with_its_password_comes_in)
{
    static const weft_basic_user users[] = {
        {"Aladdin", "open sesame"}, {"test", "123\xc2\xa3"}, {NULL, NULL}};
    static weft_basic_auth_opts opts = {.realm = "cave", .users = users};
    static const char *const wrong[] = {
        "",
        "Authorization: Basic",
        "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==x",
        "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2Ft", /* a beginning */
        "Authorization: Basic QWxhZGRpbg==",             /* no colon */
        "Authorization: Basic QWxhZGRpbjo=",             /* no password */
        "Authorization: Basic dGVzdDpvcGVuIHNlc2FtZQ==", /* another's */
        "Authorization: Basic !!!!",
        "Authorization: Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        "Authorization: BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    };
    weft_app *app = with(weft_mw_basic_auth, &opts);
    weft_test_response r;
    cr_expect_eq(ask(app, "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", &r), 200);
    cr_expect_str_eq(r.body.ptr, "Aladdin|");
    weft_test_response_free(&r);
    cr_expect_eq(ask(app, "Authorization: basic  dGVzdDoxMjPCow==", NULL), 200, "RFC 7617's own");
    cr_expect_eq(ask(app, "Authorization: basic dGVzdDoxMjPCow", NULL), 200, "without padding");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_eq(ask(app, wrong[i], &r), 401, "%s", wrong[i]);
        cr_expect(has(&r, "WWW-Authenticate", "Basic realm=\"cave\", charset=\"UTF-8\""));
        weft_test_response_free(&r);
    }
    weft_app_free(app);
}

static int check(weft_http *h, weft_str name, weft_str password, void *arg)
{
    (void)h, (void)arg;
    if (weft_str_eq(name, WEFT_STR("broken")))
        return -EIO;
    return weft_str_eq(name, WEFT_STR("a")) && weft_str_eq(password, WEFT_STR("b:c"));
}

Test(auth, a_check_of_ones_own_decides_and_its_error_is_the_answer)
{
    static weft_basic_auth_opts opts = {.check = check};
    weft_app *app = with(weft_mw_basic_auth, &opts);
    cr_expect_eq(ask(app, "Authorization: Basic YTpiOmM=", NULL), 200);
    cr_expect_eq(ask(app, "Authorization: Basic YTpi", NULL), 401);
    cr_expect_eq(ask(app, "Authorization: Basic YnJva2VuOng=", NULL), 500);
    weft_app_free(app);
}

Test(auth, a_token_comes_in)
{
    static const char *const tokens[] = {"first", "second", NULL};
    static weft_bearer_opts opts = {.tokens = tokens};
    weft_app *app = with(weft_mw_bearer, &opts);
    weft_test_response r;
    cr_expect_eq(ask(app, "Authorization: Bearer second", NULL), 200);
    cr_expect_eq(ask(app, "Authorization: bearer first", NULL), 200);
    cr_expect_eq(ask(app, "Authorization: Bearer firs", &r), 401);
    cr_expect(has(&r, "WWW-Authenticate", "Bearer realm=\"restricted\", error=\"invalid_token\""));
    weft_test_response_free(&r);
    cr_expect_eq(ask(app, "", &r), 401);
    cr_expect(has(&r, "WWW-Authenticate", "Bearer realm=\"restricted\""));
    weft_test_response_free(&r);
    weft_app_free(app);
}

Test(auth, secrets_are_the_same_or_not)
{
    cr_expect(weft_str_eq_secret(WEFT_STR("abc"), WEFT_STR("abc")));
    cr_expect(weft_str_eq_secret(WEFT_STR(""), WEFT_STR("")));
    cr_expect_not(weft_str_eq_secret(WEFT_STR("abcabc"), WEFT_STR("abc")));
    cr_expect_not(weft_str_eq_secret(WEFT_STR("abc"), WEFT_STR("abcabc")));
    cr_expect_not(weft_str_eq_secret(WEFT_STR("a"), WEFT_STR("")));
    cr_expect_not(weft_str_eq_secret(WEFT_STR(""), WEFT_STR("a")));
    cr_expect_not(weft_str_eq_secret(WEFT_STR("abd"), WEFT_STR("abc")));
}

/* ---- rate limit ---- */

static weft_str by_header(weft_http *h, void *arg)
{
    (void)arg;
    return weft_header(h, "X-Client");
}

Test(rate_limit, a_burst_comes_in_and_then_the_client_is_told_when_to_come_again)
{
    weft_rate_limit_opts opts = {.per_second = 0.01, .burst = 3};
    weft_app *app = with(weft_mw_rate_limit, &opts);
    weft_test_response r;
    for (int i = 0; i < 3; i++)
        cr_expect_eq(ask(app, "", NULL), 200);
    cr_expect_eq(ask(app, "", &r), 429);
    int seconds = atoi(weft_test_header(&r, "Retry-After").ptr);
    cr_expect(seconds > 50 && seconds <= 100, "%d", seconds);
    weft_test_response_free(&r);
    weft_rate_limit_free(&opts);
    weft_app_free(app);
}

Test(rate_limit, tokens_come_back_with_time)
{
    weft_rate_limit_opts opts = {.per_second = 1000, .burst = 1};
    weft_app *app = with(weft_mw_rate_limit, &opts);
    int64_t until = weft_now() + 10 * WEFT_SEC;
    int passed = 0;
    while (passed < 5 && weft_now() < until)
        passed += ask(app, "", NULL) == 200;
    cr_expect_eq(passed, 5);
    weft_rate_limit_free(&opts);
    weft_app_free(app);
}

Test(rate_limit, clients_do_not_share_a_bucket_and_memory_stays_bounded)
{
    weft_rate_limit_opts opts = {
        .per_second = 0.001, .burst = 1, .max_clients = 8, .key = by_header};
    weft_app *app = with(weft_mw_rate_limit, &opts);
    char line[40];
    for (int i = 0; i < 8; i++) {
        snprintf(line, sizeof line, "X-Client: %d", i);
        cr_expect_eq(ask(app, line, NULL), 200);
        cr_expect_eq(ask(app, line, NULL), 429);
    }
    cr_expect_eq(ask(app, "X-Client: one more", NULL), 200, "a place is found");
    cr_expect_eq(ask(app, "X-Client: 0", NULL), 200, "the oldest was forgotten");
    cr_expect_eq(ask(app, "X-Client: 7", NULL), 429, "a young one was not");
    for (int i = 0; i < 3; i++)
        cr_expect_eq(ask(app, "", NULL), 200, "without a key there is no limit");
    weft_rate_limit_free(&opts);
    weft_app_free(app);
}

/* ---- others ---- */

static int reads(weft_http *h, void *arg)
{
    (void)arg;
    weft_str body;
    int rc = weft_body_all(h, &body);
    return rc < 0 ? rc : weft_textf(h, 200, "%zu", body.len);
}

Test(body_limit, is_smaller_or_larger_than_the_servers)
{
    static int64_t four = 4, megabytes = 3 << 20;
    weft_app *app = weft_app_new(), *small = weft_app_group(app, "/s"),
             *large = weft_app_group(app, "/l");
    weft_use(small, weft_mw_body_limit, &four);
    weft_use(large, weft_mw_body_limit, &megabytes);
    weft_post(small, "/", reads, NULL);
    weft_post(large, "/", reads, NULL);
    weft_test_response r = weft_test_request(app, "POST /s/" HOST "Content-Length: 4\r\n\r\nabcd"
                                                  "POST /s/" HOST "Content-Length: 5\r\n\r\nabcde");
    cr_expect_eq(r.status, 200);
    cr_expect_eq(r.next->status, 413);
    weft_test_response_free(&r);
    r = weft_test_request(app, "POST /s/" HOST "Transfer-Encoding: chunked\r\n\r\n"
                               "5\r\nabcde\r\n0\r\n\r\n");
    cr_expect_eq(r.status, 413);
    weft_test_response_free(&r);
    size_t len = 2 << 20;
    char *raw = malloc(len + 200);
    int head = sprintf(raw, "POST /l/" HOST "Content-Length: %zu\r\n\r\n", len);
    memset(raw + head, 'x', len);
    r = weft_test_request_opts(app, raw, &(weft_test_opts){.len = (size_t)head + len});
    cr_expect_eq(r.status, 200);
    free(raw);
    weft_test_response_free(&r);
    weft_app_free(app);
}

static int frames(weft_http *h, void *arg)
{
    (void)arg;
    weft_set_header(h, "X-Frame-Options", "SAMEORIGIN");
    return weft_text(h, 200, "framed");
}

Test(security, headers_are_there_on_errors_too_and_handlers_may_change_them)
{
    static weft_security_opts opts = {.hsts_seconds = 31536000, .opener_policy = ""};
    weft_app *app = weft_app_new();
    weft_use(app, weft_mw_security, &opts);
    weft_get(app, "/", frames, NULL);
    weft_test_response r;
    ask(app, "", &r);
    cr_expect(has(&r, "X-Content-Type-Options", "nosniff"));
    cr_expect(has(&r, "X-Frame-Options", "SAMEORIGIN"));
    cr_expect(has(&r, "Referrer-Policy", "strict-origin-when-cross-origin"));
    cr_expect(has(&r, "Cross-Origin-Opener-Policy", NULL));
    cr_expect(has(&r, "Strict-Transport-Security", "max-age=31536000; includeSubDomains"));
    weft_test_response_free(&r);
    r = weft_test_request(app, "GET /none" HOST "\r\n");
    cr_expect_eq(r.status, 404);
    cr_expect(has(&r, "X-Frame-Options", "DENY"));
    weft_test_response_free(&r);
    weft_app_free(app);
}

/* ---- recovery ---- */

struct failures {
    int count, status;
    char what[100];
};

static void remember(weft_http *h, int status, const char *what, void *arg)
{
    struct failures *f = arg;
    (void)h;
    f->count++;
    f->status = status;
    snprintf(f->what, sizeof f->what, "%s", what);
}

static int prepares_and_fails(weft_http *h, void *arg)
{
    (void)arg;
    weft_set_header(h, "Content-Type", "image/png");
    weft_set_header(h, "ETag", "\"x\"");
    weft_set_header(h, "Cache-Control", "public");
    weft_set_header(h, "X-Kept", "yes");
    return -EIO;
}

static int begins_and_fails(weft_http *h, void *arg)
{
    (void)arg;
    weft_write(h, "begun", 5);
    weft_flush(h);
    return -EIO;
}

static weft_app *failing(struct failures *f, weft_recover_opts *opts)
{
    static int nothing = 0, teapot = 418, missing = -ENOENT;
    *opts = (weft_recover_opts){.log = remember, .arg = f};
    weft_app *app = weft_app_new();
    weft_use(app, weft_mw_request_id, NULL);
    weft_use(app, weft_mw_recover, opts);
    weft_get(app, "/", prepares_and_fails, NULL);
    weft_get(app, "/begun", begins_and_fails, NULL);
    weft_get(app, "/nothing", result, &nothing);
    weft_get(app, "/teapot", result, &teapot);
    weft_get(app, "/missing", result, &missing);
    return app;
}

Test(recover, an_error_is_one_log_line_and_one_answer)
{
    struct failures f = {0};
    weft_recover_opts opts;
    weft_app *app = failing(&f, &opts);
    weft_test_response r;
    cr_expect_eq(ask(app, "X-Request-Id: r1", &r), 500);
    cr_expect_str_eq(r.body.ptr,
                     "{\"title\":\"Internal Server Error\",\"status\":500,\"request_id\":\"r1\"}");
    cr_expect(has(&r, "Content-Type", "application/problem+json"));
    cr_expect(has(&r, "ETag", NULL), "it was of another content");
    cr_expect(has(&r, "Cache-Control", NULL));
    cr_expect(has(&r, "X-Kept", "yes"));
    weft_test_response_free(&r);
    cr_expect_eq(f.count, 1);
    cr_expect_eq(f.status, 500);
    cr_expect_str_eq(f.what, strerror(EIO));
    r = weft_test_request(app, "GET /nothing" HOST "\r\n");
    cr_expect_eq(r.status, 500);
    cr_expect_eq(f.count, 2);
    weft_test_response_free(&r);
    r = weft_test_request(app, "GET /missing" HOST "\r\n");
    cr_expect_eq(r.status, 404);
    cr_expect_eq(f.status, 404);
    weft_test_response_free(&r);
    weft_app_free(app);
}

Test(recover, what_has_begun_is_cut_and_a_status_is_no_failure)
{
    struct failures f = {0};
    weft_recover_opts opts;
    weft_app *app = failing(&f, &opts);
    weft_test_response r = weft_test_request(app, "GET /begun" HOST "\r\n");
    cr_expect_eq(r.error, -ECONNRESET);
    cr_expect_eq(f.count, 1);
    weft_test_response_free(&r);
    r = weft_test_request(app, "GET /teapot" HOST "\r\nGET /none" HOST "\r\n");
    cr_expect_eq(r.status, 418);
    cr_expect_eq(r.next->status, 404);
    cr_expect_eq(f.count, 1);
    weft_test_response_free(&r);
    weft_app_free(app);
}

/* ---- values and ends ---- */

static char order[100];

static void note(weft_http *h, void *arg)
{
    char one[40];
    snprintf(one, sizeof one, "%s:%d ", (const char *)arg, weft_answer_status(h));
    strcat(order, one);
}

static int notes(weft_http *h, void *arg)
{
    static const char key;
    weft_at_end(h, note, arg);
    cr_expect_null(weft_value(h, &order));
    weft_set_value(h, &key, arg);
    cr_expect_eq(weft_value(h, &key), arg);
    return weft_next(h);
}

Test(at_end, calls_are_made_last_first_when_the_answer_is_complete)
{
    weft_app *app = weft_app_new();
    weft_use(app, notes, (void *)"a");
    weft_use(app, notes, (void *)"b");
    weft_get(app, "/", ok, NULL);
    ask(app, "", NULL);
    cr_expect_str_eq(order, "b:200 a:200 ");
    weft_app_free(app);
}
