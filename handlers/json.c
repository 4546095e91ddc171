#include "handlers.h"

int handler_json(weft_http *h, void *arg)
{
    (void)arg;
    return weft_json(h, 200, "{\"message\":%J}", WEFT_STR("Hello, World!"));
}
