/* handler.c: what an ordinary handler costs: a route of the GitHub-sized API with one parameter,
 * three headers set, and text or JSON. usage: handler PORT */
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "github.h"

static int set_three(weft_http *h)
{
    int rc = weft_set_header(h, "Cache-Control", "no-store");
    if (rc == 0)
        rc = weft_set_header(h, "X-Frame-Options", "DENY");
    return rc == 0 ? weft_set_header(h, "X-Content-Type-Options", "nosniff") : rc;
}

static int text(weft_http *h, void *arg)
{
    (void)arg;
    weft_str id = weft_param(h, "user");
    int rc = set_three(h);
    return rc < 0 ? rc : weft_bytes(h, 200, "text/plain; charset=utf-8", id.ptr, id.len);
}

static int json(weft_http *h, void *arg)
{
    (void)arg;
    int rc = set_three(h);
    return rc < 0 ? rc : weft_json(h, 200, "{\"message\":%J}", weft_param(h, "user"));
}

static int other(weft_http *h, void *arg)
{
    return weft_text(h, 200, arg);
}

int main(int argc, char **argv)
{
    char address[32];
    weft_serve_opts opts = {.threads = 1, .listen = {address}, .quiet = 1};
    snprintf(address, sizeof address, "127.0.0.1:%d", argc == 2 ? atoi(argv[1]) : 0);
    weft_app *app = weft_app_new();
    if (!app)
        return 2;
    for (size_t i = 0; i < sizeof github_routes / sizeof *github_routes; i++)
        weft_route(app, github_routes[i].method, github_routes[i].pattern, other,
                   (void *)(uintptr_t)github_routes[i].pattern);
    weft_get(app, "/text/{user}", text, NULL);
    weft_get(app, "/json/{user}", json, NULL);
    int status = weft_app_main_opts(app, &opts);
    weft_app_free(app);
    return status;
}
