#include "handlers.h"

int handler_hello(weft_http *h, void *arg)
{
    (void)arg;
    return weft_textf(h, 200, "Hello, " WEFT_FMT "!\n", WEFT_ARG(weft_param(h, "name")));
}
