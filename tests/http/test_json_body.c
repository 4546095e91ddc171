/* JSON bodies and answers by yyjson. */
#include <math.h>

#include <weft/json.h>

#include "fixture.h"

static int add(weft_http *h, void *arg)
{
    yyjson_doc *doc;
    (void)arg;
    int rc = weft_json_body(h, &doc);
    if (rc < 0)
        return rc;
    yyjson_val *root = yyjson_doc_get_root(doc);
    yyjson_alc alc = weft_json_alc(h);
    yyjson_mut_doc *out = yyjson_mut_doc_new(&alc);
    yyjson_mut_val *answer = yyjson_mut_obj(out);
    yyjson_mut_doc_set_root(out, answer);
    const char *name = yyjson_get_str(yyjson_obj_get(root, "name"));
    yyjson_mut_obj_add_strcpy(out, answer, "name", name ? name : "none");
    yyjson_mut_obj_add_int(out, answer, "count", (int64_t)yyjson_get_len(root));
    return weft_json_doc(h, 201, out);
}

static int infinite(weft_http *h, void *arg)
{
    yyjson_alc alc = weft_json_alc(h);
    yyjson_mut_doc *out = yyjson_mut_doc_new(&alc);
    (void)arg;
    yyjson_mut_doc_set_root(out, yyjson_mut_real(out, HUGE_VAL));
    return weft_json_doc(h, 200, out) < 0 ? 204 : 500;
}

static void start(struct fixture *f)
{
    f->app = weft_app_new();
    weft_post(f->app, "/", add, NULL);
    weft_post(f->app, "/infinite", infinite, NULL);
    fixture_start(f);
}

static void expect(struct fixture *f, const char *path, const char *type, const char *body,
                   const char *answer)
{
    size_t room = strlen(body) + 512;
    char *bytes = malloc(room);
    int n = snprintf(bytes, room,
                     "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                     "Connection: close\r\n\r\n%s",
                     path, type, strlen(body), body);
    char *text = client_exchange(f, bytes, (size_t)n);
    cr_expect(strstr(text, answer), "%s %.100s\n%s", type, body, text);
    free(text);
    free(bytes);
}

Test(json_body, documents_come_and_go_in_the_requests_memory, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    expect(&f, "/", "application/json", "{\"name\":\"a\\u00e4\\n\",\"x\":[1,2]}",
           "{\"name\":\"a\xc3\xa4\\n\",\"count\":2}");
    expect(&f, "/", "application/json; charset=utf-8", "[]", "{\"name\":\"none\",\"count\":0}");
    expect(&f, "/", "application/vnd.api+json", "1", "HTTP/1.1 201 ");
    expect(&f, "/infinite", "x/y", "", "HTTP/1.1 204 ");
    fixture_stop(&f);
}

Test(json_body, what_is_no_json_is_refused, .timeout = 60)
{
    struct fixture f = {0};
    start(&f);
    expect(&f, "/", "application/json", "", "HTTP/1.1 400 ");
    expect(&f, "/", "application/json", "{", "HTTP/1.1 400 ");
    expect(&f, "/", "application/json", "[1,]", "HTTP/1.1 400 ");
    expect(&f, "/", "application/json", "[1] x", "HTTP/1.1 400 ");
    expect(&f, "/", "application/json", "\"\xff\"", "HTTP/1.1 400 ");
    expect(&f, "/", "text/plain", "[]", "HTTP/1.1 415 ");
    expect(&f, "/", "+json", "[]", "HTTP/1.1 415 ");
    fixture_stop(&f);
}

Test(json_body, deep_nesting_is_no_danger_to_the_stack, .timeout = 60)
{
    enum { DEEP = 200000 };
    struct fixture f = {0};
    char *body = malloc(2 * DEEP + 1);
    memset(body, '[', DEEP);
    memset(body + DEEP, ']', DEEP);
    body[2 * DEEP] = '\0';
    start(&f);
    expect(&f, "/", "application/json", body, "HTTP/1.1 201 ");
    free(body);
    fixture_stop(&f);
}
