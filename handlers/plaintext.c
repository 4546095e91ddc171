#include "handlers.h"

int handler_plaintext(weft_http *h, void *arg)
{
    (void)arg;
    return weft_text(h, 200, "Hello, World!");
}
