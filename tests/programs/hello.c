#include <weft/weft.h>

static int hello(weft_http *h, void *arg)
{
    (void)arg;
    return weft_text(h, 200, "Hello, World!");
}

int main(void)
{
    weft_app *app = weft_app_new();
    weft_get(app, "/", hello, NULL);
    return weft_app_main(app, "127.0.0.1:8080");   /* runs until SIGTERM, then drains; an exit status */
}
