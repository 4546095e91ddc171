#include "demo.h"

#include "handlers.h"

static int no_root(weft_http *h, void *arg)
{
    (void)arg;
    return weft_text(h, 404, "nothing is served here; start weft serve with --root DIR\n");
}

weft_app *demo_new(const char *root)
{
    weft_app *app = weft_app_new();
    if (!app)
        return NULL;
    weft_get(app, "/", handler_home, NULL);
    weft_get(app, "/plaintext", handler_plaintext, NULL);
    weft_get(app, "/json", handler_json, NULL);
    weft_get(app, "/hello/{name}", handler_hello, NULL);
    weft_any(app, "/echo", handler_echo, NULL);
    weft_get(app, "/sleep/{ms}", handler_sleep, NULL);
    weft_get(app, "/ws/echo", handler_ws_echo, NULL);
    weft_get(app, "/chat", handler_ws_chat, NULL);
    weft_get(app, "/static/{path...}", root ? weft_static : no_root, (void *)(uintptr_t)root);
    return app;
}
